//! A TOML document that is walked key by key and remembers what was wrong, and on which line.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::ConfigFault;

/// More entries than this in one list are refused: nobody writes them by hand.
const LIST_LIMIT: usize = 1024;

/// The text, its tree, and what has been found so far.
pub(super) struct Document<'t> {
    tree: Spanned<DeTable<'t>>,
    notes: Notes<'t>,
}

/// What is gathered on the walk.
struct Notes<'t> {
    text: &'t str,
    folder: &'t Path,
    faults: RefCell<Vec<ConfigFault>>,
    keys: RefCell<BTreeSet<String>>,
}

/// One table of the document; an absent one answers every question with the default.
pub(super) struct Section<'d> {
    path: String,
    table: Option<&'d DeTable<'d>>,
    span: Range<usize>,
    known: RefCell<BTreeSet<String>>,
    notes: &'d Notes<'d>,
}

impl<'t> Document<'t> {
    /// Reads the text. Faults of syntax are kept and reported with those of meaning.
    pub(super) fn parse(text: &'t str, folder: &'t Path) -> Self {
        let (tree, errors) = DeTable::parse_recoverable(text);
        let notes = Notes { text, folder, faults: RefCell::default(), keys: RefCell::default() };
        for error in errors {
            // Only the first line says what is wrong; the rest is a drawing for a terminal.
            let what = error.message().lines().next().unwrap_or("not TOML").to_owned();
            notes.fault(error.span(), what);
        }
        Self { tree, notes }
    }

    /// The table at the top.
    pub(super) fn root(&self) -> Section<'_> {
        Section {
            path: String::new(),
            table: Some(self.tree.get_ref()),
            span: 0..0,
            known: RefCell::default(),
            notes: &self.notes,
        }
    }

    /// The keys that were asked for, or every fault in the order of their lines.
    pub(super) fn finish(self) -> Result<BTreeSet<String>, Vec<ConfigFault>> {
        let mut faults = self.notes.faults.into_inner();
        if faults.is_empty() {
            return Ok(self.notes.keys.into_inner());
        }
        faults.sort();
        faults.dedup();
        Err(faults)
    }
}

impl Notes<'_> {
    fn fault(&self, span: Option<Range<usize>>, what: String) {
        let line = span.map(|span| {
            let before = self.text.get(..span.start).unwrap_or(self.text);
            before.bytes().filter(|octet| *octet == b'\n').count() + 1
        });
        self.faults.borrow_mut().push(ConfigFault { line, what });
    }
}

