//! The Python environment with `tests/requirements.txt`: peers that read what Updraft writes.

use std::path::PathBuf;
use std::process::Command;

/// A program of the environment `.venv` of the repository, or of the one that `UPDRAFT_TEST_VENV` names.
pub fn tool(name: &str) -> PathBuf {
    let environment =
        std::env::var_os("UPDRAFT_TEST_VENV").map_or_else(|| crate::support::repository().join(".venv"), PathBuf::from);
    let tool = environment.join("bin").join(name);
    assert!(
        tool.is_file(),
        "{} is missing: `make test` installs it, or type \
         `python3 -m venv .venv && .venv/bin/pip install -r tests/requirements.txt`",
        tool.display()
    );
    tool
}

/// Runs a program with arguments and variables. Answers with what it printed.
pub fn run(args: &[&str], variables: &[(&str, &str)]) -> String {
    let output = Command::new(tool("python")).args(args).envs(variables.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The columns of a Delta table as JSON, name first, read by the package `deltalake`. Times are ISO text.
pub fn read_delta(location: &str, order_by: &str, variables: &[(&str, &str)]) -> serde_json::Value {
    let code = "
import deltalake, json, sys
table = deltalake.DeltaTable(sys.argv[1])
rows = deltalake.QueryBuilder().register('t', table).execute(f'SELECT * FROM t ORDER BY {sys.argv[2]}').read_all()
columns = [[name, [value.as_py() for value in rows.column(name)]] for name in rows.schema.names]
print(json.dumps({'version': table.version(), 'columns': columns}, default=lambda value: value.isoformat()))
";
    serde_json::from_str(&run(&["-c", code, location, order_by], variables)).unwrap()
}
