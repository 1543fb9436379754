//! A way by TLS to a server of a test, with an authority of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::python;
use crate::support::repository;

/// The way, until it is dropped.
pub struct TlsGate {
    child: Child,
    pub port: String,
}

impl TlsGate {
    /// Opens it to a server: the path of a socket, or `HOST:PORT`. What a client needs is in `folder` then: `ca.pem`, and
    /// `client.pem` with `client.key`, which it has to show if `wants_certificate`; `stranger.pem` with `stranger.key` is none that
    /// is taken.
    pub fn start(server: &str, folder: &Path, wants_certificate: bool) -> TlsGate {
        let mut child = Command::new(python::tool("python"))
            .arg(repository().join("operators/tests/all/tls_gate.py"))
            .arg(server)
            .arg(folder)
            .arg(if wants_certificate { "yes" } else { "no" })
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        assert!(!port.is_empty(), "the gate did not open; is cryptography installed?");
        TlsGate { child, port: port.trim().to_owned() }
    }
}

impl Drop for TlsGate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
