"""Holds the tree to the borders, sizes and words of its design, and shows that each check can fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support import rust_source, servers, tidy

ROOT = Path(__file__).resolve().parent.parent
ENGINE = "rust/engine/src"
FORBID = "//! Head.\n#![forbid(unsafe_code)]\n"
LONG = "    let x = 1;\n" * 70

# A tree that no check complains of: downward imports, upward ones in tests only, words in comments and literals.
GOOD = {
    f"{ENGINE}/lib.rs": FORBID + "pub use keyspace::Keyspace;\n",
    f"{ENGINE}/session/mod.rs": "//! Head.\nuse crate::dispatch;\nuse crate::{client::State, resp::reply::Reply};\n",
    f"{ENGINE}/commands/string.rs": "use crate::handler::Effect;\nuse crate::values::string;\nuse super::rows;\n",
    f"{ENGINE}/commands/generic.rs": "fn f() { crate::keyspace::scan::run(); }\n",
    f"{ENGINE}/keyspace/mod.rs": "//! Head.\nuse crate::client::Wake; // not crate::session\n",
    f"{ENGINE}/keyspace/shard.rs": 'fn f() -> &\'static str { "argv pyo3 crate::session::X unsafe {" }\n',
    f"{ENGINE}/values/string.rs": (
        "use crate::number;\n#[cfg(test)]\nmod tests {\n    use crate::keyspace::Keyspace;\n}\n"
    ),
    f"{ENGINE}/number.rs": "//! Head.\n",
    "rust/engine/Cargo.toml": "[dependencies]\nrkv-collections.workspace = true\n[dev-dependencies]\npyo3 = '1'\n",
    "rust/collections/src/lib.rs": (
        "//! Head.\nfn f() {\n    // SAFETY: the index was checked above.\n    let x =\n        unsafe { g() };\n}\n"
    ),
    "python/rkv/__init__.py": '"""Head."""\nfrom ._rkv import open\n\ndef serve():\n    from .server import serve\n',
    "python/rkv/cli/__init__.py": '"""Head."""\nfrom rkv.cli import parts\n\ndef run():\n    import trio\n',
    "python/rkv/server/__init__.py": '"""Head."""\nimport trio\nfrom ..db import DB\n',
    "README.md": "Redis knows XX; see https://example.org/home/page and {root}/work/here.\n",
}

# (check, file, content, what the complaint says)
BAD = [
    ("imports_go_down", f"{ENGINE}/values/string.rs", "use crate::keyspace::Entry;\n", "keyspace, which lies above"),
    (
        "imports_go_down",
        f"{ENGINE}/handler/row.rs",
        "use crate::{error::E,\n commands::{string}};\n",
        "imports commands",
    ),
    ("imports_go_down", f"{ENGINE}/keyspace/shard.rs", "fn f() { super::super::session::run(); }\n", "imports session"),
    ("imports_go_down", f"{ENGINE}/values/string.rs", "use crate::Keyspace;\n", "imports keyspace"),
    ("imports_go_down", f"{ENGINE}/client/state.rs", "use crate::keyspace::Waiter;\n", "reaches itself"),
    ("imports_go_down", f"{ENGINE}/sundry.rs", "fn f() {}\n", "no floor"),
    ("families_stand_apart", f"{ENGINE}/commands/string.rs", "use super::generic::ttl;\n", "imports family generic"),
    ("families_stand_apart", f"{ENGINE}/commands/string.rs", "use crate::commands::{generic};\n", "family generic"),
    ("closed_doors", f"{ENGINE}/values/string.rs", "use crate::resp::{reply::Reply};\n", "resp::reply"),
    ("closed_doors", f"{ENGINE}/values/string.rs", "use crate::clock::Clock;\n", "import clock"),
    ("closed_doors", f"{ENGINE}/keyspace/shard.rs", "fn f(argv: &[u8]) {}\n", "argv in the keyspace"),
    ("closed_doors", f"{ENGINE}/session/mod.rs", "//! Head.\nuse std::net::TcpStream;\n", "a socket"),
    ("crates_go_down", "rust/engine/Cargo.toml", "[dependencies]\nrkv-reactor = { path = '..' }\n", "on rkv-reactor"),
    ("crates_go_down", "rust/reactor/Cargo.toml", "[dependencies.pyo3]\nversion = '1'\n", "on pyo3"),
    ("crates_go_down", f"{ENGINE}/number.rs", "//! Head.\nuse pyo3::Python;\n", "pyo3 outside"),
    ("unsafe_is_rare", f"{ENGINE}/number.rs", "//! Head.\nfn f() { unsafe { g() } }\n", "outside collections"),
    ("unsafe_is_rare", f"{ENGINE}/lib.rs", "//! Head.\n", "does not forbid"),
    ("unsafe_is_rare", "rust/collections/src/a.rs", "fn f() {\n    unsafe { g() }\n}\n", "without a SAFETY"),
    ("unsafe_is_rare", "rust/collections/src/a.rs", "unsafe fn f() {}\n", "without a Safety section"),
    ("unsafe_is_rare", "rust/collections/src/a.rs", "// SAFETY: x.\nunsafe { g() }\n" * 41, "unsafe blocks"),
    ("unsafe_is_rare", "rust/binding/src/a.rs", "// SAFETY: x.\nunsafe { g() }\n" * 3, "3 unsafe blocks"),
    ("input_is_never_unwrapped", f"{ENGINE}/lib.rs", f"{FORBID}pub mod resp;\n", "resp reads input"),
    ("input_is_never_unwrapped", "Cargo.toml", "[profile.release]\nlto = true\n[profile.x]\n", "check for overflow"),
    ("functions_are_short", f"{ENGINE}/number.rs", f'//! H.\nfn f(x: [u8; 2]) {{ "}}";\n{LONG}}}\n', "f has 72 lines"),
    ("functions_are_short", "tests/a.py", "async def f():\n" + "    x = 1\n" * 70, "f has 71 lines"),
    ("files_are_short", "tests/a.py", "x = 1\n" * 801, "801 lines"),
    ("files_are_short", f"{ENGINE}/number.rs", "//! Head.\n" * 801, "801 lines"),
    ("words_are_finished", "docs/a.md", "To be done, TO" + "DO\n", "TO" + "DO"),
    ("words_are_finished", f"{ENGINE}/number.rs", "//! Head. FIX" + "ME later\n", "FIX" + "ME"),
    ("words_are_finished", "tests/a.py", 'FOLDER = "/' + 'home/someone"\n', "path of a machine"),
    ("heads_say_what", f"{ENGINE}/session/mod.rs", "use crate::dispatch;\n", "session/mod.rs: does not say"),
    ("heads_say_what", f"{ENGINE}/lib.rs", "#![forbid(unsafe_code)]\n", "lib.rs: does not say"),
    ("heads_say_what", "python/rkv/server/__init__.py", "import trio\n", "does not say"),
    (
        "python_goes_down",
        "python/rkv/db.py",
        "try:\n    import redis\nexcept ImportError:\n    pass\n",
        "imports redis",
    ),
    ("python_goes_down", "python/rkv/db.py", "from trio.abc import Stream\n", "imports trio"),
    ("python_goes_down", "python/rkv/db.py", "from . import server\n", "imports rkv.server"),
    ("python_goes_down", "python/rkv/cli/__init__.py", '"""H."""\nimport trio\n', "imports trio"),
    ("python_goes_down", "python/rkv/server/link.py", "def f():\n    from ..cli import x\n", "which lies above"),
]


def plant(root: Path, tree: dict[str, str]) -> Path:
    for name, text in tree.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize("check", tidy.CHECKS.values(), ids=tidy.CHECKS)
def test_the_tree_is_tidy(check) -> None:
    assert check(ROOT) == []


def test_a_good_tree_passes(tmp_path: Path) -> None:
    assert tidy.complaints(plant(tmp_path, GOOD)) == []


@pytest.mark.parametrize(("check", "file", "content", "text"), BAD, ids=[f"{bad[0]}-{bad[3]}" for bad in BAD])
def test_a_bad_tree_fails(check: str, file: str, content: str, text: str, tmp_path: Path) -> None:
    found = tidy.CHECKS[check](plant(tmp_path, GOOD | {file: content}))
    assert any(text in complaint for complaint in found), found


def test_every_check_can_fail() -> None:
    assert {bad[0] for bad in BAD} == set(tidy.CHECKS)


def test_every_floor_is_named_once() -> None:
    names = [name for floor in tidy.ENGINE_FLOORS for name in floor]
    assert len(names) == len(set(names))


RUST = r"""
fn one() -> char { '}' }          // } {
fn two<'a>(x: &'a str) -> [u8; { 3 }] { /* } /* { */ } */
    let s = r#"{ "quoted" }}"#; let t = b"\"}"; let c = b'\''; let q = '"';
    fn three() {
    }
}
trait T { fn declared(&self) -> fn(u8) -> u8; fn given(&self) {} }
"""


def test_functions_are_measured_through_literals_and_comments() -> None:
    code = rust_source.code_only(RUST)
    assert [(f.name, f.line, f.lines) for f in rust_source.functions(code)] == [
        ("one", 2, 1),
        ("two", 3, 5),
        ("three", 5, 2),
        ("given", 8, 1),
    ]
    assert len(code) == len(RUST)
    assert code.count("\n") == RUST.count("\n")


def test_paths_are_written_out() -> None:
    code = (
        "use crate::{a::{b, c as d}, e::*};\nuse super::super::f::G;\nlet x = self::h(); rkv_collections::Table::new();"
    )
    found = [path.segments for path in rust_source.paths(code)]
    assert found == [
        ("crate", "a", "b"),
        ("crate", "a", "c"),
        ("crate", "e"),
        ("super", "super", "f", "G"),
        ("self", "h"),
        ("rkv_collections", "Table", "new"),
    ]
    module = ("m", "n")
    assert rust_source.absolute(rust_source.Path(("super", "super", "f"), 1), module) == ("f",)
    assert rust_source.absolute(rust_source.Path(("super", "f"), 1), module) == ("m", "f")
    assert rust_source.absolute(rust_source.Path(("rkv_collections", "f"), 1), module) is None


@pytest.mark.parametrize("module", ["rkv", "rkv.cli"])
def test_import_loads_nothing_slow(module: str) -> None:
    if not servers.rkv_is_built():
        servers.missing("rkv", "make develop")
    slow = ("trio", "redis", "rich", "prompt_toolkit", "asyncio")
    program = f"import {module}, sys; print([name for name in {slow} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert done.stdout == "[]\n"
