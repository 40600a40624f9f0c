//! The rules, each a function from the house to its faults.

use crate::source::{Fault, House, Source, line_of};

/// Lines of a file without its tests; 400 are wanted.
const FILE_LINES: usize = 800;
/// Lines of a function: one screen.
const FUNCTION_LINES: usize = 70;
/// Characters of a line.
const LINE_WIDTH: usize = 110;

/// Functions that were longer when the rule came, with their lines. Only removing and lowering is allowed.
pub const LONG_FUNCTIONS: [(&str, &str, usize); 1] = [
    // A table: one line for each status code.
    ("src/message/phrase.rs", "reason_phrase", 83),
];

/// The rooms in the order a call walks through them; below the line things are done and no longer decided.
pub const ROOMS: [&str; 28] = [
    "app",
    "clock",
    "config",
    "cli",
    "transport",
    "message",
    "sdp",
    "transaction",
    "proxy",
    "dialog",
    "identity",
    "customer",
    "presence",
    "routing",
    "park",
    "callback",
    "guidance",
    "media",
    "events",
    "engine",
    "demo",
    "driver",
    "journal",
    "storage",
    "desk",
    "api",
    "connector",
    "telemetry",
];

/// What no pure room may say.
const IMPURE: [&str; 24] = [
    "tokio",
    "sqlx",
    "tungstenite",
    "axum",
    "net::Udp",
    "net::Tcp",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "Instant::now",
    "SystemTime",
    "Timestamp::now",
    "Zoned::now",
    "rand::rng",
    "rand::random",
    "thread_rng",
    "Uuid::new_v4",
    "thread::",
    "async fn",
    "async move",
    "std::fs",
    "std::env",
    "RandomState",
    "Mutex",
];

/// Rooms that do things: nothing that decides may lean on them.
const DOING: [&str; 11] = [
    "app",
    "cli",
    "driver",
    "journal",
    "storage",
    "desk",
    "api",
    "connector",
    "demo",
    "telemetry::metric",
    "media::ports",
];

pub fn file_length(house: &House) -> Vec<Fault> {
    let length = |source: &Source| source.test_lines.iter().filter(|test| !**test).count();
    let long = house.sources.iter().filter(|source| length(source) > FILE_LINES);
    long.map(|source| source.fault(0, format!("{} lines; at most {FILE_LINES}", length(source)))).collect()
}

pub fn function_length(house: &House, allowed: &[(&str, &str, usize)]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut used = Vec::new();
    for source in &house.sources {
        for (name, from, to) in source.functions() {
            let lines = to - from + 1;
            let entry = allowed.iter().find(|(path, function, _)| *path == source.path && *function == name);
            if lines > entry.map_or(FUNCTION_LINES, |(_, _, lines)| *lines) {
                faults.push(
                    source.fault(from, format!("fn {name} has {lines} lines; at most {FUNCTION_LINES}")),
                );
            } else if lines > FUNCTION_LINES {
                used.extend(entry);
            }
        }
    }
    let stale = allowed.iter().filter(|entry| !used.contains(entry));
    faults.extend(stale.map(|(path, name, _)| Fault {
        path: (*path).to_owned(),
        line: 1,
        what: format!("fn {name} needs no exception any more; take it off the list"),
    }));
    faults
}

pub fn pure_rooms(house: &House) -> Vec<Fault> {
    let pure = house.sources.iter().filter(|source| house.mark_of(source) == Some("pure"));
    pure.flat_map(|source| {
        let words = IMPURE.iter().map(|word| (*word).to_owned());
        let rooms = DOING.iter().map(|room| format!("crate::{room}"));
        // What proves a pure room may read a file or measure a time.
        let said = |word: String| said_in_product(source, &word, "in a pure room");
        words.chain(rooms).flat_map(said).collect::<Vec<_>>()
    })
    .collect()
}

pub fn rsip_stays_in_message(house: &House) -> Vec<Fault> {
    let others = house
        .sources
        .iter()
        .filter(|source| source.path.starts_with("src/") && !source.path.starts_with("src/message"));
    others.flat_map(|source| said(source, "rsip", "outside message/")).collect()
}

