"""Words of a command, made from its arguments as COMMAND DOCS of rkv describes them.

A command's words come from its typed usage alone: a new option is tried as soon as its row names it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from support.resp import Array, Bulk, Integer, Map, Set, Simple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypothesis.strategies import SearchStrategy

    from support.resp import Reply

Words = tuple[bytes, ...]
Version = tuple[int, ...]

# The last that redis-server 7.0 knows.
REDIS: Version = (7, 0, 255)
I64_MAX = 2**63 - 1
FAR_S = 4_102_444_800

KEYS = [b"a", b"b", b"c", b"key:1", b"{t}x", b"", b"\x00\xff\r\n"]
TEXTS = [b"", b"x", b"abc", b"hello world", b"Hello", b"\x00\x01\xff", b"\r\n", b"x" * 44, b"x" * 45, b"OK"]
INTEGERS = [b"0", b"1", b"-1", b"2", b"3", b"5", b"10", b"-5", b"100", b"9999999999999"]
EDGES = [
    *(b"%d" % number for number in (I64_MAX, -I64_MAX - 1, I64_MAX - 1, I64_MAX // 1000, 2**31, 2**32, 2**53)),
    *(b"9223372036854775808", b"-9223372036854775809", b"18446744073709551615", b"18446744073709551616"),
]
FLOATS = [b"0.1", b"1.5", b"-2.25", b"3.0e3", b"1e-5", b"1e308", b"3.14159265358979", b"0", b"-0", b"10", b"1e17"]
NOT_NUMBERS = [b"", b"abc", b" 1", b"1 ", b"+1", b"01", b"-0", b"1.0", b"1e3", b"nan", b"inf", b"-inf", b"0x10", b"1a"]
# Elements, members and fields: few enough to be met again, and of every packed form.
MEMBERS = [b"a", b"b", b"c", b"1", b"2", b"-7", b"300", b"70000", b"5000000000", b"x" * 17, b"x" * 70, b"", b"3.5"]
LEX = [b"-", b"+", b"[a", b"(b", b"[c", b"(", b"[", b"a", b"[x"]
SCORES = [b"0", b"1", b"2", b"3", b"-1", b"1.5", b"2.25", b"(1", b"(2", b"-inf", b"+inf", b"1e5", b"-0.0", b"1e-7"]
# Ids of streams, and names of groups and consumers: few enough to be met again.
STREAM_IDS = [b"1-1", b"1-2", b"2", b"2-*", b"3-0", b"3-1", b"5", b"0", b"0-0", b">", b"$", b"-", b"+", b"1-x", b"x"]
GROUPS = [b"g", b"h"]
PATTERNS = [b"*", b"a", b"?", b"key:*", b"[a-c]", b"[^a]", b"\\*", b"nosuch*", b""]
GARBAGE = [b"NX", b"XX", b"GET", b"EX", b"100", b"0", b"-1", b"", b"garbage", b"KEEPTTL", b"a", b"\xff", b"REPLACE"]
FIELDS = [b"u8", b"i8", b"u1", b"i5", b"i64", b"u63", b"u64", b"i0", b"x8", b""]
DATABASES = [b"0", b"1", b"2", b"15", b"16", b"-1"]


@dataclass(frozen=True)
class Argument:
    """A node of a command's typed usage."""

    name: str
    type: str
    token: bytes | None = None
    since: Version = ()
    flags: frozenset[str] = frozenset()
    arguments: tuple[Argument, ...] = ()


@dataclass(frozen=True)
class Command:
    """A command, or a subcommand; `name` is the words it begins with."""

    name: Words
    since: Version
    group: str
    arguments: tuple[Argument, ...] = field(default=())

    @property
    def title(self) -> str:
        """For tables: `CLIENT ID`."""
        return b" ".join(self.name).decode().upper()


def commands(docs: Reply) -> list[Command]:
    """Every command and subcommand in a reply to COMMAND DOCS; a container alone is none."""
    return sorted(_commands(docs), key=lambda command: command.name)


def _commands(docs: Reply) -> Iterator[Command]:
    for name, about in _fields(docs).items():
        words = tuple(name.upper().encode().split(b"|"))
        facts = _fields(about)
        if "subcommands" in facts:
            yield from _commands(facts["subcommands"])
        else:
            yield Command(words, _version(facts.get("since")), _text(facts["group"]), _arguments(facts))


def _arguments(facts: dict[str, Any]) -> tuple[Argument, ...]:
    if "arguments" not in facts:
        return ()
    return tuple(_argument(_fields(node)) for node in facts["arguments"].items)


def _argument(facts: dict[str, Any]) -> Argument:
    token = _text(facts["token"]).encode() if "token" in facts else None
    flags = frozenset(map(_text, facts["flags"].items)) if "flags" in facts else frozenset[str]()
    since = _version(facts.get("since"))
    return Argument(_text(facts["name"]), _text(facts["type"]), token, since, flags, _arguments(facts))


def _fields(reply: Reply) -> dict[str, Any]:
    """A map of RESP3, or the flat array of RESP2."""
    if isinstance(reply, Map):
        return {_text(name): value for name, value in reply.pairs}
    assert isinstance(reply, Array), reply
    return {_text(name): value for name, value in zip(reply.items[::2], reply.items[1::2], strict=True)}


def _text(reply: Any) -> str:
    match reply:
        case Bulk(data):
            return data.decode()
        case Simple(text):
            return text.decode()
        case Integer(value):
            return str(value)
        case Set() | Array() | _:
            raise AssertionError(f"no text: {reply!r}")


def _version(reply: Any) -> Version:
    return tuple(map(int, _text(reply).split("."))) if reply is not None else ()


