//! Images: whether the engine has one, and as whom it is to fetch it.

use anyhow::anyhow;
use bollard::auth::DockerCredentials;
use bollard::query_parameters::CreateImageOptions;
use futures::TryStreamExt as _;
use scheduler::connection::{Connection, Secret};
use scheduler::operator::{TaskContext, TaskError};

use super::args::DockerArgs;
use super::engine::{Engine, is_absent, refused};

/// Whose images have no registry in their names.
const DOCKER_HUB: &str = "docker.io";

/// The name of an image in its parts.
#[derive(Debug, PartialEq, Eq)]
struct ImageName<'a> {
    registry: &'a str,
    /// Everything before the tag or the digest.
    repository: &'a str,
    /// The tag, or the digest.
    tag: &'a str,
}

impl<'a> ImageName<'a> {
    fn parse(image: &'a str) -> ImageName<'a> {
        let (repository, tag) = match image.split_once('@') {
            Some(parts) => parts,
            // A colon before the last slash is that of a port.
            None => match image.rsplit_once(':') {
                Some((repository, tag)) if !tag.contains('/') => (repository, tag),
                _ => (image, "latest"),
            },
        };
        let registry = match repository.split_once('/') {
            Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => first,
            _ => DOCKER_HUB,
        };
        ImageName { registry, repository, tag }
    }
}

/// Sees to it that the engine has the image of a task. A connection that leads nowhere is refused also when the engine has the
/// image: the next machine has not.
pub(super) async fn provide(engine: &Engine, args: &DockerArgs, ctx: &TaskContext) -> Result<(), TaskError> {
    let image = &args.image;
    let account = match &args.docker_conn_id {
        Some(conn_id) => Some(Account::of(ctx.connection(conn_id).await?)?),
        None => None,
    };
    if !args.force_pull {
        match engine.docker.inspect_image(image).await {
            Ok(_) => return Ok(()),
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(refused(error, &format!("look for the image `{image}`"))),
        }
    }
    let name = ImageName::parse(image);
    let credentials = account.and_then(|account| account.credentials(&name, ctx));
    ctx.log.info(format_args!("Pulls the image `{image}` from {}", name.registry));
    let options = CreateImageOptions {
        from_image: Some(name.repository.to_owned()),
        tag: Some(name.tag.to_owned()),
        ..CreateImageOptions::default()
    };
    let pulled = engine.docker.create_image(Some(options), None, credentials).try_for_each(|_| futures::future::ok(()));
    tokio::select! {
        pulled = pulled => pulled.map_err(|error| refused(error, &format!("pull the image `{image}`")))?,
        () = ctx.cancelled.cancelled() => return Err(TaskError::cancelled()),
    }
    ctx.log.info(format_args!("Pulled the image `{image}`"));
    Ok(())
}

/// What a connection says of us, and to which registry.
struct Account {
    connection: Connection,
    registry: String,
}

impl Account {
    fn of(connection: Connection) -> Result<Account, TaskError> {
        let Some(registry) = registry_of(&connection) else {
            let conn_id = &connection.conn_id;
            return Err(TaskError::fail(anyhow!("the connection `{conn_id}` names no registry in its host")));
        };
        Ok(Account { connection, registry })
    }

    /// What is shown for an image, if it is of this registry: nobody else is shown a password.
    fn credentials(self, name: &ImageName<'_>, ctx: &TaskContext) -> Option<DockerCredentials> {
        let Account { connection, registry } = self;
        if registry != name.registry {
            ctx.log.warning(format_args!(
                "The image is of {}, and the connection `{}` to {registry}; the image is pulled without it",
                name.registry, connection.conn_id
            ));
            return None;
        }
        Some(DockerCredentials {
            email: connection.extra_text("email").map(str::to_owned),
            username: connection.login,
            password: connection.password.as_ref().map(|password| Secret::reveal(password).to_owned()),
            serveraddress: Some(registry),
            ..DockerCredentials::default()
        })
    }
}

/// The registry to which a connection leads, as names of images have it.
pub(crate) fn registry_of(connection: &Connection) -> Option<String> {
    let host = connection.host.as_deref()?.trim();
    let host = host.split_once("://").map_or(host, |(_, rest)| rest);
    let host = host.split('/').next().filter(|host| !host.is_empty())?;
    if matches!(host, "docker.io" | "index.docker.io" | "registry-1.docker.io" | "hub.docker.com") {
        return Some(DOCKER_HUB.to_owned());
    }
    Some(connection.port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_images_have_parts() {
        let parsed = |image| {
            let ImageName { registry, repository, tag } = ImageName::parse(image);
            (registry, repository, tag)
        };
        assert_eq!(parsed("python"), ("docker.io", "python", "latest"));
        assert_eq!(parsed("acme/scoring:1.4"), ("docker.io", "acme/scoring", "1.4"));
        assert_eq!(parsed("ghcr.io/acme/scoring"), ("ghcr.io", "ghcr.io/acme/scoring", "latest"));
        assert_eq!(parsed("localhost:5000/x"), ("localhost:5000", "localhost:5000/x", "latest"));
        assert_eq!(parsed("localhost:5000/x:2"), ("localhost:5000", "localhost:5000/x", "2"));
        assert_eq!(parsed("quay.io/x@sha256:ab"), ("quay.io", "quay.io/x", "sha256:ab"));
    }

    #[test]
    fn connections_lead_to_registries() {
        let of = |host: &str, port| {
            registry_of(&Connection { host: Some(host.to_owned()), port, ..Connection::new("c", "docker") })
        };
        assert_eq!(of("ghcr.io", None).as_deref(), Some("ghcr.io"));
        assert_eq!(of("https://index.docker.io/v1/", None).as_deref(), Some("docker.io"));
        assert_eq!(of("registry.example", Some(5000)).as_deref(), Some("registry.example:5000"));
        assert_eq!(of("", None), None);
    }
}
