//! Callbacks (P3): whoever is let go with one has exactly one, and nobody is called twice for one line.

use std::collections::BTreeMap;

use toritsugi::callback::{Callback, CallbackId, Source};
use toritsugi::events::{CallRecord, EndReason};

/// All callbacks that were stored, each as it was last.
#[derive(Debug, Default)]
pub struct CallbackJudge {
    known: BTreeMap<CallbackId, Callback>,
    pub faults: Vec<(&'static str, String, String)>,
}

impl CallbackJudge {
    /// The engine had a callback stored.
    pub fn stored(&mut self, callback: &Callback) {
        let asked = self.known.get(&callback.id).map_or(0, |before| before.asked);
        if callback.asked != asked + 1 {
            let what = format!("asked {} times, after {asked}", callback.asked);
            self.faults.push(("P3", callback.id.to_string(), what));
        }
        let same = |other: &&Callback| {
            other.id != callback.id
                && (&other.number, &other.line) == (&callback.number, &callback.line)
                && (other.source == Source::Abandoned) == (callback.source == Source::Abandoned)
        };
        if let Some(other) = self.known.values().find(same) {
            let what = format!("{} is open for the same caller and line", other.id);
            self.faults.push(("P3", callback.id.to_string(), what));
        }
        self.known.insert(callback.id.clone(), callback.clone());
    }

    /// A call is over.
    pub fn on_record(&mut self, record: &CallRecord) {
        let noted = record.callback.as_ref().and_then(|id| self.known.get(id));
        let ends = record.end_reason == Some(EndReason::Callback);
        let wrong = match (ends, &record.callback, noted) {
            (true, None, _) => Some("ends with a callback, and none was noted"),
            (_, Some(_), None) => Some("names a callback that was never stored"),
            (true, Some(_), Some(callback)) if record.calling.as_ref() != Some(&callback.number) => {
                Some("the callback is for another number")
            }
            (false, Some(_), Some(_)) if record.end_reason != Some(EndReason::Abandoned) => {
                Some("a callback was noted, and the call went on")
            }
            (_, None, _) | (_, Some(_), Some(_)) => None,
        };
        if let Some(what) = wrong {
            self.faults.push(("P3", record.sip_call_id.clone(), what.to_owned()));
        }
    }

    /// How many callbacks there are.
    pub fn len(&self) -> usize {
        self.known.len()
    }
}
