"""HyperLogLogs: counts of different elements, within one percent, in at most 12 KiB."""

from __future__ import annotations

from rkv.commands.form import INTEGER, Form, T, command, ok

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rkv.commands.form import Word


class HyperloglogCommands(Form[T]):
    """Commands on HyperLogLogs."""

    __slots__ = ()

    @command
    def pfadd(self, name: Word, *values: Word) -> int:
        """Add elements; 1 if the count may have changed, else 0."""
        return self._call(INTEGER, "PFADD", name, *values)

    @command
    def pfcount(self, *sources: Word) -> int:
        """About how many different elements were added to one, or to several together."""
        return self._call(INTEGER, "PFCOUNT", *sources)

    @command
    def pfmerge(self, dest: Word, *sources: Word) -> bool:
        """Add to ``dest`` all that others have seen."""
        return self._call(ok, "PFMERGE", dest, *sources)
