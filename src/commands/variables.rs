//! `updraft variables`.

use std::path::Path;

use scheduler::connection::{MASK, is_sensitive};
use scheduler::control::VariablePatch;
use scheduler::store::variables;
use serde_json::{Value, json};

use super::clear::agreed;
use super::installation::Installation;
use super::secret_files::{FileVariable, format_of, read_variables, save, typed, write_variables};
use crate::cli::{ImportVariablesArgs, OnExistingKey, SecretFileFormat, VariablesCommand};
use crate::config::Config;
use crate::output::{self, Output};
use crate::report::{BadInput, Status};

/// Runs the command.
pub async fn run(command: VariablesCommand, config: Config, output: Output) -> anyhow::Result<Status> {
    let installation = Installation::open(config).await?;
    match command {
        VariablesCommand::List => list(&installation, output).await,
        VariablesCommand::Get { key, default, json } => get(&installation, &key, default, json, output).await,
        VariablesCommand::Set { key, value, description, json, yes } => {
            let new = FileVariable { key, value: typed(value)?, description };
            set(&installation, new, json, yes, output).await
        }
        VariablesCommand::Delete { key, yes } => delete(&installation, &key, yes, output).await,
        VariablesCommand::Export { file } => export(&installation, &file).await,
        VariablesCommand::Import(ImportVariablesArgs { file, action_on_existing_key, yes }) => {
            import(&installation, &file, action_on_existing_key, yes, output).await
        }
    }
}

async fn list(installation: &Installation, output: Output) -> anyhow::Result<Status> {
    let rows = variables::list(installation.db.read()).await?;
    let data: Vec<Value> = rows.iter().map(|row| json!({ "key": row.key, "description": row.description })).collect();
    output.print(&data, |data| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let rows: Vec<Vec<String>> =
            data.iter().map(|row| vec![text(&row["key"]), text(&row["description"])]).collect();
        output::table(&["VARIABLE", ""], &rows)
    })?;
    Ok(Status::Done)
}

async fn get(
    installation: &Installation,
    key: &str,
    default: Option<String>,
    is_json: bool,
    output: Output,
) -> anyhow::Result<Status> {
    let found = installation.secrets.find_variable(key).await?.map(|(value, _)| value);
    let value = found.or(default).ok_or_else(|| {
        BadInput::new(format!("there is no variable `{key}`"))
            .hint(format!("make it with `updraft variables set {key} …`, or say what else with --default"))
    })?;
    let data = if is_json { parsed(key, &value)? } else { Value::from(value.as_str()) };
    output.print(&data, |_| if is_json { data.to_string() } else { value.clone() })?;
    Ok(Status::Done)
}

fn parsed(key: &str, value: &str) -> anyhow::Result<Value> {
    serde_json::from_str(value).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        BadInput::new(format!("the value of `{key}` is no JSON: {place} cannot be read")).into()
    })
}

async fn set(
    installation: &Installation,
    new: FileVariable,
    is_json: bool,
    yes: bool,
    output: Output,
) -> anyhow::Result<Status> {
    if is_json {
        parsed(&new.key, &new.value)?;
    }
    let key = new.key.clone();
    let is_there = variables::find(installation.db.read(), &key).await?.is_some();
    if is_there && !yes && !agreed(&format!("replace the value of `{key}`?"), "whether to replace the value")? {
        return Ok(Status::Done);
    }
    keep(installation, new, is_there).await?;
    output.print(&json!({ "set": key }), |_| format!("{key}  set"))?;
    Ok(Status::Done)
}

async fn keep(installation: &Installation, new: FileVariable, is_there: bool) -> anyhow::Result<()> {
    let FileVariable { key, value, description } = new;
    if is_there {
        let patch = VariablePatch { value: Some(value), description: description.map(Some) };
        installation.control.patch_variable(&key, patch, None).await?;
    } else {
        installation.control.create_variable(&key, &value, description.as_deref(), None).await?;
    }
    Ok(())
}

async fn delete(installation: &Installation, key: &str, yes: bool, output: Output) -> anyhow::Result<Status> {
    variables::get(installation.db.read(), key).await?;
    let question = format!("delete the variable `{key}`? Tasks that use it will fail.");
    if !yes && !agreed(&question, "whether to delete the variable")? {
        return Ok(Status::Done);
    }
    installation.control.delete_variable(key, None).await?;
    output.print(&json!({ "deleted": key }), |_| format!("{key}  deleted"))?;
    Ok(Status::Done)
}

async fn export(installation: &Installation, file: &Path) -> anyhow::Result<Status> {
    let mut all = Vec::new();
    for row in variables::list(installation.db.read()).await? {
        let value = variables::open(&row, installation.control.keyring())?;
        all.push(FileVariable { key: row.key, value, description: row.description });
    }
    save(file, &write_variables(&all, format_of(file).unwrap_or(SecretFileFormat::Json))?)?;
    Ok(Status::Done)
}

async fn import(
    installation: &Installation,
    file: &Path,
    on_existing: OnExistingKey,
    yes: bool,
    output: Output,
) -> anyhow::Result<Status> {
    let read = read_variables(file)?;
    let known: Vec<String> = variables::list(installation.db.read()).await?.into_iter().map(|row| row.key).collect();
    let there: Vec<&str> = read
        .iter()
        .map(|variable| variable.key.as_str())
        .filter(|key| known.iter().any(|known| known == key))
        .collect();
    if on_existing == OnExistingKey::Fail && !there.is_empty() {
        return Err(BadInput::new(format!("there are already: {}", there.join(", ")))
            .hint("leave them out with --action-on-existing-key skip")
            .into());
    }
    let asks = on_existing == OnExistingKey::Overwrite && !yes && !there.is_empty();
    let question = format!("replace the values of {}?", there.join(", "));
    if asks && !agreed(&question, "whether to replace values")? {
        return Ok(Status::Done);
    }
    let masked: Vec<&str> =
        read.iter().filter(|new| new.value == MASK && is_sensitive(&new.key)).map(|new| new.key.as_str()).collect();
    if !masked.is_empty() {
        return Err(BadInput::new(format!(
            "`{}` is `***`: the file holds what was shown, not what is kept",
            masked.join("`, `")
        ))
        .into());
    }
    let (mut imported, mut skipped) = (Vec::new(), Vec::new());
    for variable in read {
        let key = variable.key.clone();
        let is_there = known.contains(&key);
        if is_there && on_existing == OnExistingKey::Skip {
            skipped.push(key);
            continue;
        }
        keep(installation, variable, is_there).await?;
        imported.push(key);
    }
    output.print(&json!({ "imported": imported, "skipped": skipped }), |_| {
        let mut lines: Vec<String> = imported.iter().map(|key| format!("{key}  imported")).collect();
        lines.extend(skipped.iter().map(|key| format!("{key}  is there already")));
        if lines.is_empty() { "the file holds no variables".to_owned() } else { lines.join("\n") }
    })?;
    Ok(Status::Done)
}
