//! Agents with their groups and skills, and their status where the file gives one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::rows::{self, Column, Findings, Header, Row};
use super::writing::{Counts, Progress};
use super::{Fault, cells, customers};
use crate::presence::{AgentId, AgentStatus, Role, SetBy};
use crate::storage::presence::{self, StoredPresence};
use crate::storage::{StorageError, words};

const COLUMNS: &[Column] = &[
    Column { name: "id", required: true },
    Column { name: "name", required: true },
    Column { name: "kana", required: false },
    Column { name: "role", required: false },
    Column { name: "contact", required: false },
    Column { name: "groups", required: false },
    Column { name: "skills", required: false },
    Column { name: "status", required: false },
];

/// The agents of a file.
pub(super) struct Agents {
    header: Header,
    rows: Vec<Agent>,
}

struct Agent {
    line: u64,
    id: String,
    name: String,
    kana: Option<String>,
    role: Role,
    contact: String,
    groups: Vec<String>,
    skills: Vec<String>,
    status: Option<AgentStatus>,
}

/// Reads the file; `None` when its header is unusable.
pub(super) fn parse(text: &str, findings: &mut Findings) -> Option<Agents> {
    let mut agents = Vec::new();
    let mut lines: HashMap<String, u64> = HashMap::new();
    let header = rows::read(text, COLUMNS, findings, |row, findings| {
        let Some(agent) = parse_row(row, findings) else { return };
        match lines.entry(agent.id.clone()) {
            Entry::Vacant(place) => {
                place.insert(row.line);
                agents.push(agent);
            }
            Entry::Occupied(first) => {
                findings.faults.push(customers::twice(row.line, "id", &agent.id, *first.get()));
            }
        }
    })?;
    Some(Agents { header, rows: agents })
}

fn parse_row(row: &Row<'_>, findings: &mut Findings) -> Option<Agent> {
    let role = cells::word(row, "role", words::read_role, "agent, supervisor or manager", findings);
    Some(Agent {
        line: row.line,
        id: cells::id(row, "id", findings)?,
        name: row.verbatim("name").to_owned(),
        kana: row.optional("kana"),
        role: role.unwrap_or(Role::Agent),
        contact: cells::sip_uri(row, "contact", findings),
        groups: cells::list(row, "groups", findings),
        skills: cells::list(row, "skills", findings),
        status: cells::status(row, "status", findings),
    })
}

impl Agents {
    /// How many rows there are.
    pub(super) fn count(&self) -> usize {
        self.rows.len()
    }

    /// Writes everything. A column that the file lacks leaves what is there as it is.
    pub(super) async fn write(
        &self,
        connection: &mut SqliteConnection,
        now: Timestamp,
        progress: Progress<'_>,
        findings: &mut Findings,
    ) -> Result<Counts, StorageError> {
        let mut counts = Counts::default();
        for row in &self.rows {
            let known: Option<i64> = sqlx::query_scalar("SELECT 1 FROM agents WHERE id = ?1")
                .bind(&row.id)
                .fetch_optional(&mut *connection)
                .await?;
            self.write_agent(connection, row).await?;
            self.write_lists(connection, row).await?;
            write_status(connection, row, now, findings).await?;
            match known {
                Some(_) => counts.known += 1,
                None => counts.new += 1,
            }
            progress(counts.new + counts.known, self.rows.len() as u64);
        }
        Ok(counts)
    }

    async fn write_agent(&self, connection: &mut SqliteConnection, row: &Agent) -> Result<(), StorageError> {
        sqlx::query(
            "INSERT INTO agents (id, name, kana, role, contact) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, \
             kana = CASE WHEN ?6 THEN excluded.kana ELSE agents.kana END, \
             role = CASE WHEN ?7 THEN excluded.role ELSE agents.role END, \
             contact = CASE WHEN ?8 THEN excluded.contact ELSE agents.contact END",
        )
        .bind(&row.id)
        .bind(&row.name)
        .bind(&row.kana)
        .bind(words::role(row.role))
        .bind(&row.contact)
        .bind(self.header.has("kana"))
        .bind(self.header.has("role"))
        .bind(self.header.has("contact"))
        .execute(connection)
        .await?;
        Ok(())
    }

    async fn write_lists(&self, connection: &mut SqliteConnection, row: &Agent) -> Result<(), StorageError> {
        if self.header.has("groups") {
            sqlx::query("DELETE FROM agent_groups WHERE agent = ?1")
                .bind(&row.id)
                .execute(&mut *connection)
                .await?;
            for (position, group) in (0_i64..).zip(&row.groups) {
                sqlx::query("INSERT INTO agent_groups (agent, position, group_name) VALUES (?1, ?2, ?3)")
                    .bind(&row.id)
                    .bind(position)
                    .bind(group)
                    .execute(&mut *connection)
                    .await?;
            }
        }
        if self.header.has("skills") {
            sqlx::query("DELETE FROM agent_skills WHERE agent = ?1")
                .bind(&row.id)
                .execute(&mut *connection)
                .await?;
            for (position, skill) in (0_i64..).zip(&row.skills) {
                sqlx::query("INSERT INTO agent_skills (agent, position, skill) VALUES (?1, ?2, ?3)")
                    .bind(&row.id)
                    .bind(position)
                    .bind(skill)
                    .execute(&mut *connection)
                    .await?;
            }
        }
        Ok(())
    }
}

/// A file speaks for the shift calendar: it does not undo what the agent or a supervisor set, and without a
/// status it changes nobody's; a new agent begins offline.
async fn write_status(
    connection: &mut SqliteConnection,
    row: &Agent,
    now: Timestamp,
    findings: &mut Findings,
) -> Result<(), StorageError> {
    let agent = AgentId::new(row.id.as_str());
    let stored = presence::of(connection, &agent).await?;
    let status = match (&row.status, &stored) {
        (Some(status), Some(stored)) if *status == stored.status => return Ok(()),
        (Some(_), Some(stored)) if stored.set_by > SetBy::Shift => {
            let who = if stored.set_by == SetBy::Supervisor { "a supervisor" } else { "the agent" };
            let wrong = format!("the status stays as it is, because {who} set it");
            let remedy = "change it on the screen if it is wrong";
            findings.warnings.push(Fault::cell(row.line, "status", wrong, remedy));
            return Ok(());
        }
        (Some(status), _) => status.clone(),
        (None, Some(_)) => return Ok(()),
        (None, None) => AgentStatus::Offline,
    };
    let new = StoredPresence { agent, status, set_by: SetBy::Shift, since: now };
    presence::put(connection, &new, "import").await
}
