"""CLIENT beside Valkey 9.1: equal replies and errors, lines of equal fields, the same clients found and closed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from support.resp import Array, Bulk, Error, Integer, NullBulk, Simple, Verbatim, encode
from support.side_by_side import Pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.resp import Connection, Reply
    from support.servers import Server

REPLIES = """
CLIENT | CLIENT NOSUCH | CLIENT ID x | CLIENT INFO x | CLIENT GETNAME x | CLIENT HELP x
CLIENT GETNAME | CLIENT SETNAME | CLIENT SETNAME a b | CLIENT SETNAME me | CLIENT GETNAME | CLIENT SETNAME a~!b
CLIENT GETNAME | CLIENT SETNAME a\tb | CLIENT SETNAME \x7f | CLIENT SETNAME é | CLIENT GETNAME
CLIENT SETNAME  | CLIENT GETNAME
CLIENT SETINFO | CLIENT SETINFO lib-name | CLIENT SETINFO lib-name x y | CLIENT SETINFO lib-name x
CLIENT SETINFO LIB-VER 1.2
CLIENT SETINFO lib-name a\tb | CLIENT SETINFO Lib-Ver a\x01b | CLIENT SETINFO nosuch x | CLIENT SETINFO lib-name
CLIENT REPLY | CLIENT REPLY x | CLIENT REPLY on x | CLIENT REPLY on | CLIENT NO-EVICT | CLIENT NO-EVICT x
CLIENT NO-EVICT on | CLIENT NO-EVICT OFF | CLIENT NO-TOUCH | CLIENT NO-TOUCH x | CLIENT NO-TOUCH on
CLIENT NO-TOUCH off
CLIENT LIST ID x | CLIENT LIST NOT-ID x | CLIENT LIST ID 99999999999999999999
"""
# Of LIST and KILL alike.
FILTERS = """
NOSUCH | NOSUCH x | TYPE | TYPE nosuch | TYPE master | TYPE primary | TYPE replica | TYPE SLAVE | TYPE pubsub
NOT-TYPE normal
ID | ID 0 | ID -1 | ID 99999999 | ID 99999999 99999998 | ID 99999999 x | ID 99999999 TYPE normal | NOT-ID
ID 99999999 ID 99999998 | USER | USER nosuch | NOT-USER nosuch | NOT-USER default
ADDR 1.2.3.4:5 | LADDR 1.2.3.4:5 | IP 1.2.3.4 | IP nosuch | SKIPME | SKIPME x | MAXAGE | MAXAGE x | MAXAGE 0 | MAXAGE -1
MAXAGE 1000000 | IDLE x | IDLE 0 | IDLE 1000000 | NOT-MAXAGE 1 | NOT-IDLE 1 | NOT-SKIPME yes | NAME nosuch
FLAGS Z | FLAGS !
FLAGS xN | FLAGS M | NOT-FLAGS Z | LIB-NAME nosuch | LIB-VER nosuch | DB x | DB 16 | DB -1 | DB 14 | CAPA x | CAPA r
NOT-DB x | NOT-DB 16 | NOT-CAPA x | ID 99999999 SKIPME no | NAME nosuch MAXAGE 1000000 | TYPE normal NOT-TYPE normal
"""
# What finds one client and not another: {name} is a name of a client in database 5 with a library, watching nothing.
FINDING = """
NAME {name} | LIB-NAME lib-{name} | LIB-VER 1-{name} | DB 5 | DB 5 NAME {name} | DB 4 NAME {name} | NOT-DB 5 NAME {name}
NAME {name} NAME nosuch | NAME nosuch NAME {name} | NOT-NAME {name} DB 5 | NOT-NAME nosuch DB 5 | FLAGS e DB 5
FLAGS N DB 5
FLAGS eT NAME {name} | NOT-FLAGS e NAME {name} | TYPE normal DB 5 | NOT-TYPE pubsub DB 5 | USER default NAME {name}
CAPA r NAME {name} | NOT-CAPA r NAME {name} | IP 127.0.0.1 DB 5 | NOT-IP 127.0.0.1 DB 5 | NOT-LIB-NAME nosuch DB 5
NOT-LIB-VER 1-{name} DB 5 | NOT-ID 99999999 DB 5 | NOT-ADDR 1.2.3.4:5 DB 5 | NOT-LADDR 1.2.3.4:5 DB 5 | SKIPME yes DB 5
"""
COMPARED = ("name", "flags", "capa", "db", "sub", "psub", "ssub", "watch", "cmd", "user", "redir", "resp", "lib-name",
            "lib-ver", "events")  # fmt: skip


def requests(table: str) -> list[list[str]]:
    """The words of each entry."""
    return [entry.split(" ") for line in table.strip("\n").splitlines() for entry in line.split(" | ")]


@pytest.fixture
def pair(rkv_server: Server, valkey_server: Server) -> Iterator[Pair]:
    """rkv and Valkey."""
    with rkv_server.connect() as rkv, valkey_server.connect() as valkey:
        yield Pair(rkv, valkey)


def lines(reply: Reply) -> list[dict[str, str]]:
    """The fields of each line."""
    assert isinstance(reply, Bulk | Verbatim), reply
    text = reply.data.decode()
    assert not text or text.endswith("\n")
    return [dict(field.split("=", 1) for field in line.split(" ")) for line in text.splitlines()]


def own_id(connection: Connection) -> int:
    """The connection's number."""
    reply = connection.call("CLIENT", "ID")
    assert isinstance(reply, Integer)
    return reply.value


