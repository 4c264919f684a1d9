"""The borders, sizes and words that the tree is held to, as checks over a folder.

Each check takes the root of a tree and returns complaints, one line each, naming file and line. `tests/test_tidy.py`
runs them on this project, and on small bad trees to show that each can fail.
"""

from __future__ import annotations

import ast
import itertools
import re
import subprocess
from typing import TYPE_CHECKING

from support import rust_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 800
UNSAFE_MAX = 40
UNSAFE_MAX_BINDING = 2

# Top-level modules of the engine, from the highest floor to the lowest. Imports go down; on one floor they may go
# sideways, but not in a circle. A new module is entered here first.
ENGINE_FLOORS = (
    ("engine", "subscriber"),
    ("session", "housekeeper"),
    ("dispatch",),
    ("commands",),
    ("handler",),
    ("persist", "replicate", "cluster", "script"),
    ("journal", "rdb", "pubsub", "config", "observe"),
    ("client", "keyspace"),
    ("values",),
    (
        "acl",
        "resp",
        "limits",
        "clock",
        "random",
        "files",
        "number",
        "slot",
        "error",
        "glob",
        "keyed",
        "names",
        "slab",
        "seeded",
        "outbound",
    ),
)
FLOOR_OF = {name: floor for floor, names in enumerate(ENGINE_FLOORS) for name in names}

# What a module must not name although it lies lower: values are operations on one value, keyspace has no commands.
CLOSED_DOORS = {
    "values": (("clock",), ("resp", "reply")),
    "keyspace": (("resp", "request"),),
}
# Words of the engine's code that would mean a socket, or argv where keys are kept.
SOCKETS = re.compile(r"\b(?:TcpStream|TcpListener|UdpSocket|UnixStream|UnixListener|UnixDatagram|mio)\b")
ARGV = re.compile(r"\b(?:argv|Argv)\b")

CRATES_BELOW = {
    "collections": frozenset[str](),
    "engine": frozenset({"rkv-collections"}),
    "reactor": frozenset({"rkv-engine"}),
    "binding": frozenset({"rkv-engine", "rkv-reactor"}),
}

# Modules of the package that are allowed to load what embedding does without.
PYTHON_NOT_EMBEDDING = ("__main__", "cli", "clients", "contrib", "pytest_plugin", "server")
SLOW_TO_IMPORT = ("trio", "redis", "rich", "prompt_toolkit", "rkv.server", "rkv.cli")

UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
MACHINE_PATH = re.compile(r"(?<![\w.*}])/(?:home|root|Users|work|workspace|mnt|media)/\w|\b[A-Z]:\\\\?Users\b")
TEXT = (".rs", ".py", ".pyi", ".md", ".toml", ".yml", ".yaml", ".txt", ".cfg", ".conf", ".sh")
TEXT_NAMES = ("Makefile", "run", ".gitignore", ".gitattributes", ".editorconfig")


def files(root: Path) -> list[Path]:
    """The files of the tree, those that git would track where there is git; relative to the root."""
    if (root / ".git").exists():
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        listed = subprocess.run(command, cwd=root, capture_output=True, check=True, text=True).stdout.split("\0")
        found = [root / name for name in listed if name]
    else:
        found = list(root.rglob("*"))
    return sorted(path.relative_to(root) for path in found if path.is_file())


def rust_code(root: Path, under: str = "rust") -> Iterator[tuple[Path, str]]:
    """Rust files below a folder with their code, comments and literals blanked."""
    for path in files(root):
        if path.suffix == ".rs" and path.is_relative_to(under):
            yield path, rust_source.code_only((root / path).read_text())


def shipped_engine(root: Path) -> Iterator[tuple[Path, tuple[str, ...], str]]:
    """The engine's files, without tests: path, module path from the crate root, code."""
    folder = "rust/engine/src"
    for path, code in rust_code(root, folder):
        parts = path.relative_to(folder).with_suffix("").parts
        if not any(part == "tests" or part.endswith("_tests") for part in parts):
            module = parts[:-1] if parts[-1] in ("mod", "lib") else parts
            yield path, module, rust_source.without_tests(code)


def engine_imports(root: Path) -> Iterator[tuple[Path, tuple[str, ...], rust_source.Path, tuple[str, ...]]]:
    """Every path in the engine that leads to a module of it: file, module, path, target from the crate root."""
    known = {module[0] for _, module, _ in shipped_engine(root) if module} | set(FLOOR_OF)
    exported = root_exports(root, known)
    for path, module, code in shipped_engine(root):
        if not module:
            continue
        for named in rust_source.paths(code):
            target = rust_source.absolute(named, module)
            if target and target[0] not in known and target[0] in exported:
                target = exported[target[0]] + target[1:]
            if target and target[0] in known:
                yield path, module, named, target


