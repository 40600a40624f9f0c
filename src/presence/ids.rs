//! Identifiers of people and calls; never bare strings.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps the text as it stands.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl From<$name> for Arc<str> {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

/// An agent's id as imported, for example `a102`.
///
/// Agents are searched in trees with every message. So the first octets are kept beside the text: nearly
/// every comparison is one of two numbers, and looks nowhere else in memory.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "Arc<str>", into = "Arc<str>")]
pub struct AgentId {
    /// The first eight octets, the first one highest, zeros behind the end.
    head: u64,
    text: Arc<str>,
}

impl AgentId {
    /// Wraps the text as it stands.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        let mut head = [0; 8];
        let length = text.len().min(head.len());
        head[..length].copy_from_slice(&text.as_bytes()[..length]);
        Self { head: u64::from_be_bytes(head), text }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Ord for AgentId {
    /// The order of the texts.
    fn cmp(&self, other: &Self) -> Ordering {
        self.head.cmp(&other.head).then_with(|| {
            if Arc::ptr_eq(&self.text, &other.text) { Ordering::Equal } else { self.text.cmp(&other.text) }
        })
    }
}

impl PartialOrd for AgentId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for AgentId {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for AgentId {}

impl Hash for AgentId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Debug for AgentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("AgentId").field(&self.text).finish()
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl From<Arc<str>> for AgentId {
    fn from(text: Arc<str>) -> Self {
        Self::new(text)
    }
}

impl From<AgentId> for Arc<str> {
    fn from(id: AgentId) -> Self {
        id.text
    }
}

text_id! {
    /// A customer's id as imported, for example `cu-88`.
    CustomerId
}
text_id! {
    /// Our id of a call: `c-` and 128 random bits in base 32. It is stable through transfers.
    CallId
}
text_id! {
    /// The id of one offer of a call to one agent: the fencing token of the lease on that person.
    OfferId
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agents_are_ordered_as_their_texts(one in "[a\0\u{ff}]{0,10}", other in "[a\0\u{ff}]{0,10}") {
            let (first, second) = (AgentId::new(one.as_str()), AgentId::new(other.as_str()));
            prop_assert_eq!(first.cmp(&second), one.cmp(&other));
            prop_assert_eq!(first == second, one == other);
            prop_assert_eq!(first.clone(), first);
        }
    }

    #[test]
    fn an_agent_is_kept_as_its_text() {
        let agent = AgentId::new("山田-102");
        let kept = serde_json::to_string(&agent).expect("a text");
        assert_eq!(kept, "\"山田-102\"");
        assert_eq!(serde_json::from_str::<AgentId>(&kept).expect("a text"), agent);
    }
}
