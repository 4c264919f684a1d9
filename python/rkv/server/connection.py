"""A connection served by trio tasks, over any stream."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import trio

from rkv._rkv import Session

from .driver import driver
from .engine import engine_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rkv._rkv import Engine

READ_BYTES_MAX = 64 * 1024
SEND_BYTES_MAX = 256 * 1024
# How long the end of a connection waits for a peer that does not read.
FAREWELL_S = 1.0


async def serve_stream(
    db: object,
    stream: trio.abc.Stream,
    *,
    peer: str = "stream:0",
    local: str = "stream:0",
) -> None:
    """Serve one client over a stream (TLS, memory, a pipe) until either side ends it; closes the stream.

    `peer` and `local` are what CLIENT LIST shows as the two addresses. Cancelling closes the connection.
    """
    await Connection(engine_of(db), stream, peer, local, "stream").run()


def log_in(session: Session, names: Sequence[str]) -> bool:
    """Log a client in as the first of the users that exists and is on; False if none is."""
    return any(session.log_in_as(name.encode()) for name in names)


class Connection:
    """Two tasks and a session: one task reads and sends, the other one answers to wakes and deadlines.

    The second one never waits for the peer, because it is the one that notices when a peer leaves too much unread: what
    it has to send is sent by a task of its own.
    """

    def __init__(
        self,
        engine: Engine,
        stream: trio.abc.Stream,
        peer: str,
        local: str,
        transport: str,
        names: Sequence[str] = (),
    ) -> None:
        """`names` are users as one of whom the client is logged in, the first that exists."""
        self._stream = stream
        self._driver = driver()
        self._woken = trio.Event()
        self._number = self._driver.register(self._wake)
        self._session = Session(engine, self._driver.queue, self._number, peer, local, transport)
        if names:
            log_in(self._session, names)
        self._reading: trio.CancelScope | None = None
        self._is_finishing = False
        self._is_sending = False
        self._is_in_order = False
        self._moved = trio.Event()

    async def run(self) -> None:
        """Serve until the connection ends."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._mind, nursery)
                await self._serve()
                nursery.cancel_scope.cancel()
        finally:
            self._driver.forget(self._number)
            self._session.close()
            await self._close()

    async def _close(self) -> None:
        if self._is_in_order:
            # TLS says goodbye, so that the peer knows that nothing was cut off.
            with trio.move_on_after(FAREWELL_S), contextlib.suppress(trio.BrokenResourceError):
                await self._stream.aclose()
        await trio.aclose_forcefully(self._stream)

    def finish(self) -> None:
        """Read no more; what was received is answered, then the connection ends."""
        self._is_finishing = True
        if self._reading is not None:
            self._reading.cancel()

    def _wake(self) -> None:
        self._woken.set()

    async def _serve(self) -> None:
        try:
            await self._read()
            await self._drain()
            self._is_in_order = True
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # Nobody is there any more.
            return

    async def _read(self) -> None:
        session = self._session
        while not session.closing and not self._is_finishing:
            data: bytes | bytearray = b""
            # Only waiting is cut short by `finish`: a reply that is being sent is sent whole.
            with trio.CancelScope() as self._reading:
                if not session.wants_input:
                    await self._moved.wait()
                    continue
                data = await self._stream.receive_some(READ_BYTES_MAX)
            self._reading = None
            if not data:
                return
            session.receive(data)
            self._tell()
            await self._send()

    async def _drain(self) -> None:
        """Send what is left, and wait for what may not be sent yet."""
        await self._send()
        while self._is_sending or self._session.withheld:
            await self._moved.wait()

    async def _send(self) -> None:
        """Send all there is; if the other task is at it already, it does."""
        if self._is_sending:
            return
        session, self._is_sending = self._session, True
        try:
            while data := session.output(SEND_BYTES_MAX):
                await self._stream.send_all(data)
                session.advance(len(data))
                self._tell()
        finally:
            self._is_sending = False
            self._move()

    async def _send_more(self, scope: trio.CancelScope) -> None:
        try:
            await self._send()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            scope.cancel()
        if self._is_over():
            self._end(scope)

    def _end(self, scope: trio.CancelScope) -> None:
        """Nothing is left to send: end in order, unless the peer holds up what was dropped meanwhile."""
        if self._is_sending:
            scope.cancel()
        else:
            self.finish()

    def _tell(self) -> None:
        """Let the other task learn of a new deadline, or that output was dropped while it is being sent."""
        if self._session.closing or self._session.wait_s is not None:
            self._woken.set()

    def _is_over(self) -> bool:
        session = self._session
        return session.closing and not session.withheld and not session.output(1)

    def _move(self) -> None:
        moved, self._moved = self._moved, trio.Event()
        moved.set()

    async def _mind(self, nursery: trio.Nursery) -> None:
        session = self._session
        while True:
            wait_s = session.wait_s
            with trio.move_on_after(float("inf") if wait_s is None else wait_s):
                await self._woken.wait()
            self._woken = trio.Event()
            session.poll()
            if self._is_over():
                self._end(nursery.cancel_scope)
            elif not self._is_sending and session.output(1):
                nursery.start_soon(self._send_more, nursery.cancel_scope)
            self._move()
