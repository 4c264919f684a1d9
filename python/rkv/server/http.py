"""Three pages over HTTP/1.1, for what watches a server: `/metrics`, `/healthz`, `/readyz`.

It asks for no password, so it tells no key and no secret. It speaks just enough HTTP: GET and HEAD, one request per
connection, bounded in bytes and in time. It is neither a client of the store nor counted against `maxclients`.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

import trio

from rkv._rkv import log_line

from . import listener

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from .listener import Listener

HEAD_BYTES_MAX = 8192
# From the first byte to the last one of a request, and the same for the answer.
TIMEOUT_S = 5.0
CONNECTIONS_MAX = 32
READ_BYTES = 2048
TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
PLAIN = "text/plain; charset=utf-8"
METRICS = "text/plain; version=0.0.4; charset=utf-8"


class Answer(NamedTuple):
    """What a request is answered with."""

    status: HTTPStatus
    body: bytes
    kind: str = PLAIN
    # Only the head is sent.
    is_head: bool = False

    def encode(self) -> bytes:
        """The bytes to send."""
        lines = [
            f"HTTP/1.1 {self.status.value} {self.status.phrase}",
            f"Content-Type: {self.kind}",
            f"Content-Length: {len(self.body)}",
            "Cache-Control: no-store",
            "X-Content-Type-Options: nosniff",
            "Connection: close",
        ]
        if self.status is HTTPStatus.METHOD_NOT_ALLOWED:
            lines.append("Allow: GET, HEAD")
        head = "\r\n".join([*lines, "", ""]).encode("ascii")
        return head if self.is_head else head + self.body


class RefusedError(Exception):
    """A request that is not answered as it hopes; the status says why."""

    def __init__(self, status: HTTPStatus, text: str = "") -> None:
        super().__init__(text or status.phrase)
        self.status = status


def parse(head: bytes) -> tuple[str, str]:
    """Method and path of a request, from its head without the empty line. Raises RefusedError."""
    try:
        lines = head.decode("ascii").split("\r\n")
    except UnicodeDecodeError:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "a head is ASCII") from None
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[0] or not TOKEN.issuperset(parts[0]):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "no request line")
    method, target, version = parts
    if version not in {"HTTP/1.0", "HTTP/1.1"}:
        known = version.startswith("HTTP/") and version[5:].replace(".", "").isdigit()
        raise RefusedError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED if known else HTTPStatus.BAD_REQUEST)
    fields = [parse_field(line) for line in lines[1:]]
    hosts = sum(1 for name, _ in fields if name == "host")
    if hosts > 1 or (version == "HTTP/1.1" and hosts == 0):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "one Host is needed")
    for name, value in fields:
        if name == "transfer-encoding" or (name == "content-length" and value != "0"):
            raise RefusedError(HTTPStatus.BAD_REQUEST, "a request has no body here")
    if method not in {"GET", "HEAD"}:
        raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED)
    if not target.startswith("/") or not all("!" <= letter <= "~" for letter in target):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "no path")
    return method, target.partition("?")[0]


def parse_field(line: str) -> tuple[str, str]:
    """Name, in lower case, and value of a header field. Raises RefusedError."""
    name, colon, value = line.partition(":")
    value = value.strip(" \t")
    if not colon or not name or not TOKEN.issuperset(name) or not all(" " <= c <= "~" or c == "\t" for c in value):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "no header field")
    return name.lower(), value


class Http:
    """The pages behind listeners."""

    def __init__(
        self, listeners: Sequence[Listener], metrics: Callable[[], bytes], unready: Callable[[], str | None]
    ) -> None:
        """`metrics` makes that page, in a thread; `unready` says why clients had better go elsewhere, if they had."""
        self._listeners = listeners
        self._metrics = metrics
        self._unready = unready
        # Whoever asks for the same thing twice at a time waits.
        self._one_at_a_time = trio.CapacityLimiter(1)
        self._connections = 0

    async def run(self) -> None:
        """Answer until cancelled."""
        async with trio.open_nursery() as nursery:

            def admit(connection: socket.socket, _peer: str) -> None:
                if self._connections >= CONNECTIONS_MAX:
                    connection.close()
                    return
                self._connections += 1
                nursery.start_soon(self._serve, trio.SocketStream(trio.socket.from_stdlib_socket(connection)))

            for each in self._listeners:
                nursery.start_soon(listener.accept, each, admit, _complain)

    async def _serve(self, stream: trio.SocketStream) -> None:
        try:
            with trio.move_on_after(TIMEOUT_S) as reading:
                answer = await self._answer(stream)
            if reading.cancelled_caught:
                answer = Answer(HTTPStatus.REQUEST_TIMEOUT, b"too slow\n")
            if answer is not None:
                with trio.move_on_after(TIMEOUT_S):
                    await stream.send_all(answer.encode())
                    await stream.send_eof()
                    # Closing with bytes unread would reset the connection, and the peer might lose the answer.
                    while await stream.receive_some(READ_BYTES):
                        pass
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # The peer is gone.
            pass
        finally:
            self._connections -= 1
            await trio.aclose_forcefully(stream)

    async def _answer(self, stream: trio.SocketStream) -> Answer | None:
        try:
            head = await read_head(stream)
            if head is None:
                return None
            method, path = parse(head)
            return (await self._page(path))._replace(is_head=method == "HEAD")
        except RefusedError as error:
            return Answer(error.status, f"{error}\n".encode())

    async def _page(self, path: str) -> Answer:
        if path == "/metrics":
            made = await trio.to_thread.run_sync(self._metrics, abandon_on_cancel=True, limiter=self._one_at_a_time)
            return Answer(HTTPStatus.OK, made, METRICS)
        if path == "/healthz":
            return Answer(HTTPStatus.OK, b"ok\n")
        if path == "/readyz":
            reason = self._unready()
            if reason is None:
                return Answer(HTTPStatus.OK, b"ok\n")
            return Answer(HTTPStatus.SERVICE_UNAVAILABLE, f"{reason}\n".encode())
        raise RefusedError(HTTPStatus.NOT_FOUND, "there are /metrics, /healthz and /readyz")


async def read_head(stream: trio.abc.ReceiveStream) -> bytes | None:
    """The head of a request, without the empty line; None if the peer left before. Raises RefusedError."""
    received = bytearray()
    while (end := received.find(b"\r\n\r\n")) < 0:
        if len(received) > HEAD_BYTES_MAX:
            raise RefusedError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        piece = await stream.receive_some(READ_BYTES)
        if not piece:
            return None
        received += piece
    if end > HEAD_BYTES_MAX:
        raise RefusedError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
    return bytes(received[:end])


def _complain(text: str) -> None:
    log_line("warning", text)
