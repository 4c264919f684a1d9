"""What BGSAVE costs: latency under load, time, extra memory, and loading at restart.

The server and its children may use the server and the load CPUs. Loads are half
GET, half SET over all keys: 'open' at a fixed rate (latency counts from the time
a request was due), 'closed' as fast as 50 connections can.
"""

import contextlib
import os
import sys
import tempfile
import time
from array import array

import generator
import measure
import peers
import report
from report import say
from resp import ReplyError

VALUE = "{hex:32}"
CONNECTIONS = 50
LEAD_S = 1.0
POLL_S = 0.05
SAVE_CAP_S = 120
LOAD_CAP_S = 120
PERCENTILES = {"p50_us": 0.5, "p99_us": 0.99, "p99.9_us": 0.999, "max_us": 1.0}


class SaveError(Exception):
    """BGSAVE did not end well."""


class MemoryWatch:
    """Peaks of memory while something runs, against the values before."""

    def __init__(self, pid):
        self._pid = pid
        self._anonymous = self._anonymous_peak = measure.anonymous_bytes()
        self._rss = self._rss_peak = measure.status_bytes(pid, "VmRSS")
        self._children_peak = 0

    def sample(self):
        own = measure.status_bytes(self._pid, "VmRSS")
        self._rss_peak = max(self._rss_peak, own)
        self._children_peak = max(self._children_peak, measure.rss(self._pid) - own)
        self._anonymous_peak = max(self._anonymous_peak, measure.anonymous_bytes())

    def result(self):
        return {
            "rss_before": self._rss,
            "rss_growth": self._rss_peak - self._rss,
            "hwm": measure.status_bytes(self._pid, "VmHWM"),
            "children_rss": self._children_peak,
            "anonymous_growth": self._anonymous_peak - self._anonymous,
        }


def bgsave(server):
    """Run BGSAVE to its end: its window in Unix microseconds, duration and memory."""
    watch = MemoryWatch(server.pid)
    with server.client() as client:
        start, begin_us = time.monotonic(), time.time() * 1e6
        client.command("BGSAVE")
        while True:
            watch.sample()
            info = client.info("persistence")
            if info["rdb_bgsave_in_progress"] == "0":
                break
            if time.monotonic() - start > SAVE_CAP_S:
                raise SaveError(f"BGSAVE was not done after {SAVE_CAP_S} s")
            time.sleep(POLL_S)
        end_us = time.time() * 1e6
    if info.get("rdb_last_bgsave_status") != "ok":
        raise SaveError(f"BGSAVE ended with status {info.get('rdb_last_bgsave_status')}")
    cow = info.get("rdb_last_cow_size")
    return watch.result() | {
        "begin_us": begin_us,
        "end_us": end_us,
        "seconds": (end_us - begin_us) / 1e6,
        "cow": cow and int(cow),
    }


def load_options(args, mode, samples):
    options = {"connections": CONNECTIONS, "seconds": args.seconds, "keyspace": args.keys, "samples": samples}
    return options | ({"rate": args.rate} if mode == "open" else {})


def under_load(server, args, mode, save):
    """Run the load, with a BGSAVE inside it if `save`; latencies of the window that counts."""
    commands = ["GET key:{rand}", f"SET key:{{rand}} {VALUE}"]
    with tempfile.NamedTemporaryFile(prefix="bench-samples-") as samples:
        with generator.Load(server, commands, args.load_cpus, **load_options(args, mode, samples.name)) as load:
            load.go()
            time.sleep(LEAD_S)
            saved = bgsave(server) if save else None
            result = load.finish()
        result["latency"] = latencies(samples.name, result, saved)
    if result["errors"]:
        raise generator.LoadError(f"error replies, the first: {result['first_error']}")
    if saved:
        load_end_us = result["start_unix_us"] + result["seconds"] * 1e6
        saved["outlasted_load"] = saved["end_us"] > load_end_us
        result["bgsave"] = saved
    return result


def latencies(path, result, saved):
    """Percentiles of the requests that ended inside the BGSAVE, or after the first second without one."""
    pairs = array("Q")
    with open(path, "rb") as file:
        pairs.frombytes(file.read())
    start_ns, end_ns = LEAD_S * 1e9, float("inf")
    if saved:
        start_ns = (saved["begin_us"] - result["start_unix_us"]) * 1e3
        end_ns = (saved["end_us"] - result["start_unix_us"]) * 1e3
    inside = [
        (end, latency) for end, latency in zip(pairs[::2], pairs[1::2], strict=False) if start_ns <= end <= end_ns
    ]
    ordered = sorted(latency / 1e3 for _, latency in inside)
    span_s = (max(end for end, _ in inside) - start_ns) / 1e9 if inside else None
    found = {name: report.percentile(ordered, share) for name, share in PERCENTILES.items()}
    return found | {"requests": len(ordered), "rps": len(ordered) / span_s if span_s else None}


def restart(server, keys):
    """Kill the server, start it on its dump, and time it until all keys are there."""
    server.kill()
    start = time.monotonic()
    server.start()
    server.wait_ready()
    with server.client() as client:
        while (found := client.command("DBSIZE")) != keys:
            if time.monotonic() - start > LOAD_CAP_S:
                raise SaveError(f"after the restart there were {found} keys, not {keys}")
            time.sleep(0.005)
    return time.monotonic() - start


def measure_one(server, args):
    """All phases on one fresh server."""
    generator.fill(server, f"SET key:{{seq}} {VALUE}", args.keys, args.load_cpus)
    result = {"idle": bgsave(server)}
    result["dump_bytes"] = sum(file.stat().st_size for file in os.scandir(server.folder) if file.name.endswith(".rdb"))
    for mode in ("open", "closed"):
        result[mode] = {"without": under_load(server, args, mode, save=False)}
        result[mode]["during"] = under_load(server, args, mode, save=True)
    result["restart_s"] = restart(server, args.keys)
    return result


