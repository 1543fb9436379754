//! The arguments of `docker`, by Airflow's names, and mistakes in them that can be told while the DAG file is loaded.

use std::collections::BTreeMap;

use scheduler::dag::template::holds_template;
use scheduler::operator::ArgumentProblem;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::words;
use crate::bash::{EnvValue, ExitCodes, OutputProcessor};
use crate::shapes::{OneOrMany, TextOr};
use crate::span::{self, Span};

/// Arguments of the `docker` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DockerArgs {
    /// The image, with its tag or digest: `ghcr.io/acme/scoring:1.4`. Without either it is that with the tag `latest`.
    #[schemars(length(min = 1))]
    pub(super) image: String,
    /// What is run: a command line, split into words as a shell does but with no shell, or a list of words. That of the image
    /// when absent. A text that ends in `.sh` or `.bash` is the name of a template file; a space behind it makes it a word.
    #[serde(default)]
    pub(super) command: Option<OneOrMany>,
    /// What the words of the command are handed to, in the place of the image's own.
    #[serde(default)]
    pub(super) entrypoint: Option<OneOrMany>,
    /// Environment variables.
    #[serde(default)]
    pub(super) environment: BTreeMap<String, EnvValue>,
    /// Environment variables whose values are secrets: they are masked in the log.
    #[serde(default)]
    pub(super) private_environment: BTreeMap<String, EnvValue>,
    /// A file beside the DAG file with a line `NAME=value` for each further environment variable. One that ends in `.env` is a
    /// template file.
    #[serde(default)]
    pub(super) env_file: Option<String>,
    /// The folder to run in; that of the image when absent.
    #[serde(default)]
    pub(super) working_dir: Option<String>,
    /// What is seen in the container of folders and volumes outside: texts `source:target` or `source:target:ro`, or mappings.
    #[serde(default)]
    pub(super) mounts: Vec<TextOr<MountArgs>>,
    /// Whether the container has an empty folder of its own at `tmp_dir`, which is removed with it. The environment variable
    /// `AIRFLOW_TMP_DIR` names it.
    #[serde(default)]
    pub(super) mount_tmp_dir: bool,
    /// Where that folder is.
    #[serde(default = "airflow_tmp")]
    pub(super) tmp_dir: String,
    /// What the container has of the network: `bridge`, `host`, `none`, `container:NAME`, or the name of a network.
    #[serde(default)]
    pub(super) network_mode: Option<String>,
    /// Ports of the container that are reached from outside: `8080/tcp` and a port of the machine, or `address:port`.
    #[serde(default)]
    pub(super) port_bindings: BTreeMap<String, EnvValue>,
    /// Further names of hosts, each with its address.
    #[serde(default)]
    pub(super) extra_hosts: BTreeMap<String, String>,
    /// Name servers.
    #[serde(default)]
    pub(super) dns: Vec<String>,
    /// Domains in which names are looked for.
    #[serde(default)]
    pub(super) dns_search: Vec<String>,
    /// The name that the container has for itself.
    #[serde(default)]
    pub(super) hostname: Option<String>,
    /// As whom it runs: a name or a number, perhaps with a group (`1000:1000`).
    #[serde(default)]
    pub(super) user: Option<EnvValue>,
    /// The most memory that it may have: `512m`, `2g`, or a number of bytes.
    #[serde(default)]
    pub(super) mem_limit: Option<Size>,
    /// Its share of the processors when they are all asked for, beside that of other containers, which is 1.
    #[serde(default = "one")]
    #[schemars(range(min = 0.002))]
    pub(super) cpus: f64,
    /// The size of `/dev/shm`: `64m`, or a number of bytes.
    #[serde(default)]
    pub(super) shm_size: Option<Size>,
    /// Limits such as `{name: nofile, soft: 1024, hard: 4096}`.
    #[serde(default)]
    pub(super) ulimits: Vec<Ulimit>,
    /// Devices such as GPUs: `{count: -1, capabilities: [[gpu]]}` asks for all of them.
    #[serde(default)]
    pub(super) device_requests: Vec<DeviceRequest>,
    /// Whether it may do on the machine whatever it likes.
    #[serde(default)]
    pub(super) privileged: bool,
    /// Capabilities of Linux that it has besides: `SYS_PTRACE`.
    #[serde(default)]
    pub(super) cap_add: Vec<String>,
    /// With whom it shares memory: `private`, `host`, `container:NAME`.
    #[serde(default)]
    pub(super) ipc_mode: Option<String>,
    /// Whether it has a terminal. Standard output and errors are one then.
    #[serde(default)]
    pub(super) tty: bool,
    /// The name of the container; made of the DAG, the task and the try when absent.
    #[serde(default)]
    pub(super) container_name: Option<String>,
    /// Labels of the container: a mapping, or a list of names.
    #[serde(default)]
    pub(super) labels: Option<Labels>,
    /// When the container is removed once it has ended.
    #[serde(default)]
    pub(super) auto_remove: AutoRemove,
    /// Whether the image is pulled also when the engine has it.
    #[serde(default)]
    pub(super) force_pull: bool,
    /// The connection, of type `docker`, to the registry of the image.
    #[serde(default)]
    pub(super) docker_conn_id: Option<String>,
    /// Where the engine is: `unix:///var/run/docker.sock`, `tcp://host:2375`; of several, the first that answers. What
    /// `DOCKER_HOST` says where Updraft runs, else the first of these, when absent.
    #[serde(default)]
    pub(super) docker_url: Option<OneOrMany>,
    /// A file with the certificate of whoever signed that of the engine. With the other two the engine is reached over TLS.
    #[serde(default)]
    pub(super) tls_ca_cert: Option<String>,
    /// A file with our certificate.
    #[serde(default)]
    pub(super) tls_client_cert: Option<String>,
    /// A file with the key of our certificate.
    #[serde(default)]
    pub(super) tls_client_key: Option<String>,
    /// How long the engine may take to answer: a duration, or a number of seconds.
    #[serde(default = "a_minute")]
    pub(super) timeout: Span,
    /// When a file of the container's log is ended and another begun: `10m`.
    #[serde(default)]
    pub(super) log_opts_max_size: Option<String>,
    /// How many such files are kept.
    #[serde(default)]
    pub(super) log_opts_max_file: Option<EnvValue>,
    /// Whether the XCom is a list of all lines of standard output, instead of the last one.
    #[serde(default)]
    pub(super) xcom_all: bool,
    /// What becomes of the last line of standard output: text, or the value that it is as JSON.
    #[serde(default)]
    pub(super) output_processor: OutputProcessor,
    /// The exit code, or codes, that skip the task.
    #[serde(default)]
    pub(super) skip_on_exit_code: Option<ExitCodes>,
}

