//! Reading a description (RFC 8866 §5, §9). What is not asked for is passed over unread; what is asked for
//! and cannot be read is a fault, because guessing where media goes is worse than refusing.

use std::net::IpAddr;

use super::direction::Direction;
use super::limits::{Limits, Malformed};
use super::media::{Connection, Description, Media, MediaKind, Origin, RtpMap, payload_type};

impl Description {
    /// Reads a body of `application/sdp`.
    ///
    /// # Errors
    ///
    /// When a limit is reached, the description does not begin with `v=0`, has no `o=`, or a line that we
    /// read is malformed (RFC 8866 §9).
    pub fn parse(body: &[u8], limits: &Limits) -> Result<Self, Malformed> {
        if body.len() > limits.bytes {
            return Err(Malformed("a description over the limit"));
        }
        let mut reader = Reader { limits, description: None, seen_version: false };
        let mut count = 0;
        for line in lines(body) {
            count += 1;
            if count > limits.lines {
                return Err(Malformed("too many lines"));
            }
            reader.line(line)?;
        }
        let description = reader.description.ok_or(Malformed("no o= line"))?;
        let lost = |media: &Media| media.port != 0 && description.connection_of(media).is_none();
        // RFC 8866 §5.7: a c= for the session, or one for each stream; a refused stream needs none.
        if description.media.iter().any(lost) {
            Err(Malformed("a stream without a c= line"))
        } else {
            Ok(description)
        }
    }
}

/// Lines without their ends; CRLF or LF alone (RFC 8866 §5), the last end may be missing.
fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    let body = body.strip_suffix(b"\r").unwrap_or(body);
    body.split(|octet| *octet == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

struct Reader<'a> {
    limits: &'a Limits,
    /// From the `o=` line on.
    description: Option<Description>,
    seen_version: bool,
}

impl Reader<'_> {
    fn line(&mut self, line: &[u8]) -> Result<(), Malformed> {
        if line.iter().any(|octet| matches!(octet, 0 | b'\r')) {
            return Err(Malformed("a NUL or a carriage return inside a line"));
        }
        let (kind, value) = match line {
            [kind, b'=', value @ ..] if kind.is_ascii_lowercase() => (*kind, value),
            _ => return Err(Malformed("a line that is not <letter>=<value>")),
        };
        if !self.seen_version {
            // RFC 8866 §5.1: v=0 is the first line and the only version.
            self.seen_version = kind == b'v' && value == b"0";
            return if self.seen_version { Ok(()) } else { Err(Malformed("it does not begin with v=0")) };
        }
        match kind {
            b'v' => Err(Malformed("a second v= line")),
            b'o' => self.origin(value),
            b'c' | b'm' | b'a' => self.of_media(kind, value),
            // RFC 8866 §5: other letters, those that are unknown too, are passed over.
            _ => Ok(()),
        }
    }

    fn origin(&mut self, value: &[u8]) -> Result<(), Malformed> {
        const FAULT: Malformed = Malformed("a malformed o= line");
        if self.description.is_some() {
            return Err(Malformed("a second o= line"));
        }
        let fields = words(value, 6).ok_or(FAULT)?;
        let [_user, session, version, network, _kind, _address] = fields.as_slice() else {
            return Err(FAULT);
        };
        if !is_number(session) || !is_number(version) || *network != "IN" {
            return Err(FAULT);
        }
        self.description = Some(Description {
            origin: Origin { session: (*session).to_owned(), version: (*version).to_owned() },
            connection: None,
            direction: None,
            fingerprint: false,
            media: Vec::new(),
        });
        Ok(())
    }

    fn of_media(&mut self, kind: u8, value: &[u8]) -> Result<(), Malformed> {
        let limits = self.limits;
        let description = self.description.as_mut().ok_or(Malformed("no o= line before"))?;
        if kind == b'm' {
            if description.media.len() >= limits.media {
                return Err(Malformed("too many m= lines"));
            }
            description.media.push(media(value, limits)?);
            return Ok(());
        }
        match (kind, description.media.last_mut()) {
            (b'c', Some(media)) => {
                // Several c= lines are for layers of multicast; we send to none of them.
                media.connection = Some(connection(value)?);
                Ok(())
            }
            (b'c', None) => {
                description.connection = Some(connection(value)?);
                Ok(())
            }
            (_, Some(media)) => media.attribute(value, limits),
            (_, None) => {
                let (name, _) = name_and_value(value);
                description.direction = Direction::named(name).or(description.direction);
                description.fingerprint |= name == b"fingerprint";
                Ok(())
            }
        }
    }
}

