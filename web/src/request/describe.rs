//! The query parameters of lists, described for the OpenAPI document by the same names that [`super::Query`] reads.

use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{KnownFormat, RefOr, Required};

/// Which instance of a mapped task is meant, of requests that ask for nothing else.
pub(crate) struct MapIndexParam;

impl IntoParams for MapIndexParam {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Described::default().number("map_index", "The mapped instance; -1 when absent.").done()
    }
}

/// A list of query parameters, put together by kind.
#[derive(Default)]
pub(crate) struct Described {
    parameters: Vec<Parameter>,
}

impl Described {
    /// `limit` and `offset`.
    pub(crate) fn paged() -> Described {
        Described::default().add("limit", scalar(Type::Integer), "Rows of the page: 50 when absent, at most 100.").add(
            "offset",
            scalar(Type::Integer),
            "Rows before the page.",
        )
    }

    /// `cursor`.
    pub(crate) fn cursor(self) -> Described {
        let help = "Pages by cursor: empty for the first page, then `next_cursor` or `previous_cursor` of an answer.";
        self.add("cursor", scalar(Type::String), help)
    }

    /// `order_by`.
    pub(crate) fn ordered(self) -> Described {
        self.add("order_by", list(Type::String), "Attributes to order by; `-` before one turns it around.")
    }

    /// `<name>_pattern` and `<name>_prefix_pattern`.
    pub(crate) fn patterns(mut self, names: &[&str]) -> Described {
        for name in names {
            let contains = "Text that occurs, in any case; `%` and `_` are wildcards, `|` separates alternatives.";
            let prefix = "How the text begins, exactly; `|` separates alternatives.";
            self = self.add(&format!("{name}_pattern"), scalar(Type::String), contains).add(
                &format!("{name}_prefix_pattern"),
                scalar(Type::String),
                prefix,
            );
        }
        self
    }

    /// `<name>_gte`, `<name>_gt`, `<name>_lte` and `<name>_lt` of instants.
    pub(crate) fn instants(mut self, names: &[&str]) -> Described {
        for name in names {
            for bound in ["gte", "gt", "lte", "lt"] {
                self = self.add(&format!("{name}_{bound}"), instant(), "");
            }
        }
        self
    }

    /// The same of numbers.
    pub(crate) fn decimals(mut self, name: &str) -> Described {
        for bound in ["gte", "gt", "lte", "lt"] {
            self = self.add(&format!("{name}_{bound}"), scalar(Type::Number), "");
        }
        self
    }

    /// One instant.
    pub(crate) fn instant(self, name: &str) -> Described {
        self.add(name, instant(), "")
    }

    /// One text.
    pub(crate) fn text(self, name: &str, help: &str) -> Described {
        self.add(name, scalar(Type::String), help)
    }

    /// Texts, by repeating the key.
    pub(crate) fn texts(mut self, names: &[&str]) -> Described {
        for name in names {
            self = self.add(name, list(Type::String), "");
        }
        self
    }

    /// Numbers, by repeating the key.
    pub(crate) fn numbers(mut self, names: &[&str]) -> Described {
        for name in names {
            self = self.add(name, list(Type::Integer), "");
        }
        self
    }

    /// One number.
    pub(crate) fn number(self, name: &str, help: &str) -> Described {
        self.add(name, scalar(Type::Integer), help)
    }

    /// One number with a fraction.
    pub(crate) fn decimal(self, name: &str, help: &str) -> Described {
        self.add(name, scalar(Type::Number), help)
    }

    /// One yes or no.
    pub(crate) fn flag(self, name: &str, help: &str) -> Described {
        self.add(name, scalar(Type::Boolean), help)
    }

    /// The parameters.
    pub(crate) fn done(self) -> Vec<Parameter> {
        self.parameters
    }

    fn add(mut self, name: &str, schema: Schema, help: &str) -> Described {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .description(Some(help).filter(|help| !help.is_empty()))
            .schema(Some(RefOr::T(schema)));
        self.parameters.push(parameter.build());
        self
    }
}

fn scalar(kind: Type) -> Schema {
    Schema::Object(ObjectBuilder::new().schema_type(kind).build())
}

fn instant() -> Schema {
    let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
    Schema::Object(ObjectBuilder::new().schema_type(Type::String).format(Some(format)).build())
}

fn list(kind: Type) -> Schema {
    Schema::Array(ArrayBuilder::new().items(RefOr::T(scalar(kind))).build())
}
