"""What every family of commands is written with: forms, shapes of replies, and words of requests.

A **form** is a way to run commands: a keyspace runs them at once, a pipeline keeps them for later. Every form inherits
the same methods, each written once, and says in :meth:`Form._call` what becomes of a request. :func:`command` tells
type checkers what a method returns in each form.

A new family is a module with a class of its own, added to :class:`rkv.commands.Commands`. Its methods bear
:func:`command`, are annotated with what a keyspace returns, and end in :meth:`Form._call` with the shape of their
reply. Where a flag decides what a method returns, overloads before it say so, under TYPE_CHECKING; the first of them is
for forms that keep (:class:`Keeping`). A new form is a class of :class:`Form` with a mark like :class:`Runs` and an
overload of :class:`Command` for that mark.
"""

from __future__ import annotations

from rkv.errors import DataError

# What type checkers take for typing.TYPE_CHECKING. Importing `typing` takes longer than all of rkv.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime, timedelta
    from typing import Any, Concatenate, Literal, ParamSpec, Protocol, TypeAlias, TypeVar, overload
    from typing import Generic as Generic  # noqa: PLC0414  # Other modules take it from here.

    T = TypeVar("T", bytes, str)
    P = ParamSpec("P")
    R = TypeVar("R")
    R_co = TypeVar("R_co", covariant=True)

    Word: TypeAlias = str | bytes | bytearray | memoryview | int | float
    """What may be a word of a request: numbers become decimal digits, a ``str`` becomes UTF-8."""
    Expiry: TypeAlias = int | str | timedelta
    """A time to live."""
    Instant: TypeAlias = int | str | datetime
    """A point in time."""
    Shape: TypeAlias = Callable[[Any], R] | None
    """Turns a reply into what the method returns; None leaves it as it is."""

    class Keeping(Protocol):
        """What :class:`Keeps` marks, for the first overload of a method."""

        _keeps: Literal[True]

    class Command(Generic[P, R_co]):
        """A method of every form: ``R_co`` is what it returns where it runs at once."""

        @overload
        def __get__(self, form: None, owner: type[Any]) -> Callable[Concatenate[Any, P], R_co]: ...
        @overload
        def __get__(self, form: Runs, owner: type[Any]) -> Callable[P, R_co]: ...
        @overload
        def __get__(self, form: Keeps, owner: type[Any]) -> Callable[P, Any]: ...
        def __get__(self, form: object, owner: type[Any]) -> Any: ...

    def command(method: Callable[Concatenate[Any, P], R]) -> Command[P, R]:
        """Give a method the return type of each form."""
        raise NotImplementedError

else:
    T = None

    class Generic:
        """Stands for typing.Generic."""

        __slots__ = ()

        def __class_getitem__(cls, _):
            return cls

    def command(method):
        """Leave a method as it is: its form decides at run time."""
        return method


class Form(Generic[T]):
    """A way to run commands.

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


class Runs:
    """Marks a form whose methods run their command and return what it replies."""

    __slots__ = ()


class Keeps:
    """Marks a form whose methods keep their command and return the form, or run it: only the program knows which."""

    __slots__ = ()

    if TYPE_CHECKING:
        _keeps: Literal[True]


INTEGER: Shape[int] = None
INTEGER_OR_NONE: Shape[int | None] = None


def truth(reply: object) -> bool:
    """Whether it is anything but 0, nothing or empty."""
    return bool(reply)


def ok(reply: object) -> bool:
    """Whether it is OK."""
    return reply in {b"OK", "OK"}


def done(reply: object) -> bool | None:
    """True, or None if a condition forbade it."""
    return None if reply is None else True


# A timedelta and a datetime are known by their methods, as importing `datetime` takes its time, too.


def seconds(time: Expiry) -> Word:
    """A time to live in seconds."""
    return int(time.total_seconds()) if hasattr(time, "total_seconds") else time


def milliseconds(time: Expiry) -> Word:
    """A time to live in milliseconds."""
    return int(time.total_seconds() * 1000) if hasattr(time, "total_seconds") else time


def unix_seconds(when: Instant) -> Word:
    """A point in time in Unix seconds."""
    return int(when.timestamp()) if hasattr(when, "timestamp") else when


def unix_milliseconds(when: Instant) -> Word:
    """A point in time in Unix milliseconds."""
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
        return ["EX", _whole("ex", seconds(ex), "timedelta")]
    if px is not None:
        return ["PX", _whole("px", milliseconds(px), "timedelta")]
    if exat is not None:
        return ["EXAT", _whole("exat", unix_seconds(exat), "datetime")]
    if pxat is not None:
        return ["PXAT", _whole("pxat", unix_milliseconds(pxat), "datetime")]
    return []


def exclusive(names: str, *given: bool) -> None:
    """Refuse more than one of some options."""
    if sum(given) > 1:
        raise DataError(f"{names} are mutually exclusive.")


def condition_words(nx: bool, xx: bool, gt: bool, lt: bool) -> list[Word]:
    """The words of a condition on an expiry."""
    return [word for word, wanted in (("NX", nx), ("XX", xx), ("GT", gt), ("LT", lt)) if wanted]


def listed(one_or_many: Word | Iterable[Word], more: Iterable[Word] = ()) -> list[Word]:
    """One word or the words of an iterable, and more behind them."""
    if isinstance(one_or_many, (str, bytes, bytearray, memoryview)) or not hasattr(one_or_many, "__iter__"):
        return [one_or_many, *more]
    return [*one_or_many, *more]


def limit_words(names: str, start: Word | None, num: Word | None) -> list[Word]:
    """LIMIT and its two numbers, which come together or not at all; ``names`` is what an error begins with."""
    if (start is None) != (num is None):
        raise DataError(f"{names} must both be specified")
    return [] if start is None or num is None else ["LIMIT", start, num]


def scan_words(command: str, name: Word, cursor: Word, match: Word | None, count: Word | None) -> list[Word]:
    """The words of a scan through a value."""
    words: list[Word] = [command, name, cursor]
    words += ["MATCH", match] if match is not None else []
    words += ["COUNT", count] if count is not None else []
    return words


def scan_page(reply: list[Any]) -> tuple[int, list[Any]]:
    """The cursor of a scan as a number, and what was found."""
    cursor, found = reply
    return int(cursor), found


def pair_words(command: str, mapping: Mapping[Any, Word]) -> list[Word]:
    """A command followed by the names and values of a mapping."""
    words: list[Word] = [command]
    for pair in mapping.items():
        words.extend(pair)
    return words
