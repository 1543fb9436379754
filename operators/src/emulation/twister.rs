//! Chance as Python's `random` draws it, so that a seed picks the rows that it picks in the original scripts.
//!
//! The generator is MT19937, seeded by an array as `random.seed(100)` does; `below` is `random.randrange(n)`.

/// How many words the state has.
const WORDS: usize = 624;

/// The generator.
#[derive(Clone)]
pub(super) struct Twister {
    words: [u32; WORDS],
    next: usize,
}

impl Twister {
    /// `random.seed(seed)`.
    pub(super) fn new(seed: u64) -> Twister {
        let [low, high] = [seed & 0xffff_ffff, seed >> 32].map(|half| u32::try_from(half).unwrap_or_default());
        let key: &[u32] = if high == 0 { &[low] } else { &[low, high] };
        let mut words = plain_seed(19_650_218);
        let (mut i, mut j) = (1, 0);
        for _ in 0..WORDS.max(key.len()) {
            let offset = u32::try_from(j).unwrap_or_default();
            words[i] =
                (words[i] ^ mixed(words[i - 1]).wrapping_mul(1_664_525)).wrapping_add(key[j]).wrapping_add(offset);
            i += 1;
            j = (j + 1) % key.len();
            wrap(&mut words, &mut i);
        }
        for _ in 1..WORDS {
            let offset = u32::try_from(i).unwrap_or_default();
            words[i] = (words[i] ^ mixed(words[i - 1]).wrapping_mul(1_566_083_941)).wrapping_sub(offset);
            i += 1;
            wrap(&mut words, &mut i);
        }
        words[0] = 0x8000_0000;
        Twister { words, next: WORDS }
    }

    /// `random.randrange(bound)`, for a bound from 1 to 2^31.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        let unused = bound.leading_zeros();
        loop {
            let drawn = self.word() >> unused;
            if drawn < bound {
                return drawn;
            }
        }
    }

    fn word(&mut self) -> u32 {
        if self.next == WORDS {
            self.refill();
        }
        let mut word = self.words[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    fn refill(&mut self) {
        for i in 0..WORDS {
            let joined = (self.words[i] & 0x8000_0000) | (self.words[(i + 1) % WORDS] & 0x7fff_ffff);
            let twist = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.words[i] = self.words[(i + 397) % WORDS] ^ (joined >> 1) ^ twist;
        }
        self.next = 0;
    }
}

fn plain_seed(seed: u32) -> [u32; WORDS] {
    let mut words = [seed; WORDS];
    for i in 1..WORDS {
        let offset = u32::try_from(i).unwrap_or_default();
        words[i] = mixed(words[i - 1]).wrapping_mul(1_812_433_253).wrapping_add(offset);
    }
    words
}

fn mixed(word: u32) -> u32 {
    word ^ (word >> 30)
}

/// Goes on at the beginning of the state, which takes over its last word.
fn wrap(words: &mut [u32; WORDS], i: &mut usize) {
    if *i == WORDS {
        words[0] = words[WORDS - 1];
        *i = 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_of_the_scripts_picks_the_rows_of_the_scripts() {
        let mut twister = Twister::new(100);
        let rows: Vec<u32> = (0..12)
            .map(|_| {
                let _pause = twister.below(2);
                twister.below(11_001)
            })
            .collect();
        assert_eq!(rows, [7528, 2863, 5730, 8304, 8731, 1313, 4315, 10_794, 5494, 5069, 2923, 3089]);
    }

    #[test]
    fn other_seeds_are_pythons_too() {
        // random.seed(s); [random.randrange(1000) for _ in range(3)]
        for (seed, expected) in [(0, [864, 394, 776]), (2_u64.pow(40) + 7, [628, 765, 834])] {
            let mut twister = Twister::new(seed);
            assert_eq!([0; 3].map(|_: u32| twister.below(1000)), expected, "{seed}");
        }
    }
}
