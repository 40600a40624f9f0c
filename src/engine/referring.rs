//! REFER and NOTIFY in the dialogs of calls, as they pass (RFC 3515): a handler passes the caller on, and
//! hears what became of it.

use super::Engine;
use super::call::{Call, Phase};
use super::passing::{Means, Mode, Named, Transfer};
use super::tables::{BranchRef, CallKey, ServerKey};
use crate::message::{Header, Message, Method, NameAddr, Uri, percent_decode};
use crate::presence::AgentId;

/// What a Refer-To asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReferTo {
    /// The URI without its headers.
    pub uri: Vec<u8>,
    /// Its user, or all of it.
    pub target: String,
    /// The dialog that is to be replaced.
    pub replaces: Option<Named>,
    /// The value of that, as it goes into an INVITE.
    pub replaces_value: Option<Vec<u8>>,
}

impl ReferTo {
    /// Whom a REFER wants invited; `None` when it wants something else, which is no transfer.
    pub fn of(message: &Message) -> Option<Self> {
        let address = NameAddr::parse(message.header(Header::ReferTo)?).ok()?;
        let uri = Uri::parse(address.uri).ok()?;
        let method = uri.params.get("method").flatten();
        if method.is_some_and(|method| !method.eq_ignore_ascii_case(b"INVITE")) {
            return None;
        }
        let headers = uri.headers.unwrap_or_default();
        let bare = address.uri.len() - uri.headers.map_or(0, |headers| headers.len() + 1);
        let replaces_value = headers.split(|octet| *octet == b'&').find_map(|pair| {
            let (name, value) = split_at(pair, b'=')?;
            name.eq_ignore_ascii_case(b"Replaces").then(|| percent_decode(value).into_owned())
        });
        // What cannot stand in a header line is no dialog.
        let replaces_value = replaces_value.filter(|value| !value.iter().any(u8::is_ascii_control));
        let user = uri.user.map(percent_decode);
        Some(Self {
            uri: address.uri[..bare].to_vec(),
            target: words(user.as_deref().unwrap_or(&address.uri[..bare])),
            replaces: replaces_value.as_deref().and_then(Named::parse),
            replaces_value,
        })
    }
}

impl Named {
    /// Reads the value of `Replaces`.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut parts = value.split(|octet| *octet == b';');
        let call_id = parts.next()?.trim_ascii();
        let (mut to_tag, mut from_tag) = (None, None);
        for part in parts {
            let Some((name, value)) = split_at(part, b'=') else { continue };
            match name.trim_ascii() {
                name if name.eq_ignore_ascii_case(b"to-tag") => to_tag = Some(value.trim_ascii()),
                name if name.eq_ignore_ascii_case(b"from-tag") => from_tag = Some(value.trim_ascii()),
                _ => {}
            }
        }
        let named =
            Self { call_id: call_id.to_vec(), to_tag: to_tag?.to_vec(), from_tag: from_tag?.to_vec() };
        (!named.call_id.is_empty()).then_some(named)
    }
}

impl Engine {
    /// A REFER within a call's dialog. Only that of the handler's side passes the caller on; `false` when it
    /// was refused.
    pub(super) fn passes_on(&mut self, call: CallKey, server: ServerKey, message: &Message) -> bool {
        if message.method() != Method::Refer || !self.is_of_handler(call, message) {
            return true;
        }
        let Some(refer) = ReferTo::of(message) else { return true };
        let transfer = self.transfer_by(call, &refer, Means::Phone);
        if !self.may_pass_on(call) {
            self.refuse_transfer(call, &transfer);
            self.refuse_refer(call, server);
            return false;
        }
        self.begin_transfer(call, transfer);
        true
    }

    /// 403: the phone shows that it failed, and the call goes on. The text says why.
    pub(super) fn refuse_refer(&mut self, call: CallKey, server: ServerKey) {
        let limit = self.tables.calls.get(call).map_or(0, |entry| self.transfer_limit(entry));
        let name = &self.settings.advertise.0;
        let warning = format!("399 {name} \"No more than {limit} transfers of this call\"");
        self.respond_status(server, 403, &[("Warning", warning.as_bytes())]);
    }

    /// The transfer that a REFER of the handler asks for.
    pub(super) fn transfer_by(&self, call: CallKey, refer: &ReferTo, means: Means) -> Transfer {
        let by = self.tables.calls.get(call).and_then(|it| it.conversation()?.agent.clone());
        let to = self.agent_at(&refer.uri);
        let mut transfer = Transfer::new(by, to, refer.target.clone(), means);
        transfer.replaces.clone_from(&refer.replaces);
        if refer.replaces_value.is_some() {
            transfer.mode = Mode::Attended;
        }
        transfer
    }

    /// Whether a request within the dialog comes from the handler's side.
    fn is_of_handler(&self, call: CallKey, message: &Message) -> bool {
        let Some(entry) = self.tables.calls.get(call) else { return false };
        let Some(conversation) = entry.conversation().filter(|it| !it.abandoned) else { return false };
        let turned = entry.passed.as_ref().is_some_and(|passed| passed.agent_calls);
        let handler = if turned { message.to_tag() } else { message.from_tag() };
        !matches!(entry.phase, Phase::Over(_)) && handler == Some(conversation.tag.as_slice())
    }

    /// The REFER was accepted: by whom, since the INVITE may come from there.
    pub(super) fn refer_accepted(&mut self, call: CallKey, branch: BranchRef) {
        let executor = self.target_of(branch).map(|target| target.remote.ip().to_canonical());
        if let Some(transfer) = self.tables.calls.get_mut(call).and_then(Call::transfer_mut) {
            transfer.executor = executor;
        }
    }

