//! Why work on rows stopped, in one sentence. Each layer (Delta, DataFusion, Arrow) says in its own words what the one within
//! has said before.

use std::error::Error;

use datafusion::error::DataFusionError;

/// What the layers put before what the one within says.
const LAYERS: [&str; 12] = [
    "Generic DeltaTable error: ",
    "Generic error: ",
    "Kernel error: ",
    "External error: ",
    "Execution error: ",
    "Error during planning: ",
    "Arrow error: ",
    "Parquet error: ",
    "Avro error: ",
    "Csv error: ",
    "Schema error: ",
    "Failed to convert into Arrow schema: ",
];
/// How DataFusion calls memory that is not to be had.
const NO_MEMORY: &str = "Resources exhausted: ";

/// The innermost reason.
pub fn reason(error: &(dyn Error + 'static)) -> String {
    if let Some(inner) = error.downcast_ref::<DataFusionError>().and_then(within) {
        return inner;
    }
    let text = error.to_string();
    // DataFusion tells first what it was at.
    let text = text.rsplit("\ncaused by\n").next().unwrap_or(&text);
    let text = text.split("\n\nbacktrace:").next().unwrap_or(text);
    let mut text = text.trim();
    while let Some(inner) = LAYERS.iter().find_map(|layer| text.strip_prefix(layer)) {
        text = inner;
    }
    match text.strip_prefix(NO_MEMORY) {
        Some(what) => {
            // Then follow the names of its memory pools.
            let what = what.split(" with ").next().unwrap_or(what);
            format!("`memory_limit` is too small, give more: {what}")
        }
        None => text.to_owned(),
    }
}

/// What others put into an error of DataFusion, with all their words.
fn within(error: &DataFusionError) -> Option<String> {
    match error {
        DataFusionError::External(inner) => {
            if let Some(inner) = inner.downcast_ref::<DataFusionError>() {
                return Some(reason(inner));
            }
            let mut words = vec![inner.to_string()];
            let mut at = inner.source();
            while let Some(cause) = at {
                words.push(cause.to_string());
                at = cause.source();
            }
            words.dedup();
            Some(words.join(": "))
        }
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => Some(reason(inner.as_ref())),
        DataFusionError::Shared(inner) => Some(reason(inner.as_ref())),
        DataFusionError::Collection(errors) => errors.first().map(|error| reason(error)),
        DataFusionError::ArrowError(inner, _) => Some(reason(inner.as_ref())),
        DataFusionError::ParquetError(inner) => Some(reason(inner.as_ref())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::error::ArrowError;
    use deltalake::DeltaTableError;

    use super::*;

    #[test]
    fn the_innermost_reason_is_told_once() {
        let arrow = || ArrowError::CsvError("incorrect number of fields for line 3, expected 2 got 1".to_owned());
        let layered = DataFusionError::Context(
            "simplify_expressions".to_owned(),
            Box::new(DataFusionError::ArrowError(Box::new(arrow()), None)),
        );
        assert_eq!(reason(&layered), "incorrect number of fields for line 3, expected 2 got 1");
        assert_eq!(reason(&DeltaTableError::from(layered)), "incorrect number of fields for line 3, expected 2 got 1");

        let ours = anyhow::anyhow!("it is gone").context("`a.json` cannot be read");
        assert_eq!(reason(&DataFusionError::External(ours.into())), "`a.json` cannot be read: it is gone");
    }

    #[test]
    fn too_little_memory_is_told_with_what_to_do() {
        let words = "Failed to allocate additional 95.4 MB for ExternalSorter[1] with 0.0 B already allocated";
        let error = DataFusionError::Context(
            "Not enough memory to continue external sort.".to_owned(),
            Box::new(DataFusionError::ResourcesExhausted(words.to_owned())),
        );
        let told =
            "`memory_limit` is too small, give more: Failed to allocate additional 95.4 MB for ExternalSorter[1]";
        assert_eq!(reason(&error), told);
        assert_eq!(reason(&DeltaTableError::from(error)), told);
    }
}
