//! Session descriptions: whatever is offered, what we answer is a description again, matches the offer, and
//! sends media nowhere it may not go (N51).

use std::net::SocketAddr;

use toritsugi::sdp::{
    Agreed, Codec, Description, Direction, Limits, OwnDescription, TargetRules, Wish, agree, read_answer,
};

/// The first octet is our wish, the others are a body.
pub fn check(octets: &[u8]) {
    let Some((wish, body)) = octets.split_first() else { return };
    let limits = Limits::default();
    let Ok(offer) = Description::parse(body, &limits) else { return };
    assert!(offer.media.len() <= limits.media);
    for media in &offer.media {
        assert!(!media.formats.is_empty() && media.formats.len() <= limits.formats);
        assert!(media.maps.len() <= limits.formats && media.fmtp.len() <= limits.formats);
    }
    assert!(!offer.holds() || offer.audio().is_some());
    let local: SocketAddr = "203.0.113.1:30000".parse().expect("an address");
    let rules = TargetRules { own: vec![local.ip()], loopback: false };
    let directions = [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];
    let wish = Wish { direction: directions[usize::from(wish & 3)], rules: &rules };
    let mut own = OwnDescription::new(u64::MAX);
    let before = own.offer(local, wish.direction, None);
    if let Ok(agreed) = read_answer(&offer, &own, wish) {
        sound(&offer, &agreed, wish);
    }
    assert!(Description::parse(&before, &limits).is_ok());
    let Ok(agreed) = agree(&offer, wish) else { return };
    sound(&offer, &agreed, wish);
    answered(&offer, &agreed, local);
}

fn sound(theirs: &Description, agreed: &Agreed, wish: Wish<'_>) {
    let media = &theirs.media[agreed.index];
    assert!(media.port != 0 && media.is_plain_rtp() && !theirs.is_secured(media));
    assert!(media.formats.iter().any(|format| format.parse() == Ok(agreed.payload)));
    assert!(agreed.telephone_event != Some(agreed.payload));
    assert!(!agreed.direction.sends() || wish.direction.sends());
    assert!(!agreed.direction.receives() || wish.direction.receives());
    match agreed.target {
        Some(target) => assert!(wish.rules.allow(target) && target.port() == media.port, "{target}"),
        None => assert!(!agreed.direction.sends(), "sending to nobody"),
    }
}

fn answered(offer: &Description, agreed: &Agreed, local: SocketAddr) {
    let limits = Limits::default();
    let mut own = OwnDescription::new(7);
    let first = own.answer(offer, agreed, local);
    assert_eq!(own.answer(offer, agreed, local), first, "the same answer, other octets");
    let ours = Description::parse(&first, &limits).expect("our answer is a description");
    assert_eq!(ours.media.len(), offer.media.len());
    for (index, (mine, theirs)) in ours.media.iter().zip(&offer.media).enumerate() {
        assert_eq!((&mine.kind_text, &mine.protocol), (&theirs.kind_text, &theirs.protocol));
        assert_eq!(mine.port, if index == agreed.index { local.port() } else { 0 });
    }
    let mine = &ours.media[agreed.index];
    assert_eq!(mine.codec_of(&agreed.payload.to_string()), Some(agreed.codec));
    assert_eq!(mine.telephone_event(), agreed.telephone_event);
    assert_eq!(ours.direction_of(mine), agreed.direction);
    assert_eq!(ours.origin.version, "1");
    let later = own.offer(local, Direction::SendRecv, Some(agreed));
    let later = Description::parse(&later, &limits).expect("our offer is a description");
    assert_eq!((later.media.len(), later.origin.version.as_str()), (offer.media.len(), "2"));
    let audio = &later.media[agreed.index];
    assert_eq!(audio.codec_of(&audio.formats[0]), Some(agreed.codec), "the codec that is in use comes first");
    let both = [Codec::Pcmu, Codec::Pcma]
        .map(|codec| audio.formats.iter().filter(|format| audio.codec_of(format) == Some(codec)).count());
    assert_eq!((both, audio.formats.len()), ([1, 1], 3), "each codec once, and telephone-events");
    assert!(audio.telephone_event().is_some());
}
