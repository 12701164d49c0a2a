//! The one generator: seeded from the kernel in production, from the run's seed in a simulation.
//!
//! Not for secrets: ids, jitter, hash seeds and the simulator's draws.

/// Xoshiro256++: 256 bits of state, equally distributed, a nanosecond a draw.
#[derive(Clone, Debug)]
pub struct Prng {
    state: [u64; 4],
}

impl Prng {
    /// A generator whose draws follow from `seed` alone.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut splitmix = seed;
        let mut next = || {
            splitmix = splitmix.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = splitmix;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        };
        Self {
            state: [next(), next(), next(), next()],
        }
    }

    /// A generator for one concern, independent of the others' draws: adding a draw to one does
    /// not change what the others see.
    #[must_use]
    pub fn stream(&self, salt: u64) -> Self {
        Self::new(self.state[0] ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// 64 equally distributed bits.
    pub fn next_u64(&mut self) -> u64 {
        let state = &mut self.state;
        let result = state[0]
            .wrapping_add(state[3])
            .rotate_left(23)
            .wrapping_add(state[0]);
        let shifted = state[1] << 17;
        state[2] ^= state[0];
        state[3] ^= state[1];
        state[1] ^= state[2];
        state[0] ^= state[3];
        state[2] ^= shifted;
        state[3] = state[3].rotate_left(45);
        result
    }

    /// A number below `bound` (multiply-shift; the bias is below 2^-32 for the bounds we use).
    ///
    /// # Panics
    /// When `bound` is zero: there is no such number.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0);
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// Random bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_u64().to_le_bytes()[..chunk.len()]);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_same_draws_other_stream_other_draws() {
        let (mut a, mut b) = (Prng::new(7), Prng::new(7));
        assert!((0..100).all(|_| a.next_u64() == b.next_u64()));
        assert_ne!(
            Prng::new(7).stream(1).next_u64(),
            Prng::new(7).stream(2).next_u64()
        );
    }

    #[test]
    fn below_stays_below_and_reaches_all() {
        let mut prng = Prng::new(1);
        let mut seen = [false; 5];
        (0..1000).for_each(|_| seen[prng.below(5) as usize] = true);
        assert!(seen.iter().all(|&s| s));
    }
}
