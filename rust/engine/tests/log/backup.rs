//! Backups: every point that one covers is restored to what was stored at that point.

use std::sync::Arc;

use rkv_engine::clock::ManualClock;
use rkv_engine::files::{Files, SimulatedFiles};
use rkv_engine::persist::backup::{self, BackupManifest, DIR, Point, RestoreError, Restored};
use rkv_engine::{Caller, Engine};

use crate::chance::{Random, seed};
use crate::support::{change, digest, open, run};

const START_MS: i64 = 1_700_000_000_000;
const TIMED: (&str, &str) = ("aof-timestamp-enabled", "yes");

/// What was stored at a moment: the journal's offset, the time, and the digest.
struct Moment {
    offset: u64,
    ms: i64,
    digest: String,
}

struct Scene {
    disk: SimulatedFiles,
    clock: Arc<ManualClock>,
    engine: Arc<Engine>,
    caller: Caller,
    random: Random,
}

impl Scene {
    fn new(directives: &[(&str, &str)]) -> Self {
        let disk = SimulatedFiles::new();
        let clock = Arc::new(ManualClock::new(START_MS));
        let engine = open(Arc::new(disk.clone()), &clock, directives).unwrap();
        let caller = engine.caller();
        Self { disk, clock, engine, caller, random: Random(seed()) }
    }

    fn say(&mut self, words: &[&str]) -> String {
        let reply = run(&mut self.caller, words);
        assert!(!reply.contains("ERR"), "{words:?}: {reply}");
        self.engine.tick();
        reply
    }

    /// Changes something, some seconds apart; what was stored after each change.
    fn work(&mut self, changes: usize) -> Vec<Moment> {
        let mut moments = Vec::new();
        for _ in 0..changes {
            assert!(change(&mut self.caller, &mut self.random));
            if self.random.below(4) == 0 {
                self.engine.tick();
            }
            let offset = self.engine.store().journal.end();
            moments.push(Moment { offset, ms: self.clock_ms(), digest: digest(&self.engine) });
            if self.random.below(3) == 0 {
                self.clock.advance_ms(2_000);
                self.engine.tick();
            }
        }
        moments
    }

    fn clock_ms(&self) -> i64 {
        use rkv_engine::clock::Clock;
        self.clock.unix_ms()
    }

    /// A backup from its start to its seal; what was stored meanwhile.
    fn back_up(&mut self, words: &[&str], changes: usize) -> (BackupManifest, Vec<Moment>) {
        self.say(words);
        self.engine.tick();
        let moments = self.work(changes);
        self.say(&["BACKUP", "SEAL"]);
        let manifest = backup::list(&self.disk).unwrap().pop().expect("it was sealed");
        (manifest, moments)
    }

    /// What is stored after a restore, for who looks at the time of the seal.
    fn restored(&self, id: &str, point: Point) -> Result<(Restored, String), RestoreError> {
        let sealed = backup::list(&self.disk).unwrap().into_iter().find(|manifest| manifest.id == id).unwrap();
        self.restored_at(id, point, sealed.sealed_ms)
    }

    /// What is stored after a restore at a time: later, more has expired.
    fn restored_at(&self, id: &str, point: Point, now_ms: i64) -> Result<(Restored, String), RestoreError> {
        let from = copy_of(&self.disk, &format!("{DIR}/{id}"));
        let to = SimulatedFiles::new();
        let restored = backup::restore(&from, &to, point, |done, total| done <= total);
        let restored = match restored {
            Err(error) => {
                assert_eq!(to.list("").unwrap(), Vec::<String>::new(), "what failed leaves nothing");
                return Err(error);
            }
            Ok(restored) => restored,
        };
        let clock = Arc::new(ManualClock::new(now_ms));
        let engine = open(Arc::new(to), &clock, &[]).unwrap();
        Ok((restored, digest(&engine)))
    }
}

/// A disk with what lies below a directory of another.
fn copy_of(disk: &SimulatedFiles, dir: &str) -> SimulatedFiles {
    let copy = SimulatedFiles::new();
    copy_into(disk, dir, &copy, "");
    copy
}

fn copy_into(disk: &SimulatedFiles, from: &str, copy: &SimulatedFiles, to: &str) {
    for name in disk.list(from).unwrap() {
        let target = if to.is_empty() { name.clone() } else { format!("{to}/{name}") };
        let source = format!("{from}/{name}");
        let Ok(file) = disk.open(&source) else {
            copy.create_dir(&target).unwrap();
            copy_into(disk, &source, copy, &target);
            continue;
        };
        let mut bytes = vec![0; file.len().unwrap() as usize];
        assert_eq!(file.read_at(0, &mut bytes).unwrap(), bytes.len());
        copy.create(&target).unwrap().write(&bytes).unwrap();
    }
}

