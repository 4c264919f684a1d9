"""Requests per second and server CPU per request, all servers in alternating rounds.

Ten commands with 50 connections at pipeline 1, 16 and 64, and GET and SET with
one and with 500 connections. Random keys out of 1 M, values of 64 bytes.
"""

import contextlib
import sys
from dataclasses import dataclass

import generator
import peers
import report
from report import say

VALUE = "x" * 64
KEYSPACE = 1_000_000
LIST_LENGTH = 100
COMMANDS = {
    "SET": f"SET key:{{rand}} {VALUE}",
    "GET": "GET key:{rand}",
    "INCR": "INCR counter:{rand}",
    "LPUSH": f"LPUSH list {VALUE}",
    "RPOP": "RPOP list",
    "HSET": f"HSET hash element:{{rand}} {VALUE}",
    "SADD": "SADD set element:{rand}",
    "ZADD": "ZADD zset {rand} element:{rand}",
    "MSET10": "MSET" + f" key:{{rand}} {VALUE}" * 10,
    "LRANGE_100": f"LRANGE list{LIST_LENGTH} 0 {LIST_LENGTH - 1}",
}
ON_THE_FLOOR = ("SET", "GET")
REQUESTS = {1: 50_000, 16: 300_000, 64: 600_000}
# Commands that do much per request get fewer of them: divisors at pipeline 1 and above.
DIVISORS = {"MSET10": (2, 8), "LRANGE_100": (2, 10), "ZADD": (1, 3)}
# Seconds: the cap on one run, its typical length, and the same for filling one server.
CAP_S, TYPICAL_S = 4.0, 0.8
QUICK_CAP_S, QUICK_TYPICAL_S = 1.5, 0.4
PRELOAD_CAP_S, PRELOAD_S = 30, 3


@dataclass(frozen=True)
class Row:
    """One kind of load."""

    command: str
    connections: int
    pipeline: int
    requests: int

    def applies_to(self, server):
        return server.name != peers.FLOOR or self.command in ON_THE_FLOOR


def row(command, connections, pipeline, scale=1):
    """A Row with a sensible number of requests."""
    requests = 20_000 if connections == 1 else REQUESTS[pipeline]
    requests //= DIVISORS.get(command, (1, 1))[pipeline > 1]
    return Row(command, connections, pipeline, requests // scale)


def plan(quick):
    """All rows, in the order they are run."""
    if quick:
        return [row(command, 50, pipeline, scale=2) for pipeline in (1, 64) for command in ("SET", "GET", "ZADD")]
    rows = [row(command, 50, pipeline) for pipeline in REQUESTS for command in COMMANDS]
    rows += [row(command, connections, 1) for connections in (1, 500) for command in ON_THE_FLOOR]
    return rows


def preload(server, cpus):
    """All keys, and the list that LRANGE reads."""
    if server.name == peers.FLOOR:
        return
    say(f"preloading {server.name}")
    generator.fill(server, f"SET key:{{seq}} {VALUE}", KEYSPACE, cpus, PRELOAD_CAP_S)
    try:
        generator.fill(server, f"RPUSH list{LIST_LENGTH} {VALUE}", LIST_LENGTH, cpus, PRELOAD_CAP_S)
    except generator.LoadError as error:
        # A server without lists is measured with what it has; the rows that it lacks fail one by one.
        say(f"{server.name}: {error}")


def measure_one(server, row, number, cap_s, cpus):
    """One run; its result, or the reason why there is none."""
    result = {
        "server": server.name,
        "command": row.command,
        "connections": row.connections,
        "pipeline": row.pipeline,
        "round": number,
    }
    try:
        result |= generator.run(
            server,
            [COMMANDS[row.command]],
            cpus,
            connections=row.connections,
            pipeline=row.pipeline,
            requests=row.requests,
            seconds=cap_s,
            keyspace=KEYSPACE,
            seed=number + 1,
        )
    except generator.LoadError as error:
        result["failure"] = str(error)
        say(f"{server.name} {row.command}: {error}")
    return result


def measure_all(servers, rows, rounds, cap_s, cpus):
    """Every row in every round, beginning with another server each time."""
    results = []
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}")
        for row in rows:
            for server in peers.rotated(servers, number):
                if row.applies_to(server):
                    results.append(measure_one(server, row, number, cap_s, cpus))
    return results


