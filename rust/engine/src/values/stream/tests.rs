//! Streams against maps of the standard library, with small nodes, and with snapshots under way.
//!
//! `RKV_TEST_SEED` repeats a run.

use std::collections::BTreeMap;

use super::{Group, Id, Keep, Node, Pending, Stream, StreamEntry, Trim};
use crate::chance::Random;
use crate::values::Gauge;
use crate::values::{Collection, Large, Rules, ValueRef};

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// What is pending in a group: to whom, when, how often.
type Delivered = BTreeMap<Id, (String, i64, u64)>;

#[derive(Clone, Default, PartialEq, Debug)]
struct Model {
    entries: BTreeMap<Id, Pairs>,
    groups: BTreeMap<String, (Vec<String>, Delivered)>,
    last: Id,
}

/// What these tests draw.
trait Parts {
    fn text(&mut self) -> Vec<u8>;
    fn pairs(&mut self) -> Pairs;
    /// An id that is there, or near one.
    fn id(&mut self, model: &Model) -> Id;
}

impl Parts for Random {
    fn text(&mut self) -> Vec<u8> {
        match self.below(6) {
            0 => (self.below(100_000) as i64 - 50_000).to_string().into_bytes(),
            1 => vec![b'v'; self.below(300)],
            2 => b"007".to_vec(),
            _ => format!("text{}", self.below(9)).into_bytes(),
        }
    }

    fn pairs(&mut self) -> Pairs {
        // The same names more often than not, as in real streams.
        let count = [1, 2, 2, 2, 3][self.below(5)];
        let own = self.below(8) == 0;
        (0..count).map(|at| (if own { self.text() } else { format!("field{at}").into_bytes() }, self.text())).collect()
    }

    fn id(&mut self, model: &Model) -> Id {
        match model.entries.keys().nth(self.below(model.entries.len() + 1)) {
            Some(id) if self.below(4) > 0 => *id,
            _ => Id::new(self.below(model.last.ms as usize + 3) as u64, self.below(4) as u64),
        }
    }
}

fn rules(bytes: i64, entries: i64) -> Rules {
    let rules = Rules::new([0; 16]);
    rules.set_stream_node_bytes_max(bytes);
    rules.set_stream_node_entries_max(entries);
    rules
}

fn pairs_of(entry: &StreamEntry<'_>) -> Pairs {
    let mut pairs = Vec::new();
    entry.each(|name, value| pairs.push((name.to_vec(), value.to_vec())));
    assert_eq!(pairs.len(), entry.pairs());
    pairs
}

fn observed(stream: &Stream) -> Model {
    let entries = stream.entries();
    let groups = stream.groups().map(|(name, group)| {
        let name_of = |pending: &Pending| String::from_utf8(group.name(pending.consumer).to_vec()).unwrap();
        let delivered: Delivered = group
            .pending_from(Id::MIN)
            .map(|pending| (pending.id, (name_of(&pending), pending.delivered_ms, pending.deliveries)))
            .collect();
        for consumer in group.consumers() {
            let ids: Vec<Id> = consumer.pending_from(Id::MIN).collect();
            let own = |(_, (name, ..)): &(&Id, &(String, i64, u64))| name.as_bytes() == &*consumer.name;
            assert_eq!(ids, delivered.iter().filter(own).map(|(id, _)| *id).collect::<Vec<_>>());
            assert_eq!(consumer.pending_len(), ids.len());
        }
        assert_eq!(group.pending_len(), delivered.len());
        let names = group.consumers().map(|consumer| String::from_utf8(consumer.name.to_vec()).unwrap()).collect();
        (String::from_utf8(name.to_vec()).unwrap(), (names, delivered))
    });
    Model {
        entries: entries.range(Id::MIN, Id::MAX).map(|entry| (entry.id, pairs_of(&entry))).collect(),
        groups: groups.collect(),
        last: entries.last_id(),
    }
}

fn add(stream: &mut Stream, model: &mut Model, random: &mut Random, rules: &Rules) {
    let id = match random.below(3) {
        0 => model.last.next().unwrap(),
        1 => Id::new(model.last.ms, model.last.seq + 1 + random.below(3) as u64),
        _ => Id::new(model.last.ms + 1 + random.below(5) as u64, random.below(3) as u64),
    };
    let pairs = random.pairs();
    let words: Vec<&[u8]> = pairs.iter().flat_map(|(name, value)| [name.as_slice(), value]).collect();
    assert!(stream.add(id, &words, rules));
    model.entries.insert(id, pairs);
    model.last = id;
}

