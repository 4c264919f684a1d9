//! A byte buffer that many owners read and nobody changes.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// An immutable, reference-counted byte buffer: a large value is in the keyspace, in a reply and in a snapshot at once
/// without being copied.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Shared(Arc<[u8]>);

impl Shared {
    /// Bytes of heap that the buffer occupies, however many share it: the contents and two reference counters.
    pub fn heap_bytes(&self) -> usize {
        self.0.len().saturating_add(2 * size_of::<usize>())
    }

    /// Whether both are the same buffer, not merely equal ones.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl From<&[u8]> for Shared {
    fn from(bytes: &[u8]) -> Self {
        Self(Arc::from(bytes))
    }
}

impl From<Vec<u8>> for Shared {
    /// Copies once, as the counters stand in front of the contents.
    fn from(bytes: Vec<u8>) -> Self {
        Self(Arc::from(bytes))
    }
}

impl Deref for Shared {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Shared {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Shared {
    /// The length alone: contents are user data and never belong in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_one_buffer() {
        let first = Shared::from(&b"secret"[..]);
        let second = first.clone();
        assert!(first.is_same(&second));
        assert!(!first.is_same(&Shared::from(b"secret".to_vec())));
        assert_eq!(&*second, b"secret");
        assert_eq!(first.heap_bytes(), 6 + 16);
    }

    #[test]
    fn debug_hides_contents() {
        assert_eq!(format!("{:?}", Shared::from(&b"secret"[..])), "Shared(6 bytes)");
    }
}