impl<'d> Section<'d> {
    /// The table `[key]` inside this one.
    pub(super) fn section(&self, key: &str) -> Section<'d> {
        let path = self.path_of(key);
        let (table, span) = match self.value(key) {
            None => (None, self.span.clone()),
            Some((span, DeValue::Table(table))) => (Some(table), span),
            Some((span, other)) => {
                self.notes.fault(Some(span.clone()), wrong_type(&path, "a table", other));
                (None, span)
            }
        };
        Section { path, table, span, known: RefCell::default(), notes: self.notes }
    }

    /// The tables `[[key]]` inside this one, in the file's order.
    pub(super) fn sections(&self, key: &str) -> Vec<Section<'d>> {
        let path = self.path_of(key);
        let Some((span, value)) = self.value(key) else { return Vec::new() };
        let DeValue::Array(items) = value else {
            self.notes.fault(Some(span), format!("`{path}` is written as [[{path}]]"));
            return Vec::new();
        };
        let mut sections = Vec::new();
        for item in items.iter() {
            let DeValue::Table(table) = item.get_ref() else {
                self.notes.fault(Some(item.span()), wrong_type(&path, "a table", item.get_ref()));
                continue;
            };
            sections.push(Section {
                path: path.clone(),
                table: Some(table),
                span: item.span(),
                known: RefCell::default(),
                notes: self.notes,
            });
        }
        sections
    }

    /// Whether the file sets the key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// A text that `parse` understands.
    pub(super) fn text<T>(&self, key: &str, default: T, parse: impl FnOnce(&str) -> Result<T, String>) -> T {
        let Some((span, value)) = self.value(key) else { return default };
        let DeValue::String(text) = value else {
            return self.refuse(key, span, "a text in quotes", value, default);
        };
        self.accept(key, span, parse(text), default)
    }

    /// A text or nothing: the empty text means `None`.
    pub(super) fn optional<T>(
        &self,
        key: &str,
        default: Option<T>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.text(key, default, |text| if text.is_empty() { Ok(None) } else { parse(text).map(Some) })
    }

    /// A file name; relative ones are below the folder of the configuration file.
    pub(super) fn resolve(&self, text: &str) -> PathBuf {
        self.notes.folder.join(text)
    }

    /// A list of texts that `parse` understands, one fault for each that it does not.
    pub(super) fn texts<T: PartialEq>(
        &self,
        key: &str,
        default: Vec<T>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let Some((span, value)) = self.value(key) else { return default };
        let DeValue::Array(items) = value else {
            return self.refuse(key, span, "a list in brackets", value, default);
        };
        if items.len() > LIST_LIMIT {
            self.fault_at(key, &format!("has more than {LIST_LIMIT} entries"));
            return default;
        }
        let mut list = Vec::with_capacity(items.len());
        for item in items.iter() {
            let DeValue::String(text) = item.get_ref() else {
                let what = wrong_type(&self.path_of(key), "a list of texts in quotes", item.get_ref());
                self.notes.fault(Some(item.span()), what);
                continue;
            };
            match parse(text) {
                Ok(entry) if list.contains(&entry) => {
                    let what = format!("`{}` names \"{text}\" twice; remove one", self.path_of(key));
                    self.notes.fault(Some(item.span()), what);
                }
                Ok(entry) => list.push(entry),
                Err(why) => self.notes.fault(Some(item.span()), format!("`{}`: {why}", self.path_of(key))),
            }
        }
        list
    }

    /// A whole number within `range`.
    pub(super) fn number<T: TryFrom<u64>>(&self, key: &str, range: RangeInclusive<u64>, default: T) -> T {
        let Some((span, value)) = self.value(key) else { return default };
        let DeValue::Integer(integer) = value else {
            return self.refuse(key, span, "a whole number", value, default);
        };
        let (low, high) = (*range.start(), *range.end());
        let number = u64::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .filter(|number| range.contains(number))
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| format!("{integer} is out of range; it must be from {low} to {high}"));
        self.accept(key, span, number, default)
    }

    /// A number of seconds within `range`; the key ends in `_s`.
    pub(super) fn seconds(&self, key: &str, range: RangeInclusive<u64>, default: Duration) -> Duration {
        Duration::from_secs(self.number(key, range, default.as_secs()))
    }

    /// A number of milliseconds within `range`; the key ends in `_ms`.
    pub(super) fn millis(&self, key: &str, range: RangeInclusive<u64>, default: Duration) -> Duration {
        let default_ms = u64::try_from(default.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.number(key, range, default_ms))
    }

    /// A number of hours within `range`; the key ends in `_h`.
    pub(super) fn hours(&self, key: &str, range: RangeInclusive<u64>, default: Duration) -> Duration {
        Duration::from_secs(3600 * self.number(key, range, default.as_secs() / 3600))
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &str, default: bool) -> bool {
        let Some((span, value)) = self.value(key) else { return default };
        let DeValue::Boolean(flag) = value else {
            return self.refuse(key, span, "true or false", value, default);
        };
        *flag
    }

    /// A fault of meaning, at the value of `key` or, when the file does not set it, at the section.
    pub(super) fn fault_at(&self, key: &str, what: &str) {
        let span = self.value(key).map_or_else(|| self.span.clone(), |(span, _)| span);
        let span = self.table.map(|_| span);
        self.notes.fault(span, format!("`{}` {what}", self.path_of(key)));
    }

    /// To be called when every known key has been asked for: the others are faults.
    pub(super) fn refuse_unknown_keys(&self) {
        let known = self.known.borrow();
        for key in self.table.into_iter().flat_map(DeTable::keys) {
            if !known.contains(key.get_ref().as_ref()) {
                let place = if self.path.is_empty() {
                    "at the top".to_owned()
                } else {
                    format!("in [{}]", self.path)
                };
                let list = known.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                let what =
                    format!("unknown key `{}` {place}; known here: {list}", key.get_ref().escape_debug());
                self.notes.fault(Some(key.span()), what);
            }
        }
    }

    fn value(&self, key: &str) -> Option<(Range<usize>, &'d DeValue<'d>)> {
        self.known.borrow_mut().insert(key.to_owned());
        self.notes.keys.borrow_mut().insert(self.path_of(key));
        let value = self.table?.get(key)?;
        Some((value.span(), value.get_ref()))
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn accept<T>(&self, key: &str, span: Range<usize>, value: Result<T, impl Display>, default: T) -> T {
        value.unwrap_or_else(|why| {
            self.notes.fault(Some(span), format!("`{}`: {why}", self.path_of(key)));
            default
        })
    }

    fn refuse<T>(&self, key: &str, span: Range<usize>, wanted: &str, found: &DeValue<'_>, default: T) -> T {
        self.notes.fault(Some(span), wrong_type(&self.path_of(key), wanted, found));
        default
    }
}

fn wrong_type(path: &str, wanted: &str, found: &DeValue<'_>) -> String {
    format!("`{path}` must be {wanted}, not {}", type_name(found))
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
