"""INFO: every figure is true, and the fields are those that tools know."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from support.resp import Bulk, Error, Simple, Verbatim

if TYPE_CHECKING:
    from support.resp import Connection
    from support.servers import Server
    from support.side_by_side import Pair

DEFAULT = [
    "Server", "Clients", "Memory", "Persistence", "Stats", "Replication", "CPU", "Modules", "Errorstats", "Cluster",
    "Keyspace",
]  # fmt: skip


def text(connection: Connection, *sections: str) -> str:
    reply = connection.call("INFO", *sections)
    assert isinstance(reply, Bulk | Verbatim), reply
    data = reply.data
    return data.decode()


def headings(report: str) -> list[str]:
    return [line[2:] for line in report.split("\r\n") if line.startswith("# ")]


def fields(connection: Connection, *sections: str) -> dict[str, str]:
    lines = text(connection, *sections).split("\r\n")
    return dict(line.split(":", 1) for line in lines if ":" in line)


@pytest.mark.parametrize(
    "sections",
    [
        "",
        "default",
        "all",
        "everything",
        "keyspace",
        "KEYSPACE",
        "keyspace server",
        "nosuch",
        "x keyspace",
        "modules",
        "commandstats latencystats",
        "all default",
    ],
)
def test_sections(with_redis: Pair, sections: str) -> None:
    mine, theirs = (headings(text(server, *sections.split())) for server in (with_redis.rkv, with_redis.peer))
    # Redis 7.0 does not know that section.
    assert [heading for heading in mine if heading != "Keysizes"] == theirs


KEYSIZES = """
db0_distrib_strings_sizes:0=1,1=2,2=2,4=3,8=1,512=1,1K=1,1M=1
db0_distrib_lists_items:2=1
db0_distrib_sets_items:4=1,512=1
db0_distrib_zsets_items:8=1
db0_distrib_hashes_items:16=1
db3_distrib_lists_items:1=1
"""


def test_how_large_keys_are(rkv_server: Server) -> None:
    # As Redis 8.2 tells it of the same keys.
    with rkv_server.connect() as connection:
        connection.call("FLUSHALL")
        for size in (0, 1, 2, 3, 4, 7, 8, 1023, 1024, 1 << 20):
            connection.call("SET", f"string:{size}", "x" * size)
        for command in (
            "SET integer 123456", "SET one 1", "RPUSH list a b c", "XADD stream * f v",
            "SADD integers 1 2 3 4 5", "SADD words " + " ".join(f"word{number}" for number in range(600)),
            "ZADD zset " + " ".join(f"{number} m{number}" for number in range(9)),
            "HSET hash " + " ".join(f"f{number} v" for number in range(17)),
            "SELECT 3", "RPUSH list a",
        ):  # fmt: skip
            connection.call(*command.split())
        assert text(connection, "keysizes").replace("\r\n", "\n").split("\n", 1)[1] == KEYSIZES.lstrip()
        assert "Keysizes" in headings(text(connection, "all"))
        assert "Keysizes" not in headings(text(connection))
        connection.call("MULTI")
        connection.call("DEL", "list")
        connection.call("INFO", "keysizes")
        assert b"db3_distrib" not in connection.call("EXEC").items[1].data


def test_many_keys_are_counted_in_the_background(rkv_server: Server) -> None:
    with rkv_server.connect() as connection:
        connection.call("FLUSHALL")
        for first in range(0, 12_000, 1000):
            words = [word for number in range(first, first + 1000) for word in (f"key:{number}", "x" * (number % 9))]
            connection.call("MSET", *words)
        deadline = time.monotonic() + 20
        while (now := fields(connection, "keysizes"))["keysizes_age_seconds"] == "-1" and time.monotonic() < deadline:
            time.sleep(0.05)
        # 12,000 strings of 0 to 8 bytes: 1334 of the first three lengths, 1333 of the others.
        assert now["db0_distrib_strings_sizes"] == "0=1334,1=1334,2=2667,4=5332,8=1333"
        assert 0 <= int(now["keysizes_age_seconds"]) < 20
        connection.call("FLUSHALL")
        assert fields(connection, "keysizes") == {}


def test_transfers(rkv_server: Server) -> None:
    with rkv_server.connect() as connection:
        with rkv_server.connect() as other:
            connection.call("CONFIG", "RESETSTAT")
            for _ in range(10):
                other.call("PING")
        now = fields(connection, "stats")
        # Those of the client that is gone, too; RESETSTAT was received before.
        assert 11 <= int(now["total_reads_processed"]) <= 20, now["total_reads_processed"]
        # The last reply may be had before it is counted as sent.
        assert 10 <= int(now["total_writes_processed"]) <= 20, now["total_writes_processed"]


def test_form(with_redis: Pair) -> None:
    for server in (with_redis.rkv, with_redis.peer):
        report = text(server)
        assert report.endswith("\r\n")
        assert "\r\n\r\n\r\n" not in report
        assert headings(report) == DEFAULT
    assert type(with_redis.rkv.call("INFO")) is type(with_redis.peer.call("INFO"))


def test_fields_keep_the_order_of_redis(with_redis: Pair) -> None:
    mine, theirs = (list(fields(server)) for server in (with_redis.rkv, with_redis.peer))
    shared = [name for name in mine if name in theirs]
    assert len(shared) > 90
    assert shared == [name for name in theirs if name in mine]


def test_who_it_is(rkv_server: Server) -> None:
    with rkv_server.connect() as connection:
        server = fields(connection, "server")
        assert server["redis_version"] == "7.2.4"
        assert server["server_name"] == "rkv"
        assert server["redis_mode"] == "standalone"
        assert server["process_id"] == str(rkv_server.pid)
        assert server["tcp_port"] == str(rkv_server.port)
        assert len(server["run_id"]) == 40
        assert int(server["uptime_in_seconds"]) < 3600
        assert abs(int(server["server_time_usec"]) / 1e6 - time.time()) < 60
        assert server["os"].startswith(os.uname().sysname)
        replication = fields(connection, "replication")
        assert replication["role"] == "master"
        assert replication["connected_slaves"] == "0"


def test_counts(rkv_server: Server) -> None:
    with rkv_server.connect() as connection:
        connection.call("FLUSHALL")
        connection.call("CONFIG", "RESETSTAT")
        for number in range(10):
            connection.call("SET", f"key:{number}", "value")
            connection.call("GET", f"key:{number}")
        connection.call("GET", "nosuch")
        connection.call("NOSUCH")
        connection.call("SET", "short", "value", "PX", "1")
        connection.call("SET", "long", "value", "PX", "100000")
        connection.call("HSET", "hash", "stays", "value")
        connection.call("HSETEX", "hash", "PX", "1", "FIELDS", "2", "one", "value", "two", "value")
        connection.call("SELECT", "3")
        connection.call("SET", "other", "value")
        deadline = time.monotonic() + 10
        expected = {"expired_keys": "1", "expired_fields": "2"}
        while not expected.items() <= fields(connection, "stats").items() and time.monotonic() < deadline:
            time.sleep(0.01)
        everything = fields(connection, "everything")
        assert expected.items() <= everything.items()
        assert everything["keyspace_hits"] == "10"
        assert everything["keyspace_misses"] == "1"
        assert everything["errorstat_ERR"] == "count=1"
        assert everything["total_error_replies"] == "1"
        assert int(everything["total_commands_processed"]) >= 25
        assert int(everything["total_net_input_bytes"]) > 500
        assert int(everything["total_net_output_bytes"]) > 500
        assert everything["db0"].startswith("keys=12,expires=1,avg_ttl=")
        assert 0 < int(everything["db0"].rpartition("=")[2]) <= 100_000
        assert everything["db3"] == "keys=1,expires=0,avg_ttl=0"
        assert "db1" not in everything


def test_clients(rkv_server: Server) -> None:
    with rkv_server.connect() as one:
        before = int(fields(one, "clients")["connected_clients"])
        received = int(fields(one, "stats")["total_connections_received"])
        with rkv_server.connect() as other:
            other.call("WATCH", "a", "b")
            deadline = time.monotonic() + 10
            while fields(one, "clients")["watching_clients"] != "1" and time.monotonic() < deadline:
                time.sleep(0.01)
            clients = fields(one, "clients")
            assert int(clients["connected_clients"]) == before + 1
            assert clients["watching_clients"] == "1"
            assert clients["total_watched_keys"] == "2"
            assert int(fields(one, "stats")["total_connections_received"]) == received + 1


def test_memory_follows_the_data(rkv_server: Server) -> None:
    with rkv_server.connect() as connection:
        connection.call("FLUSHALL")
        before = fields(connection, "memory")
        for number in range(100):
            connection.call("SET", f"key:{number}", "x" * 10_000)
        after = fields(connection, "memory")
        grown = int(after["used_memory"]) - int(before["used_memory"])
        assert 1_000_000 <= grown <= 1_100_000
        assert int(after["used_memory_peak"]) >= int(after["used_memory"])
        assert int(after["used_memory_rss"]) > int(after["used_memory"])
        assert int(after["used_memory_dataset"]) + int(after["used_memory_overhead"]) == int(after["used_memory"])
        connection.call("FLUSHALL")
        deadline = time.monotonic() + 10
        while int(fields(connection, "memory")["used_memory"]) > 500_000 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert int(fields(connection, "memory")["used_memory"]) < 500_000


def test_operations_per_second(rkv_server: Server) -> None:
    with rkv_server.connect() as connection:
        begin = time.monotonic()
        calls = 0
        while time.monotonic() - begin < 2.5:
            connection.call("SET", "key", "value")
            calls += 1
        rate = calls / (time.monotonic() - begin)
        # Somebody else may use the machine meanwhile; what matters is that it is a rate, and of these calls.
        assert rate / 3 < int(fields(connection, "stats")["instantaneous_ops_per_sec"]) < rate * 3


def test_in_a_transaction(rkv_server: Server) -> None:
    with rkv_server.connect() as connection:
        connection.call("FLUSHALL")
        for call in ("MULTI", "SET a 1", "INFO keyspace", "SET b 1", "INFO keyspace"):
            assert isinstance(connection.call(*call.split()), Simple)
        replies = connection.call("EXEC").items
        assert replies[1].data.endswith(b"db0:keys=1,expires=0,avg_ttl=0\r\n")
        assert replies[3].data.endswith(b"db0:keys=2,expires=0,avg_ttl=0\r\n")


def test_codes_of_errors(rkv_server: Server) -> None:
    with rkv_server.connect() as connection:
        connection.call("CONFIG", "RESETSTAT")
        assert connection.call("SELECT", "99") == Error(b"ERR DB index is out of range")
        connection.call("EXEC")
        connection.call("MULTI")
        connection.call("NOSUCH")
        assert connection.call("EXEC").code == "EXECABORT"
        counts = fields(connection, "errorstats")
        assert counts == {"errorstat_ERR": "count=3", "errorstat_EXECABORT": "count=1"}


def test_resetstat_counts_freed_objects_anew(rkv_server: Server) -> None:
    def figure(name: str) -> int:
        return int(fields(connection, "memory")[name])

    def settle() -> None:
        deadline = time.monotonic() + 10
        while figure("lazyfree_pending_objects") and time.monotonic() < deadline:
            time.sleep(0.01)

    with rkv_server.connect() as connection:
        connection.call("FLUSHALL", "SYNC")
        settle()
        connection.call("CONFIG", "RESETSTAT")
        assert figure("lazyfreed_objects") == 0
        connection.call("SADD", "s", *(f"member {number}" for number in range(5_000)))
        connection.call("UNLINK", "s")
        settle()
        assert figure("lazyfreed_objects") == 1
        connection.call("CONFIG", "RESETSTAT")
        assert figure("lazyfreed_objects") == 0