    /// The REFER was refused. After a challenge it comes again with an answer.
    pub(super) fn refer_failed(&mut self, call: CallKey, status: u16) {
        let waits = |transfer: &Transfer| transfer.from.is_none() && !transfer.left;
        if self.tables.calls.get(call).and_then(Call::transfer).is_some_and(waits) {
            self.transfer_failed(call, &status.to_string());
        }
    }

    /// Progress of a transfer on its way to the sender (RFC 3515 §2.4.4).
    pub(super) fn read_progress(&mut self, call: CallKey, message: &Message) {
        let event = message.header_named(b"Event").unwrap_or_default();
        let is_refer = event.trim_ascii().get(..5).is_some_and(|it| it.eq_ignore_ascii_case(b"refer"));
        if message.method() != Method::Notify || !is_refer || self.is_of_handler(call, message) {
            return;
        }
        let Some(status) = sipfrag_status(message.body()) else { return };
        let until = self.now.moment + self.settings.transfer.comes_back;
        let Some(transfer) = self.tables.calls.get_mut(call).and_then(Call::transfer_mut) else { return };
        // Whom we ask ourselves on the way to the receiver says more than the sender is told.
        if transfer.from.is_some() || transfer.means == Means::Server {
            return;
        }
        match status {
            0..=199 => {}
            200..=299 if transfer.confirmed => {}
            200..=299 => {
                // Many say so before the INVITE to the receiver has come through here.
                transfer.confirmed = true;
                let before = transfer.timer.take();
                let handle = self.timers.insert(until, super::timers::Alarm::Transfer(call));
                if let Some(before) = before {
                    self.timers.cancel(before);
                }
                if let Some(transfer) = self.tables.calls.get_mut(call).and_then(Call::transfer_mut) {
                    transfer.timer = Some(handle);
                }
            }
            status => self.refer_failed(call, status),
        }
    }

    /// The agent whose phone a URI means: its user is that of the phone's address, and of several the one at
    /// that host.
    pub(super) fn agent_at(&self, uri: &[u8]) -> Option<AgentId> {
        let asked = Uri::parse(uri).ok()?;
        let user = asked.user?;
        let mut found: Option<&AgentId> = None;
        for agent in self.directory.agents.values() {
            let Ok(contact) = Uri::parse(agent.contact.as_bytes()) else { continue };
            if contact.user != Some(user) {
                continue;
            }
            if contact.host == asked.host && contact.port == asked.port {
                return Some(agent.id.clone());
            }
            found = found.or(Some(&agent.id));
        }
        found.cloned()
    }
}

/// The status in a body of type `message/sipfrag`.
fn sipfrag_status(body: &[u8]) -> Option<u16> {
    let rest = body.strip_prefix(b"SIP/2.0 ")?;
    std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok().filter(|status| (100..700).contains(status))
}

fn split_at(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = text.iter().position(|octet| *octet == at)?;
    Some((&text[..place], &text[place + 1..]))
}

/// Text for people: no control characters, and not endless.
fn words(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().filter(|letter| !letter.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Limits;

    fn refer(to: &str) -> Message {
        let text = format!(
            "REFER sip:x@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n\
             Max-Forwards: 70\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>;tag=2\r\nCall-ID: x\r\n\
             CSeq: 2 REFER\r\nRefer-To: {to}\r\nContent-Length: 0\r\n\r\n"
        );
        Message::parse(text.into(), &Limits::default()).unwrap()
    }

    #[test]
    fn m095_what_a_refer_to_asks_for_is_read() {
        let read = ReferTo::of(&refer("<sip:a2@192.0.2.1>")).unwrap();
        assert_eq!((read.target.as_str(), read.replaces), ("a2", None));
        let text = "<sip:a2@192.0.2.1?Replaces=y%40h%3Bto-tag%3Db%3Bfrom-tag%3Da&Require=replaces>";
        let read = ReferTo::of(&refer(text)).unwrap();
        assert_eq!(read.uri, b"sip:a2@192.0.2.1");
        let named = Named { call_id: b"y@h".to_vec(), to_tag: b"b".to_vec(), from_tag: b"a".to_vec() };
        assert_eq!(read.replaces, Some(named));
        assert_eq!(ReferTo::of(&refer("<sip:a2@192.0.2.1;method=BYE>")), None);
        let injected = ReferTo::of(&refer("<sip:a2@192.0.2.1?Replaces=y%0d%0aX:1>")).unwrap();
        assert_eq!(injected.replaces_value, None);
    }

    #[test]
    fn m095_a_replaces_without_both_tags_names_no_dialog() {
        for text in ["", "y", "y;to-tag=1", "y;from-tag=1", ";to-tag=1;from-tag=2"] {
            assert_eq!(Named::parse(text.as_bytes()), None, "{text}");
        }
        assert!(Named::parse(b"y ; early-only;From-Tag=2;to-tag=1").is_some());
    }

    #[test]
    fn m095_progress_is_the_status_of_the_fragment() {
        for (body, status) in [
            ("SIP/2.0 100 Trying\r\n", Some(100)),
            ("SIP/2.0 603 Declined", Some(603)),
            ("SIP/2.0 99 x", None),
            ("SIP/2.0 ", None),
            ("INVITE sip:a SIP/2.0", None),
        ] {
            assert_eq!(sipfrag_status(body.as_bytes()), status, "{body}");
        }
    }
}
