"""RESP2 and RESP3 replies as they came: `Reader` knows no socket, `Connection` is one.

Client libraries turn a null bulk, a null array and a RESP3 null into the same None, and a simple string and a bulk
string into the same bytes. A differential test must see these differences, so every kind has a type of its own here,
and two replies are equal only if they are the same on the wire.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self

Argument = bytes | str | int | float


class ProtocolError(Exception):
    """What came is not RESP."""


@dataclass(frozen=True)
class Simple:
    """`+OK`"""

    text: bytes


@dataclass(frozen=True)
class Error:
    """`-ERR text`; a RESP3 blob error `!` has `blob` set."""

    text: bytes
    blob: bool = False

    @property
    def code(self) -> str:
        """The first word, such as ERR or WRONGTYPE."""
        return self.text.split(b" ", 1)[0].decode("ascii", "replace")


@dataclass(frozen=True)
class Integer:
    """`:7`"""

    value: int


@dataclass(frozen=True)
class Bulk:
    """`$3 abc`"""

    data: bytes


@dataclass(frozen=True)
class NullBulk:
    """`$-1`"""


@dataclass(frozen=True)
class NullArray:
    """`*-1`"""


@dataclass(frozen=True)
class Null:
    """`_` of RESP3"""


@dataclass(frozen=True)
class Boolean:
    """`#t` or `#f`"""

    value: bool


@dataclass(frozen=True)
class Double:
    """`,1.5`; compared by its text, which is what a client sees."""

    text: bytes

    @property
    def value(self) -> float:
        """The number."""
        return float(self.text)


@dataclass(frozen=True)
class BigNumber:
    """`(123`"""

    value: int


@dataclass(frozen=True)
class Verbatim:
    """`=7 txt:abc`"""

    form: bytes
    data: bytes


@dataclass(frozen=True)
class Array:
    """`*2 ...`"""

    items: tuple[Any, ...]


@dataclass(frozen=True)
class Set:
    """`~2 ...`, in the order of the wire."""

    items: tuple[Any, ...]


@dataclass(frozen=True)
class Push:
    """`>2 ...`"""

    items: tuple[Any, ...]


@dataclass(frozen=True)
class Map:
    """`%2 ...`: pairs in the order of the wire."""

    pairs: tuple[tuple[Any, Any], ...]


@dataclass(frozen=True)
class Attribute:
    """`|1 ...` and the reply that it describes."""

    pairs: tuple[tuple[Any, Any], ...]
    reply: Any


Reply = (
    Simple
    | Error
    | Integer
    | Bulk
    | NullBulk
    | NullArray
    | Null
    | Boolean
    | Double
    | BigNumber
    | Verbatim
    | Array
    | Set
    | Push
    | Map
    | Attribute
)


class _MoreNeededError(Exception):
    """The reply is not whole yet."""


def to_bytes(argument: Argument) -> bytes:
    """An argument as a client would send it; floats in their shortest form."""
    if isinstance(argument, bytes):
        return argument
    return (repr(argument) if isinstance(argument, float) else str(argument)).encode()


def encode(*arguments: Argument) -> bytes:
    """One command as an array of bulk strings."""
    parts = [b"*%d\r\n" % len(arguments)]
    for data in map(to_bytes, arguments):
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


class Reader:
    """Turns received bytes into replies, however the bytes were cut."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at = 0

    def feed(self, data: bytes) -> None:
        """Take what was received."""
        self._buffer += data

    @property
    def pending(self) -> bytes:
        """Received bytes that are not part of a whole reply yet."""
        return bytes(self._buffer)

    def next(self) -> Reply | None:
        """The next whole reply, or None while it is not whole."""
        self._at = 0
        try:
            reply = self._reply()
        except _MoreNeededError:
            return None
        del self._buffer[: self._at]
        return reply

    def replies(self) -> list[Reply]:
        """All whole replies."""
        return list(iter(self.next, None))

    def _line(self) -> bytes:
        end = self._buffer.find(b"\n", self._at)
        if end < 0:
            raise _MoreNeededError
        if end == self._at or self._buffer[end - 1] != ord("\r"):
            raise ProtocolError(f"a line without CR: {bytes(self._buffer[self._at : end])!r}")
        line = bytes(self._buffer[self._at : end - 1])
        self._at = end + 1
        return line

    def _data(self, length: int) -> bytes:
        end = self._at + length
        if len(self._buffer) < end + 2:
            raise _MoreNeededError
        if self._buffer[end : end + 2] != b"\r\n":
            raise ProtocolError("a bulk string without CRLF behind it")
        data = bytes(self._buffer[self._at : end])
        self._at = end + 2
        return data

    def _reply(self) -> Reply:
        line = self._line()
        kind, text = line[:1], line[1:]
        if kind in _SIMPLE:
            return _SIMPLE[kind](text)
        if kind in b"$!=" and kind:
            return self._blob(kind, text)
        if kind in b"*~>" and kind:
            return self._sequence(kind, text)
        if kind in b"%|" and kind:
            pairs = tuple((self._reply(), self._reply()) for _ in range(_length(text)))
            return Map(pairs) if kind == b"%" else Attribute(pairs, self._reply())
        raise ProtocolError(f"not a reply: {line!r}")

    def _blob(self, kind: bytes, text: bytes) -> Reply:
        if kind == b"$" and text == b"-1":
            return NullBulk()
        data = self._data(_length(text))
        if kind == b"$":
            return Bulk(data)
        if kind == b"!":
            return Error(data, blob=True)
        form, colon, rest = data.partition(b":")
        if not colon or len(form) != 3:
            raise ProtocolError(f"a verbatim string without its form: {data!r}")
        return Verbatim(form, rest)

    def _sequence(self, kind: bytes, text: bytes) -> Reply:
        if kind == b"*" and text == b"-1":
            return NullArray()
        items = tuple(self._reply() for _ in range(_length(text)))
        return {b"*": Array, b"~": Set, b">": Push}[kind](items)


