"""How late keys with a TTL disappear when nobody reads them, and at what CPU cost.

Keys with deadlines spread evenly over a few seconds are stored beforehand. Then
DBSIZE is polled. The k-th key to disappear is matched with the k-th deadline:
its lag is the time of the first poll that saw it gone minus that deadline. Every
key gets a lag, so the percentiles are over keys, exact to one polling interval.
For a server that expires out of order the lags of single keys vary more than
these; the mean is the same.
"""

import bisect
import contextlib
import random
import sys
import time
from array import array

import measure
import peers
import report
from report import say
from resp import ReplyError

# SET key:<12 digits> <32 bytes> PXAT <13 digits>, ready encoded, as a million of them are needed in time.
SET = b"*5\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$32\r\n" + b"x" * 32 + b"\r\n$4\r\nPXAT\r\n$13\r\n%d\r\n"
BATCH = 2000
GIVE_UP_S = 60
# Time allowed for storing the keys before the first one is due, several times what an idle machine needs.
LEAD_S, LEAD_S_PER_KEY = 2.0, 8e-6


def deadlines_ms(keys, first_ms, spread_s, seed):
    """A random deadline for each key, in Unix milliseconds."""
    generator = random.Random(seed)
    return [first_ms + int(generator.random() * spread_s * 1000) for _ in range(keys)]


def store(client, deadlines):
    """SET every key with its deadline."""
    for start in range(0, len(deadlines), BATCH):
        part = enumerate(deadlines[start : start + BATCH], start)
        replies = client.pipeline([SET % (number, due) for number, due in part])
        wrong = [reply for reply in replies if reply != b"OK"]
        if wrong:
            raise ReplyError(f"SET answered {wrong[0]!r}")


def watch(client, keys, interval_s):
    """Poll DBSIZE until it is 0 or time is up: arrays of times (ms) and keys gone."""
    times, gone = array("d"), array("q")
    end = time.monotonic() + GIVE_UP_S
    while time.monotonic() < end:
        left = client.command("DBSIZE")
        times.append(time.time() * 1000)
        gone.append(keys - left)
        if left == 0:
            break
        time.sleep(interval_s)
    return times, gone


def lags_ms(deadlines, times, gone):
    """Sorted lag of every key that was seen to be gone; `deadlines` must be sorted."""
    lags, seen = [], 0
    for now, count in zip(times, gone, strict=True):
        lags.extend(now - due for due in deadlines[seen:count])
        seen = max(seen, count)
    return sorted(lags)


def most_stale(deadlines, times, gone):
    """The largest number of keys that were past their deadline and still there."""
    return max(bisect.bisect_right(deadlines, now) - count for now, count in zip(times, gone, strict=True))


def measure_one(server, args, seed):
    """One run on a fresh server."""
    first_ms = int((time.time() + args.lead) * 1000)
    deadlines = deadlines_ms(args.keys, first_ms, args.spread, seed)
    with server.client() as client:
        store(client, deadlines)
        spare_ms = first_ms - time.time() * 1000
        if spare_ms < 100:
            raise ReplyError(
                f"the keys were stored {100 - spare_ms:.0f} ms too late, nothing can be said; "
                f"use a --lead above {args.lead:g} s"
            )
        deadlines.sort()
        time.sleep(max(0.0, first_ms / 1000 - 0.01 - time.time()))
        cpu = measure.CpuClock(server.pid)
        times, gone = watch(client, args.keys, args.poll_ms / 1000)
        cpu_s = cpu.seconds()
        used = server.info("memory").get("used_memory")
    return summary(deadlines, times, gone) | {"cpu_s": cpu_s, "polls": len(times), "used_after": used and int(used)}


def summary(deadlines, times, gone):
    lags = lags_ms(deadlines, times, gone)
    return {
        "keys": len(deadlines),
        "never_gone": len(deadlines) - len(lags),
        "too_early": sum(lag < -1 for lag in lags),
        "lag_p50_ms": report.percentile(lags, 0.5),
        "lag_p99_ms": report.percentile(lags, 0.99),
        "lag_max_ms": report.percentile(lags, 1.0),
        "most_stale": most_stale(deadlines, times, gone),
    }


def measure_all(specs, missing, descriptions, args):
    results = []
    for number in range(args.rounds):
        for spec in peers.rotated(specs, number):
            result = {"server": spec.name, "round": number}
            with contextlib.ExitStack() as stack:
                server = peers.start_one(stack, spec, missing, args.server_cpus)
                if server is None:
                    continue
                descriptions.setdefault(server.name, server.describe())
                say(f"round {number + 1} of {args.rounds}: {server.name}")
                try:
                    result |= measure_one(server, args, seed=number)
                except (ReplyError, OSError) as error:
                    result["failure"] = str(error)
                    say(f"{server.name}: {error}")
            results.append(result)
    return results


COLUMNS = {
    "lag p50 ms": ("lag_p50_ms", 1),
    "lag p99 ms": ("lag_p99_ms", 1),
    "lag max ms": ("lag_max_ms", 1),
    "most keys overdue": ("most_stale", 0),
    "server CPU s": ("cpu_s", 2),
    "gone too early": ("too_early", 0),
    "never gone": ("never_gone", 0),
    "used_memory after, bytes": ("used_after", 0),
}


def print_table(results, names):
    rows = []
    for name in names:
        own = [r for r in results if r["server"] == name]
        cells = [report.number(report.median(r.get(key) for r in own), digits) for key, digits in COLUMNS.values()]
        rows.append([name, *cells])
    print(report.table(["server", *COLUMNS], rows))


def main():
    parser = report.parser(__doc__, rounds=3)
    parser.add_argument("--keys", type=report.positive, help="default 1 M, with --quick 100 k")
    parser.add_argument(
        "--spread", type=float, help="seconds over which the deadlines are spread (default 4, with --quick 2)"
    )
    parser.add_argument(
        "--lead", type=float, help="seconds allowed for storing the keys (default 2, and 8 per million keys)"
    )
    parser.add_argument(
        "--poll-ms", type=float, default=2.0, help="interval between DBSIZE polls (default %(default)s)"
    )
    peers.add_options(parser)
    args = parser.parse_args()
    args.keys = args.keys or (100_000 if args.quick else 1_000_000)
    args.spread = args.spread or (2.0 if args.quick else 4.0)
    args.lead = args.lead or LEAD_S + args.keys * LEAD_S_PER_KEY
    peers.end_cleanly_on_signals()
    specs, missing = peers.find(args)
    runs = len(specs) * args.rounds
    each = args.lead + args.spread + 3
    report.announce(runs * each, runs * (each + GIVE_UP_S + 60))
    descriptions = {}
    results = measure_all(specs, missing, descriptions, args)
    failed = [f"**failed**: {r['server']}: {r['failure']}" for r in results if "failure" in r]
    load = f"{args.keys:,} keys, deadlines over {args.spread:g} s, DBSIZE every {args.poll_ms:g} ms"
    setting = f"{load}, medians of {args.rounds} rounds"
    report.head("Expiry", [*peers.notes(descriptions, missing), setting, *failed])
    print_table(results, list(descriptions))
    report.save(args.json, "expiry", {**descriptions, **missing}, results)
    return 0 if results else 1


if __name__ == "__main__":
    sys.exit(main())
