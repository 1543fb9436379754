//! An Airflow class that an operator answers to, and how the arguments of that class are read as the operator's own.

use serde_json::Value;

/// An Airflow class that means an operator.
///
/// ```
/// # use scheduler::operator::AirflowClass;
/// AirflowClass::named("airflow.providers.amazon.aws.operators.s3.S3ListOperator")
///     .given("action", "list")
///     .renamed("aws_conn_id", "conn_id")
///     .unneeded("deferrable")
///     .refused("verify", "write `endpoint_url` and certificates into the connection");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct AirflowClass {
    /// Its full path, or its bare name (`BashOperator`).
    pub path: &'static str,
    pub(crate) given: Vec<(&'static str, Value)>,
    pub(crate) renamed: Vec<(&'static str, &'static str)>,
    pub(crate) unneeded: Vec<&'static str>,
    pub(crate) refused: Vec<(&'static str, &'static str)>,
}

/// What becomes of an argument of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// It is the operator's argument of that name.
    As(&'static str),
    /// It asks for what is so anyway.
    Unneeded,
    /// It is not served; what to do instead.
    Refused(&'static str),
}

impl AirflowClass {
    /// A class whose arguments are those of the operator.
    pub fn named(path: &'static str) -> AirflowClass {
        AirflowClass { path, given: Vec::new(), renamed: Vec::new(), unneeded: Vec::new(), refused: Vec::new() }
    }

    /// Tasks of this class have that argument of the operator, unless they write it themselves.
    pub fn given(mut self, argument: &'static str, value: impl Into<Value>) -> AirflowClass {
        self.given.push((argument, value.into()));
        self
    }

    /// What Airflow calls `theirs` is the operator's argument `ours`. Several names may lead to one.
    pub fn renamed(mut self, theirs: &'static str, ours: &'static str) -> AirflowClass {
        self.renamed.push((theirs, ours));
        self
    }

    /// An argument that asks for what is so anyway, whatever its value: it is passed by.
    pub fn unneeded(mut self, theirs: &'static str) -> AirflowClass {
        self.unneeded.push(theirs);
        self
    }

    /// An argument that is not served, unless it is false or empty; `help` says what to do instead.
    pub fn refused(mut self, theirs: &'static str, help: &'static str) -> AirflowClass {
        self.refused.push((theirs, help));
        self
    }

    /// Its name without the module.
    pub fn name(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }

    /// Whether its arguments are just those of the operator.
    pub fn is_plain(&self) -> bool {
        *self == AirflowClass::named(self.path)
    }

    /// The arguments that it takes beside those of the operator.
    pub fn own_arguments(&self) -> impl Iterator<Item = &'static str> + use<'_> {
        self.renamed.iter().map(|(theirs, _)| *theirs).chain(self.unneeded.iter().copied())
    }

    /// Whether it says what becomes of the argument `theirs`: that it is one of the operator's, is passed by, or is refused.
    pub fn has_word_on(&self, theirs: &str) -> bool {
        self.reading(theirs).is_some()
    }

    /// What becomes of the argument `theirs`; nothing when the operator has it under that name, or not at all.
    pub(crate) fn reading(&self, theirs: &str) -> Option<Reading> {
        let renamed = self.renamed.iter().find(|(name, _)| *name == theirs).map(|(_, ours)| Reading::As(ours));
        let unneeded = || self.unneeded.contains(&theirs).then_some(Reading::Unneeded);
        let refused = || self.refused.iter().find(|(name, _)| *name == theirs).map(|(_, help)| Reading::Refused(help));
        renamed.or_else(unneeded).or_else(refused)
    }
}
