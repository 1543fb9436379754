//! When a task may start, given how its direct upstream tasks ended (Airflow 3: trigger rules).

use super::state::TaskState;
use crate::dag::TriggerRule;

/// How many of a task's direct upstream task instances stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Upstream {
    /// All of them.
    pub total: usize,
    /// `success`.
    pub success: usize,
    /// `skipped`.
    pub skipped: usize,
    /// `failed`.
    pub failed: usize,
    /// `upstream_failed`.
    pub upstream_failed: usize,
    /// `removed`.
    pub removed: usize,
    /// The setups among them.
    pub setups: usize,
    /// The setups among them in `success`.
    pub setup_success: usize,
    /// The setups among them in `skipped`.
    pub setup_skipped: usize,
}

impl Upstream {
    /// Counts states of tasks that are no setups.
    pub fn count(states: impl IntoIterator<Item = TaskState>) -> Upstream {
        let mut counts = Upstream::default();
        for state in states {
            counts.add(state, false);
        }
        counts
    }

    /// Counts one more.
    pub fn add(&mut self, state: TaskState, is_setup: bool) {
        self.total += 1;
        self.setups += usize::from(is_setup);
        for place in self.places(state, is_setup).into_iter().flatten() {
            *place += 1;
        }
    }

    /// Takes one away again.
    pub fn take(&mut self, state: TaskState, is_setup: bool) {
        self.total -= 1;
        self.setups -= usize::from(is_setup);
        for place in self.places(state, is_setup).into_iter().flatten() {
            *place -= 1;
        }
    }

    fn places(&mut self, state: TaskState, is_setup: bool) -> [Option<&mut usize>; 2] {
        match state {
            TaskState::Success => [Some(&mut self.success), is_setup.then_some(&mut self.setup_success)],
            TaskState::Skipped => [Some(&mut self.skipped), is_setup.then_some(&mut self.setup_skipped)],
            TaskState::Failed => [Some(&mut self.failed), None],
            TaskState::UpstreamFailed => [Some(&mut self.upstream_failed), None],
            TaskState::Removed => [Some(&mut self.removed), None],
            _ => [None, None],
        }
    }

    /// Both together.
    pub fn plus(self, other: Upstream) -> Upstream {
        Upstream {
            total: self.total + other.total,
            success: self.success + other.success,
            skipped: self.skipped + other.skipped,
            failed: self.failed + other.failed,
            upstream_failed: self.upstream_failed + other.upstream_failed,
            removed: self.removed + other.removed,
            setups: self.setups + other.setups,
            setup_success: self.setup_success + other.setup_success,
            setup_skipped: self.setup_skipped + other.setup_skipped,
        }
    }

    fn is_done(self) -> bool {
        self.success + self.skipped + self.failed + self.upstream_failed + self.removed >= self.total
    }

    fn failures(self) -> usize {
        self.failed + self.upstream_failed
    }
}

/// What a trigger rule says now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The task may start.
    Run,
    /// Not yet.
    Wait,
    /// It never will: it is settled in this state.
    Settle(TaskState),
}

