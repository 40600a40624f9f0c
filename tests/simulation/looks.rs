//! What is looked at between the steps and at the end of a run.

use std::hash::Hasher as _;

use toritsugi::engine::{Answer, Input, Output, ReplyToken, Request};
use toritsugi::events::EndReason;
use toritsugi::presence::CallId;

use super::house;
use super::party::{Outcome, Party};
use super::world::{CALLS, Report, SECOND, Told, World};

/// Timers of one call whose INVITE went to every agent and to the PBX in turn.
const MOST_TIMERS: usize = 4 + 4 * (house::AGENTS + 1);

impl World {
    pub(super) fn look_at_people(&mut self) {
        for call in std::mem::take(&mut self.judge.lot.begun) {
            let sip = self.sip_id(call.as_str());
            // With music the caller hears when the port is open.
            if !self.swarm.music && !self.judge.rings(&sip) {
                self.judge.breach("I9", &sip, format!("{call} waits, and its caller hears nothing"));
            }
        }
        self.judge.lot.look(self.now);
        let mut faults = std::mem::take(&mut self.judge.people.faults);
        faults.append(&mut self.judge.lot.faults);
        let mut named = std::mem::take(&mut self.judge.music.faults);
        named.append(&mut self.judge.callbacks.faults);
        for (rule, call, what) in named {
            self.judge.breach(rule, &call, what);
        }
        for (rule, id, what) in faults {
            let call = self.sip_id(id.as_str());
            self.judge.breach(rule, &call, format!("{id}: {what}"));
        }
    }

    /// Whom the calls of this step are offered to, and which of them wait: their INVITEs may be held up (F1).
    pub(super) fn note_offers(&mut self) {
        for call in self.judge.lot.begun.clone() {
            let sip = self.sip_id(call.as_str());
            self.judge.waits(&sip);
        }
        for (id, announced, agent) in std::mem::take(&mut self.offers) {
            let call = self.sip_id(id.as_str());
            self.judge.leaving.offered(&call, announced, agent.as_str());
        }
    }

    /// SIP's Call-ID of a call of ours.
    pub(super) fn sip_id(&mut self, id: &str) -> String {
        if let Some((sip, _)) = self.ids.iter().find(|(_, ours)| *ours == id) {
            return sip.clone();
        }
        self.asked += 1;
        let call = CallId::new(id);
        self.input(Input::Asked(ReplyToken(self.asked), Request::LiveCall(call)));
        let mut found = String::new();
        while let Some(output) = self.engine.poll_output() {
            if let Output::Reply(_, answer) = output
                && let Ok(Answer::Calls(calls)) = *answer
                && let Some(call) = calls.first()
            {
                found.clone_from(&call.sip_call_id);
            }
        }
        self.ids.insert(found.clone(), id.to_owned());
        found
    }

    /// I6: what the engine knows of each agent is what it told.
    pub(super) fn look_at_presences(&mut self) {
        self.asked += 1;
        self.input(Input::Asked(ReplyToken(self.asked), Request::Presences));
        while let Some(output) = self.engine.poll_output() {
            if let Output::Reply(_, answer) = output
                && let Ok(Answer::Presences(documents)) = *answer
            {
                documents.iter().for_each(|document| self.judge.people.compare(document));
            }
        }
        self.look_at_people();
    }

    /// I17, I18: tables and timers within their limits.
    pub(super) fn look_at_limits(&mut self) {
        let gauges = self.engine.gauges();
        let floor = self.now.saturating_sub(100 * SECOND);
        let live = self.judge.last_activity.values().filter(|at| **at >= floor).count();
        let calls = live.max(gauges.calls);
        let limit = self.settings.calls.max(1) + house::AGENTS;
        // A transaction has at most two timers at a time, a branch two more, a call four of its own. A call
        // that was offered to everybody and cancelled everywhere has the most.
        let owned = 2 * gauges.server_transactions + 4 * gauges.client_transactions + 4 * gauges.calls;
        // An anchored dialog may repeat its answer, wait after a clash, and have a session; and the lot one.
        let owned = owned + 4 * gauges.dialogs + gauges.lingering;
        let plain = self.swarm.reliable + self.swarm.re_invites == 0 && !self.swarm.music;
        let spare = 1 + house::AGENTS;
        if gauges.timers > owned + spare || (plain && gauges.timers > MOST_TIMERS * calls + spare) {
            self.judge.breach("I17", "", format!("{} timers for {calls} calls", gauges.timers));
        }
        if gauges.calls > limit + CALLS || gauges.offers > house::AGENTS {
            self.judge.breach("I18", "", format!("tables too full: {gauges:?}"));
        }
    }

