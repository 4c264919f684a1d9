//! Sorted sets: members with a score each, ordered by score and, where scores are equal, by name.
//!
//! Every command speaks of ranks: a range of scores or names is first turned into a range of ranks, which costs O(log n)
//! in the large form, and one of ranks is counted, shown or removed.

mod range;
mod small;
#[cfg(test)]
mod tests;
mod tree;

use std::ops::Range;

use rkv_collections::packed::{Packed, View};

use super::collection::{Cell, Collection, Element, Large, Packing, Piece, Shape};
use super::elements::{Elements, Named};
use super::rules::Rules;
use super::value::{Kind, ValueRef};
pub use range::{NameBound, NameRange, ScoreRange, parse_score};
pub use tree::Tree;

/// A sorted set, owned by who changes it.
#[derive(Clone, Debug)]
pub enum Zset {
    /// Each member before its score, in order.
    Packed(Packed),
    /// Members by their hash, and a tree of their order.
    Tree(Box<Tree>),
}

impl Default for Zset {
    fn default() -> Self {
        Self::Packed(Packed::new())
    }
}

/// A sorted set, to be read.
#[derive(Clone, Copy, Debug)]
pub enum ZsetView<'a> {
    /// Each member before its score, in order.
    Packed(View<'a>),
    /// Members by their hash, and a tree of their order.
    Tree(&'a Tree),
}

/// When and how a score is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of ZADD, and most go together")]
pub struct Condition {
    /// Only if the member is not there.
    pub if_absent: bool,
    /// Only if the member is there.
    pub if_there: bool,
    /// If the member is there, only a higher score.
    pub if_greater: bool,
    /// If the member is there, only a lower score.
    pub if_less: bool,
    /// The score is added to the one that the member has.
    pub is_sum: bool,
}

/// An end of a sorted set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Where the lowest scores are.
    Lowest,
    /// Where the highest scores are.
    Highest,
}

/// What became of a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A condition was not met.
    Refused,
    /// The member had this score.
    Same,
    /// The member got another score.
    Updated,
    /// The member is new.
    Added,
}

/// The sum of two scores is not a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotNumber;

impl Condition {
    /// What becomes of a member that is there, and its score afterwards.
    #[inline]
    #[expect(clippy::float_cmp, reason = "a score is the same or another one")]
    fn decide(self, old: f64, score: f64) -> Result<(Change, f64), NotNumber> {
        if self.if_absent {
            return Ok((Change::Refused, old));
        }
        let score = if self.is_sum { old + score } else { score };
        if score.is_nan() {
            return Err(NotNumber);
        }
        if (self.if_greater && score <= old) || (self.if_less && score >= old) {
            return Ok((Change::Refused, old));
        }
        let is_same = score == old;
        Ok((if is_same { Change::Same } else { Change::Updated }, score))
    }
}

impl ZsetView<'_> {
    /// Members.
    #[inline]
    pub fn len(self) -> u64 {
        match self {
            Self::Packed(view) => view.len() as u64 / 2,
            Self::Tree(tree) => tree.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The score of a member.
    #[inline]
    pub fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            Self::Packed(view) => small::find(view, member).map(|(_, score)| score),
            Self::Tree(tree) => tree.score(member),
        }
    }

    /// The rank of a member, counted from 0 at the lowest, and its score.
    pub fn rank(self, member: &[u8]) -> Option<(u64, f64)> {
        match self {
            Self::Packed(view) => small::rank(view, member),
            Self::Tree(tree) => tree.rank(member),
        }
    }

    /// Ranks of the members whose score is in a range.
    pub fn within_scores(self, range: &ScoreRange) -> Range<u64> {
        match self {
            Self::Packed(view) => small::within_scores(view, range),
            Self::Tree(tree) => tree.within_scores(range),
        }
    }

    /// Ranks of the members whose name is in a range. Means something only if all scores are equal; if not, it may matter
    /// from which end the range is sought.
    pub fn within_names(self, range: &NameRange<'_>, from_end: bool) -> Range<u64> {
        match self {
            Self::Packed(view) => small::within_names(view, range, from_end),
            Self::Tree(tree) => tree.within_names(range),
        }
    }

    /// Shows members with their scores, of ranks that are there, upwards or downwards.
    pub fn each_of(self, ranks: Range<u64>, is_reverse: bool, each: impl FnMut(&[u8], f64)) {
        match self {
            Self::Packed(view) => small::each(view, ranks, is_reverse, each),
            Self::Tree(tree) => tree.each(ranks, is_reverse, each),
        }
    }
}

