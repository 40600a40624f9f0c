//! `[sip] default_route` and `[[sip.route]]`: where a call goes when nothing else applies.

use std::str::FromStr;

use super::address::NextHop;
use super::document::Section;

/// Most targets of the default route.
const MOST: usize = 16;

/// One target of the default route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where to.
    pub hop: NextHop,
    /// Lower ones are tried first.
    pub priority: u16,
    /// The share of calls among targets of one priority.
    pub weight: u16,
}

impl Route {
    /// What `default_route` means: before all others.
    pub const fn first(hop: NextHop) -> Self {
        Self { hop, priority: 0, weight: 1 }
    }

    /// Every target: `default_route`, when it is written or when there is nothing else, and each
    /// `[[sip.route]]`.
    pub(super) fn read_all(section: &Section<'_>, default: NextHop) -> Vec<Self> {
        let written = section.has("default_route");
        let hop = section.text("default_route", default.clone(), NextHop::from_str);
        let further = section.sections("route");
        let mut routes = Vec::new();
        if written || further.is_empty() {
            routes.push(Self::first(hop));
        }
        for route in &further {
            if !route.has("uri") {
                route.fault_at("uri", "is missing; name the target, for example \"sip:192.0.2.21:5060\"");
            }
            routes.push(Self {
                hop: route.text("uri", default.clone(), NextHop::from_str),
                priority: route.number("priority", 0..=65_535, 1),
                weight: route.number("weight", 0..=65_535, 1),
            });
            route.refuse_unknown_keys();
        }
        if routes.len() > MOST {
            section.fault_at("route", "has more than 16 targets; a name with SRV records can hold more");
            routes.truncate(MOST);
        }
        routes
    }
}
