//! RFC 7616 §3.4: the value of Authorization or Proxy-Authorization, read strictly.

/// Longer values are not looked at.
const VALUE_BYTES: usize = 4096;

/// The hash of a digest (RFC 8760 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-256, offered first.
    Sha256,
    /// MD5, for what cannot do better.
    Md5,
}

impl Algorithm {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Md5 => "MD5",
        }
    }
}

/// Credentials that say everything a check needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// Who claims to send.
    pub username: &'a str,
    /// For which realm.
    pub realm: &'a str,
    /// The nonce that was answered.
    pub nonce: &'a str,
    /// The URI that was hashed.
    pub uri: &'a [u8],
    /// With which hash.
    pub algorithm: Algorithm,
    /// The client's own nonce.
    pub cnonce: &'a str,
    /// How often the nonce has been used, this time included; as written and as a number.
    pub nc: (&'a str, u32),
    /// The proof, in hexadecimal digits as written.
    pub response: &'a str,
}

/// Why credentials are no credentials; for tests and the log, never for the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub &'static str);

impl<'a> Credentials<'a> {
    /// Reads a header value. Everything that is not plain `Digest` with `qop=auth` is refused (N5).
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn read(value: &'a [u8]) -> Result<Self, Unusable> {
        let fields = Fields::read(value)?;
        let need = |name: &'static str| fields.text(name)?.ok_or(Unusable("a parameter is missing"));
        let username = need("username")?;
        let sound = |c: char| !c.is_control() && c != '"' && c != '\\';
        if username.is_empty() || !username.chars().all(sound) {
            return Err(Unusable("the user name has characters that no user name has"));
        }
        let algorithm = match fields.text("algorithm")? {
            Some(name) if name.eq_ignore_ascii_case("SHA-256") => Algorithm::Sha256,
            Some(name) if name.eq_ignore_ascii_case("MD5") => Algorithm::Md5,
            // RFC 7616 §3.4: without the parameter MD5 is meant.
            None => Algorithm::Md5,
            Some(_) => return Err(Unusable("the algorithm was not offered")),
        };
        if !need("qop")?.eq_ignore_ascii_case("auth") {
            return Err(Unusable("the quality of protection was not offered"));
        }
        if fields.text("userhash")?.is_some_and(|flag| flag.eq_ignore_ascii_case("true")) {
            return Err(Unusable("hashed user names were not offered"));
        }
        let count = need("nc")?;
        let digits = count.len() == 8 && count.bytes().all(|octet| octet.is_ascii_hexdigit());
        let number = u32::from_str_radix(count, 16).ok().filter(|number| digits && *number > 0);
        let cnonce = need("cnonce")?;
        if cnonce.is_empty() {
            return Err(Unusable("the client's nonce is empty"));
        }
        Ok(Self {
            username,
            realm: need("realm")?,
            nonce: need("nonce")?,
            uri: fields.bytes("uri")?.ok_or(Unusable("a parameter is missing"))?,
            algorithm,
            cnonce,
            nc: (count, number.ok_or(Unusable("the count of uses is not eight hexadecimal digits"))?),
            response: need("response")?,
        })
    }
}

/// The realm that a value is for, when it is `Digest` and says so: enough to know whose credentials they are.
pub fn realm_of(value: &[u8]) -> Option<&str> {
    Fields::read(value).ok()?.text("realm").ok()?
}

/// The parameters of a value, checked to be well-formed.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn read(value: &'a [u8]) -> Result<Self, Unusable> {
        if value.len() > VALUE_BYTES {
            return Err(Unusable("the value is too long"));
        }
        let scheme = value.split_at_checked(6).ok_or(Unusable("there is no scheme"))?;
        let blank = scheme.1.first().is_some_and(u8::is_ascii_whitespace);
        if !scheme.0.eq_ignore_ascii_case(b"Digest") || !blank {
            return Err(Unusable("the scheme is not Digest"));
        }
        let mut rest = scheme.1.trim_ascii();
        while !rest.is_empty() {
            rest = field(rest).ok_or(Unusable("a parameter cannot be read"))?.rest;
        }
        Ok(Self(scheme.1.trim_ascii()))
    }

    /// The value of the one parameter of that name; two of them are refused.
    fn bytes(&self, name: &str) -> Result<Option<&'a [u8]>, Unusable> {
        let (mut rest, mut found) = (self.0, None);
        while let Some(next) = field(rest) {
            if next.name.eq_ignore_ascii_case(name.as_bytes()) && found.replace(next.value).is_some() {
                return Err(Unusable("a parameter stands there twice"));
            }
            rest = next.rest;
        }
        Ok(found)
    }

    fn text(&self, name: &str) -> Result<Option<&'a str>, Unusable> {
        let bytes = self.bytes(name)?;
        bytes
            .map(|bytes| std::str::from_utf8(bytes).map_err(|_| Unusable("a parameter is not text")))
            .transpose()
    }
}

