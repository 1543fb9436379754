//! `kubernetes_job` against a strict stand-in for a cluster: what is asked of it, what is seen of it, and that a try has one Job
//! whatever dies.

mod fake;
mod tls;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use operators::kubernetes::KubernetesJob;
use operators::notifiers::Environment;
use operators::registry_with;
use scheduler::connection::{Connection, Secret};
use scheduler::operator::{Outcome, SecretReader, TaskError, Verdict};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::bomb::Bomb;
use crate::context::nowhere;
use crate::sql::{loaded, with_dag_file};
use crate::support::{Bench, Connections, HeldSlot, Mined, return_value};
use fake::{Fake, Fault, PodState, TOKEN};

fn operator() -> KubernetesJob {
    KubernetesJob::new(Environment::default())
}

fn connection(fake: &Fake) -> Connection {
    Connection {
        host: Some(fake.url()),
        password: Some(Secret::new(TOKEN)),
        extra: json!({ "namespace": "jobs" }).as_object().unwrap().clone(),
        ..Connection::new("cluster", "kubernetes")
    }
}

fn bench(fake: &Fake) -> Bench {
    let mut bench = with_dag_file();
    bench.ctx.secrets = Arc::new(Connections(vec![connection(fake)]));
    bench
}

/// Arguments that are quick.
#[expect(clippy::needless_pass_by_value, reason = "it is written on the spot")]
fn args(more: Value) -> Value {
    let mut args = json!({ "image": "acme/scoring:1", "kubernetes_conn_id": "cluster", "job_poll_interval": 0.02 });
    args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    args
}

async fn run(bench: &Bench, more: Value) -> Result<Outcome, TaskError> {
    bench.run(&operator(), args(more)).await
}

fn done() -> PodState {
    PodState::Ended(0, "Completed".to_owned())
}

fn waiting(reason: &str) -> PodState {
    PodState::Waiting(reason.to_owned(), "no such tag".to_owned())
}

/// Secrets that cannot be looked up.
struct Sealed;

#[async_trait]
impl SecretReader for Sealed {
    async fn connection(&self, _: &str) -> anyhow::Result<Option<Connection>> {
        anyhow::bail!("it is sealed")
    }

    async fn variable(&self, _: &str) -> anyhow::Result<Option<String>> {
        anyhow::bail!("it is sealed")
    }
}

#[tokio::test]
async fn a_default_connection_that_cannot_be_looked_up_is_not_taken_for_none() {
    let mut bench = with_dag_file();
    bench.ctx.secrets = Arc::new(Sealed);
    let error = run(&bench, json!({ "kubernetes_conn_id": "kubernetes_default" })).await.unwrap_err();
    assert_eq!((error.verdict, error.to_string().as_str()), (Verdict::Retry, "it is sealed"));
}

#[tokio::test]
async fn a_job_is_made_of_the_arguments_and_its_last_line_is_the_answer() {
    let fake = Fake::start().await;
    fake.plan(&["one", "{\"rows\": 3}"], done());
    let mut bench = bench(&fake);
    bench.ctx.key.run_id = "scheduled__2026-11-21T00:00:00+00:00".to_owned();
    let more = json!({
        "name": "Score Pins_", "cmds": ["score"], "arguments": ["--day", "2026-11-21"],
        "env_vars": { "N": 1, "REGION": "eu" }, "labels": { "team": "data" }, "annotations": { "note": "by us" },
        "container_resources": { "limits": { "memory": "2Gi" } }, "image_pull_secrets": "ghcr", "completions": 2,
        "active_deadline_seconds": "1h", "volumes": [{ "name": "tmp", "emptyDir": {} }],
        "volume_mounts": [{ "name": "tmp", "mountPath": "/tmp" }], "output_processor": "json",
    });

    let Ok(Outcome::Success { return_value, xcoms, .. }) = run(&bench, more).await else { panic!("it fails") };

    assert_eq!(return_value, json!({ "rows": 3 }));
    let made = fake.made()[0].clone();
    let name = made["metadata"]["name"].as_str().unwrap();
    assert_eq!(name, format!("score-pins-{}", &bench.ctx.try_id.simple().to_string()[..8]));
    assert_eq!(xcoms, [("job_name".to_owned(), json!(name)), ("job_namespace".to_owned(), json!("jobs"))]);
    assert_eq!(
        made["spec"]["template"]["spec"],
        json!({
            "volumes": [{ "name": "tmp", "emptyDir": {} }],
            "imagePullSecrets": [{ "name": "ghcr" }],
            "restartPolicy": "Never",
            "containers": [{
                "name": "base", "image": "acme/scoring:1", "command": ["score"], "args": ["--day", "2026-11-21"],
                "env": [{ "name": "N", "value": "1" }, { "name": "REGION", "value": "eu" }],
                "resources": { "limits": { "memory": "2Gi" } }, "volumeMounts": [{ "name": "tmp", "mountPath": "/tmp" }],
            }],
        })
    );
    let spec = &made["spec"];
    assert_eq!((&spec["backoffLimit"], &spec["completions"]), (&json!(0), &json!(2)));
    assert_eq!(spec["activeDeadlineSeconds"], 3600);
    assert_eq!(made["metadata"]["labels"], spec["template"]["metadata"]["labels"]);
    let labels = &made["metadata"]["labels"];
    assert_eq!(
        (&labels["team"], &labels["dag_id"], &labels["try_number"]),
        (&json!("data"), &json!("pipeline"), &json!("1"))
    );
    assert!(bench.log_text().contains("one\n{\"rows\": 3}\n"), "{}", bench.log_text());
    assert_eq!((fake.jobs(), fake.deleted()), (0, vec!["Background".to_owned()]));
}

