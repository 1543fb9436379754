//! `updraft connections`.

use std::path::Path;

use scheduler::connection::{Connection, Secret, masked, test};
use scheduler::control::ConnectionPatch;
use scheduler::store::connections;
use serde_json::{Value, json};

use super::clear::agreed;
use super::installation::Installation;
use super::secret_files::{format_of, read_connections, save, typed, write_connections};
use crate::cli::{ConnectionArgs, ConnectionsCommand, ExportConnectionsArgs, ImportConnectionsArgs, SecretFileFormat};
use crate::config::Config;
use crate::output::{self, Output};
use crate::report::{BadInput, Status};

/// Runs the command.
pub async fn run(command: ConnectionsCommand, config: Config, output: Output) -> anyhow::Result<Status> {
    let installation = Installation::open(config).await?;
    match command {
        ConnectionsCommand::List => list(&installation, output).await,
        ConnectionsCommand::Get { conn_id, show_secrets } => get(&installation, &conn_id, show_secrets, output).await,
        ConnectionsCommand::Add(args) => add(&installation, args, output).await,
        ConnectionsCommand::Set { connection, yes } => set(&installation, connection, yes, output).await,
        ConnectionsCommand::Delete { conn_id, yes } => delete(&installation, &conn_id, yes, output).await,
        ConnectionsCommand::Test { conn_id } => try_out(&installation, &conn_id, output).await,
        ConnectionsCommand::Export(args) => export(&installation, &args).await,
        ConnectionsCommand::Import(ImportConnectionsArgs { file, overwrite, yes }) => {
            import(&installation, &file, overwrite, yes, output).await
        }
    }
}

async fn list(installation: &Installation, output: Output) -> anyhow::Result<Status> {
    let rows = connections::list(installation.db.read()).await?;
    let data: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "conn_id": row.conn_id,
                "conn_type": row.conn_type,
                "description": row.description,
                "host": row.host,
                "login": row.login,
                "schema": row.schema,
                "port": row.port,
            })
        })
        .collect();
    output.print(&data, |data| {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let cell = |value: &Value| if value.is_null() { String::new() } else { text(value) };
        let names = ["conn_id", "conn_type", "host", "port", "schema", "login", "description"];
        let rows: Vec<Vec<String>> =
            data.iter().map(|row| names.iter().map(|name| cell(&row[name])).collect()).collect();
        output::table(&["CONNECTION", "TYPE", "HOST", "PORT", "SCHEMA", "LOGIN", ""], &rows)
    })?;
    Ok(Status::Done)
}

/// The connection, wherever it is kept, and the name of the place.
async fn find(installation: &Installation, conn_id: &str) -> anyhow::Result<(Connection, String)> {
    let found = installation.secrets.find_connection(conn_id).await?;
    let found = found.ok_or_else(|| {
        BadInput::new(format!("there is no connection `{conn_id}`"))
            .hint(format!("make it with `updraft connections add {conn_id} …`"))
    })?;
    Ok((found.0, found.1.to_owned()))
}

