//! `updraft assets`.

use scheduler::control::{Trigger, TriggeredBy};
use scheduler::store::assets::{self, AssetUse};
use scheduler::store::entity::{asset, asset_reference, dag_run};
use scheduler::store::read::{
    self, AssetEventFilter, AssetEventRow, AssetFilter, AssetRow, Direction, Paging, Sorting,
};
use scheduler::store::{asset_queue, dags};
use serde_json::{Value, json};

use super::dags::parse_object;
use super::installation::Installation;
use crate::cli::{AssetsCommand, MaterializeArgs};
use crate::config::Config;
use crate::output::{self, Output};
use crate::report::{BadInput, Status};
use crate::terminal;

/// All rows there are; SQL counts with a sign.
const ALL: u64 = u64::MAX >> 1;

/// Runs the command.
pub async fn run(command: AssetsCommand, config: Config, output: Output) -> anyhow::Result<Status> {
    let installation = Installation::open(config).await?;
    match command {
        AssetsCommand::List { dag_id } => list(&installation, dag_id, output).await,
        AssetsCommand::Show { asset } => show(&installation, &asset, output).await,
        AssetsCommand::Events { asset, limit } => events(&installation, asset.as_deref(), limit, output).await,
        AssetsCommand::Emit { asset, extra } => emit(&installation, &asset, extra.as_deref(), output).await,
        AssetsCommand::Materialize(args) => materialize(&installation, args, output).await,
    }
}

/// The asset that a word means: its name, its URI or its number.
async fn find(installation: &Installation, word: &str) -> anyhow::Result<asset::Model> {
    let mut found = assets::called(installation.db.read(), word).await?;
    match found.len() {
        0 => Err(BadInput::new(format!("there is no asset `{word}`")).hint("`updraft assets list` shows them").into()),
        1 => Ok(found.remove(0)),
        _ => {
            let numbers: Vec<String> = found.iter().map(|asset| format!("{} ({})", asset.id, asset.uri)).collect();
            let message = format!("`{word}` means several assets: {}", numbers.join(", "));
            Err(BadInput::new(message).hint("name the one that you mean by its number").into())
        }
    }
}

async fn list(installation: &Installation, dag_id: Option<String>, output: Output) -> anyhow::Result<Status> {
    let filter = AssetFilter { dag_ids: dag_id.into_iter().collect(), only_active: true, ..AssetFilter::default() };
    let keys = ["name", "id"].into_iter().filter_map(read::asset_sort_key).map(|key| (key, Direction::Ascending));
    let paging = Paging::Offset { limit: ALL, offset: 0 };
    let rows = read::list_assets(installation.db.read(), &filter, &Sorting::new(keys.collect()), &paging).await?.rows;
    let data: Vec<Value> = rows.iter().map(view).collect();
    output.print(&data, |_| {
        let cells = rows.iter().map(|row| {
            vec![
                row.asset.id.to_string(),
                row.asset.name.clone(),
                if row.asset.uri == row.asset.name { String::new() } else { row.asset.uri.clone() },
                makers(row).join(", "),
                waiting(row).join(", "),
                row.last_event.as_ref().map(|event| super::dags::shown(event.timestamp)).unwrap_or_default(),
            ]
        });
        output::table(&["ID", "ASSET", "URI", "MADE BY", "WAITED FOR BY", "LAST UPDATED"], &cells.collect::<Vec<_>>())
    })?;
    Ok(Status::Done)
}

async fn show(installation: &Installation, word: &str, output: Output) -> anyhow::Result<Status> {
    let asset = find(installation, word).await?;
    let Some(row) = read::find_asset(installation.db.read(), asset.id).await? else {
        return Err(BadInput::new(format!("there is no asset `{word}`")).into());
    };
    let filter = asset_queue::QueueFilter { asset_id: Some(asset.id), ..asset_queue::QueueFilter::default() };
    let queued = asset_queue::queued(installation.db.read(), &filter).await?;
    let mut data = view(&row);
    data["queued_for"] =
        queued.iter().map(|queued| json!({ "dag_id": queued.dag_id, "created_at": queued.created_at })).collect();
    output.print(&data, |_| {
        let queued: Vec<&str> = queued.iter().map(|queued| queued.dag_id.as_str()).collect();
        let lines = [
            ("uri", row.asset.uri.clone()),
            ("group", row.asset.group.clone()),
            ("extra", row.asset.extra.to_string()),
            ("made by", makers(&row).join(", ")),
            ("read by", row.named_in(AssetUse::Inlet).map(task).collect::<Vec<_>>().join(", ")),
            ("waited for by", waiting(&row).join(", ")),
            ("queued for", queued.join(", ")),
            (
                "last updated",
                row.last_event.as_ref().map_or_else(|| "never".to_owned(), |event| super::dags::shown(event.timestamp)),
            ),
        ];
        let said: Vec<String> = lines
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(name, text)| format!("{name}: {text}"))
            .collect();
        format!("{}  ({})\n{}", row.asset.name, row.asset.id, said.join("\n"))
    })?;
    Ok(Status::Done)
}