def rarely(usual: SearchStrategy[Any], rare: SearchStrategy[Any], one_in: int) -> SearchStrategy[Any]:
    """Mostly the one, sometimes the other."""
    return st.integers(1, one_in).flatmap(lambda number: rare if number == one_in else usual)


keys = rarely(st.sampled_from(KEYS[:4]), st.sampled_from(KEYS[4:]), 8)
texts = st.one_of(
    st.sampled_from(TEXTS),
    st.sampled_from(INTEGERS + EDGES),
    st.sampled_from(FLOATS + NOT_NUMBERS),
    rarely(st.binary(max_size=8), st.just(b"y" * 65_536), 10),
)
integers = rarely(st.sampled_from(INTEGERS), st.sampled_from(EDGES + NOT_NUMBERS), 6)
members = rarely(st.sampled_from(MEMBERS), texts, 10)
# Mostly within a collection of a few elements, from either end.
positions = rarely(st.sampled_from([b"0", b"1", b"2", b"3", b"5", b"-1", b"-2", b"-3", b"-100", b"100"]), integers, 6)
scores = rarely(st.sampled_from(SCORES), st.sampled_from(LEX + NOT_NUMBERS), 6)
doubles = rarely(st.sampled_from(FLOATS + INTEGERS), st.sampled_from(EDGES + NOT_NUMBERS), 6)
# Nothing may expire while a sequence runs, or at the next millisecond.
durations = rarely(st.sampled_from([b"100000", b"2000000", b"99999"]), integers, 4)
times_s = rarely(st.sampled_from([b"%d" % FAR_S, b"%d" % (FAR_S + 7), b"1"]), integers, 6)
times_ms = rarely(st.sampled_from([b"%d123" % FAR_S, b"%d007" % FAR_S, b"1"]), integers, 6)


def _values(argument: Argument) -> SearchStrategy[bytes]:  # noqa: PLR0912 - one case for each meaning of a word
    name = argument.name.lower()
    match argument.type:
        case "key":
            return keys
        case "integer" if "second" in name:
            return durations
        case "integer" if name in ("index1", "index2", "db", "destination-db", "selected-db"):
            return rarely(st.sampled_from(DATABASES[:3]), st.sampled_from(DATABASES + NOT_NUMBERS), 4)
        case "integer" if name in ("start", "stop", "count", "offset", "index", "rank", "len", "limit"):
            return positions
        case "string" | "double" if name in ("min", "max", "start", "stop", "score"):
            return st.one_of(scores, st.sampled_from(LEX), positions)
        case "string" if name in ("member", "member1", "element", "field", "pivot"):
            return members
        case "string" if name in ("id", "lastid", "last-id", "threshold", "end", "max-deleted-id"):
            return rarely(st.sampled_from(STREAM_IDS), texts, 10)
        case "string" if name in ("group", "consumer"):
            return st.sampled_from(GROUPS)
        case "string" if name == "encoding":
            return rarely(st.sampled_from(FIELDS[:6]), st.sampled_from(FIELDS[6:]), 6)
        case "integer" if name == "cursor":
            return rarely(st.just(b"0"), integers, 6)
        case "integer":
            return integers
        case "double":
            return doubles
        case "pattern":
            return st.sampled_from(PATTERNS)
        case "unix-time":
            return times_ms if "milli" in name else times_s
        case _:
            return texts


def words(arguments: tuple[Argument, ...], newest: Version) -> SearchStrategy[Words]:
    """The words of a sequence of arguments, without what is newer than `newest`."""
    known = [argument for argument in arguments if argument.since <= newest]
    parts: list[SearchStrategy[Words]] = []
    index = 0
    while index < len(known):
        argument = known[index]
        if argument.name in ("numkeys", "numfields") and index + 1 < len(known):
            parts.append(_counted(argument, known[index + 1], newest))
            index += 2
        else:
            parts.append(_words(argument, newest))
            index += 1
    return st.tuples(*parts).map(_joined)


def _counted(count: Argument, counted: Argument, newest: Version) -> SearchStrategy[Words]:
    """A count that is mostly right, and what it counts."""
    items = st.lists(_once(counted, newest), min_size=1, max_size=3)
    right = items.map(lambda items: (b"%d" % len(items), *_joined(items)))
    wrong = st.tuples(_once(count, newest), items.map(_joined)).map(_joined)
    return rarely(right, wrong, 5)


def _words(argument: Argument, newest: Version) -> SearchStrategy[Words]:
    once = _once(argument, newest)
    if "multiple" not in argument.flags:
        found = once if argument.token is None else once.map(lambda tail: (argument.token or b"", *tail))
    elif "multiple_token" in argument.flags:
        each = once.map(lambda tail: (argument.token or b"", *tail))
        found = st.lists(each, min_size=1, max_size=2).map(_joined)
    else:
        head = () if argument.token is None else (argument.token,)
        found = st.lists(once, min_size=1, max_size=3).map(lambda items: (*head, *_joined(items)))
    return st.one_of(st.just(()), found) if "optional" in argument.flags else found


def _once(argument: Argument, newest: Version) -> SearchStrategy[Words]:
    """One of it, without its own token."""
    match argument.type:
        case "pure-token":
            return st.just(())
        case "block":
            return words(argument.arguments, newest)
        case "oneof":
            known = [_words(each, newest) for each in argument.arguments if each.since <= newest]
            return st.one_of(known) if known else st.just(())
        case _:
            return _values(argument).map(lambda word: (word,))


def _joined(parts: Any) -> Words:
    return tuple(word for part in parts for word in part)
