"""The running program: signals, SHUTDOWN, a poisoned store, and the graceful stop."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import trio

from rkv._rkv import Front

from .driver import driver
from .program import EX_INSISTED, EX_OK, EX_SOFTWARE, STOP_SIGNALS, notice, warning
from .serving import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rkv._rkv import Engine

    from .program import Program

# Peers that do not read their replies hold up the end no longer.
GRACE_S = 10.0
FOLLOW_S = 1.0


def run(program: Program, engine: Engine) -> int:
    """Serve until somebody stops the server; returns the exit status."""
    return trio.run(_main, program, engine)


async def _main(program: Program, engine: Engine) -> int:
    front = Front(engine)
    server = Server(engine, program.listeners, int(program.config.text("io-threads")), GRACE_S)
    asked = trio.Event()
    number = driver().register(asked.set)
    front.listen(driver().queue, number)
    status = EX_OK
    with trio.open_signal_receiver(*STOP_SIGNALS) as signals:
        async with trio.open_nursery() as nursery:
            await nursery.start(server.run)
            program.tell_ready()
            nursery.start_soon(_follow, program, engine)
            nursery.start_soon(_hear_signals, signals, asked)
            await asked.wait()
            if front.is_poisoned:
                warning("A bug left the data half changed: the store is stopped. Please report the lines above.")
                status = EX_SOFTWARE
                server.stop(0.0)
            else:
                program.tell_stopping()
                is_now, _ = front.shutdown() or (False, False)
                server.stop(0.0 if is_now else None)
            await server.stopped.wait()
            nursery.cancel_scope.cancel()
    driver().forget(number)
    front.unlisten()
    if status == EX_OK:
        warning("rkv is now ready to exit, bye bye...")
    return status


async def _follow(program: Program, engine: Engine) -> None:
    while True:
        await trio.sleep(FOLLOW_S)
        program.settle(engine)


async def _hear_signals(signals: AsyncIterator[int], asked: trio.Event) -> None:
    async for number in signals:
        name = signal.Signals(number).name
        if asked.is_set():
            warning(f"Received {name} again: exiting now.")
            sys.stdout.flush()
            os._exit(EX_INSISTED)
        notice(f"Received {name} scheduling shutdown...")
        asked.set()
