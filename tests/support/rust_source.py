"""Reads Rust sources as far as the tidy tests need: what is code, where functions end, which modules are named.

Not a parser. `code_only` blanks comments and literals without moving anything, so that all else can be done by
searching; positions and line numbers of its result are those of the source.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LITERAL_OR_COMMENT = re.compile(
    r"""
      (?P<line>//[^\n]*)
    | (?P<block>/\*)
    | (?P<raw>\b(?:b|c)?r(?P<hashes>\#*)".*?"(?P=hashes))
    | (?P<string>(?:\b[bc])?"(?:[^"\\]|\\.)*")
    | (?P<char>(?:\bb)?'(?:[^'\\\n]|\\(?:x[0-9a-fA-F]{2}|u\{[0-9a-fA-F_]+\}|.))')
    """,
    re.VERBOSE | re.DOTALL,
)
_NOT_NEWLINE = re.compile(r"[^\n]")
_FUNCTION = re.compile(r"\bfn\s+(\w+)")
_TEST_MODULE = re.compile(r"#\[cfg\(test\)\]\s*(?:#\[[^\]]*\]\s*)*(?:pub(?:\([^)]*\))?\s+)?mod\s+\w+\s*\{")
_PATH = re.compile(r"(?<![\w:$])(?:::)?(crate|self|super|rkv_\w+)((?:\s*::\s*\w+)*)(\s*::\s*\{)?")
_NAME = re.compile(r"\w+")


@dataclass(frozen=True)
class Function:
    """A function with a body: `lines` from the line of `fn` to that of its last brace."""

    name: str
    line: int
    lines: int


@dataclass(frozen=True)
class Path:
    """A path such as `crate::values::string`, as its segments without a leading `::`; `line` counts from 1."""

    segments: tuple[str, ...]
    line: int


def code_only(source: str) -> str:
    """The source with comments and the insides of literals blanked."""
    parts, at = [], 0
    while match := _LITERAL_OR_COMMENT.search(source, at):
        end = _block_end(source, match.start()) if match["block"] else match.end()
        parts += [source[at : match.start()], _blank(source[match.start() : end])]
        at = end
    return "".join([*parts, source[at:]])


def _blank(text: str) -> str:
    return _NOT_NEWLINE.sub(" ", text)


def _block_end(source: str, start: int) -> int:
    """End of a block comment; they nest."""
    depth = 0
    for match in re.finditer(r"/\*|\*/", source[start:]):
        depth += 1 if match[0] == "/*" else -1
        if depth == 0:
            return start + match.end()
    return len(source)


def line_of(text: str, position: int) -> int:
    """Number of the line that holds a position, from 1."""
    return text.count("\n", 0, position) + 1


def closing(code: str, opening: int) -> int:
    """Position of the bracket that closes the one at `opening`; the end of the text if there is none."""
    depth = 0
    for match in re.finditer(r"[(\[{]|[)\]}]", code[opening:]):
        depth += 1 if match[0] in "([{" else -1
        if depth == 0:
            return opening + match.start()
    return len(code)


def functions(code: str) -> list[Function]:
    """All functions with a body, nested ones too, in code from `code_only`."""
    found = []
    for match in _FUNCTION.finditer(code):
        opening = _body(code, match.end())
        if opening is not None:
            first = line_of(code, match.start())
            found.append(Function(match[1], first, line_of(code, closing(code, opening)) - first + 1))
    return found


def _body(code: str, at: int) -> int | None:
    """Position of the brace that opens the body of a function; None for a declaration without one."""
    while at < len(code):
        if code[at] in "([":
            at = closing(code, at)
        elif code[at] == ";":
            return None
        elif code[at] == "{":
            return at
        at += 1
    return None


def without_tests(code: str) -> str:
    """The code with its `#[cfg(test)] mod` blocks blanked: borders hold for what is shipped."""
    while match := _TEST_MODULE.search(code):
        end = closing(code, match.end() - 1) + 1
        code = code[: match.start()] + _blank(code[match.start() : end]) + code[end:]
    return code


def paths(code: str) -> list[Path]:
    """All paths that begin with `crate`, `self`, `super` or one of our crates; groups in braces are written out."""
    found = []
    for match in _PATH.finditer(code):
        head = (match[1], *_NAME.findall(match[2]))
        line = line_of(code, match.start())
        if match[3]:
            opening = match.end() - 1
            group = code[opening + 1 : closing(code, opening)]
            found += [Path(head + tail, line) for tail in _group(group)]
        elif len(head) > 1 or match[1].startswith("rkv_"):
            found.append(Path(head, line))
    return found


def _group(text: str) -> list[tuple[str, ...]]:
    """`a::{b, c}, d as e` as (a, b), (a, c), (d)."""
    found = []
    for item in _split(text):
        brace = item.find("{")
        head = tuple(_NAME.findall(item.partition(" as ")[0] if brace < 0 else item[:brace]))
        if brace < 0:
            found.append(head)
        else:
            found += [head + tail for tail in _group(item[brace + 1 : closing(item, brace)])]
    return [item for item in found if item]


def _split(text: str) -> list[str]:
    """Split at the commas that are not inside braces."""
    items, depth, start = [], 0, 0
    for position, character in enumerate(text):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if character == "," and depth == 0:
            items.append(text[start:position])
            start = position + 1
    return [*items, text[start:]]


def absolute(path: Path, module: tuple[str, ...]) -> tuple[str, ...] | None:
    """Segments of a path from the crate root, as seen in `module`; None if it leads to another crate."""
    first, *rest = path.segments
    if first == "crate":
        return tuple(rest)
    if first == "self":
        return (*module, *rest)
    if first != "super":
        return None
    up = 1
    while rest and rest[0] == "super":
        up += 1
        rest.pop(0)
    return (*module[: max(0, len(module) - up)], *rest)
