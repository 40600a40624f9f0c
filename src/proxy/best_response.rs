//! RFC 3261 §16.7 item 6: which of the final responses goes upstream.

/// A final response of one branch, as far as the choice needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Final {
    /// The status, 300–699.
    pub status: u16,
    /// We made it ourselves (a timeout, a dead transport): a received 4xx is preferred to a local 408 (R4).
    pub local: bool,
}

/// The index of the best of the responses; `None` when there is none.
///
/// "It MUST choose from the 6xx class responses if any exist"; otherwise from the lowest class. Within the
/// class, responses that tell the caller how to try again (401, 407, 415, 420, 484) go first, those received
/// before those made here, earlier ones before later ones.
pub fn best_response(responses: &[Final]) -> Option<usize> {
    responses.iter().enumerate().min_by_key(|(_, response)| rank(**response)).map(|(index, _)| index)
}

/// The status that may go upstream: a 503 says that *this proxy* cannot be used, so one bad branch becomes
/// 500.
pub const fn status_upstream(status: u16) -> u16 {
    if status == 503 { 500 } else { status }
}

fn rank(response: Final) -> (u16, u8, bool) {
    let class = response.status / 100;
    let class_rank = if class == 6 { 0 } else { class };
    let hint = match response.status {
        401 | 407 | 415 | 420 | 484 => 0,
        503 | 408 => 2,
        _ => 1,
    };
    (class_rank, hint, response.local)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn received(status: u16) -> Final {
        Final { status, local: false }
    }

    const fn local(status: u16) -> Final {
        Final { status, local: true }
    }

    #[test]
    fn r4_best_response_over_all_branches() {
        let table: &[(&[Final], Option<usize>)] = &[
            (&[], None),
            (&[received(486)], Some(0)),
            (&[received(486), received(603)], Some(1)),
            (&[received(500), received(404)], Some(1)),
            (&[received(404), received(302)], Some(1)),
            (&[received(404), received(407)], Some(1)),
            (&[received(486), received(480)], Some(0)),
            (&[local(408), received(486)], Some(1)),
            (&[local(408), received(500)], Some(0)),
            (&[local(503), received(500)], Some(1)),
            (&[received(484), received(401)], Some(0)),
        ];
        for (responses, expected) in table {
            assert_eq!(best_response(responses), *expected, "{responses:?}");
        }
    }

    #[test]
    fn r4_503_goes_upstream_as_500() {
        assert_eq!(status_upstream(503), 500);
        assert_eq!(status_upstream(486), 486);
    }
}
