//! A byte buffer that many owners read, and that its only owner may change.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A reference-counted byte buffer: a large value is in the keyspace, in a reply and in a snapshot at once without being
/// copied. While it has one owner it grows in place, so that many appends cost as much as one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Shared(Arc<Vec<u8>>);

impl Shared {
    /// Bytes of heap that the buffer occupies, however many share it: contents with their slack, their place and two
    /// reference counters.
    pub fn heap_bytes(&self) -> usize {
        self.0.capacity() + size_of::<Vec<u8>>() + 2 * size_of::<usize>()
    }

    /// The buffer, to be changed, if nobody shares it.
    pub fn bytes_mut(&mut self) -> Option<&mut Vec<u8>> {
        Arc::get_mut(&mut self.0)
    }

    /// Whether both are the same buffer, not merely equal ones.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl From<&[u8]> for Shared {
    fn from(bytes: &[u8]) -> Self {
        Self(Arc::new(bytes.to_vec()))
    }
}

impl From<Vec<u8>> for Shared {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Arc::new(bytes))
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
        assert!(first.clone().bytes_mut().is_none());
        assert!(first.is_same(&second));
        assert!(!first.is_same(&Shared::from(b"secret".to_vec())));
        assert_eq!(&*second, b"secret");
        assert_eq!(first.heap_bytes(), 6 + 40);
        drop(second);
        let mut first = first;
        first.bytes_mut().expect("it has one owner").push(b'!');
        assert_eq!(&*first, b"secret!");
    }

    #[test]
    fn debug_hides_contents() {
        assert_eq!(format!("{:?}", Shared::from(&b"secret"[..])), "Shared(6 bytes)");
    }
}