/// Whether a packed form may have so many members.
fn fits_entries(entries: u64, rules: &Rules) -> bool {
    u64::try_from(rules.zset_entries_max()).is_ok_and(|max| entries <= max)
}

/// Whether a member may stand in a packed form.
fn fits_value(len: usize, rules: &Rules) -> bool {
    usize::try_from(rules.zset_value_bytes_max()).is_ok_and(|max| len <= max)
}

impl Zset {
    /// Members in whatever order, their scores as payload.
    pub fn of(members: Elements, rules: &Rules) -> Self {
        let is_small = fits_entries(members.len() as u64, rules)
            && members.iter().all(|element| fits_value(element.name.len(), rules));
        let tree = Tree::of(members);
        if is_small { Self::part_of(ZsetView::Tree(&tree), 0..tree.len(), rules) } else { Self::Tree(Box::new(tree)) }
    }

    /// The members of some ranks of another sorted set.
    pub fn part_of(view: ZsetView<'_>, ranks: Range<u64>, rules: &Rules) -> Self {
        let mut zset = Self::default();
        if !fits_entries(ranks.end.saturating_sub(ranks.start), rules) {
            zset.tree(rules);
        }
        view.each_of(ranks, false, |member, score| zset.push(member, score, rules));
        zset
    }

    /// Makes ready for members to come, whether they will be taken or not: so many, the longest of so many bytes.
    #[inline]
    pub fn expect(&mut self, members: usize, longest_bytes: usize, rules: &Rules) {
        if let Self::Packed(_) = self
            && !(fits_entries(members as u64, rules) && fits_value(longest_bytes, rules))
        {
            self.tree(rules);
        }
    }

    /// Adds a member that comes after all others and is not there.
    fn push(&mut self, member: &[u8], score: f64, rules: &Rules) {
        if let Self::Packed(packed) = self
            && has_room(packed, member, rules)
            && small::push(packed, member, score).is_ok()
        {
            return;
        }
        self.tree(rules).push(member, score);
    }

    /// Stores the score of a member under a condition; tells what became of it, and the score that it has then.
    ///
    /// # Errors
    /// The sum of the scores is not a number; then nothing is changed.
    #[inline]
    pub fn add(
        &mut self,
        member: &[u8],
        score: f64,
        condition: Condition,
        rules: &Rules,
    ) -> Result<(Change, f64), NotNumber> {
        self.add_named(member.into(), score, condition, rules)
    }

    /// See [`Zset::add`]; something may be known of the member's name.
    ///
    /// # Errors
    /// The same.
    #[inline]
    pub fn add_named(
        &mut self,
        named: Named<'_>,
        score: f64,
        condition: Condition,
        rules: &Rules,
    ) -> Result<(Change, f64), NotNumber> {
        if let Self::Tree(tree) = self {
            return tree.add(named, score, condition);
        }
        self.add_small(named.bytes(), score, condition, rules)
    }

    fn add_small(
        &mut self,
        member: &[u8],
        score: f64,
        condition: Condition,
        rules: &Rules,
    ) -> Result<(Change, f64), NotNumber> {
        let packed = match self {
            Self::Tree(tree) => return tree.add(member.into(), score, condition),
            Self::Packed(packed) => packed,
        };
        if let Some((at, old)) = small::find(packed.view(), member) {
            let decided = condition.decide(old, score)?;
            if let (Change::Updated, score) = decided {
                packed.remove(at, 2);
                if small::insert(packed, member, score).is_err() {
                    self.tree(rules).add(member.into(), score, Condition::default())?;
                }
            }
            return Ok(decided);
        }
        if condition.if_there {
            return Ok((Change::Refused, score));
        }
        if has_room(packed, member, rules) && small::insert(packed, member, score).is_ok() {
            return Ok((Change::Added, score));
        }
        self.tree(rules).add(member.into(), score, condition)
    }

