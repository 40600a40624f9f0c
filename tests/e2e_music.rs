//! Callers who wait with music and are then connected: SIPp, baresip and Asterisk on either side, with sound.

mod support;

use std::f64::consts::TAU;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use support::asterisk::Asterisk;
use support::baresip::{Account, Baresip};
use support::desk::{Desk, Frame};
use support::ear::{Ear, Heard, samples};
use support::log::{Log, poll};
use support::needs::needs;
use support::net::host;
use support::phones::{Behaviour, Phones};
use support::sipp::{Outcome, Running, Sipp};
use support::site::{LINE, Site, caller};
use support::wav::{likeness, share_of_tone, write_tone};
use toritsugi::media::{FRAME, Tune, chime, melody};
use toritsugi::sdp::Codec;

const SOON: Duration = Duration::from_secs(30);
const ONE: Outcome = Outcome { successful: 1, failed: 0 };
const CALLER_HZ: f64 = 440.0;
const AGENT_HZ: f64 = 1000.0;
/// The call that keeps the agent busy: long enough for a second caller to come and hear some bars.
const FIRST_TALK: Duration = Duration::from_secs(9);
/// How much music is listened to.
const MUSIC_S: u32 = 4;
/// How long the caller talks to the agent at last.
const TALK: Duration = Duration::from_secs(3);
/// A second host of the trunk's network, so that two callers have SIP ports of their own.
const OTHER_TRUNK: u8 = 11;
const PICK_UP: Behaviour =
    Behaviour::Answer { quiet: Duration::from_millis(20), ring: Duration::from_millis(50) };
const EARLY_MEDIA: &str = "early-media";
const ANSWERED: &str = "answered";

#[test]
fn i9_sipp_hears_music_before_the_answer_and_then_the_agent() {
    sipp_waits_and_talks(EARLY_MEDIA);
}

#[test]
fn i9_sipp_hears_music_after_the_answer_and_then_the_agent() {
    sipp_waits_and_talks(ANSWERED);
}

#[test]
fn i9_baresip_hears_music_before_the_answer_and_then_the_agent() {
    baresip_waits_and_talks(EARLY_MEDIA);
}

#[test]
fn i9_baresip_hears_music_after_the_answer_and_then_the_agent() {
    baresip_waits_and_talks(ANSWERED);
}

#[test]
fn i9_through_asterisk_music_is_heard_before_the_answer_and_then_the_agent() {
    asterisk_waits_and_talks(EARLY_MEDIA);
}

#[test]
fn i9_through_asterisk_music_is_heard_after_the_answer_and_then_the_agent() {
    asterisk_waits_and_talks(ANSWERED);
}

/// The house's own recordings: each a tone, so that it is known which of them is heard.
#[test]
fn own_music_and_announcements_are_heard_and_changed_by_sighup() {
    const MUSIC_HZ: f64 = 600.0;
    const HOLD_HZ: f64 = 1500.0;
    const OTHER_HZ: f64 = 900.0;
    if !needs(&["sipp"]) {
        return;
    }
    let mut house = House::open_with(
        ANSWERED,
        |site| format!("sip:a101@{}", site.phones()),
        |site| {
            let prompts = site.folder().join("prompts");
            std::fs::create_dir(&prompts).expect("the folder is writable");
            write_stereo(&site.folder().join("hold.wav"), MUSIC_HZ);
            write_tone(&prompts.join("please_hold.ja.wav"), HOLD_HZ, 1);
            site.change("modes = [", "music = \"hold.wav\"\nmodes = [");
            site.append("[media]\nprompts = \"prompts\"\n");
        },
    );
    let phones = Phones::start(house.site.phones(), PICK_UP);
    let first = house.keep_the_agent_busy_for(Duration::from_secs(50));
    let ear = Ear::open(house.site.trunk().ip(), CALLER_HZ);
    let numbers = vec![(caller(1).0, LINE.to_owned())];
    let second = Sipp::new("uac_music", house.site.net.at(OTHER_TRUNK, 5060), numbers)
        .arguments(&of_ear(&ear).each_ref().map(String::as_str))
        .start(house.site.sip(), house.site.folder());
    house.waits(ANSWERED);
    let is = |hertz: f64| move |second: &[Heard]| share_of_tone(&samples(second), hertz) > 0.9;
    ear.hears(SOON, is(HOLD_HZ));
    ear.hears(SOON, is(MUSIC_HZ));
    write_stereo(&house.site.folder().join("hold.wav"), OTHER_HZ);
    house.site.server().signal(Signal::SIGHUP);
    ear.hears(SOON, is(OTHER_HZ));
    // What is no sound changes nothing.
    std::fs::write(house.site.folder().join("hold.wav"), "no sound").expect("the folder is writable");
    house.site.server().signal(Signal::SIGHUP);
    let kept =
        poll(SOON, || house.site.server().output().contains("the old one stays in force").then_some(()));
    assert!(kept.is_some(), "the bad file is not told");
    ear.hears(SOON, is(OTHER_HZ));
    drop((first, second, phones));
}

