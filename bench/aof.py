"""What the append-only file costs: SET with appendonly off, everysec and always.

Every server runs once per mode; all of them are up at the same time and are
loaded in alternating rounds. Rewrites of the file are switched off.
"""

import contextlib
import sys
import tempfile

import generator
import measure
import peers
import report
from report import say

COMMAND = "SET key:{rand} " + "x" * 64
KEYSPACE = 100_000
MODES = {
    "off": [],
    "everysec": ["--appendonly", "yes", "--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0"],
    "always": ["--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"],
}
# (connections, pipeline): requests
LOADS = {(50, 1): 50_000, (50, 16): 300_000, (1, 1): 10_000}
CAP_S, TYPICAL_S = 3.0, 1.0


def start_servers(stack, specs, missing, cpus):
    """{(name, mode): server}; a mode that does not start is noted as missing."""
    servers = {}
    for spec in specs:
        for mode, directives in MODES.items():
            failed = {}
            server = peers.start_one(stack, spec, failed, cpus, directives)
            if server:
                servers[spec.name, mode] = server
            else:
                missing[f"{spec.name}, {mode}"] = failed[spec.name]
    return servers


def really_in_mode(server, mode):
    """Whether the server itself says that its append-only file is on, or off."""
    enabled = server.info("persistence").get("aof_enabled")
    return enabled == ("0" if mode == "off" else "1")


def measure_all(servers, args):
    results = []
    for number in range(args.rounds):
        say(f"round {number + 1} of {args.rounds}")
        for (connections, pipeline), requests in LOADS.items():
            for name, mode in peers.rotated(list(servers), number):
                result = {
                    "server": name,
                    "mode": mode,
                    "connections": connections,
                    "pipeline": pipeline,
                    "round": number,
                }
                try:
                    result |= generator.run(
                        servers[name, mode],
                        [COMMAND],
                        args.load_cpus,
                        connections=connections,
                        pipeline=pipeline,
                        requests=requests // (4 if args.quick else 1),
                        seconds=CAP_S,
                        keyspace=KEYSPACE,
                        seed=number + 1,
                    )
                except generator.LoadError as error:
                    result["failure"] = str(error)
                    say(f"{name} {mode}: {error}")
                results.append(result)
    return results


def median(results, name, mode, load, field):
    key = (name, mode, *load)
    return report.median(
        r.get(field) for r in results if (r["server"], r["mode"], r["connections"], r["pipeline"]) == key
    )


def print_table(results, names, load):
    rows = []
    for mode in MODES:
        rps = {name: median(results, name, mode, load, "rps") for name in names}
        best = report.best((value for name, value in rps.items() if name != peers.RKV), highest=True)
        for name in names:
            p50, p99, cpu = (median(results, name, mode, load, f) for f in ("p50_us", "p99_us", "server_cpu_us"))
            off = median(results, name, "off", load, "rps")
            versus_best = report.ratio(rps[name], best) if name == peers.RKV else None
            rows.append(
                [
                    f"{mode}, {name}",
                    report.number(rps[name]),
                    report.number(p50),
                    report.number(p99),
                    report.number(cpu, 2),
                    report.number(report.ratio(rps[name], off), 2),
                    report.number(versus_best, 2),
                ]
            )
    print(f"## {load[0]} connections, pipeline {load[1]}\n")
    print(
        report.table(
            [
                "mode, server",
                "req/s",
                "p50 µs",
                "p99 µs",
                "server CPU µs/req",
                "req/s against own off",
                "rkv/best req/s",
            ],
            rows,
        )
    )


def main():
    parser = report.parser(__doc__, rounds=5)
    peers.add_options(parser)
    args = parser.parse_args()
    args.rounds = min(args.rounds, 2) if args.quick else args.rounds
    peers.end_cleanly_on_signals()
    specs, missing = peers.find(args)
    runs = len(specs) * len(MODES) * len(LOADS) * args.rounds
    report.announce(runs * TYPICAL_S / (3 if args.quick else 1) + 5, runs * (CAP_S + 11) + 60 * len(specs) * len(MODES))
    with contextlib.ExitStack() as stack:
        servers = start_servers(stack, specs, missing, args.server_cpus)
        descriptions = {name: server.describe() for (name, _), server in servers.items()}
        wrong = [key for key, server in servers.items() if not really_in_mode(server, key[1])]
        doubts = [f"{name}, {mode}: **the server's aof_enabled says otherwise**" for name, mode in wrong]
        results = measure_all(servers, args)
    failed = dict.fromkeys(f"**failed**: {r['server']}, {r['mode']}: {r['failure']}" for r in results if "failure" in r)
    setting = f"files on {measure.file_system(tempfile.gettempdir())}, medians of {args.rounds} rounds"
    report.head(
        "Append-only file", [*peers.notes(descriptions, missing), setting, report.noise(results), *doubts, *failed]
    )
    for load in LOADS:
        print_table(results, list(descriptions), load)
    report.save(args.json, "aof", {**descriptions, **missing}, results)
    return 0 if results else 1


if __name__ == "__main__":
    sys.exit(main())
