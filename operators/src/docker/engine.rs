//! Where the engine is, and what it means when it does not answer or refuses something.

use std::path::PathBuf;

use anyhow::anyhow;
use bollard::errors::Error;
use scheduler::operator::{TaskContext, TaskError};

use super::args::DockerArgs;
use crate::claim::Place;
use crate::notifiers::Environment;

/// Where Docker listens unless it is told otherwise.
const USUAL_URL: &str = "unix:///var/run/docker.sock";

/// An engine must have the time to end a container and say so.
const TIMEOUT_SECS_MIN: u64 = 30;

/// How Podman calls itself among its components.
const PODMAN: &str = "Podman Engine";

/// An engine that has answered.
pub(super) struct Engine {
    pub(super) docker: bollard::Docker,
    /// Where it makes containers.
    pub(super) place: Place,
}

/// How an engine is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// Through a socket, at this path.
    Socket(String),
    /// Over the network, at this host and port.
    Network { host: String, is_tls: bool },
}

/// How the engine at an address is reached.
pub(super) fn scheme_of(url: &str) -> Result<Scheme, String> {
    let wrong =
        || format!("`{url}` is no address of an engine; write `unix:///var/run/docker.sock` or `tcp://host:2375`");
    let (scheme, rest) = url.trim().split_once("://").ok_or_else(wrong)?;
    let rest = rest.trim_end_matches('/');
    if rest.is_empty() {
        return Err(wrong());
    }
    match scheme {
        // Airflow's own default has one slash too few.
        "unix" => Ok(Scheme::Socket(format!("/{}", rest.trim_start_matches('/')))),
        "tcp" | "http" => Ok(Scheme::Network { host: rest.to_owned(), is_tls: false }),
        "https" => Ok(Scheme::Network { host: rest.to_owned(), is_tls: true }),
        _ => Err(wrong()),
    }
}

/// Finds the engine of a task: the first that answers, that at `left_at` before all others.
pub(super) async fn connect(
    args: &DockerArgs,
    left_at: Option<&str>,
    environment: &Environment,
    ctx: &TaskContext,
) -> Result<Engine, TaskError> {
    let mut urls: Vec<String> = match &args.docker_url {
        Some(urls) => urls.names().to_vec(),
        None => vec![environment.look_up("DOCKER_HOST").unwrap_or_else(|_| USUAL_URL.to_owned())],
    };
    urls.sort_by_key(|url| left_at != Some(url.as_str()));
    let mut silent = Vec::new();
    for url in &urls {
        let scheme = scheme_of(url).map_err(|problem| TaskError::fail(anyhow!(problem)))?;
        let opened = open(&scheme, args, ctx).map_err(anyhow::Error::new);
        let answered = match opened {
            Ok(docker) => docker.negotiate_version().await.map_err(anyhow::Error::new),
            Err(error) => Err(error),
        };
        match answered {
            Ok(docker) => {
                let place = Place { address: url.clone(), identity: identity(&docker).await };
                return Ok(Engine { docker, place });
            }
            Err(error) => silent.push(format!("{url}: {error:#}")),
        }
    }
    let silent = silent.join("; ");
    let cure = if silent.contains("ermission denied") {
        "let the user that Updraft runs as into the group that owns the socket, usually `docker`"
    } else {
        "start Docker (or Podman, with `podman system service`) there, or name another engine with `docker_url`"
    };
    Err(TaskError::retry(anyhow!("no Docker engine answers ({silent}); {cure}")))
}

/// By what an engine is told from those of other machines at the same address: every machine has such a socket. None if it does
/// not say.
async fn identity(docker: &bollard::Docker) -> Option<String> {
    let (info, version) = (docker.info().await.ok()?, docker.version().await.ok()?);
    let is_podman = version.components.iter().flatten().any(|component| component.name == PODMAN);
    // Podman makes an id up whenever it is asked.
    let id = info.id.filter(|id| !is_podman && !id.is_empty()).map(|id| format!("engine {id}"));
    id.or_else(|| Some(format!("on {}", info.name.filter(|name| !name.is_empty())?)))
}

fn open(scheme: &Scheme, args: &DockerArgs, ctx: &TaskContext) -> Result<bollard::Docker, Error> {
    let timeout = args.timeout.0.as_secs().max(TIMEOUT_SECS_MIN);
    let version = bollard::API_DEFAULT_VERSION;
    let file = |path: &Option<String>| path.as_ref().map(|path| ctx.home.join(path));
    let tls = file(&args.tls_client_key).zip(file(&args.tls_client_cert)).zip(file(&args.tls_ca_cert));
    match (scheme, tls) {
        (Scheme::Socket(path), _) => bollard::Docker::connect_with_unix(path, timeout, version),
        (Scheme::Network { host, .. }, Some(((key, cert), ca))) => {
            // The client takes that of the process. It does not matter if there is one already.
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
            bollard::Docker::connect_with_ssl(host, &key, &cert, &ca, timeout, version)
        }
        (Scheme::Network { is_tls: true, .. }, None) => {
            Err(Error::CertPathError { path: PathBuf::from("tls_client_cert") })
        }
        (Scheme::Network { host, is_tls: false }, None) => bollard::Docker::connect_with_http(host, timeout, version),
    }
}

/// Whether the engine says that there is no such thing.
pub(super) fn is_absent(error: &Error) -> bool {
    status_of(error) == Some(404)
}

/// The status that the engine answered with, if it answered.
pub(super) fn status_of(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// What an error means to the try; `deed` is read after "cannot".
pub(super) fn refused(error: Error, deed: &str) -> TaskError {
    let is_lasting = matches!(status_of(&error), Some(400 | 403 | 404 | 422));
    let error = match error {
        Error::DockerResponseServerError { message, .. } => anyhow!("{}", message.trim()),
        error => anyhow::Error::new(error),
    };
    let error = error.context(format!("cannot {deed}"));
    if is_lasting { TaskError::fail(error) } else { TaskError::retry(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_behind_sockets_and_ports() {
        let socket = Scheme::Socket("/var/run/docker.sock".to_owned());
        assert_eq!(scheme_of("unix:///var/run/docker.sock"), Ok(socket.clone()));
        assert_eq!(scheme_of("unix://var/run/docker.sock"), Ok(socket));
        let network = |is_tls| Scheme::Network { host: "h:2375".to_owned(), is_tls };
        assert_eq!(scheme_of("tcp://h:2375/"), Ok(network(false)));
        assert_eq!(scheme_of("https://h:2375"), Ok(network(true)));
        for wrong in ["ssh://h", "/var/run/docker.sock", "tcp://"] {
            assert!(scheme_of(wrong).unwrap_err().contains("is no address of an engine"), "{wrong}");
        }
    }
}