fn sipp_waits_and_talks(mode: &str) {
    if !needs(&["sipp"]) {
        return;
    }
    let house = House::open(mode, |site| format!("sip:a101@{}", site.phones()));
    let trunk = house.site.trunk().ip();
    let (ear, mouth) = (Ear::open(trunk, CALLER_HZ), Ear::open(house.site.phones().ip(), AGENT_HZ));
    let phone = {
        let mut phone = Sipp::phone("uas_talks", house.site.phones(), 2);
        phone = phone.arguments(&of_ear(&mouth).each_ref().map(String::as_str));
        phone.start(house.site.sip(), house.site.folder())
    };
    let first = house.keep_the_agent_busy();
    let second =
        Sipp::new("uac_music", house.site.net.at(OTHER_TRUNK, 5060), vec![(caller(1).0, LINE.to_owned())])
            .pause(TALK)
            .arguments(&of_ear(&ear).each_ref().map(String::as_str))
            .start(house.site.sip(), house.site.folder());
    house.waits(mode);
    let ours = house.site.sip().ip();
    let heard = ear.hears_from(ours, f64::from(MUSIC_S), SOON);
    is_the_melody(&heard);
    assert!(heard.iter().all(|packet| packet.ssrc == heard[0].ssrc), "one stream");
    assert_eq!(first.finish(), ONE);
    house.is_connected();
    // Each speaks to where our descriptions say that the other listens.
    ear.speak_to(second.talks_to(1, SOON));
    mouth.speak_to(phone.talks_to(2, SOON));
    let agent_heard = mouth.hears_from(trunk, 1.5, SOON);
    let caller_heard = ear.hears_from(house.site.phones().ip(), 1.5, SOON);
    is_tone("the agent", &samples(&agent_heard), CALLER_HZ);
    is_tone("the caller", &samples(&caller_heard), AGENT_HZ);
    assert_eq!(second.finish(), ONE);
    assert_eq!(phone.finish(), Outcome { successful: 2, failed: 0 });
    let music = ear
        .log
        .read(|heard| heard.iter().filter(|packet| packet.from.ip() == ours).cloned().collect::<Vec<_>>());
    for pair in music.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1), "one stream until the agent answers");
        assert_eq!(pair[1].timestamp.wrapping_sub(pair[0].timestamp) as usize % FRAME, 0);
    }
    house.is_over();
}

fn baresip_waits_and_talks(mode: &str) {
    if !needs(&["sipp", "baresip"]) {
        return;
    }
    let house = House::open(mode, |site| format!("sip:a101@{}", site.phones()));
    let phone = baresip("a101", house.site.phones().ip(), ";answermode=auto", AGENT_HZ, &house);
    let first = house.keep_the_agent_busy();
    let mut second = baresip(&caller(1).0, house.site.net.ip(OTHER_TRUNK), "", CALLER_HZ, &house);
    second.dial(&format!("sip:{LINE}@{}", house.site.sip()));
    waits_and_talks(&house, mode, || assert_eq!(first.finish(), ONE), &mut second, &phone);
}

