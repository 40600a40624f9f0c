//! `[sip.digest]` and `[sip.peer.auth]`: peers that are known by a password, because their address is not
//! fixed.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::document::Section;

/// `[sip.digest]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// What the passwords are for; `None`: the host of `advertise`.
    pub realm: Option<String>,
    /// How long a nonce may be used.
    pub nonce: Duration,
    /// Challenges a second to sources that have not proved their address; above: silence.
    pub challenges_per_s: u32,
    /// Wrong passwords a minute that are looked at for one user.
    pub tries_per_user: usize,
    /// Wrong passwords a minute that are looked at from one source.
    pub tries_per_source: usize,
    /// Nonces of one peer whose uses are remembered.
    pub nonces_per_peer: usize,
}

/// What a peer proves itself with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAuth {
    /// The user name.
    pub username: String,
    /// Where its password is.
    pub password: PasswordSource,
    /// Whether MD5 proves nothing.
    pub require_sha256: bool,
    /// User parts it may register beside its user name.
    pub register_as: Vec<String>,
}

/// Where a password is.
#[derive(Clone, PartialEq, Eq)]
pub enum PasswordSource {
    /// In the first line of a file.
    File(PathBuf),
    /// In a variable of the environment.
    Environment(String),
    /// In the configuration itself.
    Plain(String),
    /// Nowhere: the hashes of user, realm and password, in hexadecimal digits.
    Hashes {
        /// By SHA-256.
        sha256: Option<String>,
        /// By MD5.
        md5: Option<String>,
    },
}

impl fmt::Debug for PasswordSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => formatter.debug_tuple("File").field(path).finish(),
            Self::Environment(name) => formatter.debug_tuple("Environment").field(name).finish(),
            Self::Plain(_) => formatter.write_str("Plain(…)"),
            Self::Hashes { .. } => formatter.write_str("Hashes(…)"),
        }
    }
}

impl Digest {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let default = Self::default();
        let digest = Self {
            realm: section.optional("realm", default.realm, |text| quotable(text, "a realm")),
            nonce: section.seconds("nonce_s", 10..=86_400, default.nonce),
            challenges_per_s: section.number("challenges_per_s", 0..=100_000, default.challenges_per_s),
            tries_per_user: section.number("tries_per_user", 1..=1_000, default.tries_per_user),
            tries_per_source: section.number("tries_per_source", 1..=1_000, default.tries_per_source),
            nonces_per_peer: section.number("nonces_per_peer", 16..=1_000_000, default.nonces_per_peer),
        };
        section.refuse_unknown_keys();
        digest
    }
}

impl Default for Digest {
    fn default() -> Self {
        Self {
            realm: None,
            nonce: Duration::from_secs(300),
            challenges_per_s: 50,
            tries_per_user: 5,
            tries_per_source: 30,
            nonces_per_peer: 4_096,
        }
    }
}

impl PeerAuth {
    /// Reads the table; without a user name there is none.
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let username = section.optional("username", None, |text| quotable(text, "a user name"));
        let password = read_password(section, username.is_some());
        let require_sha256 = section.flag("require_sha256", false);
        let register_as = section.texts("register_as", Vec::new(), |text| quotable(text, "a user part"));
        section.refuse_unknown_keys();
        Some(Self { username: username?, password: password?, require_sha256, register_as })
    }
}

fn read_password(section: &Section<'_>, wanted: bool) -> Option<PasswordSource> {
    let plain = |text: &str| Ok(text.to_owned());
    let file = section.optional("password_file", None, |text| Ok(section.resolve(text)));
    let environment = section.optional("password_env", None, plain);
    let password = section.optional("password", None, plain);
    let sha256 = section.optional("ha1_sha256", None, |text| hexadecimal(text, 64));
    let md5 = section.optional("ha1_md5", None, |text| hexadecimal(text, 32));
    let hashes = (sha256.is_some() || md5.is_some()).then_some(PasswordSource::Hashes { sha256, md5 });
    let mut sources = [
        file.map(PasswordSource::File),
        environment.map(PasswordSource::Environment),
        password.map(PasswordSource::Plain),
        hashes,
    ]
    .into_iter()
    .flatten();
    let first = sources.next();
    if sources.next().is_some() {
        section.fault_at(
            "username",
            "has more than one password; keep one of password_file, password_env, \
                                      password and the hashes",
        );
    } else if wanted && first.is_none() {
        section.fault_at("username", "has no password; name a password_file beside it");
    } else if !wanted && first.is_some() {
        section.fault_at("username", "is missing beside a password");
    }
    first
}

