//! A stand-in for the API server of Kubernetes, strict where the real one is.
//!
//! Written after the public description of the API: Jobs (`batch/v1`), pods and their logs (`v1`), `SelfSubjectReview`; refusals
//! are a `Status`. Its pods do nothing; a test says what becomes of them. Beside that it can be away, be busy, lose answers,
//! and kill whoever asks.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use crate::bomb::Bomb;

/// The token of the account that may do everything in the namespace `jobs`, and nothing elsewhere.
pub const TOKEN: &str = "k8s-0123456789";

/// The instant before every line of output.
const WRITTEN_AT: &str = "2026-11-21T00:00:00.123456789Z";

/// What the server does with a request instead of doing it and saying so.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Answers with that status.
    Busy(u16),
    /// Does it, and breaks off.
    LoseAnswer,
}

/// A server; it ends with the runtime of its test.
pub struct Fake {
    address: SocketAddr,
    world: Arc<World>,
}

struct World {
    /// Whether whoever reaches it has shown a certificate by which it knows them.
    knows_by_certificate: AtomicBool,
    inside: Mutex<Inside>,
    bomb: Mutex<Bomb>,
    /// Something has changed.
    changed: Notify,
}

#[derive(Default)]
pub struct Inside {
    pub jobs: BTreeMap<String, Job>,
    made: Vec<Value>,
    pub deleted: Vec<String>,
    pub faults: VecDeque<Fault>,
    /// What becomes of pods that are made.
    pub plan: Plan,
    pub logs_asked: usize,
    /// Whether the output that is asked for next ends within the last line that there is, as if all had been said.
    pub cuts_line: bool,
}

/// A Job, and its one pod.
pub struct Job {
    pub manifest: Value,
    pub plan: Plan,
    is_going: bool,
}

/// What becomes of a pod.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What it has written so far.
    pub lines: Vec<String>,
    pub state: PodState,
}

/// How a pod stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PodState {
    /// Its container waits, for that reason and with that message.
    Waiting(String, String),
    /// No node takes it.
    Unschedulable(String),
    #[default]
    Running,
    /// It has ended with that code, for that reason.
    Ended(i32, String),
}

impl Fake {
    pub async fn start() -> Fake {
        let world = World {
            knows_by_certificate: AtomicBool::new(false),
            inside: Mutex::default(),
            bomb: Mutex::new(Bomb::dud()),
            changed: Notify::new(),
        };
        let world = Arc::new(world);
        let app = Router::new().fallback(serve).with_state(Arc::clone(&world));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Fake { address, world }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// From here on it knows people by what a gate before it wants to see, and takes no tokens.
    pub fn know_by_certificate(&self) {
        self.world.knows_by_certificate.store(true, Ordering::SeqCst);
    }

    pub fn inside(&self) -> MutexGuard<'_, Inside> {
        self.world.inside.lock().unwrap()
    }

    pub fn set_bomb(&self, bomb: Bomb) {
        *self.world.bomb.lock().unwrap() = bomb;
    }

    /// How many Jobs there are.
    pub fn jobs(&self) -> usize {
        self.inside().jobs.len()
    }

    /// The manifests of all Jobs that were ever made.
    pub fn made(&self) -> Vec<Value> {
        self.inside().made.clone()
    }

    /// The policies by which Jobs were deleted.
    pub fn deleted(&self) -> Vec<String> {
        self.inside().deleted.clone()
    }

    /// What becomes of the pods of Jobs that are made from here on.
    pub fn plan(&self, lines: &[&str], state: PodState) {
        self.inside().plan = Plan { lines: lines.iter().map(|line| (*line).to_owned()).collect(), state };
    }

    /// The pods of all Jobs write more, and stand otherwise.
    pub fn go_on(&self, lines: &[&str], state: &PodState) {
        for job in self.inside().jobs.values_mut() {
            job.plan.lines.extend(lines.iter().map(|line| (*line).to_owned()));
            job.plan.state = state.clone();
        }
        self.world.changed.notify_waiters();
    }

    /// Returns when output is followed.
    pub async fn followed(&self) {
        while self.inside().logs_asked == 0 {
            tokio::task::yield_now().await;
        }
    }
}

async fn serve(State(world): State<Arc<World>>, request: Request) -> Response {
    let bomb = world.bomb.lock().unwrap().clone();
    bomb.moment().await;
    let fault = world.inside.lock().unwrap().faults.pop_front();
    if let Some(Fault::Busy(code)) = fault {
        return refusal(code, "ServerTimeout", "the server is busy");
    }
    let answer = answer(&world, request).await;
    bomb.moment().await;
    match fault {
        Some(Fault::LoseAnswer) => {
            let broken = futures::stream::iter([Ok(Bytes::from("{")), Err(std::io::Error::other("broken off"))]);
            Body::from_stream(broken).into_response()
        }
        _ => answer,
    }
}

