//! Hash maps whose seed is ours: secret in production, the simulator's in a simulation.

use std::hash::{BuildHasher, DefaultHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

/// `std`'s map with a seed that replays.
#[allow(clippy::disallowed_types)]
pub type HashMap<K, V> = std::collections::HashMap<K, V, SeededState>;

/// `std`'s set with a seed that replays.
#[allow(clippy::disallowed_types)]
pub type HashSet<K> = std::collections::HashSet<K, SeededState>;

static SEED: AtomicU64 = AtomicU64::new(0);

/// Sets the seed of every map made from now on. The runtime calls it once, before any shard
/// starts, with a draw from its generator; a map keeps the seed it was made with.
pub fn set_hash_seed(seed: u64) {
    SEED.store(seed, Ordering::Relaxed);
}

/// SipHash keyed by the process's seed: a client that chooses group or topic names cannot
/// choose collisions, and a simulation with the same seed iterates in the same order.
#[derive(Clone, Debug)]
pub struct SeededState {
    seed: u64,
}

impl Default for SeededState {
    fn default() -> Self {
        Self {
            seed: SEED.load(Ordering::Relaxed),
        }
    }
}

impl BuildHasher for SeededState {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.seed);
        hasher
    }
}
