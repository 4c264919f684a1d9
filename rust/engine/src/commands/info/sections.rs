//! The sections of INFO, in order.

use std::sync::atomic::Ordering;

use super::{Report, Section, Text, human};
use crate::REDIS_VERSION;
use crate::client::Kind;
use crate::config::options;
use crate::handler::ratio;
use crate::observe::{CommandStat, Count, CpuTimes};
use crate::persist::aof::State;
use crate::persist::{Progress, Refusal, Work};

const fn section(
    name: &'static str,
    title: &'static str,
    in_default: bool,
    write: fn(&Report<'_>, &mut Text),
) -> Section {
    Section { name, title, in_default, write }
}

pub(super) const SECTIONS: &[Section] = &[
    section("server", "Server", true, server),
    section("clients", "Clients", true, clients),
    section("memory", "Memory", true, memory),
    section("persistence", "Persistence", true, persistence),
    section("stats", "Stats", true, stats),
    section("replication", "Replication", true, replication),
    section("cpu", "CPU", true, cpu),
    section("modules", "Modules", true, nothing),
    section("commandstats", "Commandstats", false, commandstats),
    section("errorstats", "Errorstats", true, errorstats),
    section("latencystats", "Latencystats", false, latencystats),
    section("cluster", "Cluster", true, cluster),
    section("keyspace", "Keyspace", true, keyspace),
    section("keysizes", "Keysizes", false, keysizes),
];

/// There are no modules.
fn nothing(_: &Report<'_>, _: &mut Text) {}

fn server(report: &Report<'_>, text: &mut Text) {
    let (store, process) = (report.store, report.store.process());
    let config = store.config();
    text.field("redis_version", REDIS_VERSION);
    text.field("server_name", "rkv");
    text.field("rkv_version", env!("CARGO_PKG_VERSION"));
    text.fields(&[("redis_git_sha1", "00000000"), ("redis_git_dirty", "0")]);
    text.field("redis_build_id", format_args!("{:016x}", build_id()));
    text.field("redis_mode", "standalone");
    text.field("os", process.system());
    text.field("arch_bits", usize::BITS);
    text.fields(&[("monotonic_clock", "POSIX clock_gettime"), ("multiplexing_api", "epoll")]);
    text.field("process_id", std::process::id());
    text.field("process_supervised", config.get(options::SUPERVISED));
    text.field("run_id", &store.run_id);
    // A store inside a program has a port in its configuration all the same.
    let is_served = store.can_shutdown();
    let port = [options::PORT, options::TLS_PORT].map(|port| config.get(port)).into_iter().find(|port| *port != 0);
    text.field("tcp_port", port.filter(|_| is_served).unwrap_or(0));
    text.field("server_time_usec", store.clock.unix_us());
    let uptime_s = report.now_ms.saturating_sub(store.started_ms).max(0) / 1000;
    text.field("uptime_in_seconds", uptime_s);
    text.field("uptime_in_days", uptime_s / 86_400);
    text.field("hz", config.get(options::HZ));
    text.field("configured_hz", config.get(options::HZ));
    text.field("lru_clock", (report.now_ms / 1000) & 0xFF_FFFF);
    if let Some(executable) = process.executable() {
        text.field("executable", executable);
    }
    let file = store.config_file().map(|path| path.display().to_string());
    text.field("config_file", file.unwrap_or_else(|| process.config_file()));
    text.field("io_threads_active", u8::from(config.get(options::IO_THREADS) > 0));
    if is_served {
        listeners(report, text);
    }
}

/// Tells versions apart, as `redis_build_id` does: FNV-1a of the version's name.
const fn build_id() -> u64 {
    let (name, mut hash, mut at) = (env!("CARGO_PKG_VERSION").as_bytes(), 0xCBF2_9CE4_8422_2325_u64, 0);
    while at < name.len() {
        hash = (hash ^ name[at] as u64).wrapping_mul(0x0100_0000_01B3);
        at += 1;
    }
    hash
}

fn listeners(report: &Report<'_>, text: &mut Text) {
    let config = report.store.config();
    let mut lines = Vec::new();
    let mut binds = String::new();
    for bind in config.get(options::BIND) {
        binds.push_str("bind=");
        binds.push_str(&String::from_utf8_lossy(bind));
        binds.push(',');
    }
    let add_port = |name: &str, port: i64, lines: &mut Vec<String>| {
        if port != 0 {
            lines.push(format!("name={name},{binds}port={port}"));
        }
    };
    add_port("tcp", config.get(options::PORT), &mut lines);
    let path = config.get(options::UNIXSOCKET);
    if !path.is_empty() {
        lines.push(format!("name=unix,bind={}", String::from_utf8_lossy(path)));
    }
    add_port("tls", config.get(options::TLS_PORT), &mut lines);
    for (number, line) in lines.iter().enumerate() {
        text.field(&format!("listener{number}"), line);
    }
}

fn clients(report: &Report<'_>, text: &mut Text) {
    let links = report.store.clients.all();
    let waiting = links.iter().filter(|link| link.is_blocked()).count();
    let paused = report.store.pause.left(report.store.clock.monotonic_us());
    let watched: Vec<usize> = links.iter().map(|link| link.flags.watching.load(Ordering::Relaxed)).collect();
    text.field("connected_clients", report.store.clients.connected());
    text.field("cluster_connections", 0);
    text.field("maxclients", report.store.config().get(options::MAXCLIENTS));
    text.field("client_recent_max_input_buffer", report.usage.client_max.0);
    text.field("client_recent_max_output_buffer", report.usage.client_max.1);
    text.field("blocked_clients", waiting);
    text.field("tracking_clients", report.store.pubsub.trackers.count());
    text.field("pubsub_clients", links.iter().filter(|link| link.is_subscribed()).count());
    text.field("watching_clients", watched.iter().filter(|keys| **keys > 0).count());
    text.field("clients_in_timeout_table", 0);
    text.field("total_watched_keys", watched.iter().sum::<usize>());
    let blocking = report.shards.blocking_keys;
    text.fields(&[("total_blocking_keys", blocking), ("total_blocking_keys_on_nokey", 0)]);
    let (reason, actions) = match paused {
        None => ("none", "none"),
        Some((true, _)) => ("client_pause", "all"),
        Some((false, _)) => ("client_pause", "write"),
    };
    text.fields(&[("paused_reason", reason), ("paused_actions", actions)]);
    text.field("paused_timeout_milliseconds", paused.map_or(0, |(_, left_us)| left_us / 1000));
}

fn memory(report: &Report<'_>, text: &mut Text) {
    let (usage, store) = (&report.usage, report.store);
    let process = store.process();
    text.bytes("used_memory", usage.used);
    if let Some(resident) = usage.resident {
        text.bytes("used_memory_rss", resident);
    }
    text.bytes("used_memory_peak", usage.peak);
    text.field("used_memory_peak_perc", format_args!("{:.2}%", usage.peak_percent()));
    text.field("used_memory_overhead", usage.overhead);
    text.field("used_memory_startup", 0);
    text.field("used_memory_dataset", usage.dataset());
    text.field("used_memory_dataset_perc", format_args!("{:.2}%", usage.dataset_percent()));
    text.field("allocator_allocated", usage.data);
    text.field("allocator_active", usage.reserved);
    if let Some(resident) = usage.resident {
        text.field("allocator_resident", resident);
    }
    if let Some(bytes) = process.system_memory_bytes() {
        text.bytes("total_system_memory", bytes);
    }
    scripts(text);
    text.bytes("maxmemory", store.settings.maxmemory());
    text.field("maxmemory_policy", store.config().get(options::MAXMEMORY_POLICY));
    text.field("allocator_frag_ratio", format_args!("{:.2}", ratio(usage.reserved, usage.data)));
    text.field("allocator_frag_bytes", usage.reserved.saturating_sub(usage.data));
    if let Some(resident) = usage.resident {
        // The allocator does not tell what it holds of what is resident: all of it.
        text.field("allocator_rss_ratio", format_args!("{:.2}", ratio(resident, usage.reserved)));
        text.field("allocator_rss_bytes", resident as i64 - usage.reserved as i64);
        text.fields(&[("rss_overhead_ratio", "1.00"), ("rss_overhead_bytes", "0")]);
        text.field("mem_fragmentation_ratio", format_args!("{:.2}", ratio(resident, usage.used)));
        text.field("mem_fragmentation_bytes", resident as i64 - usage.used as i64);
    }
    // Buffers of clients are not part of what `maxmemory` limits.
    text.field("mem_not_counted_for_evict", usage.clients);
    text.field("mem_replication_backlog", 0);
    text.fields(&[("mem_total_replication_buffers", 0), ("mem_replicas_repl_buffer", 0)]);
    text.field("mem_clients_slaves", 0);
    text.field("mem_clients_normal", usage.clients);
    text.field("mem_cluster_links", 0);
    text.field("mem_aof_buffer", 0);
    text.field("mem_overhead_db_hashtable_rehashing", 0);
    text.field("mem_allocator", process.allocator());
    text.field("active_defrag_running", 0);
    text.field("lazyfree_pending_objects", store.lazyfree.pending());
    text.field("lazyfreed_objects", store.lazyfree.freed());
}

/// There are none yet, and tools add these up.
fn scripts(text: &mut Text) {
    text.fields(&[("used_memory_lua", 0), ("used_memory_vm_eval", 0)]);
    text.field("used_memory_lua_human", human(0));
    text.fields(&[("used_memory_scripts_eval", 0), ("number_of_cached_scripts", 0), ("number_of_functions", 0)]);
    text.fields(&[("number_of_libraries", 0), ("used_memory_vm_functions", 0)]);
    text.bytes("used_memory_vm_total", 0);
    text.field("used_memory_functions", 0);
    text.bytes("used_memory_scripts", 0);
}

fn persistence(report: &Report<'_>, text: &mut Text) {
    let persist = &report.store.persist;
    let (status, saving) = (persist.status(), &persist.saving);
    let is_saving = status.work == Some(Work::BackgroundSave);
    // The figures of what is under way are those of the file that is written now.
    let now = |figure: u64| if status.work.is_some() { figure } else { 0 };
    let loading_ms = status.loading_ms.filter(|_| persist.refusals.has(Refusal::Loading));
    text.field("loading", u8::from(persist.refusals.has(Refusal::Loading)));
    text.field("async_loading", 0);
    text.field("current_cow_peak", now(saving.captured_peak_bytes()));
    text.field("current_cow_size", now(saving.captured_bytes()));
    text.field("current_cow_size_age", 0);
    text.field("current_fork_perc", format_args!("{:.2}", if status.work.is_some() { saving.percent() } else { 0.0 }));
    text.field("current_save_keys_processed", now(saving.done()));
    text.field("current_save_keys_total", now(saving.total()));
    text.field("rdb_changes_since_last_save", report.shards.changes.saturating_sub(status.saved_changes));
    text.field("rdb_bgsave_in_progress", u8::from(is_saving));
    text.field("rdb_last_save_time", status.saved_ms.div_euclid(1_000));
    text.field("rdb_last_bgsave_status", if status.is_ok { "ok" } else { "err" });
    text.field("rdb_last_bgsave_time_sec", status.took_s.unwrap_or(-1));
    let current_s = report.now_ms.saturating_sub(status.began_ms).max(0) / 1_000;
    text.field("rdb_current_bgsave_time_sec", if is_saving { current_s } else { -1 });
    text.field("rdb_saves", status.saves);
    text.field("rdb_last_cow_size", status.captured_bytes);
    text.field("rdb_last_load_keys_expired", status.expired_keys);
    text.field("rdb_last_load_keys_loaded", status.loaded_keys);
    log(report, text);
    if let Some(began_ms) = loading_ms {
        loading(report, &persist.loading, began_ms, text);
    }
}

fn log(report: &Report<'_>, text: &mut Text) {
    let persist = &report.store.persist;
    let (log, status, files) = (&persist.log, persist.status(), persist.log.status());
    // The first base of a log that was just asked for is under way, though its thread may yet have to begin.
    let is_wanted = log.is_wanted() && persist.files().is_some();
    let is_on = log.state() != State::Off || is_wanted;
    let is_due = is_wanted && log.state() == State::Off && !persist.refusals.has(Refusal::Loading);
    let is_rewriting = status.work == Some(Work::Rewrite) || is_due && status.work.is_none() && files.failures == 0;
    let is_scheduled = files.is_scheduled || is_due && status.work.is_some_and(|work| work != Work::Rewrite);
    let current_s = report.now_ms.saturating_sub(status.began_ms).max(0) / 1_000;
    text.field("aof_enabled", u8::from(is_on));
    text.field("aof_rewrite_in_progress", u8::from(is_rewriting));
    text.field("aof_rewrite_scheduled", u8::from(is_scheduled));
    text.field("aof_last_rewrite_time_sec", files.took_s.unwrap_or(-1));
    text.field("aof_current_rewrite_time_sec", if is_rewriting { current_s } else { -1 });
    text.field("aof_last_bgrewrite_status", if files.is_rewrite_ok { "ok" } else { "err" });
    text.field("aof_rewrites", files.rewrites);
    text.field("aof_rewrites_consecutive_failures", files.failures);
    text.field("aof_last_write_status", if files.is_write_ok { "ok" } else { "err" });
    text.fields(&[("aof_last_cow_size", 0), ("module_fork_in_progress", 0), ("module_fork_last_cow_size", 0)]);
    if is_on {
        text.field("aof_current_size", files.bytes);
        text.field("aof_base_size", files.base_bytes);
        text.field("aof_pending_rewrite", 0);
        text.field("aof_buffer_length", log.buffered_bytes(report.store));
        text.field("aof_pending_bio_fsync", u8::from(log.is_syncing()));
        text.field("aof_delayed_fsync", log.delayed());
    }
}

fn loading(report: &Report<'_>, progress: &Progress, began_ms: i64, text: &mut Text) {
    let (total, done) = (progress.total(), progress.done());
    let elapsed_s = report.now_ms.saturating_sub(began_ms).max(0) as u64 / 1_000;
    let eta_s = elapsed_s.saturating_mul(total.saturating_sub(done)).checked_div(done).unwrap_or(1);
    text.field("loading_start_time", began_ms.div_euclid(1_000));
    text.field("loading_total_bytes", total);
    text.field("loading_rdb_used_mem", 0);
    text.field("loading_loaded_bytes", done);
    text.field("loading_loaded_perc", format_args!("{:.2}", progress.percent()));
    text.field("loading_eta_seconds", eta_s);
}

fn stats(report: &Report<'_>, text: &mut Text) {
    let (store, shards) = (report.store, &report.shards);
    let (counters, totals) = (&store.counters, store.counters.totals());
    let rate = counters.rates.rate(report.now_ms, totals, store.started_ms);
    text.field("total_connections_received", store.clients.received());
    text.field("total_commands_processed", totals.commands);
    text.field("instantaneous_ops_per_sec", rate.commands);
    text.field("total_net_input_bytes", totals.received_bytes);
    text.field("total_net_output_bytes", totals.sent_bytes);
    text.fields(&[("total_net_repl_input_bytes", 0), ("total_net_repl_output_bytes", 0)]);
    text.field("instantaneous_input_kbps", format_args!("{:.2}", rate.received_kib));
    text.field("instantaneous_output_kbps", format_args!("{:.2}", rate.sent_kib));
    text.fields(&[("instantaneous_input_repl_kbps", "0.00"), ("instantaneous_output_repl_kbps", "0.00")]);
    text.field("rejected_connections", counters.rejected.load(Ordering::Relaxed));
    text.fields(&[("sync_full", 0), ("sync_partial_ok", 0), ("sync_partial_err", 0)]);
    text.field("expired_keys", shards.expired);
    text.field("expired_fields", shards.expired_fields);
    // What is due is known, not sampled, so that nothing of it is left behind.
    text.field("expired_stale_perc", "0.00");
    text.field("expired_time_cap_reached_count", 0);
    let eviction = &store.eviction;
    let (exceeded_us, current_us) = eviction.exceeded(store.clock.monotonic_us());
    text.field("evicted_keys", eviction.evicted.load(Ordering::Relaxed));
    text.field("evicted_clients", eviction.clients.load(Ordering::Relaxed));
    text.field("evicted_scripts", 0);
    text.field("total_eviction_exceeded_time", exceeded_us / 1000);
    text.field("current_eviction_exceeded_time", current_us / 1000);
    text.field("keyspace_hits", shards.hits);
    text.field("keyspace_misses", shards.misses);
    for (name, kind) in
        [("pubsub_channels", Kind::Channel), ("pubsub_patterns", Kind::Pattern), ("pubsubshard_channels", Kind::Shard)]
    {
        text.field(name, store.pubsub.count(kind));
    }
    let (forks, lines) = (report.store.persist.status().forks, store.errands.pool.len() as u64);
    text.fields(&[("latest_fork_usec", 0), ("total_forks", forks), ("migrate_cached_sockets", lines)]);
    text.field("slave_expires_tracked_keys", 0);
    text.fields(&[("active_defrag_hits", 0), ("active_defrag_misses", 0)]);
    text.fields(&[("active_defrag_key_hits", 0), ("active_defrag_key_misses", 0)]);
    text.fields(&[("total_active_defrag_time", 0), ("current_active_defrag_time", 0)]);
    let trackers = &store.pubsub.trackers;
    text.field("tracking_total_keys", trackers.keys());
    text.field("tracking_total_items", trackers.items());
    text.field("tracking_total_prefixes", trackers.prefixes());
    text.field("unexpected_error_replies", 0);
    text.field("total_error_replies", counters.errors.load(Ordering::Relaxed));
    text.field("dump_payload_sanitizations", 0);
    let (reads, writes) = store.clients.transfers();
    text.fields(&[("total_reads_processed", reads), ("total_writes_processed", writes)]);
    text.fields(&[("reply_buffer_shrinks", 0), ("reply_buffer_expands", 0)]);
    let exceeded = store.counters.query_limit_closed.load(Ordering::Relaxed);
    text.field("client_query_buffer_limit_disconnections", exceeded);
    text.field("client_output_buffer_limit_disconnections", counters.floods.load(Ordering::Relaxed));
    text.field("acl_access_denied_auth", counters.auth_failures.load(Ordering::Relaxed));
    for (name, count) in ["cmd", "key", "channel", "db"].into_iter().zip(&counters.denied) {
        text.field(&format!("acl_access_denied_{name}"), count.load(Ordering::Relaxed));
    }
}

fn replication(report: &Report<'_>, text: &mut Text) {
    let journal = &report.store.journal;
    text.field("role", "master");
    text.field("connected_slaves", 0);
    text.field("master_failover_state", "no-failover");
    // Nobody can take up a history that does not outlive the process, so its name need be no other than the run's.
    text.field("master_replid", &report.store.run_id);
    text.field("master_replid2", "0".repeat(40));
    text.field("master_repl_offset", journal.end());
    text.field("second_repl_offset", -1);
    text.field("repl_backlog_active", 0);
    let size = report.store.config().text(b"repl-backlog-size").unwrap_or_default();
    text.field("repl_backlog_size", String::from_utf8_lossy(&size));
    text.fields(&[("repl_backlog_first_byte_offset", 0), ("repl_backlog_histlen", 0)]);
}

fn cpu(report: &Report<'_>, text: &mut Text) {
    let process = report.store.process();
    let parts =
        [("", process.cpu()), ("_children", process.children_cpu()), ("_main_thread", process.main_thread_cpu())];
    for (part, times) in parts {
        let Some(CpuTimes { user_s, system_s }) = times else { continue };
        text.field(&format!("used_cpu_sys{part}"), format_args!("{system_s:.6}"));
        text.field(&format!("used_cpu_user{part}"), format_args!("{user_s:.6}"));
    }
}

/// The commands that were called, refused or failed, with their figures.
fn known_commands<'a>(report: &'a Report<'_>) -> impl Iterator<Item = (&'a str, &'a CommandStat)> {
    let store = report.store;
    store.observed.commands.gather();
    let all = store
        .table
        .all()
        .iter()
        .filter_map(|command| Some((command.full_name(), store.observed.commands.of(command.id)?)));
    all.filter(|(_, stat)| stat.is_known())
}

fn commandstats(report: &Report<'_>, text: &mut Text) {
    for (name, stat) in known_commands(report) {
        text.field(
            &format!("cmdstat_{name}"),
            format_args!(
                "calls={},usec={},usec_per_call={:.2},rejected_calls={},failed_calls={}",
                stat.calls(),
                stat.usec(),
                stat.usec_per_call(),
                stat.rejected.load(Ordering::Relaxed),
                stat.failed.load(Ordering::Relaxed),
            ),
        );
    }
}

fn latencystats(report: &Report<'_>, text: &mut Text) {
    let config = report.store.config();
    if !config.get(options::LATENCY_TRACKING) {
        return;
    }
    let percents = config.get(options::LATENCY_TRACKING_INFO_PERCENTILES);
    for (name, stat) in known_commands(report) {
        let Some(histogram) = stat.histogram() else { continue };
        let values = percents
            .iter()
            .map(|percent| format!("p{percent}={:.3}", histogram.percentile_ns(*percent) as f64 / 1000.0));
        text.field(&format!("latency_percentiles_usec_{name}"), values.collect::<Vec<_>>().join(","));
    }
}

fn errorstats(report: &Report<'_>, text: &mut Text) {
    for (code, count) in report.store.counters.error_codes.all() {
        text.field(&format!("errorstat_{code}"), format_args!("count={count}"));
    }
}

fn cluster(_: &Report<'_>, text: &mut Text) {
    text.field("cluster_enabled", 0);
}

fn keyspace(report: &Report<'_>, text: &mut Text) {
    for (number, db) in report.shards.dbs.iter().enumerate().filter(|(_, db)| db.keys > 0) {
        let (keys, expires, life_ms) = (db.keys, db.expires, db.average_life_ms());
        text.field(&format!("db{number}"), format_args!("keys={keys},expires={expires},avg_ttl={life_ms}"));
    }
}

fn keysizes(report: &Report<'_>, text: &mut Text) {
    let mut show = |age_ms: Option<i64>, count: &Count| {
        if let Some(age_ms) = age_ms {
            text.field("keysizes_age_seconds", age_ms.div_euclid(1_000));
        }
        for (number, sizes) in count.dbs.iter().enumerate() {
            for (name, line) in sizes.lines() {
                text.field(&format!("db{number}_distrib_{name}"), line);
            }
        }
    };
    if let Some(count) = &report.counted {
        return show(None, count);
    }
    let store = report.store;
    let wakes = store.observed.key_sizes.ask(report.now_ms, |last| match last {
        Some((age_ms, count)) => show(Some(age_ms), count),
        None => show(Some(-1_000), &Count::default()),
    });
    if wakes {
        store.expiry.wake();
    }
}
