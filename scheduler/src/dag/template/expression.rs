//! Expressions of Jinja over values that an operator has at hand: `status == 200 and json.state == "done"`.
//!
//! They stand in arguments without braces, because they are not templates: they are about what a try sees, which nobody
//! knows when templates are filled in.

use minijinja::{Error, ErrorKind};
use serde_json::{Map, Value};

use super::environment::environment;
use super::objects::from_map;
use super::{Mistake, fault};
use crate::dag::spec::suggest::did_you_mean;

/// What is wrong with an expression over values of these names.
pub fn check_expression(text: &str, known: &[&str]) -> Option<Mistake> {
    let environment = environment();
    let expression = match environment.compile_expression(text) {
        Ok(expression) => expression,
        Err(error) => return Some(fault::mistake(text, &error, None)),
    };
    let mut names: Vec<String> = expression.undeclared_variables(false).into_iter().collect();
    names.sort();
    let is_global = |name: &str| environment.globals().any(|(global, _)| global == name);
    let name = names.into_iter().find(|name| !known.contains(&name.as_str()) && !is_global(name))?;
    let help = did_you_mean(&name, known.iter().copied());
    let help = help.unwrap_or_else(|| format!("the expression knows {}", known.join(", ")));
    Some(Mistake { range: 0..text.len(), message: format!("nothing is called `{name}`"), help: Some(help) })
}

/// What an expression makes of values, by their names. What is not there is a mistake, as in templates.
pub fn evaluate(text: &str, values: &Map<String, Value>) -> Result<Value, Mistake> {
    let mistake = |error: Error| match error.kind() {
        ErrorKind::UndefinedError => {
            let part = fault::part(text, &error);
            Mistake { range: 0..text.len(), message: format!("`{part}` is not there"), help: None }
        }
        _ => fault::mistake(text, &error, None),
    };
    let expression = environment().compile_expression(text).map_err(mistake)?;
    let value = expression.eval(from_map(values)).map_err(mistake)?;
    if value.is_undefined() {
        return Err(mistake(Error::from(ErrorKind::UndefinedError)));
    }
    serde_json::to_value(&value).map_err(|error| mistake(Error::new(ErrorKind::BadSerialization, error.to_string())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer() -> Map<String, Value> {
        json!({ "status": 200, "json": { "items": [1, 2], "next": null } }).as_object().unwrap().clone()
    }

    #[test]
    fn an_expression_makes_a_value_of_values() {
        let table = [
            ("status", json!(200)),
            ("status == 200 and json.items | length == 2", json!(true)),
            ("json.next", json!(null)),
            ("json.next is none or json.other is defined", json!(true)),
        ];
        for (text, expected) in table {
            assert_eq!(evaluate(text, &answer()), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_there_is_named() {
        assert!(evaluate("json.nothing", &answer()).unwrap_err().message.contains("json.nothing"));
        assert!(evaluate("json.nothing.more", &answer()).unwrap_err().message.contains("json.nothing"));
        let unknown = check_expression("jsn.items", &["status", "json"]).unwrap();
        assert_eq!(unknown.message, "nothing is called `jsn`");
        assert!(unknown.help.unwrap().contains("json"));
        assert!(check_expression("status ==", &["status"]).is_some());
        assert_eq!(check_expression("range(3) | length == status", &["status"]), None);
    }
}
