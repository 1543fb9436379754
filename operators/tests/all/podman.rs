//! A container engine of one test: Podman, which speaks Docker's API on a socket in a temporary folder.
//!
//! No registry can be reached, so its only image is made of a static busybox.

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// What must be installed.
const PACKAGES: &str = "apt-get install podman runc busybox-static";

/// Where Debian has a busybox that needs no libraries.
const BUSYBOX: &str = "/bin/busybox";

/// What there is in the image, under `/bin`.
const TOOLS: [&str; 8] = ["sh", "cat", "echo", "env", "id", "pwd", "sleep", "ls"];

/// A command of Podman takes a second, or some on a machine that is busy.
const PATIENCE_SECONDS: &str = "180";

/// The image.
pub const IMAGE: &str = "localhost/tools:latest";

/// A running engine. It ends with its containers when this value is dropped.
pub struct Podman {
    child: Option<Child>,
    folder: TempDir,
}

impl Podman {
    /// Starts one that has [`IMAGE`].
    pub fn start() -> Podman {
        Podman::start_beside("registry.invalid")
    }

    /// The same, to which a registry need not speak encrypted.
    pub fn start_beside(registry: &str) -> Podman {
        let user = std::fs::metadata("/proc/self").unwrap().uid();
        assert_eq!(user, 0, "the tests of containers run as root, as CI does");
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("containers.conf"), CONTAINERS).unwrap();
        let registries =
            format!("unqualified-search-registries = []\n[[registry]]\nlocation = \"{registry}\"\ninsecure = true\n");
        std::fs::write(folder.path().join("registries.conf"), registries).unwrap();
        let mut podman = Podman { child: None, folder };
        podman.make_image();
        podman.begin();
        podman
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("podman.sock")
    }

    /// Its own program, which sees what the API has done.
    pub fn run(&self, args: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.bounded(args).output().unwrap();
        assert!(status.success(), "podman {args:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap().trim().to_owned()
    }

    /// The names of all containers, those that have ended included.
    pub fn containers(&self) -> Vec<String> {
        self.run(&["ps", "--all", "--format", "{{.Names}}"]).lines().map(str::to_owned).collect()
    }

    /// Ends the engine; its containers go on.
    pub fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Begins again.
    pub fn begin(&mut self) {
        let _ = std::fs::remove_file(self.socket());
        let url = self.url();
        let mut command = self.command(&["system", "service", "--time=0", &url]);
        self.child = Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let began = Instant::now();
        while std::os::unix::net::UnixStream::connect(self.socket()).is_err() {
            assert!(began.elapsed() < Duration::from_mins(2), "podman does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn make_image(&self) {
        assert!(Path::new(BUSYBOX).is_file(), "there is no {BUSYBOX}; {PACKAGES}");
        let root = self.folder.path().join("image");
        std::fs::create_dir_all(root.join("bin")).unwrap();
        std::fs::create_dir_all(root.join("tmp")).unwrap();
        std::fs::copy(BUSYBOX, root.join("bin/busybox")).unwrap();
        for tool in TOOLS {
            symlink("busybox", root.join("bin").join(tool)).unwrap();
        }
        let tar = self.folder.path().join("image.tar");
        let packed = Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&tar).arg(".").status().unwrap();
        assert!(packed.success());
        self.run(&["import", "--quiet", tar.to_str().unwrap(), IMAGE]);
    }

    /// A command that answers a question or does something. One that waits for ever would hold up all tests.
    fn bounded(&self, args: &[&str]) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--kill-after", "10", PATIENCE_SECONDS, "podman"]);
        self.tell(command, args)
    }

    fn command(&self, args: &[&str]) -> Command {
        self.tell(Command::new("podman"), args)
    }

    fn tell(&self, mut command: Command, args: &[&str]) -> Command {
        let at = |name: &str| self.folder.path().join(name);
        // With the usual temporary folder, engines that run at the same time would have one list of events, in which each looks
        // for the end of its containers.
        command.arg("--root").arg(at("root")).arg("--runroot").arg(at("run")).arg("--tmpdir").arg(at("tmp"));
        // runc, because crun does not start where there are two generations of control groups.
        command.args(["--storage-driver", "vfs", "--runtime", "runc", "--cgroup-manager", "cgroupfs"]).args(args);
        command.env("CONTAINERS_CONF", at("containers.conf")).env("CONTAINERS_REGISTRIES_CONF", at("registries.conf"));
        assert!(
            ["podman", "runc"].iter().all(|program| is_installed(program)),
            "podman or runc is not installed; {PACKAGES}"
        );
        command
    }
}

/// It may have fewer rights than the defaults ask for.
const CONTAINERS: &str = "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\nnetns = \"host\"\n\
    [engine]\nevents_logger = \"file\"\n";

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]).any(|folder| folder.join(program).is_file())
}

impl Drop for Podman {
    fn drop(&mut self) {
        // What a failed test has left behind must not outlive it.
        let _ = self.bounded(&["rm", "--all", "--force", "--time", "0"]).output();
        self.end();
    }
}
