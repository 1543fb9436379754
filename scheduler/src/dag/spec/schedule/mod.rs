//! The keys `schedule`, `catchup`, `outlets` and `inlets`: when a DAG runs, and what it makes and waits for.
//!
//! ```text
//!   text ──────────────> a preset, a cron expression, a length of time      time.rs
//!   list ──────────────> assets, all of them                                assets.rs
//!   mapping ───────────> one of the human forms, by the keys that it has
//!   {__type__: …} ─────> dag-factory's notation for Airflow's timetables    object.rs
//! ```

mod assets;
mod catchup;
mod object;
mod period;
mod schema;
mod time;

use chrono_tz::Tz;

use super::collect::{Problems, Subject, wrong_type};
use super::node::{Entry, Mapping, Node, Yaml};
use super::problem::{Code, Problem};
use super::source::Place;
use super::suggest::did_you_mean;
use super::values;
use crate::dag::Schedule;
use crate::dag::schedule::TimeSchedule;

pub(super) use assets::{list as assets, outlets};
pub(super) use catchup::read as catchup;
pub(super) use schema::{
    assets as assets_schema, catchup as catchup_schema, definitions, outlets as outlets_schema,
    schedule as schedule_schema,
};

const FORMS: &str = "write a cron expression, a preset, a length of time such as `6h`, a list of assets, or a mapping with \
                     `cron`, `crons`, `every`, `dates`, `any`, `all`, `alias` or `assets`";

/// The schedule, and the time zone that it brings along in Airflow's notation. Mistakes are noted.
pub(super) fn read(entry: &Entry, timezone: Tz, problems: &mut Problems) -> Option<(Schedule, Option<Tz>)> {
    let mut reader = Reader { timezone, own_timezone: None, problems };
    let schedule = reader.schedule(&entry.value)?;
    Some((schedule, reader.own_timezone))
}

struct Reader<'p> {
    /// In which cron expressions and dates are meant.
    timezone: Tz,
    /// The zone that the schedule itself names.
    own_timezone: Option<Tz>,
    problems: &'p mut Problems,
}

impl Reader<'_> {
    fn schedule(&mut self, node: &Node) -> Option<Schedule> {
        match &node.value {
            Yaml::Null => Some(Schedule::Never),
            // dag-factory writes the absence of a schedule so, too.
            Yaml::Text(text) if is_none(text) => Some(Schedule::Never),
            Yaml::List(_) => Some(Schedule::Assets(assets::expression(node, self.problems)?)),
            Yaml::Map(mapping) if mapping.has(values::OBJECT_KEY) => self.object(node),
            Yaml::Map(mapping) if assets::is_expression(mapping) => {
                Some(Schedule::Assets(assets::expression(node, self.problems)?))
            }
            Yaml::Map(mapping) if mapping.has("assets") => self.assets_or_time(mapping),
            _ => Some(Schedule::Time(self.time(node)?)),
        }
    }

    /// `{assets: [a, b], time: "@daily"}`, `{assets: [a, b], partitioned: true}`.
    fn assets_or_time(&mut self, mapping: &Mapping) -> Option<Schedule> {
        known_keys(mapping, &["assets", "time", "partitioned"], "a schedule by assets", self.problems);
        if time::flag(mapping, "partitioned", self)? {
            if let Some(time) = present(mapping, "time") {
                let help = "a run is about a partition that assets have, and a time has none; write a DAG for each";
                self.problems.push(time::makes_no_sense(time, "beside `partitioned: true`", help));
            }
            return self.partitioned_assets(&mapping.get("assets")?.value);
        }
        let assets = mapping.get("assets").and_then(|entry| assets::expression(&entry.value, self.problems));
        let Some(time) = present(mapping, "time") else { return Some(Schedule::Assets(assets?)) };
        let time = self.time_beside_assets(&time.value);
        Some(Schedule::AssetsOrTime { assets: assets?, time: time? })
    }

    /// Assets of which the same part is waited for.
    fn partitioned_assets(&mut self, node: &Node) -> Option<Schedule> {
        let assets = assets::expression(node, self.problems)?;
        if !assets.aliases().is_empty() {
            let message = "of what is found under an alias no partitions can be waited for";
            let help = "name the assets";
            self.problems.push(Problem::new(Code::InvalidSchedule, message, node.place, "an alias").help(help));
            return None;
        }
        Some(Schedule::PartitionedAssets(assets))
    }

    /// A schedule that goes by the clock, beside one by assets: runs for all of some assets are about no partition.
    fn time_beside_assets(&mut self, node: &Node) -> Option<TimeSchedule> {
        let time = self.time(node)?;
        if let TimeSchedule::CronPartition(_) = time {
            let message = "runs of partitions cannot be made beside those for assets";
            let help = "write a DAG for each, or leave `key_format` out";
            self.problems.push(Problem::new(Code::InvalidSchedule, message, node.place, "not here").help(help));
            return None;
        }
        Some(time)
    }

    /// A schedule that goes by the clock.
    fn time(&mut self, node: &Node) -> Option<TimeSchedule> {
        match &node.value {
            Yaml::Text(text) => time::word(text, node, self),
            Yaml::Map(mapping) if mapping.has(values::OBJECT_KEY) => match self.object(node)? {
                Schedule::Time(time) => Some(time),
                Schedule::Never
                | Schedule::Assets(_)
                | Schedule::PartitionedAssets(_)
                | Schedule::AssetsOrTime { .. } => {
                    self.problems.push(
                        Problem::new(Code::InvalidSchedule, "this does not go by the clock", node.place, "not a time")
                            .help("beside `assets` stands a cron expression, a preset or a length of time"),
                    );
                    None
                }
            },
            Yaml::Map(mapping) => time::form(mapping, node, self),
            Yaml::Number(_) => {
                let problem =
                    wrong_type(SUBJECT, node, "a cron expression, a preset, or a length of time with its unit");
                self.problems.push(problem.help("write `90s`, `90m` or a cron expression"));
                None
            }
            Yaml::Null | Yaml::Bool(_) | Yaml::List(_) => {
                self.problems.push(wrong_type(SUBJECT, node, "a schedule").help(FORMS));
                None
            }
        }
    }
}

const SUBJECT: Subject<'_> = Subject { key: "schedule", within: "" };

/// Whose value a problem within the schedule is about.
fn within_schedule(key: &str) -> Subject<'_> {
    Subject { key, within: "`schedule`" }
}

fn is_none(text: &str) -> bool {
    matches!(text.trim().to_ascii_lowercase().as_str(), "none" | "null")
}

/// The entry of a key that is there and not null.
fn present<'a>(mapping: &'a Mapping, key: &str) -> Option<&'a Entry> {
    mapping.get(key).filter(|entry| !matches!(entry.value.value, Yaml::Null))
}

/// Notes keys that a form of the value does not have.
fn known_keys(mapping: &Mapping, known: &[&str], what: &str, problems: &mut Problems) {
    for entry in mapping.entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
        let message = format!("{what} has no key `{}`", entry.key);
        let problem = Problem::new(Code::UnknownKey, message, entry.key_place, "unknown key");
        problems.push(
            problem
                .help(format!("the keys are {}", listed(known)))
                .maybe_help(did_you_mean(&entry.key, known.iter().copied())),
        );
    }
}

fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

fn unsupported(message: String, place: Place, help: &str) -> Problem {
    Problem::new(Code::Unsupported, message, place, "not served").help(help)
}
