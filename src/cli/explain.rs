//! `toritsugi explain`: where would this call go, and why.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{ConfigFile, Failure, say};
use crate::app;

/// The arguments of `explain`.
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    /// The calling number as people write it, or `anonymous`
    #[arg(long, value_name = "NUMBER")]
    from: String,
    /// The called number
    #[arg(long, value_name = "NUMBER")]
    to: String,
    /// The moment to decide for, with its offset [default: now]
    #[arg(long, value_name = "RFC3339")]
    at: Option<Timestamp>,
    /// Rules to decide by, instead of those in force
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    file: ConfigFile,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The calling number as typed.
    pub from: String,
    /// The called number as typed.
    pub to: String,
    /// The moment; absent: now.
    pub at: Option<Timestamp>,
    /// A file with rules; absent: those in force.
    pub rules: Option<PathBuf>,
}

/// The answer, as it is printed.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// What was decided; agent ids are texts.
    pub decision: Value,
    /// Every rule that was looked at, in order: objects with `rule`, `matched` and `why`. Never empty.
    pub trace: Vec<Value>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let question = Question {
        from: arguments.from.clone(),
        to: arguments.to.clone(),
        at: arguments.at,
        rules: arguments.rules.clone(),
    };
    let explanation = app::explain(arguments.file.load()?, &question)?;
    say(&if arguments.json { explanation.to_json() } else { explanation.to_text() })
}

impl Explanation {
    fn to_json(&self) -> String {
        json!({ "decision": self.decision, "trace": self.trace }).to_string()
    }

    fn to_text(&self) -> String {
        let mut lines = vec!["decision".to_owned()];
        match &self.decision {
            Value::Object(members) => {
                lines.extend(members.iter().map(|(name, value)| format!("  {name}: {}", plain(value))));
            }
            other
            @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                lines.push(format!("  {}", plain(other)));
            }
        }
        lines.push("because".to_owned());
        for step in &self.trace {
            let mark = if step["matched"] == true { "+" } else { "-" };
            lines.push(format!("  {mark} {}: {}", plain(&step["rule"]), plain(&step["why"])));
        }
        lines.join("\n")
    }
}

/// A value for people: texts without quotes, lists with commas.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explanation() -> Explanation {
        Explanation {
            decision: json!({ "action": "offer", "agents": ["a055", "a102"], "until": null }),
            trace: vec![
                json!({ "rule": "emergency", "matched": false, "why": "not an emergency number" }),
                json!({ "rule": "assigned_first", "matched": true, "why": "a055 is available" }),
            ],
        }
    }

    #[test]
    fn the_json_form_is_one_object_with_decision_and_trace() {
        let printed: Value = serde_json::from_str(&explanation().to_json()).expect("one object");
        assert_eq!(printed["decision"]["agents"][0], "a055");
        assert_eq!(printed["trace"][1]["rule"], "assigned_first");
    }

    #[test]
    fn the_text_form_marks_the_rules_that_matched() {
        assert_eq!(
            explanation().to_text(),
            "decision\n  action: offer\n  agents: a055, a102\n  until: -\nbecause\n  \
             - emergency: not an emergency number\n  + assigned_first: a055 is available"
        );
    }
}