/// When a container is removed once it has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum AutoRemove {
    /// It stays.
    Never,
    /// When its exit code was 0.
    Success,
    /// However it ended.
    #[default]
    Force,
}

/// Something outside that is seen in the container.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MountArgs {
    /// Where it is seen.
    pub(super) target: String,
    /// What is seen: a path of the machine, or the name of a volume.
    #[serde(default)]
    pub(super) source: Option<String>,
    /// Which of these it is.
    #[serde(default, rename = "type")]
    pub(super) kind: MountKind,
    /// Whether it cannot be written to.
    #[serde(default)]
    pub(super) read_only: bool,
    /// The most that memory holds of it: `64m`.
    #[serde(default)]
    pub(super) tmpfs_size: Option<Size>,
}

/// What is seen in a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum MountKind {
    /// A path of the machine that the engine works on.
    Bind,
    /// A volume, which is made if there is none of that name.
    #[default]
    Volume,
    /// Memory.
    Tmpfs,
}

/// A limit of processes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ulimit {
    /// Which one: `nofile`.
    pub(super) name: String,
    /// Where it is now.
    pub(super) soft: i64,
    /// How far a process may raise it.
    pub(super) hard: i64,
}

/// Devices that are asked for.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeviceRequest {
    /// Whose they are: `nvidia`.
    #[serde(default)]
    pub(super) driver: Option<String>,
    /// How many; -1 for all.
    #[serde(default)]
    pub(super) count: Option<i64>,
    /// Which, instead of how many.
    #[serde(default)]
    pub(super) device_ids: Option<Vec<String>>,
    /// What they can do: any of these lists, and all of one.
    #[serde(default)]
    pub(super) capabilities: Option<Vec<Vec<String>>>,
    /// Options of the driver.
    #[serde(default)]
    pub(super) options: BTreeMap<String, String>,
}

/// Labels, with values or without.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Labels {
    Names(Vec<String>),
    Values(BTreeMap<String, String>),
}

/// A number of bytes, or a text such as `512m`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Size {
    Bytes(i64),
    Text(String),
}

impl Size {
    /// As a number of bytes.
    pub(super) fn bytes(&self) -> Result<i64, String> {
        match self {
            Size::Bytes(bytes) => Ok(*bytes),
            Size::Text(text) => bytes_of(text),
        }
    }
}

fn bytes_of(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is no size; write `512m`, `2g` or a number of bytes");
    let lower = text.trim().to_ascii_lowercase();
    let number = lower.trim_end_matches('b');
    let (number, factor) = match number.chars().last() {
        Some('k') => (&number[..number.len() - 1], 1_i64 << 10),
        Some('m') => (&number[..number.len() - 1], 1 << 20),
        Some('g') => (&number[..number.len() - 1], 1 << 30),
        Some('t') => (&number[..number.len() - 1], 1 << 40),
        _ => (number, 1),
    };
    let number: i64 = number.trim().parse().map_err(|_| wrong())?;
    number.checked_mul(factor).filter(|bytes| *bytes >= 0).ok_or_else(wrong)
}

fn airflow_tmp() -> String {
    "/tmp/airflow".to_owned()
}

fn one() -> f64 {
    1.0
}

fn a_minute() -> Span {
    Span(std::time::Duration::from_mins(1))
}

