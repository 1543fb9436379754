//! `updraft import airflow`: DAG files of Airflow as YAML, and what could not be converted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::Context;
use importer::{Imported, Remark, Vocabulary, Weight};
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use scheduler::dag::spec::{self, SourceFile};
use scheduler::operator::Registry;
use serde_json::{Value, json};

use super::installation::catalog;
use crate::cli::ImportAirflowArgs;
use crate::config::Config;
use crate::output::{self, Output};
use crate::report::{BadInput, Status};
use crate::terminal;

/// Columns of the report.
const WIDTH: usize = 110;

/// Folders within folders are followed so far; a link that leads back up must end somewhere.
const DEPTH_MAX: usize = 16;

/// A Python file, and what became of it.
struct File {
    /// As it was named, or found.
    path: PathBuf,
    /// Its path below the folder that was named.
    name: PathBuf,
    text: String,
    imported: Imported,
}

/// Converts what was named, writes or prints it, and tells what a person has to do.
pub fn run(args: &ImportAirflowArgs, config: &Config, output: Output) -> anyhow::Result<Status> {
    let catalog = catalog(config)?;
    let vocabulary = vocabulary(catalog.registry());
    let files = python_files(&args.path)?.into_iter().map(|name| {
        let path = if name.as_os_str().is_empty() { args.path.clone() } else { args.path.join(&name) };
        convert(path, name, &vocabulary, catalog.registry())
    });
    let files: Vec<File> = files.collect::<anyhow::Result<_>>()?;
    if let Some(folder) = &args.to {
        write_all(&files, folder, args.force)?;
    }
    for file in &files {
        tell(file);
    }
    let data: Vec<Value> = files.iter().map(|file| data(file, args.to.as_deref())).collect();
    let dags: usize = files.iter().map(|file| file.imported.dag_ids.len()).sum();
    let lost =
        files.iter().flat_map(|file| &file.imported.remarks).filter(|remark| remark.weight == Weight::Lost).count();
    let summary = summary(dags, files.len(), lost);
    if args.to.is_none() {
        terminal::line(&summary);
    }
    output.print(&data, |_| match &args.to {
        Some(_) => summary,
        None => files.iter().filter_map(|file| printed(file, files.len() > 1)).collect::<Vec<_>>().join("\n"),
    })?;
    Ok(if lost == 0 { Status::Done } else { Status::BadInput })
}

fn summary(dags: usize, files: usize, lost: usize) -> String {
    let counted = |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    let of = format!("{} from {}", counted(dags, "DAG", "DAGs"), counted(files, "Python file", "Python files"));
    match lost {
        0 => format!("{of}, converted whole"),
        lost => format!("{of}; {}", counted(lost, "thing is not converted", "things are not converted")),
    }
}

/// What this Updraft knows.
fn vocabulary(registry: &Registry) -> Vocabulary {
    let owned = |names: &mut dyn Iterator<Item = &'static str>| names.map(str::to_owned).collect::<BTreeSet<String>>();
    let mut operators = BTreeMap::new();
    let mut arguments = BTreeMap::new();
    for operator in registry.iter() {
        let known = spec::argument_names(operator);
        for class in operator.airflow_classes.iter() {
            // A class whose arguments have other names is written as it is, so that they are read as its own.
            let written = if class.is_plain() { operator.name } else { class.path };
            operators.insert(class.name().to_owned(), written.to_owned());
            if !class.is_plain() {
                let own = class.own_arguments().map(str::to_owned);
                arguments.insert(class.path.to_owned(), known.iter().cloned().chain(own).collect());
            }
        }
        arguments.insert(operator.name.to_owned(), known);
    }
    Vocabulary {
        operators,
        arguments,
        dag_keys: owned(&mut spec::dag_keys()),
        task_keys: owned(&mut spec::task_keys()),
    }
}

