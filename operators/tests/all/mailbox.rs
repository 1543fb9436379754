//! A real SMTP server, from the Python package aiosmtpd; it ends with the value that stands for it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

/// Prints its port, then each message that it takes as a line of JSON. It takes none for `nobody@…`, and asks those who
/// come to sign in when it is started with a login and a password.
const SERVER: &str = r"
import asyncio, email, email.policy, json, sys
from aiosmtpd.smtp import SMTP, AuthResult

class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith('nobody@'):
            return '550 no such user here'
        if address.startswith('later@'):
            return '450 the mailbox is busy'
        envelope.rcpt_tos.append(address)
        return '250 OK'

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        leaves = [part for part in message.walk() if not part.is_multipart()]
        parts = {part.get_content_type(): part.get_content() for part in leaves if not part.get_filename()}
        files = {part.get_filename(): part.get_content().decode() for part in leaves if part.get_filename()}
        headers = {name.lower(): str(value) for name, value in message.items()}
        print(json.dumps({'from': envelope.mail_from, 'to': envelope.rcpt_tos, 'headers': headers, 'parts': parts, 'files': files}), flush=True)
        return '250 OK'

def check(server, session, envelope, mechanism, data):
    return AuthResult(success=[data.login.decode(), data.password.decode()] == sys.argv[1:], handled=False)

async def main():
    auth = dict(authenticator=check, auth_required=True, auth_require_tls=False) if sys.argv[1:] else {}
    make = lambda: SMTP(Handler(), hostname='mail.test', **auth)
    server = await asyncio.get_running_loop().create_server(make, '127.0.0.1', 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
";

/// A running server.
pub struct Mailbox {
    child: Child,
    pub port: u16,
    lines: Receiver<String>,
}

impl Mailbox {
    /// Starts one that takes mail from anybody, or from whoever signs in with a login and a password.
    pub fn start(login: &[&str]) -> Mailbox {
        let mut child = Command::new(crate::python::tool("python"))
            .args(["-c", SERVER])
            .args(login)
            .stdout(Stdio::piped())
            // It warns of signing in without TLS, which is what is wanted here.
            .stderr(Stdio::null())
            .spawn()
            .expect("python can be started");
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = output.next().expect("it says where it listens").unwrap().parse().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.map_while(Result::ok) {
                // The test may be over.
                let _ = sender.send(line);
            }
        });
        Mailbox { child, port, lines }
    }

    /// The next message that it took.
    pub fn next(&self) -> Value {
        let line = self.lines.recv_timeout(Duration::from_mins(2)).expect("a message arrives");
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
