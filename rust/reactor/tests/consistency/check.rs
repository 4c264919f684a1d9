//! Whether a history is strictly serializable: there is an order of all transactions, one after the other, that agrees with
//! every reply, and in which nobody comes before who had ended when he began.
//!
//! Each value is written once, so a reply tells whose writes it saw. Of lists, streams and registers it also tells the order
//! of the writes, and of sets the order of what was read, as they only grow. That gives edges of four kinds, linear in the size
//! of the history, and an order exists exactly if there is no cycle.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::graph::{Graph, Why};
use crate::history::{Event, Key, Kind, Txn};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Nobody wrote this value to this key.
    Garbage,
    /// A value was seen of a transaction that did nothing.
    AbortedRead,
    /// A value was seen that its transaction wrote over, or a part of what it added.
    IntermediateRead,
    /// A transaction does not see its own writes.
    Internal,
    /// Two reads contradict each other: neither is an earlier state of the other.
    Incompatible,
    /// Two writes took the place of one version.
    LostUpdate,
    /// Writes alone go round in a circle (G0).
    WriteCycle,
    /// Writes and what was seen of them go round in a circle (G1c).
    CircularFlow,
    /// Only together with what was not seen there is a circle: write skew, lost updates (G2).
    WriteSkew,
    /// It could be serialized, but not in the order of time.
    StaleRead,
    /// A queue gave an element twice.
    DoublePop,
    /// An element is gone, or a pop found nothing although there was something.
    LostElement,
    /// A queue, or those who waited for it, were served out of order.
    NotInOrder,
    /// Somebody waited on, although there was something for him.
    LostWake,
    /// Something else than the history is wrong.
    Wrong,
}

/// What is wrong, and where.
#[derive(Clone, Debug)]
pub struct Anomaly {
    pub problem: Problem,
    pub what: String,
}

impl Anomaly {
    pub fn new(problem: Problem, what: impl Into<String>) -> Self {
        Self { problem, what: what.into() }
    }
}

/// Everything that was written to one key and seen of it.
#[derive(Default)]
struct Versions<'a> {
    writers: HashMap<u64, u32>,
    reads: Vec<(u32, &'a [u64])>,
    /// Of a register: which value took the place of which.
    next: HashMap<Option<u64>, u64>,
    /// Values that another one of the same transaction took the place of.
    hidden: HashSet<u64>,
}

struct Checker<'a> {
    history: &'a [Txn],
    graph: Graph,
    anomalies: Vec<Anomaly>,
}

/// What is wrong with a history; the worst first.
pub fn check(history: &[Txn]) -> Vec<Anomaly> {
    let mut checker = Checker { history, graph: Graph::new(history.len()), anomalies: Vec::new() };
    let keys = checker.collect();
    for (key, versions) in &keys {
        checker.key(*key, versions);
    }
    if checker.anomalies.is_empty() {
        checker.time();
        checker.cycles();
    }
    checker.anomalies
}

impl<'a> Checker<'a> {
    fn found(&mut self, problem: Problem, what: String) {
        self.anomalies.push(Anomaly::new(problem, what));
    }

