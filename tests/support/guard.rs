//! What every attack must leave as it was: the process lives, a legitimate call completes, memory has not
//! grown by more than 8 MiB, one figure names what happened, and the log has short lines without control
//! characters.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::field::{Field, GROWTH_KIB, PATIENCE, VICTIM};
use super::log::poll;
use super::net::host;
use super::phones::What;

/// The longest line an attack may cause in the log, octets.
const LINE_OCTETS: usize = 512;

/// How an attack shows: the figure that rises and words of its line in the log.
#[derive(Clone, Copy, Debug)]
pub struct Sign {
    /// Name and label, as Prometheus writes them.
    pub figure: &'static str,
    /// Words of the line; empty where no line is written.
    pub line: &'static str,
}

/// The signs of each kind of refusal.
pub mod sign {
    use super::Sign;

    /// A request of somebody who is no peer.
    pub const STRANGER: Sign = Sign {
        figure: "toritsugi_refused_requests_total{reason=\"not_a_peer\"}",
        line: "a sender who is no peer was refused",
    };
    /// A connection of somebody who is no peer.
    pub const STRANGE_CONNECTION: Sign = Sign {
        figure: "toritsugi_refused_connections_total{reason=\"not_a_peer\"}",
        line: "connections of senders who are no peers were refused",
    };
    /// Octets that are no message.
    pub const MALFORMED: Sign = Sign {
        figure: "toritsugi_refused_requests_total{reason=\"malformed\"}",
        line: "a message could not be read",
    };
    /// A dialog that our Record-Route does not prove.
    pub const UNPROVEN: Sign = Sign {
        figure: "toritsugi_refused_requests_total{reason=\"unproven_dialog\"}",
        line: "a request of an unproven dialog was refused",
    };
    /// A CANCEL that matches nothing.
    pub const CANCEL: Sign = Sign {
        figure: "toritsugi_refused_requests_total{reason=\"unmatched_cancel\"}",
        line: "a CANCEL without its INVITE was refused",
    };
    /// A transfer by somebody who may not.
    pub const TRANSFER: Sign = Sign {
        figure: "toritsugi_refused_requests_total{reason=\"transfer\"}",
        line: "a transfer by somebody who may not was refused",
    };
    /// A request that RFC 3261 §16.3 refuses.
    pub const INVALID: Sign = Sign {
        figure: "toritsugi_refused_requests_total{reason=\"invalid\"}",
        line: "a request unfit to be proxied was refused",
    };
    /// A request that had been here.
    pub const LOOP: Sign = Sign {
        figure: "toritsugi_refused_requests_total{reason=\"loop\"}",
        line: "a request that had been here was refused",
    };
    /// No room for one more transaction or call.
    pub const OVERLOAD: Sign = Sign {
        figure: "toritsugi_refused_requests_total{reason=\"overload\"}",
        line: "a request was refused: no room for it",
    };
    /// A Route that was taken away.
    pub const ROUTE: Sign = Sign {
        figure: "toritsugi_corrected_requests_total{what=\"route\"}",
        line: "a Route that may not be followed was removed",
    };
    /// An identity that was taken away.
    pub const IDENTITY: Sign = Sign {
        figure: "toritsugi_corrected_requests_total{what=\"identity\"}",
        line: "an identity that is not believed was removed",
    };
    /// A Via that named another source.
    pub const SOURCE: Sign = Sign { figure: "toritsugi_corrected_requests_total{what=\"source\"}", line: "" };
    /// Datagrams that cannot begin a message.
    pub const NOISE: Sign = Sign {
        figure: "toritsugi_dropped_messages_total{reason=\"not_sip\"}",
        line: "datagrams that cannot begin a message were dropped",
    };
    /// A message that was not whole in time.
    pub const LATE: Sign = Sign {
        figure: "toritsugi_refused_connections_total{reason=\"message_timeout\"}",
        line: "connections were closed: their message was not whole in time",
    };
    /// A connection that brought nothing made room.
    pub const EVICTED: Sign = Sign {
        figure: "toritsugi_refused_connections_total{reason=\"evicted\"}",
        line: "connections that brought nothing made room for others",
    };
    /// A connection that was reset.
    pub const RESET: Sign = Sign {
        figure: "toritsugi_refused_connections_total{reason=\"broken\"}",
        line: "connections were reset by the other side",
    };
    /// A stream that cannot be cut into messages.
    pub const UNFRAMEABLE: Sign = Sign {
        figure: "toritsugi_refused_connections_total{reason=\"unframeable\"}",
        line: "connections were closed: the end of a message is not known",
    };
    /// Lines that were held back.
    pub const HELD_BACK: Sign = Sign {
        figure: "toritsugi_dropped_log_lines_total{reason=\"held_back\"}",
        line: "more lines like this were held back",
    };
}

