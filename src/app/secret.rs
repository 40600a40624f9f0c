//! The key behind our identifiers, kept beside the database: a restarted server still knows its own
//! Record-Routes.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rand::Rng as _;

use crate::config::{Config, DatabaseUrl};

/// The kept key, or a new one. A key that cannot be kept is used all the same, and said so: calls that are up
/// at a restart then cannot be hung up through us.
pub(super) fn kept(config: &Config) -> [u8; 32] {
    let Some(path) = path(config) else { return fresh() };
    match fs::read(&path) {
        Ok(octets) if octets.len() == 32 => octets.try_into().unwrap_or_else(|_| fresh()),
        Ok(_) | Err(_) => {
            let key = fresh();
            if let Err(error) = keep(&path, &key) {
                tracing::warn!(%error, path = %path.display(), "the key of our identifiers cannot be kept");
            }
            key
        }
    }
}

fn path(config: &Config) -> Option<PathBuf> {
    match &config.database.url {
        DatabaseUrl::Sqlite(path) => Some(path.with_extension("key")),
        DatabaseUrl::Postgres(_) => None,
    }
}

/// Readable by its owner alone, and never half written: it is renamed into its place.
fn keep(path: &Path, key: &[u8]) -> std::io::Result<()> {
    let beside = path.with_extension("key.new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(key)?;
    file.sync_all()?;
    fs::rename(beside, path)
}

fn fresh() -> [u8; 32] {
    let mut key = [0; 32];
    rand::rng().fill_bytes(&mut key);
    key
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_key_is_the_same_after_a_restart_and_nobody_else_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.database.url = DatabaseUrl::Sqlite(folder.path().join("house.db"));
        let first = kept(&config);
        assert_eq!(kept(&config), first);
        let mode = fs::metadata(folder.path().join("house.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_key_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.database.url = DatabaseUrl::Sqlite(folder.path().join("house.db"));
        fs::write(folder.path().join("house.key"), b"short").unwrap();
        let first = kept(&config);
        assert_eq!(kept(&config), first);
    }
}
