//! Turns rules into DataFusion expressions over the columns that are there when the rule's turn comes.

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{Column, ScalarValue};
use datafusion::execution::SessionState;
use datafusion::functions::core::expr_fn::named_struct;
use datafusion::logical_expr::{Expr, lit, when};
use datafusion::prelude::concat_ws;

use super::rules::{
    ArrayOf, Cast, Columns, Concat, ConcatNulls, Deduplicate, Fill, Keep, Nulls, Replace, Rule, SameBy, Scalar,
    SuffixedNumber, Timestamp, Width, order,
};
use crate::columns;
use crate::expression::{self, ExpressionError};
use crate::shapes::OneOrMany;
use crate::spark::{SparkFunction, Target, TimestampFormat, UnknownPattern, type_name};

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
    /// A regular expression that cannot be read.
    #[error("the rule `{0}`: {1}")]
    Regex(String, String),
    /// An expression in SQL that does not fit.
    #[error("the rule `{rule}`: {problem}")]
    Sql {
        /// The rule's label.
        rule: String,
        /// What is wrong with it.
        problem: ExpressionError,
    },
    /// The rule does not suit the type of a column, or says too little or too much.
    #[error("the rule `{0}` {1}")]
    Unfit(String, String),
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
    /// Keeps rows one by one.
    Filter {
        /// The rule's label.
        label: String,
        /// True for the rows that are kept.
        keeps: Expr,
    },
    /// Drops rows; by the whole row if there are no columns.
    Deduplicate {
        /// The rule's label.
        label: String,
        /// What makes rows the same.
        by: Option<Vec<String>>,
        /// Which is kept.
        keep: Keep,
        /// What the first and the last are told by: columns, and whether the order is the opposite one.
        order_by: Option<Vec<(String, bool)>>,
    },
    /// A row of each element of an array.
    Explode {
        /// The rule's label.
        label: String,
        /// The column.
        column: String,
    },
    /// A query over all rows.
    Sql {
        /// The rule's label.
        label: String,
        /// As written.
        sql: String,
    },
}

/// Fits a rule to the columns before it. `input` says where the data comes from; none when the rule is switched off.
pub fn compile(rule: &Rule, schema: &Schema, input: &str, state: &SessionState) -> Result<Option<Step>, RuleError> {
    let scope = Scope { rule, schema, input, state };
    let label = rule.to_string();
    let columns = match rule {
        Rule::Nulls(nulls) => scope.nulls(nulls)?,
        Rule::Fill(fill) => scope.fill(fill)?,
        Rule::Cast(cast) => scope.cast(cast)?,
        Rule::SuffixedNumber(number) => scope.suffixed_number(number)?,
        Rule::RemoveText(remove) => scope.change(remove.column.names(), Change::Differs, |value, _| {
            Ok(SparkFunction::replace(value, &remove.text, "", remove.at))
        })?,
        Rule::Replace(replace) => scope.replace(replace)?,
        Rule::Extract(extract) => {
            let groups = scope.regex(&extract.pattern)?.captures_len();
            if extract.group >= groups {
                let message = format!("keeps group {}, and its pattern has {}", extract.group, groups - 1);
                return Err(RuleError::Unfit(label, message));
            }
            scope.change(extract.column.names(), Change::Differs, |value, _| {
                Ok(SparkFunction::extract(value, &extract.pattern, extract.group))
            })?
        }
        Rule::SubstringIndex(index) => scope.change(index.column.names(), Change::Differs, |value, _| {
            Ok(SparkFunction::substring_index(value, &index.delimiter, index.count))
        })?,
        Rule::Split(split) => {
            let parts = SparkFunction::split(scope.column(&split.column)?, &split.separator);
            scope.with_new(split.into.as_ref().unwrap_or(&split.column), parts)
        }
        Rule::Trim(trim) => scope.change_text(&trim.columns, |value| SparkFunction::trim(value, trim.squeeze))?,
        Rule::Lower(columns) => scope.change_text(columns, SparkFunction::lower)?,
        Rule::Upper(columns) => scope.change_text(columns, SparkFunction::upper)?,
        Rule::Timestamp(timestamp) => scope.timestamp(timestamp)?,
        Rule::Array(array) => scope.array(array)?,
        Rule::Struct(fields) => {
            let values = fields.of.iter().map(|name| Ok([lit(name.as_str()), scope.column(name)?]));
            let values: Vec<[Expr; 2]> = values.collect::<Result<_, RuleError>>()?;
            scope.with_new(&fields.into, named_struct(values.into_iter().flatten().collect()))
        }
        Rule::Concat(concat) => scope.concat(concat)?,
        Rule::Derive(derive) => scope.with_new(&derive.into, scope.expression(&derive.sql)?),
        Rule::Filter(condition) => {
            return Ok(Some(Step::Filter { label, keeps: scope.expression(condition)?.is_true() }));
        }
        Rule::DropRows(condition) => {
            return Ok(Some(Step::Filter { label, keeps: scope.expression(condition)?.is_not_true() }));
        }
        Rule::DropNulls(names) => {
            let present = names.names().iter().map(|name| scope.column(name).map(Expr::is_not_null));
            let present: Vec<Expr> = present.collect::<Result<_, _>>()?;
            let keeps = present.into_iter().reduce(Expr::and).unwrap_or_else(|| lit(true));
            return Ok(Some(Step::Filter { label, keeps }));
        }
        Rule::Rename(names) => {
            names.keys().try_for_each(|name| scope.require(name))?;
            let renamed = |name: &str| names.get(name).map_or(name, String::as_str).to_owned();
            scope.untouched(|_| true).map(|column| OutputColumn { name: renamed(&column.name), ..column }).collect()
        }
        Rule::Drop(names) => {
            names.names().iter().try_for_each(|name| scope.require(name))?;
            scope.untouched(|name| !names.names().iter().any(|dropped| dropped == name)).collect()
        }
        Rule::Select(names) => scope.kept(names)?,
        Rule::Order(names) => {
            let others = scope.untouched(|name| !names.names().iter().any(|first| first == name));
            scope.kept(names)?.into_iter().chain(others).collect()
        }
        Rule::Explode(explode) => {
            scope.require(&explode.column)?;
            let data_type = scope.data_type(&explode.column);
            if !matches!(data_type, DataType::List(_) | DataType::LargeList(_)) {
                let message = format!("needs a column of arrays; `{}` holds {}", explode.column, type_name(data_type));
                return Err(RuleError::Unfit(label, message));
            }
            return Ok(Some(Step::Explode { label, column: explode.column.clone() }));
        }
        Rule::Deduplicate(deduplicate) => return scope.deduplicate(deduplicate),
        Rule::Sql(sql) => return Ok(Some(Step::Sql { label, sql: sql.clone() })),
    };
    scope.check_names(&columns)?;
    Ok(Some(Step::Project { label, columns }))
}

