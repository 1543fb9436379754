//! Random choices that are the same on every machine.

use chrono::NaiveDateTime;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::{at_second, scale};

/// Rows and posters draw from streams of their own, which must not meet.
const POSTER_STREAMS: u64 = 1 << 63;

/// A stream of random choices.
#[derive(Clone)]
pub struct Draw(ChaCha8Rng);

impl Draw {
    /// The beginning of everything that follows from a seed.
    pub fn new(seed: u64) -> Draw {
        Draw(ChaCha8Rng::seed_from_u64(seed))
    }

    /// The choices of a row.
    pub fn of_row(&self, row: u64) -> Draw {
        self.stream(row)
    }

    /// The choices of a poster.
    pub fn of_poster(&self, poster: u64) -> Draw {
        self.stream(POSTER_STREAMS | poster)
    }

    fn stream(&self, number: u64) -> Draw {
        let mut generator = self.0.clone();
        generator.set_stream(number);
        generator.set_word_pos(0);
        Draw(generator)
    }

    /// A number from 0 to 1, 1 excluded.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are kept, which is what a double holds")]
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number from 0 to `count`, `count` excluded.
    pub fn below(&mut self, count: u64) -> u64 {
        scale(self.unit(), count)
    }

    /// True in this share of the cases.
    pub fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let at = usize::try_from(self.below(from.len() as u64)).unwrap_or_default();
        &from[at]
    }

    /// An instant, to the second.
    pub fn between(&mut self, first: NaiveDateTime, end: NaiveDateTime) -> NaiveDateTime {
        let (first, end) = (first.and_utc().timestamp(), end.and_utc().timestamp());
        let offset = self.below((end - first).unsigned_abs());
        at_second(first + i64::try_from(offset).unwrap_or_default())
    }

    /// Hexadecimal digits.
    pub fn hex(&mut self, digits: usize) -> String {
        let mut text = String::with_capacity(digits + 16);
        while text.len() < digits {
            text.push_str(&format!("{:016x}", self.0.next_u64()));
        }
        text.truncate(digits);
        text
    }

    /// A UUID of version 4.
    pub fn uuid(&mut self) -> String {
        let mut bytes = [0; 16];
        self.0.fill_bytes(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }
}