def measure_all(specs, missing, descriptions, args):
    cpus = f"{args.server_cpus},{args.load_cpus}"
    results = []
    for number in range(args.rounds):
        for spec in peers.rotated(specs, number):
            result = {"server": spec.name, "round": number}
            with contextlib.ExitStack() as stack:
                server = peers.start_one(stack, spec, missing, cpus)
                if server is None:
                    continue
                descriptions.setdefault(server.name, server.describe())
                say(f"round {number + 1} of {args.rounds}: {server.name}")
                try:
                    result |= measure_one(server, args)
                except (ReplyError, SaveError, generator.LoadError, peers.StartError, KeyError, OSError) as error:
                    result["failure"] = f"{type(error).__name__}: {error}"
                    say(f"{server.name}: {result['failure']}")
            results.append(result)
    return results


def median(results, name, *path):
    """Median over the rounds of the value at `path` in a server's results."""
    values = []
    for result in (r for r in results if r["server"] == name):
        for key in path:
            result = result.get(key) if result else None
        values.append(result)
    return report.median(values)


def print_latency(results, names, mode, title):
    rows = []
    for name in names:
        for phase, label in (("without", "no BGSAVE"), ("during", "BGSAVE")):
            cells = [report.number(median(results, name, mode, phase, "latency", "rps"))]
            cells += [report.number(median(results, name, mode, phase, "latency", key)) for key in PERCENTILES]
            rows.append([f"{name}, {label}", *cells])
        grown = [
            report.ratio(
                median(results, name, mode, "during", "latency", key),
                median(results, name, mode, "without", "latency", key),
            )
            for key in ("rps", *PERCENTILES)
        ]
        rows.append([f"{name}, ratio", *(report.number(value, 2) for value in grown)])
    print(f"## {title}\n")
    print(report.table(["server, phase", "req/s", "p50 µs", "p99 µs", "p99.9 µs", "max µs"], rows))


def print_costs(results, names):
    rows = []
    for name in names:
        for label, path in (
            ("idle", ("idle",)),
            ("open", ("open", "during", "bgsave")),
            ("closed", ("closed", "during", "bgsave")),
        ):
            seconds = report.number(median(results, name, *path, "seconds"), 2)
            sizes = [
                median(results, name, *path, key)
                for key in ("rss_before", "rss_growth", "children_rss", "anonymous_growth", "cow")
            ]
            rows.append([f"{name}, {label}", seconds, *(mebibytes(size) for size in sizes)])
    print("## Time and memory of BGSAVE (MiB)\n")
    headers = [
        "server, load",
        "seconds",
        "RSS before",
        "RSS growth",
        "children's RSS",
        "machine's AnonPages growth",
        "copied, by the server's account",
    ]
    print(report.table(headers, rows))


def mebibytes(size):
    return report.number(None if size is None else size / 2**20)


def print_restart(results, names):
    rows = [
        [name, report.number(median(results, name, "restart_s"), 2), mebibytes(median(results, name, "dump_bytes"))]
        for name in names
    ]
    print("## Restart\n")
    print(report.table(["server", "start to all keys there, s", "dump, MiB"], rows))


def warnings(results):
    """Failures, and loads that were shorter than the BGSAVE in them."""
    lines = [f"**failed**: {r['server']}: {r['failure']}" for r in results if "failure" in r]
    for result in results:
        for mode in ("open", "closed"):
            saved = result.get(mode, {}).get("during", {}).get("bgsave", {})
            if saved.get("outlasted_load"):
                lines.append(f"{result['server']}, {mode}: BGSAVE outlasted the load; use a larger --seconds")
    return lines


def main():
    parser = report.parser(__doc__, rounds=2)
    parser.add_argument("--keys", type=report.positive, help="default 5 M, with --quick 500 k")
    parser.add_argument(
        "--rate",
        type=report.positive,
        default=20_000,
        help="requests per second of the open loop (default %(default)s)",
    )
    parser.add_argument("--seconds", type=float, help="length of each load (default 9, with --quick 4)")
    peers.add_options(parser)
    args = parser.parse_args()
    args.keys = args.keys or (500_000 if args.quick else 5_000_000)
    args.seconds = args.seconds or (4.0 if args.quick else 9.0)
    args.rounds = 1 if args.quick else args.rounds
    peers.end_cleanly_on_signals()
    specs, missing = peers.find(args)
    runs = len(specs) * args.rounds
    each = 4 * (args.seconds + 1) + args.keys * 4e-6 + 3
    report.announce(runs * each, runs * (each + 3 * SAVE_CAP_S + LOAD_CAP_S + 300))
    descriptions = {}
    results = measure_all(specs, missing, descriptions, args)
    disk = measure.file_system(tempfile.gettempdir())
    setting = f"{args.keys:,} keys with 32 B values, on {disk}, medians of {args.rounds} rounds"
    report.head("Snapshot", [*peers.notes(descriptions, missing), setting, *warnings(results)])
    names = list(descriptions)
    print_latency(results, names, "open", f"Open loop, {args.rate:,} requests per second")
    print_latency(results, names, "closed", f"Closed loop, {CONNECTIONS} connections")
    print_costs(results, names)
    print_restart(results, names)
    report.save(args.json, "snapshot", {**descriptions, **missing}, results)
    return 0 if results else 1


if __name__ == "__main__":
    sys.exit(main())
