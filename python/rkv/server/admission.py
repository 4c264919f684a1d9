"""Who may connect: `maxclients`, protected mode, and the options of an accepted socket."""

from __future__ import annotations

import contextlib
import socket

FULL = b"-ERR max number of clients reached\r\n"
# Redis's own words: clients and people look for them.
DENIED = (
    b"-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the "
    b"default user. In this mode connections are only accepted from the loopback interface. If you want to connect "
    b"from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode "
    b"sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the "
    b"same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do so. "
    b"Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by "
    b"editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the "
    b"server. 3) If you started the server manually just for testing, restart it with the '--protected-mode no' "
    b"option. 4) Setup a an authentication password for the default user. NOTE: You only need to do one of the above "
    b"things in order for the server to start accepting connections from the outside.\r\n"
)
LOOPBACK = ("127.", "[::1]:", "[::ffff:127.")
KEEPALIVE_PROBES = 3


def is_local(peer: str) -> bool:
    """Whether an address as `shown` writes it belongs to the loopback interface."""
    return peer.startswith(LOOPBACK)


def tune(connection: socket.socket, keepalive_s: int) -> None:
    """Small replies leave at once; a peer that vanished is noticed after about two times `keepalive_s`."""
    # A peer may be gone already; whoever reads next will notice.
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if keepalive_s > 0:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if hasattr(socket, "TCP_KEEPIDLE"):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, keepalive_s)
            between_s = max(keepalive_s // KEEPALIVE_PROBES, 1)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, between_s)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)


def refuse(connection: socket.socket, text: bytes) -> None:
    """Say why and close, without ever waiting for the peer."""
    with contextlib.suppress(OSError):
        connection.send(text, socket.MSG_DONTWAIT)
        # Closing with bytes unread would reset the connection, and the peer might lose the text.
        connection.recv(16 * 1024, socket.MSG_DONTWAIT)
    connection.close()
