//! When a delivery that failed is tried again.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

/// The wait after the first failure; it doubles with each one that follows.
const FIRST_WAIT: TimeDelta = TimeDelta::seconds(2);

/// It never grows beyond this: a receiver that is back hears of it soon.
const WAIT_MAX: TimeDelta = TimeDelta::minutes(15);

/// After that long nobody needs to know any more.
const PATIENCE: TimeDelta = TimeDelta::days(1);

/// When the attempt after `attempts` failed ones is made; none when it is given up.
///
/// `id` spreads the attempts of callbacks that failed together; `not_before` is the receiver's own word.
pub(super) fn next_attempt(
    id: Uuid,
    created_at: DateTime<Utc>,
    attempts: u32,
    not_before: Option<Duration>,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let doublings = attempts.saturating_sub(1).min(16);
    let wait = (FIRST_WAIT * 2i32.pow(doublings)).min(WAIT_MAX);
    // Up to a quarter more, the same for the same callback and attempt.
    let share = i32::from(id.as_bytes()[15].wrapping_add(doublings.to_le_bytes()[0])) % 64;
    let wait = wait + wait * share / 256;
    let asked = not_before.and_then(|wait| TimeDelta::from_std(wait).ok()).unwrap_or_default();
    let next = now + wait.max(asked);
    (next <= created_at + PATIENCE).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> DateTime<Utc> {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }

    fn wait(attempts: u32, not_before: Option<u64>) -> i64 {
        let next = next_attempt(Uuid::nil(), noon(), attempts, not_before.map(Duration::from_secs), noon()).unwrap();
        (next - noon()).num_seconds()
    }

    #[test]
    fn waits_double_up_to_a_bound() {
        let waits: Vec<i64> = [1, 2, 3, 4, 9, 10, 11, 1000].map(|attempts| wait(attempts, None)).to_vec();
        assert_eq!(waits, [2, 4, 8, 16, 528, 931, 935, 956], "seconds, with their spread");
    }

    #[test]
    fn the_receivers_own_word_counts_when_it_is_later() {
        assert_eq!(wait(1, Some(60)), 60);
        assert_eq!(wait(9, Some(60)), 528);
    }

    #[test]
    fn after_a_day_it_is_given_up() {
        let late = noon() + TimeDelta::hours(24) - TimeDelta::minutes(1);
        assert_eq!(next_attempt(Uuid::nil(), noon(), 50, None, late), None);
        assert!(next_attempt(Uuid::nil(), noon(), 1, None, late).is_some());
        let tomorrow = Duration::from_hours(30);
        assert_eq!(next_attempt(Uuid::nil(), noon(), 1, Some(tomorrow), noon()), None);
    }
}