#[tokio::test]
async fn arguments_are_laid_over_templates() {
    let fake = Fake::start().await;
    fake.plan(&[], done());
    let bench = bench(&fake);
    let template = "metadata: {labels: {tier: low}}\nspec:\n  restartPolicy: OnFailure\n  containers:\n    - name: main\n      \
                    image: acme/old:1\n      env: [{name: A, value: b}]\n    - {name: sidecar, image: acme/side:1}\n";
    bench.file("dags/pod.yaml", template);
    let more =
        json!({ "pod_template_file": "pod.yaml", "base_container_name": "main", "on_finish_action": "keep_pod" });
    return_value(run(&bench, more).await);
    let job =
        json!({ "spec": { "backoffLimit": 4, "template": { "spec": { "containers": [{ "image": "acme/old:1" }] } } } });
    return_value(run(&self::bench(&fake), json!({ "job_template": job, "parallelism": 3 })).await);

    let made = fake.made();
    let pod = &made[0]["spec"]["template"];
    assert_eq!(
        (&pod["metadata"]["labels"]["tier"], &pod["spec"]["restartPolicy"]),
        (&json!("low"), &json!("OnFailure"))
    );
    let containers = pod["spec"]["containers"].as_array().unwrap();
    let main = json!({ "name": "main", "image": "acme/scoring:1", "env": [{ "name": "A", "value": "b" }] });
    assert_eq!((containers.len(), &containers[0]), (2, &main));
    assert_eq!((&made[1]["spec"]["backoffLimit"], &made[1]["spec"]["parallelism"]), (&json!(4), &json!(3)));
    assert_eq!(
        made[1]["spec"]["template"]["spec"]["containers"],
        json!([{ "image": "acme/scoring:1", "name": "base" }])
    );
    assert_eq!(fake.jobs(), 1, "with `keep_pod` it stays");
}

#[tokio::test]
async fn what_pods_need_of_their_surroundings_is_asked_for() {
    let fake = Fake::start().await;
    fake.plan(&[], done());
    let more = json!({
        "hostname": "scorer", "subdomain": "jobs", "runtime_class_name": "gvisor", "automount_service_account_token": false,
        "dns_config": { "searches": ["acme"] }, "host_aliases": [{ "ip": "10.0.0.1", "hostnames": ["db"] }],
        "configmaps": ["limits"], "env_from": [{ "secretRef": { "name": "keys" } }],
        "selector": { "matchLabels": { "a": "b" } }, "manual_selector": true,
    });
    return_value(run(&bench(&fake), more).await);

    let made = fake.made().remove(0);
    assert_eq!(
        (&made["spec"]["selector"]["matchLabels"]["a"], &made["spec"]["manualSelector"]),
        (&json!("b"), &json!(true))
    );
    let mut pod = made["spec"]["template"]["spec"].clone();
    let container = pod["containers"][0].take();
    assert_eq!(
        container["envFrom"],
        json!([{ "secretRef": { "name": "keys" } }, { "configMapRef": { "name": "limits" } }])
    );
    let asked = json!({
        "automountServiceAccountToken": false,
        "dnsConfig": { "searches": ["acme"] },
        "hostAliases": [{ "ip": "10.0.0.1", "hostnames": ["db"] }],
        "hostname": "scorer",
        "subdomain": "jobs",
        "runtimeClassName": "gvisor",
        "restartPolicy": "Never",
        "containers": [null],
    });
    assert_eq!(pod, asked);
}