/// An attack on a warm server: what it was before is compared at the end.
pub struct Guard {
    /// The site under attack.
    pub field: Field,
    before_kib: u64,
    growth_kib: u64,
    figures: Figures,
}

impl Guard {
    /// On a plain site.
    pub fn begin() -> Self {
        Self::on(Field::open(""))
    }

    /// On that site.
    pub fn on(mut field: Field) -> Self {
        field.control_call();
        let before_kib = field.memory_kib();
        let figures = Figures::of(&field);
        Self { field, before_kib, growth_kib: GROWTH_KIB, figures }
    }

    /// Memory is compared with what it is now: what came before filled caches that are bounded, such as the
    /// database's.
    pub fn settle(&mut self) {
        self.before_kib = self.field.memory_kib();
    }

    /// Memory may grow by this much instead: the test says why.
    pub fn may_grow(&mut self, kib: u64) {
        self.growth_kib = kib;
    }

    /// Everything security.md asks of each row; every sign must have shown.
    #[track_caller]
    pub fn end(mut self, signs: &[Sign]) {
        self.field.control_call();
        self.assert_signs(signs);
        let grown = self.field.memory_kib().saturating_sub(self.before_kib);
        assert!(grown <= self.growth_kib, "the server grew by {grown} KiB");
        self.assert_log();
        let victim = self.field.victim.since(0);
        assert!(victim.is_empty(), "the victim got {}", victim[0].text());
    }

    /// The figures have risen and their lines are there.
    #[track_caller]
    pub fn assert_signs(&mut self, signs: &[Sign]) {
        for Sign { figure, line } in signs {
            let before = self.figures.of_name(figure);
            // Figures are published each second.
            let risen = poll(PATIENCE, || (Figures::of(&self.field).of_name(figure) > before).then_some(()));
            assert!(risen.is_some(), "{figure} did not rise above {before}");
            let told = poll(PATIENCE, || self.field.site.server().output().contains(line).then_some(()));
            assert!(told.is_some(), "no line in the log says {line:?}");
        }
    }

    /// No line is long, and none has a control character.
    #[track_caller]
    pub fn assert_log(&mut self) {
        let log = self.field.site.server().output();
        let longest = log.lines().max_by_key(|line| line.len()).unwrap_or_default();
        assert!(longest.len() <= LINE_OCTETS, "a log line of {} octets: {longest}", longest.len());
        let control = log.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(control, None, "a control character in the log");
    }

    /// Where nothing may arrive, as host and port.
    pub fn victim(&self) -> String {
        self.field.site.net.at(VICTIM, 5060).to_string()
    }

    /// How much has come out so far, at the PBX and at the phones.
    pub fn mark(&self) -> (usize, usize) {
        let invites = self.field.phones.count(What::Invite) + self.field.phones.count(What::Other);
        (self.field.pbx.count(), invites)
    }

    /// Nothing has come out since `mark`.
    #[track_caller]
    pub fn assert_nothing_out(&self, mark: (usize, usize), what: &str) {
        assert_eq!(self.mark(), mark, "{what} came through");
    }
}

/// The figures of the server at one moment.
pub struct Figures(String);

impl Figures {
    /// As they are published now.
    pub fn of(field: &Field) -> Self {
        Self(page(field.site.net.at(host::TORITSUGI, 9090)).unwrap_or_default())
    }

    /// One of them; 0 while it is not published.
    pub fn of_name(&self, name: &str) -> f64 {
        let line = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or(0.0)
    }
}

fn page(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}
