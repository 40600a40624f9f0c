//! The finished script as it stands in the pop.

use serde::{Deserialize, Serialize};

/// A text in both languages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bilingual {
    /// Japanese.
    pub ja: String,
    /// English.
    pub en: String,
}

/// One guided step (M008): `explain_absence`, `offer_help`, `propose_callback`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The step's stable id.
    pub id: String,
    /// Japanese line.
    pub ja: String,
    /// English line.
    pub en: String,
    /// Why the step may not be spoken yet, for example `approval_required` (M017).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub locked: Option<String>,
}

/// What to say in this call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guidance {
    /// The first sentence, by called line.
    pub greeting: Bilingual,
    /// The guided steps, in order; empty when the assignee is there or there is none.
    pub steps: Vec<Step>,
}