#[tokio::test]
async fn a_job_that_is_not_wanted_may_go_on() {
    let fake = Fake::start().await;
    fake.plan(&["begins"], PodState::Running);
    let bench = bench(&fake);
    let kept = json!({ "on_kill_action": "keep_pod" });
    let running = run(&bench, kept.clone());
    let stopping = async {
        while !bench.has_said("begins\n") {
            tokio::task::yield_now().await;
        }
        bench.ctx.withdrawn.cancel();
        bench.ctx.cancelled.cancel();
    };
    tokio::join!(running, stopping).0.unwrap_err();
    bench.withdraw(&operator(), args(kept)).await.unwrap();
    assert_eq!((fake.jobs(), fake.deleted().len()), (1, 0));
    assert!(bench.log_text().contains("goes on, as `on_kill_action` says"), "{}", bench.log_text());
}

#[tokio::test]
async fn it_waits_without_a_slot_and_shows_output_as_it_comes() {
    let fake = Fake::start().await;
    fake.plan(&[], waiting("ContainerCreating"));
    let mut bench = bench(&fake);
    let slot = Arc::new(HeldSlot::default());
    bench.ctx.slot = slot.clone();
    let running = run(&bench, json!({}));
    let going = async {
        let reason = slot.reason().await;
        assert!(
            reason.starts_with("waits for job task-") && reason.contains("in the namespace jobs of http"),
            "{reason}"
        );
        fake.go_on(&["begins"], &PodState::Running);
        while !bench.has_said("begins\n") {
            tokio::task::yield_now().await;
        }
        fake.go_on(&["ends"], &done());
    };

    let (ended, ()) = tokio::join!(running, going);

    assert_eq!(return_value(ended), "ends");
    let log = bench.log_text();
    assert!(log.contains("Pending (ContainerCreating)") && log.contains("Running\n"), "{log}");
    assert_eq!((log.matches("begins\n").count(), log.matches("ends\n").count()), (1, 1), "{log}");
}

#[tokio::test]
async fn a_line_within_which_the_output_ended_is_taken_whole() {
    let fake = Fake::start().await;
    fake.plan(&["first", "from begin to end"], PodState::Running);
    fake.inside().cuts_line = true;
    let bench = bench(&fake);
    let running = run(&bench, json!({}));
    let going = async {
        while !bench.has_said("from begin to end\n") {
            tokio::task::yield_now().await;
        }
        fake.go_on(&[], &done());
    };

    let (ended, ()) = tokio::join!(running, going);

    assert_eq!(return_value(ended), "from begin to end");
    let log = bench.log_text();
    assert_eq!((log.matches("first").count(), log.matches("from begin").count()), (1, 1), "{log}");
}

#[tokio::test]
async fn failures_say_what_failed_and_what_to_do() {
    let fake = Fake::start().await;
    fake.plan(&["oh"], PodState::Ended(137, "OOMKilled".to_owned()));
    let failed = run(&bench(&fake), json!({ "on_finish_action": "delete_succeeded_pod" })).await.unwrap_err();
    assert_eq!((failed.verdict, failed.exit_code), (Verdict::Retry, Some(137)));
    let words = failed.to_string();
    assert!(words.contains("raise `container_resources`") && words.contains("BackoffLimitExceeded"), "{words}");
    assert_eq!(fake.jobs(), 1, "what failed stays");

    fake.plan(&[], PodState::Ended(4, "Error".to_owned()));
    let skipped = run(&bench(&fake), json!({ "skip_on_exit_code": 4 })).await.unwrap();
    assert!(matches!(skipped, Outcome::Skipped { .. }), "{skipped:?}");

    for (state, words) in [
        (waiting("ImagePullBackOff"), "the image `acme/scoring:1` cannot be pulled (ImagePullBackOff: no such tag)"),
        (PodState::Unschedulable("0/3 nodes are available".to_owned()), "no node takes pod"),
    ] {
        fake.inside().deleted.clear();
        fake.plan(&[], state);
        let late = run(&bench(&fake), json!({ "startup_timeout_seconds": 0.05 })).await.unwrap_err();
        assert!(late.to_string().contains(words) && late.to_string().contains("startup_timeout_seconds"), "{late}");
        assert_eq!((late.verdict, fake.deleted()), (Verdict::Retry, vec!["Foreground".to_owned()]));
    }
}

