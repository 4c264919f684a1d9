"""The page `/metrics`: INFO and its like as Prometheus reads them, under the names of redis_exporter.

So dashboards and alerts made for Redis serve rkv as they are. A field of INFO that redis_exporter shows is shown, and
nothing is made up for fields that INFO does not have.
"""

from __future__ import annotations

import math
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rkv._rkv import Front, Keyspace
from rkv.errors import ResponseError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rkv._rkv import Engine

# Fields of INFO, and what redis_exporter calls those that go up and down.
GAUGES = {
    "uptime_in_seconds": "uptime_in_seconds",
    "process_id": "process_id",
    "io_threads_active": "io_threads_active",
    "connected_clients": "connected_clients",
    "blocked_clients": "blocked_clients",
    "maxclients": "max_clients",
    "tracking_clients": "tracking_clients",
    "clients_in_timeout_table": "clients_in_timeout_table",
    "pubsub_clients": "pubsub_clients",
    "watching_clients": "watching_clients",
    "total_watched_keys": "total_watched_keys",
    "total_blocking_keys": "total_blocking_keys",
    "total_blocking_keys_on_nokey": "total_blocking_keys_on_nokey",
    "client_longest_output_list": "client_longest_output_list",
    "client_biggest_input_buf": "client_biggest_input_buf",
    "client_recent_max_output_buffer": "client_recent_max_output_buffer_bytes",
    "client_recent_max_input_buffer": "client_recent_max_input_buffer_bytes",
    "allocator_active": "allocator_active_bytes",
    "allocator_allocated": "allocator_allocated_bytes",
    "allocator_resident": "allocator_resident_bytes",
    "allocator_frag_ratio": "allocator_frag_ratio",
    "allocator_frag_bytes": "allocator_frag_bytes",
    "allocator_muzzy": "allocator_muzzy_bytes",
    "allocator_rss_ratio": "allocator_rss_ratio",
    "allocator_rss_bytes": "allocator_rss_bytes",
    "used_memory": "memory_used_bytes",
    "used_memory_rss": "memory_used_rss_bytes",
    "used_memory_peak": "memory_used_peak_bytes",
    "used_memory_lua": "memory_used_lua_bytes",
    "used_memory_vm_eval": "memory_used_vm_eval_bytes",
    "used_memory_scripts_eval": "memory_used_scripts_eval_bytes",
    "used_memory_overhead": "memory_used_overhead_bytes",
    "used_memory_startup": "memory_used_startup_bytes",
    "used_memory_dataset": "memory_used_dataset_bytes",
    "number_of_cached_scripts": "number_of_cached_scripts",
    "number_of_functions": "number_of_functions",
    "number_of_libraries": "number_of_libraries",
    "used_memory_vm_functions": "memory_used_vm_functions_bytes",
    "used_memory_scripts": "memory_used_scripts_bytes",
    "used_memory_functions": "memory_used_functions_bytes",
    "used_memory_vm_total": "memory_used_vm_total",
    "maxmemory": "memory_max_bytes",
    "mem_fragmentation_ratio": "mem_fragmentation_ratio",
    "mem_fragmentation_bytes": "mem_fragmentation_bytes",
    "mem_clients_slaves": "mem_clients_slaves",
    "mem_clients_normal": "mem_clients_normal",
    "mem_cluster_links": "mem_cluster_links_bytes",
    "mem_aof_buffer": "mem_aof_buffer_bytes",
    "mem_replication_backlog": "mem_replication_backlog_bytes",
    "expired_stale_perc": "expired_stale_percentage",
    "mem_not_counted_for_evict": "mem_not_counted_for_eviction_bytes",
    "mem_total_replication_buffers": "mem_total_replication_buffers_bytes",
    "mem_overhead_db_hashtable_rehashing": "mem_overhead_db_hashtable_rehashing_bytes",
    "lazyfree_pending_objects": "lazyfree_pending_objects",
    "lazyfreed_objects": "lazyfreed_objects",
    "active_defrag_running": "active_defrag_running",
    "migrate_cached_sockets": "migrate_cached_sockets_total",
    "active_defrag_hits": "defrag_hits",
    "active_defrag_misses": "defrag_misses",
    "active_defrag_key_hits": "defrag_key_hits",
    "active_defrag_key_misses": "defrag_key_misses",
    "loading": "loading_dump_file",
    "async_loading": "async_loading",
    "rdb_changes_since_last_save": "rdb_changes_since_last_save",
    "rdb_bgsave_in_progress": "rdb_bgsave_in_progress",
    "rdb_last_save_time": "rdb_last_save_timestamp_seconds",
    "rdb_last_bgsave_status": "rdb_last_bgsave_status",
    "rdb_last_bgsave_time_sec": "rdb_last_bgsave_duration_sec",
    "rdb_current_bgsave_time_sec": "rdb_current_bgsave_duration_sec",
    "rdb_saves": "rdb_saves_total",
    "rdb_last_cow_size": "rdb_last_cow_size_bytes",
    "rdb_last_load_keys_expired": "rdb_last_load_expired_keys",
    "rdb_last_load_keys_loaded": "rdb_last_load_loaded_keys",
    "aof_enabled": "aof_enabled",
    "aof_rewrite_in_progress": "aof_rewrite_in_progress",
    "aof_rewrite_scheduled": "aof_rewrite_scheduled",
    "aof_last_rewrite_time_sec": "aof_last_rewrite_duration_sec",
    "aof_current_rewrite_time_sec": "aof_current_rewrite_duration_sec",
    "aof_last_cow_size": "aof_last_cow_size_bytes",
    "aof_current_size": "aof_current_size_bytes",
    "aof_base_size": "aof_base_size_bytes",
    "aof_pending_rewrite": "aof_pending_rewrite",
    "aof_buffer_length": "aof_buffer_length",
    "aof_rewrite_buffer_length": "aof_rewrite_buffer_length",
    "aof_pending_bio_fsync": "aof_pending_bio_fsync",
    "aof_delayed_fsync": "aof_delayed_fsync",
    "aof_last_bgrewrite_status": "aof_last_bgrewrite_status",
    "aof_last_write_status": "aof_last_write_status",
    "current_eviction_exceeded_time": "current_eviction_exceeded_time_ms",
    "pubsub_channels": "pubsub_channels",
    "pubsub_patterns": "pubsub_patterns",
    "pubsubshard_channels": "pubsubshard_channels",
    "latest_fork_usec": "latest_fork_usec",
    "tracking_total_keys": "tracking_total_keys",
    "tracking_total_items": "tracking_total_items",
    "tracking_total_prefixes": "tracking_total_prefixes",
    "instantaneous_eventloop_cycles_per_sec": "instantaneous_eventloop_cycles_per_sec",
    "instantaneous_eventloop_duration_usec": "instantaneous_eventloop_duration_usec",
    "connected_slaves": "connected_slaves",
    "repl_backlog_size": "replication_backlog_bytes",
    "repl_backlog_active": "repl_backlog_is_active",
    "repl_backlog_first_byte_offset": "repl_backlog_first_byte_offset",
    "repl_backlog_histlen": "repl_backlog_history_bytes",
    "master_repl_offset": "master_repl_offset",
    "second_repl_offset": "second_repl_offset",
    "slave_expires_tracked_keys": "slave_expires_tracked_keys",
    "slave_priority": "slave_priority",
    "sync_full": "replica_resyncs_full",
    "sync_partial_ok": "replica_partial_resync_accepted",
    "sync_partial_err": "replica_partial_resync_denied",
    "cluster_stats_messages_sent": "cluster_messages_sent_total",
    "cluster_stats_messages_received": "cluster_messages_received_total",
}
# The same for those that only rise.
COUNTERS = {
    "total_connections_received": "connections_received_total",
    "total_commands_processed": "commands_processed_total",
    "rejected_connections": "rejected_connections_total",
    "total_net_input_bytes": "net_input_bytes_total",
    "total_net_output_bytes": "net_output_bytes_total",
    "total_net_repl_input_bytes": "net_repl_input_bytes_total",
    "total_net_repl_output_bytes": "net_repl_output_bytes_total",
    "expired_subkeys": "expired_subkeys_total",
    "expired_keys": "expired_keys_total",
    "expired_time_cap_reached_count": "expired_time_cap_reached_total",
    "expire_cycle_cpu_milliseconds": "expire_cycle_cpu_time_ms_total",
    "evicted_keys": "evicted_keys_total",
    "evicted_clients": "evicted_clients_total",
    "evicted_scripts": "evicted_scripts_total",
    "total_eviction_exceeded_time": "eviction_exceeded_time_ms_total",
    "keyspace_hits": "keyspace_hits_total",
    "keyspace_misses": "keyspace_misses_total",
    "eventloop_cycles": "eventloop_cycles_total",
    "eventloop_duration_sum": "eventloop_duration_sum_usec_total",
    "eventloop_duration_cmd_sum": "eventloop_duration_cmd_sum_usec_total",
    "used_cpu_sys": "cpu_sys_seconds_total",
    "used_cpu_user": "cpu_user_seconds_total",
    "used_cpu_sys_children": "cpu_sys_children_seconds_total",
    "used_cpu_user_children": "cpu_user_children_seconds_total",
    "used_cpu_sys_main_thread": "cpu_sys_main_thread_seconds_total",
    "used_cpu_user_main_thread": "cpu_user_main_thread_seconds_total",
    "unexpected_error_replies": "unexpected_error_replies",
    "total_error_replies": "total_error_replies",
    "dump_payload_sanitizations": "dump_payload_sanitizations",
    "total_reads_processed": "total_reads_processed",
    "total_writes_processed": "total_writes_processed",
    "io_threaded_reads_processed": "io_threaded_reads_processed",
    "io_threaded_writes_processed": "io_threaded_writes_processed",
    "client_query_buffer_limit_disconnections": "client_query_buffer_limit_disconnections_total",
    "client_output_buffer_limit_disconnections": "client_output_buffer_limit_disconnections_total",
    "reply_buffer_shrinks": "reply_buffer_shrinks_total",
    "reply_buffer_expands": "reply_buffer_expands_total",
    "acl_access_denied_auth": "acl_access_denied_auth_total",
    "acl_access_denied_cmd": "acl_access_denied_cmd_total",
    "acl_access_denied_key": "acl_access_denied_key_total",
    "acl_access_denied_channel": "acl_access_denied_channel_total",
    "used_active_time_main_thread": "active_time_main_thread_seconds_total",
}
WORDS = {"ok": 1.0, "true": 1.0, "err": 0.0, "fail": 0.0, "false": 0.0}
INSTANCE = (
    "role",
    "redis_version",
    "redis_build_id",
    "redis_mode",
    "os",
    "maxmemory_policy",
    "tcp_port",
    "run_id",
    "process_id",
    "master_replid",
)
SETTINGS = ("io-threads", "maxclients", "maxmemory", "repl-backlog-size")
LOGS = ("slow", "large-request", "large-reply")
LOG_SETTINGS = (
    "commandlog-execution-slower-than",
    "commandlog-slow-execution-max-len",
    "commandlog-request-larger-than",
    "commandlog-large-request-max-len",
    "commandlog-reply-larger-than",
    "commandlog-large-reply-max-len",
)
HELP = {
    "up": "Whether the instance answers",
    "instance_info": "What the instance is",
    "start_time_seconds": "When the instance started, in seconds since 1970",
    "commands_total": "Calls of each command",
    "commands_duration_seconds_total": "Seconds spent in each command",
    "commands_rejected_calls_total": "Calls of each command that were refused before they ran",
    "commands_failed_calls_total": "Calls of each command that failed",
    "commands_latencies_usec": "Calls of each command by microseconds",
    "latency_percentiles_usec": "Microseconds that a percentage of the calls of each command did not exceed",
    "errors_total": "Error replies by their first word",
    "db_keys": "Keys in each database",
    "db_keys_expiring": "Keys with an expiry in each database",
    "db_avg_ttl_seconds": "Average time to live in each database",
}


