"""`rkv serve` as a process, with its log and its exit status."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from support import servers
from support.resp import Connection, Error

TIMEOUT_S = 30.0


class Program:
    """One run of `rkv serve` in a folder of its own; what it prints is in `log()`."""

    def __init__(
        self, folder: Path, words: tuple[str, ...], environment: dict[str, str], stdin: bytes, descriptors: int | None
    ) -> None:
        self.folder = folder
        self.output = folder / "output"
        command = [sys.executable, "-m", "rkv", "serve", *words]
        if descriptors is not None:
            command = ["sh", "-c", f'ulimit -n {descriptors} && exec "$@"', "sh", *command]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env=os.environ | environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        assert self.process.stdin is not None
        self.process.stdin.write(stdin)
        self.process.stdin.close()

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    def log(self) -> str:
        return self.output.read_text(errors="replace")

    def await_log(self, pattern: str, timeout_s: float = TIMEOUT_S) -> re.Match[str]:
        deadline = time.monotonic() + timeout_s
        while True:
            found = re.search(pattern, self.log())
            if found:
                return found
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.log()}"
            assert time.monotonic() < deadline, f"no {pattern!r} in:\n{self.log()}"
            time.sleep(0.005)

    def ready(self) -> Program:
        self.await_log("Ready to accept connections")
        return self

    def wait(self) -> int:
        return self.process.wait(TIMEOUT_S)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.wait()


class Starter:
    """Starts programs and ends those that a test leaves behind."""

    def __init__(self) -> None:
        self.programs: list[Program] = []

    def __call__(
        self,
        *words: str,
        environment: dict[str, str] | None = None,
        stdin: bytes = b"",
        descriptors: int | None = None,
    ) -> Program:
        """A program; `descriptors` is how many files the system allows it to open."""
        folder = Path(tempfile.mkdtemp(prefix="rkv-test-serve-"))
        program = Program(folder, words, environment or {}, stdin, descriptors)
        self.programs.append(program)
        return program

    def serving(self, *words: str, environment: dict[str, str] | None = None) -> tuple[Program, int]:
        """A program that accepts connections, and its port."""
        port = servers.free_port()
        program = self("--port", str(port), "--bind", servers.HOST, *words, environment=environment)
        return program.ready(), port

    def close(self) -> None:
        for program in self.programs:
            if program.process.poll() is None:
                program.process.kill()
                program.process.wait()
            shutil.rmtree(program.folder, ignore_errors=True)


def connect(port: int, protocol: int = 2) -> Connection:
    """A connection to a port of this machine."""
    return Connection((servers.HOST, port), 20.0, protocol)


def connect_when_possible(port: int) -> Connection:
    """A connection to a server that says nothing when it is ready, as soon as it has loaded what it has."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            connection = connect(port)
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.01)
            continue
        while isinstance(connection.call("PING"), Error):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return connection


def unread(port: int, data: bytes) -> socket.socket:
    """A peer that sends as much of `data` as is taken, and reads nothing."""
    peer = socket.create_connection((servers.HOST, port))
    peer.settimeout(1.0)
    left = memoryview(data)
    while left:
        try:
            left = left[peer.send(left) :]
        except TimeoutError:
            break
    return peer
