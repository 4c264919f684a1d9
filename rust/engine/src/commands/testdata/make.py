"""Makes the golden file beside it by asking a real Valkey 9.1 server. Needs nothing but the server.

    python make.py /path/to/valkey-server

commands-valkey.tsv has three columns: the full name of a command, what COMMAND INFO says, what COMMAND DOCS says.
Replies are written as the test writes them: `[a b]` an array, `{a b}` a set in order, `<name=value ..>` a map. Left out
are subcommands (they have lines of their own) and texts that every server writes in its own words.
"""

import pathlib
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
OWN_WORDS = {"summary", "complexity", "history", "notes", "replaced_by", "doc_flags", "subcommands"}


class Set(list):
    """A set of RESP3, in the order of the wire."""


def read(stream):
    """Read one reply; integers stay text."""
    line = stream.readline()[:-2].decode()
    kind, rest = line[0], line[1:]
    if kind in "+:":
        return rest
    if kind == "$":
        return stream.read(int(rest) + 2)[:-2].decode()
    if kind == "*":
        return [read(stream) for _ in range(int(rest))]
    if kind == "~":
        return Set(read(stream) for _ in range(int(rest)))
    if kind == "%":
        return {read(stream): read(stream) for _ in range(int(rest))}
    raise ValueError(line)


def show(value):
    """Write a reply as the golden file has it."""
    if isinstance(value, dict):
        return "<" + " ".join(f"{name}={show(of)}" for name, of in value.items() if name not in OWN_WORDS) + ">"
    if isinstance(value, Set):
        return "{" + " ".join(sorted(map(show, value))) + "}"
    if isinstance(value, list):
        return "[" + " ".join(map(show, value)) + "]"
    return value


def lines(info, docs):
    """Give the lines of a command and of its subcommands."""
    name = info[0]
    # Only an argument's deprecation is data; that of a command is one of the texts.
    docs_alone = {key: value for key, value in docs.items() if key != "deprecated_since"}
    yield f"{name}\t{show(info[:9])}\t{show(docs_alone)}"
    for subcommand in info[9]:
        yield from lines(subcommand, docs["subcommands"][subcommand[0]])


def main(server):
    """Start the server, ask it, write the file."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [server, "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""],
            stdout=subprocess.DEVNULL,
        )
        try:
            time.sleep(1)
            with socket.create_connection(("127.0.0.1", port)) as connection:
                stream = connection.makefile("rb")
                connection.sendall(b"HELLO 3\r\nCOMMAND\r\nCOMMAND DOCS\r\n")
                read(stream)
                infos, docs = read(stream), read(stream)
        finally:
            process.terminate()
            process.wait()
    table = sorted(line for info in infos for line in lines(info, docs[info[0]]))
    (HERE / "commands-valkey.tsv").write_text("\n".join(table) + "\n")


main(sys.argv[1])
