//! `[numbering]`, `[routing]`, `[desk]`, `[park]`, `[guidance]`: how the house works with calls.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use jiff::tz::{Offset, TimeZone};

use super::document::Section;
use crate::media::Digit;
use crate::routing::AT_ONCE;

/// `[numbering]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbering {
    /// The country whose national numbers are understood; two capital letters.
    pub region: String,
    /// Emergency numbers beside 110, 118 and 119; digits only.
    pub emergency: Vec<String>,
    /// Numbers of at most this many digits are extensions.
    pub extension_digits: u8,
}

/// `[routing]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routing {
    /// How long one agent is rung.
    pub answer_within: Duration,
    /// Phones that a rule with `ring_all` rings at once for one call.
    pub ring_at_once: usize,
    /// How long a decision waits for the customer.
    pub lookup_deadline: Duration,
    /// Rest after a call; zero: none.
    pub wrap_up: Duration,
    /// How long the INVITE waits for the pop to be written.
    pub announce_within: Duration,
    /// How long a phone that refused is left alone.
    pub phone_rest: Duration,
    /// How long a phone may be without any response before it is given up; zero: only by the
    /// transaction's timer.
    pub phone_silent: Duration,
    /// When `ring.sla` is raised, counted from the arrival of the call.
    pub ring_sla: Duration,
    /// Callers that are remembered, for rules that count calls.
    pub callers: usize,
    /// Calls a second with whose record is kept what the decision knew. 0: none.
    pub record_facts_per_s: u32,
    /// A caller on hold for so long makes a `hold.warning`.
    pub hold_warning: Duration,
    /// A caller on hold for so long makes a `hold.exceeded`.
    pub hold_limit: Duration,
    /// Handler changes that a call may have.
    pub transfer_limit: u32,
    /// How long a transfer may be without an outcome.
    pub transfer_within: Duration,
    /// How long a call whose sender has hung up waits for the INVITE to the receiver.
    pub transfer_return: Duration,
}

/// `[desk]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desk {
    /// Whether an agent without a live screen is left out.
    pub require_screen: bool,
    /// Time between pings.
    pub heartbeat: Duration,
    /// From a card to the word that it is painted; then the screen counts as not answering. Zero: it is not
    /// asked for.
    pub render_within: Duration,
    /// How long at most a screen that does not answer keeps offers from its agent; zero: never.
    pub stale_limit: Duration,
    /// Frames that wait for one socket; above: close 4508.
    pub queue: usize,
    /// Sockets of one agent.
    pub sockets_per_agent: usize,
    /// Sockets in all.
    pub sockets: usize,
    /// Commands a second from one socket; above: close 4429.
    pub commands_per_s: u32,
    /// How long the events of a stream are kept for resuming.
    pub replay: Duration,
    /// How many events of a stream are kept at least.
    pub replay_events: usize,
}

/// A way to keep a caller waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ParkMode {
    /// 180 or 182.
    Ringing,
    /// 183 with media.
    EarlyMedia,
    /// 200 with music.
    Answered,
}

/// What becomes of a caller whose time to wait is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtLimit {
    /// The PBX has the call.
    DefaultRoute,
    /// 480.
    Refuse,
    /// They are called back, when their number is known; the PBX otherwise.
    Callback,
}

/// What a parked caller hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Music {
    /// The melody inside the program.
    BuiltIn,
    /// A WAV file.
    File(PathBuf),
}

/// `[park]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Park {
    /// The modes a caller goes through, in order.
    pub modes: Vec<ParkMode>,
    /// The longest time in [`ParkMode::Ringing`].
    pub ringing_limit: Duration,
    /// The longest time in [`ParkMode::EarlyMedia`].
    pub early_media_limit: Duration,
    /// The longest time in [`ParkMode::Answered`].
    pub answered_limit: Duration,
    /// Callers that may wait at once.
    pub places: usize,
    /// How long a call that an agent parked waits for somebody to retrieve it before the group is asked.
    pub patience: Duration,
    /// So long before the end of their time the group is warned of those who wait; zero: never.
    pub warn_before: Duration,
    /// What becomes of a caller whose time is over.
    pub at_limit: AtLimit,
    /// The key with which a caller who hears music asks to be called back; `None`: none does.
    pub callback_digit: Option<Digit>,
    /// The final status for a caller who will be called back and was not answered.
    pub callback_status: u16,
    /// A caller must have heard by then that the callback is noted.
    pub callback_notice_limit: Duration,
    /// Callbacks that may be open at once.
    pub callbacks: usize,
    /// What is played.
    pub music: Music,
}

