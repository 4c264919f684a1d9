//! Directories that somebody changed, or that nobody may write to: refused by name, never loaded in part.

use std::io::ErrorKind;
use std::sync::Arc;

use rkv_engine::Engine;
use rkv_engine::clock::ManualClock;
use rkv_engine::config::options;
use rkv_engine::files::{Fault, Files, SimulatedFiles};

use super::support::{open, run};

const START_MS: i64 = 1_700_000_000_000;
const DIR: &str = "appendonlydir";
const MANIFEST: &str = "appendonlydir/appendonly.aof.manifest";

/// A log of a base and two incremental files, in each of which there is a command.
fn disk() -> SimulatedFiles {
    let disk = SimulatedFiles::new();
    let clock = Arc::new(ManualClock::new(START_MS));
    let engine = open(Arc::new(disk.clone()), &clock, &[("appendfsync", "always")]).unwrap();
    let mut caller = engine.caller();
    run(&mut caller, &["SET", "one", "1"]);
    back_up(&engine, &["BACKUP", "START"]);
    run(&mut caller, &["SET", "two", "2"]);
    drop(caller);
    engine.close();
    assert_eq!(incremental(&disk).len(), 2, "{:?}", disk.list(DIR));
    disk
}

/// A backup lets the log go on in another file.
fn back_up(engine: &Engine, start: &[&str]) {
    let mut caller = engine.caller();
    assert!(!run(&mut caller, start).starts_with("ERR"));
    let is_sealed = (0..2_000).any(|_| {
        engine.tick();
        std::thread::sleep(std::time::Duration::from_millis(1));
        !run(&mut caller, &["BACKUP", "SEAL"]).starts_with("ERR")
    });
    assert!(is_sealed);
}

fn incremental(disk: &SimulatedFiles) -> Vec<String> {
    let mut all = disk.list(DIR).unwrap();
    all.retain(|name| name.ends_with(".incr.aof"));
    all.sort();
    all.into_iter().map(|name| format!("{DIR}/{name}")).collect()
}

fn text(disk: &SimulatedFiles, name: &str) -> String {
    String::from_utf8(disk.contents(name).unwrap()).unwrap()
}

/// Opens the disk: how many keys there are, or why not.
fn load(disk: &SimulatedFiles) -> Result<String, String> {
    let clock = Arc::new(ManualClock::new(START_MS));
    let opened = open(Arc::new(disk.clone()), &clock, &[]);
    opened.map(|engine| run(&mut engine.caller(), &["DBSIZE"])).map_err(|error| error.to_string())
}

fn refused(disk: &SimulatedFiles, wanted: &[&str]) {
    let before: Vec<_> = disk.list(DIR).unwrap().iter().map(|name| disk.contents(&format!("{DIR}/{name}"))).collect();
    let error = load(disk).expect_err("it was loaded");
    assert!(wanted.iter().all(|word| error.contains(word)), "{error}");
    let after: Vec<_> = disk.list(DIR).unwrap().iter().map(|name| disk.contents(&format!("{DIR}/{name}"))).collect();
    assert_eq!(before, after, "nothing is changed");
}

/// The lines of the manifest for which `keeps` says so, as somebody wrote them by hand, without a checksum.
fn edit(disk: &SimulatedFiles, keeps: impl Fn(&str) -> bool) {
    let all = text(disk, MANIFEST);
    let kept: String =
        all.lines().filter(|line| !line.starts_with('#') && keeps(line)).flat_map(|line| [line, "\n"]).collect();
    disk.put(MANIFEST, kept.as_bytes());
}

#[test]
fn an_untouched_one_is_loaded() {
    let disk = disk();
    assert!(text(&disk, MANIFEST).contains("#SEALED:2 CRC32C:"), "{}", text(&disk, MANIFEST));
    assert!(load(&disk).unwrap().contains('2'));
    edit(&disk, |_| true);
    assert!(load(&disk).unwrap().contains('2'));
}

