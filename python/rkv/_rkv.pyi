import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from os import PathLike
from types import GenericAlias
from typing import Any, Generic, Literal, TypeAlias, TypeVar, final, overload

from typing_extensions import Self, disjoint_base

_T = TypeVar("_T", bytes, str)
_Word: TypeAlias = str | bytes | bytearray | memoryview | int | float

__all__ = [
    "Config",
    "ConfigError",
    "Engine",
    "Front",
    "Keyspace",
    "ManualClock",
    "Pending",
    "Reactor",
    "Session",
    "Subscriber",
    "WakeQueue",
    "__version__",
    "check_file",
    "check_log",
    "convert_file",
    "load_config",
    "log_files",
    "log_line",
    "note_fork",
    "own_methods",
    "read_backup",
    "restore_backup",
    "set_log_level",
    "set_log_offset",
    "start_log",
]

__version__: str

def note_fork() -> None: ...
def own_methods(class_: type[Keyspace[Any]], /) -> None:
    """Give a class below :class:`Keyspace` methods of its own, which are called faster than inherited ones."""

def check_log(path: str | os.PathLike[str], start: int = 0, fix: bool = False) -> dict[str, Any]:
    """How much of a file of commands is whole; ``fix`` cuts the rest off and keeps it in a file beside it."""

def log_files(path: str | os.PathLike[str]) -> list[tuple[str, bool]]:
    """The files that a manifest names, in order, and whether each is the base."""

def check_file(path: str | os.PathLike[str], progress: Callable[[int, int], object] | None = None) -> dict[str, Any]:
    """Read a whole file and tell what is in it, by name; ``progress`` hears the bytes read and those of the file.

    Raises :class:`rkv.errors.DamagedFileError` if it is damaged or no such file, ``OSError`` if it cannot be read, and
    what ``progress`` raises.
    """

