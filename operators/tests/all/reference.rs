//! The reference data and Spark's answers to it, where they are present.

use std::path::{Path, PathBuf};

/// The folder with the reference data; it is not part of the repository.
pub fn data() -> Option<PathBuf> {
    let shared = match std::env::var_os("UPDRAFT_SHARED") {
        Some(shared) => PathBuf::from(shared),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
    };
    let data = shared.join("data");
    if data.is_dir() {
        return Some(data);
    }
    eprintln!("reference data not present: set UPDRAFT_SHARED to compare with Spark's answers");
    None
}

/// The lines of a golden table, header first.
pub fn read_csv(path: &Path) -> (Vec<String>, Vec<Vec<String>>) {
    let mut reader = csv::ReaderBuilder::new().from_path(path).unwrap();
    let header = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let rows = reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect());
    (header, rows.collect())
}
