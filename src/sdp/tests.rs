//! Tables for descriptions as telephones, gateways and attackers write them.

use std::net::SocketAddr;

use super::*;

const OFFER: &str = "v=0\r\no=alice 2890844526 2890844526 IN IP4 198.51.100.7\r\ns=-\r\n\
    c=IN IP4 198.51.100.7\r\nt=0 0\r\nm=audio 49170 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\n\
    a=sendrecv\r\n";

fn parse(text: &str) -> Result<Description, Malformed> {
    Description::parse(text.as_bytes(), &Limits::default())
}

fn local() -> SocketAddr {
    "203.0.113.1:30000".parse().unwrap()
}

fn agree_to(text: &str, direction: Direction) -> Result<Agreed, Disagreement> {
    let rules = TargetRules { own: vec![local().ip()], loopback: false };
    let offer = parse(text).unwrap_or_else(|fault| panic!("{fault:?}"));
    agree(&offer, Wish { direction, rules: &rules })
}

fn text(bytes: &bytes::Bytes) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn what_an_offer_says_is_read() {
    let offer = parse(OFFER).unwrap();
    assert_eq!(offer.origin, Origin { session: "2890844526".into(), version: "2890844526".into() });
    let (index, audio) = offer.audio().unwrap();
    assert_eq!((index, audio.port, audio.protocol.as_str()), (0, 49170, "RTP/AVP"));
    assert_eq!(audio.formats, ["8", "0", "101"]);
    assert_eq!((audio.codec_of("0"), audio.codec_of("8")), (Some(Codec::Pcmu), Some(Codec::Pcma)));
    assert_eq!((audio.codec_of("101"), audio.codec_of("18")), (None, None));
    assert_eq!(audio.telephone_event(), Some(101));
    assert_eq!(audio.fmtp, [("101".to_owned(), "0-16".to_owned())]);
    assert_eq!(audio.ptime_ms, Some(20));
    assert_eq!(offer.direction_of(audio), Direction::SendRecv);
    assert!(!offer.holds() && !offer.is_secured(audio));
}

#[test]
fn what_is_odd_but_clear_is_read() {
    for (from, to) in [
        ("\r\n", "\n"),
        ("a=sendrecv\r\n", "a=sendrecv"),
        ("t=0 0\r\n", "t=0 0\r\nx=unknown\r\nb=AS:64\r\nk=clear:x\r\nz=0 0\r\n"),
        ("s=-\r\n", ""),
        ("s=-\r\n", "s=\u{4fdd}\u{7559}\r\n"),
        ("a=ptime:20", "a=ptime:abc\r\na=rtpmap:x y\r\na=rtpmap\r\na=fmtp:\r\na="),
        ("49170 ", "49170/2 "),
        ("c=IN IP4 198.51.100.7\r\n", "c=IN IP4 198.51.100.7\r\nc=IN IP4 198.51.100.8\r\n"),
        ("2890844526 2890844526", "123456789012345678901234567890 0"),
    ] {
        assert!(OFFER.contains(from), "{from}");
        assert!(parse(&OFFER.replacen(from, to, if from == "\r\n" { 99 } else { 1 })).is_ok(), "{to}");
    }
    let none = parse("v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nt=0 0\r\n").unwrap();
    assert!(none.audio().is_none() && !none.holds());
}

#[test]
fn what_is_malformed_is_refused() {
    for (from, to) in [
        ("v=0\r\n", ""),
        ("v=0", "v=1"),
        ("v=0\r\n", "v=0\r\nv=0\r\n"),
        ("o=alice 2890844526 2890844526 IN IP4 198.51.100.7\r\n", ""),
        ("o=alice 2890844526", "o=alice x"),
        ("o=alice ", "o=alice bob "),
        ("IN IP4 198.51.100.7\r\ns", "XX IP4 198.51.100.7\r\ns"),
        ("c=IN IP4 198.51.100.7", "c=IN IP4 198.51.100"),
        ("c=IN IP4 198.51.100.7", "c=IN IP6 198.51.100.7"),
        ("c=IN IP4 198.51.100.7", "c=IN IP4 a@b"),
        ("c=IN IP4 198.51.100.7\r\n", ""),
        ("49170", "65536"),
        ("49170", "-1"),
        ("49170", "+5"),
        ("RTP/AVP 8 0 101", "RTP/AVP"),
        ("a=ptime:20", "a=pt\0ime:20"),
        ("a=ptime:20", "a=pt\rime:20"),
        ("a=ptime:20", "ptime"),
        ("a=ptime:20", "A=ptime:20"),
        ("a=ptime:20", ""),
    ] {
        assert!(OFFER.contains(from), "{from}");
        assert!(parse(&OFFER.replacen(from, to, 1)).is_err(), "{to:?}");
    }
    assert!(parse("").is_err());
}

