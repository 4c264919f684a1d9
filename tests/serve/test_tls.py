"""TLS: who is let in, what is told of those who are not, and certificates that are read anew."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
import redis

from support import servers
from support.certificates import Authority, Files
from support.program import connect
from support.resp import Bulk, Error, Simple, encode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.program import Program, Starter

REFUSED = "Unable to update TLS configuration. Check server logs."
EX_CONFIG = 78


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Signs what a test needs."""
    return Authority(tmp_path)


class Served:
    """A server with a TLS port and one without encryption."""

    def __init__(self, start: Starter, authority: Authority, *words: str, files: Files | None = None) -> None:
        self.authority = authority
        self.tls_port = servers.free_port()
        files = files or authority.server()
        options = ["--tls-port", str(self.tls_port), "--tls-cert-file", files.certificate]
        options += ["--tls-key-file", files.key, "--tls-ca-cert-file", authority.path]
        self.program, self.port = start.serving(*options, *words)

    def context(self, client: Files | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.authority.path)
        if client is not None:
            context.load_cert_chain(client.certificate, client.key)
        return context

    def call(self, *words: str, client: Files | None = None) -> bytes:
        """The reply over a connection of its own."""
        with self.open(self.context(client)) as peer:
            peer.sendall(encode(*words) + encode("QUIT"))
            return b"".join(iter(lambda: peer.recv(65536), b"")).removesuffix(b"+OK\r\n")

    @contextlib.contextmanager
    def open(self, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
        plain = socket.create_connection((servers.HOST, self.tls_port), 20)
        # An end without a goodbye is an error here.
        with plain, context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as peer:
            yield peer

    def lines(self, text: str) -> int:
        return self.program.log().count(text)


def test_redis_py_over_rediss(start: Starter, authority: Authority, io_threads: str) -> None:
    served = Served(start, authority, "--tls-auth-clients", "no", "--io-threads", io_threads)
    url = f"rediss://127.0.0.1:{served.tls_port}/0?ssl_ca_certs={authority.path}"
    for protocol in (2, 3):
        client = redis.Redis.from_url(url, protocol=protocol)
        large = os.urandom(3_000_000)
        assert client.set("large", large)
        assert client.get("large") == large
        with client.pipeline() as pipeline:
            for number in range(500):
                pipeline.rpush("list", number)
            assert pipeline.execute()[-1] == 500
        with client.pubsub() as listener:
            listener.subscribe("news")
            assert listener.get_message(timeout=5)["type"] == "subscribe"
            assert client.publish("news", "hello") == 1
            assert listener.get_message(timeout=5)["data"] == b"hello"
        assert {each["laddr"] for each in client.client_list()} == {f"127.0.0.1:{served.tls_port}"}
        assert client.flushall()
        client.close()
    with connect(served.port) as plain:
        assert plain.call("PING") == Simple(b"PONG")
        info = plain.call("INFO", "server").data.decode()
    assert f"name=tls,bind=127.0.0.1,port={served.tls_port}" in info


def test_the_end_is_said_over_tls(start: Starter, authority: Authority) -> None:
    served = Served(start, authority, "--tls-auth-clients", "no")
    assert served.call("PING") == b"+PONG\r\n"


def test_certificates_of_clients(start: Starter, authority: Authority, tmp_path: Path) -> None:
    served = Served(start, authority)
    foreign = Authority(tmp_path, "foreign").client("mallory")
    assert served.call("PING", client=authority.client("alice")) == b"+PONG\r\n"
    for client, said in (
        (None, "peer did not return a certificate"),
        (foreign, "unable to get local issuer certificate"),
        (authority.expired("bob"), "certificate has expired"),
    ):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            served.call("PING", client=client)
        served.program.await_log(f"Error accepting a client connection: .*{said}")
    assert served.lines("Error accepting") == 3
    with connect(served.port) as admin:
        assert admin.call("CONFIG", "SET", "tls-auth-clients", "optional") == Simple(b"OK")
    assert served.call("PING") == b"+PONG\r\n"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        served.call("PING", client=foreign)


def test_an_expired_certificate_of_the_server(start: Starter, authority: Authority) -> None:
    served = Served(start, authority, "--tls-auth-clients", "no", files=authority.expired("old"))
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        served.call("PING")
    served.program.await_log("Error accepting a client connection: .*certificate expired")
    assert served.lines("Error accepting") == 1


def test_plain_text_on_the_tls_port(start: Starter, authority: Authority) -> None:
    served = Served(start, authority, "--tls-auth-clients", "no")
    with served.open(served.context()) as other:
        with socket.create_connection((servers.HOST, served.tls_port), 20) as peer:
            peer.sendall(encode("PING"))
            assert peer.recv(100) == b""
        served.program.await_log("plain text on the TLS port")
        with socket.create_connection((servers.HOST, served.tls_port), 20) as peer:
            peer.sendall(b"\x16\x03\x01 and then something else altogether")
            with contextlib.suppress(ConnectionError):
                peer.recv(100)
        socket.create_connection((servers.HOST, served.tls_port), 20).close()
        served.program.await_log("the peer left")
        assert served.lines("Error accepting") == 3
        other.sendall(encode("PING"))
        assert other.recv(100) == b"+PONG\r\n"


def test_tls_on_the_plain_port(serving: tuple[Program, int]) -> None:
    program, port = serving
    with connect(port) as other:
        plain = socket.create_connection((servers.HOST, port), 20)
        with plain, pytest.raises((ssl.SSLError, ConnectionError)):
            ssl.create_default_context().wrap_socket(plain, server_hostname="localhost")
        program.await_log("speaks TLS where plain text is expected")
        assert program.log().count("speaks TLS") == 1
        assert other.call("PING") == Simple(b"PONG")


def test_failed_handshakes_do_not_fill_the_log(start: Starter, authority: Authority) -> None:
    served = Served(start, authority, "--tls-auth-clients", "no")
    for _ in range(60):
        with socket.create_connection((servers.HOST, served.tls_port), 20) as peer:
            peer.sendall(b"PING\r\n")
            assert peer.recv(100) == b""
    assert served.lines("plain text on the TLS port") == 30
    assert served.call("PING") == b"+PONG\r\n"


def test_handshakes_count_as_clients_and_end(start: Starter, authority: Authority) -> None:
    served = Served(start, authority, "--tls-auth-clients", "no", "--maxclients", "3")
    silent = [socket.create_connection((servers.HOST, served.tls_port), 20) for _ in range(3)]
    # Two listeners are accepted from in no order.
    time.sleep(0.5)
    started = time.monotonic()
    with connect(served.port) as refused:
        assert b"max number of clients" in refused.read_to_end()
    with socket.create_connection((servers.HOST, served.tls_port), 20) as peer:
        assert peer.recv(100) == b""
    for peer in silent:
        peer.settimeout(30)
        assert peer.recv(100) == b""
        peer.close()
    assert 5 < time.monotonic() - started < 30
    served.program.await_log("(?s)(no handshake within 10 seconds.*){3}")
    assert served.call("PING") == b"+PONG\r\n"


def test_certificates_are_read_again(start: Starter, authority: Authority, tmp_path: Path) -> None:
    served = Served(start, authority, "--tls-auth-clients", "no")
    other = Authority(tmp_path, "other").server("other")
    with connect(served.port) as admin, served.open(served.context()) as old:
        for name, value in (
            ("tls-cert-file", "/none.pem"),
            ("tls-cert-file", other.certificate),
            ("tls-cert-file", ""),
            ("tls-ca-cert-file", other.key),
            ("tls-protocols", "TLSv1.1"),
            ("tls-protocols", "SSLv9"),
            ("tls-ciphers", "no-such-cipher"),
            ("tls-dh-params-file", "/none.pem"),
        ):
            reply = admin.call("CONFIG", "SET", name, value)
            assert reply == Error(
                f"ERR CONFIG SET failed (possibly related to argument '{name}') - {REFUSED}".encode()
            ), (name, value)
            assert served.call("PING") == b"+PONG\r\n"
        changed = admin.call("CONFIG", "SET", "tls-cert-file", other.certificate, "tls-key-file", other.key)
        assert changed == Simple(b"OK")
        with pytest.raises(ssl.SSLCertVerificationError):
            served.call("PING")
        # Who was there keeps what it began with.
        old.sendall(encode("PING"))
        assert old.recv(100) == b"+PONG\r\n"


def test_a_certificate_logs_in(start: Starter, authority: Authority) -> None:
    served = Served(start, authority, "--tls-auth-clients", "optional", "--tls-auth-clients-user", "CN")
    with connect(served.port) as admin:
        for words in (("alice", "on", "+acl|whoami"), ("bob", "off", "+@all"), ("default", "resetpass", "-@all")):
            assert admin.call("ACL", "SETUSER", *words) == Simple(b"OK")
    assert served.call("ACL", "WHOAMI", client=authority.client("alice")) == b"$5\r\nalice\r\n"
    assert served.call("GET", "k", client=authority.client("alice")).startswith(b"-NOPERM")
    for client in (authority.client("bob"), authority.client("nobody"), None):
        assert served.call("ACL", "WHOAMI", client=client).startswith((b"-NOAUTH", b"-NOPERM"))


@pytest.mark.parametrize("by_signal", [True, False], ids=["SIGHUP", "interval"])
def test_other_files_in_the_same_place(start: Starter, authority: Authority, tmp_path: Path, by_signal: bool) -> None:
    words = [] if by_signal else ["--tls-auto-reload-interval", "1"]
    served = Served(start, authority, "--tls-auth-clients", "no", *words)
    (tmp_path / "server.pem").write_text("nothing of use")
    if by_signal:
        served.program.process.send_signal(signal.SIGHUP)
    served.program.await_log("goes on with the certificates")
    assert served.call("PING") == b"+PONG\r\n"
    Authority(tmp_path, "other").server("server")
    deadline = time.monotonic() + 20
    while True:
        if by_signal:
            served.program.process.send_signal(signal.SIGHUP)
        try:
            served.call("PING")
        except ssl.SSLCertVerificationError:
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    served.program.await_log("certificates and keys were read again")


def test_protocols_and_ciphers(start: Starter, authority: Authority) -> None:
    words = ["--tls-protocols", "TLSv1.2", "--tls-ciphers", "ECDHE+AESGCM", "--tls-prefer-server-ciphers", "yes"]
    served = Served(start, authority, "--tls-auth-clients", "no", "--tls-session-caching", "no", *words)
    with served.open(served.context()) as peer:
        assert peer.version() == "TLSv1.2"
        assert "GCM" in peer.cipher()[0]
    only_new = served.context()
    only_new.minimum_version = ssl.TLSVersion.TLSv1_3
    with pytest.raises(ssl.SSLError), served.open(only_new):
        pass
    with connect(served.port) as admin:
        assert admin.call("CONFIG", "SET", "tls-protocols", "tlsv1.3") == Simple(b"OK")
        with served.open(served.context()) as peer:
            assert peer.version() == "TLSv1.3"


def test_a_key_with_a_password(start: Starter, authority: Authority) -> None:
    files = authority.locked("sesame")
    words = ["--tls-auth-clients", "no", "--tls-key-file-pass"]
    served = Served(start, authority, *words, "sesame", files=files)
    assert served.call("PING") == b"+PONG\r\n"
    with connect(served.port) as admin:
        assert isinstance(admin.call("CONFIG", "SET", "tls-key-file-pass", "wr0ng"), Error)
        assert admin.call("CONFIG", "SET", "tls-key-file-pass", "sesame") == Simple(b"OK")
    assert "wr0ng" not in served.program.log()
    assert "sesame" not in served.program.log()


def test_starts_that_fail(start: Starter, authority: Authority, tmp_path: Path) -> None:
    files = authority.server()
    port = str(servers.free_port())
    pair = ["--tls-cert-file", files.certificate, "--tls-key-file", files.key]
    for words, said in (
        ([], "No tls-cert-file configured"),
        (pair[:2], "No tls-key-file configured"),
        (["--tls-cert-file", "/none", *pair[2:]], "Failed to load certificate: /none"),
        (pair, "Either tls-ca-cert-file or tls-ca-cert-dir"),
        ([*pair, "--tls-ca-cert-dir", str(tmp_path / "none")], "Failed to load CA certificates"),
    ):
        program = start("--port", "0", "--tls-port", port, *words)
        assert program.wait() == EX_CONFIG
        assert f"Failed to configure TLS: {said}" in program.log()


def test_only_tls(start: Starter, authority: Authority) -> None:
    files = authority.server()
    port = servers.free_port()
    words = ["--tls-cert-file", files.certificate, "--tls-key-file", files.key, "--tls-auth-clients", "no"]
    program = start("--port", "0", "--tls-port", str(port), *words)
    program.await_log("Ready to accept connections tls")
    assert "Ready to accept connections tcp" not in program.log()
    ping = [sys.executable, "-m", "rkv", "ping", "-p", str(port)]

    def run(*more: str) -> tuple[int, str]:
        done = subprocess.run([*ping, *more], capture_output=True, text=True, timeout=30, check=False)
        return done.returncode, done.stdout + done.stderr

    assert run("--tls", "--cacert", authority.path) == (0, "PONG\n")
    assert run("--tls", "--insecure") == (0, "PONG\n")
    status, said = run("--tls")
    assert status == 1
    assert "the server's certificate is not trusted" in said
    assert run()[0] == 1
    assert run("--cacert", authority.path)[0] == 2
    assert run("--tls", "--cacert")[0] == 2


def test_options_of_tls_are_written_back(start: Starter, authority: Authority, tmp_path: Path) -> None:
    files, port, tls_port = authority.server(), servers.free_port(), servers.free_port()
    lines = ["# mine", f"port {port}", f"tls-port {tls_port}", f"tls-cert-file {files.certificate}"]
    lines += [f"tls-key-file {files.key}", "# who is let in", "tls-auth-clients no", f"dir {tmp_path}"]
    path = tmp_path / "tls.conf"
    path.write_text("\n".join(lines) + "\n")
    program = start(str(path))
    program.await_log("Ready to accept connections tls")
    with connect(port) as client:
        change = ("tls-protocols", "TLSv1.3", "tls-session-caching", "no", "tls-ca-cert-file", authority.path)
        assert client.call("CONFIG", "SET", *change, "tls-auth-clients", "optional") == Simple(b"OK")
        assert client.call("CONFIG", "REWRITE") == Simple(b"OK")
    written = path.read_text().splitlines()
    lines[6] = "tls-auth-clients optional"
    assert written[: len(lines)] == lines
    added = ["tls-ca-cert-file " + authority.path, "tls-protocols TLSv1.3", "tls-session-caching no"]
    assert [line for line in written[len(lines) :] if line.startswith("tls-")] == added
    program.stop()
    again = start(str(path))
    again.await_log("Ready to accept connections tls")
    with connect(port) as client:
        assert client.call("CONFIG", "GET", "tls-protocols").items[1] == Bulk(b"TLSv1.3")


def test_a_subscriber_over_tls_that_reads_nothing_is_closed(start: Starter, authority: Authority) -> None:
    served = Served(start, authority, "--tls-auth-clients", "no", "--client-output-buffer-limit", "pubsub 1mb 0 0")
    with connect(served.port) as author, served.open(served.context()) as deaf:
        deaf.sendall(encode("SUBSCRIBE", "news"))
        assert deaf.recv(1)
        deadline = time.monotonic() + 20
        while getattr(author.call("PUBLISH", "news", "x" * 100_000), "value", 0):
            assert time.monotonic() < deadline, "the peer that reads nothing keeps its connection"
        assert "overcoming of output buffer limits" in served.program.log()


def test_many_at_once_and_the_end(start: Starter, authority: Authority) -> None:
    served = Served(start, authority, "--tls-auth-clients", "no")
    replies: list[bytes] = []

    def ask() -> None:
        replies.extend(served.call("INCR", "n") for _ in range(10))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(int(reply[1:-2]) for reply in replies) == list(range(1, 81))
    with served.open(served.context()) as held, socket.create_connection((servers.HOST, served.tls_port)):
        held.sendall(encode("GET", "n"))
        assert held.recv(100) == b"$2\r\n80\r\n"
        started = time.monotonic()
        assert served.program.stop() == 0
        assert time.monotonic() - started < 5