async fn answer(world: &Arc<World>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let is_known = if world.knows_by_certificate.load(Ordering::SeqCst) {
        !parts.headers.contains_key("authorization")
    } else {
        knows(&parts.headers)
    };
    if !is_known {
        return refusal(401, "Unauthorized", "Unauthorized");
    }
    let path = parts.uri.path().trim_matches('/').to_owned();
    let query: BTreeMap<String, String> =
        url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let path: Vec<&str> = path.split('/').collect();
    if let [.., "namespaces", namespace, _] | [.., "namespaces", namespace, _, _] = path.as_slice()
        && *namespace != "jobs"
    {
        return refusal(403, "Forbidden", &format!("jobs.batch is forbidden in the namespace \"{namespace}\""));
    }
    match (parts.method, path.as_slice()) {
        (Method::POST, ["apis", "authentication.k8s.io", "v1", "selfsubjectreviews"]) => {
            let review = json!({ "status": { "userInfo": { "username": "system:serviceaccount:jobs:updraft" } } });
            (StatusCode::CREATED, axum::Json(review)).into_response()
        }
        (Method::POST, ["apis", "batch", "v1", "namespaces", _, "jobs"]) => make(world, &query, &body),
        (Method::GET, ["apis", "batch", "v1", "namespaces", _, "jobs"]) => {
            let inside = world.inside.lock().unwrap();
            list("JobList", inside.jobs.values().filter(|job| job.is_chosen(&query)).map(Job::shown))
        }
        (Method::GET, ["apis", "batch", "v1", "namespaces", _, "jobs", name]) => {
            let mut inside = world.inside.lock().unwrap();
            // What is deleted is seen once more, while its pods go.
            let is_going = inside.jobs.get(*name).is_some_and(|job| job.is_going);
            let found = inside.jobs.get(*name).map(Job::shown);
            if is_going {
                inside.jobs.remove(*name);
            }
            found.map_or_else(|| absent("jobs.batch", name), |job| axum::Json(job).into_response())
        }
        (Method::DELETE, ["apis", "batch", "v1", "namespaces", _, "jobs", name]) => delete(world, name, &body),
        (Method::GET, ["api", "v1", "namespaces", _, "pods"]) => {
            let inside = world.inside.lock().unwrap();
            list("PodList", inside.jobs.values().filter(|job| job.is_chosen(&query)).map(Job::pod))
        }
        (Method::GET, ["api", "v1", "namespaces", _, "pods", pod, "log"]) => log(world, pod, &query),
        (method, path) => refusal(404, "NotFound", &format!("{method} {path:?} is not served")),
    }
}

fn knows(headers: &HeaderMap) -> bool {
    headers.get("authorization").is_some_and(|it| it.to_str().unwrap() == format!("Bearer {TOKEN}"))
}

fn refusal(code: u16, reason: &str, message: &str) -> Response {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    });
    (StatusCode::from_u16(code).unwrap(), axum::Json(status)).into_response()
}

fn absent(kind: &str, name: &str) -> Response {
    refusal(404, "NotFound", &format!("{kind} \"{name}\" not found"))
}

fn list(kind: &str, items: impl Iterator<Item = Value>) -> Response {
    let items: Vec<Value> = items.collect();
    axum::Json(json!({ "kind": kind, "apiVersion": "v1", "metadata": {}, "items": items })).into_response()
}

fn make(world: &World, query: &BTreeMap<String, String>, body: &Bytes) -> Response {
    let manifest: Value = match serde_json::from_slice(body) {
        Ok(manifest) => manifest,
        Err(error) => return refusal(400, "BadRequest", &format!("the object is no JSON: {error}")),
    };
    if query.get("fieldValidation").is_none_or(|way| way != "Strict") {
        return refusal(400, "BadRequest", "the tests want strict validation");
    }
    if let Err(problem) = check(&manifest) {
        return refusal(problem.0, problem.1, &problem.2);
    }
    let name = manifest["metadata"]["name"].as_str().unwrap().to_owned();
    let mut inside = world.inside.lock().unwrap();
    if inside.jobs.contains_key(&name) {
        return refusal(409, "AlreadyExists", &format!("jobs.batch \"{name}\" already exists"));
    }
    let plan = inside.plan.clone();
    inside.made.push(manifest.clone());
    inside.jobs.insert(name, Job { manifest: manifest.clone(), plan, is_going: false });
    (StatusCode::CREATED, axum::Json(manifest)).into_response()
}

