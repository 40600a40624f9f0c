//! toritsugi itself: a configuration, data, users and the running server in a folder of its own.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::api::Api;
use super::desk::{Desk, Frame};
use super::log::{Log, poll};
use super::net::{Net, host};
use super::process::Process;

/// The password of every user in the tests.
pub const PASSWORD: &str = "correct horse battery staple";
/// The line that every test calls, as it is dialled.
pub const LINE: &str = "0120123456";
const READY: Duration = Duration::from_secs(30);

/// A folder with a configuration and a database, and the server when it has been started.
pub struct Site {
    /// The loopback network.
    pub net: Net,
    folder: TempDir,
    environment: Vec<(String, String)>,
    server: Option<Process>,
}

/// Callers for whom nobody is free go to the PBX at once, instead of waiting for the two agents there are.
pub const NOBODY_WAITS: &str = "[park]\nmodes = []\n\n";

/// What is tested: the program of this build, or another one, an installed one for example.
fn binary() -> std::ffi::OsString {
    std::env::var_os("TORITSUGI_TEST_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_toritsugi").into())
}

impl Site {
    /// A configuration in the contract's words; `more` is added at its end (further tables), and `routing`
    /// into `[routing]`.
    pub fn new(routing: &str, more: &str) -> Self {
        let net = Net::reserve();
        let folder = tempfile::tempdir().expect("the temporary folder is writable");
        let site = Self { net, folder, environment: Vec::new(), server: None };
        std::fs::write(site.config(), site.configuration(routing, more)).expect("the folder is writable");
        site
    }

