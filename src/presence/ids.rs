//! Identifiers of people and calls; never bare strings.

use std::fmt;
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
    };
}

text_id! {
    /// An agent's id as imported, for example `a102`.
    AgentId
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
