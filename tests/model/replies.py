"""What of a reply depends on time or chance, and is therefore compared otherwise than by its bytes.

Everything not named here is compared as it came on the wire: kind, bytes, order.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from support.resp import Array, Bulk, Double, Error, Integer, Map, Null, NullArray, NullBulk, Set, Simple, Verbatim

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.usage import Words
    from support.resp import Reply

# Two servers are asked one after the other, on a machine that may be slow.
SLACK_MS = 30_000


def same(words: Words, theirs: Reply, ours: Reply) -> bool:
    """Whether two servers answered a command alike."""
    if theirs == ours:
        return True
    compare = COMPARE.get(words[0].upper()) or COMPARE.get(b" ".join(words[:2]).upper())
    return compare is not None and compare(words, theirs, ours)


def _within(slack: int) -> Callable[[Words, Reply, Reply], bool]:
    def compare(_: Words, theirs: Reply, ours: Reply) -> bool:
        if not (isinstance(theirs, Integer) and isinstance(ours, Integer)):
            return False
        # Below zero stand "no key" and "no expiry".
        return min(theirs.value, ours.value) >= 0 and abs(theirs.value - ours.value) <= slack

    return compare


def _near_each(slack: int) -> Callable[[Words, Reply, Reply], bool]:
    near = _within(slack)

    def compare(words: Words, theirs: Reply, ours: Reply) -> bool:
        if not (isinstance(theirs, Array) and isinstance(ours, Array) and len(theirs.items) == len(ours.items)):
            return False
        return all(one == other or near(words, one, other) for one, other in zip(theirs.items, ours.items, strict=True))

    return compare


def _same_kind(_: Words, theirs: Reply, ours: Reply) -> bool:
    return type(theirs) is type(ours) and not isinstance(theirs, Error)


def _same_members(_: Words, theirs: Reply, ours: Reply) -> bool:
    """The order of keys is chance."""
    if not (isinstance(theirs, Array | Set) and type(theirs) is type(ours)):
        return False
    return sorted(map(repr, theirs.items)) == sorted(map(repr, ours.items))  # type: ignore[union-attr]


def _same_pairs(_: Words, theirs: Reply, ours: Reply) -> bool:
    """The order of the fields of a large hash is chance."""
    if isinstance(theirs, Map) and isinstance(ours, Map):
        return sorted(map(repr, theirs.pairs)) == sorted(map(repr, ours.pairs))
    if not (isinstance(theirs, Array) and isinstance(ours, Array)):
        return False
    if len(theirs.items) != len(ours.items) or len(ours.items) % 2:
        return False
    one, other = (sorted(map(repr, zip(each.items[::2], each.items[1::2], strict=True))) for each in (theirs, ours))
    return one == other


def _same_length(_: Words, theirs: Reply, ours: Reply) -> bool:
    """Which elements come is chance."""
    if isinstance(theirs, Array | Set) and type(theirs) is type(ours):
        return len(theirs.items) == len(ours.items)  # type: ignore[union-attr]
    return type(theirs) is type(ours) and not isinstance(theirs, Error)


def _same_unless_sorted(words: Words, theirs: Reply, ours: Reply) -> bool:
    """SORT of a set by nothing leaves its order, which is chance."""
    return any(word.upper() == b"BY" for word in words) and _same_length(words, theirs, ours)


def _same_scan(words: Words, theirs: Reply, ours: Reply) -> bool:
    """Cursors are each server's own. A scan that both finish in one call has the same keys."""
    match theirs, ours:
        case Array((Bulk(their_cursor), Array() as their_keys)), Array((Bulk(our_cursor), Array() as our_keys)):
            if words[1] == b"0" and their_cursor == our_cursor == b"0":
                return _same_members(words, their_keys, our_keys)
            return True
        case _:
            return False


def _same_inner_scan(words: Words, theirs: Reply, ours: Reply) -> bool:
    """Cursors are each server's own. A scan that both finish in one call has the same elements."""
    match theirs, ours:
        case Array((Bulk(their_cursor), Array() as theirs_items)), Array((Bulk(our_cursor), Array() as our_items)):
            if words[2] == b"0" and their_cursor == our_cursor == b"0":
                return _same_members(words, theirs_items, our_items)
            return True
        case _:
            return False


def _same_time(_: Words, theirs: Reply, ours: Reply) -> bool:
    match theirs, ours:
        case Array((Bulk(their_s), Bulk(their_us))), Array((Bulk(our_s), Bulk(our_us))):
            near = abs(int(their_s) - int(our_s)) * 1_000 <= SLACK_MS
            return near and 0 <= int(their_us) < 1_000_000 and 0 <= int(our_us) < 1_000_000
        case _:
            return False


