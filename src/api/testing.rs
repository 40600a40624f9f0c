//! For tests of the edge: a listener on loopback, a store in memory and an engine that answers from a script.

#![expect(clippy::unwrap_in_result, reason = "a test helper: what fails here fails the test")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::store::{Answering, Store};
use super::*;
use crate::callback::{Callback, CallbackId};
use crate::customer::{Contact, CustomerCard, Direction, Language};
use crate::desk::{Desk, DeskHandle, DeskSettings, WsState};
use crate::driver::{EngineHandle, FromDesk};
use crate::engine::{Answer, ErrorCode, Refusal, Request};
use crate::events::{CallRecord, EndReason, Trace};
use crate::presence::{
    AgentId, AgentStatus, CallId, CustomerId, OfferId, PresenceDocument, Role, SetBy, StaleCause,
};
use crate::routing::{Agent, Directory};
use crate::storage::{
    CallFilter, CallbackFilter, Page, RecordedDecision, RuleVersion, StorageError, StoredSession, User,
    UserRole,
};
use crate::telemetry::Health;

/// A whole edge on loopback.
pub(crate) struct Edge {
    pub(crate) address: SocketAddr,
    pub(crate) desk: DeskHandle,
    pub(crate) sessions: Sessions,
    pub(crate) store: Arc<FakeStore>,
    pub(crate) engine: Arc<FakeEngine>,
    pub(crate) reports: mpsc::Receiver<Report>,
    pub(crate) directory: watch::Sender<Arc<Directory>>,
    pub(crate) health: Health,
    _stop: tokio_util::sync::DropGuard,
}

/// What the desk told the engine unasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    Announced(OfferId),
    Screens(AgentId, bool),
    Stale(AgentId, StaleCause, Option<OfferId>),
    Fresh(AgentId),
}

/// Tokens of the users of [`FakeStore`].
pub(crate) const AGENT: &str = "agent-a102-agent-a102-agent-a102-agent-a102";
pub(crate) const OTHER: &str = "agent-a117-agent-a117-agent-a117-agent-a117";
pub(crate) const SUPERVISOR: &str = "supervisor-supervisor-supervisor-supervisor";
pub(crate) const MANAGER: &str = "manager-manager-manager-manager-manager-man";
pub(crate) const ADMIN: &str = "admin-admin-admin-admin-admin-admin-admin-a";

impl Edge {
    pub(crate) async fn start() -> Self {
        Self::with(DeskSettings::default()).await
    }

    pub(crate) async fn with(settings: DeskSettings) -> Self {
        Self::with_both(settings, ApiSettings::default()).await
    }

