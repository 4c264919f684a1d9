"""Sorted sets, without the methods of :mod:`rkv.commands.hot`.

Bounds of scores are numbers or ``"(1.5"`` (the bound itself left out), ``"-inf"``, ``"+inf"``; bounds of members are
``"[a"``, ``"(a"``, ``"-"``, ``"+"``. ``score_cast_func`` makes what stands for a score of its decimal digits.
"""

from __future__ import annotations

from rkv.commands.form import (
    INTEGER,
    Form,
    T,
    command,
    limit_words,
    scan_words,
)
from rkv.errors import DataError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from typing import Any, Literal, TypeAlias, overload

    from typing_extensions import TypeVar

    from rkv.commands.form import Keeping, Shape, Word

    S = TypeVar("S", default=float)
    Cast: TypeAlias = Callable[[Any], S]
    Keys: TypeAlias = Collection[Word] | Mapping[Any, float]

_AGGREGATES = {"SUM", "MIN", "MAX", "COUNT"}
_START_AND_NUM = "``start`` and ``num``"


def _digits(score: float) -> bytes:
    return b"%.17g" % score


def _digits_of(member: str | bytes, score: float) -> str | bytes:
    """The digits of a member's score, of the member's own type."""
    return f"{score:.17g}" if isinstance(member, str) else _digits(score)


def _flat(reply: list[Any]) -> list[Any]:
    """Members and the digits of their scores one after the other."""
    return [item for member, score in reply for item in (member, _digits_of(member, score))]


def first_popped(reply: Any) -> Any:
    """A key and what was popped there."""
    return reply and [reply[0], [[member, _digits_of(member, score)] for member, score in reply[1]]]


def _cast(cast: Cast[Any], digits: Any) -> Any:
    """A score by a function that may know digits without an exponent only, as ``int`` does."""
    try:
        return cast(digits)
    except (TypeError, ValueError):
        return cast(float(digits))


def _pairs(cast: Cast[Any]) -> Shape[Any]:
    """Tuples of members and scores."""
    if cast is float:
        return lambda reply: [(member, score) for member, score in reply]
    return lambda reply: [(member, _cast(cast, _digits(score))) for member, score in reply]


def _popped(reply: list[Any]) -> list[Any]:
    """Without a number the member and its score come alone."""
    if reply and not isinstance(reply[0], list):
        return [(reply[0], reply[1])]
    return [(member, score) for member, score in reply]


def _rank(cast: Cast[Any]) -> Shape[Any]:
    """A rank with a score."""

    def shape(reply: list[Any] | None) -> list[Any] | None:
        return reply and [reply[0], reply[1] if cast is float else _cast(cast, _digits(reply[1]))]

    return shape


def _page(cast: Cast[Any]) -> Shape[Any]:
    """The cursor of a scan, and tuples of members and scores."""

    def shape(reply: list[Any]) -> tuple[int, list[Any]]:
        cursor, flat = reply
        pairs = iter(flat)
        return int(cursor), [(member, _cast(cast, digits)) for member, digits in zip(pairs, pairs, strict=True)]

    return shape


def _aggregate_words(
    words: list[Word], keys: Keys, aggregate: str | None = None, withscores: bool = False
) -> list[Word]:
    """What ZUNION, ZINTER and their kin are told behind ``words``; a mapping gives each key a weight."""
    words += [len(keys), *keys]
    if isinstance(keys, dict) and keys:
        words += ["WEIGHTS", *keys.values()]
    if aggregate:
        if aggregate.upper() not in _AGGREGATES:
            raise DataError("aggregate can be sum, min, max or count.")
        words += ["AGGREGATE", aggregate]
    words += ["WITHSCORES"] if withscores else []
    return words


