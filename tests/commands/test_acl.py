"""ACL beside Valkey 9.1: what rules mean, how a user is told, and what it may do.

`serve/test_acl.py` has what rules do to connections.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.resp import Array, Bulk, Error, Integer, Simple, fields
from support.side_by_side import Pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.resp import Reply
    from support.servers import Server

SAME = """
ACL | ACL foo | ACL WHOAMI | ACL WHOAMI x | ACL USERS | ACL LIST | ACL LIST x | ACL GETUSER | ACL GETUSER nobody
ACL GETUSER default | ACL CAT x y | ACL CAT nosuch | ACL DELUSER | ACL DELUSER default | ACL DELUSER nobody
ACL SETUSER | ACL SETUSER u nosuch | ACL GETUSER u | ACL SETUSER u | ACL GETUSER u | ACL USERS | ACL DELUSER u u x
ACL GENPASS x | ACL GENPASS 0 | ACL GENPASS -1 | ACL GENPASS 4097 | ACL GENPASS 5 5
ACL DRYRUN | ACL DRYRUN nobody GET a | ACL DRYRUN default nosuch | ACL DRYRUN default GET | ACL DRYRUN default GET a
ACL LOAD x | ACL SAVE x | ACL LOG x | ACL LOG -1 | ACL LOG RESET x | ACL LOG RESET | ACL LOG
"""

PLAIN = """
on off nopass resetpass reset allkeys resetkeys allchannels resetchannels +@all -@all allcommands nocommands
clearselectors ~* &* alldbs resetdbs db=0 db=1 db=0,1 db=5,3 db=x db=-2 sanitize-payload skip-sanitize-payload ( ) ()
%R~a %W~a %RW~b %~x %R~* ~a ~b* ~c? &a &b* & ~ >pw >p2 <pw <p2 nosuch +select|0 +select|1 +get|x -get|x +config|x
+client|id|x +nosuch -nosuch +@nosuch +client| +| + #bad +client -client|id +config|get -@dangerous +@read +@write
-@keyspace +@string -@hash +@slow -@fast +@connection +GET -Set +acl|whoami -memory +memory|usage +@blocking
"""
SELECTORS = ["(+get ~a)", "(~b* +@write db=0)", "(&x +publish)", "( +@read %R~r* )", "(nosuch)", "(~* ~a)", ""]
HASHES = ["#" + "a" * 64, "!" + "a" * 64, "!" + "b" * 64]

CALLS = """
GET a | GET b | SET a 1 | SET bb 1 | SET a 1 GET | DEL a b | MGET a bb | MSET a 1 r1 2 | COPY a b
COPY a b DB 1 | RENAME a c1 | SELECT 1 | SWAPDB 0 1 | MOVE a 1 | FLUSHDB | FLUSHALL | KEYS * | RANDOMKEY
SORT a STORE b | SORT a BY w* GET z* | SORT_RO a | SCAN 0 | PFMERGE a b | GETDEL a | GETEX a EX 5
APPEND r1 x | STRLEN r1 | HSET b f v | LMOVE a b LEFT RIGHT | BLPOP a bb 0 | ZUNIONSTORE a 2 b c1
SINTERCARD 2 a b | BITFIELD a GET u8 0 | BITFIELD a SET u8 0 1 | BITFIELD_RO a GET u8 0 | PUBLISH x m
PUBLISH a m | SUBSCRIBE a bb | PSUBSCRIBE b* | PSUBSCRIBE b? | SPUBLISH a m | SSUBSCRIBE a
XREAD STREAMS a b 0 0 | CONFIG GET save | CONFIG SET save x | CLIENT ID | CLIENT LIST | ACL WHOAMI | ACL LIST
MEMORY USAGE a | OBJECT ENCODING a | AUTH x | XREADGROUP GROUP g c STREAMS a 0 | HELLO | PING | DEBUG DIGEST
DEBUG SLEEP 0 | GEOSEARCHSTORE a b FROMLONLAT 1 1 BYRADIUS 1 m | PFCOUNT a b
"""

RULE = st.one_of(st.sampled_from(PLAIN.split()), st.sampled_from(SELECTORS + HASHES))


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def with_valkey(request: pytest.FixtureRequest, rkv_server: Server, valkey_server: Server) -> Iterator[Pair]:
    """rkv and Valkey 9.1 with the default user alone, in each protocol."""
    with rkv_server.connect(request.param) as rkv, valkey_server.connect(request.param) as valkey:
        pair = Pair(rkv, valkey)
        pair.both("ACL", "DELUSER", "u")
        pair.both("ACL", "LOG", "RESET")
        yield pair
        pair.both("ACL", "DELUSER", "u")
        pair.both("ACL", "LOG", "RESET")


def redacted(reply: Reply) -> Reply:
    """A refusal of a rule without the rule: rkv repeats no word that may hold a password."""
    return Error(re.sub(rb"'[<(#!].*?'", b"'(redacted)'", reply.text)) if isinstance(reply, Error) else reply


def test_same_replies(with_valkey: Pair) -> None:
    for line in SAME.strip().splitlines():
        for call in line.split(" | "):
            with_valkey.same(*call.split())


# Of commands that a server has and rkv does not.
ELSEWHERE = (
    "asking cluster cluster|slots eval evalsha_ro fcall failover function|load migrate readonly replicaof script|load"
)


def test_rules_name_what_other_servers_have(with_valkey: Pair) -> None:
    rules = ["~*", "&*", "+@all", *(f"-{name}" for name in ELSEWHERE.split()), "-@scripting", "-flushall"]
    with_valkey.same("ACL", "SETUSER", "u", "on", "nopass", *rules)
    with_valkey.same("ACL", "DRYRUN", "u", "GET", "a")
    with_valkey.same("ACL", "DRYRUN", "u", "FLUSHALL")
    rules = ["reset", *(f"+{name.upper()}" for name in ELSEWHERE.split()), "+get", "-cluster"]
    with_valkey.same("ACL", "SETUSER", "u", *rules)
    for server in (with_valkey.rkv, with_valkey.peer):
        assert "+eval " in repr(fields(server.call("ACL", "GETUSER", "u"))[b"commands"])
    with_valkey.same("ACL", "DRYRUN", "u", "GET", "a")
    with_valkey.same("ACL", "DRYRUN", "u", "SET", "a", "b")
    for rule in ("+cluster|nosuch", "-cluster|nosuch", "+nosuch|slots", "+evals"):
        with_valkey.same("ACL", "SETUSER", "u", rule)
    with_valkey.same("ACL", "DELUSER", "u")


def test_without_a_file_of_users(rkv_server: Server, redis_server: Server) -> None:
    with rkv_server.connect() as rkv, redis_server.connect() as redis:
        for subcommand in ("LOAD", "SAVE"):
            assert isinstance(Pair(rkv, redis).same("ACL", subcommand), Error)


def commands(pair: Pair) -> set[bytes]:
    """Names that both servers have, subcommands among them."""
    names: list[set[bytes]] = []
    for reply in pair.both("COMMAND"):
        assert isinstance(reply, Array)
        names.append({row.items[0].data for row in reply.items})
        names[-1] |= {sub.items[0].data for row in reply.items for sub in row.items[9].items}
    return names[0] & names[1]


def test_the_same_commands_stand_in_each_category(with_valkey: Pair) -> None:
    known = commands(with_valkey)
    assert len(known) > 300
    categories = with_valkey.same("ACL", "CAT")
    assert isinstance(categories, Array)
    for category in categories.items:
        mine, theirs = with_valkey.both("ACL", "CAT", category.data)
        assert isinstance(mine, Array)
        assert isinstance(theirs, Array)
        assert {name.data for name in mine.items} & known == {name.data for name in theirs.items} & known, category


def test_passwords_are_made(with_valkey: Pair) -> None:
    for bits, digits in ((None, 64), ("1", 1), ("4", 1), ("5", 2), ("256", 64), ("4096", 1024)):
        made = with_valkey.both("ACL", "GENPASS", *([] if bits is None else [bits]))
        assert made != with_valkey.both("ACL", "GENPASS") or digits == 1
        for reply in made:
            assert isinstance(reply, Bulk)
            assert re.fullmatch(rb"[0-9a-f]{%d}" % digits, reply.data)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(RULE, min_size=1, max_size=5), max_size=6), st.data())
def test_rules_mean_the_same(
    rkv_server: Server, valkey_server: Server, changes: list[list[str]], data: st.DataObject
) -> None:
    calls = [call.split() for line in CALLS.strip().splitlines() for call in line.split(" | ")]
    with rkv_server.connect() as rkv, valkey_server.connect() as valkey:
        pair = Pair(rkv, valkey)
        pair.both("ACL", "DELUSER", "u")
        pair.same("ACL", "SETUSER", "u")
        for rules in changes:
            mine, theirs = pair.both("ACL", "SETUSER", "u", *rules)
            assert redacted(mine) == redacted(theirs), rules
            pair.same("ACL", "GETUSER", "u")
            pair.same("ACL", "LIST")
            for call in data.draw(st.lists(st.sampled_from(calls), max_size=6)):
                pair.same("ACL", "DRYRUN", "u", *call)
        pair.both("ACL", "DELUSER", "u")


def test_the_log_counts_what_was_refused(with_valkey: Pair) -> None:
    with_valkey.same("ACL", "SETUSER", "u", "on", ">p", "+get", "~a")
    for _ in range(2):
        assert isinstance(with_valkey.same("AUTH", "u", "wrong"), Error)
    for count, entries in ((None, 1), ("0", 0), ("1", 1), ("10", 1)):
        for reply in with_valkey.both("ACL", "LOG", *([] if count is None else [count])):
            assert isinstance(reply, Array)
            assert len(reply.items) == entries
            for entry in reply.items:
                told = fields(entry)
                assert told[b"count"] == Integer(2)
                assert (told[b"reason"], told[b"context"]) == (Bulk(b"auth"), Bulk(b"toplevel"))
                assert (told[b"object"], told[b"username"]) == (Bulk(b"AUTH"), Bulk(b"u"))
    assert with_valkey.same("ACL", "LOG", "RESET") == Simple(b"OK")
    assert with_valkey.same("ACL", "LOG") == Array(())