async fn events(
    installation: &Installation,
    asset: Option<&str>,
    limit: u32,
    output: Output,
) -> anyhow::Result<Status> {
    let asset_id = match asset {
        Some(word) => Some(find(installation, word).await?.id),
        None => None,
    };
    let filter = AssetEventFilter { asset_id, ..AssetEventFilter::default() };
    let keys =
        ["timestamp", "id"].into_iter().filter_map(read::asset_event_sort_key).map(|key| (key, Direction::Descending));
    let paging = Paging::Offset { limit: u64::from(limit), offset: 0 };
    let listing =
        read::list_asset_events(installation.db.read(), &filter, &Sorting::new(keys.collect()), &paging).await?;
    let data: Vec<Value> = listing.rows.iter().map(event_view).collect();
    output.print(&data, |_| {
        let cells = listing.rows.iter().map(|row| {
            let runs: Vec<String> = row.runs.iter().map(|(run, _)| format!("{} {}", run.dag_id, run.run_id)).collect();
            vec![
                super::dags::shown(row.update.event.timestamp),
                row.update.asset.name.clone(),
                source(row),
                runs.join(", "),
                if row.update.event.extra == json!({}) { String::new() } else { row.update.event.extra.to_string() },
            ]
        });
        output::table(&["WHEN", "ASSET", "UPDATED BY", "RUNS MADE", ""], &cells.collect::<Vec<_>>())
    })?;
    Ok(Status::Done)
}

async fn emit(installation: &Installation, word: &str, extra: Option<&str>, output: Output) -> anyhow::Result<Status> {
    let extra = parse_object("--extra", extra)?;
    let asset = find(installation, word).await?;
    let update = installation.control.emit_asset_event(asset.id, extra, None, None).await?;
    let filter = asset_queue::QueueFilter { asset_id: Some(asset.id), ..asset_queue::QueueFilter::default() };
    let queued: Vec<String> =
        asset_queue::queued(installation.db.read(), &filter).await?.into_iter().map(|queued| queued.dag_id).collect();
    let row = AssetEventRow { update, runs: Vec::new() };
    output.print(&event_view(&row), |_| {
        let waiting = if queued.is_empty() { "no active DAG waits for it".to_owned() } else { queued.join(", ") };
        format!("{}  updated: {waiting}", asset.name)
    })?;
    Ok(Status::Done)
}

async fn materialize(installation: &Installation, args: MaterializeArgs, output: Output) -> anyhow::Result<Status> {
    let asset = find(installation, &args.asset).await?;
    let trigger = Trigger {
        run_id: args.run_id,
        logical_date: None,
        data_interval: None,
        partition_key: None,
        run_after: None,
        conf: parse_object("--conf", args.conf.as_deref())?,
        note: args.note,
        triggered_by: TriggeredBy::Cli,
        user: None,
    };
    let run: dag_run::Model = installation.control.materialize(asset.id, trigger).await?;
    let is_paused = dags::find(installation.db.read(), &run.dag_id).await?.is_some_and(|dag| dag.is_paused);
    let data = json!({ "dag_id": run.dag_id, "dag_run_id": run.run_id, "state": run.state });
    output.print(&data, |_| format!("{}  {}  {}", run.dag_id, run.run_id, run.state))?;
    if is_paused {
        terminal::line(&format!("hint: the DAG is paused; the run begins after `updraft dags unpause {}`", run.dag_id));
    }
    Ok(Status::Done)
}

fn view(row: &AssetRow) -> Value {
    json!({
        "id": row.asset.id,
        "name": row.asset.name,
        "uri": row.asset.uri,
        "group": row.asset.group,
        "extra": row.asset.extra,
        "producing_tasks": row.named_in(AssetUse::Outlet).map(reference).collect::<Vec<Value>>(),
        "consuming_tasks": row.named_in(AssetUse::Inlet).map(reference).collect::<Vec<Value>>(),
        "scheduled_dags": waiting(row),
        "last_event_at": row.last_event.as_ref().map(|event| event.timestamp),
    })
}

fn event_view(row: &AssetEventRow) -> Value {
    let event = &row.update.event;
    json!({
        "id": event.id,
        "timestamp": event.timestamp,
        "asset_id": event.asset_id,
        "name": row.update.asset.name,
        "uri": row.update.asset.uri,
        "extra": event.extra,
        "source_dag_id": event.source_dag_id,
        "source_run_id": event.source_run_id,
        "source_task_id": event.source_task_id,
        "source_map_index": event.source_map_index,
        "created_dagruns": row
            .runs
            .iter()
            .map(|(run, _)| json!({ "dag_id": run.dag_id, "dag_run_id": run.run_id, "state": run.state }))
            .collect::<Vec<Value>>(),
    })
}

fn reference(reference: &asset_reference::Model) -> Value {
    json!({ "dag_id": reference.dag_id, "task_id": reference.task_id })
}

fn task(reference: &asset_reference::Model) -> String {
    format!("{}.{}", reference.dag_id, reference.task_id)
}

fn makers(row: &AssetRow) -> Vec<String> {
    row.named_in(AssetUse::Outlet).map(task).collect()
}

fn waiting(row: &AssetRow) -> Vec<String> {
    row.named_in(AssetUse::Schedule).map(|reference| reference.dag_id.clone()).collect()
}

/// Who updated the asset: a task instance, or somebody.
fn source(row: &AssetEventRow) -> String {
    let event = &row.update.event;
    match (&event.source_dag_id, &event.source_task_id) {
        (Some(dag_id), Some(task_id)) => {
            let index =
                if event.source_map_index < 0 { String::new() } else { format!("[{}]", event.source_map_index) };
            format!("{dag_id}.{task_id}{index} {}", event.source_run_id.as_deref().unwrap_or_default())
        }
        _ => "by hand".to_owned(),
    }
}