impl Media {
    fn attribute(&mut self, line: &[u8], limits: &Limits) -> Result<(), Malformed> {
        let (name, value) = name_and_value(line);
        match name {
            b"rtpmap" => {
                if self.maps.len() >= limits.formats {
                    return Err(Malformed("too many a=rtpmap lines"));
                }
                // RFC 8866 §6.6. One that cannot be read says nothing of a codec of ours.
                self.maps.extend(value.and_then(rtp_map));
            }
            b"fmtp" => {
                if self.fmtp.len() >= limits.formats {
                    return Err(Malformed("too many a=fmtp lines"));
                }
                let text = value.and_then(|value| std::str::from_utf8(value).ok());
                let pair = text.and_then(|text| text.split_once(' '));
                self.fmtp.extend(pair.map(|(format, rest)| (format.to_owned(), rest.trim().to_owned())));
            }
            b"ptime" => {
                // Some write a fraction; what is behind the point changes nothing.
                let whole =
                    value.unwrap_or_default().split(|octet| *octet == b'.').next().unwrap_or_default();
                let whole = std::str::from_utf8(whole).ok().map(str::trim);
                self.ptime_ms = whole.and_then(|text| text.parse().ok()).filter(|ptime| *ptime > 0);
            }
            b"crypto" => self.crypto = true,
            b"fingerprint" => self.fingerprint = true,
            // RFC 8866 §5.13: an attribute that is not understood is ignored.
            _ => self.direction = Direction::named(name).or(self.direction),
        }
        Ok(())
    }
}

/// `audio 49170 RTP/AVP 0 8 101` (RFC 8866 §5.14).
fn media(value: &[u8], limits: &Limits) -> Result<Media, Malformed> {
    const FAULT: Malformed = Malformed("a malformed m= line");
    let fields = words(value, limits.formats + 3).ok_or(FAULT)?;
    let [kind, port, protocol, formats @ ..] = fields.as_slice() else { return Err(FAULT) };
    if formats.is_empty() {
        return Err(FAULT);
    }
    // `49170/2`: several ports in a row; the first is the one we use.
    let port = port.split_once('/').map_or(*port, |(first, _)| first);
    let port = Some(port).filter(|text| is_number(text)).and_then(|text| text.parse().ok()).ok_or(FAULT)?;
    let kind_of = |name: &str| match name.to_ascii_lowercase().as_str() {
        "audio" => MediaKind::Audio,
        "video" => MediaKind::Video,
        "image" => MediaKind::Image,
        _ => MediaKind::Other,
    };
    Ok(Media {
        kind: kind_of(kind),
        kind_text: (*kind).to_owned(),
        port,
        protocol: (*protocol).to_owned(),
        formats: formats.iter().map(|format| (*format).to_owned()).collect(),
        connection: None,
        direction: None,
        maps: Vec::new(),
        fmtp: Vec::new(),
        ptime_ms: None,
        crypto: false,
        fingerprint: false,
    })
}

/// `IN IP4 192.0.2.1` (RFC 8866 §5.7); behind a slash stand the TTL and the count of multicast.
fn connection(value: &[u8]) -> Result<Connection, Malformed> {
    const FAULT: Malformed = Malformed("a malformed c= line");
    let fields = words(value, 3).ok_or(FAULT)?;
    let [network, kind, address] = fields.as_slice() else { return Err(FAULT) };
    if *network != "IN" {
        return Err(FAULT);
    }
    let bare = address.split_once('/').map_or(*address, |(bare, _)| bare);
    let is_name = |text: &str| {
        text.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_'))
            && text.bytes().any(|octet| octet.is_ascii_alphabetic())
    };
    match (bare.parse::<IpAddr>(), *kind) {
        (Ok(address @ IpAddr::V4(_)), "IP4") | (Ok(address @ IpAddr::V6(_)), "IP6") => {
            Ok(Connection::Address(address))
        }
        (Err(_), "IP4" | "IP6") if is_name(bare) => Ok(Connection::Name),
        _ => Err(FAULT),
    }
}

/// `101 telephone-event/8000` or `0 PCMU/8000/1`.
fn rtp_map(value: &[u8]) -> Option<RtpMap> {
    let fields = words(value, 2)?;
    let [payload, encoding] = fields.as_slice() else { return None };
    let mut parts = encoding.split('/');
    let (name, clock, channels) = (parts.next()?, parts.next()?, parts.next());
    Some(RtpMap {
        payload: payload_type(payload)?,
        encoding: name.to_owned(),
        clock_hz: Some(clock).filter(|text| is_number(text))?.parse().ok()?,
        channels: channels.map_or(Some(1), |text| text.parse().ok())?,
    })
}

/// `name:value` or `name`.
fn name_and_value(line: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b':', line) {
        Some(colon) => (&line[..colon], Some(&line[colon + 1..])),
        None => (line.trim_ascii_end(), None),
    }
}

/// The words of a line, at most `most`; `None` when there are more, or other octets than visible ASCII.
fn words(value: &[u8], most: usize) -> Option<Vec<&str>> {
    let text = std::str::from_utf8(value).ok()?;
    let visible = |word: &&str| word.bytes().all(|octet| octet.is_ascii_graphic());
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).take(most + 1).collect();
    (words.len() <= most && words.iter().all(visible)).then_some(words)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit())
}
