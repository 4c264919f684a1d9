"""CLIENT TRACKING beside Valkey 9.1: who cached a key hears of its change when a real server would say so."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from support import talk
from support.resp import Array, Bulk, Integer, Null, Push, Simple, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.resp import Connection
    from support.servers import Server

DEFAULT = """
B: FLUSHALL
A: CLIENT TRACKING on | CLIENT TRACKINGINFO | CLIENT GETREDIR
A: SET a 1 | GET a
B: SET a 2
B: SET a 3
A: GET a | MGET a b c | GET b
B: SET b 1 | SET c 1 | SET d 1
A: GET a
A: SET a 4
A: EXISTS e | TYPE f | TTL g
B: SET e 1 | SET f 1 | SET g 1
A: HGETALL h | SMEMBERS s | ZRANGE z 0 -1 | LRANGE l 0 -1
B: HSET h f v | SADD s m | ZADD z 1 m | RPUSH l x
A: GET e | GET f
B: MSET e 1 f 2 | DEL e f nosuch
A: GET a | GET e
B: RENAME a e
A: GET e
B: EXPIRE e 100 | PERSIST e | EXPIRE nosuch 10
A: GET e
B: FLUSHALL
A: GET e
B: FLUSHDB
B: SELECT 5 | SET e 1
A: GET e
B: SET e 2
A: CLIENT TRACKING off | CLIENT TRACKINGINFO | CLIENT GETREDIR
A: GET e
B: SET e 3 | SELECT 0
"""
OPTIONS = """
B: FLUSHALL
A: CLIENT TRACKING | CLIENT TRACKING maybe | CLIENT TRACKING on NOSUCH | CLIENT TRACKING on REDIRECT
A: CLIENT TRACKING on REDIRECT x | CLIENT TRACKING on REDIRECT 99999999 | CLIENT TRACKING on PREFIX a
A: CLIENT TRACKING on REDIRECT {B} REDIRECT {B} | CLIENT TRACKING on REDIRECT -1 | CLIENT TRACKING on REDIRECT 0
A: CLIENT TRACKING on BCAST OPTIN | CLIENT TRACKING on OPTIN OPTOUT | CLIENT TRACKING on BCAST PREFIX
A: CLIENT CACHING yes | CLIENT CACHING | CLIENT CACHING maybe | CLIENT TRACKINGINFO x
A: CLIENT TRACKING on OPTIN | CLIENT TRACKING on OPTOUT | CLIENT TRACKING on BCAST
A: CLIENT CACHING no | CLIENT CACHING maybe | CLIENT CACHING yes | CLIENT TRACKINGINFO | CLIENT TRACKINGINFO
A: CLIENT TRACKING off | CLIENT TRACKING on OPTOUT | CLIENT CACHING yes | CLIENT CACHING no | CLIENT TRACKINGINFO
A: CLIENT TRACKING off | CLIENT TRACKING off
A: CLIENT TRACKING on BCAST PREFIX foo PREFIX bar | CLIENT TRACKING on BCAST PREFIX fo
A: CLIENT TRACKING on BCAST PREFIX x PREFIX xy | CLIENT TRACKING on BCAST PREFIX baz NOLOOP | CLIENT TRACKINGINFO
A: CLIENT TRACKING on | CLIENT TRACKING on BCAST OPTOUT
A: CLIENT TRACKING off | CLIENT TRACKINGINFO
A: CLIENT TRACKING on BCAST | CLIENT TRACKINGINFO | CLIENT TRACKING off
A: CLIENT TRACKING on REDIRECT {B} NOLOOP | CLIENT TRACKINGINFO | CLIENT GETREDIR | RESET
A: CLIENT TRACKINGINFO
"""
CHOICE = """
B: FLUSHALL | MSET a 1 b 1 c 1
A: CLIENT TRACKING on OPTIN
A: GET a | CLIENT CACHING yes | GET b | GET c
B: MSET a 2 b 2 c 2
A: CLIENT CACHING yes | MULTI | GET a | GET b | EXEC | GET c
B: MSET a 3 b 3 c 3
A: CLIENT TRACKING off | CLIENT TRACKING on OPTOUT
A: GET a | CLIENT CACHING no | GET b | GET c
B: MSET a 4 b 4 c 4
A: CLIENT TRACKING off | CLIENT TRACKING on NOLOOP
A: GET a | GET b | SET a 5
B: SET a 6 | SET b 6
A: MULTI | GET a | GET b | EXEC
B: MULTI | SET a 7 | SET b 7 | EXEC
A: MULTI | GET a | SET a 8 | GET a | EXEC
B: SET a 9
"""
BROADCAST = """
B: FLUSHALL
A: CLIENT TRACKING on BCAST PREFIX key PREFIX two
C: CLIENT TRACKING on BCAST NOLOOP
B: SET key1 1
B: SET other 1 | GET key1
B: MULTI | SET key1 1 | SET key2 2 | SET other 3 | SET two 4 | INCR two | EXEC
A: SET key3 1
C: SET key4 1
B: MSET key5 1 two 2
B: DEL key5 nosuch
C: CLIENT TRACKING off
B: SET key6 1
B: FLUSHDB
close A
B: SET key7 1
"""
REDIRECT = """
B: FLUSHALL
A: CLIENT TRACKING on REDIRECT {B} | GET a
C: SET a 1
A: GET a
B: SUBSCRIBE __redis__:invalidate
C: SET a 2
A: GET a
A: CLIENT TRACKING off | CLIENT TRACKING on REDIRECT {B} BCAST
C: SET a 3
C: MSET a 4 b 5
B: UNSUBSCRIBE
C: SET a 5
B: SUBSCRIBE other
C: SET a 6
A: CLIENT TRACKINGINFO
close B
C: SET a 7
A: CLIENT TRACKINGINFO
"""


@pytest.mark.parametrize("protocol", [2, 3], ids=["resp2", "resp3"])
@pytest.mark.parametrize(
    "text", [DEFAULT, OPTIONS, CHOICE, BROADCAST, REDIRECT], ids=["default", "options", "choice", "bcast", "redirect"]
)
def test_who_caches_hears_what_valkey_says(rkv_server: Server, valkey_server: Server, protocol: int, text: str) -> None:
    talk.same(rkv_server, valkey_server, {"A": protocol, "B": 2, "C": protocol}, text)


@pytest.fixture
def most_keys(rkv_server: Server) -> Iterator[None]:
    """Puts the limit of remembered keys back."""
    with rkv_server.connect() as connection:
        yield
        connection.call("CONFIG", "SET", "tracking-table-max-keys", 1_000_000)


def invalidated(push: Push) -> bytes | None:
    """The key of an invalidation; None: all keys."""
    assert push.items[0] == Bulk(b"invalidate")
    keys = push.items[1]
    if isinstance(keys, Null):
        return None
    assert isinstance(keys, Array)
    (key,) = keys.items
    assert isinstance(key, Bulk)
    return key.data


@pytest.mark.usefixtures("most_keys")
def test_remembered_keys_are_bounded(rkv_server: Server) -> None:
    with rkv_server.connect(3) as caching, rkv_server.connect() as other:
        other.call("FLUSHALL")
        caching.call("CLIENT", "TRACKING", "on")
        for number in range(1000):
            caching.call("GET", f"key{number}")
        assert numbers(other) == {
            "tracking_total_keys": 1000,
            "tracking_total_items": 1000,
            "tracking_total_prefixes": 0,
        }
        other.call("CONFIG", "SET", "tracking-table-max-keys", 100)
        other.call("PING")
        forgotten = {invalidated(caching.read_push()) for _ in range(900)}
        assert len(forgotten) == 900
        assert numbers(other)["tracking_total_keys"] == 100
        for number in range(1000):
            other.call("SET", f"key{number}", 1)
        forgotten |= {invalidated(caching.read_push()) for _ in range(100)}
        assert len(forgotten) == 1000
        assert numbers(other)["tracking_total_keys"] == 0


def text(connection: Connection, section: str) -> str:
    """A section of INFO."""
    info = connection.call("INFO", section)
    assert isinstance(info, Bulk)
    return info.data.decode()


def numbers(connection: Connection) -> dict[str, int]:
    """What INFO says of tracking."""
    pairs = dict(line.split(":", 1) for line in text(connection, "stats").splitlines() if ":" in line)
    return {name: int(value) for name, value in pairs.items() if name.startswith("tracking_")}


def test_expired_keys_are_invalidated(rkv_server: Server) -> None:
    with rkv_server.connect(3) as caching, rkv_server.connect(3) as hearing, rkv_server.connect() as other:
        other.call("FLUSHALL")
        caching.call("CLIENT", "TRACKING", "on")
        hearing.call("CLIENT", "TRACKING", "on", "BCAST", "PREFIX", "short")
        other.call("SET", "short", 1, "PX", 1000)
        other.call("HSET", "shortest", "field", 1)
        assert [invalidated(hearing.read_push()) for _ in range(2)] == [b"short", b"shortest"]
        assert caching.call("GET", "short") == Bulk(b"1")
        assert invalidated(caching.read_push()) == b"short"
        assert invalidated(hearing.read_push()) == b"short"
        assert caching.call("GET", "short") == Null()


def test_an_invalidation_never_overtakes_the_reply_that_made_it(rkv_server: Server) -> None:
    with rkv_server.connect(3) as caching, rkv_server.connect() as other:
        other.call("FLUSHALL")
        caching.call("CLIENT", "TRACKING", "on")
        count = 2000
        caching.send(b"".join(encode("GET", "hot") for _ in range(count)))
        other.send(b"".join(encode("INCR", "hot") for _ in range(count)))
        # Whatever value was read last without an invalidation behind it is the one that is stored.
        cached: bytes | None = b"nothing yet"
        replies = 0
        end = time.monotonic() + 20
        while replies < count or cached is not None:
            assert time.monotonic() < end
            reply = talk.Talk.next(caching)
            if isinstance(reply, Push):
                cached = None
            else:
                replies += 1
                cached = reply.data if isinstance(reply, Bulk) else b""
            if replies == count and cached == str(count).encode():
                break
        for _ in range(count):
            other.read()
        assert caching.call("GET", "hot") == Bulk(str(count).encode())


def test_who_goes_is_forgotten(rkv_server: Server) -> None:
    with rkv_server.connect() as other:
        for options in ([], ["BCAST"], ["BCAST", "PREFIX", "a"], ["OPTIN"]):
            with rkv_server.connect(3) as gone:
                assert gone.call("CLIENT", "TRACKING", "on", *options) == Simple(b"OK")
                gone.call("GET", "a")
        end = time.monotonic() + 10
        nothing = {"tracking_total_keys": 0, "tracking_total_items": 0, "tracking_total_prefixes": 0}
        while numbers(other) != nothing or "tracking_clients:0" not in text(other, "clients").splitlines():
            assert time.monotonic() < end
        assert other.call("SET", "a", 1) == Simple(b"OK")


def test_lines_show_who_caches(rkv_server: Server) -> None:
    with rkv_server.connect(3) as caching, rkv_server.connect() as other:
        target = other.call("CLIENT", "ID")
        assert isinstance(target, Integer)
        caching.call("CLIENT", "TRACKING", "on", "BCAST", "REDIRECT", target.value)
        own = caching.call("CLIENT", "ID")
        assert isinstance(own, Integer)
        line = other.call("CLIENT", "LIST", "ID", own.value)
        assert isinstance(line, Bulk)
        fields = dict(field.split("=", 1) for field in line.data.decode().split())
        assert (fields["flags"], fields["redir"]) == ("tB", str(target.value))
