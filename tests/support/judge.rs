//! What the record of screens and phones proves, call by call.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use super::desk::Frame;
use super::phones::{PhoneEvent, What};

/// How long before its INVITE each pop was there.
#[derive(Debug, Default)]
pub struct Leads {
    /// By how much the pop was first, smallest first.
    pub first: Vec<Duration>,
    /// INVITEs whose pop came later or never, in words.
    pub late: Vec<String>,
    /// INVITEs whose pop has only a stamp that may be later than the pop was ([`Stamps::OfReads`]).
    pub unclear: usize,
}

/// What the time of a frame is the time of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamps {
    /// Of the packet the frame came in.
    OfPackets,
    /// Of the last segment that one read of the screen took: when several frames came in it, all but the last
    /// were there earlier than their stamp says.
    OfReads,
}

impl Leads {
    /// A line for the record of a run.
    pub fn summary(&self) -> String {
        let median = self.first.get(self.first.len() / 2).copied().unwrap_or_default();
        let least = self.first.first().copied().unwrap_or_default();
        format!(
            "pop before INVITE: {} of {}, median {median:?}, least {least:?}",
            self.first.len(),
            self.total()
        )
    }

    fn total(&self) -> usize {
        self.first.len() + self.late.len() + self.unclear
    }
}

/// Compares every INVITE at a phone with the `pop.offered` of the same caller on the same agent's screen.
pub fn pop_leads(frames: &[Frame], phones: &[PhoneEvent], stamps: Stamps) -> Leads {
    let mut offers: HashMap<(&str, &str), Vec<SystemTime>> = HashMap::new();
    let mut together: HashMap<(&str, SystemTime), usize> = HashMap::new();
    for frame in frames {
        *together.entry((&frame.agent, frame.at)).or_default() += 1;
        if frame.is("pop.offered") {
            offers.entry((&frame.agent, frame.e164())).or_default().push(frame.at);
        }
    }
    let joined = |agent: &str, at: SystemTime| {
        stamps == Stamps::OfReads && together.get(&(agent, at)).is_some_and(|frames| *frames > 1)
    };
    let mut leads = Leads::default();
    for invite in phones.iter().filter(|event| event.what == What::Invite) {
        let caller = e164(&invite.caller);
        let times = offers.get(&(invite.user.as_str(), caller.as_str())).map_or(&[][..], Vec::as_slice);
        match times.iter().find_map(|at| invite.at.duration_since(*at).ok()) {
            Some(lead) => leads.first.push(lead),
            None if times.iter().any(|at| joined(&invite.user, *at)) => leads.unclear += 1,
            None => leads.late.push(match times.first().map(|at| at.duration_since(invite.at)) {
                Some(Ok(late)) => format!("{}: the pop of {caller} came {late:?} late", invite.user),
                _ => format!("{}: no pop of {caller}", invite.user),
            }),
        }
    }
    leads.first.sort_unstable();
    leads
}

/// INVITEs that reached a phone while it still had another call, in words.
pub fn doubled_at_phones(phones: &[PhoneEvent]) -> Vec<String> {
    let mut open: HashMap<&str, &str> = HashMap::new();
    let mut doubled = Vec::new();
    let mut in_order: Vec<_> = phones.iter().collect();
    in_order.sort_by_key(|event| event.at);
    for event in in_order {
        match event.what {
            What::Invite => {
                if let Some(other) = open.insert(&event.user, &event.call_id) {
                    doubled.push(format!("{}: {} while it had {other}", event.user, event.call_id));
                }
            }
            What::Cancelled | What::Bye | What::Refused => {
                if open.get(event.user.as_str()) == Some(&event.call_id.as_str()) {
                    open.remove(event.user.as_str());
                }
            }
            What::InviteAgain | What::Answered | What::Acked | What::Other => {}
        }
    }
    doubled
}

/// Offers on a screen while an earlier offer or call of that agent had not ended, in words.
///
/// A screen's frames are in the order of its stream, so no time is needed.
pub fn doubled_on_screens(frames: &[Frame]) -> Vec<String> {
    let mut open: HashMap<&str, &str> = HashMap::new();
    let mut doubled = Vec::new();
    for frame in frames {
        let (agent, call) = (frame.agent.as_str(), frame.call());
        if frame.is("pop.offered") {
            if let Some(other) = open.insert(agent, call).filter(|other| *other != call) {
                doubled.push(format!("{agent}: {call} was offered while {other} was open"));
            }
        } else if ["pop.withdrawn", "pop.missed", "pop.closed"].contains(&frame.event())
            && open.get(agent) == Some(&call)
        {
            open.remove(agent);
        }
    }
    doubled
}

/// INVITEs that were under way from the caller to a phone for longer than `limit`, in words.
pub fn delayed(phones: &[PhoneEvent], limit: Duration) -> Vec<String> {
    phones
        .iter()
        .filter(|event| event.what == What::Invite)
        .filter_map(|event| {
            let Some(sent) = event.sent else { return Some(format!("{}: no X-Sent", event.call_id)) };
            let under_way = event.at.duration_since(sent).unwrap_or_default();
            (under_way > limit).then(|| format!("{}: {under_way:?}", event.call_id))
        })
        .collect()
}

/// `0312345678` as E.164, Japan.
fn e164(number: &str) -> String {
    number.strip_prefix('0').map_or_else(|| number.to_owned(), |rest| format!("+81{rest}"))
}
