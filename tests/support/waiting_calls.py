"""Calls that wait, for comparison with redis-py."""

from __future__ import annotations

from support.calls import Call, call

C = call
# None of them has to wait for long.
WAITS: dict[str, list[Call]] = {
    "waits": [
        C("rpush", "l", "a", "b", "c", "d", "e", "f"),
        C("blpop", "l"),
        C("blpop", ["none", "l"], 1),
        C("brpop", "l", timeout=1),
        C("brpop", ("none", "l"), timeout=0),
        C("blmove", "l", "m", 1),
        C("blmove", "l", "m", 1, "RIGHT", "LEFT"),
        C("rpush", "l", "x"),
        C("brpoplpush", "l", "m"),
        C("brpoplpush", "m", "m", 1),
        C("blmpop", 1, 2, "none", "m", direction="LEFT"),
        C("blmpop", 1, 1, "m", direction="RIGHT", count=2),
        C("blmpop", 0.01, 1, "none", direction="LEFT"),
        C("blpop", "none", 0.01),
        C("brpop", ["none", "other"], 0.01),
        C("blmove", "none", "m", 0.01),
        C("brpoplpush", "none", "m", 0.01),
        C("blpop", "none", -1),
        C("blpop", "none", "x"),
        C("blmove", "none", "m", 0.01, "UP", "LEFT"),
        C("blmpop", 0.01, 0, "none", direction="LEFT"),
        C("zadd", "z", {"a": 1, "b": 2.5, "c": 3, "d": 4, "e": 5}),
        C("bzpopmin", "z"),
        C("bzpopmin", ["none", "z"], 1),
        C("bzpopmax", "z", 1),
        C("bzpopmax", ("none", "z")),
        C("bzpopmin", "none", 0.01),
        C("bzmpop", 1, 2, ["none", "z"], min=True),
        C("bzmpop", 0.01, 1, ["z"], max=True, count=2),
        C("set", "s", "v"),
        C("blpop", "s", 1),
        C("bzpopmin", "s", 1),
    ],
}
