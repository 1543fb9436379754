//! What can be typed: clap types only.

mod import;
mod secrets;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use scheduler::store::callbacks::CallbackState;
use serde::Deserialize;
use uuid::Uuid;

pub use import::{ImportAirflowArgs, ImportCommand};
pub use secrets::{
    ConnectionArgs, ConnectionsCommand, ExportConnectionsArgs, ImportConnectionsArgs, ImportVariablesArgs,
    OnExistingKey, SecretFileFormat, Serialization, VariablesCommand,
};

/// A scheduler for pipelines that are configuration: DAGs in YAML, one binary, Airflow's REST API.
#[derive(Debug, Parser)]
#[command(name = "updraft", version, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: GlobalArgs,
    #[command(subcommand)]
    pub command: Command,
}

/// Settings that all commands share. A flag wins over its variable, the variable over `updraft.toml`.
#[derive(Debug, Clone, Default, Args)]
pub struct GlobalArgs {
    /// The folder of the database, the logs and the secrets [default: ~/.updraft]
    #[arg(long, env = "UPDRAFT_HOME", global = true, value_name = "FOLDER")]
    pub home: Option<PathBuf>,
    /// The settings file [default: ./updraft.toml, else updraft.toml in the home]
    #[arg(long, env = "UPDRAFT_CONFIG", global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The database: sqlite:///path or postgres://… [default: SQLite in the home]
    #[arg(long, env = "UPDRAFT_DATABASE_URL", global = true, value_name = "URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// The folder of DAG files, or s3://bucket/prefix, or git+https://host/repository.git#ref:subfolder [default: ./dags if
    /// it exists, else dags in the home]
    #[arg(long, env = "UPDRAFT_DAGS_FOLDER", global = true, value_name = "FOLDER")]
    pub dags_folder: Option<PathBuf>,
    /// Seconds between two looks at DAG files in S3 or git [default: 30]
    #[arg(long, env = "UPDRAFT_DAGS_REFRESH_SECS", global = true, value_name = "SECONDS", hide_short_help = true)]
    pub dags_refresh_secs: Option<u64>,
    /// How data is printed
    #[arg(long, global = true, value_enum, default_value_t = OutputFormat::Text)]
    pub output: OutputFormat,
}

/// How data is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start scheduler, executor and web server in one process
    Standalone(StandaloneArgs),
    /// Start a scheduler, which hands tasks out to workers; on Postgres, with as many others as you like
    Scheduler(SchedulerArgs),
    /// Start a worker, which runs the tasks that schedulers hand out; on Postgres
    Worker(WorkerArgs),
    /// Start a web server with the REST API and the UI; on Postgres
    ApiServer(ApiServerArgs),
    /// Work with DAGs
    #[command(subcommand)]
    Dags(DagsCommand),
    /// Work with runs
    #[command(subcommand)]
    Runs(RunsCommand),
    /// Work with task instances
    #[command(subcommand)]
    Tasks(TasksCommand),
    /// Run a DAG for dates in the past
    #[command(subcommand)]
    Backfill(BackfillCommand),
    /// Work with assets: data that tasks make and DAGs wait for
    #[command(subcommand)]
    Assets(AssetsCommand),
    /// Work with callbacks: what was told to whom, and what could not be
    #[command(subcommand)]
    Callbacks(CallbacksCommand),
    /// Work with pools: slots that task instances share
    #[command(subcommand)]
    Pools(PoolsCommand),
    /// Work with connections: where something outside is, and what it asks for
    #[command(subcommand)]
    Connections(ConnectionsCommand),
    /// Work with variables: values with names, for tasks
    #[command(subcommand)]
    Variables(VariablesCommand),
    /// Take over what another scheduler was given
    #[command(subcommand)]
    Import(ImportCommand),
    /// Answer SQL over files and Delta tables, here and without a server
    Sql(SqlArgs),
    /// Work with the database
    #[command(subcommand)]
    Db(DbCommand),
    /// Print the JSON Schema of DAG files, for editors
    Schema,
    /// Print the version
    Version,
    /// Ends what a killed Updraft left running; started by Updraft itself
    #[command(hide = true)]
    Guardian {
        /// What marks the processes
        identity: String,
    },
}

#[derive(Debug, Clone, Default, Args)]
pub struct StandaloneArgs {
    #[command(flatten)]
    pub web: WebArgs,
    #[command(flatten)]
    pub scheduling: SchedulingArgs,
    #[command(flatten)]
    pub tries: TryArgs,
    #[command(flatten)]
    pub logs: LogArgs,
}

