//! How nodes divide, share and join. Nothing here changes which entries there are, or the first entry below a node that
//! stays: counts and keys above the nodes that are touched remain right.

use super::node::{Entry, FANOUT, Inner, LEAF, Leaf, Slot};
use super::{Ordered, Path};

/// A sibling with less room than this is as good as full.
pub(super) const ROOM_MIN: usize = LEAF / 16;
/// A leaf with fewer entries joins or shares with a sibling, if it has one.
pub(super) const LEAF_MIN: usize = LEAF * 3 / 8;
/// The same for children of an inner node.
pub(super) const FANOUT_MIN: usize = FANOUT * 3 / 8;
/// Two leaves join if they have no more entries than this; two inner nodes likewise.
const LEAF_JOINED_MAX: usize = LEAF * 7 / 8;
const FANOUT_JOINED_MAX: usize = FANOUT * 7 / 8;

impl Ordered {
    /// Whether the path takes the last child down to `floor`.
    fn is_last(&self, path: &Path, floor: usize) -> bool {
        path.steps[..=floor].iter().all(|step| step.slot + 1 == self.inners.get(step.node).len())
    }

    /// Whether the path takes the first child down to `floor`.
    fn is_first(path: &Path, floor: usize) -> bool {
        path.steps[..=floor].iter().all(|step| step.slot == 0)
    }

    /// Makes room in the full leaf at the end of the path, into which an entry is to go at `at`.
    #[cold]
    pub(super) fn make_room(&mut self, path: &Path, at: usize) {
        let floor = self.height - 1;
        let step = path.steps[floor];
        if at == LEAF && self.is_last(path, floor) {
            return self.set_edge_apart(path, LEAF - 1);
        }
        if at == 0 && Self::is_first(path, floor) {
            return self.set_edge_apart(path, 0);
        }
        let parent = self.inners.get(step.node);
        let room = |slot: usize| LEAF - parent.count(slot) as usize;
        let before = if step.slot > 0 { room(step.slot - 1) } else { 0 };
        let after = if step.slot + 1 < parent.len() { room(step.slot + 1) } else { 0 };
        if before.max(after) >= ROOM_MIN {
            self.share_leaves(step.node, if before >= after { step.slot - 1 } else { step.slot });
        } else {
            self.divide_leaves(path);
        }
    }

    /// Moves the first or the last entry of the tree into a leaf of its own. What comes next at that end goes there,
    /// and the leaf left behind stays full.
    fn set_edge_apart(&mut self, path: &Path, at: usize) {
        let floor = self.height - 1;
        let step = path.steps[floor];
        let leaf = self.leaves.get_mut(self.inners.get(step.node).child(step.slot));
        let entry = leaf.0[at];
        leaf.0.copy_within(at + 1.., at);
        let key = leaf.0[0];
        let child = self.leaves.add(Leaf::of(&[entry]));
        let parent = self.inners.get_mut(step.node);
        *parent.count_mut(step.slot) -= 1;
        parent.set_key(step.slot, key);
        self.add_child(path, floor, step.slot + usize::from(at > 0), Slot { key: entry, count: 1, child });
    }

    /// Divides the full leaf at the end of the path and its neighbours, full as well, among one more.
    fn divide_leaves(&mut self, path: &Path) {
        let floor = self.height - 1;
        let step = path.steps[floor];
        let parent = *self.inners.get(step.node);
        let slots = step.slot.saturating_sub(1)..(step.slot + 2).min(parent.len());
        let mut entries = Vec::with_capacity(slots.len() * LEAF);
        for slot in slots.clone() {
            let leaf = self.leaves.get(parent.child(slot));
            entries.extend_from_slice(&leaf.0[..parent.count(slot) as usize]);
        }
        let parts = slots.len() + 1;
        let mut from = 0;
        for part in 0..parts {
            let to = entries.len() * (part + 1) / parts;
            let share = &entries[from..to];
            let slot = slots.start + part;
            if slot < slots.end {
                self.leaves.get_mut(parent.child(slot)).0[..share.len()].copy_from_slice(share);
                let parent = self.inners.get_mut(step.node);
                parent.set_key(slot, share[0]);
                *parent.count_mut(slot) = share.len() as u32;
            } else {
                let child = self.leaves.add(Leaf::of(share));
                self.add_child(path, floor, slot, Slot { key: share[0], count: share.len() as u32, child });
            }
            from = to;
        }
    }

    /// Gives two neighbouring leaves the same number of entries.
    fn share_leaves(&mut self, node: u32, slot: usize) {
        let parent = self.inners.get_mut(node);
        let (left_len, right_len) = (parent.count(slot) as usize, parent.count(slot + 1) as usize);
        let left_new = usize::midpoint(left_len, right_len);
        let [left, right] = self.leaves.pair_mut(parent.child(slot), parent.child(slot + 1));
        if left_new < left_len {
            let moved = left_len - left_new;
            right.0.copy_within(..right_len, moved);
            right.0[..moved].copy_from_slice(&left.0[left_new..left_len]);
        } else {
            let moved = left_new - left_len;
            left.0[left_len..left_new].copy_from_slice(&right.0[..moved]);
            right.0.copy_within(moved..right_len, 0);
        }
        *parent.count_mut(slot) = left_new as u32;
        *parent.count_mut(slot + 1) = (left_len + right_len - left_new) as u32;
        parent.set_key(slot + 1, right.0[0]);
    }

