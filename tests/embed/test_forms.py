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
assert_type(pipe.getdel("k"), Any)
assert_type(pipe.mget(["a", "b"]), Any)
assert_type(pipe.set("k", "v", ex=1).append("k", "w").execute(), Any)
raw.append("k")  # E
raw.append("k", "v", flag=True)  # E
raw.getrange("k", "0", 1)  # E
pipe.append("k")  # E
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
