"""One driver per event loop: it hears from other threads who is to be woken."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import trio

from rkv._rkv import WakeQueue

if TYPE_CHECKING:
    from collections.abc import Callable


class Driver:
    """The event loop's end of a wake queue.

    A wake becomes a call of the function that was registered under its number, in the event loop.
    """

    def __init__(self) -> None:
        self.queue = WakeQueue()
        self._sleepers: dict[int, Callable[[], None]] = {}
        self._numbers = itertools.count(1)

    def register(self, wake: Callable[[], None]) -> int:
        """A number for `wake`, which must not raise."""
        number = next(self._numbers)
        self._sleepers[number] = wake
        return number

    def forget(self, number: int) -> None:
        """Wakes for this number are dropped from now on."""
        self._sleepers.pop(number, None)

    async def pump(self) -> None:
        """Pass on wakes until cancelled."""
        fileno = self.queue.fileno()
        while True:
            await trio.lowlevel.wait_readable(fileno)
            for number in self.queue.take():
                wake = self._sleepers.get(number)
                if wake is not None:
                    wake()


_DRIVER: trio.lowlevel.RunVar[Driver] = trio.lowlevel.RunVar("rkv-driver")


def driver() -> Driver:
    """The driver of this event loop, started at the first call."""
    try:
        return _DRIVER.get()
    except LookupError:
        new = Driver()
        _DRIVER.set(new)
        trio.lowlevel.spawn_system_task(new.pump, name="rkv wakes")
        return new
