//! The mail server that e-mail callbacks go through: `UPDRAFT_SMTP_*`, else `[smtp]` in `updraft.toml`.

use anyhow::bail;
use operators::notifiers::{MailServer, Tls};
use serde::Deserialize;

use crate::report::BadInput;

/// `[smtp]` in `updraft.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SmtpFile {
    host: Option<String>,
    port: Option<u16>,
    tls: Option<String>,
    login: Option<String>,
    password: Option<String>,
    from: Option<String>,
}

/// The server, if there is one; `variable` looks into the environment.
pub(super) fn resolve(file: SmtpFile, variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Option<MailServer>> {
    let port = match variable("UPDRAFT_SMTP_PORT") {
        Some(text) => match text.parse() {
            Ok(port) => Some(port),
            Err(_) => bail!(BadInput::new(format!("UPDRAFT_SMTP_PORT is `{text}`, which is not a port"))),
        },
        None => file.port,
    };
    let tls = match variable("UPDRAFT_SMTP_TLS").or(file.tls).as_deref() {
        None | Some("starttls") => Tls::StartTls,
        Some("tls") => Tls::Tls,
        Some("none") => Tls::None,
        Some(other) => bail!(
            BadInput::new(format!("the mail server's `tls` is `{other}`"))
                .hint("it can be `starttls`, `tls` or `none`; see UPDRAFT_SMTP_TLS")
        ),
    };
    let login = variable("UPDRAFT_SMTP_LOGIN").or(file.login);
    let password = variable("UPDRAFT_SMTP_PASSWORD").or(file.password);
    if login.is_some() != password.is_some() {
        bail!(
            BadInput::new("the mail server has a login without a password, or a password without a login")
                .hint("set UPDRAFT_SMTP_LOGIN and UPDRAFT_SMTP_PASSWORD, or neither")
        );
    }
    let from = variable("UPDRAFT_SMTP_FROM").or(file.from);
    let host = variable("UPDRAFT_SMTP_HOST").or(file.host);
    Ok(host.map(|host| MailServer { host, port, tls, login, password, from }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(file: &str, variables: &[(&str, &str)]) -> anyhow::Result<Option<MailServer>> {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        resolve(toml::from_str(file).unwrap(), find)
    }

    #[test]
    fn variables_win_over_the_file() {
        let file = "host = 'mail.example.com'\nport = 2525\ntls = 'none'\nfrom = 'me@example.com'\n";
        let server = resolved(file, &[("UPDRAFT_SMTP_HOST", "other"), ("UPDRAFT_SMTP_TLS", "tls")]).unwrap().unwrap();
        assert_eq!((server.host.as_str(), server.port(), server.tls), ("other", 2525, Tls::Tls));
        assert_eq!(server.from.as_deref(), Some("me@example.com"));
    }

    #[test]
    fn without_a_host_there_is_no_server() {
        assert!(resolved("", &[]).unwrap().is_none());
        let server = resolved("", &[("UPDRAFT_SMTP_HOST", "mail")]).unwrap().unwrap();
        assert_eq!((server.port(), server.tls), (587, Tls::StartTls));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert!(resolved("", &[("UPDRAFT_SMTP_PORT", "smtp")]).is_err());
        assert!(resolved("tls = 'maybe'", &[]).is_err());
        assert!(resolved("host = 'mail'\nlogin = 'me'", &[]).is_err());
    }

    #[test]
    fn the_password_is_not_shown() {
        let file = "host = 'mail'\nlogin = 'me'\npassword = 's3cret'";
        let shown = format!("{:?}", resolved(file, &[]).unwrap());
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
