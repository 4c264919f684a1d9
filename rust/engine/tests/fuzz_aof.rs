//! Random damage to the directory of a log: its manifest, its base and its files, whole lines and single bits, with and
//! without right checksums. Nothing panics, nothing is allocated that the input does not prove, and what has checksums is never
//! taken for something else: the store holds a state that was, or it refuses to start.
//!
//! `RKV_FUZZ_SECONDS` says for how long (default 2), `RKV_FUZZ_SEED` repeats a run.

#[path = "../../collections/tests/support/chance.rs"]
mod chance;
#[path = "log/support.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod support;

use std::sync::Arc;

use rkv_engine::clock::ManualClock;
use rkv_engine::files::{Damage, Files, SimulatedFiles};
use rkv_engine::persist::aof::Annotation;

use chance::{Random, fuzz};
use support::{change, digest, open, run};

const START_MS: i64 = 1_700_000_000_000;
const DIR: &str = "appendonlydir";
const MANIFEST: &str = "appendonlydir/appendonly.aof.manifest";
/// How often one log is damaged anew.
const DAMAGES: usize = 40;
/// Address space that all executions together may take beyond the first ones. A length that is believed takes more.
const GROWTH_KIB_MAX: u64 = 192 * 1024;

/// A log, and the states that its store had.
struct Written {
    disk: SimulatedFiles,
    digests: Vec<String>,
    /// Whether the base has no checksum: it is made of commands.
    is_plain: bool,
}

fn written(random: &mut Random, clock: &Arc<ManualClock>) -> Written {
    let disk = SimulatedFiles::new();
    let is_plain = random.below(4) == 0;
    let directives = [
        ("appendfsync", random.pick(&["always", "everysec", "no"])),
        ("aof-use-rdb-preamble", if is_plain { "no" } else { "yes" }),
        ("aof-timestamp-enabled", random.pick(&["yes", "no"])),
    ];
    let engine = open(Arc::new(disk.clone()), clock, &directives).unwrap();
    let mut caller = engine.caller();
    let mut digests = vec![digest(&engine)];
    for _ in 0..random.below(30) {
        match random.below(12) {
            0 => drop(run(&mut caller, &["BGREWRITEAOF"])),
            1 => {
                clock.advance_ms(1_100);
                engine.tick();
            }
            _ => assert!(change(&mut caller, random)),
        }
        digests.push(digest(&engine));
    }
    drop(caller);
    if random.below(2) == 0 {
        engine.close();
        Written { disk, digests, is_plain }
    } else {
        Written { disk: disk.crash(random.next()), digests, is_plain }
    }
}

/// Lines as an attacker would write them: commands with lengths that nothing stands behind, checksum lines that fit.
fn forged(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..=random.below(4) {
        match random.below(9) {
            0 => bytes.extend_from_slice(b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"),
            1 => bytes.extend_from_slice(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n"),
            2 => bytes.extend_from_slice(format!("*{}\r\n", random.next() as i64 >> random.below(64)).as_bytes()),
            3 => bytes.extend_from_slice(format!("*1\r\n${}\r\nabc", random.next() >> random.below(64)).as_bytes()),
            4 => bytes.extend_from_slice(b"*1048576\r\n$536870912\r\n"),
            5 => {
                let (first, last, length) = (random.below(500_u64), random.below(500_u64), random.below(99_u64));
                bytes.extend_from_slice(&Annotation::seal(first, last, length, random.next() as u32).1);
            }
            6 => bytes.extend_from_slice(b"*1\r\n$5\r\nMULTI\r\n"),
            7 => bytes.extend_from_slice(format!("#TS:{}\r\n", random.next()).as_bytes()),
            _ => bytes.extend(random.bytes(40)),
        }
    }
    bytes
}

/// Damages bytes; whether some were forged.
fn damage_bytes(bytes: &mut Vec<u8>, random: &mut Random) -> bool {
    let mut is_forged = false;
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len() + 1);
        match random.below(9) {
            0..3 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            3 => bytes.truncate(at),
            4 => {
                let end = (at + random.below(64)).min(bytes.len());
                bytes.drain(at..end);
            }
            5 => {
                let end = (at + random.below(200)).min(bytes.len());
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            6 => {
                let end = (at + random.below(5_000)).min(bytes.len());
                bytes[at..end].fill(0);
            }
            7 => bytes.extend(vec![0; random.below(5_000)]),
            _ => {
                bytes.splice(at..at, forged(random));
                is_forged = true;
            }
        }
    }
    is_forged
}

/// Edits lines of the manifest. The line with its checksum is left out: who edits one by hand takes it away.
fn damage_lines(text: &[u8], random: &mut Random) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let mut lines: Vec<String> = text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    for _ in 0..=random.below(2) {
        let at = random.below(lines.len() + 1);
        let seq = random.next() >> random.below(64);
        let is_there = at < lines.len();
        match random.below(8) {
            0 if is_there => drop(lines.remove(at)),
            1 if is_there => lines.insert(at, lines[at].clone()),
            2 if is_there => lines.swap(0, at),
            3 => lines.insert(at, format!("file appendonly.aof.{seq}.incr.aof seq {seq} type i")),
            4 => lines.insert(at, random.pick(&["file ../dump.rdb seq 1 type b", "file . seq 1 type i", ""]).into()),
            5 if is_there => lines[at] = lines[at].replace(" seq 1 ", &format!(" seq {seq} ")),
            6 if is_there => lines[at] = lines[at].replace("type i", random.pick(&["type h", "type b", "type x"])),
            _ => lines.insert(at, format!("file \"{}\" seq 9 type h", "\\x00".repeat(random.below(400)))),
        }
    }
    lines.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect()
}