#[test]
fn n51_a_thousand_streams_or_lines_or_formats_are_refused_whole() {
    let stream = "m=audio 4000 RTP/AVP 0\r\n";
    assert!(parse(&format!("{OFFER}{}", stream.repeat(31))).is_ok());
    assert!(parse(&format!("{OFFER}{}", stream.repeat(32))).is_err());
    assert!(parse(&format!("{OFFER}{}", stream.repeat(1000))).is_err());
    assert!(parse(&format!("{OFFER}{}", "x=\r\n".repeat(1100))).is_err());
    assert!(parse(&format!("{OFFER}m=audio 4000 RTP/AVP{}\r\n", " 0".repeat(65))).is_err());
    assert!(parse(&format!("{OFFER}{}", "a=rtpmap:0 PCMU/8000\r\n".repeat(65))).is_err());
    assert!(parse(&format!("{OFFER}a=x:{}\r\n", "x".repeat(40_000))).is_err());
}

#[test]
fn m091_hold_is_told_by_direction_or_by_the_address() {
    for (from, to, held, direction) in [
        ("", "", false, Direction::SendRecv),
        ("a=sendrecv", "a=sendonly", true, Direction::SendOnly),
        ("a=sendrecv", "a=inactive", true, Direction::Inactive),
        ("a=sendrecv", "a=recvonly", false, Direction::RecvOnly),
        ("c=IN IP4 198.51.100.7", "c=IN IP4 0.0.0.0", true, Direction::SendOnly),
        ("t=0 0", "t=0 0\r\na=sendonly", false, Direction::SendRecv),
        ("a=sendrecv", "c=IN IP4 0.0.0.0\r\na=recvonly", true, Direction::Inactive),
        ("49170", "0", false, Direction::SendRecv),
    ] {
        let offer = parse(&OFFER.replacen(from, to, 1)).unwrap();
        assert_eq!((offer.holds(), offer.direction_of(&offer.media[0])), (held, direction), "{to}");
    }
    let session = OFFER.replace("a=sendrecv\r\n", "").replace("t=0 0", "t=0 0\r\na=inactive");
    assert!(parse(&session).unwrap().holds(), "a direction before the first m= is everybody's");
}

#[test]
fn rfc3264_6_1_the_answer_says_only_what_the_offer_allows() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    for (offered, wish, answered) in [
        (SendRecv, SendRecv, SendRecv),
        (SendRecv, SendOnly, SendOnly),
        (SendRecv, Inactive, Inactive),
        (SendOnly, SendRecv, RecvOnly),
        (SendOnly, SendOnly, Inactive),
        (RecvOnly, SendRecv, SendOnly),
        (RecvOnly, RecvOnly, Inactive),
        (Inactive, SendRecv, Inactive),
    ] {
        assert_eq!(offered.answered(wish), answered, "{offered:?} {wish:?}");
    }
}

#[test]
fn the_offerers_first_codec_of_ours_is_taken() {
    for (from, to, codec, payload, event) in [
        ("", "", Codec::Pcma, 8, Some(101)),
        ("8 0 101", "0 8", Codec::Pcmu, 0, None),
        ("8 0 101", "18 0", Codec::Pcmu, 0, None),
        ("8 0 101\r\n", "97 101\r\na=rtpmap:97 pcmu/8000/1\r\n", Codec::Pcmu, 97, Some(101)),
        ("8 0 101\r\n", "0 8\r\na=rtpmap:0 speex/8000\r\n", Codec::Pcma, 8, None),
        ("RTP/AVP", "RTP/AVPF", Codec::Pcma, 8, Some(101)),
        ("telephone-event/8000", "telephone-event/48000", Codec::Pcma, 8, None),
    ] {
        let agreed = agree_to(&OFFER.replacen(from, to, 1), Direction::SendRecv).unwrap();
        assert_eq!((agreed.codec, agreed.payload, agreed.telephone_event), (codec, payload, event), "{to}");
        assert_eq!(agreed.target, "198.51.100.7:49170".parse().ok());
    }
}

