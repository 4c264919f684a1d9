//! Queues: each element comes out once, in the order in which it went in, and those who wait get theirs in the order in which
//! they came.

use std::collections::{BTreeMap, HashMap};

use crate::check::{Anomaly, Problem};
use crate::history::{Pop, Push};

/// What is wrong with the queues. `is_drained`: whoever wanted an element had all the time he needed, so none may be left.
pub fn check(pushes: &[Push], pops: &[Pop], is_drained: bool) -> Vec<Anomaly> {
    let mut found = Vec::new();
    let known: HashMap<u64, &Push> = pushes.iter().map(|push| (push.value, push)).collect();
    let mut popped: HashMap<u64, &Pop> = HashMap::new();
    for pop in pops {
        let Some(value) = pop.value else { continue };
        match known.get(&value) {
            Some(push) if push.queue == pop.queue && push.start < pop.end => {}
            _ => found.push(Anomaly::new(Problem::Garbage, format!("{pop:?} was not there"))),
        }
        if let Some(other) = popped.insert(value, pop) {
            found.push(Anomaly::new(Problem::DoublePop, format!("{other:?}, {pop:?}")));
        }
    }
    if is_drained {
        for push in pushes.iter().filter(|push| !popped.contains_key(&push.value)) {
            found.push(Anomaly::new(Problem::LostElement, format!("{push:?} never came out")));
        }
    }
    let mut queues: BTreeMap<u32, (Vec<&Push>, Vec<&Pop>)> = BTreeMap::new();
    for push in pushes {
        queues.entry(push.queue).or_default().0.push(push);
    }
    for pop in pops {
        queues.entry(pop.queue).or_default().1.push(pop);
    }
    for (pushes, pops) in queues.values() {
        in_order(pushes, &popped, &mut found);
        nothing_there(pushes, pops, &popped, &mut found);
        fair(pops, &known, &mut found);
    }
    found
}

/// Goes through `later` in the order of its moments, with the greatest figure of all in `earlier` whose moment lies before.
fn sweep<T: Copy>(mut earlier: Vec<(u64, u64)>, mut later: Vec<(u64, T)>, mut visit: impl FnMut(u64, T)) {
    earlier.sort_unstable();
    later.sort_by_key(|(moment, _)| *moment);
    let (mut next, mut most) = (0, 0);
    for (moment, item) in later {
        while let Some((_, figure)) = earlier.get(next).filter(|(ended, _)| *ended < moment) {
            most = most.max(*figure);
            next += 1;
        }
        visit(most, item);
    }
}

/// What surely went in first must not surely come out second.
fn in_order(pushes: &[&Push], popped: &HashMap<u64, &Pop>, found: &mut Vec<Anomaly>) {
    let out = |push: &Push| popped.get(&push.value).copied();
    // What is still there has not come out yet.
    let earlier = pushes.iter().map(|push| (push.end, out(push).map_or(u64::MAX, |pop| pop.start))).collect();
    let later = pushes.iter().filter_map(|push| Some((push.start, out(push)?))).collect();
    sweep(earlier, later, |latest, pop: &Pop| {
        if latest > pop.end {
            found.push(Anomaly::new(Problem::NotInOrder, format!("{pop:?} came out before an element ahead of it")));
        }
    });
}

/// Who found nothing came when there was nothing.
fn nothing_there(pushes: &[&Push], pops: &[&Pop], popped: &HashMap<u64, &Pop>, found: &mut Vec<Anomaly>) {
    let earlier =
        pushes.iter().map(|push| (push.end, popped.get(&push.value).map_or(u64::MAX, |pop| pop.start))).collect();
    let later = pops.iter().filter(|pop| pop.value.is_none()).map(|pop| (pop.start, *pop)).collect();
    sweep(earlier, later, |latest, pop: &Pop| {
        if latest > pop.end {
            found.push(Anomaly::new(Problem::LostElement, format!("{pop:?} found nothing, and there was something")));
        }
    });
}

/// Who surely waited first gets what did not surely come second.
fn fair(pops: &[&Pop], known: &HashMap<u64, &Push>, found: &mut Vec<Anomaly>) {
    let pushed = |pop: &Pop| pop.value.and_then(|value| known.get(&value).copied());
    let earlier = pops.iter().filter_map(|pop| Some((pop.waits_since?, pushed(pop)?.start))).collect();
    let later = pops.iter().filter_map(|pop| Some((pop.start, (*pop, pushed(pop)?)))).collect();
    sweep(earlier, later, |latest, (pop, push): (&Pop, &Push)| {
        if latest > push.end {
            found.push(Anomaly::new(Problem::NotInOrder, format!("{pop:?} was served before one who waited")));
        }
    });
}
