//! RFC 7616 §3.4.1: the proof of a password, and what we keep of it.

use md5::Md5;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::credentials::{Algorithm, Credentials};

/// What is kept of a password: the hashes of user, realm and password (`H(A1)`), never itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Password {
    sha256: Option<String>,
    md5: Option<String>,
}

impl Password {
    /// The hashes of a password that was told in full.
    pub fn of(username: &str, realm: &str, password: &str) -> Self {
        let parts = [username.as_bytes(), realm.as_bytes(), password.as_bytes()];
        Self { sha256: Some(hash(Algorithm::Sha256, &parts)), md5: Some(hash(Algorithm::Md5, &parts)) }
    }

    /// Hashes that were made elsewhere, in hexadecimal digits.
    pub fn stored(sha256: Option<String>, md5: Option<String>) -> Self {
        let lower = |text: Option<String>| text.map(|text| text.to_ascii_lowercase());
        Self { sha256: lower(sha256), md5: lower(md5) }
    }

    /// The same password, which MD5 proves no more.
    pub fn only_sha256(self) -> Self {
        Self { md5: None, ..self }
    }

    /// Whether this hash can prove it.
    pub fn takes(&self, algorithm: Algorithm) -> bool {
        self.kept(algorithm).is_some()
    }

    /// Whether the credentials prove it for a request of this method. The time does not depend on where a
    /// wrong proof differs, nor on whether there is a hash for the algorithm.
    pub fn is_proved_by(&self, credentials: &Credentials<'_>, method: &[u8]) -> bool {
        let expected = self.proof(credentials, method);
        let claimed = credentials.response.to_ascii_lowercase();
        let equal: bool = expected.as_bytes().ct_eq(claimed.as_bytes()).into();
        equal && self.kept(credentials.algorithm).is_some()
    }

    /// What the credentials' response should be.
    pub(super) fn proof(&self, credentials: &Credentials<'_>, method: &[u8]) -> String {
        response(self.kept(credentials.algorithm).unwrap_or_default(), credentials, method)
    }

    fn kept(&self, algorithm: Algorithm) -> Option<&str> {
        match algorithm {
            Algorithm::Sha256 => self.sha256.as_deref(),
            Algorithm::Md5 => self.md5.as_deref(),
        }
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Password(…)")
    }
}

/// `KD(H(A1), nonce:nc:cnonce:qop:H(A2))` with `qop=auth`.
fn response(first: &str, credentials: &Credentials<'_>, method: &[u8]) -> String {
    let second = hash(credentials.algorithm, &[method, credentials.uri]);
    let Credentials { nonce, nc, cnonce, .. } = credentials;
    let parts = [first, nonce, nc.0, cnonce, "auth", &second].map(str::as_bytes);
    hash(credentials.algorithm, &parts)
}

/// The hash of the parts joined by colons, in hexadecimal digits.
fn hash(algorithm: Algorithm, parts: &[&[u8]]) -> String {
    let joined = parts.join(&b':');
    match algorithm {
        Algorithm::Sha256 => hexadecimal(&Sha256::digest(joined)),
        Algorithm::Md5 => hexadecimal(&Md5::digest(joined)),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|octet| [octet >> 4, octet & 15]).map(digit).collect()
}

fn digit(value: u8) -> char {
    char::from_digit(value.into(), 16).unwrap_or('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616 §3.9.1, whose method is GET.
    #[test]
    fn the_example_of_the_standard_is_proved_with_both_hashes() {
        let password = Password::of("Mufasa", "http-auth@example.org", "Circle of Life");
        let (sha256, md5) = (
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            "8ca523f5e9506fed4657c9700eebdbec",
        );
        for (algorithm, response) in [(Algorithm::Sha256, sha256), (Algorithm::Md5, md5)] {
            let right = credentials(algorithm, response);
            assert!(password.is_proved_by(&right, b"GET"), "{algorithm:?}");
            assert!(password.is_proved_by(&credentials(algorithm, &response.to_uppercase()), b"GET"));
            assert!(!password.is_proved_by(&right, b"INVITE"), "another method");
            assert!(!password.is_proved_by(&Credentials { uri: b"/dir", ..right }, b"GET"), "another URI");
            assert!(!password.is_proved_by(&Credentials { nc: ("00000002", 2), ..right }, b"GET"));
            assert!(!password.is_proved_by(&credentials(algorithm, &response[1..]), b"GET"));
            assert!(!password.is_proved_by(&credentials(algorithm, ""), b"GET"));
        }
        let strict = password.only_sha256();
        assert!(!strict.is_proved_by(&credentials(Algorithm::Md5, md5), b"GET"), "MD5 is not enough");
        assert!(strict.is_proved_by(&credentials(Algorithm::Sha256, sha256), b"GET"));
        assert!(!strict.takes(Algorithm::Md5) && strict.takes(Algorithm::Sha256));
    }

    #[test]
    fn n5_without_a_hash_nothing_is_proved() {
        let empty = Password::stored(None, None);
        let claim = credentials(Algorithm::Md5, "");
        let made = response("", &claim, b"GET");
        assert!(!empty.is_proved_by(&credentials(Algorithm::Md5, &made), b"GET"));
    }

    #[test]
    fn a_password_is_never_printed() {
        assert_eq!(format!("{:?}", Password::of("a", "b", "c")), "Password(…)");
    }

    fn credentials(algorithm: Algorithm, response: &str) -> Credentials<'_> {
        Credentials {
            username: "Mufasa",
            realm: "http-auth@example.org",
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            uri: b"/dir/index.html",
            algorithm,
            cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            nc: ("00000001", 1),
            response,
        }
    }
}
