"""What the command line needs to ask a server: one connection, one request at a time, RESP2."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TIMEOUT_S = 30.0
Reply = bytes | int | None | list["Reply"]

OPTIONS = "[-h host] [-p port] [-s socket] [--tls ...]; the password is read from REDISCLI_AUTH"
TLS_OPTIONS = """\
options of TLS, as redis-cli has them:
  --tls                        speak TLS
  --cacert FILE                trust the authorities in this file instead of the system's
  --cacertdir DIR              trust those in this directory
  --cert FILE --key FILE       show this certificate
  --sni NAME                   ask for this name of the server, and expect it in the certificate
  --insecure                   believe any certificate
  --tls-ciphers LIST           offer these ciphers of TLS 1.2 and older"""


# Those that have a value, without their dashes.
TLS_VALUES = frozenset({"cacert", "cacertdir", "cert", "key", "sni", "tls-ciphers"})
TLS_SWITCHES = frozenset({"tls", "insecure"})


class Target(NamedTuple):
    """Where to ask; `path` of a Unix socket goes before host and port. Without `tls` everything is in the clear."""

    host: str = "127.0.0.1"
    port: int = 6379
    path: str = ""
    tls: Mapping[str, str] | None = None

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


def read_target(words: Sequence[str]) -> tuple[Target, list[str]]:
    """The target that the options name, and the other words; ValueError if an option means nothing."""
    target, rest, other = Target(), list(words), []
    tls: dict[str, str] = {}
    while rest:
        option = rest.pop(0)
        field = option.removeprefix("--") if option.startswith("--") else ""
        if field in TLS_SWITCHES:
            tls[field] = "yes"
            continue
        if option not in {"-h", "-p", "-s"} and field not in TLS_VALUES:
            other.append(option)
            continue
        if not rest:
            raise ValueError(f"{option} needs a value")
        value = rest.pop(0)
        if field:
            tls[field] = value
        elif option == "-h":
            target = target._replace(host=value)
        elif option == "-s":
            target = target._replace(path=value)
        elif value.isdecimal() and int(value) < 65536:
            target = target._replace(port=int(value))
        else:
            raise ValueError(f"'{value}' is no port")
    if tls and "tls" not in tls:
        raise ValueError("options of TLS need --tls")
    return target._replace(tls=tls or None), other


class ReplyError(Exception):
    """The server answered with an error."""


class Connection:
    """A connection to a server. OSError where it fails."""

    def __init__(self, target: Target, timeout_s: float = TIMEOUT_S) -> None:
        self.socket = connect(target, timeout_s)
        self.stream = self.socket.makefile("rb")
        password = os.environ.get("REDISCLI_AUTH", "")
        if password:
            self.call("AUTH", password)

    def call(self, *words: str) -> Reply:
        """The reply to a request; ReplyError if it is an error."""
        encoded = [word.encode() for word in words]
        request = b"".join([b"*%d\r\n" % len(encoded), *(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)])
        self.socket.sendall(request)
        return self.read()

    def read(self) -> Reply:
        """The next reply."""
        line = self.stream.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionResetError("the connection was closed")
        kind, text = line[:1], line[1:-2]
        if kind == b"-":
            raise ReplyError(text.decode(errors="replace"))
        if kind == b":":
            return int(text)
        if kind == b"$":
            size = int(text)
            return None if size < 0 else self.stream.read(size + 2)[:-2]
        if kind == b"*":
            return [self.read() for _ in range(int(text))] if int(text) >= 0 else None
        return text

    def call_map(self, *words: str) -> dict[str, str | int]:
        """The reply to a request whose reply is a flat map of names and texts or numbers."""
        reply = self.call(*words)
        flat = reply if isinstance(reply, list) else []
        texts = [item.decode(errors="replace") if isinstance(item, bytes) else item for item in flat]
        return {
            str(name): value
            for name, value in zip(texts[::2], texts[1::2], strict=True)
            if isinstance(value, str | int)
        }

    def close(self) -> None:
        """End it."""
        self.stream.close()
        self.socket.close()


def connect(target: Target, timeout_s: float) -> socket.socket:
    """A connection to the target. OSError where it fails."""
    if not target.path:
        connection = socket.create_connection((target.host, target.port), timeout_s)
        return connection if target.tls is None else encrypt(connection, target.tls, target.host)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        connection.connect(target.path)
    except BaseException:
        connection.close()
        raise
    return connection


def encrypt(connection: socket.socket, tls: Mapping[str, str], host: str) -> socket.socket:
    """Speak TLS on a connection, which is closed if that fails. OSError where it does."""
    import ssl

    try:
        context = ssl.create_default_context(cafile=tls.get("cacert"), capath=tls.get("cacertdir"))
        if "insecure" in tls:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if "cert" in tls:
            context.load_cert_chain(tls["cert"], tls.get("key"))
        if "tls-ciphers" in tls:
            context.set_ciphers(tls["tls-ciphers"])
        return context.wrap_socket(connection, server_hostname=tls.get("sni", host))
    except ssl.SSLCertVerificationError as error:
        connection.close()
        raise OSError(f"the server's certificate is not trusted: {error.verify_message}") from error
    except BaseException:
        connection.close()
        raise
