"""The commands of one database under redis-py's names, with its defaults and return shapes.

The most frequent ones are methods of the extension (:class:`rkv._rkv.Keyspace`); these here build the words of a
request and end in the same door.
"""

from __future__ import annotations

from rkv import _rkv
from rkv.errors import DataError, WatchError

# What type checkers take for typing.TYPE_CHECKING. Importing `typing` takes longer than all of rkv.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime, timedelta
    from typing import Any, Generic, TypeAlias, TypeVar

    from rkv.pipeline import Pipeline

    T = TypeVar("T", bytes, str)
    R = TypeVar("R")

    Word: TypeAlias = str | bytes | bytearray | memoryview | int | float
    """What may be a word of a request: numbers become decimal digits, a ``str`` becomes UTF-8."""
    Expiry: TypeAlias = int | str | timedelta
    """A time to live."""
    Instant: TypeAlias = int | str | datetime
    """A point in time."""
    Shape: TypeAlias = Callable[[Any], R] | None
    """Turns a reply into what the method returns; None leaves it as it is."""
else:
    T = None

    class Generic:
        """Stands for typing.Generic."""

        __slots__ = ()

        def __class_getitem__(cls, _):
            return cls


INTEGER: Shape[int] = None
INTEGER_OR_NONE: Shape[int | None] = None


def _truth(reply: object) -> bool:
    return bool(reply)


def _ok(reply: object) -> bool:
    return reply in {b"OK", "OK"}


def _scan_page(reply: list[Any]) -> tuple[int, list[Any]]:
    cursor, keys = reply
    return int(cursor), keys


def _time(reply: list[Any]) -> tuple[int, int]:
    seconds, microseconds = reply
    return int(seconds), int(microseconds)


def _lcs(reply: Any) -> Any:
    """The pairs of LCS IDX one after the other, as redis-py returns them."""
    if isinstance(reply, dict):
        return [item for pair in reply.items() for item in pair]
    return reply


def _pong(reply: object) -> bool:
    return reply in {b"PONG", "PONG"}


def _name(text: Any) -> str:
    return text.decode() if isinstance(text, bytes) else str(text)


def _config(reply: dict[Any, Any]) -> dict[str, str]:
    return {_name(name): _name(value) for name, value in reply.items()}