    /// I16: nothing is left over but calls that nobody ended.
    pub(super) fn look_at_gauges(&mut self, open_calls: bool) {
        let gauges = self.engine.gauges();
        let transactions = gauges.server_transactions + gauges.client_transactions + gauges.contexts;
        let records = &self.judge.people.records;
        let unended = self.judge.accepted.iter().filter(|call| !records.contains_key(*call)).count();
        let open = if open_calls { unended } else { 0 };
        let left = gauges.calls > open + gauges.wrapping || (!open_calls && gauges.wrapping > 0);
        // One for each call that nobody ended, one for each wrap-up, and the one of the agents' book.
        let timers = gauges.timers > open + gauges.wrapping + usize::from(gauges.wrapping > 0 || open_calls);
        if transactions + gauges.offers + gauges.names_awaited + gauges.lot_taken > 0 || left || timers {
            let call = self.oldest_unrecorded();
            self.judge.breach("I16", &call, format!("left over, {open} calls open: {gauges:?}"));
        }
    }

    fn oldest_unrecorded(&self) -> String {
        let records = &self.judge.people.records;
        let unrecorded = self.judge.accepted.iter().find(|call| !records.contains_key(*call));
        unrecorded.cloned().unwrap_or_default()
    }

    /// I10 and liveness: one record for each call, which says what the caller was told.
    pub(super) fn look_at_records(&mut self) {
        let mut faults = Vec::new();
        for call in &self.judge.accepted {
            let Some(record) = self.judge.people.records.get(call) else {
                faults.push(("I10", call.clone(), "no record was written".to_owned()));
                continue;
            };
            let told = self.judge.finals.get(call).map(|(status, _)| *status);
            // An answer that crosses CANCEL counts as given up (D10), whatever status it had.
            let crossed = self.judge.cancels.contains(call)
                && record.end_reason == Some(EndReason::Abandoned)
                && told.is_some_and(|status| (200..300).contains(&status));
            let unasked = record.end_reason == Some(EndReason::Abandoned)
                && record.answered_at.is_some()
                && !self.judge.cancels.contains(call)
                && !self.judge.music.is_anchored(call);
            if unasked {
                faults.push(("I10", call.clone(), "answered and abandoned without a CANCEL".to_owned()));
            }
            if record.status != told && !crossed {
                let what = format!(
                    "the record says {:?} {:?}, the caller was told {told:?}",
                    record.status, record.end_reason
                );
                faults.push(("I10", call.clone(), what));
            }
        }
        for party in self.parties.iter().filter(|party| party.habits.is_some()) {
            let ended = matches!(party.outcome, Outcome::Connected | Outcome::Refused(_));
            if self.swarm.is_quiet() && !ended {
                faults.push(("live", party.name.clone(), format!("the caller ends {:?}", party.outcome)));
            }
        }
        for (rule, call, what) in faults {
            self.judge.breach(rule, &call, what);
        }
    }

    pub(super) fn finish(mut self) -> Report {
        let breaches = std::mem::take(&mut self.judge.breaches);
        let breaches = breaches
            .into_iter()
            .map(|breach| {
                let id = self.ids.get(&breach.call).cloned();
                let other: Vec<String> = id.into_iter().collect();
                let ladder = self.trace.ladder(&breach.call, &other);
                (breach, ladder)
            })
            .collect();
        let records = &self.judge.people.records;
        let told = |party: &Party| {
            let record = records.get(&party.name);
            Told {
                outcome: party.outcome,
                pops: record.map_or(0, |record| self.judge.people.pops_of(&record.id)),
                records: usize::from(record.is_some()),
            }
        };
        let calls = self.parties.iter().filter(|party| party.habits.is_some()).map(told).collect();
        let called_back = self.judge.callbacks.len();
        let rang_at_once = self.judge.rang_at_once.len();
        Report { breaches, swarm: self.swarm, hash: self.hasher.finish(), calls, called_back, rang_at_once }
    }
}
