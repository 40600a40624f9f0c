//! A card as octets, for the book: no names of fields, and read in one pass without looking for anything.
//!
//! Nothing of it leaves the process, so that it may change with the card. Numbers are written in groups of
//! seven bits, the lowest first; a text has its length before it, one that may be absent its length plus one.

use jiff::Timestamp;

use super::card::{Contact, CustomerCard, Direction, Flag, Language, Notice, NoticeLevel};
use crate::presence::{AgentId, CustomerId};

/// Writes the card behind what is there.
pub(super) fn pack(to: &mut Vec<u8>, card: &CustomerCard) {
    // Every field is named, so that a new one is not forgotten here.
    let CustomerCard { id, name, kana, company, rank, language, phones, assignee, notices, flags, contacts } =
        card;
    put_text(to, id.as_str());
    put_text(to, name);
    for text in [kana, company, rank] {
        put_option(to, text.as_deref());
    }
    put_number(to, *language as u64);
    put_number(to, phones.len() as u64);
    phones.iter().for_each(|phone| put_text(to, phone));
    put_option(to, assignee.as_ref().map(AgentId::as_str));
    put_number(to, notices.len() as u64);
    for Notice { id, level, text, by, at } in notices {
        put_text(to, id);
        put_number(to, *level as u64);
        put_text(to, text);
        put_text(to, by);
        put_moment(to, *at);
    }
    put_number(to, flags.len() as u64);
    for Flag { code, level, since } in flags {
        put_text(to, code);
        put_number(to, level.map_or(0, |level| u64::from(level) + 1));
        put_option(to, since.as_deref());
    }
    put_number(to, contacts.len() as u64);
    for Contact { at, by, direction, channel, summary, disposition } in contacts {
        put_moment(to, *at);
        put_text(to, by);
        put_number(to, *direction as u64);
        put_option(to, channel.as_deref());
        put_text(to, summary);
        put_option(to, disposition.as_deref());
    }
}

/// The card that was written so; `None` when the octets are none.
pub(super) fn unpack(octets: &[u8]) -> Option<CustomerCard> {
    let mut rest = Rest(octets);
    Some(CustomerCard {
        id: CustomerId::new(rest.text()?),
        name: rest.text()?.to_owned(),
        kana: rest.option()?.map(str::to_owned),
        company: rest.option()?.map(str::to_owned),
        rank: rest.option()?.map(str::to_owned),
        language: rest.one_of(&[Language::Ja, Language::En])?,
        phones: rest.list(|rest| rest.text().map(str::to_owned))?,
        assignee: rest.option()?.map(AgentId::new),
        notices: rest.list(Rest::notice)?,
        flags: rest.list(Rest::flag)?,
        contacts: rest.list(Rest::contact)?,
    })
}

