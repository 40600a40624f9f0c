//! Text into rows: the header, the cells by column name, and the line each row begins on.

use csv::{ReaderBuilder, StringRecord};

use super::decode::line_ends;
use super::fault::shown;
use super::{Fault, Faults};

/// Columns of the widest header that is read.
const COLUMNS: usize = 200;

/// Octets of the longest cell.
const CELL_BYTES: usize = 32 * 1024;

/// A column that a table knows.
pub(super) struct Column {
    /// Its name in the header.
    pub(super) name: &'static str,
    /// Whether every row must fill it.
    pub(super) required: bool,
}

/// What was found out about a file.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// What stops the import.
    pub(super) faults: Faults,
    /// What does not.
    pub(super) warnings: Faults,
}

/// Which of a table's columns the file has.
pub(super) struct Header {
    places: Vec<(&'static str, usize)>,
    width: usize,
}

impl Header {
    /// Whether the file has the column.
    pub(super) fn has(&self, column: &str) -> bool {
        self.place(column).is_some()
    }

    fn place(&self, column: &str) -> Option<usize> {
        self.places.iter().find(|(name, _)| *name == column).map(|(_, place)| *place)
    }
}

/// One row.
pub(super) struct Row<'a> {
    /// The line it begins on.
    pub(super) line: u64,
    header: &'a Header,
    record: &'a StringRecord,
}

impl Row<'_> {
    /// Whether the file has the column.
    pub(super) fn has(&self, column: &str) -> bool {
        self.header.has(column)
    }

    /// The cell as it stands, empty when the file lacks the column.
    pub(super) fn verbatim(&self, column: &'static str) -> &str {
        self.header.place(column).and_then(|place| self.record.get(place)).unwrap_or("")
    }

    /// The cell without the space around it.
    pub(super) fn trimmed(&self, column: &'static str) -> &str {
        self.verbatim(column).trim()
    }

    /// The cell as it stands, or nothing when it is blank.
    pub(super) fn optional(&self, column: &'static str) -> Option<String> {
        let cell = self.verbatim(column);
        if cell.trim().is_empty() { None } else { Some(cell.to_owned()) }
    }
}

/// Reads a whole file and hands each row that has the header's width to `each`. Answers the header, or `None`
/// when it is unusable.
pub(super) fn read(
    text: &str,
    columns: &'static [Column],
    findings: &mut Findings,
    mut each: impl FnMut(&Row<'_>, &mut Findings),
) -> Option<Header> {
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut lines = LineCounter { text: text.as_bytes(), place: 0, line: 1 };
    let mut record = StringRecord::new();
    let mut header: Option<Header> = None;
    loop {
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                let wrong = format!("the row cannot be read: {error}");
                findings.faults.push(Fault::row(lines.line, wrong, "repair the row"));
                break;
            }
        }
        let start = record.position().map_or(0, csv::Position::byte);
        let line = lines.of(usize::try_from(start).unwrap_or(usize::MAX));
        let Some(header) = &header else {
            header = Some(read_header(&record, line, columns, findings)?);
            continue;
        };
        // Excel leaves rows of bare commas at the end of a sheet.
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        let row = Row { line, header, record: &record };
        if is_well_formed(&row, columns, findings) {
            each(&row, findings);
        }
    }
    if header.is_none() {
        let wrong = "the file is empty".to_owned();
        findings.faults.push(Fault::row(1, wrong, "begin it with a header row of column names"));
    }
    header
}

fn read_header(
    record: &StringRecord,
    line: u64,
    columns: &'static [Column],
    findings: &mut Findings,
) -> Option<Header> {
    if record.len() > COLUMNS {
        let wrong = format!("the header has {} columns, at most {COLUMNS} are read", record.len());
        findings.faults.push(Fault::row(line, wrong, "remove the columns that are not needed"));
        return None;
    }
    let faults_before = findings.faults.total;
    let mut header = Header { places: Vec::new(), width: record.len() };
    for (place, cell) in record.iter().enumerate() {
        let name = cell.trim().to_ascii_lowercase();
        match columns.iter().find(|column| column.name == name) {
            Some(column) if header.has(column.name) => {
                let wrong = "it stands in the header twice".to_owned();
                findings.faults.push(Fault::cell(line, column.name, wrong, "remove one of the two"));
            }
            Some(column) => header.places.push((column.name, place)),
            None if name.is_empty() => {}
            None => {
                let wrong = format!("the column {} is not known and is left out", shown(cell));
                let remedy = format!("known are {}", names(columns));
                findings.warnings.push(Fault::row(line, wrong, &remedy));
            }
        }
    }
    for column in columns.iter().filter(|column| column.required && !header.has(column.name)) {
        let wrong = "it is missing from the header row".to_owned();
        let remedy = format!("the first row names the columns: {}", names(columns));
        findings.faults.push(Fault::cell(line, column.name, wrong, &remedy));
    }
    (findings.faults.total == faults_before).then_some(header)
}