/// The words of a command; a text that is a list is one (Airflow: `format_command`).
pub(super) fn words_of(command: &OneOrMany) -> Result<Vec<String>, String> {
    match command {
        OneOrMany::Many(words) => Ok(words.clone()),
        OneOrMany::One(line) if line.trim_start().starts_with('[') => {
            serde_json::from_str(line).map_err(|error| format!("`{line}` is no list of words: {error}"))
        }
        OneOrMany::One(line) => words::split(line),
    }
}

/// A mount that is written as a text.
pub(super) fn mount_of(text: &str) -> Result<MountArgs, String> {
    let wrong = || format!("`{text}` is no mount; write `source:target` or `source:target:ro`");
    let (source, target, mode) = match text.split(':').collect::<Vec<_>>().as_slice() {
        [source, target] => (*source, *target, "rw"),
        [source, target, mode @ ("ro" | "rw")] => (*source, *target, *mode),
        _ => return Err(wrong()),
    };
    if source.is_empty() || !target.starts_with('/') {
        return Err(wrong());
    }
    let kind = if source.starts_with('/') { MountKind::Bind } else { MountKind::Volume };
    let (target, source) = (target.to_owned(), Some(source.to_owned()));
    Ok(MountArgs { target, source, kind, read_only: mode == "ro", tmpfs_size: None })
}

/// All mistakes.
pub(super) fn check(args: &Map<String, Value>) -> Vec<ArgumentProblem> {
    let problem = |pointer: String, message: String| ArgumentProblem { pointer, message, help: None };
    let text = |value: &Value| value.as_str().filter(|text| !holds_template(text)).map(str::to_owned);
    let written = |key: &str| args.get(key).and_then(text);
    let mut problems: Vec<ArgumentProblem> = span::check::<Span>(args, "timeout").into_iter().collect();
    for key in ["mem_limit", "shm_size"] {
        let wrong = written(key).and_then(|size| bytes_of(&size).err());
        problems.extend(wrong.map(|message| problem(format!("/{key}"), message)));
    }
    for key in ["command", "entrypoint"] {
        let wrong = written(key).and_then(|line| words_of(&OneOrMany::One(line)).err());
        problems.extend(wrong.map(|message| problem(format!("/{key}"), message)));
    }
    for (at, mount) in args.get("mounts").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let wrong = match mount {
            Value::Object(mount) => wrong_mount(mount),
            mount => text(mount).and_then(|mount| mount_of(&mount).err()),
        };
        problems.extend(wrong.map(|message| problem(format!("/mounts/{at}"), message)));
    }
    let urls: Vec<String> = match args.get("docker_url") {
        Some(Value::Array(urls)) => urls.iter().filter_map(text).collect(),
        url => url.and_then(text).into_iter().collect(),
    };
    let wrong = urls.iter().find_map(|url| super::engine::scheme_of(url).err());
    problems.extend(wrong.map(|message| problem("/docker_url".to_owned(), message)));
    let tls = ["tls_ca_cert", "tls_client_cert", "tls_client_key"];
    let is_given = |key: &&&str| args.get(**key).is_some_and(|value| !value.is_null());
    if let Some(given) = tls.iter().find(is_given)
        && let Some(missing) = tls.iter().find(|key| !is_given(key))
    {
        problems.push(problem(format!("/{given}"), format!("`{given}` goes with `{missing}`")));
    }
    problems
}

fn wrong_mount(mount: &Map<String, Value>) -> Option<String> {
    let source = mount.get("source").and_then(Value::as_str);
    match (mount.get("type").and_then(Value::as_str), source) {
        (Some("bind"), None) => Some("a mount of type `bind` has a `source`, the path that is seen".to_owned()),
        (Some("bind"), Some(source)) if !source.starts_with('/') && !holds_template(source) => {
            Some(format!("the source `{source}` is no absolute path; a volume has the type `volume`"))
        }
        (Some("tmpfs"), Some(_)) => Some("a mount of type `tmpfs` is memory, and has no `source`".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [("512", 512), ("1k", 1024), ("128m", 128 << 20), ("2G", 2 << 30), ("2gb", 2 << 30)] {
            assert_eq!(bytes_of(text), Ok(bytes), "{text}");
        }
        for wrong in ["", "much", "1.5g", "-1m", "9999999999t"] {
            assert!(bytes_of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn mounts_are_paths_or_volumes() {
        let mount = mount_of("/data:/in:ro").unwrap();
        assert_eq!((mount.kind, mount.read_only, mount.target.as_str()), (MountKind::Bind, true, "/in"));
        assert_eq!(mount_of("cache:/cache").unwrap().kind, MountKind::Volume);
        for wrong in ["/data", "/data:in", ":/in", "/data:/in:rx"] {
            assert!(mount_of(wrong).unwrap_err().contains("is no mount"), "{wrong}");
        }
    }

    #[test]
    fn a_command_may_be_a_list_in_a_text() {
        let words = |text: &str| words_of(&OneOrMany::One(text.to_owned()));
        assert_eq!(words("[\"echo\", \"a b\"]").unwrap(), ["echo", "a b"]);
        assert_eq!(words("echo 'a b'").unwrap(), ["echo", "a b"]);
        assert!(words("[echo").unwrap_err().contains("no list of words"));
    }
}
