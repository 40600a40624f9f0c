//! Users who log in, and their sessions: both survive a kill -9.

use std::str::FromStr;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Storage, StorageError, words};
use crate::presence::AgentId;

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserRole {
    /// Answers calls; sees and sets only what is their own.
    Agent,
    /// Sees the team, sets others' presence.
    Supervisor,
    /// A supervisor of supervisors; sees the managers' board.
    Manager,
    /// Runs the system.
    Admin,
}

impl UserRole {
    /// The word of the command line, the database and the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Supervisor => "supervisor",
            Self::Manager => "manager",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for UserRole {
    type Err = StorageError;

    fn from_str(word: &str) -> Result<Self, StorageError> {
        match word {
            "agent" => Ok(Self::Agent),
            "supervisor" => Ok(Self::Supervisor),
            "manager" => Ok(Self::Manager),
            "admin" => Ok(Self::Admin),
            _ => Err(StorageError::Invalid("a role is agent, supervisor, manager or admin".to_owned())),
        }
    }
}

/// A user to be added.
#[derive(Clone, PartialEq, Eq)]
pub struct NewUser {
    /// The log-in name.
    pub name: String,
    /// The role.
    pub role: UserRole,
    /// The agent whose screen it is; required for [`UserRole::Agent`].
    pub agent: Option<AgentId>,
    /// The password's argon2id hash, as a PHC string.
    pub password_hash: String,
}

/// A user.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// The log-in name.
    pub name: String,
    /// The role.
    pub role: UserRole,
    /// The agent whose screen it is.
    pub agent: Option<AgentId>,
    /// The password's argon2id hash, as a PHC string.
    pub password_hash: String,
}

/// A session. The token itself is never stored.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredSession {
    /// SHA-256 of the token.
    pub token_hash: [u8; 32],
    /// The user's name.
    pub user: String,
    /// The user's agent.
    pub agent: Option<AgentId>,
    /// The user's role at log-in.
    pub role: UserRole,
    /// The token that a cookie's requests carry against forgery.
    pub csrf: String,
    /// When it ends; whoever reads it compares.
    pub expires_at: Timestamp,
}

impl Storage {
    /// Adds a user.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] when the name is taken or there is no such agent, [`StorageError::Invalid`]
    /// when an agent's user names no agent.
    pub async fn add_user(&self, user: &NewUser) -> Result<(), StorageError> {
        if user.role == UserRole::Agent && user.agent.is_none() {
            return Err(StorageError::Invalid("the role agent needs the id of an agent".to_owned()));
        }
        self.within(async {
            let mut connection = self.writer().await?;
            if let Some(agent) = &user.agent {
                let known: Option<i64> = sqlx::query_scalar("SELECT 1 FROM agents WHERE id = ?1")
                    .bind(agent.as_str())
                    .fetch_optional(&mut *connection)
                    .await?;
                known.ok_or_else(|| StorageError::Conflict(format!("there is no agent {agent}")))?;
            }
            let added = sqlx::query(
                "INSERT INTO users (name, role, agent, password_hash) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT (name) DO NOTHING",
            )
            .bind(&user.name)
            .bind(user.role.as_str())
            .bind(user.agent.as_ref().map(AgentId::as_str))
            .bind(&user.password_hash)
            .execute(&mut *connection)
            .await?;
            if added.rows_affected() == 0 {
                return Err(StorageError::Conflict(format!("there is a user {} already", user.name)));
            }
            Ok(())
        })
        .await
    }

    /// A user by name.
    ///
    /// # Errors
    /// As every read.
    pub async fn user(&self, name: &str) -> Result<Option<User>, StorageError> {
        self.within(async {
            let mut connection = self.reader().await?;
            let row: Option<(String, String, Option<String>, String)> =
                sqlx::query_as("SELECT name, role, agent, password_hash FROM users WHERE name = ?1")
                    .bind(name)
                    .fetch_optional(&mut *connection)
                    .await?;
            row.map(|(name, role, agent, password_hash)| {
                Ok(User { name, role: read_role(&role)?, agent: agent.map(AgentId::new), password_hash })
            })
            .transpose()
        })
        .await
    }