    pub(crate) async fn with_both(settings: DeskSettings, api: ApiSettings) -> Self {
        let (handle, from_desk) = EngineHandle::channel(1_024);
        let (report_sender, reports) = mpsc::channel(1_024);
        let engine = Arc::new(FakeEngine::default());
        tokio::spawn(Arc::clone(&engine).run(from_desk, report_sender));
        let (directory, directory_receiver) = watch::channel(Arc::new(directory()));
        let health = Health::new();
        health.set_ready(true);
        let (desk, task) = Desk::new(settings, handle.clone(), directory_receiver.clone());
        tokio::spawn(task.run());
        let store = Arc::new(FakeStore::new());
        let sessions = Sessions::new(store.clone(), SessionSettings::default());
        let state = ApiState {
            sessions: sessions.clone(),
            store: store.clone(),
            engine: handle.clone(),
            directory: directory_receiver,
            health: health.clone(),
            normalise: Arc::new(|text| {
                let digits: String = text.chars().filter(char::is_ascii_digit).collect();
                (digits.len() > 5).then(|| format!("+81{}", digits.trim_start_matches('0')))
            }),
            web_socket: WsState::new(desk.clone(), sessions.clone(), handle),
            settings: Arc::new(api),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let settings = ServeSettings { head_within: Duration::from_millis(500), ..ServeSettings::default() };
        tokio::spawn(serve(listener, router(state), settings, stop.clone()));
        let _stop = stop.drop_guard();
        Self { address, desk, sessions, store, engine, reports, directory, health, _stop }
    }

    /// One request on a connection of its own.
    pub(crate) async fn http(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            text.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        text.push_str(body);
        self.raw(&text).await
    }

    /// One request with a Bearer.
    pub(crate) async fn as_user(&self, token: &str, method: &str, path: &str, body: &str) -> Reply {
        self.http(method, path, &[("Authorization", &format!("Bearer {token}"))], body).await
    }

    pub(crate) async fn raw(&self, text: &str) -> Reply {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        Reply::read(&String::from_utf8(answer).unwrap())
    }
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Reply {
    fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Self { status: status.unwrap_or(0), headers, body: body.to_owned() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    pub(crate) fn code(&self) -> String {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        let json = self.json();
        assert_eq!(json["status"], self.status);
        json["code"].as_str().unwrap().to_owned()
    }
}

/// An engine that answers as told.
#[derive(Default)]
pub(crate) struct FakeEngine {
    pub(crate) asked: Mutex<Vec<Request>>,
    pub(crate) live: Mutex<Vec<CallRecord>>,
    /// Open callbacks.
    pub(crate) callbacks: Mutex<Vec<Callback>>,
    /// Agents whose absence a supervisor set.
    pub(crate) locked: Mutex<Vec<AgentId>>,
    pub(crate) refuse_with: Mutex<Option<Refusal>>,
    /// While set, commands about calls wait for a permit.
    pub(crate) slow: AtomicBool,
    pub(crate) gate: tokio::sync::Notify,
}

impl FakeEngine {
    async fn run(self: Arc<Self>, mut from_desk: mpsc::Receiver<FromDesk>, reports: mpsc::Sender<Report>) {
        while let Some(message) = from_desk.recv().await {
            match message {
                FromDesk::Ask(request, reply) => {
                    if self.slow.load(Ordering::Relaxed) && !matches!(request, Request::Presences) {
                        self.gate.notified().await;
                    }
                    drop(reply.send(self.answer(request)));
                }
                FromDesk::Announced(offer) => reports.send(Report::Announced(offer)).await.unwrap(),
                FromDesk::Screens(agent, live) => reports.send(Report::Screens(agent, live)).await.unwrap(),
                FromDesk::Stale(agent, cause, offer) => {
                    reports.send(Report::Stale(agent, cause, offer)).await.unwrap();
                }
                FromDesk::Fresh(agent) => reports.send(Report::Fresh(agent)).await.unwrap(),
                FromDesk::Listening(_) => {}
            }
        }
    }

    fn answer(&self, request: Request) -> Result<Answer, Refusal> {
        self.asked.lock().unwrap().push(request.clone());
        if let Some(refusal) = self.refuse_with.lock().unwrap().clone() {
            return Err(refusal);
        }
        match request {
            Request::SetPresence { agent, status, by, .. } => {
                if by < SetBy::Supervisor && self.locked.lock().unwrap().contains(&agent) {
                    return Err(rights::forbidden());
                }
                Ok(Answer::Presence(presence_of(agent.as_str(), &status, by)))
            }
            Request::ClaimPop { rev, .. }
            | Request::TakePop { rev, .. }
            | Request::DeclinePop { rev, .. }
            | Request::ParkCall { rev, .. }
            | Request::ChooseCustomer { rev, .. } => Ok(Answer::Done { rev: Some(rev + 1) }),
            Request::AcknowledgeNotice { .. }
            | Request::RetrieveCall { .. }
            | Request::GrantTransfer { .. }
            | Request::FinishWrapUp { .. } => Ok(Answer::Done { rev: None }),
            Request::TransferCall { rev, .. } => Ok(Answer::Passing { rev: Some(rev + 1), means: "server" }),
            Request::Callbacks(of) => {
                let own = |it: &&Callback| of.is_none() || it.person == of;
                Ok(Answer::Callbacks(self.callbacks.lock().unwrap().iter().filter(own).cloned().collect()))
            }
            Request::Callback(id) | Request::ChangeCallback { id, .. } => {
                let open = self.callbacks.lock().unwrap();
                let found: Vec<Callback> = open.iter().filter(|it| it.id == id).cloned().collect();
                if found.is_empty() {
                    return Err(Refusal::of(ErrorCode::NotFound, "ありません", "No such callback"));
                }
                Ok(Answer::Callbacks(found))
            }
            Request::Presences => Ok(Answer::Presences(
                directory()
                    .agents
                    .keys()
                    .map(|id| presence_of(id.as_str(), &AgentStatus::Available, SetBy::Manual))
                    .collect(),
            )),
            Request::LiveCalls => Ok(Answer::Calls(self.live.lock().unwrap().clone())),
            Request::LiveCall(id) => {
                let found: Vec<CallRecord> =
                    self.live.lock().unwrap().iter().filter(|call| call.id == id).cloned().collect();
                if found.is_empty() {
                    return Err(Refusal::of(ErrorCode::NotFound, "ありません", "No such call"));
                }
                Ok(Answer::Calls(found))
            }
        }
    }

    pub(crate) fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().iter().filter(|one| **one != Request::Presences).cloned().collect()
    }
}

/// A database in memory.
pub(crate) struct FakeStore {
    pub(crate) users: Mutex<BTreeMap<String, User>>,
    pub(crate) sessions: Mutex<BTreeMap<[u8; 32], StoredSession>>,
    pub(crate) calls: Mutex<Vec<CallRecord>>,
    /// Text, note and user of each version, the first being version 1.
    pub(crate) rules: Mutex<Vec<(String, String, String)>>,
    pub(crate) active_rules: Mutex<Option<i64>>,
    /// Callbacks that are over.
    pub(crate) callbacks: Mutex<Vec<Callback>>,
    pub(crate) decisions: Mutex<Vec<RecordedDecision>>,
    pub(crate) down: AtomicBool,
}

impl FakeStore {
    fn new() -> Self {
        let store = Self {
            users: Mutex::default(),
            sessions: Mutex::default(),
            calls: Mutex::default(),
            rules: Mutex::default(),
            active_rules: Mutex::default(),
            callbacks: Mutex::default(),
            decisions: Mutex::default(),
            down: AtomicBool::new(false),
        };
        store.add_session(AGENT, "takahashi", UserRole::Agent, Some("a102"), 3_600);
        store.add_session(OTHER, "hayashi", UserRole::Agent, Some("a117"), 3_600);
        store.add_session(SUPERVISOR, "suzuki", UserRole::Supervisor, Some("a200"), 3_600);
        store.add_session(MANAGER, "mori", UserRole::Manager, None, 3_600);
        store.add_session(ADMIN, "root", UserRole::Admin, None, 3_600);
        store
    }

    pub(crate) fn add_session(
        &self,
        token: &str,
        user: &str,
        role: UserRole,
        agent: Option<&str>,
        lasts_s: i64,
    ) {
        assert_eq!(token.len(), 43, "tokens have 43 characters");
        let token_hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let session = StoredSession {
            token_hash,
            user: user.to_owned(),
            agent: agent.map(AgentId::new),
            role,
            csrf: format!("csrf-{user}"),
            expires_at: Timestamp::now() + SignedDuration::from_secs(lasts_s),
        };
        self.sessions.lock().unwrap().insert(token_hash, session);
    }

    fn version(&self, version: i64) -> Option<(RuleVersion, String)> {
        let rules = self.rules.lock().unwrap();
        let (text, note, user) = rules.get(usize::try_from(version - 1).ok()?)?.clone();
        let active = *self.active_rules.lock().unwrap() == Some(version);
        let version = RuleVersion { version, saved_at: Timestamp::UNIX_EPOCH, saved_by: user, note, active };
        Some((version, text))
    }

    fn answer<'a, T: Send + 'a>(&self, value: T) -> Answering<'a, T> {
        let down = self.down.load(Ordering::Relaxed);
        Box::pin(
            async move { if down { Err(StorageError::Unavailable("gone".to_owned())) } else { Ok(value) } },
        )
    }
}

impl Store for FakeStore {
    fn user<'a>(&'a self, name: &'a str) -> Answering<'a, Option<User>> {
        self.answer(self.users.lock().unwrap().get(name).cloned())
    }

