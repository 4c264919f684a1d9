//! The wheel against a map ordered by deadline, and the figures of the essay.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};

const SECOND_MS: i64 = 1_000;
const HOUR_MS: i64 = 3_600 * SECOND_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
const YEAR_MS: i64 = 365 * DAY_MS;
/// Some day in 2026, not at a boundary of anything.
const NOW_MS: i64 = 1_790_000_123_457;

/// Advances to `now_ms` completely and gives what fired.
fn fired(wheel: &mut Wheel, now_ms: i64) -> Vec<u64> {
    let mut payloads = Vec::new();
    while wheel.advance(now_ms, 1_000, |payload| payloads.push(payload)) == Progress::More {}
    payloads
}

/// How late an entry fires, in milliseconds, if the clock stops at every one that the wheel asks for.
fn lateness_ms(deadline_ms: i64) -> i64 {
    let mut wheel = Wheel::new();
    wheel.schedule(NOW_MS, deadline_ms, 1);
    while let Some(next_ms) = wheel.next_deadline_ms() {
        if fired(&mut wheel, next_ms) == [1] {
            return next_ms - deadline_ms;
        }
    }
    panic!("an entry was lost");
}

#[test]
fn a_tick_is_the_only_delay_of_near_deadlines() {
    for delay_ms in (0..5_000).chain([HOUR_MS, 4 * HOUR_MS, HOUR_MS + 1]) {
        let late = lateness_ms(NOW_MS + delay_ms);
        assert!((0..TICK_MS as i64).contains(&late), "{delay_ms}: {late}");
    }
}

#[test]
fn far_deadlines_are_late_by_the_units_of_the_essay() {
    for (delay_ms, late_ms_max) in
        [(30 * DAY_MS, 258), (YEAR_MS, 258), (8 * YEAR_MS, 16_386), (200 * YEAR_MS, 17 * 60_000 + 30_000)]
    {
        for step in 0..50 {
            let late = lateness_ms(NOW_MS + delay_ms + step * 12_345_677);
            assert!((0..late_ms_max).contains(&late), "{delay_ms}: {late}");
        }
    }
}

#[test]
fn passed_deadlines_fire_at_the_next_advance() {
    let mut wheel = Wheel::new();
    for (payload, deadline_ms) in [NOW_MS, NOW_MS - 1, 0, -5, i64::MIN].into_iter().enumerate() {
        wheel.schedule(NOW_MS, deadline_ms, payload as u64);
    }
    let mut payloads = fired(&mut wheel, NOW_MS + 1);
    payloads.sort_unstable();
    assert_eq!(payloads, [0, 1, 2, 3, 4]);
    assert!(wheel.is_empty());
}

#[test]
fn the_ends_of_time_are_safe() {
    let mut wheel = Wheel::new();
    wheel.schedule(i64::MIN, i64::MAX, 1);
    wheel.schedule(NOW_MS, i64::MAX - 100 * YEAR_MS, 2);
    wheel.schedule(NOW_MS, i64::MIN, 3);
    // Set back by the whole of time: what had passed when it was filed must not fire before the clock says so again.
    assert_eq!(fired(&mut wheel, i64::MIN), []);
    assert_eq!(fired(&mut wheel, NOW_MS - 1), []);
    assert_eq!(fired(&mut wheel, i64::MIN), []);
    assert_eq!(wheel.len(), 3);
    let payloads = fired(&mut wheel, i64::MAX);
    assert!(payloads.contains(&3) && payloads.contains(&2), "{payloads:?}");
    wheel.clear();
    assert_eq!((wheel.len(), wheel.bytes(), wheel.next_deadline_ms()), (0, 0, None));
}

#[test]
fn a_leap_costs_what_is_occupied() {
    let mut wheel = Wheel::new();
    for payload in 0..100 {
        wheel.schedule(NOW_MS, NOW_MS + payload * HOUR_MS, payload as u64);
    }
    let mut count = 0;
    // Each entry fires straight from where it lies: a hundred steps for fifty years.
    assert_eq!(wheel.advance(NOW_MS + 50 * YEAR_MS, 100, |_| count += 1), Progress::Done);
    assert_eq!(count, 100);
}

#[test]
fn the_budget_bounds_each_call() {
    let mut wheel = Wheel::new();
    for payload in 0..1_000 {
        wheel.schedule(NOW_MS, NOW_MS + 10 * SECOND_MS, payload);
    }
    let (mut calls, mut count) = (0, 0);
    loop {
        let before = count;
        let progress = wheel.advance(NOW_MS + 11 * SECOND_MS, 64, |_| count += 1);
        calls += 1;
        assert!(count - before <= 64);
        if progress == Progress::Done {
            break;
        }
    }
    assert_eq!(count, 1_000);
    assert!(calls <= 1_000 / 64 + 1, "the leap fires all of them where they lie: {calls}");
    assert_eq!(wheel.advance(NOW_MS, 0, |_| ()), Progress::Done);
    wheel.schedule(NOW_MS, NOW_MS, 0);
    assert_eq!(wheel.advance(NOW_MS + 1, 0, |_| ()), Progress::More);
}

