//! A server that takes mail: where it is, and who we are to it.

use std::fmt;
use std::time::Duration;

use anyhow::Context;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls as SmtpTls, TlsParameters};
use lettre::{AsyncSmtpTransport, Tokio1Executor};
use schemars::JsonSchema;
use serde::Deserialize;

/// A server that takes longer to be reached is given up until the next attempt.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(30);

/// A server that takes mail (SMTP).
#[derive(Clone)]
pub struct MailServer {
    /// Where it is.
    pub host: String,
    /// By default 587 with STARTTLS, 465 with TLS, 25 without.
    pub port: Option<u16>,
    /// How the connection is kept from others.
    pub tls: Tls,
    /// Who we are to it; it is not asked for when absent.
    pub login: Option<String>,
    /// The password of `login`.
    pub password: Option<String>,
    /// Who writes, unless a callback says.
    pub from: Option<String>,
}

/// Never with the password.
impl fmt::Debug for MailServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailServer({})", self.address())
    }
}

/// How a connection to a mail server is kept from others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// It begins in the open, and is encrypted before anything is said; a server that cannot do that gets no mail.
    #[default]
    StartTls,
    /// It is encrypted from its beginning.
    Tls,
    /// It is not; for servers on the same machine or in a network of one's own.
    None,
}

impl MailServer {
    /// Where it is, for people.
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", self.host, self.port())
    }

    /// The port that is connected to.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            Tls::StartTls => 587,
            Tls::Tls => 465,
            Tls::None => 25,
        })
    }

    /// A connection that is made when the first mail is sent.
    pub(crate) fn transport(&self) -> anyhow::Result<AsyncSmtpTransport<Tokio1Executor>> {
        let parameters = || TlsParameters::new(self.host.clone()).context("cannot set up TLS");
        let tls = match self.tls {
            Tls::StartTls => SmtpTls::Required(parameters()?),
            Tls::Tls => SmtpTls::Wrapper(parameters()?),
            Tls::None => SmtpTls::None,
        };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&self.host)
            .port(self.port())
            .tls(tls)
            .timeout(Some(CONNECT_TIME_MAX));
        if let (Some(login), Some(password)) = (&self.login, &self.password) {
            transport = transport.credentials(Credentials::new(login.clone(), password.clone()));
        }
        Ok(transport.build())
    }
}
