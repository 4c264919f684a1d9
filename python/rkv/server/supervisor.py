"""Telling systemd how the server is: datagrams to the socket that NOTIFY_SOCKET names."""

from __future__ import annotations

import os
import socket


def is_systemd(supervised: str) -> bool:
    """Whether `supervised` asks for systemd and systemd is there."""
    return supervised in {"systemd", "auto"} and bool(os.environ.get("NOTIFY_SOCKET"))


def notify(*lines: str) -> str | None:
    """Send lines such as `READY=1`; returns what went wrong, if anything did."""
    name = os.environ.get("NOTIFY_SOCKET", "")
    if not name:
        return None
    # A leading @ names a socket that has no place in the file system.
    address = "\0" + name[1:] if name.startswith("@") else name
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker:
            speaker.sendto("\n".join(lines).encode(), address)
    except OSError as error:
        return f"Can't send to systemd socket {name}: {error.strerror or error}"
    return None
