//! `toritsugi import`: a CSV file into the database, all of it or nothing.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::Path;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;

use crate::storage::import::{FILE_BYTES, Faults, ImportError, ImportReport, Normalise, Table};
use crate::storage::{Storage, StorageError, StorageSettings};

/// Imports `file`. Creates and migrates the database. Warnings and, on a terminal, a progress bar go to
/// standard error. Answers the line to print.
///
/// # Errors
/// The lines to print, one per fault (`FILE:LINE: column phones: what is wrong; what to do`), at most a
/// hundred and then a count; nothing was imported.
pub fn run(
    table: Table,
    file: &Path,
    settings: &StorageSettings,
    normalise: Normalise<'_>,
) -> Result<String, Vec<String>> {
    let began = Instant::now();
    let name = file.display().to_string();
    let octets = read(file).map_err(|error| vec![format!("{name}: {error}; check the path")])?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| vec![format!("cannot start: {error}")])?;
    let bar = progress_bar();
    let report = runtime.block_on(async {
        let storage = Storage::create_and_migrate(settings).await?;
        let progress = |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        };
        storage.import(table, &octets, normalise, Timestamp::now(), &progress).await
    });
    bar.finish_and_clear();
    let report = report.map_err(|error| failure(&name, error))?;
    warn(&name, &report.warnings);
    Ok(summary(table, &report, began.elapsed().as_secs_f64()))
}

/// Reads the whole file, but never more than an import takes.
fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    File::open(file)?.take(FILE_BYTES + 1).read_to_end(&mut octets)?;
    Ok(octets)
}

fn progress_bar() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    match ProgressStyle::with_template("{bar:40} {pos}/{len} ({eta})") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn failure(name: &str, error: ImportError) -> Vec<String> {
    match error {
        ImportError::Faults(faults) => {
            let mut lines = lines_of(name, &faults);
            lines.push("nothing was imported".to_owned());
            lines
        }
        ImportError::Storage(StorageError::Locked) => {
            vec![
                "the database is locked; stop whatever writes to it, or try again; nothing was imported"
                    .to_owned(),
            ]
        }
        ImportError::Storage(error) => vec![format!("{error}; nothing was imported")],
    }
}

fn warn(name: &str, warnings: &Faults) {
    let mut stderr = io::stderr().lock();
    for line in lines_of(name, warnings) {
        // Without a standard error there is nobody left to tell.
        let _nobody = writeln!(stderr, "warning: {line}");
    }
}

fn lines_of(name: &str, faults: &Faults) -> Vec<String> {
    let mut lines: Vec<String> = faults.shown.iter().map(|fault| format!("{name}:{fault}")).collect();
    let more = faults.total - faults.shown.len() as u64;
    if more > 0 {
        lines.push(format!("{name}: and {more} more, {} in all", faults.total));
    }
    lines
}

fn summary(table: Table, report: &ImportReport, seconds: f64) -> String {
    let known = match table {
        Table::Customers | Table::Agents | Table::Lines | Table::Shifts | Table::Holidays => "updated",
        Table::Contacts => "there already",
    };
    let ImportReport { rows, new, known: count, .. } = report;
    format!("imported {rows} {} ({new} new, {count} {known}) in {seconds:.1} s", table.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::import::ImportedNumber;

    fn import(folder: &Path, table: Table, text: &str) -> Result<String, Vec<String>> {
        let file = folder.join("file.csv");
        std::fs::write(&file, text).map_err(|error| vec![error.to_string()])?;
        let url = format!("sqlite:{}", folder.join("t.db").display());
        run(table, &file, &StorageSettings::new(url), &as_written).map_err(|lines| {
            lines.iter().map(|line| line.replace(&folder.display().to_string(), "")).collect()
        })
    }

    fn as_written(cell: &str) -> Vec<ImportedNumber> {
        vec![ImportedNumber {
            e164: Some(cell.to_owned()),
            raw: cell.to_owned(),
            ..ImportedNumber::default()
        }]
    }

    #[test]
    fn it_ends_with_what_it_did() {
        let folder = tempfile::tempdir().expect("a folder");
        let line = import(folder.path(), Table::Agents, "id,name\na1,佐藤\na2,鈴木\n").expect("imported");
        assert!(line.starts_with("imported 2 agents (2 new, 0 updated) in "), "{line}");
        let line = import(folder.path(), Table::Agents, "id,name\na2,鈴木\na3,高橋\n").expect("imported");
        assert!(line.starts_with("imported 2 agents (1 new, 1 updated) in "), "{line}");
    }

    #[test]
    fn every_fault_is_a_line_with_the_file_and_its_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let lines = import(folder.path(), Table::Agents, "id,name,role\na1,,boss\na2,鈴木,boss\n");
        assert_eq!(
            lines.expect_err("faults"),
            [
                "/file.csv:2: column name: it is empty; fill it in",
                "/file.csv:3: column role: \"boss\" is not allowed; use agent, supervisor or manager",
                "nothing was imported",
            ]
        );
    }

    #[test]
    fn after_a_hundred_faults_only_the_count_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = format!("id,name\n{}", "a1,\n".repeat(130));
        let lines = import(folder.path(), Table::Agents, &text).expect_err("faults");
        assert_eq!(lines.len(), 102);
        assert_eq!(lines[100], "/file.csv: and 30 more, 130 in all");
    }

    #[test]
    fn a_missing_file_is_told_by_its_name() {
        let settings = StorageSettings::new("sqlite:/nowhere/t.db");
        let lines =
            run(Table::Lines, Path::new("/nowhere/l.csv"), &settings, &as_written).expect_err("missing");
        assert!(lines[0].starts_with("/nowhere/l.csv: "), "{lines:?}");
    }
}
