//! RFC 3261 §16.6 item 7 for a route of several targets: in which order they are tried (RFC 3263 §4.2, as RFC
//! 2782 orders SRV records).

use serde::{Deserialize, Serialize};

/// One target of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTarget {
    /// Where to, as a SIP URI.
    pub uri: String,
    /// Lower ones are tried first.
    pub priority: u16,
    /// The share of calls that begin here, among targets of one priority.
    pub weight: u16,
}

impl RouteTarget {
    /// The only target of a route.
    pub fn only(uri: impl Into<String>) -> Self {
        Self { uri: uri.into(), priority: 0, weight: 1 }
    }
}

/// The indexes of the targets in the order in which one call tries them: those that are usable, by priority
/// and, within one, drawn by weight; then the others, since a target that seems dead is better than none.
/// `roll(n)` gives a number below `n`.
pub fn trial_order(
    targets: &[RouteTarget],
    usable: &dyn Fn(usize) -> bool,
    roll: &mut dyn FnMut(u32) -> u32,
) -> Vec<usize> {
    let (up, down): (Vec<usize>, Vec<usize>) = (0..targets.len()).partition(|index| usable(*index));
    let mut order = Vec::with_capacity(targets.len());
    for mut rest in [up, down] {
        rest.sort_by_key(|index| targets[*index].priority);
        while let Some(first) = rest.first() {
            let priority = targets[*first].priority;
            let same = rest.iter().take_while(|index| targets[**index].priority == priority).count();
            let weights: Vec<u16> = rest[..same].iter().map(|index| targets[*index].weight).collect();
            order.push(rest.remove(draw(&weights, roll)));
        }
    }
    order
}

/// The place that was drawn; nothing is rolled when there is nothing to choose.
fn draw(weights: &[u16], roll: &mut dyn FnMut(u32) -> u32) -> usize {
    let total: u32 = weights.iter().map(|weight| u32::from(*weight)).sum();
    if weights.len() < 2 || total == 0 {
        return 0;
    }
    let mut left = roll(total);
    for (place, weight) in weights.iter().enumerate() {
        match left.checked_sub(u32::from(*weight)) {
            Some(rest) => left = rest,
            None => return place,
        }
    }
    weights.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(priority: u16, weight: u16) -> RouteTarget {
        RouteTarget { uri: format!("sip:{priority}-{weight}.example"), priority, weight }
    }

    fn order(targets: &[RouteTarget], down: &[usize], rolls: &[u32]) -> Vec<usize> {
        let mut rolls = rolls.iter();
        trial_order(targets, &|index| !down.contains(&index), &mut |_| *rolls.next().unwrap())
    }

    #[test]
    fn f7_lower_priorities_go_first_whatever_their_weight() {
        let targets = [target(2, 100), target(1, 1), target(3, 0)];
        assert_eq!(order(&targets, &[], &[]), [1, 0, 2]);
    }

    #[test]
    fn f7_a_target_that_is_down_goes_last_and_is_not_forgotten() {
        let targets = [target(1, 1), target(2, 1), target(3, 1)];
        assert_eq!(order(&targets, &[0], &[]), [1, 2, 0]);
        assert_eq!(order(&targets, &[0, 1, 2], &[]), [0, 1, 2]);
    }

    #[test]
    fn f7_within_a_priority_the_weight_is_the_share() {
        let targets = [target(1, 1), target(1, 3)];
        for (roll, first) in [(0, 0), (1, 1), (2, 1), (3, 1)] {
            assert_eq!(order(&targets, &[], &[roll])[0], first, "{roll}");
        }
        let three = [target(1, 10), target(1, 0), target(1, 30)];
        assert_eq!(
            order(&three, &[], &[10, 9]),
            [2, 0, 1],
            "without a weight only when nothing else is left"
        );
    }
}
