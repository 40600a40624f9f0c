//! The words a screen shows for the six states, and their codes on the wire.

use super::Presentation;

/// What the screen shows, in Japanese and English. A number is its own label.
pub fn label(presentation: &Presentation) -> (&str, &str) {
    match presentation {
        Presentation::Number(number) => (&number.national, &number.national),
        Presentation::Withheld => ("非通知", "Withheld"),
        Presentation::Payphone => ("公衆電話", "Payphone"),
        Presentation::OutOfArea => ("表示圏外", "Unavailable"),
        Presentation::ServiceConflict => ("通知不可", "Not available"),
        Presentation::Error => ("受信エラー", "Error"),
    }
}

impl Presentation {
    /// The code in `caller.presentation` of the pop and in the record.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Number(_) => "number",
            Self::Withheld => "withheld",
            Self::Payphone => "payphone",
            Self::OutOfArea => "out_of_area",
            Self::ServiceConflict => "service_conflict",
            Self::Error => "error",
        }
    }

    /// Whether the caller's number must not be looked up, shown, sent or logged.
    pub fn is_restricted(&self) -> bool {
        !matches!(self, Self::Number(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m082_every_restricted_state_has_its_words_and_its_code() {
        let rows = [
            (Presentation::Withheld, "withheld", "非通知", "Withheld"),
            (Presentation::Payphone, "payphone", "公衆電話", "Payphone"),
            (Presentation::OutOfArea, "out_of_area", "表示圏外", "Unavailable"),
            (Presentation::ServiceConflict, "service_conflict", "通知不可", "Not available"),
            (Presentation::Error, "error", "受信エラー", "Error"),
        ];
        for (state, code, ja, en) in rows {
            assert_eq!((state.code(), label(&state)), (code, (ja, en)));
            assert!(state.is_restricted());
        }
    }
}
