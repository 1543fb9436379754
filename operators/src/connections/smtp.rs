//! Mail servers: we greet them, and sign in if there is a login.

use anyhow::bail;
use async_trait::async_trait;
use scheduler::connection::{Connection, ConnectionTest, Secret};
use serde_json::Value;

use crate::notifiers::{MailServer, Tls};

/// Tries out a mail server.
pub(super) struct Smtp;

#[async_trait]
impl ConnectionTest for Smtp {
    async fn test(&self, connection: &Connection) -> anyhow::Result<String> {
        let server = mail_server_of(connection)?;
        let answers = server.transport()?.test_connection().await.map_err(|error| told(error, &server))?;
        if !answers {
            bail!("the mail server does not answer as one");
        }
        let signed_in = if connection.login.is_some() { ", and let us sign in" } else { "" };
        Ok(format!("the mail server on port {} answered{signed_in}", server.port()))
    }
}

/// What goes wrong with a mail server, with its place and what to look at.
fn told(error: lettre::transport::smtp::Error, server: &MailServer) -> anyhow::Error {
    let place = format!("{}:{}", server.host, server.port());
    let what = if error.is_permanent() || error.is_transient() {
        format!("the mail server at `{place}` refuses us")
    } else if error.is_client() {
        format!("the mail server at `{place}` is not as the connection says; look at `disable_ssl` and `disable_tls`")
    } else {
        format!("cannot reach the mail server at `{place}`")
    };
    anyhow::Error::new(error).context(what)
}

/// The mail server that a connection leads to.
pub(crate) fn mail_server_of(connection: &Connection) -> anyhow::Result<MailServer> {
    let Some(host) = connection.host.clone() else { bail!("the connection `{}` has no host", connection.conn_id) };
    Ok(MailServer {
        host,
        port: connection.port,
        tls: tls(connection),
        login: connection.login.clone(),
        password: connection.password.as_ref().map(|password| Secret::reveal(password).to_owned()),
        from: connection.extra.get("from_email").and_then(Value::as_str).map(str::to_owned),
    })
}

/// Airflow's words for it.
fn tls(connection: &Connection) -> Tls {
    let is_on = |key: &str| match connection.extra.get(key) {
        Some(Value::Bool(on)) => *on,
        Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
        _ => false,
    };
    match (is_on("disable_ssl"), is_on("disable_tls")) {
        // A port on which nobody speaks without; `disable_tls` is about STARTTLS for Airflow.
        (false, _) if connection.port == Some(465) => Tls::Tls,
        (_, false) => Tls::StartTls,
        (_, true) => Tls::None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_connection_says_how_mail_is_kept_from_others() {
        let of = |port: u16, extra: Value| {
            let extra = extra.as_object().unwrap().clone();
            tls(&Connection { port: Some(port), extra, ..Connection::new("mail", "smtp") })
        };
        assert_eq!(of(587, json!({})), Tls::StartTls);
        assert_eq!(of(587, json!({ "disable_ssl": true })), Tls::StartTls);
        assert_eq!(of(25, json!({ "disable_ssl": "true", "disable_tls": "true" })), Tls::None);
        assert_eq!(of(25, json!({ "disable_tls": true })), Tls::None);
        assert_eq!(of(465, json!({})), Tls::Tls);
        assert_eq!(of(465, json!({ "disable_tls": true })), Tls::Tls);
    }
}
