//! The lot against tables, and against a lot so simple that it cannot be wrong.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::clock::Moment;
use crate::presence::AgentId;

fn at(seconds: u64) -> Moment {
    Moment::from_micros(seconds * 1_000_000)
}

fn agent(name: &str) -> AgentId {
    AgentId::new(name)
}

fn ringing(limit_s: u64) -> Arc<Profile> {
    let modes = vec![(ParkMode::Ringing, Duration::from_secs(limit_s))];
    Arc::new(Profile { modes, ..Profile::default() })
}

fn group(group: &str) -> Wish {
    Wish { group: Some(group.to_owned()), ..Wish::default() }
}

fn arrival(call: u32, wish: Wish, priority: u8) -> Arrival<u32> {
    Arrival { call, wish, priority, profile: ringing(170), mode: None }
}

fn lot(arrivals: impl IntoIterator<Item = (u64, Arrival<u32>)>) -> Lot<u32> {
    let mut lot = Lot::default();
    for (came, arrival) in arrivals {
        lot.park(arrival, 100, at(came)).unwrap();
    }
    lot
}

fn next(lot: &Lot<u32>, name: &str, groups: &[&str]) -> Option<u32> {
    lot.first_for(&agent(name), groups.iter().copied(), [], |_| true)
}

#[test]
fn a_waiter_near_the_end_of_all_modes_is_warned_of_once_also_after_an_offer_that_failed() {
    let profile = Arc::new(Profile {
        modes: vec![
            (ParkMode::Ringing, Duration::from_secs(20)),
            (ParkMode::EarlyMedia, Duration::from_secs(60)),
        ],
        ..Profile::default()
    });
    let mut lot = Lot::default();
    lot.warn_before(Some(Duration::from_secs(30)));
    lot.park(Arrival { profile: Arc::clone(&profile), ..arrival(1, group("front"), 0) }, 9, at(0)).unwrap();
    assert_eq!(lot.waiter(1).map(Waiter::over_at), Some(at(80)));
    assert_eq!(lot.poll_due(at(20)), Some((1, Due::Mode(ParkMode::EarlyMedia))));
    assert_eq!((lot.next_due(), lot.poll_due(at(49))), (Some(at(50)), None));
    let warning = Due::Warning { since: at(0), over: at(80) };
    assert_eq!(lot.poll_due(at(50)), Some((1, warning)));
    lot.offered(1);
    lot.park(Arrival { profile, ..arrival(1, group("front"), 0) }, 9, at(55)).unwrap();
    let rest: Vec<Due> = std::iter::from_fn(|| lot.poll_due(at(80))).map(|(_, due)| due).collect();
    assert_eq!(rest, [Due::Over { at_limit: AtLimit::DefaultRoute, since: at(0) }]);
}

#[test]
fn who_came_first_is_next_and_only_to_those_who_answer_for_the_group() {
    let lot = lot([(1, arrival(1, group("sales"), 0)), (2, arrival(2, group("front"), 0))]);
    assert_eq!(next(&lot, "a1", &["front", "sales"]), Some(1));
    assert_eq!(next(&lot, "a2", &["front"]), Some(2));
    assert_eq!(next(&lot, "a3", &["other"]), None);
}

#[test]
fn priority_is_a_head_start_and_no_class_of_its_own() {
    let plain_first = lot([(0, arrival(1, group("front"), 0)), (29, arrival(2, group("front"), 1))]);
    assert_eq!(next(&plain_first, "a1", &["front"]), Some(2), "29 s later with a head start of 30 s");
    let waited = lot([(0, arrival(1, group("front"), 0)), (31, arrival(2, group("front"), 1))]);
    assert_eq!(next(&waited, "a1", &["front"]), Some(1), "whoever waits long enough is before them");
}

#[test]
fn the_assignee_has_their_own_customer_before_others_who_came_a_little_earlier() {
    let wish = Wish { agent: Some(agent("a1")), ..group("front") };
    let lot = lot([(10, arrival(1, group("front"), 0)), (40, arrival(2, wish, 0))]);
    assert_eq!(next(&lot, "a1", &["front"]), Some(2));
    assert_eq!(next(&lot, "a2", &["front"]), Some(1), "for anybody else they stand where they came");
}

