//! What happened, in words for people: used where a callback brings none of its own.

use scheduler::operator::{CallbackKind, Notice};
use serde_json::{Value, json};

/// One line: "Task `load` of `sales` failed".
pub(super) fn title(notice: &Notice) -> String {
    let (dag_id, run_id) = (&notice.dag_id, &notice.run_id);
    match (notice.kind, &notice.instance) {
        (CallbackKind::Deadline, _) => format!("Run `{run_id}` of `{dag_id}` missed its deadline"),
        (kind, Some(instance)) if !notice.is_of_run => {
            let task_id = &instance.key.task_id;
            let what = match kind {
                CallbackKind::OnExecute => "begins",
                CallbackKind::OnRetry => "failed, and is tried again",
                kind => ended(kind),
            };
            format!("Task `{task_id}` of `{dag_id}` {what}")
        }
        (kind, _) => format!("Run `{run_id}` of `{dag_id}` {}", ended(kind)),
    }
}

fn ended(kind: CallbackKind) -> &'static str {
    match kind {
        CallbackKind::OnSuccess => "succeeded",
        CallbackKind::OnSkipped => "was skipped",
        _ => "failed",
    }
}

/// What there is to know besides, each with its name.
pub(super) fn details(notice: &Notice) -> Vec<(&'static str, String)> {
    let mut details = vec![("Run", notice.run_id.clone())];
    if let Some(instance) = &notice.instance {
        details.push(("Task", instance.key.task_id.clone()));
        if instance.key.map_index >= 0 {
            details.push(("Map index", instance.key.map_index.to_string()));
        }
        details.push(("Try", instance.try_number.to_string()));
    }
    let date = |date: chrono::DateTime<chrono::Utc>| date.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    details.extend(notice.run.logical_date.map(|at| ("Logical date", date(at))));
    details.extend(notice.deadline.map(|at| ("Deadline", date(at))));
    details.extend(notice.reason.clone().map(|reason| ("Reason", reason)));
    details.extend(notice.exception.clone().map(|exception| ("Error", exception)));
    details.extend(notice.url.clone().map(|url| ("Log", url)));
    details
}

/// All of it as text.
pub(super) fn text(notice: &Notice) -> String {
    let lines = details(notice).into_iter().map(|(name, value)| format!("{name}: {value}\n"));
    format!("{}\n\n{}", title(notice), lines.collect::<String>())
}

/// All of it as HTML.
pub(super) fn html(notice: &Notice) -> String {
    let row = |(name, value): (&str, String)| {
        let value = match name {
            "Log" => format!("<a href=\"{0}\">{0}</a>", escaped(&value)),
            _ => escaped(&value),
        };
        format!("<tr><th align=\"left\">{name}</th><td>{value}</td></tr>\n")
    };
    let rows: String = details(notice).into_iter().map(row).collect();
    format!("<h3>{}</h3>\n<table cellpadding=\"4\">\n{rows}</table>\n", escaped(&title(notice)))
}

/// All of it as data.
pub(super) fn data(notice: &Notice) -> Value {
    let instance = notice.instance.as_ref();
    json!({
        "id": notice.id,
        "callback": notice.kind.word(),
        "title": title(notice),
        "dag_id": notice.dag_id,
        "run_id": notice.run_id,
        "run_state": notice.run_state,
        "logical_date": notice.run.logical_date,
        "task_id": instance.map(|instance| &instance.key.task_id),
        "map_index": instance.map(|instance| instance.key.map_index),
        "try_number": instance.map(|instance| instance.try_number),
        "state": instance.map(|instance| &instance.state),
        "reason": notice.reason,
        "exception": notice.exception,
        "deadline": notice.deadline,
        "url": notice.url,
    })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