def is_open(connection: Connection) -> bool:
    """Whether the server still answers."""
    try:
        return connection.call("PING") == Simple(b"PONG")
    except (EOFError, ConnectionError):
        return False


def test_replies(pair: Pair) -> None:
    for words in requests(REPLIES):
        pair.same(*words)


@pytest.mark.parametrize("command", ["LIST", "KILL"])
def test_filters_that_find_nobody_or_are_wrong(pair: Pair, command: str) -> None:
    for words in requests(FILTERS):
        pair.same("CLIENT", command, *words)


@pytest.mark.parametrize("word", ["x", "0", "-1", "99999999999999999999"])
def test_kill_tells_redis_text_of_a_wrong_id(rkv_server: Server, redis_server: Server, word: str) -> None:
    with rkv_server.connect() as ours, redis_server.connect() as theirs:
        assert ours.call("CLIENT", "KILL", "ID", word) == theirs.call("CLIENT", "KILL", "ID", word)


@pytest.mark.parametrize("command", ["LIST", "KILL"])
def test_filters_find_the_same_clients(rkv_server: Server, valkey_server: Server, pair: Pair, command: str) -> None:
    for number, templates in enumerate(requests(FINDING)):
        name = f"found-{command}-{number}"
        words = [template.format(name=name) for template in templates]
        found = []
        for server, connection in ((rkv_server, pair.rkv), (valkey_server, pair.peer)):
            with server.connect() as wanted:
                for setting in (
                    ["SETNAME", name],
                    ["SETINFO", "lib-name", f"lib-{name}"],
                    ["SETINFO", "lib-ver", f"1-{name}"],
                    ["NO-EVICT", "on"],
                    ["NO-TOUCH", "on"],
                ):
                    assert wanted.call("CLIENT", *setting) == Simple(b"OK")
                wanted.call("SELECT", 5)
                reply = connection.call("CLIENT", command, *words)
                if command == "LIST":
                    found.append([line["name"] for line in lines(reply)])
                else:
                    found.append([reply, is_open(wanted)])
        assert found[0] == found[1], words


def test_lines_have_the_same_fields(pair: Pair) -> None:
    for words in (
        ["SELECT", 3], ["CLIENT", "SETNAME", "me"], ["CLIENT", "SETINFO", "lib-name", "x"],
        ["CLIENT", "SETINFO", "lib-ver", "1"], ["CLIENT", "NO-EVICT", "on"], ["WATCH", "a", "b", "a"],
    ):  # fmt: skip
        pair.same(*words)
    for words in (["CLIENT", "INFO"], ["CLIENT", "LIST", "NAME", "me"]):
        mine, theirs = (lines(reply)[0] for reply in pair.both(*words))
        assert list(mine) == list(theirs)
        assert {name: mine[name] for name in COMPARED} == {name: theirs[name] for name in COMPARED}
    with_resp3 = pair.both("HELLO", 3) and pair.both("CLIENT", "INFO")
    assert [reply.form for reply in with_resp3] == [b"txt", b"txt"]


