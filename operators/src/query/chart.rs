//! Charts: which columns of a result are drawn, and how.

use scheduler::operator::ArgumentProblem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::columns;

/// One chart, or several.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Charts {
    /// One.
    One(Box<Chart>),
    /// Several of one result.
    Several(Vec<Chart>),
}

/// How a result is drawn beside its table.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Chart {
    /// Bars or lines.
    pub kind: ChartKind,
    /// The column along the horizontal axis.
    pub x: String,
    /// The column of the heights, or several, each drawn beside the others.
    pub y: Heights,
    /// The column whose values tell rows with the same `x` apart: one set of bars, or one line, for each.
    #[serde(default)]
    pub series: Option<String>,
    /// What stands above it.
    #[serde(default)]
    pub title: Option<String>,
    /// Whether bars of one `x` stand on each other.
    #[serde(default)]
    pub stacked: bool,
}

/// What is drawn: `bar` or `line`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChartKind {
    /// Bars.
    Bar,
    /// Lines.
    Line,
}

/// The columns of the heights.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Heights {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

/// Always a list, whatever was written.
impl Serialize for Heights {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.columns().serialize(serializer)
    }
}

impl Heights {
    fn columns(&self) -> &[String] {
        match self {
            Heights::One(column) => std::slice::from_ref(column),
            Heights::Several(columns) => columns,
        }
    }
}

impl Charts {
    /// All of them.
    pub fn all(&self) -> &[Chart] {
        match self {
            Charts::One(chart) => std::slice::from_ref(chart),
            Charts::Several(charts) => charts,
        }
    }

    /// The charts with columns as the result spells them, or what is wrong with one.
    pub fn of_result(&self, columns: &[String]) -> Result<Vec<Chart>, String> {
        self.all().iter().map(|chart| chart.of_result(columns)).collect()
    }
}

impl Chart {
    fn of_result(&self, columns: &[String]) -> Result<Chart, String> {
        let spelt = |key: &str, name: &String| {
            let found = columns.iter().find(|column| column.to_lowercase() == name.to_lowercase());
            found.cloned().ok_or_else(|| {
                let known: Vec<&str> = columns.iter().map(String::as_str).collect();
                let hint = columns::hint(name, known.iter().copied());
                format!(
                    "the chart's `{key}` is no column of the result: `{name}`{hint}; there are `{}`",
                    known.join("`, `")
                )
            })
        };
        let heights = self.y.columns().iter().map(|name| spelt("y", name)).collect::<Result<_, _>>()?;
        Ok(Chart {
            x: spelt("x", &self.x)?,
            y: Heights::Several(heights),
            series: self.series.as_ref().map(|name| spelt("series", name)).transpose()?,
            ..self.clone()
        })
    }
}

/// What is wrong with `chart:` before anything is known of the result.
pub fn check(args: &Map<String, Value>) -> Vec<ArgumentProblem> {
    let problem = |pointer: String, message: &str, help: &str| ArgumentProblem {
        pointer,
        message: message.to_owned(),
        help: Some(help.to_owned()),
    };
    let mut problems = Vec::new();
    let charts: Vec<(String, &Value)> = match args.get("chart") {
        Some(Value::Array(charts)) => {
            charts.iter().enumerate().map(|(at, chart)| (format!("/chart/{at}"), chart)).collect()
        }
        Some(chart) => vec![("/chart".to_owned(), chart)],
        None => Vec::new(),
    };
    for (pointer, chart) in charts {
        let heights = chart.get("y").and_then(Value::as_array);
        if heights.is_some_and(Vec::is_empty) {
            problems.push(problem(format!("{pointer}/y"), "a chart without heights shows nothing", "name a column"));
        }
        if heights.is_some_and(|heights| heights.len() > 1)
            && chart.get("series").is_some_and(|series| !series.is_null())
        {
            let help = "name one column in `y`, or leave `series` out";
            problems.push(problem(
                format!("{pointer}/series"),
                "`series` and several columns in `y` do not go together",
                help,
            ));
        }
        if chart.get("stacked") == Some(&Value::Bool(true)) && chart.get("kind").and_then(Value::as_str) == Some("line")
        {
            problems.push(problem(format!("{pointer}/stacked"), "lines do not stand on each other", "use `kind: bar`"));
        }
    }
    problems
}
