//! `approval`, with people who answer at once, or not at all.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use operators::registry_with;
use scheduler::operator::{Answer, FALLBACK_USER, Next, Outcome, People, Question, TaskContext, TaskError, Verdict};
use serde_json::{Map, Value, json};

use crate::context::{context, nowhere};
use crate::receiver::Receiver;
use crate::support::HeldSlot;

/// People of whom somebody chooses that, or nobody anything until the time is up.
struct Somebody {
    chooses: Option<Vec<String>>,
    asked: Mutex<Option<Question>>,
    waited_until: Mutex<Option<DateTime<Utc>>>,
}

impl Somebody {
    fn who_chooses(options: &[&str]) -> Arc<Somebody> {
        let chooses = Some(options.iter().map(|option| (*option).to_owned()).collect());
        Arc::new(Somebody { chooses, asked: Mutex::default(), waited_until: Mutex::default() })
    }

    fn who_is_away() -> Arc<Somebody> {
        Arc::new(Somebody { chooses: None, asked: Mutex::default(), waited_until: Mutex::default() })
    }
}

fn answer(chosen: &[String], params: Map<String, Value>, by: &str) -> Answer {
    Answer {
        chosen_options: chosen.to_vec(),
        params_input: params,
        responded_at: DateTime::UNIX_EPOCH,
        responded_by: by.to_owned(),
    }
}

#[async_trait]
impl People for Somebody {
    async fn ask(&self, question: &Question) -> anyhow::Result<bool> {
        Ok(self.asked.lock().unwrap().replace(question.clone()).is_none())
    }

    async fn answer(&self, until: Option<DateTime<Utc>>) -> anyhow::Result<Option<Answer>> {
        *self.waited_until.lock().unwrap() = until;
        match (&self.chooses, until) {
            (Some(chosen), _) => Ok(Some(answer(chosen, Map::new(), "ann"))),
            (None, Some(_)) => Ok(None),
            (None, None) => std::future::pending().await,
        }
    }

    async fn fall_back(&self, chosen: &[String], params: Map<String, Value>) -> anyhow::Result<Answer> {
        Ok(answer(chosen, params, FALLBACK_USER))
    }
}

async fn ask_as(class: &str, args: Value, ctx: &TaskContext) -> Result<Outcome, TaskError> {
    let registry = registry_with(&nowhere()).unwrap();
    let operator = registry.find(class).unwrap();
    let args = args.as_object().unwrap().clone();
    assert_eq!(operator.check(&args), []);
    operator.execute(args, ctx).await
}

async fn asked(people: &Arc<Somebody>, args: Value, limit: Option<Duration>) -> Result<Outcome, TaskError> {
    let home = tempfile::tempdir().unwrap();
    let people: Arc<dyn People> = people.clone();
    let ctx = TaskContext { people, time_limit: limit, ..context(home.path()) };
    ask_as("approval", args, &ctx).await
}

fn next(outcome: Outcome) -> Next {
    match outcome {
        Outcome::Success { next, .. } => next,
        Outcome::Skipped { reason } => panic!("skipped: {reason}"),
    }
}

