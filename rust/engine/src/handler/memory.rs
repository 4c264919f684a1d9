//! How much memory is in use, by purpose: what INFO and MEMORY tell.

use std::sync::atomic::Ordering;

use super::Store;
use crate::keyspace::Totals;

/// Bytes in use, by purpose.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryUsage {
    /// All that is counted: data, what waits to be freed, and clients' buffers.
    pub used: u64,
    /// The most that was ever seen by who looked.
    pub peak: u64,
    /// What is not keys and values.
    pub overhead: u64,
    /// Requests and replies under way.
    pub clients: u64,
    /// The longest unread input and output of one client.
    pub client_max: (u64, u64),
    /// Taken from the allocator for data.
    pub reserved: u64,
    /// Needed by data.
    pub data: u64,
    /// Physical memory of the process.
    pub resident: Option<u64>,
}

impl MemoryUsage {
    /// Asks every client and the operating system; `shards` are the totals now.
    pub fn new(store: &Store, shards: &Totals) -> Self {
        let mut usage = Self {
            reserved: shards.reserved_bytes as u64,
            data: (shards.used_bytes + store.lazyfree.bytes()) as u64,
            resident: store.process().resident_bytes(),
            ..Self::default()
        };
        for link in store.clients.all() {
            let input = link.input_bytes.load(Ordering::Relaxed) as u64;
            let output = link.output_bytes.load(Ordering::Relaxed) as u64;
            usage.clients += input + output;
            usage.client_max = (usage.client_max.0.max(input), usage.client_max.1.max(output));
        }
        usage.overhead = shards.overhead_bytes() as u64 + usage.clients;
        usage.used = usage.data + usage.clients;
        usage.peak = store.counters.peak_bytes.fetch_max(usage.used, Ordering::Relaxed).max(usage.used);
        usage
    }

    /// Bytes of keys and values.
    pub const fn dataset(&self) -> u64 {
        self.used.saturating_sub(self.overhead)
    }

    /// Percent that keys and values are of what is in use.
    pub fn dataset_percent(&self) -> f64 {
        percent(self.dataset(), self.used)
    }

    /// Percent that is in use of the most that was.
    pub fn peak_percent(&self) -> f64 {
        percent(self.used, self.peak)
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    ratio(part, whole) * 100.0
}

/// `part / whole`; 0 of nothing.
pub fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
