//! The keys that every sensor takes (Airflow 3: `BaseSensorOperator`), beside those of its own.

use std::time::Duration;

use scheduler::operator::ArgumentProblem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::shapes::Common;
use crate::span::{self, Span};

/// Looking more often would be polling for its own sake.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// What a task began itself may be over soon.
const FIRST_INTERVAL: Duration = Duration::from_millis(500);

/// Longer than anybody waits.
const NO_LIMIT: Duration = Duration::from_hours(24 * 36_500);

/// Doubling ends long after any `timeout`.
const DOUBLINGS_MAX: u32 = 40;

/// How a sensor waits.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Patience {
    /// How long it sleeps before it looks again: a duration such as `30s`, or a number of seconds; at least
    /// 0.1 s.
    #[serde(default = "a_minute")]
    poke_interval: Span,
    /// How long it waits in all, restarts included, before it fails for good, whatever `retries` there
    /// are.
    #[serde(default = "a_week")]
    timeout: Span,
    /// Whether it is skipped, instead of failing, when its time is up or what it waits for has failed.
    #[serde(default)]
    soft_fail: bool,
    /// Whether an error while it looks (a server that does not answer) is only logged, and it goes on waiting.
    #[serde(default)]
    silent_fail: bool,
    /// Whether it is skipped whatever goes wrong; excludes `soft_fail`.
    #[serde(default)]
    never_fail: bool,
    /// Airflow's choice between holding a slot and giving it up. Both give it up here.
    #[serde(default)]
    #[expect(dead_code, reason = "both modes wait alike")]
    mode: Mode,
    /// Airflow's choice of a waiting that needs no worker. Every sensor waits so here.
    #[serde(default)]
    #[expect(dead_code, reason = "every sensor is deferred")]
    deferrable: bool,
    /// Whether the time between two looks doubles; the first is between half the `poke_interval` and all of it.
    #[serde(default)]
    exponential_backoff: bool,
    /// The longest time between two looks, with `exponential_backoff`.
    #[serde(default)]
    max_wait: Option<Span>,
}

/// How Airflow's sensors wait.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Mode {
    #[default]
    Poke,
    Reschedule,
}

fn a_minute() -> Span {
    Span(Duration::from_mins(1))
}

fn a_week() -> Span {
    Span(Duration::from_hours(7 * 24))
}

impl Common for Patience {
    const NAMES: &'static [&'static str] = &[
        "poke_interval",
        "timeout",
        "soft_fail",
        "silent_fail",
        "never_fail",
        "mode",
        "deferrable",
        "exponential_backoff",
        "max_wait",
    ];
}

impl Patience {
    /// That of a task that waits for something that it began itself: it looks often at first and then at `longest` intervals, and
    /// waits for as long as it takes.
    pub(crate) fn growing(longest: Span) -> Patience {
        Patience {
            poke_interval: Span(longest.0.min(FIRST_INTERVAL)),
            timeout: Span(NO_LIMIT),
            soft_fail: false,
            silent_fail: true,
            never_fail: false,
            mode: Mode::default(),
            deferrable: true,
            exponential_backoff: true,
            max_wait: Some(longest),
        }
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout.0
    }

    /// The same, unless it waits for as long as it takes.
    pub(crate) fn limit(&self) -> Option<Duration> {
        Some(self.timeout()).filter(|limit| *limit < NO_LIMIT)
    }

    /// Whether it is skipped when its time is up, or when what it waits for went wrong.
    pub(crate) fn skips_failures(&self) -> bool {
        self.soft_fail || self.never_fail
    }

    /// Whether it is skipped when it cannot look.
    pub(crate) fn skips_errors(&self) -> bool {
        self.never_fail
    }

    /// Whether it goes on waiting when it cannot look.
    pub(crate) fn ignores_errors(&self) -> bool {
        self.silent_fail
    }

    /// How often it looks, as people say it.
    pub(crate) fn rhythm(&self) -> String {
        match (self.exponential_backoff, self.max_wait) {
            (false, _) => format!("looks again every {}", span::spoken(self.interval())),
            (true, None) => "looks again at growing intervals".to_owned(),
            (true, Some(Span(most))) => format!("looks again at intervals of up to {}", span::spoken(most)),
        }
    }

    fn interval(&self) -> Duration {
        self.poke_interval.0.max(INTERVAL_MIN)
    }

    /// How long to sleep once it has waited that long (Airflow 3: `_get_next_poke_interval`, which counts the looks that fit
    /// into the time that has passed, so that a restart changes nothing). `seed` spreads sensors that began together.
    pub(crate) fn pause(&self, waited: Duration, seed: u128) -> Duration {
        if !self.exponential_backoff {
            return self.interval();
        }
        let most = self.max_wait.map_or(Duration::MAX, |Span(most)| most.max(INTERVAL_MIN));
        let mut passed = Duration::ZERO;
        for look in 0..DOUBLINGS_MAX {
            let pause = self.grown(look, seed).min(most);
            passed = passed.saturating_add(pause);
            if passed > waited {
                return pause;
            }
        }
        // With a `max_wait` the pauses do not grow for ever.
        self.grown(DOUBLINGS_MAX, seed).min(most)
    }

    /// Between half the interval doubled that often, and the interval doubled that often.
    fn grown(&self, look: u32, seed: u128) -> Duration {
        let least = self.interval().saturating_mul(1 << look.min(30)) / 2;
        let share = (seed >> (look % 100)) & 0xff;
        let jitter = u32::try_from(share).unwrap_or(0);
        least.saturating_add(least / 256 * jitter)
    }

    /// Mistakes that the schema cannot express.
    pub(crate) fn check(args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let spans = ["poke_interval", "timeout", "max_wait"];
        let mut problems: Vec<ArgumentProblem> =
            spans.iter().filter_map(|key| span::check::<Span>(args, key)).collect();
        let is_set = |key: &str| args.get(key) == Some(&Value::Bool(true));
        if is_set("soft_fail") && is_set("never_fail") {
            problems.push(ArgumentProblem {
                pointer: "/never_fail".to_owned(),
                message: "`soft_fail` and `never_fail` exclude each other".to_owned(),
                help: None,
            });
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patience(value: Value) -> Patience {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_names_are_those_of_the_keys() {
        let schema = schemars::schema_for!(Patience);
        let names: Vec<&String> = schema.get("properties").unwrap().as_object().unwrap().keys().collect();
        assert_eq!(names, Patience::NAMES);
    }

    #[test]
    fn a_pause_is_the_interval_unless_it_grows() {
        let even = patience(json!({ "poke_interval": "10s" }));
        assert_eq!(even.pause(Duration::from_hours(5), 7), Duration::from_secs(10));
        let least = patience(json!({ "poke_interval": 0 }));
        assert_eq!(least.pause(Duration::ZERO, 7), INTERVAL_MIN);
    }

    #[test]
    fn growing_pauses_double_up_to_the_longest_and_depend_on_nothing_but_the_time_that_has_passed() {
        let growing = patience(json!({ "poke_interval": "10s", "exponential_backoff": true, "max_wait": "5m" }));
        let mut waited = Duration::ZERO;
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let pause = growing.pause(waited, 0);
            pauses.push(pause.as_secs());
            waited += pause;
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300]);
        for seed in [1, u128::MAX, 0x1234_5678_9abc] {
            let first = growing.pause(Duration::ZERO, seed);
            assert!((5..10).contains(&first.as_secs()), "{first:?}");
        }
    }
}
