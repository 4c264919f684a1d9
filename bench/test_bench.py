"""Tests of the yardstick itself: `python3 -m unittest -v` in this folder, about 1 min.

Real scripts are run with redis-server standing in for rkv; without it they are skipped.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from array import array
from pathlib import Path

import expiry
import measure
import peers
import report
import resp
import rust
import throughput

HERE = Path(__file__).resolve().parent
STAND_IN = 'redis-server --port {port} --save "" --appendonly no'
SCRIPTS = ("throughput", "memory", "expiry", "snapshot", "aof", "embedded")
needs_redis = unittest.skipUnless(shutil.which("redis-server"), "needs redis-server")


class FakeServer:
    """Answers every command with the same bytes, in pieces of a given size; None closes.

    `stall` is (N, S): before the N-th answer everything stands still for S seconds.
    """

    def __init__(self, reply, piece=1 << 20, stall=None):
        self.commands = []
        self._reply, self._piece, self._stall = reply, piece, stall
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, connection.makefile("rb") as file, contextlib.suppress(OSError):
            while words := self._read_command(file):
                if words == [b"PING"]:
                    connection.sendall(b"+PONG\r\n")
                elif self._reply is None:
                    return
                else:
                    self._answer(connection, words)

    @staticmethod
    def _read_command(file):
        """The words of one command; empty at the end of the stream."""
        header = file.readline()
        words = []
        for _ in range(int(header[1:] or 0)):
            length = int(file.readline()[1:])
            words.append(file.read(length + 2)[:-2])
        return words

    def _answer(self, connection, words):
        with self._lock:
            self.commands.append(words)
            if self._stall and len(self.commands) == self._stall[0]:
                time.sleep(self._stall[1])
        for start in range(0, len(self._reply), self._piece):
            connection.sendall(self._reply[start : start + self._piece])


def load(port, *commands, **options):
    """Run the load program; its JSON."""
    words = [rust.program("load"), "--port", str(port)]
    for command in commands:
        words += ["--command", command]
    for name, value in options.items():
        words += [f"--{name}", str(value)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


class LoadFraming(unittest.TestCase):
    """Replies of every kind are counted right, however they are cut."""

    REPLIES = {
        "simple": (b"+OK\r\n", 0),
        "integer": (b":-12345\r\n", 0),
        "bulk": (b"$5\r\nhello\r\n", 0),
        "bulk with CRLF and type bytes inside": (b"$9\r\n\r\n*3\r\n$-1\r\n", 0),
        "empty bulk": (b"$0\r\n\r\n", 0),
        "nil bulk": (b"$-1\r\n", 0),
        "array": (b"*3\r\n:1\r\n$2\r\nab\r\n+x\r\n", 0),
        "empty array": (b"*0\r\n", 0),
        "nil array": (b"*-1\r\n", 0),
        "nested": (b"*2\r\n*2\r\n*0\r\n$-1\r\n*1\r\n*1\r\n:7\r\n", 0),
        "error": (b'-ERR no "such" thing\r\n', 1),
        "error inside an array": (b"*2\r\n-ERR a\r\n:1\r\n", 1),
    }

    def test_every_kind_whole_and_in_pieces(self):
        for name, (reply, errors) in self.REPLIES.items():
            for piece in (1, 3, 1 << 20):
                with self.subTest(name, piece=piece), FakeServer(reply, piece) as server:
                    result = load(server.port, "ANY", connections=2, pipeline=5, requests=38)
                    self.assertEqual(len(server.commands), 38)
                    self.assertEqual((result["requests"], result["unfinished"]), (38, 0))
                    self.assertEqual(result["errors"], 38 * errors)

    def test_first_error_is_reported(self):
        with FakeServer(b'-ERR a "b"\\\r\n') as server:
            self.assertEqual(load(server.port, "ANY", requests=1)["first_error"], 'ERR a "b"\\')

    def test_large_replies(self):
        with FakeServer(b"$3000000\r\n" + b"x" * 3_000_000 + b"\r\n") as server:
            self.assertEqual(load(server.port, "ANY", connections=2, requests=6)["requests"], 6)

    def test_large_requests_to_a_slow_reader(self):
        with FakeServer(b"+OK\r\n") as server:
            result = load(server.port, "SET k {hex:1000000}", connections=2, pipeline=4, requests=16)
            self.assertEqual(result["requests"], 16)
            self.assertEqual({len(words[2]) for words in server.commands}, {1_000_000})

    def test_garbage_is_an_error(self):
        for reply in (b"hello\r\n", b"$x\r\n", b"+a\n"):
            with self.subTest(reply), FakeServer(reply) as server, self.assertRaises(RuntimeError):
                load(server.port, "ANY", requests=1)

    def test_too_many_replies_are_an_error(self):
        with FakeServer(b"+OK\r\n+OK\r\n") as server, self.assertRaises(RuntimeError):
            load(server.port, "ANY", connections=1, requests=100)

    def test_a_closing_server_is_an_error(self):
        with FakeServer(None) as server, self.assertRaisesRegex(RuntimeError, "closed|reset"):
            load(server.port, "ANY", requests=1)


class LoadRequests(unittest.TestCase):
    def test_holes(self):
        with FakeServer(b"+OK\r\n") as server:
            load(
                server.port,
                "SET a{rand}b {hex:20}{digits:3} {seq}",
                connections=1,
                pipeline=7,
                requests=50,
                keyspace=30,
            )
        self.assertEqual([int(words[3]) for words in server.commands], list(range(50)))
        keys = {int(words[1][1:-1]) for words in server.commands}
        self.assertTrue(len(keys) > 10 and max(keys) < 30)
        for words in server.commands:
            self.assertRegex(words[1], rb"^a\d{12}b$")
            self.assertRegex(words[2], rb"^[0-9a-f]{20}\d{3}$")
        self.assertGreater(len({words[2] for words in server.commands}), 45)

    def test_mix_of_commands(self):
        with FakeServer(b"+OK\r\n") as server:
            load(server.port, "GET {rand}", "SET {rand} v", requests=1000)
        gets = sum(words[0] == b"GET" for words in server.commands)
        self.assertTrue(400 < gets < 600, gets)

    def test_same_seed_same_requests(self):
        seen = []
        for seed in (5, 5, 6):
            with FakeServer(b"+OK\r\n") as server:
                load(server.port, "GET {rand}", connections=1, requests=20, seed=seed)
                seen.append(server.commands)
        self.assertEqual(seen[0], seen[1])
        self.assertNotEqual(seen[0], seen[2])

    def test_bad_options(self):
        for options in ({}, {"requests": 1, "rate": 5}, {"requests": 1, "nonsense": 1}, {"requests": "x"}):
            with self.subTest(options), self.assertRaises(RuntimeError):
                load(1, "GET {rand}", **options)
        with self.assertRaises(RuntimeError):
            load(1, "GET {nonsense}", requests=1)


class LoadTiming(unittest.TestCase):
    def test_open_loop_charges_a_stall_to_all_it_delayed(self):
        with FakeServer(b"+OK\r\n", stall=(200, 0.3)) as server:
            result = load(server.port, "ANY", connections=4, rate=1000, seconds=1)
        self.assertEqual(result["requests"], 1000)
        self.assertGreater(result["max_us"], 290_000)
        # 300 requests of 1000 fell due during the stall: far more than the one it hit.
        self.assertGreater(result["p99_us"], 250_000)

    def test_closed_loop_ends_in_time(self):
        with FakeServer(b"+OK\r\n") as server:
            result = load(server.port, "ANY", connections=2, seconds=0.5)
        self.assertTrue(0.4 < result["seconds"] < 1.5)
        self.assertEqual(result["requests"], len(server.commands))

    def test_samples(self):
        with FakeServer(b"+OK\r\n") as server, tempfile.NamedTemporaryFile() as file:
            result = load(server.port, "ANY", requests=100, samples=file.name)
            pairs = array("Q", Path(file.name).read_bytes())
        self.assertEqual(len(pairs), 200)
        self.assertAlmostEqual(max(pairs[1::2]) / 1e3, result["max_us"], delta=0.1)
        self.assertAlmostEqual(max(pairs[0::2]) / 1e9, result["seconds"], delta=1e-5)


class Servers(unittest.TestCase):
    def options(self, *words):
        parser = argparse.ArgumentParser()
        peers.add_options(parser)
        return parser.parse_args(words)

    def test_floor_answers(self):
        with peers.Server(peers.Spec(peers.FLOOR, ""), "0") as server, server.client() as client:
            self.assertEqual(client.command("PING"), b"PONG")
            self.assertEqual(client.command("GET", "k"), b"x" * 64)
            self.assertEqual(client.command("SET", "k", "v"), b"OK")
            result = load(server.port, "GET {rand}", pipeline=64, requests=100_000)
            self.assertEqual((result["requests"], result["errors"]), (100_000, 0))

    def test_missing_peers_are_named(self):
        specs, missing = peers.find(self.options("--rkv", "no-such-program {port}", "--servers", "rkv"))
        self.assertEqual((specs, missing), ([], {"rkv": "not installed"}))

    def test_bad_peer_is_refused(self):
        for text in ("noequals", "redis=x", "rkv=x"):
            with self.subTest(text), self.assertRaises(SystemExit):
                peers.find(self.options("--peer", text))

    def test_a_server_that_ends_is_reported_with_its_words(self):
        spec = peers.Spec("broken", "sh -c 'echo out of cheese; exit 3'")
        with self.assertRaisesRegex(peers.StartError, "status 3: out of cheese"), peers.Server(spec, "0"):
            pass

    def test_a_server_that_never_answers_is_given_up(self):
        server = peers.Server(peers.Spec("mute", "sleep 100"), "0", start_timeout=0.3)
        with self.assertRaisesRegex(peers.StartError, "did not answer"), server:
            pass
        self.assertFalse(os.path.exists(server.folder))

    @needs_redis
    def test_an_exception_ends_the_server_and_its_children(self):
        spec = peers.Spec("wrapped", f"sh -c '{STAND_IN}; true'")
        with self.assertRaises(ZeroDivisionError), peers.Server(spec, "0") as server:
            tree = measure.process_tree(server.pid)
            self.assertGreater(len(tree), 1)
            self.assertEqual(os.sched_getaffinity(tree[-1]), {0})
            1 / 0  # noqa: B018
        time.sleep(0.2)
        self.assertFalse([pid for pid in tree if is_running(pid)])
        self.assertFalse(os.path.exists(server.folder))

    @needs_redis
    def test_signals_end_the_servers(self):
        code = (
            "import peers, sys, time\n"
            "peers.end_cleanly_on_signals()\n"
            f"with peers.Server(peers.Spec('x', {STAND_IN!r}), '0') as server:\n"
            "    print(server.pid, flush=True)\n"
            "    time.sleep(60)\n"
        )
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
            with self.subTest(number), tempfile.TemporaryDirectory() as folder:
                words, environment = [sys.executable, "-c", code], {**os.environ, "TMPDIR": folder}
                with subprocess.Popen(
                    words, cwd=HERE, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
                ) as parent:
                    pid = int(parent.stdout.readline())
                    self.assertTrue(is_running(pid))
                    parent.send_signal(number)
                    parent.wait(10)
                    time.sleep(0.2)
                self.assertFalse(is_running(pid))
                if number != signal.SIGKILL:
                    self.assertEqual(os.listdir(folder), [])

    @needs_redis
    def test_cpu_clock_sees_work(self):
        with peers.Server(peers.Spec("redis", STAND_IN), "0") as server:
            clock = measure.CpuClock(server.pid)
            load(server.port, "GET {rand}", requests=20_000)
            self.assertTrue(0.02 < clock.seconds() < 5)
            self.assertGreater(measure.rss(server.pid), 1 << 20)


def is_running(pid):
    """Whether the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Arithmetic(unittest.TestCase):
    def test_percentile(self):
        values = list(range(1, 101))
        self.assertEqual([report.percentile(values, share) for share in (0.5, 0.99, 1.0)], [50, 99, 100])
        self.assertEqual(report.percentile([7], 0.5), 7)
        self.assertIsNone(report.percentile([], 0.5))

    def test_what_is_missing_stays_missing(self):
        self.assertIsNone(report.median([None]))
        self.assertIsNone(report.ratio(None, 1.0))
        self.assertIsNone(report.ratio(1.0, None))
        self.assertIsNone(report.best([None], highest=True))
        self.assertEqual(report.number(None), "–")

    def test_best_peer_excludes_rkv_and_floor(self):
        values = {"rkv": 5.0, "a": 10.0, "b": 20.0, "floor": 1.0}
        self.assertEqual(throughput.against_best(values, highest=False), 0.5)
        self.assertEqual(throughput.against_best(values, highest=True), 0.25)
        self.assertIsNone(throughput.against_best({"a": 1.0}, highest=True))

    def test_table(self):
        self.assertEqual(report.table(["a", "b"], [["x", 1]]), "| a | b |\n| --- | ---: |\n| x | 1 |\n")

    def test_lags(self):
        lags = expiry.lags_ms([10, 20, 30, 40], times=[15, 36, 50], gone=[1, 3, 3])
        self.assertEqual(lags, [5, 6, 16])
        self.assertEqual(expiry.most_stale([10, 20, 30, 40], [15, 36, 50], [1, 1, 3]), 2)

    def test_resp_round_trip(self):
        with FakeServer(b"*3\r\n:1\r\n$-1\r\n*-1\r\n") as server, resp.Client(server.port) as client:
            self.assertEqual(client.command("A", 1, b"\r\n"), [1, None, None])
        self.assertEqual(server.commands, [[b"A", b"1", b"\r\n"]])


