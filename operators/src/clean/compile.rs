//! Turns rules into DataFusion expressions over the columns that are there when the rule's turn comes.

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::Column;
use datafusion::logical_expr::{Expr, lit, when};
use datafusion::prelude::concat_ws;

use super::rules::{
    ArrayOf, Cast, Columns, Concat, ConcatNulls, Nulls, Place, RemoveText, Rule, SameBy, SuffixedNumber, Timestamp,
};
use crate::spark::{SparkFunction, Target, TimestampFormat, UnknownPattern};

/// Why a rule does not fit the data.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// The rule names a column that is not there.
    #[error(
        "the rule `{rule}` names the column `{column}`, which {input} does not have at this point; it has {known}{hint}"
    )]
    UnknownColumn {
        /// The rule's label.
        rule: String,
        /// As written.
        column: String,
        /// Where the data comes from.
        input: String,
        /// The columns, as text.
        known: String,
        /// A column with a similar name, as a sentence.
        hint: String,
    },
    /// Two columns would have one name.
    #[error("after the rule `{rule}` there would be two columns called `{column}`; `drop` one of them first")]
    TwoColumns {
        /// The rule's label.
        rule: String,
        /// The name.
        column: String,
    },
    /// No column is left.
    #[error("after the rule `{0}` there would be no column left")]
    NoColumns(String),
    /// A timestamp pattern that cannot be read.
    #[error(transparent)]
    Pattern(#[from] UnknownPattern),
    /// DataFusion refuses the expression.
    #[error("the rule `{rule}` cannot be applied")]
    Expression {
        /// The rule's label.
        rule: String,
        /// Why.
        #[source]
        source: datafusion::error::DataFusionError,
    },
}

/// How a changed value is recognised, for the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was there, and is NULL now.
    BecameNull,
    /// Its text differs.
    Differs,
    /// It is there; it is new.
    IsMade,
}

/// A column after the rule.
#[derive(Clone, Debug)]
pub struct OutputColumn {
    /// Its name.
    pub name: String,
    /// How it is made from the columns before.
    pub expr: Expr,
    /// How changed rows are counted, and against which column before; none if the rule leaves the values alone.
    pub change: Option<(Change, String)>,
}

/// A rule that fits its input.
#[derive(Clone, Debug)]
pub enum Step {
    /// Makes each row from one row.
    Project {
        /// The rule's label.
        label: String,
        /// The columns after it.
        columns: Vec<OutputColumn>,
    },
    /// Drops rows; by the whole row if there are no columns.
    Deduplicate {
        /// The rule's label.
        label: String,
        /// What makes rows the same.
        by: Option<Vec<String>>,
    },
}

/// Fits a rule to the columns before it. `input` says where the data comes from; none when the rule is switched off.
pub fn compile(rule: &Rule, schema: &Schema, input: &str) -> Result<Option<Step>, RuleError> {
    let scope = Scope { rule, schema, input };
    let columns = match rule {
        Rule::Nulls(nulls) => scope.nulls(nulls)?,
        Rule::Cast(cast) => scope.cast(cast)?,
        Rule::SuffixedNumber(number) => scope.suffixed_number(number)?,
        Rule::RemoveText(remove) => scope.remove_text(remove)?,
        Rule::Timestamp(timestamp) => scope.timestamp(timestamp)?,
        Rule::Array(array) => scope.array(array)?,
        Rule::Concat(concat) => scope.concat(concat)?,
        Rule::Rename(names) => {
            names.keys().try_for_each(|name| scope.require(name))?;
            let renamed = |name: &str| names.get(name).map_or(name, String::as_str).to_owned();
            scope.untouched(|_| true).map(|column| OutputColumn { name: renamed(&column.name), ..column }).collect()
        }
        Rule::Drop(names) => {
            names.names().iter().try_for_each(|name| scope.require(name))?;
            scope.untouched(|name| !names.names().iter().any(|dropped| dropped == name)).collect()
        }
        Rule::Select(names) => names
            .names()
            .iter()
            .map(|name| scope.column(name).map(|expr| keep(name, expr)))
            .collect::<Result<_, _>>()?,
        Rule::Order(names) => {
            let first: Result<Vec<_>, _> =
                names.names().iter().map(|name| scope.column(name).map(|expr| keep(name, expr))).collect();
            let others = scope.untouched(|name| !names.names().iter().any(|first| first == name));
            first?.into_iter().chain(others).collect()
        }
        Rule::Deduplicate(deduplicate) => {
            if !deduplicate.when {
                return Ok(None);
            }
            let by = match &deduplicate.by {
                SameBy::Row => None,
                SameBy::Columns(names) => {
                    names.iter().try_for_each(|name| scope.require(name))?;
                    Some(names.clone())
                }
            };
            return Ok(Some(Step::Deduplicate { label: rule.to_string(), by }));
        }
    };
    scope.check_names(&columns)?;
    Ok(Some(Step::Project { label: rule.to_string(), columns }))
}

