//! dag-factory's notation for Airflow's timetables: `{__type__: airflow.…CronTriggerTimetable, cron: "0 3 * * *"}`.

use std::sync::Arc;

use super::super::collect::{Problems, Subject, wrong_type};
use super::super::node::{Entry, Mapping, Node, Yaml};
use super::super::problem::{Code, Problem};
use super::super::source::Place;
use super::super::suggest::did_you_mean;
use super::super::values;
use super::{Reader, SUBJECT, assets, listed, period, time, unsupported, within_schedule};
use crate::dag::Schedule;
use crate::dag::schedule::{DeltaTrigger, TimeSchedule};

/// The key of an object's arguments without names.
const ARGS_KEY: &str = "__args__";

/// The timetables that can be written so, by the last part of their class names.
pub(super) const TIMETABLES: [&str; 12] = [
    "CronTriggerTimetable",
    "MultipleCronTriggerTimetable",
    "DeltaTriggerTimetable",
    "CronDataIntervalTimetable",
    "CronPartitionTimetable",
    "DeltaDataIntervalTimetable",
    "EventsTimetable",
    "AssetOrTimeSchedule",
    "PartitionedAssetTimetable",
    "NullTimetable",
    "OnceTimetable",
    "ContinuousTimetable",
];

/// The lengths of time that can be written so.
pub(super) const LENGTHS: [&str; 2] = ["datetime.timedelta", "dateutil.relativedelta.relativedelta"];

/// An object in dag-factory's notation.
pub(super) struct Object<'a> {
    /// The full name of its Python class.
    pub(super) class: &'a str,
    pub(super) class_place: Place,
    mapping: &'a Mapping,
    positional: &'a [Arc<Node>],
}

impl<'a> Object<'a> {
    pub(super) fn read(subject: Subject<'_>, node: &'a Node) -> Result<Object<'a>, Problem> {
        let class = node.as_map().and_then(|mapping| Some((mapping, mapping.get(values::OBJECT_KEY)?)));
        let Some((mapping, entry)) = class else {
            return Err(wrong_type(subject, node, "an object in dag-factory's notation, with `__type__`"));
        };
        let class = entry.value.as_text().unwrap_or_default();
        let positional = match mapping.get(ARGS_KEY).map(|args| (args, &args.value.value)) {
            None => &[],
            Some((_, Yaml::List(items))) => items.as_slice(),
            Some((args, _)) => return Err(wrong_type(Subject { key: ARGS_KEY, ..subject }, &args.value, "a list")),
        };
        Ok(Object { class, class_place: entry.value.place, mapping, positional })
    }

    /// The last part of the name of a class of Airflow's; its module moves from version to version.
    pub(super) fn airflow_class(&self) -> Option<&'a str> {
        self.class.strip_prefix("airflow.").and_then(|rest| rest.rsplit('.').next())
    }

    /// The arguments without names, for classes that take any number.
    pub(super) fn positional(&self) -> &'a [Arc<Node>] {
        self.positional
    }

    /// The arguments by their names: those without one are called as `order` says. Others than `known` are mistakes.
    pub(super) fn arguments(&self, order: &[&str], known: &[&str], problems: &mut Problems) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        for (position, value) in self.positional.iter().enumerate() {
            match order.get(position) {
                Some(name) => {
                    entries.push(Entry { key: (*name).to_owned(), key_place: value.place, value: Arc::clone(value) });
                }
                None => problems.push(Problem::new(
                    Code::InvalidValue,
                    format!("`{}` takes no more than {} arguments without a name", self.class, order.len()),
                    value.place,
                    "one too many",
                )),
            }
        }
        for entry in self.mapping.entries.iter().filter(|entry| !matches!(&*entry.key, values::OBJECT_KEY | ARGS_KEY)) {
            if known.contains(&entry.key.as_str()) {
                entries.push(entry.clone());
            } else {
                let message = format!("`{}` is not made from `{}` here", self.class, entry.key);
                let problem = Problem::new(Code::UnknownKey, message, entry.key_place, "unknown key");
                let problem =
                    if known.is_empty() { problem } else { problem.help(format!("it takes {}", listed(known))) };
                problems.push(problem.maybe_help(did_you_mean(&entry.key, known.iter().copied())));
            }
        }
        entries
    }
}

