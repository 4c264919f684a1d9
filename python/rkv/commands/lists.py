"""Lists, and SORT, without the methods of :mod:`rkv.commands.hot`."""

from __future__ import annotations

from rkv.commands.form import INTEGER, Form, T, command, limit_words, ok
from rkv.errors import DataError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Literal, overload

    from rkv.commands.form import Keeping, Word

# A group is what GET patterns say of one element, so there are at least two of them.
_GROUP_MIN = 2


def _groups(size: int) -> Callable[[Any], Any]:
    """Cuts a list into tuples of ``size``."""

    def shape(reply: list[Any]) -> list[Any]:
        return list(zip(*[iter(reply)] * size, strict=False))

    return shape


def _sort_words(
    command: str,
    name: Word,
    start: int | None,
    num: int | None,
    by: Word | None,
    get: Word | Sequence[Word] | None,
    desc: bool,
    alpha: bool,
) -> list[Word]:
    limit = limit_words("``start`` and ``num``", start, num)
    words: list[Word] = [command, name]
    words += ["BY", by] if by is not None else []
    words += limit
    if isinstance(get, (bytes, str)):
        words += ["GET", get]
    elif get is not None:
        for pattern in get:  # type: ignore[union-attr]
            words += ["GET", pattern]
    words += ["DESC"] if desc else []
    words += ["ALPHA"] if alpha else []
    return words


