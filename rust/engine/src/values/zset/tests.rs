//! Random lives of sorted sets beside a sorted vector, across both forms, with snapshots in the middle.

use std::ops::Range;

use super::*;
use crate::random::{Random, Xoshiro256};
use crate::values::Gauge;

/// Members and scores in order: everything is found by looking at all of them.
#[derive(Clone, Debug, Default)]
struct Model(Vec<(f64, Vec<u8>)>);

impl Model {
    fn sort(&mut self) {
        self.0.sort_by(|one, other| one.0.partial_cmp(&other.0).expect("no NaN").then_with(|| one.1.cmp(&other.1)));
    }

    fn find(&self, member: &[u8]) -> Option<usize> {
        self.0.iter().position(|(_, name)| name == member)
    }

    fn add(&mut self, member: &[u8], score: f64, condition: Condition) -> Option<Change> {
        let Some(at) = self.find(member) else {
            if condition.if_there {
                return Some(Change::Refused);
            }
            self.0.push((score, member.to_vec()));
            self.sort();
            return Some(Change::Added);
        };
        let old = self.0[at].0;
        let new = if condition.is_sum { old + score } else { score };
        let passes = (!condition.if_greater || new > old) && (!condition.if_less || new < old);
        match (condition.if_absent, new.is_nan(), passes) {
            (true, ..) => Some(Change::Refused),
            (_, true, _) => None,
            (.., false) => Some(Change::Refused),
            _ if new.partial_cmp(&old) == Some(std::cmp::Ordering::Equal) => Some(Change::Same),
            _ => {
                self.0[at].0 = new;
                self.sort();
                Some(Change::Updated)
            }
        }
    }

    fn between(&self, is_inside: impl Fn(&(f64, Vec<u8>)) -> bool) -> Vec<(f64, Vec<u8>)> {
        self.0.iter().filter(|entry| is_inside(entry)).cloned().collect()
    }
}

fn shown(view: ZsetView<'_>, ranks: Range<u64>, is_reverse: bool) -> Vec<(f64, Vec<u8>)> {
    let mut shown = Vec::new();
    view.each_of(ranks, is_reverse, |member, score| shown.push((score, member.to_vec())));
    shown
}

struct Life {
    random: Xoshiro256,
    rules: Rules,
    large: Large,
    model: Model,
    /// All scores of this life are the same, so that names are in order.
    has_one_score: bool,
    /// What a snapshot under way must tell, and what it told.
    captured: Option<(Model, Model)>,
}

impl Life {
    fn new(seed: u64) -> Self {
        let mut random = Xoshiro256::from_seed(seed);
        let rules = Rules::new([7; 16]);
        rules.set_zset_entries_max([0, 3, 8, 200][random.below(4) as usize]);
        rules.set_zset_value_bytes_max([0, 4, 64][random.below(3) as usize]);
        let has_one_score = random.below(3) == 0;
        Self {
            random,
            rules,
            large: Zset::default().into_large(),
            model: Model::default(),
            has_one_score,
            captured: None,
        }
    }

    fn member(&mut self) -> Vec<u8> {
        match self.random.below(20) {
            0 => Vec::new(),
            1 => b"12".to_vec(),
            2 => vec![b'x'; self.random.below(300) as usize],
            3 => vec![b'y'; 2000],
            _ => format!("{}", self.random.below(400)).into_bytes(),
        }
    }

    fn score(&mut self) -> f64 {
        match self.random.below(12) {
            _ if self.has_one_score => 2.5,
            0 => f64::INFINITY,
            1 => f64::NEG_INFINITY,
            2 => 0.1 + self.random.fraction(),
            3 => -0.0,
            4 => 4_611_686_018_427_387_904.0,
            _ => self.random.below(10) as f64 - 5.0,
        }
    }

    fn change<R>(&self, change: impl FnOnce(&mut Zset) -> R) -> R {
        change(Zset::cell(&self.large).expect("a sorted set").write().to_change())
    }