#[test]
fn an_entry_costs_eight_bytes_and_a_little() {
    let mut wheel = Wheel::new();
    assert_eq!(wheel.bytes(), 0);
    let count = 500_000_u64;
    let mut seed = 1_u64;
    for payload in 0..count {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        wheel.schedule(NOW_MS, NOW_MS + (seed >> 33) as i64 % (2 * HOUR_MS), payload);
    }
    let per_entry = (wheel.bytes() - 32 * 1_024) as f64 / count as f64;
    assert!(per_entry <= 8.33, "{per_entry}");
    // All but one of them fire; what they used is given back, not kept for the next burst.
    wheel.schedule(NOW_MS, NOW_MS + DAY_MS, count);
    assert_eq!(fired(&mut wheel, NOW_MS + 2 * HOUR_MS).len() as u64, count);
    assert_eq!(wheel.len(), 1);
    assert!(wheel.bytes() <= 128 * 1_024 + 4_096, "tables of chunk numbers remain: {}", wheel.bytes());
    assert_eq!(fired(&mut wheel, NOW_MS + DAY_MS + 1), [count]);
    assert_eq!(wheel.bytes(), 0);
}

#[test]
fn the_fixed_part_is_what_the_essay_says() {
    assert_eq!(size_of::<Block>(), 256);
    assert_eq!(size_of::<[Block; CHUNK_BLOCKS]>(), 4_096);
    assert_eq!(size_of::<Chunk>(), 16);
    assert!(size_of::<Slots>() <= 2_970);
    assert_eq!((COARSE_LEVEL_MIN, coarse_shift(5), coarse_shift(6)), (5, 7, 13));
    let mut wheel = Wheel::new();
    wheel.schedule(NOW_MS, NOW_MS + 1, 1);
    assert!(wheel.bytes() < 8 * 1_024, "{}", wheel.bytes());
}

/// A million deadlines within a few seconds, ten seconds ahead, in 64 wheels that advance every four milliseconds.
#[test]
fn numbered_wheels_move_their_entries_at_different_times() {
    let (wheels, each) = (SLOTS as u32, if cfg!(miri) { 10 } else { 500_u64 });
    let total = u64::from(wheels) * each;
    let most_at_once = |make: fn(u32) -> Wheel| {
        let mut all: Vec<Wheel> = (0..wheels).map(make).collect();
        for wheel in &mut all {
            for number in 0..each {
                let deadline_ms = NOW_MS + 10_000 + (number * 4_000 / each) as i64;
                wheel.schedule(NOW_MS, deadline_ms, number);
            }
        }
        let (mut most, mut fired) = (0, 0);
        for now_ms in (NOW_MS..NOW_MS + 14_100).step_by(4) {
            let mut steps = 0;
            for wheel in &mut all {
                let mut late = 0;
                while wheel.advance(now_ms, 1, |_| late += 1) == Progress::More {
                    steps += 1;
                }
                fired += late;
            }
            most = most.max(steps);
        }
        assert_eq!(fired, total);
        most
    };
    let (one_phase, phases) = (most_at_once(|_| Wheel::new()), most_at_once(Wheel::numbered));
    assert!(one_phase > total / 3, "{one_phase} of {total} at once");
    assert!(phases < total / 20, "{phases} of {total} at once");
}

#[test]
fn the_hand_of_a_quiet_wheel_follows_the_caller() {
    let mut wheel = Wheel::new();
    wheel.schedule(NOW_MS, NOW_MS + 40 * YEAR_MS, 1);
    let later_ms = NOW_MS + YEAR_MS;
    wheel.schedule(later_ms, later_ms + 11, 2);
    assert_eq!(fired(&mut wheel, later_ms + 10), []);
    assert_eq!(fired(&mut wheel, later_ms + 13), [2]);
}

#[test]
fn a_clock_set_back_is_followed() {
    let mut wheel = Wheel::new();
    wheel.schedule(NOW_MS, NOW_MS + HOUR_MS, 1);
    assert_eq!(fired(&mut wheel, NOW_MS + SECOND_MS), []);
    let back_ms = NOW_MS - DAY_MS;
    assert_eq!(fired(&mut wheel, back_ms), []);
    wheel.schedule(back_ms, back_ms + 500, 2);
    assert_eq!(fired(&mut wheel, back_ms + 499), []);
    assert_eq!(fired(&mut wheel, back_ms + 502), [2]);
    assert_eq!(fired(&mut wheel, NOW_MS + HOUR_MS - 1), []);
    assert_eq!(fired(&mut wheel, NOW_MS + HOUR_MS + 1), [1]);
}

