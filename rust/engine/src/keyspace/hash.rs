//! Which shard a key belongs to, and under which hash it stands there.

use rkv_collections::arena::Ref;

use crate::keyed::Keyed;
use crate::names::same;

/// Keyed hash of keys: nobody outside can choose keys that collide.
#[derive(Clone, Copy, Debug)]
pub struct KeyHasher {
    keyed: Keyed,
    shard_bits: u32,
}

/// A key with its hash and its shard. Made by the plan of a command only, so a handler cannot name a key that is not locked.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    bytes: &'a [u8],
    hash: u64,
    shard: u8,
    /// Of the hint, if there is one.
    place: Option<Ref>,
    stamp: u64,
}

/// Where a key was probably seen when its memory was fetched ahead, and the stamp that its database had then. While the
/// stamp is the same nothing has moved, so that one comparison of the key replaces the walk through the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hint {
    pub place: Ref,
    pub stamp: u64,
}

impl<'a> Key<'a> {
    #[inline]
    pub(super) fn hint(&self) -> Option<Hint> {
        self.place.map(|place| Hint { place, stamp: self.stamp })
    }

    #[inline]
    pub(super) const fn set_hint(&mut self, hint: Hint) {
        self.place = Some(hint.place);
        self.stamp = hint.stamp;
    }

    /// Takes over what is known of where the same key is.
    #[inline]
    pub(crate) const fn follow(&mut self, same: &Self) {
        self.place = same.place;
        self.stamp = same.stamp;
    }

    /// Whether it is the same key, which the plan took for it.
    #[inline]
    pub(crate) fn is_copy_of(&self, other: &Self) -> bool {
        std::ptr::eq(self.bytes, other.bytes)
    }

    /// A key whose hash inside its shard is known.
    #[inline]
    pub(crate) const fn known(bytes: &'a [u8], hash: u64, shard: usize) -> Self {
        Key { bytes, hash, shard: shard as u8, place: None, stamp: 0 }
    }

    /// The key itself.
    #[inline]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether these are its bytes.
    #[inline]
    pub(crate) fn is(&self, bytes: &[u8]) -> bool {
        same(self.bytes, bytes)
    }

    /// The hash inside its shard.
    #[inline]
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// The shard's number.
    #[inline]
    pub const fn shard(&self) -> usize {
        self.shard as usize
    }

    /// The shard as a bit of a lock mask.
    #[inline]
    pub const fn mask(&self) -> u64 {
        1 << self.shard
    }
}

impl KeyHasher {
    /// A hasher over 2^`shard_bits` shards, with a secret of 16 bytes.
    pub fn new(secret: [u8; 16], shard_bits: u32) -> Self {
        debug_assert!(shard_bits <= 6);
        Self { keyed: Keyed::new(secret), shard_bits }
    }

    /// How many bits of the hash choose the shard.
    pub const fn shard_bits(&self) -> u32 {
        self.shard_bits
    }

    /// Hashes a key: its top bits choose the shard, the rest is the hash inside it.
    #[inline]
    pub fn key<'a>(&self, bytes: &'a [u8]) -> Key<'a> {
        let hash = self.keyed.hash(bytes);
        let shard = (hash >> 32 >> (32 - self.shard_bits)) as u8;
        Key { bytes, hash: hash << self.shard_bits, shard, place: None, stamp: 0 }
    }

    /// The hash of a key inside its shard.
    #[inline]
    pub fn inner(&self, bytes: &[u8]) -> u64 {
        self.keyed.hash(bytes) << self.shard_bits
    }
}
