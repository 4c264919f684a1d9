"""Streams.

An entry is a tuple of its id and a dict of its fields. Ids are ``"1700000000000-0"``, or ``"*"`` for one of the store's
making; intervals may begin and end with ``"-"`` and ``"+"``, and leave out what stands behind ``"("``.
"""

from __future__ import annotations

from rkv.commands.form import INTEGER, Form, T, command, ok, truth
from rkv.errors import DataError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, TypeAlias

    from rkv.commands.form import Word

    Entry: TypeAlias = tuple[T, dict[T, T]]


def _name(text: Any) -> str:
    return text.decode() if isinstance(text, bytes) else str(text)


def _pairs(flat: list[Any]) -> dict[Any, Any]:
    pairs = iter(flat)
    return dict(zip(pairs, pairs, strict=True))


def _entry(reply: Any) -> Any:
    """An entry; one that was deleted has no fields."""
    return reply and (reply[0], _pairs(reply[1] or []))


def _entries(reply: list[Any] | None) -> Any:
    return None if reply is None else [_entry(entry) for entry in reply]


def _streams(reply: dict[Any, Any] | None) -> list[Any]:
    """What was read, stream by stream."""
    return [[name, _entries(entries)] for name, entries in (reply or {}).items()]


def _fields(reply: dict[Any, Any]) -> dict[str, Any]:
    return {_name(name): value for name, value in reply.items()}


def _listed(reply: list[Any]) -> list[dict[str, Any]]:
    return [_fields(item) for item in reply]


def _stream(reply: dict[Any, Any]) -> dict[str, Any]:
    fields = _fields(reply)
    fields["first-entry"] = _entry(fields["first-entry"])
    fields["last-entry"] = _entry(fields["last-entry"])
    return fields


def _whole_stream(reply: dict[Any, Any]) -> dict[str, Any]:
    fields = _fields(reply)
    fields["entries"] = dict(_entries(fields["entries"]))
    fields["groups"] = _listed(fields["groups"])
    for group in fields["groups"]:
        group["consumers"] = _listed(group["consumers"])
    return fields


def _claimed(reply: list[Any]) -> list[Any]:
    cursor, entries, *deleted = reply
    return [cursor, _entries(entries), *deleted]


def _claimed_ids(reply: list[Any]) -> Any:
    return reply[1]


def _summary(reply: list[Any]) -> dict[str, Any]:
    count, first, last, consumers = reply
    named = [{"name": name, "pending": int(pending)} for name, pending in consumers or []]
    return {"pending": count, "min": first, "max": last, "consumers": named}


def _pending(reply: list[Any]) -> list[dict[str, Any]]:
    names = ("message_id", "consumer", "time_since_delivered", "times_delivered")
    return [dict(zip(names, item, strict=True)) for item in reply]


def _is_number(value: object, least: int = 0) -> bool:
    return isinstance(value, int) and value >= least


def _number(what: str, number: int | None, least: int) -> None:
    if number is not None and not _is_number(number, least):
        raise DataError(f"{what} must be {'a positive' if least else 'a non-negative'} integer")


def _trim_words(maxlen: int | None, approximate: bool, minid: Word | None, limit: int | None) -> list[Word]:
    words: list[Word] = []
    for name, threshold in (("MAXLEN", maxlen), ("MINID", minid)):
        if threshold is not None:
            words += [name, "~", threshold] if approximate else [name, threshold]
    return words + (["LIMIT", limit] if limit is not None else [])


def _read_words(
    name: str, streams: Mapping[Any, Word], count: int | None, block: int | None, words: list[Word]
) -> list[Word]:
    _number(f"{name} count", count, 1)
    _number(f"{name} block", block, 0)
    if not isinstance(streams, dict) or not streams:
        raise DataError(f"{name} streams must be a non empty dict")
    head: list[Word] = [name, *words[: 3 if name == "XREADGROUP" else 0]]
    head += ["COUNT", count] if count is not None else []
    head += ["BLOCK", block] if block is not None else []
    return [*head, *words[3:], "STREAMS", *streams, *streams.values()]


