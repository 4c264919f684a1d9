"""What is done with a log while the server serves: loading it again, rewrites that fail, files that nobody needs."""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING

import pytest

from support import servers
from support.resp import Bulk, Error, Simple

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

    from support.resp import Connection

OK = Simple(b"OK")
DIR = "appendonlydir"
MANIFEST = f"{DIR}/appendonly.aof.manifest"
# Long enough that a test is over before the second key is written.
SLOW = "20000000"


def start(folder: Path, *directives: str, appendonly: str = "yes") -> servers.Server:
    words = ["--dir", str(folder), "--appendonly", appendonly, "--auto-aof-rewrite-percentage", "0", *directives]
    return servers.start_rkv(*words)


def info(connection: Connection, name: str) -> str:
    for line in connection.call("INFO", "everything").data.decode().splitlines():
        if line.startswith(f"{name}:"):
            return line.partition(":")[2]
    raise AssertionError(name)


def wait(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def wait_rewritten(connection: Connection) -> None:
    # In this order: what is not scheduled any more has begun.
    wait(lambda: info(connection, "aof_rewrite_scheduled") == info(connection, "aof_rewrite_in_progress") == "0")


def rewrite(connection: Connection) -> None:
    assert isinstance(connection.call("BGREWRITEAOF"), Simple)
    wait_rewritten(connection)


def manifest(folder: Path) -> list[str]:
    """The lines of the manifest as a script reads them: whole lines."""
    lines = (folder / MANIFEST).read_text().split("\n")
    assert re.fullmatch(r"#(SEALED:\d+ )?CRC32C:[0-9a-f]{8}", lines[-1])
    return [line.removeprefix("file appendonly.aof.") for line in lines[:-1]]


def fill(connection: Connection, rng: random.Random) -> None:
    for number in range(300):
        connection.call("SELECT", number % 3)
        key = f"k{rng.randrange(60)}:{number % 7}"
        connection.call("SET", f"s{key}", rng.randbytes(rng.randrange(40)), *(["PX", "1"] if number % 9 == 0 else []))
        connection.call("RPUSH", f"l{key}", *[rng.randrange(1000) for _ in range(rng.randrange(1, 20))])
        connection.call("SPOP", f"z{rng.randrange(7)}")
        connection.call("SADD", f"z{rng.randrange(7)}", *[rng.randrange(100) for _ in range(5)])
        connection.call("XADD", "stream", "*", "a", number)
        if number % 20 == 0:
            connection.call("MULTI")
            connection.call("INCR", "counted")
            connection.call("EXPIRE", "counted", 1000)
            connection.call("EXEC")
        if number == 150:
            rewrite(connection)
    connection.call("SELECT", 0)


@pytest.mark.parametrize("preamble", ["yes", "no"])
@pytest.mark.parametrize("appendfsync", ["no", "everysec", "always"])
def test_what_is_loaded_again_is_what_was_there(
    appendfsync: str, preamble: str, tmp_path: Path, rng: random.Random
) -> None:
    options = ("--aof-use-rdb-preamble", preamble, "--appendfsync", appendfsync)
    with start(tmp_path, *options) as server, server.connect() as connection:
        fill(connection, rng)
        time.sleep(0.01)
        digest = connection.call("DEBUG", "DIGEST")
        assert connection.call("DEBUG", "LOADAOF") == OK
        assert connection.call("DEBUG", "DIGEST") == digest
        assert info(connection, "rdb_changes_since_last_save") == "0"
        # It goes on where it was: what comes now is in the log, and what is not in the log goes.
        connection.call("SET", "later", "v")
        connection.call("DEBUG", "POPULATE", 10)
        assert connection.call("DEBUG", "LOADAOF") == OK
        assert connection.call("EXISTS", "later", "key:1").value == 1
        connection.call("DEL", "later")
        digest = connection.call("DEBUG", "DIGEST")
        assert server.terminate() == 0
    with start(tmp_path) as server, server.connect() as connection:
        assert connection.call("DEBUG", "DIGEST") == digest


def test_loading_again_while_others_write(tmp_path: Path) -> None:
    with start(tmp_path) as server, server.connect() as connection:
        stop = threading.Event()
        counts = []

        def count(number: int) -> None:
            with server.connect() as mine:
                sent = 0
                while not stop.is_set():
                    mine.call("INCR", f"n{number}")
                    mine.call("SADD", "all", f"{number}:{sent}")
                    sent += 1
                counts.append((number, sent))

        threads = [threading.Thread(target=count, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for round_number in range(10):
            time.sleep(0.03)
            assert connection.call("DEBUG", "LOADAOF") == OK
            if round_number == 5:
                rewrite(connection)
        stop.set()
        for thread in threads:
            thread.join()
        for number, sent in counts:
            assert connection.call("GET", f"n{number}") == Bulk(str(sent).encode())
        assert connection.call("SCARD", "all").value == sum(sent for _, sent in counts)


def test_when_there_is_nothing_to_load_all_stays(tmp_path: Path) -> None:
    with start(tmp_path, appendonly="no") as server, server.connect() as connection:
        connection.call("SET", "k", "v")
        assert isinstance(connection.call("DEBUG", "LOADAOF"), Error)
        assert connection.call("GET", "k") == Bulk(b"v")
        connection.call("CONFIG", "SET", "appendonly", "yes")
        wait_rewritten(connection)
        connection.call("MULTI")
        connection.call("SET", "k", "w")
        connection.call("DEBUG", "LOADAOF")
        assert isinstance(connection.call("EXEC").items[1], Error)
        assert connection.call("DEBUG", "LOADAOF") == OK
        assert connection.call("GET", "k") == Bulk(b"w")
        # Without its manifest there is no log.
        (tmp_path / MANIFEST).rename(tmp_path / "away")
        assert isinstance(connection.call("DEBUG", "LOADAOF"), Error)
        assert connection.call("GET", "k") == Bulk(b"w")


@pytest.mark.parametrize(
    "words", [b"*2\r\n$5\r\nDEBUG\r\n$7\r\nLOADAOF\r\n", b"*1\r\n$4\r\nSAVE\r\n", b"*1\r\n$3\r\nNOP\r\n"]
)
def test_a_log_that_is_damaged_stops_the_server(words: bytes, tmp_path: Path) -> None:
    with start(tmp_path, appendonly="no") as server, server.connect() as connection:
        (tmp_path / DIR).mkdir()
        (tmp_path / DIR / "appendonly.aof.1.incr.aof").write_bytes(words)
        (tmp_path / MANIFEST).write_text("file appendonly.aof.1.incr.aof seq 1 type i\n")
        connection.call("SET", "k", "v")
        connection.send(b"DEBUG LOADAOF\r\n")
        connection.read_to_end()
        assert server.process.wait(20) == 65


def test_each_rewrite_that_fails_leaves_one_more_file(tmp_path: Path) -> None:
    with start(tmp_path) as server, server.connect() as connection:
        connection.call("DEBUG", "POPULATE", 5)
        connection.call("SET", "k", "v")
        rewrite(connection)
        assert isinstance(connection.call("DEBUG", "KILL-CHILD"), Error)
        connection.call("CONFIG", "SET", "rdb-key-save-delay", SLOW)
        for number in range(3):
            connection.call("BGREWRITEAOF")
            assert connection.call("DEBUG", "KILL-CHILD") == OK
            wait_rewritten(connection)
            assert info(connection, "aof_last_bgrewrite_status") == "err"
            assert info(connection, "aof_rewrites_consecutive_failures") == str(number + 1)
        expected = ["2.base.rdb seq 2 type b", *(f"{seq}.incr.aof seq {seq} type i" for seq in (2, 3, 4, 5))]
        assert manifest(tmp_path) == expected
        # It has grown, and is not rewritten for a minute: each try would leave one more.
        connection.call("CONFIG", "SET", "auto-aof-rewrite-min-size", "1kb", "auto-aof-rewrite-percentage", "1")
        connection.call("SET", "x", "x" * 3000)
        wait(lambda: "has repeatedly failed 3 times and triggered the limit, will retry in 1 minutes" in server.log())
        time.sleep(1.5)
        assert server.log().count("triggered the limit") == 1
        assert manifest(tmp_path) == expected
        connection.call("CONFIG", "SET", "rdb-key-save-delay", "0", "auto-aof-rewrite-percentage", "0")
        rewrite(connection)
        assert manifest(tmp_path) == ["3.base.rdb seq 3 type b", "6.incr.aof seq 6 type i"]
        digest = connection.call("DEBUG", "DIGEST")
        connection.call("DEBUG", "LOADAOF")
        assert connection.call("DEBUG", "DIGEST") == digest


def test_a_first_rewrite_that_fails_leaves_nothing_and_comes_again(tmp_path: Path) -> None:
    with start(tmp_path, appendonly="no") as server, server.connect() as connection:
        connection.call("SET", "k", "v")
        connection.call("CONFIG", "SET", "rdb-key-save-delay", SLOW)
        connection.call("CONFIG", "SET", "appendonly", "yes")
        assert info(connection, "aof_enabled") == "1"
        assert info(connection, "aof_rewrite_in_progress") == "1"
        wait(lambda: connection.call("DEBUG", "KILL-CHILD") == OK)
        wait(lambda: "Removing the temp incr aof file" in server.log())
        assert not (tmp_path / MANIFEST).exists()
        connection.call("CONFIG", "SET", "rdb-key-save-delay", "0")
        wait((tmp_path / MANIFEST).exists)
        wait_rewritten(connection)
        assert manifest(tmp_path) == ["1.base.rdb seq 1 type b", "1.incr.aof seq 1 type i"]


def test_a_log_waits_for_a_snapshot_that_is_under_way(tmp_path: Path) -> None:
    with start(tmp_path, appendonly="no") as server, server.connect() as connection:
        connection.call("SET", "k", "v")
        connection.call("CONFIG", "SET", "rdb-key-save-delay", SLOW)
        connection.call("BGSAVE")
        forks = int(info(connection, "total_forks"))
        connection.call("CONFIG", "SET", "appendonly", "yes")
        assert info(connection, "aof_rewrite_scheduled") == "1"
        assert info(connection, "aof_rewrite_in_progress") == "0"
        connection.call("CONFIG", "SET", "rdb-key-save-delay", "0")
        assert connection.call("DEBUG", "KILL-CHILD") == OK
        wait_rewritten(connection)
        assert info(connection, "rdb_last_bgsave_status") == "err"
        assert int(info(connection, "total_forks")) == forks + 1
        assert manifest(tmp_path) == ["1.base.rdb seq 1 type b", "1.incr.aof seq 1 type i"]


def test_a_rewrite_ends_with_its_log(tmp_path: Path) -> None:
    with start(tmp_path, "--aof-use-rdb-preamble", "no") as server, server.connect() as connection:
        connection.call("SET", "k", "v")
        connection.call("CONFIG", "SET", "rdb-key-save-delay", SLOW)
        connection.call("BGREWRITEAOF")
        connection.call("CONFIG", "SET", "appendonly", "no")
        wait(lambda: "Killing running AOF rewrite child" in server.log())
        wait_rewritten(connection)
        wait(lambda: info(connection, "aof_enabled") == "0")
        # That was asked for.
        assert info(connection, "aof_last_bgrewrite_status") == "ok"
        assert manifest(tmp_path)[-1] == "2.incr.aof seq 2 type i"


def test_without_a_log_a_rewrite_makes_a_base(tmp_path: Path) -> None:
    with start(tmp_path) as server, server.connect() as connection:
        connection.call("SET", "k", "v")
        connection.call("CONFIG", "SET", "appendonly", "no")
        wait(lambda: info(connection, "aof_enabled") == "0")
        connection.call("SET", "k", "w")
        rewrite(connection)
        assert manifest(tmp_path) == ["2.base.rdb seq 2 type b"]
        assert connection.call("DEBUG", "LOADAOF") == OK
        assert connection.call("GET", "k") == Bulk(b"w")
        connection.call("CONFIG", "SET", "appendonly", "yes")
        wait_rewritten(connection)
        assert manifest(tmp_path) == ["3.base.rdb seq 3 type b", "1.incr.aof seq 1 type i"]
        connection.call("SET", "k", "x")
        assert server.terminate() == 0
    with start(tmp_path) as server, server.connect() as connection:
        assert connection.call("GET", "k") == Bulk(b"x")


def test_files_that_nobody_needs_stay_if_they_shall(tmp_path: Path) -> None:
    with start(tmp_path, "--aof-disable-auto-gc", "yes") as server, server.connect() as connection:
        rewrite(connection)
        rewrite(connection)
        history = ["2.incr.aof seq 2", "2.base.rdb seq 2", "1.incr.aof seq 1", "1.base.rdb seq 1"]
        now = ["3.base.rdb seq 3 type b", "3.incr.aof seq 3 type i"]
        assert manifest(tmp_path) == [now[0], *(f"{name} type h" for name in history), now[1]]
        assert all((tmp_path / DIR / f"appendonly.aof.{name.split()[0]}").exists() for name in history)
        assert server.terminate() == 0
    with start(tmp_path, "--aof-disable-auto-gc", "yes") as server, server.connect() as connection:
        assert len(manifest(tmp_path)) == 6
        assert connection.call("CONFIG", "SET", "aof-disable-auto-gc", "no") == OK
        assert manifest(tmp_path) == now
        assert not any((tmp_path / DIR / f"appendonly.aof.{name.split()[0]}").exists() for name in history)


def test_writes_wait_for_a_slow_disk_with_always(tmp_path: Path) -> None:
    with start(tmp_path, "--appendfsync", "always") as server, server.connect() as connection:
        assert connection.call("DEBUG", "AOF-FLUSH-SLEEP", 300_000) == OK
        begin = time.monotonic()
        connection.call("SET", "k", "v")
        assert time.monotonic() - begin >= 0.3
        assert connection.call("DEBUG", "AOF-FLUSH-SLEEP", 0) == OK


def test_what_is_flushed_is_not_saved(tmp_path: Path) -> None:
    with start(tmp_path, appendonly="no") as server, server.connect() as connection:
        connection.call("SET", "k", "v")
        connection.call("CONFIG", "SET", "rdb-key-save-delay", SLOW)
        connection.call("BGSAVE")
        assert info(connection, "rdb_bgsave_in_progress") == "1"
        connection.call("FLUSHALL")
        wait(lambda: info(connection, "rdb_bgsave_in_progress") == "0")
        assert not (tmp_path / "dump.rdb").exists()
        assert connection.call("SET", "k", "v") == OK


def test_times_go_before_a_base_of_commands(tmp_path: Path) -> None:
    options = ("--aof-use-rdb-preamble", "no", "--aof-timestamp-enabled", "yes")
    with start(tmp_path, *options) as server, server.connect() as connection:
        connection.call("SET", "k", "v")
        rewrite(connection)
        assert (tmp_path / DIR / "appendonly.aof.2.base.aof").read_bytes().startswith(b"#TS:")


def test_the_log_of_the_server_says_why_it_does_not_start(tmp_path: Path) -> None:
    (tmp_path / DIR).mkdir()
    (tmp_path / MANIFEST).write_text("file appendonly.aof.1.incr.aof seq 1 type i\n")
    file = tmp_path / DIR / "appendonly.aof.1.incr.aof"
    whole = b"*2\r\n$4\r\nINCR\r\n$1\r\na\r\n"
    for data, expected in (
        (whole + b"!!!" + whole, "Bad file format reading the append only file"),
        (whole + whole[:-2], "Unexpected end of file reading the append only file"),
        (whole + b"*1\r\n$5\r\nMULTI\r\n" + whole, "Unexpected end of file reading the append only file"),
        (whole + b"*1\r\n$3\r\nbla\r\n" + whole, "Unknown command 'bla' reading the append only file"),
    ):
        file.write_bytes(data)
        log = tmp_path / "log"
        with pytest.raises(servers.StartError):
            start(tmp_path, "--aof-load-truncated", "no", "--logfile", str(log), "--pidfile", str(tmp_path / "pid"))
        # Whoever looks sees the end of the log first.
        assert expected in log.read_text().splitlines()[-1]
        log.unlink()


def test_values_that_are_refused_are_named_in_the_log(tmp_path: Path) -> None:
    with start(tmp_path, appendonly="no") as server, server.connect() as connection:
        connection.call("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", 1)
        footer = b"\x0a\x00" + bytes(8)
        for payload, expected in (
            (b"\x0c\x0b" + b"\xff" * 11, "Zset ziplist integrity check failed"),
            (b"\x0d\x0b" + b"\xff" * 11, "Hash ziplist integrity check failed"),
            (b"\x09\x01\x00", "Zipmap integrity check failed"),
            (b"\x0b\x02\x00\x00", "Intset integrity check failed"),
            (b"\x0a\x0b" + b"\xff" * 11, "Ziplist integrity check failed"),
            (b"\x11\x07" + b"\xff" * 7, "Zset listpack integrity check failed"),
            (b"\x02\x02\x01a\x01a", "Set with dup elements"),
            # An element of no bytes lies in a listpack, never alone.
            (b"\x12\x01\x01\x00", "Listpack integrity check failed"),
        ):
            reply = connection.call("RESTORE", "k", 0, payload + footer)
            assert reply == Error(b"ERR Bad data format"), expected
            assert expected in server.log()