/// A rule, and the columns that it sees.
struct Scope<'a> {
    rule: &'a Rule,
    schema: &'a Schema,
    input: &'a str,
}

fn keep(name: &str, expr: Expr) -> OutputColumn {
    OutputColumn { name: name.to_owned(), expr, change: None }
}

fn column(name: &str) -> Expr {
    // Not `col`, which would read a dot in the name as a qualifier and change upper case.
    Expr::Column(Column::new_unqualified(name))
}

impl Scope<'_> {
    fn require(&self, name: &str) -> Result<(), RuleError> {
        if self.schema.column_with_name(name).is_some() {
            return Ok(());
        }
        let names: Vec<&str> = self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        let similar = names.iter().max_by(|a, b| strsim::jaro(a, name).total_cmp(&strsim::jaro(b, name)));
        let hint = similar.filter(|similar| strsim::jaro(similar, name) > 0.7);
        Err(RuleError::UnknownColumn {
            rule: self.rule.to_string(),
            column: name.to_owned(),
            input: self.input.to_owned(),
            known: if names.is_empty() { "no columns".to_owned() } else { format!("`{}`", names.join("`, `")) },
            hint: hint.map(|similar| format!(" (did you mean `{similar}`?)")).unwrap_or_default(),
        })
    }

    fn column(&self, name: &str) -> Result<Expr, RuleError> {
        self.require(name).map(|()| column(name))
    }

    fn data_type(&self, name: &str) -> &DataType {
        self.schema.field_with_name(name).map_or(&DataType::Null, |field| field.data_type())
    }

    fn untouched<'b>(&'b self, wanted: impl Fn(&str) -> bool + 'b) -> impl Iterator<Item = OutputColumn> + 'b {
        let names = self.schema.fields().iter().map(|field| field.name().as_str());
        names.filter(move |name| wanted(name)).map(|name| keep(name, column(name)))
    }

    /// All columns, with `change` applied to those that are named.
    fn change(
        &self,
        names: &[String],
        how: Change,
        change: impl Fn(Expr, &str) -> Result<Expr, RuleError>,
    ) -> Result<Vec<OutputColumn>, RuleError> {
        names.iter().try_for_each(|name| self.require(name))?;
        self.untouched(|_| true)
            .map(|untouched| {
                if !names.contains(&untouched.name) {
                    return Ok(untouched);
                }
                let expr = change(untouched.expr, &untouched.name)?;
                Ok(OutputColumn { expr, change: Some((how, untouched.name.clone())), name: untouched.name })
            })
            .collect()
    }

    fn nulls(&self, rule: &Nulls) -> Result<Vec<OutputColumn>, RuleError> {
        let names: Vec<String> = match &rule.columns {
            Columns::Named(names) => names.clone(),
            Columns::All => {
                let flat = self.schema.fields().iter().filter(|field| !field.data_type().is_nested());
                flat.map(|field| field.name().clone()).collect()
            }
        };
        self.change(&names, Change::BecameNull, |value, name| {
            let is_text = matches!(self.data_type(name), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
            let text = if is_text { value.clone() } else { SparkFunction::cast(value.clone(), Target::String) };
            let markers = rule.values.iter().map(|marker| lit(marker.as_str())).collect();
            let null = Expr::Literal(datafusion::common::ScalarValue::Null, None);
            when(text.in_list(markers, false), null).otherwise(value).map_err(|source| self.refused(source))
        })
    }

    fn refused(&self, source: datafusion::error::DataFusionError) -> RuleError {
        RuleError::Expression { rule: self.rule.to_string(), source }
    }

    fn cast(&self, rule: &Cast) -> Result<Vec<OutputColumn>, RuleError> {
        self.change(rule.column.names(), Change::Differs, |value, _| Ok(SparkFunction::cast(value, rule.to)))
    }

    fn suffixed_number(&self, rule: &SuffixedNumber) -> Result<Vec<OutputColumn>, RuleError> {
        let names = std::slice::from_ref(&rule.column);
        self.change(names, Change::Differs, |value, _| Ok(SparkFunction::suffixed_number(value, rule.rule)))
    }

    fn remove_text(&self, rule: &RemoveText) -> Result<Vec<OutputColumn>, RuleError> {
        self.change(std::slice::from_ref(&rule.column), Change::Differs, |value, _| {
            Ok(match rule.at {
                Place::Anywhere => SparkFunction::remove(value, &rule.text),
                Place::Start => SparkFunction::remove_prefix(value, &rule.text),
            })
        })
    }

    fn timestamp(&self, rule: &Timestamp) -> Result<Vec<OutputColumn>, RuleError> {
        let format = rule.format.as_deref().map(TimestampFormat::parse).transpose()?;
        self.change(rule.column.names(), Change::BecameNull, |value, _| {
            Ok(SparkFunction::timestamp(value, format.clone()))
        })
    }

    /// All columns and a new one, in the place of a column of its name if there is one.
    fn with_new(&self, name: &str, expr: Expr) -> Vec<OutputColumn> {
        let new = OutputColumn { name: name.to_owned(), expr, change: Some((Change::IsMade, name.to_owned())) };
        let mut columns: Vec<_> = self.untouched(|_| true).collect();
        match columns.iter_mut().find(|column| column.name == name) {
            Some(column) => *column = new,
            None => columns.push(new),
        }
        columns
    }

    fn array(&self, rule: &ArrayOf) -> Result<Vec<OutputColumn>, RuleError> {
        let values: Vec<Expr> = rule.of.iter().map(|name| self.column(name)).collect::<Result<_, _>>()?;
        let types: Vec<&DataType> = rule.of.iter().map(|name| self.data_type(name)).collect();
        let are_same = types.windows(2).all(|pair| pair[0] == pair[1]);
        let target = if types.iter().all(|data_type| data_type.is_numeric()) { Target::Double } else { Target::String };
        let elements = if are_same {
            values
        } else {
            values.into_iter().map(|value| SparkFunction::cast(value, target)).collect()
        };
        Ok(self.with_new(&rule.into, datafusion::functions_nested::expr_fn::make_array(elements)))
    }

    fn concat(&self, rule: &Concat) -> Result<Vec<OutputColumn>, RuleError> {
        let parts = rule.of.iter().map(|name| Ok(SparkFunction::cast(self.column(name)?, Target::String)));
        let parts: Vec<Expr> = parts.collect::<Result<_, RuleError>>()?;
        let joined = concat_ws(lit(rule.separator.as_str()), parts.clone());
        let joined = match rule.nulls {
            ConcatNulls::Skip => joined,
            ConcatNulls::Any => {
                let null = Expr::Literal(datafusion::common::ScalarValue::Utf8(None), None);
                match parts.into_iter().map(Expr::is_null).reduce(Expr::or) {
                    Some(any_null) => when(any_null, null).otherwise(joined).map_err(|source| self.refused(source))?,
                    None => joined,
                }
            }
        };
        Ok(self.with_new(&rule.into, joined))
    }

    fn check_names(&self, columns: &[OutputColumn]) -> Result<(), RuleError> {
        if columns.is_empty() {
            return Err(RuleError::NoColumns(self.rule.to_string()));
        }
        for (at, column) in columns.iter().enumerate() {
            if columns[..at].iter().any(|before| before.name == column.name) {
                return Err(RuleError::TwoColumns { rule: self.rule.to_string(), column: column.name.clone() });
            }
        }
        Ok(())
    }
}
