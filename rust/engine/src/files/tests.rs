//! Both directories by the same contract, and what a crash and a fault leave of the simulated one.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::random::{Random, Xoshiro256};

/// A directory of the system that is removed with its test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("rkv-files-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn on_both(test: impl Fn(&dyn Files)) {
    let folder = Folder::new();
    test(&RealFiles::open(&folder.0).unwrap());
    test(&SimulatedFiles::new());
}

fn contents(file: &dyn File) -> Vec<u8> {
    let mut all = vec![0; file.len().unwrap() as usize];
    let mut read = 0;
    while read < all.len() {
        let more = file.read_at(read as u64, &mut all[read..]).unwrap();
        assert_ne!(more, 0);
        read += more;
    }
    assert_eq!(file.read_at(all.len() as u64, &mut [0]).unwrap(), 0);
    all
}

#[test]
fn files_are_written_renamed_and_listed() {
    on_both(|files| {
        assert_eq!(files.open("a").unwrap_err().kind(), ErrorKind::NotFound);
        let mut file = files.create("a").unwrap();
        file.write(b"hello ").unwrap();
        file.write(b"world").unwrap();
        file.allocate(1000).unwrap();
        file.sync().unwrap();
        assert_eq!(contents(&*file), b"hello world");
        assert!(files.open("a").unwrap().write(b"x").is_err(), "what is opened to be read is not written");
        let mut file = files.append("a").unwrap();
        file.write(b"!").unwrap();
        file.write_at(0, b"H").unwrap();
        file.write(b"!").unwrap();
        assert_eq!(contents(&*files.open("a").unwrap()), b"Hello world!!");
        assert!(files.open("a").unwrap().write_at(0, b"x").is_err(), "nor is it changed");
        file.set_len(5).unwrap();
        file.write(b"?").unwrap();
        assert_eq!(contents(&*file), b"Hello?");
        files.create_dir("d").unwrap();
        files.create_dir("d").unwrap();
        files.link("a", "d/linked").unwrap();
        assert_eq!(files.link("a", "d/linked").unwrap_err().kind(), ErrorKind::AlreadyExists);
        files.create("b").unwrap().write(b"b").unwrap();
        files.rename("b", "a").unwrap();
        assert_eq!(contents(&*files.open("a").unwrap()), b"b");
        assert_eq!(contents(&*files.open("d/linked").unwrap()), b"Hello?");
        assert_eq!(files.list("").unwrap(), ["a", "d"]);
        assert_eq!(files.list("d").unwrap(), ["linked"]);
        files.sync_dir("d").unwrap();
        files.sync_dir("").unwrap();
        files.remove("d/linked").unwrap();
        assert!(files.list("d").unwrap().is_empty());
        assert_eq!(files.remove("a2").unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(files.list("e").unwrap_err().kind(), ErrorKind::NotFound);
        assert!(files.create("e/f").is_err());
        assert!(files.create("a").unwrap().is_empty().unwrap());
    });
}

#[test]
fn no_name_leads_out_of_the_directory() {
    on_both(|files| {
        for name in ["", "/etc/passwd", "..", "../x", "d/../../x", ".", "d//x", "d/", "x\0y"] {
            let refused = |error: io::Error| error.kind() == ErrorKind::InvalidInput;
            assert!(refused(files.open(name).unwrap_err()), "{name:?}");
            assert!(refused(files.create(name).unwrap_err()), "{name:?}");
            assert!(refused(files.append(name).unwrap_err()), "{name:?}");
            assert!(refused(files.remove(name).unwrap_err()), "{name:?}");
            assert!(refused(files.create_dir(name).unwrap_err()), "{name:?}");
            files.create("a").unwrap();
            assert!(refused(files.rename("a", name).unwrap_err()), "{name:?}");
            assert!(refused(files.link("a", name).unwrap_err()), "{name:?}");
        }
    });
}

#[test]
fn links_and_what_is_no_file_are_refused() {
    let (folder, outside) = (Folder::new(), Folder::new());
    std::fs::write(outside.0.join("secret"), "secret").unwrap();
    let files = RealFiles::open(&folder.0).unwrap();
    std::os::unix::fs::symlink(outside.0.join("secret"), folder.0.join("file")).unwrap();
    std::os::unix::fs::symlink(&outside.0, folder.0.join("dir")).unwrap();
    std::fs::create_dir(folder.0.join("real")).unwrap();
    for name in ["file", "dir/secret", "real"] {
        assert!(files.open(name).is_err(), "{name}");
        assert!(files.create(name).is_err(), "{name}");
        assert!(files.append(name).is_err(), "{name}");
    }
    assert!(files.list("dir").is_err());
    assert!(files.create_dir("dir").is_err());
    assert!(files.create("dir/new").is_err());
    assert_eq!(std::fs::read(outside.0.join("secret")).unwrap(), b"secret");
    // A rename replaces the link, not what it leads to.
    files.create("new").unwrap();
    files.rename("new", "file").unwrap();
    assert_eq!(std::fs::read(outside.0.join("secret")).unwrap(), b"secret");
}

#[test]
fn a_directory_is_locked_once() {
    on_both(|files| {
        let lock = files.lock().unwrap();
        let error = files.lock().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert!(error.to_string().contains("in use by"), "{error}");
        drop(lock);
        drop(files.lock().unwrap());
    });
    let folder = Folder::new();
    let (one, other) = (RealFiles::open(&folder.0).unwrap(), RealFiles::open(&folder.0).unwrap());
    let _lock = one.lock().unwrap();
    let error = other.lock().unwrap_err().to_string();
    assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
    assert!(std::fs::read_dir(&folder.0).unwrap().next().is_none(), "nothing is left behind");
}

#[test]
fn a_crash_keeps_what_was_synced() {
    let files = SimulatedFiles::new();
    let mut file = files.create("a").unwrap();
    file.write(&[1; 10_000]).unwrap();
    file.sync().unwrap();
    assert_eq!(files.crash_as(Damage::Kept, false, 0).contents("a"), None, "its name was not synced");
    files.sync_dir("").unwrap();
    file.write(&[2; 10_000]).unwrap();
    let after = |damage| files.crash_as(damage, true, 7).contents("a").unwrap();
    assert_eq!(after(Damage::Lost), [1; 10_000]);
    assert_eq!(after(Damage::Kept), [vec![1; 10_000], vec![2; 10_000]].concat());
    assert_eq!(after(Damage::Zeros), [vec![1; 10_000], vec![0; 10_000]].concat());
    let torn = after(Damage::Torn);
    assert!((10_000..20_000).contains(&torn.len()));
    assert_eq!(torn, files.contents("a").unwrap()[..torn.len()]);
    for seed in 0..50 {
        let after = files.crash(seed).contents("a").unwrap();
        assert!(after.starts_with(&[1; 10_000]), "seed {seed}");
        assert_eq!(Some(after), files.crash(seed).contents("a"), "seed {seed} gives the same twice");
    }
}

#[test]
fn a_crash_keeps_or_undoes_each_change_of_names() {
    let files = SimulatedFiles::new();
    files.put("old", b"old");
    files.put("new", b"new");
    files.rename("new", "old").unwrap();
    let mut seen = [false; 2];
    for seed in 0..50 {
        let after = files.crash(seed);
        match after.contents("old").unwrap().as_slice() {
            b"old" => assert_eq!(after.contents("new").unwrap(), b"new"),
            b"new" => assert_eq!(after.contents("new"), None),
            _ => panic!("a name means neither"),
        }
        seen[usize::from(after.contents("new").is_none())] = true;
    }
    assert_eq!(seen, [true; 2]);
    files.sync_dir("").unwrap();
    assert!((0..50).all(|seed| files.crash(seed).contents("old").unwrap() == b"new"));
}

#[test]
fn operations_fail_when_they_are_told_to() {
    let files = SimulatedFiles::new();
    let mut file = files.create("a").unwrap();
    files.sync_dir("").unwrap();
    assert_eq!(files.operations(), 2);
    files.fail(Fault { operations: 3..5, kind: ErrorKind::Other });
    file.write(&[1; 100]).unwrap();
    assert!(file.write(&[2; 100]).is_err());
    assert_eq!(files.contents("a").unwrap(), [[1; 100].as_slice(), &[2; 50]].concat(), "half of it may be there");
    assert!(file.sync().is_err());
    file.sync().unwrap();
    let after = files.crash(1).contents("a").unwrap();
    assert!(after.iter().all(|byte| *byte == 0), "a sync that failed loses the pages, whatever the next one says");
    files.set_space(Some(200));
    assert_eq!(file.write(&[0; 100]).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(file.allocate(1000).unwrap_err().kind(), ErrorKind::StorageFull);
    files.heal();
    file.write(&[0; 100]).unwrap();
}

/// Beside a list of what each file held at its syncs: after a crash every byte is what it was then, or later, or zero.
#[test]
fn random_writes_and_crashes() {
    let seed = std::env::var("RKV_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("RKV_SEED={seed}");
    let mut random = Xoshiro256::from_seed(seed);
    for round in 0..200 {
        let files = SimulatedFiles::new();
        let mut file = files.create("a").unwrap();
        files.sync_dir("").unwrap();
        let (mut written, mut synced) = (Vec::new(), 0);
        for _ in 0..random.below(30) {
            if random.below(4) == 0 {
                file.sync().unwrap();
                synced = written.len();
            } else {
                let more = vec![random.below(255) as u8 + 1; random.below(6000) as usize];
                file.write(&more).unwrap();
                written.extend(more);
            }
        }
        let after = files.crash(round).contents("a").unwrap();
        assert_eq!(after.get(..synced), written.get(..synced), "round {round}");
        assert!(after.len() <= written.len());
        assert!(after.iter().zip(&written).all(|(after, written)| after == written || *after == 0), "round {round}");
    }
}
