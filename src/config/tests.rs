//! The configuration file as people write it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::document::Document;
use super::*;

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/toritsugi.toml");

fn parse(text: &str) -> Result<Config, Vec<ConfigFault>> {
    Config::parse(text, Path::new("/etc/toritsugi"))
}

/// The faults as `LINE what`, one each.
fn faults(text: &str) -> Vec<(usize, String)> {
    let faults = parse(text).expect_err("the text is faulty");
    faults.into_iter().map(|fault| (fault.line.expect("it has a line"), fault.what)).collect()
}

#[track_caller]
fn one_fault(text: &str, line: usize, says: &str) {
    let found = faults(text);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, line, "{found:?}");
    assert!(found[0].1.contains(says), "{found:?}");
}

#[test]
fn the_shipped_file_says_the_defaults() {
    let shipped = Config::load(Path::new(SHIPPED)).expect("the shipped file is sound");
    let folder = Path::new(SHIPPED).parent().expect("it lies in a folder");
    let mut default = Config::parse("", folder).expect("an empty file is sound");
    let mut peer = Peer::named("carrier");
    peer.addresses = vec!["127.0.0.1/32".parse().expect("a network")];
    peer.trust_identity = true;
    default.sip.peers = vec![peer];
    assert_eq!(shipped, default);
}

#[test]
fn an_empty_file_is_the_default_and_nobody_may_send() {
    let mut empty = parse("").expect("an empty file is sound");
    assert_eq!(empty.database.url, DatabaseUrl::Sqlite(PathBuf::from("/etc/toritsugi/toritsugi.db")));
    empty.database.url = Database::default().url;
    assert_eq!(empty, Config::default());
    assert!(empty.sip.peers.is_empty());
}

#[test]
fn every_key_of_the_schema_stands_in_the_shipped_file_with_a_word_of_why() {
    let text = std::fs::read_to_string(SHIPPED).expect("the shipped file");
    let document = Document::parse(&text, Path::new(""));
    Config::read_from(&document);
    let keys = document.finish().expect("the shipped file is sound");
    let mut section = String::new();
    let mut written = std::collections::BTreeSet::new();
    let mut explained = false;
    for line in text.lines() {
        if let Some(header) = line.strip_prefix("# [[").and_then(|line| line.strip_suffix("]]")) {
            // A block that nobody has by default.
            written.insert(header.to_owned());
        } else if let Some(header) = line.strip_prefix('[') {
            section = header.trim_matches(['[', ']']).to_owned();
            written.insert(section.clone());
        } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            assert!(
                explained || key == "key" || key.ends_with("_limit_s"),
                "{section}.{key} has no word of why"
            );
            written.insert(format!("{section}.{key}"));
        }
        explained = line.starts_with('#');
    }
    assert_eq!(keys, written);
}