    /// Adds a child to the node of the path on `floor`, which divides if it is full.
    fn add_child(&mut self, path: &Path, mut floor: usize, mut at: usize, mut slot: Slot) {
        loop {
            let step = path.steps[floor];
            let full = self.inners.get(step.node).len() == FANOUT;
            if !full {
                self.inners.get_mut(step.node).insert(at, slot);
                return;
            }
            let above = floor.checked_sub(1);
            let first = at == 0 && above.is_none_or(|above| Self::is_first(path, above));
            let last = at == FANOUT && above.is_none_or(|above| self.is_last(path, above));
            let node = self.inners.get_mut(step.node);
            let new = if first || last {
                Inner::of(&[slot])
            } else {
                let mut tail = node.split_off(FANOUT / 2);
                if at <= FANOUT / 2 {
                    node.insert(at, slot);
                } else {
                    tail.insert(at - FANOUT / 2, slot);
                }
                tail
            };
            let old = Slot { key: node.key(0), count: node.total(), child: step.node };
            slot = Slot { key: new.key(0), count: new.total(), child: self.inners.add(new) };
            let Some(above) = above else {
                let slots = if first { [slot, old] } else { [old, slot] };
                self.root = self.inners.add(Inner::of(&slots));
                self.height += 1;
                return;
            };
            let step = path.steps[above];
            let parent = self.inners.get_mut(step.node);
            parent.set_key(step.slot, old.key);
            *parent.count_mut(step.slot) = old.count;
            at = step.slot + usize::from(!first);
            floor = above;
        }
    }

    /// Restores the sizes of nodes along a path, after entries were taken from the leaf at its end.
    #[cold]
    pub(super) fn mend(&mut self, path: &Path) {
        for floor in (0..self.height).rev() {
            let lowest = floor + 1 == self.height;
            let step = path.steps[floor];
            let parent = self.inners.get(step.node);
            let child = parent.child(step.slot);
            let (size, size_min) = if lowest {
                (parent.count(step.slot) as usize, LEAF_MIN)
            } else {
                (self.inners.get(child).len(), FANOUT_MIN)
            };
            if size == 0 {
                self.drop_child(path, floor, lowest);
            } else if size < size_min && parent.len() > 1 {
                let slot = step.slot.saturating_sub(1);
                if lowest {
                    self.mend_leaves(step.node, slot);
                } else {
                    self.mend_inners(step.node, slot);
                }
            } else {
                break;
            }
        }
        self.lower();
    }

    /// Removes the child at the end of a path that ends on `floor`: nothing is left in it.
    fn drop_child(&mut self, path: &Path, floor: usize, lowest: bool) {
        let step = path.steps[floor];
        let parent = self.inners.get_mut(step.node);
        let child = parent.child(step.slot);
        parent.remove(step.slot);
        if step.slot == 0 && parent.len() > 0 && floor > 0 {
            let key = parent.key(0);
            self.renew_key(path, floor - 1, key);
        }
        if lowest {
            self.leaves.release(child);
        } else {
            self.inners.release(child);
        }
    }

    /// Joins two neighbouring leaves, or lets them share.
    fn mend_leaves(&mut self, node: u32, slot: usize) {
        let parent = self.inners.get_mut(node);
        let (left_len, right_len) = (parent.count(slot) as usize, parent.count(slot + 1) as usize);
        if left_len + right_len > LEAF_JOINED_MAX {
            return self.share_leaves(node, slot);
        }
        let emptied = parent.child(slot + 1);
        let [left, right] = self.leaves.pair_mut(parent.child(slot), emptied);
        left.0[left_len..left_len + right_len].copy_from_slice(&right.0[..right_len]);
        *parent.count_mut(slot) += right_len as u32;
        parent.remove(slot + 1);
        self.leaves.release(emptied);
    }

    /// Joins two neighbouring inner nodes, or lets them share.
    fn mend_inners(&mut self, node: u32, slot: usize) {
        let parent = self.inners.get(node);
        let (left_child, right_child) = (parent.child(slot), parent.child(slot + 1));
        let mut both = *self.inners.get(left_child);
        let right = *self.inners.get(right_child);
        let total = both.len() + right.len();
        if total <= FANOUT_JOINED_MAX {
            both.append(&right, 0);
            *self.inners.get_mut(left_child) = both;
            let parent = self.inners.get_mut(node);
            *parent.count_mut(slot) = both.total();
            parent.remove(slot + 1);
            self.inners.release(right_child);
            return;
        }
        let left_new = total / 2;
        let new = if left_new < both.len() {
            let mut tail = both.split_off(left_new);
            tail.append(&right, 0);
            tail
        } else {
            let mut head = right;
            let tail = head.split_off(left_new - both.len());
            both.append(&head, 0);
            tail
        };
        *self.inners.get_mut(left_child) = both;
        *self.inners.get_mut(right_child) = new;
        let parent = self.inners.get_mut(node);
        *parent.count_mut(slot) = both.total();
        *parent.count_mut(slot + 1) = new.total();
        parent.set_key(slot + 1, new.key(0));
    }

    /// Removes floors with a single node above the leaves, and the last leaf.
    fn lower(&mut self) {
        while self.height > 0 && self.inners.get(self.root).len() <= 1 {
            let root = *self.inners.get(self.root);
            if root.len() == 0 {
                return self.clear();
            }
            if self.height == 1 {
                let few = self.leaves.get(root.child(0)).0[..root.count(0) as usize].to_vec();
                *self = Ordered { len: few.len(), few, ..Ordered::new() };
                return;
            }
            self.inners.release(self.root);
            self.root = root.child(0);
            self.height -= 1;
        }
    }

    /// Says above that the first entry below the node of the path on `floor` is another one now.
    pub(super) fn renew_key(&mut self, path: &Path, floor: usize, key: Entry) {
        for step in path.steps[..=floor].iter().rev() {
            self.inners.get_mut(step.node).set_key(step.slot, key);
            if step.slot > 0 {
                break;
            }
        }
    }
}
