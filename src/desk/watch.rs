//! Whether screens answer: cards that are to be painted, pings that are to be answered, and what the engine
//! is told when they are not.

use std::sync::Arc;
use std::time::Instant;

use super::handle::SocketId;
use super::outbox::Item;
use super::room::{Desk, Owner};
use crate::driver::FromDesk;
use crate::events::Frame;
use crate::events::wire::as_replay;
use crate::presence::{AgentId, StaleCause};
use crate::telemetry::metric;

/// From a pop's way into the sockets' queues to a client's word that it is painted.
const RENDER: &str = "toritsugi_pop_render_seconds";

/// The other tabs, to which a card is sent again, have this part of the time besides.
const SECOND_CHANCE: u32 = 4;

/// A card that is to be painted.
pub(super) struct Render {
    owner: Owner,
    frame: Arc<Frame>,
    at: Instant,
    resent: bool,
    /// The engine knows that nobody painted it.
    told: bool,
}

/// An agent whose screens do not answer.
pub(super) struct Unseen {
    cause: StaleCause,
    /// The card that was not painted.
    card: Option<String>,
    /// They answer again, and the engine is still to hear of it.
    over: bool,
}

impl Render {
    pub(super) fn new(owner: Owner, frame: Arc<Frame>) -> Self {
        Self { owner, frame, at: Instant::now(), resent: false, told: false }
    }
}

impl Desk {
    /// A client says that these cards are painted. A late word is a sign as well: the screen works.
    pub(super) fn rendered(&mut self, socket: SocketId, ids: &[String]) {
        let Some(owner) = self.members.get(&socket).map(|member| member.owner.clone()) else { return };
        for id in ids {
            if self.renders.get(id).is_none_or(|render| render.owner != owner) {
                continue;
            }
            if let Some(render) = self.renders.remove(id) {
                metrics::histogram!(RENDER).record(render.at.elapsed().as_secs_f64());
                self.came_back(&owner);
            }
        }
        if let Owner::Agent(agent) = &owner
            && self
                .stale
                .get(agent)
                .and_then(|unseen| unseen.card.as_ref())
                .is_some_and(|id| ids.contains(id))
        {
            self.came_back(&owner);
        }
    }

    /// A pong shows that the connection works. That is not the screen: a page that stands still may have a
    /// worker that answers.
    pub(super) fn answered_ping(&mut self, socket: SocketId) {
        let Some(Owner::Agent(agent)) = self.members.get(&socket).map(|member| &member.owner) else { return };
        if self.stale.get(agent).is_some_and(|unseen| unseen.cause == StaleCause::HeartBeat) {
            let owner = Owner::Agent(agent.clone());
            self.came_back(&owner);
        }
    }

    /// Whoever does something on a screen sees it.
    pub(super) fn acted(&mut self, socket: SocketId) {
        let Some(owner) = self.members.get(&socket).map(|member| member.owner.clone()) else { return };
        self.renders.retain(|_, render| render.owner != owner);
        self.came_back(&owner);
    }

    /// Two pings were not answered. While another screen of the agent's is open, they are not unseen: that
    /// one is asked as well.
    pub(super) fn fell_silent(&mut self, socket: SocketId) {
        let Some(Owner::Agent(agent)) = self.members.get(&socket).map(|member| &member.owner) else { return };
        let (agent, owner) = (agent.clone(), Owner::Agent(agent.clone()));
        if self.sockets_of(&owner).len() == 1 {
            self.report_stale(agent, StaleCause::HeartBeat, None);
        }
    }

    /// A screen of theirs answers: the engine is told, if it had been told otherwise.
    pub(super) fn came_back(&mut self, owner: &Owner) {
        if let Owner::Agent(agent) = owner
            && let Some(unseen) = self.stale.get_mut(agent)
        {
            unseen.over = true;
            self.report_fresh();
        }
    }

    pub(super) fn report_fresh(&mut self) {
        let engine = &self.engine;
        self.stale.retain(|agent, unseen| !unseen.over || !engine.report(FromDesk::Fresh(agent.clone())));
    }

    /// A card that nobody painted is sent again to the agent's other tabs, once, while it is offered. When
    /// that does not help either, or there is no other tab, the engine is told.
    pub(super) fn look_after_renders(&mut self) {
        let within = self.settings.render_within;
        if within.is_zero() {
            return self.renders.clear();
        }
        let (hub, settled) = (&self.hub, |render: &Render| render.at.elapsed() > within * 10);
        self.renders.retain(|_, render| {
            let shown =
                render.frame.call.as_ref().is_some_and(|call| hub.calls(&render.frame.stream).contains(call));
            shown && !settled(render)
        });
        let late: Vec<String> = self
            .renders
            .iter()
            .filter(|(_, render)| !render.told && render.at.elapsed() >= within)
            .map(|(id, _)| id.clone())
            .collect();
        for id in late {
            self.not_painted(&id);
        }
    }

    fn not_painted(&mut self, id: &str) {
        let Some(render) = self.renders.get_mut(id) else { return };
        let again = !std::mem::replace(&mut render.resent, true);
        let (owner, frame, waited) = (render.owner.clone(), Arc::clone(&render.frame), render.at.elapsed());
        let sockets = self.sockets_of(&owner);
        if again {
            metrics::counter!(metric::POPS, "event" => "render_late").increment(1);
            let lead = self.leads.get(&owner).copied();
            for socket in sockets.iter().filter(|socket| Some(**socket) != lead) {
                if let Some(member) = self.members.get(socket) {
                    member.outbox.push(Item::plain(as_replay(&frame.text)));
                }
            }
        }
        let within = self.settings.render_within;
        let promised = sockets.iter().any(|it| self.members.get(it).is_some_and(|member| member.paints));
        let over = sockets.len() < 2 || waited >= within + within / SECOND_CHANCE;
        if let (Owner::Agent(agent), true, true) = (owner, promised, over) {
            let told = self.report_stale(agent, StaleCause::Render, Some(&frame));
            if let Some(render) = self.renders.get_mut(id) {
                render.told = told;
            }
        }
    }

    /// `false` when the engine could not be told now.
    fn report_stale(&mut self, agent: AgentId, cause: StaleCause, card: Option<&Frame>) -> bool {
        let offer = card.and_then(|card| card.announce.clone());
        if !self.engine.report(FromDesk::Stale(agent.clone(), cause, offer)) {
            return false;
        }
        let card = card.map(|card| card.id.clone());
        self.stale.insert(agent, Unseen { cause, card, over: false });
        true
    }
}