/// What can stand between quotes in a header without an escape.
fn quotable(text: &str, what: &str) -> Result<String, String> {
    let sound = |c: char| !c.is_control() && c != '"' && c != '\\';
    if text.len() <= 128 && text.chars().all(sound) {
        Ok(text.to_owned())
    } else {
        Err(format!("{what} has at most 128 characters, no quotes and no backslashes"))
    }
}

fn hexadecimal(text: &str, digits: usize) -> Result<String, String> {
    if text.len() == digits && text.chars().all(|c| c.is_ascii_hexdigit()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(format!("a hash of that kind has {digits} hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, ConfigFault};

    fn parse(auth: &str) -> Result<Config, Vec<ConfigFault>> {
        let text = format!("[[sip.peer]]\nname = \"branch\"\nauth = {{ {auth} }}\n");
        Config::parse(&text, Path::new("/etc/toritsugi"))
    }

    fn auth(text: &str) -> PeerAuth {
        parse(text).expect("it is sound").sip.peers[0].auth.clone().expect("it has one")
    }

    #[test]
    fn a_peer_with_a_password_needs_no_address() {
        let file = auth("username = \"branch\", password_file = \"branch.secret\"");
        assert_eq!(file.password, PasswordSource::File("/etc/toritsugi/branch.secret".into()));
        let strict =
            auth("username = \"b\", password_env = \"P\", require_sha256 = true, register_as = [\"03\"]");
        assert_eq!(strict.password, PasswordSource::Environment("P".to_owned()));
        assert_eq!((strict.require_sha256, strict.register_as), (true, vec!["03".to_owned()]));
        let hashes = auth(&format!("username = \"b\", ha1_md5 = \"{}\"", "A".repeat(32)));
        assert_eq!(hashes.password, PasswordSource::Hashes { sha256: None, md5: Some("a".repeat(32)) });
    }

    #[test]
    fn n5_a_password_that_is_missing_empty_or_doubled_is_a_fault() {
        let table: &[(&str, &str)] = &[
            ("username = \"b\"", "has no password"),
            ("username = \"b\", password = \"\"", "has no password"),
            ("password = \"x\"", "is missing"),
            ("username = \"b\", password = \"x\", password_env = \"P\"", "more than one password"),
            ("username = \"b\\\"\", password = \"x\"", "no quotes"),
            ("username = \"b\", ha1_sha256 = \"abc\"", "64 hexadecimal digits"),
            ("username = \"b\", password = \"x\", colour = 1", "unknown key"),
        ];
        for (text, says) in table {
            let faults = parse(text).expect_err("it is faulty");
            assert!(faults.iter().any(|fault| fault.what.contains(says)), "{text}: {faults:?}");
        }
    }

    #[test]
    fn two_peers_do_not_share_a_user_name() {
        let text = "[[sip.peer]]\nname = \"a\"\nauth = { username = \"u\", password = \"x\" }\n\
                    [[sip.peer]]\nname = \"b\"\nauth = { username = \"u\", password = \"y\" }\n";
        let faults = Config::parse(text, Path::new("/")).expect_err("it is faulty");
        assert!(faults.iter().all(|fault| fault.what.contains("user name")), "{faults:?}");
    }

    #[test]
    fn n82_a_password_is_never_printed() {
        let config = parse("username = \"b\", password = \"canary\"").expect("it is sound");
        assert!(!format!("{config:?}").contains("canary"));
    }
}
