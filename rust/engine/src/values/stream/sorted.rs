//! What has an id, in the order of ids: a counted tree of short sorted runs, which a snapshot shares.

use std::collections::VecDeque;

use rkv_collections::chunks::{Chunk, Chunks};

use super::Id;

/// Something small with an id.
pub trait Identified: Copy {
    /// Its id.
    fn id(&self) -> Id;
}

impl Identified for Id {
    #[inline]
    fn id(&self) -> Id {
        *self
    }
}

/// The most that stand in one run.
const RUN_MAX: usize = 128;

/// Never empty within a tree.
#[derive(Clone, Debug)]
struct Run<T>(VecDeque<T>);

impl<T: Identified> Run<T> {
    fn of(item: T) -> Self {
        Self(VecDeque::from([item]))
    }

    fn last_id(&self) -> Id {
        self.0.back().map_or(Id::MIN, Identified::id)
    }

    /// Where an id is, or would be.
    #[inline]
    fn find(&self, id: Id) -> Result<usize, usize> {
        // What is acknowledged is the oldest more often than not.
        match self.0.front() {
            Some(first) if first.id() == id => Ok(0),
            _ => self.0.binary_search_by_key(&id, Identified::id),
        }
    }
}

impl<T: Clone> Chunk for Run<T> {
    #[inline]
    fn count(&self) -> usize {
        self.0.len()
    }

    #[inline]
    fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<T>()
    }
}

/// Items in the order of their ids, each id once.
#[derive(Clone)]
pub struct Sorted<T> {
    runs: Chunks<Run<T>>,
}

impl<T> Default for Sorted<T> {
    fn default() -> Self {
        Self { runs: Chunks::default() }
    }
}

impl<T> std::fmt::Debug for Sorted<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Sorted")
    }
}

impl<T: Identified> Sorted<T> {
    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.runs.len()
    }

    /// Heap bytes.
    #[inline]
    pub fn heap_bytes(&self) -> usize {
        self.runs.memory_bytes()
    }

    /// The index of the first item of the run where an id is or would be; `len` if it is behind all.
    #[inline]
    fn run_of(&self, id: Id) -> usize {
        match self.runs.first() {
            Some(first) if id <= first.last_id() => 0,
            _ => self.runs.partition(|run| run.last_id() < id),
        }
    }

    /// The item with an id.
    pub fn get(&self, id: Id) -> Option<T> {
        let (run, _) = self.runs.get(self.run_of(id))?;
        run.find(id).ok().and_then(|place| run.0.get(place)).copied()
    }

    /// The first item.
    pub fn first(&self) -> Option<T> {
        self.runs.first()?.0.front().copied()
    }

    /// The last item.
    #[inline]
    pub fn last(&self) -> Option<T> {
        self.runs.last()?.0.back().copied()
    }

    /// Puts an item in, in place of the one with its id; gives that.
    pub fn insert(&mut self, item: T) -> Option<T> {
        if self.last().is_none_or(|last| last.id() < item.id()) {
            self.push(item);
            return None;
        }
        let index = self.run_of(item.id());
        let (old, behind) = self.runs.edit(index, |run, _| match run.find(item.id()) {
            Ok(place) => (run.0.get_mut(place).map(|old| std::mem::replace(old, item)), None),
            Err(place) => {
                run.0.insert(place, item);
                (None, (run.0.len() > RUN_MAX).then(|| Run(run.0.split_off(RUN_MAX / 2))))
            }
        })?;
        if let Some(behind) = behind {
            self.runs.insert_behind(index, behind);
        }
        old
    }

    #[inline]
    fn push(&mut self, item: T) {
        let pushed = self.runs.edit_last(|run| {
            let has_room = run.0.len() < RUN_MAX;
            if has_room {
                run.0.push_back(item);
            }
            has_room
        });
        if pushed != Some(true) {
            self.runs.push_back_chunk(Run::of(item));
        }
    }

    /// Takes the item with an id out.
    pub fn remove(&mut self, id: Id) -> Option<T> {
        let index = self.run_of(id);
        let (run, _) = self.runs.get(index)?;
        let place = run.find(id).ok()?;
        let left = run.0.len() - 1;
        let removed = self.runs.edit(index, |run, _| run.0.remove(place))?;
        if left > 0 && left <= RUN_MAX / 4 {
            self.join(index, left);
        }
        removed
    }

    /// Joins a short run with the one behind it, if both together are still short.
    fn join(&mut self, index: usize, len: usize) {
        let (_, Some(behind)) = self.runs.neighbours(index) else { return };
        if len + behind.0.len() <= RUN_MAX / 2 {
            self.runs.join_next(index, |run, behind| run.0.extend(&behind.0));
        }
    }

    /// The items from an id on.
    pub fn from(&self, id: Id) -> impl Iterator<Item = T> {
        self.runs.iter_from(self.run_of(id)).flat_map(move |(run, _)| {
            // Only the first run can have something before the id.
            let start = match run.0.front() {
                Some(first) if first.id() >= id => 0,
                _ => run.find(id).unwrap_or_else(|place| place),
            };
            run.0.range(start..).copied()
        })
    }

    /// All items.
    pub fn iter(&self) -> impl Iterator<Item = T> {
        self.from(Id::MIN)
    }
}
