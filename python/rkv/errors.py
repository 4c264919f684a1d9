"""Exceptions of rkv. Everything that rkv raises on its own account is an :class:`RkvError`.

Error replies are :class:`ResponseError` or one of its subclasses, chosen by the code word that the reply begins with
(``WRONGTYPE``, ``OOM`` …). Their text is redis-py's: the code word is left out where redis-py leaves it out.
"""

from __future__ import annotations

__all__ = [
    "BusyLoadingError",
    "ClosedError",
    "DamagedFileError",
    "DataError",
    "DirectoryInUseError",
    "ExecAbortError",
    "ForkedError",
    "NoAuthError",
    "NoPermissionError",
    "NoScriptError",
    "NotAvailableError",
    "OutOfMemoryError",
    "PoisonedError",
    "ReadOnlyError",
    "ResponseError",
    "RkvError",
    "SlowSubscriberError",
    "SnapshotError",
    "WatchError",
    "WrongPassError",
    "WrongTypeError",
]


class RkvError(Exception):
    """Whatever rkv raises on its own account."""


class DataError(RkvError):
    """An argument of a type or combination that no command takes; nothing was sent to the store."""


class WatchError(RkvError):
    """A watched key changed before EXEC, so nothing of the transaction was done."""


class ClosedError(RkvError):
    """The store was closed."""


class ForkedError(RkvError):
    """A store of the parent process was used in a child of ``os.fork``."""


class PoisonedError(RkvError):
    """An internal error left the store half changed; it does nothing more."""


class DirectoryInUseError(RkvError):
    """Another store, in this process or another one, works in the directory."""


class DamagedFileError(RkvError):
    """A file is not as it was written, of another kind or from the future, or a new one cannot hold what it does.

    Nothing of it was loaded; the message says where.
    """


class SnapshotError(RkvError):
    """A snapshot was not taken; the file that was to be replaced is as it was."""


class NotAvailableError(RkvError, NotImplementedError):
    """Something that this version cannot do yet."""


class SlowSubscriberError(RkvError):
    """A listener left too many messages unread, so all of them were dropped and it listens to nothing any more."""


class ResponseError(RkvError):
    """An error reply of a command. ``code`` is its code word, ``reply`` its whole text."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.reply = text
        self.code = text.partition(" ")[0]


class WrongTypeError(ResponseError):
    """``WRONGTYPE``: the key holds a value of another type."""


class ExecAbortError(ResponseError):
    """``EXECABORT``: a command of the transaction was refused, so EXEC was, too."""


class OutOfMemoryError(ResponseError):
    """``OOM``: the command would exceed ``maxmemory``."""


class NoAuthError(ResponseError):
    """``NOAUTH``: a password is needed first."""


class WrongPassError(ResponseError):
    """``WRONGPASS``: the name or the password is wrong."""


class NoPermissionError(ResponseError):
    """``NOPERM``: the user may not do this."""


class NoScriptError(ResponseError):
    """``NOSCRIPT``: no script with this digest."""


class ReadOnlyError(ResponseError):
    """``READONLY``: a replica takes no writes."""


class BusyLoadingError(ResponseError):
    """``LOADING``: the store is being loaded."""


_CLASSES = {
    "BUSYLOADING": BusyLoadingError,
    "EXECABORT": ExecAbortError,
    "LOADING": BusyLoadingError,
    "NOAUTH": NoAuthError,
    "NOPERM": NoPermissionError,
    "NOSCRIPT": NoScriptError,
    "OOM": OutOfMemoryError,
    "READONLY": ReadOnlyError,
    "WRONGPASS": WrongPassError,
    "WRONGTYPE": WrongTypeError,
}

# The code words that redis-py cuts off.
_CUT = frozenset({"ERR", "EXECABORT", "LOADING", "NOAUTH", "NOPERM", "NOSCRIPT", "OOM", "READONLY"})


def from_reply(text: str) -> ResponseError:
    """The exception for the text of an error reply (without the leading ``-``)."""
    code, _, rest = text.partition(" ")
    error = _CLASSES.get(code, ResponseError)(text)
    if code in _CUT:
        error.args = (rest,)
    return error
