//! A MariaDB server of one test, on a socket in a temporary folder.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Where Debian's package has the statements that make a server's own tables.
const SYSTEM_TABLES: &str = "/usr/share/mysql";

/// What a user may do, and the password that nobody should read.
pub const PASSWORD: &str = "hush/hush @1";

/// A running server. It ends when this value is dropped.
pub struct MariaDb {
    child: Child,
    folder: TempDir,
}

impl MariaDb {
    /// Starts one, with the database `pinterest_data` and a user `reader` who may do everything in it.
    pub fn start() -> MariaDb {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("data")).unwrap();
        let mut bootstrap = "CREATE DATABASE mysql;\nUSE mysql;\n".to_owned();
        for name in ["mysql_system_tables", "mysql_performance_tables", "mysql_system_tables_data"] {
            let file = format!("{SYSTEM_TABLES}/{name}.sql");
            let text = std::fs::read_to_string(&file);
            bootstrap += &text.unwrap_or_else(|error| panic!("{file}: {error}; apt-get install mariadb-server-core"));
        }
        std::fs::write(path("bootstrap.sql"), bootstrap).unwrap();
        let made = server(folder.path())
            .arg("--bootstrap")
            .stdin(std::fs::File::open(path("bootstrap.sql")).unwrap())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let init = format!(
            "CREATE DATABASE pinterest_data CHARACTER SET utf8mb4;\n\
             CREATE USER 'reader'@'%' IDENTIFIED BY '{PASSWORD}';\n\
             GRANT ALL ON pinterest_data.* TO 'reader'@'%';\n"
        );
        std::fs::write(path("init.sql"), init).unwrap();
        let mut child = server(folder.path())
            .arg(format!("--init-file={}", path("init.sql").display()))
            .arg(format!("--socket={}", path("socket").display()))
            .args(["--skip-networking", "--pid-file=pid"])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let said: Vec<String> = lines.by_ref().take_while(|line| !line.contains("ready for connections")).collect();
        let running = child.try_wait().unwrap().is_none();
        assert!(running, "{}", said.join("\n"));
        // It must not block on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        MariaDb { child, folder }
    }

    /// How SQLAlchemy would write where it is, without the password.
    pub fn url(&self) -> String {
        let socket = self.folder.path().join("socket").display().to_string();
        format!("mysql+pymysql://reader@localhost/pinterest_data?socket={socket}")
    }
}

fn server(folder: &Path) -> Command {
    let mut command = Command::new("mariadbd");
    command.args(["--no-defaults", "--innodb-log-file-size=4M", "--innodb-flush-log-at-trx-commit=0"]);
    command.arg(format!("--datadir={}", folder.join("data").display())).arg(format!("--tmpdir={}", folder.display()));
    // It refuses to run as root unless it is told to.
    if rustix::process::geteuid().is_root() {
        command.arg("--user=root");
    }
    command
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
