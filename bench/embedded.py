"""Operations per second from one Python thread, for stores used from within a program.

Each store runs in a fresh process. An operation is one call through a lambda
(some 40 ns, the same for all) in a plain loop; burner-redis, which is async
only, is awaited in a loop. A batch is 100 operations per pipeline, or one
transaction for lmdb. 'open ms' is import, open and first operation.
"""

import asyncio
import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field

import peers
import report
from report import say

VALUE = b"x" * 64
CHUNK = 100
OPERATIONS = ("set", "get", "incr", "hset", "zadd", "lpush", "batch set", "batch get")
WORKER_CAP_S = 120


@dataclass
class Opened:
    """An open store: operations take a key, batches take a list of keys."""

    operations: dict
    batches: dict = field(default_factory=dict)
    awaited: bool = False
    close: object = lambda: None


# ------------------------------------------------------------------ the stores


def open_dict(_):
    data = {}

    def increment(key):
        data[key] = data.get(key, 0) + 1

    operations = {
        "set": lambda key: data.__setitem__(key, VALUE),
        "get": lambda key: data.get(key),
        "incr": lambda _: increment("counter"),
        "hset": lambda key: data.setdefault("hash", {}).__setitem__(key, VALUE),
        "lpush": lambda _: data.setdefault("list", []).append(VALUE),
    }
    return Opened(operations)


def redis_like(store):
    """Operations of anything with the method names of redis-py."""
    return {
        "set": lambda key: store.set(key, VALUE),
        "get": lambda key: store.get(key),
        "incr": lambda _: store.incr("counter"),
        "hset": lambda key: store.hset("hash", key, VALUE),
        "zadd": lambda key: store.zadd("zset", {key: 1.0}),
        "lpush": lambda _: store.lpush("list", VALUE),
    }


def chunks(keys):
    return (keys[start : start + CHUNK] for start in range(0, len(keys), CHUNK))


def pipelined(open_pipeline):
    """Batch operations through a pipeline of redis-py's kind."""

    def run(keys, add):
        for chunk in chunks(keys):
            pipeline = open_pipeline()
            for key in chunk:
                add(pipeline, key)
            pipeline.execute()

    return {
        "batch set": lambda keys: run(keys, lambda pipeline, key: pipeline.set(key, VALUE)),
        "batch get": lambda keys: run(keys, lambda pipeline, key: pipeline.get(key)),
    }


def open_rkv(_):
    """rkv.open().db(0), its execute_many if it has one, else its pipeline."""
    import rkv

    database = rkv.open()
    store = database.db(0)
    if hasattr(store, "execute_many"):

        def run(keys, command):
            for chunk in chunks(keys):
                store.execute_many([command(key) for key in chunk])

        batches = {
            "batch set": lambda keys: run(keys, lambda key: ("SET", key, VALUE)),
            "batch get": lambda keys: run(keys, lambda key: ("GET", key)),
        }
    elif hasattr(store, "pipeline"):
        batches = pipelined(store.pipeline)
    else:
        batches = {}
    return Opened(redis_like(store), batches, close=getattr(database, "close", lambda: None))


def open_burner(_):
    from burner_redis import BurnerRedis

    store = BurnerRedis()

    async def run(keys, add):
        for chunk in chunks(keys):
            pipeline = store.pipeline()
            for key in chunk:
                add(pipeline, key)
            await pipeline.execute()

    batches = {
        "batch set": lambda keys: run(keys, lambda pipeline, key: pipeline.set(key, VALUE)),
        "batch get": lambda keys: run(keys, lambda pipeline, key: pipeline.get(key)),
    }
    return Opened(redis_like(store), batches, awaited=True)


def open_fakeredis(_):
    import fakeredis

    store = fakeredis.FakeRedis()
    return Opened(redis_like(store), pipelined(lambda: store.pipeline(transaction=False)))


def open_redis_py(unix_socket):
    import redis

    store = redis.Redis(unix_socket_path=unix_socket)
    return Opened(redis_like(store), pipelined(lambda: store.pipeline(transaction=False)), close=store.close)


def open_lmdb(_):
    import lmdb

    folder = tempfile.TemporaryDirectory(prefix="bench-lmdb-")
    environment = lmdb.open(folder.name, map_size=1 << 30, sync=False, writemap=True)

    def put(keys):
        with environment.begin(write=True) as transaction:
            for key in keys:
                transaction.put(key.encode(), VALUE)

    def get(keys):
        with environment.begin() as transaction:
            for key in keys:
                value = transaction.get(key.encode())
        return value

    def close():
        environment.close()
        folder.cleanup()

    operations = {"set": lambda key: put((key,)), "get": lambda key: get((key,))}
    return Opened(operations, {"batch set": put, "batch get": get}, close=close)


@dataclass(frozen=True)
class Store:
    """A store: the module it needs, how to open it, how many operations to time."""

    module: str
    open: object
    operations: int = 200_000


STORES = {
    "dict": Store("builtins", open_dict),
    "rkv": Store("rkv", open_rkv),
    "burner-redis": Store("burner_redis", open_burner),
    "fakeredis": Store("fakeredis", open_fakeredis, 20_000),
    "lmdb": Store("lmdb", open_lmdb),
    "redis-py, Unix socket": Store("redis", open_redis_py, 30_000),
}


# ------------------------------------------------------------------ the worker


async def first_operation(opened):
    """Set one key and read it back: the store is open when this is right."""
    for name in ("set", "get"):
        value = opened.operations[name]("first")
        value = await value if opened.awaited else value
    if value not in (VALUE, VALUE.decode()):
        raise ValueError(f"get after set returned {value!r}")