#[test]
fn n51_what_cannot_be_agreed_on_has_its_reason() {
    for (from, to, why) in [
        ("m=audio", "m=video", Disagreement::NoAudio),
        ("49170", "0", Disagreement::NoAudio),
        ("RTP/AVP", "udptl", Disagreement::NoAudio),
        ("RTP/AVP", "RTP/SAVP", Disagreement::Encrypted),
        ("RTP/AVP", "UDP/TLS/RTP/SAVPF", Disagreement::Encrypted),
        ("8 0 101", "18 97 101", Disagreement::NoCodec),
        ("8 0 101", "256 00008", Disagreement::NoCodec),
        ("c=IN IP4 198.51.100.7", "c=IN IP4 127.0.0.1", Disagreement::Target),
        ("c=IN IP4 198.51.100.7", "c=IN IP4 169.254.169.254", Disagreement::Target),
        ("c=IN IP4 198.51.100.7", "c=IN IP4 203.0.113.1", Disagreement::Target),
        ("c=IN IP4 198.51.100.7", "c=IN IP4 224.2.36.42/127", Disagreement::Target),
        ("c=IN IP4 198.51.100.7", "c=IN IP6 ::ffff:127.0.0.1", Disagreement::Target),
        ("c=IN IP4 198.51.100.7", "c=IN IP4 phone.example", Disagreement::Target),
        ("49170", "22", Disagreement::Target),
    ] {
        assert!(OFFER.contains(from), "{from}");
        assert_eq!(agree_to(&OFFER.replacen(from, to, 1), Direction::SendRecv), Err(why), "{to}");
    }
}

#[test]
fn rfc3264_8_4_the_old_hold_is_agreed_to_and_sent_nothing() {
    let held = OFFER.replace("c=IN IP4 198.51.100.7", "c=IN IP4 0.0.0.0");
    let agreed = agree_to(&held, Direction::SendRecv).unwrap();
    assert_eq!((agreed.target, agreed.direction), (None, Direction::RecvOnly));
}

#[test]
fn rfc3264_6_an_answer_has_every_stream_and_accepts_one() {
    let offer = OFFER.replacen(
        "m=audio",
        "m=audio 5000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\n\
         m=video 6000 RTP/AVP 96 97\r\nm=audio",
        1,
    );
    let agreed = agree_to(&offer, Direction::SendRecv).unwrap();
    let mut own = OwnDescription::new(40);
    let answer = text(&own.answer(&parse(&offer).unwrap(), &agreed, local()));
    assert_eq!(
        answer,
        "v=0\r\no=- 10 1 IN IP4 203.0.113.1\r\ns=-\r\nc=IN IP4 203.0.113.1\r\nt=0 0\r\n\
         m=audio 0 RTP/SAVP 0\r\nm=video 0 RTP/AVP 96 97\r\nm=audio 30000 RTP/AVP 8 101\r\n\
         a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\n\
         a=sendrecv\r\n"
    );
}

#[test]
fn rfc3264_8_the_version_grows_by_one_and_only_on_a_change() {
    let offer = parse(OFFER).unwrap();
    let agreed = agree_to(OFFER, Direction::SendRecv).unwrap();
    let mut own = OwnDescription::new(4);
    let ringing = own.answer(&offer, &agreed, local());
    assert_eq!(own.answer(&offer, &agreed, local()), ringing, "the 200 repeats the 183");
    let version = |body: &bytes::Bytes| parse(&text(body)).unwrap().origin.version;
    assert_eq!(version(&ringing), "1");
    let held = Agreed { direction: Direction::SendOnly, ..agreed };
    assert_eq!(version(&own.answer(&offer, &held, local())), "2");
    assert_eq!(version(&own.answer(&offer, &held, local())), "2");
    assert_eq!(version(&own.offer(local(), Direction::SendRecv, Some(&agreed))), "3");
    let written = serde_json::to_string(&own).unwrap();
    let mut again: OwnDescription = serde_json::from_str(&written).unwrap();
    assert_eq!(version(&again.offer(local(), Direction::SendRecv, Some(&agreed))), "3", "after a restart");
}

