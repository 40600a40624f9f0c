//! `toritsugi check`: would it start? Every fault is a line; nothing is changed.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;

use super::{ConfigFile, Failure, say};
use crate::app;
use crate::config::{Config, DatabaseUrl, NextHop, PasswordSource, Protocol};

pub(super) fn run(file: &ConfigFile) -> Result<(), Failure> {
    let config = file.load()?;
    let mut faults = sockets(&config);
    faults.extend(files(&config));
    faults.extend(default_route(&config));
    faults.extend(database_file(&config));
    if faults.is_empty() {
        faults.extend(app::check(&config));
    }
    if faults.is_empty() { say(&summary(file.path(), &config)) } else { Err(Failure::lines_of(faults)) }
}

/// Binds everything that would be bound, all at once, so that two claims on one port meet here.
pub fn sockets(config: &Config) -> Vec<String> {
    let mut faults = Vec::new();
    let mut datagram_sockets = Vec::new();
    let mut listeners = Vec::new();
    for listen in &config.sip.listen {
        let bound = match listen.protocol {
            Protocol::Udp => UdpSocket::bind(listen.address).map(|socket| datagram_sockets.push(socket)),
            Protocol::Tcp | Protocol::Tls => {
                TcpListener::bind(listen.address).map(|listener| listeners.push(listener))
            }
        };
        faults.extend(bound.err().map(|error| not_bound(&format!("[sip] listen {listen}"), &error)));
    }
    let pages: [(&str, Option<SocketAddr>); 2] =
        [("[http] listen", Some(config.http.listen)), ("[metrics] listen", config.metrics.listen)];
    for (key, address) in pages {
        let Some(address) = address else { continue };
        match TcpListener::bind(address) {
            Ok(listener) => listeners.push(listener),
            Err(error) => faults.push(not_bound(&format!("{key} {address}"), &error)),
        }
    }
    faults
}

fn not_bound(what: &str, error: &std::io::Error) -> String {
    let kinds = [
        (ErrorKind::AddrInUse, "; is another server, or toritsugi itself, running there?"),
        (ErrorKind::AddrNotAvailable, "; this machine has no such address"),
        (ErrorKind::PermissionDenied, "; ports below 1024 need a privilege"),
    ];
    let advice = kinds.iter().find(|(kind, _)| *kind == error.kind()).map_or("", |(_, advice)| advice);
    format!("{what}: cannot listen: {error}{advice}")
}

/// Files that the configuration names must be readable.
fn files(config: &Config) -> Vec<String> {
    let tls = &config.sip.tls;
    let named = tls
        .certificate
        .iter()
        .flat_map(|(certificate, key)| [("[sip.tls] certificate", certificate), ("[sip.tls] key", key)])
        .chain(tls.client_ca.iter().map(|path| ("[sip.tls] client_ca", path)))
        .chain(tls.ca.iter().map(|path| ("[sip.tls] ca", path)))
        .chain(config.sip.peers.iter().filter_map(password_file))
        .chain(config.guidance.templates.iter().map(|path| ("[guidance] templates", path)));
    let fault = |(key, path): (&str, &std::path::PathBuf)| {
        let read = File::open(path).and_then(|mut file| file.read(&mut [0; 1]));
        read.err().map(|error| format!("{key}: cannot read {}: {error}", path.display()))
    };
    named.filter_map(fault).collect()
}

fn password_file(peer: &crate::config::Peer) -> Option<(&'static str, &std::path::PathBuf)> {
    match &peer.auth.as_ref()?.password {
        PasswordSource::File(path) => Some(("[sip.peer.auth] password_file", path)),
        PasswordSource::Environment(_) | PasswordSource::Plain(_) | PasswordSource::Hashes { .. } => None,
    }
}

/// A default route to ourselves would send each call round until Max-Forwards ends it.
fn default_route(config: &Config) -> Option<String> {
    config.sip.routes.iter().find_map(|route| route_to_ourselves(config, &route.hop))
}

fn route_to_ourselves(config: &Config, route: &NextHop) -> Option<String> {
    let ours = |address: SocketAddr| {
        let listens = |listen: SocketAddr| {
            listen.port() == address.port()
                && (listen.ip() == address.ip()
                    || (listen.ip().is_unspecified() && address.ip().is_loopback()))
        };
        config.sip.listen.iter().any(|listen| listen.protocol == route.protocol && listens(listen.address))
    };
    let is_advertised = route.target == config.sip.advertise || config.sip.own_names.contains(&route.target);
    (is_advertised || route.target.address().is_some_and(ours))
        .then(|| format!("[sip] the default route {} is toritsugi itself; name the PBX", route.uri))
}