class ListCommands(Form[T]):
    """Commands on lists."""

    __slots__ = ()

    @command
    def lindex(self, name: Word, index: int) -> T | None:
        """The element at ``index``; negative numbers count from the end. None beyond the list."""
        return self._value("LINDEX", name, index)

    @command
    def linsert(self, name: Word, where: str, refvalue: Word, value: Word) -> int:
        """Insert ``BEFORE`` or ``AFTER`` the first ``refvalue``; the new length, -1 without it, 0 without the key."""
        return self._call(INTEGER, "LINSERT", name, where, refvalue, value)

    @command
    def llen(self, name: Word) -> int:
        """How many elements there are; 0 without the key."""
        return self._call(INTEGER, "LLEN", name)

    @command
    def lmove(self, first_list: Word, second_list: Word, src: str = "LEFT", dest: str = "RIGHT") -> T | None:
        """Move an element from an end of a list to an end of another; the element, None without any."""
        return self._value("LMOVE", first_list, second_list, src, dest)

    @command
    def lmpop(self, num_keys: int, *args: Word, direction: str, count: int | None = 1) -> list[Any] | None:
        """Pop from the ``LEFT`` or ``RIGHT`` of the first list that has elements: ``[key, elements]``, or None."""
        number: list[Any] = ["COUNT", count] if count != 1 else []
        return self._call(None, "LMPOP", num_keys, *args, direction, *number)

    if TYPE_CHECKING:

        @overload
        def lpos(
            self: Keeping,
            name: Word,
            value: Word,
            rank: int | None = ...,
            count: int | None = ...,
            maxlen: int | None = ...,
        ) -> Any: ...
        @overload
        def lpos(
            self, name: Word, value: Word, rank: int | None = ..., count: None = ..., maxlen: int | None = ...
        ) -> int | None: ...
        @overload
        def lpos(
            self, name: Word, value: Word, rank: int | None = ..., count: int = ..., maxlen: int | None = ...
        ) -> list[int]: ...

    def lpos(
        self,
        name: Word,
        value: Word,
        rank: int | None = None,
        count: int | None = None,
        maxlen: int | None = None,
    ) -> Any:
        """Where ``value`` is: its ``rank``-th place, from the end if negative; or up to ``count`` places, 0 for all.

        At most ``maxlen`` elements are compared.
        """
        words: list[Word] = ["LPOS", name, value]
        words += ["RANK", rank] if rank is not None else []
        words += ["COUNT", count] if count is not None else []
        words += ["MAXLEN", maxlen] if maxlen is not None else []
        return self._call(None, *words)

    @command
    def lpushx(self, name: Word, *values: Word) -> int:
        """Push to the left of a list that exists; its new length, 0 without the key."""
        return self._call(INTEGER, "LPUSHX", name, *values)

    @command
    def lrange(self, name: Word, start: int, end: int) -> list[T]:
        """Elements ``start`` to ``end``, both included; negative numbers count from the end."""
        return self._strings("LRANGE", name, start, end)

    @command
    def lrem(self, name: Word, count: int, value: Word) -> int:
        """Remove the first ``count`` elements equal to ``value``, the last ones if negative, all if 0; how many."""
        return self._call(INTEGER, "LREM", name, count, value)

    @command
    def lset(self, name: Word, index: int, value: Word) -> bool:
        """Replace the element at ``index``. Raises :class:`rkv.ResponseError` beyond the list."""
        return self._call(ok, "LSET", name, index, value)

    @command
    def ltrim(self, name: Word, start: int, end: int) -> bool:
        """Keep only elements ``start`` to ``end``, both included."""
        return self._call(ok, "LTRIM", name, start, end)

    @command
    def rpoplpush(self, src: Word, dst: Word) -> T | None:
        """Move the last element of a list to the front of another: the old name of one :meth:`lmove`."""
        return self._value("RPOPLPUSH", src, dst)

    @command
    def rpushx(self, name: Word, *values: Word) -> int:
        """Push to the right of a list that exists; its new length, 0 without the key."""
        return self._call(INTEGER, "RPUSHX", name, *values)

    if TYPE_CHECKING:

        @overload
        def sort(
            self: Keeping,
            name: Word,
            start: int | None = ...,
            num: int | None = ...,
            by: Word | None = ...,
            get: Word | Sequence[Word] | None = ...,
            desc: bool = ...,
            alpha: bool = ...,
            store: Word | None = ...,
            groups: bool = ...,
        ) -> Any: ...
        @overload
        def sort(
            self,
            name: Word,
            start: int | None = ...,
            num: int | None = ...,
            by: Word | None = ...,
            get: None = ...,
            desc: bool = ...,
            alpha: bool = ...,
            store: None = ...,
            groups: Literal[False] = ...,
        ) -> list[T]: ...
        @overload
        def sort(
            self,
            name: Word,
            start: int | None = ...,
            num: int | None = ...,
            by: Word | None = ...,
            get: Word | Sequence[Word] = ...,
            desc: bool = ...,
            alpha: bool = ...,
            store: None = ...,
            groups: Literal[False] = ...,
        ) -> list[T | None]: ...
        @overload
        def sort(
            self,
            name: Word,
            start: int | None = ...,
            num: int | None = ...,
            by: Word | None = ...,
            get: Sequence[Word] = ...,
            desc: bool = ...,
            alpha: bool = ...,
            store: None = ...,
            groups: Literal[True] = ...,
        ) -> list[tuple[T | None, ...]]: ...
        @overload
        def sort(
            self,
            name: Word,
            start: int | None = ...,
            num: int | None = ...,
            by: Word | None = ...,
            get: Word | Sequence[Word] | None = ...,
            desc: bool = ...,
            alpha: bool = ...,
            store: Word = ...,
            groups: Literal[False] = ...,
        ) -> int: ...

    def sort(
        self,
        name: Word,
        start: int | None = None,
        num: int | None = None,
        by: Word | None = None,
        get: Word | Sequence[Word] | None = None,
        desc: bool = False,
        alpha: bool = False,
        store: Word | None = None,
        groups: bool = False,
    ) -> Any:
        """The elements of a list, set or sorted set in order; or, with ``store``, how many were stored there as a list.

        They are numbers unless ``alpha``. ``by`` and ``get`` are patterns of other keys, in which ``*`` stands for the
        element; ``#`` gets the element itself. ``groups`` makes a tuple of what several ``get`` say of one element.
        """
        words = _sort_words("SORT", name, start, num, by, get, desc, alpha)
        words += ["STORE", store] if store is not None else []
        if not groups:
            return self._call(None, *words)
        if not get or isinstance(get, (bytes, str)) or len(get) < _GROUP_MIN:  # type: ignore[arg-type]
            raise DataError('when using "groups" the "get" argument must be specified and contain at least two keys')
        return self._call(_groups(len(get)), *words)  # type: ignore[arg-type]

    if TYPE_CHECKING:

        @overload
        def sort_ro(
            self: Keeping,
            key: Word,
            start: int | None = ...,
            num: int | None = ...,
            by: Word | None = ...,
            get: Word | Sequence[Word] | None = ...,
            desc: bool = ...,
            alpha: bool = ...,
        ) -> Any: ...
        @overload
        def sort_ro(
            self,
            key: Word,
            start: int | None = ...,
            num: int | None = ...,
            by: Word | None = ...,
            get: None = ...,
            desc: bool = ...,
            alpha: bool = ...,
        ) -> list[T]: ...
        @overload
        def sort_ro(
            self,
            key: Word,
            start: int | None = ...,
            num: int | None = ...,
            by: Word | None = ...,
            get: Word | Sequence[Word] = ...,
            desc: bool = ...,
            alpha: bool = ...,
        ) -> list[T | None]: ...

    def sort_ro(
        self,
        key: Word,
        start: int | None = None,
        num: int | None = None,
        by: Word | None = None,
        get: Word | Sequence[Word] | None = None,
        desc: bool = False,
        alpha: bool = False,
    ) -> Any:
        """As :meth:`sort`, which it never stores."""
        return self._call(None, *_sort_words("SORT_RO", key, start, num, by, get, desc, alpha))
