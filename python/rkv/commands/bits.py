"""Strings as rows of bits.

A field of ``bitfield`` is a type such as ``"u8"`` or ``"i16"`` and an offset: the number of its first bit, or ``"#3"``
for the fourth field of its type.
"""

from __future__ import annotations

from rkv.commands.form import INTEGER, Form, T, command
from rkv.errors import DataError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from rkv.commands.form import Word


class BitFieldOperation:
    """Operations on fields of one string, to be run together by :meth:`execute`.

    The methods that add one return the object itself, so that they can be written one behind the other.
    """

    __slots__ = ("_default_overflow", "_last_overflow", "client", "key", "operations")

    def __init__(self, client: Form[Any], key: Word, default_overflow: str | None = None) -> None:
        """``default_overflow`` is what :meth:`overflow` is first told."""
        self.client = client
        self.key = key
        self._default_overflow = default_overflow
        self.reset()

    def reset(self) -> None:
        """Forget all operations."""
        self.operations: list[tuple[Word, ...]] = []
        self._last_overflow = "WRAP"
        self.overflow(self._default_overflow or self._last_overflow)

    def overflow(self, overflow: str) -> BitFieldOperation:
        """What becomes of numbers too large or too small from here on: WRAP around, SAT (the nearest), FAIL (None)."""
        overflow = overflow.upper()
        if overflow != self._last_overflow:
            self._last_overflow = overflow
            self.operations.append(("OVERFLOW", overflow))
        return self

    def incrby(self, fmt: str, offset: Word, increment: int, overflow: str | None = None) -> BitFieldOperation:
        """Add to a field; the sum."""
        if overflow is not None:
            self.overflow(overflow)
        self.operations.append(("INCRBY", fmt, offset, increment))
        return self

    def get(self, fmt: str, offset: Word) -> BitFieldOperation:
        """Read a field."""
        self.operations.append(("GET", fmt, offset))
        return self

    def set(self, fmt: str, offset: Word, value: int) -> BitFieldOperation:
        """Write a field; what it was before."""
        self.operations.append(("SET", fmt, offset, value))
        return self

    @property
    def command(self) -> list[Word]:
        """The words of the request."""
        words: list[Word] = ["BITFIELD", self.key]
        for operation in self.operations:
            words += operation
        return words

    def execute(self) -> Any:
        """Run the operations and forget them; a list with the result of each."""
        words = self.command
        self.reset()
        return self.client._call(None, *words)


class BitCommands(Form[T]):
    """Commands on rows of bits."""

    __slots__ = ()

    @command
    def bitcount(self, key: Word, start: int | None = None, end: int | None = None, mode: str | None = None) -> int:
        """How many bits are set, all or from byte ``start`` to ``end``; ``mode`` "BIT" makes those numbers of bits."""
        if (start is None) != (end is None):
            raise DataError("Both start and end must be specified")
        words: list[Word] = [key, *(() if start is None or end is None else (start, end))]
        words += [] if mode is None else [mode]
        return self._call(INTEGER, "BITCOUNT", *words)

    def bitfield(self, key: Word, default_overflow: str | None = None) -> BitFieldOperation:
        """Operations on fields, to be added and then run together."""
        return BitFieldOperation(self, key, default_overflow)

    @command
    def bitfield_ro(
        self, key: Word, encoding: str, offset: Word, items: Iterable[tuple[str, Word]] | None = None
    ) -> list[int]:
        """Read a field, and those of ``items``."""
        words: list[Word] = ["BITFIELD_RO", key, "GET", encoding, offset]
        for encoding_too, offset_too in items or ():
            words += ["GET", encoding_too, offset_too]
        return self._call(None, *words)

    @command
    def bitop(self, operation: str, dest: Word, *keys: Word) -> int:
        """Store what AND, OR, XOR or NOT makes of strings; how many bytes it has."""
        return self._call(INTEGER, "BITOP", operation, dest, *keys)

    @command
    def bitpos(
        self, key: Word, bit: int, start: int | None = None, end: int | None = None, mode: str | None = None
    ) -> int:
        """Where the first 0 or 1 is; -1 if there is none. The range is that of :meth:`bitcount`."""
        if bit not in {0, 1}:
            raise DataError("bit must be 0 or 1")
        if start is None and end is not None:
            raise DataError("start argument is not set, when end is specified")
        words: list[Word] = [key, bit, *(word for word in (start, end, mode) if word is not None)]
        return self._call(INTEGER, "BITPOS", *words)

    @command
    def getbit(self, name: Word, offset: int) -> int:
        """One bit; 0 beyond the end."""
        return self._call(INTEGER, "GETBIT", name, offset)

    @command
    def setbit(self, name: Word, offset: int, value: int) -> int:
        """Set a bit, or clear it if ``value`` is 0; what it was before. The string grows as needed."""
        return self._call(INTEGER, "SETBIT", name, offset, 1 if value else 0)
