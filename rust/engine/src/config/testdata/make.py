"""Makes the golden files beside it by asking real servers. Needs redis-py, redis-server 7.0.15 and a Valkey 9.1 server.

    python make.py redis redis-server
    python make.py valkey /path/to/valkey-server

Files (columns are separated by tabs, words are quoted as redis-cli quotes them):
  defaults-<server>.tsv   option, what CONFIG GET prints in a server started without a file
  set-<server>.tsv        words of a CONFIG SET, then `=` and what CONFIG GET prints for the first name, or the error
  start-<server>.tsv      option, value, then `ok` or the reason why the server refuses to start with `--option value`
  arguments-<server>.tsv  words of a command line, then `name=value` of several options, or `refused`
"""

import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import redis

HERE = pathlib.Path(__file__).parent

SET = [
    ["slave-read-only", "no", "replica-read-only", "yes"],
    ["timeout", "1", "TIMEOUT", "2"],
    ["TIMEOUT", "5"],
    ["MaxMemory", "x"],
    ["slave-read-only", "x"],
    ["nosuch", "1"],
    ["nosuch", "1", "port"],
    ["databases", "5", "nosuch", "1"],
    ["nosuch", "1", "databases", "5"],
    ["DataBases", "5"],
    ["line\nbreak", "1"],
    ["timeout", "1", "maxmemory", "x"],
    ["dbfilename", "x"],
    ["dir", "/tmp"],
    ["requirepass", ""],
    ["masterauth", "a b"],
    ["replicaof", "a 1"],
]
ONE = {
    "timeout": [
        "0",
        "7",
        " 1",
        "1 ",
        "01",
        "+1",
        "-0",
        "-1",
        "",
        "1.5",
        "2147483647",
        "2147483648",
        "9223372036854775808",
        "0x10",
        "1k",
    ],
    "maxclients": ["0", "-1", "4294967296"],
    "slowlog-log-slower-than": ["-1", "-2", "0"],
    "slowlog-max-len": ["-1", "5"],
    "list-max-listpack-size": ["-5", "99999999999", "-2147483648", "-2147483649"],
    "hz": ["0", "1", "100", "100000", "-1", "2147483648", "x"],
    "port": ["65536", "-1", "x"],
    "active-expire-effort": ["0", "11", "10"],
    "maxmemory": [
        "0",
        "1",
        "1b",
        "1B",
        "1k",
        "1kB",
        "1m",
        "1MB",
        "1g",
        "1gb",
        "1t",
        "k",
        "",
        "-1",
        "1 k",
        "1.5k",
        " 1",
        "18446744073709551615",
        "+1",
    ],
    "proto-max-bulk-len": ["1k", "1mb", "1048575", "1048576", "9223372036854775807", "9223372036854775808"],
    "repl-backlog-size": ["0", "1", "16kb"],
    "client-query-buffer-limit": ["1m", "1mb", "2gb"],
    "maxmemory-clients": ["0", "1g", "0%", "5%", "100%", "101%", "-1", "-1%", "1%%", "%", "x", "05%"],
    "protected-mode": ["yes", "NO", "Yes", "1", "true", "", "yes "],
    "appendfsync": ["always", "NO", "never", ""],
    "maxmemory-policy": ["allkeys-LRU", "lru"],
    "oom-score-adj": ["no", "yes", "relative", "absolute", "x"],
    "enable-debug-command": ["yes"],
    "cluster-preferred-endpoint-type": ["hostname", "x"],
    "shutdown-on-sigterm": [
        "default",
        "SAVE now default",
        "force now",
        "now now",
        "default now",
        "save nosave",
        "nosave",
        " now",
    ],
    "save": [
        "",
        "60 1",
        "60 1 20 2",
        "60 01 0060 5",
        "60 ",
        " 60 1",
        "60 1  20 2",
        "60",
        "0 1",
        "-1 1",
        "60 -1",
        "60 x",
        "60 +1",
        "60\t1",
        "60 0",
    ],
    "client-output-buffer-limit": [
        "",
        "normal 1 1 1",
        "NORMAL 1kb 2mb 3",
        "replica 1kb 2mb 3",
        "slave 1 2 3",
        "pubsub 1 2 3 normal 4 5 6",
        "normal 1 1 1 normal 2 2 2",
        "master 1 2 3",
        "primary 1 2 3",
        "x 1 2 3",
        "pubsub 1 2",
        "pubsub 1 2 -1",
        "pubsub -1 2 1",
        "pubsub 1 x 1",
        "pubsub 1 2 1s",
        "pubsub 1 2 +3",
        "normal 9 9 9 x 1 1 1",
    ],
    "oom-score-adj-values": [
        "0 200 800",
        "1 2 3",
        "0 200",
        "0 200 3000",
        "-2000 0 2000",
        "0 1 x",
        "1 2 3 4",
        "0  1",
        "",
    ],
    "notify-keyspace-events": [
        "",
        "KEA",
        "AKE",
        "AKEm",
        "An",
        "mnKE",
        "g$lshzxet",
        "gxKE$lshzetd",
        "g$lshzxetdn",
        "KK",
        "El",
        "Kx",
        "q",
        "K E",
        "m",
        "tdn",
    ],
    "latency-tracking-info-percentiles": [
        "",
        "50",
        "50.0 99.9",
        "50.5 99.99 0.0001 1e1",
        "101",
        "-1",
        "x",
        "nan",
        "inf",
        "50  60",
        "0.0000001",
        "100",
        "99.9999999",
    ],
    "cluster-announce-hostname": ["", "a-b.C1", "a_b", "a" * 255, "a" * 256],
    "proc-title-template": ["{title}", "{title} x", "{x}", "", "{title", "x}", "  ", "plain"],
    "repl-diskless-load": ["swapdb"],
    "busy-reply-threshold": ["0", "-1", "9223372036854775807"],
    "lua-time-limit": ["77", "x"],
    "hash-max-ziplist-value": ["1kb", "x"],
    "replica-announce-ip": ["1.2.3.4", ""],
    "bind-source-addr": ["x y", ""],
    "tls-protocols": ["TLSv1.2 TLSv1.3"],
    "auto-aof-rewrite-min-size": ["64mb", "0"],
    "repl-timeout": ["0", "1"],
    "lfu-decay-time": ["-1", "0"],
    "min-slaves-to-write": ["3", "x"],
}
START = {
    "databases": ["0", "1", "16", "x", "2147483648"],
    "io-threads": ["x", "-1", "1", "128"],
    "unixsocketperm": ["700", "0700", "777", "1000", "8", "", "-1", "x", " 7"],
    "supervised": ["systemd", "UPSTART", "x", "yes"],
    "enable-debug-command": ["local", "YES", "x"],
    "syslog-facility": ["user", "LOCAL7", "local8"],
    "appendfilename": ["", "a/b", "a\\b", "x"],
    "appenddirname": ["", "a/b", "x"],
    "dbfilename": ["", "a/b", "x.rdb"],
    "daemonize": ["x"],
    "tcp-backlog": ["-1", "0", "x"],
    "cluster-port": ["65536", "0"],
    "replicaof": ["127.0.0.1", "127.0.0.1 x", "127.0.0.1 65536", "no one", "127.0.0.1 6379", "a b c"],
    "save": ["", "60 1", "60"],
    "socket-mark-id": ["-1", "4294967295", "4294967296"],
    "timeout": ["5 6", ""],
    "save-x": ["1"],
}
ARGUMENTS = [
    ["--timeout", "5"],
    ["--timeout 5"],
    ["--TIMEOUT", "5"],
    ["--timeout", "5", "--timeout", "6"],
    ["--timeout"],
    ["--timeout", "5", "6"],
    ["--save"],
    ["--save", "--timeout", "5"],
    ["--save", ""],
    ["--save", "", "--timeout", "5"],
    ["--save", "60", "1", "30", "2"],
    ["--save", "60 1"],
    ["--save 60 1 --timeout 5"],
    ["--save", "60 1", "--save", "30 2"],
    ["--save", "60 1", "--save", "", "--save", "30 2"],
    ["--save 60 1", "30 2"],
    ["--requirepass", "--x"],
    ["--requirepass", "--x", "--timeout", "5"],
    ["--requirepass", "a b"],
    ["--requirepass", "a\"b'c\\d\x01\xe9"],
    ["--requirepass", ""],
    ["--requirepass", "--timeout", "5"],
    ["--shutdown-on-sigint", "force now"],
    ["--shutdown-on-sigint", "force", "now"],
    ["--shutdown-on-sigint", "'force'", '"now"'],
    ["--shutdown-on-sigint", '"force now'],
    ["--client-output-buffer-limit", "normal", "1", "2", "3", "--client-output-buffer-limit", "pubsub 4 5 6"],
    ["--client-output-buffer-limit", "normal 1 2 3 pubsub 4 5 6"],
    ["-timeout", "5"],
    ["--timeout\n6"],
    ["--", "timeout", "5"],
    ["--no-such", "5"],
    ["--hz", "0"],
    ["--notify-keyspace-events", "KEA"],
    ["--list-max-ziplist-entries", "5"],
    ["--lua-replicate-commands", "yes"],
    ['--timeout "5"'],
    ["--timeout '5"],
    ["--loadmodule"],
    ["--rename-command", "GET"],
    ["--include", "/no/such/file"],
    ["--include", "/no/such/*.conf"],
]
SHOWN = [
    "timeout",
    "save",
    "requirepass",
    "shutdown-on-sigint",
    "client-output-buffer-limit",
    "hz",
    "notify-keyspace-events",
]