pub fn sql_stays_in_storage(house: &House) -> Vec<Fault> {
    const QUERIES: [&str; 9] = [
        "SELECT ",
        "INSERT INTO ",
        "INSERT OR ",
        "DELETE FROM ",
        "CREATE TABLE ",
        "CREATE INDEX ",
        "PRAGMA ",
        "BEGIN IMMEDIATE",
        "ALTER TABLE ",
    ];
    let mut faults = Vec::new();
    for source in &house.sources {
        if !source.path.starts_with("src/") || source.path.starts_with("src/storage") {
            continue;
        }
        faults.extend(said(source, "sqlx", "outside storage/"));
        for (line, string) in &source.strings {
            let query = string.trim_start_matches(['\\', 'n', ' ', '\n']);
            let is_update = query.starts_with("UPDATE ") && query.contains(" SET ");
            if is_update || QUERIES.iter().any(|verb| query.starts_with(verb)) {
                faults.push(source.fault(*line, "SQL outside storage/"));
            }
        }
    }
    faults
}

pub fn every_queue_has_a_limit(house: &House) -> Vec<Fault> {
    let mut faults = Vec::new();
    for source in &house.sources {
        for word in
            ["unbounded_channel", "UnboundedSender", "UnboundedReceiver", "unbounded", "async_channel"]
        {
            faults.extend(said(source, word, "has no limit"));
        }
        if source.code.contains("std::sync::mpsc") {
            faults.extend(said(source, "channel()", "has no limit; use sync_channel"));
            faults.extend(said(source, "mpsc::channel", "has no limit; use sync_channel"));
        }
    }
    faults
}

pub fn sections_are_named(house: &House) -> Vec<Fault> {
    let in_rooms = house
        .sources
        .iter()
        .filter(|source| ["src/transaction", "src/proxy"].iter().any(|room| source.path.starts_with(room)));
    in_rooms
        .filter(|source| !source.code.trim().is_empty())
        .filter(|source| {
            let first = source.text.lines().next().unwrap_or("");
            !(first.contains("RFC ") && first.contains('§'))
        })
        .map(|source| source.fault(0, "line 1 names no section, like `RFC 3261 §17.1.1`"))
        .collect()
}

pub fn citations_have_one_form(house: &House) -> Vec<Fault> {
    let mut faults = Vec::new();
    for source in &house.sources {
        for (line, comment) in &source.comments {
            if let Some(what) = bad_citation(comment) {
                faults.push(source.fault(*line, what));
            }
        }
    }
    faults
}

pub fn no_test_is_switched_off_silently(house: &House) -> Vec<Fault> {
    let mut faults = Vec::new();
    for source in &house.sources {
        for (line, code) in source.code.lines().enumerate() {
            let bare = code.split_whitespace().collect::<String>();
            if bare.contains("#[ignore]") || bare.contains("#[cfg(any())]") || bare.contains("#[cfg(false)]")
            {
                faults.push(source.fault(line, "switched off without a reason; #[ignore = \"why\"]"));
            }
        }
        for (line, comment) in &source.comments {
            let bare = comment.trim_start_matches(['/', '!', ' ']);
            if bare.starts_with("#[test]") || bare.starts_with("#[tokio::test") {
                faults.push(source.fault(*line, "a test that is commented out"));
            }
        }
    }
    faults
}

pub fn nothing_is_left_for_later(house: &House) -> Vec<Fault> {
    let marker = concat!("FIX", "ME");
    let mut faults = Vec::new();
    for source in &house.sources {
        for word in ["dbg!", "todo!", "unimplemented!"] {
            faults.extend(said(source, word, "on main"));
        }
        // The output of a test is shown when it fails.
        for word in ["println!", "print!"] {
            faults.extend(said_in_product(source, word, "on main"));
        }
        let comments = source.comments.iter().filter(|(_, comment)| comment.contains(marker));
        faults.extend(comments.map(|(line, _)| source.fault(*line, format!("{marker} on main"))));
    }
    faults
}

pub fn uses_stand_first(house: &House) -> Vec<Fault> {
    house.sources.iter().flat_map(late_uses).collect()
}

pub fn lines_fit(house: &House) -> Vec<Fault> {
    let mut faults = Vec::new();
    for source in &house.sources {
        for (line, text) in source.text.lines().enumerate() {
            let width = text.chars().count();
            if width > LINE_WIDTH {
                faults.push(source.fault(line, format!("{width} characters; at most {LINE_WIDTH}")));
            }
        }
    }
    faults
}

