"""How far a long operation is: a bar on a terminal, otherwise a line every five seconds, on standard error."""

from __future__ import annotations

import sys
import time

BAR_WIDTH = 30
LINE_EVERY_S = 5.0
MIB = 1 << 20


class Progress:
    """Called with the bytes done and those to do, as often as one likes."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.is_terminal = sys.stderr.isatty()
        self.started = self.told = time.monotonic()
        self.is_open = False

    def __call__(self, done: int, total: int) -> None:
        """Show it, if it is time to."""
        share = min(done / total, 1.0) if total else 1.0
        if self.is_terminal:
            bar = ("#" * int(share * BAR_WIDTH)).ljust(BAR_WIDTH, ".")
            print(f"\r{self.what} [{bar}] {share:4.0%} {done / MIB:.0f} MiB ", end="", file=sys.stderr, flush=True)
            self.is_open = True
            return
        now = time.monotonic()
        if now - self.told >= LINE_EVERY_S:
            self.told = now
            print(f"{self.what}: {share:.0%}, {done} of {total} bytes", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Take the bar away, so that what is printed next stands alone."""
        if self.is_open:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self.is_open = False