def root_exports(root: Path, known: set[str]) -> dict[str, tuple[str, ...]]:
    """Names that the engine's lib.rs exports from its modules, so that `crate::Name` hides no import."""
    library = root / "rust/engine/src/lib.rs"
    if not library.exists():
        return {}
    code = rust_source.code_only(library.read_text())
    found = {}
    for use in re.finditer(r"\bpub(?:\([^)]*\))?\s+use\s+(?:(?:crate|self)::)?([^;]*);", code):
        for path in rust_source.paths("crate::{" + use[1] + "}"):
            target = path.segments[1:]
            if len(target) > 1 and target[0] in known:
                found[target[-1]] = target[:-1]
    return found


def imports_go_down(root: Path) -> list[str]:
    """Engine modules import only what lies below them, and sideways without a circle."""
    complaints, sideways = [], {}
    for path, module, _ in shipped_engine(root):
        if module and module[0] not in FLOOR_OF:
            complaints.append(f"{path}: module {module[0]} has no floor in ENGINE_FLOORS")
    for path, module, named, target in engine_imports(root):
        own, other = module[0], target[0]
        if own == other or own not in FLOOR_OF or other not in FLOOR_OF:
            continue
        if FLOOR_OF[other] < FLOOR_OF[own]:
            complaints.append(f"{path}:{named.line}: {own} imports {other}, which lies above it")
        elif FLOOR_OF[other] == FLOOR_OF[own]:
            sideways.setdefault(own, {})[other] = f"{path}:{named.line}"
    return complaints + circles(sideways)


def circles(edges: dict[str, dict[str, str]]) -> list[str]:
    """Complaints about modules that reach themselves."""
    found = []
    for start, direct in edges.items():
        reached, waiting = set(), list(direct)
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting += edges.get(name, {})
        if start in reached:
            where = ", ".join(f"{name} at {place}" for name, place in direct.items() if name in reached)
            found.append(f"{start} reaches itself over its own floor ({where})")
    return found


def families_stand_apart(root: Path) -> list[str]:
    """Files in commands/ do not import each other; what two need belongs in values or keyspace."""
    families = {module[1] for _, module, _ in shipped_engine(root) if len(module) > 1 and module[0] == "commands"}
    return [
        f"{path}:{named.line}: family {module[1]} imports family {target[1]}"
        for path, module, named, target in engine_imports(root)
        if module[0] == "commands" == target[0] and len(module) > 1 and len(target) > 1
        if target[1] in families and target[1] != module[1]
    ]


def closed_doors(root: Path) -> list[str]:
    """values sees no key, client, reply or clock; keyspace sees no argv; the engine has no sockets."""
    complaints = [
        f"{path}:{named.line}: {module[0]} must not import {'::'.join(door)}"
        for path, module, named, target in engine_imports(root)
        for door in CLOSED_DOORS.get(module[0], ())
        if target[: len(door)] == door
    ]
    for path, module, code in shipped_engine(root):
        words = [(SOCKETS, "a socket in the engine")]
        if module and module[0] == "keyspace":
            words.append((ARGV, "argv in the keyspace"))
        for pattern, what in words:
            for match in pattern.finditer(code):
                complaints.append(f"{path}:{rust_source.line_of(code, match.start())}: {what}")
    return complaints


def crates_go_down(root: Path) -> list[str]:
    """Manifests name only crates below, and pyo3 is named in the binding alone."""
    complaints = []
    for crate, below in CRATES_BELOW.items():
        manifest = root / "rust" / crate / "Cargo.toml"
        named = dependencies(manifest.read_text()) if manifest.exists() else set()
        wrong = {name for name in named if name.startswith("rkv-")} - below
        if crate != "binding":
            wrong |= {name for name in named if name.startswith("pyo3")}
        complaints += [f"rust/{crate}/Cargo.toml: {crate} must not depend on {name}" for name in sorted(wrong)]
    for path, code in rust_code(root):
        if not path.is_relative_to("rust/binding") and (match := re.search(r"\bpyo3\b", code)):
            complaints.append(f"{path}:{rust_source.line_of(code, match.start())}: pyo3 outside the binding")
    return complaints