fn asterisk_waits_and_talks(mode: &str) {
    if !needs(&["sipp", "baresip", "asterisk"]) {
        return;
    }
    let house = House::open(mode, |site| format!("sip:a102@{}", site.pbx()));
    let asterisk = Asterisk::start(&house.site.net, house.site.folder());
    asterisk.wait_for_contact("toritsugi", SOON);
    let account = Account {
        ip: house.site.net.ip(102),
        aor: format!("sip:a102@{}", house.site.pbx().ip()),
        parameters: ";auth_user=a102;auth_pass=change-me-a102;answermode=auto;regint=60;\
                     audio_codecs=PCMU/8000/1",
        tone: AGENT_HZ,
    };
    let phone = Baresip::start("a102", &account, house.site.folder());
    asterisk.wait_for_contact("a102", SOON);
    // Asterisk may tell who has answered in a re-INVITE of its own, so this caller must be able to take one.
    let mut first = baresip(&caller(0).0, house.site.net.ip(OTHER_TRUNK), "", CALLER_HZ, &house);
    first.dial(&format!("sip:{LINE}@{}", house.site.sip()));
    house.agent_has_answered();
    let mut second = baresip(&caller(1).0, house.site.trunk().ip(), "", CALLER_HZ, &house);
    second.dial(&format!("sip:{LINE}@{}", house.site.pbx().ip()));
    waits_and_talks(&house, mode, || first.hang_up(), &mut second, &phone);
    drop(asterisk);
}

/// From the moment the second caller has dialled to the end; `first_ends` is when the agent comes free.
fn waits_and_talks(
    house: &House,
    mode: &str,
    first_ends: impl FnOnce(),
    second: &mut Baresip,
    phone: &Baresip,
) {
    house.waits(mode);
    if mode == ANSWERED {
        second.wait_for("CALL_ESTABLISHED", SOON);
    }
    let music = second.heard(MUSIC_S, SOON);
    let like = likeness(&music, &melody());
    assert!(like > 0.9, "what {mode} plays is no melody of ours: {like:.3}");
    first_ends();
    house.is_connected();
    phone.wait_for_nth("CALL_ESTABLISHED", 2, SOON);
    second.wait_for("CALL_ESTABLISHED", SOON);
    for (who, ear, tone) in [("the agent", phone, CALLER_HZ), ("the caller", second as &Baresip, AGENT_HZ)] {
        ear.hears_at_last(SOON, |sound| share_of_tone(sound, tone) > 0.8)
            .unwrap_or_else(|last| is_tone(who, &last, tone));
    }
    second.hang_up();
    phone.wait_for_nth("CALL_CLOSED", 2, SOON);
    house.is_over();
}

struct House {
    // Screens close before the server stops.
    desk: Desk,
    site: Site,
}

impl House {
    /// One line, one agent with that contact, and callers who wait in that mode only.
    fn open(mode: &str, contact: impl Fn(&Site) -> String) -> Self {
        Self::open_with(mode, contact, |_| {})
    }

    fn open_with(mode: &str, contact: impl Fn(&Site) -> String, prepare: impl Fn(&Site)) -> Self {
        let park = format!("[sip.limits]\nlag_ms = 0\n\n[park]\nmodes = [\"{mode}\"]\n");
        let mut site = Site::new("wrap_up_s = 0\nannounce_within_ms = 1000", &park);
        let trunk = format!("\"{}/32\"", site.trunk().ip());
        site.change(&trunk, &format!("{trunk}, \"{}/32\"", site.net.ip(OTHER_TRUNK)));
        prepare(&site);
        let contact = contact(&site);
        let agent = if contact.contains("a102") { "a102" } else { "a101" };
        site.import(
            "agents",
            &format!(
                "id,name,kana,role,contact,groups,skills,status\n\
                 {agent},高橋 一郎,タカハシ イチロウ,agent,{contact},support,,available\n"
            ),
        );
        site.import(
            "lines",
            &format!(
                "number,client,greeting_ja,greeting_en,group,assigned_first\n\
                 {LINE},青葉製作所,お電話ありがとうございます。,Thank you for calling.,support,true\n"
            ),
        );
        site.add_user(agent, "agent", Some(agent));
        site.serve();
        let desk = site.open_desk(agent, &Arc::new(Log::<Frame>::default()));
        Self { desk, site }
    }