#[test]
fn every_point_of_the_log_is_restored() {
    let mut scene = Scene::new(&[TIMED]);
    scene.work(60);
    let (manifest, moments) = scene.back_up(&["BACKUP", "START"], 120);
    let later = scene.work(30);
    // The store goes on, and even its log is another one.
    scene.say(&["BGREWRITEAOF"]);
    assert_eq!(scene.restored(&manifest.id, Point::End).unwrap().1, moments.last().unwrap().digest);
    let mut timed = 0;
    for (number, moment) in moments.iter().enumerate() {
        let (restored, digest) = scene.restored_at(&manifest.id, Point::Offset(moment.offset), moment.ms).unwrap();
        assert_eq!((restored.offset, &digest), (moment.offset, &moment.digest), "offset {}", moment.offset);
        // Between two changes there is nothing to stop at.
        let next = moments.get(number + 1).map_or(manifest.last_offset, |next| next.offset);
        if next > moment.offset + 1 {
            let (restored, _) = scene.restored(&manifest.id, Point::Offset(next - 1)).unwrap();
            assert!(restored.offset >= moment.offset && restored.offset < next, "no part of a transaction");
        }
        let ends_second = moments.get(number + 1).is_some_and(|next| next.ms >= moment.ms + 2_000);
        if ends_second {
            timed += 1;
            let (_, digest) = scene.restored_at(&manifest.id, Point::Time(moment.ms + 500), moment.ms).unwrap();
            assert_eq!(digest, moment.digest, "time {}", moment.ms);
        }
    }
    assert!(timed > 10, "{timed} times");
    let beyond = scene.restored(&manifest.id, Point::Offset(later.last().unwrap().offset)).unwrap_err();
    assert!(matches!(beyond, RestoreError::Beyond(_)), "{beyond}");
}

#[test]
fn an_incremental_backup_shares_its_base() {
    let mut scene = Scene::new(&[TIMED]);
    let (first, _) = scene.back_up(&["BACKUP", "START"], 40);
    scene.work(10);
    let (second, moments) = scene.back_up(&["BACKUP", "START", "INCREMENTAL"], 40);
    assert_eq!((second.first_offset, second.is_incremental), (first.first_offset, true));
    assert!(second.last_offset > first.last_offset);
    let base = |manifest: &BackupManifest| manifest.members.first().cloned();
    assert_eq!(base(&first), base(&second));
    for moment in moments.iter().step_by(7) {
        let (_, digest) = scene.restored_at(&second.id, Point::Offset(moment.offset), moment.ms).unwrap();
        assert_eq!(digest, moment.digest);
    }
    let too_early = scene.restored(&second.id, Point::Time(START_MS - 1)).unwrap_err();
    assert!(matches!(too_early, RestoreError::Beyond(_)), "{too_early}");
    assert_eq!(scene.say(&["BACKUP", "CLEANUP", "KEEP", "1"]), "Some(Integer(1))");
    assert_eq!(scene.restored(&second.id, Point::End).unwrap().1, moments.last().unwrap().digest);
    assert_eq!(scene.say(&["BACKUP", "CLEANUP"]), "Some(Integer(1))");
    assert_eq!(scene.disk.list(DIR).unwrap(), Vec::<String>::new());
}

#[test]
fn a_store_without_a_log_has_backups_of_one_moment() {
    let mut scene = Scene::new(&[("appendonly", "no")]);
    scene.work(50);
    let (manifest, _) = scene.back_up(&["BACKUP", "START"], 0);
    let before = digest(&scene.engine);
    scene.work(10);
    let from = copy_of(&scene.disk, &format!("{DIR}/{}", manifest.id));
    let to = SimulatedFiles::new();
    backup::restore(&from, &to, Point::End, |_, _| true).unwrap();
    let clock = Arc::new(ManualClock::new(START_MS));
    let engine = open(Arc::new(to.clone()), &clock, &[("appendonly", "no")]).unwrap();
    assert_eq!(digest(&engine), before);
    let again = backup::restore(&from, &to, Point::End, |_, _| true).unwrap_err();
    assert!(matches!(again, RestoreError::Occupied { .. }), "{again}");
}

#[test]
fn what_cannot_be_is_refused() {
    let mut scene = Scene::new(&[]);
    let mut refused = |words: &[&str]| run(&mut scene.caller, words);
    assert!(refused(&["BACKUP", "SEAL"]).contains("no backup is under way"));
    assert!(refused(&["BACKUP", "ABORT"]).contains("no backup is under way"));
    assert!(refused(&["BACKUP", "START", "FULL"]).contains("syntax"));
    scene.say(&["BACKUP", "START", "INCREMENTAL"]);
    assert!(run(&mut scene.caller, &["BACKUP", "START"]).contains("under way"));
    assert_eq!(scene.say(&["BACKUP", "ABORT"]), "OK");
    let (manifest, moments) = scene.back_up(&["BACKUP", "START"], 20);
    let untimed = scene.restored(&manifest.id, Point::Time(moments[3].ms)).unwrap_err();
    assert!(untimed.to_string().contains("aof-timestamp-enabled"), "{untimed}");
    let dir = format!("{DIR}/{}", manifest.id);
    for member in &manifest.members {
        let name = format!("{dir}/{}", member.name);
        let mut byte = [0];
        let at = scene.random.below(member.bytes);
        scene.disk.open(&name).unwrap().read_at(at, &mut byte).unwrap();
        scene.disk.append(&name).unwrap().write_at(at, &[byte[0] ^ 1]).unwrap();
        let damaged = scene.restored(&manifest.id, Point::End).unwrap_err();
        assert!(matches!(damaged, RestoreError::Damaged { .. }), "{}: {damaged}", member.name);
        scene.disk.append(&name).unwrap().write_at(at, &byte).unwrap();
    }
    scene.restored(&manifest.id, Point::End).unwrap();
}
