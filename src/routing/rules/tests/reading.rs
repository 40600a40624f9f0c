//! What is refused when a set is read or saved, with line, key and reason.

use std::time::Instant;

use super::house::{House, short};
use crate::routing::rules::{LintFacts, RuleFault, RuleLimits, RuleSet, lint};

fn refused(text: &str) -> Vec<String> {
    let faults = RuleSet::parse(text, &RuleLimits::default()).unwrap_err();
    faults.iter().map(ToString::to_string).collect()
}

#[test]
fn each_fault_is_named_with_its_line_and_key() {
    let rows: [(&str, &str); 24] = [
        ("rule = 5", "line 1: `rule` must be a table, not a whole number"),
        ("rules = []", "line 1: unknown key `rules`; known here: assignee_order, frequent, rule"),
        ("[[rule]]\nring = { agent = \"a\" }", "line 1: rule: `name`: every rule has a name"),
        ("[[rule]]\nname = \"r\"", "line 1: rule \"r\": does nothing: write one of ring"),
        (
            "[[rule]]\nname = \"group\"\nreject = 603",
            "line 2: rule: `name`: \"group\" is the name of a built-in",
        ),
        ("[[rule]]\nname = \"r\"\nreject = 200", "line 3: rule \"r\": `reject`: 200 is out of range"),
        ("[[rule]]\nname = \"r\"\nreject = 499", "line 3: rule \"r\": `reject`: 499 is no status to refuse"),
        ("[[rule]]\nname = \"r\"\nring = \"a1\"", "line 3: rule \"r\": `ring` must be a table, not a text"),
        ("[[rule]]\nname = \"r\"\nring = {}", "rule \"r\": ring: names nobody"),
        ("[[rule]]\nname = \"r\"\nring = []", "rule \"r\": `ring`: has 0 tiers"),
        (
            "[[rule]]\nname = \"r\"\nring = { agent = \"a\", group = \"b\" }",
            "rule \"r\": ring: names several at once",
        ),
        (
            "[[rule]]\nname = \"r\"\nring = { group = \"b\", strategy = \"best\" }",
            "`strategy`: \"best\" is unknown; use one of longest_idle, round_robin, least_calls, \
             ring_all",
        ),
        (
            "[[rule]]\nname = \"r\"\nreject = 603\ncallback = true",
            "line 1: rule \"r\": only one of reject, callback can be done",
        ),
        (
            "[[rule]]\nname = \"r\"\npark = { mode = \"ringing\" }",
            "rule \"r\": park: `patience_s`: is missing",
        ),
        (
            "[[rule]]\nname = \"r\"\nforward = \"tel:110\"",
            "`forward`: \"tel:110\" is neither a sip: URI without headers nor a number",
        ),
        ("[[rule]]\nname = \"r\"\nforward = \"sip:a@b?Route=x\"", "is neither a sip: URI without headers"),
        (
            "[[rule]]\nname = \"r\"\nreject = 603\n[rule.when]\ntimes = \"9\"",
            "line 5: rule \"r\": when: unknown key `times`; known here: line, client",
        ),
        (
            "[[rule]]\nname = \"r\"\nreject = 603\n[rule.when]\ntime = [\"9-18\"]",
            "line 5: rule \"r\": when: `time`: \"9-18\" is not understood; write a span of time as",
        ),
        (
            "[[rule]]\nname = \"r\"\nreject = 603\n[rule.when]\ndate = \"2026-02-30\"",
            "`date`: \"2026-02-30\"",
        ),
        (
            "[[rule]]\nname = \"r\"\nreject = 603\n[rule.when]\nnumber = \"^(0|1)+$\"",
            "line 5: rule \"r\": when: `number`: \"^(0|1)+$\" is no pattern: write digits",
        ),
        (
            "[[rule]]\nname = \"r\"\nreject = 603\n[rule.when]\nassignee_reason = \"bored\"",
            "`assignee_reason`: unknown reason \"bored\"",
        ),
        (
            "[[rule]]\nname = \"r\"\nreject = 603\n[rule.when]\nrepeats = { at_least = 5000 }",
            "repeats: `at_least`: 5000 is out of range; it must be from 1 to 64",
        ),
        (
            "[[rule]]\nname = \"r\"\nreject = 603\n[[rule]]\nname = \"r\"\nreject = 603",
            "line 5: rule \"r\": `name`: \"r\" is the name of another rule",
        ),
        (
            "assignee_order = [\"account_owner\", \"account_owner\"]",
            "`assignee_order`: names one of them twice",
        ),
    ];
    for (text, expected) in rows {
        let faults = refused(text);
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{text}\n{faults:#?}");
    }
}

#[test]
fn a_text_that_is_no_toml_is_refused_with_its_line() {
    let faults = refused("[[rule]]\nname = \"r\nreject = 603\n");
    assert!(faults[0].starts_with("line 2: "), "{faults:?}");
}

#[test]
fn every_fault_of_a_text_is_found_at_once() {
    let text = "x = 1\n[[rule]]\nname = \"r\"\nreject = 1\nwho = 2\n[rule.when]\ntime = \"x\"\n";
    let lines: Vec<Option<usize>> =
        RuleSet::parse(text, &RuleLimits::default()).unwrap_err().iter().map(|fault| fault.line).collect();
    // Line 2: a rule whose action is refused does nothing.
    assert_eq!(lines, [Some(1), Some(2), Some(4), Some(5), Some(7)]);
}

#[test]
fn n73_too_much_of_anything_is_refused_with_the_number() {
    let rule = |index: usize| format!("[[rule]]\nname = \"{index}\"\nreject = 603\n");
    let many: String = (0..201).map(rule).collect();
    let rows = [
        ("x".repeat(1_048_576), "the text has 1048576 octets, and a set of rules has at most 131072"),
        ((0..100_000).map(rule).collect(), "octets, and a set of rules has at most 131072"),
        (many, "`rule`: there are 201 rules, and at most 200"),
        (
            format!("{}[rule.when]\nline = [{}]", rule(1), "\"1\",".repeat(65)),
            "`line`: has 65 entries; it must have from 1 to 64",
        ),
        (format!("{}[rule.when]\nnumber = \"{}\"", rule(1), "1".repeat(33)), "a pattern has at most 32"),
        (format!("[[rule]]\nname = \"{}\"\nreject = 603", "n".repeat(201)), "has 201 characters"),
        (
            format!(
                "{}[rule.when]\n{}",
                rule(1),
                (0..17).map(|index| format!("k{index} = 1\n")).collect::<String>()
            ),
            "there are 17 conditions, and a rule has at most 16",
        ),
    ];
    for (text, expected) in rows {
        let faults = refused(&text);
        assert!(faults.len() == 1 && faults[0].contains(expected), "{expected}: {faults:?}");
    }
}

#[test]
fn n73_a_rule_that_would_send_the_call_back_to_the_rules_is_refused() {
    let house = House::plain();
    let facts = LintFacts { directory: &house.directory, emergency: &[] };
    for (action, what) in [
        ("forward = \"0120123456\"", "0120-123-456 is a line of this house"),
        ("forward = \"+81120123456\"", "0120-123-456 is a line of this house"),
        ("forward = \"sip:0120123456@192.0.2.1\"", "0120-123-456 is a line of this house"),
    ] {
        let text = format!("[[rule]]\nname = \"r\"\n{action}");
        let set = RuleSet::parse(&text, &RuleLimits::default()).unwrap();
        let faults = lint(&set, &facts).unwrap_err();
        assert!(faults[0].what.contains(what) && faults[0].line == Some(1), "{faults:?}");
    }
}

#[test]
fn n26_a_rule_about_or_towards_an_emergency_number_is_refused() {
    let house = House::plain();
    let extra = ["911".to_owned()];
    let facts = LintFacts { directory: &house.directory, emergency: &extra };
    for rule in [
        "forward = \"110\"",
        "forward = \"sip:119@pbx\"",
        "forward = \"911\"",
        "forward = \"184118\"",
        "reject = 603\nwhen = { line = \"110\" }",
    ] {
        let set = RuleSet::parse(&format!("[[rule]]\nname = \"r\"\n{rule}"), &RuleLimits::default()).unwrap();
        let faults = lint(&set, &facts).unwrap_err();
        assert!(faults[0].what.contains("emergency number"), "{rule}: {faults:?}");
    }
}

#[test]
fn names_that_nobody_has_today_are_said_and_not_refused() {
    let house = House::plain();
    let text = r#"rule = [
        { name = "r", exclude = "zz", ring = [{ group = "night" }, { skill = "french" }] },
        { name = "q", when = { line = "03-1", free = { agent = "yy" } }, reject = 603 },
    ]"#;
    let set = RuleSet::parse(text, &RuleLimits::default()).unwrap();
    let said = lint(&set, &LintFacts { directory: &house.directory, emergency: &[] }).unwrap();
    let said: Vec<&str> = said.iter().map(|fault: &RuleFault| fault.what.as_str()).collect();
    assert_eq!(
        said,
        [
            "rule \"r\": nobody is in the group night",
            "rule \"r\": nobody has the skill french",
            "rule \"r\": there is no agent zz",
            "rule \"q\": there is no agent yy",
            "rule \"q\": 03-1 is no line of this house",
        ]
    );
}