def dependencies(manifest: str) -> set[str]:
    """Names in the `[dependencies]` tables of a Cargo.toml; those for tests and builds are not shipped."""
    found, inside = set(), False
    for line in manifest.splitlines():
        if header := re.match(r"\[(?:target\..*\.)?(\w[\w-]*)(?:\.([\w-]+))?\]", line.strip()):
            inside = header[1] == "dependencies"
            found |= {header[2]} if inside and header[2] else set()
        elif inside and (name := re.match(r"([\w-]+)", line.strip())):
            found.add(name[1])
    return found


def unsafe_is_rare(root: Path) -> list[str]:
    """`unsafe` stands in collections, twice in the binding, each with a SAFETY line; the other crates forbid it."""
    complaints, counts = [], dict.fromkeys(CRATES_BELOW, 0)
    for path, code in rust_code(root):
        crate = path.parts[1]
        lines = (root / path).read_text().splitlines()
        for match in re.finditer(r"\bunsafe\b", code):
            line = rust_source.line_of(code, match.start())
            if crate not in ("collections", "binding"):
                complaints.append(f"{path}:{line}: unsafe outside collections and binding")
            elif re.match(r"unsafe\s*(?:\{|impl\b|extern\b)", code[match.start() :]):
                counts[crate] += 1
                if not is_explained(lines, line, "SAFETY:"):
                    complaints.append(f"{path}:{line}: unsafe without a SAFETY line")
            elif re.match(r"unsafe\s+fn\s+\w", code[match.start() :]) and not is_explained(lines, line, "# Safety"):
                complaints.append(f"{path}:{line}: unsafe fn without a Safety section")
    if counts["binding"] > UNSAFE_MAX_BINDING:
        complaints.append(f"rust/binding: {counts['binding']} unsafe blocks, at most {UNSAFE_MAX_BINDING} are allowed")
    if sum(counts.values()) > UNSAFE_MAX:
        complaints.append(f"rust: {sum(counts.values())} unsafe blocks, at most {UNSAFE_MAX} are allowed")
    for crate in ("engine", "reactor"):
        library = root / "rust" / crate / "src/lib.rs"
        if library.exists() and "#![forbid(unsafe_code)]" not in library.read_text():
            complaints.append(f"rust/{crate}/src/lib.rs: does not forbid unsafe code")
    return complaints


# Modules that read what comes from outside, by the file that declares them.
READERS = {
    "rust/engine/src/lib.rs": ("acl", "glob", "rdb", "resp", "session"),
    "rust/engine/src/persist/aof/mod.rs": ("annotation", "manifest", "read", "replay", "scan"),
}
NEVER = "deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)"


def input_is_never_unwrapped(root: Path) -> list[str]:
    """What reads input neither unwraps nor indexes, and where its arithmetic overflows, a release notices it, too."""
    complaints = []
    for name, modules in READERS.items():
        text = (root / name).read_text() if (root / name).exists() else ""
        complaints += [
            f"{name}: {module} reads input and may unwrap"
            for module in modules
            if re.search(rf"^(pub )?mod {module};", text, re.MULTILINE)
            and not re.search(rf"{re.escape(NEVER)}\)\]\n(pub )?mod {module};", text)
        ]
    manifest = root / "Cargo.toml"
    text = manifest.read_text() if manifest.exists() else ""
    release = re.search(r"^\[profile\.release\]\n([^\[]*)", text, re.MULTILINE)
    if release and not re.search(r"^overflow-checks = true$", release[1], re.MULTILINE):
        complaints.append("Cargo.toml: a release does not check for overflow")
    return complaints


def is_explained(lines: list[str], line: int, word: str) -> bool:
    """Whether the comment above a line (from 1), or above the statement it is part of, holds a word."""
    if word in lines[line - 1]:
        return True
    for above in reversed(lines[: line - 1]):
        text = above.strip()
        if word in text and text.startswith("//"):
            return True
        if not text or (not text.startswith(("//", "#[")) and text.endswith((";", "{", "}"))):
            return False
    return False


def functions_are_short(root: Path) -> list[str]:
    """No function of Rust or Python is longer than FUNCTION_LINES_MAX lines, from its first line to its last."""
    found = []
    for path in files(root):
        if path.suffix == ".rs":
            code = rust_source.code_only((root / path).read_text())
            found += [(path, each.name, each.line, each.lines) for each in rust_source.functions(code)]
        elif path.suffix == ".py":
            for node in ast.walk(ast.parse((root / path).read_text())):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    found.append((path, node.name, node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1))
    return [
        f"{path}:{line}: {name} has {lines} lines, at most {FUNCTION_LINES_MAX} are allowed"
        for path, name, line, lines in found
        if lines > FUNCTION_LINES_MAX
    ]


