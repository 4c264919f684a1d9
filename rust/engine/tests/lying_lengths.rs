//! Lengths that lie: whatever input announces, no more is allocated than 64 KiB and eight times what has come.
//!
//! It is measured by the address space of this process, which grows by what is reserved, touched or not. Small allocations
//! come out of what the process has already, so a test is of lengths of hundreds of megabytes, and it is alone in its file.

use std::sync::Arc;

use rkv_engine::client::{NoWake, Origin};
use rkv_engine::clock::ManualClock;
use rkv_engine::config::Config;
use rkv_engine::files::{Files, SimulatedFiles};
use rkv_engine::{Engine, EngineOptions};

/// For a thousand inputs one after the other, with what the process needs besides.
const GROWTH_KIB_MAX: u64 = 16 << 10;
/// Announced where a length of 64 bits can stand: as little as this would be seen.
const LIES: [u64; 5] = [64 << 20, 512 << 20, 1 << 31, 1 << 40, (1 << 62) - 1];

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

fn config(directives: &[(&str, &str)]) -> Config {
    let mut config = Config::default();
    for (name, value) in directives {
        config.set(name.as_bytes(), &[value]).unwrap();
    }
    config
}

/// Requests of which only the announcement comes.
fn requests() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for count in [1_048_576, 1_000_000, 100_000] {
        all.push(format!("*{count}\r\n").into_bytes());
        all.push(format!("*{count}\r\n$3\r\nSET\r\n$1\r\nk\r\n").into_bytes());
    }
    for len in [512 << 20, (512 << 20) - 1, 64 << 20] {
        all.push(format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${len}\r\nbegin").into_bytes());
        all.push(format!("*1\r\n${len}\r\n").into_bytes());
    }
    all
}

/// A length as RDB writes one of 64 bits.
fn length(lie: u64) -> Vec<u8> {
    [&[0x81][..], &lie.to_be_bytes()].concat()
}

/// A value of each type whose first length lies, whose inner one does, and one that pretends to be compressed.
fn values(kind: u8, lie: u64) -> [Vec<u8>; 4] {
    let compressed = [&[0xc3, 4][..], &length(lie), b"abcd"].concat();
    let text = [&[1][..], &length(lie), b"abcd"].concat();
    [length(lie), text, compressed.clone(), [&[1][..], &compressed].concat()]
        .map(|value| [&[kind][..], &value].concat())
}

fn dumps() -> Vec<Vec<u8>> {
    let all = (0..=26_u8).flat_map(|kind| LIES.into_iter().flat_map(move |lie| values(kind, lie)));
    // Version 10; the checksum is not looked at where its check is switched off.
    all.map(|value| [&value[..], &[10, 0, 0, 0, 0, 0, 0, 0, 0, 0]].concat()).collect()
}

fn ask(engine: &Arc<Engine>, input: &[u8]) -> Vec<u8> {
    let mut session = engine.session(Origin::embedded(), Arc::new(NoWake));
    session.receive(input);
    session.output().to_vec()
}

fn restore(payload: &[u8]) -> Vec<u8> {
    let head = format!("*4\r\n$7\r\nRESTORE\r\n$1\r\nk\r\n$1\r\n0\r\n${}\r\n", payload.len());
    [head.as_bytes(), payload, b"\r\n"].concat()
}

/// A directory with a snapshot, or a log, that says `lie` somewhere.
fn folder(name: &str, bytes: &[u8]) -> Arc<dyn Files> {
    let disk = SimulatedFiles::new();
    disk.put(name, bytes);
    Arc::new(disk)
}

fn open(files: Arc<dyn Files>, directives: &[(&str, &str)]) -> bool {
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    let config = config(directives);
    Engine::open(EngineOptions { config, shard_bits: 0, clock, files: Some(files), ..EngineOptions::default() }).is_ok()
}

#[test]
fn no_length_is_believed() {
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    let debug = config(&[("enable-debug-command", "yes")]);
    let options = EngineOptions { config: debug, shard_bits: 0, clock, ..EngineOptions::default() };
    let engine = Engine::new(options).unwrap();
    assert!(ask(&engine, b"DEBUG SET-SKIP-CHECKSUM-VALIDATION 1\r\n").starts_with(b"+OK"));
    assert!(ask(&engine, &restore(&dumps()[0])).starts_with(b"-ERR Bad data format"), "only the length is wrong");
    // Threads that load bring heaps of their own, which the process keeps for the next ones.
    for kind in [0, 200] {
        assert!(!open(folder("dump.rdb", &[b"REDIS0010", &[kind, 1, b'k', 100][..]].concat()), &[]));
    }
    let before = peak_kib();
    let check = |what: &str, number: usize| {
        let growth = peak_kib() - before;
        assert!(growth <= GROWTH_KIB_MAX, "{what} {number}: {growth} KiB");
    };
    for (number, request) in requests().iter().enumerate() {
        ask(&engine, request);
        check("request", number);
    }
    for (number, dump) in dumps().iter().enumerate() {
        assert!(ask(&engine, &restore(dump)).starts_with(b"-"), "dump {number}");
        check("dump", number);
    }
    for (number, dump) in dumps().iter().enumerate() {
        let (kind, value) = (dump[0], &dump[1..dump.len() - 10]);
        let file = [b"REDIS0010", &[kind, 1, b'k'][..], value].concat();
        assert!(!open(folder("dump.rdb", &file), &[]), "snapshot {number}");
        check("snapshot", number);
    }
    for (number, lie) in LIES.into_iter().enumerate() {
        for text in [format!("*{lie}\r\n"), format!("*1\r\n${lie}\r\nabc"), format!("#RKV:0:{lie}:{lie}:0\r\n")] {
            let manifest = "file appendonly.aof.1.incr.aof seq 1 type i\n";
            let disk = SimulatedFiles::new();
            disk.create_dir("appendonlydir").unwrap();
            disk.put("appendonlydir/appendonly.aof.manifest", manifest.as_bytes());
            disk.put("appendonlydir/appendonly.aof.1.incr.aof", text.as_bytes());
            open(Arc::new(disk), &[("appendonly", "yes")]);
            check("log", number);
        }
    }
}
