//! One cache line of the table.
//!
//! ```text
//!   head:  tag 0 .. tag 3 | tag 4 .. tag 7 | tag 8, tag 9, live mask, passed over       3 words
//!   body:  references                                                                   5 words
//! ```

use std::marker::PhantomData;
use std::mem::MaybeUninit;

const HEAD: usize = 3;
const BODY: usize = 5;
const TAGS: usize = 10;

/// A bucket: references with 16 bits of their hash each, and how many entries were passed on to the next bucket.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Bucket<R> {
    head: [u64; HEAD],
    body: [MaybeUninit<u64>; BODY],
    kind: PhantomData<R>,
}

impl<R: Copy> Bucket<R> {
    pub(super) const EMPTY: Bucket<R> =
        Bucket { head: [0; HEAD], body: [MaybeUninit::uninit(); BODY], kind: PhantomData };

    /// References per bucket.
    pub(super) const SLOTS: usize = {
        assert!(size_of::<R>() > 0 && align_of::<R>() <= align_of::<u64>());
        let room = BODY * size_of::<u64>() / size_of::<R>();
        assert!(room > 0);
        if room < TAGS { room } else { TAGS }
    };

    const FULL: u32 = (1 << Self::SLOTS) - 1;

    /// A bit for each slot in use.
    #[inline]
    pub(super) fn live(&self) -> u32 {
        (self.head[2] >> 32) as u32 & 0xffff
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.live() == Self::FULL
    }

    /// Entries whose home is this bucket or one before it and that live in one behind it.
    #[inline]
    pub(super) fn passed(&self) -> u32 {
        (self.head[2] >> 48) as u32
    }

    #[inline]
    pub(super) fn add_passed(&mut self) {
        self.head[2] = self.head[2].wrapping_add(1 << 48);
    }

    #[inline]
    pub(super) fn remove_passed(&mut self) {
        debug_assert!(self.passed() > 0);
        self.head[2] = self.head[2].wrapping_sub(1 << 48);
    }

    /// A bit for each slot in use whose tag is `tag`.
    #[inline]
    #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
    pub(super) fn matching(&self, tag: u16) -> u32 {
        use std::arch::x86_64::{_mm_cmpeq_epi16, _mm_movemask_epi8, _mm_packs_epi16, _mm_set_epi64x, _mm_set1_epi16};
        // SAFETY: the build is for processors with SSE2, and these instructions touch no memory.
        let mask = unsafe {
            let wanted = _mm_set1_epi16(tag as i16);
            let low = _mm_cmpeq_epi16(_mm_set_epi64x(self.head[1] as i64, self.head[0] as i64), wanted);
            let high = _mm_cmpeq_epi16(_mm_set_epi64x(0, self.head[2] as i64), wanted);
            _mm_movemask_epi8(_mm_packs_epi16(low, high))
        };
        mask as u32 & self.live()
    }

    /// A bit for each slot in use whose tag is `tag`.
    #[inline]
    #[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
    pub(super) fn matching(&self, tag: u16) -> u32 {
        self.matching_portable(tag)
    }

    #[cfg(any(test, not(all(target_arch = "x86_64", target_feature = "sse2"))))]
    fn matching_portable(&self, tag: u16) -> u32 {
        let mut mask = 0;
        for slot in 0..Self::SLOTS {
            mask |= u32::from(self.tag(slot) == tag) << slot;
        }
        mask & self.live()
    }

    #[inline]
    pub(super) fn tag(&self, slot: usize) -> u16 {
        (self.head[slot / 4] >> (slot % 4 * 16)) as u16
    }

    /// The reference in a slot in use.
    ///
    /// # Panics
    /// If the slot is not in use.
    #[inline]
    pub(super) fn get(&self, slot: usize) -> R {
        assert!(self.live() >> slot & 1 != 0, "slot is empty");
        // SAFETY: a bit of the live mask is set only by `set`, below `SLOTS`, after the reference was written there.
        unsafe { self.body.as_ptr().cast::<R>().add(slot).read() }
    }

    /// Fills a slot.
    #[inline]
    pub(super) fn set(&mut self, slot: usize, tag: u16, reference: R) {
        assert!(slot < Self::SLOTS, "no such slot");
        let shift = slot % 4 * 16;
        let word = &mut self.head[slot / 4];
        *word = *word & !(0xffff << shift) | u64::from(tag) << shift;
        self.head[2] |= 1 << (32 + slot);
        // SAFETY: `SLOTS` references fit in the body, which is aligned for them.
        unsafe { self.body.as_mut_ptr().cast::<R>().add(slot).write(reference) }
    }

    /// Fills a free slot; the bucket is not full.
    #[inline]
    pub(super) fn push(&mut self, tag: u16, reference: R) {
        self.set(self.live().trailing_ones() as usize, tag, reference);
    }

    #[inline]
    pub(super) fn unset(&mut self, slot: usize) {
        self.head[2] &= !(1 << (32 + slot));
    }

    /// Tags and references of the slots in `mask`, a subset of those in use.
    #[inline]
    pub(super) fn each(&self, mut mask: u32, mut each: impl FnMut(u16, R)) {
        while mask != 0 {
            let slot = mask.trailing_zeros() as usize;
            each(self.tag(slot), self.get(slot));
            mask &= mask - 1;
        }
    }

    /// References of the slots in use.
    #[inline]
    pub(super) fn references(&self) -> impl Iterator<Item = R> {
        let mut mask = self.live();
        std::iter::from_fn(move || {
            let slot = mask.trailing_zeros();
            mask &= mask.checked_sub(1)?;
            Some(self.get(slot as usize))
        })
    }

    /// The slot in use that holds `reference` under `tag`.
    #[inline]
    pub(super) fn slot_of(&self, tag: u16, reference: R) -> Option<usize>
    where
        R: Eq,
    {
        let mut mask = self.matching(tag);
        while mask != 0 {
            let slot = mask.trailing_zeros() as usize;
            if self.get(slot) == reference {
                return Some(slot);
            }
            mask &= mask - 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_one_cache_line() {
        assert_eq!(size_of::<Bucket<u32>>(), 64);
        assert_eq!(align_of::<Bucket<u32>>(), 64);
        assert_eq!(Bucket::<u32>::SLOTS, 10);
        assert_eq!(Bucket::<u64>::SLOTS, 5);
        assert_eq!(Bucket::<u16>::SLOTS, 10);
        assert_eq!(Bucket::<[u64; 2]>::SLOTS, 2);
    }

    #[test]
    fn vector_and_portable_compare_agree() {
        let mut bucket = Bucket::<u32>::EMPTY;
        for slot in 0..10 {
            assert!(!bucket.is_full());
            bucket.push([7, 8, 0, 0xffff][slot % 4], slot as u32);
            for tag in [0, 7, 8, 9, 0xffff, 0x7fff, 0x8000] {
                assert_eq!(bucket.matching(tag), bucket.matching_portable(tag));
            }
        }
        assert!(bucket.is_full());
        assert_eq!(bucket.matching(7), 0b01_0001_0001);
        bucket.unset(4);
        assert_eq!(bucket.matching(7), 0b01_0000_0001);
        bucket.add_passed();
        assert_eq!((bucket.passed(), bucket.live()), (1, 0b11_1110_1111));
        bucket.remove_passed();
        assert_eq!(bucket.slot_of(7, 8), Some(8));
    }
}
