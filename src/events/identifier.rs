//! Identifiers the hub mints: event ids (ULID) and epochs. Time and randomness are arguments.

use rand::Rng;

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LOWER: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A ULID: 48 bits of milliseconds since 1970, then 80 random bits, in 26 characters of Crockford's base 32.
pub fn ulid(at: jiff::Timestamp, random: &mut impl Rng) -> String {
    let millis = u128::try_from(at.as_millisecond()).unwrap_or(0) & 0xffff_ffff_ffff;
    let noise = (u128::from(random.next_u64()) << 16) | u128::from(random.next_u32() & 0xffff);
    let value = (millis << 80) | noise;
    (0..26).rev().map(|place| digit(CROCKFORD, value >> (place * 5))).collect()
}

/// The name of one life of a stream: 40 random bits, so that two lives never share it.
pub fn epoch(random: &mut impl Rng) -> String {
    let value = u128::from(random.next_u64());
    (0..8).map(|place| digit(LOWER, value >> (place * 5))).collect()
}

fn digit(alphabet: &[u8; 32], value: u128) -> char {
    let index = usize::try_from(value & 31).expect("five bits fit");
    char::from(alphabet[index])
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha12Rng;

    use super::*;

    #[test]
    fn a_ulid_begins_with_its_time_and_sorts_by_it() {
        let mut random = ChaCha12Rng::from_seed([7; 32]);
        let early = ulid("2026-11-22T04:41:08.123Z".parse().unwrap(), &mut random);
        let late = ulid("2026-11-22T04:41:08.124Z".parse().unwrap(), &mut random);

        assert_eq!(early.len(), 26);
        assert!(early < late, "{early} {late}");
        assert_eq!(early[..9], late[..9]);
    }

    #[test]
    fn a_ulid_of_the_origin_of_time_starts_with_ten_zeros() {
        let mut random = ChaCha12Rng::from_seed([7; 32]);
        assert!(ulid(jiff::Timestamp::UNIX_EPOCH, &mut random).starts_with("0000000000"));
    }

    #[test]
    fn two_epochs_differ() {
        let mut random = ChaCha12Rng::from_seed([7; 32]);
        assert_ne!(epoch(&mut random), epoch(&mut random));
    }
}