/// What the spec of a Job may have here.
const JOB_KEYS: &[&str] = &[
    "backoffLimit",
    "completions",
    "completionMode",
    "parallelism",
    "activeDeadlineSeconds",
    "ttlSecondsAfterFinished",
    "suspend",
    "selector",
    "manualSelector",
    "template",
    "podFailurePolicy",
];

/// What the spec of a pod may have here.
const POD_KEYS: &[&str] = &[
    "containers",
    "initContainers",
    "volumes",
    "restartPolicy",
    "serviceAccountName",
    "automountServiceAccountToken",
    "dnsConfig",
    "hostAliases",
    "hostname",
    "subdomain",
    "runtimeClassName",
    "nodeSelector",
    "affinity",
    "tolerations",
    "securityContext",
    "priorityClassName",
    "hostNetwork",
    "dnsPolicy",
    "schedulerName",
    "terminationGracePeriodSeconds",
    "imagePullSecrets",
];

/// What is wrong with a Job, as a status, a reason and a message.
fn check(job: &Value) -> Result<(), (u16, &'static str, String)> {
    let bad = |message: String| Err((400, "BadRequest", message));
    let invalid = |message: String| Err((422, "Invalid", message));
    let known = |value: &Value, place: &str, keys: &[&str]| {
        let empty = Map::new();
        let unknown = value.as_object().unwrap_or(&empty).keys().find(|key| !keys.contains(&key.as_str())).cloned();
        unknown.map_or(Ok(()), |key| bad(format!("strict decoding error: unknown field \"{place}.{key}\"")))
    };
    if job["apiVersion"] != "batch/v1" || job["kind"] != "Job" {
        return bad("the object is no Job of batch/v1".to_owned());
    }
    known(&job["metadata"], "metadata", &["name", "namespace", "labels", "annotations"])?;
    let name = job["metadata"]["name"].as_str().unwrap_or_default();
    let is_name = |name: &str| {
        let is_inside = |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == '-';
        (1..=63).contains(&name.len()) && name.chars().all(is_inside) && !name.starts_with('-') && !name.ends_with('-')
    };
    if !is_name(name) {
        return invalid(format!("metadata.name: Invalid value: \"{name}\""));
    }
    for place in ["/metadata/labels", "/spec/template/metadata/labels"] {
        for (key, value) in job.pointer(place).and_then(Value::as_object).into_iter().flatten() {
            let Some(value) = value.as_str() else { return bad(format!("{place}.{key} is no text")) };
            let ends = |sign: Option<char>| sign.is_none_or(|sign| sign.is_ascii_alphanumeric());
            let is_plain = value.chars().all(|sign| sign.is_ascii_alphanumeric() || "-_.".contains(sign));
            if value.len() > 63 || !is_plain || !ends(value.chars().next()) || !ends(value.chars().last()) {
                return invalid(format!("{place}.{key}: Invalid value: \"{value}\""));
            }
        }
    }
    let spec = &job["spec"];
    known(spec, "spec", JOB_KEYS)?;
    for key in ["backoffLimit", "completions", "parallelism", "activeDeadlineSeconds", "ttlSecondsAfterFinished"] {
        if !spec[key].is_null() && !spec[key].is_u64() {
            return bad(format!("spec.{key} is no number"));
        }
    }
    let pod = &spec["template"]["spec"];
    known(pod, "spec.template.spec", POD_KEYS)?;
    if pod["restartPolicy"] != "Never" && pod["restartPolicy"] != "OnFailure" {
        return invalid(
            "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\"".into(),
        );
    }
    let containers = pod["containers"].as_array().cloned().unwrap_or_default();
    if containers.is_empty() {
        return invalid("spec.template.spec.containers: Required value".to_owned());
    }
    for container in &containers {
        let keys = [
            "name",
            "image",
            "command",
            "args",
            "env",
            "envFrom",
            "resources",
            "imagePullPolicy",
            "ports",
            "volumeMounts",
            "securityContext",
        ];
        known(container, "spec.template.spec.containers[0]", &keys)?;
        if container["image"].as_str().is_none_or(str::is_empty) || !is_name(container["name"].as_str().unwrap_or("")) {
            return invalid("spec.template.spec.containers[0].image: Required value".to_owned());
        }
        for key in ["command", "args"] {
            if container[key].as_array().is_some_and(|words| words.iter().any(|word| !word.is_string())) {
                return bad(format!("{key} is no list of texts"));
            }
        }
    }
    Ok(())
}

