//! RFC 3261 §26.3.1 and RFC 5922 with real sockets on the loopback: whose certificate is believed.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::certificates::{Authority, Identity, self_signed};
use super::tests::{message, request, run, until};
use super::*;

const NAME: &str = "pbx.example.jp";

/// Two nodes' worth of certificates.
struct Keys {
    folder: TempDir,
    ours: Authority,
    other: Authority,
}

impl Keys {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (ours, other) = (Authority::new(folder.path(), "ours"), Authority::new(folder.path(), "other"));
        Self { folder, ours, other }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A node with this certificate that believes our authority, for servers and for clients.
    fn node(&self, identity: &Identity) -> TlsFiles {
        TlsFiles {
            certificate: Some((identity.certificate.clone(), identity.key.clone())),
            client_ca: Some(self.ours.file.clone()),
            ca: Some(self.ours.file.clone()),
            pins: Vec::new(),
        }
    }

    /// A node without a certificate.
    fn anonymous(&self) -> TlsFiles {
        TlsFiles { ca: Some(self.ours.file.clone()), ..TlsFiles::default() }
    }
}

fn bound(files: &TlsFiles, settings: &TransportSettings) -> Transports {
    let listen: Vec<ListenAddress> = match files.certificate {
        Some(_) => vec!["tls:127.0.0.1:0".parse().expect("an address")],
        None => Vec::new(),
    };
    let tls = Tls::load(files).expect("sound files");
    let transports = Transports::bind(&listen, settings, Some(tls)).expect("free ports");
    transports.allow(Box::new(|_| true));
    transports
}

fn plain(files: &TlsFiles) -> Transports {
    bound(files, &TransportSettings::default())
}

fn address(transports: &Transports) -> SocketAddr {
    transports.listening()[0].address
}

fn to(remote: SocketAddr, name: Option<&str>, text: &str) -> Outgoing {
    Outgoing {
        protocol: Protocol::Tls,
        local: None,
        remote,
        connection: None,
        otherwise: None,
        server_name: name.map(Arc::from),
        bytes: request(text),
        token: Some(7),
    }
}

/// What became of a request from one node to another.
async fn sent(
    client: &mut Transports,
    server: &mut Transports,
    name: Option<&str>,
) -> Result<Flow, SendFailure> {
    client.send(to(address(server), name, "a"));
    tokio::select! {
        (flow, _) = message(server) => Ok(flow),
        arrival = client.next() => {
            let Arrival::SendFailed { token: 7, why, .. } = arrival else {
                panic!("neither sent nor failed: {arrival:?}")
            };
            Err(why)
        }
    }
}

#[test]
fn t6_one_tls_connection_carries_both_directions() {
    run(async {
        let keys = Keys::new();
        let mut server = plain(&keys.node(&keys.ours.issue("server", &[NAME])));
        let mut client = plain(&keys.node(&keys.ours.issue("client", &["client.example.jp"])));
        let flow = sent(&mut client, &mut server, Some(NAME)).await.expect("believed");
        assert_eq!(flow.protocol, Protocol::Tls);
        // Longer than one TLS record, so that more than one has to be flushed.
        let long = "x".repeat(25_000);
        server.send(Outgoing::back(&flow, request(&long), None));
        assert_eq!(message(&mut client).await.1, request(&long));
        client.send(to(address(&server), Some(NAME), "b"));
        assert_eq!(message(&mut server).await.0, flow, "the same connection again");
        let named = Some(Arc::from("client.example.jp"));
        server.send(Outgoing { server_name: named, ..to(flow.remote, None, "c") });
        assert_eq!(message(&mut client).await.1, request("c"), "its certificate carries the name");
        assert_eq!((client.gauges().outbound_connections, server.gauges().outbound_connections), (1, 0));
    });
}

