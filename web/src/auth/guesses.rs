//! A limit on guessing passwords: each address has a few wrong guesses, and gets one back every second.
//!
//! Nobody is locked out: an address that used up its guesses may try again a second later, and other addresses notice
//! nothing. A right password costs no guess.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

/// Wrong guesses in a row before an address must wait.
const GUESSES: i32 = 10;

/// After how long a guess is given back.
const REFILL: TimeDelta = TimeDelta::seconds(1);

/// Addresses that are remembered; more come only from an attack, and then the oldest are forgotten.
const ADDRESSES_MAX: usize = 1024;

/// The wrong guesses of each address.
#[derive(Default)]
pub(super) struct Guesses {
    // When the address will have all its guesses back.
    full_at: Mutex<HashMap<Option<IpAddr>, DateTime<Utc>>>,
}

impl Guesses {
    /// Whether a guess is left.
    pub(super) fn may_try(&self, address: Option<IpAddr>, now: DateTime<Utc>) -> bool {
        let full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        match full_at.get(&network(address)) {
            Some(full_at) => *full_at - now <= REFILL * (GUESSES - 1),
            None => true,
        }
    }

    /// Counts a wrong guess.
    pub(super) fn failed(&self, address: Option<IpAddr>, now: DateTime<Utc>) {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        full_at.retain(|_, full_at| *full_at > now);
        if full_at.len() >= ADDRESSES_MAX
            && let Some(oldest) = full_at.iter().min_by_key(|(_, full_at)| **full_at).map(|(address, _)| *address)
        {
            full_at.remove(&oldest);
        }
        let until = full_at.entry(network(address)).or_insert(now);
        *until += REFILL;
    }
}

/// Who has one address of IPv6 has 2^64 of them; an address of IPv4 that is written as one of IPv6 is one.
fn network(address: Option<IpAddr>) -> Option<IpAddr> {
    match address.map(|address| address.to_canonical()) {
        Some(IpAddr::V6(v6)) => {
            let [a, b, c, d, ..] = v6.segments();
            Some(IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)))
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn guesses_run_out_come_back_and_are_each_addresss_own() {
        let guesses = Guesses::default();
        let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let attacker = Some(IpAddr::from([192, 0, 2, 1]));
        let owner = Some(IpAddr::from([192, 0, 2, 2]));

        for _ in 0..GUESSES {
            assert!(guesses.may_try(attacker, start));
            guesses.failed(attacker, start);
        }

        assert!(!guesses.may_try(attacker, start));
        assert!(guesses.may_try(owner, start));
        assert!(guesses.may_try(attacker, start + REFILL));
    }

    /// A socket on `::` sees them so.
    #[test]
    fn addresses_of_ipv4_that_are_mapped_into_ipv6_are_each_its_own() {
        let guesses = Guesses::default();
        let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let mapped = |last| Some(IpAddr::from(Ipv4Addr::new(192, 0, 2, last).to_ipv6_mapped()));

        for _ in 0..GUESSES {
            guesses.failed(mapped(1), start);
        }

        assert!(!guesses.may_try(mapped(1), start));
        assert!(guesses.may_try(mapped(2), start));
    }

    #[test]
    fn an_attack_from_everywhere_fills_no_memory() {
        let guesses = Guesses::default();
        let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();

        for number in 0..(2 * ADDRESSES_MAX) {
            guesses.failed(Some(IpAddr::from(u32::try_from(number).unwrap().to_be_bytes())), start);
        }

        assert_eq!(guesses.full_at.lock().unwrap().len(), ADDRESSES_MAX);
    }
}