class Page:
    """Families of samples, each with its type, in the order in which they came."""

    def __init__(self) -> None:
        self._families: dict[str, tuple[str, list[str]]] = {}

    def add(self, name: str, value: float, kind: str = "gauge", labels: Mapping[str, str] | None = None) -> None:
        """A sample of its own."""
        self._part(name, "", value, kind, labels or {})

    def summary(self, name: str, label: str, quantiles: Mapping[float, float], count: float, total: float) -> None:
        """Quantiles of a command, how many calls they are of, and their sum."""
        for quantile, value in sorted(quantiles.items()):
            self._part(name, "", value, "summary", {"cmd": label, "quantile": shown(quantile)})
        self._part(name, "_sum", total, "summary", {"cmd": label})
        self._part(name, "_count", count, "summary", {"cmd": label})

    def histogram(self, name: str, label: str, buckets: Mapping[int, int], count: int, total: float) -> None:
        """Calls of a command up to each bound, all of them, and their sum."""
        for bound, calls in sorted(buckets.items()):
            self._part(name, "_bucket", calls, "histogram", {"cmd": label, "le": shown(bound)})
        self._part(name, "_bucket", count, "histogram", {"cmd": label, "le": "+Inf"})
        self._part(name, "_sum", total, "histogram", {"cmd": label})
        self._part(name, "_count", count, "histogram", {"cmd": label})

    def _part(self, name: str, suffix: str, value: float, kind: str, labels: Mapping[str, str]) -> None:
        _, samples = self._families.setdefault(name, (kind, []))
        inside = ",".join(f'{label}="{escaped(text)}"' for label, text in labels.items())
        braced = f"{{{inside}}}" if inside else ""
        samples.append(f"redis_{name}{suffix}{braced} {shown(value)}")

    def encode(self) -> bytes:
        """The page."""
        lines = []
        for name, (kind, samples) in self._families.items():
            lines += [
                f"# HELP redis_{name} {HELP.get(name, f'{name} metric')}",
                f"# TYPE redis_{name} {kind}",
                *samples,
            ]
        return "\n".join([*lines, ""]).encode()


