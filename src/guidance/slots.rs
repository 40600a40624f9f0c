//! The slots a template may use, and the whole language around them.

use minijinja::Value;

/// The values of the slots in one language; what is unknown is left out and tests false.
#[derive(Clone, Debug, Default)]
pub(super) struct Slots {
    pub assignee: Option<String>,
    pub agent: Option<String>,
    pub successor: Option<String>,
    pub customer: Option<String>,
    pub spoken: Option<String>,
    pub return_time: Option<String>,
    pub next_start: Option<String>,
    pub callback_time: Option<String>,
    pub client: Option<String>,
    pub time_of_day: Option<String>,
}

impl Slots {
    /// The known slots, by name.
    pub fn value(&self) -> Value {
        let slots = [
            ("assignee", &self.assignee),
            ("agent", &self.agent),
            ("successor", &self.successor),
            ("customer", &self.customer),
            ("spoken", &self.spoken),
            ("return_time", &self.return_time),
            ("next_start", &self.next_start),
            ("callback_time", &self.callback_time),
            ("client", &self.client),
            ("time_of_day", &self.time_of_day),
        ];
        Value::from_pairs(slots.into_iter().filter_map(|(name, slot)| Some((name, slot.as_deref()?))))
    }
}

/// The slots of absence templates.
pub(super) const ABSENCE_SLOTS: [&str; 8] =
    ["assignee", "agent", "successor", "customer", "spoken", "return_time", "next_start", "callback_time"];
/// The slots of greetings.
pub(super) const GREETING_SLOTS: [&str; 3] = ["agent", "client", "time_of_day"];
/// The slots of phrases.
pub(super) const PHRASE_SLOTS: [&str; 2] = ["agent", "customer"];

/// What a template does that it may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Misuse {
    /// A slot that does not exist here.
    UnknownSlot(String),
    /// Anything but a slot, `if`, `else` and `endif`.
    Forbidden(String),
}

/// Looks through the tags of a template. Only `{{ slot }}`, `{% if slot %}`, `{% if not slot %}`, `{% elif
/// slot %}`, `{% else %}` and `{% endif %}` exist: no expressions, loops or includes, so that no template can
/// grow or reach out.
pub(super) fn misuses(template: &str, slots: &[&str]) -> Vec<Misuse> {
    let mut found = Vec::new();
    let mut rest = template;
    while let Some(start) = rest.find('{') {
        let tag = rest.get(start..).unwrap_or_default();
        let (opened, closing) = match tag.as_bytes().get(1) {
            Some(b'{') => (true, "}}"),
            Some(b'%') => (true, "%}"),
            Some(b'#') => (true, "#}"),
            Some(_) | None => (false, ""),
        };
        if !opened {
            rest = tag.get(1..).unwrap_or_default();
            continue;
        }
        let Some(end) = tag.find(closing) else {
            found.push(Misuse::Forbidden(tag.chars().take(40).collect()));
            break;
        };
        let inside = tag.get(2..end).unwrap_or_default();
        found.extend(misuse_of(inside, closing, slots));
        rest = tag.get(end + 2..).unwrap_or_default();
    }
    found
}

fn misuse_of(inside: &str, closing: &str, slots: &[&str]) -> Option<Misuse> {
    let words: Vec<&str> = inside.trim_matches(['-', '+']).split_whitespace().collect();
    let slot = match (closing, words.as_slice()) {
        ("}}", [slot]) | ("%}", ["if" | "elif", slot] | ["if" | "elif", "not", slot]) => *slot,
        ("%}", ["else" | "endif"]) => return None,
        _ => return Some(Misuse::Forbidden(inside.trim().chars().take(40).collect())),
    };
    let is_name = slot.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    match (is_name, slots.contains(&slot)) {
        (true, true) => None,
        (true, false) => Some(Misuse::UnknownSlot(slot.to_owned())),
        (false, _) => Some(Misuse::Forbidden(slot.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_and_conditions_are_all_the_language_there_is() {
        let fine = "{{ agent }}{{agent}}{% if agent %}a{% elif client %}b{% else %}c{% endif %}{- plain -} {";
        assert_eq!(misuses(fine, &GREETING_SLOTS), vec![]);
        let unknown = misuses("{{ assignee }}{% if not foo %}{% endif %}", &GREETING_SLOTS);
        assert_eq!(unknown, vec![Misuse::UnknownSlot("assignee".into()), Misuse::UnknownSlot("foo".into())]);
        for template in [
            "{{ 'a' * 1000000000 }}",
            "{{ agent|upper }}",
            "{{ agent.name }}",
            "{% include 'x' %}",
            "{% for a in agent %}{% endfor %}",
            "{% set agent = 1 %}",
            "{{ 1 }}",
            "{{ agent",
            "{# hidden #}",
            "{{ }}",
        ] {
            let found = misuses(template, &GREETING_SLOTS);
            assert!(matches!(found.first(), Some(Misuse::Forbidden(_))), "{template}");
        }
    }
}
