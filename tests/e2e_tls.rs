//! Calls over TLS with a real phone at either end, and certificates that are not believed.

mod support;

use std::fmt::Write as _;
use std::time::Duration;

use nix::sys::signal::Signal;
use support::baresip::{Account, Baresip};
use support::certificates::{Authority, Identity, self_signed};
use support::log::poll;
use support::needs::needs;
use support::net::host;
use support::phones::{Behaviour, Phones, What};
use support::sipp::{Outcome, Sipp};
use support::site::{LINE, Site};

const SOON: Duration = Duration::from_secs(20);
/// Long enough for a call that is let through to have rung: the opposite of it takes a fraction of a second.
const NEVER: Duration = Duration::from_secs(2);
const CALLER: &str = "0312340001";
const TONE_HZ: f64 = 440.0;
/// A host whose address is no peer's.
const ROAMING: u8 = 77;
const ANSWER: Behaviour =
    Behaviour::Answer { quiet: Duration::from_millis(30), ring: Duration::from_millis(100) };

#[test]
fn t6_a_call_over_tls_reaches_a_phone_and_is_ended_by_the_caller() {
    if !needs(&["baresip"]) {
        return;
    }
    // Over streams baresip sends from the loopback's own address.
    let loopback = "[[sip.peer]]\nname = \"loopback\"\naddresses = [\"127.0.0.1/32\"]\n";
    let house = House::open(loopback, |house| vec![house.phones_address()]);
    let mut caller = house.caller(host::TRUNK, &house.ours.issue("caller", &["caller.example"]));
    caller.dial(&house.line());
    caller.wait_for("CALL_ESTABLISHED", SOON);
    house.phones.wait_for(What::Acked, 1, SOON);
    caller.hang_up();
    house.phones.wait_for(What::Bye, 1, SOON);
}

#[test]
fn n83_an_agents_phone_over_tls_rings_when_its_certificate_is_good() {
    if !needs(&["baresip", "sipp"]) {
        return;
    }
    let house = House::open("", |house| vec![house.tls_phone_address()]);
    let identity = house.ours.issue("phone", &[&house.site.net.ip(PHONE).to_string()]);
    let phone = house.phone(&identity);
    assert_eq!(house.call_by_sipp(), Outcome { successful: 1, failed: 0 });
    phone.wait_for("CALL_CLOSED", SOON);
    assert_eq!(house.pbx.count(What::Invite), 0);
}

#[test]
fn n83_a_phone_whose_certificate_is_wrong_gets_no_call_and_the_call_goes_on() {
    if !needs(&["baresip", "sipp"]) {
        return;
    }
    let house = House::open("", |house| vec![house.tls_phone_address()]);
    let address = house.site.net.ip(PHONE).to_string();
    let folder = house.site.folder();
    for (why, identity) in [
        ("self-signed", self_signed(folder, "alone", &[&address])),
        ("another name", house.ours.issue("other-name", &["127.0.0.1"])),
        ("expired", house.ours.issue_expired("old", &[&address])),
        ("another authority", house.foreign.issue("foreign", &[&address])),
    ] {
        let before = house.pbx.count(What::Invite);
        let phone = house.phone(&identity);
        assert_eq!(house.call_by_sipp(), Outcome { successful: 1, failed: 0 }, "{why}");
        assert_eq!(house.pbx.count(What::Invite), before + 1, "{why}: the default route has the call");
        assert_eq!(phone.events.read(<[_]>::len), 0, "{why}: the phone has seen nothing of it");
        drop(phone);
    }
}

#[test]
fn n8_a_certificate_lets_a_peer_in_from_anywhere_and_a_foreign_one_does_not() {
    if !needs(&["baresip"]) {
        return;
    }
    let house = House::open("", |house| vec![house.phones_address()]);
    for identity in [
        house.foreign.issue("forged", &["roaming.example.jp"]),
        house.ours.issue("nobody", &["somebody-else.example.jp"]),
    ] {
        let mut stranger = house.caller(ROAMING, &identity);
        stranger.dial(&house.line());
        let let_in = poll(NEVER, || (house.phones.count(What::Invite) > 0).then_some(()));
        assert!(let_in.is_none(), "{identity:?} was let in");
    }
    let mut roaming = house.caller(ROAMING, &house.ours.issue("roaming", &["roaming.example.jp"]));
    roaming.dial(&house.line());
    roaming.wait_for("CALL_ESTABLISHED", SOON);
    roaming.hang_up();
    house.phones.wait_for(What::Bye, 1, SOON);
}

#[test]
fn certificates_are_read_again_on_sighup_and_a_bad_file_changes_nothing() {
    if !needs(&["baresip", "sipp"]) {
        return;
    }
    let mut house = House::open("", |house| vec![house.tls_phone_address()]);
    let phone = house.phone(&house.foreign.issue("foreign", &[&house.site.net.ip(PHONE).to_string()]));
    let certificate = house.site.folder().join("node.pem");
    let good = std::fs::read(&certificate).expect("written");
    std::fs::write(&certificate, "no certificate").expect("the folder is writable");
    house.reload("stays in force");
    assert_eq!(house.call_by_sipp(), Outcome { successful: 1, failed: 0 }, "calls go on");
    assert_eq!(house.pbx.count(What::Invite), 1, "the phone is still not believed");
    std::fs::write(&certificate, good).expect("the folder is writable");
    std::fs::copy(&house.foreign.file, &house.ours.file).expect("the folder is writable");
    house.reload("was read again");
    assert_eq!(house.call_by_sipp(), Outcome { successful: 1, failed: 0 });
    phone.wait_for("CALL_ESTABLISHED", SOON);
}