class StreamCommands(Form[T]):
    """Commands on streams."""

    __slots__ = ()

    @command
    def xack(self, name: Word, groupname: Word, *ids: Word) -> int:
        """Acknowledge entries; count those that were pending."""
        return self._call(INTEGER, "XACK", name, groupname, *ids)

    @command
    def xadd(
        self,
        name: Word,
        fields: Mapping[Any, Word],
        id: Word = "*",
        maxlen: int | None = None,
        approximate: bool = True,
        nomkstream: bool = False,
        minid: Word | None = None,
        limit: int | None = None,
    ) -> T | None:
        """Add an entry, and return its id; None if ``nomkstream`` and there is no stream."""
        if maxlen is not None and minid is not None:
            raise DataError("Only one of ```maxlen``` or ```minid``` may be specified")
        if maxlen is not None and not _is_number(maxlen):
            raise DataError("XADD maxlen must be non-negative integer")
        if not isinstance(fields, dict) or not fields:
            raise DataError("XADD fields must be a non-empty dict")
        words: list[Word] = ["NOMKSTREAM"] if nomkstream else []
        words += _trim_words(maxlen, approximate, minid, limit)
        pairs = [word for pair in fields.items() for word in pair]
        return self._value("XADD", name, *words, id, *pairs)

    @command
    def xautoclaim(
        self,
        name: Word,
        groupname: Word,
        consumername: Word,
        min_idle_time: int,
        start_id: Word = "0-0",
        count: int | None = None,
        justid: bool = False,
    ) -> list[Any]:
        """Take over entries that were pending for long.

        Returns where the next call goes on, the entries, and the ids of deleted ones; with ``justid`` ids alone.
        """
        if int(min_idle_time) < 0:
            raise DataError("XAUTOCLAIM min_idle_time must be a nonnegative integer")
        words: list[Word] = [name, groupname, consumername, min_idle_time, start_id]
        words += ["COUNT", count] if count is not None else []
        words += ["JUSTID"] if justid else []
        return self._call(_claimed_ids if justid else _claimed, "XAUTOCLAIM", *words)

    @command
    def xclaim(
        self,
        name: Word,
        groupname: Word,
        consumername: Word,
        min_idle_time: int,
        message_ids: Sequence[Word],
        idle: int | None = None,
        time: int | None = None,
        retrycount: int | None = None,
        force: bool = False,
        justid: bool = False,
    ) -> list[Any]:
        """Take over pending entries; return them, or with ``justid`` their ids."""
        if not _is_number(min_idle_time):
            raise DataError("XCLAIM min_idle_time must be a non negative integer")
        if not isinstance(message_ids, (list, tuple)) or not message_ids:
            raise DataError("XCLAIM message_ids must be a non empty list or tuple of message IDs to claim")
        words: list[Word] = [name, groupname, consumername, min_idle_time, *message_ids]
        for option, number in (("IDLE", idle), ("TIME", time), ("RETRYCOUNT", retrycount)):
            words += [option, number] if number is not None else []
        words += ["FORCE"] if force else []
        words += ["JUSTID"] if justid else []
        return self._call(None if justid else _entries, "XCLAIM", *words)

    @command
    def xdel(self, name: Word, *ids: Word) -> int:
        """Delete entries; count those that were there."""
        return self._call(INTEGER, "XDEL", name, *ids)

    @command
    def xgroup_create(
        self,
        name: Word,
        groupname: Word,
        id: Word = "$",
        mkstream: bool = False,
        entries_read: int | None = None,
    ) -> bool:
        """Make a consumer group that reads what comes behind an id."""
        words: list[Word] = ["MKSTREAM"] if mkstream else []
        words += ["ENTRIESREAD", entries_read] if entries_read is not None else []
        return self._call(ok, "XGROUP", "CREATE", name, groupname, id, *words)

    @command
    def xgroup_createconsumer(self, name: Word, groupname: Word, consumername: Word) -> int:
        """Add a consumer; 0 if it is there."""
        return self._call(INTEGER, "XGROUP", "CREATECONSUMER", name, groupname, consumername)

    @command
    def xgroup_delconsumer(self, name: Word, groupname: Word, consumername: Word) -> int:
        """Remove a consumer; return how many entries were pending for it."""
        return self._call(INTEGER, "XGROUP", "DELCONSUMER", name, groupname, consumername)

    @command
    def xgroup_destroy(self, name: Word, groupname: Word) -> bool:
        """Remove a group; tell whether it was there."""
        return self._call(truth, "XGROUP", "DESTROY", name, groupname)

    @command
    def xgroup_setid(
        self,
        name: Word,
        groupname: Word,
        id: Word,
        entries_read: int | None = None,
    ) -> bool:
        """Set how far a group has read."""
        words: list[Word] = ["ENTRIESREAD", entries_read] if entries_read is not None else []
        return self._call(ok, "XGROUP", "SETID", name, groupname, id, *words)

    @command
    def xinfo_consumers(self, name: Word, groupname: Word) -> list[dict[str, Any]]:
        """Describe the consumers of a group."""
        return self._call(_listed, "XINFO", "CONSUMERS", name, groupname)

    @command
    def xinfo_groups(self, name: Word) -> list[dict[str, Any]]:
        """Describe the groups of a stream."""
        return self._call(_listed, "XINFO", "GROUPS", name)

    @command
    def xinfo_stream(self, name: Word, full: bool = False) -> dict[str, Any]:
        """Describe a stream; ``full`` shows entries, groups and what is pending."""
        if full:
            return self._call(_whole_stream, "XINFO", "STREAM", name, "FULL")
        return self._call(_stream, "XINFO", "STREAM", name)

    @command
    def xlen(self, name: Word) -> int:
        """Count the entries."""
        return self._call(INTEGER, "XLEN", name)

    @command
    def xpending(self, name: Word, groupname: Word) -> dict[str, Any]:
        """Tell how many entries are pending, the first and last of them, and how many each consumer has."""
        return self._call(_summary, "XPENDING", name, groupname)

    @command
    def xpending_range(
        self,
        name: Word,
        groupname: Word,
        min: Word,
        max: Word,
        count: int,
        consumername: Word | None = None,
        idle: int | None = None,
    ) -> list[dict[str, Any]]:
        """List pending entries, of a consumer or of all, that nobody touched for ``idle`` milliseconds."""
        _number("XPENDING idle", idle, 0)
        _number("XPENDING count", count, 0)
        words: list[Word] = ["IDLE", idle] if idle is not None else []
        words += [min, max, count]
        words += [consumername] if consumername else []
        return self._call(_pending, "XPENDING", name, groupname, *words)

    @command
    def xrange(
        self,
        name: Word,
        min: Word = "-",
        max: Word = "+",
        count: int | None = None,
    ) -> list[Entry[T]]:
        """Read the entries between two ids."""
        _number("XRANGE count", count, 1)
        words: list[Word] = ["COUNT", count] if count is not None else []
        return self._call(_entries, "XRANGE", name, min, max, *words)

    @command
    def xread(self, streams: Mapping[Any, Word], count: int | None = None, block: int | None = None) -> list[list[Any]]:
        """Read what stands behind the given id of each stream; wait ``block`` milliseconds, or forever if that is 0."""
        return self._call(_streams, *_read_words("XREAD", streams, count, block, []))

    @command
    def xreadgroup(
        self,
        groupname: Word,
        consumername: Word,
        streams: Mapping[Any, Word],
        count: int | None = None,
        block: int | None = None,
        noack: bool = False,
    ) -> list[list[Any]]:
        """Read for a consumer: behind ``">"`` what nobody of the group was given, else what it has not acknowledged."""
        words: list[Word] = ["GROUP", groupname, consumername]
        words += ["NOACK"] if noack else []
        return self._call(_streams, *_read_words("XREADGROUP", streams, count, block, words))

    @command
    def xrevrange(
        self,
        name: Word,
        max: Word = "+",
        min: Word = "-",
        count: int | None = None,
    ) -> list[Entry[T]]:
        """Read the entries between two ids, the last first."""
        _number("XREVRANGE count", count, 1)
        words: list[Word] = ["COUNT", count] if count is not None else []
        return self._call(_entries, "XREVRANGE", name, max, min, *words)

    @command
    def xtrim(
        self,
        name: Word,
        maxlen: int | None = None,
        approximate: bool = True,
        minid: Word | None = None,
        limit: int | None = None,
    ) -> int:
        """Delete the oldest entries; count them."""
        if maxlen is not None and minid is not None:
            raise DataError("Only one of ``maxlen`` or ``minid`` may be specified")
        if maxlen is None and minid is None:
            raise DataError("One of ``maxlen`` or ``minid`` must be specified")
        return self._call(INTEGER, "XTRIM", name, *_trim_words(maxlen, approximate, minid, limit))
