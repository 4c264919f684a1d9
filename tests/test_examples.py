"""The programs in `examples/` and on the front page run and print what they promise."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support import servers

if not servers.rkv_is_built():
    pytest.skip("rkv is not built (make develop)", allow_module_level=True)

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
WORDS = Path("/usr/share/dict/words")
TIMEOUT_S = 100.0


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One example, with warnings as errors, from a folder in which nothing lies."""
    return subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py"), *arguments],
        cwd="/",
        capture_output=True,
        timeout=TIMEOUT_S,
        text=True,
        check=False,
    )


def printed(name: str, *arguments: str) -> list[str]:
    """The lines of an example that succeeds and complains of nothing."""
    done = run(name, *arguments)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout.splitlines()


def test_every_example_is_tested() -> None:
    here = Path(__file__).read_text()
    names = [path.stem for path in EXAMPLES.glob("*.py")]
    assert names
    assert [name for name in names if f'"{name}"' not in here] == []


def test_words() -> None:
    if not WORDS.exists():
        servers.missing("a list of words", "apt-get install wamerican")
    count = len(set(WORDS.read_text(encoding="utf-8").split()))
    lines = printed("words")
    assert lines[0].startswith(f"{count:,} words set in process in ")
    assert lines[1].endswith(f"at last {count:,} keys")
    assert [line.rsplit("   ", 1)[-1] for line in lines[2:6]] == ["answers", "the same", "the same", "the same"]
    assert lines[-1] == "Both sides gave the same answers."


def test_words_of_another_list(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("\n".join(f"é{number}" for number in range(100_000)), encoding="utf-8")
    assert "Most words begin with é (100,000)." in printed("words", str(path))


@pytest.mark.parametrize("content", [None, b"few words\n", b"\xff\n" * 100_000], ids=["missing", "short", "not text"])
def test_words_without_a_list(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "list"
    if content is not None:
        path.write_bytes(content)
    done = run("words", str(path))
    assert (done.returncode, done.stdout) == (2, "")
    assert str(path) in done.stderr
    assert "apt-get install wamerican" in done.stderr
    assert "Traceback" not in done.stderr


def test_embedded_cache() -> None:
    lines = printed("embedded_cache")
    assert [line.rsplit(", ", 1)[-1] for line in lines] == ["made 1 times", "made 1 times", "made 2 times"]


def test_trio_app() -> None:
    lines = printed("trio_app")
    assert lines[0].startswith("Serving at redis://127.0.0.1:")
    assert lines[-1].endswith("and saw 500 even and 500 odd events.")


def test_readme() -> None:
    """What the front page shows of Python runs, too."""
    text = (EXAMPLES.parent / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert blocks
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "".join(blocks)],
        cwd="/",
        capture_output=True,
        timeout=TIMEOUT_S,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("redis://127.0.0.1:")


def test_links_lead_somewhere() -> None:
    pages = [*EXAMPLES.parent.glob("*.md"), *EXAMPLES.parent.glob("docs/*.md"), *EXAMPLES.parent.glob("bench/*.md")]
    assert pages
    dead = [
        f"{page.name}: {link}"
        for page in pages
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
        if "://" not in link and not (page.parent / link).exists()
    ]
    assert dead == []