def _figure(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _info(reply: Any) -> dict[str, Any]:
    """The fields of INFO; ``db0:keys=1,expires=0`` becomes a dict of its own."""
    fields: dict[str, Any] = {}
    for line in _name(reply).splitlines():
        name, colon, value = line.partition(":")
        if line.startswith("#") or not colon:
            continue
        if "=" in value:
            pairs = (part.partition("=") for part in value.split(","))
            fields[name] = {key: _figure(figure) for key, _, figure in pairs}
        else:
            fields[name] = _figure(value)
    return fields


# A timedelta and a datetime are known by their methods, as importing `datetime` takes its time, too.


def _seconds(time: Expiry) -> Word:
    return int(time.total_seconds()) if hasattr(time, "total_seconds") else time


def _milliseconds(time: Expiry) -> Word:
    return int(time.total_seconds() * 1000) if hasattr(time, "total_seconds") else time


def _unix_seconds(when: Instant) -> Word:
    return int(when.timestamp()) if hasattr(when, "timestamp") else when


def _unix_milliseconds(when: Instant) -> Word:
    return int(when.timestamp() * 1000) if hasattr(when, "timestamp") else when


def _whole(name: str, time: Word, what: str) -> Word:
    """An option of SET or GETEX, which redis-py checks before it sends it."""
    if isinstance(time, int) or (isinstance(time, str) and time.isdigit()):
        return int(time)
    raise DataError(f"{name} must be datetime.{what} or int")


def expiry_words(
    ex: Expiry | None = None, px: Expiry | None = None, exat: Instant | None = None, pxat: Instant | None = None
) -> list[Word]:
    """The words of an expiry option; at most one may be given."""
    if ex is not None:
        return ["EX", _whole("ex", _seconds(ex), "timedelta")]
    if px is not None:
        return ["PX", _whole("px", _milliseconds(px), "timedelta")]
    if exat is not None:
        return ["EXAT", _whole("exat", _unix_seconds(exat), "datetime")]
    if pxat is not None:
        return ["PXAT", _whole("pxat", _unix_milliseconds(pxat), "datetime")]
    return []


def _exclusive(names: str, *given: bool) -> None:
    if sum(given) > 1:
        raise DataError(f"{names} are mutually exclusive.")


def _expiry_condition(nx: bool, xx: bool, gt: bool, lt: bool) -> list[Word]:
    return [word for word, wanted in (("NX", nx), ("XX", xx), ("GT", gt), ("LT", lt)) if wanted]


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
    _exclusive(
        "``ex``, ``px``, ``exat``, ``pxat``, and ``keepttl``",
        ex is not None,
        px is not None,
        exat is not None,
        pxat is not None,
        keepttl,
    )
    conditions = {"IFEQ": ifeq, "IFNE": ifne, "IFDEQ": ifdeq, "IFDNE": ifdne}
    given = [(token, operand) for token, operand in conditions.items() if operand is not None]
    _exclusive("``nx``, ``xx``, ``ifeq``, ``ifne``, ``ifdeq``, ``ifdne``", nx, xx, *(True for _ in given))
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


def pair_words(command: str, mapping: Mapping[Any, Word]) -> list[Word]:
    """A command followed by the names and values of a mapping."""
    words: list[Word] = [command]
    for pair in mapping.items():
        words.extend(pair)
    return words


class Commands(Generic[T]):
    """Commands under redis-py's names.

    An error reply raises :class:`rkv.ResponseError` or a subclass, an argument of a wrong type :class:`rkv.DataError`.
    """

    __slots__ = ()

    def _call(self, shape: Shape[R], *words: Word) -> R:
        """Run a request, or keep it for later."""
        raise NotImplementedError

    def _value(self, *words: Word) -> T | None:
        """Run a request that replies with a string or nothing."""
        return self._call(None, *words)

    def _string(self, *words: Word) -> T:
        """Run a request that replies with a string."""
        return self._call(None, *words)

    def _strings(self, *words: Word) -> list[T]:
        """Run a request that replies with strings."""
        return self._call(None, *words)

    # ---------------------------------------------------------------- strings

    def append(self, key: Word, value: Word) -> int:
        """Append to a string; its new length in bytes."""
        return self._call(INTEGER, "APPEND", key, value)

    def getdel(self, name: Word) -> T | None:
        """Get a string and delete its key."""
        return self._value("GETDEL", name)

    def getex(
        self,
        name: Word,
        ex: Expiry | None = None,
        px: Expiry | None = None,
        exat: Instant | None = None,
        pxat: Instant | None = None,
        persist: bool = False,
    ) -> T | None:
        """Get a string and change when it expires: in ``ex`` seconds, ``px`` milliseconds, or never (``persist``)."""
        _exclusive(
            "``ex``, ``px``, ``exat``, ``pxat``, and ``persist``",
            ex is not None,
            px is not None,
            exat is not None,
            pxat is not None,
            persist,
        )
        return self._value("GETEX", name, *expiry_words(ex, px, exat, pxat), *(["PERSIST"] if persist else []))

    def getrange(self, key: Word, start: int, end: int) -> T:
        """Bytes ``start`` to ``end`` of a string, both included; negative numbers count from the end."""
        return self._string("GETRANGE", key, start, end)

    def getset(self, name: Word, value: Word) -> T | None:
        """Set a string and return what it was."""
        return self._value("GETSET", name, value)

    def incrbyfloat(self, name: Word, amount: Word = 1.0) -> float:
        """Add to a number; the sum."""
        return self._call(float, "INCRBYFLOAT", name, amount)

    def lcs(
        self,
        key1: Word,
        key2: Word,
        len: bool = False,
        idx: bool = False,
        minmatchlen: int = 0,
        withmatchlen: bool = False,
    ) -> Any:
        """The longest common subsequence: itself, its length (``len``), or its ranges (``idx``)."""
        words: list[Word] = ["LCS", key1, key2]
        words += ["LEN"] if len else []
        words += ["IDX"] if idx else []
        words += ["MINMATCHLEN", minmatchlen] if minmatchlen else []
        words += ["WITHMATCHLEN"] if withmatchlen else []
        return self._call(_lcs, *words)

    def msetex(
        self,
        mapping: Mapping[Any, Word],
        data_persist_option: Any = None,
        ex: Expiry | None = None,
        px: Expiry | None = None,
        exat: Instant | None = None,
        pxat: Instant | None = None,
        keepttl: bool = False,
    ) -> int:
        """Set many keys with one expiry; 1 if done.

        ``data_persist_option``: ``"NX"`` only if none of them exists, ``"XX"`` only if all do.
        """
        _exclusive(
            "``ex``, ``px``, ``exat``, ``pxat``, and ``keepttl``",
            ex is not None,
            px is not None,
            exat is not None,
            pxat is not None,
            keepttl,
        )
        words = pair_words("MSETEX", mapping)
        words.insert(1, len(mapping))
        if data_persist_option:
            words.append(getattr(data_persist_option, "value", data_persist_option))
        words += expiry_words(ex, px, exat, pxat)
        return self._call(INTEGER, *words, *(["KEEPTTL"] if keepttl else []))

    def msetnx(self, mapping: Mapping[Any, Word]) -> bool:
        """Set many keys if none of them exists."""
        return self._call(_truth, *pair_words("MSETNX", mapping))

    def psetex(self, name: Word, time_ms: Expiry, value: Word) -> bool:
        """Set a string that expires after ``time_ms`` milliseconds."""
        return self._call(_truth, "PSETEX", name, _milliseconds(time_ms), value)

    def setex(self, name: Word, time: Expiry, value: Word) -> bool:
        """Set a string that expires after ``time`` seconds."""
        return self._call(_truth, "SETEX", name, _seconds(time), value)

    def setnx(self, name: Word, value: Word) -> bool:
        """Set a string if the key does not exist."""
        return self._call(_truth, "SETNX", name, value)

    def setrange(self, name: Word, offset: int, value: Word) -> int:
        """Overwrite a string from byte ``offset`` on; its new length."""
        return self._call(INTEGER, "SETRANGE", name, offset, value)

    def strlen(self, name: Word) -> int:
        """The length of a string in bytes; 0 without the key."""
        return self._call(INTEGER, "STRLEN", name)

    def substr(self, name: Word, start: int, end: int = -1) -> T:
        """The old name of :meth:`getrange`."""
        return self._string("SUBSTR", name, start, end)

    # ---------------------------------------------------------------- keys

    def copy(
        self, source: Word, destination: Word, destination_db: int | str | None = None, replace: bool = False
    ) -> bool:
        """Copy a value; False if there is none, or a value at the destination that may not be replaced."""
        words: list[Word] = ["COPY", source, destination]
        words += ["DB", destination_db] if destination_db is not None else []
        return self._call(_truth, *words, *(["REPLACE"] if replace else []))

    def expire(
        self, name: Word, time: Expiry, nx: bool = False, xx: bool = False, gt: bool = False, lt: bool = False
    ) -> bool:
        """Let a key expire after ``time`` seconds; whether that was done."""
        return self._call(_truth, "EXPIRE", name, _seconds(time), *_expiry_condition(nx, xx, gt, lt))

    def expireat(
        self, name: Word, when: Instant, nx: bool = False, xx: bool = False, gt: bool = False, lt: bool = False
    ) -> bool:
        """Let a key expire at ``when``, in Unix seconds; whether that was done."""
        return self._call(_truth, "EXPIREAT", name, _unix_seconds(when), *_expiry_condition(nx, xx, gt, lt))

    def expiretime(self, key: Word) -> int:
        """When a key expires, in Unix seconds; -1 never, -2 without the key."""
        return self._call(INTEGER, "EXPIRETIME", key)

    def keys(self, pattern: Word = "*") -> list[T]:
        """All keys that match a glob pattern, in one step that locks the whole store: prefer :meth:`scan_iter`."""
        return self._strings("KEYS", pattern)

    def move(self, name: Word, db: int) -> bool:
        """Move a key to another database."""
        return self._call(_truth, "MOVE", name, db)

    def persist(self, name: Word) -> bool:
        """Let a key live for ever; whether it would have expired."""
        return self._call(_truth, "PERSIST", name)

    def pexpire(
        self, name: Word, time: Expiry, nx: bool = False, xx: bool = False, gt: bool = False, lt: bool = False
    ) -> bool:
        """Let a key expire after ``time`` milliseconds; whether that was done."""
        return self._call(_truth, "PEXPIRE", name, _milliseconds(time), *_expiry_condition(nx, xx, gt, lt))

    def pexpireat(
        self, name: Word, when: Instant, nx: bool = False, xx: bool = False, gt: bool = False, lt: bool = False
    ) -> bool:
        """Let a key expire at ``when``, in Unix milliseconds; whether that was done."""
        return self._call(_truth, "PEXPIREAT", name, _unix_milliseconds(when), *_expiry_condition(nx, xx, gt, lt))

    def pexpiretime(self, key: Word) -> int:
        """When a key expires, in Unix milliseconds; -1 never, -2 without the key."""
        return self._call(INTEGER, "PEXPIRETIME", key)

    def pttl(self, name: Word) -> int:
        """Milliseconds until a key expires; -1 never, -2 without the key."""
        return self._call(INTEGER, "PTTL", name)

    def randomkey(self) -> T | None:
        """Some key, every one as likely as the others; None without any."""
        return self._value("RANDOMKEY")

    def rename(self, src: Word, dst: Word) -> bool:
        """Give a value another key."""
        return self._call(_ok, "RENAME", src, dst)

    def renamenx(self, src: Word, dst: Word) -> bool:
        """Give a value another key, if that does not exist."""
        return self._call(_truth, "RENAMENX", src, dst)

    def scan(
        self,
        cursor: int = 0,
        match: Word | None = None,
        count: int | None = None,
        _type: str | None = None,
    ) -> tuple[int, list[T]]:
        """Some keys, and the cursor to go on with; 0 when all were seen."""
        words: list[Word] = ["SCAN", cursor]
        words += ["MATCH", match] if match is not None else []
        words += ["COUNT", count] if count is not None else []
        words += ["TYPE", _type] if _type is not None else []
        return self._call(_scan_page, *words)

    def touch(self, *args: Word) -> int:
        """Mark keys as used; how many there are."""
        return self._call(INTEGER, "TOUCH", *args)

    def ttl(self, name: Word) -> int:
        """Seconds until a key expires; -1 never, -2 without the key."""
        return self._call(INTEGER, "TTL", name)

    def type(self, name: Word) -> T:
        """The type of a value: ``string``, ``none`` without the key."""
        return self._string("TYPE", name)

    def unlink(self, *names: Word) -> int:
        """Delete keys; how many there were. Large values are freed in the background."""
        return self._call(INTEGER, "UNLINK", *names)

    # ---------------------------------------------------------------- the store

    def config_get(self, pattern: Word = "*", *args: Word) -> dict[str, str]:
        """The options whose names match."""
        return self._call(_config, "CONFIG", "GET", pattern, *args)

    def config_set(self, name: Word, value: Word, *args: Word) -> bool:
        """Change options."""
        return self._call(_ok, "CONFIG", "SET", name, value, *args)

    def dbsize(self) -> int:
        """How many keys the database holds."""
        return self._call(INTEGER, "DBSIZE")

    def echo(self, value: Word) -> T:
        """Return what was given."""
        return self._string("ECHO", value)

    def flushall(self, asynchronous: bool = False) -> bool:
        """Delete every key of every database."""
        return self._call(_ok, "FLUSHALL", *(["ASYNC"] if asynchronous else []))

    def flushdb(self, asynchronous: bool = False) -> bool:
        """Delete every key of this database."""
        return self._call(_ok, "FLUSHDB", *(["ASYNC"] if asynchronous else []))

    def info(self, section: str | None = None, *args: str) -> dict[str, Any]:
        """What the store says about itself."""
        return self._call(_info, "INFO", *([] if section is None else [section]), *args)

    def memory_usage(self, key: Word, samples: int | None = None) -> int | None:
        """Bytes of memory of a key with its value; None without the key."""
        words: list[Word] = ["MEMORY", "USAGE", key]
        words += [] if samples is None else ["SAMPLES", samples]
        return self._call(INTEGER_OR_NONE, *words)

    def object(self, infotype: str, key: Word) -> Any:
        """OBJECT ENCODING, FREQ, IDLETIME or REFCOUNT of a key."""
        return self._call(None, "OBJECT", infotype, key)

    def ping(self) -> bool:
        """Whether the store answers."""
        return self._call(_pong, "PING")

    def swapdb(self, first: int, second: int) -> bool:
        """Exchange two databases."""
        return self._call(_ok, "SWAPDB", first, second)

    def time(self) -> tuple[int, int]:
        """Unix seconds, and the microseconds beyond them."""
        return self._call(_time, "TIME")


class Keyspace(_rkv.Keyspace[T], Commands[T]):
    """One database of a store, for any number of threads. Made by :meth:`rkv.DB.db`.

    ``kv["k"]`` raises KeyError without the key, ``del kv["k"]`` too; iteration is SCAN; ``len(kv)`` counts keys.
    """

    __slots__ = ()

    def _call(self, shape: Shape[R], *words: Word) -> R:
        reply = self.execute(*words)
        return reply if shape is None else shape(reply)

    def _set(self, *arguments: Any) -> bool | T | None:
        """SET with options, called by :meth:`set`."""
        name, value, ex, px, nx, xx, keepttl, get, *rest = arguments
        flags = bool(nx), bool(xx), bool(keepttl), bool(get)
        reply = self.execute(*set_words(name, value, ex, px, *flags, *rest))
        return reply if get or reply is None else True

    def scan_iter(self, match: Word | None = None, count: int | None = None, _type: str | None = None) -> Iterator[T]:
        """All keys that match. One that is there all the time is seen exactly once."""
        cursor = -1
        while cursor != 0:
            cursor, keys = self.scan(max(cursor, 0), match, count, _type)
            yield from keys

    def __iter__(self) -> Iterator[T]:
        return self.scan_iter()

    def pipeline(self, transaction: bool = True, shard_hint: object = None) -> Pipeline[T]:  # noqa: ARG002
        """Collect commands and run them together; as a transaction in one step, of which nobody sees a part."""
        from rkv.pipeline import Pipeline

        return Pipeline(self, transaction)

    def transaction(
        self,
        func: Callable[[Pipeline[T]], Any],
        *watches: Word,
        shard_hint: object = None,  # noqa: ARG002
        value_from_callable: bool = False,
        watch_delay: float | None = None,
    ) -> Any:
        """Call ``func`` with a pipeline that watches ``watches``, and execute it; again while one of them changes."""
        with self.pipeline() as pipe:
            while True:
                try:
                    if watches:
                        pipe.watch(*watches)
                    value = func(pipe)
                    replies = pipe.execute()
                    return value if value_from_callable else replies
                except WatchError:
                    if watch_delay is not None and watch_delay > 0:
                        import time

                        time.sleep(watch_delay)

    def __repr__(self) -> str:
        return f"<rkv.Keyspace {self.number}{' text' if self.text else ''}>"
