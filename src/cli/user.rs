//! `toritsugi user add`: a log-in, its password from standard input.

use std::io::{self, BufRead, IsTerminal as _, Read as _};

use console::Term;

use crate::presence::AgentId;
use crate::storage::{NewUser, Storage, StorageError, StorageSettings, UserRole, hash_password};

/// Characters of the shortest password.
const SHORTEST: usize = 8;

/// Octets of the longest.
const LONGEST: usize = 1024;

/// Adds a user. Creates and migrates the database. The password is one line of standard input; on a terminal
/// it is asked for twice and not shown. Answers the line to print.
///
/// # Errors
/// The lines to print.
pub fn add(
    name: &str,
    role: UserRole,
    agent: Option<&str>,
    settings: &StorageSettings,
) -> Result<String, Vec<String>> {
    check(name, role, agent)?;
    let password =
        if io::stdin().is_terminal() { ask(&Term::stderr()) } else { first_line(&mut io::stdin().lock()) };
    add_with(name, role, agent, settings, &password?)
}

/// Adds a user whose password is known: what [`add`] does after asking, and the demo without asking.
///
/// # Errors
/// The lines to print.
pub fn add_with(
    name: &str,
    role: UserRole,
    agent: Option<&str>,
    settings: &StorageSettings,
    password: &str,
) -> Result<String, Vec<String>> {
    check(name, role, agent)?;
    if password.chars().count() < SHORTEST || password.len() > LONGEST {
        return Err(vec![format!(
            "the password must have at least {SHORTEST} characters and at most {LONGEST} octets; choose \
             another"
        )]);
    }
    let told = |error: StorageError| vec![format!("{error}{}", remedy(&error))];
    let user = NewUser {
        name: name.to_owned(),
        role,
        agent: agent.map(AgentId::new),
        password_hash: hash_password(password).map_err(told)?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| vec![format!("cannot start: {error}")])?;
    runtime
        .block_on(async { Storage::create_and_migrate(settings).await?.add_user(&user).await })
        .map_err(told)?;
    Ok(format!("added the user {name} ({})", role.as_str()))
}

/// What can be known before a password is asked for.
fn check(name: &str, role: UserRole, agent: Option<&str>) -> Result<(), Vec<String>> {
    if name.trim().is_empty() || name.len() > 128 || name.chars().any(char::is_control) {
        return Err(vec!["the name must have 1 to 128 octets and no control characters".to_owned()]);
    }
    if role == UserRole::Agent && agent.is_none() {
        return Err(vec!["the role agent needs --agent ID, the agent whose screen it is".to_owned()]);
    }
    Ok(())
}

fn remedy(error: &StorageError) -> &'static str {
    match error {
        StorageError::Conflict(_) => "; import the agent first, or choose another name",
        StorageError::Locked => "; stop whatever writes to it, or try again",
        StorageError::Unavailable(_)
        | StorageError::Timeout
        | StorageError::Overloaded
        | StorageError::Corrupt(_)
        | StorageError::Migration(_)
        | StorageError::NotSupported(_)
        | StorageError::Invalid(_) => "",
    }
}

fn ask(terminal: &Term) -> Result<String, Vec<String>> {
    let read = |question: &str| {
        terminal.write_str(question).and_then(|()| terminal.read_secure_line()).map_err(unreadable)
    };
    let password = read("Password: ")?;
    if read("Again: ")? != password {
        return Err(vec!["the two passwords differ; try again".to_owned()]);
    }
    Ok(password)
}

/// The first line without its end; the line is read only as far as a password may go.
fn first_line(input: &mut impl BufRead) -> Result<String, Vec<String>> {
    let mut line = String::new();
    input.take(LONGEST as u64 + 3).read_line(&mut line).map_err(unreadable)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn unreadable(error: io::Error) -> Vec<String> {
    vec![format!("the password cannot be read from standard input: {error}")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::verify_password;

    fn settings(folder: &tempfile::TempDir) -> StorageSettings {
        StorageSettings::new(format!("sqlite:{}", folder.path().join("t.db").display()))
    }

    fn user(settings: &StorageSettings, name: &str) -> crate::storage::User {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let user = runtime.block_on(async { Storage::open(settings).await?.user(name).await });
        user.expect("an answer").expect("a user")
    }

    #[test]
    fn a_user_is_stored_with_an_argon2id_hash_of_19_mebibytes() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = settings(&folder);
        let line =
            add_with("suzuki", UserRole::Supervisor, None, &settings, "正しい馬 電池 針").expect("added");
        assert_eq!(line, "added the user suzuki (supervisor)");
        let user = user(&settings, "suzuki");
        assert!(user.password_hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", user.password_hash);
        assert!(verify_password("正しい馬 電池 針", &user.password_hash));
        assert!(!verify_password("正しい馬 電地 針", &user.password_hash));
    }

    #[test]
    fn a_name_that_is_taken_fails_and_keeps_the_old_password() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = settings(&folder);
        add_with("suzuki", UserRole::Admin, None, &settings, "password one").expect("added");
        let lines = add_with("suzuki", UserRole::Admin, None, &settings, "password two").expect_err("taken");
        assert_eq!(
            lines,
            ["the database refused the row: there is a user suzuki already; import the agent first, \
                 or choose \
              another name"]
        );
        assert!(verify_password("password one", &user(&settings, "suzuki").password_hash));
    }

    #[test]
    fn an_agents_user_needs_an_agent_that_exists() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = settings(&folder);
        let lines = add_with("sato", UserRole::Agent, None, &settings, "password").expect_err("no agent");
        assert_eq!(lines, ["the role agent needs --agent ID, the agent whose screen it is"]);
        let lines =
            add_with("sato", UserRole::Agent, Some("a9"), &settings, "password").expect_err("no agent");
        assert!(lines[0].contains("there is no agent a9"), "{lines:?}");
    }

    #[test]
    fn a_password_of_seven_characters_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let lines =
            add_with("sato", UserRole::Admin, None, &settings(&folder), "1234567").expect_err("short");
        assert!(lines[0].contains("at least 8 characters"), "{lines:?}");
    }

    #[test]
    fn the_password_is_the_first_line_with_its_spaces() {
        let read = |text: &str| first_line(&mut text.as_bytes()).expect("text");
        assert_eq!(read(" a b \r\nsecond\n"), " a b ");
        assert_eq!(read(""), "");
        assert!(read(&"x".repeat(5000)).len() > LONGEST, "still seen as too long");
    }
}
