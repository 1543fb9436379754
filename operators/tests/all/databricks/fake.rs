//! A stand-in for a workspace of Databricks, strict where the real one is.
//!
//! Written after the public description of the Jobs API, the Statement Execution API, the Query History API and the token
//! endpoints: a request with an unknown field, or one of another type, is refused; a token of idempotency answers with the run
//! that it has started. Beside that it can be told to throttle, to break down, to lose its answers before or after the work is
//! done, to be away, and to run by a script.

#[path = "fake/history.rs"]
pub mod history;
#[path = "fake/machine.rs"]
pub mod machine;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

use self::history::History;
use super::bomb::Bomb;
use super::rules;

/// The token of a person.
pub const TOKEN: &str = "dapi-0123456789";

/// What the workspace does with a request instead of doing it and saying so.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Answers with that, and `Retry-After` if it is given.
    Answer(u16, &'static str, Option<u64>),
    /// Does nothing, and breaks off.
    LoseRequest,
    /// Does it, and breaks off.
    LoseAnswer,
    /// Does it, and then nothing more is heard.
    Hang,
    /// Does it, and answers so much later.
    Slow(std::time::Duration),
    /// Is handed it twice, by somebody in between, and only the second answer arrives.
    Twice,
}

/// A workspace; it ends with the runtime of its test.
pub struct Fake {
    address: SocketAddr,
    pub world: Arc<World>,
}

pub struct World {
    pub state: Mutex<Inside>,
    pub is_away: AtomicBool,
    pub bomb: Mutex<Bomb>,
    hanging: tokio::sync::Notify,
    pub under_way: AtomicUsize,
    pub most_under_way: AtomicUsize,
}