async fn get(installation: &Installation, conn_id: &str, plain: bool, output: Output) -> anyhow::Result<Status> {
    let (connection, place) = find(installation, conn_id).await?;
    let fields = Value::Object(connection.to_json());
    let mut data = json!({ "conn_id": conn_id });
    let shown = if plain { fields } else { masked("", &fields) };
    if let (Some(data), Value::Object(shown)) = (data.as_object_mut(), shown) {
        data.extend(shown);
        data.insert("kept_in".to_owned(), Value::from(place));
    }
    output.print(&data, |data| {
        let lines = data.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
        lines
            .map(|(name, value)| {
                format!("{name}: {}\n", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            })
            .collect()
    })?;
    Ok(Status::Done)
}

async fn add(installation: &Installation, args: ConnectionArgs, output: Output) -> anyhow::Result<Status> {
    let conn_id = args.conn_id.clone();
    let connection = patch_of(args)?.onto(Connection::new(&conn_id, ""));
    if connection.conn_type.is_empty() {
        let hint = "say it with --conn-type, or all of it with --conn-uri or --conn-json";
        return Err(BadInput::new("the connection has no type").hint(hint).into());
    }
    installation.control.create_connection(&connection, None).await?;
    output.print(&json!({ "added": conn_id }), |_| format!("{conn_id}  added"))?;
    Ok(Status::Done)
}

async fn set(installation: &Installation, args: ConnectionArgs, yes: bool, output: Output) -> anyhow::Result<Status> {
    if connections::find(installation.db.read(), &args.conn_id).await?.is_none() {
        return add(installation, args, output).await;
    }
    let conn_id = args.conn_id.clone();
    if !yes && !agreed(&format!("change the connection `{conn_id}`?"), "whether to change the connection")? {
        return Ok(Status::Done);
    }
    installation.control.patch_connection(&conn_id, patch_of(args)?, None).await?;
    output.print(&json!({ "changed": conn_id }), |_| format!("{conn_id}  changed"))?;
    Ok(Status::Done)
}

/// What was typed. A URI or JSON says all of a connection.
fn patch_of(args: ConnectionArgs) -> anyhow::Result<ConnectionPatch> {
    let optional = |text: String| Some(text).filter(|text| !text.is_empty());
    let description = args.conn_description.map(optional);
    if let Some(text) = args.conn_uri.or(args.conn_json) {
        let connection = Connection::parse(&args.conn_id, &typed(text)?)
            .map_err(|problem| BadInput::new(format!("that is no connection: {problem}")))?;
        let patch = ConnectionPatch::replacing_all(connection);
        return Ok(ConnectionPatch { description: description.or(patch.description), ..patch });
    }
    let extra = args.conn_extra.map(typed).transpose()?;
    let extra = extra.map(|text| Connection::parse_extra(&text)).transpose();
    Ok(ConnectionPatch {
        conn_type: args.conn_type,
        description,
        host: args.conn_host.map(optional),
        login: args.conn_login.map(optional),
        password: args.conn_password.map(typed).transpose()?.map(|text| optional(text).map(Secret::new)),
        schema: args.conn_schema.map(optional),
        port: args.conn_port.map(Some),
        extra: extra.map_err(|problem| BadInput::new(format!("--conn-extra: {problem}")))?,
    })
}

async fn delete(installation: &Installation, conn_id: &str, yes: bool, output: Output) -> anyhow::Result<Status> {
    connections::get(installation.db.read(), conn_id).await?;
    let question = format!("delete the connection `{conn_id}`? Tasks that use it will fail.");
    if !yes && !agreed(&question, "whether to delete the connection")? {
        return Ok(Status::Done);
    }
    installation.control.delete_connection(conn_id, None).await?;
    output.print(&json!({ "deleted": conn_id }), |_| format!("{conn_id}  deleted"))?;
    Ok(Status::Done)
}

async fn try_out(installation: &Installation, conn_id: &str, output: Output) -> anyhow::Result<Status> {
    let (connection, _) = find(installation, conn_id).await?;
    let tested = test(installation.catalog.registry(), &connection).await;
    let (works, message) = match &tested {
        Ok(message) => (true, message.clone()),
        Err(problem) => (false, problem.clone()),
    };
    let data = json!({ "conn_id": conn_id, "status": works, "message": message });
    output.print(&data, |_| format!("{conn_id}  {}: {message}", if works { "works" } else { "does not work" }))?;
    Ok(if works { Status::Done } else { Status::RunFailed })
}

async fn export(installation: &Installation, args: &ExportConnectionsArgs) -> anyhow::Result<Status> {
    let format = args.file_format.or_else(|| format_of(&args.file)).unwrap_or(SecretFileFormat::Json);
    let rows = connections::list(installation.db.read()).await?;
    let opened: Result<Vec<Connection>, _> =
        rows.iter().map(|row| connections::open(row, installation.control.keyring())).collect();
    save(&args.file, &write_connections(&opened?, format, args.serialization_format))?;
    Ok(Status::Done)
}

async fn import(
    installation: &Installation,
    file: &Path,
    overwrite: bool,
    yes: bool,
    output: Output,
) -> anyhow::Result<Status> {
    let read = read_connections(file)?;
    let known: Vec<String> =
        connections::list(installation.db.read()).await?.into_iter().map(|row| row.conn_id).collect();
    let replaced: Vec<&str> = read
        .iter()
        .map(|connection| connection.conn_id.as_str())
        .filter(|id| known.iter().any(|known| known == id))
        .collect();
    let question = format!("replace the connections {}?", replaced.join(", "));
    if overwrite && !yes && !replaced.is_empty() && !agreed(&question, "whether to replace connections")? {
        return Ok(Status::Done);
    }
    let (mut imported, mut skipped) = (Vec::new(), Vec::new());
    for connection in read {
        let conn_id = connection.conn_id.clone();
        match (known.contains(&conn_id), overwrite) {
            (false, _) => {
                installation.control.create_connection(&connection, None).await?;
            }
            (true, true) => {
                let patch = ConnectionPatch::replacing_all(connection);
                installation.control.patch_connection(&conn_id, patch, None).await?;
            }
            (true, false) => {
                skipped.push(conn_id);
                continue;
            }
        }
        imported.push(conn_id);
    }
    output.print(&json!({ "imported": imported, "skipped": skipped }), |_| {
        let mut lines: Vec<String> = imported.iter().map(|conn_id| format!("{conn_id}  imported")).collect();
        lines.extend(skipped.iter().map(|conn_id| format!("{conn_id}  is there already; replace it with --overwrite")));
        if lines.is_empty() { "the file holds no connections".to_owned() } else { lines.join("\n") }
    })?;
    Ok(Status::Done)
}