#[expect(clippy::match_same_arms, reason = "a rule's arms stand together, in the order in which Airflow asks")]
/// Evaluates `rule`; a task without upstream tasks always runs (Airflow 3: `trigger_rule_dep.py`).
pub fn evaluate(rule: TriggerRule, upstream: Upstream) -> Verdict {
    if upstream.total == 0 {
        return Verdict::Run;
    }
    let Upstream { total, success, skipped, failed, removed, .. } = upstream;
    let (failures, done) = (upstream.failures(), upstream.is_done());
    let to_upstream_failed = Verdict::Settle(TaskState::UpstreamFailed);
    let to_skipped = Verdict::Settle(TaskState::Skipped);
    match rule {
        // A skip counts at once, without waiting for the rest.
        TriggerRule::AllSuccess if failures > 0 => to_upstream_failed,
        TriggerRule::AllSuccess if skipped > 0 => to_skipped,
        TriggerRule::AllSuccess => run_when(success + removed >= total),

        TriggerRule::AllFailed if success + skipped > 0 => to_skipped,
        TriggerRule::AllFailed => run_when(failures + removed >= total),

        TriggerRule::AllDone => run_when(done),

        TriggerRule::AllDoneMinOneSuccess if skipped > 0 => to_skipped,
        TriggerRule::AllDoneMinOneSuccess if done && success == 0 => to_upstream_failed,
        TriggerRule::AllDoneMinOneSuccess => run_when(done),

        TriggerRule::AllSkipped if success + failures > 0 => to_skipped,
        TriggerRule::AllSkipped => run_when(skipped >= total),

        TriggerRule::OneSuccess if success > 0 => Verdict::Run,
        TriggerRule::OneSuccess if done && skipped >= total => to_skipped,
        TriggerRule::OneSuccess if done => to_upstream_failed,
        TriggerRule::OneSuccess => Verdict::Wait,

        TriggerRule::OneFailed if failures > 0 => Verdict::Run,
        TriggerRule::OneFailed if done => to_skipped,
        TriggerRule::OneFailed => Verdict::Wait,

        // Neither a skip nor a task that could not run is an end of its own.
        TriggerRule::OneDone if success + failed > 0 => Verdict::Run,
        TriggerRule::OneDone if done => to_skipped,
        TriggerRule::OneDone => Verdict::Wait,

        TriggerRule::NoneFailed if failures > 0 => to_upstream_failed,
        TriggerRule::NoneFailed => run_when(success + skipped + removed >= total),

        TriggerRule::NoneFailedMinOneSuccess if failures > 0 => to_upstream_failed,
        TriggerRule::NoneFailedMinOneSuccess if skipped >= total => to_skipped,
        TriggerRule::NoneFailedMinOneSuccess if done && success == 0 => to_upstream_failed,
        TriggerRule::NoneFailedMinOneSuccess => run_when(success + skipped + removed >= total),

        TriggerRule::NoneSkipped if skipped > 0 => to_skipped,
        TriggerRule::NoneSkipped => run_when(done),

        TriggerRule::Always => Verdict::Run,

        TriggerRule::AllDoneSetupSuccess if !done => Verdict::Wait,
        TriggerRule::AllDoneSetupSuccess if upstream.setups > 0 && upstream.setup_skipped >= upstream.setups => {
            to_skipped
        }
        TriggerRule::AllDoneSetupSuccess if upstream.setups > 0 && upstream.setup_success == 0 => to_upstream_failed,
        TriggerRule::AllDoneSetupSuccess => Verdict::Run,
    }
}

/// What a rule waits for, in words for people.
pub fn in_words(rule: TriggerRule) -> &'static str {
    match rule {
        TriggerRule::AllSuccess => "waits for all of its upstream tasks to succeed",
        TriggerRule::AllFailed => "waits for all of its upstream tasks to fail",
        TriggerRule::AllDone
        | TriggerRule::AllDoneMinOneSuccess
        | TriggerRule::NoneSkipped
        | TriggerRule::AllDoneSetupSuccess => "waits for all of its upstream tasks to end",
        TriggerRule::AllSkipped => "waits for all of its upstream tasks to be skipped",
        TriggerRule::OneSuccess => "waits for one of its upstream tasks to succeed",
        TriggerRule::OneFailed => "waits for one of its upstream tasks to fail",
        TriggerRule::OneDone => "waits for one of its upstream tasks to succeed or fail",
        TriggerRule::NoneFailed | TriggerRule::NoneFailedMinOneSuccess => {
            "waits for its upstream tasks to succeed or be skipped"
        }
        TriggerRule::Always => "runs at once",
    }
}

