//! [pure] What to say: greeting, the three guided steps, templates and their lint.

mod cause;
mod compose;
mod facts;
mod lint;
mod script;
mod slots;
mod template;
mod wording;

pub use cause::{Cause, SpeechContext};
pub use facts::{AbsentAssignee, GuidanceFacts, LineWords, Person};
pub use lint::{LintCode, LintContext, LintFault, lint_absence, lint_greeting};
pub use script::{Bilingual, Guidance, Step};
pub use template::Templates;