    /// Stores a session, or its new end.
    ///
    /// # Errors
    /// As every write; [`StorageError::Conflict`] when there is no such user.
    pub async fn save_session(&self, session: &StoredSession) -> Result<(), StorageError> {
        self.within(async {
            let mut connection = self.writer().await?;
            sqlx::query(
                "INSERT INTO sessions (token_hash, user_name, agent, role, csrf, expires_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                 ON CONFLICT (token_hash) DO UPDATE SET expires_at = excluded.expires_at",
            )
            .bind(hexadecimal(&session.token_hash))
            .bind(&session.user)
            .bind(session.agent.as_ref().map(AgentId::as_str))
            .bind(session.role.as_str())
            .bind(&session.csrf)
            .bind(words::moment(session.expires_at))
            .execute(&mut *connection)
            .await?;
            Ok(())
        })
        .await
    }

    /// A session by the hash of its token, expired or not.
    ///
    /// # Errors
    /// As every read.
    pub async fn session(&self, token_hash: &[u8; 32]) -> Result<Option<StoredSession>, StorageError> {
        self.within(async {
            let mut connection = self.reader().await?;
            let row: Option<(String, Option<String>, String, String, String)> = sqlx::query_as(
                "SELECT user_name, agent, role, csrf, expires_at FROM sessions WHERE token_hash = ?1",
            )
            .bind(hexadecimal(token_hash))
            .fetch_optional(&mut *connection)
            .await?;
            row.map(|(user, agent, role, csrf, expires_at)| {
                Ok(StoredSession {
                    token_hash: *token_hash,
                    user,
                    agent: agent.map(AgentId::new),
                    role: read_role(&role)?,
                    csrf,
                    expires_at: words::read_moment(&expires_at)?,
                })
            })
            .transpose()
        })
        .await
    }

    /// Ends a session; one that is not there is no error.
    ///
    /// # Errors
    /// As every write.
    pub async fn delete_session(&self, token_hash: &[u8; 32]) -> Result<(), StorageError> {
        self.within(async {
            let mut connection = self.writer().await?;
            sqlx::query("DELETE FROM sessions WHERE token_hash = ?1")
                .bind(hexadecimal(token_hash))
                .execute(&mut *connection)
                .await?;
            Ok(())
        })
        .await
    }

    /// Forgets the sessions that ended before `now`; answers how many.
    ///
    /// # Errors
    /// As every write.
    pub async fn delete_expired_sessions(&self, now: Timestamp) -> Result<u64, StorageError> {
        self.within(async {
            let mut connection = self.writer().await?;
            let done = sqlx::query("DELETE FROM sessions WHERE expires_at < ?1")
                .bind(words::moment(now))
                .execute(&mut *connection)
                .await?;
            Ok(done.rows_affected())
        })
        .await
    }
}

/// Hashes a password with argon2id (19 MiB, two passes, a random salt) into a PHC string. Takes tens of
/// milliseconds: not for an async thread.
///
/// # Errors
/// [`StorageError::Invalid`] when the password is too long for the algorithm.
pub fn hash_password(password: &str) -> Result<String, StorageError> {
    let refused = |error: &dyn std::fmt::Display| StorageError::Invalid(format!("the password: {error}"));
    let parameters = Params::new(19_456, 2, 1, None).map_err(|error| refused(&error))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters);
    let hash = argon2.hash_password(password.as_bytes()).map_err(|error| refused(&error))?;
    Ok(hash.to_string())
}

/// Whether a password is the one a PHC string was made of. As slow as [`hash_password`].
pub fn verify_password(password: &str, password_hash: &str) -> bool {
    PasswordHash::new(password_hash)
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

fn read_role(word: &str) -> Result<UserRole, StorageError> {
    word.parse().map_err(|_| StorageError::Corrupt("a user has no known role".to_owned()))
}

fn hexadecimal(octets: &[u8; 32]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
