"""What is secret is told to nobody: not in the log, not to a monitor, not in any reply that looks inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import rkv
from support.program import connect
from support.resp import Error, Simple, encode

if TYPE_CHECKING:
    from support.program import Program, Starter

SECRET = "hush"
OK = Simple(b"OK")
# Each is answered with an error or OK; none of them may be repeated anywhere.
TOLD = [
    ("CONFIG", "SET", "masterauth", f"{SECRET}-1"),
    ("CONFIG", "SET", "masteruser", "somebody", "masterauth", f"{SECRET}-2"),
    ("CONFIG", "SET", "tls-key-file-pass", f"{SECRET}-3"),
    ("CONFIG", "SET", "requirepass", f"{SECRET}-4", "no-such-option", "1"),
    ("CONFIG", "SET", "requirepass", f"{SECRET}-5"),
    ("ACL", "SETUSER", "u", "on", f">{SECRET}-6"),
    ("ACL", "SETUSER", "u", f">{SECRET}-7", "no-such-rule"),
    ("ACL", "SETUSER", "u", f"<{SECRET}-8"),
    ("ACL", "SETUSER", "u", f"#{SECRET}-9"),
    ("AUTH", f"{SECRET}-10"),
    ("AUTH", "u", f"{SECRET}-11"),
    ("AUTH", "u", f"{SECRET}-12", "too-many"),
    ("HELLO", "3", "AUTH", "u", f"{SECRET}-13", "SETNAME", "me"),
    ("HELLO", "3", "AUTH", "u", f"{SECRET}-6", "SETNAME", "me"),
    ("HELLO", "3", "SETNAME", "me", "AUTH", "u", f"{SECRET}-14", "no-such-option"),
]
ASKED = [
    ("SLOWLOG", "GET", "-1"),
    ("COMMANDLOG", "GET", "-1", "large-request"),
    ("CLIENT", "LIST"),
    ("CLIENT", "INFO"),
    ("ACL", "LOG"),
    ("ACL", "LIST"),
    ("ACL", "GETUSER", "u"),
    ("INFO", "everything"),
    ("LATENCY", "HISTOGRAM"),
]


def test_nobody_is_told_a_secret(start: Starter, io_threads: str) -> None:
    words = ("--io-threads", io_threads, "--loglevel", "debug", "--slowlog-log-slower-than", "0")
    program, port = start.serving(*words, "--commandlog-request-larger-than", "0")
    told: list[object] = []
    with connect(port) as monitor, connect(port) as admin:
        assert monitor.call("MONITOR") == OK
        for call in TOLD:
            with connect(port) as other:
                other.call("AUTH", f"{SECRET}-5")
                told.append(other.call(*call))
                # Inside a transaction, and as words of a script of pipelined requests.
                other.send(encode("MULTI") + encode(*call) + encode("EXEC"))
                told += [other.read() for _ in range(3)]
        assert any(isinstance(reply, Error) for reply in told)
        admin.call("AUTH", f"{SECRET}-5")
        told += [admin.call(*call) for call in ASKED]
        admin.call("SET", "the", "end")
        while b'"the" "end"' not in (line := monitor.read()).text:  # type: ignore[union-attr]
            told.append(line)
    assert len(told) > 4 * len(TOLD) + len(ASKED), "the monitor saw other commands"
    for entry in told:
        assert SECRET not in repr(entry), entry
    assert SECRET not in log_of(program)


def log_of(program: Program) -> str:
    assert program.stop() == 0
    return program.log()


def test_no_repr_tells_a_secret() -> None:
    with rkv.open() as db:
        kv = db.db(0)
        kv.config_set("requirepass", SECRET)
        kv.execute("ACL", "SETUSER", "u", "on", f">{SECRET}")
        for thing in (db, kv, kv.pipeline(), kv.aio):
            assert SECRET not in repr(thing)
        for words in (("AUTH", "u", f"{SECRET}-no"), ("ACL", "SETUSER", "u", f"<{SECRET}-no")):
            with pytest.raises(rkv.ResponseError) as raised:
                kv.execute(*words)
            assert SECRET not in repr(raised.value)
