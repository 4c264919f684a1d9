//! Every cut, every flipped bit, and tails of zeros and garbage, against what was written.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use super::super::{Writer, replay};
use super::*;
use crate::files::{Files, SimulatedFiles};
use crate::journal::{Batch, Journal};

/// Every bit and every byte of so much at the end is tried.
const TAIL_BYTES: usize = 8 << 10;

type Commands = Vec<Vec<Vec<u8>>>;

/// A file of batches; where each is whole, and the commands up to there.
struct Written {
    bytes: Vec<u8>,
    borders: Vec<(u64, usize)>,
    commands: Commands,
    synced_to: Vec<u64>,
}

/// Writes batches as the log does. Every fourth is followed by a sync.
fn written(batches: u32) -> Written {
    let files = SimulatedFiles::new();
    let journal = Journal::default();
    journal.turn_on(1 << 20);
    let mut writer = Writer::create(&files, "log".into(), 0).unwrap();
    let mut borders = vec![(writer.bytes(), 0)];
    let (mut commands, mut synced, mut synced_to) = (Commands::new(), 0, vec![0]);
    let mut push = |batch: &mut Batch, words: &[&[u8]]| {
        batch.push(0, words);
        commands.push(words.iter().map(|word| word.to_vec()).collect());
    };
    for number in 0..batches {
        if number == 0 {
            commands_push_select(&mut push);
        }
        for part in 0..=number % 3 {
            let mut batch = Batch::default();
            let text = format!("{number}:{part}");
            push(&mut batch, &[b"SET", text.as_bytes(), b"\r\n#RKV:1:2:3:0\r\n*1\r\n$4\r\nPING\r\n"]);
            journal.append(&batch);
        }
        if number % 5 == 1 {
            let mut batch = Batch::default();
            batch.set_transaction();
            push(&mut batch, &[b"MULTI"]);
            batch.clear();
            batch.set_transaction();
            push(&mut batch, &[b"INCR", b"a"]);
            push(&mut batch, &[b"INCR", b"b"]);
            journal.append(&batch);
            push(&mut Batch::default(), &[b"EXEC"]);
        }
        writer.write(&journal, u64::MAX, synced, None).unwrap();
        borders.push((writer.bytes(), 0));
        if number % 4 == 3 {
            writer.sync().unwrap();
            synced = writer.offset();
        }
        synced_to.push(synced);
    }
    let bytes = files.contents("log").unwrap();
    let mut written = Written { bytes, borders, commands, synced_to };
    let ends: Vec<u64> = written.borders.iter().map(|(end, _)| *end).collect();
    for (place, end) in ends.into_iter().enumerate() {
        let read = commands_of(&written.bytes, end);
        assert_eq!(read, written.commands[..read.len()]);
        written.borders[place].1 = read.len();
    }
    assert_eq!(written.borders.last().map(|border| border.1), Some(written.commands.len()));
    written
}

fn commands_push_select(push: &mut impl FnMut(&mut Batch, &[&[u8]])) {
    push(&mut Batch::default(), &[b"SELECT", b"0"]);
}

fn file_of(bytes: &[u8]) -> Box<dyn File> {
    let files = SimulatedFiles::new();
    files.put("log", bytes);
    files.open("log").unwrap()
}

fn commands_of(bytes: &[u8], to: u64) -> Commands {
    let mut commands = Commands::new();
    replay(&*file_of(bytes), 0, to, |_, words| {
        commands.push(words.iter().map(|word| word.to_vec()).collect());
        Ok::<(), std::convert::Infallible>(())
    })
    .unwrap();
    commands
}

/// What is whole of it is a prefix of what was written; `at_least` borders of it are there unless it says that it is damaged
/// within.
fn check(written: &Written, bytes: &[u8], case: &str) -> Scan {
    let found = scan(&*file_of(bytes), 0).unwrap();
    if found.damage.is_some_and(|damage| damage.is_within) {
        return found;
    }
    let read = commands_of(bytes, found.whole_bytes);
    assert_eq!(read, written.commands[..read.len()], "{case}");
    assert!(
        found.damage.is_some()
            || read.len() == written.commands.len()
            || !found.is_sealed
            || bytes.len() < written.bytes.len(),
        "{case}"
    );
    found
}

#[test]
fn of_every_cut_the_longest_whole_prefix_is_found() {
    let written = written(64);
    in_parallel(0..written.bytes.len() + 1, &|cut| {
        let found = check(&written, &written.bytes[..cut], &format!("cut {cut}"));
        let expected = written.borders.iter().rev().find(|(end, _)| *end <= cut as u64);
        let Some((end, commands)) = expected else { return };
        assert_eq!((found.whole_bytes, found.commands), (*end, *commands as u64), "cut {cut}");
        assert_eq!(found.damage.is_none(), *end == cut as u64);
        assert!(!found.damage.is_some_and(|damage| damage.is_within), "cut {cut}");
    });
}