fn delete(world: &World, name: &str, body: &Bytes) -> Response {
    let how: Value = serde_json::from_slice(body).unwrap_or_default();
    let policy = how["propagationPolicy"].as_str().unwrap_or("none").to_owned();
    let mut inside = world.inside.lock().unwrap();
    if !inside.jobs.contains_key(name) {
        return absent("jobs.batch", name);
    }
    inside.deleted.push(policy.clone());
    if policy == "Foreground" {
        inside.jobs.get_mut(name).unwrap().is_going = true;
    } else {
        inside.jobs.remove(name);
    }
    axum::Json(json!({ "kind": "Status", "apiVersion": "v1", "status": "Success" })).into_response()
}

/// The output of the pod: what there is, and what comes until it ends.
fn log(world: &Arc<World>, pod: &str, query: &BTreeMap<String, String>) -> Response {
    let name = pod.trim_end_matches("-pod").to_owned();
    let mut inside = world.inside.lock().unwrap();
    let Some(job) = inside.jobs.get(&name) else { return absent("pods", pod) };
    if matches!(job.plan.state, PodState::Waiting(..) | PodState::Unschedulable(_)) {
        return refusal(400, "BadRequest", "container \"base\" in pod is waiting to start: ContainerCreating");
    }
    assert_eq!((query["follow"].as_str(), query["timestamps"].as_str()), ("true", "true"));
    inside.logs_asked += 1;
    if std::mem::take(&mut inside.cuts_line) {
        let lines = &inside.jobs[&name].plan.lines;
        let said: String = lines.iter().map(|line| format!("{WRITTEN_AT} {line}\n")).collect();
        return said[..said.len() - 3].to_owned().into_response();
    }
    let lines = futures::stream::unfold((Arc::clone(world), name, 0), |(world, name, at)| async move {
        loop {
            let waker = Arc::clone(&world);
            let mut changed = std::pin::pin!(waker.changed.notified());
            changed.as_mut().enable();
            {
                let inside = world.inside.lock().unwrap();
                let plan = &inside.jobs.get(&name)?.plan;
                if let Some(line) = plan.lines.get(at) {
                    let line = Ok::<_, std::io::Error>(Bytes::from(format!("{WRITTEN_AT} {line}\n")));
                    drop(inside);
                    return Some((line, (world, name, at + 1)));
                }
                if matches!(plan.state, PodState::Ended(..)) {
                    return None;
                }
            }
            changed.await;
        }
    });
    Body::from_stream(lines).into_response()
}

impl Job {
    /// Whether a selector of labels means it.
    fn is_chosen(&self, query: &BTreeMap<String, String>) -> bool {
        let Some((key, value)) = query.get("labelSelector").and_then(|it| it.split_once('=')) else { return true };
        self.manifest["metadata"]["labels"][key] == value
    }

    fn name(&self) -> &str {
        self.manifest["metadata"]["name"].as_str().unwrap()
    }

    /// The Job as it stands.
    fn shown(&self) -> Value {
        let mut shown = self.manifest.clone();
        let condition = match &self.plan.state {
            PodState::Ended(0, _) => Some(json!({ "type": "Complete", "status": "True" })),
            PodState::Ended(..) => Some(json!({
                "type": "Failed", "status": "True", "reason": "BackoffLimitExceeded",
                "message": "Job has reached the specified backoff limit",
            })),
            _ => None,
        };
        shown["status"] = json!({ "conditions": condition.into_iter().collect::<Vec<_>>() });
        shown
    }

    /// Its pod.
    fn pod(&self) -> Value {
        let container = &self.manifest["spec"]["template"]["spec"]["containers"][0];
        let mut conditions = Vec::new();
        let (phase, state) = match &self.plan.state {
            PodState::Waiting(reason, message) => {
                ("Pending", Some(json!({ "waiting": { "reason": reason, "message": message } })))
            }
            PodState::Unschedulable(message) => {
                conditions.push(json!({ "type": "PodScheduled", "status": "False", "message": message }));
                ("Pending", None)
            }
            PodState::Running => ("Running", Some(json!({ "running": { "startedAt": WRITTEN_AT } }))),
            PodState::Ended(code, reason) => {
                let phase = if *code == 0 { "Succeeded" } else { "Failed" };
                (phase, Some(json!({ "terminated": { "exitCode": code, "reason": reason } })))
            }
        };
        let statuses: Vec<Value> = state
            .map(|state| json!({ "name": container["name"], "image": container["image"], "state": state }))
            .into_iter()
            .collect();
        json!({
            "metadata": { "name": format!("{}-pod", self.name()), "labels": self.manifest["metadata"]["labels"] },
            "status": { "phase": phase, "conditions": conditions, "containerStatuses": statuses },
        })
    }
}