def _range_words(
    words: list[Word], byscore: bool, bylex: bool, desc: bool, offset: int | None, num: int | None, withscores: bool
) -> list[Word]:
    """The options of ZRANGE and ZRANGESTORE behind ``words``."""
    if byscore and bylex:
        raise DataError("``byscore`` and ``bylex`` can not be specified together.")
    if (offset is None) != (num is None):
        raise DataError("``offset`` and ``num`` must both be specified.")
    if bylex and withscores:
        raise DataError("``withscores`` not supported in combination with ``bylex``.")
    options = ((byscore, "BYSCORE"), (bylex, "BYLEX"), (desc, "REV"))
    words += [word for wanted, word in options if wanted]
    words += [] if offset is None or num is None else ["LIMIT", offset, num]
    words += ["WITHSCORES"] if withscores else []
    return words


def end_word(min: bool | None, max: bool | None) -> str:
    """MIN or MAX, of which exactly one must be chosen."""
    if bool(min) == bool(max):
        raise DataError
    return "MIN" if min else "MAX"


def add_words(
    name: Word,
    mapping: Mapping[Any, Word],
    nx: bool = False,
    xx: bool = False,
    ch: bool = False,
    incr: bool = False,
    gt: bool = False,
    lt: bool = False,
) -> list[Word]:
    """The words of ZADD."""
    if not mapping:
        raise DataError("ZADD requires at least one element/score pair")
    if nx and xx:
        raise DataError("ZADD allows either 'nx' or 'xx', not both")
    if gt and lt:
        raise DataError("ZADD allows either 'gt' or 'lt', not both")
    if incr and len(mapping) != 1:
        raise DataError("ZADD option 'incr' only works when passing a single element/score pair")
    if nx and (gt or lt):
        raise DataError("Only one of 'nx', 'lt', or 'gr' may be defined.")
    options = ((nx, "NX"), (xx, "XX"), (ch, "CH"), (incr, "INCR"), (gt, "GT"), (lt, "LT"))
    words: list[Word] = ["ZADD", name, *(word for wanted, word in options if wanted)]
    for member, score in mapping.items():
        words += [score, member]
    return words


