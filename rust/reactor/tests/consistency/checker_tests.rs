//! The checker itself: right histories pass, and each kind of anomaly, made by hand, is found by its name.

use crate::check::{self, Problem};
use crate::history::{Event, Key, Kind, Pop, Push, Txn};
use crate::queues;

const LIST: Key = Key { kind: Kind::List, number: 1 };
const OTHER: Key = Key { kind: Kind::List, number: 2 };
const SET: Key = Key { kind: Kind::Set, number: 1 };
const REGISTER: Key = Key { kind: Kind::Register, number: 1 };

fn add(key: Key, value: u64) -> Event {
    Event::Add { key, value }
}

fn read(key: Key, values: &[u64]) -> Event {
    Event::Read { key, values: values.to_vec() }
}

fn set(value: u64, before: Option<u64>) -> Event {
    Event::Set { key: REGISTER, value, before }
}

fn txn(start: u64, end: u64, events: &[Event]) -> Txn {
    Txn { start, end, is_committed: true, events: events.to_vec() }
}

/// All at the same time.
fn at_once(all: &[&[Event]]) -> Vec<Txn> {
    all.iter().map(|events| txn(0, 100, events)).collect()
}

fn problems(history: &[Txn]) -> Vec<Problem> {
    check::check(history).into_iter().map(|anomaly| anomaly.problem).collect()
}

#[test]
fn right_histories_pass() {
    let lists = at_once(&[
        &[add(LIST, 1), read(OTHER, &[])],
        &[add(LIST, 2), add(OTHER, 3)],
        &[read(LIST, &[1, 2]), read(OTHER, &[3])],
        &[read(LIST, &[1]), read(OTHER, &[])],
    ]);
    assert_eq!(problems(&lists), []);
    let mixed = [
        txn(0, 1, &[set(1, None)]),
        txn(2, 5, &[set(2, Some(1)), add(SET, 7)]),
        txn(3, 6, &[read(REGISTER, &[1]), read(SET, &[])]),
        txn(7, 8, &[read(REGISTER, &[2]), read(SET, &[7])]),
    ];
    assert_eq!(problems(&mixed), []);
}

#[test]
fn circles_of_writes_are_found() {
    let history = at_once(&[
        &[add(LIST, 1), add(OTHER, 2)],
        &[add(LIST, 3), add(OTHER, 4)],
        &[read(LIST, &[1, 3])],
        &[read(OTHER, &[4, 2])],
    ]);
    assert_eq!(problems(&history), [Problem::WriteCycle]);
}

#[test]
fn what_was_not_done_is_not_seen() {
    let mut history = at_once(&[&[add(LIST, 1)], &[read(LIST, &[1])]]);
    history[0].is_committed = false;
    assert_eq!(problems(&history), [Problem::AbortedRead]);
    assert_eq!(problems(&at_once(&[&[read(LIST, &[9])]])), [Problem::Garbage]);
}

#[test]
fn half_a_transaction_is_not_seen() {
    let lists = at_once(&[&[add(LIST, 1), add(LIST, 2)], &[read(LIST, &[1])], &[read(LIST, &[1, 2])]]);
    assert_eq!(problems(&lists)[0], Problem::IntermediateRead);
    let registers = at_once(&[&[set(1, None), set(2, Some(1))], &[read(REGISTER, &[1])]]);
    assert_eq!(problems(&registers), [Problem::IntermediateRead]);
    let sets = at_once(&[&[add(SET, 1), add(SET, 2)], &[read(SET, &[1])], &[read(SET, &[2, 1])]]);
    assert_eq!(problems(&sets), [Problem::WriteSkew]);
}

#[test]
fn circular_flow_is_found() {
    let history = at_once(&[&[add(LIST, 1), read(OTHER, &[2])], &[add(OTHER, 2), read(LIST, &[1])]]);
    assert_eq!(problems(&history), [Problem::CircularFlow]);
}

#[test]
fn lost_updates_are_found() {
    assert_eq!(problems(&at_once(&[&[set(1, None)], &[set(2, None)]]))[0], Problem::LostUpdate);
    let lists = at_once(&[&[read(LIST, &[]), add(LIST, 1)], &[read(LIST, &[]), add(LIST, 2)], &[read(LIST, &[1, 2])]]);
    assert_eq!(problems(&lists), [Problem::WriteSkew]);
    assert_eq!(problems(&at_once(&[&[add(LIST, 1)], &[add(LIST, 2)], &[read(LIST, &[2])]])), [Problem::LostElement]);
}

