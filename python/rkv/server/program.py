"""The server as a program: configuration, log, pid file, signals, exit status.

All that can be refused is refused before trio is loaded, so that a wrong configuration or a taken port is told at once.
Exit statuses: 0 clean, 65 damaged data, 70 a bug, 74 input or output, 75 directory in use, 78 configuration.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import time
from typing import TYPE_CHECKING, NoReturn

from rkv import _rkv
from rkv.errors import DirectoryInUseError

from . import supervisor
from .listener import Listener, ListenError, close_all, open_tcp, open_unix

if TYPE_CHECKING:
    from types import FrameType

    from rkv._rkv import Config, Engine

    from .tls import ConfiguredTls

EX_OK = 0
EX_DATA = 65
EX_SOFTWARE = 70
EX_IO = 74
EX_IN_USE = 75
EX_CONFIG = 78
# As Redis does when it is told to stop a second time.
EX_INSISTED = 1

# Descriptors that are no clients: listeners, pollers, files.
DESCRIPTORS_OWN = 32
HTTP = ("http-port", "http-bind", "HTTP")
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StartError(Exception):
    """The server cannot start as it is configured; the message says why."""


def main(argv: list[bytes]) -> int:
    """Serve as `argv` says (what redis-server takes); returns the exit status."""
    for number in STOP_SIGNALS:
        signal.signal(number, _stop_early)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        config = _rkv.load_config(argv)
        program = Program(config)
    except (_rkv.ConfigError, StartError) as error:
        # There is no log yet.
        sys.stderr.write(f"*** FATAL CONFIG FILE ERROR (rkv {_rkv.__version__}) ***\n{error}\n")
        return EX_CONFIG
    status = EX_CONFIG
    try:
        program.prepare()
        status = program.serve()
    except (_rkv.ConfigError, ListenError, StartError) as error:
        warning(str(error))
    finally:
        program.clean_up(status)
    return status


def _stop_early(number: int, _frame: FrameType | None) -> NoReturn:
    notice(f"Received {signal.Signals(number).name} while starting, exiting")
    raise SystemExit(EX_OK)


def notice(text: str) -> None:
    """Log what an operator wants to know."""
    _rkv.log_line("notice", text)


def warning(text: str) -> None:
    """Log what an operator should act on."""
    _rkv.log_line("warning", text)


class Program:
    """One run of the server."""

    def __init__(self, config: Config) -> None:
        """Go to `dir` and begin to log; StartError if either cannot be."""
        self.config = config
        folder = config.text("dir")
        try:
            os.chdir(folder)
        except OSError as error:
            raise StartError(f"Can't chdir to '{folder}': {error.strerror}") from error
        config.set("dir", os.getcwd())
        logfile = config.text("logfile")
        if logfile:
            try:
                open(logfile, "a").close()
            except OSError as error:
                raise StartError(f"Can't open the log file {logfile}: {error.strerror}") from error
        self.loglevel = config.text("loglevel")
        # Later changes of directory must not move the log.
        _rkv.start_log(os.path.abspath(logfile) if logfile else None, self.loglevel, utc_offset_s())
        self.pidfile = ""
        self.is_systemd = supervisor.is_systemd(config.text("supervised"))
        self.listeners: list[Listener] = []
        self.http_listeners: list[Listener] = []
        self.tls: ConfiguredTls | None = None

    def prepare(self) -> None:
        """Say who we are, listen, and write the pid file."""
        config = self.config
        given = f"configuration {config.file}" if config.file else "default configuration"
        notice(f"rkv {_rkv.__version__} is starting: Python {sys.version.split()[0]}, {given}")
        if config.ineffective:
            notice(f"Options without effect yet: {', '.join(config.ineffective)}")
        self._raise_descriptors()
        self._prepare_tls()
        self._listen()
        port = config.text("port")
        port = config.text("tls-port") if port == "0" else port
        notice(f"Running in standalone mode: Port: {port} PID: {os.getpid()} Server initialized")
        self._write_pidfile()

    def _prepare_tls(self) -> None:
        """Read the certificates, if there is a port for them; a server without them would not be what was asked for."""
        if not int(self.config.text("tls-port")):
            return
        from .tls import ConfiguredTls, TlsError

        try:
            self.tls = ConfiguredTls({name: self.config.text(name) for name in self.config.names("tls-")})
        except TlsError as error:
            raise StartError(f"Failed to configure TLS: {error}") from error

    def _listen(self) -> None:
        config = self.config
        backlog = int(config.text("tcp-backlog"))
        for option, addresses, what in (("port", "bind", "TCP"), ("tls-port", "bind", "TLS"), HTTP):
            port = int(config.text(option))
            try:
                found = open_tcp(config.text(addresses).split(), port, backlog) if port else []
            except ListenError:
                warning(f"Failed listening on port {port} ({what}), aborting.")
                raise
            if what == "HTTP":
                self.http_listeners += found
            else:
                self.listeners += [each._replace(transport=what.lower()) for each in found]
        path = config.text("unixsocket")
        if path:
            self.listeners.append(open_unix(path, int(config.text("unixsocketperm"), 8), backlog))
        if not self.listeners:
            raise StartError("Configured to not listen anywhere, exiting.")

    def _raise_descriptors(self) -> None:
        """Allow as many descriptors as `maxclients` needs, or lower `maxclients`."""
        clients_max = int(self.config.text("maxclients"))
        needed = clients_max + DESCRIPTORS_OWN
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft == resource.RLIM_INFINITY or soft >= needed:
            return
        allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        except (OSError, ValueError):
            allowed = soft
        if allowed < needed:
            possible = max(allowed - DESCRIPTORS_OWN, 1)
            self.config.set("maxclients", str(possible))
            warning(
                f"maxclients {clients_max} needs {needed} file descriptors and the system allows {allowed}: "
                f"maxclients is {possible} now. To serve more, raise the limit with 'ulimit -n'."
            )

    def _write_pidfile(self) -> None:
        path = self.config.text("pidfile")
        if not path:
            return
        path = os.path.abspath(path)
        try:
            with open(path, "w", encoding="ascii") as file:
                file.write(f"{os.getpid()}\n")
            self.pidfile = path
        except OSError as error:
            warning(f"Failed to write PID file {path}: {error.strerror}")

    def serve(self) -> int:
        """Serve until somebody stops the server; returns the exit status."""
        try:
            engine = self.config.build()
        except DirectoryInUseError as error:
            warning(f"{error}, with --dir. To share one without saving anything there: --save ''")
            return EX_IN_USE
        except OSError as error:
            warning(str(error))
            return EX_IO
        from .running import run

        return run(self, engine)

    def settle(self, engine: Engine) -> None:
        """Follow what CONFIG SET changed and what time zones did."""
        _rkv.set_log_offset(utc_offset_s())
        level = _rkv.Front(engine).setting("loglevel")
        if level != self.loglevel:
            self.loglevel = level
            _rkv.set_log_level(level)

    def tell_ready(self) -> None:
        """Ready: to the log, and to systemd."""
        for transport in dict.fromkeys(each.transport for each in self.listeners):
            notice(f"Ready to accept connections {transport}")
        if self.is_systemd:
            self._tell_systemd("STATUS=Ready to accept connections", "READY=1")

    def tell_stopping(self) -> None:
        """Stopping: to the log, and to systemd."""
        notice("User requested shutdown...")
        if self.is_systemd:
            self._tell_systemd("STOPPING=1")

    def _tell_systemd(self, *lines: str) -> None:
        complaint = supervisor.notify(*lines)
        if complaint:
            warning(complaint)

    def clean_up(self, status: int) -> None:
        """Close the listeners and remove the pid file."""
        close_all([*self.listeners, *self.http_listeners])
        if self.pidfile:
            # The last line of a server that failed says why.
            if status == EX_OK:
                notice("Removing the pid file.")
            with contextlib.suppress(OSError):
                os.unlink(self.pidfile)


def utc_offset_s() -> int:
    """Local time minus UTC, now."""
    return time.localtime().tm_gmtoff