/// A rule, and the columns that it sees.
struct Scope<'a> {
    rule: &'a Rule,
    schema: &'a Schema,
    input: &'a str,
    state: &'a SessionState,
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
        let names = || self.schema.fields().iter().map(|field| field.name().as_str());
        Err(RuleError::UnknownColumn {
            rule: self.rule.to_string(),
            column: name.to_owned(),
            input: self.input.to_owned(),
            known: columns::list(names()),
            hint: columns::hint(name, names()),
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

    fn kept(&self, names: &OneOrMany) -> Result<Vec<OutputColumn>, RuleError> {
        names.names().iter().map(|name| self.column(name).map(|expr| keep(name, expr))).collect()
    }

    fn expression(&self, sql: &str) -> Result<Expr, RuleError> {
        expression::over(sql, self.schema, self.state)
            .map_err(|problem| RuleError::Sql { rule: self.rule.to_string(), problem })
    }

    fn regex(&self, pattern: &str) -> Result<regex::Regex, RuleError> {
        regex::Regex::new(pattern).map_err(|error| {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let message = format!("the pattern `{pattern}` is not a regular expression: {reason}");
            RuleError::Regex(self.rule.to_string(), message)
        })
    }

    fn is_text(&self, name: &str) -> bool {
        matches!(self.data_type(name), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
    }

    /// The columns of a rule; `all` are those that are `wanted`.
    fn names(&self, columns: &Columns, wanted: impl Fn(&Field) -> bool) -> Vec<String> {
        match columns {
            Columns::Named(names) => names.clone(),
            Columns::All => {
                let fields = self.schema.fields().iter().filter(|field| wanted(field));
                fields.map(|field| field.name().clone()).collect()
            }
        }
    }

    fn nulls(&self, rule: &Nulls) -> Result<Vec<OutputColumn>, RuleError> {
        let names = self.names(&rule.columns, |field| !field.data_type().is_nested());
        self.change(&names, Change::BecameNull, |value, _| {
            Ok(SparkFunction::without_markers(value, &rule.values, rule.how, rule.ignore_case))
        })
    }

    fn fill(&self, rule: &Fill) -> Result<Vec<OutputColumn>, RuleError> {
        let value = match &rule.value {
            Scalar::Boolean(value) => ScalarValue::Boolean(Some(*value)),
            Scalar::Integer(value) => ScalarValue::Int64(Some(*value)),
            Scalar::Number(value) => ScalarValue::Float64(Some(*value)),
            Scalar::Text(text) => ScalarValue::Utf8(Some(text.clone())),
        };
        let cast = |data_type: &DataType| value.cast_to(data_type).ok().filter(|value| !value.is_null());
        // As Spark's `fill`: text goes into columns of text, numbers into those of numbers.
        let suits = |data_type: &DataType| match &rule.value {
            Scalar::Boolean(_) => *data_type == DataType::Boolean,
            Scalar::Integer(_) | Scalar::Number(_) => data_type.is_numeric(),
            Scalar::Text(_) => matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View),
        };
        let names = self.names(&rule.columns, |field| suits(field.data_type()));
        self.change(&names, Change::Differs, |column, name| {
            let data_type = self.data_type(name);
            let Some(value) = cast(data_type) else {
                let message = format!("has the value {value}, and `{name}` holds {}", type_name(data_type));
                return Err(RuleError::Unfit(self.rule.to_string(), message));
            };
            when(column.clone().is_null(), lit(value)).otherwise(column).map_err(|source| self.refused(source))
        })
    }

    fn change_text(&self, columns: &Columns, change: impl Fn(Expr) -> Expr) -> Result<Vec<OutputColumn>, RuleError> {
        let is_text = |field: &Field| self.is_text(field.name());
        self.change(&self.names(columns, is_text), Change::Differs, |value, _| Ok(change(value)))
    }

    fn replace(&self, rule: &Replace) -> Result<Vec<OutputColumn>, RuleError> {
        if let Some(pattern) = &rule.pattern {
            self.regex(pattern)?;
        }
        self.change(rule.column.names(), Change::Differs, |value, _| match (&rule.text, &rule.pattern) {
            (Some(text), None) => Ok(SparkFunction::replace(value, text, &rule.with, rule.at)),
            (None, Some(pattern)) => Ok(SparkFunction::replace_pattern(value, pattern, &rule.with)),
            _ => Err(RuleError::Unfit(self.rule.to_string(), "needs one of `text` and `pattern`".to_owned())),
        })
    }

    fn deduplicate(&self, rule: &Deduplicate) -> Result<Option<Step>, RuleError> {
        if !rule.when {
            return Ok(None);
        }
        let by = match &rule.by {
            SameBy::Row => None,
            SameBy::Columns(names) => {
                names.iter().try_for_each(|name| self.require(name))?;
                Some(names.clone())
            }
        };
        let read = |written: &String| {
            let (name, is_descending) = order(written);
            self.require(&name).map(|()| (name, is_descending))
        };
        let order_by = rule.order_by.as_ref().map(|names| names.names().iter().map(read).collect()).transpose()?;
        Ok(Some(Step::Deduplicate { label: self.rule.to_string(), by, keep: rule.keep, order_by }))
    }

    fn refused(&self, source: datafusion::error::DataFusionError) -> RuleError {
        RuleError::Expression { rule: self.rule.to_string(), source }
    }

    fn cast(&self, rule: &Cast) -> Result<Vec<OutputColumn>, RuleError> {
        let format = rule.format.as_deref().map(TimestampFormat::parse).transpose()?;
        if format.is_some() && !matches!(rule.to, Target::Date | Target::Timestamp) {
            let message = "has a `format`, which is for `timestamp` and `date`".to_owned();
            return Err(RuleError::Unfit(self.rule.to_string(), message));
        }
        self.change(rule.column.names(), Change::Differs, |value, name| {
            if self.data_type(name).is_nested() && rule.to != Target::String {
                let message = format!("cannot cast `{name}`, which holds {}", type_name(self.data_type(name)));
                return Err(RuleError::Unfit(self.rule.to_string(), message));
            }
            let value = match &format {
                Some(format) => SparkFunction::timestamp(value, Some(format.clone())),
                None => value,
            };
            Ok(SparkFunction::cast(value, rule.to))
        })
    }

    fn suffixed_number(&self, rule: &SuffixedNumber) -> Result<Vec<OutputColumn>, RuleError> {
        let names = std::slice::from_ref(&rule.column);
        let is_long = rule.to == Width::Bigint;
        self.change(names, Change::Differs, |value, _| {
            Ok(SparkFunction::suffixed_number(value, rule.rule, &rule.letters, is_long))
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
                let null = Expr::Literal(ScalarValue::Utf8(None), None);
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
