//! Walking a TOML document key by key; what is wrong is noted with its line.

use std::cell::RefCell;
use std::ops::{Range, RangeInclusive};

use toml::de::{DeTable, DeValue};

use super::RuleFault;

/// What is gathered on the walk.
pub(super) struct Notes<'t> {
    text: &'t str,
    faults: RefCell<Vec<RuleFault>>,
}

impl<'t> Notes<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, faults: RefCell::default() }
    }

    /// The line of an offset, counted from 1.
    pub(super) fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        before.bytes().filter(|octet| *octet == b'\n').count() + 1
    }

    pub(super) fn fault(&self, span: Option<&Range<usize>>, what: impl Into<String>) {
        let line = span.map(|span| self.line(span));
        self.faults.borrow_mut().push(RuleFault { line, what: what.into() });
    }

    /// What was found, in the order of the lines.
    pub(super) fn into_faults(self) -> Vec<RuleFault> {
        let mut faults = self.faults.into_inner();
        faults.sort();
        faults.dedup();
        faults
    }
}

/// One table.
pub(super) struct Section<'d> {
    /// What people call it: `rule "night"`, `rule "night": when`.
    pub(super) place: String,
    pub(super) span: Range<usize>,
    table: &'d DeTable<'d>,
    known: RefCell<Vec<&'static str>>,
    notes: &'d Notes<'d>,
}

impl<'d> Section<'d> {
    pub(super) fn new(
        place: String,
        span: Range<usize>,
        table: &'d DeTable<'d>,
        notes: &'d Notes<'d>,
    ) -> Self {
        Self { place, span, table, known: RefCell::default(), notes }
    }

    /// How many keys it has.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The line it begins on.
    pub(super) fn line(&self) -> usize {
        self.notes.line(&self.span)
    }

    /// A table inside this one.
    pub(super) fn section(&self, key: &'static str) -> Option<Section<'d>> {
        let (span, value) = self.value(key)?;
        let DeValue::Table(table) = value else {
            self.wrong(key, &span, "a table", value);
            return None;
        };
        Some(Section::new(format!("{}{key}", self.lead()), span, table, self.notes))
    }

    /// Tables inside this one; a single table counts as a list of one.
    pub(super) fn sections(&self, key: &'static str) -> Option<Vec<Section<'d>>> {
        let (span, value) = self.value(key)?;
        let place = format!("{}{key}", self.lead());
        if let DeValue::Table(table) = value {
            return Some(vec![Section::new(place, span, table, self.notes)]);
        }
        let DeValue::Array(items) = value else {
            self.wrong(key, &span, "a table", value);
            return None;
        };
        let tables = items.iter().filter_map(|item| {
            if let DeValue::Table(table) = item.get_ref() {
                return Some(Section::new(place.clone(), item.span(), table, self.notes));
            }
            self.wrong(key, &item.span(), "a list of tables", item.get_ref());
            None
        });
        Some(tables.collect())
    }

    /// A text that `parse` understands.
    pub(super) fn text<T>(
        &self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let (span, value) = self.value(key)?;
        let DeValue::String(text) = value else {
            self.wrong(key, &span, "a text in quotes", value);
            return None;
        };
        self.accept(key, &span, parse(text))
    }

    /// A list of texts that `parse` understands, at most `most` and at least one; one text is a list of one.
    pub(super) fn texts<T>(
        &self,
        key: &'static str,
        most: usize,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let (span, value) = self.value(key)?;
        let items: Vec<(Range<usize>, &DeValue<'_>)> = if let DeValue::Array(items) = value {
            items.iter().map(|item| (item.span(), item.get_ref())).collect()
        } else {
            vec![(span.clone(), value)]
        };
        if items.is_empty() || items.len() > most {
            let what = format!("has {} entries; it must have from 1 to {most}", items.len());
            self.accept::<()>(key, &span, Err(what));
            return None;
        }
        let mut list = Vec::with_capacity(items.len());
        for (span, item) in items {
            if let DeValue::String(text) = item {
                list.extend(self.accept(key, &span, parse(text)));
            } else {
                self.wrong(key, &span, "a text or a list of texts in quotes", item);
            }
        }
        Some(list)
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &'static str) -> Option<bool> {
        let (span, value) = self.value(key)?;
        if let DeValue::Boolean(flag) = value {
            return Some(*flag);
        }
        self.wrong(key, &span, "true or false", value);
        None
    }

    /// A whole number within `range`.
    pub(super) fn number(&self, key: &'static str, range: RangeInclusive<u32>) -> Option<u32> {
        let (span, value) = self.value(key)?;
        let DeValue::Integer(integer) = value else {
            self.wrong(key, &span, "a whole number", value);
            return None;
        };
        let number = u32::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.filter(|number| range.contains(number));
        let (low, high) = (range.start(), range.end());
        self.accept(
            key,
            &span,
            number.ok_or_else(|| format!("{integer} is out of range; it must be from {low} to {high}")),
        )
    }

    /// Notes a fault at a key, or at the table when it has no such key.
    pub(super) fn fault(&self, key: &'static str, what: &str) {
        let span = self.table.get(key).map_or_else(|| self.span.clone(), toml::Spanned::span);
        self.notes.fault(Some(&span), format!("{}`{key}`: {what}", self.lead()));
    }

    /// Notes a fault of the table as a whole.
    pub(super) fn fault_here(&self, what: &str) {
        self.notes.fault(Some(&self.span), format!("{}{what}", self.lead()));
    }

    /// To be called when every known key has been asked for: the others are faults.
    pub(super) fn refuse_unknown_keys(&self) {
        let known = self.known.borrow();
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let what = format!(
                    "{}unknown key `{}`; known here: {}",
                    self.lead(),
                    name.escape_debug(),
                    known.join(", ")
                );
                self.notes.fault(Some(&key.span()), what);
            }
        }
    }

    fn value(&self, key: &'static str) -> Option<(Range<usize>, &'d DeValue<'d>)> {
        self.known.borrow_mut().push(key);
        let value = self.table.get(key)?;
        Some((value.span(), value.get_ref()))
    }

    fn accept<T>(&self, key: &'static str, span: &Range<usize>, value: Result<T, String>) -> Option<T> {
        value.map_err(|why| self.notes.fault(Some(span), format!("{}`{key}`: {why}", self.lead()))).ok()
    }

    fn wrong(&self, key: &str, span: &Range<usize>, wanted: &str, found: &DeValue<'_>) {
        let found = match found {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let what = format!("{}`{key}` must be {wanted}, not {found}", self.lead());
        self.notes.fault(Some(span), what);
    }

    fn lead(&self) -> String {
        if self.place.is_empty() { String::new() } else { format!("{}: ", self.place) }
    }
}
