//! Whether a failed task is tried again, and how long it waits before that (Airflow 3: retries, retry policy).

use std::time::Duration;

use chrono::{DateTime, Utc};
use sha1::{Digest, Sha1};

use crate::dag::{RetryAction, RetryRule, Task};

/// No wait is longer, whatever is asked for (Airflow 3: `max_task_retry_delay`).
const RETRY_DELAY_MAX: Duration = Duration::from_hours(24);

/// How a try failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why, in one line.
    pub error: String,
    /// The exit code of what ran, if something did.
    pub exit_code: Option<i32>,
    /// Whether another try could end differently, as far as the operator can tell.
    pub may_retry: bool,
}

/// What is done about a failure: what the first rule says that fits, else what the operator thinks.
///
/// A rule may ask for another try where the operator sees no use in one; how many there are is up to `retries`.
pub fn decide(task: &Task, failure: &Failure) -> RetryAction {
    match task.retry_policy.iter().find(|rule| fits(rule, failure)) {
        Some(RetryRule { action: RetryAction::Retry { delay: Some(delay) }, .. }) => {
            RetryAction::Retry { delay: Some((*delay).min(RETRY_DELAY_MAX)) }
        }
        Some(rule) => rule.action,
        None if failure.may_retry => RetryAction::Retry { delay: None },
        None => RetryAction::Fail,
    }
}

fn fits(rule: &RetryRule, failure: &Failure) -> bool {
    let code_fits = rule.exit_codes.is_empty() || failure.exit_code.is_some_and(|code| rule.exit_codes.contains(&code));
    code_fits && rule.error.as_ref().is_none_or(|error| says(error, &failure.error))
}

/// Whether an error says what a rule looks for; a pattern that cannot be read, which no DAG file has, fits nothing.
fn says(wanted: &str, error: &str) -> bool {
    match wanted.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
        Some(pattern) => regex::Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(error)),
        None => error.contains(wanted),
    }
}

/// When the try after `try_number`, which ended at `ended`, is due.
///
/// `jitter_key` spreads the waits of exponential back-off: the same key gives the same wait, so a restart does not
/// change what was promised.
pub fn next_try_at(task: &Task, try_number: u32, ended: DateTime<Utc>, jitter_key: &str) -> DateTime<Utc> {
    ended + delay(task, try_number, jitter_key)
}

fn delay(task: &Task, try_number: u32, jitter_key: &str) -> Duration {
    let mut delay = task.retry_delay;
    if task.retry_exponential_backoff > 0.0 {
        delay = with_backoff(task, try_number, jitter_key);
    }
    delay.min(RETRY_DELAY_MAX).min(task.max_retry_delay.unwrap_or(RETRY_DELAY_MAX))
}

/// Between the grown delay and twice that, by a hash of the key (Airflow 3: `next_retry_datetime`).
fn with_backoff(task: &Task, try_number: u32, jitter_key: &str) -> Duration {
    let growth = task.retry_exponential_backoff.powi(i32::try_from(try_number).unwrap_or(i32::MAX) - 1);
    let grown = (task.retry_delay.as_secs_f64() * growth).ceil().clamp(1.0, RETRY_DELAY_MAX.as_secs_f64());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 1 s .. 1 day above")]
    let grown_secs = grown as u64;
    Duration::from_secs(grown_secs + sha1_modulo(jitter_key, grown_secs))
}

/// The SHA-1 of `text`, read as one large number, modulo `divisor`.
fn sha1_modulo(text: &str, divisor: u64) -> u64 {
    Sha1::digest(text.as_bytes()).iter().fold(0, |rest, byte| ((rest << 8) | u64::from(*byte)) % divisor)
}

