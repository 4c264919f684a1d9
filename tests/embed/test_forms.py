"""Every form of running commands has the same methods, and type checkers know what they return in each."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import rkv
from rkv.commands import Commands
from rkv.commands.hot import HotCommands

if TYPE_CHECKING:
    from pathlib import Path

TYPED = """
from typing import Any, assert_type
import rkv

database = rkv.open()
raw, text = database.db(0), database.db(0, text=True)
pipe = raw.pipeline()
assert_type(raw.get("k"), bytes | None)
assert_type(text.get("k"), str | None)
assert_type(raw.getdel("k"), bytes | None)
assert_type(text.getdel("k"), str | None)
assert_type(text.keys(), list[str])
assert_type(raw.append("k", value="v"), int)
assert_type(raw.setex("k", 1, "v"), bool)
assert_type(raw.scan(match="a*"), tuple[int, list[bytes]])
assert_type(raw.lpush("l", "a", 1), int)
assert_type(raw.lpop("l"), bytes | None)
assert_type(text.rpop("l", 2), list[str] | None)
assert_type(text.lrange("l", 0, -1), list[str])
assert_type(raw.lindex("l", 0), bytes | None)
assert_type(raw.lpos("l", "a"), int | None)
assert_type(raw.lpos("l", "a", count=2), list[int])
assert_type(text.sort("l", desc=True), list[str])
assert_type(text.sort("l", get="w*"), list[str | None])
assert_type(text.sort("l", get=["#", "w*"], groups=True), list[tuple[str | None, ...]])
assert_type(text.sort("l", store="to"), int)
assert_type(raw.sort_ro("l"), list[bytes])
assert_type(raw.hset("h", mapping={"f": 1}), int)
assert_type(raw.hget("h", "f"), bytes | None)
assert_type(text.hgetall("h"), dict[str, str])
assert_type(text.hmget("h", ["f"]), list[str | None])
assert_type(raw.hexpire("h", 10, "f", nx=True), list[int])
assert_type(text.hgetex("h", "f", ex=5), list[str | None])
assert_type(raw.hscan("h"), tuple[int, dict[bytes, bytes]])
assert_type(raw.hscan("h", no_values=True), tuple[int, list[bytes]])
assert_type(text.hrandfield("h"), str | None)
assert_type(text.hrandfield("h", 2, withvalues=True), list[str])
assert_type(list(text.hscan_iter("h")), list[tuple[str, str]])
assert_type(list(text.hscan_iter("h", no_values=True)), list[str])
assert_type(raw.sadd("s", "a"), int)
assert_type(raw.smembers("s"), set[bytes])
assert_type(text.sinter("s", "t"), set[str])
assert_type(text.spop("s"), str | None)
assert_type(text.spop("s", 2), list[str])
assert_type(raw.srandmember("s", -2), list[bytes])
assert_type(list(raw.sscan_iter("s")), list[bytes])
assert_type(raw.zadd("z", {"a": 1.5}), int)
assert_type(raw.zadd("z", {"a": 1.5}, incr=True), float | None)
assert_type(raw.zscore("z", "a"), float | None)
assert_type(raw.zrange("z", 0, -1), list[bytes])
assert_type(raw.zrange("z", 0, -1, withscores=True), list[tuple[bytes, float]])
assert_type(text.zrange("z", 0, -1, False, True), list[tuple[str, float]])
assert_type(text.zrange("z", 0, -1, withscores=True, score_cast_func=int), list[tuple[str, int]])
assert_type(raw.zrangebyscore("z", "-inf", "(5", withscores=True), list[tuple[bytes, float]])
assert_type(raw.zrank("z", "a"), int | None)
assert_type(raw.zrank("z", "a", withscore=True), list[int | float] | None)
assert_type(text.zunion({"a": 2.0}), list[str])
assert_type(text.zinter(["a", "b"], withscores=True), list[tuple[str, float]])
assert_type(raw.zpopmin("z"), list[tuple[bytes, float]])
assert_type(raw.zscan("z"), tuple[int, list[tuple[bytes, float]]])
assert_type(list(text.zscan_iter("z", score_cast_func=int)), list[tuple[str, int]])
assert_type(pipe.zrange("z", 0, -1, withscores=True), Any)
assert_type(pipe.lpop("l").hset("h", "f", 1).sort("l", store="m").spop("s", 2).execute(), Any)
assert_type(pipe.getdel("k"), Any)
assert_type(pipe.mget(["a", "b"]), Any)
assert_type(pipe.set("k", "v", ex=1).append("k", "w").execute(), Any)
raw.append("k")  # E
raw.append("k", "v", flag=True)  # E
raw.getrange("k", "0", 1)  # E
pipe.append("k")  # E
raw.hset("h", "f", [1])  # E
raw.zadd("z", ["a"])  # E
raw.zrange("z", 0)  # E
raw.spop("s", "2")  # E
pipe.zrange("z", 0)  # E
pipe.lpop()  # E
pipe.set("k")  # E
pipe.lpushh("k", "v")  # E
"""


def methods(owner: type) -> dict[str, Any]:
    """Public methods of a class and its bases in this package."""
    found = inspect.getmembers(owner, inspect.isroutine)
    return {name: method for name, method in found if not name.startswith("_")}


@pytest.mark.parametrize("name", sorted(methods(HotCommands)))
def test_a_hot_method_takes_the_same_in_the_extension(name: str) -> None:
    """The extension and `HotCommands` are two texts of one signature."""
    ours = inspect.signature(getattr(rkv.Pipeline, name)).parameters
    extension = inspect.signature(getattr(rkv.Keyspace, name)).parameters
    assert list(ours) == list(extension)
    assert [p.kind.name.startswith("VAR") for p in ours.values()] == [
        p.kind.name.startswith("VAR") for p in extension.values()
    ]
    required = [name for name, p in ours.items() if p.default is p.empty]
    assert required == [name for name, p in extension.items() if p.default is p.empty]


def test_the_extension_has_no_command_that_other_forms_lack() -> None:
    ours = {"connection", "execute", "execute_many"}
    assert set(methods(rkv._rkv.Keyspace)) - ours == set(methods(HotCommands))
    assert set(methods(Commands)) | set(methods(HotCommands)) <= set(methods(rkv.Pipeline))


def test_types_follow_the_form(tmp_path: Path) -> None:
    """What mypy says about a program: nothing, but for the lines that are wrong."""
    pytest.importorskip("mypy")
    program = tmp_path / "program.py"
    program.write_text(TYPED)
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--python-version",
            "3.12",
            "--cache-dir",
            str(tmp_path),
            str(program),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    wrong = {number for number, line in enumerate(TYPED.splitlines(), 1) if line.endswith("# E")}
    said = {int(line.split(":")[1]) for line in run.stdout.splitlines() if ": error:" in line}
    assert said == wrong, run.stdout + run.stderr


def test_methods_of_the_extension_belong_to_the_class_that_is_used() -> None:
    # The interpreter calls a C method directly only on the very class that it was made for.
    inherited = rkv.Keyspace.__mro__[1]
    own = [name for name, value in vars(inherited).items() if type(value) is type(str.upper)]
    assert {"get", "set", "zadd", "execute", "execute_many"} <= set(own)
    for name in own:
        method = vars(rkv.Keyspace)[name]
        assert method is not vars(inherited)[name]
        assert (method.__objclass__, method.__doc__) == (rkv.Keyspace, getattr(inherited, name).__doc__)
        assert inspect.signature(method) == inspect.signature(getattr(inherited, name))
    with pytest.raises(TypeError, match=r"descriptor 'get' for 'rkv\.keyspace\.Keyspace'|doesn't apply"):
        rkv.Keyspace.get(object(), "k")  # type: ignore[call-overload, misc, arg-type, unused-ignore]

    class Below(rkv.Keyspace[bytes]):
        def get(self, name: Any) -> bytes | None:
            return super().get(name) or b"nothing"

    with rkv.open() as db:
        below = Below(db._engine, 0)
        below.set("k", "v")
        assert (below.get("k"), below.get("none"), below.connection().get("none")) == (b"v", b"nothing", b"nothing")
        assert below.pipeline().get("k").execute() == [b"v"]