#[test]
fn check_says_which_file_is_no_certificate() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new(folder.path(), "ours");
    let (one, two) = (authority.issue("one", &["a.example"]), authority.issue("two", &["a.example"]));
    let site = Site::new("", &tls_section(&authority, &Identity { key: two.key, ..one }));
    let output = site.command(&["check"], "");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && words.contains("[sip.tls]") && words.contains("one.pem"), "{words}");
}

/// The host of the phone that speaks TLS.
const PHONE: u8 = 41;

/// A server with TLS, an agent, phones, a PBX, and authorities.
struct House {
    site: Site,
    ours: Authority,
    foreign: Authority,
    phones: Phones,
    pbx: Phones,
}

impl House {
    /// `more` are further tables of the configuration, `contacts` the agents' contacts.
    fn open(more: &str, contacts: impl Fn(&Self) -> Vec<String>) -> Self {
        let site = Site::new("wrap_up_s = 0\n[routing_end]", "");
        let folder = site.folder();
        let (ours, foreign) = (Authority::new(folder, "ours"), Authority::new(folder, "foreign"));
        let sip = site.sip();
        let identity = ours.issue("node", &[&sip.ip().to_string()]);
        site.change(
            "\n[routing_end]",
            &format!("\nphone_rest_s = 0\n{more}{}", tls_section(&ours, &identity)),
        );
        site.change(
            &format!("\"tcp:{sip}\""),
            &format!("\"tcp:{sip}\", \"tls:{}\"", site.net.at(host::TORITSUGI, 5061)),
        );
        let phones = Phones::start(site.phones(), ANSWER);
        let pbx = Phones::start(site.pbx(), ANSWER);
        let mut house = Self { site, ours, foreign, phones, pbx };
        house.add_agents(&contacts(&house));
        house.site.serve();
        house
    }

    fn add_agents(&self, contacts: &[String]) {
        let mut csv = "id,name,kana,role,contact,groups,skills,status\n".to_owned();
        for (n, contact) in contacts.iter().enumerate() {
            writeln!(csv, "a{0},担当,タントウ,agent,{contact},support,,available", 101 + n)
                .expect("a String");
        }
        self.site.import("agents", &csv);
        let line =
            format!("{LINE},青葉製作所,お電話ありがとうございます。,Thank you for calling.,support,true");
        let lines = "number,client,greeting_ja,greeting_en,group,assigned_first";
        self.site.import("lines", &format!("{lines}\n{line}\n"));
    }

    fn phones_address(&self) -> String {
        format!("sip:a101@{}", self.site.phones())
    }

    fn tls_phone_address(&self) -> String {
        format!("sip:a101@{};transport=tls", self.site.net.at(PHONE, 5061))
    }

    /// The line, over TLS.
    fn line(&self) -> String {
        // The transport comes from its address of record.
        format!("sip:{LINE}@{}", self.site.net.at(host::TORITSUGI, 5061))
    }

    fn caller(&self, at: u8, identity: &Identity) -> Baresip {
        let ip = self.site.net.ip(at);
        let aor = format!("sip:{CALLER}@{ip};transport=tls");
        let account = Account { ip, aor, parameters: ";regint=0", tone: TONE_HZ };
        let name = format!("caller-{at}-{}", identity.key.file_stem().unwrap_or_default().display());
        Baresip::start_with_tls(&name, &account, self.site.folder(), identity, &self.ours.file)
    }

    fn phone(&self, identity: &Identity) -> Baresip {
        let ip = self.site.net.ip(PHONE);
        let account = Account {
            ip,
            aor: format!("sip:a101@{ip};transport=tls"),
            parameters: ";regint=0;answermode=auto",
            tone: TONE_HZ,
        };
        let name = format!("phone-{}", identity.key.file_stem().unwrap_or_default().display());
        Baresip::start_with_tls(&name, &account, self.site.folder(), identity, &self.ours.file)
    }

    fn call_by_sipp(&self) -> Outcome {
        let numbers = vec![(CALLER.to_owned(), LINE.to_owned())];
        let caller = Sipp::new("uac", self.site.trunk(), numbers).pause(Duration::from_millis(300));
        caller.run(self.site.sip(), self.site.folder())
    }

    fn reload(&mut self, says: &str) {
        let server = self.site.server();
        server.signal(Signal::SIGHUP);
        assert!(poll(SOON, || server.output().contains(says).then_some(())).is_some(), "{}", server.output());
    }
}

fn tls_section(authority: &Authority, identity: &Identity) -> String {
    let (certificate, key) = (identity.certificate.display(), identity.key.display());
    let ca = authority.file.display();
    format!(
        "[[sip.peer]]\nname = \"roaming\"\ntls_name = \"roaming.example.jp\"\ntrust_identity = true\n\
         [sip.tls]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\nclient_ca = \"{ca}\"\nca = \"{ca}\"\n"
    )
}