fn run_when(met: bool) -> Verdict {
    if met { Verdict::Run } else { Verdict::Wait }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One letter for each state, as in section 4 of Airflow 3's semantics: S, K (skipped), F, U (upstream failed),
    /// R (removed), and `.` for a task that has not ended.
    fn state(letter: char) -> TaskState {
        match letter {
            'S' => TaskState::Success,
            'K' => TaskState::Skipped,
            'F' => TaskState::Failed,
            'U' => TaskState::UpstreamFailed,
            'R' => TaskState::Removed,
            _ => TaskState::Running,
        }
    }

    fn letter(verdict: Verdict) -> char {
        match verdict {
            Verdict::Run => 'r',
            Verdict::Wait => '.',
            Verdict::Settle(TaskState::Skipped) => 'K',
            Verdict::Settle(TaskState::UpstreamFailed) => 'U',
            Verdict::Settle(_) => '?',
        }
    }

    const RULES: [TriggerRule; 12] = [
        TriggerRule::AllSuccess,
        TriggerRule::AllFailed,
        TriggerRule::AllDone,
        TriggerRule::AllDoneMinOneSuccess,
        TriggerRule::AllSkipped,
        TriggerRule::OneSuccess,
        TriggerRule::OneFailed,
        TriggerRule::OneDone,
        TriggerRule::NoneFailed,
        TriggerRule::NoneFailedMinOneSuccess,
        TriggerRule::NoneSkipped,
        TriggerRule::Always,
    ];

    /// Airflow 3 semantics, section 4: upstream states, and what follows: r runs, `.` waits, K skipped, U upstream failed.
    #[test]
    fn rules_follow_airflow() {
        // all_success, all_failed, all_done, all_done_min_one_success, all_skipped, one_success, one_failed, one_done,
        // none_failed, none_failed_min_one_success, none_skipped, always
        let table = [
            ("", "rrrrrrrrrrrr"),
            (".", "...........r"),
            ("S", "rKrrKrKrrrrr"),
            ("K", "KKrKrKKKrKKr"),
            ("F", "UrrUKUrrUUrr"),
            ("U", "UrrUKUrKUUrr"),
            ("S.", ".K..Kr.r...r"),
            ("SS", "rKrrKrKrrrrr"),
            ("F.", "U...K.rrUU.r"),
            ("U.", "U...K.r.UU.r"),
            ("K.", "KK.K......Kr"),
            ("SF", "UKrrKrrrUUrr"),
            ("SU", "UKrrKrrrUUrr"),
            ("SK", "KKrKKrKrrrKr"),
            ("KK", "KKrKrKKKrKKr"),
            ("FK", "UKrKKUrrUUKr"),
            ("FF", "UrrUKUrrUUrr"),
            ("UK", "UKrKKUrKUUKr"),
            ("SR", "rKrrKrKrrrrr"),
            ("KR", "KKrK.UKKrUKr"),
            ("SFK", "UKrKKrrrUUKr"),
            ("R", "rrrU.UKKrUrr"),
            ("FR", "UrrUKUrrUUrr"),
            ("UR", "UrrUKUrKUUrr"),
            ("R.", "...........r"),
            ("KK.", "KK.K......Kr"),
        ];
        for (upstream, expected) in table {
            let counts = Upstream::count(upstream.chars().map(state));
            let verdicts: String = RULES.iter().map(|&rule| letter(evaluate(rule, counts))).collect();
            assert_eq!(verdicts, expected, "upstream {upstream:?}");
        }
    }

    /// Airflow 3 semantics, sections 4 and 7: small letters are setups.
    #[test]
    fn a_teardown_runs_when_all_is_done_and_a_setup_succeeded() {
        let table = [
            ("s", 'r'),
            ("f", 'U'),
            ("k", 'K'),
            ("s.", '.'),
            ("sF", 'r'),
            ("sU", 'r'),
            ("fU", 'U'),
            ("kK", 'K'),
            ("sf", 'r'),
            ("kf", 'U'),
            ("SF", 'r'),
        ];
        for (upstream, expected) in table {
            let mut counts = Upstream::default();
            for letter in upstream.chars() {
                counts.add(state(letter.to_ascii_uppercase()), letter.is_ascii_lowercase());
            }
            let verdict = letter(evaluate(TriggerRule::AllDoneSetupSuccess, counts));
            assert_eq!(verdict, expected, "upstream {upstream:?}");
        }
    }

    #[test]
    fn what_was_counted_can_be_taken_away_again() {
        let mut counts = Upstream::count("SKFUR.".chars().map(state));
        counts.add(TaskState::Success, true);
        for letter in "SKFUR.".chars() {
            counts.take(state(letter), false);
        }
        counts.take(TaskState::Success, true);
        assert_eq!(counts, Upstream::default());
    }
}