pub fn the_floor_plan_is_in_order(house: &House) -> Vec<Fault> {
    let Some(plan) = house.source("src/lib.rs") else { return Vec::new() };
    let mut faults = Vec::new();
    let mut last = 0;
    for (line, code) in plan.code.lines().enumerate() {
        let Some(room) = code.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';')) else {
            continue;
        };
        match ROOMS.iter().position(|known| *known == room) {
            None => faults.push(plan.fault(line, format!("{room} has no place in the order of rooms"))),
            Some(place) if place < last => {
                faults.push(plan.fault(line, format!("{room} stands after {}", ROOMS[last])));
            }
            Some(place) => last = place,
        }
    }
    faults
}

pub fn every_room_is_marked(house: &House) -> Vec<Fault> {
    let rooms = ROOMS.iter().flat_map(|room| [format!("src/{room}.rs"), format!("src/{room}/mod.rs")]);
    let rooms = rooms.collect::<Vec<_>>();
    let is_room = |source: &&Source| {
        rooms.contains(&source.path) || (source.path.starts_with("src/") && source.path.ends_with("/mod.rs"))
    };
    let is_product = |source: &&Source| source.product_lines().next().is_some();
    let rooms = house.sources.iter().filter(is_room).filter(is_product);
    let unmarked = rooms.filter(|source| source.mark().is_none());
    unmarked
        .map(|source| source.fault(0, "line 1 begins with neither `//! [pure] ` nor `//! [io] `"))
        .collect()
}

pub fn no_path_of_one_machine(house: &House) -> Vec<Fault> {
    let folders = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!(".lib", "rary")];
    let sources = house.sources.iter().map(|source| (&source.path, &source.text));
    let texts = house.texts.iter().map(|(path, text)| (path, text));
    let mut faults = Vec::new();
    for (path, text) in sources.chain(texts) {
        for (line, found) in text.lines().enumerate() {
            if let Some(folder) = folders.iter().find(|folder| found.contains(**folder)) {
                faults.push(Fault {
                    path: path.clone(),
                    line: line + 1,
                    what: format!("{folder} is one machine's"),
                });
            }
        }
    }
    faults
}

pub fn no_banners(house: &House) -> Vec<Fault> {
    let is_banner = |comment: &str| {
        let line = comment.trim_start_matches(['/', '!']).trim();
        line.len() >= 3
            && ["---", "===", "***", "###", "───", "━━━"].iter().any(|rule| line.starts_with(rule))
    };
    let mut faults = Vec::new();
    for source in &house.sources {
        let banners = source.comments.iter().filter(|(_, comment)| is_banner(comment));
        faults.extend(banners.map(|(line, _)| source.fault(*line, "a banner is a request for a file")));
    }
    faults
}

pub fn exceptions_have_reasons(house: &House) -> Vec<Fault> {
    let mut faults = Vec::new();
    for source in &house.sources {
        for opening in ["#[allow(", "#![allow("] {
            // A module that several test programs share is used by each in part: it cannot expect.
            if !source.path.starts_with("tests/") {
                faults.extend(said(source, opening, "is #[expect(…, reason = \"…\")]"));
            }
        }
        let openings =
            if source.path.starts_with("tests/") { &["[expect(", "[allow("][..] } else { &["[expect("] };
        for (at, _) in openings.iter().flat_map(|opening| source.code.match_indices(opening)) {
            let end = source.code[at..].find(")]").map_or(source.code.len(), |end| at + end);
            if !source.code[at..end].contains("reason") {
                faults.push(source.fault(line_of(&source.code, at), "an exception without a reason"));
            }
        }
    }
    faults
}

/// Every place where the code says a word, standing alone.
fn said(source: &Source, word: &str, where_it_is: &str) -> Vec<Fault> {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    let begins_a_word = word.starts_with(in_word);
    let ends_a_word = word.ends_with(in_word);
    let stands_alone = |at: usize| {
        let before = source.code[..at].chars().next_back();
        let after = source.code[at + word.len()..].chars().next();
        let begins = !begins_a_word || !before.is_some_and(in_word);
        begins && (!ends_a_word || !after.is_some_and(in_word))
    };
    let places = source.code.match_indices(word).filter(|(at, _)| stands_alone(*at));
    places.map(|(at, _)| source.fault(line_of(&source.code, at), format!("{word} {where_it_is}"))).collect()
}

/// The same, outside tests.
fn said_in_product(source: &Source, word: &str, where_it_is: &str) -> Vec<Fault> {
    let mut faults = said(source, word, where_it_is);
    faults.retain(|fault| !source.is_test_line(fault.line - 1));
    faults
}