def test_others_see_a_transaction(rkv_server: Server) -> None:
    with rkv_server.connect() as client, rkv_server.connect() as other:
        number = own_id(client)

        def seen() -> tuple[str, str, str, str]:
            line = lines(other.call("CLIENT", "LIST", "ID", number))[0]
            return line["flags"], line["multi"], line["watch"], line["cmd"]

        client.call("WATCH", "seen")
        assert seen() == ("N", "-1", "1", "watch")
        client.call("MULTI")
        client.call("GET", "a")
        client.call("CLIENT", "ID")
        assert seen() == ("x", "2", "1", "client|id")
        other.call("SET", "seen", 1)
        assert seen() == ("xd", "2", "1", "client|id")
        client.call("EXEC")
        assert seen() == ("N", "-1", "0", "exec")


def test_a_line_tells_the_truth(rkv_server: Server) -> None:
    with rkv_server.connect() as client:
        host, port = client.socket.getsockname()
        line = lines(client.call("CLIENT", "INFO"))[0]
        assert line["addr"] == f"{host}:{port}"
        assert line["laddr"] == f"{rkv_server.address[0]}:{rkv_server.port}"
        assert line["id"] == str(own_id(client))
        client.call("PING")
        later = lines(client.call("CLIENT", "INFO"))[0]
        assert int(later["tot-cmds"]) > int(line["tot-cmds"])
        assert int(later["tot-net-in"]) > int(line["tot-net-in"])
        assert int(later["tot-net-out"]) > int(line["tot-net-out"])
        assert re.fullmatch(r"\d+", line["age"])


def test_reply_modes(pair: Pair) -> None:
    request = b"".join(
        encode(*words.split(" "))
        for words in (
            "CLIENT REPLY SKIP", "PING skipped", "PING 1", "CLIENT REPLY SKIP", "CLIENT REPLY SKIP", "PING 2", "PING 3",
            "CLIENT REPLY OFF", "PING off", "NOSUCH", "CLIENT REPLY SKIP", "PING off", "CLIENT REPLY ON", "PING 4",
            "CLIENT REPLY SKIP", "NOSUCH", "PING 5", "CLIENT REPLY OFF", "RESET", "PING last",
        )
    )  # fmt: skip
    got = []
    for connection in (pair.rkv, pair.peer):
        connection.send(request)
        replies = [connection.read()]
        while replies[-1] != Bulk(b"last"):
            replies.append(connection.read())
        got.append(replies)
    assert got[0] == got[1]


def test_kill_by_address(rkv_server: Server) -> None:
    with rkv_server.connect() as victim, rkv_server.connect() as killer:
        host, port = victim.socket.getsockname()
        assert killer.call("CLIENT", "KILL", f"{host}:{port}") == Simple(b"OK")
        assert not is_open(victim)
        assert killer.call("CLIENT", "KILL", f"{host}:{port}") == Error(b"ERR No such client")
    with rkv_server.connect() as victim, rkv_server.connect() as killer:
        host, port = victim.socket.getsockname()
        assert killer.call("CLIENT", "KILL", "ADDR", f"{host}:{port}", "LADDR", "1.2.3.4:5") == Integer(0)
        assert killer.call("CLIENT", "KILL", "ADDR", f"{host}:{port}") == Integer(1)
        assert not is_open(victim)


def test_kill_oneself(rkv_server: Server, valkey_server: Server) -> None:
    for words in ("ID {id}", "ID {id} SKIPME yes", "ID {id} SKIPME no", "{addr}", "ADDR {addr} SKIPME NO"):
        ends = []
        for server in (rkv_server, valkey_server):
            with server.connect() as client:
                host, port = client.socket.getsockname()
                request = words.format(id=own_id(client), addr=f"{host}:{port}").split(" ")
                client.send(encode("CLIENT", "KILL", *request) + encode("PING") + encode("QUIT"))
                ends.append(client.read_to_end())
        assert ends[0] == ends[1], words


def test_kill_in_a_transaction(rkv_server: Server) -> None:
    with rkv_server.connect() as victim, rkv_server.connect() as killer:
        number = own_id(victim)
        for words in (["MULTI"], ["CLIENT", "KILL", "ID", number], ["PING"]):
            killer.call(*words)
        assert is_open(victim)
        assert killer.call("EXEC") == Array((Integer(1), Simple(b"PONG")))
        assert not is_open(victim)


def test_numbers_are_never_used_again(rkv_server: Server) -> None:
    seen = []
    for _ in range(5):
        with rkv_server.connect() as client:
            seen.append(own_id(client))
    assert seen == sorted(set(seen))
    with rkv_server.connect() as client:
        assert client.call("CLIENT", "GETNAME") == NullBulk()