    /// Removes a member; false if there is none.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match self {
            Self::Packed(packed) => match packed.view().find(member, 1) {
                Some(at) => packed.remove(at, 2) > 0,
                None => false,
            },
            Self::Tree(tree) => tree.remove(member),
        }
    }

    /// Removes the members of some ranks and tells how many they were.
    pub fn remove_ranks(&mut self, ranks: Range<u64>) -> u64 {
        match self {
            Self::Packed(packed) => {
                let count = ranks.end.saturating_sub(ranks.start);
                match packed.view().seek(ranks.start as usize * 2) {
                    Some(at) => packed.remove(at, count as usize * 2) as u64 / 2,
                    None => 0,
                }
            }
            Self::Tree(tree) => tree.remove_ranks(ranks),
        }
    }

    /// Removes the lowest or the highest members and shows them, the outermost first. Tells how many they were.
    pub fn pop(&mut self, end: End, count: u64, each: impl FnMut(&[u8], f64)) -> u64 {
        let view = self.view();
        let len = view.len();
        let count = count.min(len);
        let ranks = match end {
            End::Lowest => 0..count,
            End::Highest => len - count..len,
        };
        view.each_of(ranks.clone(), end == End::Highest, each);
        self.remove_ranks(ranks)
    }

    /// The large form, into which a packed one is converted.
    #[cold]
    fn tree(&mut self, rules: &Rules) -> &mut Tree {
        if let Self::Packed(packed) = self {
            let mut tree = Tree::new(rules.keyed);
            let view = packed.view();
            small::each(view, 0..view.len() as u64 / 2, false, |member, score| tree.push(member, score));
            *self = Self::Tree(Box::new(tree));
        }
        match self {
            Self::Tree(tree) => tree,
            Self::Packed(_) => unreachable!("it was just converted"),
        }
    }
}

/// Whether a packed form may take one more member.
#[inline]
fn has_room(packed: &Packed, member: &[u8], rules: &Rules) -> bool {
    fits_value(member.len(), rules)
        && fits_entries(packed.len() as u64 / 2 + 1, rules)
        && packed.as_bytes().len() + member.len() < small::BYTES_MAX
}

impl Collection for Zset {
    const KIND: Kind = Kind::Zset;

    type View<'a> = ZsetView<'a>;

    fn from_packed(_: Packing, bytes: Vec<u8>) -> Self {
        Self::Packed(Packed::from_bytes(bytes))
    }

    fn packed(&self) -> Option<(Packing, &[u8])> {
        match self {
            Self::Packed(packed) => Some((Packing::Zset, packed.as_bytes())),
            Self::Tree(_) => None,
        }
    }

    fn into_buffer(self) -> Vec<u8> {
        match self {
            Self::Packed(packed) => packed.into_bytes(),
            Self::Tree(_) => Vec::new(),
        }
    }

    fn view_packed(_: Packing, bytes: &[u8]) -> ZsetView<'_> {
        ZsetView::Packed(View::new(bytes))
    }

    #[inline]
    fn view(&self) -> ZsetView<'_> {
        match self {
            Self::Packed(packed) => ZsetView::Packed(packed.view()),
            Self::Tree(tree) => ZsetView::Tree(tree),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Packed(packed) => packed.is_empty(),
            Self::Tree(tree) => tree.is_empty(),
        }
    }

    fn encoding(&self) -> &'static str {
        match self {
            Self::Packed(_) => Packing::Zset.encoding(),
            Self::Tree(_) => "skiplist",
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Packed(packed) => packed.heap_bytes(),
            Self::Tree(tree) => tree.heap_bytes() + size_of::<Tree>(),
        }
    }

    fn into_large(self) -> Large {
        Large::Zset(Cell::new(self))
    }

    fn cell(large: &Large) -> Option<&Cell<Self>> {
        if let Large::Zset(cell) = large { Some(cell) } else { None }
    }

    fn cell_of<'a>(value: &ValueRef<'a>) -> Option<&'a Cell<Self>> {
        if let ValueRef::Zset(cell) = value { Some(cell) } else { None }
    }

    fn each(view: ZsetView<'_>, each: &mut dyn FnMut(Element<'_>)) {
        view.each_of(0..view.len(), false, |name, score| {
            each(Element { name, payload: &score.to_le_bytes(), deadline_ms: None });
        });
    }

    fn scan(view: ZsetView<'_>, position: u64, each: &mut dyn FnMut(Element<'_>)) -> Option<u64> {
        match view {
            ZsetView::Packed(_) => {
                Self::each(view, each);
                None
            }
            ZsetView::Tree(tree) => tree.scan(position, each),
        }
    }

    fn shape(&self) -> Option<Shape> {
        match self {
            Self::Packed(_) => None,
            Self::Tree(tree) => Some(Shape { len: tree.len() as usize, ..Shape::default() }),
        }
    }

    fn begin_capture(&mut self) {
        if let Self::Tree(tree) = self {
            tree.begin_capture();
        }
    }

    fn captured_bytes(&self, _: usize) -> usize {
        if let Self::Tree(tree) = self { tree.captured_bytes() } else { 0 }
    }

    fn drain(&mut self, into: &mut Piece) -> bool {
        match self {
            Self::Packed(_) => false,
            Self::Tree(tree) => tree.drain(into),
        }
    }

    fn abort_capture(&mut self) {
        if let Self::Tree(tree) = self {
            tree.abort_capture();
        }
    }
}
