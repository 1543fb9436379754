//! When rounds of rows are due: at a rate, after pauses, or as fast as they go.

use std::time::Duration;

use scheduler::operator::TaskError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::args::Pause;
use super::twister::Twister;

/// Being late by more than this is not made up for: a sink that was away for an hour is not flooded afterwards.
const LATE_MAX: Duration = Duration::from_secs(1);

/// How rounds follow each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pace {
    /// As fast as they go.
    Free,
    /// One each such while.
    Every(Duration),
    /// After a pause each.
    Pausing(Pause),
}

impl Pace {
    /// What `rate` and `pause` say, at most one of which is given.
    pub(super) fn of(rate: Option<f64>, pause: Option<Pause>) -> Pace {
        match (rate, pause) {
            (Some(rate), _) => Pace::Every(Duration::from_secs_f64(1.0 / rate)),
            (None, Some(pause)) => Pace::Pausing(pause),
            (None, None) => Pace::Free,
        }
    }
}

/// Tells when the next round is due.
pub(super) struct Pacing {
    pace: Pace,
    due: Instant,
    end: Option<Instant>,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Send the next round.
    Now,
    /// Send it then.
    At(Instant),
    /// The time is over.
    Over,
}

impl Pacing {
    /// Ends after `duration`, if there is one.
    pub(super) fn new(pace: Pace, duration: Option<Duration>, now: Instant) -> Pacing {
        Pacing { pace, due: now, end: duration.map(|duration| now + duration) }
    }

    /// When the next round is due. Draws from `twister` what the pause takes, whether or not anybody waits.
    pub(super) fn turn(&mut self, now: Instant, twister: &mut Twister) -> Turn {
        match self.pace {
            Pace::Free => self.due = now,
            Pace::Every(_) => {
                if now > self.due + LATE_MAX {
                    self.due = now;
                }
            }
            Pace::Pausing(pause) => self.due = now + pause.draw(twister),
        }
        let due = self.due;
        if let Pace::Every(step) = self.pace {
            self.due += step;
        }
        match self.end {
            Some(end) if due >= end => Turn::Over,
            _ if due <= now => Turn::Now,
            _ => Turn::At(due),
        }
    }

    /// Passes over a round that has been sent already.
    pub(super) fn pass(&self, twister: &mut Twister) {
        if let Pace::Pausing(pause) = self.pace {
            pause.draw(twister);
        }
    }
}

/// Waits for an instant, or for the end of the try.
pub(super) async fn wait_until(instant: Instant, stop: &CancellationToken) -> Result<(), TaskError> {
    tokio::select! {
        () = tokio::time::sleep_until(instant) => Ok(()),
        () = stop.cancelled() => Err(TaskError::cancelled()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_kept_and_lateness_is_not_made_up_for() {
        let began = Instant::now();
        let at = |millis| began + Duration::from_millis(millis);
        let mut pacing = Pacing::new(Pace::of(Some(10.0), None), None, began);
        let mut twister = Twister::new(1);
        let mut turn = |millis| pacing.turn(at(millis), &mut twister);
        assert_eq!(turn(0), Turn::Now);
        assert_eq!(turn(20), Turn::At(at(100)));
        assert_eq!(turn(100), Turn::At(at(200)));
        assert_eq!(turn(450), Turn::Now, "a little lateness is made up for");
        assert_eq!(turn(450), Turn::Now);
        assert_eq!(turn(450), Turn::At(at(500)));
        assert_eq!(turn(60_000), Turn::Now);
        assert_eq!(turn(60_000), Turn::At(at(60_100)));
    }

    #[test]
    fn a_duration_ends_it() {
        let began = Instant::now();
        let mut twister = Twister::new(1);
        let mut pacing = Pacing::new(Pace::of(None, None), Some(Duration::from_secs(2)), began);
        assert_eq!(pacing.turn(began, &mut twister), Turn::Now);
        assert_eq!(pacing.turn(began + Duration::from_secs(2), &mut twister), Turn::Over);
        let mut pacing = Pacing::new(Pace::of(Some(0.1), None), Some(Duration::from_secs(2)), began);
        assert_eq!(pacing.turn(began, &mut twister), Turn::Now);
        assert_eq!(pacing.turn(began, &mut twister), Turn::Over, "the next one would come after the end");
    }

    #[test]
    fn the_pauses_of_the_scripts_are_none_or_a_second() {
        let began = Instant::now();
        let mut pacing = Pacing::new(Pace::of(None, Some(Pause::Random)), None, began);
        let mut twister = Twister::new(100);
        // random.seed(100), then random.randrange(0, 2) eight times.
        let pauses = [0; 8].map(|_: u32| u32::from(pacing.turn(began, &mut twister) != Turn::Now));
        assert_eq!(pauses, [0, 1, 1, 0, 1, 1, 1, 0]);
    }
}