/// `RFC 3261 §16.7` and nothing like it.
fn bad_citation(comment: &str) -> Option<String> {
    for (at, _) in comment.match_indices("RFC") {
        let rest = &comment[at + 3..];
        let digits = rest
            .strip_prefix(' ')
            .map_or("", |rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or(""));
        let is_word = comment[..at].chars().next_back().is_some_and(char::is_alphanumeric);
        let number_follows =
            rest.trim_start_matches(['-', ' ', '_']).starts_with(|c: char| c.is_ascii_digit());
        if !is_word && number_follows && !(3..=5).contains(&digits.len()) {
            return Some(format!(
                "`RFC{}` is written like `RFC 3261`",
                rest.chars().take(6).collect::<String>()
            ));
        }
        let after = rest.get(1 + digits.len()..).unwrap_or("").trim_start_matches([',', ' ']);
        if !digits.is_empty() && after.to_ascii_lowercase().starts_with("sec") {
            return Some(format!("a section is written like `RFC {digits} §16.7`"));
        }
    }
    let bad_sign = comment.match_indices('§').any(|(at, sign)| {
        !comment[at + sign.len()..].starts_with(|c: char| c.is_ascii_digit() || c.is_ascii_uppercase())
    });
    bad_sign.then(|| "`§` is followed at once by the number of the section".to_owned())
}

/// `use` lines behind the first item of their module.
fn late_uses(source: &Source) -> Vec<Fault> {
    const ITEMS: [&str; 10] =
        ["fn ", "struct ", "enum ", "impl ", "impl<", "trait ", "const ", "static ", "type ", "macro_rules!"];
    let mut faults = Vec::new();
    // For each module that is open: the depth of its braces, and whether an item was seen.
    let mut modules = vec![(0_usize, false)];
    let mut depth = 0_usize;
    for (line, code) in source.code.lines().enumerate() {
        let trimmed = code.trim_start();
        let bare = ["pub(crate) ", "pub(super) ", "pub "]
            .iter()
            .find_map(|prefix| trimmed.strip_prefix(prefix))
            .unwrap_or(trimmed);
        let (module_depth, seen) = modules.last_mut().expect("the file itself is a module");
        if depth == *module_depth {
            let bare_item = ["async ", "unsafe ", "const fn", "extern "]
                .iter()
                .find_map(|prefix| bare.strip_prefix(prefix))
                .unwrap_or(bare);
            if bare.starts_with("use ") && *seen {
                faults.push(source.fault(line, "`use` stands before all items"));
            }
            *seen |= ITEMS.iter().any(|item| bare.starts_with(item) || bare_item.starts_with(item));
            if bare.starts_with("mod ") && code.contains('{') {
                modules.push((depth + 1, false));
            }
        }
        for c in code.chars() {
            match c {
                '{' => depth += 1,
                '}' => {
                    depth = depth.saturating_sub(1);
                    if modules.len() > 1
                        && modules.last().is_some_and(|(module_depth, _)| depth < *module_depth)
                    {
                        modules.pop();
                    }
                }
                _ => {}
            }
        }
    }
    faults
}

/// Every test that these pages name in a column `test` is a test of the house; a name that ends in `…`
/// stands for those that begin so.
pub fn named_tests_exist(house: &House) -> Vec<Fault> {
    const PAGES: [&str; 2] = ["docs/RFC.md", "docs/SECURITY-TESTS.md"];
    let pages = house.texts.iter().filter(|(path, _)| PAGES.contains(&path.as_str()));
    pages.flat_map(|(path, text)| missing_tests(house, path, text)).collect()
}

fn missing_tests(house: &House, path: &str, text: &str) -> Vec<Fault> {
    let mut column = None;
    let mut faults = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if cells.len() < 3 {
            column = None;
            continue;
        }
        column = cells.iter().position(|cell| *cell == "test").or(column);
        let cell = column.and_then(|column| cells.get(column)).copied().unwrap_or_default();
        for name in cell.split('`').skip(1).step_by(2) {
            if !is_test(house, name) {
                let what = format!("no test is named {name}");
                faults.push(Fault { path: path.to_owned(), line: index + 1, what });
            }
        }
    }
    faults
}

fn is_test(house: &House, name: &str) -> bool {
    let wanted = match name.strip_suffix('…') {
        Some(beginning) => format!("fn {beginning}"),
        None => format!("fn {name}("),
    };
    house.sources.iter().any(|source| {
        source.code.match_indices(&wanted).any(|(at, _)| source.is_test_line(line_of(&source.code, at)))
    })
}