def escaped(text: str) -> str:
    """A label's value."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def shown(value: float) -> str:
    """A number as Go writes it: the fewest digits that mean it, with an exponent from a million on.

    Bounds of buckets are labels, so that they must be spelled like those of redis_exporter.
    """
    sign, digits, exponent = Decimal(repr(float(value))).normalize().as_tuple()
    assert isinstance(exponent, int), "figures are finite"
    power = len(digits) + exponent - 1
    if -5 < power < 6 or not any(digits):
        return f"{Decimal((sign, digits, exponent)):f}"
    mantissa = "".join(map(str, digits))
    point = f".{mantissa[1:]}" if len(mantissa) > 1 else ""
    return f"{'-' if sign else ''}{mantissa[0]}{point}e{'-' if power < 0 else '+'}{abs(power):02}"


def sections_of(info: str) -> Iterator[tuple[str, str, str]]:
    """Section, field and value of each line of INFO."""
    section = ""
    for line in info.splitlines():
        if line.startswith("# "):
            section = line[2:]
        elif ":" in line:
            name, _, value = line.partition(":")
            yield section, name, value


def parts_of(value: str) -> dict[str, float]:
    """`calls=1,usec=2` as a mapping."""
    pairs = (part.partition("=") for part in value.split(","))
    return {name: float(number) for name, _, number in pairs}


def number(value: str) -> float | None:
    """A field's value, if it is a number or means one."""
    if value in WORDS:
        return WORDS[value]
    try:
        figure = float(value)
    except ValueError:
        return None
    return figure if math.isfinite(figure) else None


