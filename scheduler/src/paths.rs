//! Paths as they are written, without asking the file system.

use std::path::{Component, Path, PathBuf};

/// A path in which `.` and `..` are resolved by name, so that one place has one spelling. Links are left to the file system.
///
/// Nothing is above the root; a relative path that leads above where it begins still does.
pub fn normalize(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => (),
            Component::ParentDir if matches!(normal.components().next_back(), None | Some(Component::ParentDir)) => {
                normal.push(part);
            }
            Component::ParentDir => {
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_has_one_spelling() {
        for (written, normal) in [
            ("/srv/./lake//raw/", "/srv/lake/raw"),
            ("/srv/x/../lake", "/srv/lake"),
            ("/../srv", "/srv"),
            ("dags/team/../sql", "dags/sql"),
            ("dags/../../sql", "../sql"),
            ("dags/../../../dags", "../../dags"),
            ("..", ".."),
        ] {
            assert_eq!(normalize(Path::new(written)), Path::new(normal), "{written}");
        }
    }
}