#[derive(Clone, Debug)]
enum Step {
    Schedule { delay_ms: i64 },
    Pass { elapsed_ms: i64 },
    Advance { budget: usize },
    CatchUp,
}

fn delay_ms() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => -50..300_i64,
        4 => 0..20_000_i64,
        2 => 0..HOUR_MS,
        2 => 0..60 * DAY_MS,
        1 => 0..20 * YEAR_MS,
        1 => any::<i64>(),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let elapsed_ms = prop_oneof![
        6 => 0..10_i64,
        4 => 0..5_000_i64,
        2 => 0..2 * HOUR_MS,
        1 => 0..3 * YEAR_MS,
        1 => -900..0_i64,
        1 => -40 * DAY_MS..0,
    ];
    prop_oneof![
        8 => delay_ms().prop_map(|delay_ms| Step::Schedule { delay_ms }),
        3 => elapsed_ms.prop_map(|elapsed_ms| Step::Pass { elapsed_ms }),
        2 => (0..20_usize).prop_map(|budget| Step::Advance { budget }),
        2 => Just(Step::CatchUp),
    ]
}

/// What must fire, by payload (its deadline) and by the tick at which the wheel owes it.
#[derive(Default)]
struct Model {
    deadlines_ms: HashMap<u64, (i64, u64)>,
    owed: BTreeMap<u64, Vec<u64>>,
}

impl Model {
    fn add(&mut self, wheel: &Wheel, deadline_ms: i64, payload: u64) {
        let tick = wheel.ahead(tick_due(deadline_ms)).max(wheel.hand);
        let level = level_of(wheel.hand, tick);
        let unit = if level >= 5 && span_offset(tick, level) >= 1 << 23 { 1 << (6 * level - 23) } else { 1 };
        let owed = tick.saturating_add(unit - 1);
        self.deadlines_ms.insert(payload, (deadline_ms, owed));
        self.owed.entry(owed).or_default().push(payload);
    }

    fn fire(&mut self, now_ms: i64, payload: u64) {
        let (deadline_ms, owed) = self.deadlines_ms.remove(&payload).expect("filed and not yet fired");
        assert!(now_ms >= deadline_ms, "{payload} fired at {now_ms}, before {deadline_ms}");
        self.owed.get_mut(&owed).expect("known").retain(|&other| other != payload);
    }

    fn check_done(&mut self, wheel: &Wheel, now_ms: i64) {
        self.owed.retain(|_, payloads| !payloads.is_empty());
        let first = self.owed.first_key_value().map(|(&tick, _)| tick);
        assert!(first.is_none_or(|tick| tick > wheel.ahead(tick_shown(now_ms))), "an entry is overdue");
        assert_eq!(wheel.len(), self.deadlines_ms.len());
        let next_ms = wheel.next_deadline_ms();
        assert_eq!(next_ms.is_none(), first.is_none());
        if let (Some(next_ms), Some(tick)) = (next_ms, first) {
            assert!(next_ms > now_ms && next_ms <= ms_of(tick - u64::from(wheel.phase)), "{next_ms}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn the_wheel_agrees_with_a_map(number in 0..64_u32, steps in proptest::collection::vec(step(), 1..200)) {
        let (mut wheel, mut model, mut now_ms) = (Wheel::numbered(number), Model::default(), NOW_MS);
        for (payload, step) in (0..).zip(steps) {
            match step {
                Step::Schedule { delay_ms } => {
                    let deadline_ms = now_ms.saturating_add(delay_ms);
                    wheel.schedule(now_ms, deadline_ms, payload);
                    model.add(&wheel, deadline_ms, payload);
                }
                Step::Pass { elapsed_ms } => now_ms += elapsed_ms,
                Step::Advance { budget } => {
                    let mut count = 0;
                    let progress = wheel.advance(now_ms, budget, |payload| {
                        count += 1;
                        model.fire(now_ms, payload);
                    });
                    prop_assert!(count <= budget);
                    if progress == Progress::Done {
                        model.check_done(&wheel, now_ms);
                    }
                }
                Step::CatchUp => {
                    while wheel.advance(now_ms, 7, |payload| model.fire(now_ms, payload)) == Progress::More {}
                    model.check_done(&wheel, now_ms);
                }
            }
        }
        while wheel.advance(i64::MAX, 1_000, |payload| model.fire(i64::MAX, payload)) == Progress::More {}
        model.check_done(&wheel, i64::MAX);
    }
}