/// Whether everything that was damaged has a checksum.
fn damage(disk: &SimulatedFiles, is_plain: bool, random: &mut Random) -> bool {
    let names = disk.list(DIR).unwrap();
    if names.is_empty() {
        return true;
    }
    let name = format!("{DIR}/{}", names[random.below(names.len())]);
    let mut bytes = disk.contents(&name).unwrap();
    if random.below(20) == 0 {
        disk.remove(&name).unwrap();
        return true;
    }
    if name == MANIFEST && random.below(2) == 0 {
        disk.put(&name, &damage_lines(&bytes, random));
        return false;
    }
    let first_line = bytes.iter().position(|byte| *byte == b'\n').map(|end| bytes[..=end].to_vec()).unwrap_or_default();
    let is_forged = damage_bytes(&mut bytes, random);
    disk.put(&name, &bytes);
    // A file that does not begin with a checksum is another program's, and whoever forges a whole one is believed.
    let is_foreign = is_forged && !bytes.starts_with(&first_line);
    !(is_foreign || is_plain && name.ends_with(".base.aof"))
}

fn address_space_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"));
    line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0)
}

fn check(disk: &SimulatedFiles, written: &Written, clock: &Arc<ManualClock>, random: &mut Random) {
    let has_checksums = damage(disk, written.is_plain, random);
    match open(Arc::new(disk.clone()), clock, &[]) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(engine) => {
            let found = digest(&engine);
            assert!(!has_checksums || written.digests.contains(&found), "a state that never was");
            if random.below(8) > 0 {
                return;
            }
            // It can be written to, and is found again.
            assert_eq!(run(&mut engine.caller(), &["SET", "key", "value"]), "OK");
            let found = digest(&engine);
            engine.close();
            let again = open(Arc::new(disk.clone()), clock, &[]).expect("it was just closed");
            assert_eq!(digest(&again), found);
        }
    }
}

fn execute(random: &mut Random) {
    let clock = Arc::new(ManualClock::new(START_MS));
    let written = written(random, &clock);
    for _ in 0..DAMAGES {
        let disk = written.disk.crash_as(Damage::Kept, true, 0);
        check(&disk, &written, &clock, random);
    }
}

#[test]
fn fuzz_aof() {
    let (mut logs, mut before_kib) = (0, 0);
    fuzz("aof", |random| {
        execute(random);
        logs += 1;
        if logs == 3 {
            before_kib = address_space_kib();
        }
    });
    let growth_kib = address_space_kib() - before_kib;
    assert!(logs < 3 || growth_kib < GROWTH_KIB_MAX, "{growth_kib} KiB more");
}
