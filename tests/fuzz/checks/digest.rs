//! Digest credentials (RFC 7616 §3.4): what is read stands in the value, and everything that a check needs is
//! there.

use toritsugi::proxy::digest::{Credentials, realm_of};

/// The value of an Authorization header.
pub fn check(octets: &[u8]) {
    let realm = realm_of(octets);
    let Ok(read) = Credentials::read(octets) else { return };
    assert_eq!(realm, Some(read.realm), "two readings of one realm");
    let texts = [read.username, read.realm, read.nonce, read.cnonce, read.nc.0, read.response];
    for text in texts {
        assert!(octets.windows(text.len().max(1)).any(|window| window == text.as_bytes()) || text.is_empty());
    }
    assert_eq!(u32::from_str_radix(read.nc.0, 16), Ok(read.nc.1));
    assert!(read.nc.1 > 0 && !read.cnonce.is_empty() && !read.username.is_empty());
    // N5: a name that could be read in two ways is none.
    assert!(!read.username.contains(|letter: char| letter.is_control() || matches!(letter, '"' | '\\')));
}