#[tokio::test]
async fn what_the_cluster_refuses_is_said() {
    let fake = Fake::start().await;
    fake.plan(&[], done());
    let fails = async |more: Value| run(&bench(&fake), more).await.unwrap_err();
    let unknown = fails(json!({ "job_template": { "spec": { "backofLimit": 1 } } })).await;
    assert!(unknown.to_string().contains("unknown field \"spec.backofLimit\""), "{unknown}");
    assert_eq!(unknown.verdict, Verdict::Fail);
    let elsewhere = fails(json!({ "namespace": "other" })).await;
    assert!(elsewhere.to_string().contains("forbidden in the namespace \"other\""), "{elsewhere}");
    assert_eq!(elsewhere.verdict, Verdict::Retry);
    let nowhere = run(&Bench::new(), json!({ "kubernetes_conn_id": null })).await.unwrap_err();
    assert!(nowhere.to_string().contains("no cluster is named"), "{nowhere}");
    let mut stranger = bench(&fake);
    let wrong = Connection { password: Some(Secret::new("hush-hush")), ..connection(&fake) };
    stranger.ctx.secrets = Arc::new(Connections(vec![wrong]));
    let refused = run(&stranger, json!({})).await.unwrap_err();
    assert!(refused.to_string().contains("the cluster does not know us"), "{refused}");
    let taken = json!({ "name": "taken", "random_name_suffix": false, "on_finish_action": "keep_pod" });
    return_value(run(&bench(&fake), taken.clone()).await);
    let there = fails(taken).await.to_string();
    assert!(there.contains("there is a job taken already, which is not of this try"), "{there}");
}

#[tokio::test]
async fn a_try_has_one_job_whenever_the_process_dies() {
    for moment in 1.. {
        let fake = Fake::start().await;
        fake.plan(&["a line"], done());
        let mut bench = bench(&fake);
        let kept = Arc::new(Mutex::new(None));
        let bomb = Bomb::after(moment);
        fake.set_bomb(bomb.clone());
        bench.ctx.checkpoint = Arc::new(Mined { kept: Arc::clone(&kept), bomb: bomb.clone() });
        let dying = operator();
        let outcome = tokio::select! {
            outcome = bench.run(&dying, args(json!({}))) => Some(outcome),
            () = bomb.exploded.cancelled() => None,
        };
        let survived = outcome.is_some();
        let outcome = match outcome {
            Some(outcome) => outcome,
            None => {
                fake.set_bomb(Bomb::dud());
                bench.ctx.checkpoint = Arc::new(Mined { kept, bomb: Bomb::dud() });
                bench.ctx.try_id = Uuid::new_v4();
                run(&bench, json!({})).await
            }
        };
        assert_eq!(return_value(outcome), "a line", "killed at moment {moment}");
        assert_eq!((fake.made().len(), fake.jobs()), (1, 0), "killed at moment {moment}");
        if survived {
            assert!(moment > 14, "{moment} moments: checkpoints, requests and their answers");
            return;
        }
    }
}

#[tokio::test]
async fn a_cluster_that_is_busy_or_loses_answers_is_asked_again() {
    let fake = Fake::start().await;
    fake.plan(&["x"], PodState::Running);
    let bench = bench(&fake);
    let running = run(&bench, json!({}));
    let going = async {
        fake.followed().await;
        fake.inside().faults.extend([Fault::LoseAnswer, Fault::Busy(500), Fault::LoseAnswer]);
        while !bench.has_said("goes on trying") {
            tokio::task::yield_now().await;
        }
        fake.go_on(&[], &done());
    };
    let (ended, ()) = tokio::join!(running, going);
    assert_eq!(return_value(ended), "x");
    assert_eq!(fake.made().len(), 1);
}

