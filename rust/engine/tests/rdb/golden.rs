//! Files that real servers wrote, and what these servers said was in them; see `tests/data/rdb/make.py`.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::support::{read_all, rules};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/rdb")
}

#[test]
fn files_of_real_servers_hold_what_these_servers_said() {
    let mut seen = 0;
    for file in fs::read_dir(folder()).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rdb") {
            continue;
        }
        let (kept, result) = read_all(&fs::read(&path).unwrap(), &rules());
        let summary = result.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let told = fs::read_to_string(path.with_extension("tsv")).unwrap();
        assert_eq!(told.lines().count(), kept.keys.len(), "{}", path.display());
        for line in told.lines() {
            let mut columns = line.split('\t');
            let mut column = || columns.next().unwrap_or_default();
            let (db, name): (usize, _) = (column().parse().unwrap(), column());
            let (key, stored) = kept
                .keys
                .iter()
                .find(|((other, key), _)| *other == db && hex(key) == name)
                .unwrap_or_else(|| panic!("{}: {name} is missing", path.display()));
            assert_eq!(stored.kind.name(), column(), "{key:?}");
            let deadline_ms: i64 = column().parse().unwrap();
            assert_eq!(stored.deadline_ms.unwrap_or(-1), deadline_ms, "{key:?}");
            assert_eq!(stored.digest, column(), "{}: {key:?}", path.display());
            let fields: Vec<String> = stored
                .parts
                .iter()
                .filter_map(|(name, _, deadline)| deadline.map(|deadline| format!("{}={deadline}", hex(name))))
                .collect();
            assert_eq!(fields.join(","), column(), "{key:?}");
        }
        assert!(summary.is_checked, "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 4, "{seen} files");
}
