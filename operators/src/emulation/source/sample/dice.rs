//! Chance that is the same everywhere.
//!
//! Only whole numbers are drawn, by a rule that is written down here, from a generator whose output is fixed by its
//! specification (`ChaCha` with 8 rounds). So a seed means the same rows on every machine and in every version.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of random numbers.
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream number `stream` of `seed`. Streams do not depend on each other.
    pub(super) fn new(seed: u64, stream: u64) -> Dice {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(stream);
        Dice(generator)
    }

    /// A number from 0 up to, not including, `bound`: the upper half of `draw * bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.0.next_u64()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or_default()
    }

    /// A position in a list of `length`.
    pub(super) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or_default()
    }

    /// One of `choices`, which are not empty.
    pub(super) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.index(choices.len())]
    }

    /// True in `share` of 1,000 cases.
    pub(super) fn per_mille(&mut self, share: u64) -> bool {
        self.below(1000) < share
    }

    /// The least of `draws` numbers below `bound`: what remains of a poster's many values, see [`super::cast`].
    pub(super) fn least(&mut self, bound: u64, draws: u64) -> u64 {
        (0..draws).map(|_| self.below(bound)).min().unwrap_or_default()
    }

    /// 16 bytes.
    pub(super) fn bytes(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.0.next_u64().to_le_bytes());
        bytes[8..].copy_from_slice(&self.0.next_u64().to_le_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_numbers_for_ever() {
        let draw = |seed, stream| {
            let mut dice = Dice::new(seed, stream);
            [dice.below(1000), dice.below(1000), dice.below(1000), dice.below(7)]
        };
        assert_eq!(draw(100, 0), draw(100, 0));
        assert_ne!(draw(100, 0), draw(100, 1));
        assert_ne!(draw(100, 0), draw(101, 0));
    }

    #[test]
    fn numbers_stay_in_bounds() {
        let mut dice = Dice::new(1, 0);
        let mut seen = [0_u32; 6];
        for _ in 0..6000 {
            seen[dice.index(6)] += 1;
        }
        assert!(seen.iter().all(|&times| (850..1150).contains(&times)), "{seen:?}");
        assert_eq!(dice.below(1), 0);
    }
}