def quoted(word):
    if isinstance(word, str):
        word = word.encode("latin-1")
    out = ""
    for byte in word:
        if byte in b'"\\':
            out += "\\" + chr(byte)
        elif 32 <= byte < 127:
            out += chr(byte)
        else:
            out += f"\\x{byte:02x}"
    return f'"{out}"'


def words(list_):
    return " ".join(quoted(word) for word in list_)


class Server:
    def __init__(self, binary, *arguments):
        self.folder = tempfile.TemporaryDirectory()
        socket = os.path.join(self.folder.name, "s")
        own = ["--port", "0", "--unixsocket", socket]
        arguments = [a.encode("latin-1") if isinstance(a, str) else a for a in arguments]
        self.process = subprocess.Popen(
            [binary, *own, *arguments], cwd=self.folder.name, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        while not os.path.exists(socket) and self.process.poll() is None:
            time.sleep(0.01)
        self.socket = socket

    def client(self, **more):
        return redis.Redis(unix_socket_path=self.socket, encoding="latin-1", **more)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.output = self.process.communicate()[0].decode("latin-1")
        self.folder.cleanup()


def get(client, name):
    """Names to values, both bytes."""
    reply = client.execute_command("CONFIG", "GET", name)
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))


def text(value):
    return value.decode("latin-1") if isinstance(value, bytes) else value