/// The Python files below a folder, by their paths within it, in order; a file itself has the empty path.
fn python_files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![PathBuf::new()]);
    }
    let missing = || BadInput::new(format!("`{}` is no file and no folder", path.display()));
    let mut folders = vec![(PathBuf::new(), 0)];
    let mut files = Vec::new();
    while let Some((folder, depth)) = folders.pop() {
        let entries = match fs::read_dir(path.join(&folder)) {
            Ok(entries) => entries,
            Err(_) if depth == 0 => return Err(missing().into()),
            Err(error) => return Err(error).with_context(|| format!("cannot read `{}`", path.join(&folder).display())),
        };
        for entry in entries.filter_map(Result::ok) {
            let name = folder.join(entry.file_name());
            let is_hidden = entry.file_name().to_string_lossy().starts_with(['.', '_']);
            let is_folder = path.join(&name).is_dir();
            if is_folder && !is_hidden && depth < DEPTH_MAX {
                folders.push((name, depth + 1));
            } else if !is_folder && name.extension().is_some_and(|ending| ending == "py") {
                files.push(name);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn convert(path: PathBuf, name: PathBuf, vocabulary: &Vocabulary, registry: &Registry) -> anyhow::Result<File> {
    let name = if name.as_os_str().is_empty() { path.file_name().map(PathBuf::from).unwrap_or_default() } else { name };
    let bytes = fs::read(&path).map_err(|error| BadInput::new(format!("cannot read `{}`: {error}", path.display())))?;
    let (text, unreadable) = importer::decode(&bytes);
    if let Some(remark) = unreadable {
        // The other files of the folder are converted all the same.
        let mut imported = Imported::default();
        imported.remarks.push(remark);
        return Ok(File { path, name, text, imported });
    }
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let mut imported = importer::import(&stem, &text, vocabulary);
    check(&mut imported, registry);
    Ok(File { path, name, text, imported })
}

/// Reads the result as Updraft will, and says what is wrong with it at the place that it comes from.
fn check(imported: &mut Imported, registry: &Registry) {
    let Some(yaml) = &imported.yaml else { return };
    let loaded = spec::load(&SourceFile::new("imported.yaml", yaml.as_str()), registry);
    let lost = |place: &Range<usize>, remarks: &[Remark]| {
        let is_within = |remark: &Remark| place.start <= remark.place.start && remark.place.end <= place.end;
        remarks.iter().any(|remark| remark.weight == Weight::Lost && is_within(remark))
    };
    let mut found = Vec::new();
    for problem in &loaded.problems {
        let offset = problem.labels.first().map_or(0, |label| label.place.start);
        let place = imported.origin(offset);
        // What is wrong because something is left out has been said.
        if !imported.is_lost(offset) && !lost(&place, &imported.remarks) {
            let remark = Remark::lost(format!("Updraft refuses this: {}", problem.message), place);
            found.push(Remark { help: problem.help.clone(), ..remark });
        }
    }
    imported.remarks.extend(found);
    imported.remarks.sort_by_key(|remark| remark.place.start);
}

/// Writes all files, or none: nothing is replaced unless told so.
fn write_all(files: &[File], folder: &Path, force: bool) -> anyhow::Result<()> {
    let converted: Vec<(PathBuf, &str)> =
        files.iter().filter_map(|file| Some((target(file, folder), file.imported.yaml.as_deref()?))).collect();
    if let Some((path, _)) = converted.iter().find(|(path, _)| !force && path.exists()) {
        let problem = format!("`{}` is there already", path.display());
        return Err(BadInput::new(problem).hint("add --force to replace it, or name another folder").into());
    }
    for (path, yaml) in &converted {
        let write = || {
            let around = path.parent().unwrap_or(folder);
            fs::create_dir_all(around)?;
            // Beside it and renamed: a server that watches the folder sees the whole file or none.
            let mut file = tempfile::Builder::new().prefix(".import-").tempfile_in(around)?;
            file.write_all(yaml.as_bytes())?;
            file.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
            file.persist(path).map_err(|error| error.error)
        };
        write().with_context(|| format!("cannot write `{}`", path.display()))?;
        terminal::line(&format!("wrote {}", path.display()));
    }
    Ok(())
}

fn target(file: &File, folder: &Path) -> PathBuf {
    folder.join(&file.name).with_extension("yaml")
}

fn printed(file: &File, with_name: bool) -> Option<String> {
    let yaml = file.imported.yaml.as_deref()?;
    Some(if with_name { format!("# {}\n{yaml}", file.name.with_extension("yaml").display()) } else { yaml.to_owned() })
}

/// Tells what there is to say of a file.
fn tell(file: &File) {
    let theme = if output::is_colourful() { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(WIDTH).with_links(false);
    let source = NamedSource::new(file.path.display().to_string(), file.text.clone()).with_language("python");
    for remark in &file.imported.remarks {
        let mut text = String::new();
        let at = At { remark, source: &source };
        if handler.render_report(&mut text, &at).is_err() {
            let (line, column) = line_and_column(&file.text, remark.place.start);
            text = format!("{}:{line}:{column}: {remark}", file.path.display());
        }
        terminal::line(&text);
    }
}

/// A remark with the text that it is about.
#[derive(Debug)]
struct At<'a> {
    remark: &'a Remark,
    source: &'a NamedSource<String>,
}

impl std::fmt::Display for At<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.remark.fmt(f)
    }
}

impl std::error::Error for At<'_> {}

impl Diagnostic for At<'_> {
    fn severity(&self) -> Option<miette::Severity> {
        self.remark.severity()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.remark.help()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.remark.labels()
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.source)
    }
}

fn data(file: &File, folder: Option<&Path>) -> Value {
    let remarks: Vec<Value> = file
        .imported
        .remarks
        .iter()
        .map(|remark| {
            let (line, column) = line_and_column(&file.text, remark.place.start);
            let is_lost = remark.weight == Weight::Lost;
            json!({ "line": line, "column": column, "is_lost": is_lost, "message": remark.message, "help": remark.help })
        })
        .collect();
    let written = folder.filter(|_| file.imported.yaml.is_some()).map(|folder| target(file, folder));
    json!({
        "file": file.path,
        "dag_ids": file.imported.dag_ids,
        "yaml": file.imported.yaml,
        "written": written,
        "remarks": remarks,
    })
}

/// Both from 1; columns count characters.
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
