"""Pipelines and transactions: as redis-py with a real server, and what two clients do to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import redis

import rkv

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.servers import Server


def filled(pipe: Any) -> Any:
    return pipe.set("a", 1).incr("a", 5).get("a").mget(["a", "none"]).mset({"b": 2}).exists("a", "b").ttl("a")


def with_error(pipe: Any) -> Any:
    return pipe.set("s", "text").incr("s").get("s")


def refused(pipe: Any) -> Any:
    return pipe.set("s", "text").execute_command("NOPE").get("s")


def options(pipe: Any) -> Any:
    return pipe.set("a", 1, nx=True).set("a", 2, nx=True).set("a", 3, get=True).set("a", 4, ex=10).delete("a").get("a")


def outcome(client: Any, fill: Callable[[Any], Any], transaction: bool, raise_on_error: bool) -> object:
    try:
        with client.pipeline(transaction=transaction) as pipe:
            replies = fill(pipe).execute(raise_on_error)
    except (redis.RedisError, rkv.RkvError) as error:
        return type(error).__name__, str(error).replace("'", "")
    return [(type(reply).__name__, str(reply)) for reply in replies]


@pytest.mark.parametrize("raise_on_error", [True, False])
@pytest.mark.parametrize("transaction", [True, False])
@pytest.mark.parametrize("fill", [filled, with_error, refused, options, lambda pipe: pipe])
def test_as_redis_py(
    kv: rkv.Keyspace[bytes],
    redis_server: Server,
    fill: Callable[[Any], Any],
    transaction: bool,
    raise_on_error: bool,
) -> None:
    with redis.Redis(port=redis_server.port) as peer:
        peer.flushall()
        expected = outcome(peer, fill, transaction, raise_on_error)
        actual = outcome(kv, fill, transaction, raise_on_error)
        if isinstance(expected, tuple) and "caused error" in expected[1]:
            # redis-py repeats the words as it sent them, rkv as the method built them: the error itself is the same.
            assert isinstance(actual, tuple)
            assert actual[1].partition("caused error")[2] == expected[1].partition("caused error")[2]
        else:
            assert actual == expected
        assert {key: kv[key] for key in kv} == {key: peer.get(key) for key in peer.keys()}  # noqa: SIM118


def test_watched_key_changes(kv: rkv.Keyspace[bytes]) -> None:
    kv["a"] = 1
    with kv.pipeline() as pipe:
        pipe.watch("a", "other")
        value = int(pipe.get("a"))
        kv["a"] = 10
        pipe.multi()
        pipe.set("a", value + 1)
        with pytest.raises(rkv.WatchError):
            pipe.execute()
    assert kv["a"] == b"10"


def test_watched_key_stays(kv: rkv.Keyspace[bytes]) -> None:
    kv["a"] = 1
    with kv.pipeline() as pipe:
        pipe.watch("a")
        kv["b"] = 1
        pipe.multi()
        assert pipe.set("a", int(kv["a"]) + 1).execute() == [True]
        # The watch is over with its transaction.
        kv["a"] = 7
        assert pipe.get("a").execute() == [b"7"]


def test_unwatch_and_reset(kv: rkv.Keyspace[bytes]) -> None:
    with kv.pipeline() as pipe:
        pipe.watch("a")
        pipe.unwatch()
        kv["a"] = 1
        assert pipe.get("a").execute() == [b"1"]
        pipe.watch("a")
        pipe.reset()
        kv["a"] = 2
        assert pipe.get("a").execute() == [b"2"]
        pipe.set("a", 3)
        assert len(pipe) == 1
        pipe.discard()
        assert len(pipe) == 0
        assert bool(pipe)
        assert pipe.execute() == []
    assert kv["a"] == b"2"


def test_misuse(kv: rkv.Keyspace[bytes]) -> None:
    pipe = kv.pipeline()
    pipe.multi()
    with pytest.raises(rkv.RkvError, match="nested"):
        pipe.multi()
    with pytest.raises(rkv.RkvError, match="WATCH after a MULTI"):
        pipe.watch("a")
    pipe.reset()
    pipe.set("a", 1)
    with pytest.raises(rkv.RkvError, match="without an initial WATCH"):
        pipe.multi()


def test_transaction_function(kv: rkv.Keyspace[bytes]) -> None:
    """The function runs again until nobody comes between."""
    kv["n"] = 1
    runs = []

    def double(pipe: rkv.Pipeline[bytes]) -> str:
        value = int(pipe.get("n"))
        if not runs:
            kv["n"] = 5
        runs.append(value)
        pipe.multi()
        pipe.set("n", value * 2)
        return "done"

    assert kv.transaction(double, "n", value_from_callable=True) == "done"
    assert (runs, kv["n"]) == ([1, 5], b"10")


def test_other_database(db: rkv.DB) -> None:
    third = db.db(3, text=True)
    with third.pipeline() as pipe:
        assert pipe.set("a", "é").get("a").execute() == [True, "é"]
    assert len(db.db(0)) == 0
    assert len(third) == 1


def test_a_keyspace_has_no_connection_state(kv: rkv.Keyspace[bytes]) -> None:
    for command in ("SELECT 1", "MULTI", "EXEC", "DISCARD", "WATCH a", "UNWATCH"):
        with pytest.raises(rkv.ResponseError, match="connection"):
            kv.execute(*command.split())
    connection = kv.connection()
    connection.execute("SELECT", 1)
    connection.set("a", 1)
    assert connection.set("a", 2, ex=10, get=True) == b"1"
    assert (len(kv), len(connection), list(connection)) == (0, 1, [b"a"])
