"""Sequences of commands of two clients: mostly well formed, sometimes with a word too many, too few, or wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hypothesis import strategies as st

from model import usage

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from model.usage import Command, Version, Words

CLIENTS = 2
STEPS_MAX = 14

# Commands that no sequence contains, with the reason.
LEFT_OUT = {
    "ACL": "tells of each server's own commands, and would change what the test may do; test_acl has it",
    "BACKUP": "rkv's own; test_backup has it",
    "CLIENT KILL": "would close a connection of the test; test_connection has it",
    "CLIENT PAUSE": "holds every client; test_connection has it",
    "CLIENT REPLY": "suppresses replies, so that they could not be told apart",
    "CLIENT TRACKING": "would put messages between the replies; test_tracking has it",
    "CLIENT UNBLOCK": "needs a client that waits",
    "CLIENT LIST": "names the connections of each server; test_connection has it",
    "CLIENT INFO": "names the connection; test_connection has it",
    "COMMAND": "every server has its own commands; test_command compares what it says about them",
    "CONFIG": "every server has its own options, and a change would last for later sequences",
    "DBSIZE": "counts keys whose time is over until somebody meets them; KEYS at the end of every sequence does not",
    "DEBUG": "differs from server to server and stops some of them",
    "DUMP": "every server writes a form of its own; test_dump sends it from one to the other",
    "HELLO": "would change the protocol of the comparison; examples have it",
    "INFO": "tells about the server",
    "LOLWUT": "chance, and each server's own",
    "LATENCY": "what took long is chance",
    "MEMORY": "every server takes its own memory",
    "MIGRATE": "needs another server, and differs in when it may run; test_migrate has it",
    "MODULE": "a server may have some",
    "MONITOR": "turns the connection into a stream",
    "QUIT": "closes the connection",
    "ROLE": "test_server has it",
    "SHUTDOWN": "stops the server",
    **dict.fromkeys(("WAIT", "WAITAOF"), "holds the connection; test_wait has it"),
    **dict.fromkeys(("COMMANDLOG", "SLOWLOG"), "what took long is chance"),
    **dict.fromkeys(
        ("SAVE", "BGSAVE", "BGREWRITEAOF", "LASTSAVE"), "writes files, or tells when; the tests of persistence have it"
    ),
    **dict.fromkeys(
        ("SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"),
        "has as many replies as channels, and messages come between them; test_pubsub has it",
    ),
    **dict.fromkeys(
        ("XINFO CONSUMERS", "XINFO STREAM", "XPENDING"),
        "tells for how long something was left alone; the tests of streams have it",
    ),
    "SPOP": "takes members by chance; the model of sets has it",
    **dict.fromkeys(
        ("BLPOP", "BRPOP", "BLMOVE", "BRPOPLPUSH", "BLMPOP", "BZPOPMIN", "BZPOPMAX", "BZMPOP"),
        "holds the connection until somebody else comes; the tests of waiting have it",
    ),
}

# What a transaction and its watchers need comes often, so that sequences reach its later states.
OFTEN = {"MULTI": 6, "EXEC": 8, "WATCH": 4, "SET": 8, "GET": 3, "DEL": 3, "INCR": 2, "EXPIRE": 2, "APPEND": 2}
OFTEN |= {"LPUSH": 4, "RPUSH": 6, "HSET": 8, "HMSET": 3, "HINCRBY": 2, "SADD": 8, "ZADD": 12, "ZINCRBY": 2}
OFTEN |= {"SETBIT": 3, "BITFIELD": 3, "PFADD": 6, "GEOADD": 6, "GEOSEARCH": 3}


class Step(NamedTuple):
    """One client sends one command."""

    client: int
    words: Words


def is_left_out(command: Command) -> bool:
    """Whether no sequence contains it: so a container's subcommands, and every HELP, which is a server's own words."""
    return command.name[-1] == b"HELP" or command.title in LEFT_OUT or command.name[0].decode() in LEFT_OUT


def steps(commands: list[Command], newest: Version) -> SearchStrategy[list[Step]]:
    """Sequences of commands that are not newer than `newest`."""
    known = [command for command in commands if command.since <= newest and not is_left_out(command)]
    by_title = {command.title: _command(command, newest) for command in known}
    titles = [title for title in by_title for _ in range(OFTEN.get(title, 1))]
    well_formed = st.sampled_from(titles).flatmap(by_title.__getitem__)
    words = usage.rarely(well_formed, well_formed.flatmap(_spoiled), 8).map(tame)
    client = usage.rarely(st.just(0), st.just(1), 4)
    return st.lists(st.builds(Step, client, words), min_size=1, max_size=STEPS_MAX)


def _command(command: Command, newest: Version) -> SearchStrategy[Words]:
    names = [command.name, tuple(word.lower() for word in command.name)]
    return st.tuples(st.sampled_from(names), usage.words(command.arguments, newest)).map(lambda parts: sum(parts, ()))


def _spoiled(words: Words) -> SearchStrategy[Words]:
    """A word too few, too many, another one, or all in lower case. The name itself is rarely touched."""
    garbage = st.sampled_from(usage.GARBAGE)
    at = st.integers(min(1, len(words) - 1), len(words))
    return st.one_of(
        at.map(lambda i: words[:i] + words[i + 1 :] or words),
        st.tuples(at, garbage).map(lambda drawn: (*words[: drawn[0]], drawn[1], *words[drawn[0] :])),
        st.tuples(at, garbage).map(lambda drawn: (*words[: drawn[0]], drawn[1], *words[drawn[0] + 1 :])),
        st.just(tuple(word.lower() for word in words)),
        st.just((words[0] + b"x", *words[1:])),
        st.just((*words, *words[1:])),
    ).filter(lambda words: words[0] != b"")


# Where a number of milliseconds or seconds stands: behind a token, or as such an argument of a command.
EXPIRES_BY_TOKEN = {b"EX": 1_000, b"PX": 1}
EXPIRES_BY_PLACE = {b"EXPIRE": 1_000, b"PEXPIRE": 1, b"SETEX": 1_000, b"PSETEX": 1, b"HEXPIRE": 1_000, b"HPEXPIRE": 1}
# A sequence is over long before, however slow the machine is.
SOON_MS = 60_000


def tame(words: Words) -> Words:
    """The same words, but nothing expires while the sequence runs: that would be a race between servers."""
    tamed = list(words)
    for index in range(1, len(words)):
        unit = EXPIRES_BY_TOKEN.get(words[index - 1].upper())
        if index == 2:
            unit = unit or EXPIRES_BY_PLACE.get(words[0].upper())
        if unit and words[index].isdigit() and 0 < int(words[index]) * unit < SOON_MS:
            tamed[index] = b"%d" % (int(words[index]) + SOON_MS)
    if words[0].upper() in EXPIRES_BY_PLACE:
        # Whether the same time to live is longer than before depends on whether a millisecond has passed.
        tamed = [word for word in tamed if word.upper() not in (b"GT", b"LT")]
    if words[0].upper() in (b"XREAD", b"XREADGROUP"):
        # It would hold the connection until somebody else comes; the tests of streams have that.
        blocks = [index for index, word in enumerate(tamed) if word.upper() == b"BLOCK"]
        for index in reversed(blocks):
            del tamed[index : index + 2]
    if words[0].upper() == b"XADD":
        # The id would be the time.
        tamed = [b"7-*" if word == b"*" else word for word in tamed]
    return tuple(tamed)


def show(steps: list[Step]) -> str:
    """A sequence as one would type it."""
    return "\n".join(f"  {step.client}> " + " ".join(map(_word, step.words)) for step in steps)


def _word(word: bytes) -> str:
    if len(word) > 60:
        return f"<{len(word)} bytes {word[:8]!r}>"
    return word.decode() if word.isalnum() and word.isascii() else repr(word)[1:]