#[derive(Debug, Clone, Default, Args)]
pub struct SchedulerArgs {
    #[command(flatten)]
    pub scheduling: SchedulingArgs,
    #[command(flatten)]
    pub logs: LogArgs,
}

#[derive(Debug, Clone, Default, Args)]
pub struct WorkerArgs {
    /// The queues to take tasks from, with commas between them [default: default]
    #[arg(long, env = "UPDRAFT_QUEUES", value_name = "QUEUES", value_delimiter = ',')]
    pub queues: Vec<String>,
    /// Most tasks at the same time [default: 16]
    #[arg(long, env = "UPDRAFT_WORKER_CONCURRENCY", value_name = "N")]
    pub concurrency: Option<u32>,
    #[command(flatten)]
    pub tries: TryArgs,
    #[command(flatten)]
    pub logs: LogArgs,
}

#[derive(Debug, Clone, Default, Args)]
pub struct ApiServerArgs {
    #[command(flatten)]
    pub web: WebArgs,
}

#[derive(Debug, Clone, Default, Args)]
pub struct WebArgs {
    /// The address to listen on [default: 127.0.0.1]
    #[arg(long, env = "UPDRAFT_HOST")]
    pub host: Option<String>,
    /// The port to listen on [default: 8080]
    #[arg(long, env = "UPDRAFT_PORT")]
    pub port: Option<u16>,
}

#[derive(Debug, Clone, Default, Args)]
pub struct SchedulingArgs {
    /// Most task instances at the same time [default: 32]
    #[arg(long, env = "UPDRAFT_PARALLELISM", value_name = "N")]
    pub parallelism: Option<usize>,
}

#[derive(Debug, Clone, Default, Args)]
pub struct TryArgs {
    /// Seconds that running tasks may go on after Ctrl-C [default: 10]
    #[arg(long, env = "UPDRAFT_GRACE_SECS", value_name = "SECONDS")]
    pub grace_secs: Option<u64>,
    /// Seconds that this process may be silent, on Postgres, before its tasks are run again elsewhere [default: 300]
    #[arg(long, env = "UPDRAFT_LEASE_SECS", value_name = "SECONDS")]
    pub lease_secs: Option<u64>,
}

#[derive(Debug, Clone, Default, Args)]
pub struct LogArgs {
    /// Where the logs of tasks are kept: below the home folder, or in the database, where every process of the installation
    /// reads them [default: files for `standalone`, else database]
    #[arg(long, env = "UPDRAFT_LOGS", value_name = "PLACE")]
    pub logs: Option<LogPlace>,
}

/// Where the logs of tasks are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogPlace {
    /// Below the home folder.
    Files,
    /// In the database.
    Database,
}

#[derive(Debug, Subcommand)]
pub enum CallbacksCommand {
    /// List callbacks with what became of them, the newest first
    List(CallbacksListArgs),
    /// Tell callbacks again that were given up, or that wait for another attempt
    Retry {
        /// Their ids
        #[arg(required_unless_present = "failed", conflicts_with = "failed", value_name = "ID")]
        ids: Vec<Uuid>,
        /// All that were given up
        #[arg(long)]
        failed: bool,
        /// Only those of this DAG
        #[arg(long, value_name = "DAG_ID", requires = "failed")]
        dag_id: Option<String>,
    },
}

#[derive(Debug, Args)]
pub struct CallbacksListArgs {
    /// Only those of this DAG
    pub dag_id: Option<String>,
    /// Only those of this run
    pub run_id: Option<String>,
    /// Only those in this state; may be given several times
    #[arg(long = "state", value_name = "STATE")]
    pub states: Vec<CallbackPlace>,
    /// At most so many
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub limit: u64,
}

/// Where a callback is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CallbackPlace {
    /// It waits for an attempt.
    Waiting,
    /// It was delivered.
    Delivered,
    /// It was given up.
    Failed,
}