    fn view<R>(&self, view: impl FnOnce(ZsetView<'_>) -> R) -> R {
        view(Zset::cell(&self.large).expect("a sorted set").read().view())
    }

    fn add(&mut self) {
        let (member, score) = (self.member(), self.score());
        let mut flag = || self.random.below(6) == 0;
        let (if_absent, if_there, if_greater, if_less) = (flag(), flag(), flag(), flag());
        let is_sum = flag() && !self.has_one_score;
        let condition = Condition { if_absent, if_there, if_greater, if_less, is_sum };
        let change = self.change(|zset| zset.add(&member, score, condition, &self.rules));
        assert_eq!(change.ok().map(|(change, _)| change), self.model.add(&member, score, condition), "{condition:?}");
        let now = self.model.find(&member).map(|at| self.model.0[at].0);
        assert_eq!(self.view(|view| view.score(&member)), now);
    }

    fn ranks(&mut self) -> Range<usize> {
        let len = self.model.0.len() as u64;
        let start = self.random.below(len + 1);
        let end = start + self.random.below((len - start).min(20) + 1);
        start as usize..end as usize
    }

    fn remove(&mut self) {
        match self.random.below(4) {
            0 => {
                let ranks = self.ranks();
                let removed = self.change(|zset| zset.remove_ranks(ranks.start as u64..ranks.end as u64));
                assert_eq!(removed as usize, self.model.0.drain(ranks).count());
            }
            1 => {
                let count = self.random.below(5);
                let end = if self.random.below(2) == 0 { End::Lowest } else { End::Highest };
                let mut popped = Vec::new();
                self.change(|zset| zset.pop(end, count, |name, score| popped.push((score, name.to_vec()))));
                let count = (count as usize).min(self.model.0.len());
                let expected: Vec<_> = match end {
                    End::Lowest => self.model.0.drain(..count).collect(),
                    End::Highest => self.model.0.drain(self.model.0.len() - count..).rev().collect(),
                };
                assert_eq!(popped, expected);
            }
            _ => {
                let member = self.member();
                let removed = self.change(|zset| zset.remove(&member));
                let at = self.model.find(&member);
                assert_eq!(removed, at.is_some());
                at.map(|at| self.model.0.remove(at));
            }
        }
    }

    fn look(&mut self) {
        let ranks = self.ranks();
        let wide = ranks.start as u64..ranks.end as u64;
        let expected = self.model.0[ranks].to_vec();
        assert_eq!(self.view(|view| shown(view, wide.clone(), false)), expected);
        let reversed: Vec<_> = expected.into_iter().rev().collect();
        assert_eq!(self.view(|view| shown(view, wide, true)), reversed);
        let member = self.member();
        let rank = self.model.find(&member).map(|at| (at as u64, self.model.0[at].0));
        assert_eq!(self.view(|view| view.rank(&member)), rank);
        let len = self.model.0.len() as u64;
        assert!(self.view(|view| view.len() == len));
        let (one, other) = (self.score(), self.score());
        let (min, max) = if self.random.below(5) == 0 { (one, other) } else { (one.min(other), one.max(other)) };
        let (min_open, max_open) = (self.random.below(2) == 0, self.random.below(2) == 0);
        let range = ScoreRange { min, min_open, max, max_open };
        let is_inside = |score: f64| {
            (if min_open { score > min } else { score >= min }) && (if max_open { score < max } else { score <= max })
        };
        let found = self.view(|view| shown(view, view.within_scores(&range), false));
        assert_eq!(found, self.model.between(|(score, _)| is_inside(*score)), "{range:?}");
        if self.has_one_score {
            self.look_at_names();
        }
    }

    fn look_at_names(&mut self) {
        let bound = |life: &mut Self| match life.random.below(6) {
            0 => b"-".to_vec(),
            1 => b"+".to_vec(),
            kind => [if kind < 4 { b"[" } else { b"(" }, life.member().as_slice()].concat(),
        };
        let (min, max) = (bound(self), bound(self));
        let is_inside = |name: &[u8]| {
            let after_min = match min.split_first().expect("a sign") {
                (b'-', _) => true,
                (b'+', _) => false,
                (b'(', bound) => name > bound,
                (_, bound) => name >= bound,
            };
            after_min
                && match max.split_first().expect("a sign") {
                    (b'-', _) => false,
                    (b'+', _) => true,
                    (b'(', bound) => name < bound,
                    (_, bound) => name <= bound,
                }
        };
        let range = NameRange::parse(&min, &max).expect("a range");
        let expected = self.model.between(|(_, name)| is_inside(name));
        for from_end in [false, true] {
            let found = self.view(|view| shown(view, view.within_names(&range, from_end), false));
            assert_eq!(found, expected, "{range:?}");
        }
    }

    /// Stores a part or a copy of itself over itself, or all of it gathered in another order.
    fn store(&mut self) {
        let ranks = if self.random.below(2) == 0 { self.ranks() } else { 0..self.model.0.len() };
        let wide = ranks.start as u64..ranks.end as u64;
        let part = self.view(|view| Zset::part_of(view, wide.clone(), &self.rules));
        let mut members = Elements::new(self.rules.keyed);
        self.view(|view| {
            view.each_of(wide, true, |name, score| {
                members.put(&Element { name, payload: &score.to_le_bytes(), deadline_ms: None });
            });
        });
        let gathered = Zset::of(members, &self.rules);
        let copy = part.clone();
        for zset in [&part, &gathered, &copy] {
            assert_eq!(shown(zset.view(), 0..zset.view().len(), false), self.model.0[ranks.clone()]);
            assert_eq!(zset.encoding(), self.encoding_of(&self.model.0[ranks.clone()]));
        }
        if self.captured.is_none() {
            self.model.0 = self.model.0[ranks].to_vec();
            self.large = gathered.into_large();
        }
    }

    fn encoding_of(&self, entries: &[(f64, Vec<u8>)]) -> &'static str {
        let bytes_max = self.rules.zset_value_bytes_max() as usize;
        let is_small = entries.len() as i64 <= self.rules.zset_entries_max()
            && entries.iter().all(|(_, name)| name.len() <= bytes_max);
        if is_small { "listpack" } else { "skiplist" }
    }

