"""Opening, closing, what a store says of itself, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

import rkv


def test_databases() -> None:
    with rkv.open(databases=3) as db:
        db.db(2)["a"] = 1
        assert len(db.db(1)) == 0
        for number in (3, -1):
            with pytest.raises((ValueError, OverflowError)):
                db.db(number)
    with pytest.raises(ValueError, match="databases"):
        rkv.open(databases=0)


def test_maxmemory(db: rkv.DB) -> None:
    with rkv.open(maxmemory=1) as full:
        full.db(0).get("a")
        full.db(0)["a"] = 1
        with pytest.raises(rkv.OutOfMemoryError):
            full.db(0)["b"] = 1
    db.db(0)["a"] = 1


def test_closing() -> None:
    db = rkv.open()
    kv = db.db(0)
    with db:
        kv["a"] = 1
    db.close()
    assert db.closed
    uses: list[Any] = [lambda: kv.get("a"), lambda: db.db(0), lambda: kv.set("a", 1, ex=1), lambda: len(kv)]
    for use in uses:
        with pytest.raises(rkv.ClosedError):
            use()
    assert repr(db) == "<rkv.DB memory closed>"


def test_repr(db: rkv.DB) -> None:
    kv = db.db(0)
    kv.execute_many([("SET", f"key:{number}", "x" * 1000) for number in range(1204)])
    text = repr(db)
    assert text.startswith("<rkv.DB memory keys=1,204 mem=1.")
    assert text.endswith("M>")
    assert repr(kv) == "<rkv.Keyspace 0>"


def test_mapping(kv: rkv.Keyspace[bytes]) -> None:
    assert kv
    for use in (lambda: kv["k"], lambda: kv.__delitem__("k")):
        with pytest.raises(KeyError, match="k"):
            use()
    kv["k"] = "v"
    assert (kv["k"], "k" in kv, "l" in kv, len(kv), list(kv)) == (b"v", True, False, 1, [b"k"])
    del kv["k"]
    assert "k" not in kv


def test_iteration_sees_every_key_once(kv: rkv.Keyspace[bytes]) -> None:
    names = {f"key:{number}".encode() for number in range(5000)}
    kv.execute_many([("SET", name, "") for name in names])
    seen = list(kv)
    assert len(seen) == len(names)
    assert set(seen) == names
    assert sorted(kv.scan_iter("key:49??", count=7)) == sorted(
        name for name in names if name[4:].startswith(b"49") and len(name) == 8
    )


def test_manual_clock() -> None:
    clock = rkv.ManualClock()
    with rkv.open(clock=clock) as db, rkv.open(clock=clock) as other:
        kv = db.db(0)
        kv.set("a", 1, ex=10)
        other.db(0).set("a", 1, px=500)
        clock.advance(9.5)
        assert (kv.pttl("a"), len(kv), len(other.db(0))) == (500, 1, 0)
        clock.advance(0.5)
        assert (kv.get("a"), len(kv)) == (None, 0)
    assert clock.time() == 1_700_000_010.0
    for seconds in (-1.0, float("nan"), float("inf"), 1e300):
        with pytest.raises(ValueError, match="seconds"):
            clock.advance(seconds)


def test_error_classes(kv: rkv.Keyspace[bytes]) -> None:
    error = rkv.errors.from_reply("WRONGTYPE Operation against a key")
    assert (type(error), error.code, str(error)) == (
        rkv.WrongTypeError,
        "WRONGTYPE",
        "WRONGTYPE Operation against a key",
    )
    error = rkv.errors.from_reply("NEWCODE what")
    assert (type(error), error.code, error.reply) == (rkv.ResponseError, "NEWCODE", "NEWCODE what")
    with pytest.raises(rkv.ResponseError) as caught:
        kv.execute("GET")
    assert caught.value.reply == "ERR wrong number of arguments for 'get' command"
    with pytest.raises(TypeError):
        kv.execute()


def test_import_is_light() -> None:
    """Neither trio nor redis, nor what takes longest in the standard library."""
    program = (
        "import sys, rkv; rkv.open().db(0).set('a', 1)\n"
        "print([name for name in ('trio', 'redis', 'typing', 'datetime', 'asyncio', 're') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-SIc", f"import sys; sys.path[:] = {sys.path!r}\n{program}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


def test_pipelines_have_every_command() -> None:
    """What a keyspace can do, a pipeline can keep for later, except what is no single command."""
    no_commands = {"aio", "connection", "execute_many", "number", "pipeline", "pubsub", "text", "transaction"}
    names = {name for name in dir(rkv.Keyspace) if not name.startswith("_")} - no_commands
    assert {name for name in names if not name.endswith("_iter")} <= set(dir(rkv.Pipeline))


def test_names() -> None:
    assert set(rkv.__all__) <= set(dir(rkv))
    with pytest.raises(AttributeError, match="nothing"):
        rkv.nothing  # type: ignore[attr-defined]  # noqa: B018
