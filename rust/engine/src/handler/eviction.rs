//! How room is made when memory ends: the policy, the candidates, and what INFO tells of it. The door does it, see
//! `dispatch::evict`.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::config::{Config, options};
use crate::keyspace::Pool;
use crate::random::Xoshiro256;

/// What makes one key a better victim than another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    /// The time since its last use.
    Idle,
    /// How seldom it was used.
    Seldom,
    /// How soon it would expire.
    Deadline,
    /// Chance.
    Chance,
}

/// `maxmemory-policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What counts.
    pub rank: Rank,
    /// Whether only keys with a deadline may go.
    pub only_deadlines: bool,
}

const NONE: u8 = 0;

impl Policy {
    /// By its name in the configuration; `None`: nothing is evicted.
    fn named(name: &str) -> Option<Self> {
        let (which, rank) = name.split_once('-')?;
        let rank = match rank {
            "lru" => Rank::Idle,
            "lfu" => Rank::Seldom,
            "ttl" => Rank::Deadline,
            _ => Rank::Chance,
        };
        Some(Self { rank, only_deadlines: which == "volatile" })
    }

    const fn code(self) -> u8 {
        1 + (self.rank as u8) * 2 + self.only_deadlines as u8
    }

    fn from_code(code: u8) -> Option<Self> {
        let code = code.checked_sub(1)?;
        let rank = [Rank::Idle, Rank::Seldom, Rank::Deadline, Rank::Chance].get(usize::from(code / 2))?;
        Some(Self { rank: *rank, only_deadlines: code % 2 == 1 })
    }
}

/// The state of eviction.
#[derive(Debug)]
pub struct Eviction {
    policy: AtomicU8,
    samples: AtomicUsize,
    /// `lazyfree-lazy-eviction`.
    is_lazy: AtomicBool,
    /// Who holds it evicts; the others wait until there is room. Taken before shards.
    pool: Mutex<Pool>,
    /// Keys deleted because memory ended.
    pub evicted: AtomicU64,
    /// Clients closed because of `maxmemory-clients`.
    pub clients: AtomicU64,
    /// Microseconds during which the data was above `maxmemory`, up to the last time that it fell below.
    pub exceeded_us: AtomicU64,
    /// Monotonic microseconds, plus one, since which the data is above `maxmemory`; 0: it is not.
    pub exceeded_since_us: AtomicU64,
}

impl Eviction {
    /// Nothing is evicted yet.
    pub fn new(seed: u64) -> Self {
        Self {
            policy: AtomicU8::new(NONE),
            samples: AtomicUsize::new(1),
            is_lazy: AtomicBool::new(false),
            pool: Mutex::new(Pool::new(Xoshiro256::from_seed(seed))),
            evicted: AtomicU64::new(0),
            clients: AtomicU64::new(0),
            exceeded_us: AtomicU64::new(0),
            exceeded_since_us: AtomicU64::new(0),
        }
    }

    /// Takes over a configuration.
    pub fn follow(&self, config: &Config) {
        let order = Ordering::Relaxed;
        let policy = Policy::named(config.get(options::MAXMEMORY_POLICY)).map_or(NONE, Policy::code);
        self.samples.store(config.get(options::MAXMEMORY_SAMPLES).clamp(1, 1 << 16) as usize, order);
        self.is_lazy.store(config.get(options::LAZYFREE_LAZY_EVICTION), order);
        if self.policy.swap(policy, order) != policy {
            self.pool().clear();
        }
    }

    /// Whether keys are deleted when memory ends.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.policy.load(Ordering::Relaxed) != NONE
    }

    /// Which keys go; `None`: none.
    pub fn policy(&self) -> Option<Policy> {
        Policy::from_code(self.policy.load(Ordering::Relaxed))
    }

    /// `maxmemory-samples`.
    pub fn samples(&self) -> usize {
        self.samples.load(Ordering::Relaxed)
    }

    /// Whether values of many bytes are dropped in the background.
    pub fn is_lazy(&self) -> bool {
        self.is_lazy.load(Ordering::Relaxed)
    }

    /// The candidates. Not to be taken with a shard held.
    pub fn pool(&self) -> MutexGuard<'_, Pool> {
        // Candidates are asked again before they go, so any state of the pool will do.
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The data was found above `maxmemory`.
    pub fn exceed(&self, now_us: u64) {
        let _ = self.exceeded_since_us.compare_exchange(0, now_us + 1, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The data is not above `maxmemory` any more.
    pub fn recover(&self, now_us: u64) {
        let since = self.exceeded_since_us.swap(0, Ordering::Relaxed);
        if since != 0 {
            self.exceeded_us.fetch_add((now_us + 1).saturating_sub(since), Ordering::Relaxed);
        }
    }

    /// Microseconds above `maxmemory`: in all, and since it last rose above.
    pub fn exceeded(&self, now_us: u64) -> (u64, u64) {
        let since = self.exceeded_since_us.load(Ordering::Relaxed);
        let current = if since == 0 { 0 } else { (now_us + 1).saturating_sub(since) };
        (self.exceeded_us.load(Ordering::Relaxed) + current, current)
    }

    /// CONFIG RESETSTAT.
    pub fn reset(&self) {
        for counter in [&self.evicted, &self.clients, &self.exceeded_us, &self.exceeded_since_us] {
            counter.store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_has_a_code_of_its_own() {
        let names = [
            "volatile-lru",
            "volatile-lfu",
            "volatile-random",
            "volatile-ttl",
            "allkeys-lru",
            "allkeys-lfu",
            "allkeys-random",
        ];
        let mut codes: Vec<u8> = names.iter().map(|name| Policy::named(name).unwrap().code()).collect();
        for (name, code) in names.iter().zip(&codes) {
            assert_eq!(Policy::from_code(*code), Policy::named(name), "{name}");
        }
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), names.len());
        assert_eq!((Policy::named("noeviction"), Policy::from_code(NONE)), (None, None));
    }
}
