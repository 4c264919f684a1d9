"""Make the golden RDB files: what real servers write, and beside each a table of what they say is in it.

    python tests/data/rdb/make.py

Columns: database, key, type, deadline (PEXPIRETIME), digest (DEBUG DIGEST-VALUE), deadlines of fields. Names are in
hexadecimal digits, in the order of their bytes.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parents[1]))

from support.resp import Array, Bulk, Connection, Error, Integer, Simple  # noqa: E402
from support.servers import Server, start_redis, start_valkey  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

FAR_MS = 4_000_000_000_000
DATABASES = (0, 3, 15)


def call(connection: Connection, *words: str | bytes | int) -> object:
    """The reply, which must not be an error."""
    reply = connection.call(*words)
    if isinstance(reply, Error):
        raise SystemExit(f"{words[:3]}: {reply}")
    return reply


def pseudo_random(size: int, start: int) -> bytes:
    """Bytes that do not compress, the same ones each time."""
    state, out = start, bytearray()
    while len(out) < size:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append(state >> 56)
    return bytes(out)


def strings(connection: Connection) -> None:
    """Every encoding of strings, as keys and as values."""
    numbers = [0, -1, 127, 128, -128, -129, 32767, 32768, -32769, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**63 - 1]
    for number in numbers:
        call(connection, "SET", f"number:{number}", number)
        call(connection, "SET", number, f"of {number}", "PXAT", FAR_MS + abs(number) % 1000)
    for size in (0, 1, 20, 21, 44, 63, 64, 300, 16_383, 16_384, 70_000):
        call(connection, "SET", f"same:{size}", "a" * size)
        call(connection, "SET", f"random:{size}", pseudo_random(min(size, 2000), size))
    call(connection, "SET", "01", "00")
    call(connection, "SET", b"\x00\xff" * 10, "1.5")


def collections(connection: Connection) -> None:
    """Small and large collections of each type."""
    words = [b"word", b"", b"12", b"-4000", b"99999999999", b"1e5", b"x" * 64, b"y" * 65, pseudo_random(30, 5)]
    many = [f"member:{index}" for index in range(700)]
    call(connection, "RPUSH", "list", *words)
    call(connection, "RPUSH", "list:many", *(word * 10 for word in many))
    call(connection, "RPUSH", "list:large", "a", "b" * 20_000, pseudo_random(9000, 7), "c")
    call(connection, "SADD", "set", *words[:7])
    call(connection, "SADD", "set:many", *many)
    call(connection, "SADD", "set:long", *words)
    for bits in (8, 20, 40):
        call(connection, "SADD", f"set:integers:{bits}", *(number << bits - 8 for number in range(-20, 20)))
    call(connection, "SADD", "set:integers:many", *range(600))
    scores = [0, 0.25, 1, -1, 1.5, 1e300, -1e-300, "inf", "-inf", 2**53, 0.1, 3, 3, 3]
    call(connection, "ZADD", "zset", *(item for pair in zip(scores, words + many, strict=False) for item in pair))
    call(connection, "ZADD", "zset:many", *(item for score, name in enumerate(many) for item in (score / 8, name)))
    call(connection, "HSET", "hash", *words[:8])
    call(connection, "HSET", "hash:many", *(item for name in many for item in (name, name[::-1])))
    call(connection, "HSET", "hash:long", *words, "last")
    for key in ("list", "set:many", "zset", "hash:long"):
        call(connection, "PEXPIREAT", key, FAR_MS + len(key))


def field_deadlines(connection: Connection) -> None:
    """Hashes whose fields expire."""
    for count in (1, 5, 700):
        key = f"expiring:{count}"
        names = [f"f{index}" for index in range(count)]
        call(connection, "HSET", key, *(item for name in names for item in (name, name * 2)), "for ever", "1")
        for index in range(0, count, 2):
            call(connection, "HPEXPIREAT", key, FAR_MS + index, "FIELDS", 1, names[index])


def texts(reply: object) -> list[bytes]:
    """The strings in an array."""
    assert isinstance(reply, Array)
    return [item.data for item in reply.items if isinstance(item, Bulk)]


def digest_of(connection: Connection, reference: Connection, key: bytes, kind: bytes, deadline_ms: int) -> str:
    """Redis's digest of a value; Valkey has other texts of scores in its own."""
    if kind == b"zset":
        pairs = texts(call(connection, "ZRANGE", key, 0, -1, "WITHSCORES"))
        call(reference, "DEL", key)
        call(
            reference,
            "ZADD",
            key,
            *(item for name, score in zip(pairs[::2], pairs[1::2], strict=True) for item in (score, name)),
        )
        if deadline_ms >= 0:
            call(reference, "PEXPIREAT", key, deadline_ms)
        connection = reference
    digest = call(connection, "DEBUG", "DIGEST-VALUE", key)
    assert isinstance(digest, Array)
    first = digest.items[0]
    assert isinstance(first, Simple | Bulk)
    return (first.text if isinstance(first, Simple) else first.data).decode()


def told(connection: Connection, reference: Connection, db: int, key: bytes) -> str:
    """What a server says of a key."""
    kind = call(connection, "TYPE", key)
    deadline = call(connection, "PEXPIRETIME", key)
    assert isinstance(kind, Simple)
    assert isinstance(deadline, Integer)
    digest = digest_of(connection, reference, key, kind.text, deadline.value)
    fields = ""
    if kind.text == b"hash":
        names = sorted(texts(call(connection, "HKEYS", key)))
        reply = connection.call("HPEXPIRETIME", key, "FIELDS", len(names), *names)
        if isinstance(reply, Array):
            times = [item.value for item in reply.items if isinstance(item, Integer)]
            fields = ",".join(f"{name.hex()}={at}" for name, at in zip(names, times, strict=True) if at >= 0)
    return f"{db}\t{key.hex()}\t{kind.text.decode()}\t{deadline.value}\t{digest}\t{fields}\n"


def make(name: str, start: Callable[..., Server], *fillers: Callable[[Connection], None], directives: str = "") -> None:
    """One file and its table."""
    with (
        start(*directives.split()) as server,
        server.connect() as connection,
        start_redis() as redis,
        redis.connect() as reference,
    ):
        lines = []
        for db, fill in zip(DATABASES, fillers, strict=False):
            call(connection, "SELECT", db)
            fill(connection)
            lines += [told(connection, reference, db, key) for key in sorted(texts(call(connection, "KEYS", "*")))]
        call(connection, "SAVE")
        shutil.copy(server.folder / "dump.rdb", FOLDER / f"{name}.rdb")
        (FOLDER / f"{name}.tsv").write_text("".join(lines))


def main() -> None:
    """Make all of them."""
    make("redis-7.0", start_redis, strings, collections)
    make("redis-7.0-plain", start_redis, strings, collections, directives="--rdbcompression no")
    make(
        "redis-7.0-lfu", start_redis, strings, collections,
        directives="--maxmemory 1gb --maxmemory-policy allkeys-lfu --list-max-listpack-size 5 --list-compress-depth 1",
    )  # fmt: skip
    make("valkey-9.1", start_valkey, strings, collections, field_deadlines)
    make("valkey-9.1-lru", start_valkey, collections, directives="--maxmemory 1gb --maxmemory-policy allkeys-lru")


if __name__ == "__main__":
    main()