#[test]
fn n73_the_largest_set_is_decided_in_time_that_grows_with_its_text_alone() {
    let patterns: Vec<String> = (0..16).map(|index| format!("\"0{}*{index}\"", "X".repeat(20))).collect();
    let rule = |index: usize| {
        format!(
            "[[rule]]\nname = \"{index}\"\nreject = 603\nwhen = {{ number = [{}] }}\n",
            patterns.join(",")
        )
    };
    let text: String = (0..200).map(rule).collect();
    let house = House::with(&text);
    let begun = Instant::now();
    for _ in 0..20 {
        assert_eq!(short(&house.decide()), "a2 group @group");
    }
    println!("200 rules with 16 patterns each: {:?} a decision", begun.elapsed() / 20);
    assert_eq!(house.decide().trace.len(), 200 + 4);
}

#[test]
fn a_set_is_written_as_its_text_and_read_back() {
    let house = House::with("[[rule]]\nname = \"r\"\nreject = 603\n");
    let written = serde_json::to_string(&house.directory).unwrap();
    let read: crate::routing::Directory = serde_json::from_str(&written).unwrap();
    assert_eq!(read, house.directory);
    assert_eq!(read.rules.rules, house.directory.rules.rules);
}

#[test]
fn the_example_is_sound() {
    let text = include_str!("../../../../config/rules.example.toml");
    let house = House::with(text);
    let facts = LintFacts { directory: &house.directory, emergency: &[] };
    let said = lint(&house.directory.rules, &facts).unwrap();
    assert_eq!(said.len(), 1, "only a005 is not of this house: {said:?}");
    assert_eq!(house.directory.rules.rules.len(), 10);
}
