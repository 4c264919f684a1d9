"""TLS: contexts from the options `tls-*`, and the handshake of an accepted connection.

A context is made anew when an option changes, on SIGHUP, and when `tls-auto-reload-interval` finds other files.
Connections keep the one that they began with; if a new one cannot be made, the old one stays.
"""

from __future__ import annotations

import os
import socket
import ssl
from typing import TYPE_CHECKING, Any

import trio

from rkv._rkv import log_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# A peer that has not shown who it is by then is closed.
HANDSHAKE_S = 10.0
# With which everything begins that a client of TLS sends first.
HANDSHAKE = b"\x16"
UNREAD_BYTES_MAX = 16 * 1024
# Lines about failed handshakes that are written within a minute; who makes more of them does not fill the disk.
LINES_MAX = 30
LINES_S = 60.0

VERSIONS = {"tlsv1.2": ssl.TLSVersion.TLSv1_2, "tlsv1.3": ssl.TLSVersion.TLSv1_3}
OUTDATED = frozenset({"tlsv1", "tlsv1.1"})
FILES = ("tls-cert-file", "tls-key-file", "tls-ca-cert-file", "tls-ca-cert-dir", "tls-dh-params-file")


class TlsError(Exception):
    """The options cannot be followed; the message says which and why, without secrets."""


class HandshakeError(Exception):
    """A connection did not come to speak TLS; the message says why."""


def make_context(settings: Mapping[str, str]) -> ssl.SSLContext:
    """What the options `tls-*` describe. Raises TlsError."""
    certificate, key = settings["tls-cert-file"], settings["tls-key-file"]
    if not certificate:
        raise TlsError("No tls-cert-file configured!")
    if not key:
        raise TlsError("No tls-key-file configured!")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Compression lets lengths betray what is encrypted, and a renegotiation is work that a peer can ask for at no cost.
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    _choose_protocols(context, settings["tls-protocols"])
    _choose_ciphers(context, settings)
    if settings["tls-session-caching"] == "no":
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
    try:
        # Without a password OpenSSL would ask for one at the terminal.
        context.load_cert_chain(certificate, key, password=lambda: settings["tls-key-file-pass"])
    except (OSError, ValueError) as error:
        raise TlsError(f"Failed to load certificate: {certificate} and key: {key}: {reason_of(error)}") from error
    _trust(context, settings)
    return context


def _choose_protocols(context: ssl.SSLContext, words: str) -> None:
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
    if not words:
        return
    chosen = []
    for word in words.lower().split():
        if word in OUTDATED:
            raise TlsError(f"tls-protocols: {word} is broken and is not spoken any more")
        if word not in VERSIONS:
            raise TlsError(f"Invalid tls-protocols specified. Use a combination of {', '.join(VERSIONS)}")
        chosen.append(VERSIONS[word])
    if not chosen:
        raise TlsError("tls-protocols names no protocol")
    context.minimum_version, context.maximum_version = min(chosen), max(chosen)


def _choose_ciphers(context: ssl.SSLContext, settings: Mapping[str, str]) -> None:
    ciphers, suites, parameters = (settings[name] for name in ("tls-ciphers", "tls-ciphersuites", "tls-dh-params-file"))
    if settings["tls-prefer-server-ciphers"] == "yes":
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    else:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if ciphers:
        try:
            context.set_ciphers(ciphers)
        except ssl.SSLError as error:
            raise TlsError(f"Failed to configure ciphers: {ciphers}") from error
    if suites:
        # Python 3.15 is the first one that can choose among those of TLS 1.3.
        choose: Callable[[str], object] | None = getattr(context, "set_ciphersuites", None)
        if choose is None:
            raise TlsError("tls-ciphersuites cannot be followed: the ssl module of this Python cannot choose them")
        try:
            choose(suites)
        except ssl.SSLError as error:
            raise TlsError(f"Failed to configure ciphersuites: {suites}") from error
    if parameters:
        try:
            context.load_dh_params(parameters)
        except (OSError, ValueError) as error:
            raise TlsError(f"Failed to load DH params file: {parameters}: {reason_of(error)}") from error


def _trust(context: ssl.SSLContext, settings: Mapping[str, str]) -> None:
    file, folder = settings["tls-ca-cert-file"], settings["tls-ca-cert-dir"]
    asked = settings["tls-auth-clients"]
    if asked != "no" and not (file or folder):
        raise TlsError(
            "Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-auth-clients is not 'no': "
            "otherwise no client's certificate could be trusted"
        )
    if folder and not os.path.isdir(folder):
        raise TlsError(f"Failed to load CA certificates: tls-ca-cert-dir {folder} is no directory")
    if file or folder:
        try:
            context.load_verify_locations(file or None, folder or None)
        except (OSError, ValueError) as error:
            raise TlsError(f"Failed to load CA certificate(s): {file or folder}: {reason_of(error)}") from error
    modes = {"no": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "yes": ssl.CERT_REQUIRED}
    context.verify_mode = modes[asked]


