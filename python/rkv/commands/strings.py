"""Strings, without the methods of :mod:`rkv.commands.hot`."""

from __future__ import annotations

from rkv.commands.form import (
    INTEGER,
    Form,
    T,
    command,
    exclusive,
    expiry_words,
    milliseconds,
    pair_words,
    seconds,
    truth,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from rkv.commands.form import Expiry, Instant, Word


def _lcs(reply: Any) -> Any:
    """The pairs of LCS IDX one after the other, as redis-py returns them."""
    if isinstance(reply, dict):
        return [item for pair in reply.items() for item in pair]
    return reply


class StringCommands(Form[T]):
    """Commands on strings."""

    __slots__ = ()

    @command
    def append(self, key: Word, value: Word) -> int:
        """Append to a string; its new length in bytes."""
        return self._call(INTEGER, "APPEND", key, value)

    @command
    def getdel(self, name: Word) -> T | None:
        """Get a string and delete its key."""
        return self._value("GETDEL", name)

    @command
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
        exclusive(
            "``ex``, ``px``, ``exat``, ``pxat``, and ``persist``",
            ex is not None,
            px is not None,
            exat is not None,
            pxat is not None,
            persist,
        )
        return self._value("GETEX", name, *expiry_words(ex, px, exat, pxat), *(["PERSIST"] if persist else []))

    @command
    def getrange(self, key: Word, start: int, end: int) -> T:
        """Bytes ``start`` to ``end`` of a string, both included; negative numbers count from the end."""
        return self._string("GETRANGE", key, start, end)

    @command
    def getset(self, name: Word, value: Word) -> T | None:
        """Set a string and return what it was."""
        return self._value("GETSET", name, value)

    @command
    def incrbyfloat(self, name: Word, amount: Word = 1.0) -> float:
        """Add to a number; the sum."""
        return self._call(float, "INCRBYFLOAT", name, amount)

    @command
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

    @command
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
        exclusive(
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

    @command
    def msetnx(self, mapping: Mapping[Any, Word]) -> bool:
        """Set many keys if none of them exists."""
        return self._call(truth, *pair_words("MSETNX", mapping))

    @command
    def psetex(self, name: Word, time_ms: Expiry, value: Word) -> bool:
        """Set a string that expires after ``time_ms`` milliseconds."""
        return self._call(truth, "PSETEX", name, milliseconds(time_ms), value)

    @command
    def setex(self, name: Word, time: Expiry, value: Word) -> bool:
        """Set a string that expires after ``time`` seconds."""
        return self._call(truth, "SETEX", name, seconds(time), value)

    @command
    def setnx(self, name: Word, value: Word) -> bool:
        """Set a string if the key does not exist."""
        return self._call(truth, "SETNX", name, value)

    @command
    def setrange(self, name: Word, offset: int, value: Word) -> int:
        """Overwrite a string from byte ``offset`` on; its new length."""
        return self._call(INTEGER, "SETRANGE", name, offset, value)

    @command
    def strlen(self, name: Word) -> int:
        """The length of a string in bytes; 0 without the key."""
        return self._call(INTEGER, "STRLEN", name)

    @command
    def substr(self, name: Word, start: int, end: int = -1) -> T:
        """The old name of :meth:`getrange`."""
        return self._string("SUBSTR", name, start, end)
