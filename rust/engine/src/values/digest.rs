//! Redis's digest of values, for DEBUG DIGEST: equal data has equal digests in rkv and in Redis.
//!
//! Parts whose order means something are mixed in (add, then hash all again); parts without an order, such as the members
//! of a set, are hashed one by one and added, where adding is exclusive or.

use sha1::{Digest as _, Sha1};

use super::string::StringRef;
use super::{Kind, ValueRef};
use crate::number::format_f64_17;

/// 160 bits that stand for some data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest([u8; 20]);

impl Digest {
    /// Adds bytes whose place among the others means nothing.
    pub fn add(&mut self, bytes: &[u8]) {
        for (mine, other) in self.0.iter_mut().zip(Sha1::digest(bytes)) {
            *mine ^= other;
        }
    }

    /// Adds bytes that come behind the others.
    pub fn mix(&mut self, bytes: &[u8]) {
        self.add(bytes);
        self.0 = Sha1::digest(self.0).into();
    }

    /// Adds the digest of a part whose place among the others means nothing.
    pub fn add_digest(&mut self, part: &Self) {
        self.add(&part.0);
    }

    /// Mixes in a value with its type and whether it has a deadline.
    pub fn mix_value(&mut self, value: &ValueRef<'_>, has_deadline: bool) {
        self.mix(&value.kind().number().to_be_bytes());
        if let Ok(string) = StringRef::of(*value) {
            self.mix(&string.text());
        }
        let kind = value.kind();
        value.each(&mut |element| match kind {
            Kind::List | Kind::Stream | Kind::String => self.mix(element.name),
            Kind::Set => self.add(element.name),
            Kind::Zset => self.add(&pair(element.name, format_f64_17(element.score()).as_bytes()).0),
            Kind::Hash => self.add(&pair(element.name, element.payload).0),
        });
        if has_deadline {
            self.add(b"!!expire!!");
        }
    }

    /// 40 hexadecimal digits.
    pub fn hex(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
    }
}

/// The digest of two things that belong together.
fn pair(first: &[u8], second: &[u8]) -> Digest {
    let mut digest = Digest::default();
    digest.mix(first);
    digest.mix(second);
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_one_string_is_redis_own() {
        // What `DEBUG DIGEST-VALUE` of a redis-server 7.0.15 says to `SET k hello` and `SET k 12345 EX 100`.
        let mut digest = Digest::default();
        digest.mix_value(&ValueRef::Bytes(b"hello"), false);
        assert_eq!(digest.hex(), "36b23a1456b2dce2c3ed252c456761301dba8060");
        let mut digest = Digest::default();
        digest.mix_value(&ValueRef::Integer(12345), true);
        assert_eq!(digest.hex(), "074a6e8892a0b0b4fcf085794cb69322c36c9d00");
    }
}