#[test]
fn nobody_is_overtaken_by_one_who_comes_later_than_the_longest_head_start() {
    let longest = MAX_HEAD_START.as_secs();
    let wish = Wish { agent: Some(agent("a1")), ..group("front") };
    let late = arrival(2, wish, TOP_PRIORITY);
    let behind = lot([(0, arrival(1, group("front"), 0)), (longest + 1, late.clone())]);
    assert_eq!(next(&behind, "a1", &["front"]), Some(1));
    let before = lot([(0, arrival(1, group("front"), 0)), (longest - 1, late)]);
    assert_eq!(next(&before, "a1", &["front"]), Some(2));
}

#[test]
fn the_group_is_asked_when_the_patience_for_one_agent_is_over() {
    let wish = Wish { agent: Some(agent("a1")), only_until: Some(at(30)), ..group("front") };
    let mut lot = lot([(1, arrival(1, wish, 0))]);
    assert_eq!(next(&lot, "a2", &["front"]), None, "only for a1");
    assert_eq!(next(&lot, "a1", &["front"]), Some(1));
    assert_eq!(lot.poll_due(at(29)), None);
    assert_eq!(lot.poll_due(at(30)), Some((1, Due::Patience)));
    assert_eq!(next(&lot, "a2", &["front"]), Some(1));
}

#[test]
fn the_patience_of_a_rule_is_over_once_and_the_caller_waits_on() {
    let wish = Wish { patience: Some(at(20)), ..group("front") };
    let mut lot = lot([(0, arrival(1, wish, 0))]);
    assert_eq!(next(&lot, "a1", &["front"]), Some(1), "anybody of the group may have them meanwhile");
    assert_eq!(lot.next_due(), Some(at(20)));
    assert_eq!(lot.poll_due(at(20)), Some((1, Due::Patience)));
    assert_eq!(lot.poll_due(at(20)), None);
    assert_eq!(lot.next_due(), Some(at(60)), "the next is the refresh");
    assert!(lot.is_in_line(1));
}

