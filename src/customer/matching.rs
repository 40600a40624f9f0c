//! From the cards of a look-up to a match (caller-id.md, Matching).

use std::cmp::Ordering;

use jiff::Timestamp;

use super::CustomerCard;
use crate::identity::Quality;

/// The chooser shows so many; the rest is found by search.
pub const MAX_CANDIDATES: usize = 5;

/// How sure it is who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// Nobody has the number, or there is none to look up.
    None,
    /// One customer by the exact key.
    Known(Box<CustomerCard>),
    /// One customer, but the number had lost its zero: shown, never linked without the agent.
    Likely(Box<CustomerCard>),
    /// Several share the number: the agent chooses.
    Several {
        /// The best [`MAX_CANDIDATES`], in the order they are shown.
        candidates: Vec<CustomerCard>,
        /// How many there are in all.
        count: usize,
    },
}

impl Match {
    /// The code for `match.level`, traces and logs.
    pub fn level(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Known(_) => "known",
            Self::Likely(_) => "likely",
            Self::Several { .. } => "several",
        }
    }
}

/// Matches the cards found under one key. Several are ordered by last contact, then rank, then id.
pub fn match_cards(mut cards: Vec<CustomerCard>, quality: Quality) -> Match {
    cards.sort_by(|a, b| a.id.cmp(&b.id));
    cards.dedup_by(|a, b| a.id == b.id);
    let count = cards.len();
    match <[CustomerCard; 1]>::try_from(cards) {
        Ok([card]) if quality == Quality::ZeroRestored => Match::Likely(Box::new(card)),
        Ok([card]) => Match::Known(Box::new(card)),
        Err(cards) if cards.is_empty() => Match::None,
        Err(mut cards) => {
            cards.sort_by(by_likelihood);
            cards.truncate(MAX_CANDIDATES);
            Match::Several { candidates: cards, count }
        }
    }
}

fn by_likelihood(a: &CustomerCard, b: &CustomerCard) -> Ordering {
    last_contact(b)
        .cmp(&last_contact(a))
        .then_with(|| rank_order(a.rank.as_deref()).cmp(&rank_order(b.rank.as_deref())))
        .then_with(|| a.id.cmp(&b.id))
}

fn last_contact(card: &CustomerCard) -> Option<Timestamp> {
    card.contacts.iter().map(|contact| contact.at).max()
}

/// Ranks are house codes: S above A as is usual in Japan, then by the alphabet, no rank last.
fn rank_order(rank: Option<&str>) -> (u8, &str) {
    match rank {
        Some(rank) if !rank.is_empty() && rank.bytes().all(|byte| byte == b'S') => {
            // SSS before SS before S.
            (3 - u8::try_from(rank.len().min(3)).unwrap_or(3), "")
        }
        Some(rank) if !rank.is_empty() => (3, rank),
        Some(_) | None => (4, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::customer::{Contact, Direction, Language};
    use crate::presence::CustomerId;

    #[test]
    fn rule_2_one_card_under_the_exact_key_is_known() {
        let found = match_cards(vec![card("a", None, None)], Quality::Certain);
        assert_eq!(found.level(), "known");
        assert_eq!(match_cards(vec![card("a", None, None); 2], Quality::Certain).level(), "known");
    }

    #[test]
    fn rule_3_a_restored_zero_is_only_likely() {
        assert_eq!(match_cards(vec![card("a", None, None)], Quality::ZeroRestored).level(), "likely");
    }

    #[test]
    fn rule_4_no_card_is_no_match() {
        assert_eq!(match_cards(Vec::new(), Quality::Certain), Match::None);
    }

    #[test]
    fn rule_5_several_are_ordered_by_last_contact_then_rank_then_id() {
        let cards = vec![
            card("f", None, None),
            card("e", None, Some("B")),
            card("d", None, Some("S")),
            card("c", None, Some("A")),
            card("b", Some("2026-11-18T00:00:00Z"), Some("C")),
            card("a", None, Some("B")),
            card("g", Some("2026-11-20T00:00:00Z"), None),
        ];
        let Match::Several { candidates, count } = match_cards(cards, Quality::Certain) else {
            panic!("seven cards are several")
        };
        let order: Vec<&str> = candidates.iter().map(|card| card.id.as_str()).collect();
        assert_eq!((order, count), (vec!["g", "b", "d", "c", "a"], 7));
    }

    fn card(id: &str, last_contact: Option<&str>, rank: Option<&str>) -> CustomerCard {
        let contacts = last_contact.map(|at| Contact {
            at: at.parse().expect("a time"),
            by: "佐藤".into(),
            direction: Direction::In,
            channel: None,
            summary: "相談".into(),
            disposition: None,
        });
        CustomerCard {
            id: CustomerId::new(id),
            name: "山田 花子".into(),
            kana: None,
            company: None,
            rank: rank.map(str::to_owned),
            language: Language::Ja,
            phones: Vec::new(),
            assignee: None,
            notices: Vec::new(),
            flags: Vec::new(),
            contacts: contacts.into_iter().collect(),
        }
    }
}
