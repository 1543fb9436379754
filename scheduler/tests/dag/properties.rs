//! What holds for any text: reading a DAG file never panics, and what it tells lies within the file.

use proptest::prelude::*;
use scheduler::dag::spec::{SourceFile, load, render};

use crate::fixtures::registry;
use crate::spec::grammar::GOOD;

/// Reads the text, and checks what must hold for whatever comes of it.
fn read(text: &str) -> Result<(), TestCaseError> {
    let source = SourceFile::new("dags/any.yaml", text);
    let loaded = load(&source, &registry());
    prop_assert!(!loaded.dags.is_empty() || !loaded.problems.is_empty(), "neither a DAG nor a problem");
    for problem in &loaded.problems {
        prop_assert!(problem.line >= 1 && problem.column >= 1);
        prop_assert!(!problem.message.is_empty());
        for label in &problem.labels {
            prop_assert!(
                text.get(label.place.start..label.place.end).is_some(),
                "{:?} is not in the text",
                label.place
            );
        }
    }
    prop_assert_eq!(render(&source, &loaded.problems, false).is_empty(), loaded.problems.is_empty());
    Ok(())
}

/// Pieces of DAG files, in any order, so that much of it is nearly right.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "tasks:",
        "tasks",
        ":",
        " ",
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        "task_id: a",
        "operator: bash",
        "operator: clean",
        "bash_command: ",
        "{{ ds }}",
        "{{",
        "}}",
        "{%",
        "{",
        "}",
        "[",
        "]",
        ",",
        "'",
        "\"",
        "&a ",
        "*a",
        "<<: *a",
        "|\n",
        ">-\n",
        "schedule: ",
        "@daily",
        "0 3 * * *",
        "* * * * * * *",
        "start_date: ",
        "2026-01-01",
        "default:",
        "default_args:",
        "retries: 1",
        "dependencies: [a]",
        "params:",
        "{type: integer, default: 1}",
        "__type__: ",
        "datetime.timedelta",
        "\t",
        "# x",
        "---",
        "...",
        "!!str ",
        "!x ",
        "~",
        "null",
        "true",
        "1e999",
        "-1",
        "0x",
        "\u{feff}",
        "é",
        "日",
        "\u{0}",
        "? ",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read(text in any::<String>()) {
        read(&text)?;
    }

    #[test]
    fn any_pieces_are_read(text in pieces()) {
        read(&text)?;
    }

    #[test]
    fn any_template_is_checked(text in prop_oneof![any::<String>(), pieces()]) {
        for mistake in scheduler::dag::template::check(&text) {
            prop_assert!(text.get(mistake.range.clone()).is_some());
        }
    }

    #[test]
    fn any_cron_expression_is_read(text in prop_oneof![any::<String>(), "[0-9*/,L#?a-z -]{0,24}"]) {
        let _ = scheduler::dag::timetable::Timetable::new(&scheduler::dag::Schedule::Cron(text), chrono_tz::Tz::UTC);
    }

    #[test]
    fn any_duration_is_read(text in prop_oneof![any::<String>(), "[PT0-9.smhdw -]{0,16}"]) {
        let _ = scheduler::dag::duration::parse(&text);
    }

    #[test]
    fn a_good_file_with_changes_is_read(
        which in 0..GOOD.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..3u8, pieces()), 1..4),
    ) {
        let mut text: Vec<char> = GOOD[which].1.chars().collect();
        for (place, kind, piece) in changes {
            let at = place.index(text.len() + 1);
            match kind {
                0 => { text.splice(at..at, piece.chars()); }
                1 => { text.drain(at..(at + piece.len()).min(text.len())); }
                _ => { text.splice(at..(at + 1).min(text.len()), piece.chars().take(3)); }
            }
        }
        read(&text.into_iter().collect::<String>())?;
    }
}