#[test]
fn rfc3264_8_a_later_offer_keeps_streams_and_numbers() {
    let offer = OFFER
        .replacen("m=audio", "m=video 6000 RTP/AVP 96\r\nm=audio", 1)
        .replace("8 0 101\r\n", "101 97\r\na=rtpmap:97 PCMA/8000\r\na=rtpmap:101 PCMU/8000\r\n");
    let agreed = agree_to(&offer, Direction::SendRecv).unwrap();
    assert_eq!((agreed.codec, agreed.payload), (Codec::Pcmu, 101));
    let mut own = OwnDescription::new(4);
    own.answer(&parse(&offer).unwrap(), &agreed, local());
    let later = parse(&text(&own.offer(local(), Direction::SendOnly, Some(&agreed)))).unwrap();
    assert_eq!((later.media.len(), later.media[0].port, later.media[1].port), (2, 0, 30000));
    assert_eq!(later.media[1].formats, ["101", "8", "96"]);
    assert_eq!(later.media[1].telephone_event(), Some(96), "101 is their PCMU");
    assert_eq!(later.direction_of(&later.media[1]), Direction::SendOnly);
}

#[test]
fn the_answer_to_our_offer_is_read() {
    let rules = TargetRules::default();
    let wish = Wish { direction: Direction::SendRecv, rules: &rules };
    let mut own = OwnDescription::new(4);
    own.offer(local(), Direction::SendRecv, None);
    let read = |text: &str| read_answer(&parse(text).unwrap(), &own, wish);
    assert_eq!(read(OFFER).map(|agreed| agreed.codec), Ok(Codec::Pcma));
    assert_eq!(read(&OFFER.replace("49170", "0")), Err(Disagreement::NoAudio));
    assert_eq!(read(&OFFER.replace("m=audio", "m=video")), Err(Disagreement::NotTheOffer));
    assert_eq!(read(&format!("{OFFER}m=audio 5000 RTP/AVP 0\r\n")), Err(Disagreement::NotTheOffer));
    assert_eq!(read("v=0\r\no=- 1 1 IN IP4 h\r\n"), Err(Disagreement::NotTheOffer));
}

const PHONE: &str = "v=0\r\no=phone 7 9 IN IP4 192.0.2.31\r\ns=x\r\nc=IN IP4 192.0.2.31\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n";

#[test]
fn n50_a_carried_description_keeps_everything_but_the_origin_which_is_ours_and_counts_changes() {
    let mut own = OwnDescription::new(4 << 2);
    let text = |bytes: Option<bytes::Bytes>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
    let first = text(own.carry(PHONE.as_bytes(), &Limits::default()));
    assert_eq!(first, PHONE.replace("o=phone 7 9", "o=- 4 1"));
    let newer = PHONE.replace("o=phone 7 9", "o=phone 7 10");
    assert_eq!(text(own.carry(newer.as_bytes(), &Limits::default())), first, "only their version grew");
    let moved = PHONE.replace("192.0.2.31", "192.0.2.32").replace("4000", "4002");
    let second = text(own.carry(moved.as_bytes(), &Limits::default()));
    assert!(second.starts_with("v=0\r\no=- 4 2 IN IP4 192.0.2.31\r\n"), "{second}");
    assert!(second.contains("c=IN IP4 192.0.2.32"), "{second}");
    assert_eq!(text(own.repeat()), second);
    assert_eq!(own.carry(b"v=1", &Limits::default()), None);
}

#[test]
fn a_description_that_leads_elsewhere_is_told_apart() {
    let read = |text: &str| Description::parse(text.as_bytes(), &Limits::default()).unwrap();
    let (before, agreed) = (read(PHONE), read(&PHONE.replace("4000", "6000")));
    for (after, same) in [
        (PHONE.replace("o=phone 7 9", "o=phone 7 10").replace("s=x", "s=y"), true),
        (PHONE.replace("RTP/AVP 8", "RTP/AVP 0 8"), true),
        (PHONE.replace("4000", "4002"), false),
        (PHONE.replace("c=IN IP4 192.0.2.31", "c=IN IP4 192.0.2.32"), false),
        (PHONE.replace("RTP/AVP 8", "RTP/AVP 0"), false),
        (format!("{PHONE}a=sendonly\r\n"), false),
    ] {
        assert_eq!(before.leads_where(&read(&after), &agreed), same, "{after}");
    }
}
