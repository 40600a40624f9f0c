//! Agents and lines, read whole into what the call path keeps in memory.

use std::sync::Arc;

use sqlx::{Connection, SqliteConnection};

use super::{Storage, StorageError, rules, shift, words};
use crate::presence::AgentId;
use crate::routing::rules::{RuleLimits, RuleSet};
use crate::routing::{Agent, Directory, Line};

impl Storage {
    /// All agents, lines and the rules in force, as one committed state.
    ///
    /// # Errors
    /// As every read.
    pub async fn directory(&self) -> Result<Directory, StorageError> {
        self.within(async {
            let mut connection = self.reader().await?;
            let mut transaction = connection.begin().await?;
            let mut directory = Directory::default();
            read_agents(&mut transaction, &mut directory).await?;
            read_lines(&mut transaction, &mut directory).await?;
            directory.calendar = shift::read_calendar(&mut transaction).await?;
            if let Some(text) = rules::read_active(&mut transaction).await? {
                directory.rules = compiled(&text);
            }
            transaction.commit().await?;
            Ok(directory)
        })
        .await
    }
}

/// Rules are checked when they are saved. When another version of the program saved what this one cannot
/// read, calls go on by the built-in steps.
fn compiled(text: &str) -> Arc<RuleSet> {
    let limits = RuleLimits { octets: usize::MAX, rules: usize::MAX, ..RuleLimits::default() };
    let set = RuleSet::parse(text, &limits).unwrap_or_else(|faults| {
        let fault = faults.first().map(ToString::to_string).unwrap_or_default();
        tracing::error!(%fault, "the rules in force cannot be read; calls go by the built-in steps");
        RuleSet::default()
    });
    Arc::new(set)
}

async fn read_agents(
    connection: &mut SqliteConnection,
    directory: &mut Directory,
) -> Result<(), StorageError> {
    let rows: Vec<(String, String, Option<String>, String, String)> =
        sqlx::query_as("SELECT id, name, kana, role, contact FROM agents")
            .fetch_all(&mut *connection)
            .await?;
    for (id, name, kana, role, contact) in rows {
        let id = AgentId::new(id);
        let role = words::read_role(&role)
            .ok_or_else(|| StorageError::Corrupt("an agent has no known role".to_owned()))?;
        let agent =
            Agent { id: id.clone(), name, kana, role, contact, groups: Vec::new(), skills: Vec::new() };
        directory.agents.insert(id, agent);
    }
    let groups: Vec<(String, String)> =
        sqlx::query_as("SELECT agent, group_name FROM agent_groups ORDER BY agent, position")
            .fetch_all(&mut *connection)
            .await?;
    for (agent, group) in groups {
        if let Some(agent) = directory.agents.get_mut(&AgentId::new(agent)) {
            agent.groups.push(group);
        }
    }
    let skills: Vec<(String, String)> =
        sqlx::query_as("SELECT agent, skill FROM agent_skills ORDER BY agent, position")
            .fetch_all(&mut *connection)
            .await?;
    for (agent, skill) in skills {
        if let Some(agent) = directory.agents.get_mut(&AgentId::new(agent)) {
            agent.skills.push(skill);
        }
    }
    Ok(())
}

async fn read_lines(
    connection: &mut SqliteConnection,
    directory: &mut Directory,
) -> Result<(), StorageError> {
    let rows: Vec<LineRow> = sqlx::query_as(
        "SELECT match_key, number, client, greeting_ja, greeting_en, group_name, assigned_first, \
         priority FROM lines",
    )
    .fetch_all(connection)
    .await?;
    for row in rows {
        let line = Line {
            number: row.number,
            key: row.match_key.clone(),
            client: row.client,
            greeting_ja: row.greeting_ja,
            greeting_en: row.greeting_en,
            group: row.group_name,
            assigned_first: row.assigned_first != 0,
            priority: u8::try_from(row.priority).unwrap_or(0),
        };
        directory.lines.insert(row.match_key, Arc::new(line));
    }
    Ok(())
}

#[derive(sqlx::FromRow)]
struct LineRow {
    match_key: String,
    number: String,
    client: String,
    greeting_ja: Option<String>,
    greeting_en: Option<String>,
    group_name: Option<String>,
    assigned_first: i64,
    priority: i64,
}
