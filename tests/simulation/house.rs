//! The house a run happens in: peers, agents, one line, customers.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use toritsugi::customer::{CustomerCard, Language, LookupAnswer, LookupFault, Notice, NoticeLevel};
use toritsugi::engine::{
    DigestSettings, HoldSettings, OverloadSettings, ParkSettings, Peer, Settings, TransferSettings,
};
use toritsugi::guidance::Templates;
use toritsugi::identity::{CalledSource, TrunkContext};
use toritsugi::media::Digit;
use toritsugi::message::Limits;
use toritsugi::park::{AtLimit, ParkMode, Profile};
use toritsugi::presence::{AgentId, CustomerId, Role, SetBy, StoredStatus};
use toritsugi::proxy::RouteTarget;
use toritsugi::routing::rules::{RuleLimits, RuleSet};
use toritsugi::routing::{Agent, Directory, Line};
use toritsugi::transaction::TimerSettings;

use super::random::Random;
use super::swarm::Swarm;

pub const US: &str = "192.0.2.1:5060";
pub const PBX: &str = "192.0.2.20:5060";
pub const AGENTS: usize = 4;
/// The agent whose phone is reached over TCP in runs that have TCP.
pub const TCP_PHONE: usize = 2;
/// The agent whose phone has a host name that must be asked for.
pub const NAMED_PHONE: usize = 3;

static TEMPLATES: LazyLock<Arc<Templates>> = LazyLock::new(|| Arc::new(Templates::shipped()));
static ZONE: LazyLock<jiff::tz::TimeZone> =
    LazyLock::new(|| jiff::tz::TimeZone::get("Asia/Tokyo").expect("the zone is built in"));

static ALL_AT_ONCE: LazyLock<Arc<RuleSet>> = LazyLock::new(|| {
    let text = r#"rule = [{ name = "all", ring = { group = "front", strategy = "ring_all" } }]"#;
    Arc::new(RuleSet::parse(text, &RuleLimits::default()).expect("a rule written here"))
});

/// Our own address.
pub fn us() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 5060))
}

pub fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address written here")
}

pub fn phone_of(agent: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 31 + agent as u8], 5060))
}

pub fn caller_at(index: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 10], 20_000 + index as u16))
}

/// Somebody who is no peer.
pub fn stranger() -> SocketAddr {
    SocketAddr::from(([203, 0, 113, 66], 5060))
}

pub fn agent_id(agent: usize) -> AgentId {
    AgentId::new(format!("a{agent}"))
}

/// The settings of a run: limits and times differ from run to run.
pub fn settings(random: &mut Random, swarm: &Swarm) -> Settings {
    let seconds = Duration::from_secs;
    let peer = |name: &str, net: &str, trust: bool| Peer {
        name: name.to_owned(),
        addresses: vec![net.parse().expect("a network written here")],
        trust_identity: trust,
        called_number: vec![CalledSource::PCalledPartyId, CalledSource::To, CalledSource::RequestUri],
        preloaded_route: false,
        transfers: false,
        certificate: None,
        calls_per_s: 0,
        numbering: TrunkContext::default(),
        auth: None,
    };
    Settings {
        advertise: ("192.0.2.1".to_owned(), 5060),
        own_names: Vec::new(),
        tls_port: Some(5061),
        redirects: None,
        listen: vec![address(US)],
        routes: vec![RouteTarget::only(format!("sip:{PBX}"))],
        next_target_after: Duration::from_secs(2),
        probe_interval: Duration::ZERO,
        phone_silent: Duration::from_secs(2),
        tcp_above_bytes: 1300,
        peers: vec![
            peer("carrier", "192.0.2.10/32", true),
            peer("pbx", "192.0.2.20/32", true),
            peer("phones", "192.0.2.32/27", false),
            peer("first phone", "192.0.2.31/32", false),
        ],
        message: Limits::default(),
        timers: TimerSettings::default(),
        lookup_deadline: Duration::from_millis(150),
        answer_within: seconds(random.between(2, 12)),
        ring_at_once: 1,
        ring_sla: seconds(random.between(1, 10)),
        wrap_up: seconds(random.pick(&[0, 2, 10, 30])),
        announce_within: Duration::from_millis(50),
        phone_rest: seconds(random.pick(&[1, 30])),
        // Below three minutes only here; above Timer B, so that a branch that is given up had its time.
        timer_c: seconds(random.pick(&[181, 181, 40])),
        call_limit: seconds(random.pick(&[120, 300])),
        // Drawn from nothing, so that other runs stay as they were.
        stale_limit: seconds(60),
        require_screen: random.chance(10),
        calls: if swarm.crowded { 3 } else { 1000 },
        refusals_per_s: 200,
        transactions: if swarm.crowded { 8 } else { 1000 },
        callers: 1_000,
        record_facts_per_s: 20,
        numbering: TrunkContext::default(),
        templates: Arc::clone(&TEMPLATES),
        time_zone: ZONE.clone(),
        digest: DigestSettings::default(),
        overload: OverloadSettings::default(),
        park: if swarm.music { musical(random) } else { parking(random) },
        hold: HoldSettings::default(),
        transfer: TransferSettings::default(),
    }
}