COMPARE: dict[bytes, Callable[[Words, Reply, Reply], bool]] = {
    b"TTL": _within(SLACK_MS // 1_000),
    b"PTTL": _within(SLACK_MS),
    b"EXPIRETIME": _within(SLACK_MS // 1_000),
    b"PEXPIRETIME": _within(SLACK_MS),
    b"OBJECT IDLETIME": _within(SLACK_MS // 1_000),
    b"OBJECT FREQ": _within(255),
    b"RANDOMKEY": _same_kind,
    b"KEYS": _same_members,
    b"SCAN": _same_scan,
    **dict.fromkeys((b"HSCAN", b"SSCAN", b"ZSCAN"), _same_inner_scan),
    b"SMEMBERS": _same_members,
    b"SINTER": _same_members,
    b"SUNION": _same_members,
    b"SDIFF": _same_members,
    b"HKEYS": _same_members,
    b"HVALS": _same_members,
    b"HGETALL": _same_pairs,
    b"SRANDMEMBER": _same_length,
    b"HRANDFIELD": _same_length,
    b"ZRANDMEMBER": _same_length,
    b"SORT": _same_unless_sorted,
    b"SORT_RO": _same_unless_sorted,
    **dict.fromkeys((b"HTTL", b"HEXPIRETIME"), _near_each(SLACK_MS // 1_000)),
    **dict.fromkeys((b"HPTTL", b"HPEXPIRETIME"), _near_each(SLACK_MS)),
    b"TIME": _same_time,
    b"LASTSAVE": _within(SLACK_MS // 1_000),
    b"CLIENT ID": _same_kind,
    # Which small integers are shared depends on how each server came to store them.
    b"OBJECT REFCOUNT": _same_kind,
}


class Queue:
    """What a client's MULTI has queued, so that each reply of EXEC is compared with its command."""

    def __init__(self) -> None:
        self.queued: list[Words] | None = None

    def same(self, words: Words, theirs: Reply, ours: Reply) -> bool:
        """Whether two servers answered alike, and what it does to the queue."""
        name = words[0].upper()
        queued = self.queued if self.queued is not None else []
        if theirs == Simple(b"QUEUED"):
            queued.append(words)
        elif name == b"MULTI" and theirs == Simple(b"OK"):
            self.queued = []
        elif name in (b"EXEC", b"DISCARD", b"RESET") and len(words) == 1:
            self.queued = None
        if name == b"EXEC" and isinstance(theirs, Array) and isinstance(ours, Array):
            if not len(theirs.items) == len(ours.items) == len(queued):
                return False
            return all(map(same, queued, theirs.items, ours.items))
        return same(words, theirs, ours)


def _double(value: float, like: Reply | None) -> Reply:
    """A number, as text where the other side speaks RESP2 since RESET."""
    theirs = like.data if isinstance(like, Bulk) else like.text if isinstance(like, Double) else b""
    with suppress(ValueError):
        if float(theirs) == value and like is not None:
            return like
    text = repr(value).encode()
    return Bulk(text) if isinstance(like, Bulk) else Double(text)


def as_reply(value: Any, like: Reply | None) -> Reply:
    """A Python object that rkv gave in process, as a reply of the wire. Python does not tell a status from a string, a
    set from a list, or one null from another: there the kind is that of the reply to which it is compared.
    """
    match value:
        case None:
            return like if like in (NullBulk(), NullArray()) else Null()
        case bool():
            return Integer(int(value))
        case int():
            return Integer(value)
        case float():
            return _double(value, like)
        case bytes() if isinstance(like, Simple):
            return Simple(value)
        case bytes() if isinstance(like, Verbatim):
            return Verbatim(like.form, value)
        case bytes():
            return Bulk(value)
        case list() | tuple() | set():
            likes = (
                like.items if isinstance(like, Array | Set) and len(like.items) == len(value) else [None] * len(value)
            )
            items = tuple(as_reply(item, each) for item, each in zip(value, likes, strict=True))
            return Set(items) if isinstance(like, Set) else Array(items)
        case dict() if isinstance(like, Array):
            # After RESET the other side speaks RESP2, where a map is a flat array.
            return as_reply([part for pair in value.items() for part in pair], like)
        case dict():
            pairs = (
                like.pairs if isinstance(like, Map) and len(like.pairs) == len(value) else [(None, None)] * len(value)
            )
            return Map(
                tuple((as_reply(k, a), as_reply(v, b)) for (k, v), (a, b) in zip(value.items(), pairs, strict=True))
            )
        case Exception(reply=text):
            return Error(text.encode())
        case _:
            raise AssertionError(f"no reply: {value!r}")
