"""Hashes, and the times when their fields expire, without the methods of :mod:`rkv.commands.hot`.

What concerns the time of fields replies with a number for each: -2 without the field (or the key), -1 for a field that
does not expire.
"""

from __future__ import annotations

from rkv.commands.form import (
    INTEGER,
    Form,
    T,
    command,
    condition_words,
    exclusive,
    expiry_words,
    listed,
    scan_words,
    truth,
    unix_milliseconds,
    unix_seconds,
)
from rkv.commands.form import milliseconds as in_milliseconds
from rkv.commands.form import seconds as in_seconds
from rkv.errors import DataError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, Literal, overload

    from rkv.commands.form import Expiry, Instant, Keeping, Word


def _page(reply: list[Any]) -> tuple[int, dict[Any, Any]]:
    cursor, flat = reply
    pairs = iter(flat)
    return int(cursor), dict(zip(pairs, pairs, strict=True))


def _page_of_names(reply: list[Any]) -> tuple[int, list[Any]]:
    cursor, names = reply
    return int(cursor), names


def _flat(reply: list[Any]) -> list[Any]:
    """Names and values one after the other."""
    return [item for pair in reply for item in pair]


def _one_condition(nx: bool, xx: bool, gt: bool, lt: bool) -> list[Word]:
    if nx + xx + gt + lt > 1:
        raise ValueError("Only one of 'nx', 'xx', 'gt', 'lt' can be specified.")
    return condition_words(nx, xx, gt, lt)


def _fields(names: Sequence[Word]) -> list[Word]:
    return ["FIELDS", len(names), *names]


def field_words(
    command: str,
    key: Word | None,
    value: Word | None,
    mapping: Mapping[Any, Word] | None,
    items: Sequence[Word] | None,
) -> list[Word]:
    """Names and values of fields, of which there must be some."""
    if key is None and not mapping and not items:
        raise DataError(f"'{command}' with no key value pairs")
    words: list[Word] = [*items] if items else []
    if key is not None:
        # None is no word, as the request will say.
        words += [key, value]  # type: ignore[list-item]
    for pair in mapping.items() if mapping else ():
        words.extend(pair)
    return words