/// A date as Python's `str(datetime)` prints it, which is what Airflow hashes.
pub(super) fn python_date(date: Option<DateTime<Utc>>) -> String {
    match date {
        None => "None".to_owned(),
        Some(date) if date.timestamp_subsec_micros() == 0 => date.format("%Y-%m-%d %H:%M:%S+00:00").to_string(),
        Some(date) => date.format("%Y-%m-%d %H:%M:%S%.6f+00:00").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::dag::spec::{SourceFile, load};
    use crate::operator::{Operator, Outcome, Registry, TaskContext, TaskError};

    struct Empty;

    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct EmptyArgs {}

    impl Operator for Empty {
        const NAME: &'static str = "empty";
        const SUMMARY: &'static str = "Does nothing.";
        type Args = EmptyArgs;

        async fn execute(&self, _: EmptyArgs, _: &TaskContext) -> Result<Outcome, TaskError> {
            Ok(Outcome::done())
        }
    }

    fn task(policy: &str) -> Task {
        task_with(&format!("retry_policy: {policy}"))
    }

    fn task_with(keys: &str) -> Task {
        let mut registry = Registry::default();
        registry.register(Empty).unwrap();
        let text = format!("tasks: [{{task_id: a, operator: empty, retries: 3, {keys}}}]");
        let loaded = load(&SourceFile::new("a.yaml", text), &registry);
        let dag = &loaded.dags[0].dag;
        dag.task(dag.find("a").unwrap()).clone()
    }

    /// Airflow 3's semantics, section 3: retry by exit code or error, the first rule that fits, else the ordinary ones.
    #[rstest]
    #[case("[]", None, "no", true, "retry")]
    #[case("[]", None, "no", false, "fail")]
    #[case("[{exit_code: 2, action: fail}]", Some(2), "no", true, "fail")]
    #[case("[{exit_code: 2, action: fail}]", Some(3), "no", true, "retry")]
    #[case("[{exit_code: 2, action: fail}]", None, "no", true, "retry")]
    #[case("[{exit_code: [2, 3], action: retry, retry_delay: 7s}]", Some(3), "no", true, "retry after 7s")]
    #[case("[{error: no such table, action: fail}]", None, "there is no such table", true, "fail")]
    #[case("[{error: 'a.c', action: fail}]", None, "abc", true, "retry")]
    #[case("[{error: '/a.c/', action: fail}]", None, "abc", true, "fail")]
    #[case("[{error: '/HTTP 5\\d\\d/', action: retry}]", None, "HTTP 503", false, "retry")]
    #[case("[{exit_code: 2, error: disk, action: fail}]", Some(2), "no", true, "retry")]
    #[case("[{exit_code: 2, error: disk, action: fail}]", Some(2), "the disk is full", true, "fail")]
    #[case("[{error: disk, action: retry}, {exit_code: 2, action: fail}]", Some(2), "the disk is full", true, "retry")]
    #[case("[{error: x, action: retry, retry_delay: 3d}]", None, "x", true, "retry after 86400s")]
    fn the_first_rule_that_fits_counts(
        #[case] policy: &str,
        #[case] exit_code: Option<i32>,
        #[case] error: &str,
        #[case] may_retry: bool,
        #[case] expected: &str,
    ) {
        let failure = Failure { error: error.to_owned(), exit_code, may_retry };
        let said = match decide(&task(policy), &failure) {
            RetryAction::Fail => "fail".to_owned(),
            RetryAction::Retry { delay: None } => "retry".to_owned(),
            RetryAction::Retry { delay: Some(delay) } => format!("retry after {}s", delay.as_secs()),
        };
        assert_eq!(said, expected);
    }

    /// Airflow 3's semantics, section 3: the values that Airflow's own `next_retry_datetime` gives for these tasks.
    #[rstest]
    #[case("retry_delay: 5m, retry_exponential_backoff: true", 1, "sales#load#2026-01-01 00:00:00+00:00#1", 381)]
    #[case("retry_delay: 5m, retry_exponential_backoff: 2", 3, "sales#load#2026-01-01 00:00:00+00:00#3", 2313)]
    #[case("retry_delay: 0.5, retry_exponential_backoff: 3", 2, "sales#load#None#2", 3)]
    #[case("retry_delay: 60, retry_exponential_backoff: 1.5", 4, "sales#load#2026-01-01 06:30:00.250000+00:00#4", 256)]
    #[case("retry_exponential_backoff: 2, max_retry_delay: 1h", 5, "sales#load#2026-01-01 00:00:00+00:00#5", 3600)]
    #[case("retry_exponential_backoff: 10", 6, "sales#load#None#6", 86_400)]
    #[case("retry_delay: 90s", 4, "any", 90)]
    #[case("retry_delay: 2d", 1, "any", 86_400)]
    fn waits_are_those_of_airflow(#[case] keys: &str, #[case] try_number: u32, #[case] key: &str, #[case] secs: u64) {
        assert_eq!(delay(&task_with(keys), try_number, key), Duration::from_secs(secs));
    }

    #[test]
    fn dates_are_hashed_as_python_prints_them() {
        let date = |text: &str| python_date(Some(text.parse().unwrap()));
        assert_eq!(date("2026-01-01T00:00:00Z"), "2026-01-01 00:00:00+00:00");
        assert_eq!(date("2026-01-01T06:30:00.25Z"), "2026-01-01 06:30:00.250000+00:00");
        assert_eq!(python_date(None), "None");
    }
}
