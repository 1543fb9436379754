//! `updraft pools`.

use std::collections::HashMap;

use scheduler::control::{ControlError, PoolPatch};
use scheduler::store::entity::pool;
use scheduler::store::pools::{self, PoolSettings, SlotUse};
use serde_json::{Value, json};

use super::installation::Installation;
use crate::cli::{PoolsCommand, SetPoolArgs};
use crate::config::Config;
use crate::output::{self, Output};
use crate::report::{BadInput, Status};
use crate::terminal;

/// Runs the command.
pub async fn run(command: PoolsCommand, config: Config, output: Output) -> anyhow::Result<Status> {
    let installation = Installation::open(config).await?;
    match command {
        PoolsCommand::List => list(&installation, output).await,
        PoolsCommand::Get { name } => get(&installation, &name, output).await,
        PoolsCommand::Set(args) => set(&installation, args, output).await,
        PoolsCommand::Delete { name, yes } => delete(&installation, &name, yes, output).await,
    }
}

async fn list(installation: &Installation, output: Output) -> anyhow::Result<Status> {
    let rows = pools::list(installation.db.read()).await?;
    let taken = pools::slot_use(installation.db.read()).await?;
    let data: Vec<Value> = rows.iter().map(|pool| view(pool, &taken)).collect();
    output.print(&data, |data| {
        let rows: Vec<Vec<String>> = data
            .iter()
            .map(|pool| {
                let text = |key: &str| pool[key].as_str().map_or_else(|| pool[key].to_string(), str::to_owned);
                let description = pool["description"].as_str().unwrap_or_default().to_owned();
                vec![
                    text("name"),
                    slots(&pool["slots"]),
                    text("running_slots"),
                    text("queued_slots"),
                    text("scheduled_slots"),
                    slots(&pool["open_slots"]),
                    description,
                ]
            })
            .collect();
        output::table(&["POOL", "SLOTS", "RUNNING", "QUEUED", "SCHEDULED", "OPEN", ""], &rows)
    })?;
    Ok(Status::Done)
}

async fn get(installation: &Installation, name: &str, output: Output) -> anyhow::Result<Status> {
    let pool = pools::get(installation.db.read(), name).await?;
    let taken = pools::slot_use(installation.db.read()).await?;
    output.print(&view(&pool, &taken), |pool| {
        format!(
            "{name}  {}\nslots: {}\nrunning: {}\nqueued: {}\nscheduled: {}\ndeferred: {}{}\nopen: {}",
            pool["description"].as_str().unwrap_or_default(),
            slots(&pool["slots"]),
            pool["running_slots"],
            pool["queued_slots"],
            pool["scheduled_slots"],
            pool["deferred_slots"],
            if pool["include_deferred"] == true { "" } else { " (take no slots)" },
            slots(&pool["open_slots"]),
        )
    })?;
    Ok(Status::Done)
}

async fn set(installation: &Installation, args: SetPoolArgs, output: Output) -> anyhow::Result<Status> {
    let patch = PoolPatch {
        name: None,
        slots: Some(args.slots),
        description: args.description.clone().map(|text| Some(text).filter(|text| !text.is_empty())),
        include_deferred: args.include_deferred,
    };
    let pool = match installation.control.patch_pool(&args.name, patch, None).await {
        Err(ControlError::NotFound { .. }) => {
            let settings = PoolSettings {
                name: args.name,
                slots: args.slots,
                description: args.description,
                include_deferred: args.include_deferred.unwrap_or(false),
            };
            installation.control.create_pool(settings, None).await?
        }
        done => done?,
    };
    let taken = pools::slot_use(installation.db.read()).await?;
    output.print(&view(&pool, &taken), |data| format!("{}  {}", pool.name, spoken(&data["slots"])))?;
    Ok(Status::Done)
}

async fn delete(installation: &Installation, name: &str, yes: bool, output: Output) -> anyhow::Result<Status> {
    pools::get(installation.db.read(), name).await?;
    if !yes {
        let taken = pools::slot_use(installation.db.read()).await?.get(name).copied().unwrap_or_default();
        let question = match taken.scheduled {
            0 => format!("delete the pool `{name}`?"),
            waiting => format!("delete the pool `{name}`, for which task instances with {waiting} slots wait?"),
        };
        let answer = terminal::confirm(&question).ok_or_else(|| {
            BadInput::new("nobody is there to be asked whether to delete the pool").hint("say so with --yes")
        })?;
        if !answer {
            return Ok(Status::Done);
        }
    }
    installation.control.delete_pool(name, None).await?;
    output.print(&json!({ "deleted": name }), |_| format!("{name}  deleted"))?;
    Ok(Status::Done)
}

fn view(pool: &pool::Model, taken: &HashMap<String, SlotUse>) -> Value {
    let slots = taken.get(&pool.name).copied().unwrap_or_default();
    json!({
        "name": pool.name,
        "slots": pool.slots,
        "description": pool.description,
        "include_deferred": pool.include_deferred,
        "occupied_slots": slots.occupied(pool),
        "running_slots": slots.running,
        "queued_slots": slots.queued,
        "scheduled_slots": slots.scheduled,
        "deferred_slots": slots.deferred,
        "open_slots": slots.open(pool),
    })
}

/// A number of slots in a column.
fn slots(number: &Value) -> String {
    if number == &json!(-1) { "no end".to_owned() } else { number.to_string() }
}

/// The same in a sentence.
fn spoken(number: &Value) -> String {
    match number.as_i64() {
        Some(-1) => "no end of slots".to_owned(),
        Some(1) => "1 slot".to_owned(),
        _ => format!("{number} slots"),
    }
}
