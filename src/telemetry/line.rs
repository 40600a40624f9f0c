//! One event as one line that is safe on a terminal and in a file (N81).

use std::fmt::{self, Write as _};

use jiff::Timestamp;
use serde_json::Value;
use tracing::Level;
use tracing::field::{Field, Visit};

/// The longest line an attack can cause, in octets.
const LINE_OCTETS: usize = 512;
/// The longest line of level ERROR: somebody will be woken by it and needs all of it.
const ERROR_LINE_OCTETS: usize = 4_096;

/// The longest message, and the longest value of a field.
const MESSAGE_OCTETS: usize = 240;
const VALUE_OCTETS: usize = 120;

/// Fields of an event or a span, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fields {
    message: String,
    rest: Vec<(&'static str, Value)>,
}

/// What a line is made of beside its fields.
pub(super) struct Head<'a> {
    pub(super) at: Timestamp,
    pub(super) level: Level,
    pub(super) target: &'a str,
}

impl Fields {
    /// Fields of a line that the logger itself writes.
    pub(super) fn of(message: String, rest: Vec<(&'static str, Value)>) -> Self {
        Self { message, rest }
    }

    /// Takes over the fields of a surrounding span; what is already there is nearer and stays.
    pub(super) fn inherit(&mut self, outer: &Self) {
        for (name, value) in &outer.rest {
            if !self.rest.iter().any(|(own, _)| own == name) {
                self.rest.push((name, value.clone()));
            }
        }
    }

    fn put(&mut self, field: &Field, value: Value) {
        self.rest.retain(|(name, _)| *name != field.name());
        self.rest.push((field.name(), value));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let is_message = field.name() == "message";
        let mut text = Harmless::with_room(if is_message { MESSAGE_OCTETS } else { VALUE_OCTETS });
        // An error only says that the room is used up.
        let whole = write!(text, "{value:?}").is_ok();
        let text = text.finish(whole);
        if is_message {
            self.message = text;
        } else {
            self.put(field, Value::String(text));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}

/// The line as a JSON object, with its end.
pub(super) fn json(head: &Head<'_>, fields: &Fields) -> String {
    let mut line = format!(
        "{{\"time\":\"{:.3}\",\"level\":\"{}\",\"target\":{},\"message\":{}",
        head.at,
        head.level,
        Value::from(head.target),
        Value::from(fields.message.as_str()),
    );
    let limit = limit_of(head.level) - ",\"cut\":true}\n".len();
    let mut cut = false;
    for (name, value) in &fields.rest {
        let piece = format!(",{}:{value}", Value::from(*name));
        if line.len() + piece.len() > limit {
            cut = true;
        } else {
            line.push_str(&piece);
        }
    }
    line.push_str(if cut { ",\"cut\":true}\n" } else { "}\n" });
    line
}

/// The line for a person at a terminal, with its end.
pub(super) fn text(head: &Head<'_>, fields: &Fields, colour: bool) -> String {
    let (begin, end) = match (colour, head.level) {
        (false, _) => ("", ""),
        (true, Level::ERROR) => ("\x1b[31m", "\x1b[0m"),
        (true, Level::WARN) => ("\x1b[33m", "\x1b[0m"),
        (true, _) => ("\x1b[2m", "\x1b[0m"),
    };
    let mut line = format!("{:.3} {begin}{:5}{end} {}", head.at, head.level.as_str(), fields.message);
    for (name, value) in &fields.rest {
        let bare = value.as_str().filter(|text| !text.is_empty() && !text.contains([' ', '"', '=']));
        let piece = bare.map_or_else(|| format!(" {name}={value}"), |text| format!(" {name}={text}"));
        if line.len() + piece.len() < limit_of(head.level) {
            line.push_str(&piece);
        }
    }
    line.push('\n');
    line
}

fn limit_of(level: Level) -> usize {
    if level == Level::ERROR { ERROR_LINE_OCTETS } else { LINE_OCTETS }
}

/// Text without anything a terminal or a parser of lines obeys, and no longer than its room.
struct Harmless {
    text: String,
    room: usize,
}

impl Harmless {
    fn with_room(room: usize) -> Self {
        Self { text: String::new(), room }
    }

    fn finish(mut self, whole: bool) -> String {
        if !whole {
            self.text.push('…');
        }
        self.text
    }

    /// Adds a piece that JSON writes in `octets`, or says that it does not fit.
    fn add(&mut self, piece: &str, octets: usize) -> fmt::Result {
        self.room = self.room.checked_sub(octets).ok_or(fmt::Error)?;
        self.text.push_str(piece);
        Ok(())
    }
}

impl fmt::Write for Harmless {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let mut octets = [0; 4];
        for c in piece.chars() {
            match c {
                // Visible pictures of the control characters: ␊ for a line feed, ␛ for an escape.
                '\0'..='\x1f' | '\x7f' => {
                    let picture = if c == '\x7f' { 0x2421 } else { 0x2400 + u32::from(c) };
                    let picture = char::from_u32(picture).unwrap_or('\u{fffd}');
                    self.add(picture.encode_utf8(&mut octets), 3)?;
                }
                // C1 controls, and what turns or hides text on a screen (N54).
                '\u{80}'..='\u{9f}'
                | '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}' => {
                    let name = format!("<U+{:04X}>", u32::from(c));
                    self.add(&name, name.len())?;
                }
                '"' | '\\' => self.add(c.encode_utf8(&mut octets), 2)?,
                _ => self.add(c.encode_utf8(&mut octets), c.len_utf8())?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Head<'_> =
        Head { at: Timestamp::UNIX_EPOCH, level: Level::WARN, target: "toritsugi::engine" };

    fn harmless(text: &str, room: usize) -> String {
        let mut harmless = Harmless::with_room(room);
        let whole = harmless.write_str(text).is_ok();
        harmless.finish(whole)
    }

    #[test]
    fn n81_nothing_in_a_value_is_obeyed() {
        let hostile = "a\r\nb\x1b[31m\u{9b}31m\u{202e}\x7f\u{feff}\0";
        assert_eq!(harmless(hostile, 100), "a␍␊b␛[31m<U+009B>31m<U+202E>␡<U+FEFF>␀");
        let fields =
            Fields::of(harmless("x\"},\n{\"level\":\"ERROR", 100), vec![("call.id", "c-\"1".into())]);
        let line = json(&HEAD, &fields);
        assert_eq!(line.matches('\n').count(), 1);
        let parsed: Value = serde_json::from_str(&line).expect("one object");
        assert_eq!(parsed["level"], "WARN");
        assert_eq!(parsed["call.id"], "c-\"1");
        assert_eq!(text(&HEAD, &fields, false).matches('\n').count(), 1);
    }

    #[test]
    fn no_line_is_longer_than_512_octets_and_it_stays_json() {
        let long = harmless(&"\"電\n".repeat(10_000), MESSAGE_OCTETS);
        let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let value = harmless(&"\\".repeat(10_000), VALUE_OCTETS);
        let fields = Fields::of(long, names.map(|name| (name, value.clone().into())).to_vec());
        let line = json(&HEAD, &fields);
        assert!(line.len() <= LINE_OCTETS, "{}", line.len());
        let parsed: Value = serde_json::from_str(&line).expect("one object");
        assert_eq!(parsed["cut"], true);
        assert!(text(&HEAD, &fields, true).len() <= LINE_OCTETS);
    }

    #[test]
    fn a_line_has_the_time_with_milliseconds_and_typed_values() {
        let fields =
            Fields::of("call ended".to_owned(), vec![("sip.status", 200.into()), ("call.id", "c-1".into())]);
        assert_eq!(
            json(&HEAD, &fields),
            "{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"WARN\",\"target\":\"toritsugi::engine\",\
             \"message\":\"call ended\",\"sip.status\":200,\"call.id\":\"c-1\"}\n"
        );
        assert_eq!(
            text(&HEAD, &fields, false),
            "1970-01-01T00:00:00.000Z WARN  call ended sip.status=200 call.id=c-1\n"
        );
        assert!(text(&HEAD, &fields, true).contains("\x1b[33mWARN \x1b[0m"));
    }

    #[test]
    fn the_nearer_span_wins() {
        let mut event = Fields::of("m".to_owned(), vec![("call.id", "inner".into())]);
        event.inherit(&Fields::of(String::new(), vec![("call.id", "outer".into()), ("flow.id", 3.into())]));
        assert_eq!(event.rest, [("call.id", Value::from("inner")), ("flow.id", Value::from(3))]);
    }
}