/// In two houses of three callers wait when everybody is busy, in some as few as two.
fn parking(random: &mut Random) -> ParkSettings {
    let limit = Duration::from_secs(random.pick(&[1, 20, 90, 170]));
    let at_limit = random.pick(&[AtLimit::DefaultRoute, AtLimit::DefaultRoute, AtLimit::Refuse(480)]);
    let modes = if random.chance(67) { vec![(ParkMode::Ringing, limit)] } else { Vec::new() };
    ParkSettings {
        profile: Arc::new(Profile { modes, at_limit, ..Profile::default() }),
        places: random.pick(&[2, 100]) as usize,
        patience: Duration::from_secs(random.pick(&[1, 15])),
        ..ParkSettings::default()
    }
}

/// Callers wait with music, for a short time in each mode.
fn musical(random: &mut Random) -> ParkSettings {
    let all = [ParkMode::Ringing, ParkMode::EarlyMedia, ParkMode::Answered];
    let from = random.below(3) as usize;
    let to = random.between(1, 3) as usize;
    let modes = all[from.min(2)..].iter().take(to);
    let modes = modes.map(|mode| (*mode, Duration::from_secs(random.between(2, 15)))).collect();
    let at_limit = random.pick(&[AtLimit::DefaultRoute, AtLimit::Callback, AtLimit::Refuse(480)]);
    let key = random.chance(50).then_some(Digit::Number(1));
    let early_keys = random.chance(50);
    ParkSettings {
        profile: Arc::new(Profile { modes, at_limit, key, early_keys }),
        places: 100,
        patience: Duration::from_secs(random.pick(&[1, 15])),
        ..ParkSettings::default()
    }
}

/// The settings of F10: phones that are answered in time, agents who are free at once.
pub fn patient_settings(random: &mut Random, swarm: &Swarm) -> Settings {
    let seconds = Duration::from_secs;
    Settings {
        answer_within: seconds(60),
        ring_sla: seconds(60),
        wrap_up: seconds(0),
        phone_rest: seconds(1),
        timer_c: seconds(181),
        call_limit: seconds(300),
        stale_limit: Duration::from_secs(60),
        require_screen: false,
        ..settings(random, swarm)
    }
}

/// Agents and the line; `without` is one who has left, and the host names of some phones must be asked for.
/// With `tcp` one phone is reached over TCP, with `ring_all` a rule rings the whole group at once.
pub fn directory(without: Option<usize>, tcp: bool, ring_all: bool) -> Directory {
    let agents = (0..AGENTS).filter(|agent| Some(*agent) != without).map(|agent| Agent {
        id: agent_id(agent),
        name: format!("佐藤 {agent}"),
        kana: None,
        role: Role::Agent,
        contact: if agent == NAMED_PHONE {
            "sip:a3@phone3.example".to_owned()
        } else if agent == TCP_PHONE && tcp {
            format!("sip:a{agent}@{};transport=tcp", phone_of(agent))
        } else {
            format!("sip:a{agent}@{}", phone_of(agent))
        },
        groups: vec!["front".to_owned()],
        skills: Vec::new(),
    });
    let line = Line {
        number: "03-1234-5678".to_owned(),
        key: "+81312345678".to_owned(),
        client: "青葉製作所".to_owned(),
        greeting_ja: None,
        greeting_en: None,
        group: Some("front".to_owned()),
        assigned_first: true,
        priority: 0,
    };
    Directory {
        agents: agents.map(|agent| (agent.id.clone(), agent)).collect(),
        lines: [(line.key.clone(), Arc::new(line))].into_iter().collect(),
        rules: if ring_all { Arc::clone(&ALL_AT_ONCE) } else { Arc::default() },
        ..Directory::default()
    }
}

/// A status as it is kept.
pub fn status_of(agent: usize, word: &str, since: jiff::Timestamp) -> StoredStatus {
    StoredStatus {
        agent: agent_id(agent),
        status: word.parse().expect("a status written here"),
        set_by: SetBy::Manual,
        since,
    }
}

/// What a look-up says.
pub fn lookup_answer(random: &mut Random, now: jiff::Timestamp) -> LookupAnswer {
    match random.below(8) {
        0 => Err(LookupFault::Down),
        1 => Err(LookupFault::Overloaded),
        2 => Ok(Vec::new()),
        3 => Ok((0..random.between(2, 5)).map(|index| card(random, index, now)).collect()),
        _ => Ok(vec![card(random, 0, now)]),
    }
}

fn card(random: &mut Random, index: u64, now: jiff::Timestamp) -> CustomerCard {
    let notice = Notice {
        id: "n1".to_owned(),
        level: NoticeLevel::Danger,
        text: "要注意".to_owned(),
        by: "佐藤".to_owned(),
        at: now,
    };
    CustomerCard {
        id: CustomerId::new(format!("c{index}")),
        name: format!("山田 {index}"),
        kana: None,
        company: None,
        rank: None,
        language: Language::Ja,
        phones: vec!["+819012345678".to_owned()],
        assignee: random.chance(60).then(|| agent_id(random.below(AGENTS as u64) as usize)),
        notices: if random.chance(20) { vec![notice] } else { Vec::new() },
        flags: Vec::new(),
        contacts: Vec::new(),
    }
}