class Metrics:
    """Makes the page from an engine. Each call asks it a few commands; not to be called by two threads at a time."""

    def __init__(self, engine: Engine) -> None:
        self._front = Front(engine)
        self._keyspace: Keyspace[str] = Keyspace(engine, 0, text=True)

    def page(self) -> bytes:
        """The whole page."""
        page = Page()
        page.add("up", 1.0)
        info = str(self._keyspace.execute("INFO", "all"))
        self._write_info(page, info)
        self._write_settings(page)
        self._write_latency(page, info)
        self._write_logs(page)
        return page.encode()

    def _ask(self, *words: str | int) -> Any:
        """A reply, or None where there is an error, such as while the data is being loaded."""
        try:
            return self._keyspace.execute(*words)
        except ResponseError:
            return None

    def _write_info(self, page: Page, info: str) -> None:
        fields: dict[str, str] = {}
        for section, name, value in sections_of(info):
            fields[name] = value
            if section == "Keyspace":
                write_database(page, name, parts_of(value))
            elif section == "Commandstats":
                write_command(page, name.removeprefix("cmdstat_"), parts_of(value))
            elif section == "Errorstats":
                count = parts_of(value)["count"]
                page.add("errors_total", count, "counter", {"err": name.removeprefix("errorstat_")})
            elif section != "Latencystats":
                write_field(page, name, value)
        for name in ("hz", "configured_hz"):
            if name in fields:
                page.add(name, float(fields[name]))
        page.add("start_time_seconds", int(time.time()) - float(fields["uptime_in_seconds"]))
        page.add("instance_info", 1.0, labels={name: fields.get(name, "") for name in INSTANCE})

    def _write_settings(self, page: Page) -> None:
        for name in SETTINGS:
            page.add(f"config_{name.replace('-', '_')}", float(self._front.setting(name)))
        for name in LOG_SETTINGS:
            page.add(name.replace("-", "_"), float(self._front.setting(name)))
        words = self._front.setting("client-output-buffer-limit").split()
        for group, hard, soft, seconds in zip(*[iter(words)] * 4, strict=True):
            for limit, value in (("hard", hard), ("soft", soft)):
                labels = {"class": group, "limit": limit}
                page.add("config_client_output_buffer_limit_bytes", float(value), labels=labels)
            labels = {"class": group, "limit": "soft"}
            page.add("config_client_output_buffer_limit_overcome_seconds", float(seconds), labels=labels)

    def _write_latency(self, page: Page, info: str) -> None:
        for event in self._ask("LATENCY", "LATEST") or ():
            name, at, last_ms = str(event[0]), event[1], event[2]
            page.add("latency_spike_last", float(at), labels={"event_name": name})
            page.add("latency_spike_duration_seconds", float(last_ms) / 1000, labels={"event_name": name})
        calls = {
            name.removeprefix("cmdstat_"): parts_of(value)
            for section, name, value in sections_of(info)
            if section == "Commandstats"
        }
        for section, name, value in sections_of(info):
            command = name.removeprefix("latency_percentiles_usec_")
            if section == "Latencystats" and command in calls:
                quantiles = {float(percent[1:]): usec for percent, usec in parts_of(value).items()}
                of = calls[command]
                page.summary("latency_percentiles_usec", command, quantiles, of["calls"], of["usec"])
        for command, details in pairs(self._ask("LATENCY", "HISTOGRAM")):
            told = dict(pairs(details))
            buckets = {int(bound): int(count) for bound, count in pairs(told["histogram_usec"])}
            usec = sum(of["usec"] for name, of in calls.items() if name.split("|")[0] == command or name == command)
            page.histogram("commands_latencies_usec", str(command), buckets, int(told["calls"]), usec)

    def _write_logs(self, page: Page) -> None:
        page.add("slowlog_length", float(self._ask("SLOWLOG", "LEN") or 0))
        last: Sequence[Any] = self._ask("SLOWLOG", "GET", 1) or ()
        page.add("slowlog_last_id", float(last[0][0]) if last else 0.0)
        page.add("last_slow_execution_duration_seconds", float(last[0][2]) / 1e6 if last else 0.0)
        for log in LOGS:
            length = self._ask("COMMANDLOG", "LEN", log)
            if length is not None:
                page.add(f"commandlog_{log.replace('-', '_')}_length", float(length))


