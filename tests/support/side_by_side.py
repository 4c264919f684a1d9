"""The same calls on rkv and on a real server, and the first reply that differs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from support.resp import Array, Integer, Reply

if TYPE_CHECKING:
    from support.resp import Argument, Connection


@dataclass(frozen=True)
class Pair:
    """A connection to rkv and one to the server that it is compared with; both speak the same protocol."""

    rkv: Connection
    peer: Connection

    def both(self, *words: Argument) -> tuple[Reply, Reply]:
        """The replies of rkv and of the peer."""
        return self.rkv.call(*words), self.peer.call(*words)

    def same(self, *words: Argument) -> Reply:
        """The reply, which must be the same on the wire."""
        mine, theirs = self.both(*words)
        assert mine == theirs, (words, mine, theirs)
        return mine

    def same_elements(self, *words: Argument) -> Reply:
        """The reply, an array whose order means nothing."""
        mine, theirs = self.both(*words)
        assert isinstance(mine, Array), (words, mine)
        assert isinstance(theirs, Array), (words, theirs)
        assert sorted(mine.items, key=repr) == sorted(theirs.items, key=repr), words
        return mine

    def near(self, tolerance: int, *words: Argument) -> int:
        """The integer, which may differ by a little: the calls are not made at the same moment."""
        mine, theirs = self.both(*words)
        assert isinstance(mine, Integer), (words, mine)
        assert isinstance(theirs, Integer), (words, theirs)
        assert abs(mine.value - theirs.value) <= tolerance, (words, mine, theirs)
        return mine.value