#[tokio::test]
async fn a_try_that_is_not_wanted_deletes_its_job_and_a_process_that_stops_leaves_it() {
    for is_withdrawn in [true, false] {
        let fake = Fake::start().await;
        fake.plan(&["begins"], PodState::Running);
        let mut bench = bench(&fake);
        let running = run(&bench, json!({}));
        let stopping = async {
            while !bench.has_said("begins\n") {
                tokio::task::yield_now().await;
            }
            if is_withdrawn {
                bench.ctx.withdrawn.cancel();
            }
            bench.ctx.cancelled.cancel();
        };
        let stopped = tokio::join!(running, stopping).0.unwrap_err();
        assert_eq!(stopped.verdict, Verdict::Cancelled);
        if is_withdrawn {
            assert_eq!(fake.deleted(), ["Foreground"]);
            continue;
        }
        assert_eq!(fake.deleted(), Vec::<String>::new());
        bench.ctx.cancelled = tokio_util::sync::CancellationToken::new();
        fake.go_on(&["ends"], &done());
        assert_eq!(return_value(run(&bench, json!({})).await), "ends");
        let log = bench.log_text();
        assert_eq!((fake.made().len(), log.matches("begins\n").count()), (1, 1), "{log}");
    }
}

#[tokio::test]
async fn a_try_out_of_time_deletes_its_job_and_a_further_one_what_the_one_before_left() {
    let fake = Fake::start().await;
    fake.plan(&[], PodState::Running);
    let mut bench = bench(&fake);
    bench.ctx.time_limit = Some(Duration::from_secs(3));
    let late = run(&bench, json!({})).await.unwrap_err();
    assert_eq!(late.to_string(), "took longer than its execution_timeout of 3s");
    assert_eq!(fake.deleted(), ["Foreground"]);

    let mut bench = self::bench(&fake);
    let dying = operator();
    tokio::select! {
        ended = bench.run(&dying, args(json!({}))) => panic!("{ended:?}"),
        () = async { while fake.made().len() < 2 { tokio::task::yield_now().await } } => {}
    }
    bench.ctx.try_number = 2;
    bench.ctx.try_id = Uuid::new_v4();
    fake.plan(&["second"], done());
    assert_eq!(return_value(run(&bench, json!({})).await), "second");
    assert_eq!((fake.made().len(), fake.deleted().len(), fake.jobs()), (3, 3, 1));
}

#[tokio::test]
async fn what_a_killed_try_has_left_is_deleted_by_whoever_comes_next() {
    let fake = Fake::start().await;
    fake.plan(&[], PodState::Running);
    let (bench, operator) = (bench(&fake), operator());
    tokio::select! {
        ended = bench.run(&operator, args(json!({}))) => panic!("{ended:?}"),
        () = async { while fake.made().is_empty() { tokio::task::yield_now().await } } => {}
    }
    fake.inside().faults.push_back(Fault::Busy(503));
    let busy = bench.withdraw(&operator, args(json!({}))).await.unwrap_err();
    assert_eq!((busy.verdict, fake.jobs()), (Verdict::Retry, 1), "it is asked again");

    bench.withdraw(&operator, args(json!({}))).await.unwrap();

    assert_eq!((fake.jobs(), fake.deleted()), (0, vec!["Foreground".to_owned()]), "and is seen to be gone");
    bench.withdraw(&operator, args(json!({}))).await.unwrap();
    assert_eq!(fake.deleted().len(), 1, "there is nothing more to delete");

    // What has ended by itself stays as the arguments say.
    fake.plan(&[], done());
    let (kept, bench) = (json!({ "on_finish_action": "keep_pod" }), self::bench(&fake));
    return_value(run(&bench, kept.clone()).await);
    bench.withdraw(&operator, args(kept)).await.unwrap();
    assert_eq!((fake.jobs(), fake.deleted().len()), (1, 1));
}

#[tokio::test]
async fn what_was_made_in_one_cluster_is_not_looked_for_in_another() {
    let (first, other) = (Fake::start().await, Fake::start().await);
    first.plan(&[], PodState::Running);
    let (mut bench, operator) = (bench(&first), operator());
    tokio::select! {
        ended = bench.run(&operator, args(json!({}))) => panic!("{ended:?}"),
        () = async { while first.made().is_empty() { tokio::task::yield_now().await } } => {}
    }
    bench.ctx.secrets = Arc::new(Connections(vec![connection(&other)]));
    let withdrawn = bench.withdraw(&operator, args(json!({}))).await.unwrap_err();
    let again = run(&bench, json!({})).await.unwrap_err();
    bench.ctx.try_number = 2;
    let further = run(&bench, json!({})).await.unwrap_err();
    for problem in [withdrawn, again, further] {
        let words = format!("what try 1 has made is at the namespace jobs of {}", first.url());
        assert!(problem.verdict == Verdict::Retry && problem.to_string().contains(&words), "{problem}");
    }
    assert_eq!((first.jobs(), first.deleted().len(), other.made().len()), (1, 0, 0));

    bench.ctx.secrets = Arc::new(Connections(vec![connection(&first)]));
    bench.withdraw(&operator, args(json!({}))).await.unwrap();
    assert_eq!(first.jobs(), 0);
}