/// Checks what is the same for every table; reports what is wrong.
fn is_well_formed(row: &Row<'_>, columns: &'static [Column], findings: &mut Findings) -> bool {
    if row.record.len() != row.header.width {
        let wrong = format!("the row has {} cells, the header {}", row.record.len(), row.header.width);
        let remedy = "check its commas, and whether a quotation mark is left open";
        findings.faults.push(Fault::row(row.line, wrong, remedy));
        return false;
    }
    let faults_before = findings.faults.total;
    for column in columns {
        let cell = row.verbatim(column.name);
        if cell.len() > CELL_BYTES {
            let wrong = format!("the cell has {} octets, at most {CELL_BYTES} are read", cell.len());
            let remedy = "shorten it, and check whether a quotation mark is left open";
            findings.faults.push(Fault::cell(row.line, column.name, wrong, remedy));
        } else if column.required && cell.trim().is_empty() {
            findings.faults.push(Fault::cell(row.line, column.name, "it is empty".to_owned(), "fill it in"));
        }
    }
    findings.faults.total == faults_before
}

fn names(columns: &'static [Column]) -> String {
    columns.iter().map(|column| column.name).collect::<Vec<_>>().join(",")
}

/// Counts lines up to a place in the text, going only forwards.
struct LineCounter<'a> {
    text: &'a [u8],
    place: usize,
    line: u64,
}

impl LineCounter<'_> {
    /// The line of the first octet at or after `start` that is not a line end: where the row really begins
    /// when blank lines, or the second half of a CR LF, come before it.
    fn of(&mut self, start: usize) -> u64 {
        let mut begin = start.clamp(self.place, self.text.len());
        while matches!(self.text.get(begin), Some(b'\r' | b'\n')) {
            begin += 1;
        }
        // `begin` never stands between CR and LF, so no line end is counted in halves.
        self.line += line_ends(self.text.get(self.place..begin).unwrap_or_default());
        self.place = begin;
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS_OF_TEST: &[Column] =
        &[Column { name: "id", required: true }, Column { name: "name", required: false }];

    fn rows_of(text: &str) -> (Vec<(u64, String, String)>, Findings) {
        let mut findings = Findings::default();
        let mut rows = Vec::new();
        read(text, COLUMNS_OF_TEST, &mut findings, |row, _| {
            rows.push((row.line, row.trimmed("id").to_owned(), row.verbatim("name").to_owned()));
        });
        (rows, findings)
    }

    #[test]
    fn a_row_is_known_by_the_line_it_begins_on() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["name,id", "\"two", "lines\",1", "", "b,2", ",,", "c,3", ""].join(end);
            let text = text.replace(",,", ",");
            let (rows, findings) = rows_of(&text);
            let lines: Vec<(u64, &str)> = rows.iter().map(|row| (row.0, row.1.as_str())).collect();
            assert_eq!(lines, [(2, "1"), (5, "2"), (7, "3")], "line end {end:?}");
            assert_eq!(findings.faults.total, 0);
        }
    }

    #[test]
    fn a_quoted_cell_keeps_its_newline_and_its_quotation_marks() {
        let (rows, _) = rows_of("id,name\n1,\"a \"\"b\"\"\nc\"\n");
        assert_eq!(rows, [(2, "1".to_owned(), "a \"b\"\nc".to_owned())]);
    }

    #[test]
    fn an_unknown_column_is_a_warning_and_a_missing_one_a_fault() {
        let (rows, findings) = rows_of("name,colour\na,b\n");
        assert!(rows.is_empty());
        assert_eq!(
            findings.warnings.shown[0].to_string(),
            "1: the column \"colour\" is not known and is left out; known are id,name"
        );
        assert_eq!(
            findings.faults.shown[0].to_string(),
            "1: column id: it is missing from the header row; the first row names the columns: id,name"
        );
    }

    #[test]
    fn a_row_of_another_width_and_an_empty_required_cell_are_faults() {
        let (rows, findings) = rows_of("id,name\n1\n2,b,c\n ,d\n4,e\n");
        assert_eq!(rows.len(), 1);
        let faults: Vec<String> = findings.faults.shown.iter().map(ToString::to_string).collect();
        assert_eq!(
            faults,
            [
                "2: the row has 1 cells, the header 2; check its commas, and whether a quotation mark \
                 is left open",
                "3: the row has 3 cells, the header 2; check its commas, and whether a quotation mark \
                 is left open",
                "4: column id: it is empty; fill it in",
            ]
        );
    }

    #[test]
    fn n78_a_million_columns_are_refused() {
        let (rows, findings) = rows_of(&",".repeat(1_000_000));
        assert!(rows.is_empty());
        assert_eq!(findings.faults.shown[0].wrong, "the header has 1000001 columns, at most 200 are read");
        let (rows, findings) = rows_of(&format!("id,name\n1{}\n", ",".repeat(1_000_000)));
        assert!(rows.is_empty());
        assert_eq!(findings.faults.shown[0].line, 2);
    }

    #[test]
    fn an_empty_file_is_a_fault() {
        let (_, findings) = rows_of("");
        assert_eq!(findings.faults.shown[0].wrong, "the file is empty");
    }
}