#[test]
fn the_contracts_own_example_is_sound() {
    let config = parse(
        r#"
[sip]
listen    = ["udp:127.0.0.1:5060", "tcp:127.0.0.1:5060"]   # tls:ADDR with [sip.tls] certificate, key
advertise = "127.0.0.1:5060"
default_route = "sip:127.0.0.1:5080"
[[sip.peer]]
name = "carrier"
addresses = ["127.0.0.1/32"]
trust_identity = true
called_number = ["p-called-party-id", "to", "request-uri"]
preloaded_route = false
calls_per_s = 0
[routing]
answer_within_s = 3
wrap_up_s = 0
[park]
modes = ["ringing", "answered"]
music = "hold.wav"
"#,
    )
    .expect("sound");
    assert_eq!(config.routing.answer_within, Duration::from_secs(3));
    assert_eq!(config.routing.wrap_up, Duration::ZERO);
    assert_eq!(config.park.modes, [ParkMode::Ringing, ParkMode::Answered]);
    assert_eq!(config.park.music, Music::File(PathBuf::from("/etc/toritsugi/hold.wav")));
    assert_eq!(config.sip.peers[0].calls_per_s, None);
    let grouped = parse("[sip.limits]\nmessage_bytes = 32_000\nheaders = 0x40\n").expect("sound").sip.limits;
    assert_eq!((grouped.message_bytes, grouped.headers), (32_000, 64));
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_known_ones() {
    one_fault(
        "[sip]\n\nlisten_on = \"udp:127.0.0.1:5060\"\n",
        3,
        "unknown key `listen_on` in [sip]; known here: adv",
    );
    one_fault("[rooting]\nanswer_within_s = 3\n", 1, "unknown key `rooting` at the top");
    one_fault("[sip.limits]\nheaders = 20\nheader = 20\n", 3, "in [sip.limits]");
}

#[test]
fn several_faults_are_reported_together_in_the_order_of_their_lines() {
    let text = "[sip]\nlisten = [\"udp:127.0.0.1\",\n  \"sctp:127.0.0.1:5060\", \"udp:127.0.0.1:5060\"]\n\
                [routing]\nanswer_within_s = 0\n[log]\nlevel = \"loud\"\n";
    let lines = faults(text).iter().map(|fault| fault.0).collect::<Vec<_>>();
    assert_eq!(lines, [2, 3, 5, 7]);
}

#[test]
fn a_value_of_the_wrong_type_says_what_it_should_be() {
    one_fault("[routing]\nanswer_within_s = \"10\"\n", 2, "must be a whole number, not a text");
    one_fault("[routing]\nanswer_within_s = -1\n", 2, "from 1 to 170");
    one_fault("[routing]\nanswer_within_s = 1.5\n", 2, "not a number with a fraction");
    one_fault("[desk]\nrequire_screen = \"yes\"\n", 2, "must be true or false");
    one_fault("sip = 3\n", 1, "must be a table");
    one_fault("[sip]\npeer = 3\n", 2, "[[sip.peer]]");
    one_fault("[sip]\nlisten = \"udp:127.0.0.1:5060\"\n", 2, "must be a list in brackets");
}

#[test]
fn a_fault_of_syntax_has_its_line_too() {
    let found = faults("[sip]\nlisten = [\"udp:127.0.0.1:5060\"\n[http]\nlisten = 8080\n");
    assert!(found.iter().any(|fault| fault.0 >= 2), "{found:?}");
    one_fault("[http]\nlisten = \"127.0.0.1:1\"\nlisten = \"127.0.0.1:2\"\n", 3, "duplicate key");
}

#[test]
fn a_bad_network_names_its_line() {
    let text = "[[sip.peer]]\nname = \"a\"\naddresses = [\n  \"10.0.0.0/8\",\n  \"10.0.0.0/33\",\n]\n";
    one_fault(text, 5, "\"10.0.0.0/33\" is not a network");
}

#[test]
fn a_peer_needs_a_name_and_a_network_of_its_own() {
    let found = faults("\n[[sip.peer]]\n");
    assert_eq!(found.iter().map(|fault| fault.0).collect::<Vec<_>>(), [2, 2]);
    let twice = "[[sip.peer]]\nname = \"a\"\naddresses = [\"192.0.2.1\"]\n\
                 [[sip.peer]]\nname = \"b\"\naddresses = [\"192.0.2.1/32\"]\n";
    let lines = faults(twice).iter().map(|fault| fault.0).collect::<Vec<_>>();
    assert_eq!(lines, [3, 6]);
}

#[test]
fn n9_an_ipv4_mapped_address_is_judged_as_ipv4() {
    let text = "[[sip.peer]]\nname = \"wide\"\naddresses = [\"::ffff:192.0.2.0/120\"]\n\
                [[sip.peer]]\nname = \"narrow\"\naddresses = [\"192.0.2.7\"]\n";
    let sip = parse(text).expect("sound").sip;
    let name = |source: &str| sip.peer_of(source.parse().expect("an address")).map(|peer| peer.name.as_str());
    assert_eq!(name("192.0.2.9"), Some("wide"));
    assert_eq!(name("::ffff:192.0.2.9"), Some("wide"));
    assert_eq!(name("::ffff:192.0.2.7"), Some("narrow"));
    assert_eq!(name("192.0.3.9"), None);
    assert_eq!(name("2001:db8::1"), None);
}

#[test]
fn what_others_are_told_follows_the_first_address() {
    let sip = parse("[sip]\nlisten = [\"udp:192.0.2.5:5070\"]\n").expect("sound").sip;
    assert_eq!(sip.advertise.to_string(), "192.0.2.5:5070");
    one_fault("[sip]\nlisten = [\"udp:0.0.0.0:5060\"]\n", 2, "set advertise");
    one_fault("[sip]\nadvertise = \"0.0.0.0:5060\"\n", 2, "cannot be told to others");
    let sip = parse("[sip]\nlisten = [\"udp:[::]:5060\"]\nadvertise = \"sip.example\"\n").expect("sound").sip;
    assert_eq!(sip.advertise, HostPort { host: Host::Name("sip.example".to_owned()), port: 5060 });
}

#[test]
fn the_default_route_is_a_uri_with_a_usable_target() {
    let hop = |uri: &str| uri.parse::<NextHop>();
    let plain = hop("sip:192.0.2.1").expect("sound");
    assert_eq!(plain.target.address(), Some("192.0.2.1:5060".parse().expect("an address")));
    let tcp = hop("sip:pbx@[2001:db8::1]:5080;lr;transport=TCP").expect("sound");
    assert_eq!((tcp.protocol, tcp.target.to_string().as_str()), (Protocol::Tcp, "[2001:db8::1]:5080"));
    let secure = hop("sips:pbx.example").expect("sound");
    assert_eq!((secure.protocol, secure.target.port, secure.target.address()), (Protocol::Tls, 5061, None));
    for bad in [
        "192.0.2.1:5060",
        "tel:+81312345678",
        "sip:",
        "sip:a b",
        "sip:192.0.2.1:99999",
        "sip:192.0.2.1:0",
        "sip:192.0.2.1:+5060",
        "sip:192.0.2.300",
        "sip:pbx;transport=sctp",
        "sip:pbx?Route=x",
        "sip:-pbx",
        "<sip:pbx>",
    ] {
        assert!(hop(bad).is_err(), "{bad}");
    }
}

#[test]
fn relative_paths_start_at_the_folder_of_the_file() {
    let config = parse(
        "[database]\nurl = \"sqlite:data/t.db\"\n[sip.tls]\ncertificate = \"tls/c.pem\"\nkey = \"/k.pem\"\n\
         [guidance]\ntemplates = \"words.toml\"\n",
    )
    .expect("sound");
    assert_eq!(config.database.url.to_url(), "sqlite:/etc/toritsugi/data/t.db");
    let tls = config.sip.tls.certificate.expect("set");
    assert_eq!(tls, ("/etc/toritsugi/tls/c.pem".into(), PathBuf::from("/k.pem")));
    assert_eq!(config.guidance.templates, Some(PathBuf::from("/etc/toritsugi/words.toml")));
}

#[test]
fn tls_needs_both_files() {
    one_fault("[sip.tls]\ncertificate = \"c.pem\"\n", 2, "key");
    one_fault("[sip]\nlisten = [\"tls:127.0.0.1:5061\"]\n", 2, "[sip.tls]");
}

#[test]
fn n8_a_peer_that_is_known_by_a_certificate_needs_an_authority_to_prove_it() {
    let peer = "[[sip.peer]]\nname = \"pbx\"\ntls_name = \"PBX.example.jp\"\n";
    one_fault(peer, 1, "client_ca");
    let config = parse(&format!("{peer}[sip.tls]\nclient_ca = \"ca.pem\"\n")).expect("sound");
    assert_eq!(config.sip.peers[0].tls_name.as_deref(), Some("pbx.example.jp"));
    assert!(config.sip.peers[0].addresses.is_empty());
}

#[test]
fn a_pin_is_64_hexadecimal_digits() {
    let peer = "[[sip.peer]]\nname = \"pbx\"\naddresses = [\"192.0.2.1\"]\n";
    let pinned = parse(&format!("{peer}tls_pin = \"{}\"\n", "AB:".repeat(32))).expect("sound");
    assert_eq!(pinned.sip.peers[0].tls_pin, Some([0xab; 32]));
    one_fault(&format!("{peer}tls_pin = \"ab\"\n"), 4, "64 hexadecimal digits");
}

#[test]
fn n82_a_database_password_is_never_printed() {
    let config =
        parse("[database]\nurl = \"postgres://u:s3cret@db.example/t?sslmode=require\"\n").expect("sound");
    let shown = format!("{:?} {}", config.database, config.database.url);
    assert!(!shown.contains("s3cret"), "{shown}");
    assert!(shown.contains("db.example/t"), "{shown}");
    let what = &faults("[database]\nurl = \"mysql://u:s3cret@db/t\"\n")[0].1;
    assert!(!what.contains("s3cret"), "{what}");
}

#[test]
fn park_modes_only_go_forward() {
    one_fault("[park]\nmodes = [\"answered\", \"ringing\"]\n", 2, "out of order");
    one_fault("[park]\nmodes = [\"ringing\", \"ringing\"]\n", 2, "twice");
    one_fault("[park]\nmodes = [\"hold\"]\n", 2, "not ringing, early-media or answered");
}

#[test]
fn n86_a_bomb_is_bounded() {
    let deep = format!("x = {}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(parse(&deep).is_err());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("big.toml");
    std::fs::write(&path, "#".repeat(2 * 1024 * 1024)).expect("written");
    let found = Config::load(&path).expect_err("too large");
    assert!(found[0].what.contains("larger than"), "{found:?}");
}

#[test]
fn a_missing_file_is_one_fault_that_says_what_to_do() {
    let found = Config::load(Path::new("/nonexistent/toritsugi.toml")).expect_err("it is not there");
    assert_eq!(found.len(), 1);
    assert!(found[0].what.contains("--config"), "{found:?}");
}

#[test]
fn f7_the_default_route_may_have_several_targets() {
    let lone = parse("[sip]\ndefault_route = \"sip:192.0.2.20\"\n").expect("sound").sip;
    assert_eq!((lone.routes.len(), lone.probe_interval), (1, Duration::ZERO), "a lone PBX is not probed");
    let both = "[sip]\ndefault_route = \"sip:192.0.2.20\"\n[[sip.route]]\nuri = \"sip:192.0.2.21\"\n\
                priority = 2\nweight = 7\n[[sip.route]]\nuri = \"sip:pbx.example\"\n";
    let sip = parse(both).expect("sound").sip;
    let routes: Vec<(&str, u16, u16)> =
        sip.routes.iter().map(|route| (route.hop.uri.as_str(), route.priority, route.weight)).collect();
    assert_eq!(routes, [("sip:192.0.2.20", 0, 1), ("sip:192.0.2.21", 2, 7), ("sip:pbx.example", 1, 1)]);
    assert_eq!(sip.probe_interval, Duration::from_secs(5));
    let listed = parse("[sip]\n[[sip.route]]\nuri = \"sip:192.0.2.21\"\n").expect("sound").sip;
    assert_eq!(listed.routes.len(), 1, "what is not written is no target");
    assert!(parse("[sip]\n[[sip.route]]\npriority = 1\n").is_err(), "a target needs its uri");
    assert!(parse("[sip]\nnext_target_after_ms = 100\n").is_err(), "less than a repeat takes");
    assert!(parse("[sip]\ntcp_above_bytes = 100\n").is_err());
    assert!(sip.udp_bundles, "unless somebody wants to capture");
    assert!(!parse("[sip]\nudp_bundles = false\n").expect("sound").sip.udp_bundles);
    assert!(parse("[sip]\nudp_bundles = 1\n").is_err());
}