class SortedSetCommands(Form[T]):
    """Commands on sorted sets."""

    __slots__ = ()

    def _ranged(self, words: list[Word], withscores: bool, cast: Cast[Any]) -> Any:
        return self._call(_pairs(cast) if withscores else None, *words)

    @command
    def zcard(self, name: Word) -> int:
        """How many members there are; 0 without the key."""
        return self._call(INTEGER, "ZCARD", name)

    @command
    def zcount(self, name: Word, min: Word, max: Word) -> int:
        """How many members have a score from ``min`` to ``max``."""
        return self._call(INTEGER, "ZCOUNT", name, min, max)

    @command
    def zdiff(self, keys: Collection[Word], withscores: bool = False) -> list[T]:
        """The members of the first sorted set that no other has; with scores, the digits of each behind its member."""
        words: list[Word] = ["ZDIFF", len(keys), *keys, *(["WITHSCORES"] if withscores else [])]
        return self._call(_flat if withscores else None, *words)

    @command
    def zdiffstore(self, dest: Word, keys: Collection[Word]) -> int:
        """Store what :meth:`zdiff` finds; how many members."""
        return self._call(INTEGER, "ZDIFFSTORE", dest, len(keys), *keys)

    @command
    def zincrby(self, name: Word, amount: Word, value: Word) -> float:
        """Add to a member's score, 0 without the member; the sum."""
        return self._call(float, "ZINCRBY", name, amount, value)

    if TYPE_CHECKING:

        @overload
        def zinter(self: Keeping, keys: Keys, aggregate: str | None = ..., withscores: bool = ...) -> Any: ...
        @overload
        def zinter(self, keys: Keys, aggregate: str | None = ..., withscores: Literal[False] = ...) -> list[T]: ...
        @overload
        def zinter(
            self, keys: Keys, aggregate: str | None = ..., withscores: Literal[True] = ...
        ) -> list[tuple[T, float]]: ...

    def zinter(self, keys: Keys, aggregate: str | None = None, withscores: bool = False) -> Any:
        """The members that all sorted sets have, with the sum of their scores, or the ``aggregate`` min or max."""
        return self._ranged(_aggregate_words(["ZINTER"], keys, aggregate, withscores), withscores, float)

    @command
    def zintercard(self, numkeys: int, keys: Sequence[Word], limit: int = 0) -> int:
        """How many members :meth:`zinter` would have; counting ends at ``limit``, if that is not 0."""
        return self._call(INTEGER, "ZINTERCARD", numkeys, *keys, "LIMIT", limit)

    @command
    def zinterstore(self, dest: Word, keys: Keys, aggregate: str | None = None) -> int:
        """Store what :meth:`zinter` finds; how many members."""
        return self._call(INTEGER, *_aggregate_words(["ZINTERSTORE", dest], keys, aggregate))

    @command
    def zlexcount(self, name: Word, min: Word, max: Word) -> int:
        """How many members are from ``min`` to ``max``, where all have the same score."""
        return self._call(INTEGER, "ZLEXCOUNT", name, min, max)

    @command
    def zmpop(
        self,
        num_keys: int,
        keys: Sequence[Word],
        min: bool | None = False,
        max: bool | None = False,
        count: int | None = 1,
    ) -> list[Any] | None:
        """Pop the members with the lowest (``min``) or highest (``max``) scores of the first key that has members.

        ``[key, [[member, digits of its score], ...]]``, or None.
        """
        words: list[Any] = [num_keys, *keys, end_word(min, max)]
        words += ["COUNT", count] if count != 1 else []
        return self._call(first_popped, "ZMPOP", *words)  # type: ignore[no-any-return]

    @command
    def zmscore(self, key: Word, members: Iterable[Word]) -> list[float | None]:
        """The scores of members, None where there is no member."""
        words = list(members)
        if not words:
            raise DataError("ZMSCORE members must be a non-empty list")
        return self._call(None, "ZMSCORE", key, *words)

    @command
    def zpopmax(self, name: Word, count: int | None = None) -> list[tuple[T, float]]:
        """Remove the member with the highest score, or up to ``count`` of them."""
        return self._call(_popped, "ZPOPMAX", name, *([] if count is None else [count]))

    @command
    def zpopmin(self, name: Word, count: int | None = None) -> list[tuple[T, float]]:
        """Remove the member with the lowest score, or up to ``count`` of them."""
        return self._call(_popped, "ZPOPMIN", name, *([] if count is None else [count]))

    if TYPE_CHECKING:

        @overload
        def zrandmember(self: Keeping, key: Word, count: int | None = ..., withscores: bool = ...) -> Any: ...
        @overload
        def zrandmember(self, key: Word, count: None = ..., withscores: Literal[False] = ...) -> T | None: ...
        @overload
        def zrandmember(self, key: Word, count: int = ..., withscores: bool = ...) -> list[T]: ...

    def zrandmember(self, key: Word, count: int | None = None, withscores: bool = False) -> Any:
        """A member by chance, or up to ``count`` different ones; if negative as many, some repeated.

        ``withscores`` puts the digits of its score behind each.
        """
        words: list[Word] = ["ZRANDMEMBER", key]
        words += [count] if count is not None else []
        words += ["WITHSCORES"] if withscores else []
        return self._call(_flat if withscores else None, *words)

    if TYPE_CHECKING:

        @overload
        def zrange(
            self: Keeping,
            name: Word,
            start: Word,
            end: Word,
            desc: bool = ...,
            withscores: bool = ...,
            score_cast_func: Cast[Any] = ...,
            byscore: bool = ...,
            bylex: bool = ...,
            offset: int | None = ...,
            num: int | None = ...,
        ) -> Any: ...
        @overload
        def zrange(
            self,
            name: Word,
            start: Word,
            end: Word,
            desc: bool = ...,
            withscores: Literal[False] = ...,
            score_cast_func: Cast[Any] = ...,
            byscore: bool = ...,
            bylex: bool = ...,
            offset: int | None = ...,
            num: int | None = ...,
        ) -> list[T]: ...
        @overload
        def zrange(
            self,
            name: Word,
            start: Word,
            end: Word,
            desc: bool = ...,
            withscores: Literal[True] = ...,
            score_cast_func: Cast[S] = ...,
            byscore: bool = ...,
            bylex: bool = ...,
            offset: int | None = ...,
            num: int | None = ...,
        ) -> list[tuple[T, S]]: ...

    def zrange(
        self,
        name: Word,
        start: Word,
        end: Word,
        desc: bool = False,
        withscores: bool = False,
        score_cast_func: Cast[Any] = float,
        byscore: bool = False,
        bylex: bool = False,
        offset: int | None = None,
        num: int | None = None,
    ) -> Any:
        """Members ``start`` to ``end``, both included: by rank, or ``byscore``, or ``bylex`` by member.

        ``desc`` turns the order round; then ``byscore`` and ``bylex`` take the higher bound first.
        """
        if desc and not byscore and not bylex and offset is None and num is None:
            words: list[Word] = ["ZREVRANGE", name, start, end, *(["WITHSCORES"] if withscores else [])]
        else:
            words = _range_words(["ZRANGE", name, start, end], byscore, bylex, desc, offset, num, withscores)
        return self._ranged(words, withscores, score_cast_func)

    @command
    def zrangebylex(
        self, name: Word, min: Word, max: Word, start: int | None = None, num: int | None = None
    ) -> list[T]:
        """Members from ``min`` to ``max``, where all have the same score; ``num`` of them from the ``start``-th on."""
        return self._strings("ZRANGEBYLEX", name, min, max, *limit_words(_START_AND_NUM, start, num))

    if TYPE_CHECKING:

        @overload
        def zrangebyscore(
            self: Keeping,
            name: Word,
            min: Word,
            max: Word,
            start: int | None = ...,
            num: int | None = ...,
            withscores: bool = ...,
            score_cast_func: Cast[Any] = ...,
        ) -> Any: ...
        @overload
        def zrangebyscore(
            self,
            name: Word,
            min: Word,
            max: Word,
            start: int | None = ...,
            num: int | None = ...,
            withscores: Literal[False] = ...,
            score_cast_func: Cast[Any] = ...,
        ) -> list[T]: ...
        @overload
        def zrangebyscore(
            self,
            name: Word,
            min: Word,
            max: Word,
            start: int | None = ...,
            num: int | None = ...,
            withscores: Literal[True] = ...,
            score_cast_func: Cast[S] = ...,
        ) -> list[tuple[T, S]]: ...

    def zrangebyscore(
        self,
        name: Word,
        min: Word,
        max: Word,
        start: int | None = None,
        num: int | None = None,
        withscores: bool = False,
        score_cast_func: Cast[Any] = float,
    ) -> Any:
        """Members with scores from ``min`` to ``max``; ``num`` of them from the ``start``-th on."""
        words: list[Word] = ["ZRANGEBYSCORE", name, min, max, *limit_words(_START_AND_NUM, start, num)]
        words += ["WITHSCORES"] if withscores else []
        return self._ranged(words, withscores, score_cast_func)

    @command
    def zrangestore(
        self,
        dest: Word,
        name: Word,
        start: Word,
        end: Word,
        byscore: bool = False,
        bylex: bool = False,
        desc: bool = False,
        offset: int | None = None,
        num: int | None = None,
    ) -> int:
        """Store what :meth:`zrange` finds; how many members."""
        words: list[Word] = ["ZRANGESTORE", dest, name, start, end]
        return self._call(INTEGER, *_range_words(words, byscore, bylex, desc, offset, num, withscores=False))

    if TYPE_CHECKING:

        @overload
        def zrank(
            self: Keeping, name: Word, value: Word, withscore: bool = ..., score_cast_func: Cast[Any] = ...
        ) -> Any: ...
        @overload
        def zrank(
            self, name: Word, value: Word, withscore: Literal[False] = ..., score_cast_func: Cast[Any] = ...
        ) -> int | None: ...
        @overload
        def zrank(
            self, name: Word, value: Word, withscore: Literal[True] = ..., score_cast_func: Cast[S] = ...
        ) -> list[int | S] | None: ...

    def zrank(self, name: Word, value: Word, withscore: bool = False, score_cast_func: Cast[Any] = float) -> Any:
        """How many members come before this one, or ``[rank, score]``; None if it is no member."""
        words: list[Word] = ["ZRANK", name, value, *(["WITHSCORE"] if withscore else [])]
        return self._call(_rank(score_cast_func) if withscore else None, *words)

    @command
    def zrem(self, name: Word, *values: Word) -> int:
        """Remove members; how many there were."""
        return self._call(INTEGER, "ZREM", name, *values)

    @command
    def zremrangebylex(self, name: Word, min: Word, max: Word) -> int:
        """Remove the members from ``min`` to ``max``, where all have the same score; how many."""
        return self._call(INTEGER, "ZREMRANGEBYLEX", name, min, max)

    @command
    def zremrangebyrank(self, name: Word, min: int, max: int) -> int:
        """Remove the members with ranks from ``min`` to ``max``; how many."""
        return self._call(INTEGER, "ZREMRANGEBYRANK", name, min, max)

    @command
    def zremrangebyscore(self, name: Word, min: Word, max: Word) -> int:
        """Remove the members with scores from ``min`` to ``max``; how many."""
        return self._call(INTEGER, "ZREMRANGEBYSCORE", name, min, max)

    if TYPE_CHECKING:

        @overload
        def zrevrange(
            self: Keeping, name: Word, start: Word, end: Word, withscores: bool = ..., score_cast_func: Cast[Any] = ...
        ) -> Any: ...
        @overload
        def zrevrange(
            self, name: Word, start: Word, end: Word, withscores: Literal[False] = ..., score_cast_func: Cast[Any] = ...
        ) -> list[T]: ...
        @overload
        def zrevrange(
            self, name: Word, start: Word, end: Word, withscores: Literal[True] = ..., score_cast_func: Cast[S] = ...
        ) -> list[tuple[T, S]]: ...

    def zrevrange(
        self, name: Word, start: Word, end: Word, withscores: bool = False, score_cast_func: Cast[Any] = float
    ) -> Any:
        """Members ``start`` to ``end`` from the highest score down: :meth:`zrange` with ``desc``."""
        words: list[Word] = ["ZREVRANGE", name, start, end, *(["WITHSCORES"] if withscores else [])]
        return self._ranged(words, withscores, score_cast_func)

    @command
    def zrevrangebylex(
        self, name: Word, max: Word, min: Word, start: int | None = None, num: int | None = None
    ) -> list[T]:
        """As :meth:`zrangebylex`, from the last member down."""
        return self._strings("ZREVRANGEBYLEX", name, max, min, *limit_words(_START_AND_NUM, start, num))

    if TYPE_CHECKING:

        @overload
        def zrevrangebyscore(
            self: Keeping,
            name: Word,
            max: Word,
            min: Word,
            start: int | None = ...,
            num: int | None = ...,
            withscores: bool = ...,
            score_cast_func: Cast[Any] = ...,
        ) -> Any: ...
        @overload
        def zrevrangebyscore(
            self,
            name: Word,
            max: Word,
            min: Word,
            start: int | None = ...,
            num: int | None = ...,
            withscores: Literal[False] = ...,
            score_cast_func: Cast[Any] = ...,
        ) -> list[T]: ...
        @overload
        def zrevrangebyscore(
            self,
            name: Word,
            max: Word,
            min: Word,
            start: int | None = ...,
            num: int | None = ...,
            withscores: Literal[True] = ...,
            score_cast_func: Cast[S] = ...,
        ) -> list[tuple[T, S]]: ...

    def zrevrangebyscore(
        self,
        name: Word,
        max: Word,
        min: Word,
        start: int | None = None,
        num: int | None = None,
        withscores: bool = False,
        score_cast_func: Cast[Any] = float,
    ) -> Any:
        """As :meth:`zrangebyscore`, from the highest score down."""
        words: list[Word] = ["ZREVRANGEBYSCORE", name, max, min, *limit_words(_START_AND_NUM, start, num)]
        words += ["WITHSCORES"] if withscores else []
        return self._ranged(words, withscores, score_cast_func)

    if TYPE_CHECKING:

        @overload
        def zrevrank(
            self: Keeping, name: Word, value: Word, withscore: bool = ..., score_cast_func: Cast[Any] = ...
        ) -> Any: ...
        @overload
        def zrevrank(
            self, name: Word, value: Word, withscore: Literal[False] = ..., score_cast_func: Cast[Any] = ...
        ) -> int | None: ...
        @overload
        def zrevrank(
            self, name: Word, value: Word, withscore: Literal[True] = ..., score_cast_func: Cast[S] = ...
        ) -> list[int | S] | None: ...

    def zrevrank(self, name: Word, value: Word, withscore: bool = False, score_cast_func: Cast[Any] = float) -> Any:
        """As :meth:`zrank`, from the highest score down."""
        words: list[Word] = ["ZREVRANK", name, value, *(["WITHSCORE"] if withscore else [])]
        return self._call(_rank(score_cast_func) if withscore else None, *words)

    if TYPE_CHECKING:

        @overload
        def zscan(
            self: Keeping,
            name: Word,
            cursor: int = ...,
            match: Word | None = ...,
            count: int | None = ...,
            score_cast_func: Cast[Any] = ...,
        ) -> Any: ...
        @overload
        def zscan(
            self,
            name: Word,
            cursor: int = ...,
            match: Word | None = ...,
            count: int | None = ...,
            score_cast_func: Cast[S] = ...,
        ) -> tuple[int, list[tuple[T, S]]]: ...

    def zscan(
        self,
        name: Word,
        cursor: int = 0,
        match: Word | None = None,
        count: int | None = None,
        score_cast_func: Cast[Any] = float,
    ) -> Any:
        """Some members with their scores, and the cursor to go on with; 0 when all were seen."""
        return self._call(_page(score_cast_func), *scan_words("ZSCAN", name, cursor, match, count))

    if TYPE_CHECKING:

        @overload
        def zunion(
            self: Keeping,
            keys: Keys,
            aggregate: str | None = ...,
            withscores: bool = ...,
            score_cast_func: Cast[Any] = ...,
        ) -> Any: ...
        @overload
        def zunion(
            self,
            keys: Keys,
            aggregate: str | None = ...,
            withscores: Literal[False] = ...,
            score_cast_func: Cast[Any] = ...,
        ) -> list[T]: ...
        @overload
        def zunion(
            self,
            keys: Keys,
            aggregate: str | None = ...,
            withscores: Literal[True] = ...,
            score_cast_func: Cast[S] = ...,
        ) -> list[tuple[T, S]]: ...

    def zunion(
        self, keys: Keys, aggregate: str | None = None, withscores: bool = False, score_cast_func: Cast[Any] = float
    ) -> Any:
        """The members that any sorted set has, with the sum of their scores, or the ``aggregate`` min or max."""
        return self._ranged(_aggregate_words(["ZUNION"], keys, aggregate, withscores), withscores, score_cast_func)

    @command
    def zunionstore(self, dest: Word, keys: Keys, aggregate: str | None = None) -> int:
        """Store what :meth:`zunion` finds; how many members."""
        return self._call(INTEGER, *_aggregate_words(["ZUNIONSTORE", dest], keys, aggregate))
