//! A registry of container images that asks for a password, from Debian's package docker-registry.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Who may come in.
pub const LOGIN: &str = "reader";
pub const PASSWORD: &str = "hush-hush";

/// The same as `htpasswd -nbB` writes it.
const HTPASSWD: &str = "reader:$2y$05$6QbegPesSp/e0OjYJF2caeFJL0d4bJ3LtRUlfpD0M2sy3CGO10vEW\n";

/// A running registry. It ends when this value is dropped.
pub struct ImageRegistry {
    child: Child,
    /// Its host and port, as names of images have them.
    pub name: String,
    _folder: TempDir,
}

impl ImageRegistry {
    /// Starts an empty one on a free port of this machine.
    pub fn start() -> ImageRegistry {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(at("htpasswd"), HTPASSWD).unwrap();
        let config = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
             http: {{addr: \"127.0.0.1:0\"}}\nauth: {{htpasswd: {{realm: tests, path: {}}}}}\n",
            at("images"),
            at("htpasswd")
        );
        std::fs::write(at("config.yml"), config).unwrap();
        let mut child = Command::new("docker-registry")
            .args(["serve", &at("config.yml")])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docker-registry can be started; apt-get install docker-registry");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let name = lines
            .find_map(|line| {
                let line = line.ok()?;
                let (_, rest) = line.split_once("listening on ")?;
                Some(rest.split(['"', ' ', ',']).next()?.to_owned())
            })
            .expect("docker-registry says where it listens");
        // It must not block on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        ImageRegistry { child, name, _folder: folder }
    }
}

impl Drop for ImageRegistry {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