#[test]
fn whoever_has_the_skill_is_asked_and_nobody_else() {
    let wish = Wish { skill: Some("english".to_owned()), ..Wish::default() };
    let lot = lot([(0, arrival(1, wish, 0)), (1, arrival(2, group("front"), 0))]);
    let first =
        |skills: &[&'static str]| lot.first_for(&agent("a1"), ["front"], skills.iter().copied(), |_| true);
    assert_eq!((first(&["english"]), first(&["french"])), (Some(1), Some(2)));
    assert_eq!(lot.queues(2).get("front"), Some(&0), "nobody but the call itself");
    assert_eq!(lot.queues(1).get("front"), Some(&1));
}

#[test]
fn who_waits_already_goes_on_to_the_mode_that_is_asked_for_and_never_back() {
    let second = Duration::from_secs(1);
    let modes = [ParkMode::Ringing, ParkMode::EarlyMedia, ParkMode::Answered].map(|mode| (mode, 60 * second));
    let profile = Arc::new(Profile { modes: modes.to_vec(), ..Profile::default() });
    let with = |mode| Arrival { profile: Arc::clone(&profile), mode, ..arrival(1, group("front"), 3) };
    let mut lot = Lot::default();
    let mode_of = |parked: Result<Parked, NoPlace>| parked.map(|it| (it.stage.mode, it.stage.ends)).unwrap();
    assert_eq!(
        mode_of(lot.park(with(Some(ParkMode::EarlyMedia)), 9, at(0))),
        (ParkMode::EarlyMedia, at(60)),
        "from the mode that is asked for"
    );
    assert_eq!(mode_of(lot.park(with(Some(ParkMode::Ringing)), 9, at(10))), (ParkMode::EarlyMedia, at(60)));
    assert_eq!(mode_of(lot.park(with(None), 9, at(20))), (ParkMode::EarlyMedia, at(60)));
    assert_eq!(mode_of(lot.park(with(Some(ParkMode::Answered)), 9, at(30))), (ParkMode::Answered, at(90)));
    assert_eq!(lot.waiter(1).map(|waiter| (waiter.since, waiter.priority)), Some((at(0), 3)));
}

#[test]
fn a_full_lot_says_so_and_takes_again_when_somebody_has_left() {
    let mut lot = Lot::default();
    for call in 1..=3 {
        lot.park(arrival(call, group("front"), 0), 3, at(1)).unwrap();
    }
    assert_eq!(lot.park(arrival(4, group("front"), 9), 3, at(1)), Err(NoPlace::Full));
    assert_eq!(lot.leave(2).map(|waiter| waiter.call), Some(2));
    assert!(lot.leave(2).is_none(), "once");
    assert!(lot.park(arrival(4, group("front"), 9), 3, at(1)).is_ok());
    assert_eq!((lot.in_line(), lot.taken()), (3, 3));
}

#[test]
fn an_offer_keeps_the_place_and_the_time_goes_on() {
    let mut lot = lot([(0, arrival(1, group("front"), 0)), (5, arrival(2, group("front"), 0))]);
    lot.offered(1);
    assert_eq!((lot.in_line(), lot.taken()), (1, 2));
    assert_eq!(next(&lot, "a1", &["front"]), Some(2), "the one being offered is nobody's");
    let parked = lot.park(arrival(1, group("front"), 0), 100, at(12)).unwrap();
    assert_eq!((parked.again, parked.stage.ends), (true, at(170)));
    assert_eq!(next(&lot, "a1", &["front"]), Some(1), "it stands where it stood");
    lot.offered(1);
    assert_eq!(lot.park(arrival(1, group("front"), 0), 100, at(171)), Err(NoPlace::TimeOver));
    assert_eq!(lot.taken(), 1);
}

#[test]
fn d7_the_caller_is_told_each_minute_and_leaves_at_the_limit() {
    let mut lot = lot([(0, arrival(1, group("front"), 0))]);
    let mut told = Vec::new();
    while let Some(due) = lot.next_due() {
        told.push((due, lot.poll_due(due).unwrap()));
    }
    assert_eq!(
        told,
        [
            (at(60), (1, Due::Refresh(ParkMode::Ringing))),
            (at(120), (1, Due::Refresh(ParkMode::Ringing))),
            (at(170), (1, Due::Over { at_limit: AtLimit::DefaultRoute, since: at(0) })),
        ]
    );
    assert_eq!(lot.taken(), 0);
}

#[test]
fn the_next_mode_begins_when_the_time_in_one_is_over() {
    let modes =
        vec![(ParkMode::Ringing, Duration::from_secs(20)), (ParkMode::EarlyMedia, Duration::from_secs(40))];
    let profile = Arc::new(Profile { modes, at_limit: AtLimit::Refuse(480), ..Profile::default() });
    let mut lot = Lot::default();
    lot.park(Arrival { profile, ..arrival(1, group("front"), 0) }, 1, at(0)).unwrap();
    assert_eq!(lot.poll_due(at(20)), Some((1, Due::Mode(ParkMode::EarlyMedia))));
    assert_eq!(lot.poll_due(at(20)), None);
    assert_eq!(lot.poll_due(at(60)), Some((1, Due::Over { at_limit: AtLimit::Refuse(480), since: at(0) })));
}

#[test]
fn positions_are_counted_in_the_line_of_the_group() {
    let mut lot = lot([
        (0, arrival(1, group("sales"), 0)),
        (1, arrival(2, group("front"), 0)),
        (2, arrival(3, group("front"), 0)),
    ]);
    assert_eq!([1, 2, 3].map(|call| lot.position(call)), [1, 1, 2]);
    lot.offered(2);
    assert_eq!([1, 2, 3].map(|call| lot.position(call)), [1, 0, 1]);
}

#[test]
fn a_lot_that_was_written_out_goes_on_as_it_was() {
    let wish = Wish { agent: Some(agent("a1")), only_until: Some(at(30)), ..group("front") };
    let mut lot = lot([(1, arrival(1, group("front"), 0)), (2, arrival(2, wish, 3))]);
    lot.offered(1);
    let mut again: Lot<u32> = serde_json::from_str(&serde_json::to_string(&lot).unwrap()).unwrap();
    again.index();
    assert_eq!((again.in_line(), again.taken()), (1, 2));
    assert_eq!(again.next_due(), lot.next_due());
    assert_eq!(next(&again, "a1", &["front"]), Some(2));
    let parked = again.park(arrival(3, group("front"), 0), 9, at(3));
    assert!(parked.is_ok());
    assert_eq!(again.waiters().map(|waiter| waiter.call).collect::<Vec<_>>(), [1, 2, 3]);
}

/// What may happen to a lot.
#[derive(Clone, Debug)]
enum Step {
    Park { group: usize, wanted: Option<usize>, patience: u64, priority: u8 },
    Free { agent: usize, refuses: u32 },
    Back { which: usize },
    Leave { which: usize },
    Wait { seconds: u64 },
    Reborn,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..2_usize, proptest::option::of(0..3_usize), 0..60_u64, 0..=12_u8).prop_map(
            |(group, wanted, patience, priority)| Step::Park { group, wanted, patience, priority }
        ),
        4 => (0..3_usize, 0..5_u32).prop_map(|(agent, refuses)| Step::Free { agent, refuses }),
        2 => (0..20_usize).prop_map(|which| Step::Back { which }),
        1 => (0..20_usize).prop_map(|which| Step::Leave { which }),
        3 => (0..50_u64).prop_map(|seconds| Step::Wait { seconds }),
        1 => Just(Step::Reborn),
    ]
}