#[test]
fn no_flipped_bit_is_taken_for_data() {
    let written = written(64);
    let all = written.bytes.len();
    assert!(all > TAIL_BYTES, "{all} bytes");
    let (refused, shortened) = (AtomicU32::new(0), AtomicU32::new(0));
    let flip = |place: usize| {
        for bit in 0..8 {
            let mut bytes = written.bytes.clone();
            bytes[place] ^= 1 << bit;
            let found = check(&written, &bytes, &format!("byte {place} bit {bit}"));
            if let Some(damage) = found.damage {
                (if damage.is_within { &refused } else { &shortened }).fetch_add(1, Ordering::Relaxed);
                // Bytes that a later batch calls durable are never dropped.
                let batch = written.borders.partition_point(|(end, _)| *end <= place as u64);
                let synced = written.synced_to.get(batch + 10).is_some();
                assert!(damage.is_within || !synced, "byte {place} bit {bit}: {damage:?}");
            }
        }
    };
    in_parallel(all - TAIL_BYTES..all, &flip);
    (0..written.borders[1].0 as usize).for_each(flip);
    let (refused, shortened) = (refused.into_inner(), shortened.into_inner());
    println!("{} bits flipped: {refused} refused, {shortened} dropped to what is whole", 8 * TAIL_BYTES);
    assert!(refused > 0 && shortened > 0);
}

/// Does something at every place, on all processors.
fn in_parallel(places: Range<usize>, each: &(impl Fn(usize) + Sync)) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(places.start);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let place = next.fetch_add(1, Ordering::Relaxed)
                    && places.contains(&place)
                {
                    each(place);
                }
            });
        }
    });
}

#[test]
fn zeros_and_garbage_at_the_tail_are_dropped_to_the_last_whole_batch() {
    let written = written(64);
    let all = written.bytes.len();
    in_parallel(all - TAIL_BYTES..all, &|cut| {
        let mut random = 88_172_645_463_325_252_u64.wrapping_add(cut as u64);
        for garbage in [false, true] {
            let mut bytes = written.bytes.clone();
            for byte in &mut bytes[cut..] {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                *byte = if garbage { random as u8 } else { 0 };
            }
            let found = check(&written, &bytes, &format!("tail {cut}"));
            // Garbage may begin as what it stands for does.
            let same = bytes.iter().zip(&written.bytes).take_while(|(one, other)| one == other).count();
            let expected = written.borders.iter().rev().find(|(end, _)| *end <= same as u64).unwrap();
            assert_eq!(found.whole_bytes, expected.0, "tail {cut} {garbage}");
            assert!(found.damage.is_some_and(|damage| !damage.is_within));
        }
    });
}

#[test]
fn files_of_others_are_whole_up_to_a_command_outside_of_a_transaction() {
    let text = b"*1\r\n$1\r\nA\r\n#TS:5\r\n*1\r\n$5\r\nMULTI\r\n*1\r\n$1\r\nB\r\n*1\r\n$4\r\nEXEC\r\n*2\r\n$1\r\nC\r\n$2\r\nxy\r\n";
    let ends = [0, 11, 18, 58, text.len()];
    for cut in 0..=text.len() {
        let found = scan(&*file_of(&text[..cut]), 0).unwrap();
        let expected = ends.iter().rev().find(|end| **end <= cut).unwrap();
        assert_eq!(found.whole_bytes, *expected as u64, "cut {cut}");
        assert_eq!(found.damage.is_some(), *expected != cut);
        assert!(!found.damage.is_some_and(|damage| damage.is_within));
    }
    let mut broken = text.to_vec();
    broken[4] = b'!';
    assert!(scan(&*file_of(&broken), 0).unwrap().damage.is_some_and(|damage| damage.is_within));
    let mut zeros = text.to_vec();
    zeros.extend_from_slice(&[0; 5000]);
    let found = scan(&*file_of(&zeros), 0).unwrap();
    assert_eq!(found.whole_bytes, text.len() as u64);
    assert_eq!(found.damage.map(|damage| damage.is_within), Some(false));
}

#[test]
fn what_redis_appends_to_a_file_is_told_apart_from_a_torn_batch() {
    let written = written(10);
    for times in [&b""[..], b"#TS:12\r\n"] {
        let more = [times, b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*1\r\n$1\r\nA\r\n"].concat();
        let mut bytes = written.bytes.clone();
        bytes.extend_from_slice(&more);
        let found = scan(&*file_of(&bytes), 0).unwrap();
        assert!(found.is_sealed && found.is_continued && found.damage.is_none());
        assert_eq!((found.whole_bytes, found.commands), (bytes.len() as u64, written.commands.len() as u64 + 2));
        bytes.truncate(bytes.len() - 3);
        let found = scan(&*file_of(&bytes), 0).unwrap();
        assert_eq!(found.whole_bytes, bytes.len() as u64 - 8);
        assert!(found.damage.is_some_and(|damage| !damage.is_within));
    }
}