#[test]
fn write_skew_is_found() {
    let history = at_once(&[
        &[read(LIST, &[]), add(OTHER, 1)],
        &[read(OTHER, &[]), add(LIST, 2)],
        &[read(LIST, &[2]), read(OTHER, &[1])],
    ]);
    assert_eq!(problems(&history), [Problem::WriteSkew]);
}

#[test]
fn stale_reads_are_found() {
    let list = [txn(0, 1, &[add(LIST, 1)]), txn(2, 3, &[read(LIST, &[])]), txn(4, 5, &[read(LIST, &[1])])];
    assert_eq!(problems(&list), [Problem::StaleRead]);
    let grown = [txn(0, 1, &[add(SET, 1)]), txn(2, 3, &[read(SET, &[])]), txn(4, 5, &[read(SET, &[1])])];
    assert_eq!(problems(&grown), [Problem::StaleRead]);
    let register = [txn(0, 1, &[set(1, None)]), txn(2, 3, &[read(REGISTER, &[])])];
    assert_eq!(problems(&register), [Problem::StaleRead]);
}

#[test]
fn reads_that_contradict_are_found() {
    let lists = at_once(&[&[add(LIST, 1)], &[add(LIST, 2)], &[read(LIST, &[1, 2])], &[read(LIST, &[2])]]);
    assert_eq!(problems(&lists), [Problem::Incompatible]);
    let sets = at_once(&[&[add(SET, 1)], &[add(SET, 2)], &[read(SET, &[1])], &[read(SET, &[2])]]);
    assert_eq!(problems(&sets), [Problem::Incompatible]);
    assert_eq!(problems(&at_once(&[&[add(LIST, 1), read(LIST, &[])]]))[0], Problem::Internal);
}

fn push(value: u64, start: u64) -> Push {
    Push { queue: 0, value, start, end: start + 1 }
}

fn pop(value: Option<u64>, start: u64, waits_since: Option<u64>) -> Pop {
    Pop { queue: 0, value, start, end: start + 1, waits_since }
}

fn queue_problems(pushes: &[Push], pops: &[Pop]) -> Vec<Problem> {
    queues::check(pushes, pops, true).into_iter().map(|anomaly| anomaly.problem).collect()
}

#[test]
fn queues_are_checked() {
    let pushes = [push(1, 0), push(2, 2)];
    let right = [pop(Some(1), 10, None), pop(Some(2), 12, None), pop(None, 14, None)];
    assert_eq!(queue_problems(&pushes, &right), []);
    let twice = [pop(Some(1), 10, None), pop(Some(1), 12, None), pop(Some(2), 14, None)];
    assert_eq!(queue_problems(&pushes, &twice), [Problem::DoublePop]);
    assert_eq!(queue_problems(&pushes, &[pop(Some(1), 10, None)]), [Problem::LostElement]);
    let swapped = [pop(Some(2), 10, None), pop(Some(1), 12, None)];
    assert_eq!(queue_problems(&pushes, &swapped), [Problem::NotInOrder]);
    let blind = [pop(None, 8, None), pop(Some(1), 10, None), pop(Some(2), 12, None)];
    assert_eq!(queue_problems(&pushes, &blind), [Problem::LostElement]);
    assert_eq!(
        queue_problems(&pushes, &[pop(Some(1), 4, None), pop(Some(2), 6, None), pop(Some(3), 8, None)]),
        [Problem::Garbage]
    );
}

#[test]
fn who_waits_first_is_served_first() {
    let pushes = [push(1, 10), push(2, 12)];
    let wait = |value, start| Pop { queue: 0, value: Some(value), start, end: 20, waits_since: Some(start + 1) };
    assert_eq!(queue_problems(&pushes, &[wait(1, 0), wait(2, 4)]), []);
    assert_eq!(queue_problems(&pushes, &[wait(2, 0), wait(1, 4)]), [Problem::NotInOrder]);
}
