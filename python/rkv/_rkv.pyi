from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import GenericAlias
from typing import Any, Generic, Literal, TypeAlias, TypeVar, final, overload

from typing_extensions import Self, disjoint_base

_T = TypeVar("_T", bytes, str)
_Word: TypeAlias = str | bytes | bytearray | memoryview | int | float

__all__ = ["Engine", "Keyspace", "ManualClock", "__version__", "note_fork"]

__version__: str

def note_fork() -> None: ...

@final
class ManualClock:
    """A clock that stands still until it is moved: keys expire, and blocking calls time out, by it alone."""

    def __new__(cls, start: float = 1.7e9) -> Self:
        """A clock that shows `start`, in seconds since 1970.

        Raises ValueError for a negative or infinite number.
        """

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass; what is due in the stores that use this clock is done before the call returns.

        Raises ValueError for a negative or infinite number.
        """

    def time(self) -> float:
        """The time it shows, in seconds since 1970."""

@final
class Engine:
    """The store behind `rkv.DB`."""

    def __new__(cls, directives: Sequence[tuple[str, str]] = [], clock: ManualClock | None = None) -> Self: ...
    @property
    def databases(self) -> int: ...
    @property
    def closed(self) -> bool: ...
    def keys(self) -> int: ...
    def used_bytes(self) -> int: ...
    def close(self) -> None: ...

@disjoint_base
class Keyspace(Generic[_T]):
    """The commands of a keyspace that are called most often, and the door to all others.

    Strings come back as `bytes`, or as `str` if the keyspace was opened with `text`: then a value that is no UTF-8
    raises UnicodeDecodeError. Arguments of other types than `_Word` raise `rkv.DataError`.
    """

    def __new__(cls, engine: Engine, db: int, text: bool = False, connection: bool = False) -> Self: ...
    def __class_getitem__(cls, key: Any) -> GenericAlias: ...
    @property
    def number(self) -> int:
        """Number of the database."""

    @property
    def text(self) -> bool:
        """Whether strings come back as `str`."""

    def connection(self) -> Keyspace[_T]:
        """The same database over a connection of its own, whose state (WATCH, MULTI) stays from call to call."""

    def get(self, name: _Word) -> _T | None:
        """The value of a string key; None without the key. Raises `rkv.WrongTypeError` for a key of another type."""

    @overload
    def set(
        self,
        name: _Word,
        value: _Word,
        ex: int | str | timedelta | None = None,
        px: int | str | timedelta | None = None,
        nx: bool = False,
        xx: bool = False,
        keepttl: bool = False,
        get: Literal[False] = False,
        exat: int | str | datetime | None = None,
        pxat: int | str | datetime | None = None,
        ifeq: _Word | None = None,
        ifne: _Word | None = None,
        ifdeq: str | None = None,
        ifdne: str | None = None,
    ) -> bool | None:
        """Set a string; True if that was done, None if a condition forbade it.

        `ex` and `px` let it expire after seconds or milliseconds, `exat` and `pxat` at a Unix time; `keepttl` keeps the
        old time. `nx` and `xx` set only a key that does not exist, or does; `ifeq` and `ifne` compare the old value,
        `ifdeq` and `ifdne` its digest. `get` returns the old value instead.
        """

    @overload
    def set(
        self,
        name: _Word,
        value: _Word,
        ex: int | str | timedelta | None = None,
        px: int | str | timedelta | None = None,
        nx: bool = False,
        xx: bool = False,
        keepttl: bool = False,
        *,
        get: Literal[True],
        exat: int | str | datetime | None = None,
        pxat: int | str | datetime | None = None,
        ifeq: _Word | None = None,
        ifne: _Word | None = None,
        ifdeq: str | None = None,
        ifdne: str | None = None,
    ) -> _T | None: ...
    def incr(self, name: _Word, amount: int = 1) -> int:
        """Add `amount` to the integer in a key, 0 without the key; the sum.

        Raises `rkv.ResponseError` for what is no integer, or beyond 64 bits.
        """

    def incrby(self, name: _Word, amount: int = 1) -> int:
        """Add `amount` to the integer in a key, 0 without the key; the sum.

        Raises `rkv.ResponseError` for what is no integer, or beyond 64 bits.
        """

    def decr(self, name: _Word, amount: int = 1) -> int:
        """Subtract `amount` from the integer in a key; the difference. Raises `rkv.ResponseError` beyond 64 bits."""

    def decrby(self, name: _Word, amount: int = 1) -> int:
        """Subtract `amount` from the integer in a key; the difference. Raises `rkv.ResponseError` beyond 64 bits."""

    def mget(self, keys: _Word | Iterable[_Word], *args: _Word) -> list[_T | None]:
        """The values of many keys in one step, None where there is no string."""

    def mset(self, mapping: Mapping[Any, _Word]) -> bool:
        """Set many keys in one step."""

    def exists(self, *names: _Word) -> int:
        """How many of the keys exist; a key named twice counts twice."""

    def delete(self, *names: _Word) -> int:
        """Delete keys in one step; how many there were."""

    def execute(self, *args: _Word) -> Any:
        """Run any command and return its reply as it is: status and strings as strings, maps as dicts, sets as sets.

        A name such as `"CONFIG GET"` counts as two words. The GIL is released while the command waits for another
        thread or takes its time. Raises `rkv.ResponseError` for an error reply.
        """

    def execute_many(self, commands: Iterable[Sequence[_Word]]) -> list[Any]:
        """Run commands in order, each a tuple of words, and return their replies.

        `rkv.ResponseError` objects stand in the places of error replies. Other threads may come between two of the
        commands: use `pipeline()` for a transaction.
        """

    def __getitem__(self, key: _Word, /) -> _T: ...
    def __setitem__(self, key: _Word, value: _Word, /) -> None: ...
    def __delitem__(self, key: _Word, /) -> None: ...
    def __contains__(self, key: _Word, /) -> bool: ...
    def __len__(self) -> int: ...
    def __bool__(self) -> bool: ...