def convert_file(
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    target: str,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[int, int, set[str]]:
    """Write an RDB file anew for ``redis7``, ``redis8`` or ``valkey``.

    Returns version and bytes of the new one, and the modules whose data besides values was left out.

    An existing destination is replaced when the new file is complete and on disk, and stays as it is after an error.
    Raises what :func:`check_file` raises; ``DamagedFileError`` also if the target cannot have what the file
    holds.
    """

def read_backup(path: str | os.PathLike[str]) -> list[tuple[str, int, int]]:
    """Tell the files of a backup: names below it, bytes, CRC-32C.

    Raises :class:`rkv.errors.DamagedFileError` if it is none, ``OSError`` if there is no such directory.
    """

def restore_backup(
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    offset: int | None = None,
    unix_ms: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[int, int, int]:
    """Restore a backup into an empty directory: up to a journal offset, up to a time, or all of it.

    Returns the offset that was reached, how many files were written, and their bytes; ``progress`` hears the bytes done
    and those to do. Raises ``ValueError`` for a point that the backup does not cover, ``DamagedFileError``,
    ``OSError``, and what ``progress`` raises.
    """

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

    def __new__(
        cls,
        directives: Sequence[tuple[str, str]] = [],
        clock: ManualClock | None = None,
        directory: str | PathLike[str] | None = None,
    ) -> Self: ...
    @property
    def databases(self) -> int: ...
    @property
    def closed(self) -> bool: ...
    def keys(self) -> int: ...
    def used_bytes(self) -> int: ...
    def load(self) -> tuple[int, int] | None: ...
    def load_file(self, path: str | PathLike[str]) -> None: ...
    def cancel_load(self) -> None: ...
    def save(self) -> tuple[int, int, int]: ...
    def save_changes(self) -> tuple[int, int, int] | None: ...
    def snapshot(self, path: str | PathLike[str]) -> tuple[int, int, int]: ...
    def saving(self) -> tuple[int, int]: ...
    def cancel_save(self) -> None: ...
    @property
    def is_loading(self) -> bool: ...
    @property
    def has_save_points(self) -> bool: ...
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

    def connection(self) -> Self:
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

    def lpush(self, name: _Word, *values: _Word) -> int:
        """Push to the left of a list, one after the other; its new length."""

    def rpush(self, name: _Word, *values: _Word) -> int:
        """Push to the right of a list; its new length."""

    @overload
    def lpop(self, name: _Word, count: None = None) -> _T | None:
        """Pop from the left of a list: an element, or a list of up to `count`; None without the key."""

    @overload
    def lpop(self, name: _Word, count: int) -> list[_T] | None: ...
    @overload
    def rpop(self, name: _Word, count: None = None) -> _T | None:
        """Pop from the right of a list: an element, or a list of up to `count`; None without the key."""

    @overload
    def rpop(self, name: _Word, count: int) -> list[_T] | None: ...
    def hset(
        self,
        name: _Word,
        key: _Word | None = None,
        value: _Word | None = None,
        mapping: Mapping[Any, _Word] | None = None,
        items: Sequence[_Word] | None = None,
    ) -> int:
        """Set fields of a hash: one, those of a mapping, names and values in turn; how many are new.

        Raises `rkv.DataError` if no field is given.
        """

    def hget(self, name: _Word, key: _Word) -> _T | None:
        """The value of a field; None without it."""

    def sadd(self, name: _Word, *values: _Word) -> int:
        """Add members to a set; how many are new."""

    def sismember(self, name: _Word, value: _Word) -> int:
        """1 if the value is a member of a set, else 0."""

    @overload
    def zadd(
        self,
        name: _Word,
        mapping: Mapping[Any, _Word],
        nx: bool = False,
        xx: bool = False,
        ch: bool = False,
        incr: Literal[False] = False,
        gt: bool = False,
        lt: bool = False,
    ) -> int:
        """Give members of a sorted set their scores; how many are new, with `ch` how many changed, too.

        `nx` and `xx` leave members alone that exist, or do not; `gt` and `lt` change scores only upwards, or downwards.
        `incr` adds to the score of one member and returns the sum, or None if a condition forbade it.
        """

    @overload
    def zadd(
        self,
        name: _Word,
        mapping: Mapping[Any, _Word],
        nx: bool = False,
        xx: bool = False,
        ch: bool = False,
        *,
        incr: Literal[True],
        gt: bool = False,
        lt: bool = False,
    ) -> float | None: ...
    def zscore(self, name: _Word, value: _Word) -> float | None:
        """The score of a member of a sorted set; None if it is no member."""

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

class ConfigError(Exception):
    """A configuration that cannot be used; the message names file, line and reason."""

def load_config(argv: list[bytes]) -> Config:
    """Read what `argv` (the arguments behind the program's name) says, like redis-server. Raises ConfigError."""

@final
class Config:
    """What configuration files and arguments said. Made by `load_config`."""

    @property
    def file(self) -> str | None:
        """The configuration file that was named, if one was."""

    @property
    def ineffective(self) -> list[str]:
        """Names of options that were given and have no effect yet."""

    def text(self, name: str) -> str:
        """An option's value as CONFIG GET prints it. Raises KeyError if no option has this name."""

    @staticmethod
    def names(prefix: str) -> list[str]:
        """Names of the options that begin with `prefix`."""

    def set(self, name: str, value: str) -> None:
        """Give an option a value, whatever its flags say. Raises ValueError."""

    def build(self) -> Engine:
        """An empty engine with this configuration."""

@final
class Front:
    """What a front end asks its engine."""

    def __new__(cls, engine: Engine) -> Self: ...
    @property
    def is_poisoned(self) -> bool:
        """Whether a bug has stopped the store."""

    @property
    def exit_code(self) -> int:
        """With what a server ends whose store was stopped."""

    def follow_config(self, apply_tls: Callable[[dict[str, str]], bool] | None = None) -> None:
        """From now on CONFIG SET refuses what a server cannot follow.

        `apply_tls` is called with the values that all options of TLS shall have when one of them changes, from any
        thread; unless it returns True, nothing changes.
        """

    def setting(self, name: str) -> str:
        """An option's value now, as CONFIG GET prints it. Raises KeyError if no option has this name."""

    def admission(self) -> tuple[int, bool, int]:
        """For each new connection: `maxclients`, whether only this machine is answered, seconds of `tcp-keepalive`."""

    def count_rejected(self) -> None:
        """Count a connection that was refused."""

    def close_idle(self) -> int:
        """Close clients that for longer than `timeout` neither sent a command nor took a part of a reply; how many.

        To be called about once per second.
        """

    def listen(self, queue: WakeQueue, number: int) -> None:
        """From now on `queue` says `number` when a client asks to stop, or a bug has poisoned the store."""

    def unlisten(self) -> None:
        """Nobody listens any more: SHUTDOWN is refused."""

    def shutdown(self) -> tuple[bool, bool, bool | None] | None:
        """What a client asked for: (now, force); None if nobody asked."""

def start_log(path: str | None, level: str, utc_offset_s: int) -> None:
    """Begin to log, once per process: to the file at `path`, or to standard output without one. Panics are logged, too.

    Raises ValueError for an unknown level, RuntimeError at the second call.
    """

def set_log_level(level: str) -> None:
    """What is less than `level` (`debug`, `verbose`, `notice`, `warning`, `nothing`) is not logged any more."""

def set_log_offset(utc_offset_s: int) -> None:
    """Local time is this many seconds ahead of UTC."""

def log_line(level: str, text: str) -> None:
    """Log a line at a level of `set_log_level`. Without `start_log` it goes nowhere."""

@final
class Reactor:
    """Threads that serve accepted sockets."""

    def __new__(cls, engine: Engine, threads: int) -> Self: ...
    @property
    def connections(self) -> int:
        """Open connections, those included that are on their way to their thread."""

    def adopt(self, fd: int, peer: str, local: str, transport: str) -> None:
        """Serve a connected socket until it ends.

        The descriptor belongs to the reactor from here on, even if this raises; pass `socket.detach()`. `transport` is
        `tcp` or `unix`. Raises OSError when the reactor is stopped.
        """

    def stop(self, grace_s: float) -> None:
        """Run what was received, send replies as far as `grace_s` seconds allow, close all, end the threads.

        Blocks, without the GIL.
        """

@final
class Session:
    """The machine of one connection, driven by one event loop.

    `receive` what the peer sent; send what `output` gives and say so with `advance`; `poll` when `queue` says this
    session's number or `wait_s` is over. Every call may run commands, so the GIL is released meanwhile; no two calls
    may overlap. `close` ends the client, and so does the end of the object. After `close` all else raises ValueError.
    """

    def __new__(cls, engine: Engine, queue: WakeQueue, number: int, peer: str, local: str, transport: str) -> Self: ...
    @property
    def id(self) -> int:
        """The client's number."""

    @property
    def wants_input(self) -> bool:
        """Whether more input would be run."""

    @property
    def closing(self) -> bool:
        """Whether the connection ends when the output is sent."""

    @property
    def withheld(self) -> bool:
        """Whether replies exist that may not be sent yet; such a connection is not closed."""

    @property
    def wait_s(self) -> float | None:
        """Seconds until `poll` is due; None: never."""

    def log_in_as(self, name: bytes) -> bool:
        """Makes the client this user without a password; False if there is no such user, or it is off."""

    def receive(self, data: bytes | bytearray) -> None:
        """Take bytes from the peer and run every whole request in them."""

    def poll(self) -> None:
        """Go on after a wake, or when `wait_s` is over."""

    def output(self, bytes_max: int) -> bytes:
        """Up to `bytes_max` bytes that may be sent now; empty if nothing may."""

    def advance(self, sent: int) -> None:
        """`sent` bytes of the output were sent; input that waited for room is run."""

    def close(self) -> None:
        """End the client."""

@final
class WakeQueue:
    """What wakes the sessions of one event loop.

    The loop waits until `fileno()` is readable, then handles each number that `take()` returns.
    """

    def __new__(cls) -> Self: ...
    def fileno(self) -> int:
        """The descriptor that is readable while somebody is to be woken."""

    def take(self) -> list[int]:
        """The numbers of those to be woken, each once. Silences the bell."""

@final
class Pending:
    """A command that may wait, for a task: its number is told to the queue when it is answered."""

    def __new__(cls, keyspace: Keyspace[Any], queue: WakeQueue, number: int, *words: _Word) -> Self: ...
    def take(self) -> tuple[Any] | None:
        """The reply in a tuple, if it was answered or its time is over; None if it still waits."""

    def left(self) -> float | None:
        """Seconds until its time is over; None if it has all the time there is."""

    def cancel(self) -> tuple[Any] | None:
        """End the wait: None, or the reply in a tuple if it was answered first."""

@final
class Subscriber:
    """Listens to channels. With a queue its number is told there when messages come; without one a thread waits.

    A kind is 0 for channels, 1 for patterns, 2 for shard channels.
    """

    def __new__(cls, keyspace: Keyspace[Any], queue: WakeQueue | None = None, number: int = 0) -> Self: ...
    def subscribe(self, kind: int, name: bytes) -> int:
        """Listen to a name, too; how many there are now."""

    def unsubscribe(self, kind: int, name: bytes) -> int:
        """Listen to a name no more; how many there are now."""

    def names(self, kind: int) -> list[bytes]:
        """To what it listens."""

    def get(self, timeout_s: float | None = 0.0) -> tuple[bytes, ...] | None:
        """The words of the next message, or None if there is none within `timeout_s`; None waits for ever.

        Raises `rkv.SlowSubscriberError` if too many messages were left unread.
        """

    def close(self) -> None:
        """Listen to nothing any more. Closing twice does nothing."""
