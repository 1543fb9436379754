//! `updraft backfill`.

use std::time::Duration;

use scheduler::control::{BackfillDate, NewBackfill, Reprocess};
use scheduler::store::backfills;
use scheduler::store::entity::backfill;
use serde_json::{Value, json};

use super::dags::{parse_conf, parse_date};
use super::installation::Installation;
use crate::cli::{BackfillCommand, CreateBackfillArgs};
use crate::config::Config;
use crate::output::{self, Output};
use crate::report::Status;
use crate::terminal;

/// How often a waiting command looks at the backfill.
const LOOK: Duration = Duration::from_millis(300);

/// Runs the command.
pub async fn run(command: BackfillCommand, config: Config, output: Output) -> anyhow::Result<Status> {
    let installation = Installation::open(config).await?;
    match command {
        BackfillCommand::Create(args) => create(&installation, args, output).await,
        BackfillCommand::List { dag_id } => list(&installation, dag_id.as_deref(), output).await,
        BackfillCommand::Pause { id } => {
            show(&installation, installation.control.pause_backfill(id, true, None).await?, output).await
        }
        BackfillCommand::Unpause { id } => {
            show(&installation, installation.control.pause_backfill(id, false, None).await?, output).await
        }
        BackfillCommand::Cancel { id } => {
            show(&installation, installation.control.cancel_backfill(id, None).await?, output).await
        }
    }
}

async fn create(installation: &Installation, args: CreateBackfillArgs, output: Output) -> anyhow::Result<Status> {
    let new = NewBackfill {
        dag_id: args.dag_id,
        from_date: parse_date(&args.from_date)?,
        to_date: parse_date(&args.to_date)?,
        run_backwards: args.run_backwards,
        conf: parse_conf(args.conf.as_deref())?,
        reprocess: args.reprocess_behavior.into(),
        max_active_runs: args.max_active_runs,
        run_on_latest_version: args.keep_version.map(|keeps| !keeps),
    };
    if args.dry_run {
        return plan(&installation.control.plan_backfill(&new).await?, output);
    }
    let (row, dates) = installation.control.create_backfill(new, None).await?;
    let runs = dates.iter().filter(|date| date.fate.is_run()).count();
    terminal::line(&format!("backfill {} of {}: {runs} runs", row.id, row.dag_id));
    if !args.wait {
        return show(installation, row, output).await;
    }
    wait(installation, row, runs, output).await
}

fn plan(dates: &[BackfillDate], output: Output) -> anyhow::Result<Status> {
    let data: Vec<Value> =
        dates.iter().map(|date| json!({ "logical_date": date.logical_date, "fate": date.fate.word() })).collect();
    output.print(&data, |_| {
        let rows: Vec<Vec<String>> = dates
            .iter()
            .map(|date| {
                let shown = date.logical_date.map(|date| date.format("%Y-%m-%dT%H:%M:%SZ").to_string());
                vec![shown.unwrap_or_default(), date.fate.word().to_owned()]
            })
            .collect();
        output::table(&["LOGICAL DATE", ""], &rows)
    })?;
    Ok(Status::Done)
}

/// Shows how far the backfill is, until it is over.
async fn wait(
    installation: &Installation,
    mut row: backfill::Model,
    runs: usize,
    output: Output,
) -> anyhow::Result<Status> {
    let mut told = String::new();
    loop {
        let counts = backfills::run_counts(installation.db.read(), row.id).await?;
        let of = |state: &str| counts.iter().find(|(known, _)| known == state).map_or(0, |(_, count)| *count);
        let (success, failed) = (of("success"), of("failed"));
        let progress = format!(
            "{} of {runs} runs are over: {success} success, {failed} failed, {} running",
            success + failed,
            of("running")
        );
        if progress != told {
            terminal::line(&progress);
            told = progress;
        }
        if row.completed_at.is_some() {
            show(installation, row, output).await?;
            return Ok(if failed > 0 { Status::RunFailed } else { Status::Done });
        }
        tokio::time::sleep(LOOK).await;
        row = backfills::get(installation.db.read(), row.id).await?;
    }
}

async fn list(installation: &Installation, dag_id: Option<&str>, output: Output) -> anyhow::Result<Status> {
    let mut views = Vec::new();
    for row in backfills::list(installation.db.read(), dag_id).await? {
        views.push(view(installation, &row).await?);
    }
    output.print(&views, |views| table(views))?;
    Ok(Status::Done)
}

async fn show(installation: &Installation, row: backfill::Model, output: Output) -> anyhow::Result<Status> {
    let view = view(installation, &row).await?;
    output.print(&view, |view| table(std::slice::from_ref(view)))?;
    Ok(Status::Done)
}

async fn view(installation: &Installation, row: &backfill::Model) -> anyhow::Result<Value> {
    let runs: serde_json::Map<String, Value> = backfills::run_counts(installation.db.read(), row.id)
        .await?
        .into_iter()
        .map(|(state, count)| (state, Value::from(count)))
        .collect();
    let state = match (row.completed_at, row.is_paused) {
        (Some(_), _) => "completed",
        (None, true) => "paused",
        (None, false) => "active",
    };
    Ok(json!({
        "id": row.id,
        "dag_id": row.dag_id,
        "from_date": row.from_date,
        "to_date": row.to_date,
        "state": state,
        "reprocess_behavior": row.reprocess_behavior,
        "max_active_runs": row.max_active_runs,
        "runs": runs,
    }))
}

fn table(views: &[Value]) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let rows: Vec<Vec<String>> = views
        .iter()
        .map(|view| {
            let runs = view["runs"].as_object().into_iter().flatten();
            let runs: Vec<String> = runs.map(|(state, count)| format!("{count} {state}")).collect();
            let mut row: Vec<String> =
                ["id", "dag_id", "from_date", "to_date", "state"].iter().map(|key| text(&view[*key])).collect();
            row.push(runs.join(", "));
            row
        })
        .collect();
    output::table(&["ID", "DAG", "FROM", "TO", "STATE", "RUNS"], &rows)
}

impl From<crate::cli::ReprocessBehavior> for Reprocess {
    fn from(word: crate::cli::ReprocessBehavior) -> Reprocess {
        match word {
            crate::cli::ReprocessBehavior::None => Reprocess::None,
            crate::cli::ReprocessBehavior::Failed => Reprocess::Failed,
            crate::cli::ReprocessBehavior::Completed => Reprocess::Completed,
        }
    }
}