    fn snapshot(&mut self) {
        let Some((cut, mut told)) = self.captured.take() else {
            self.large.begin_capture(&Gauge::default());
            self.captured = Some((self.model.clone(), Model::default()));
            return;
        };
        if self.random.below(10) == 0 {
            self.large.abort_capture();
            return;
        }
        let mut piece = Piece::default();
        if self.large.drain(&mut piece) {
            told.0.extend(piece.iter().map(|element| (element.score(), element.name.to_vec())));
            self.captured = Some((cut, told));
            return;
        }
        told.sort();
        assert_eq!(told.0, cut.0, "the snapshot is what was there at the cut");
    }

    fn step(&mut self, wants: u64) {
        match self.random.below(20) {
            0 => self.look(),
            1..3 => self.snapshot(),
            3 if self.random.below(20) == 0 => self.store(),
            // Lives grow and shrink by turns.
            _ if (self.model.0.len() as u64) < wants => self.add(),
            4..12 => self.remove(),
            _ => self.add(),
        }
    }
}

#[test]
fn lives_are_those_of_a_sorted_vector() {
    let seed = std::env::var("RKV_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("RKV_TEST_SEED={seed}");
    for life in 0..40 {
        let mut life = Life::new(seed + life);
        for wants in [10, 0, 300, 5, 1000, 0] {
            for _ in 0..600 {
                life.step(wants);
            }
        }
        life.look();
    }
}

#[test]
fn the_bytes_are_those_of_redis() {
    // What `ZADD z 3 c 1 a 1.5 b inf d -7 7 -1000000 long-name 1e100 e` and DUMP give on redis-server 7.0.15, without the frame of a dump.
    let rules = Rules::new([7; 16]);
    let mut zset = Zset::default();
    for (score, member) in
        [(3.0, "c"), (1.0, "a"), (1.5, "b"), (f64::INFINITY, "d"), (-7.0, "7"), (-1e6, "long-name"), (1e100, "e")]
    {
        zset.add(member.as_bytes(), score, Condition::default(), &rules).expect("a score");
    }
    let (packing, bytes) = zset.packed().expect("a small one");
    assert_eq!(packing, Packing::Zset);
    assert_eq!(bytes.escape_ascii().to_string(), DUMPED.escape_ascii().to_string());
}

const DUMPED: &[u8] = b"A\x00\x00\x00\x0e\x00\x89long-name\n\xf2\xc0\xbd\xf0\x04\x07\x01\xdf\xf9\x02\x81a\x02\x01\x01\x81b\x02\x831.5\x04\x81c\x02\x03\x01\x81e\x02\x861e+100\x07\x81d\x02\x83inf\x04\xff";

#[test]
fn bounds_are_read_as_valkey_reads_them() {
    let score = |text: &str| ScoreRange::parse(text.as_bytes(), b"0").map(|range| (range.min, range.min_open));
    for (text, expected) in [
        ("1.5", Some((1.5, false))),
        ("(1.5", Some((1.5, true))),
        ("", Some((0.0, false))),
        ("(", Some((0.0, true))),
        ("-inf", Some((f64::NEG_INFINITY, false))),
        ("(+inf", Some((f64::INFINITY, true))),
        ("infinity", Some((f64::INFINITY, false))),
        ("1e400", Some((f64::INFINITY, false))),
        ("1e-400", Some((0.0, false))),
        ("1\0x", Some((1.0, false))),
        ("0x10", None),
        ("nan", None),
        (" 1", None),
        ("1 ", None),
        ("((1", None),
        ("-", None),
        ("1e", None),
    ] {
        assert_eq!(score(text), expected, "{text:?}");
    }
    for text in ["a", "", "++", "--", "a[", " -"] {
        assert_eq!(NameRange::parse(text.as_bytes(), b"+"), None, "{text:?}");
        assert_eq!(NameRange::parse(b"-", text.as_bytes()), None, "{text:?}");
    }
    for (min, max) in [("+", "-"), ("+", "+"), ("-", "-"), ("[b", "[a"), ("(a", "[a"), ("[a", "(a"), ("(a", "(a")] {
        let range = NameRange::parse(min.as_bytes(), max.as_bytes()).expect("a range");
        assert!(range.is_empty(), "{min} {max}");
    }
    for (text, expected) in [
        ("1", Some(1.0)),
        ("+1", Some(1.0)),
        ("01", Some(1.0)),
        (".5", Some(0.5)),
        ("5.", Some(5.0)),
        ("1e5", Some(100_000.0)),
        ("-inf", Some(f64::NEG_INFINITY)),
        ("9007199254740993", Some(9_007_199_254_740_992.0)),
        ("4.9e-324", Some(4.9e-324)),
        ("0x10", None),
        ("-0x10", None),
        ("nan", None),
        ("1e400", None),
        ("1e-400", None),
        ("", None),
        (" 1", None),
        ("1\0", None),
    ] {
        assert_eq!(parse_score(text.as_bytes()), expected, "{text:?}");
    }
    assert!(parse_score(b"-0").is_some_and(|zero| zero == 0.0 && zero.is_sign_negative()));
}