    fn collect(&mut self) -> BTreeMap<Key, Versions<'a>> {
        let mut keys: BTreeMap<Key, Versions<'a>> = BTreeMap::new();
        for (number, txn) in self.history.iter().enumerate() {
            let number = number as u32;
            for event in &txn.events {
                match event {
                    Event::Add { key, value } => {
                        keys.entry(*key).or_default().writers.insert(*value, number);
                    }
                    Event::Set { key, value, before } => {
                        let versions = keys.entry(*key).or_default();
                        versions.writers.insert(*value, number);
                        if txn.is_committed && versions.next.insert(*before, *value).is_some() {
                            self.found(Problem::LostUpdate, format!("{key:?}: {before:?} was replaced twice: {txn:?}"));
                        }
                        let own = before.filter(|before| versions.writers.get(before) == Some(&number));
                        versions.hidden.extend(own);
                    }
                    Event::Read { key, values } if txn.is_committed => {
                        keys.entry(*key).or_default().reads.push((number, values));
                    }
                    Event::Read { .. } => {}
                }
            }
            if txn.is_committed {
                self.internal(txn);
            }
        }
        keys
    }

    /// Whether a transaction sees what it wrote itself.
    fn internal(&mut self, txn: &Txn) {
        let mut own: HashMap<Key, Vec<u64>> = HashMap::new();
        for event in &txn.events {
            let is_seen = match event {
                Event::Add { key, value } => {
                    own.entry(*key).or_default().push(*value);
                    true
                }
                Event::Set { key, value, before } => {
                    let last = own.insert(*key, vec![*value]);
                    last.is_none_or(|last| last.first() == before.as_ref())
                }
                Event::Read { key, values } => match own.get(key) {
                    None => true,
                    Some(own) if key.kind.is_ordered() => values.ends_with(own),
                    Some(own) => own.iter().all(|value| values.contains(value)),
                },
            };
            if !is_seen {
                self.found(Problem::Internal, format!("{event:?} in {txn:?}"));
            }
        }
    }

    fn key(&mut self, key: Key, versions: &Versions<'_>) {
        let before = self.anomalies.len();
        for (reader, values) in &versions.reads {
            self.sources(key, versions, *reader, values);
        }
        if self.anomalies.len() > before {
            return;
        }
        match key.kind {
            Kind::Register => self.register(key, versions),
            Kind::List | Kind::Stream => self.ordered(key, versions),
            Kind::Set | Kind::Zset => self.unordered(key, versions),
        }
    }

    /// Whether what was read is from transactions that were done.
    fn sources(&mut self, key: Key, versions: &Versions<'_>, reader: u32, values: &[u64]) {
        for value in values {
            let Some(writer) = versions.writers.get(value) else {
                self.found(Problem::Garbage, format!("{key:?}: {value} was read and never written"));
                continue;
            };
            if !self.history[*writer as usize].is_committed {
                self.found(Problem::AbortedRead, format!("{key:?}: {value} of a transaction that was not done"));
            }
            if *writer != reader && versions.hidden.contains(value) {
                self.found(Problem::IntermediateRead, format!("{key:?}: {value} was replaced at once"));
            }
        }
        let distinct: HashSet<&u64> = values.iter().collect();
        if distinct.len() != values.len() {
            self.found(Problem::Garbage, format!("{key:?}: a value stands there twice: {values:?}"));
        }
    }

    fn committed(&self, versions: &Versions<'_>) -> usize {
        versions.writers.values().filter(|writer| self.history[**writer as usize].is_committed).count()
    }

    fn register(&mut self, key: Key, versions: &Versions<'_>) {
        let mut order = Vec::new();
        let mut last = None;
        while let Some(value) = versions.next.get(&last) {
            order.push(*value);
            last = Some(*value);
            if order.len() > versions.next.len() {
                break;
            }
        }
        if order.len() != self.committed(versions) {
            let what = format!("{key:?}: {} writes, {} follow each other", versions.next.len(), order.len());
            return self.found(Problem::LostUpdate, what);
        }
        let places: HashMap<u64, usize> = order.iter().enumerate().map(|(place, value)| (*value, place + 1)).collect();
        let reads = versions.reads.iter().map(|(reader, values)| {
            let place = values.first().and_then(|value| places.get(value));
            (*reader, place.copied().unwrap_or(0))
        });
        let reads: Vec<_> = reads.collect();
        self.link(versions, &order, &reads);
    }

    fn ordered(&mut self, key: Key, versions: &Versions<'_>) {
        let longest = versions.reads.iter().map(|(_, values)| *values).max_by_key(|values| values.len());
        let order = longest.unwrap_or_default();
        for (_, values) in &versions.reads {
            if !order.starts_with(values) {
                let what = format!("{key:?}: {values:?} is no beginning of {order:?}");
                return self.found(Problem::Incompatible, what);
            }
        }
        let reads: Vec<_> = versions.reads.iter().map(|(reader, values)| (*reader, values.len())).collect();
        for (reader, place) in &reads {
            let around = (place.checked_sub(1).and_then(|last| order.get(last)), order.get(*place));
            if let (Some(last), Some(next)) = around {
                let writer = versions.writers[last];
                if writer == versions.writers[next] && writer != *reader {
                    self.found(Problem::IntermediateRead, format!("{key:?}: {last} was read without {next}"));
                }
            }
        }
        self.unread(key, versions, order);
        self.link(versions, order, &reads);
    }

    /// Each key is read once more when all is done, so what nobody has read is lost.
    fn unread(&mut self, key: Key, versions: &Versions<'_>, seen: &[u64]) {
        if !versions.reads.is_empty() && seen.len() < self.committed(versions) {
            let what = format!("{key:?}: {} values were added, {} read", self.committed(versions), seen.len());
            self.found(Problem::LostElement, what);
        }
    }

    /// The edges of versions in their order, and of reads that saw so many of them.
    fn link(&mut self, versions: &Versions<'_>, order: &[u64], reads: &[(u32, usize)]) {
        let writers: Vec<u32> = order.iter().map(|value| versions.writers[value]).collect();
        for pair in writers.windows(2) {
            self.graph.edge(pair[0], pair[1], Why::Overwritten);
        }
        for (reader, place) in reads {
            if let Some(writer) = place.checked_sub(1).and_then(|last| writers.get(last)) {
                self.graph.edge(*writer, *reader, Why::Seen);
            }
            // Of who read after its own write, the edge from that write says it.
            if let Some(writer) = writers.get(*place) {
                self.graph.edge(*reader, *writer, Why::Missed);
            }
        }
    }

    /// Sets that only grow: what was read are layers, one within the other.
    fn unordered(&mut self, key: Key, versions: &Versions<'_>) {
        let mut reads = versions.reads.clone();
        reads.sort_by_key(|(_, values)| values.len());
        let mut seen: HashSet<u64> = HashSet::new();
        let mut layer: Vec<u32> = Vec::new();
        for (reader, values) in reads {
            let values: HashSet<u64> = values.iter().copied().collect();
            if !seen.is_subset(&values) {
                let what = format!("{key:?}: neither of two reads holds the other: {seen:?}, {values:?}");
                return self.found(Problem::Incompatible, what);
            }
            let fresh: Vec<u32> = values.difference(&seen).map(|value| versions.writers[value]).collect();
            for writer in &fresh {
                for earlier in &layer {
                    self.graph.edge(*earlier, *writer, Why::Missed);
                }
                self.graph.edge(*writer, reader, Why::Seen);
            }
            if fresh.is_empty() {
                // It saw the same as the one before it, so what that one saw comes before it, too.
                for value in &seen {
                    self.graph.edge(versions.writers[value], reader, Why::Seen);
                }
            } else {
                layer.clear();
            }
            layer.push(reader);
            seen = values;
        }
        let all: Vec<u64> = seen.into_iter().collect();
        self.unread(key, versions, &all);
    }

    /// Who had ended when another began comes before it: a chain of moments, so that there are not too many edges.
    fn time(&mut self) {
        let mut moments: Vec<(u64, bool, u32)> = Vec::with_capacity(2 * self.history.len());
        for (number, txn) in self.history.iter().enumerate().filter(|(_, txn)| txn.is_committed) {
            moments.push((txn.start, false, number as u32));
            moments.push((txn.end, true, number as u32));
        }
        moments.sort_unstable();
        let mut last: Option<u32> = None;
        for (_, is_end, txn) in moments {
            if is_end {
                let moment = self.graph.add();
                self.graph.edge(txn, moment, Why::Earlier);
                if let Some(last) = last {
                    self.graph.edge(last, moment, Why::Earlier);
                }
                last = Some(moment);
            } else if let Some(last) = last {
                self.graph.edge(last, txn, Why::Earlier);
            }
        }
    }

    fn cycles(&mut self) {
        if self.graph.cycle(Why::Earlier).is_empty() {
            return;
        }
        let kinds = [
            (Why::Overwritten, Problem::WriteCycle),
            (Why::Seen, Problem::CircularFlow),
            (Why::Missed, Problem::WriteSkew),
            (Why::Earlier, Problem::StaleRead),
        ];
        for (most, problem) in kinds {
            let cycle = self.graph.cycle(most);
            if !cycle.is_empty() {
                let txns: Vec<&Txn> =
                    cycle.iter().filter_map(|node| self.history.get(*node as usize)).take(6).collect();
                return self.found(problem, format!("{} are in a circle: {txns:#?}", cycle.len()));
            }
        }
    }
}
