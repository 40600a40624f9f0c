//! [io] The media ports: sockets, files and the clock of what waiting callers hear, on a thread of their own.
//!
//! One socket for each stream, bound to the port of its description, because the other side must see our
//! packets come from there (symmetric RTP), and because a socket that is connected to the described address
//! lets the kernel drop what anybody else sends (N49). So there is nothing for `sendmmsg` to batch: it sends
//! from one socket. What is batched is the waking: the streams share ten phases 2 ms apart, and all of a
//! phase send at one waking, in bursts short enough for a switch.
//!
//! RTP has the even ports of the range. The odd one above is left alone on purpose: nothing is sent there,
//! and no other stream of ours ever has it, so that RTCP of one caller is never taken for the sound of
//! another.

mod counts;
mod files;
mod handle;
mod range;
mod stream;
mod turn;

use std::io;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use tokio::sync::mpsc::{Receiver, channel};

use super::MediaReport;
use range::PortRange;

pub use files::{Library, Sounds};
pub use handle::{MediaControl, MediaHandle};
use turn::Turns;

/// Orders that wait for the thread at most, beside four for each stream.
const ORDERS: usize = 1_024;

/// Reports that wait for the engine at most, beside one for each stream.
const REPORTS: usize = 1_024;

/// An address of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaAddress {
    /// What sockets are bound to; may be unspecified.
    pub bind: IpAddr,
    /// What stands in our descriptions.
    pub told: IpAddr,
}

/// What the media ports are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaSettings {
    /// For callers over IPv4.
    pub ipv4: Option<MediaAddress>,
    /// For callers over IPv6.
    pub ipv6: Option<MediaAddress>,
    /// The ports; RTP gets the even ones.
    pub ports: RangeInclusive<u16>,
    /// Streams at once.
    pub streams: usize,
}

/// Both ends of the media ports as everybody else has them.
pub struct Started {
    /// For the driver.
    pub handle: MediaHandle,
    /// What happened at the ports, for the driver.
    pub reports: Receiver<MediaReport>,
    /// For who reads the configuration again.
    pub control: MediaControl,
}

/// Starts the thread `toritsugi-media`. It ends when handle and control are gone.
///
/// # Errors
///
/// When the system gives no thread.
pub fn start(settings: MediaSettings, library: Arc<Library>) -> io::Result<Started> {
    let (orders_sender, orders) = sync_channel(ORDERS + 4 * settings.streams);
    let (reports_sender, reports) = channel(REPORTS + settings.streams);
    std::thread::Builder::new()
        .name("toritsugi-media".to_owned())
        .spawn(move || Turns::new(settings, library, orders, reports_sender).run())?;
    let control = MediaControl::new(orders_sender.clone());
    Ok(Started { handle: MediaHandle::new(orders_sender), reports, control })
}

#[cfg(test)]
mod tests;