/// How a run stands: life cycle, result and message.
pub type Step = (&'static str, &'static str, &'static str);

pub const PENDING: Step = ("PENDING", "", "");
pub const RUNNING: Step = ("RUNNING", "", "");
pub const SUCCESS: Step = ("TERMINATED", "SUCCESS", "");
pub const FAILED: Step = ("TERMINATED", "FAILED", "Workload failed, see run output for details");

/// A run.
#[derive(Clone, Debug, Default)]
pub struct Run {
    pub request: Value,
    pub job_id: Option<i64>,
    /// What is told at the next looks; the last one stays.
    pub script: VecDeque<Step>,
    pub looks: usize,
    pub cancels: usize,
    pub repairs: Vec<i64>,
}

#[derive(Default)]
pub struct Inside {
    pub base: String,
    /// Tokens that are taken.
    pub tokens: Vec<String>,
    /// Tokens that were given to service principals so far.
    pub given: usize,
    /// How long they live, in seconds.
    pub token_life: u64,
    pub runs: BTreeMap<i64, Run>,
    pub by_token: HashMap<String, i64>,
    pub jobs: BTreeMap<i64, &'static str>,
    pub next_script: VecDeque<Vec<Step>>,
    /// The keys of the tasks of runs without `tasks`.
    pub outputs: HashMap<String, Value>,
    /// Whether cancellations are heard and nothing follows.
    pub is_deaf: bool,
    pub statements: BTreeMap<String, Statement>,
    pub answers: HashMap<String, Answer>,
    pub history: History,
    pub requests: Vec<(String, Value)>,
    pub headers: Vec<HeaderMap>,
    faults: Vec<(&'static str, VecDeque<Fault>)>,
    pub job_settings: Vec<Value>,
    pub expired_links: usize,
    /// Whether requests are not kept, because there are very many.
    pub is_forgetful: bool,
    /// The folders of the workspace.
    pub folders: Vec<String>,
    /// What notebooks hold, by their paths.
    pub notebooks: BTreeMap<String, String>,
}

/// A statement that was sent.
#[derive(Clone, Debug)]
pub struct Statement {
    pub request: Value,
    pub answer: Answer,
    looks: usize,
    pub is_cancelled: bool,
    sent_at: i64,
    /// The history is looked at so often before it knows of it.
    unheard: usize,
}

/// What a statement answers.
#[derive(Clone, Debug)]
pub struct Answer {
    /// How often it is said to be running before.
    pub waits: usize,
    /// Name and type of each column.
    pub columns: Vec<(&'static str, &'static str)>,
    pub chunks: Vec<Vec<Vec<Value>>>,
    /// Error code and message.
    pub error: Option<(&'static str, &'static str)>,
}

impl Statement {
    /// The next look finds it ended.
    pub fn ends(&mut self) {
        self.answer.waits = 0;
    }
}

impl Answer {
    pub fn rows(columns: &[(&'static str, &'static str)], chunks: Vec<Vec<Vec<Value>>>) -> Answer {
        Answer { waits: 0, columns: columns.to_vec(), chunks, error: None }
    }
}

impl Fake {
    pub async fn start() -> Fake {
        let world = Arc::new(World {
            state: Mutex::new(Inside { token_life: 3600, ..Inside::default() }),
            is_away: AtomicBool::new(false),
            bomb: Mutex::new(Bomb::dud()),
            hanging: tokio::sync::Notify::new(),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
        });
        let app = Router::new().fallback(serve).with_state(Arc::clone(&world));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let fake = Fake { address, world };
        fake.inside().base = fake.url();
        fake.inside().tokens.push(TOKEN.to_owned());
        fake
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn inside(&self) -> MutexGuard<'_, Inside> {
        self.world.state.lock().unwrap()
    }

    /// What happens to the next requests whose path holds `path`, one after the other.
    pub fn faults(&self, path: &'static str, faults: impl IntoIterator<Item = Fault>) {
        self.inside().faults.push((path, faults.into_iter().collect()));
    }

    /// How the next run goes.
    pub fn script(&self, steps: &[Step]) {
        self.inside().next_script.push_back(steps.to_vec());
    }

    /// What a statement answers.
    pub fn answers(&self, sql: &str, answer: Answer) {
        self.inside().answers.insert(sql.to_owned(), answer);
    }

    pub fn runs(&self) -> Vec<Run> {
        self.inside().runs.values().cloned().collect()
    }

    /// How many runs somebody has looked at.
    pub fn runs_that_were_looked_at(&self) -> usize {
        self.inside().runs.values().filter(|run| run.looks > 0).count()
    }

    pub fn requests(&self, path: &str) -> Vec<Value> {
        self.inside().requests.iter().filter(|(asked, _)| asked.contains(path)).map(|(_, body)| body.clone()).collect()
    }

    pub fn set_away(&self, is_away: bool) {
        self.world.is_away.store(is_away, Ordering::SeqCst);
    }

    pub fn set_bomb(&self, bomb: Bomb) {
        *self.world.bomb.lock().unwrap() = bomb;
    }

    /// Returns when a request hangs.
    pub async fn hanging(&self) {
        self.world.hanging.notified().await;
    }
}

async fn serve(State(world): State<Arc<World>>, request: Request) -> Response {
    let now = world.under_way.fetch_add(1, Ordering::SeqCst) + 1;
    world.most_under_way.fetch_max(now, Ordering::SeqCst);
    let answer = respond(&world, request).await;
    world.under_way.fetch_sub(1, Ordering::SeqCst);
    answer
}

async fn respond(world: &Arc<World>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 24).await.unwrap();
    let bomb = world.bomb.lock().unwrap().clone();
    bomb.moment().await;
    if world.is_away.load(Ordering::SeqCst) {
        return broken_off();
    }
    let path = parts.uri.path().to_owned();
    let fault = {
        let mut state = world.state.lock().unwrap();
        let found = state.faults.iter_mut().find(|(part, faults)| path.contains(part) && !faults.is_empty());
        found.and_then(|(_, faults)| faults.pop_front())
    };
    match fault {
        Some(Fault::Answer(status, code, wait)) => {
            let mut answer = error(status, code, "told to").into_response();
            if let Some(wait) = wait {
                answer.headers_mut().insert("retry-after", wait.to_string().parse().unwrap());
            }
            return answer;
        }
        Some(Fault::LoseRequest) => return broken_off(),
        _ => {}
    }
    let query: HashMap<String, String> =
        url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let answer = {
        let mut state = world.state.lock().unwrap();
        if !state.is_forgetful {
            let seen = serde_json::from_slice(&body).unwrap_or_else(|_| json!(query));
            state.requests.push((path.clone(), seen));
            state.headers.push(parts.headers.clone());
        }
        if matches!(fault, Some(Fault::Twice)) {
            state.answer(&parts.method, &path, &parts.headers, &query, &body);
        }
        state.answer(&parts.method, &path, &parts.headers, &query, &body)
    };
    bomb.moment().await;
    match fault {
        Some(Fault::LoseAnswer) => broken_off(),
        Some(Fault::Hang) => {
            world.hanging.notify_one();
            std::future::pending().await
        }
        Some(Fault::Slow(time)) => {
            tokio::time::sleep(time).await;
            answer.into_response()
        }
        _ => answer.into_response(),
    }
}

fn broken_off() -> Response {
    let pieces = [Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("broken off"))];
    Body::from_stream(futures::stream::iter(pieces)).into_response()
}

