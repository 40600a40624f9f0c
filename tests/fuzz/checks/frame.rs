//! Text frames of the agents' socket: a command becomes a request within the user's rights, or a refusal that
//! is one well-formed frame.

use toritsugi::desk::judge_text;
use toritsugi::engine::Request;
use toritsugi::presence::AgentId;
use toritsugi::storage::UserRole;

/// The first octet chooses who sends, the others are the frame.
pub fn check(octets: &[u8]) {
    let Some((who, text)) = octets.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let role = [UserRole::Agent, UserRole::Supervisor, UserRole::Admin][usize::from(who % 3)];
    let agent = (who & 8 == 0).then(|| AgentId::new("a1"));
    match judge_text(text, role, agent.clone()) {
        None => {}
        Some(Ok(request)) => allowed(&request, role, agent.as_ref()),
        Some(Err(reply)) => {
            let value: serde_json::Value = serde_json::from_slice(&reply).expect("a refusal is JSON");
            assert_eq!(value.get("v"), Some(&1.into()), "{value}");
            assert!(value.get("replies_to").is_some_and(serde_json::Value::is_string), "{value}");
            assert!(!reply.contains(&b'\n') && reply.len() < 4096, "{value}");
        }
    }
}

fn allowed(request: &Request, role: UserRole, own: Option<&AgentId>) {
    let (agent, texts): (Option<&AgentId>, Vec<&str>) = match request {
        Request::SetPresence { agent, .. } => {
            assert!(Some(agent) == own || role != UserRole::Agent, "an agent sets another's presence");
            (None, vec![agent.as_str()])
        }
        Request::ClaimPop { agent, call, .. }
        | Request::TakePop { agent, call, .. }
        | Request::ParkCall { agent, call, .. }
        | Request::RetrieveCall { agent, call }
        | Request::FinishWrapUp { agent, call } => (Some(agent), vec![call.as_str()]),
        Request::DeclinePop { agent, call, reason, .. } => (Some(agent), vec![call.as_str(), reason]),
        Request::ChooseCustomer { agent, call, customer, .. } => {
            (Some(agent), vec![call.as_str(), customer.as_str()])
        }
        Request::AcknowledgeNotice { agent, call, notice } => (Some(agent), vec![call.as_str(), notice]),
        Request::TransferCall { agent, call, wish, .. } => {
            assert!(wish.note.as_ref().is_none_or(|note| note.chars().count() <= 2000));
            (Some(agent), vec![call.as_str(), wish.to.as_str()])
        }
        Request::GrantTransfer { call, .. } => {
            assert!(role != UserRole::Agent, "an agent allows a transfer");
            (None, vec![call.as_str()])
        }
        Request::ChangeCallback { id, of, .. } => {
            assert!(of.as_ref() == own || role != UserRole::Agent, "an agent works on another's callback");
            (None, vec![id.as_str()])
        }
        Request::Callbacks(_) | Request::Callback(_) => (own, Vec::new()),
        Request::Presences | Request::LiveCalls | Request::LiveCall(_) => (own, Vec::new()),
    };
    assert!(agent.is_none() || agent == own, "a command in somebody else's name");
    for text in texts {
        assert!(!text.is_empty() && text.chars().count() <= 128, "{text:?}");
    }
}