    fn session<'a>(&'a self, token_hash: &'a [u8; 32]) -> Answering<'a, Option<StoredSession>> {
        self.answer(self.sessions.lock().unwrap().get(token_hash).cloned())
    }

    fn save_session<'a>(&'a self, session: &'a StoredSession) -> Answering<'a, ()> {
        if !self.down.load(Ordering::Relaxed) {
            self.sessions.lock().unwrap().insert(session.token_hash, session.clone());
        }
        self.answer(())
    }

    fn delete_session<'a>(&'a self, token_hash: &'a [u8; 32]) -> Answering<'a, ()> {
        if !self.down.load(Ordering::Relaxed) {
            self.sessions.lock().unwrap().remove(token_hash);
        }
        self.answer(())
    }

    fn lookup<'a>(&'a self, e164: &'a str) -> Answering<'a, Vec<CustomerCard>> {
        self.answer(customer().into_iter().filter(|card| card.phones.iter().any(|one| one == e164)).collect())
    }

    fn customer<'a>(&'a self, id: &'a CustomerId) -> Answering<'a, Option<CustomerCard>> {
        self.answer(customer().into_iter().find(|card| card.id == *id))
    }

    fn ended_callbacks<'a>(
        &'a self,
        filter: &'a CallbackFilter,
        _cursor: Option<&'a str>,
        _limit: u32,
    ) -> Answering<'a, Page<Callback>> {
        let own = |it: &&Callback| filter.person.is_none() || it.person == filter.person;
        let items = self.callbacks.lock().unwrap().iter().filter(own).cloned().collect();
        self.answer(Page { items, next: None })
    }

    fn callback<'a>(&'a self, id: &'a CallbackId) -> Answering<'a, Option<Callback>> {
        self.answer(self.callbacks.lock().unwrap().iter().find(|it| it.id == *id).cloned())
    }

    fn contacts<'a>(
        &'a self,
        _id: &'a CustomerId,
        cursor: Option<&'a str>,
        limit: u32,
    ) -> Answering<'a, Page<Contact>> {
        let all = customer().into_iter().flat_map(|card| card.contacts);
        let items: Vec<Contact> = all.take(usize::try_from(limit).unwrap()).collect();
        self.answer(Page { items, next: cursor.is_none().then(|| "2026-11-20T05:12:00Z_1".to_owned()) })
    }

    fn calls<'a>(
        &'a self,
        filter: &'a CallFilter,
        _cursor: Option<&'a str>,
        _limit: u32,
    ) -> Answering<'a, Page<CallRecord>> {
        let of = |call: &CallRecord| filter.agent.is_none() || call.agent == filter.agent;
        let items = self.calls.lock().unwrap().iter().filter(|call| of(call)).cloned().collect();
        self.answer(Page { items, next: None })
    }

    fn call<'a>(&'a self, id: &'a CallId) -> Answering<'a, Option<CallRecord>> {
        self.answer(self.calls.lock().unwrap().iter().find(|call| call.id == *id).cloned())
    }

    fn rule_versions(&self) -> Answering<'_, Vec<RuleVersion>> {
        let count = i64::try_from(self.rules.lock().unwrap().len()).unwrap();
        self.answer((1..=count).rev().filter_map(|version| self.version(version)).map(|it| it.0).collect())
    }

    fn rules(&self, version: i64) -> Answering<'_, Option<(RuleVersion, String)>> {
        self.answer(self.version(version))
    }

    fn save_rules<'a>(
        &'a self,
        body: &'a str,
        note: &'a str,
        user: &'a str,
        _at: Timestamp,
    ) -> Answering<'a, i64> {
        let mut rules = self.rules.lock().unwrap();
        rules.push((body.to_owned(), note.to_owned(), user.to_owned()));
        self.answer(i64::try_from(rules.len()).unwrap())
    }

    fn activate_rules<'a>(
        &'a self,
        version: Option<i64>,
        _user: &'a str,
        _at: Timestamp,
    ) -> Answering<'a, ()> {
        *self.active_rules.lock().unwrap() = version;
        self.answer(())
    }

    fn recorded_decisions(&self, limit: usize) -> Answering<'_, Vec<RecordedDecision>> {
        self.answer(self.decisions.lock().unwrap().iter().take(limit).cloned().collect())
    }
}

