//! Which way media flows (RFC 3264 §5.1, §6.1).

use serde::{Deserialize, Serialize};

/// As the side sees it that wrote it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Direction {
    /// Both ways; also what is meant when nothing is said (RFC 8866 §6.7).
    #[default]
    SendRecv,
    /// It sends and does not listen: the other side is on hold.
    SendOnly,
    /// It listens.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// From who sends and who listens.
    pub const fn of(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// The attribute's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// Whether the writer sends.
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the writer listens.
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// What we may answer to an offer of this direction when we wish for `wish`: we send only to who listens
    /// and listen only to who sends (RFC 3264 §6.1).
    pub const fn answered(self, wish: Self) -> Self {
        Self::of(wish.sends() && self.receives(), wish.receives() && self.sends())
    }

    /// The attribute of that name.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive]
            .into_iter()
            .find(|direction| direction.as_str().as_bytes() == name)
    }
}
