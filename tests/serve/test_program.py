"""`rkv serve` as a program: start, configuration, log, signals, exit statuses."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support import servers
from support.program import connect, connect_when_possible, unread
from support.resp import Bulk, Connection, Error, Simple, encode

if TYPE_CHECKING:
    from support.program import Program, Starter

EX_CONFIG = 78
LINE = re.compile(
    r"^(?P<pid>\d+):M \d{2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d{2}:\d{2}:\d{2}\.\d{3} "
    r"[.*#-] .+$"
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly(serving: tuple[Program, int], number: int) -> None:
    program, port = serving
    with connect(port) as connection:
        assert connection.call("PING") == Simple(b"PONG")
        assert program.stop(number) == 0
        assert connection.read_to_end() == b""
    assert signal.Signals(number).name in program.log()
    assert "ready to exit, bye bye" in program.log()


def test_a_second_signal_stops_it_at_once(serving: tuple[Program, int]) -> None:
    program, port = serving
    with connect(port) as connection:
        assert connection.call("SET", "large", "x" * 1_000_000) == Simple(b"OK")
    with unread(port, encode("GET", "large") * 40):
        program.process.send_signal(signal.SIGTERM)
        program.await_log("Received SIGTERM")
        time.sleep(0.2)
        assert program.process.poll() is None, "the peer that reads nothing was not waited for"
        started = time.monotonic()
        assert program.stop() == 1
        assert time.monotonic() - started < 5


def test_the_log_has_redis_lines(start: Starter) -> None:
    program, port = start.serving()
    before_ready = program.log().split("Ready to accept")[0].splitlines()
    assert len(before_ready) <= 6
    assert re.search(rf" PID: {program.pid}.*Server initialized", program.log())
    assert f"Port: {port}" in program.log()
    assert program.stop() == 0
    for line in program.log().splitlines():
        found = LINE.match(line)
        assert found, line
        assert int(found["pid"]) == program.pid


def test_the_log_shows_local_time(start: Starter) -> None:
    program, _ = start.serving(environment={"TZ": "Test-05:30"})
    shown = program.await_log(r"\d{2} \w{3} \d{4} \d{2}:\d{2}:\d{2}")[0]
    expected = time.time() + 5.5 * 3600
    close = {time.strftime("%d %b %Y %H:%M:%S", time.gmtime(expected - back)) for back in range(60)}
    assert shown in close


def test_levels_leave_lines_out(start: Starter) -> None:
    port = servers.free_port()
    program = start("--port", str(port), "--loglevel", "warning")
    with connect_when_possible(port) as connection:
        assert connection.call("PING") == Simple(b"PONG")
    assert program.stop() == 0
    assert " * " not in program.log()
    assert " # rkv is now ready to exit" in program.log()


def test_the_log_goes_to_a_file(start: Starter, tmp_path: Path) -> None:
    log = tmp_path / "rkv.log"
    program = start("--port", str(servers.free_port()), "--logfile", str(log))
    deadline = time.monotonic() + 20
    while not (log.exists() and "Ready" in log.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    moved = log.rename(tmp_path / "moved.log")
    assert program.stop() == 0
    assert program.log() == ""
    assert "Ready" in moved.read_text()
    assert "bye bye" in log.read_text(), "a file that was moved away is opened anew"


def test_a_log_that_cannot_be_written_is_refused(start: Starter, tmp_path: Path) -> None:
    program = start("--logfile", str(tmp_path / "none" / "rkv.log"))
    assert program.wait() == EX_CONFIG
    assert "Can't open the log file" in program.log()


def test_a_port_in_use(start: Starter) -> None:
    with socket.socket() as other:
        other.bind((servers.HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        program = start("--port", str(port), "--bind", servers.HOST)
        assert program.wait() == EX_CONFIG
    text = f"Could not create server TCP listening socket 127.0.0.1:{port}: bind: Address already in use"
    assert text in program.log()


def test_an_unknown_option_names_its_line_and_the_nearest_one(start: Starter, tmp_path: Path) -> None:
    file = tmp_path / "rkv.conf"
    file.write_text("# a comment\nport 7000\nmaxmemry 10mb\n")
    program = start(str(file))
    assert program.wait() == EX_CONFIG
    assert f"{file}, line 3" in program.log()
    assert "did you mean 'maxmemory'?" in program.log()


def test_modules_are_refused(start: Starter, tmp_path: Path) -> None:
    file = tmp_path / "rkv.conf"
    file.write_text("port 0\nloadmodule /usr/lib/module.so\n")
    program = start(str(file))
    assert program.wait() == EX_CONFIG
    assert "loadmodule" in program.log()


@pytest.mark.parametrize("line", ["user alice on >secret +nosuch", "aclfile /nowhere/users.acl"])
def test_users_that_are_not_right_are_refused(start: Starter, tmp_path: Path, line: str) -> None:
    file = tmp_path / "rkv.conf"
    file.write_text(f"port 0\n{line}\n")
    program = start(str(file))
    assert program.wait() == EX_CONFIG
    assert "secret" not in program.log()


def test_files_are_included(start: Starter, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "b.conf").write_text(f"port {servers.free_port()}\n")
    port = servers.free_port()
    (tmp_path / "parts" / "c.conf").write_text(f"port {port}\n")
    (tmp_path / "parts" / ".hidden.conf").write_text("no such option\n")
    file = tmp_path / "rkv.conf"
    file.write_text(f"include {tmp_path}/parts/*.conf\n")
    start(str(file)).ready()
    with connect(port) as connection:
        assert connection.call("PING") == Simple(b"PONG")


def test_an_included_file_that_is_missing(start: Starter, tmp_path: Path) -> None:
    file = tmp_path / "rkv.conf"
    file.write_text(f"include {tmp_path}/none.conf\n")
    program = start(str(file))
    assert program.wait() == EX_CONFIG
    assert "none.conf" in program.log()


def test_lines_from_standard_input(start: Starter) -> None:
    port = servers.free_port()
    start("-", stdin=f"port {port}\n".encode()).ready()
    with connect(port) as connection:
        assert connection.call("PING") == Simple(b"PONG")


def test_options_without_effect_are_told_in_one_line(start: Starter) -> None:
    program, _ = start.serving("--daemonize", "yes", "--repl-backlog-size", "2mb")
    told = [line for line in program.log().splitlines() if "without effect" in line]
    assert len(told) == 1
    assert "daemonize" in told[0]
    assert "repl-backlog-size" in told[0]


def test_the_pid_file(start: Starter, tmp_path: Path) -> None:
    file = tmp_path / "rkv.pid"
    program, _ = start.serving("--pidfile", str(file))
    assert file.read_text() == f"{program.pid}\n"
    assert program.stop() == 0
    assert not file.exists()


def test_a_pid_file_that_cannot_be_written_is_told(start: Starter, tmp_path: Path) -> None:
    program, _ = start.serving("--pidfile", str(tmp_path / "none" / "rkv.pid"))
    assert "Failed to write PID file" in program.log()
    assert program.stop() == 0


def test_dir_is_where_it_runs(start: Starter, tmp_path: Path) -> None:
    program, _ = start.serving("--dir", str(tmp_path), "--pidfile", "rkv.pid")
    assert Path(f"/proc/{program.pid}/cwd").resolve() == tmp_path.resolve()
    assert (tmp_path / "rkv.pid").exists()


def test_a_dir_that_is_missing_is_refused(start: Starter, tmp_path: Path) -> None:
    program = start("--dir", str(tmp_path / "none"))
    assert program.wait() == EX_CONFIG
    assert "Can't chdir" in program.log()


def test_a_unix_socket(start: Starter, tmp_path: Path, io_threads: str) -> None:
    path = tmp_path / "rkv.sock"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    words = ["--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700", "--io-threads", io_threads]
    program = start(*words).ready()
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    with Connection(str(path)) as connection:
        assert connection.pipeline([("SET", "k", "v"), ("GET", "k")]) == [Simple(b"OK"), Bulk(b"v")]
    assert program.stop() == 0
    assert not path.exists()


def test_a_file_in_the_place_of_a_unix_socket_is_kept(start: Starter, tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    program = start("--port", "0", "--unixsocket", str(path))
    assert program.wait() == EX_CONFIG
    assert path.read_text() == "data"


def test_nowhere_to_listen(start: Starter) -> None:
    program = start("--port", "0")
    assert program.wait() == EX_CONFIG
    assert "not listen anywhere" in program.log()


def test_an_optional_address_may_be_missing(start: Starter) -> None:
    port = servers.free_port()
    # 192.0.2.0/24 is for documentation, but this machine may be one of its examples.
    start("--port", str(port), "--bind", "127.0.0.1 -198.51.100.77").ready()
    connect(port).close()
    program = start("--port", str(servers.free_port()), "--bind", "127.0.0.1 198.51.100.77")
    assert program.wait() == EX_CONFIG
    assert "198.51.100.77" in program.log()


def test_every_address(start: Starter) -> None:
    port = servers.free_port()
    start("--port", str(port), "--bind", "* -::*").ready()
    for host in ("127.0.0.1", "127.0.0.2"):
        Connection((host, port)).close()


@pytest.mark.parametrize("is_abstract", [False, True])
def test_systemd_is_told(start: Starter, tmp_path: Path, is_abstract: bool) -> None:
    name = f"@rkv-test-{os.getpid()}" if is_abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind("\0" + name[1:] if is_abstract else name)
        ear.settimeout(20)
        program, port = start.serving("--supervised", "systemd", environment={"NOTIFY_SOCKET": name})
        assert b"READY=1" in ear.recv(4096).split(b"\n")
        with connect(port) as connection:
            assert connection.call("PING") == Simple(b"PONG")
        assert program.stop() == 0
        assert ear.recv(4096) == b"STOPPING=1"


def test_the_log_ends_where_nobody_reads_it() -> None:
    port = servers.free_port()
    reader, writer = os.pipe()
    process = subprocess.Popen([sys.executable, "-m", "rkv", "serve", "--port", str(port), "--save", ""], stdout=writer)
    os.close(writer)
    try:
        assert os.read(reader, 1)
        os.close(reader)
        with connect_when_possible(port) as connection:
            assert connection.call("PING") == Simple(b"PONG")
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


def test_nothing_is_served_after_the_end(serving: tuple[Program, int]) -> None:
    program, port = serving
    assert program.stop() == 0
    with pytest.raises(ConnectionRefusedError):
        connect(port)


def run(*words: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rkv", *words]
    every = os.environ | (environment or {})
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=every, check=False)


def test_ping(start: Starter, tmp_path: Path) -> None:
    path = tmp_path / "rkv.sock"
    _, port = start.serving("--unixsocket", str(path))
    done = run("ping", "-p", str(port))
    assert (done.returncode, done.stdout, done.stderr) == (0, "PONG\n", "")
    assert run("ping", "-h", "localhost", "-p", str(port)).returncode == 0
    assert run("ping", "-s", str(path)).stdout == "PONG\n"


def test_ping_without_a_server(tmp_path: Path) -> None:
    port = servers.free_port()
    done = run("ping", "-p", str(port))
    assert done.returncode == 1
    assert done.stderr == f"Could not connect to 127.0.0.1:{port}: Connection refused\n"
    assert run("ping", "-s", str(tmp_path / "none")).returncode == 1


def test_ping_shows_what_a_server_says_instead() -> None:
    with servers.start_redis("--requirepass", "sesame") as server:
        done = run("ping", "-p", str(server.port))
        assert done.returncode == 1
        assert "NOAUTH" in done.stderr
        assert run("ping", "-p", str(server.port), environment={"REDISCLI_AUTH": "sesame"}).stdout == "PONG\n"


@pytest.mark.parametrize("words", [("ping", "-x"), ("ping", "-p"), ("ping", "-p", "70000"), ("pong",), ()])
def test_words_that_mean_nothing(words: tuple[str, ...]) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_version_and_help() -> None:
    assert re.fullmatch(r"rkv \d+\.\d+\.\d+\n", run("--version").stdout)
    assert "rkv serve" in run("--help").stdout
    assert run("serve", "--version").stdout == run("--version").stdout
    assert "did you mean 'serve'?" in run("serv").stderr


@pytest.mark.parametrize("words", [["--version"], ["ping", "-p", "1"]])
def test_small_commands_do_without_trio(words: list[str]) -> None:
    program = f"import sys; from rkv.cli import main; main({words}); print('trio' in sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.endswith("False\n")


def test_a_wrong_configuration_is_told_without_trio() -> None:
    call = "print(main([b'--nonsense', b'1']), 'trio' in sys.modules)"
    program = f"import sys; from rkv.server.program import main; {call}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "78 False\n"


def test_requests_that_were_received_are_answered(serving: tuple[Program, int]) -> None:
    program, port = serving
    with connect(port) as connection:
        assert connection.call("NOSUCH") == Error(b"ERR unknown command 'NOSUCH', with args beginning with: ")
        assert program.stop() == 0


def test_debian_s_own_file_starts_it(start: Starter, tmp_path: Path) -> None:
    file = Path("/etc/redis/redis.conf")
    if not os.access(file, os.R_OK):
        pytest.skip(f"no {file} that can be read")
    port = servers.free_port()
    # Only where it writes and listens is changed: its folders belong to another user.
    words = ["--port", str(port), "--dir", str(tmp_path), "--logfile", "", "--pidfile", str(tmp_path / "rkv.pid")]
    program = start(str(file), *words).ready()
    with connect(port) as connection:
        assert connection.call("PING") == Simple(b"PONG")
    assert program.log().count("without effect") == 1
    assert program.stop() == 0