#[tokio::test]
async fn a_job_need_not_be_awaited_and_one_that_is_gone_is_not_made_again() {
    let fake = Fake::start().await;
    fake.plan(&[], PodState::Running);
    let more = json!({ "wait_until_job_complete": false });
    return_value(run(&bench(&fake), more).await);
    assert_eq!((fake.jobs(), fake.deleted().len()), (1, 0));

    let bench = bench(&fake);
    let running = run(&bench, json!({}));
    let removing = async {
        while fake.made().len() < 2 {
            tokio::task::yield_now().await;
        }
        fake.inside().jobs.clear();
    };
    let gone = tokio::join!(running, removing).0.unwrap_err();
    assert!(gone.to_string().contains("is not there any more"), "{gone}");
    let again = run(&bench, json!({})).await.unwrap_err();
    assert!(again.to_string().contains("is not there any more"), "{again}");
    assert_eq!(fake.made().len(), 2);
}

#[tokio::test]
async fn connections_are_tried_out_by_asking_who_we_are() {
    let fake = Fake::start().await;
    let test = async |connection: Connection| {
        scheduler::connection::test(&registry_with(&nowhere()).unwrap(), &connection).await
    };
    let said = test(connection(&fake)).await.unwrap();
    assert_eq!(said, format!("the cluster at {} knows us as system:serviceaccount:jobs:updraft", fake.url()));
    let wrong = Connection { password: Some(Secret::new("hush-hush")), ..connection(&fake) };
    let problem = test(wrong).await.unwrap_err();
    assert!(problem.contains("does not know us") && !problem.contains("hush"), "{problem}");
}

#[test]
fn mistakes_are_told_when_the_file_is_loaded() {
    let registry = registry_with(&nowhere()).unwrap();
    for (args, pointer, words) in [
        (json!({}), "", "does not say what to run"),
        (json!({ "image": "x", "namespace": "My Jobs" }), "/namespace", "`My Jobs` is no name"),
        (json!({ "job_template": {}, "pod_template_file": "x" }), "/pod_template_file", "exclude each other"),
        (json!({ "job_template": { "kind": "Pod" } }), "/job_template/kind", "has the kind `Job`"),
        (json!({ "pod_template_dict": { "kind": "Job" } }), "/pod_template_dict/kind", "has the kind `Pod`"),
        (json!({ "image": "x", "startup_timeout_seconds": "soon" }), "/startup_timeout_seconds", "soon"),
        (json!({ "image": "x", "in_cluster": true, "config_file": "c" }), "/config_file", "exclude each other"),
    ] {
        let problems = registry.find("kubernetes_job").unwrap().check(args.as_object().unwrap());
        let found = problems.iter().any(|problem| problem.pointer == pointer && problem.message.contains(words));
        assert!(found, "{args}: {problems:?}");
    }
    let open = json!({ "image": "{{ params.i }}", "namespace": "{{ params.n }}" });
    assert_eq!(registry.find("kubernetes_job").unwrap().check(open.as_object().unwrap()), []);
}

#[test]
fn airflows_classes_mean_this_operator() {
    let text = "
tasks:
  job:
    operator: airflow.providers.cncf.kubernetes.operators.job.KubernetesJobOperator
    image: acme/scoring
    cmds: [score]
    wait_until_job_complete: true
    job_poll_interval: 5
    deferrable: true
  pod:
    operator: airflow.providers.cncf.kubernetes.operators.pod.KubernetesPodOperator
    image: acme/scoring
    env_vars: {A: b}
    poll_interval: 2
    reattach_on_restart: true
    on_finish_action: keep_pod
    kubernetes_conn_id: prod
";
    let tasks = loaded(text);
    assert_eq!(
        tasks["job"],
        json!({
            "image": "acme/scoring", "cmds": ["score"], "wait_until_job_complete": true, "job_poll_interval": 5,
            "kubernetes_conn_id": "kubernetes_default", "on_finish_action": "keep_pod", "backoff_limit": 6,
        })
    );
    assert_eq!((&tasks["pod"]["job_poll_interval"], &tasks["pod"]["kubernetes_conn_id"]), (&json!(2), &json!("prod")));
}
