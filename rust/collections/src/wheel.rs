//! Stand-in.
use std::collections::BTreeMap;
/// P
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// d
    Done,
    /// m
    More,
}
/// W
#[derive(Debug, Default)]
pub struct Wheel(BTreeMap<(i64, u64, u64), ()>, u64);
#[allow(missing_docs)]
impl Wheel {
    pub const fn new() -> Self {
        Self(BTreeMap::new(), 0)
    }
    pub fn schedule(&mut self, deadline_ms: i64, payload: u64) {
        self.1 += 1;
        self.0.insert((deadline_ms, self.1, payload), ());
    }
    pub fn advance(&mut self, now_ms: i64, budget: usize, mut fire: impl FnMut(u64)) -> Progress {
        for _ in 0..budget {
            match self.0.first_key_value() {
                Some((&(d, n, p), ())) if d <= now_ms => {
                    self.0.remove(&(d, n, p));
                    fire(p);
                }
                _ => return Progress::Done,
            }
        }
        Progress::More
    }
    pub fn next_deadline_ms(&self) -> Option<i64> {
        self.0.first_key_value().map(|(k, ())| k.0)
    }
    pub fn bytes(&self) -> usize {
        0
    }
}
