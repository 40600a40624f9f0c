//! Taste that can be checked is checked: the house rules, each with a planted fault that proves it can fail.

#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/source.rs"]
mod source;

use std::path::Path;
use std::sync::LazyLock;

use rules::LONG_FUNCTIONS;
use source::{Fault, House};

/// The rule finds nothing in the house, and finds each planted fault.
#[track_caller]
fn holds(rule: impl Fn(&House) -> Vec<Fault>, planted: &[(&str, &str)]) {
    for (path, text) in planted {
        let found = rule(&House::planted(&[(path, text)]));
        assert_eq!(found.len(), 1, "the rule does not see what was planted in {path}:\n{text}\n{found:?}");
    }
    static HOUSE: LazyLock<House> = LazyLock::new(|| House::read(Path::new(env!("CARGO_MANIFEST_DIR"))));
    let faults = rule(&HOUSE);
    let list = faults.iter().map(|fault| format!("{}:{}: {}", fault.path, fault.line, fault.what));
    assert!(faults.is_empty(), "\n{}\n", list.collect::<Vec<_>>().join("\n"));
}

/// The rule finds nothing in what was planted.
#[track_caller]
fn allows(rule: impl Fn(&House) -> Vec<Fault>, planted: &[(&str, &str)]) {
    let found = rule(&House::planted(planted));
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_file_is_read_in_one_sitting() {
    let tests = format!("fn a() {{}}\n#[cfg(test)]\nmod tests {{\n{}}}\n", "// t\n".repeat(900));
    allows(rules::file_length, &[("src/a.rs", &tests)]);
    holds(rules::file_length, &[("src/a.rs", &"// c\n".repeat(801))]);
}

#[test]
fn a_function_stands_on_one_screen() {
    let of = |lines: usize| {
        format!("impl A {{\n    fn long(&self) {{\n{}    }}\n}}\n", "        go();\n".repeat(lines - 2))
    };
    let rule = |house: &House| rules::function_length(house, &[]);
    allows(rule, &[("src/a.rs", &of(70))]);
    let planted = of(71);
    assert_eq!(rule(&House::planted(&[("src/a.rs", &planted)])).len(), 1);
    holds(|house| rules::function_length(house, &LONG_FUNCTIONS), &[]);
}

#[test]
fn the_list_of_long_functions_only_shrinks() {
    let long = format!("fn long() {{\n{}}}\n", "go();\n".repeat(80));
    let house = House::planted(&[("src/a.rs", &long)]);
    assert_eq!(rules::function_length(&house, &[("src/a.rs", "long", 82)]), []);
    assert_eq!(rules::function_length(&house, &[("src/a.rs", "long", 81)]).len(), 2);
    assert_eq!(
        rules::function_length(&house, &[("src/a.rs", "long", 82), ("src/a.rs", "gone", 90)]).len(),
        1
    );
}

#[test]
fn pure_rooms_are_pure() {
    let planted = [
        "use tokio::time;",
        "let now = Instant::now();",
        "let now = jiff::Timestamp::now();",
        "let socket: std::net::UdpSocket;",
        "pub async fn decide() {}",
        "let n: u8 = rand::random();",
        "std::thread::spawn(go);",
        "use crate::storage::Storage;",
        "let text = std::fs::read(path);",
    ];
    for line in planted {
        let text = format!("//! [pure] A room.\n{line}\n");
        let found = rules::pure_rooms(&House::planted(&[("src/routing/mod.rs", &text)]));
        assert!(!found.is_empty(), "{line}");
    }
    let inner = [("src/routing/mod.rs", "//! [pure] Deciding."), ("src/routing/rule.rs", "use sqlx::Row;\n")];
    assert_eq!(rules::pure_rooms(&House::planted(&inner)).len(), 1);
    let words = "//! [pure] Like tokio.\n// Instant::now is the driver's\n\
                 let say = \"async fn\"; let tokio_like = 1;\n";
    allows(rules::pure_rooms, &[("src/routing/mod.rs", words)]);
    allows(rules::pure_rooms, &[("src/desk/mod.rs", "//! [io] Doing.\nuse tokio::time;\n")]);
    let proof = "//! [pure] Deciding.\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n";
    allows(rules::pure_rooms, &[("src/routing/mod.rs", proof)]);
    holds(rules::pure_rooms, &[]);
}

#[test]
fn rsip_stays_in_message() {
    allows(rules::rsip_stays_in_message, &[("src/message/build.rs", "use rsip::Method;\n")]);
    holds(
        rules::rsip_stays_in_message,
        &[("src/proxy/a.rs", "use rsip::Method;\n"), ("src/cli/call.rs", "let m = rsip::Method::Invite;\n")],
    );
}

#[test]
fn sql_stays_in_storage() {
    allows(
        rules::sql_stays_in_storage,
        &[
            ("src/storage/call.rs", "sqlx::query(\"SELECT 1\");\n"),
            ("src/api/a.rs", "let words = \"UPDATE passes\"; let select = \"Select one\";\n"),
        ],
    );
    holds(
        rules::sql_stays_in_storage,
        &[
            ("src/api/a.rs", "use sqlx::Row;\n"),
            ("src/api/b.rs", "let q = \"SELECT name FROM agents\";\n"),
            ("src/api/c.rs", "let q = r#\"\n  UPDATE agents SET name = 1\"#;\n"),
        ],
    );
}

#[test]
fn every_queue_has_a_limit() {
    allows(rules::every_queue_has_a_limit, &[("src/a.rs", "use tokio::sync::mpsc;\nmpsc::channel(16);\n")]);
    holds(
        rules::every_queue_has_a_limit,
        &[
            ("src/a.rs", "let (s, r) = tokio::sync::mpsc::unbounded_channel();\n"),
            ("src/b.rs", "use std::sync::mpsc::{self};\nlet (s, r) = mpsc::channel::<u8>(); \n"),
        ],
    );
}

#[test]
fn transaction_and_proxy_name_their_sections() {
    allows(
        rules::sections_are_named,
        &[("src/proxy/route.rs", "//! Loose routing, RFC 3261 §16.4.\nfn a() {}\n")],
    );
    holds(
        rules::sections_are_named,
        &[
            ("src/proxy/route.rs", "//! Loose routing.\nfn a() {}\n"),
            ("src/transaction/timer.rs", "//! Timers of RFC 3261.\nfn a() {}\n"),
        ],
    );
}

#[test]
fn citations_have_one_form() {
    allows(
        rules::citations_have_one_form,
        &[(
            "src/a.rs",
            "// RFC 3261 §16.7 and RFC 6026; §8.1.1 as well. Any RFC has a word.\nlet rfc = \"RFC3261\";\n",
        )],
    );
    holds(
        rules::citations_have_one_form,
        &[
            ("src/a.rs", concat!("// RFC", "3261 §16.7\n")),
            ("src/a.rs", concat!("// RFC", "-3261\n")),
            ("src/a.rs", concat!("// RFC 3261", ", section 16.7\n")),
            ("src/a.rs", concat!("// RFC 3261 §", " 16.7\n")),
        ],
    );
}

#[test]
fn no_test_is_switched_off_silently() {
    let reason = "#[test]\n#[ignore = \"needs a real Asterisk\"]\nfn a() {}\n";
    allows(rules::no_test_is_switched_off_silently, &[("tests/a.rs", reason)]);
    holds(
        rules::no_test_is_switched_off_silently,
        &[
            ("tests/a.rs", "#[test]\n#[ignore]\nfn a() {}\n"),
            ("tests/a.rs", concat!("// #[te", "st]\n// fn a() {}\n")),
        ],
    );
}

#[test]
fn nothing_is_left_for_later() {
    holds(
        rules::nothing_is_left_for_later,
        &[
            ("src/a.rs", "fn a() { todo!() }\n"),
            ("src/a.rs", "fn a() { println!(\"{}\", 1); }\n#[cfg(test)]\nmod t { fn b() { println!(); } }\n"),
            ("src/a.rs", "fn a() { dbg!(1); }\n"),
            ("src/a.rs", concat!("// FIX", "ME: later\n")),
        ],
    );
}

#[test]
fn uses_stand_first() {
    let sound = "mod a;\n\nuse b::c;\n\nfn d() {\n    use e::F as _;\n}\n\
                 #[cfg(test)]\nmod tests {\n    use super::*;\n}\n";
    allows(rules::uses_stand_first, &[("src/a.rs", sound)]);
    holds(
        rules::uses_stand_first,
        &[
            ("src/a.rs", "pub struct A;\nuse b::c;\n"),
            ("src/a.rs", "pub async fn a() {}\npub use b::c;\n"),
            ("src/a.rs", "mod tests {\n    fn a() {}\n    use super::*;\n}\n"),
        ],
    );
}

#[test]
fn lines_fit() {
    allows(rules::lines_fit, &[("src/a.rs", &"字".repeat(110))]);
    holds(rules::lines_fit, &[("src/a.rs", &"x".repeat(111))]);
}

#[test]
fn the_floor_plan_is_in_the_order_a_call_walks() {
    allows(rules::the_floor_plan_is_in_order, &[("src/lib.rs", "pub mod transport;\npub mod message;\n")]);
    holds(
        rules::the_floor_plan_is_in_order,
        &[
            ("src/lib.rs", "pub mod message;\npub mod transport;\n"),
            ("src/lib.rs", "pub mod message;\npub mod misc;\n"),
        ],
    );
}

#[test]
fn every_room_is_marked() {
    holds(
        rules::every_room_is_marked,
        &[
            ("src/routing/mod.rs", "//! Deciding.\n"),
            ("src/driver.rs", "//! The loop.\n"),
            ("src/desk/inner/mod.rs", "fn a() {}\n"),
        ],
    );
}

#[test]
fn no_path_of_one_machine_is_committed() {
    holds(
        rules::no_path_of_one_machine,
        &[
            ("src/a.rs", concat!("const A: &str = \"/wo", "rk/main\";\n")),
            ("Makefile", concat!("all:\n\tcp /ro", "ot/x .\n")),
        ],
    );
}

#[test]
fn a_banner_is_a_request_for_a_file() {
    holds(
        rules::no_banners,
        &[("src/a.rs", concat!("// --", "-- CANCEL ----\n")), ("src/a.rs", concat!("// ===", "====\n"))],
    );
}

#[test]
fn every_test_that_the_table_of_duties_names_exists() {
    let table =
        "| id | test | open |\n|---|---|---|\n| V1 | `v1_order`, `v2_…` | `no_test` |\n\n| x | `no` |\n";
    let tests = "#[cfg(test)]\nmod tests {\n    fn v1_order() {}\n    fn v2_all() {}\n}\n";
    allows(rules::named_tests_exist, &[("docs/RFC.md", table), ("src/a.rs", tests)]);
    let gone = tests.replace("v1_order", "v1_orders");
    let found = rules::named_tests_exist(&House::planted(&[("docs/RFC.md", table), ("src/a.rs", &gone)]));
    assert_eq!(found.iter().map(|fault| fault.line).collect::<Vec<_>>(), [3]);
    let product = "fn v1_order() {}\nfn v2_all() {}\n";
    assert_eq!(
        rules::named_tests_exist(&House::planted(&[("docs/RFC.md", table), ("src/a.rs", product)])).len(),
        2
    );
    holds(rules::named_tests_exist, &[]);
}

#[test]
fn exceptions_have_reasons() {
    allows(rules::exceptions_have_reasons, &[("src/a.rs", "#[expect(x, reason = \"y\")]\nfn a() {}\n")]);
    holds(
        rules::exceptions_have_reasons,
        &[
            ("src/a.rs", "#[allow(dead_code, reason = \"why\")]\nfn a() {}\n"),
            ("src/a.rs", "#[expect(dead_code)]\nfn a() {}\n"),
            ("tests/support/mod.rs", "#![allow(dead_code)]\n"),
        ],
    );
}
