"""Makes the golden file beside it by asking a real Valkey 9.1 server. Needs nothing but the server.

    python record.py /path/to/valkey-server

replies-valkey.tsv has four columns: commands that prepare the empty database (`;` between them), a command, its reply,
and the keyspace events of keys that it caused. Words are separated by spaces; `""` is the empty word. Replies are
written as the test writes them: strings and statuses as they are, `nil`, `(integer)`, `-ERR text`, `[a b]` an array,
`<name=value>` a map.
"""

import itertools
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
TIMES = ("EX 100", "PX 100000", "EXAT 99999999999", "PXAT 99999999999999")
SET_OPTIONS = ("NX", "xx", "GET", "IFEQ v", "IFEQ other", "KEEPTTL", "PERSIST", *TIMES, "PXAT 1", "EXAT", "IFEQ", "FOO")
STATES = ("", "SET k v", "SET k v EX 100")
NUMBERS = [
    "0",
    "1",
    "-1",
    "5",
    "-5",
    "100",
    "9223372036854775807",
    "-9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "9223372036854775",
    "9223372036854776",
    "1.5",
    "x",
    "+1",
    "01",
    "-0",
    '""',
]
FLOATS = [
    "x",
    '""',
    "1.5",
    "-2.25",
    "5.0e3",
    "1e400",
    "inf",
    "-inf",
    "nan",
    "0x10",
    "1e4932",
    "1e4931",
    "-0",
    "0.1",
    "99999999999999999",
]
COMMANDS = [
    "APPEND",
    "DECR",
    "DECRBY",
    "DELIFEQ",
    "GET",
    "GETDEL",
    "GETEX",
    "GETRANGE",
    "GETSET",
    "INCR",
    "INCRBY",
    "INCRBYFLOAT",
    "LCS",
    "MGET",
    "MSET",
    "MSETEX",
    "MSETNX",
    "PSETEX",
    "SET",
    "SETEX",
    "SETNX",
    "SETRANGE",
    "STRLEN",
    "SUBSTR",
]


def set_cases():
    """SET, GETEX and MSETEX with every pair of options and every time."""
    for options in [(), *((option,) for option in SET_OPTIONS), *itertools.permutations(SET_OPTIONS, 2)]:
        words = " ".join(options)
        for state in STATES:
            yield state, f"SET k new {words}".strip()
        yield "SET a 1", f"MSETEX 2 a 2 b 2 {words}".strip()
    for options in [
        (),
        *((option,) for option in SET_OPTIONS),
        *itertools.permutations((*TIMES, "PERSIST", "PXAT 1"), 2),
    ]:
        for state in STATES:
            yield state, f"GETEX k {' '.join(options)}".strip()
    for number in NUMBERS:
        for option in ("EX", "PX", "EXAT", "PXAT"):
            if (option, number) not in {("PX", "1"), ("PX", "5")}:
                yield "SET k v", f"SET k new {option} {number}"
                yield "SET k v", f"GETEX k {option} {number}"
                yield "SET a v", f"MSETEX 1 a new {option} {number}"
        yield "", f"SETEX k {number} v"
        if number not in {"1", "5"}:
            yield "", f"PSETEX k {number} v"
        yield "", f"MSETEX {number} a 1 b 2"


def number_cases():
    """Numbers and ranges: every number against values that are at an end of something."""
    for number in NUMBERS:
        for command in ("INCRBY", "DECRBY", "INCRBYFLOAT"):
            for value in ("10", "9223372036854775807", "-9223372036854775808", "text", "01"):
                yield f"SET k {value}", f"{command} k {number}"
            yield "", f"{command} k {number}"
        for value in (number, f"{number}x"):
            yield f"SET k {value}", "INCR k"
            yield f"SET k {value}", "DECR k"
        for state in ("", "SET k hello", "SET k 12345"):
            for other in ("0", "-1", "3", "-3", "9223372036854775807", "-9223372036854775808"):
                yield state, f"GETRANGE k {number} {other}"
                yield state, f"SUBSTR k {other} {number}"
            if number not in {"9223372036854775", "9223372036854776"}:
                yield state, f"SETRANGE k {number} ab"
            yield state, f'SETRANGE k {number} ""'
    for number in FLOATS:
        for state in ("", "SET k 10.5", "SET k text", "SET k 1 EX 100", "SET k inf"):
            yield state, f"INCRBYFLOAT k {number}"