pub(crate) fn presence_of(agent: &str, status: &AgentStatus, set_by: SetBy) -> PresenceDocument {
    let (word, reason, until) = match status {
        AgentStatus::Offline => ("offline", None, None),
        AgentStatus::Available => ("available", None, None),
        AgentStatus::Away(absence) => {
            let reason = serde_json::to_value(&absence.reason).unwrap();
            ("away", reason.as_str().map(str::to_owned), absence.until)
        }
    };
    PresenceDocument {
        agent: AgentId::new(agent),
        status: word.to_owned(),
        reason,
        state: "idle".to_owned(),
        since: Timestamp::UNIX_EPOCH,
        until,
        next_start: None,
        set_by,
        call: None,
        overlays: Vec::new(),
    }
}

pub(crate) fn call(id: &str, agent: Option<&str>, offered_to: &[&str], ended: bool) -> CallRecord {
    CallRecord {
        id: CallId::new(id),
        sip_call_id: "abc@host".to_owned(),
        presentation: "number".to_owned(),
        calling: Some("+81312345678".to_owned()),
        called: "0120123456".to_owned(),
        line: None,
        client: None,
        customer: Some(CustomerId::new("cu-88")),
        agent: agent.map(AgentId::new),
        offered_to: offered_to.iter().map(|id| AgentId::new(*id)).collect(),
        started_at: Timestamp::UNIX_EPOCH,
        answered_at: None,
        ended_at: ended.then_some(Timestamp::UNIX_EPOCH),
        end_reason: ended.then_some(EndReason::Completed),
        status: None,
        talk_s: 0,
        parked: None,
        transfer_count: 0,
        handled_by: Vec::new(),
        callback: None,
        traces: vec![Trace::Read(
            serde_json::json!({"rule": "line_group", "matched": true, "why": "the line has a group"}),
        )],
        facts: None,
    }
}