async def time_operation(opened, operation, keys):
    """Operations per second of one kind."""
    start = time.perf_counter()
    if opened.awaited:
        for key in keys:
            await operation(key)
    else:
        for key in keys:
            operation(key)
    return len(keys) / (time.perf_counter() - start)


async def time_batch(opened, batch, keys):
    """Operations per second in batches."""
    start = time.perf_counter()
    pending = batch(keys)
    if opened.awaited:
        await pending
    return len(keys) / (time.perf_counter() - start)


async def work(name, count, unix_socket):
    """Measure one store in this process."""
    keys = [f"key:{number:012}" for number in range(count)]
    start = time.perf_counter()
    opened = STORES[name].open(unix_socket)
    await first_operation(opened)
    result = {"open ms": (time.perf_counter() - start) * 1000, "failures": {}}
    jobs = [(kind, time_operation, action) for kind, action in opened.operations.items()]
    jobs += [(kind, time_batch, action) for kind, action in opened.batches.items()]
    for kind, timer, action in jobs:
        try:
            result[kind] = await timer(opened, action, keys)
        except Exception as error:  # whatever a store raises is its result
            result["failures"][kind] = f"{type(error).__name__}: {error}"[:120]
    opened.close()
    return result


# ------------------------------------------------------------------ the parent


def run_worker(name, count, unix_socket, cpus):
    """Measure one store in a fresh process."""
    words = [sys.executable, __file__, "--worker", name, "--operations", str(count), "--unix-socket", unix_socket]
    # What is installed has its bytecode; a checkout gets it in the first round, and is not compiled at each import.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    run = {"capture_output": True, "text": True, "timeout": WORKER_CAP_S, "env": env}
    try:
        done = subprocess.run(["taskset", "-c", cpus, *words], **run)
    except subprocess.TimeoutExpired:
        return {"failure": f"not done within {WORKER_CAP_S} s"}
    if done.returncode:
        return {"failure": (done.stderr.strip().splitlines() or ["it ended without a word"])[-1][:200]}
    return json.loads(done.stdout.splitlines()[-1])


def socket_server(stack, args, missing):
    """A Redis or Valkey for redis-py to talk to, or None."""
    failed = {}
    for spec in [spec for spec in peers.find(args)[0] if spec.name in ("redis", "valkey")]:
        server = peers.start_one(stack, spec, failed, args.server_cpus, ["--unixsocket", "{dir}/socket"])
        if server:
            return server
    missing["redis-py, Unix socket"] = "no redis-server or valkey-server to talk to"
    return None


def available(stack, args):
    """What can be measured: (names, {name: reason}, path of the socket, description of its server)."""
    missing = {
        name: "not installed" for name, store in STORES.items() if importlib.util.find_spec(store.module) is None
    }
    unix_socket = description = ""
    if "redis-py, Unix socket" not in missing:
        server = socket_server(stack, args, missing)
        if server:
            unix_socket, description = f"{server.folder}/socket", server.describe()
    return [name for name in STORES if name not in missing], missing, unix_socket, description


def measure_all(names, args, unix_socket):
    results = []
    for number in range(args.rounds):
        say(f"round {number + 1} of {args.rounds}")
        for name in peers.rotated(names, number):
            count = STORES[name].operations // (10 if args.quick else 1)
            result = run_worker(name, count, unix_socket, args.load_cpus)
            results.append({"store": name, "round": number, "operations": count} | result)
    return results


def failures(results):
    """Each failure once, for the head of the report."""
    lines = []
    for result in results:
        if "failure" in result:
            lines.append(f"**failed**: {result['store']}: {result['failure']}")
        lines += [f"{result['store']}, {kind}: **failed**, {text}" for kind, text in result.get("failures", {}).items()]
    return list(dict.fromkeys(lines))


def print_table(results, names):
    columns = ("open ms", *OPERATIONS)
    values = {
        name: {column: report.median(r.get(column) for r in results if r["store"] == name) for column in columns}
        for name in names
    }
    rows = [
        [
            name,
            report.number(values[name]["open ms"], 1),
            *(report.number(values[name][column]) for column in OPERATIONS),
        ]
        for name in names
    ]
    if "rkv" in values:
        others = [name for name in names if name not in ("rkv", "dict")]
        best = {
            column: report.best((values[name][column] for name in others), column != "open ms") for column in columns
        }
        rows.append(
            ["rkv/best but dict", *(report.number(report.ratio(values["rkv"][c], best[c]), 2) for c in columns)]
        )
    print(report.table(["store", *columns], rows))


def main():
    parser = report.parser(__doc__, rounds=3)
    peers.add_options(parser)
    parser.add_argument(
        "--worker", choices=STORES, help="measure one store in this process (used by the script itself)"
    )
    parser.add_argument("--operations", type=report.positive, default=1000, help="for --worker")
    parser.add_argument("--unix-socket", default="", help="for --worker")
    args = parser.parse_args()
    if args.worker:
        print(json.dumps(asyncio.run(work(args.worker, args.operations, args.unix_socket))))
        return 0
    peers.end_cleanly_on_signals()
    with contextlib.ExitStack() as stack:
        names, missing, unix_socket, description = available(stack, args)
        runs = len(names) * args.rounds
        report.announce(runs * (1 if args.quick else 6), runs * WORKER_CAP_S)
        results = measure_all(names, args, unix_socket)
    notes = [f"redis-py talks to {description}"] if description else []
    setting = f"64 B values, operations per second, medians of {args.rounds} rounds"
    report.head("Embedded", [*notes, *peers.notes({}, missing), setting, *failures(results)])
    print_table(results, names)
    report.save(args.json, "embedded", missing, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