def defaults(binary):
    with Server(binary, "--ignore-warnings", "") as server:
        values = get(server.client(), "*")
        cwd = server.folder.name
    for name, value in sorted((text(n), text(v)) for n, v in values.items()):
        own = {"dir": ".", "port": "6379", "unixsocket": ""}
        assert name != "dir" or os.path.realpath(value) == os.path.realpath(cwd)
        yield f"{name}\t{quoted(own.get(name, value))}"


def set_cases(binary):
    cases = SET + [[name, value] for name, values in ONE.items() for value in values]
    with Server(binary, "--save", "3600 1 300 100 60 10000") as server:
        client = server.client()
        for case in cases:
            names = case[::2]
            old = {}
            for name in names:
                old.update(get(client, name))
            try:
                client.execute_command("CONFIG SET", *case)
                (value,) = get(client, names[0]).values()
                result = "=" + quoted(value)
            except redis.ResponseError as error:
                result = "ERR " + str(error).removeprefix("ERR ")
            for name, value in old.items():
                with contextlib.suppress(redis.ResponseError):
                    client.execute_command("CONFIG SET", name, value)
            yield f"{words(case)}\t{result}"


def last_reason(output):
    lines = output.strip().split("\n")
    at = [i for i, line in enumerate(lines) if line.startswith(">>> ")]
    return lines[at[-1]].removeprefix(">>> "), lines[-1]


def start_cases(binary):
    for name, values in START.items():
        for value in values:
            run = subprocess.run(
                [binary, f"--{name}", value, "--no-such-zz", "1"], capture_output=True, text=True, check=False
            )
            line, reason = last_reason(run.stdout + run.stderr)
            yield f"{name}\t{quoted(value)}\t{'ok' if 'no-such-zz' in line else reason}"


def argument_cases(binary):
    for case in ARGUMENTS:
        with Server(binary, *case) as server:
            if server.process.poll() is None:
                secret = server.process.args
                password = next(
                    (secret[i + 1] for i, w in enumerate(secret) if w == b"--requirepass" and i + 1 < len(secret)), b""
                )
                client = server.client(password=password or None)
                shown = [f"{name}={quoted(next(iter(get(client, name).values())))}" for name in SHOWN]
                result = "\t".join(shown)
            else:
                result = "refused"
        yield f"{words(case)}\t{result}"


def main():
    name, binary = sys.argv[1:]
    made = {"defaults": defaults, "set": set_cases, "start": start_cases, "arguments": argument_cases}
    for stem, make in made.items():
        (HERE / f"{stem}-{name}.tsv").write_text("".join(line + "\n" for line in make(binary)))


main()
