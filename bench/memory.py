"""Bytes per item for eight data sets: used_memory and resident memory.

Each data set goes into a fresh server; what counts is the growth over the empty
server, one second after the last write. For 'per key' sets an item is a key,
else a field, member or element.
"""

import contextlib
import sys
import time
from dataclasses import dataclass

import generator
import measure
import peers
import report
from report import number, say
from resp import ReplyError

VALUE = "{hex:32}"
TEN_FIELDS = "".join(f" f{i} val{i:05}" for i in range(10))
TEN_MEMBERS = "".join(f" {{digits:5}} m{i}" for i in range(10))
MILLION = 1_000_000
SETTLE_S = 1.0
FILL_CAP_S = 120
# Filling and starting, typically: seconds per million items.
TYPICAL_S_PER_MILLION = 2.5


@dataclass(frozen=True)
class DataSet:
    name: str
    command: str
    items: int


DATA_SETS = [
    DataSet("strings, 16 B key, 32 B value", f"SET key:{{seq}} {VALUE}", 5 * MILLION),
    DataSet("strings with TTL", f"SET key:{{seq}} {VALUE} EX 100000", 5 * MILLION),
    DataSet("hashes of 10 fields (per key)", f"HSET key:{{seq}}{TEN_FIELDS}", MILLION),
    DataSet("zsets of 10 members (per key)", f"ZADD key:{{seq}}{TEN_MEMBERS}", MILLION),
    DataSet("one zset, 16 B members", "ZADD z {digits:9} mem:{seq}", 5 * MILLION),
    DataSet("one hash, 16 B fields, 32 B values", f"HSET h fld:{{seq}} {VALUE}", 5 * MILLION),
    DataSet("one list, 32 B elements", f"RPUSH l {VALUE}", 5 * MILLION),
    DataSet("one set, 16 B members", "SADD s mem:{seq}", 5 * MILLION),
]


def used_memory(server):
    """INFO memory's used_memory, or None if the server does not tell."""
    try:
        return int(server.info("memory")["used_memory"])
    except (ReplyError, KeyError, ValueError):
        return None


def measure_one(server, data_set, items, cpus):
    """Fill one fresh server and weigh it."""
    used_before, rss_before = used_memory(server), measure.rss(server.pid)
    filled = generator.fill(server, data_set.command, items, cpus, FILL_CAP_S)
    time.sleep(SETTLE_S)
    used, rss = used_memory(server), measure.rss(server.pid)
    known = used is not None and used_before is not None
    return {
        "items": items,
        "used_per_item": (used - used_before) / items if known else None,
        "rss_per_item": (rss - rss_before) / items,
        "rss_empty": rss_before,
        "fill_cpu_us": filled["server_cpu_us"],
    }


def measure_all(specs, missing, descriptions, sizes, args):
    results = []
    for turn in range(args.rounds):
        for data_set, items in sizes.items():
            for spec in peers.rotated(specs, turn):
                result = {"server": spec.name, "data_set": data_set.name, "round": turn}
                with contextlib.ExitStack() as stack:
                    server = peers.start_one(stack, spec, missing, args.server_cpus)
                    if server is None:
                        continue
                    descriptions.setdefault(server.name, server.describe())
                    say(f"{server.name}: {items:,} {data_set.name}")
                    try:
                        result |= measure_one(server, data_set, items, args.load_cpus)
                    except generator.LoadError as error:
                        result["failure"] = str(error)
                        say(f"{server.name}: {error}")
                results.append(result)
    return results


def medians(results, data_set, field):
    chosen = [r for r in results if r["data_set"] == data_set.name]
    return {r["server"]: report.median(x.get(field) for x in chosen if x["server"] == r["server"]) for r in chosen}


def against_best(values):
    peers_only = [value for name, value in values.items() if name != peers.RKV]
    return report.ratio(values.get(peers.RKV), report.best(peers_only, highest=False))


def print_table(results, sizes, names):
    rows = []
    for data_set, items in sizes.items():
        used, rss, cpu = (medians(results, data_set, f) for f in ("used_per_item", "rss_per_item", "fill_cpu_us"))
        cells = [
            f"{number(used.get(name), 1)} / {number(rss.get(name), 1)} [{number(cpu.get(name), 2)}]" for name in names
        ]
        rows.append(
            [
                f"{items:,} {data_set.name}",
                *cells,
                number(against_best(used), 2),
                number(against_best(rss), 2),
            ]
        )
    print("used_memory / RSS, bytes per item [server CPU µs per item to fill]\n")
    print(report.table(["data set", *names, "rkv/best used", "rkv/best RSS"], rows))


def print_empty(results, names):
    empty = {name: report.median(r.get("rss_empty") for r in results if r["server"] == name) for name in names}
    cells = [number(None if empty[name] is None else empty[name] / 2**20, 1) for name in names]
    print(report.table(["empty server", *names], [["RSS, MiB", *cells]]))


def main():
    parser = report.parser(__doc__, rounds=1)
    parser.add_argument(
        "--items",
        type=report.positive,
        help="items in the large data sets (default 5 M, with --quick 500 k); a fifth of it for 'per key' sets",
    )
    peers.add_options(parser)
    args = parser.parse_args()
    peers.end_cleanly_on_signals()
    specs, missing = peers.find(args)
    large = args.items or (MILLION // 2 if args.quick else 5 * MILLION)
    sizes = {data_set: max(1, data_set.items * large // (5 * MILLION)) for data_set in DATA_SETS}
    runs = len(specs) * len(sizes) * args.rounds
    total = sum(sizes.values()) * len(specs) * args.rounds
    report.announce(runs * 1.5 + total / MILLION * TYPICAL_S_PER_MILLION, runs * (FILL_CAP_S + 70))
    descriptions = {}
    results = measure_all(specs, missing, descriptions, sizes, args)
    failed = [f"**failed**: {r['server']}, {r['data_set']}: {r['failure']}" for r in results if "failure" in r]
    report.head("Memory", [*peers.notes(descriptions, missing), f"medians of {args.rounds} rounds", *failed])
    print_table(results, sizes, list(descriptions))
    print_empty(results, list(descriptions))
    report.save(args.json, "memory", {**descriptions, **missing}, results)
    return 0 if results else 1


if __name__ == "__main__":
    sys.exit(main())
