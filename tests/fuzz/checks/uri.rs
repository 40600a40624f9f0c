//! URIs, name-addrs, Vias, parameters and called numbers, each from the octets alone.

use toritsugi::message::{NameAddr, Params, Uri, Via, percent_decode, split_values};
use toritsugi::proxy::next_hop;

/// The first octet chooses what the others are read as.
pub fn check(octets: &[u8]) {
    let Some((kind, text)) = octets.split_first() else { return };
    match kind % 5 {
        0 => uri(text),
        1 => name_addr(text),
        2 => via(text),
        3 => params(Params::of(text), text),
        _ => list(text),
    }
}

/// A URI's parts are pieces of it.
pub fn uri(text: &[u8]) {
    let Ok(uri) = Uri::parse(text) else { return };
    assert!(text.ends_with(uri.opaque));
    assert!(!text.iter().any(u8::is_ascii_whitespace), "a URI with white space");
    params(uri.params, text);
    if let Some(user) = uri.user {
        assert!(within(user, text));
        assert!(!user.is_empty() && percent_decode(user).len() <= user.len());
    }
    if let Some(headers) = uri.headers {
        assert!(within(headers, text));
    }
    if uri.is_sip() {
        assert!(uri.host != toritsugi::message::Host::Absent, "a SIP URI without host");
    }
    let _ = next_hop(&uri);
}

/// A name-addr's URI stands in it, and its tag is a token of its own.
pub fn name_addr(text: &[u8]) {
    let Ok(address) = NameAddr::parse(text) else { return };
    params(address.params, text);
    if let Some(shown) = address.display_text() {
        assert!(shown.len() <= text.len() * 3);
    }
    if let Some(tag) = address.tag() {
        assert!(within(tag, text));
    }
}

/// A Via's parts are pieces of it.
pub fn via(text: &[u8]) {
    let Ok(via) = Via::parse(text) else { return };
    assert!(within(via.as_bytes(), text));
    assert!(within(via.sent_by(), text) && within(via.host_bytes(), text));
    assert!(!via.host_bytes().is_empty(), "a Via without host");
    let _ = (via.transport(), via.host(), via.port(), via.rport(), via.received(), via.ttl());
    for piece in [via.branch(), via.maddr()].into_iter().flatten() {
        assert!(within(piece, text));
    }
    assert!(!via.has_rfc3261_branch() || via.branch().is_some());
}

fn params(params: Params<'_>, text: &[u8]) {
    let mut count = 0;
    for (name, value) in params.iter() {
        count += 1;
        assert!(!name.is_empty() && within(name, text), "a parameter without a name");
        assert!(value.is_none_or(|value| within(value, text)));
        let name = std::str::from_utf8(name);
        assert!(name.is_err() || name.is_ok_and(|name| params.has(name)), "a parameter is not found again");
    }
    assert!(count <= text.len());
}

/// Values are pieces in order, and none is empty.
fn list(text: &[u8]) {
    let mut behind = 0;
    for value in split_values(text) {
        let (start, end) = (value.range.start as usize, value.range.end as usize);
        assert!(behind <= start && start < end && end <= text.len());
        assert_eq!(&text[start..end], value.bytes);
        behind = end;
    }
}

fn within(piece: &[u8], text: &[u8]) -> bool {
    let whole = text.as_ptr_range();
    let part = piece.as_ptr_range();
    whole.start <= part.start && part.end <= whole.end || piece.is_empty()
}
