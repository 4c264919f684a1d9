use proptest::prelude::*;

use super::*;

/// What may leave now, all pieces together.
fn sendable(output: &Output) -> Vec<u8> {
    let mut slices = [IoSlice::new(&[]); 64];
    let used = output.slices(&mut slices);
    slices[..used].iter().fold(Vec::new(), |bytes, slice| [&bytes, &**slice].concat())
}

#[test]
fn everything_may_leave_without_a_mark() {
    let mut output = Output::default();
    output.extend(b"abc");
    assert_eq!(output.sendable(), b"abc");
    output.advance(2);
    assert_eq!(output.sendable(), b"c");
    assert_eq!(output.position(), 3);
    output.advance(1);
    assert!(output.is_empty());
}

#[test]
fn marks_hold_back_until_their_offset_is_durable() {
    let mut output = Output::default();
    output.extend(b"aa");
    output.mark(10);
    output.extend(b"bb");
    output.mark(20);
    output.extend(b"cc");
    assert_eq!(output.sendable(), b"");
    assert_eq!(output.waits_for(), Some(10));
    output.release(9);
    assert_eq!(output.sendable(), b"");
    output.release(19);
    assert_eq!(output.sendable(), b"aa");
    output.advance(100);
    assert_eq!(output.len(), 4, "no more than may leave is dropped");
    assert_eq!(output.sendable(), b"");
    output.release(20);
    assert_eq!(output.sendable(), b"bbcc");
}

#[test]
fn what_was_released_is_not_held_again() {
    let mut output = Output::default();
    output.extend(b"aa");
    output.mark(1);
    output.release(1);
    output.extend(b"bb");
    output.mark(2);
    assert_eq!(output.sendable(), b"aa");
}

#[test]
fn large_buffers_are_not_copied() {
    let large = Shared::from(vec![b'x'; SPLICE_BYTES_MIN]);
    let small = Shared::from(vec![b'y'; SPLICE_BYTES_MIN - 1]);
    let mut output = Output::default();
    output.extend(b"<");
    output.splice(&large);
    output.extend(b">");
    assert!(output.heap_bytes() < 1024);
    assert_eq!(output.sendable(), b"<");
    output.advance(1);
    assert_eq!(output.sendable().as_ptr(), large.as_ptr());
    output.advance(SPLICE_BYTES_MIN);
    assert_eq!(output.sendable(), b">");
    output.splice(&small);
    assert!(output.heap_bytes() > small.len());
}

#[test]
fn a_drained_output_owns_nothing_and_the_next_one_starts_warm() {
    let mut output = Output::default();
    output.extend(&vec![0; 1 << 20]);
    output.advance(1 << 20);
    assert_eq!(output.heap_bytes(), 0);
    output.warm();
    assert_eq!(output.heap_bytes(), 0, "a huge buffer is not kept");
    output.extend(&[0; 5000]);
    output.advance(5000);
    assert_eq!(output.heap_bytes(), 0);
    let mut other = Output::default();
    other.warm();
    assert!((5000..=CAPACITY_KEPT).contains(&other.heap_bytes()), "the thread's spare buffer serves the next output");
    other.extend(b"abc");
    other.warm();
    assert_eq!(other.sendable(), b"abc");
}

#[test]
fn a_slow_reader_does_not_make_the_buffer_grow() {
    let mut output = Output::default();
    output.extend(&[1; 1000]);
    for _ in 0..10_000 {
        output.extend(&[1; 1000]);
        output.advance(1000);
    }
    assert_eq!(output.len(), 1000);
    assert!(output.heap_bytes() < 8 * CAPACITY_KEPT, "{}", output.heap_bytes());
}

#[test]
fn a_dropped_reply_leaves_the_marks_of_the_others() {
    let mut output = Output::default();
    output.extend(b"aa");
    output.mark(5);
    let position = output.position();
    output.extend(b"bbbb");
    output.mark(6);
    output.truncate_to(position);
    assert_eq!(output.position(), position);
    output.extend(b"cc");
    output.release(5);
    assert_eq!(output.sendable(), b"aacc");
}

