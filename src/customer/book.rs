//! Every customer in memory, found by number: what a call asks for without a change of thread.
//!
//! Cards are kept as octets one behind the other, numbers as sorted integers beside them: a look-up is one
//! search and one reading.

use std::collections::BTreeMap;

use super::card::CustomerCard;
use super::packed::{pack, unpack};

/// Customers one look-up answers at most; a screen shows five of them.
const MATCH_LIMIT: usize = 20;

/// Numbers in a group: eight lines of a processor's cache.
const GROUP: usize = 64;

/// The longest number that is packed: E.164 has 15 digits, and 18 fit.
const PACKED_DIGITS: usize = 18;

/// All customers as they were at one moment. It never changes; a new one takes its place.
#[derive(Clone, Debug, Default)]
pub struct CustomerBook {
    /// Ascending; `cards` tells at the same place whose it is.
    numbers: Vec<u64>,
    /// The first number of each group: few enough to stay at hand, so that little of `numbers` is read.
    marks: Vec<u64>,
    cards: Vec<u32>,
    /// Numbers that cannot be packed.
    odd: BTreeMap<String, Vec<u32>>,
    /// Where each card's octets end.
    ends: Vec<usize>,
    octets: Vec<u8>,
}

impl CustomerBook {
    /// The customers that have this number, at most twenty, in the order of the chooser.
    pub fn find(&self, e164: &str) -> Vec<CustomerCard> {
        let places = self.places(e164);
        // A call keeps them as long as it lasts: no room for more than there are.
        let mut cards = Vec::with_capacity(places.len());
        cards.extend(places.iter().filter_map(|card| self.card(*card)));
        if cards.len() > 1 {
            cards.sort_by(|one, other| chooser_key(one).cmp(&chooser_key(other)));
            cards.truncate(MATCH_LIMIT);
        }
        cards
    }

    /// How many customers there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// What it takes in memory, in octets, as far as it can be told.
    pub fn octets(&self) -> usize {
        self.octets.len()
            + self.ends.len() * size_of::<usize>()
            + self.numbers.len() * size_of::<(u64, u32)>()
    }

    fn places(&self, e164: &str) -> &[u32] {
        let Some(number) = packed(e164) else {
            return self.odd.get(e164).map_or(&[], Vec::as_slice);
        };
        // What is not below the number begins in the group before the first mark that is not, or there.
        let group = self.marks.partition_point(|mark| *mark < number).saturating_sub(1) * GROUP;
        let numbers = self.numbers.get(group..(group + GROUP).min(self.numbers.len())).unwrap_or_default();
        let first = group + numbers.partition_point(|known| *known < number);
        let count = self.numbers[first..].iter().take_while(|known| **known == number).count();
        &self.cards[first..first + count]
    }

    fn card(&self, place: u32) -> Option<CustomerCard> {
        let place = place as usize;
        let begin = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        unpack(&self.octets[begin..self.ends[place]])
    }
}

/// Last contact first, then the better rank, none last, then the id.
fn chooser_key(card: &CustomerCard) -> impl Ord + '_ {
    let last = card.contacts.first().map(|contact| contact.at);
    (std::cmp::Reverse(last), card.rank.is_none(), card.rank.as_deref(), card.id.as_str())
}

/// Collects cards into a book.
#[derive(Debug)]
pub struct BookMaker {
    book: CustomerBook,
    numbers: Vec<(u64, u32)>,
    limit: usize,
}

impl BookMaker {
    /// A maker of a book of at most `limit` octets.
    pub fn new(limit: usize) -> Self {
        Self { book: CustomerBook::default(), numbers: Vec::new(), limit }
    }

    /// Adds a customer; `false` when the book would become too large, and then it is of no use.
    pub fn add(&mut self, card: &CustomerCard) -> bool {
        let Ok(place) = u32::try_from(self.book.ends.len()) else { return false };
        pack(&mut self.book.octets, card);
        self.book.ends.push(self.book.octets.len());
        for number in &card.phones {
            match packed(number) {
                Some(number) => self.numbers.push((number, place)),
                None => self.book.odd.entry(number.clone()).or_default().push(place),
            }
        }
        self.book.octets() + self.numbers.len() * size_of::<(u64, u32)>() <= self.limit
    }

    /// The book.
    pub fn finish(self) -> CustomerBook {
        let Self { mut book, mut numbers, .. } = self;
        numbers.sort_unstable();
        // A customer may have written the same number twice.
        numbers.dedup();
        book.odd.values_mut().for_each(Vec::dedup);
        (book.numbers, book.cards) = numbers.into_iter().unzip();
        book.marks = book.numbers.iter().step_by(GROUP).copied().collect();
        book.octets.shrink_to_fit();
        book.ends.shrink_to_fit();
        book
    }
}