def medians(results, row, field):
    """Median of a field per server for one row."""
    key = (row.command, row.connections, row.pipeline)
    chosen = [r for r in results if (r["command"], r["connections"], r["pipeline"]) == key]
    names = dict.fromkeys(r["server"] for r in chosen)
    return {name: report.median(r.get(field) for r in chosen if r["server"] == name) for name in names}


def against_best(values, highest):
    """rkv over the best real peer."""
    others = [value for name, value in values.items() if name not in (peers.RKV, peers.FLOOR)]
    return report.ratio(values.get(peers.RKV), report.best(others, highest))


def print_tables(results, rows, names):
    for connections, pipeline in dict.fromkeys((row.connections, row.pipeline) for row in rows):
        print(f"## {connections} connections, pipeline {pipeline}\n")
        print(
            "req/s [server CPU µs per request] (p50 / p99 ms)\n"
            if pipeline == 1
            else "req/s [server CPU µs per request]\n"
        )
        lines = [
            table_line(results, row, names)
            for row in rows
            if (row.connections, row.pipeline) == (connections, pipeline)
        ]
        print(report.table(["command", *names, "rkv/best req/s", "rkv/best CPU"], lines))


def table_line(results, row, names):
    rps, cpu = medians(results, row, "rps"), medians(results, row, "server_cpu_us")
    p50, p99 = medians(results, row, "p50_us"), medians(results, row, "p99_us")
    cells = []
    for name in names:
        if rps.get(name) is None:
            cells.append("–")
            continue
        cell = f"{report.number(rps[name])} [{report.number(cpu[name], 2)}]"
        if row.pipeline == 1:
            cell += f" ({p50[name] / 1e3:.3f} / {p99[name] / 1e3:.3f})"
        cells.append(cell)
    ratios = [report.number(against_best(values, highest), 2) for values, highest in ((rps, True), (cpu, False))]
    return [row.command, *cells, *ratios]


def failures(results):
    """Each failure once, for the head of the report."""
    return [
        f"**failed**: {text}"
        for text in dict.fromkeys(f"{r['server']} {r['command']}: {r['failure']}" for r in results if "failure" in r)
    ]


def main():
    parser = report.parser(__doc__, rounds=5)
    peers.add_options(parser)
    args = parser.parse_args()
    if args.quick:
        args.rounds = min(args.rounds, 3)
    peers.end_cleanly_on_signals()
    specs, missing = peers.find(args, floor=True)
    rows = plan(args.quick)
    runs = sum(row.applies_to(spec) for row in rows for spec in specs) * args.rounds
    cap_s, typical_s = (QUICK_CAP_S, QUICK_TYPICAL_S) if args.quick else (CAP_S, TYPICAL_S)
    report.announce(runs * typical_s + len(specs) * PRELOAD_S, runs * (cap_s + 1) + len(specs) * PRELOAD_CAP_S)
    with contextlib.ExitStack() as stack:
        servers = peers.start_all(stack, specs, missing, args.server_cpus)
        descriptions = {server.name: server.describe() for server in servers}
        for server in servers:
            preload(server, args.load_cpus)
        results = measure_all(servers, rows, args.rounds, cap_s, args.load_cpus)
    report.head(
        "Throughput",
        [
            *peers.notes(descriptions, missing),
            f"medians of {args.rounds} rounds",
            report.noise(results),
            *failures(results),
        ],
    )
    print_tables(results, rows, list(descriptions))
    report.save(args.json, "throughput", {**descriptions, **missing}, results)
    return 0 if results else 1


if __name__ == "__main__":
    sys.exit(main())