pub type Reply = (StatusCode, [(&'static str, &'static str); 1], String);

fn ok(body: &Value) -> Reply {
    (StatusCode::OK, [("content-type", "application/json")], body.to_string())
}

pub fn error(status: u16, code: &str, message: &str) -> Reply {
    let body = json!({ "error_code": code, "message": message }).to_string();
    (StatusCode::from_u16(status).unwrap(), [("content-type", "application/json")], body)
}

impl Inside {
    fn answer(
        &mut self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        query: &HashMap<String, String>,
        body: &[u8],
    ) -> Reply {
        if let Some(answer) = self.machine_token(path, method, headers, query) {
            return answer;
        }
        if path.ends_with("/token") {
            return self.give_token(path, headers, body);
        }
        if let Some(link) = path.strip_prefix("/files/") {
            return self.file(link, headers);
        }
        if let Some(refusal) = self.refuse(headers) {
            return refusal;
        }
        let parsed = || match serde_json::from_slice::<Map<String, Value>>(body) {
            Ok(body) => Ok(body),
            Err(problem) => Err(error(400, "MALFORMED_REQUEST", &format!("Could not parse request object: {problem}"))),
        };
        let path = path.strip_prefix("/api/").unwrap_or(path);
        let jobs = path.strip_prefix("2.2/jobs/").or_else(|| path.strip_prefix("2.1/jobs/"));
        let reply = match (method.as_str(), jobs.unwrap_or(path)) {
            ("POST", "runs/submit") => parsed().and_then(|body| self.submit(body)),
            ("POST", "run-now") => parsed().and_then(|body| self.run_now(body)),
            ("GET", "runs/get") => self.get(query),
            ("GET", "runs/get-output") => self.get_output(query),
            ("POST", "runs/cancel") => parsed().and_then(|body| self.cancel(&body)),
            ("POST", "runs/cancel-all") => parsed().and_then(|body| self.cancel_all(&body)),
            ("POST", "runs/repair") => parsed().and_then(|body| self.repair(&body)),
            ("POST", "update") => parsed().map(|body| {
                self.job_settings.push(Value::Object(body));
                ok(&json!({}))
            }),
            ("GET", "list") => Ok(self.list(query)),
            ("GET", "2.0/pipelines") => {
                Ok(ok(&json!({ "statuses": [{ "pipeline_id": "p-1", "name": "lake", "state": "IDLE" }] })))
            }
            ("GET", "2.0/sql/warehouses") => {
                Ok(ok(&json!({ "warehouses": [{ "id": "w1", "name": "small", "state": "STOPPED" }] })))
            }
            ("POST", "2.0/workspace/mkdirs") => parsed().and_then(|body| self.make_folder(&body)),
            ("POST", "2.0/workspace/import") => parsed().and_then(|body| self.import(&body)),
            ("GET", "2.0/sql/history/queries") => self.queries(query),
            ("POST", "2.0/sql/statements") => parsed().and_then(|body| self.send(body)),
            (method, other) => match other.strip_prefix("2.0/sql/statements/") {
                Some(rest) => self.statement(method, rest),
                None => Err(error(404, "ENDPOINT_NOT_FOUND", &format!("No API found for {method} {other}"))),
            },
        };
        reply.unwrap_or_else(|refusal| refusal)
    }