def other_cases():
    """Everything else, and wrong numbers of words."""
    texts = "SET a ohmytext;SET b mynewtext"
    options = (
        "LEN",
        "IDX",
        "idx WITHMATCHLEN",
        "MINMATCHLEN 4",
        "MINMATCHLEN -1",
        "MINMATCHLEN x",
        "MINMATCHLEN",
        "FOO",
    )
    for words in [(), *((option,) for option in options), *itertools.permutations(options, 2)]:
        yield texts, f"LCS a b {' '.join(words)}".strip()
    yield from (("", f"LCS a b {option}") for option in options)
    for state, key in itertools.product(("", "SET k v", "SET k 12", "SET k v EX 100"), ("k",)):
        for command in (
            "GET",
            "GETDEL",
            "STRLEN",
            "DELIFEQ v",
            "DELIFEQ 12",
            "DELIFEQ x",
            "GETSET w",
            "SETNX w",
            "APPEND x",
            "MGET no",
        ):
            name, *rest = command.split()
            yield state, " ".join((name, key, *rest))
        yield state, f'APPEND {key} ""'
        yield state, f"MSET a 1 {key} 2 a 3"
        yield state, f"MSETNX a 1 {key} 2 a 3"
        yield state, f"MSETEX 3 a 1 {key} 2 a 3"
        yield state, f"MSETEX 3 a 1 {key} 2 a 3 NX"
        yield state, f"MSETEX 2 a 1 {key} 2 NX XX"
        yield state, f"MSETEX 2 a 1 {key}"
        yield state, f"MSETEX 2 {key} 1 {key} 2 XX PX 100000"
    for command, count in itertools.product(COMMANDS, range(6)):
        yield "", " ".join((command, *("10" for _ in range(count))))
    for ending in ("a 1 b", "a"):
        yield "", f"MSET {ending}"
        yield "", f"MSETNX {ending}"


def read(stream):
    """Read one reply of RESP3 and write it as the golden file has it."""
    line = stream.readline()[:-2].decode()
    kind, rest = line[0], line[1:]
    if kind == "+":
        return rest
    if kind == "-":
        return line
    if kind == ":":
        return f"({rest})"
    if kind == "_":
        return "nil"
    if kind == "$":
        return stream.read(int(rest) + 2)[:-2].decode("unicode_escape").replace("\0", "\\0")
    if kind in "*>":
        return "[" + " ".join(read(stream) for _ in range(int(rest))) + "]"
    if kind == "%":
        return "<" + " ".join(f"{read(stream)}={read(stream)}" for _ in range(int(rest))) + ">"
    raise ValueError(line)


def encode(command):
    """A command on the wire."""
    words = ["" if word == '""' else word for word in command.split(" ")]
    return f"*{len(words)}\r\n".encode() + b"".join(f"${len(word)}\r\n{word}\r\n".encode() for word in words)


def ask(stream, listener, state, command):
    """Give the line of one case."""
    for prepare in ["FLUSHALL", *filter(None, state.split(";")), "SET mark 1"]:
        stream.write(encode(prepare))
        stream.flush()
        read(stream)
    while not read(listener).endswith(" mark]"):
        pass
    stream.write(encode(command) + encode("SET mark 2"))
    stream.flush()
    reply = read(stream)
    read(stream)
    events = []
    while not (event := read(listener)).endswith(" mark]"):
        name, key = event[1:-1].split(" ")[-2:]
        events.append(f"{name.split(':')[1]}:{key}")
    return "\t".join((state, command, reply, " ".join(events)))


def main(server):
    """Start the server, ask it, write the file."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--notify-keyspace-events", "KEA"]
    options += ["--enable-debug-command", "yes"]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen([server, *options, "--dir", folder], stdout=subprocess.DEVNULL)
        try:
            time.sleep(1)
            streams = [socket.create_connection(("127.0.0.1", port)).makefile("rwb") for _ in range(2)]
            for stream, command in zip(
                streams, ("DEBUG SET-ACTIVE-EXPIRE 0", "PSUBSCRIBE __keyevent@0__:*"), strict=True
            ):
                stream.write(encode("HELLO 3") + encode(command))
                stream.flush()
                read(stream)
                read(stream)
            cases = dict.fromkeys(itertools.chain(set_cases(), number_cases(), other_cases()))
            lines = [ask(*streams, *case) for case in cases]
        finally:
            process.terminate()
            process.wait()
    (HERE / "replies-valkey.tsv").write_text("\n".join(lines) + "\n")


main(sys.argv[1])