#[tokio::test]
async fn an_approval_lets_what_comes_after_run_and_says_who_gave_it() {
    let outcome = asked(&Somebody::who_chooses(&["Approve"]), json!({ "subject": " Go\non? " }), None).await.unwrap();

    let Outcome::Success { return_value, next, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(next, Next::Everything);
    insta::assert_json_snapshot!(return_value, @r#"
    {
      "chosen_options": [
        "Approve"
      ],
      "params_input": {},
      "responded_at": "1970-01-01T00:00:00.000000Z",
      "responded_by_user": {
        "id": "ann",
        "name": "ann"
      }
    }
    "#);
}

#[tokio::test]
async fn a_rejection_skips_what_comes_after_or_fails() {
    let rejected = async |more: Value| {
        let mut args = json!({ "subject": "Go on?" });
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        asked(&Somebody::who_chooses(&["Reject"]), args, None).await
    };

    assert_eq!(next(rejected(json!({})).await.unwrap()), Next::NothingDirect);
    let everything = json!({ "ignore_downstream_trigger_rules": true });
    assert_eq!(next(rejected(everything).await.unwrap()), Next::Nothing);
    let failed = rejected(json!({ "fail_on_reject": true })).await.unwrap_err();
    assert_eq!((failed.verdict, failed.to_string().as_str()), (Verdict::Fail, "rejected by ann"));
    // With options of one's own, the word decides nothing.
    let own = json!({ "options": ["Reject", "Else"] });
    assert_eq!(next(rejected(own).await.unwrap()), Next::Everything);
}

#[tokio::test]
async fn a_question_may_say_what_follows() {
    let args = json!({ "subject": "Which?", "options": ["A", "B", "c"], "multiple": true,
                       "options_mapping": { "A": "first", "B": ["second", "third"] } });

    let outcome = asked(&Somebody::who_chooses(&["B", "c"]), args, None).await.unwrap();

    let followed = ["second", "third", "c"].map(str::to_owned).to_vec();
    assert_eq!(next(outcome), Next::Only(followed));
}

#[tokio::test]
async fn when_nobody_answers_in_time_the_default_counts_or_the_task_fails() {
    let limit = Some(Duration::from_secs(90));
    let away = Somebody::who_is_away();
    let args = json!({ "subject": "Go on?", "defaults": "Approve", "params": { "rows": 3 } });

    let outcome = asked(&away, args, limit).await.unwrap();
    let Outcome::Success { return_value, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(return_value["params_input"], json!({ "rows": 3 }));
    assert_eq!(return_value["responded_by_user"]["name"], FALLBACK_USER);
    let until = away.waited_until.lock().unwrap().unwrap();
    assert_eq!(until.timestamp(), 90, "it counts from the beginning of the try");

    let failed = asked(&Somebody::who_is_away(), json!({ "subject": "Go on?" }), limit).await.unwrap_err();
    let said = "nobody answered within 1m 30s, the execution_timeout";
    assert_eq!((failed.verdict, failed.to_string().as_str()), (Verdict::Retry, said));
    let needed = json!({ "subject": "Go on?", "defaults": "Approve", "params": { "why": { "type": "string" } } });
    let failed = asked(&Somebody::who_is_away(), needed, limit).await.unwrap_err();
    assert_eq!(failed.to_string(), "nobody answered in time, and param `why` has no default, so it must be given");
}

#[tokio::test]
async fn it_waits_without_its_slot_and_stops_when_it_is_told_to() {
    let home = tempfile::tempdir().unwrap();
    let slot = Arc::new(HeldSlot::default());
    let people = Somebody::who_is_away();
    let ctx = TaskContext { slot: slot.clone(), people: people.clone(), ..context(home.path()) };
    let stop = ctx.cancelled.clone();
    let waiting = tokio::spawn(async move { ask_as("approval", json!({ "subject": "Go on?" }), &ctx).await });

    assert_eq!(slot.reason().await, "waits for a person to answer");
    stop.cancel();

    assert_eq!(waiting.await.unwrap().unwrap_err().verdict, Verdict::Cancelled);
    assert!(people.asked.lock().unwrap().is_some());
}

#[tokio::test]
async fn those_who_are_to_know_are_told_once() {
    let receiver = Receiver::start("200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let args = json!({ "subject": "Go on?", "assigned_users": ["ann", { "id": "2", "name": "bob" }],
                       "notifiers": [{ "webhook": { "url": receiver.url("/ask"), "body": { "text": "Go on?" } } }] });
    let people = Somebody::who_chooses(&["Approve"]);

    asked(&people, args.clone(), None).await.unwrap();
    asked(&people, args, None).await.unwrap();

    assert_eq!(receiver.only().json(), json!({ "text": "Go on?" }));
    let question = people.asked.lock().unwrap().clone().unwrap();
    assert!(question.is_for("ann") && question.is_for("2") && question.is_for("bob") && !question.is_for("eve"));
}

#[test]
fn questions_that_nobody_could_answer_are_mistakes() {
    let registry = registry_with(&nowhere()).unwrap();
    let complaints = |args: Value| {
        let problems = registry.find("approval").unwrap().check(args.as_object().unwrap());
        problems.into_iter().map(|problem| format!("{} {}", problem.pointer, problem.message)).collect::<Vec<_>>()
    };
    let table = [
        (json!({ "defaults": "Perhaps" }), "/defaults `Perhaps` is not one of the options, which are Approve, Reject"),
        (
            json!({ "options": ["a", "b"], "defaults": ["a", "b"] }),
            "/defaults only one option may be chosen, unless `multiple` is set",
        ),
        (json!({ "options": ["a", "a"] }), "/options/1 the option `a` stands there twice"),
        (json!({ "options": ["a", " "] }), "/options/1 the option ` ` is empty"),
        (
            json!({ "options": ["a"], "fail_on_reject": true }),
            "/fail_on_reject `fail_on_reject` is for approvals, which have no `options` of their own",
        ),
        (
            json!({ "options": ["a"], "options_mapping": { "b": "task" } }),
            "/options_mapping/b `b` is not one of the options, which are a",
        ),
        (
            json!({ "params": { "n": { "type": "integer", "default": "x" } } }),
            "/params/n has a default that does not fit: \"x\" is not of type \"integer\"",
        ),
        (
            json!({ "notifiers": { "slack": { "url": "https://example.com" } } }),
            "/notifiers/slack it does not say what to tell",
        ),
    ];
    for (mut args, expected) in table {
        args["subject"] = json!("Go on?");
        assert_eq!(complaints(args.clone()), [expected], "{args}");
    }
    assert_eq!(complaints(json!({ "subject": "Go on?", "defaults": "{{ params.by_default }}" })), [""; 0]);
}
