//! How much memory inside of collections only a snapshot needs.
//!
//! A collection that a snapshot has begun with is changed under its shard's lock and told under no shard's lock, and it may
//! go to another key, or lose its last one, meanwhile. So what it keeps is not counted by shards: each such collection has a
//! [`Share`] in one sum, which it corrects after every change and every piece that is told, and which it takes back when the
//! snapshot is done with it. Collections that no snapshot has begun with have no share and count nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The sum of all shares, in bytes. The default one is none: nothing is counted.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Option<Arc<AtomicUsize>>);

impl Gauge {
    /// A sum of nothing yet.
    pub fn new() -> Self {
        Self(Some(Arc::default()))
    }

    /// Bytes, at this moment.
    pub fn bytes(&self) -> usize {
        // A difference may be seen before the one that it follows; the sum is right again then.
        let sum = self.0.as_ref().map_or(0, |sum| sum.load(Ordering::Relaxed));
        usize::try_from(sum.cast_signed()).unwrap_or(0)
    }

    /// A share of nothing yet.
    pub fn share(&self) -> Arc<Share> {
        Arc::new(Share { gauge: self.clone(), bytes: AtomicUsize::new(0) })
    }
}

/// What one collection keeps; it leaves the sum when it is dropped.
#[derive(Debug)]
pub struct Share {
    gauge: Gauge,
    bytes: AtomicUsize,
}

impl Share {
    /// Corrects it.
    pub fn set(&self, bytes: usize) {
        let before = self.bytes.swap(bytes, Ordering::Relaxed);
        if before != bytes
            && let Some(sum) = &self.gauge.0
        {
            sum.fetch_add(bytes.wrapping_sub(before), Ordering::Relaxed);
        }
    }

    /// Bytes.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_and_leave() {
        let gauge = Gauge::new();
        let (one, other) = (gauge.share(), gauge.share());
        one.set(10);
        other.set(5);
        one.set(3);
        assert_eq!(gauge.bytes(), 8);
        drop(one);
        assert_eq!((gauge.bytes(), other.bytes()), (5, 5));
        drop(other);
        assert_eq!(gauge.bytes(), 0);
    }
}
