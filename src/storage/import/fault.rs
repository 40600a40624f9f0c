//! What is wrong in a file, where, and what to do about it.

use std::fmt;

/// Faults kept with their text; the others are counted.
pub const FAULTS_SHOWN: usize = 100;

/// Characters of a cell that a fault shows.
const CELL_SHOWN: usize = 40;

/// One fault or warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file's own line number on which the row begins; the header is 1.
    pub line: u64,
    /// The column, when it is about one.
    pub column: Option<&'static str>,
    /// What is wrong.
    pub wrong: String,
    /// What to do.
    pub remedy: String,
}

impl Fault {
    /// A fault of a cell.
    pub(super) fn cell(line: u64, column: &'static str, wrong: String, remedy: &str) -> Self {
        Self { line, column: Some(column), wrong, remedy: remedy.to_owned() }
    }

    /// A fault of a row or of the file.
    pub(super) fn row(line: u64, wrong: String, remedy: &str) -> Self {
        Self { line, column: None, wrong, remedy: remedy.to_owned() }
    }
}

impl fmt::Display for Fault {
    /// `LINE: column phones: what is wrong; what to do`; whoever prints it puts the file's name before.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.line)?;
        if let Some(column) = self.column {
            write!(formatter, "column {column}: ")?;
        }
        write!(formatter, "{}; {}", self.wrong, self.remedy)
    }
}

/// The faults of a file, the first hundred of them with their text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The first ones, by line.
    pub shown: Vec<Fault>,
    /// How many there are.
    pub total: u64,
}

impl Faults {
    /// Adds one.
    pub(super) fn push(&mut self, fault: Fault) {
        self.total += 1;
        if self.shown.len() < FAULTS_SHOWN {
            self.shown.push(fault);
        }
    }

    /// In the order of the file: references are checked after everything else.
    pub(super) fn by_line(mut self) -> Self {
        self.shown.sort_by_key(|fault| fault.line);
        self
    }
}

/// A cell as a fault may show it: short, on one line, harmless to a terminal.
pub(super) fn shown(cell: &str) -> String {
    let mut text: String = cell
        .chars()
        .take(CELL_SHOWN)
        .map(
            |character| {
                if character.is_control() || is_direction_mark(character) { '\u{fffd}' } else { character }
            },
        )
        .collect();
    if cell.chars().nth(CELL_SHOWN).is_some() {
        text.push('…');
    }
    format!("\"{text}\"")
}

/// Marks that turn the order of what is printed after them.
fn is_direction_mark(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
