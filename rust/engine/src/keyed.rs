//! The keyed hash of names: nobody outside can choose names that collide.

use siphasher::sip::SipHasher13;

/// SipHash-1-3 under a secret.
#[derive(Clone, Copy, Debug)]
pub struct Keyed(SipHasher13);

impl Keyed {
    /// Under a secret of 16 bytes.
    pub fn new(secret: [u8; 16]) -> Self {
        Self(SipHasher13::new_with_key(&secret))
    }

    /// The hash of a name.
    #[inline]
    pub fn hash(&self, name: &[u8]) -> u64 {
        self.0.hash(name)
    }
}
