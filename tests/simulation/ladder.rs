//! What happened, kept cheaply, and drawn as a SIP ladder when something is wrong.

use std::fmt::Write;
use std::net::SocketAddr;

use bytes::Bytes;
use toritsugi::message::Message;

/// One line of the trace.
#[derive(Clone, Debug)]
pub enum Step {
    In(SocketAddr, Bytes),
    Out(SocketAddr, Bytes),
    Lost(SocketAddr, Bytes),
    Note(String),
}

/// The trace of a run; kept only when a run is repeated to be looked at.
#[derive(Debug)]
pub struct Trace {
    steps: Vec<(u64, Step)>,
    kept: bool,
}

impl Trace {
    pub fn new(kept: bool) -> Self {
        Self { steps: Vec::new(), kept }
    }

    pub fn push(&mut self, at: u64, step: Step) {
        if self.kept {
            self.steps.push((at, step));
        }
    }

    /// What was not said on the wire.
    pub fn note(&mut self, at: u64, note: impl FnOnce() -> String) {
        if self.kept {
            self.steps.push((at, Step::Note(note())));
        }
    }

    /// The ladder of one SIP call; notes that name none of its ids are left out.
    pub fn ladder(&self, sip_call_id: &str, other_ids: &[String]) -> String {
        let mut text = String::new();
        for (at, step) in &self.steps {
            let seconds = *at as f64 / 1e6;
            let (arrow, who, bytes) = match step {
                Step::In(from, bytes) => ("-->  engine", from, bytes),
                Step::Out(to, bytes) => ("<--  engine", to, bytes),
                Step::Lost(to, bytes) => ("x--  lost  ", to, bytes),
                Step::Note(note) => {
                    if note.contains(sip_call_id) || other_ids.iter().any(|id| note.contains(id)) {
                        let _ = writeln!(text, "{seconds:11.4}  . {note}");
                    }
                    continue;
                }
            };
            let Ok(message) = Message::parse(bytes.clone(), &super::limits()) else { continue };
            if message.call_id() != sip_call_id.as_bytes() {
                continue;
            }
            let _ = writeln!(text, "{seconds:11.4}  {who:<21} {arrow}  {}", summary(&message));
        }
        text
    }
}

fn summary(message: &Message) -> String {
    let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or(b"-")).into_owned();
    let start = match message.status() {
        Some(status) => format!("{status} ({})", text(Some(message.method_bytes()))),
        None => {
            format!("{} {}", text(Some(message.method_bytes())), text(Some(message.request_uri())))
        }
    };
    let branch = text(message.top_via().branch());
    let end = branch.char_indices().rev().nth(13).map_or(0, |(at, _)| at);
    format!("{start} cseq={} to-tag={} ..{}", message.cseq(), text(message.to_tag()), &branch[end..])
}