#[test]
fn a_manifest_that_lost_its_last_file_is_refused() {
    let disk = disk();
    let last = incremental(&disk).pop().unwrap();
    let name = last.strip_prefix("appendonlydir/").unwrap().to_owned();
    edit(&disk, |line| !line.contains(&name));
    refused(&disk, &[&name, "not named there", "add the line"]);
    edit(&disk, |line| line.contains("type b"));
    refused(&disk, &["not named there"]);
}

#[test]
fn a_manifest_that_lost_a_file_in_the_middle_is_refused() {
    let disk = disk();
    let clock = Arc::new(ManualClock::new(START_MS));
    let engine = open(Arc::new(disk.clone()), &clock, &[]).unwrap();
    let mut caller = engine.caller();
    back_up(&engine, &["BACKUP", "START", "INCREMENTAL"]);
    run(&mut caller, &["SET", "three", "3"]);
    drop(caller);
    engine.close();
    let all = incremental(&disk);
    assert_eq!(all.len(), 3, "{all:?}");
    let name = all[1].strip_prefix("appendonlydir/").unwrap().to_owned();
    edit(&disk, |line| !line.contains(&name));
    refused(&disk, &["begins at journal offset", "the file before it ends at"]);
}

#[test]
fn a_file_whose_head_was_forged_is_refused() {
    let disk = disk();
    let last = incremental(&disk).pop().unwrap();
    disk.put(&last, b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$3\r\ntwo\r\n$5\r\nother\r\n");
    refused(&disk, &["the manifest says that it begins with a checksum"]);
}

/// Redis and rkv begin a log anew in a file that no manifest names until its base is there. A crash leaves it.
#[test]
fn what_a_crash_left_is_no_loss() {
    let disk = disk();
    let next = format!("{DIR}/appendonly.aof.9.incr.aof");
    // Named, and nothing written yet: Redis names a file first.
    disk.put(&next, b"");
    assert!(load(&disk).unwrap().contains('2'));
    let command = "*3\r\n$3\r\nSET\r\n$5\r\nlater\r\n$1\r\n1\r\n";
    disk.put(&next, command.as_bytes());
    refused(&disk, &["appendonly.aof.9.incr.aof"]);
    // Redis was about to name it together with this base.
    disk.put(&format!("{DIR}/appendonly.aof.9.base.rdb"), b"REDIS0010");
    assert!(load(&disk).unwrap().contains('2'));
}

/// A log that was just begun, with one key in its first incremental file.
fn begun() -> SimulatedFiles {
    let disk = SimulatedFiles::new();
    let clock = Arc::new(ManualClock::new(START_MS));
    let engine = open(Arc::new(disk.clone()), &clock, &[("appendfsync", "always")]).unwrap();
    run(&mut engine.caller(), &["SET", "one", "1"]);
    engine.close();
    disk
}

/// A crash after the base, and before the manifest that names it: base and file are the whole log.
#[test]
fn a_log_that_was_begun_is_whole_without_its_manifest() {
    let disk = begun();
    let before = text(&disk, MANIFEST);
    disk.remove(MANIFEST).unwrap();
    assert!(load(&disk).unwrap().contains('1'));
    assert_eq!(text(&disk, MANIFEST), before);
    assert!(load(&disk).unwrap().contains('1'));
}

/// A crash before the base: what was done since is kept, and is no log.
#[test]
fn a_file_before_its_base_is_kept_aside() {
    let disk = begun();
    let all = disk.list(DIR).unwrap();
    let base = all.iter().find(|name| name.contains("base")).unwrap();
    disk.remove(MANIFEST).unwrap();
    disk.remove(&format!("{DIR}/{base}")).unwrap();
    let incr = incremental(&disk).pop().unwrap();
    let commands = disk.contents(&incr);
    for _ in 0..2 {
        assert!(load(&disk).unwrap().contains('0'));
        assert_eq!(disk.contents(&format!("{incr}.left.1")), commands);
    }
}

/// The same, before the first command; two bases are no such thing.
#[test]
fn a_base_alone_is_the_log() {
    let disk = begun();
    let clock = Arc::new(ManualClock::new(START_MS));
    let engine = open(Arc::new(disk.clone()), &clock, &[]).unwrap();
    run(&mut engine.caller(), &["BGREWRITEAOF"]);
    engine.tick();
    engine.close();
    assert!(text(&disk, MANIFEST).contains("2.base"), "{}", text(&disk, MANIFEST));
    disk.remove(MANIFEST).unwrap();
    assert!(load(&disk).unwrap().contains('1'));
    assert!(text(&disk, MANIFEST).contains("2.base"), "{}", text(&disk, MANIFEST));
    disk.put(&format!("{DIR}/appendonly.aof.9.base.rdb"), b"REDIS0010");
    disk.remove(MANIFEST).unwrap();
    refused(&disk, &["base.rdb holds data"]);
}

/// While a log is begun anew beside an old one, every state of the disk is loaded as the old one or the new one.
#[test]
fn a_log_that_is_begun_anew_is_never_in_its_own_way() {
    for operation in 0..60 {
        let disk = disk();
        let clock = Arc::new(ManualClock::new(START_MS));
        let engine = open(Arc::new(disk.clone()), &clock, &[("appendfsync", "always")]).unwrap();
        let mut caller = engine.caller();
        run(&mut caller, &["CONFIG", "SET", "appendonly", "no"]);
        engine.tick();
        run(&mut caller, &["SET", "three", "3"]);
        let begin = disk.operations();
        disk.fail(Fault { operations: begin + operation..u64::MAX, kind: ErrorKind::Other });
        run(&mut caller, &["CONFIG", "SET", "appendonly", "yes"]);
        engine.tick();
        run(&mut caller, &["SET", "four", "4"]);
        let image = disk.crash(operation);
        image.heal();
        let found = load(&image).unwrap_or_else(|error| panic!("operation {operation}: {error}"));
        assert!(["2", "3", "4"].iter().any(|keys| found.contains(keys)), "operation {operation}: {found}");
        disk.heal();
        drop(caller);
    }
}

#[test]
fn a_log_cannot_be_begun_where_nobody_may_write() {
    let disk = SimulatedFiles::new();
    let clock = Arc::new(ManualClock::new(START_MS));
    let engine = open(Arc::new(disk.clone()), &clock, &[("appendonly", "no")]).unwrap();
    let mut caller = engine.caller();
    run(&mut caller, &["SET", "one", "1"]);
    for kind in [ErrorKind::ReadOnlyFilesystem, ErrorKind::PermissionDenied, ErrorKind::StorageFull] {
        disk.fail(Fault { operations: disk.operations()..u64::MAX, kind });
        assert_eq!(
            run(&mut caller, &["CONFIG", "SET", "appendonly", "yes"]),
            "ERR CONFIG SET failed (possibly related to argument 'appendonly') - Unable to turn on AOF. Check server logs."
        );
        assert!(!engine.store().config().get(options::APPENDONLY));
        assert!(run(&mut caller, &["SAVE"]).starts_with("ERR"), "SAVE");
        assert_eq!(run(&mut caller, &["SET", "one", "2"]), "OK", "nothing is refused that was not promised");
        disk.heal();
    }
    assert_eq!(run(&mut caller, &["CONFIG", "SET", "appendonly", "yes"]), "OK");
    engine.tick();
    let names = disk.list(DIR).unwrap();
    assert!(names.iter().all(|name| !name.starts_with("temp-")), "{names:?}");
    // The directory is chosen at the start.
    assert!(run(&mut caller, &["CONFIG", "SET", "dir", "/nowhere"]).starts_with("ERR CONFIG SET failed"));
}