    fn keep_the_agent_busy(&self) -> Running {
        self.keep_the_agent_busy_for(FIRST_TALK)
    }

    fn keep_the_agent_busy_for(&self, talk: Duration) -> Running {
        let numbers = vec![(caller(0).0, LINE.to_owned())];
        let first = Sipp::new("uac", self.site.net.at(host::TRUNK, 5070), numbers)
            .pause(talk)
            .start(self.site.sip(), self.site.folder());
        self.agent_has_answered();
        first
    }

    fn agent_has_answered(&self) {
        self.desk.wait_for(SOON, |frame| frame.is("call.answered"));
    }

    fn waits(&self, mode: &str) {
        let parked = self.desk.wait_for(SOON, |frame| frame.is("call.parked"));
        let said = parked.json["data"]["mode"].as_str().unwrap_or_default().replace('_', "-");
        assert_eq!(said, mode, "{}", parked.json);
        assert_eq!(parked.e164(), caller(1).1);
    }

    fn is_connected(&self) {
        let retrieved = self.desk.wait_for(SOON, |frame| frame.is("call.retrieved"));
        assert_eq!(retrieved.json["data"]["outcome"], "retrieved", "{}", retrieved.json);
    }

    /// Both calls have ended for the screen.
    fn is_over(&self) {
        let retrieved = self.desk.wait_for(SOON, |frame| frame.is("call.retrieved"));
        let call = retrieved.call().to_owned();
        self.desk.wait_for(SOON, |frame| frame.is("pop.closed") && frame.call() == call);
    }
}

/// First it is asked to hold the line, which is a chime without recordings; then comes the melody, packet by
/// packet.
fn is_the_melody(heard: &[Heard]) {
    let (chime, tune) = (Tune::new(&chime()), Tune::new(&melody()));
    let is = |packet: &Heard, tune: &Tune, at: usize| packet.payload == tune.frame(Codec::Pcmu, at as u64);
    let begins = heard.iter().position(|packet| is(packet, &tune, 0));
    let begins = begins.unwrap_or_else(|| panic!("{} packets, and the melody has not begun", heard.len()));
    let (before, music) = heard.split_at(begins);
    assert!(before.iter().enumerate().all(|(at, packet)| is(packet, &chime, at)), "it begins with no chime");
    assert!(music.len() >= 25, "{} packets of music", music.len());
    for (at, packet) in music.iter().enumerate() {
        assert!(is(packet, &tune, at), "packet {at} of the music is not the melody's");
    }
}

fn is_tone(who: &str, sound: &[i16], hertz: f64) {
    // The first moments may be silence, or what is left of the music.
    let talk = &sound[sound.len().saturating_sub(8000)..];
    let heard = share_of_tone(talk, hertz);
    assert!(heard > 0.8, "{who} hears {heard:.3} of {hertz} Hz");
}

/// A phone of its own on port 5060, without a registrar.
fn baresip(name: &str, ip: IpAddr, parameters: &str, tone: f64, house: &House) -> Baresip {
    let parameters = format!("{parameters};regint=0;audio_codecs=PCMU/8000/1");
    let account = Account { ip, aor: format!("sip:{name}@{ip}"), parameters: &parameters, tone };
    Baresip::start(name, &account, house.site.folder())
}

/// Ten seconds as a compact disc has them; only the left channel sounds.
fn write_stereo(path: &Path, hertz: f64) {
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 44_100,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).expect("the folder is writable");
    for at in 0..441_000 {
        let value = (TAU * hertz * f64::from(at) / 44_100.0).sin() * 24_000.0;
        #[expect(clippy::cast_possible_truncation, reason = "the amplitude is far below 32,767")]
        let left = value as i16;
        for sample in [left, 0] {
            writer.write_sample(sample).expect("the folder is writable");
        }
    }
    writer.finalize().expect("the folder is writable");
}

fn of_ear(ear: &Ear) -> [String; 6] {
    let (ip, port) = (ear.address.ip().to_string(), ear.address.port().to_string());
    ["-key".to_owned(), "ear_ip".to_owned(), ip, "-key".to_owned(), "ear_port".to_owned(), port]
}