/// One argument of several, by its name, unless it is null.
fn argument<'a>(arguments: &'a [Entry], name: &str) -> Option<&'a Entry> {
    arguments.iter().find(|entry| entry.key == name && !matches!(entry.value.value, Yaml::Null))
}

impl Reader<'_> {
    /// A schedule that is an object.
    pub(super) fn object(&mut self, node: &Node) -> Option<Schedule> {
        let object = self.problems.keep(Object::read(SUBJECT, node))?;
        if LENGTHS.contains(&object.class) {
            let every = period::of_object(&object, node, self.problems)?;
            return Some(Schedule::Time(TimeSchedule::Delta(DeltaTrigger {
                every,
                interval: None,
                keep_phase: false,
            })));
        }
        if assets::is_class(&object) {
            return Some(Schedule::Assets(assets::expression(node, self.problems)?));
        }
        let time = match object.airflow_class().unwrap_or_default() {
            "NullTimetable" => {
                object.arguments(&[], &[], self.problems);
                return Some(Schedule::Never);
            }
            "AssetOrTimeSchedule" => return self.asset_or_time(&object, node),
            "PartitionedAssetTimetable" => return self.partitioned_asset(&object, node),
            "OnceTimetable" => {
                object.arguments(&[], &[], self.problems);
                TimeSchedule::Once
            }
            "ContinuousTimetable" => {
                object.arguments(&[], &[], self.problems);
                TimeSchedule::Continuous
            }
            "CronTriggerTimetable" => self.cron_trigger(&object, node)?,
            "MultipleCronTriggerTimetable" => self.multiple_cron_trigger(&object, node)?,
            "CronDataIntervalTimetable" => self.cron_interval(&object, node)?,
            "CronPartitionTimetable" => self.cron_partition(&object, node)?,
            "DeltaTriggerTimetable" => {
                let arguments = object.arguments(&["delta"], &["delta", "interval"], self.problems);
                let every = self.required(&arguments, "delta", &object, node)?;
                let every = period::required(every, self.problems);
                time::delta_trigger(every, argument(&arguments, "interval"), false, self)?
            }
            "DeltaDataIntervalTimetable" => {
                let arguments = object.arguments(&["delta"], &["delta"], self.problems);
                let every = self.required(&arguments, "delta", &object, node)?;
                TimeSchedule::DeltaInterval(period::required(every, self.problems)?)
            }
            "EventsTimetable" => self.events(&object, node)?,
            _ => {
                self.problems.push(refused(&object));
                return None;
            }
        };
        Some(Schedule::Time(time))
    }

    fn cron_trigger(&mut self, object: &Object<'_>, node: &Node) -> Option<TimeSchedule> {
        let known = ["cron", "timezone", "interval", "run_immediately"];
        let arguments = object.arguments(&["cron"], &known, self.problems);
        self.take_timezone(argument(&arguments, "timezone"));
        let cron = self.required(&arguments, "cron", object, node)?;
        let expression = time::cron_of(cron, self).map(|only| vec![only]);
        time::cron_trigger(expression, argument(&arguments, "interval"), argument(&arguments, "run_immediately"), self)
    }

    fn multiple_cron_trigger(&mut self, object: &Object<'_>, node: &Node) -> Option<TimeSchedule> {
        let named = Object { positional: &[], ..*object };
        let arguments = named.arguments(&[], &["timezone", "interval", "run_immediately"], self.problems);
        self.take_timezone(argument(&arguments, "timezone"));
        let expressions = time::crons_of(object.positional().iter().map(AsRef::as_ref), node, self);
        time::cron_trigger(expressions, argument(&arguments, "interval"), argument(&arguments, "run_immediately"), self)
    }

    fn cron_interval(&mut self, object: &Object<'_>, node: &Node) -> Option<TimeSchedule> {
        let known = ["cron", "timezone"];
        let arguments = object.arguments(&known, &known, self.problems);
        self.take_timezone(argument(&arguments, "timezone"));
        let cron = self.required(&arguments, "cron", object, node)?;
        Some(TimeSchedule::CronInterval(time::cron_of(cron, self)?))
    }

    fn cron_partition(&mut self, object: &Object<'_>, node: &Node) -> Option<TimeSchedule> {
        let known = ["cron", "timezone", "run_offset", "run_immediately", "key_format"];
        let arguments = object.arguments(&["cron"], &known, self.problems);
        self.take_timezone(argument(&arguments, "timezone"));
        let cron = self.required(&arguments, "cron", object, node)?;
        let expression = time::cron_of(cron, self);
        let beside = ["key_format", "run_offset", "run_immediately"].map(|name| argument(&arguments, name));
        time::cron_partition(expression, beside, self)
    }

    fn events(&mut self, object: &Object<'_>, node: &Node) -> Option<TimeSchedule> {
        let known = ["event_dates", "restrict_to_events", "presorted", "description"];
        let arguments = object.arguments(&known, &known, self.problems);
        let dates = self.required(&arguments, "event_dates", object, node)?;
        time::events(dates, argument(&arguments, "restrict_to_events"), argument(&arguments, "description"), self)
    }

    fn asset_or_time(&mut self, object: &Object<'_>, node: &Node) -> Option<Schedule> {
        let arguments = object.arguments(&[], &["timetable", "assets"], self.problems);
        let time = self
            .required(&arguments, "timetable", object, node)
            .and_then(|entry| self.time_beside_assets(&entry.value));
        let assets = self.required(&arguments, "assets", object, node)?;
        let assets = assets::expression(&assets.value, self.problems)?;
        Some(Schedule::AssetsOrTime { assets, time: time? })
    }

    fn partitioned_asset(&mut self, object: &Object<'_>, node: &Node) -> Option<Schedule> {
        let arguments = object.arguments(&[], &["assets", "default_partition_mapper"], self.problems);
        if let Some(mapper) = argument(&arguments, "default_partition_mapper") {
            let is_identity = Object::read(within_schedule(&mapper.key), &mapper.value)
                .is_ok_and(|mapper| mapper.airflow_class() == Some("IdentityMapper"));
            if !is_identity {
                let message = "keys of partitions are mapped onto themselves alone".to_owned();
                self.problems.push(unsupported(
                    message,
                    mapper.value.place,
                    "leave it out, or write an `IdentityMapper`",
                ));
            }
        }
        let assets = self.required(&arguments, "assets", object, node)?;
        self.partitioned_assets(&assets.value)
    }

    fn required<'e>(
        &mut self,
        arguments: &'e [Entry],
        name: &str,
        object: &Object<'_>,
        node: &Node,
    ) -> Option<&'e Entry> {
        let found = argument(arguments, name);
        if found.is_none() {
            let message = format!("`{}` needs `{name}`", object.class);
            self.problems.push(Problem::new(Code::MissingKey, message, node.place, "here"));
        }
        found
    }

    /// From now on, expressions and dates are meant in the zone that the schedule names.
    fn take_timezone(&mut self, entry: Option<&Entry>) {
        let Some(entry) = entry else { return };
        let zone = values::timezone(within_schedule(&entry.key), &entry.value);
        if let Some(zone) = self.problems.keep(zone) {
            self.timezone = zone;
            self.own_timezone = Some(zone);
        }
    }
}

/// A class that a schedule cannot be made from.
fn refused(object: &Object<'_>) -> Problem {
    let help = match object.airflow_class() {
        Some("PartitionedAtRuntime") => {
            "write `{cron: \"@daily\", key_format: \"%Y-%m-%d\"}`, or `{assets: […], partitioned: true}`".to_owned()
        }
        Some(class) => {
            did_you_mean(class, TIMETABLES).unwrap_or_else(|| format!("the timetables are {}", listed(&TIMETABLES)))
        }
        None => "write a cron expression, a length of time, or one of Airflow's timetables".to_owned(),
    };
    unsupported(format!("a schedule cannot be an object of `{}`", object.class), object.class_place, &help)
}