    fn refuse(&self, headers: &HeaderMap) -> Option<Reply> {
        let shown = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let Some(token) = shown.strip_prefix("Bearer ") else {
            return Some(error(401, "401", "Credential was not sent or was of an unsupported type for this API."));
        };
        if !self.tokens.iter().any(|known| known == token) {
            return Some(error(403, "403", "Invalid access token."));
        }
        let agent = headers.get("user-agent").and_then(|value| value.to_str().ok()).unwrap_or_default();
        (!agent.starts_with("updraft/")).then(|| error(400, "BAD_REQUEST", "who asks?"))
    }

    fn give_token(&mut self, path: &str, headers: &HeaderMap, body: &[u8]) -> Reply {
        let form: BTreeMap<String, String> = url::form_urlencoded::parse(body).into_owned().collect();
        let has = |key: &str, value: &str| form.get(key).is_some_and(|found| found == value);
        let is_form = headers.get("content-type").is_some_and(|kind| kind == "application/x-www-form-urlencoded");
        let is_good = is_form
            && has("grant_type", "client_credentials")
            && match path {
                // "principal:hush"
                "/oidc/v1/token" => {
                    has("scope", "all-apis")
                        && headers.get("authorization").is_some_and(|value| value == "Basic cHJpbmNpcGFsOmh1c2g=")
                }
                "/tenant-1/oauth2/v2.0/token" => {
                    has("client_id", "principal")
                        && has("client_secret", "hush")
                        && (has("scope", "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d/.default")
                            || has("scope", "https://management.core.windows.net//.default"))
                }
                _ => false,
            };
        if !is_good {
            let body = json!({ "error": "invalid_client", "error_description": "Client authentication failed" });
            return (StatusCode::UNAUTHORIZED, [("content-type", "application/json")], body.to_string());
        }
        let token = self.new_token();
        ok(
            &json!({ "access_token": token, "token_type": "Bearer", "expires_in": self.token_life, "scope": "all-apis" }),
        )
    }

    fn new_token(&mut self) -> String {
        self.given += 1;
        let token = format!("given-{}", self.given);
        self.tokens.push(token.clone());
        token
    }

    fn begin(&mut self, body: Map<String, Value>, job_id: Option<i64>) -> Reply {
        let token = body.get("idempotency_token").and_then(Value::as_str).map(str::to_owned);
        if let Some(run_id) = token.as_ref().and_then(|token| self.by_token.get(token)) {
            return ok(&json!({ "run_id": run_id, "number_in_job": run_id }));
        }
        let run_id = 1_000_000_000_001 + i64::try_from(self.runs.len()).unwrap();
        let script = self.next_script.pop_front().unwrap_or_else(|| vec![PENDING, RUNNING, SUCCESS]);
        let run = Run { request: Value::Object(body), job_id, script: script.into(), ..Run::default() };
        self.runs.insert(run_id, run);
        if let Some(token) = token {
            self.by_token.insert(token, run_id);
        }
        ok(&json!({ "run_id": run_id, "number_in_job": run_id }))
    }

    fn make_folder(&mut self, body: &Map<String, Value>) -> Result<Reply, Reply> {
        rules::make_folder(body)?;
        self.folders.push(body["path"].as_str().unwrap().to_owned());
        Ok(ok(&json!({})))
    }