def reason_of(error: BaseException) -> str:
    """What an error of the ssl module means, without the places in C where it was noticed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


class Tls:
    """Shakes hands with the context of an application, which stays what it is."""

    def __init__(self, context: ssl.SSLContext) -> None:
        """`context` is for the side of the server and has a certificate."""
        self._lines: list[float] = []
        self._context = context

    def apply(self, settings: Mapping[str, str]) -> bool:  # noqa: ARG002 its options are for contexts that are made here
        """Take other options for new connections; False if they cannot be followed."""
        return True

    async def watch(self) -> None:
        """Look whether the context must be made anew: never."""

    def names(self, stream: trio.SSLStream[trio.SocketStream]) -> list[str]:  # noqa: ARG002 as above
        """As whom the peer logs in by its certificate: as nobody."""
        return []

    async def shake_hands(self, connection: socket.socket) -> trio.SSLStream[trio.SocketStream]:
        """The encrypted stream of an accepted connection, which belongs to it. Raises HandshakeError."""
        plain = trio.SocketStream(trio.socket.from_stdlib_socket(connection))
        stream = trio.SSLStream(plain, self._context, server_side=True)
        try:
            with trio.fail_after(HANDSHAKE_S):
                first = await plain.socket.recv(1, socket.MSG_PEEK)
                if first != HANDSHAKE:
                    # Closing with bytes unread would reset the connection.
                    await plain.socket.recv(UNREAD_BYTES_MAX)
                    raise HandshakeError("plain text on the TLS port" if first else "the peer left")
                await stream.do_handshake()
        except trio.TooSlowError:
            await trio.aclose_forcefully(plain)
            raise HandshakeError(f"no handshake within {HANDSHAKE_S:g} seconds") from None
        except (trio.BrokenResourceError, OSError) as error:
            await trio.aclose_forcefully(plain)
            raise HandshakeError(reason_of(error.__cause__ or error)) from error
        except BaseException:
            await trio.aclose_forcefully(plain)
            raise
        return stream

    def complain(self, peer: str, reason: str) -> None:
        """One line about a connection that failed."""
        now = trio.current_time()
        self._lines = [at for at in self._lines if now - at < LINES_S]
        level = "notice" if len(self._lines) < LINES_MAX else "verbose"
        if level == "notice":
            self._lines.append(now)
        log_line(level, f"Error accepting a client connection: {reason} (addr={peer})")


class ConfiguredTls(Tls):
    """The context that the options `tls-*` describe now, and how to come to another one."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        """Raises TlsError."""
        self._settings = dict(settings)
        self._seen = look(settings)
        super().__init__(make_context(settings))

    def apply(self, settings: Mapping[str, str]) -> bool:
        """Take other options for new connections; False, and a line in the log, if they cannot be followed."""
        try:
            seen = look(settings)
            context = make_context(settings)
        except TlsError as error:
            log_line("warning", str(error))
            return False
        self._settings, self._seen, self._context = dict(settings), seen, context
        return True

    def reload(self) -> None:
        """Read the files again."""
        if self.apply(self._settings):
            log_line("notice", "TLS certificates and keys were read again.")
        else:
            log_line("warning", "TLS goes on with the certificates and keys that were read before.")

    async def watch(self) -> None:
        """Read the files again when they are others, every `tls-auto-reload-interval` seconds."""
        while True:
            interval_s = int(self._settings["tls-auto-reload-interval"])
            await trio.sleep(interval_s or 1.0)
            seen = look(self._settings)
            if interval_s and seen != self._seen:
                # Also if it fails: the same files are not complained of twice.
                self._seen = seen
                self.reload()

    def names(self, stream: trio.SSLStream[trio.SocketStream]) -> list[str]:
        """As whom the certificate of the peer logs in, by `tls-auth-clients-user`, the likeliest first."""
        field = self._settings["tls-auth-clients-user"]
        certificate = stream.getpeercert() if field != "off" else None
        return names_in(certificate or {}, field)


def names_in(certificate: Mapping[str, Any], field: str) -> list[str]:
    """The common name (`CN`) or the URIs (`URI`) of a certificate as `getpeercert` gives it."""
    if field == "URI":
        return [value for kind, value in certificate.get("subjectAltName", ()) if kind == "URI"]
    parts = (part for parts in certificate.get("subject", ()) for part in parts)
    return [value for kind, value in parts if kind == "commonName"]


def look(settings: Mapping[str, str]) -> list[tuple[int, int, int] | None]:
    """What tells whether files are others: identity, size and time of change; None for a missing one."""
    found: list[tuple[int, int, int] | None] = []
    for path in filter(None, (settings[name] for name in FILES)):
        try:
            state = os.stat(path)
        except OSError:
            found.append(None)
        else:
            found.append((state.st_ino, state.st_size, state.st_mtime_ns))
    return found