/// `[guidance]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guidance {
    /// The file with the house's own templates; absent: the shipped ones.
    pub templates: Option<PathBuf>,
    /// The zone in which times of day are spoken.
    pub time_zone: TimeZone,
}

impl Numbering {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let default = Self::default();
        let numbering = Self {
            region: section.text("region", default.region, region),
            emergency: section.texts("emergency", default.emergency, short_code),
            extension_digits: section.number("extension_digits", 1..=8, default.extension_digits),
        };
        section.refuse_unknown_keys();
        numbering
    }
}

impl Default for Numbering {
    fn default() -> Self {
        Self { region: "JP".to_owned(), emergency: Vec::new(), extension_digits: 5 }
    }
}

impl Routing {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let default = Self::default();
        let routing = Self {
            answer_within: section.seconds("answer_within_s", 1..=170, default.answer_within),
            ring_at_once: section.number("ring_at_once", 1..=AT_ONCE as u64, default.ring_at_once),
            lookup_deadline: section.millis("lookup_deadline_ms", 1..=400, default.lookup_deadline),
            wrap_up: section.seconds("wrap_up_s", 0..=3_600, default.wrap_up),
            announce_within: section.millis("announce_within_ms", 0..=1_000, default.announce_within),
            phone_rest: section.seconds("phone_rest_s", 0..=3_600, default.phone_rest),
            phone_silent: section.millis("phone_silent_ms", 0..=10_000, default.phone_silent),
            ring_sla: section.seconds("ring_sla_s", 1..=600, default.ring_sla),
            callers: section.number("callers", 0..=10_000_000, default.callers),
            record_facts_per_s: section.number("record_facts_per_s", 0..=10_000, default.record_facts_per_s),
            hold_warning: section.seconds("hold_warning_s", 1..=600, default.hold_warning),
            hold_limit: section.seconds("hold_limit_s", 1..=3600, default.hold_limit),
            transfer_limit: section.number("transfer_limit", 0..=20, default.transfer_limit),
            transfer_within: section.seconds("transfer_within_s", 5..=600, default.transfer_within),
            transfer_return: section.seconds("transfer_return_s", 1..=60, default.transfer_return),
        };
        section.refuse_unknown_keys();
        routing
    }
}

impl Default for Routing {
    fn default() -> Self {
        Self {
            answer_within: Duration::from_secs(10),
            ring_at_once: AT_ONCE,
            lookup_deadline: Duration::from_millis(150),
            wrap_up: Duration::from_secs(30),
            announce_within: Duration::from_millis(50),
            phone_rest: Duration::from_secs(30),
            phone_silent: Duration::from_secs(2),
            ring_sla: Duration::from_secs(10),
            callers: 50_000,
            record_facts_per_s: 5,
            hold_warning: Duration::from_secs(15),
            hold_limit: Duration::from_secs(20),
            transfer_limit: 1,
            transfer_within: Duration::from_secs(60),
            transfer_return: Duration::from_secs(5),
        }
    }
}

impl Desk {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let default = Self::default();
        let desk = Self {
            require_screen: section.flag("require_screen", default.require_screen),
            heartbeat: section.seconds("heartbeat_s", 1..=300, default.heartbeat),
            render_within: section.millis("render_within_ms", 0..=10_000, default.render_within),
            stale_limit: section.seconds("stale_limit_s", 0..=3_600, default.stale_limit),
            queue: section.number("queue", 16..=65_536, default.queue),
            sockets_per_agent: section.number("sockets_per_agent", 1..=64, default.sockets_per_agent),
            sockets: section.number("sockets", 1..=100_000, default.sockets),
            commands_per_s: section.number("commands_per_s", 1..=1_000, default.commands_per_s),
            replay: section.seconds("replay_s", 600..=86_400, default.replay),
            replay_events: section.number("replay_events", 2_000..=100_000, default.replay_events),
        };
        section.refuse_unknown_keys();
        desk
    }
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            require_screen: false,
            heartbeat: Duration::from_secs(15),
            render_within: Duration::from_secs(2),
            stale_limit: Duration::from_secs(60),
            queue: 256,
            sockets_per_agent: 6,
            sockets: 4_096,
            commands_per_s: 20,
            replay: Duration::from_secs(600),
            replay_events: 2_000,
        }
    }
}