/// `+` and digits as one integer; different numbers give different ones.
fn packed(e164: &str) -> Option<u64> {
    let digits = e164.strip_prefix('+')?;
    let plain = digits.len() <= PACKED_DIGITS
        && !digits.starts_with('0')
        && digits.bytes().all(|octet| octet.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::customer::{Contact, Direction, Language};
    use crate::presence::{AgentId, CustomerId};

    fn card(id: &str, rank: Option<&str>, phones: &[&str], last: Option<&str>) -> CustomerCard {
        CustomerCard {
            id: CustomerId::new(id),
            name: format!("顧客 {id}"),
            kana: None,
            company: None,
            rank: rank.map(str::to_owned),
            language: Language::Ja,
            phones: phones.iter().map(|phone| (*phone).to_owned()).collect(),
            assignee: Some(AgentId::new("a101")),
            notices: Vec::new(),
            flags: Vec::new(),
            contacts: last
                .map(|at| Contact {
                    at: at.parse().unwrap(),
                    by: "佐藤".to_owned(),
                    direction: Direction::In,
                    channel: None,
                    summary: "注文".to_owned(),
                    disposition: None,
                })
                .into_iter()
                .collect(),
        }
    }

    fn book(cards: &[CustomerCard]) -> CustomerBook {
        let mut maker = BookMaker::new(1 << 20);
        assert!(cards.iter().all(|card| maker.add(card)));
        maker.finish()
    }

    fn ids(book: &CustomerBook, e164: &str) -> Vec<String> {
        book.find(e164).iter().map(|card| card.id.to_string()).collect()
    }

    #[test]
    fn a_customer_is_found_by_each_number_whole() {
        let all = [
            card("c1", None, &["+81312340001", "+819011112222"], Some("2026-01-02T03:04:05Z")),
            card("c2", None, &["+4930555000", "+4930555000"], None),
        ];
        let book = book(&all);
        assert_eq!(book.find("+81312340001"), all[..1]);
        assert_eq!(book.find("+819011112222"), all[..1]);
        assert_eq!(book.find("+4930555000"), all[1..]);
        assert_eq!((book.len(), book.find("+4930555001"), book.find("")), (2, vec![], vec![]));
    }

    #[test]
    fn several_come_in_the_order_of_the_chooser() {
        let shared = "+81312340001";
        let book = book(&[
            card("c5", None, &[shared], None),
            card("c4", None, &[shared], None),
            card("c3", Some("B"), &[shared], None),
            card("c2", Some("A"), &[shared], None),
            card("c1", None, &[shared], Some("2026-01-01T00:00:00Z")),
            card("c0", None, &[shared], Some("2026-01-02T00:00:00Z")),
        ]);
        assert_eq!(ids(&book, shared), ["c0", "c1", "c2", "c3", "c4", "c5"]);
    }

    #[test]
    fn numbers_that_cannot_be_packed_are_found_and_never_mistaken() {
        let book = book(&[
            card("zero", None, &["+0312"], None),
            card("plain", None, &["+312"], None),
            card("long", None, &["+1234567890123456789"], None),
            card("word", None, &["312"], None),
        ]);
        for (number, id) in
            [("+0312", "zero"), ("+312", "plain"), ("+1234567890123456789", "long"), ("312", "word")]
        {
            assert_eq!(ids(&book, number), [id], "{number}");
        }
        assert!(book.find("+00312").is_empty());
    }

    #[test]
    fn each_of_many_numbers_is_found_with_all_its_customers() {
        let number = |n: u32| format!("+8131{:07}", n / 3 * 7);
        let cards: Vec<CustomerCard> =
            (0..1_000).map(|n| card(&format!("c{n:04}"), None, &[number(n).as_str()], None)).collect();
        let book = book(&cards);
        for n in 0..999 {
            let same = n / 3 * 3;
            let expected: Vec<String> = (same..same + 3).map(|n| format!("c{n:04}")).collect();
            assert_eq!(ids(&book, &number(n)), expected);
        }
        for none in ["+81310000001", "+1", "+999999999999999"] {
            assert!(book.find(none).is_empty(), "{none}");
        }
    }

    #[test]
    fn a_book_over_its_limit_says_so() {
        let mut maker = BookMaker::new(1_000);
        let fits = (0..20).take_while(|n| maker.add(&card(&format!("c{n}"), None, &["+1"], None))).count();
        assert!((1..20).contains(&fits), "{fits}");
    }
}
