"""Sets, without the methods of :mod:`rkv.commands.hot`."""

from __future__ import annotations

from rkv.commands.form import INTEGER, Form, T, command, listed, scan_page, scan_words, truth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, overload

    from rkv.commands.form import Keeping, Word


def _members(reply: Any) -> set[Any]:
    return reply if isinstance(reply, set) else set(reply)


def _picked(reply: Any) -> Any:
    """Members that were picked by number: a list, in whatever shape they come."""
    return list(reply) if isinstance(reply, set) else reply


class SetCommands(Form[T]):
    """Commands on sets."""

    __slots__ = ()

    @command
    def scard(self, name: Word) -> int:
        """How many members there are; 0 without the key."""
        return self._call(INTEGER, "SCARD", name)

    @command
    def sdiff(self, keys: Word | Iterable[Word], *args: Word) -> set[T]:
        """The members of the first set that no other has."""
        return self._call(_members, "SDIFF", *listed(keys, args))

    @command
    def sdiffcard(self, numkeys: int, keys: Sequence[Word], limit: int = 0) -> int:
        """How many members :meth:`sdiff` would have; counting ends at ``limit``, if that is not 0."""
        return self._call(INTEGER, "SDIFFCARD", numkeys, *keys, "LIMIT", limit)

    @command
    def sdiffstore(self, dest: Word, keys: Word | Iterable[Word], *args: Word) -> int:
        """Store what :meth:`sdiff` finds; how many members."""
        return self._call(INTEGER, "SDIFFSTORE", dest, *listed(keys, args))

    @command
    def sinter(self, keys: Word | Iterable[Word], *args: Word) -> set[T]:
        """The members that all sets have."""
        return self._call(_members, "SINTER", *listed(keys, args))

    @command
    def sintercard(self, numkeys: int, keys: Sequence[Word], limit: int = 0) -> int:
        """How many members :meth:`sinter` would have; counting ends at ``limit``, if that is not 0."""
        return self._call(INTEGER, "SINTERCARD", numkeys, *keys, "LIMIT", limit)

    @command
    def sinterstore(self, dest: Word, keys: Word | Iterable[Word], *args: Word) -> int:
        """Store what :meth:`sinter` finds; how many members."""
        return self._call(INTEGER, "SINTERSTORE", dest, *listed(keys, args))

    @command
    def smembers(self, name: Word) -> set[T]:
        """All members; empty without the key."""
        return self._call(_members, "SMEMBERS", name)

    @command
    def smismember(self, name: Word, values: Word | Iterable[Word], *args: Word) -> list[int]:
        """For each value 1 if it is a member, else 0."""
        return self._call(None, "SMISMEMBER", name, *listed(values, args))

    @command
    def smove(self, src: Word, dst: Word, value: Word) -> bool:
        """Move a member from a set to another; False if it was no member."""
        return self._call(truth, "SMOVE", src, dst, value)

    if TYPE_CHECKING:

        @overload
        def spop(self: Keeping, name: Word, count: int | None = ...) -> Any: ...
        @overload
        def spop(self, name: Word, count: None = ...) -> T | None: ...
        @overload
        def spop(self, name: Word, count: int = ...) -> list[T]: ...

    def spop(self, name: Word, count: int | None = None) -> Any:
        """Remove a member by chance, or up to ``count`` of them; None without the key, or an empty list."""
        return self._call(_picked, "SPOP", name, *([] if count is None else [count]))

    if TYPE_CHECKING:

        @overload
        def srandmember(self: Keeping, name: Word, number: int | None = ...) -> Any: ...
        @overload
        def srandmember(self, name: Word, number: None = ...) -> T | None: ...
        @overload
        def srandmember(self, name: Word, number: int = ...) -> list[T]: ...

    def srandmember(self, name: Word, number: int | None = None) -> Any:
        """A member by chance, or up to ``number`` different ones; with a negative number as many, some repeated."""
        return self._call(_picked, "SRANDMEMBER", name, *([] if number is None else [number]))

    @command
    def srem(self, name: Word, *values: Word) -> int:
        """Remove members; how many there were."""
        return self._call(INTEGER, "SREM", name, *values)

    @command
    def sscan(
        self, name: Word, cursor: int = 0, match: Word | None = None, count: int | None = None
    ) -> tuple[int, list[T]]:
        """Some members, and the cursor to go on with; 0 when all were seen."""
        return self._call(scan_page, *scan_words("SSCAN", name, cursor, match, count))

    @command
    def sunion(self, keys: Word | Iterable[Word], *args: Word) -> set[T]:
        """The members that any set has."""
        return self._call(_members, "SUNION", *listed(keys, args))

    @command
    def sunioncard(self, numkeys: int, keys: Sequence[Word], limit: int = 0, approx: bool = False) -> int:
        """How many members :meth:`sunion` would have; counting ends at ``limit``, if that is not 0.

        ``approx`` allows an estimate.
        """
        return self._call(INTEGER, "SUNIONCARD", numkeys, *keys, *(["APPROX"] if approx else []), "LIMIT", limit)

    @command
    def sunionstore(self, dest: Word, keys: Word | Iterable[Word], *args: Word) -> int:
        """Store what :meth:`sunion` finds; how many members."""
        return self._call(INTEGER, "SUNIONSTORE", dest, *listed(keys, args))