fn trim(stream: &mut Stream, model: &mut Model, random: &mut Random) {
    let keep = if random.below(2) == 0 {
        Keep::Newest(random.below(model.entries.len() + 5) as u64)
    } else {
        Keep::From(random.id(model))
    };
    let all: Vec<Id> = model.entries.keys().copied().collect();
    let exact = match keep {
        Keep::Newest(kept) => all.len().saturating_sub(kept as usize),
        Keep::From(id) => all.iter().filter(|other| **other < id).count(),
    };
    let approximate = (random.below(2) == 0).then(|| random.below(20) as u64);
    let count = stream.trim(&Trim { keep, approximate }).count;
    match approximate {
        None => assert_eq!(count, exact),
        Some(most) => assert!(count <= exact && (most == 0 || count as u64 <= most)),
    }
    all[..count].iter().for_each(|id| drop(model.entries.remove(id)));
}

fn change_group(stream: &mut Stream, model: &mut Model, random: &mut Random) {
    let name = format!("group{}", random.below(3));
    let consumer = format!("consumer{}", random.below(5));
    let (id, now_ms, deliveries) = (random.id(model), random.below(1000) as i64, random.below(5) as u64);
    let Some((names, delivered)) = model.groups.get_mut(&name) else {
        assert!(stream.add_group(name.as_bytes(), Group::new(id, None)));
        model.groups.insert(name, Default::default());
        return;
    };
    match random.below(40) {
        0 => {
            assert!(stream.remove_group(name.as_bytes()).is_some());
            model.groups.remove(&name);
        }
        1 => {
            let removed = stream.edit_group(name.as_bytes(), |group, _| group.remove(consumer.as_bytes())).unwrap();
            assert_eq!(removed.is_some(), names.contains(&consumer));
            names.retain(|other| *other != consumer);
            let before = delivered.len();
            delivered.retain(|_, (other, ..)| *other != consumer);
            assert_eq!(removed.unwrap_or(0), before - delivered.len());
        }
        2..15 => {
            let acknowledged = stream.edit_group(name.as_bytes(), |group, _| group.acknowledge(id)).unwrap();
            assert_eq!(acknowledged, delivered.remove(&id).is_some());
        }
        _ => {
            stream.edit_group(name.as_bytes(), |group, _| {
                let at = group.find(consumer.as_bytes()).unwrap_or_else(|| group.add(consumer.as_bytes(), now_ms));
                group.assign(Pending { id, delivered_ms: now_ms, deliveries, consumer: at });
            });
            delivered.insert(id, (consumer.clone(), now_ms, deliveries));
            if !names.contains(&consumer) {
                names.push(consumer);
                names.sort();
            }
        }
    }
}

fn check_ranges(stream: &Stream, model: &Model, random: &mut Random) {
    let (start, end) = (random.id(model), random.id(model));
    let expected: Vec<Id> = model.entries.keys().copied().filter(|id| (start..=end).contains(id)).collect();
    let entries = stream.entries();
    assert_eq!(entries.range(start, end).map(|entry| entry.id).collect::<Vec<_>>(), expected);
    let mut back: Vec<Id> = entries.range_back(start, end).map(|entry| entry.id).collect();
    back.reverse();
    assert_eq!(back, expected);
    assert_eq!(entries.get(start).map(|entry| pairs_of(&entry)).as_ref(), model.entries.get(&start));
    assert_eq!(entries.first().map(|entry| entry.id), model.entries.keys().next().copied());
    assert_eq!(entries.last().map(|entry| entry.id), model.entries.keys().next_back().copied());
    assert_eq!(entries.first_id(), model.entries.keys().next().copied().unwrap_or(Id::MIN));
    assert_eq!(entries.len(), model.entries.len());
}

/// Every node is what a dump may hold, and comes back as it was.
fn check_nodes(stream: &Stream) {
    for node in stream.entries().nodes() {
        let again = Node::from_bytes(node.id(), node.as_bytes().to_vec()).expect("a node is a valid node");
        assert_eq!(again.places(), node.places());
        let ids = |node: &Node| node.forward().map(|entry| entry.id).collect::<Vec<_>>();
        assert_eq!(ids(&again), ids(node));
    }
}

#[test]
fn streams_are_maps_whatever_is_done_to_them() {
    let mut random = Random::seeded();
    for (bytes, entries) in [(0, 3), (200, 0), (4096, 100), (300, 7)] {
        let rules = rules(bytes, entries);
        let (mut stream, mut model) = (Stream::default(), Model::default());
        stream.make();
        let mut captured: Option<Model> = None;
        for step in 0..4_000 {
            match random.below(20) {
                0 => trim(&mut stream, &mut model, &mut random),
                1..4 => {
                    let id = random.id(&model);
                    assert_eq!(stream.delete(id), model.entries.remove(&id).is_some());
                }
                4..12 => change_group(&mut stream, &mut model, &mut random),
                _ => add(&mut stream, &mut model, &mut random, &rules),
            }
            if step % 10 == 0 {
                check_ranges(&stream, &model, &mut random);
            }
            if random.below(100) == 0 {
                match captured.take() {
                    None => {
                        stream.begin_capture();
                        captured = Some(model.clone());
                    }
                    Some(captured) => assert_eq!(observed(&stream.take_captured(None).expect("it began")), captured),
                }
            }
        }
        assert_eq!(observed(&stream), model);
        assert_eq!(observed(&stream.clone()), model);
        check_nodes(&stream);
    }
}