impl From<CallbackPlace> for CallbackState {
    fn from(place: CallbackPlace) -> CallbackState {
        match place {
            CallbackPlace::Waiting => CallbackState::Waiting,
            CallbackPlace::Delivered => CallbackState::Delivered,
            CallbackPlace::Failed => CallbackState::Failed,
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum DagsCommand {
    /// List the DAGs
    List,
    /// Show a DAG: its schedule, params and tasks
    Show {
        /// The DAG
        dag_id: String,
    },
    /// Check DAG files, and say everything that is wrong with them
    Validate {
        /// Files or folders [default: the DAGs folder]
        paths: Vec<PathBuf>,
    },
    /// Make a run of a DAG
    Trigger(TriggerArgs),
    /// Stop scheduling a DAG
    Pause {
        /// The DAG
        dag_id: String,
    },
    /// Schedule a DAG
    Unpause {
        /// The DAG
        dag_id: String,
    },
    /// Delete a DAG whose file is gone, with its runs and all that is stored of them
    Delete {
        /// The DAG
        dag_id: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Show when a DAG runs next
    Next {
        /// The DAG
        dag_id: String,
        /// How many runs
        #[arg(short = 'n', long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
        count: u16,
    },
    /// Run a DAG file once, without a server
    Test(TestArgs),
    /// Show what the tasks of a DAG file would be given, and what they would send to Databricks
    Render(RenderArgs),
}

#[derive(Debug, Args)]
pub struct TriggerArgs {
    /// The DAG
    pub dag_id: String,
    /// What the run is given, as a JSON object
    #[arg(long, value_name = "JSON")]
    pub conf: Option<String>,
    /// The id of the run [default: made from the time]
    #[arg(long)]
    pub run_id: Option<String>,
    /// The logical date, as RFC 3339 [default: now]
    #[arg(long, value_name = "DATE")]
    pub logical_date: Option<String>,
    /// The partition that the run is about, of a DAG whose runs are about partitions
    #[arg(long, value_name = "KEY")]
    pub partition_key: Option<String>,
    /// A remark
    #[arg(long)]
    pub note: Option<String>,
    /// Wait until the run is over; exit code 1 when it failed
    #[arg(long)]
    pub wait: bool,
}

#[derive(Debug, Args)]
pub struct TestArgs {
    /// The DAG file
    pub file: PathBuf,
    /// Which DAG of the file [default: its only one]
    #[arg(long)]
    pub dag_id: Option<String>,
    /// What the run is given, as a JSON object
    #[arg(long, value_name = "JSON")]
    pub conf: Option<String>,
    /// The logical date, as RFC 3339 [default: now]
    #[arg(long, value_name = "DATE")]
    pub logical_date: Option<String>,
}

#[derive(Debug, Args)]
pub struct RenderArgs {
    #[command(flatten)]
    pub source: TestArgs,
    /// Only these tasks
    #[arg(long = "task", value_name = "TASK")]
    pub tasks: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub enum RunsCommand {
    /// List runs, newest first
    List {
        /// Only those of this DAG
        dag_id: Option<String>,
        /// How many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// Show a run and its task instances
    Show {
        /// The DAG
        dag_id: String,
        /// The run [default: the newest]
        run_id: Option<String>,
    },
    /// Let a run run again
    Clear {
        /// The DAG
        dag_id: String,
        /// The run
        run_id: String,
        /// Only what failed, itself or because of what was before it
        #[arg(long)]
        only_failed: bool,
        /// On the newest version of the DAG file rather than on that of the run; `=false`: on that of the run, whatever the DAG says
        #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
        latest_version: Option<bool>,
        /// Only say what would be cleared
        #[arg(long)]
        dry_run: bool,
    },
    /// Say how a run ended
    Mark {
        /// The DAG
        dag_id: String,
        /// The run
        run_id: String,
        /// How it ended
        #[arg(value_enum)]
        state: RunEnd,
    },
    /// Delete a run that does not run, with its task instances, tries and XComs
    Delete {
        /// The DAG
        dag_id: String,
        /// The run
        run_id: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

/// How a run ended, as a person says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RunEnd {
    Success,
    Failed,
}

/// How a task instance ended, as a person says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TaskEnd {
    Success,
    Failed,
    Skipped,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct ClearTasksArgs {
    /// The DAG
    pub dag_id: String,
    /// The run
    pub run_id: String,
    /// Tasks or groups; `task[3]` is one instance of a mapped task [default: all]
    #[arg(value_name = "TASK")]
    pub tasks: Vec<String>,
    /// Everything that they wait for, too
    #[arg(long)]
    pub upstream: bool,
    /// Everything that waits for them, too
    #[arg(long)]
    pub downstream: bool,
    /// The same in all runs with an earlier logical date
    #[arg(long)]
    pub past: bool,
    /// The same in all runs with a later logical date
    #[arg(long)]
    pub future: bool,
    /// Only what failed, itself or because of what was before it
    #[arg(long)]
    pub only_failed: bool,
    /// On the newest version of the DAG file rather than on that of the run; `=false`: on that of the run, whatever the DAG says
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub latest_version: Option<bool>,
    /// Only say what would be cleared
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct MarkTasksArgs {
    /// The DAG
    pub dag_id: String,
    /// The run
    pub run_id: String,
    /// Tasks or groups; `task[3]` is one instance of a mapped task
    #[arg(value_name = "TASK", required = true)]
    pub tasks: Vec<String>,
    /// How they ended
    #[arg(value_enum)]
    pub state: TaskEnd,
    /// Everything that they wait for, too
    #[arg(long)]
    pub upstream: bool,
    /// Everything that waits for them, too
    #[arg(long)]
    pub downstream: bool,
    /// The same in all runs with an earlier logical date
    #[arg(long)]
    pub past: bool,
    /// The same in all runs with a later logical date
    #[arg(long)]
    pub future: bool,
    /// A remark
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Only say what would be marked
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub enum TasksCommand {
    /// Print the log of a task
    Logs {
        /// The DAG
        dag_id: String,
        /// The run
        run_id: String,
        /// The task; `task[3]` is one instance of a mapped task
        #[arg(value_name = "TASK")]
        task_id: String,
        /// Which try [default: the last]
        #[arg(long, value_name = "N")]
        try_number: Option<u32>,
    },
    /// List the task instances of a run
    List {
        /// The DAG
        dag_id: String,
        /// The run
        run_id: String,
    },
    /// Let task instances run again
    Clear(ClearTasksArgs),
    /// Say how task instances ended
    Mark(MarkTasksArgs),
    /// List what waits for a person to answer
    Questions {
        /// Only of this DAG
        dag_id: Option<String>,
    },
    /// Approve what a task asks for
    Approve(RespondArgs),
    /// Reject what a task asks for
    Reject(RespondArgs),
    /// Answer what a task asks
    Respond {
        #[command(flatten)]
        to: RespondArgs,
        /// An option; may be repeated
        #[arg(long = "choose", value_name = "OPTION", required = true)]
        chosen: Vec<String>,
    },
    /// Say why task instances do not run, and what would help
    Why {
        /// The DAG
        dag_id: String,
        /// The run
        run_id: String,
        /// Only this task
        task_id: Option<String>,
    },
}

/// Whom to answer, and who does.
#[derive(Debug, Args)]
pub struct RespondArgs {
    /// The DAG
    pub dag_id: String,
    /// The run
    pub run_id: String,
    /// The task; `task[3]` is one instance of a mapped task
    #[arg(value_name = "TASK")]
    pub task_id: String,
    /// What else is asked for, as `name=value`; may be repeated
    #[arg(long = "param", value_name = "NAME=VALUE")]
    pub params: Vec<String>,
    /// Who answers
    #[arg(long, env = "USER", value_name = "NAME", default_value = "cli", hide_env_values = true)]
    pub user: String,
}

#[derive(Debug, Subcommand)]
pub enum AssetsCommand {
    /// List the assets: who makes each, and who waits for it
    List {
        /// Only those that this DAG names
        #[arg(long, value_name = "DAG")]
        dag_id: Option<String>,
    },
    /// Show an asset, and for which DAGs it is queued
    #[command(alias = "details")]
    Show {
        /// Its name, its URI or its number
        asset: String,
    },
    /// List updates of assets, newest first, with the runs that were made for them
    Events {
        /// Only of this asset, by its name, its URI or its number
        asset: Option<String>,
        /// Most updates
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: u32,
    },
    /// Say that an asset was updated; DAGs that wait for it run
    Emit {
        /// Its name, its URI or its number
        asset: String,
        /// What there is to know of the update, as a JSON object
        #[arg(long, value_name = "JSON")]
        extra: Option<String>,
    },
    /// Have an asset made, by a run of the DAG that makes it
    Materialize(MaterializeArgs),
}

#[derive(Debug, Args)]
pub struct MaterializeArgs {
    /// Its name, its URI or its number
    pub asset: String,
    /// What the run is given, as a JSON object
    #[arg(long, value_name = "JSON")]
    pub conf: Option<String>,
    /// The id of the run [default: made up]
    #[arg(long, value_name = "ID")]
    pub run_id: Option<String>,
    /// A remark on the run
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum PoolsCommand {
    /// List the pools, and what of each is taken
    List,
    /// Show a pool
    Get {
        /// The pool
        name: String,
    },
    /// Make a pool, or change one
    Set(SetPoolArgs),
    /// Delete a pool; tasks that name it do not start any more
    Delete {
        /// The pool
        name: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub struct SetPoolArgs {
    /// The pool
    pub name: String,
    /// How many slots it has; -1 for no end of them
    #[arg(allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-1..))]
    pub slots: i32,
    /// What it is for [default: as it is]
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// Whether deferred task instances take slots, too [default: as it is, else false]
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    pub include_deferred: Option<bool>,
}

#[derive(Debug, Subcommand)]
pub enum BackfillCommand {
    /// Run every date of a range; the server does it, as far as the backfill's limit allows
    Create(CreateBackfillArgs),
    /// List backfills, newest first
    List {
        /// Only those of this DAG
        dag_id: Option<String>,
    },
    /// Stop the queued runs of a backfill from beginning
    Pause {
        /// The backfill
        id: i64,
    },
    /// Let the queued runs of a backfill begin
    Unpause {
        /// The backfill
        id: i64,
    },
    /// End a backfill: what runs goes on, what is queued fails
    Cancel {
        /// The backfill
        id: i64,
    },
}

#[derive(Debug, Args)]
pub struct CreateBackfillArgs {
    /// The DAG
    pub dag_id: String,
    /// The first logical date, as RFC 3339
    #[arg(long, value_name = "DATE")]
    pub from_date: String,
    /// The last logical date, inclusive, as RFC 3339
    #[arg(long, value_name = "DATE")]
    pub to_date: String,
    /// Newest date first
    #[arg(long)]
    pub run_backwards: bool,
    /// What its runs are given, as a JSON object
    #[arg(long, value_name = "JSON")]
    pub conf: Option<String>,
    /// What happens to dates that have a run
    #[arg(long, value_enum, default_value_t = ReprocessBehavior::None)]
    pub reprocess_behavior: ReprocessBehavior,
    /// Most of its runs at the same time
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_active_runs: u32,
    /// Runs that are reused keep the version of the DAG that they had; `=false`: they take the newest, whatever the DAG says
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub keep_version: Option<bool>,
    /// Only say what would be run
    #[arg(long)]
    pub dry_run: bool,
    /// Wait until it is over, with progress; exit code 1 when a run failed
    #[arg(long)]
    pub wait: bool,
}

/// What happens to dates that have a run already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReprocessBehavior {
    /// It is left as it is
    None,
    /// It runs again when it failed
    Failed,
    /// It runs again when it is over
    Completed,
}

#[derive(Debug, Args)]
pub struct SqlArgs {
    /// Statements in Spark's SQL, with `;` between them; the last query is the answer
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    pub sql: Option<String>,
    /// A file that holds the statements; `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// A table: its name, and the file, folder, pattern or Delta table that it is, here or in S3
    #[arg(long = "table", value_name = "NAME=PATH", value_parser = pair)]
    pub tables: Vec<(String, String)>,
    /// The value of `:name` in the SQL: a number, a boolean, a list as JSON, or else text
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = pair)]
    pub parameters: Vec<(String, String)>,
    /// How the answer is printed [default: table; json with --output json]
    #[arg(long, value_enum)]
    pub format: Option<RowFormat>,
    /// Write the answer instead of printing it: to a file ending in .csv, .jsonl or .parquet, or into a Delta table
    #[arg(long, value_name = "PATH", conflicts_with = "format")]
    pub into: Option<String>,
    /// Memory for joining, grouping and sorting before they spill to disk [default: 1GB]
    #[arg(long, value_name = "SIZE")]
    pub memory_limit: Option<operators::memory::MemoryLimit>,
}

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RowFormat {
    /// Columns side by side, for people
    Table,
    /// Text with commas
    Csv,
    /// One JSON array of objects
    Json,
    /// A JSON object a line
    Jsonl,
}

/// What stands on both sides of the first `=`.
fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

#[derive(Debug, Subcommand)]
pub enum DbCommand {
    /// Bring the schema up to date
    Migrate,
    /// Remove history: runs that were over before a date, their logs, the audit log, unused versions of DAGs
    Clean(CleanArgs),
    /// Encrypt all secrets with the first key of UPDRAFT_SECRET_KEY, so that the others can be forgotten
    RotateKey {
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub struct CleanArgs {
    /// What was over before, as RFC 3339 or as a day
    #[arg(long, value_name = "DATE", required_unless_present = "older_than", conflicts_with = "older_than")]
    pub before: Option<String>,
    /// What has been over for so long: `90d`, `6 months`
    #[arg(long, value_name = "LENGTH")]
    pub older_than: Option<String>,
    /// Only say what would be removed
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_commands_are_consistent() {
        super::Cli::command().debug_assert();
    }
}
