//! Tests of the configuration, most of them against golden files that real servers made.

mod files;
mod golden;
mod values;

use std::collections::BTreeMap;
use std::io;

use super::Files;

/// Files in memory. A pattern may hold one `*`.
#[derive(Default)]
struct Folder(BTreeMap<String, Vec<u8>>);

impl Folder {
    fn with(mut self, path: &str, content: &str) -> Self {
        self.0.insert(path.into(), content.into());
        self
    }
}

impl Files for Folder {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let content = self.0.get(path).cloned();
        content.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such file"))
    }

    fn glob(&self, pattern: &str) -> io::Result<Vec<String>> {
        let (before, after) = pattern.split_once('*').unwrap_or((pattern, ""));
        let fits = |path: &&String| path.starts_with(before) && path.ends_with(after);
        Ok(self.0.keys().filter(fits).cloned().collect())
    }
}

/// The glob of Redis, as far as these tests use it: `*` and `?`.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => glob(rest, name) || (!name.is_empty() && glob(pattern, &name[1..])),
        ([b'?', rest @ ..], [_, tail @ ..]) => glob(rest, tail),
        ([a, rest @ ..], [b, tail @ ..]) => a == b && glob(rest, tail),
        _ => false,
    }
}
