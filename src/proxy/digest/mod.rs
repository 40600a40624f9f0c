//! [pure] RFC 3261 §22.3, RFC 7616 §3 and RFC 8760 §2: peers that are known by a password and not by an
//! address.
//!
//! We only ever check credentials. Nothing here makes any: a challenge of somebody else is passed on (N7).

mod credentials;
mod guesses;
mod nonce;
mod password;
mod uses;

pub use credentials::{Algorithm, Credentials, Unusable, realm_of};
pub use guesses::{Guesser, Guesses, Tries};
pub use nonce::{Nonce, NonceFault, Nonces};
pub use password::Password;
pub use uses::Uses;

/// The challenge to be met, as a header value (RFC 7616 §3.3). It is the same for everybody (N10).
pub fn challenge(realm: &str, nonce: &str, algorithm: Algorithm, stale: bool) -> String {
    let stale = if stale { ",stale=true" } else { "" };
    format!("Digest realm=\"{realm}\",nonce=\"{nonce}\",algorithm={},qop=\"auth\"{stale}", algorithm.as_str())
}

#[cfg(test)]
pub mod testing {
    //! What a client does, for tests: we never do.

    use super::{Credentials, Password};

    /// The proof of a password.
    pub fn answer_of(credentials: &Credentials<'_>, password: &str, method: &[u8]) -> String {
        Password::of(credentials.username, credentials.realm, password).proof(credentials, method)
    }
}