#[derive(Clone, Debug)]
enum Step {
    Extend(usize),
    Splice(usize),
    Mark(u64),
    Release(u64),
    Advance(usize),
    Drop(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0_usize..5000).prop_map(Step::Extend),
        (SPLICE_BYTES_MIN - 1..SPLICE_BYTES_MIN + 100).prop_map(Step::Splice),
        (0_u64..4).prop_map(Step::Mark),
        (0_u64..6).prop_map(Step::Release),
        (0_usize..40_000).prop_map(Step::Advance),
        (0_usize..3000).prop_map(Step::Drop),
    ]
}

/// The same thing with one flat buffer and every mark kept.
#[derive(Default)]
struct Model {
    written: Vec<u8>,
    sent: usize,
    marks: Vec<(usize, u64)>,
    durable: u64,
    journal: u64,
}

impl Model {
    /// Everything if no byte waits; else up to the last mark that stands before the bytes of the first that is not durable.
    fn limit(&self) -> usize {
        let Some(waiting) = self.marks.iter().find(|mark| mark.1 > self.durable) else {
            return self.written.len();
        };
        let released = self.marks.iter().filter(|mark| mark.1 <= self.durable && mark.0 < waiting.0);
        released.map(|mark| mark.0).max().unwrap_or(0).max(self.sent)
    }

    fn fill(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![(self.written.len() * 7) as u8; len];
        if let Some(first) = bytes.first_mut() {
            *first = self.marks.len() as u8;
        }
        self.written.extend_from_slice(&bytes);
        bytes
    }

    fn apply(&mut self, output: &mut Output, step: &Step) {
        match *step {
            Step::Extend(len) => output.extend(&self.fill(len)),
            Step::Splice(len) => output.splice(&Shared::from(self.fill(len))),
            Step::Mark(ahead) => {
                self.journal += ahead;
                if self.written.len() > self.sent && self.journal > self.durable {
                    match self.marks.last().copied() {
                        // What was let go stays free; what waits for one offset goes on waiting together.
                        Some((position, offset)) if position == self.written.len() => {
                            let same = self.marks.iter_mut().filter(|mark| mark.1 == offset);
                            same.filter(|mark| mark.1 > self.durable).for_each(|mark| mark.1 = self.journal);
                        }
                        _ => self.marks.push((self.written.len(), self.journal)),
                    }
                    output.mark(self.journal);
                }
            }
            Step::Release(ahead) => {
                self.durable = self.journal.min(self.durable + ahead);
                output.release(self.durable);
            }
            Step::Advance(len) => {
                output.advance(len);
                self.sent += len.min(self.limit() - self.sent);
            }
            Step::Drop(len) => {
                let floor = self.marks.last().map_or(0, |mark| mark.0).max(self.sent);
                let end = self.written.len().saturating_sub(len).max(floor);
                self.written.truncate(end);
                output.truncate_to(end as u64);
            }
        }
    }
}

proptest! {
    #[test]
    fn agrees_with_a_flat_buffer(steps in prop::collection::vec(step(), 1..60)) {
        let mut output = Output::default();
        let mut model = Model::default();
        for step in &steps {
            model.apply(&mut output, step);
            prop_assert_eq!(output.position(), model.written.len() as u64);
            prop_assert_eq!(output.len(), model.written.len() - model.sent);
            let expected = &model.written[model.sent..model.limit()];
            prop_assert_eq!(output.sendable_len(), expected.len(), "after {:?}", step);
            prop_assert!(sendable(&output) == expected, "bytes differ after {:?}", step);
            prop_assert!(expected.starts_with(output.sendable()));
        }
    }
}

#[test]
fn what_may_be_on_its_way_is_not_held_by_a_later_mark() {
    let mut output = Output::default();
    output.extend(b"aa");
    output.let_go();
    // Its driver sends "aa"; meanwhile there is more, which waits.
    assert_eq!(output.sendable(), b"aa");
    output.extend(b"bb");
    output.mark(1);
    output.advance(2);
    assert_eq!((output.len(), output.sendable()), (2, &b""[..]));
    output.let_go();
    assert_eq!(output.sendable(), b"", "what is marked is not let go");
    output.release(1);
    assert_eq!(output.sendable(), b"bb");
}