def fields(reply: Reply) -> dict[bytes, Any]:
    """The pairs of a reply that is a map in RESP3 and an array of both in RESP2."""
    if isinstance(reply, Map):
        return {name.data: value for name, value in reply.pairs}
    assert isinstance(reply, Array), reply
    return {name.data: value for name, value in zip(reply.items[::2], reply.items[1::2], strict=True)}


def _integer(text: bytes) -> int:
    digits = text[1:] if text[:1] in (b"-", b"+") else text
    if not digits.isdigit():
        raise ProtocolError(f"not an integer: {text!r}")
    return int(text)


def _length(text: bytes) -> int:
    if not text.isdigit():
        raise ProtocolError(f"not a length: {text!r}")
    return int(text)


def _double(text: bytes) -> Double:
    try:
        float(text)
    except ValueError:
        raise ProtocolError(f"not a double: {text!r}") from None
    return Double(text)


def _boolean(text: bytes) -> Boolean:
    if text not in (b"t", b"f"):
        raise ProtocolError(f"not a boolean: {text!r}")
    return Boolean(text == b"t")


def _null(text: bytes) -> Null:
    if text:
        raise ProtocolError(f"a null with text: {text!r}")
    return Null()


_SIMPLE = {
    b"+": Simple,
    b"-": Error,
    b":": lambda text: Integer(_integer(text)),
    b",": _double,
    b"(": lambda text: BigNumber(_integer(text)),
    b"#": _boolean,
    b"_": _null,
}


class Connection:
    """One blocking connection, to `(host, port)` or to the path of a Unix socket; use it with `with`."""

    def __init__(self, address: tuple[str, int] | str, timeout_s: float = 20.0, protocol: int = 2) -> None:
        self.reader = Reader()
        self.pushes: list[Push] = []
        self.socket = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        try:
            self.socket.settimeout(timeout_s)
            self.socket.connect(address)
            if not isinstance(address, str):
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            self.socket.close()
            raise
        if protocol == 3:
            greeting = self.call("HELLO", 3)
            if not isinstance(greeting, Map):
                self.close()
                raise ProtocolError(f"HELLO 3 answered {greeting!r}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def read(self) -> Reply:
        """The next reply; pushes that come before it go to `pushes`. EOFError when the server closes."""
        while True:
            reply = self.reader.next()
            if isinstance(reply, Push):
                self.pushes.append(reply)
            elif reply is not None:
                return reply
            else:
                self._receive()

    def read_push(self) -> Push:
        """The oldest push not taken yet, waiting for one if there is none."""
        while not self.pushes:
            reply = self.reader.next()
            if isinstance(reply, Push):
                self.pushes.append(reply)
            elif reply is not None:
                raise ProtocolError(f"a reply where a push was awaited: {reply!r}")
            else:
                self._receive()
        return self.pushes.pop(0)

    def read_to_end(self) -> bytes:
        """Everything up to the server's close, unparsed."""
        received = bytearray(self.reader.pending)
        while chunk := self.socket.recv(1 << 16):
            received += chunk
        return bytes(received)

    def _receive(self) -> None:
        data = self.socket.recv(1 << 16)
        if not data:
            raise EOFError("the server closed the connection")
        self.reader.feed(data)

    def call(self, *arguments: Argument) -> Reply:
        """Run one command; an error is a reply like any other."""
        self.send(encode(*arguments))
        return self.read()

    def pipeline(self, commands: list[tuple[Argument, ...]]) -> list[Reply]:
        """Send all commands at once, then read all replies (a few thousand at most, or both sides fill up)."""
        self.send(b"".join(encode(*command) for command in commands))
        return [self.read() for _ in commands]
