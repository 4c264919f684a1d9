"""What a keyspace has in the extension, for every other form."""

from __future__ import annotations

from rkv.commands.form import INTEGER, Form, T, command, done, exclusive, expiry_words, listed, pair_words
from rkv.commands.hashes import field_words
from rkv.commands.sorted_sets import add_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from rkv.commands.form import Expiry, Instant, Word

_NO_OPTIONS = (None,) * 8


def set_words(
    name: Word,
    value: Word,
    ex: Expiry | None = None,
    px: Expiry | None = None,
    nx: bool = False,
    xx: bool = False,
    keepttl: bool = False,
    get: bool = False,
    exat: Instant | None = None,
    pxat: Instant | None = None,
    ifeq: Word | None = None,
    ifne: Word | None = None,
    ifdeq: str | None = None,
    ifdne: str | None = None,
) -> list[Word]:
    """The words of SET."""
    options = (ex, px, exat, pxat, ifeq, ifne, ifdeq, ifdne)
    if not (nx or xx or keepttl or get) and options == _NO_OPTIONS:
        return ["SET", name, value]
    exclusive(
        "``ex``, ``px``, ``exat``, ``pxat``, and ``keepttl``",
        ex is not None,
        px is not None,
        exat is not None,
        pxat is not None,
        keepttl,
    )
    conditions = {"IFEQ": ifeq, "IFNE": ifne, "IFDEQ": ifdeq, "IFDNE": ifdne}
    given = [(token, operand) for token, operand in conditions.items() if operand is not None]
    exclusive("``nx``, ``xx``, ``ifeq``, ``ifne``, ``ifdeq``, ``ifdne``", nx, xx, *(True for _ in given))
    words: list[Word] = ["SET", name, value]
    if nx:
        words.append("NX")
    if xx:
        words.append("XX")
    for token, operand in given:
        words += [token, operand]
    if get:
        words.append("GET")
    words += expiry_words(ex, px, exat, pxat)
    if keepttl:
        words.append("KEEPTTL")
    return words


class HotCommands(Form[T]):
    """The commands that are called most often."""

    __slots__ = ()

    @command
    def get(self, name: Word) -> T | None:
        """See :meth:`rkv.Keyspace.get`."""
        return self._value("GET", name)

    @command
    def set(
        self,
        name: Word,
        value: Word,
        ex: Expiry | None = None,
        px: Expiry | None = None,
        nx: bool = False,
        xx: bool = False,
        keepttl: bool = False,
        get: bool = False,
        exat: Instant | None = None,
        pxat: Instant | None = None,
        ifeq: Word | None = None,
        ifne: Word | None = None,
        ifdeq: str | None = None,
        ifdne: str | None = None,
    ) -> Any:
        """See :meth:`rkv.Keyspace.set`."""
        words = set_words(name, value, ex, px, nx, xx, keepttl, get, exat, pxat, ifeq, ifne, ifdeq, ifdne)
        return self._call(None if get else done, *words)

    @command
    def incrby(self, name: Word, amount: int = 1) -> int:
        """See :meth:`rkv.Keyspace.incrby`."""
        return self._call(INTEGER, "INCRBY", name, amount)

    incr = incrby

    @command
    def decrby(self, name: Word, amount: int = 1) -> int:
        """See :meth:`rkv.Keyspace.decrby`."""
        return self._call(INTEGER, "DECRBY", name, amount)

    decr = decrby

    @command
    def mget(self, keys: Word | Iterable[Word], *args: Word) -> list[T | None]:
        """See :meth:`rkv.Keyspace.mget`."""
        return self._call(None, "MGET", *listed(keys, args))

    @command
    def mset(self, mapping: Mapping[Any, Word]) -> bool | None:
        """See :meth:`rkv.Keyspace.mset`."""
        return self._call(done, *pair_words("MSET", mapping))

    @command
    def exists(self, *names: Word) -> int:
        """See :meth:`rkv.Keyspace.exists`."""
        return self._call(INTEGER, "EXISTS", *names)

    @command
    def delete(self, *names: Word) -> int:
        """See :meth:`rkv.Keyspace.delete`."""
        return self._call(INTEGER, "DEL", *names)

    @command
    def lpush(self, name: Word, *values: Word) -> int:
        """See :meth:`rkv.Keyspace.lpush`."""
        return self._call(INTEGER, "LPUSH", name, *values)

    @command
    def rpush(self, name: Word, *values: Word) -> int:
        """See :meth:`rkv.Keyspace.rpush`."""
        return self._call(INTEGER, "RPUSH", name, *values)

    @command
    def lpop(self, name: Word, count: int | None = None) -> Any:
        """See :meth:`rkv.Keyspace.lpop`."""
        return self._call(None, "LPOP", name, *([] if count is None else [count]))

    @command
    def rpop(self, name: Word, count: int | None = None) -> Any:
        """See :meth:`rkv.Keyspace.rpop`."""
        return self._call(None, "RPOP", name, *([] if count is None else [count]))

    @command
    def hset(
        self,
        name: Word,
        key: Word | None = None,
        value: Word | None = None,
        mapping: Mapping[Any, Word] | None = None,
        items: Sequence[Word] | None = None,
    ) -> int:
        """See :meth:`rkv.Keyspace.hset`."""
        return self._call(INTEGER, "HSET", name, *field_words("hset", key, value, mapping, items))

    @command
    def hget(self, name: Word, key: Word) -> T | None:
        """See :meth:`rkv.Keyspace.hget`."""
        return self._value("HGET", name, key)

    @command
    def sadd(self, name: Word, *values: Word) -> int:
        """See :meth:`rkv.Keyspace.sadd`."""
        return self._call(INTEGER, "SADD", name, *values)

    @command
    def sismember(self, name: Word, value: Word) -> int:
        """See :meth:`rkv.Keyspace.sismember`."""
        return self._call(INTEGER, "SISMEMBER", name, value)

    @command
    def zadd(
        self,
        name: Word,
        mapping: Mapping[Any, Word],
        nx: bool = False,
        xx: bool = False,
        ch: bool = False,
        incr: bool = False,
        gt: bool = False,
        lt: bool = False,
    ) -> Any:
        """See :meth:`rkv.Keyspace.zadd`."""
        return self._call(None, *add_words(name, mapping, nx, xx, ch, incr, gt, lt))

    @command
    def zscore(self, name: Word, value: Word) -> float | None:
        """See :meth:`rkv.Keyspace.zscore`."""
        return self._call(None, "ZSCORE", name, value)
