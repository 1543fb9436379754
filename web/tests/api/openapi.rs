//! The description of the API is committed, so that a change of the API is seen in review, and by the UI's types.

use std::path::Path;

/// With `UPDATE_OPENAPI=1` the file is written anew.
#[test]
fn the_committed_description_is_the_one_that_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let mut served = serde_json::to_string_pretty(&web::openapi()).unwrap();
    served.push('\n');

    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(&path, &served).unwrap();
    }

    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == served, "web/openapi.json is stale: run the tests of `web` once with UPDATE_OPENAPI=1");
}