pub(crate) fn directory() -> Directory {
    let agent = |id: &str, role: Role, groups: &[&str]| Agent {
        id: AgentId::new(id),
        name: format!("高橋 {id}"),
        kana: Some("タカハシ".to_owned()),
        role,
        contact: format!("sip:{id}@phones"),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        skills: vec![],
    };
    let agents = [
        agent("a102", Role::Agent, &["t1"]),
        agent("a117", Role::Agent, &["t1"]),
        agent("a200", Role::Supervisor, &["t1", "t2"]),
    ];
    Directory {
        agents: agents.into_iter().map(|agent| (agent.id.clone(), agent)).collect(),
        ..Directory::default()
    }
}

fn customer() -> Option<CustomerCard> {
    Some(CustomerCard {
        id: CustomerId::new("cu-88"),
        name: "山田 花子".to_owned(),
        kana: Some("ヤマダ ハナコ".to_owned()),
        company: None,
        rank: None,
        language: Language::Ja,
        phones: vec!["+81312345678".to_owned()],
        assignee: None,
        notices: vec![],
        flags: vec![],
        contacts: vec![Contact {
            at: Timestamp::UNIX_EPOCH,
            by: "佐藤".to_owned(),
            direction: Direction::In,
            channel: None,
            summary: "修理日程の相談".to_owned(),
            disposition: None,
        }],
    })
}