    /// The folder: for logs of other parts too.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder().join("toritsugi.toml")
    }

    /// The database file.
    pub fn database(&self) -> PathBuf {
        self.folder().join("toritsugi.db")
    }

    /// Where SIP goes.
    pub fn sip(&self) -> SocketAddr {
        self.net.at(host::TORITSUGI, 5060)
    }

    /// Where the REST interface and the WebSocket are.
    pub fn http(&self) -> SocketAddr {
        self.net.at(host::TORITSUGI, 8080)
    }

    /// Where the agents' phones listen.
    pub fn phones(&self) -> SocketAddr {
        self.net.at(host::PHONES, 5060)
    }

    /// The default route.
    pub fn pbx(&self) -> SocketAddr {
        self.net.at(host::PBX, 5060)
    }

    /// Where callers come from.
    pub fn trunk(&self) -> SocketAddr {
        self.net.at(host::TRUNK, 5060)
    }

    /// A variable for the server's environment.
    pub fn environment(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Runs a subcommand with `--config`, with `input` on its standard input.
    pub fn command(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new(binary())
            .args(arguments)
            .arg("--config")
            .arg(self.config())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("cargo has built the command");
        let mut standard_input = child.stdin.take().expect("it was asked for");
        // A command that does not read its input closes it.
        let _ = standard_input.write_all(input.as_bytes());
        drop(standard_input);
        child.wait_with_output().expect("the command ends")
    }

    /// Imports a CSV table; panics with the command's own words when it fails.
    pub fn import(&self, table: &str, csv: &str) {
        let file = self.folder().join(format!("{table}.csv"));
        std::fs::write(&file, csv).expect("the folder is writable");
        let file = file.to_str().expect("temporary folders have plain names");
        self.expect(&["import", table, file], "");
    }

    /// Adds a log-in with [`PASSWORD`].
    pub fn add_user(&self, name: &str, role: &str, agent: Option<&str>) {
        let mut arguments = vec!["user", "add", name, "--role", role];
        if let Some(agent) = agent {
            arguments.extend(["--agent", agent]);
        }
        self.expect(&arguments, &format!("{PASSWORD}\n"));
    }

    /// Agents `a101`, `a102`, … at `host_port`, available, in group `support`, with a log-in of the same
    /// name each; the line [`LINE`] with that group.
    pub fn add_agents(&self, count: usize, host_port: &str) {
        self.add_agents_without_log_ins(count, host_port);
        for id in agent_ids(count) {
            self.add_user(&id, "agent", Some(&id));
        }
    }

    /// The same without log-ins, for tests without screens.
    pub fn add_agents_without_log_ins(&self, count: usize, host_port: &str) {
        let mut csv = "id,name,kana,role,contact,groups,skills,status\n".to_owned();
        for id in agent_ids(count) {
            writeln!(csv, "{id},担当 {id},タントウ,agent,sip:{id}@{host_port},support,,available")
                .expect("a String takes everything");
        }
        self.import("agents", &csv);
        self.import(
            "lines",
            &format!(
                "number,client,greeting_ja,greeting_en,group,assigned_first\n\
                 {LINE},青葉製作所,お電話ありがとうございます。青葉製作所でございます。,Thank you for calling Aoba.,support,true\n"
            ),
        );
    }

    /// Replaces a part of the configuration, which must be there.
    pub fn change(&self, old: &str, new: &str) {
        let text = std::fs::read_to_string(self.config()).expect("it has been written");
        assert!(text.contains(old), "{old} is not in the configuration");
        std::fs::write(self.config(), text.replace(old, new)).expect("the folder is writable");
    }

    /// Adds tables to the configuration.
    pub fn append(&self, tables: &str) {
        let text = std::fs::read_to_string(self.config()).expect("it has been written");
        std::fs::write(self.config(), format!("{text}\n{tables}")).expect("the folder is writable");
    }

    /// Starts the server and waits until it says it is ready.
    pub fn serve(&mut self) {
        self.serve_until("/healthz/ready");
    }

    /// Starts the server and waits until that path answers 200.
    pub fn serve_until(&mut self, healthy: &str) {
        let mut command = Command::new(binary());
        command.arg("serve").arg("--config").arg(self.config()).env("NO_COLOR", "1");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let mut server = Process::start("toritsugi", &mut command, self.folder());
        let api = Api::new(self.http());
        let ready = poll(READY, || {
            if let Some(status) = server.ended() {
                panic!("the server ended with {status}:\n{}", server.last_words());
            }
            api.try_get(healthy).filter(|answer| answer.status == 200)
        });
        assert!(ready.is_some(), "no 200 from {healthy} after {READY:?}:\n{}", server.last_words());
        self.server = Some(server);
    }

    /// The running server.
    pub fn server(&mut self) -> &mut Process {
        self.server.as_mut().expect("serve() was called")
    }

    /// A client logged in as `name`.
    pub fn log_in(&self, name: &str) -> Api {
        Api::log_in(self.http(), name, PASSWORD)
    }

    /// An open screen of the agent whose log-in is their id.
    pub fn open_desk(&self, agent: &str, log: &Arc<Log<Frame>>) -> Desk {
        Desk::open(self.http(), self.log_in(agent).token(), agent, log)
    }

    fn expect(&self, arguments: &[&str], input: &str) {
        let output = self.command(arguments, input);
        assert!(
            output.status.success(),
            "toritsugi {} ended with {}:\n{}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn configuration(&self, routing: &str, more: &str) -> String {
        let sip = self.sip();
        let peer = |name: &str, host: u8| {
            let ip = self.net.ip(host);
            format!("[[sip.peer]]\nname = \"{name}\"\naddresses = [\"{ip}/32\"]\ntrust_identity = true\n\n")
        };
        format!(
            "[sip]\nlisten = [\"udp:{sip}\", \"tcp:{sip}\"]\nadvertise = \"{sip}\"\n\
             default_route = \"sip:{pbx}\"\n\n\
             {trunk}{phones}{pbx_peer}\
             [http]\nlisten = \"{http}\"\n\n\
             [metrics]\nlisten = \"{metrics}\"\n\n\
             [database]\nurl = \"sqlite:toritsugi.db\"\n\n\
             [routing]\n{routing}\n\n{more}\n",
            pbx = self.pbx(),
            trunk = peer("carrier", host::TRUNK),
            phones = peer("phones", host::PHONES),
            pbx_peer = peer("pbx", host::PBX),
            http = self.http(),
            metrics = self.net.at(host::TORITSUGI, 9090),
        )
    }
}

/// `a101`, `a102`, …
pub fn agent_ids(count: usize) -> Vec<String> {
    (101..101 + count).map(|n| format!("a{n}")).collect()
}

/// The national form and the E.164 form of the `n`th caller.
pub fn caller(n: usize) -> (String, String) {
    (format!("03{:08}", 12_340_000 + n), format!("+813{:08}", 12_340_000 + n))
}
