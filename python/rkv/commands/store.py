"""The store itself: configuration, figures, whole databases."""

from __future__ import annotations

from rkv.commands.form import INTEGER, INTEGER_OR_NONE, Form, T, command, ok

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rkv.commands.form import Word


def _time(reply: list[Any]) -> tuple[int, int]:
    seconds, microseconds = reply
    return int(seconds), int(microseconds)


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


class StoreCommands(Form[T]):
    """Commands on the store."""

    __slots__ = ()

    @command
    def config_get(self, pattern: Word = "*", *args: Word) -> dict[str, str]:
        """The options whose names match."""
        return self._call(_config, "CONFIG", "GET", pattern, *args)

    @command
    def config_set(self, name: Word, value: Word, *args: Word) -> bool:
        """Change options."""
        return self._call(ok, "CONFIG", "SET", name, value, *args)

    @command
    def dbsize(self) -> int:
        """How many keys the database holds."""
        return self._call(INTEGER, "DBSIZE")

    @command
    def echo(self, value: Word) -> T:
        """Return what was given."""
        return self._string("ECHO", value)

    @command
    def flushall(self, asynchronous: bool = False) -> bool:
        """Delete every key of every database."""
        return self._call(ok, "FLUSHALL", *(["ASYNC"] if asynchronous else []))

    @command
    def flushdb(self, asynchronous: bool = False) -> bool:
        """Delete every key of this database."""
        return self._call(ok, "FLUSHDB", *(["ASYNC"] if asynchronous else []))

    @command
    def info(self, section: str | None = None, *args: str) -> dict[str, Any]:
        """What the store says about itself."""
        return self._call(_info, "INFO", *([] if section is None else [section]), *args)

    @command
    def memory_usage(self, key: Word, samples: int | None = None) -> int | None:
        """Bytes of memory of a key with its value; None without the key."""
        words: list[Word] = ["MEMORY", "USAGE", key]
        words += [] if samples is None else ["SAMPLES", samples]
        return self._call(INTEGER_OR_NONE, *words)

    @command
    def object(self, infotype: str, key: Word) -> Any:
        """OBJECT ENCODING, FREQ, IDLETIME or REFCOUNT of a key."""
        return self._call(None, "OBJECT", infotype, key)

    @command
    def ping(self) -> bool:
        """Whether the store answers."""
        return self._call(_pong, "PING")

    @command
    def swapdb(self, first: int, second: int) -> bool:
        """Exchange two databases."""
        return self._call(ok, "SWAPDB", first, second)

    @command
    def time(self) -> tuple[int, int]:
        """Unix seconds, and the microseconds beyond them."""
        return self._call(_time, "TIME")

    @command
    def wait(self, num_replicas: int, timeout: int) -> int:
        """How many replicas have what this caller wrote, after so many milliseconds at most; 0 is without a limit."""
        return self._call(INTEGER, "WAIT", num_replicas, timeout)

    @command
    def waitaof(self, num_local: int, num_replicas: int, timeout: int) -> list[int]:
        """Wait until what this caller wrote is on the disk: 1 if it is, and on how many replicas.

        ``timeout`` counts milliseconds; 0 is without a limit.
        """
        return self._call(None, "WAITAOF", num_local, num_replicas, timeout)
