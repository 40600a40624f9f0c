//! The commands that ask or change something and end: explain, import, user add, check.

use std::path::Path;
use std::sync::Arc;

use crate::cli::explain::{Explanation, Question};
use crate::cli::{Failure, Table, UserRole, import as importing, user};
use crate::clock::{Moment, Now};
use crate::config::Config;
use crate::customer::CustomerCard;
use crate::identity::{Canonical, NumberKind, Presentation, Quality, TrunkContext, canon, canon_cell};
use crate::media::ports::Library;
use crate::presence::{AgentBook, AgentId};
use crate::routing::rules::{LintFacts, RuleFault, RuleSet, lint};
use crate::routing::{Abilities, Action, Background, CustomerFact, Directory, Facts, decide};
use crate::storage::import::{ImportedNumber, Table as StorageTable};
use crate::storage::{Storage, StorageError, UserRole as StorageRole};

use super::settings::{sounds, storage_settings, templates, trunk_context};
use super::world::read_directory;

/// Where a call would go now, or at the moment asked for, and why. Presence is as the database has it, so
/// that a running server's agents are seen.
///
/// # Errors
/// When the database cannot be read.
pub fn explain(config: Config, question: &Question) -> Result<Explanation, Failure> {
    let context = trunk_context(&config)?;
    let rules = question.rules.as_deref().map(|path| rules_of(path, &config)).transpose()?;
    let runtime = super::runtime()?;
    runtime.block_on(async {
        let storage = Storage::open(&storage_settings(&config)).await.map_err(|error| unreadable(&error))?;
        let (mut directory, statuses) = read_directory(&storage).await.map_err(|error| unreadable(&error))?;
        if let Some(rules) = rules {
            check_rules(&rules, &directory, &config)?;
            directory.rules = Arc::new(rules);
        }
        let now = Now { moment: Moment::ZERO, wall: question.at.unwrap_or_else(jiff::Timestamp::now) };
        let mut agents = AgentBook::new(false);
        agents.apply_directory(&directory, now);
        for stored in statuses.values() {
            agents.restore_status(&stored.agent, stored.status.clone(), stored.set_by, stored.since);
        }
        let called = canon(&question.to, &context);
        let presentation = presentation_of(&question.from, &context)?;
        let line = directory.lines.get(called.line_key()).map(AsRef::as_ref);
        let cards =
            cards_of(&storage, &presentation, line.is_some()).await.map_err(|error| unreadable(&error))?;
        let decision = decide(&Facts {
            at: now.wall,
            called: &called.national,
            line,
            emergency: called.kind == NumberKind::Emergency,
            presentation: &presentation,
            customer: fact_of(cards.as_deref()),
            agents: (&agents).into(),
            directory: &directory,
            tried: &[],
            background: Background {
                zone: Some(&config.guidance.time_zone),
                can: Abilities { callback: has_number(&presentation), ..Abilities::ALL },
                ..Background::default()
            },
        });
        explanation(&called, &decision)
    })
}

/// The rules of a file, or every fault with the file's name and its line.
fn rules_of(path: &Path, config: &Config) -> Result<RuleSet, Failure> {
    let name = path.display();
    let size = std::fs::metadata(path).map(|file| file.len()).unwrap_or_default();
    if size > config.rules.octets as u64 {
        return Err(Failure::of(format!("{name}: has {size} octets, and at most {}", config.rules.octets)));
    }
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::of(format!("--rules {name}: cannot read it: {error}")))?;
    RuleSet::parse(&text, &super::settings::rule_limits(config)).map_err(|faults| in_file(path, &faults))
}

fn check_rules(rules: &RuleSet, directory: &Directory, config: &Config) -> Result<(), Failure> {
    let facts = LintFacts { directory, emergency: &config.numbering.emergency };
    lint(rules, &facts).map(drop).map_err(|faults| Failure::lines_of(faults.iter().map(ToString::to_string)))
}

fn in_file(path: &Path, faults: &[RuleFault]) -> Failure {
    let name = path.display();
    Failure::lines_of(faults.iter().map(|fault| match fault.line {
        Some(line) => format!("{name}:{line}: {}", fault.what),
        None => format!("{name}: {}", fault.what),
    }))
}

pub(super) fn import(config: &Config, table: Table, file: &Path) -> Result<String, Failure> {
    let context = trunk_context(config)?;
    let table = match table {
        Table::Customers => StorageTable::Customers,
        Table::Agents => StorageTable::Agents,
        Table::Lines => StorageTable::Lines,
        Table::Contacts => StorageTable::Contacts,
        Table::Shifts => StorageTable::Shifts,
        Table::Holidays => StorageTable::Holidays,
    };
    let normalise = |cell: &str| imported_numbers(cell, &context);
    importing::run(table, file, &storage_settings(config), &normalise).map_err(Failure::lines_of)
}

pub(super) fn add_user(
    config: &Config,
    name: &str,
    role: UserRole,
    agent: Option<&str>,
) -> Result<String, Failure> {
    let role = match role {
        UserRole::Agent => StorageRole::Agent,
        UserRole::Supervisor => StorageRole::Supervisor,
        UserRole::Manager => StorageRole::Manager,
        UserRole::Admin => StorageRole::Admin,
    };
    user::add(name, role, agent, &storage_settings(config)).map_err(Failure::lines_of)
}