/// One `name=value` with what follows its comma.
struct Field<'a> {
    name: &'a [u8],
    value: &'a [u8],
    rest: &'a [u8],
}

/// Reads one parameter. A backslash in quotes is refused: what is hashed must be what stands there.
fn field(text: &[u8]) -> Option<Field<'_>> {
    let equals = text.iter().position(|octet| *octet == b'=')?;
    let name = text[..equals].trim_ascii();
    let after = text[equals + 1..].trim_ascii_start();
    let (value, rest) = if let Some(quoted) = after.strip_prefix(b"\"") {
        let end = quoted.iter().position(|octet| matches!(octet, b'"' | b'\\'))?;
        if quoted[end] == b'\\' {
            return None;
        }
        (&quoted[..end], quoted[end + 1..].trim_ascii_start())
    } else {
        let end = after.iter().position(|octet| *octet == b',').unwrap_or(after.len());
        (after[..end].trim_ascii(), &after[end..])
    };
    let token = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'*' | b'.');
    if name.is_empty() || !name.iter().all(token) {
        return None;
    }
    match rest {
        [] => Some(Field { name, value, rest }),
        [b',', rest @ ..] => Some(Field { name, value, rest: rest.trim_ascii_start() }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "Digest username=\"branch\", realm=\"pbx\", nonce=\"n\", uri=\"sip:a@b\", \
                        response=\"00ff\", algorithm=SHA-256, cnonce=\"c\", qop=auth, nc=00000001";

    #[test]
    fn credentials_are_read_as_telephones_write_them() {
        let read = Credentials::read(GOOD.as_bytes()).unwrap();
        assert_eq!(
            (read.username, read.realm, read.nonce, read.uri),
            ("branch", "pbx", "n", &b"sip:a@b"[..])
        );
        assert_eq!((read.algorithm, read.cnonce, read.nc), (Algorithm::Sha256, "c", ("00000001", 1)));
        let loose = GOOD
            .replace("Digest ", "dIGEST   ")
            .replace(", ", " ,\r\n\t")
            .replace("qop=auth", "QOP=\"auth\"");
        assert_eq!(Credentials::read(loose.as_bytes()), Ok(read));
        let plain = GOOD.replace("algorithm=SHA-256, ", "");
        assert_eq!(Credentials::read(plain.as_bytes()).unwrap().algorithm, Algorithm::Md5);
        assert_eq!(realm_of(GOOD.as_bytes()), Some("pbx"));
    }

    #[test]
    fn n5_everything_else_is_refused() {
        let table: &[(&str, &str)] = &[
            ("Digest ", "Basic "),
            ("Digest ", "Digestive "),
            ("Digest ", "Digest"),
            ("qop=auth, ", ""),
            ("qop=auth", "qop=auth-int"),
            ("algorithm=SHA-256", "algorithm=SHA-256-sess"),
            ("algorithm=SHA-256", "algorithm=SHA-1"),
            ("username=\"branch\"", "username=\"\""),
            ("username=\"branch\"", "username=\"bran\0ch\""),
            ("username=\"branch\"", "username=\"bran\\\"ch\""),
            ("username=\"branch\"", "username*=UTF-8''branch"),
            ("username=\"branch\"", "username=\"other\", username=\"branch\""),
            ("username=\"branch\", ", "username=\"branch\", userhash=true, "),
            ("response=\"00ff\", ", ""),
            ("cnonce=\"c\"", "cnonce=\"\""),
            ("nc=00000001", "nc=1"),
            ("nc=00000001", "nc=00000000"),
            ("nc=00000001", "nc=+0000001"),
            ("nonce=\"n\"", "nonce=\"n"),
            ("nonce=\"n\"", "nonce=\"n\" x"),
        ];
        for (from, to) in table {
            let text = GOOD.replace(from, to);
            assert_ne!(text, GOOD);
            assert!(Credentials::read(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Credentials::read(&[&b"Digest "[..], &[b'a'; 5000]].concat()).is_err());
        assert!(Credentials::read(b"").is_err());
    }
}