class HashCommands(Form[T]):
    """Commands on hashes."""

    __slots__ = ()

    @command
    def hdel(self, name: Word, *keys: Word) -> int:
        """Delete fields; how many there were."""
        return self._call(INTEGER, "HDEL", name, *keys)

    @command
    def hexists(self, name: Word, key: Word) -> bool:
        """Whether there is such a field."""
        return self._call(truth, "HEXISTS", name, key)

    @command
    def hexpire(
        self,
        name: Word,
        seconds: Expiry,
        *fields: Word,
        nx: bool = False,
        xx: bool = False,
        gt: bool = False,
        lt: bool = False,
    ) -> list[int]:
        """Let fields expire after ``seconds``; for each 1 if done, 0 if a condition forbade it, 2 if it is deleted."""
        condition = _one_condition(nx, xx, gt, lt)
        return self._call(None, "HEXPIRE", name, in_seconds(seconds), *condition, *_fields(fields))

    @command
    def hexpireat(
        self,
        name: Word,
        unix_time_seconds: Instant,
        *fields: Word,
        nx: bool = False,
        xx: bool = False,
        gt: bool = False,
        lt: bool = False,
    ) -> list[int]:
        """Let fields expire at a time in Unix seconds; numbers as of :meth:`hexpire`."""
        condition = _one_condition(nx, xx, gt, lt)
        return self._call(None, "HEXPIREAT", name, unix_seconds(unix_time_seconds), *condition, *_fields(fields))

    @command
    def hexpiretime(self, key: Word, *fields: Word) -> list[int]:
        """When fields expire, in Unix seconds."""
        return self._call(None, "HEXPIRETIME", key, *_fields(fields))

    @command
    def hgetall(self, name: Word) -> dict[T, T]:
        """All fields with their values; empty without the key."""
        return self._call(None, "HGETALL", name)

    @command
    def hgetdel(self, name: Word, *keys: Word) -> list[T | None]:
        """Get the values of fields and delete them; None where there is no field."""
        if not keys:
            raise DataError("'hgetdel' should have at least one key provided")
        return self._call(None, "HGETDEL", name, *_fields(keys))

    @command
    def hgetex(
        self,
        name: Word,
        *keys: Word,
        ex: Expiry | None = None,
        px: Expiry | None = None,
        exat: Instant | None = None,
        pxat: Instant | None = None,
        persist: bool = False,
    ) -> list[T | None]:
        """Get the values of fields and change when they expire, as :meth:`getex` does for keys."""
        if not keys:
            raise DataError("'hgetex' should have at least one key provided")
        exclusive(
            "``ex``, ``px``, ``exat``, ``pxat``, and ``persist``",
            ex is not None,
            px is not None,
            exat is not None,
            pxat is not None,
            persist,
        )
        words = expiry_words(ex, px, exat, pxat) + (["PERSIST"] if persist else [])
        return self._call(None, "HGETEX", name, *words, *_fields(keys))

    @command
    def hincrby(self, name: Word, key: Word, amount: int = 1) -> int:
        """Add to the integer in a field, 0 without it; the sum."""
        return self._call(INTEGER, "HINCRBY", name, key, amount)

    @command
    def hincrbyfloat(self, name: Word, key: Word, amount: Word = 1.0) -> float:
        """Add to the number in a field, 0 without it; the sum."""
        return self._call(float, "HINCRBYFLOAT", name, key, amount)

    @command
    def hkeys(self, name: Word) -> list[T]:
        """The names of all fields."""
        return self._strings("HKEYS", name)

    @command
    def hlen(self, name: Word) -> int:
        """How many fields there are; 0 without the key."""
        return self._call(INTEGER, "HLEN", name)

    @command
    def hmget(self, name: Word, keys: Word | Iterable[Word], *args: Word) -> list[T | None]:
        """The values of fields, None where there is no field."""
        return self._call(None, "HMGET", name, *listed(keys, args))

    @command
    def hmset(self, name: Word, mapping: Mapping[Any, Word]) -> bool:
        """The old name of :meth:`hset` with ``mapping``; True."""
        if not mapping:
            raise DataError("'hmset' with 'mapping' of length 0")
        return self._call(truth, "HMSET", name, *field_words("hmset", None, None, mapping, None))

    @command
    def hpersist(self, name: Word, *fields: Word) -> list[int]:
        """Let fields live for ever; for each 1 if it would have expired."""
        return self._call(None, "HPERSIST", name, *_fields(fields))

    @command
    def hpexpire(
        self,
        name: Word,
        milliseconds: Expiry,
        *fields: Word,
        nx: bool = False,
        xx: bool = False,
        gt: bool = False,
        lt: bool = False,
    ) -> list[int]:
        """Let fields expire after ``milliseconds``; numbers as of :meth:`hexpire`."""
        condition = _one_condition(nx, xx, gt, lt)
        return self._call(None, "HPEXPIRE", name, in_milliseconds(milliseconds), *condition, *_fields(fields))

    @command
    def hpexpireat(
        self,
        name: Word,
        unix_time_milliseconds: Instant,
        *fields: Word,
        nx: bool = False,
        xx: bool = False,
        gt: bool = False,
        lt: bool = False,
    ) -> list[int]:
        """Let fields expire at a time in Unix milliseconds; numbers as of :meth:`hexpire`."""
        condition = _one_condition(nx, xx, gt, lt)
        when = unix_milliseconds(unix_time_milliseconds)
        return self._call(None, "HPEXPIREAT", name, when, *condition, *_fields(fields))

    @command
    def hpexpiretime(self, key: Word, *fields: Word) -> list[int]:
        """When fields expire, in Unix milliseconds."""
        return self._call(None, "HPEXPIRETIME", key, *_fields(fields))

    @command
    def hpttl(self, key: Word, *fields: Word) -> list[int]:
        """Milliseconds until fields expire."""
        return self._call(None, "HPTTL", key, *_fields(fields))

    if TYPE_CHECKING:

        @overload
        def hrandfield(self: Keeping, key: Word, count: int | None = ..., withvalues: bool = ...) -> Any: ...
        @overload
        def hrandfield(self, key: Word, count: None = ..., withvalues: Literal[False] = ...) -> T | None: ...
        @overload
        def hrandfield(self, key: Word, count: int = ..., withvalues: bool = ...) -> list[T]: ...

    def hrandfield(self, key: Word, count: int | None = None, withvalues: bool = False) -> Any:
        """The name of a field by chance, or of up to ``count`` different ones; if negative of as many, some repeated.

        ``withvalues`` puts the value of each behind its name.
        """
        words: list[Word] = ["HRANDFIELD", key]
        words += [count] if count is not None else []
        words += ["WITHVALUES"] if withvalues else []
        return self._call(_flat if withvalues else None, *words)

    if TYPE_CHECKING:

        @overload
        def hscan(
            self: Keeping,
            name: Word,
            cursor: int = ...,
            match: Word | None = ...,
            count: int | None = ...,
            no_values: bool | None = ...,
        ) -> Any: ...
        @overload
        def hscan(
            self,
            name: Word,
            cursor: int = ...,
            match: Word | None = ...,
            count: int | None = ...,
            no_values: Literal[False] | None = ...,
        ) -> tuple[int, dict[T, T]]: ...
        @overload
        def hscan(
            self,
            name: Word,
            cursor: int = ...,
            match: Word | None = ...,
            count: int | None = ...,
            no_values: Literal[True] = ...,
        ) -> tuple[int, list[T]]: ...

    def hscan(
        self,
        name: Word,
        cursor: int = 0,
        match: Word | None = None,
        count: int | None = None,
        no_values: bool | None = None,
    ) -> Any:
        """Some fields, and the cursor to go on with; 0 when all were seen. With ``no_values`` their names alone."""
        words = scan_words("HSCAN", name, cursor, match, count)
        return self._call(_page_of_names, *words, "NOVALUES") if no_values else self._call(_page, *words)

    @command
    def hsetex(
        self,
        name: Word,
        key: Word | None = None,
        value: Word | None = None,
        mapping: Mapping[Any, Word] | None = None,
        items: Sequence[Word] | None = None,
        ex: Expiry | None = None,
        px: Expiry | None = None,
        exat: Instant | None = None,
        pxat: Instant | None = None,
        data_persist_option: Any = None,
        keepttl: bool = False,
    ) -> int:
        """Set fields with one expiry; 1 if done.

        ``data_persist_option``: ``"FNX"`` only if none of them exists, ``"FXX"`` only if all do.
        """
        pairs = field_words("hsetex", key, value, mapping, items)
        if items and len(items) % 2:
            raise DataError("'hsetex' with odd number of items. 'items' must contain a list of key/value pairs.")
        exclusive(
            "``ex``, ``px``, ``exat``, ``pxat``, and ``keepttl``",
            ex is not None,
            px is not None,
            exat is not None,
            pxat is not None,
            keepttl,
        )
        words = expiry_words(ex, px, exat, pxat)
        if data_persist_option:
            words.append(getattr(data_persist_option, "value", data_persist_option))
        words += ["KEEPTTL"] if keepttl else []
        return self._call(INTEGER, "HSETEX", name, *words, "FIELDS", len(pairs) // 2, *pairs)

    @command
    def hsetnx(self, name: Word, key: Word, value: Word) -> int:
        """Set a field that does not exist; 1 if done, else 0."""
        return self._call(INTEGER, "HSETNX", name, key, value)

    @command
    def hstrlen(self, name: Word, key: Word) -> int:
        """The length of a field's value in bytes; 0 without the field."""
        return self._call(INTEGER, "HSTRLEN", name, key)

    @command
    def httl(self, key: Word, *fields: Word) -> list[int]:
        """Seconds until fields expire."""
        return self._call(None, "HTTL", key, *_fields(fields))

    @command
    def hvals(self, name: Word) -> list[T]:
        """The values of all fields."""
        return self._strings("HVALS", name)