fn put_number(to: &mut Vec<u8>, number: u64) {
    let mut rest = number;
    while rest >= 0x80 {
        to.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    to.push(rest as u8);
}

fn put_text(to: &mut Vec<u8>, text: &str) {
    put_number(to, text.len() as u64);
    to.extend_from_slice(text.as_bytes());
}

fn put_option(to: &mut Vec<u8>, text: Option<&str>) {
    put_number(to, text.map_or(0, |text| text.len() as u64 + 1));
    to.extend_from_slice(text.unwrap_or_default().as_bytes());
}

fn put_moment(to: &mut Vec<u8>, at: Timestamp) {
    to.extend_from_slice(&at.as_second().to_le_bytes());
    to.extend_from_slice(&at.subsec_nanosecond().to_le_bytes());
}

/// What has not been read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn number(&mut self) -> Option<u64> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let (octet, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(octet & 0x7f).checked_shl(shift)?;
            if *octet < 0x80 {
                return Some(number);
            }
            shift += 7;
        }
    }

    fn length(&mut self) -> Option<usize> {
        self.number().and_then(|length| usize::try_from(length).ok())
    }

    fn take(&mut self, length: usize) -> Option<&'a str> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(taken).ok()
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.length()?;
        self.take(length)
    }

    fn option(&mut self) -> Option<Option<&'a str>> {
        match self.length()? {
            0 => Some(None),
            length => self.take(length - 1).map(Some),
        }
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        let place = self.length()?;
        all.get(place).copied()
    }

    fn moment(&mut self) -> Option<Timestamp> {
        let (seconds, rest) = self.0.split_first_chunk()?;
        let (nanoseconds, rest) = rest.split_first_chunk()?;
        self.0 = rest;
        Timestamp::new(i64::from_le_bytes(*seconds), i32::from_le_bytes(*nanoseconds)).ok()
    }

    fn list<T>(&mut self, mut each: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        // Each takes an octet at least: no more room is made than there can be entries.
        let count = self.length().filter(|count| *count <= self.0.len())?;
        let mut all = Vec::with_capacity(count);
        for _ in 0..count {
            all.push(each(self)?);
        }
        Some(all)
    }

    fn notice(&mut self) -> Option<Notice> {
        Some(Notice {
            id: self.text()?.to_owned(),
            level: self.one_of(&[NoticeLevel::Info, NoticeLevel::Warn, NoticeLevel::Danger])?,
            text: self.text()?.to_owned(),
            by: self.text()?.to_owned(),
            at: self.moment()?,
        })
    }

    fn flag(&mut self) -> Option<Flag> {
        let code = self.text()?.to_owned();
        let level = match self.number()? {
            0 => None,
            level => Some(u8::try_from(level - 1).ok()?),
        };
        Some(Flag { code, level, since: self.option()?.map(str::to_owned) })
    }

    fn contact(&mut self) -> Option<Contact> {
        Some(Contact {
            at: self.moment()?,
            by: self.text()?.to_owned(),
            direction: self.one_of(&[Direction::In, Direction::Out])?,
            channel: self.option()?.map(str::to_owned),
            summary: self.text()?.to_owned(),
            disposition: self.option()?.map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moment() -> impl Strategy<Value = Timestamp> {
        (-60_000_000_000..200_000_000_000_i64, 0..1_000_000_000)
            .prop_map(|(seconds, nanoseconds)| Timestamp::new(seconds, nanoseconds).unwrap())
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof!["[a-z佐藤 ]{0,4}", "[顧客]{0,60}"]
    }

    fn maybe() -> impl Strategy<Value = Option<String>> {
        prop::option::of(text())
    }

    fn notice() -> impl Strategy<Value = Notice> {
        let level = prop_oneof![Just(NoticeLevel::Info), Just(NoticeLevel::Warn), Just(NoticeLevel::Danger)];
        (text(), level, text(), text(), moment()).prop_map(|(id, level, text, by, at)| Notice {
            id,
            level,
            text,
            by,
            at,
        })
    }

    fn flag() -> impl Strategy<Value = Flag> {
        (text(), any::<Option<u8>>(), maybe()).prop_map(|(code, level, since)| Flag { code, level, since })
    }

    fn contact() -> impl Strategy<Value = Contact> {
        let direction = prop_oneof![Just(Direction::In), Just(Direction::Out)];
        (moment(), text(), direction, maybe(), text(), maybe()).prop_map(
            |(at, by, direction, channel, summary, disposition)| Contact {
                at,
                by,
                direction,
                channel,
                summary,
                disposition,
            },
        )
    }

    fn card() -> impl Strategy<Value = CustomerCard> {
        let who = (text(), text(), maybe(), maybe(), maybe(), any::<bool>(), maybe());
        let lists = (
            prop::collection::vec(text(), 0..4),
            prop::collection::vec(notice(), 0..3),
            prop::collection::vec(flag(), 0..3),
            prop::collection::vec(contact(), 0..3),
        );
        (who, lists).prop_map(|((id, name, kana, company, rank, english, assignee), lists)| {
            let (phones, notices, flags, contacts) = lists;
            CustomerCard {
                id: CustomerId::new(id),
                name,
                kana,
                company,
                rank,
                language: if english { Language::En } else { Language::Ja },
                phones,
                assignee: assignee.map(AgentId::new),
                notices,
                flags,
                contacts,
            }
        })
    }

    proptest! {
        #[test]
        fn a_card_comes_back_as_it_went_in(card in card()) {
            let mut octets = Vec::new();
            pack(&mut octets, &card);
            prop_assert_eq!(unpack(&octets), Some(card));
            prop_assert_eq!(unpack(&octets[..octets.len() - 1]), None);
        }

        #[test]
        fn other_octets_are_no_card_or_some_card(octets in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Some(card) = unpack(&octets) {
                let mut again = Vec::new();
                pack(&mut again, &card);
                prop_assert_eq!(unpack(&again), Some(card));
            }
        }
    }
}
