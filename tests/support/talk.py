"""Several connections to one server that hear of what each other does, and the same talk on a real server.

A talk is a text: `A: SUBSCRIBE a b | PING` lets connection A send two requests at once, a line of its own is one step.
After each step every connection sends PINGs with texts of their own and reads up to the answers, so whatever the step
caused is read then, in order, and nothing is waited for. `{B}` stands for the number of connection B, and `close B`
ends it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from support.resp import Array, Bulk, Integer, Map, Push, Set, Simple, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.resp import Connection, Reply
    from support.servers import Server

Heard = list[tuple[str, str, "Reply"]]


class Talk:
    """Connections to one server by their names."""

    def __init__(self, server: Server, protocols: dict[str, int]) -> None:
        self.connections: dict[str, Connection] = {}
        self.fences = 0
        for name, protocol in protocols.items():
            self.connections[name] = server.connect(protocol)
        self.ids: dict[str, int] = {}
        for name, connection in self.connections.items():
            reply = connection.call("CLIENT", "ID")
            assert isinstance(reply, Integer)
            self.ids[name] = reply.value

    def close(self) -> None:
        """End all connections."""
        for connection in self.connections.values():
            connection.close()

    def step(self, line: str) -> Heard:
        """Do one line; what every connection heard, with ids of connections as their names."""
        if line.startswith("close "):
            self.connections.pop(line.removeprefix("close ")).close()
        else:
            name, _, requests = line.partition(": ")
            sent = [request.strip().split(" ") for request in requests.split(" | ")]
            words = [[self._word(word) for word in request] for request in sent]
            self.connections[name].send(b"".join(encode(*request) for request in words))
        # Twice: some servers tell what a step caused only when they have nothing else to do.
        heard: dict[str, list[Reply]] = {name: [] for name in self.connections}
        for name in 2 * list(self.connections):
            heard[name] += self._fence(name)
        return [(line, name, self._named(reply)) for name, replies in heard.items() for reply in replies]

    def _word(self, word: str) -> str:
        if word.startswith("{") and word.endswith("}"):
            return str(self.ids[word[1:-1]])
        return "" if word == "''" else word

    def _fence(self, name: str) -> Iterator[Reply]:
        if name not in self.connections:
            return
        self.fences += 1
        text = Bulk(f"fence {self.fences}".encode())
        connection = self.connections[name]
        try:
            connection.send(encode("PING", text.data))
            while (reply := self.next(connection)) not in (text, Array((Bulk(b"pong"), text))):
                yield reply
        except (EOFError, ConnectionError):
            self.connections.pop(name).close()
            yield Simple(b"closed")

    @staticmethod
    def next(connection: Connection) -> Reply:
        """Whatever comes next, a push too."""
        while (reply := connection.reader.next()) is None:
            data = connection.socket.recv(1 << 16)
            if not data:
                raise EOFError
            connection.reader.feed(data)
        return reply

    def _named(self, reply: Reply) -> Reply:
        if isinstance(reply, Array | Push | Set):
            return replace(reply, items=tuple(self._named(item) for item in reply.items))
        if isinstance(reply, Map):
            return Map(tuple((self._named(key), self._named(value)) for key, value in reply.pairs))
        if isinstance(reply, Integer):
            for name, number in self.ids.items():
                # Small numbers are counts: a server hands out others to the connections of a test.
                if reply.value == number > 4:
                    return Simple(b"id of " + name.encode())
        return reply


def same(mine: Server, theirs: Server, protocols: dict[str, int], text: str) -> list[Heard]:
    """Have one talk with both servers, which must say the same; what was heard, step by step."""
    talks = [Talk(server, protocols) for server in (mine, theirs)]
    heard = []
    try:
        for line in text.strip().splitlines():
            ours, peers = (talk.step(line.strip()) for talk in talks)
            assert ours == peers, line
            heard.append(ours)
    finally:
        for talk in talks:
            talk.close()
    return heard