#[test]
fn n83_a_server_is_refused_when_its_certificate_is_wrong() {
    run(async {
        let keys = Keys::new();
        let wrong = [
            ("another name", keys.ours.issue("wrong-name", &["other.example.jp"])),
            ("only a wildcard above it", keys.ours.issue("wild", &["*.jp"])),
            ("expired", keys.ours.issue_expired("expired", &[NAME])),
            ("self-signed", self_signed(keys.path(), "alone", &[NAME])),
            ("from another authority", keys.other.issue("foreign", &[NAME])),
        ];
        for (why, identity) in wrong {
            let mut server = plain(&keys.node(&identity));
            let mut client = plain(&keys.anonymous());
            let failed = sent(&mut client, &mut server, Some(NAME)).await;
            assert_eq!(failed, Err(SendFailure::TlsFailed), "{why}");
            assert_eq!((client.gauges().tls_failures, server.gauges().received), (1, 0), "{why}");
        }
    });
}

#[test]
fn n83_an_address_is_proved_by_a_certificate_for_the_address() {
    run(async {
        let keys = Keys::new();
        let mut client = plain(&keys.anonymous());
        let mut named = plain(&keys.node(&keys.ours.issue("named", &[NAME])));
        assert_eq!(sent(&mut client, &mut named, None).await, Err(SendFailure::TlsFailed));
        let mut addressed = plain(&keys.node(&keys.ours.issue("addressed", &["127.0.0.1"])));
        assert!(sent(&mut client, &mut addressed, None).await.is_ok());
    });
}

#[test]
fn n83_a_pinned_server_is_believed_by_its_certificate_alone_and_by_no_other() {
    run(async {
        let keys = Keys::new();
        let alone = self_signed(keys.path(), "alone", &["whatever.example"]);
        let pin = |der: &[u8]| Pin {
            networks: vec!["127.0.0.0/8".parse().expect("a network")],
            sha256: Sha256::digest(der).into(),
        };
        let mut server = plain(&keys.node(&alone));
        let mut client = plain(&TlsFiles { pins: vec![pin(&alone.der)], ..keys.anonymous() });
        assert!(sent(&mut client, &mut server, Some(NAME)).await.is_ok());
        let good = keys.ours.issue("good", &[NAME]);
        let mut other = plain(&keys.node(&good));
        assert_eq!(sent(&mut client, &mut other, Some(NAME)).await, Err(SendFailure::TlsFailed));
    });
}

#[test]
fn n8_a_certificate_names_the_peer_whatever_its_address() {
    run(async {
        let keys = Keys::new();
        for (identity, name) in [
            (keys.ours.issue("dns", &["Carrier.example.JP"]), Some("carrier.example.jp")),
            (
                keys.ours.issue_uri("uri", &["x.example"], "sip:carrier.example.jp"),
                Some("carrier.example.jp"),
            ),
            (keys.ours.issue_uri("both", &["carrier.example.jp"], "sip:x.example"), None),
            (keys.ours.issue("unknown", &["x.example"]), None),
        ] {
            let mut server = plain(&keys.node(&keys.ours.issue("server", &[NAME])));
            server.allow(Box::new(|_| false));
            server.allow_named(Box::new(|name| name == "carrier.example.jp"));
            let mut client = plain(&keys.node(&identity));
            client.send(to(address(&server), Some(NAME), "a"));
            match name {
                Some(name) => {
                    let (flow, _) = message(&mut server).await;
                    assert_eq!(flow.certificate, Some(CertificateName::of(name)), "{identity:?}");
                }
                None => until(&mut server, |gauges| gauges.strangers_refused == 1).await,
            }
        }
    });
}

#[test]
fn n8_a_client_certificate_from_another_authority_ends_the_handshake() {
    run(async {
        let keys = Keys::new();
        let mut server = plain(&keys.node(&keys.ours.issue("server", &[NAME])));
        server.allow_named(Box::new(|_| true));
        let mut client = plain(&keys.node(&keys.other.issue("foreign", &["carrier.example.jp"])));
        client.send(to(address(&server), Some(NAME), "a"));
        until(&mut server, |gauges| gauges.tls_failures == 1).await;
        assert_eq!(server.gauges().received, 0);
        assert_eq!(server.gauges().inbound_connections, 0);
    });
}

