//! A letter: to whom, what it says, and how it gets to a mail server.

use std::error::Error;
use std::time::Duration;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use lettre::message::header::ContentType;
use lettre::message::{Attachment as Part, Mailbox, MultiPart, SinglePart};
use lettre::{AsyncTransport, Message};
use scheduler::operator::DeliveryError;
use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

use super::mail_server::MailServer;

/// The whole conversation with a server takes at most this long, and this much longer for each MiB that is attached.
const TIME_MAX: Duration = Duration::from_mins(1);

/// See [`TIME_MAX`].
const TIME_PER_MIB: Duration = Duration::from_secs(5);

/// Who writes when nobody says.
const NOBODY: &str = "updraft@localhost";

/// A letter.
#[derive(Debug)]
pub(crate) struct Letter {
    /// The same in each attempt to send it, so that whoever gets it twice can tell.
    pub(crate) id: Uuid,
    /// Who writes; by default what the settings of the server say.
    pub(crate) from: Option<String>,
    pub(crate) to: Addresses,
    pub(crate) cc: Addresses,
    pub(crate) bcc: Addresses,
    pub(crate) subject: String,
    /// The text, for those who do not read HTML.
    pub(crate) text: Option<String>,
    /// The text as HTML.
    pub(crate) html: Option<String>,
    pub(crate) attachments: Vec<Attachment>,
}

/// A file that goes with a letter.
#[derive(Debug)]
pub(crate) struct Attachment {
    /// Its name, without folders.
    pub(crate) name: String,
    pub(crate) content: Bytes,
}

/// An address, or a list of them; as in Airflow, one text may hold several, separated by commas or semicolons.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Addresses {
    One(String),
    Several(Vec<String>),
}

impl Default for Addresses {
    fn default() -> Addresses {
        Addresses::Several(Vec::new())
    }
}

impl Addresses {
    fn mailboxes(&self) -> Result<Vec<Mailbox>, DeliveryError> {
        self.single().map(mailbox).collect()
    }

    /// Each address, as written.
    pub(super) fn single(&self) -> impl Iterator<Item = &str> {
        let texts: Vec<&str> = match self {
            Addresses::One(text) => vec![text],
            Addresses::Several(texts) => texts.iter().map(String::as_str).collect(),
        };
        texts.into_iter().flat_map(|text| text.split([',', ';'])).map(str::trim).filter(|text| !text.is_empty())
    }
}

fn mailbox(text: &str) -> Result<Mailbox, DeliveryError> {
    text.parse().map_err(|error| DeliveryError::fail(anyhow!("`{text}` is not an address: {error}")))
}

/// Sends a letter; an error says whether to come back, and may hold secrets of the server.
pub(crate) async fn mail(letter: Letter, server: &MailServer) -> Result<(), DeliveryError> {
    let attached: usize = letter.attachments.iter().map(|attachment| attachment.content.len()).sum();
    let time_max = TIME_MAX + TIME_PER_MIB * u32::try_from(attached / (1024 * 1024)).unwrap_or(u32::MAX);
    let message = letter.message(server)?;
    let transport = server.transport().map_err(DeliveryError::retry)?;
    match tokio::time::timeout(time_max, transport.send(message)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(judge(&error, server)),
        Err(_) => {
            let address = server.address();
            Err(DeliveryError::retry(anyhow!("the mail server `{address}` did not take it within {time_max:?}")))
        }
    }
}

/// A server that says no for good is not asked again.
fn judge(error: &lettre::transport::smtp::Error, server: &MailServer) -> DeliveryError {
    let is_final = error.is_permanent();
    let said = worded(error);
    let cure = if said.contains("STARTTLS is not supported") {
        "; for a server that does not encrypt, write `disable_tls: true` into the `extra` of its connection, or `tls: none`"
    } else {
        ""
    };
    let error = anyhow!("the mail server `{}` did not take it: {said}{cure}", server.address());
    if is_final { DeliveryError::fail(error) } else { DeliveryError::retry(error) }
}

/// An error with its causes, each once: the library says the first of them itself.
fn worded(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !words.contains(&said) {
            words = format!("{words}: {said}");
        }
        cause = error.source();
    }
    words
}

impl Letter {
    /// Who gets it, as people read it; those who get it without the others knowing are counted.
    pub(crate) fn recipients(&self) -> Result<String, DeliveryError> {
        let mut seen: Vec<String> = Vec::new();
        for addresses in [&self.to, &self.cc] {
            seen.extend(addresses.mailboxes()?.iter().map(|mailbox| mailbox.email.to_string()));
        }
        let unseen = self.bcc.mailboxes()?.len();
        if unseen > 0 {
            seen.push(format!("{unseen} more"));
        }
        Ok(seen.join(", "))
    }

    fn message(self, server: &MailServer) -> Result<Message, DeliveryError> {
        let login = server.login.as_ref().filter(|login| login.contains('@'));
        let from = self.from.as_ref().or(server.from.as_ref());
        let from = mailbox(from.or(login).map_or(NOBODY, String::as_str))?;
        // A header is one line, whatever a template made.
        let subject = self.subject.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut message =
            Message::builder().from(from).subject(subject).message_id(Some(format!("<{}@updraft>", self.id)));
        for mailbox in self.to.mailboxes()? {
            message = message.to(mailbox);
        }
        for mailbox in self.cc.mailboxes()? {
            message = message.cc(mailbox);
        }
        for mailbox in self.bcc.mailboxes()? {
            message = message.bcc(mailbox);
        }
        let html = |text| SinglePart::builder().header(ContentType::TEXT_HTML).body::<String>(text);
        let plain = |text| SinglePart::builder().header(ContentType::TEXT_PLAIN).body::<String>(text);
        let both = |text, content| MultiPart::alternative().singlepart(plain(text)).singlepart(html(content));
        let mut attached = self.attachments.into_iter();
        let message = match attached.next() {
            None => match (self.text, self.html) {
                (Some(text), Some(content)) => message.multipart(both(text, content)),
                (None, Some(content)) => message.singlepart(html(content)),
                (text, None) => message.singlepart(plain(text.unwrap_or_default())),
            },
            Some(first) => {
                let parts = MultiPart::mixed();
                let parts = match (self.text, self.html) {
                    (Some(text), Some(content)) => parts.multipart(both(text, content)),
                    (None, Some(content)) => parts.singlepart(html(content)),
                    (text, None) => parts.singlepart(plain(text.unwrap_or_default())),
                };
                let with = |parts: MultiPart, file: Attachment| parts.singlepart(file.part());
                message.multipart(attached.fold(with(parts, first), with))
            }
        };
        message.context("cannot write the message").map_err(DeliveryError::fail)
    }
}

impl Attachment {
    fn part(self) -> SinglePart {
        // Whoever gets it knows by its name what it is.
        let kind = ContentType::parse("application/octet-stream").unwrap_or(ContentType::TEXT_PLAIN);
        Part::new(self.name).body(self.content.to_vec(), kind)
    }
}