const GROUPS: [&str; 2] = ["front", "sales"];
const AGENTS: [(&str, &[&str]); 3] = [("a1", &["front"]), ("a2", &["front", "sales"]), ("a3", &["sales"])];
const PLACES: usize = 6;

/// Whom the agent must get, found by looking at everybody.
fn by_hand(lot: &Lot<u32>, name: &str, groups: &[&str], refuses: u32) -> Option<u32> {
    lot.waiters()
        .filter(|waiter| waiter.place == Place::InLine && waiter.call % 5 != refuses)
        .filter_map(|waiter| {
            let wanted = waiter.wish.agent.as_ref() == Some(&agent(name));
            let grouped = waiter.wish.only_until.is_none()
                && [&waiter.wish.group, &waiter.wish.skill]
                    .into_iter()
                    .flatten()
                    .any(|name| groups.contains(&name.as_str()));
            let rank = if wanted { waiter.rank_for_agent() } else { waiter.rank() };
            (wanted || grouped).then_some((rank, waiter.call))
        })
        .min()
        .map(|(_, call)| call)
}

proptest! {
    #[test]
    fn i8_i26_whatever_happens_the_right_one_is_next_and_everybody_ends_once(
        steps in proptest::collection::vec(step(), 1..120)
    ) {
        let mut lot = Lot::default();
        let (mut now, mut next_call) = (0_u64, 0_u32);
        let (mut inside, mut offered) = (BTreeSet::new(), BTreeSet::new());
        for step in steps {
            match step {
                Step::Park { group: index, wanted, patience, priority } => {
                    next_call += 1;
                    // Some wait for a skill, and nobody of a group.
                    let name = Some(GROUPS[index].to_owned());
                    let (group, skill) = if priority % 3 == 2 { (None, name) } else { (name, None) };
                    let wish = Wish {
                        agent: wanted.map(|wanted| agent(AGENTS[wanted].0)),
                        only_until: (patience > 30).then(|| at(now + patience)),
                        patience: (patience % 3 == 0).then(|| at(now + patience)),
                        group,
                        skill,
                    };
                    let taken = lot.park(arrival(next_call, wish, priority), PLACES, at(now));
                    prop_assert_eq!(taken.is_ok(), inside.len() < PLACES);
                    if taken.is_ok() {
                        inside.insert(next_call);
                    }
                }
                Step::Free { agent: index, refuses } => {
                    let (name, groups) = AGENTS[index];
                    let may = |call: u32| call % 5 != refuses;
                    let names = groups.iter().copied();
                    let first = lot.first_for(&agent(name), names.clone(), names, may);
                    prop_assert_eq!(first, by_hand(&lot, name, groups, refuses));
                    if let Some(call) = first {
                        lot.offered(call);
                        offered.insert(call);
                    }
                }
                Step::Back { which } => {
                    let Some(call) = offered.iter().nth(which % offered.len().max(1)).copied() else {
                        continue;
                    };
                    offered.remove(&call);
                    let wish = lot.waiter(call).unwrap().wish.clone();
                    if lot.park(arrival(call, wish, 0), PLACES, at(now)).is_err() {
                        inside.remove(&call);
                    }
                }
                Step::Leave { which } => {
                    let Some(call) = inside.iter().nth(which % inside.len().max(1)).copied() else {
                        continue;
                    };
                    prop_assert!(lot.leave(call).is_some());
                    prop_assert!(lot.leave(call).is_none());
                    inside.remove(&call);
                    offered.remove(&call);
                }
                Step::Wait { seconds } => {
                    now += seconds;
                    while let Some((call, due)) = lot.poll_due(at(now)) {
                        prop_assert!(!offered.contains(&call));
                        if let Due::Over { .. } = due {
                            prop_assert!(inside.remove(&call));
                        }
                    }
                }
                Step::Reborn => {
                    lot = serde_json::from_str(&serde_json::to_string(&lot).unwrap()).unwrap();
                    lot.index();
                }
            }
            prop_assert_eq!(lot.taken(), inside.len());
            prop_assert_eq!(lot.in_line(), inside.len() - offered.len());
            for waiter in lot.waiters().filter(|waiter| waiter.place == Place::InLine) {
                prop_assert!(waiter.stage.ends > at(now), "nobody waits beyond the limit");
            }
        }
    }
}
