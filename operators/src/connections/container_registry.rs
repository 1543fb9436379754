//! Registries of container images: we sign in as an engine does that pulls from them.

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use reqwest::header::WWW_AUTHENTICATE;
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use scheduler::connection::{Connection, ConnectionTest, Secret};

use crate::docker::registry_of;
use crate::requests::{Base, client, send};

/// Where the images of Docker Hub are.
const DOCKER_HUB: &str = "https://registry-1.docker.io";

/// Tries out a registry.
pub(super) struct ContainerRegistry;

#[async_trait]
impl ConnectionTest for ContainerRegistry {
    async fn test(&self, connection: &Connection) -> anyhow::Result<String> {
        let registry = registry_of(connection).context("it names no registry in its host")?;
        let base = address(connection, &registry)?;
        let page = base.join(&["v2", ""]);
        let asked = ask(client()?.get(page.clone()), &base.host).await?;
        match (asked.status(), &connection.login) {
            (StatusCode::OK, _) => return Ok(format!("{registry} answered; it asks for no login")),
            (StatusCode::UNAUTHORIZED, Some(_)) => {}
            (StatusCode::UNAUTHORIZED, None) => bail!("{registry} wants a login, and there is none"),
            (status, _) => bail!("{registry} answered {status}; it is no registry of images"),
        }
        let way = asked.headers().get(WWW_AUTHENTICATE).and_then(|way| way.to_str().ok()).unwrap_or_default();
        let url = match Challenge::parse(way) {
            Challenge::Token { realm, service } => token_page(&realm, service.as_deref(), &base, connection)?,
            Challenge::Password => page,
        };
        let password = connection.password.as_ref().map(Secret::reveal);
        let login = connection.login.as_deref().unwrap_or_default();
        let answered = ask(client()?.get(url).basic_auth(login, password), &base.host).await?;
        match answered.status() {
            status if status.is_success() => Ok(format!("{registry} let us in as {login}")),
            status => bail!("{registry} does not let us in as {login}: it answered {status}"),
        }
    }
}

async fn ask(request: RequestBuilder, host: &str) -> anyhow::Result<Response> {
    send(request, host).await.map_err(|trouble| trouble.error)
}

/// Where a registry answers. Engines, too, speak to their own machine without encryption.
fn address(connection: &Connection, registry: &str) -> anyhow::Result<Base> {
    let is_plain = connection.host.as_deref().is_some_and(|host| host.starts_with("http://"));
    let is_local = registry.starts_with("127.") || registry.split(':').next() == Some("localhost");
    let url = match registry {
        "docker.io" => DOCKER_HUB.to_owned(),
        registry if is_plain || is_local => format!("http://{registry}"),
        registry => format!("https://{registry}"),
    };
    Base::parse(&url).map_err(|problem| anyhow::anyhow!(problem))
}

/// How a registry wants to be shown who we are.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    /// At another page, which gives out tokens.
    Token { realm: String, service: Option<String> },
    /// At its own.
    Password,
}

impl Challenge {
    /// Reads a header such as `Bearer realm="https://…",service="…"`.
    fn parse(header: &str) -> Challenge {
        let Some(("Bearer", fields)) = header.split_once(' ') else { return Challenge::Password };
        let field = |name: &str| {
            let start = fields.find(&format!("{name}=\""))? + name.len() + 2;
            fields[start..].split('"').next().map(str::to_owned)
        };
        match field("realm") {
            Some(realm) => Challenge::Token { realm, service: field("service") },
            None => Challenge::Password,
        }
    }
}

/// The page that gives out tokens. A password that the registry would get encrypted is not sent there in the clear.
fn token_page(realm: &str, service: Option<&str>, base: &Base, connection: &Connection) -> anyhow::Result<Url> {
    let mut url = Url::parse(realm).context("the registry names no page that gives out tokens")?;
    if url.scheme() != "https" && base.url().scheme() == "https" {
        bail!("the registry wants to be shown the password without encryption");
    }
    let service = service.map(|service| ("service", service));
    let account = connection.login.as_deref().map(|login| ("account", login));
    url.query_pairs_mut().extend_pairs(service.into_iter().chain(account));
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_say_where_tokens_are() {
        let header = "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\"";
        let realm = "https://auth.docker.io/token".to_owned();
        assert_eq!(
            Challenge::parse(header),
            Challenge::Token { realm, service: Some("registry.docker.io".to_owned()) }
        );
        assert_eq!(Challenge::parse("Basic realm=\"x\""), Challenge::Password);
        assert_eq!(Challenge::parse(""), Challenge::Password);
    }

    #[test]
    fn passwords_do_not_leave_encryption() {
        let connection = Connection { login: Some("me".to_owned()), ..Connection::new("c", "docker") };
        let page = |realm: &str, base: &str| token_page(realm, Some("s"), &Base::parse(base).unwrap(), &connection);
        assert_eq!(
            page("https://auth.example/token", "https://r.example").unwrap().as_str(),
            "https://auth.example/token?service=s&account=me"
        );
        assert!(page("http://auth.example/token", "http://r.example").is_ok());
        assert!(page("http://auth.example/token", "https://r.example").is_err());
    }
}
