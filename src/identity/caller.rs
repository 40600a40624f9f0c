//! The caller as the rest of the house sees them.

use serde::{Deserialize, Serialize};

/// The six presentation states a Japanese user expects.
///
/// Only the first carries a number, so that a restricted one cannot be looked up, shown or logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presentation {
    /// The caller sent a number.
    Number(Number),
    /// 非通知: the caller chose not to send it (NTT letter P).
    Withheld,
    /// 公衆電話: a payphone (C).
    Payphone,
    /// 表示圏外: the network cannot deliver it (O).
    OutOfArea,
    /// 通知不可: interaction with another service (S).
    ServiceConflict,
    /// 受信エラー: malformed (E).
    Error,
}

/// What kind of number it is, by its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberKind {
    /// 0AB-J.
    Fixed,
    /// 060, 070, 080, 090.
    Mobile,
    /// 050.
    IpPhone,
    /// 0120, 0800.
    Freephone,
    /// 0570.
    NaviDial,
    /// 0990.
    Premium,
    /// 020, 0200.
    Pager,
    /// 110, 118, 119 and what the configuration adds.
    Emergency,
    /// 104, 117, #7119 and the like.
    Service,
    /// At most five digits, or the extension plan.
    Extension,
    /// A number of another country.
    Foreign,
    /// None of these, or not valid.
    Unknown,
}

/// A cleaned number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Number {
    /// The E.164 key (`+81312345678`) when the number has one; short codes and extensions have none.
    pub e164: Option<String>,
    /// As people write it (`03-1234-5678`).
    pub national: String,
    /// What kind it is.
    pub kind: NumberKind,
}

/// The caller of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// Which of the six states.
    pub presentation: Presentation,
    /// The display name as text: control characters removed, at most 64 characters. Untrusted; absent when
    /// restricted.
    pub display_name: Option<String>,
    /// A trusted peer vouches for the number: by P-Asserted-Identity unless its `verstat` says that
    /// validation failed, or by a `verstat` that passed. Never on the word of the message alone.
    pub asserted: bool,
    /// The first diverting number (`Diversion` or `History-Info`), shown as 転送元.
    pub diverted_by: Option<String>,
}