def files_are_short(root: Path) -> list[str]:
    """No file of Rust or Python is longer than FILE_LINES_MAX lines."""
    lengths = {
        path: len((root / path).read_text().splitlines())
        for path in files(root)
        if path.suffix in (".rs", ".py", ".pyi")
    }
    return [
        f"{path}: {lines} lines, at most {FILE_LINES_MAX} are allowed; split it by subject"
        for path, lines in lengths.items()
        if lines > FILE_LINES_MAX
    ]


def words_are_finished(root: Path) -> list[str]:
    """No note to self, and no path of one machine, in any text."""
    complaints = []
    for path in files(root):
        if path.suffix not in TEXT and path.name not in TEXT_NAMES:
            continue
        for number, line in enumerate((root / path).read_text(errors="replace").splitlines(), 1):
            if match := UNFINISHED.search(line):
                complaints.append(f"{path}:{number}: {match[0]}")
            if match := MACHINE_PATH.search(line):
                complaints.append(f"{path}:{number}: the path of a machine: {match[0]}")
    return complaints


def heads_say_what(root: Path) -> list[str]:
    """Every crate and folder of Rust sources, and every Python package, begins with a text that says what it is."""
    everything = set(files(root))
    complaints = []
    for folder in sorted({path.parent for path in everything if path.suffix == ".rs" and "src" in path.parts}):
        heads = [folder / "lib.rs", folder / "main.rs", folder / "mod.rs", folder.with_suffix(".rs")]
        head = next((path for path in heads if path in everything), None)
        if head and not (root / head).read_text().lstrip().startswith("//!"):
            complaints.append(f"{head}: does not say what this folder is")
    for path in sorted(everything):
        if path.name == "__init__.py" and not ast.get_docstring(ast.parse((root / path).read_text())):
            complaints.append(f"{path}: does not say what this package is")
    return complaints


def python_goes_down(root: Path) -> list[str]:
    """cli > server > the rest; embedding and cli load nothing slow when they are imported."""
    complaints = []
    for path in files(root):
        if path.suffix != ".py" or not path.is_relative_to("python/rkv"):
            continue
        module = path.relative_to("python").with_suffix("").parts
        part = module[1] if len(module) > 1 else "__init__"
        for name, line, at_import in python_imports(root / path, module):
            if part not in ("cli", "__main__") and is_in(name, "rkv.cli"):
                complaints.append(f"{path}:{line}: {part} imports {name}, which lies above it")
            slow = next((each for each in SLOW_TO_IMPORT if is_in(name, each)), None)
            own = part == "cli" and slow == "rkv.cli"
            if at_import and slow and not own and (part == "cli" or part not in PYTHON_NOT_EMBEDDING):
                complaints.append(f"{path}:{line}: imports {name} when it is imported itself")
    return complaints


def is_in(name: str, module: str) -> bool:
    """Whether a dotted name is a module or lies in it."""
    return name == module or name.startswith(f"{module}.")


def python_imports(path: Path, module: tuple[str, ...]) -> Iterator[tuple[str, int, bool]]:
    """Every import of a file: absolute name, line, and whether it happens when the file is imported."""
    package = module[:-1]
    waiting: list[tuple[ast.AST, bool]] = [(ast.parse(path.read_text()), True)]
    while waiting:
        node, at_import = waiting.pop()
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno, at_import) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
            start = base if node.level else node.module or ""
            yield from ((f"{start}.{alias.name}", node.lineno, at_import) for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += [(child, at_import) for child in node.orelse]
        else:
            inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            waiting += [(child, at_import and not inside) for child in ast.iter_child_nodes(node)]


CHECKS: dict[str, Callable[[Path], list[str]]] = {
    check.__name__: check
    for check in (
        imports_go_down,
        families_stand_apart,
        closed_doors,
        crates_go_down,
        unsafe_is_rare,
        input_is_never_unwrapped,
        functions_are_short,
        files_are_short,
        words_are_finished,
        heads_say_what,
        python_goes_down,
    )
}


def complaints(root: Path) -> list[str]:
    """All complaints about a tree."""
    return list(itertools.chain.from_iterable(check(root) for check in CHECKS.values()))
