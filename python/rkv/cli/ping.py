"""`rkv ping`: asks a server whether it answers."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from .client import OPTIONS, TLS_OPTIONS, Target, connect, read_target

if TYPE_CHECKING:
    from collections.abc import Sequence

USAGE = f"usage: rkv ping {OPTIONS}\n{TLS_OPTIONS}"
TIMEOUT_S = 5.0
REPLY_BYTES_MAX = 4096
USAGE_STATUS = 2


def main(words: Sequence[str]) -> int:
    """Print the reply; 0 if it is PONG, 1 if it is another one or none, 2 for words that mean nothing."""
    try:
        target = read(words)
    except ValueError as error:
        print(f"rkv ping: {error}\n{USAGE}", file=sys.stderr)
        return USAGE_STATUS
    try:
        reply = ask(target, os.environ.get("REDISCLI_AUTH", ""))
    except OSError as error:
        print(f"Could not connect to {target}: {error.strerror or error}", file=sys.stderr)
        return 1
    text = reply.decode(errors="replace")
    if text == "+PONG":
        print("PONG")
        return 0
    print(text.removeprefix("-") or "the connection was closed", file=sys.stderr)
    return 1


def read(words: Sequence[str]) -> Target:
    """The target that the words name; ValueError if they name none."""
    target, other = read_target(words)
    if other:
        raise ValueError(f"unknown option '{other[0]}'")
    return target


def ask(target: Target, password: str) -> bytes:
    """The last reply, without its line end; empty if the connection was closed before it."""
    words = [*([b"AUTH", password.encode()] if password else [])]
    request = b"".join([b"*%d\r\n" % len(words), *(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)])
    request = (request if password else b"") + b"*1\r\n$4\r\nPING\r\n"
    wanted = 2 if password else 1
    with connect(target, TIMEOUT_S) as connection:
        connection.sendall(request)
        received = b""
        while received.count(b"\r\n") < wanted and len(received) < REPLY_BYTES_MAX:
            piece = connection.recv(REPLY_BYTES_MAX)
            if not piece:
                break
            received += piece
    return received.split(b"\r\n")[-2] if b"\r\n" in received else b""
