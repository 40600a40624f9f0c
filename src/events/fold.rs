//! Folding: what a client missed, without what is over. Offers whose call has ended become one `pop.missed`; of
//! states only the latest is kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::stream::{Frame, Role};
use super::wire::as_replay;
use crate::presence::CallId;

/// The texts to send for `frames`, in order, each marked `replay`. What is left keeps its id and number.
pub fn fold(frames: &[Arc<Frame>]) -> Vec<Bytes> {
    let cards = cards(frames);
    let latest = latest_states(frames);
    let mut texts = Vec::with_capacity(frames.len());
    for (index, frame) in frames.iter().enumerate() {
        let card = frame.call.as_ref().and_then(|call| {
            cards.get(call)?.iter().find(|card| card.first <= index && index <= card.last.unwrap_or(usize::MAX))
        });
        let keep = match (&frame.role, card) {
            (Role::State(key), _) => latest.get(key.as_str()) == Some(&index),
            (Role::Other, _) | (_, None) => true,
            (
                Role::Offer
                | Role::Step
                | Role::Taken
                | Role::Withdrawn { .. }
                | Role::Missed
                | Role::Closed,
                Some(card),
            ) => card.last.is_none() || card.last == Some(index),
        };
        if keep {
            let synthetic = card.is_some_and(|card| card.last == Some(index) && card.becomes_missed());
            texts.push(if synthetic { missed(frame) } else { as_replay(&frame.text) });
        }
    }
    texts
}

/// The life of one card among the frames.
struct Card {
    first: usize,
    /// The frame that stands for all of it; none while it lives.
    last: Option<usize>,
    taken: bool,
    declined: bool,
    told: bool,
}

impl Card {
    fn becomes_missed(&self) -> bool {
        !self.taken && !self.declined && !self.told
    }
}

fn cards(frames: &[Arc<Frame>]) -> BTreeMap<&CallId, Vec<Card>> {
    let mut cards: BTreeMap<&CallId, Vec<Card>> = BTreeMap::new();
    for (index, frame) in frames.iter().enumerate() {
        let Some(call) = &frame.call else { continue };
        if frame.role == Role::Offer {
            let card = Card { first: index, last: None, taken: false, declined: false, told: false };
            cards.entry(call).or_default().push(card);
            continue;
        }
        let Some(card) = cards.get_mut(call).and_then(|all| all.last_mut()) else { continue };
        match &frame.role {
            Role::Taken => card.taken = true,
            Role::Withdrawn { declined } => {
                card.declined = *declined;
                card.last = Some(index);
            }
            Role::Missed => {
                card.told = true;
                card.last = Some(index);
            }
            Role::Closed => card.last = Some(index),
            Role::Offer | Role::Step | Role::State(_) | Role::Other => {}
        }
    }
    cards
}

fn latest_states(frames: &[Arc<Frame>]) -> BTreeMap<&str, usize> {
    let mut latest = BTreeMap::new();
    for (index, frame) in frames.iter().enumerate() {
        if let Role::State(key) = &frame.role {
            latest.insert(key.as_str(), index);
        }
    }
    latest
}

/// The frame that ended the card, told as a missed call: same id, same number.
fn missed(frame: &Frame) -> Bytes {
    let Ok(mut value) = serde_json::from_slice::<Value>(&frame.text) else { return as_replay(&frame.text) };
    let cause = value["data"]["cause"].take();
    value["type"] = json!("pop.missed");
    value["replay"] = json!(true);
    value["data"] = json!({"cause": cause});
    value.to_string().into()
}
