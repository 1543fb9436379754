//! What can be typed about connections and variables, with the option names of Airflow.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub enum ConnectionsCommand {
    /// List the connections that are kept in the database, without their secrets
    List,
    /// Show a connection, wherever it is kept
    Get {
        /// The connection
        conn_id: String,
        /// Show its secrets, too
        #[arg(long)]
        show_secrets: bool,
    },
    /// Make a connection
    Add(ConnectionArgs),
    /// Change the parts of a connection that are named, or make it
    Set {
        #[command(flatten)]
        connection: ConnectionArgs,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Delete a connection
    Delete {
        /// The connection
        conn_id: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Try whether a connection works
    Test {
        /// The connection
        conn_id: String,
    },
    /// Write all connections into a file, with their secrets in plain text
    Export(ExportConnectionsArgs),
    /// Read connections from a file that `export`, or that of Airflow, has written
    Import(ImportConnectionsArgs),
}

#[derive(Debug, Args)]
pub struct ImportConnectionsArgs {
    /// The file: .json, .yaml or .env
    pub file: PathBuf,
    /// Also those that are there already
    #[arg(long)]
    pub overwrite: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// A connection: all at once as a URI or JSON, or part by part. `-` reads a value from standard input.
#[derive(Debug, Args)]
pub struct ConnectionArgs {
    /// What tasks call it
    pub conn_id: String,
    /// All of it as a URI: conn-type://login:password@host:port/schema?key=value
    #[arg(long, value_name = "URI", conflicts_with_all = ["conn_json", "conn_type", "conn_host", "conn_login", "conn_password", "conn_schema", "conn_port", "conn_extra"])]
    pub conn_uri: Option<String>,
    /// All of it as JSON
    #[arg(long, value_name = "JSON", conflicts_with_all = ["conn_type", "conn_host", "conn_login", "conn_password", "conn_schema", "conn_port", "conn_extra"])]
    pub conn_json: Option<String>,
    /// What it leads to, such as postgres or databricks
    #[arg(long, value_name = "TYPE")]
    pub conn_type: Option<String>,
    /// For people
    #[arg(long, value_name = "TEXT")]
    pub conn_description: Option<String>,
    /// The name or address of the other side
    #[arg(long, value_name = "HOST")]
    pub conn_host: Option<String>,
    /// Who we are there
    #[arg(long, value_name = "LOGIN")]
    pub conn_login: Option<String>,
    /// How we show it; `-` reads it from standard input, where it is not seen in the list of processes
    #[arg(long, value_name = "PASSWORD", allow_hyphen_values = true)]
    pub conn_password: Option<String>,
    /// Which database, bucket or scheme there
    #[arg(long, value_name = "SCHEMA")]
    pub conn_schema: Option<String>,
    /// The port there
    #[arg(long, value_name = "PORT")]
    pub conn_port: Option<u16>,
    /// Whatever else it takes, as a JSON object
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    pub conn_extra: Option<String>,
}

#[derive(Debug, Args)]
pub struct ExportConnectionsArgs {
    /// The file; `-` is standard output
    pub file: PathBuf,
    /// In which form [default: that of the file's name, else json]
    #[arg(long, visible_alias = "format", value_enum)]
    pub file_format: Option<SecretFileFormat>,
    /// How .env files say a connection
    #[arg(long, value_enum, default_value_t = Serialization::Uri)]
    pub serialization_format: Serialization,
}

/// The form of a file of connections or variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SecretFileFormat {
    Json,
    Yaml,
    Env,
}

/// How a connection is written on one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Serialization {
    Uri,
    Json,
}

#[derive(Debug, Subcommand)]
pub enum VariablesCommand {
    /// List the variables that are kept in the database
    List,
    /// Print the value of a variable, wherever it is kept
    Get {
        /// The variable
        key: String,
        /// What to print when there is none
        #[arg(short, long, value_name = "VALUE")]
        default: Option<String>,
        /// Read the value as JSON
        #[arg(short, long)]
        json: bool,
    },
    /// Make a variable, or change its value
    Set {
        /// The variable
        key: String,
        /// The value; `-` reads it from standard input
        #[arg(allow_hyphen_values = true)]
        value: String,
        /// For people
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        /// The value must be JSON
        #[arg(short, long)]
        json: bool,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Delete a variable
    Delete {
        /// The variable
        key: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Write all variables into a file, in plain text
    Export {
        /// The file; `-` is standard output
        file: PathBuf,
    },
    /// Read variables from a file that `export`, or that of Airflow, has written
    Import(ImportVariablesArgs),
}

#[derive(Debug, Args)]
pub struct ImportVariablesArgs {
    /// The file: .json, .yaml or .env
    pub file: PathBuf,
    /// What to do with those that are there already
    #[arg(short, long, value_enum, default_value_t = OnExistingKey::Overwrite)]
    pub action_on_existing_key: OnExistingKey,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// What to do with a variable that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnExistingKey {
    Overwrite,
    Fail,
    Skip,
}