#[test]
fn the_picture_of_a_stream_in_a_cell_is_that_of_the_cut() {
    let (rules, mut random) = (rules(4096, 100), Random(1));
    let (mut stream, mut model) = (Stream::default(), Model::default());
    (0..500).for_each(|_| add(&mut stream, &mut model, &mut random, &rules));
    let large = stream.into_large();
    let Large::Stream(cell) = &large else { unreachable!() };
    for _ in 0..3 {
        large.begin_capture(&Gauge::default());
        let at_the_cut = model.clone();
        (0..300).for_each(|_| add(cell.write().to_change(), &mut model, &mut random, &rules));
        trim(cell.write().to_change(), &mut model, &mut random);
        let picture = large.captured(&Gauge::default());
        (0..10).for_each(|_| add(cell.write().to_change(), &mut model, &mut random, &rules));
        let ValueRef::Stream(picture) = picture.value() else { unreachable!() };
        assert_eq!(observed(picture.read().view()), at_the_cut);
        assert_eq!(observed(cell.read().view()), model);
    }
}

#[test]
fn an_entry_of_known_fields_costs_little() {
    let (rules, mut stream) = (rules(4096, 100), Stream::default());
    for ms in 1_700_000_000_000..1_700_000_100_000_u64 {
        assert!(stream.add(Id::new(ms, 0), &[b"sensor", b"1234", b"temperature", b"19.8"], &rules));
    }
    // Flags 2, time 3 or less, number 2, values 4 and 6, parts 2: 19, and a hundredth of the node.
    let per_entry = stream.heap_bytes() / 100_000;
    assert!((17..24).contains(&per_entry), "{per_entry}");
}

#[test]
fn what_is_pending_is_freed_and_counted() {
    let mut stream = Stream::default();
    stream.make();
    let before = stream.heap_bytes();
    stream.add_group(b"group", Group::new(Id::MIN, None));
    stream.edit_group(b"group", |group, _| {
        let consumer = group.add(b"consumer", 0);
        for ms in 1..=10_000 {
            group.assign(Pending { id: Id::new(ms, 0), delivered_ms: 0, deliveries: 1, consumer });
        }
    });
    // 40 bytes in the group, 16 with the consumer, and what trees and doubling add.
    let bytes = (stream.heap_bytes() - before) / 10_000;
    assert!((56..70).contains(&bytes), "{bytes}");
    stream.edit_group(b"group", |group, _| (1..=10_000).filter(|ms| group.acknowledge(Id::new(*ms, 0))).count());
    let left = stream.heap_bytes() - before;
    assert!(left < 2_000, "{left}");
    stream.remove_group(b"group");
    assert_eq!(stream.heap_bytes(), before);
}

#[test]
fn damaged_nodes_are_refused_or_harmless() {
    let (rules, mut random) = (rules(4096, 100), Random::seeded());
    let (mut stream, mut model) = (Stream::default(), Model::default());
    (0..40).for_each(|_| add(&mut stream, &mut model, &mut random, &rules));
    let id = random.id(&model);
    stream.delete(id);
    let node = stream.entries().nodes().next().unwrap();
    for _ in 0..20_000 {
        let mut bytes = node.as_bytes().to_vec();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len());
            bytes[at] = random.below(256) as u8;
        }
        if let Some(node) = Node::from_bytes(node.id(), bytes) {
            let forward: Vec<Id> = node.forward().map(|entry| entry.id).collect();
            let mut back: Vec<Id> = node.backward().map(|entry| entry.id).collect();
            back.reverse();
            assert_eq!(forward, back);
            assert!(forward.is_sorted() && forward.len() as u64 <= node.places());
            node.forward().for_each(|entry| drop(pairs_of(&entry)));
        }
    }
}

#[test]
fn radix_nodes_are_those_of_redis() {
    // What XINFO STREAM of a redis-server 7.0.15 says with one entry a node.
    for (ids, nodes) in
        [(vec![], 1), (vec![1], 2), (vec![1, 2], 6), (vec![1, 2, 300], 9), (vec![1, 300, 301, 70_000], 12)]
    {
        let (rules, mut stream) = (rules(0, 1), Stream::default());
        for ms in ids {
            assert!(stream.add(Id::new(ms, 0), &[b"f", b"v"], &rules));
        }
        assert_eq!(stream.entries().radix_nodes(), nodes);
    }
}