/// A missing SQLite file is sound when it can be created; one that is there must be a database.
fn database_file(config: &Config) -> Option<String> {
    let DatabaseUrl::Sqlite(path) = &config.database.url else { return None };
    let name = path.display();
    let Ok(metadata) = fs::metadata(path) else {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        return tempfile_in(folder).err().map(|error| {
            format!(
                "[database] url: cannot create {name}: {error}; make the folder {} writable",
                folder.display()
            )
        });
    };
    if !metadata.is_file() {
        return Some(format!("[database] url: {name} is not a file"));
    }
    let mut magic = [0; 16];
    let opened = OpenOptions::new().read(true).write(true).open(path);
    match opened.and_then(|mut file| if metadata.len() == 0 { Ok(()) } else { file.read_exact(&mut magic) }) {
        Err(error) => Some(format!("[database] url: cannot open {name} for writing: {error}")),
        Ok(()) if metadata.len() > 0 && &magic != b"SQLite format 3\0" => {
            Some(format!("[database] url: {name} is not a SQLite database; name another file"))
        }
        Ok(()) => None,
    }
}

/// Creates and removes a file: the only test of a folder that believes in file systems and not in bits.
fn tempfile_in(folder: &Path) -> std::io::Result<()> {
    let path = folder.join(format!(".toritsugi-check-{}", std::process::id()));
    OpenOptions::new().write(true).create_new(true).open(&path)?;
    fs::remove_file(&path)
}

fn summary(path: &Path, config: &Config) -> String {
    let listen = config.sip.listen.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let peers = match config.sip.peers.len() {
        0 => "no [[sip.peer]]: nobody may send".to_owned(),
        count => format!("{count} peer(s)"),
    };
    format!("ok: {}; SIP on {listen}; {peers}; database {}", path.display(), config.database.url)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration whose sockets take any free port, in a folder of its own.
    fn config_in(folder: &Path, more: &str) -> Config {
        let text = format!(
            "[sip]\nlisten = [\"udp:127.0.0.1:0\"]\nadvertise = \"127.0.0.1:5060\"\n{more}\n\
             [http]\nlisten = \"127.0.0.1:0\"\n[metrics]\nlisten = \"127.0.0.1:0\"\n"
        );
        Config::parse(&text, folder).expect("sound")
    }

    #[test]
    fn a_missing_database_is_sound_when_its_folder_is_writable_and_is_not_created() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(database_file(&config_in(folder.path(), "")), None);
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
        let nowhere = config_in(&folder.path().join("missing"), "");
        let fault = database_file(&nowhere).expect("no such folder");
        assert!(fault.contains("make the folder"), "{fault}");
    }

    #[test]
    fn a_file_that_is_no_database_is_a_fault() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("toritsugi.db"), "id,name,kana,company\n").expect("written");
        let fault = database_file(&config_in(folder.path(), "")).expect("a CSV file");
        assert!(fault.contains("not a SQLite database"), "{fault}");
    }

    #[test]
    fn a_taken_port_is_named_with_its_key() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = taken.local_addr().expect("bound");
        let text = format!(
            "[http]\nlisten = \"{address}\"\n[sip]\nlisten = [\"udp:127.0.0.1:0\"]\n\
                            advertise = \"127.0.0.1:5060\"\n[metrics]\nlisten = \"\"\n"
        );
        let config = Config::parse(&text, Path::new("")).expect("sound");
        let faults = sockets(&config);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with(&format!("[http] listen {address}: cannot listen")), "{faults:?}");
    }

    #[test]
    fn two_claims_on_one_port_meet() {
        let folder = tempfile::tempdir().expect("a folder");
        let free = TcpListener::bind("127.0.0.1:0").expect("bound").local_addr().expect("bound");
        let mut config = config_in(folder.path(), "");
        config.http.listen = free;
        config.metrics.listen = Some(free);
        assert_eq!(sockets(&config).len(), 1);
    }

    #[test]
    fn a_default_route_to_ourselves_is_a_fault() {
        let folder = tempfile::tempdir().expect("a folder");
        let route = "default_route = \"sip:127.0.0.1:5060\"";
        assert!(default_route(&config_in(folder.path(), route)).is_some());
        assert_eq!(default_route(&config_in(folder.path(), "")), None);
    }

    #[test]
    fn a_missing_certificate_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = config_in(folder.path(), "[sip.tls]\ncertificate = \"c.pem\"\nkey = \"k.pem\"");
        assert_eq!(files(&config).len(), 2);
    }
}