/// The templates, the region, the sounds, and the database where there is one already.
pub(super) fn check(config: &Config) -> Vec<String> {
    let mut faults = Vec::new();
    for failure in [templates(config).err(), trunk_context(config).err()].into_iter().flatten() {
        faults.extend(failure.lines().iter().cloned());
    }
    if let Err(failure) = super::settings::tls(config) {
        faults.extend(failure.lines().iter().cloned());
    }
    faults.extend(Library::load(&sounds(config)).err().unwrap_or_default());
    faults.extend(super::settings::no_media_address(config));
    let database = match &config.database.url {
        crate::config::DatabaseUrl::Sqlite(path) => path.exists(),
        crate::config::DatabaseUrl::Postgres(_) => true,
    };
    if database {
        faults.extend(database_fault(config));
    }
    faults
}

fn database_fault(config: &Config) -> Option<String> {
    let runtime = match super::runtime() {
        Ok(runtime) => runtime,
        Err(failure) => return Some(failure.to_string()),
    };
    runtime.block_on(async {
        match Storage::open(&storage_settings(config)).await {
            // An older schema is brought up to date by the next start.
            Ok(_) | Err(StorageError::Migration(_)) => None,
            Err(error) => Some(format!("[database] url: {error}")),
        }
    })
}

/// The numbers of one cell of a CSV file.
pub(super) fn imported_numbers(cell: &str, context: &TrunkContext) -> Vec<ImportedNumber> {
    let numbers = canon_cell(cell, context);
    let alone = numbers.len() == 1;
    numbers
        .into_iter()
        .map(|number| ImportedNumber {
            raw: if alone { cell.to_owned() } else { number.national.clone() },
            kind: serde_json::to_value(number.kind).ok().and_then(|kind| kind.as_str().map(str::to_owned)),
            extension: number.extension.clone(),
            note: note_of(number.quality).map(str::to_owned),
            e164: number.key,
        })
        .collect()
}

/// What an importer should know of a number that was not clean.
const fn note_of(quality: Quality) -> Option<&'static str> {
    match quality {
        Quality::Certain => None,
        Quality::ZeroRestored => Some("a leading zero was put back (0補完)"),
        Quality::PrefixStripped => Some("a carrier prefix was taken away"),
        Quality::Doubtful => Some("the number looks wrong and is kept as it is"),
        Quality::NotANumber => Some("this is no telephone number"),
    }
}

async fn cards_of(
    storage: &Storage,
    presentation: &Presentation,
    is_line: bool,
) -> Result<Option<Vec<CustomerCard>>, StorageError> {
    match presentation {
        Presentation::Number(number) if is_line => match &number.e164 {
            Some(e164) => storage.lookup(e164).await.map(Some),
            None => Ok(None),
        },
        Presentation::Number(_)
        | Presentation::Withheld
        | Presentation::Payphone
        | Presentation::OutOfArea
        | Presentation::ServiceConflict
        | Presentation::Error => Ok(None),
    }
}

/// Whether there is a number that could be called back.
const fn has_number(presentation: &Presentation) -> bool {
    matches!(presentation, Presentation::Number(_))
}

fn fact_of(cards: Option<&[CustomerCard]>) -> CustomerFact<'_> {
    match cards {
        None => CustomerFact::NotLookedUp("not_asked"),
        Some([]) => CustomerFact::None,
        Some([card]) => CustomerFact::One(card),
        Some(several) => CustomerFact::Several(several),
    }
}

/// A number, or one of the words of a restricted caller.
fn presentation_of(from: &str, context: &TrunkContext) -> Result<Presentation, Failure> {
    Ok(match from.to_ascii_lowercase().as_str() {
        "anonymous" | "withheld" => Presentation::Withheld,
        "payphone" => Presentation::Payphone,
        "unavailable" | "out_of_area" => Presentation::OutOfArea,
        "service_conflict" => Presentation::ServiceConflict,
        _ => {
            let number = canon(from, context);
            if number.key.is_none() && number.kind == NumberKind::Unknown {
                return Err(Failure::of(format!(
                    "--from {from}: not a telephone number; give one as people write it, or `anonymous`"
                )));
            }
            Presentation::Number(number.into())
        }
    })
}

fn explanation(called: &Canonical, decision: &crate::routing::Decision) -> Result<Explanation, Failure> {
    let all = serde_json::to_value(decision)
        .map_err(|error| Failure::of(format!("the decision cannot be printed: {error}")))?;
    let trace = all["trace"].as_array().cloned().unwrap_or_default();
    let (action, detail) = match &decision.action {
        Action::Untouched => ("untouched", serde_json::Value::Null),
        Action::Offer { agent, beside, reason } => {
            ("offer", serde_json::json!({"agent": agent, "beside": beside, "reason": reason.code()}))
        }
        Action::Wait { group, agent } => {
            ("wait", serde_json::json!({"group": group, "agent": agent.as_ref().map(AgentId::as_str)}))
        }
        Action::DefaultRoute { why } => ("default_route", serde_json::json!({"why": why})),
        Action::Forward { to } => ("forward", serde_json::json!({"to": to})),
        Action::Reject { status } => ("reject", serde_json::json!({"status": status})),
        Action::Park(park) => ("park", serde_json::json!({"mode": park.mode, "patience_s": park.patience_s})),
        Action::Callback => ("callback", serde_json::Value::Null),
    };
    let mut shown = serde_json::json!({"action": action, "rule": decision.rule, "called": called.national});
    if let (Some(shown), Some(detail)) = (shown.as_object_mut(), detail.as_object()) {
        shown.extend(detail.clone());
    }
    Ok(Explanation { decision: shown, trace })
}

fn unreadable(error: &StorageError) -> Failure {
    Failure::of(format!("{error}; import something, or start the server once, to create the database"))
}
