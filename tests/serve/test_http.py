"""The pages over HTTP: what they say, in which format, under which names, and to whom."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from support import servers
from support.program import connect
from support.resp import Connection, Error, Simple

if TYPE_CHECKING:
    from support.program import Program, Starter

# INFO's field, the metric of redis_exporter 1.80 without `redis_`, and its type.
NAMES = [
    line.split("\t") for line in (Path(__file__).parent.parent / "data" / "redis_exporter.tsv").read_text().splitlines()
]
# Fields that change while the page is made, or because it is made.
RESTLESS = re.compile(
    r"used_cpu_|total_net_|total_reads_|total_writes_|used_memory|allocator_|mem_|instantaneous_|uptime|total_commands|lazyfree|rdb_changes"
)
# Metrics that redis_exporter computes from something else than one field.
OTHERS = {
    "redis_up": "gauge",
    "redis_hz": "gauge",
    "redis_configured_hz": "gauge",
    "redis_instance_info": "gauge",
    "redis_start_time_seconds": "gauge",
    "redis_latest_fork_seconds": "gauge",
    "redis_commands": "counter",
    "redis_commands_duration_seconds": "counter",
    "redis_commands_rejected_calls": "counter",
    "redis_commands_failed_calls": "counter",
    "redis_commands_latencies_usec": "histogram",
    "redis_latency_percentiles_usec": "summary",
    "redis_latency_spike_last": "gauge",
    "redis_latency_spike_duration_seconds": "gauge",
    "redis_errors": "counter",
    "redis_db_keys": "gauge",
    "redis_db_keys_expiring": "gauge",
    "redis_db_avg_ttl_seconds": "gauge",
    "redis_slowlog_length": "gauge",
    "redis_slowlog_last_id": "gauge",
    "redis_last_slow_execution_duration_seconds": "gauge",
    "redis_config_io_threads": "gauge",
    "redis_config_maxclients": "gauge",
    "redis_config_maxmemory": "gauge",
    "redis_config_repl_backlog_size": "gauge",
    "redis_config_client_output_buffer_limit_bytes": "gauge",
    "redis_config_client_output_buffer_limit_overcome_seconds": "gauge",
    "redis_commandlog_slow_length": "gauge",
    "redis_commandlog_large_request_length": "gauge",
    "redis_commandlog_large_reply_length": "gauge",
    "redis_commandlog_execution_slower_than": "gauge",
    "redis_commandlog_slow_execution_max_len": "gauge",
    "redis_commandlog_request_larger_than": "gauge",
    "redis_commandlog_large_request_max_len": "gauge",
    "redis_commandlog_reply_larger_than": "gauge",
    "redis_commandlog_large_reply_max_len": "gauge",
}
LINE = re.compile(
    r'(# (HELP|TYPE) redis_[a-z0-9_]+ .+|redis_[a-z0-9_]+(\{([a-z_]+="([^"\\\n]|\\.)*",?)+\})? -?[0-9][0-9.e+-]*)'
)


def ask(port: int, data: bytes, host: str = servers.HOST) -> tuple[int, dict[str, str], bytes]:
    """Status, fields and body of the answer, after which the connection must end."""
    with socket.create_connection((host, port), 20) as peer:
        peer.sendall(data)
        received = b"".join(iter(lambda: peer.recv(65536), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    version, status, _ = first.split(" ", 2)
    assert version == "HTTP/1.1"
    fields = dict(line.split(": ", 1) for line in lines)
    assert fields["Connection"] == "close"
    return int(status), fields, body


def get(port: int, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    return ask(port, f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())


@pytest.fixture
def pages(start: Starter) -> tuple[Program, int, int]:
    """A server, its port, and that of its pages."""
    port = servers.free_port()
    program, main = start.serving("--http-port", str(port), "--latency-monitor-threshold", "1")
    return program, main, port


def fields_of(connection: Connection) -> dict[str, str]:
    text = connection.call("INFO", "all").data.decode()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def busy(connection: Connection) -> None:
    """Leave traces in everything that is shown."""
    connection.call("SET", "k", "secret-value")
    connection.call("SET", "e", "x", "EX", "100")
    connection.call("GET", "secret-key")
    connection.call("NOSUCH")
    connection.call("LPUSH", "k", "x")
    connection.call("CONFIG", "SET", "slowlog-log-slower-than", "0")
    connection.call("GET", "secret-key")
    connection.call("SELECT", "3")
    connection.call("SET", "k", "x")


def test_the_format_is_strict(pages: tuple[Program, int, int]) -> None:
    _, main, port = pages
    with connect(main) as connection:
        busy(connection)
        status, fields, body = get(port, "/metrics")
    assert status == 200
    assert fields["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert int(fields["Content-Length"]) == len(body)
    text = body.decode()
    assert text.endswith("\n")
    assert [line for line in text.splitlines() if not LINE.fullmatch(line)] == []
    families = list(text_string_to_metric_families(text))
    assert len({family.name for family in families}) == len(families)
    samples = [(sample.name, tuple(sample.labels.items())) for family in families for sample in family.samples]
    assert len(set(samples)) == len(samples)
    assert all(family.type != "unknown" for family in families)
    for family in families:
        if family.type == "histogram":
            check_histogram(family)
    assert "secret" not in text


def check_histogram(family: object) -> None:
    """Buckets rise, and the last one has all."""
    last: dict[str, float] = {}
    for sample in family.samples:
        command = sample.labels["cmd"]
        if sample.name.endswith("_bucket"):
            assert sample.value >= last.get(command, 0)
            last[command] = sample.value
        elif sample.name.endswith("_count"):
            assert sample.value == last[command]


def test_names_and_values_are_those_of_redis_exporter(pages: tuple[Program, int, int]) -> None:
    _, main, port = pages
    with connect(main) as connection:
        busy(connection)
        info = fields_of(connection)
        families = {each.name: each for each in text_string_to_metric_families(get(port, "/metrics")[2].decode())}
    covered = set()
    for field, metric, kind in NAMES:
        if field not in info or field == "latest_fork_usec":
            continue
        # The parser names a counter without the end that all counters have in a newer format.
        name = f"redis_{metric}".removesuffix("_total") if kind == "counter" else f"redis_{metric}"
        assert name in families, f"{field} of INFO is not shown as redis_{metric}"
        family = families[name]
        assert family.type == kind, metric
        (sample,) = family.samples
        assert sample.name in {f"redis_{metric}", f"redis_{metric}_total"}
        covered.add(name)
        if not RESTLESS.match(field):
            value = {"ok": 1.0, "err": 0.0}.get(info[field])
            assert sample.value == (float(info[field]) if value is None else value), field
    assert len(covered) > 90
    known = covered | set(OTHERS)
    assert {name for name in families if name not in known} == set()
    for name, kind in OTHERS.items():
        if name in families:
            assert families[name].type == kind, name
    unseen = set(OTHERS) - set(families)
    assert unseen <= {"redis_latency_spike_last", "redis_latency_spike_duration_seconds"}


def test_figures_of_commands_databases_and_the_instance(pages: tuple[Program, int, int]) -> None:
    _, main, port = pages
    with connect(main) as connection:
        busy(connection)
        info = fields_of(connection)
        text = get(port, "/metrics")[2].decode()
    samples = {
        (sample.name, tuple(sample.labels.values())): sample
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["redis_commands_total", ("set",)].value == 3
    assert samples["redis_commands_failed_calls_total", ("lpush",)].value == 1
    usec = float(re.search(r"usec=(\d+)", info["cmdstat_set"])[1])
    assert samples["redis_commands_duration_seconds_total", ("set",)].value == pytest.approx(usec / 1e6)
    assert samples["redis_latency_percentiles_usec_count", ("set",)].value == 3
    assert samples["redis_latency_percentiles_usec_sum", ("set",)].value == usec
    shown = dict(part[1:].split("=") for part in info["latency_percentiles_usec_set"].split(","))
    for percent, value in shown.items():
        assert samples["redis_latency_percentiles_usec", ("set", percent)].value == float(value)
    assert samples["redis_commands_latencies_usec_count", ("set",)].value == 3
    assert samples["redis_commands_latencies_usec_bucket", ("set", "+Inf")].value == 3
    assert samples["redis_errors_total", ("ERR",)].value == int(info["errorstat_ERR"].split("=")[1])
    assert samples["redis_errors_total", ("WRONGTYPE",)].value == 1
    assert samples["redis_db_keys", ("db0",)].value == 2
    assert samples["redis_db_keys_expiring", ("db0",)].value == 1
    assert samples["redis_db_keys", ("db3",)].value == 1
    assert 0 < samples["redis_db_avg_ttl_seconds", ("db0",)].value <= 100
    assert samples["redis_slowlog_length", ()].value > 0
    assert samples["redis_start_time_seconds", ()].value == pytest.approx(
        time.time() - float(info["uptime_in_seconds"]), abs=3
    )
    (instance,) = (sample for (name, _), sample in samples.items() if name == "redis_instance_info")
    for label in ("redis_version", "run_id", "role", "os", "tcp_port", "process_id", "redis_mode", "maxmemory_policy"):
        assert instance.labels[label] == info[label]
    labels = {"class": "pubsub", "limit": "hard"}
    assert samples["redis_config_client_output_buffer_limit_bytes", tuple(labels.values())].value == 33554432


def test_health_and_readiness(pages: tuple[Program, int, int]) -> None:
    _, _, port = pages
    assert get(port, "/healthz")[::2] == (200, b"ok\n")
    assert get(port, "/readyz")[::2] == (200, b"ok\n")
    assert get(port, "/readyz?verbose=1")[::2] == (200, b"ok\n")
    status, fields, body = get(port, "/healthz", "HEAD")
    assert (status, fields["Content-Length"], body) == (200, "3", b"")
    assert get(port, "/")[0] == 404
    assert get(port, "/metrics/")[0] == 404


def test_not_ready_while_the_data_is_loaded(start: Starter, tmp_path: Path) -> None:
    first, main = start.serving("--dir", str(tmp_path), "--save", "")
    with connect(main) as connection:
        for number in range(400):
            connection.call("SET", f"k{number}", "v")
        assert connection.call("SAVE") == Simple(b"OK")
    assert first.stop() == 0
    port, main = servers.free_port(), servers.free_port()
    words = ["--dir", str(tmp_path), "--save", "", "--key-load-delay", "10000"]
    program = start("--port", str(main), "--http-port", str(port), *words)
    program.await_log("Running in standalone mode")
    with_retries(lambda: get(port, "/healthz")[0] == 200)
    status, _, body = get(port, "/readyz")
    assert status == 503
    assert b"loading the dataset in memory" in body
    assert get(port, "/healthz")[0] == 200
    families = {each.name: each for each in text_string_to_metric_families(get(port, "/metrics")[2].decode())}
    assert families["redis_loading_dump_file"].samples[0].value == 1
    program.ready()
    assert get(port, "/readyz")[0] == 200


def with_retries(condition: object) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            if condition():
                return
        except OSError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_not_ready_while_writes_are_refused(start: Starter, tmp_path: Path) -> None:
    port = servers.free_port()
    folder = tmp_path / "data"
    folder.mkdir()
    _, main = start.serving("--dir", str(folder), "--http-port", str(port), "--save", "3600 1")
    with connect(main) as connection:
        assert connection.call("SET", "k", "v") == Simple(b"OK")
        # A directory in the place of the file cannot be replaced by it.
        (folder / "dump.rdb").mkdir()
        (folder / "dump.rdb" / "something").touch()
        assert isinstance(connection.call("SAVE"), Error)
        connection.call("BGSAVE")
        with_retries(lambda: get(port, "/readyz")[0] == 503)
        assert b"MISCONF" in get(port, "/readyz")[2] or b"unable to persist" in get(port, "/readyz")[2]
        assert get(port, "/healthz")[0] == 200
        assert b"redis_rdb_last_bgsave_status 0\n" in get(port, "/metrics")[2]
        connection.call("CONFIG", "SET", "stop-writes-on-bgsave-error", "no")
        with_retries(lambda: get(port, "/readyz")[0] == 200)


def test_not_ready_while_it_stops(pages: tuple[Program, int, int]) -> None:
    program, main, port = pages
    with connect(main) as connection:
        connection.call("SET", "large", "x" * 1_000_000)
    from support.program import unread
    from support.resp import encode

    # A peer that does not take its replies holds up the end.
    with unread(main, encode("GET", "large") * 200):
        program.process.terminate()
        program.await_log("User requested shutdown")
        with_retries(lambda: get(port, "/readyz")[0] == 503)
        assert b"shutting down" in get(port, "/readyz")[2]
    assert program.wait() == 0


GOOD = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
        (GOOD + b"Accept: */*\r\nContent-Length: 0\r\n\r\n", 200),
        (b"POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
        (GOOD + b"Host: y\r\n\r\n", 400),
        (GOOD + b"Content-Length: 5\r\n\r\nhello", 400),
        (GOOD + b"Transfer-Encoding: chunked\r\n\r\n", 400),
        (GOOD + b" folded: yes\r\n\r\n", 400),
        (GOOD + b"no colon\r\n\r\n", 400),
        (GOOD + b"Name : x\r\n\r\n", 400),
        (GOOD + b"Bell: \x07\r\n\r\n", 400),
        (GOOD + b"High: \xff\r\n\r\n", 400),
        (b"GET  /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET healthz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET http://x/healthz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /healthz\r\n\r\n", 400),
        (b"GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"\x16\x03\x01\x00\r\n\r\n", 400),
        (b"*1\r\n$4\r\nPING\r\n\r\n", 400),
        (GOOD + b"Long: " + b"x" * 9000 + b"\r\n\r\n", 431),
        (b"x" * 20_000, 431),
    ],
)
def test_requests(pages: tuple[Program, int, int], data: bytes, status: int) -> None:
    _, _, port = pages
    assert ask(port, data)[0] == status
    assert get(port, "/healthz")[0] == 200


def test_slow_and_many_peers(pages: tuple[Program, int, int]) -> None:
    _, main, port = pages
    held = [socket.create_connection((servers.HOST, port), 20) for _ in range(31)]
    for peer in held:
        peer.sendall(b"GET /healthz HTTP/1.1\r\n")
    assert get(port, "/healthz")[0] == 200
    # One more than there is room for is closed; clients of the store are not concerned.
    held += [socket.create_connection((servers.HOST, port), 20) for _ in range(40)]
    with connect(main) as connection:
        assert connection.call("PING") == Simple(b"PONG")
    started = time.monotonic()
    assert held[0].recv(4096).startswith(b"HTTP/1.1 408 ")
    assert 2 < time.monotonic() - started < 15
    for peer in held:
        peer.close()
    with_retries(lambda: get(port, "/healthz")[0] == 200)


def test_scrapes_beside_work(pages: tuple[Program, int, int]) -> None:
    _, main, port = pages
    failures: list[object] = []

    def scrape() -> None:
        for _ in range(10):
            status, _, body = get(port, "/metrics")
            if status != 200 or not body.startswith(b"# HELP redis_up"):
                failures.append(body)

    threads = [threading.Thread(target=scrape) for _ in range(4)]
    for thread in threads:
        thread.start()
    with connect(main) as connection:
        for number in range(2000):
            connection.call("INCR", f"n{number % 7}")
    for thread in threads:
        thread.join()
    assert failures == []


def test_only_loopback_unless_told(start: Starter) -> None:
    import subprocess

    listed = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=False).stdout.split()
    addresses = [address for address in listed if "." in address and not address.startswith("127.")]
    if not addresses:
        pytest.skip("this machine has no address besides loopback")
    port = servers.free_port()
    data = b"GET /healthz HTTP/1.0\r\n\r\n"
    words = ["--port", str(servers.free_port()), "--bind", "0.0.0.0", "--http-port", str(port)]
    first = start(*words).ready()
    assert ask(port, data)[0] == 200
    with pytest.raises(ConnectionRefusedError):
        ask(port, data, addresses[0])
    assert first.stop() == 0
    start(*words, "--http-bind", "0.0.0.0").ready()
    assert ask(port, data, addresses[0])[0] == 200


def test_a_taken_port_is_told(start: Starter) -> None:
    with socket.socket() as taken:
        taken.bind((servers.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        program = start("--port", str(servers.free_port()), "--http-port", str(port), "--http-bind", servers.HOST)
        assert program.wait() == 78
    assert f"Failed listening on port {port} (HTTP), aborting." in program.log()


def test_off_by_default(start: Starter) -> None:
    _, main = start.serving()
    with connect(main) as connection:
        found = connection.call("CONFIG", "GET", "http-*")
    assert json.dumps([item.data.decode() for item in found.items]) == json.dumps(
        ["http-bind", "127.0.0.1 -::1", "http-port", "0"]
    )
