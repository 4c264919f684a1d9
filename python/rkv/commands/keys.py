"""Keys, whatever their values."""

from __future__ import annotations

from rkv.commands.form import (
    INTEGER,
    Form,
    T,
    command,
    condition_words,
    milliseconds,
    ok,
    scan_page,
    seconds,
    truth,
    unix_milliseconds,
    unix_seconds,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rkv.commands.form import Expiry, Instant, Word


class KeyCommands(Form[T]):
    """Commands on keys."""

    __slots__ = ()

    @command
    def copy(
        self, source: Word, destination: Word, destination_db: int | str | None = None, replace: bool = False
    ) -> bool:
        """Copy a value; False if there is none, or a value at the destination that may not be replaced."""
        words: list[Word] = ["COPY", source, destination]
        words += ["DB", destination_db] if destination_db is not None else []
        return self._call(truth, *words, *(["REPLACE"] if replace else []))

    @command
    def dump(self, name: Word) -> T | None:
        """The value in the form that :meth:`restore` takes, here or on another server; None if there is no key.

        The form is no text: ask a keyspace whose strings are bytes.
        """
        return self._value("DUMP", name)

    @command
    def expire(
        self, name: Word, time: Expiry, nx: bool = False, xx: bool = False, gt: bool = False, lt: bool = False
    ) -> bool:
        """Let a key expire after ``time`` seconds; whether that was done."""
        return self._call(truth, "EXPIRE", name, seconds(time), *condition_words(nx, xx, gt, lt))

    @command
    def expireat(
        self, name: Word, when: Instant, nx: bool = False, xx: bool = False, gt: bool = False, lt: bool = False
    ) -> bool:
        """Let a key expire at ``when``, in Unix seconds; whether that was done."""
        return self._call(truth, "EXPIREAT", name, unix_seconds(when), *condition_words(nx, xx, gt, lt))

    @command
    def expiretime(self, key: Word) -> int:
        """When a key expires, in Unix seconds; -1 never, -2 without the key."""
        return self._call(INTEGER, "EXPIRETIME", key)

    @command
    def keys(self, pattern: Word = "*") -> list[T]:
        """All keys that match a glob pattern, in one step that locks the whole store: prefer :meth:`scan_iter`."""
        return self._strings("KEYS", pattern)

    @command
    def move(self, name: Word, db: int) -> bool:
        """Move a key to another database."""
        return self._call(truth, "MOVE", name, db)

    @command
    def persist(self, name: Word) -> bool:
        """Let a key live for ever; whether it would have expired."""
        return self._call(truth, "PERSIST", name)

    @command
    def pexpire(
        self, name: Word, time: Expiry, nx: bool = False, xx: bool = False, gt: bool = False, lt: bool = False
    ) -> bool:
        """Let a key expire after ``time`` milliseconds; whether that was done."""
        return self._call(truth, "PEXPIRE", name, milliseconds(time), *condition_words(nx, xx, gt, lt))

    @command
    def pexpireat(
        self, name: Word, when: Instant, nx: bool = False, xx: bool = False, gt: bool = False, lt: bool = False
    ) -> bool:
        """Let a key expire at ``when``, in Unix milliseconds; whether that was done."""
        return self._call(truth, "PEXPIREAT", name, unix_milliseconds(when), *condition_words(nx, xx, gt, lt))

    @command
    def pexpiretime(self, key: Word) -> int:
        """When a key expires, in Unix milliseconds; -1 never, -2 without the key."""
        return self._call(INTEGER, "PEXPIRETIME", key)

    @command
    def pttl(self, name: Word) -> int:
        """Milliseconds until a key expires; -1 never, -2 without the key."""
        return self._call(INTEGER, "PTTL", name)

    @command
    def randomkey(self) -> T | None:
        """Some key, every one as likely as the others; None without any."""
        return self._value("RANDOMKEY")

    @command
    def rename(self, src: Word, dst: Word) -> bool:
        """Give a value another key."""
        return self._call(ok, "RENAME", src, dst)

    @command
    def renamenx(self, src: Word, dst: Word) -> bool:
        """Give a value another key, if that does not exist."""
        return self._call(truth, "RENAMENX", src, dst)

    @command
    def restore(
        self,
        name: Word,
        ttl: Expiry,
        value: Word,
        replace: bool = False,
        absttl: bool = False,
        idletime: int | None = None,
        frequency: int | None = None,
    ) -> bool:
        """Store what :meth:`dump` gave. It expires after ``ttl`` milliseconds, or never if that is 0.

        With ``absttl`` the time is in Unix milliseconds. A key that is there is an error unless ``replace`` is true.
        """
        words: list[Word] = ["RESTORE", name, milliseconds(ttl), value]
        words += ["REPLACE"] if replace else []
        words += ["ABSTTL"] if absttl else []
        words += ["IDLETIME", idletime] if idletime is not None else []
        words += ["FREQ", frequency] if frequency is not None else []
        return self._call(ok, *words)

    @command
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
        return self._call(scan_page, *words)

    @command
    def touch(self, *args: Word) -> int:
        """Mark keys as used; how many there are."""
        return self._call(INTEGER, "TOUCH", *args)

    @command
    def ttl(self, name: Word) -> int:
        """Seconds until a key expires; -1 never, -2 without the key."""
        return self._call(INTEGER, "TTL", name)

    @command
    def type(self, name: Word) -> T:
        """The type of a value: ``string``, ``none`` without the key."""
        return self._string("TYPE", name)

    @command
    def unlink(self, *names: Word) -> int:
        """Delete keys; how many there were. Large values are freed in the background."""
        return self._call(INTEGER, "UNLINK", *names)