    fn import(&mut self, body: &Map<String, Value>) -> Result<Reply, Reply> {
        rules::import(body)?;
        let path = body["path"].as_str().unwrap().to_owned();
        let is_in = |folder: &String| path.strip_prefix(folder.as_str()).is_some_and(|rest| rest.starts_with('/'));
        if !self.folders.iter().any(is_in) {
            return Err(error(404, "RESOURCE_DOES_NOT_EXIST", "The parent folder does not exist."));
        }
        if self.notebooks.contains_key(&path) && body.get("overwrite") != Some(&json!(true)) {
            return Err(error(400, "RESOURCE_ALREADY_EXISTS", &format!("Path ({path}) already exists.")));
        }
        let source =
            BASE64.decode(body["content"].as_str().unwrap()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let Some(source) = source else { return Err(error(400, "MALFORMED_REQUEST", "content is not base64")) };
        self.notebooks.insert(path, source);
        Ok(ok(&json!({})))
    }

    fn submit(&mut self, body: Map<String, Value>) -> Result<Reply, Reply> {
        rules::submit(&body)?;
        Ok(self.begin(body, None))
    }

    fn run_now(&mut self, body: Map<String, Value>) -> Result<Reply, Reply> {
        rules::run_now(&body)?;
        let job_id = body["job_id"].as_i64().unwrap();
        if !self.jobs.contains_key(&job_id) {
            return Err(error(400, "INVALID_PARAMETER_VALUE", &format!("Job {job_id} does not exist.")));
        }
        Ok(self.begin(body, Some(job_id)))
    }

    fn find(&mut self, run_id: Option<i64>) -> Result<(i64, &mut Run), Reply> {
        let run_id = run_id.ok_or_else(|| error(400, "INVALID_PARAMETER_VALUE", "run_id is required"))?;
        match self.runs.get_mut(&run_id) {
            Some(run) => Ok((run_id, run)),
            None => Err(error(400, "INVALID_PARAMETER_VALUE", &format!("Run {run_id} does not exist."))),
        }
    }

    fn get(&mut self, query: &HashMap<String, String>) -> Result<Reply, Reply> {
        let base = self.base.clone();
        let (run_id, run) = self.find(query.get("run_id").and_then(|id| id.parse().ok()))?;
        let is_next_page = query.contains_key("page_token");
        if !is_next_page {
            run.looks += 1;
            if run.looks > 1 && run.script.len() > 1 {
                run.script.pop_front();
            }
        }
        let state = state(run.script[0]);
        let keys: Vec<String> = match run.request.get("tasks").and_then(Value::as_array) {
            Some(tasks) => tasks.iter().map(|task| task["task_key"].as_str().unwrap().to_owned()).collect(),
            None => vec!["main".to_owned()],
        };
        let is_notebook = |key: &str| match run.request.get("tasks").and_then(Value::as_array) {
            Some(tasks) => tasks.iter().any(|task| task["task_key"] == key && task.get("notebook_task").is_some()),
            None => run.request.get("notebook_task").is_some(),
        };
        let tasks = keys.iter().enumerate().map(|(index, key)| {
            let mut task = json!({
                "run_id": run_id * 1000 + i64::try_from(index).unwrap(),
                "task_key": key,
                "attempt_number": 0,
                "state": state,
                "a_field_of_tomorrow": { "x": [1] },
            });
            if is_notebook(key) {
                task["notebook_task"] = json!({ "notebook_path": "/x" });
            }
            task
        });
        // Pages of two tasks, so that few tasks are several pages.
        let start = query.get("page_token").and_then(|token| token.parse::<usize>().ok()).unwrap_or(0);
        let page: Vec<Value> = tasks.skip(start).take(2).collect();
        let history = std::iter::once(json!({ "type": "ORIGINAL" }))
            .chain(run.repairs.iter().map(|id| json!({ "type": "REPAIR", "id": id })));
        let mut answer = json!({
            "run_id": run_id,
            "run_page_url": format!("{base}/?o=1#job/0/run/{run_id}"),
            "state": state,
            "tasks": page,
            "a_field_of_tomorrow": true,
        });
        if query.get("include_history").is_some_and(|wanted| wanted == "true") {
            answer["repair_history"] = history.collect();
        }
        if let Some(job_id) = run.job_id {
            answer["job_id"] = json!(job_id);
        }
        if start + 2 < keys.len() {
            answer["next_page_token"] = json!((start + 2).to_string());
        }
        Ok(ok(&answer))
    }

    fn get_output(&mut self, query: &HashMap<String, String>) -> Result<Reply, Reply> {
        let task_run = query.get("run_id").and_then(|id| id.parse::<i64>().ok()).unwrap_or_default();
        let (_, run) = self.find(Some(task_run / 1000))?;
        let index = usize::try_from(task_run % 1000).unwrap();
        let key = match run.request.get("tasks") {
            Some(tasks) => tasks[index]["task_key"].as_str().unwrap().to_owned(),
            None => "main".to_owned(),
        };
        Ok(ok(&self.outputs.get(&key).cloned().unwrap_or_else(|| json!({ "metadata": {} }))))
    }

    fn cancel(&mut self, body: &Map<String, Value>) -> Result<Reply, Reply> {
        rules::only(body, &["run_id"])?;
        let is_deaf = self.is_deaf;
        let (_, run) = self.find(body.get("run_id").and_then(Value::as_i64))?;
        run.cancels += 1;
        if !is_deaf && run.script[0].0 != "TERMINATED" {
            run.script = VecDeque::from([
                run.script[0],
                ("TERMINATING", "", "Canceling"),
                ("TERMINATED", "CANCELED", "Run cancelled."),
            ]);
        }
        Ok(ok(&json!({})))
    }

    fn cancel_all(&mut self, body: &Map<String, Value>) -> Result<Reply, Reply> {
        rules::only(body, &["job_id"])?;
        let job_id = body.get("job_id").and_then(Value::as_i64);
        for run in self.runs.values_mut().filter(|run| run.job_id == job_id && run.script[0].0 != "TERMINATED") {
            run.cancels += 1;
            run.script = VecDeque::from([("TERMINATED", "CANCELED", "")]);
        }
        Ok(ok(&json!({})))
    }

    fn repair(&mut self, body: &Map<String, Value>) -> Result<Reply, Reply> {
        rules::repair(body)?;
        let (_, run) = self.find(body.get("run_id").and_then(Value::as_i64))?;
        if run.script[0].0 != "TERMINATED" {
            return Err(error(400, "INVALID_STATE", "The run is not in a terminal state."));
        }
        if run.repairs.last().copied() != body.get("latest_repair_id").and_then(Value::as_i64) {
            return Err(error(400, "INVALID_PARAMETER_VALUE", "latest_repair_id is not that of the latest repair."));
        }
        let script = self.next_script.pop_front().unwrap_or_else(|| vec![RUNNING, SUCCESS]);
        let (_, run) = self.find(body.get("run_id").and_then(Value::as_i64))?;
        let id = 700 + i64::try_from(run.repairs.len()).unwrap();
        run.repairs.push(id);
        run.script = script.into();
        run.looks = 0;
        Ok(ok(&json!({ "repair_id": id })))
    }

    /// Pages of one job.
    fn list(&self, query: &HashMap<String, String>) -> Reply {
        let name = query.get("name").cloned().unwrap_or_default();
        let mut found = self.jobs.iter().filter(|(_, job)| job.eq_ignore_ascii_case(&name));
        let start = query.get("page_token").and_then(|token| token.parse::<usize>().ok()).unwrap_or(0);
        let mut answer = json!({});
        if let Some((id, name)) = found.nth(start) {
            answer["jobs"] = json!([{ "job_id": id, "settings": { "name": name } }]);
        }
        if found.next().is_some() {
            answer["next_page_token"] = json!((start + 1).to_string());
        }
        ok(&answer)
    }

    fn send(&mut self, body: Map<String, Value>) -> Result<Reply, Reply> {
        rules::statement(&body)?;
        let sql = body["statement"].as_str().unwrap().to_owned();
        let answer = self
            .answers
            .get(unmarked(&sql))
            .cloned()
            .unwrap_or_else(|| Answer::rows(&[("one", "INT")], vec![vec![vec![json!("1")]]]));
        let id = format!("01ef-{:04}", self.statements.len() + 1);
        let statement = Statement {
            request: Value::Object(body),
            answer,
            looks: 0,
            is_cancelled: false,
            sent_at: history::now(),
            unheard: self.history.lag,
        };
        self.statements.insert(id.clone(), statement);
        self.statement("GET", &id)
    }

    fn statement(&mut self, method: &str, rest: &str) -> Result<Reply, Reply> {
        let mut parts = rest.split('/');
        let id = parts.next().unwrap_or_default().to_owned();
        let base = self.base.clone();
        let Some(statement) = self.statements.get_mut(&id) else {
            return Err(error(404, "NOT_FOUND", &format!("The statement {id} was not found.")));
        };
        let is_large = statement.request["disposition"] == "EXTERNAL_LINKS";
        match (method, parts.next(), parts.next(), parts.next()) {
            ("POST", Some("cancel"), None, None) => {
                statement.is_cancelled = true;
                Ok(ok(&json!({})))
            }
            ("GET", Some("result"), Some("chunks"), Some(index)) => {
                Ok(ok(&chunk(&statement.answer, &id, index.parse().unwrap(), is_large, &base)))
            }
            ("GET", None, None, None) => {
                statement.looks += 1;
                let answer = &statement.answer;
                let mut said = json!({ "statement_id": id, "a_field_of_tomorrow": 1 });
                said["status"] = if statement.is_cancelled {
                    json!({ "state": "CANCELED" })
                } else if statement.looks <= answer.waits {
                    json!({ "state": if statement.looks == 1 { "PENDING" } else { "RUNNING" } })
                } else if let Some((code, message)) = answer.error {
                    json!({ "state": "FAILED", "error": { "error_code": code, "message": message } })
                } else {
                    json!({ "state": "SUCCEEDED" })
                };
                if said["status"]["state"] == "SUCCEEDED" {
                    let columns: Vec<Value> = answer
                        .columns
                        .iter()
                        .enumerate()
                        .map(
                            |(position, (name, kind))| json!({ "name": name, "position": position, "type_name": kind }),
                        )
                        .collect();
                    let count: usize = answer.chunks.iter().map(Vec::len).sum();
                    said["manifest"] =
                        json!({ "format": "JSON_ARRAY", "schema": { "columns": columns }, "total_row_count": count });
                    if !answer.chunks.is_empty() {
                        said["result"] = chunk(answer, &id, 0, is_large, &base);
                    }
                }
                Ok(ok(&said))
            }
            _ => Err(error(404, "ENDPOINT_NOT_FOUND", rest)),
        }
    }

    /// What is in the cloud; it wants no token of the workspace.
    fn file(&mut self, link: &str, headers: &HeaderMap) -> Reply {
        if headers.contains_key("authorization") {
            return error(400, "InvalidArgument", "Only one auth mechanism allowed");
        }
        if self.expired_links > 0 {
            self.expired_links -= 1;
            return error(403, "AccessDenied", "Request has expired");
        }
        let (id, index) = link.split_once('/').unwrap();
        ok(&json!(self.statements[id].answer.chunks[index.parse::<usize>().unwrap()]))
    }
}

/// A statement without the mark by which it is found again.
pub fn unmarked(sql: &str) -> &str {
    match sql.strip_prefix("/* updraft-").and_then(|rest| rest.split_once(" */ ")) {
        Some((_, sql)) => sql,
        None => sql,
    }
}

fn chunk(answer: &Answer, id: &str, index: usize, is_large: bool, base: &str) -> Value {
    let next = (index + 1 < answer.chunks.len()).then_some(index + 1);
    if !is_large {
        let mut chunk = json!({ "chunk_index": index, "data_array": answer.chunks[index] });
        if let Some(next) = next {
            chunk["next_chunk_index"] = json!(next);
        }
        return chunk;
    }
    let mut link =
        json!({ "chunk_index": index, "external_link": format!("{base}/files/{id}/{index}?X-Amz-Signature=s") });
    if let Some(next) = next {
        link["next_chunk_index"] = json!(next);
    }
    json!({ "external_links": [link] })
}

fn state((life_cycle, result, message): Step) -> Value {
    let mut state = json!({ "life_cycle_state": life_cycle, "state_message": message });
    if !result.is_empty() {
        state["result_state"] = result.into();
    }
    state
}