#[test]
fn n33_a_handshake_that_is_never_finished_ends_and_few_are_allowed_at_once() {
    run(async {
        let keys = Keys::new();
        let settings = TransportSettings {
            handshake_timeout: Duration::from_millis(300),
            handshakes_per_peer: 2,
            ..Default::default()
        };
        let mut server = bound(&keys.node(&keys.ours.issue("server", &[NAME])), &settings);
        let mut slow = Vec::new();
        for _ in 0..3 {
            let mut stream = TcpStream::connect(address(&server)).await.expect("connected");
            stream.write_all(b"\x16\x03\x01\x02\x00").await.expect("written");
            slow.push(stream);
        }
        until(&mut server, |gauges| gauges.tls_handshakes_refused == 1).await;
        until(&mut server, |gauges| gauges.tls_failures == 2).await;
        let gauges = server.gauges();
        assert_eq!((gauges.handshakes, gauges.inbound_connections), (0, 0));
        for mut stream in slow {
            // An end or a reset: it is closed either way.
            let read = stream.read(&mut [0; 64]).await;
            assert!(read.as_ref().map_or(true, |octets| *octets == 0), "{read:?}");
        }
        let mut client = plain(&keys.anonymous());
        assert!(sent(&mut client, &mut server, Some(NAME)).await.is_ok(), "others are served");
    });
}

#[test]
fn n32_those_who_must_still_show_a_certificate_have_half_of_the_connections() {
    run(async {
        let keys = Keys::new();
        let settings = TransportSettings { connections: 4, ..Default::default() };
        let mut server = bound(&keys.node(&keys.ours.issue("server", &[NAME])), &settings);
        server.allow(Box::new(|_| false));
        let mut first = TcpStream::connect(address(&server)).await.expect("connected");
        until(&mut server, |gauges| gauges.handshakes == 1).await;
        let _others = [
            TcpStream::connect(address(&server)).await.expect("connected"),
            TcpStream::connect(address(&server)).await.expect("connected"),
        ];
        let mut octet = [0; 1];
        let closed = tokio::select! {
            read = first.read(&mut octet) => read.is_err() || read.is_ok_and(|octets| octets == 0),
            () = until(&mut server, |_| false) => false,
        };
        assert!(closed, "the oldest made room");
        until(&mut server, |gauges| gauges.inbound_connections == 2).await;
        server.allow(Box::new(|_| true));
        let mut client = plain(&keys.anonymous());
        assert!(sent(&mut client, &mut server, Some(NAME)).await.is_ok());
        assert_eq!(server.gauges().inbound_connections, 3, "a peer has the other half");
    });
}

#[test]
fn certificates_are_renewed_for_the_next_connection() {
    run(async {
        let keys = Keys::new();
        let mut server = plain(&keys.node(&keys.ours.issue("old", &["old.example.jp"])));
        let mut client = plain(&keys.anonymous());
        assert_eq!(sent(&mut client, &mut server, Some(NAME)).await, Err(SendFailure::TlsFailed));
        server.renew_tls(Tls::load(&keys.node(&keys.ours.issue("new", &[NAME]))).expect("sound"));
        assert!(sent(&mut client, &mut server, Some(NAME)).await.is_ok());
    });
}

#[test]
fn files_that_make_no_tls_are_named() {
    let keys = Keys::new();
    let (one, two) = (keys.ours.issue("one", &[NAME]), keys.ours.issue("two", &[NAME]));
    let mixed = TlsFiles { certificate: Some((one.certificate.clone(), two.key)), ..TlsFiles::default() };
    let swapped = TlsFiles { certificate: Some((one.key.clone(), one.certificate)), ..TlsFiles::default() };
    let missing = TlsFiles { ca: Some(keys.path().join("none.pem")), ..TlsFiles::default() };
    for (files, says) in
        [(mixed, "one.pem"), (swapped, "one.pem holds no private key"), (missing, "none.pem")]
    {
        let fault = Tls::load(&files).err().expect("refused").to_string();
        assert!(fault.contains(says), "{fault}");
    }
}