def pairs(reply: Any) -> list[tuple[Any, Any]]:
    """A map, whether it came as one or as a flat list."""
    if isinstance(reply, dict):
        return list(reply.items())
    flat = reply or []
    return list(zip(flat[::2], flat[1::2], strict=True))


def write_field(page: Page, name: str, value: str) -> None:
    """A field of INFO that has a metric of its own."""
    is_counter = name in COUNTERS
    metric = COUNTERS.get(name) or GAUGES.get(name)
    figure = number(value)
    if metric is None or figure is None:
        return
    if metric == "latest_fork_usec":
        metric, figure = "latest_fork_seconds", figure / 1e6
    page.add(metric, figure, "counter" if is_counter else "gauge")


def write_database(page: Page, name: str, parts: Mapping[str, float]) -> None:
    """The figures of a database."""
    page.add("db_keys", parts["keys"], labels={"db": name})
    page.add("db_keys_expiring", parts["expires"], labels={"db": name})
    page.add("db_avg_ttl_seconds", parts["avg_ttl"] / 1000, labels={"db": name})


def write_command(page: Page, name: str, parts: Mapping[str, float]) -> None:
    """The figures of a command."""
    labels = {"cmd": name}
    page.add("commands_total", parts["calls"], "counter", labels)
    page.add("commands_duration_seconds_total", parts["usec"] / 1e6, "counter", labels)
    page.add("commands_rejected_calls_total", parts["rejected_calls"], "counter", labels)
    page.add("commands_failed_calls_total", parts["failed_calls"], "counter", labels)
