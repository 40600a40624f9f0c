//! What attackers send: nothing escapes, nothing is amplified, the process lives, and a legitimate call still
//! completes. One file for each group of attacks; the names begin with the row of the table of attacks.

#[path = "../support/mod.rs"]
mod support;

mod bodies;
mod connections;
mod dialogs;
mod floods;
mod headers;
mod loops;
mod routes;
mod sizes;
mod strangers;

use support::field::{Field, Manner, Stub, VICTIM};
use support::site::Site;

/// One of each kind, and one that nobody knows.
const METHODS: [&str; 13] = [
    "INVITE",
    "MESSAGE",
    "SUBSCRIBE",
    "NOTIFY",
    "PUBLISH",
    "REFER",
    "INFO",
    "OPTIONS",
    "UPDATE",
    "PRACK",
    "REGISTER",
    "BYE",
    "FOO",
];
/// A peer whose identity headers are not believed.
const DOUBTFUL: u8 = 61;
/// Agents' phones that do other things than answering.
const MOVED: u8 = 71;
/// The line of the agent with such a phone.
const MOVED_LINE: &str = "0120777777";
/// A number that is no line: it goes to the PBX.
const OUTSIDE: &str = "0399990000";

/// A line of one agent, whose phone is a stub of that manner; `suffix` follows the contact's address.
fn with_moved_agent(manner: Manner, suffix: &str) -> (Field, Stub) {
    let prepare = |site: &Site| {
        let moved = site.net.at(MOVED, 5060);
        let row = format!("m201,転送 太郎,テンソウ,agent,sip:m201@{moved}{suffix},moved,,available\n");
        site.import("agents", &format!("id,name,kana,role,contact,groups,skills,status\n{row}"));
        let row = format!("{MOVED_LINE},転送,はい,Yes,moved,false\n");
        site.import("lines", &format!("number,client,greeting_ja,greeting_en,group,assigned_first\n{row}"));
    };
    let field = Field::with("", prepare, Manner::Answer);
    let victim = field.site.net.at(VICTIM, 5060).to_string();
    let manner = match manner {
        Manner::Redirect(target) => Manner::Redirect(target.replace("VICTIM", &victim)),
        Manner::Answer | Manner::Refuse(_) | Manner::Silent => manner,
    };
    let moved = Stub::start(field.site.net.at(MOVED, 5060), manner);
    (field, moved)
}

/// One more peer in the configuration, whose identity headers are not believed.
fn add_peer(site: &Site, name: &str, address: &str) {
    let peer = format!("[[sip.peer]]\nname = \"{name}\"\naddresses = [\"{address}\"]\n\n[http]\n");
    site.change("[http]\n", &peer);
}
