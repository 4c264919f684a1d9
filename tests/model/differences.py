"""Every difference between rkv and a real server that is meant, each with its reason.

Where Redis 7.0 and Valkey 9.1 differ, rkv answers as Valkey 9.1, the newer dialect; those entries name only `redis`.
An entry is as narrow as it can be: patterns for the command and for what each side said. Each has an example, and a
test runs it: an entry that has no meaning any more fails.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from support.resp import Array, Bulk, Double, Error

if TYPE_CHECKING:
    from model.usage import Words
    from support.resp import Reply


@dataclass(frozen=True)
class Difference:
    """One meant difference. `words` is a pattern over the command in upper case, `theirs` and `ours` over the replies
    as Python prints them; `example` is a sequence whose last reply shows it.
    """

    server: str
    words: str
    theirs: str
    ours: str
    reason: str
    example: str
    # Afterwards the two servers hold something else, so that the rest of a sequence says nothing.
    diverges: bool = False

    def applies(self, server: str, words: Words, theirs: Reply, ours: Reply) -> bool:
        """Whether this is the difference between two replies to a command."""
        asked = " ".join(word.decode("latin-1").upper() for word in words)
        return self.server in (server, "both") and all(
            re.fullmatch(pattern, text, re.DOTALL)
            for pattern, text in ((self.words, asked), (self.theirs, repr(theirs)), (self.ours, repr(ours)))
        )


def error(text: str) -> str:
    """The pattern of an error reply with a pattern for its text."""
    return rf"Error\(text=b['\"]{text}['\"], blob=False\)"


NOT_IN_TRANSACTION = error(r"ERR Command '(multi|watch)' not allowed inside a transaction")

DIFFERENCES = [
    Difference(
        server="both",
        words=r"X(READGROUP|AUTOCLAIM|CLAIM|GROUP|INFO|PENDING) .*\x00.*",
        theirs=error("NOGROUP .*"),
        ours=error("NOGROUP .*"),
        reason="The name of the key is printed like a text of C: it ends at a NUL there, and not here",
        example="0> XREADGROUP GROUP g c STREAMS x00k 1-1",
    ),
    Difference(
        server="redis",
        words=r"XREAD(GROUP)? .*",
        theirs=error("ERR Unbalanced XREAD list of streams: .*"),
        ours=error(r"ERR Unbalanced 'xread(group)?' list of streams: .*"),
        reason="Valkey 9.1 names the command as it does elsewhere",
        example="0> XREAD STREAMS a b 0",
    ),
    Difference(
        server="redis",
        words=r"BITCOUNT .*",
        theirs=error("ERR syntax error"),
        ours=r"Integer\(value=\d+\)|" + error("(WRONGTYPE|ERR value is not an integer) .*"),
        reason="Redis 7.0 wants an end with the start, Valkey 9.1 counts up to the last byte without one",
        example="0> APPEND a x | 0> BITCOUNT a 0",
    ),
    Difference(
        server="redis",
        words=r"XREAD .* \+( .*)?",
        theirs=error("ERR Invalid stream ID specified as stream command argument"),
        ours=r"Null(Array)?\(\)|(Array|Map)\(.*|" + error("WRONGTYPE .*"),
        reason="the last entry, `+`, came with Redis 7.4 and Valkey 9",
        example="0> XREAD STREAMS key +",
    ),
    Difference(
        server="redis",
        words=r"BIT(POS|COUNT) .*",
        theirs=r"Integer\(.*\)|" + error("WRONGTYPE .*"),
        ours=error("ERR (value is not an integer or out of range|syntax error)"),
        reason="Redis 7.0 looks at the key before it reads the range, Valkey 9.1 after",
        example="0> BITPOS a 0 0 x",
    ),
    Difference(
        server="redis",
        words=r"GETEX .*",
        theirs=r"Null(Bulk)?\(\)|" + error("WRONGTYPE .*"),
        ours=error(r"ERR (value is not an integer|invalid expire time in 'getex').*"),
        reason="Redis 7.0 looks at the key before it reads the time, Valkey 9.1 after",
        example="0> GETEX key EX x",
    ),
    Difference(
        server="redis",
        words=r"COMMAND (GETKEYS|GETKEYSANDFLAGS) .*",
        theirs=error(r"ERR wrong number of arguments for 'command\|getkeys(andflags)?' command"),
        ours=rf"{error('ERR Invalid command specified')}|Simple\(text=b'QUEUED'\)|Error\(.*\)",
        reason="Redis 7.0 wants another word of the command in question and refuses GETKEYS PING; Valkey does not",
        example="0> COMMAND GETKEYS x",
    ),
    Difference(
        server="valkey",
        words=r"MULTI|WATCH .*",
        theirs=NOT_IN_TRANSACTION,
        ours=error(r"ERR (MULTI calls can not be nested|WATCH inside MULTI is not allowed)"),
        reason="Redis's texts; Valkey gives up the transaction as well",
        example="0> MULTI | 0> MULTI",
        # Valkey's EXEC is aborted then, Redis's is not.
        diverges=True,
    ),
    Difference(
        server="redis",
        words=r"SCAN .* TYPE .*",
        theirs=r"Array\(.*|" + error("ERR syntax error"),
        ours=error(r"ERR unknown type name '.*'"),
        reason="Valkey refuses a type that does not exist, Redis finds no key of it",
        example="0> SCAN 0 TYPE nosuch",
    ),
    Difference(
        server="valkey",
        words=r"(SCAN|[HSZ]SCAN .*) (-\d+|\x00.*)?( .*)?",
        theirs=error("ERR invalid cursor"),
        # The options behind the cursor are looked at all the same.
        ours=r"Array\(.*|"
        + error(r"ERR (unknown type name '.*'|syntax error|value is not an integer or out of range)"),
        reason="rkv reads a cursor as Redis 7.0 does: with a sign, and no digits are 0",
        example="0> SCAN -1",
    ),
    Difference(
        server="valkey",
        words=r"SCAN .* TYPE .*\x00.*",
        theirs=error(r"ERR unknown type name '.*'"),
        ours=error(r"ERR unknown type name '.*'"),
        reason="Valkey ends the name that it repeats at a zero byte",
        example="0> SCAN 0 TYPE x00a",
    ),
    Difference(
        server="valkey",
        words=r"CLIENT (SETNAME|SETINFO LIB-(NAME|VER)) .*\x00.*",
        theirs=r"Simple\(text=b'OK'\)",
        ours=error(r"ERR .* cannot contain spaces, newlines or special characters\."),
        reason="Valkey stops reading such a text at a zero byte; rkv refuses it, as Redis 7.0 does",
        example="0> CLIENT SETNAME x00a",
        diverges=True,
    ),
    Difference(
        server="valkey",
        words=r"OBJECT ENCODING .*",
        theirs=r"Bulk\(data=b'(embstr|raw)'\)",
        ours=r"Bulk\(data=b'(embstr|raw)'\)",
        reason="Redis's limit of 44 bytes; Valkey's depends on the key, its expiry, and how it was written",
        example=f"0> APPEND key {'x' * 45} | 0> OBJECT ENCODING key",
    ),
    Difference(
        server="redis",
        words=r"OBJECT ENCODING .*",
        theirs=r"Bulk\(data=b'quicklist'\)",
        ours=r"Bulk\(data=b'listpack'\)",
        reason="Redis 7.0 keeps every list as a quicklist; Valkey keeps a small one packed",
        example="0> RPUSH a 1 | 0> OBJECT ENCODING a",
    ),
    Difference(
        server="redis",
        words=r"LREM .* -9223372036854775808 .*",
        theirs=r"Integer\(.*\)",
        ours=error("ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"),
        reason="a count that has no opposite: Valkey refuses it, Redis 7.0 does not look",
        example="0> LREM a -9223372036854775808 x",
        diverges=True,
    ),
    Difference(
        server="redis",
        words=r"LPOS .* RANK -9223372036854775808.*",
        theirs=r"Null(Bulk)?\(\)|Integer\(.*\)|Array\(.*",
        ours=error("ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"),
        reason="a rank that has no opposite: Valkey refuses it, Redis 7.0 does not look",
        example="0> LPOS a x RANK -9223372036854775808",
    ),
    Difference(
        server="valkey",
        words=r"LSET .* -?\d{10,} .*",
        theirs=r"Simple\(text=b'OK'\)",
        ours=error("ERR index out of range"),
        reason="Valkey cuts an index off at 32 bits; rkv and Redis 7.0 do not",
        example="0> RPUSH a 1 | 0> LSET a -9223372036854775808 x",
        diverges=True,
    ),
    Difference(
        server="redis",
        words=r"Z(REV)?RANK .*",
        theirs=error("ERR wrong number of arguments for 'z(rev)?rank' command"),
        ours=r"Array\(.*|Null(Array)?\(\)|" + error("(ERR syntax error|WRONGTYPE .*)"),
        reason="ZRANK's WITHSCORE came with Redis 7.2",
        example="0> ZRANK key member WITHSCORE",
    ),
    Difference(
        server="redis",
        words=r"Z.* [(+-]*0X.*",
        theirs=r".*",
        ours=error(r"ERR (value is not a valid float|min or max is not a float|weight value is not a float)"),
        reason="Valkey reads scores as decimal numbers only, Redis 7.0 hexadecimal ones, too",
        example="0> ZADD key 0x10 member",
        diverges=True,
    ),
    Difference(
        server="redis",
        words=r"GEO(SEARCH|RADIUSBYMEMBER).*",
        theirs=error("ERR could not decode requested zset member"),
        ours=error("ERR member .* does not exist"),
        reason="Valkey 9.1 names the member that is not there",
        example="0> GEOADD key 1 1 a | 0> GEORADIUSBYMEMBER key b 1 m",
    ),
    Difference(
        server="redis",
        words=r"GEO.* [+-]?0X.*",
        theirs=r".*",
        ours=error(r"ERR (value is not a valid float|need numeric (radius|width|height))"),
        reason="Valkey reads coordinates and distances as decimal numbers only, Redis 7.0 hexadecimal ones, too",
        example="0> GEORADIUS key 0.1 0.1 0x10 m",
        diverges=True,
    ),
    Difference(
        server="redis",
        words=r"Z.* [(+-]* .*",
        theirs=r".*",
        ours=error(r"ERR min or max is not a float"),
        reason="Redis 7.0 passes over spaces in front of a bound",
        example="0> ZCOUNT key ' 1' 2",
        diverges=True,
    ),
    Difference(
        server="valkey",
        words=r"Z(RANGE|REVRANGE).* LIMIT -\d+ .*",
        theirs=r".*",
        ours=r"Array\(items=\(\)\)|Integer\(value=0\)",
        reason="a negative offset finds nothing, as in Redis 7.0; Valkey counts it from the end in a large sorted set",
        example="0> ZADD key 1 a 2 b 3 c 4 d 5 e | 0> ZREVRANGEBYSCORE key 9 0 LIMIT -2 3",
        diverges=True,
    ),
    Difference(
        server="redis",
        words=r"OBJECT ENCODING .*",
        theirs=r"Bulk\(data=b'hashtable'\)",
        ours=r"Bulk\(data=b'listpack'\)",
        reason="small sets that are no numbers are packed since Redis 7.2",
        example="0> SADD key a | 0> OBJECT ENCODING key",
    ),
    Difference(
        server="both",
        words=r"OBJECT ENCODING .*",
        theirs=r"Bulk\(data=b'skiplist'\)",
        ours=r"Bulk\(data=b'listpack'\)",
        reason="SORT of a sorted set unpacks it for good there; rkv only reads it",
        example="0> ZADD key 1 a | 0> SORT key ALPHA | 0> OBJECT ENCODING key",
    ),
    Difference(
        server="redis",
        words=r"Z(REV)?RANK .* WITHSCORE",
        theirs=error("ERR wrong number of arguments for 'z(rev)?rank' command"),
        ours=r".*",
        reason="WITHSCORE came with 7.2",
        example="0> ZRANK key a WITHSCORE",
        diverges=True,
    ),
    Difference(
        server="redis",
        words=r"(HSCAN .* NOVALUES|ZSCAN .* NOSCORES).*",
        theirs=error("ERR syntax error"),
        ours=r".*",
        reason="NOVALUES came with 7.4, NOSCORES with Valkey 9",
        example="0> HSET key a b | 0> HSCAN key 0 NOVALUES",
    ),
]


TEXT = Difference(
    server="both",
    words=".*",
    theirs=error(".*"),
    ours=error(".*"),
    reason="an error is text: bytes that are no UTF-8 in the words that it repeats are replaced",
    example="",
)


NUMBER = Difference(
    server="redis",
    words=".*",
    theirs=".*",
    ours=".*",
    reason="Redis 7.0 writes a double with 17 digits where fewer read back as the same one; Valkey does not",
    example="0> ZADD key 0.1 a | 0> ZSCORE key a",
)


def find(server: str, words: Words, theirs: Reply, ours: Reply) -> Difference | None:
    """Why it is meant that rkv answers these words otherwise than a server; None if it is not."""
    if is_text_of(theirs, ours):
        return TEXT
    if server == "redis" and is_same_number(theirs, ours):
        return NUMBER
    return next((each for each in DIFFERENCES if each.applies(server, words, theirs, ours)), None)


def is_text_of(theirs: Reply, ours: Reply) -> bool:
    """Whether both are the same error, but for bytes that are no UTF-8."""
    if not (isinstance(theirs, Error) and isinstance(ours, Error)):
        return False
    one, other = (each.text.decode(errors="replace") for each in (theirs, ours))
    # What is behind a replaced byte may be cut off elsewhere: replacements are longer.
    return one == other or ("\ufffd" in one and one.split("\ufffd")[0] == other.split("\ufffd")[0])


def is_same_number(theirs: Reply, ours: Reply) -> bool:
    """Whether both are the same but for how doubles are written."""
    match theirs, ours:
        case (Bulk(one), Bulk(other)) | (Double(one), Double(other)):
            return one == other or _number(one) == _number(other) is not None
        case Array(), Array():
            pairs = zip(theirs.items, ours.items, strict=False)
            return len(theirs.items) == len(ours.items) and all(is_same_number(*pair) for pair in pairs)
        case _:
            return theirs == ours


def _number(text: bytes) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