class Scripts(unittest.TestCase):
    """Every script from end to end, small."""

    def run_script(self, name, *words, expect=0):
        done = subprocess.run(
            [sys.executable, HERE / f"{name}.py", *words], capture_output=True, text=True, timeout=300, cwd="/"
        )
        self.assertEqual(done.returncode, expect, done.stderr)
        return done

    def check(self, name, *words):
        with tempfile.NamedTemporaryFile("r") as file:
            done = self.run_script(name, "--rkv", STAND_IN, "--json", file.name, "--rounds", "1", "--quick", *words)
            document = json.load(file)
        self.assertTrue(done.stderr.splitlines() and "run time: about" in done.stderr)
        self.assertNotIn("**failed**", done.stdout.replace("burner-redis, incr: **failed**", ""))
        self.assertIn("| ---", done.stdout)
        self.assertEqual(document["script"], name)
        self.assertTrue(document["results"])
        return done.stdout

    def test_help(self):
        for name in (*SCRIPTS, "peers"):
            with self.subTest(name):
                self.assertIn("--rkv", self.run_script(name, "--help").stdout)

    def test_nothing_to_measure(self):
        for name in SCRIPTS[:-1]:
            with self.subTest(name):
                done = self.run_script(name, "--servers", "rkv", "--rkv", "no-such-program", expect=1)
                self.assertIn("rkv: **not measured**, not installed", done.stdout)

    @needs_redis
    def test_throughput(self):
        output = self.check("throughput", "--servers", "rkv,redis,floor")
        self.assertIn("| ZADD |", output)

    @needs_redis
    def test_memory(self):
        output = self.check("memory", "--items", "20000", "--servers", "rkv,redis")
        self.assertIn("| 20,000 one set, 16 B members |", output)
        self.assertIn("| 4,000 hashes of 10 fields (per key) |", output)

    @needs_redis
    def test_expiry(self):
        output = self.check("expiry", "--keys", "20000", "--spread", "1", "--servers", "rkv")
        self.assertIn("| rkv |", output)

    @needs_redis
    def test_snapshot(self):
        output = self.check("snapshot", "--keys", "20000", "--seconds", "2.5", "--servers", "rkv")
        self.assertIn("| rkv, BGSAVE |", output)

    @needs_redis
    def test_aof(self):
        output = self.check("aof", "--servers", "rkv,redis")
        self.assertNotIn("says otherwise", output)
        self.assertIn("| always, rkv |", output)

    def test_embedded(self):
        output = self.check("embedded")
        self.assertIn("| dict |", output)

    def test_embedded_takes_rkv_in(self):
        with tempfile.TemporaryDirectory() as folder:
            store = "class Store(dict):\n    set = dict.__setitem__\n    def db(self, number): return self\n\n"
            (Path(folder) / "rkv.py").write_text(store + "def open(): return Store()\n")
            environment = {**os.environ, "PYTHONPATH": folder}
            words = [sys.executable, HERE / "embedded.py", "--quick", "--rounds", "1"]
            done = subprocess.run(words, capture_output=True, text=True, timeout=300, env=environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"\| rkv \| [\d.]+ \| [\d,]+ \| [\d,]+ \| – \|")
        self.assertIn("rkv, zadd: **failed**, AttributeError", done.stdout)


if __name__ == "__main__":
    unittest.main()