impl Park {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let default = Self::default();
        let music = |text: &str| {
            Ok(if text == "built-in" { Music::BuiltIn } else { Music::File(section.resolve(text)) })
        };
        let park = Self {
            modes: section.texts("modes", default.modes, ParkMode::from_str),
            ringing_limit: section.seconds("ringing_limit_s", 1..=180, default.ringing_limit),
            early_media_limit: section.seconds("early_media_limit_s", 1..=180, default.early_media_limit),
            answered_limit: section.seconds("answered_limit_s", 1..=86_400, default.answered_limit),
            places: section.number("places", 0..=10_000, default.places),
            patience: section.seconds("patience_s", 1..=170, default.patience),
            warn_before: section.seconds("warn_before_s", 0..=3_600, default.warn_before),
            at_limit: section.text("at_limit", default.at_limit, at_limit),
            callback_digit: section.optional("callback_digit", default.callback_digit, Digit::from_str),
            callback_status: section.number("callback_status", 480..=486, default.callback_status),
            callback_notice_limit: section.seconds(
                "callback_notice_limit_s",
                1..=60,
                default.callback_notice_limit,
            ),
            callbacks: section.number("callbacks", 0..=100_000, default.callbacks),
            music: section.text("music", default.music, music),
        };
        if park.modes.windows(2).any(|pair| pair[0] > pair[1]) {
            section.fault_at(
                "modes",
                "is out of order; a call can only go on from ringing to early-media to answered",
            );
        }
        if !matches!(park.callback_status, 480 | 486) {
            section.fault_at("callback_status", "is neither 480 nor 486");
        }
        section.refuse_unknown_keys();
        park
    }
}

impl Default for Park {
    fn default() -> Self {
        Self {
            modes: vec![ParkMode::Ringing, ParkMode::EarlyMedia, ParkMode::Answered],
            ringing_limit: Duration::from_secs(20),
            early_media_limit: Duration::from_secs(60),
            answered_limit: Duration::from_secs(300),
            places: 200,
            patience: Duration::from_secs(15),
            warn_before: Duration::from_secs(30),
            at_limit: AtLimit::DefaultRoute,
            callback_digit: None,
            callback_status: 480,
            callback_notice_limit: Duration::from_secs(15),
            callbacks: 10_000,
            music: Music::BuiltIn,
        }
    }
}

fn at_limit(text: &str) -> Result<AtLimit, String> {
    match text {
        "default-route" => Ok(AtLimit::DefaultRoute),
        "refuse" => Ok(AtLimit::Refuse),
        "callback" => Ok(AtLimit::Callback),
        _ => Err(format!("\"{text}\" is not default-route, refuse or callback")),
    }
}

impl FromStr for ParkMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "ringing" => Ok(Self::Ringing),
            "early-media" => Ok(Self::EarlyMedia),
            "answered" => Ok(Self::Answered),
            _ => Err(format!("\"{text}\" is not ringing, early-media or answered")),
        }
    }
}

impl Guidance {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let default = Self::default();
        let guidance = Self {
            templates: section.optional("templates", default.templates, |text| Ok(section.resolve(text))),
            time_zone: section.text("time_zone", default.time_zone, time_zone),
        };
        section.refuse_unknown_keys();
        guidance
    }
}

impl Default for Guidance {
    fn default() -> Self {
        Self { templates: None, time_zone: tokyo() }
    }
}

/// Japan has had no summer time since 1951: the fixed offset serves where the system has no zone files.
fn tokyo() -> TimeZone {
    TimeZone::get("Asia/Tokyo").unwrap_or_else(|_| TimeZone::fixed(Offset::constant(9)))
}

fn time_zone(text: &str) -> Result<TimeZone, String> {
    match text {
        "Asia/Tokyo" => Ok(tokyo()),
        "UTC" => Ok(TimeZone::UTC),
        _ => TimeZone::get(text)
            .map_err(|_| format!("\"{text}\" is not a time zone this system knows, such as \"Asia/Tokyo\"")),
    }
}

fn region(text: &str) -> Result<String, String> {
    if text.len() == 2 && text.bytes().all(|octet| octet.is_ascii_uppercase()) {
        Ok(text.to_owned())
    } else {
        Err(format!("\"{text}\" is not a country code of two capital letters, such as \"JP\""))
    }
}

fn short_code(text: &str) -> Result<String, String> {
    if (2..=6).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err(format!("\"{text}\" is not an emergency number of 2 to 6 digits"))
    }
}
