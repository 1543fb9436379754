//! A Postgres server of this process's own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

const ROLE: &str = "updraft";

/// Starts a server on a copy of the template, says so, and waits until its standard input closes, which the kernel does
/// whenever and however our process ends. Signals that a terminal sends to the whole group must not stop it before.
const KEEPER: &str = r#"
trap '' HUP INT TERM
cp -R "$TEMPLATE" "$FOLDER/data" || exit 1
"$PG_CTL" -D "$FOLDER/data" -l "$FOLDER/log" -s -w -t 300 start -o "-k '$FOLDER' -h '' -F -c max_connections=1000" || exit 1
echo ready
read -r _
"$PG_CTL" -D "$FOLDER/data" -s -m immediate stop
rm -rf "$FOLDER"
"#;

/// A running server. It ends when this value is dropped or the process ends.
#[derive(Debug)]
pub(super) struct Cluster {
    folder: PathBuf,
    // Holds the pipe whose end the keeper waits for.
    _keeper: Child,
}

impl Cluster {
    /// Starts the server.
    pub(super) fn start() -> Cluster {
        let account = Account::for_server();
        let bin = binaries();
        let template = template(&bin, account);
        let folder = account.own(TempDir::with_prefix("updraft-pg-").expect("a temporary folder can be made").keep());
        let mut keeper = account
            .command(Path::new("/bin/sh"))
            .args(["-c", KEEPER])
            .env("TEMPLATE", &template)
            .env("FOLDER", &folder)
            .env("PG_CTL", bin.join("pg_ctl"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell can be started");
        let mut first_line = String::new();
        let output = keeper.stdout.take().expect("standard output is a pipe");
        BufReader::new(output).read_line(&mut first_line).expect("the keeper's output can be read");
        let log = || fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert_eq!(first_line, "ready\n", "Postgres did not start in {}: {}", folder.display(), log());
        Cluster { folder, _keeper: keeper }
    }

    /// Stops the server as a crash would, and starts it again when `starts_again`. Blocks meanwhile.
    pub(super) fn stop(&self, starts_again: bool) {
        let verb = if starts_again { "restart" } else { "stop" };
        self.control(&[verb, "-m", "immediate"]);
    }

    /// Starts the server again.
    pub(super) fn go_on(&self) {
        let options = format!("-k '{}' -h '' -F -c max_connections=1000", self.folder.display());
        self.control(&["start", "-o", &options]);
    }

    fn control(&self, args: &[&str]) {
        let done = Account::for_server()
            .command(&binaries().join("pg_ctl"))
            .arg("-D")
            .arg(self.folder.join("data"))
            .arg("-l")
            .arg(self.folder.join("log"))
            .args(["-s", "-w", "-t", "300"])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .expect("pg_ctl can be started");
        assert!(done.success(), "pg_ctl {args:?}");
    }

    /// The URL of a database of this server.
    pub(super) fn url(&self, database: &str) -> String {
        format!("postgres://{ROLE}@localhost/{database}?host={}", self.folder.display())
    }
}

/// Who runs the server. Postgres refuses to run as root.
#[derive(Clone, Copy)]
struct Account {
    uid: u32,
    gid: u32,
    is_other: bool,
}

impl Account {
    fn for_server() -> Account {
        let me = fs::metadata("/proc/self").expect("Linux tells who we are");
        if me.uid() != 0 {
            return Account { uid: me.uid(), gid: me.gid(), is_other: false };
        }
        let accounts = fs::read_to_string("/etc/passwd").expect("the accounts can be read");
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| account_named(&accounts, name))
            .expect("root needs an account `postgres` or `nobody` to run a test's Postgres")
    }

    /// A command that runs as this account, in a folder that it may enter.
    fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/");
        if self.is_other {
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    fn own(self, folder: PathBuf) -> PathBuf {
        chown(&folder, Some(self.uid), Some(self.gid)).expect("root may give a folder away");
        folder
    }
}

fn account_named(accounts: &str, name: &str) -> Option<Account> {
    let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut ids = line.split(':').skip(2);
    Some(Account { uid: ids.next()?.parse().ok()?, gid: ids.next()?.parse().ok()?, is_other: true })
}

/// The newest Postgres of Debian's layout; its programs are not on the path there.
fn binaries() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| bin.join("initdb").exists())
        .max();
    let (_, bin) = newest.expect("this test needs Postgres: apt-get install postgresql");
    bin
}

/// A cluster as `initdb` makes it, made once for each account and version. Processes that race make one each, and one
/// of them wins the name.
fn template(bin: &Path, account: Account) -> PathBuf {
    let version = bin.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or("unknown");
    let template = std::env::temp_dir().join(format!("updraft-pg-template-{}-{version}", account.uid));
    if let Ok(found) = fs::metadata(&template) {
        assert_eq!(found.uid(), account.uid, "what others put at {} is not ours to run", template.display());
        return template;
    }
    let fresh = account.own(TempDir::with_prefix("updraft-pg-new-").expect("a temporary folder can be made").keep());
    let made = account
        .command(&bin.join("initdb"))
        .args(["--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--wal-segsize=1", "-U", ROLE, "-D"])
        .arg(&fresh)
        .output()
        .expect("initdb can be started");
    assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
    if fs::rename(&fresh, &template).is_err() {
        // Another process was first. A folder that is left over is only a little space lost.
        let _ = fs::remove_dir_all(&fresh);
    }
    template
}
