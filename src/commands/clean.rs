//! `updraft db clean`.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use scheduler::control::{Removal, Retention};
use scheduler::dag::period::Period;
use serde_json::json;

use super::clear::agreed;
use super::dags::parse_date;
use super::installation::Installation;
use crate::cli::CleanArgs;
use crate::config::Config;
use crate::output::{self, Output};
use crate::report::{BadInput, Status};
use crate::terminal;

/// Removes history, once the person has seen how much.
pub async fn run(args: CleanArgs, config: Config, output: Output) -> anyhow::Result<Status> {
    let installation = Installation::open(config).await?;
    let before = limit(&args, installation.clock.now())?;
    let retention = Retention {
        before,
        dags_folder: installation.config.dags_folder.clone(),
        log_folder: installation.config.log_folder(),
    };
    let mut removal = Removal::default();
    if args.dry_run || !args.yes {
        removal = installation.control.plan_clean(&retention).await?;
    }
    if !args.dry_run && (args.yes || is_agreed(&removal, before)?) {
        removal = installation.control.clean(&retention, None, told()).await?;
        for left in &removal.left {
            terminal::line(&format!("warning: cannot remove the logs {left}"));
        }
    } else if !args.dry_run {
        return Ok(Status::Done);
    }
    let data = json!({
        "before": before,
        "dry_run": args.dry_run,
        "rows": removal.rows,
        "logs": removal.logs,
    });
    output.print(&data, |_| shown(&removal, args.dry_run))?;
    Ok(Status::Done)
}

/// What is older than that goes.
fn limit(args: &CleanArgs, now: DateTime<Utc>) -> anyhow::Result<DateTime<Utc>> {
    if let Some(date) = &args.before {
        let day = date.parse::<NaiveDate>().map(|day| day.and_time(NaiveTime::MIN).and_utc());
        return day.or_else(|_| parse_date(date));
    }
    let length = args.older_than.as_deref().unwrap_or_default();
    let wrong = |problem: String| BadInput::new(format!("`{length}` {problem}")).hint("write it like 90d or 6 months");
    let period = Period::parse(length).map_err(wrong)?;
    Ok(period.before(now).ok_or_else(|| wrong("is longer than there are dates".to_owned()))?)
}

fn is_agreed(removal: &Removal, before: DateTime<Utc>) -> anyhow::Result<bool> {
    if removal.is_empty() {
        return Ok(true);
    }
    terminal::line(&shown(removal, true));
    agreed(&format!("remove what was over before {}?", before.format("%Y-%m-%dT%H:%M:%SZ")), "whether to remove it")
}

/// Says now and then how far it is.
fn told() -> impl FnMut(&Removal) {
    let mut last = 0;
    move |removal| {
        let runs = removal.rows.get("dag_run").copied().unwrap_or(0);
        if runs >= last + 10_000 {
            last = runs;
            terminal::line(&format!("{runs} runs removed"));
        }
    }
}

fn shown(removal: &Removal, is_dry: bool) -> String {
    let rows: Vec<Vec<String>> = removal
        .rows
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(table, count)| vec![(*table).to_owned(), count.to_string()])
        .chain((removal.logs > 0).then(|| vec!["logs of runs".to_owned(), removal.logs.to_string()]))
        .collect();
    match (rows.is_empty(), is_dry) {
        (true, _) => "nothing is that old".to_owned(),
        (false, true) => output::table(&["WOULD BE REMOVED", "COUNT"], &rows),
        (false, false) => output::table(&["REMOVED", "COUNT"], &rows),
    }
}
