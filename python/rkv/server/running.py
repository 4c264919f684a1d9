"""The running program: signals, SHUTDOWN, a poisoned store, and the graceful stop."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import trio

from rkv._rkv import Front, Keyspace
from rkv.errors import ClosedError, DamagedFileError, RkvError, SnapshotError

from .driver import driver
from .program import EX_DATA, EX_INSISTED, EX_IO, EX_OK, EX_SOFTWARE, STOP_SIGNALS, notice, warning
from .serving import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from rkv._rkv import Engine

    from .http import Http
    from .program import Program

# Peers that do not read their replies hold up the end no longer.
GRACE_S = 10.0
FOLLOW_S = 1.0
# A load that takes no longer is not seen by clients.
UNSEEN_LOAD_S = 0.5


def run(program: Program, engine: Engine) -> int:
    """Serve until somebody stops the server; returns the exit status."""
    return trio.run(_main, program, engine)


class _Wish:
    """That the server shall stop: told by a signal, by SHUTDOWN, by a bug, or by data that cannot be loaded."""

    def __init__(self) -> None:
        self.event = trio.Event()
        # What a start that failed ends with.
        self.status = EX_OK

    def tell(self) -> None:
        self.event.set()

    def forget(self) -> None:
        self.event = trio.Event()


async def _main(program: Program, engine: Engine) -> int:
    front = Front(engine)
    server = Server(engine, program.listeners, int(program.config.text("io-threads")), GRACE_S, program.tls)
    wish = _Wish()
    number = driver().register(wish.tell)
    front.listen(driver().queue, number)
    with trio.open_signal_receiver(*STOP_SIGNALS, signal.SIGHUP) as signals:
        async with trio.open_nursery() as nursery:
            if program.http_listeners:
                nursery.start_soon(_pages(program, engine, server).run)
            nursery.start_soon(_follow, program, engine)
            nursery.start_soon(_hear_signals, signals, program, wish)
            loaded = trio.Event()
            nursery.start_soon(_load, program, engine, wish, loaded)
            # Who comes while little is loaded waits to be accepted, instead of being told to come again.
            with trio.move_on_after(UNSEEN_LOAD_S):
                await loaded.wait()
            await nursery.start(server.run)
            status, grace_s = await _until_stopped(program, engine, front, wish)
            server.stop(grace_s)
            await server.stopped.wait()
            engine.cancel_load()
            nursery.cancel_scope.cancel()
    if status == EX_OK and _saves(engine, front):
        # What came after the snapshot that was taken before the stop.
        status = EX_OK if await _saved(engine.save_changes) else EX_IO
    driver().forget(number)
    front.unlisten()
    engine.close()
    if status == EX_OK:
        warning("rkv is now ready to exit, bye bye...")
    return status


async def _until_stopped(program: Program, engine: Engine, front: Front, wish: _Wish) -> tuple[int, float | None]:
    """Wait until the server shall stop and may; the exit status, and how long connections get to take their replies."""
    while True:
        await wish.event.wait()
        if front.is_poisoned:
            if front.exit_code != EX_SOFTWARE:
                return front.exit_code, 0.0
            warning("A bug left the data half changed: the store is stopped. Please report the lines above.")
            return EX_SOFTWARE, 0.0
        if wish.status != EX_OK:
            return wish.status, 0.0
        program.tell_stopping()
        asked = front.shutdown()
        if asked is not None:
            # Before it asked, SHUTDOWN saved.
            return EX_OK, 0.0 if asked[0] else None
        if engine.is_loading or not engine.has_save_points or await _saved(engine.save):
            return EX_OK, None
        warning("Errors trying to shut down the server. Check the logs for more information.")
        wish.forget()


def _saves(engine: Engine, front: Front) -> bool:
    asked = front.shutdown()
    chosen = None if asked is None else asked[2]
    return engine.has_save_points if chosen is None else chosen


async def _saved(save: Callable[[], object]) -> bool:
    try:
        await trio.to_thread.run_sync(save)
    except SnapshotError as error:
        warning(f"Error trying to save the DB, can't exit: {error}")
        return False
    return True


async def _load(program: Program, engine: Engine, wish: _Wish, loaded: trio.Event) -> None:
    """Load what lies in the directory, while clients are told to wait; `loaded` is set when that has ended."""
    try:
        await trio.to_thread.run_sync(engine.load, abandon_on_cancel=True)
    except ClosedError:
        return
    except DamagedFileError as error:
        wish.status = EX_DATA
        warning(f"Bad data, exiting: {error}")
    except OSError as error:
        wish.status = EX_IO
        warning(f"Fatal error loading the DB, exiting: {error}")
    else:
        program.tell_ready()
        return
    finally:
        loaded.set()
    wish.tell()


async def _follow(program: Program, engine: Engine) -> None:
    while True:
        await trio.sleep(FOLLOW_S)
        program.settle(engine)


def _pages(program: Program, engine: Engine, server: Server) -> Http:
    # Who has no use for pages does not load what makes them.
    from .http import Http
    from .metrics import Metrics

    keyspace: Keyspace[str] = Keyspace(engine, 0, text=True)

    def unready() -> str | None:
        if server.is_stopping:
            return "the server is shutting down"
        try:
            # It is refused for the same reasons as writes are.
            keyspace.execute("PING")
        except RkvError as error:
            return str(error)
        return None

    return Http(program.http_listeners, Metrics(engine).page, unready)


async def _hear_signals(signals: AsyncIterator[int], program: Program, wish: _Wish) -> None:
    async for number in signals:
        if number == signal.SIGHUP:
            if program.tls is not None:
                program.tls.reload()
            continue
        name = signal.Signals(number).name
        if wish.event.is_set():
            warning(f"Received {name} again: exiting now.")
            sys.stdout.flush()
            os._exit(EX_INSISTED)
        notice(f"Received {name} scheduling shutdown...")
        wish.tell()
