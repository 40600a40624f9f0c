//! baresip: a real phone with sound, driven over its control connection.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::certificates::Identity;
use super::log::{Log, poll};
use super::process::Process;
use super::wav;

const START: Duration = Duration::from_secs(15);
const CONTROL_PORT: u16 = 4444;
const TONE_S: u32 = 60;

/// What to start.
pub struct Account<'a> {
    /// Its address; it listens on port 5060 there.
    pub ip: IpAddr,
    /// The address of record, for example `sip:a102@127.0.0.1`.
    pub aor: String,
    /// Further parameters of the account, for example `;auth_pass=x;answermode=auto`.
    pub parameters: &'a str,
    /// The tone it speaks, Hz.
    pub tone: f64,
}

/// A running baresip. It records what it hears.
pub struct Baresip {
    process: Process,
    control: TcpStream,
    recordings: PathBuf,
    /// Its events, as it reports them (`type` is for example `CALL_ESTABLISHED`).
    pub events: Arc<Log<Value>>,
}

impl Baresip {
    /// Starts it with its files in `folder`/`name` and waits until it can be driven.
    pub fn start(name: &str, account: &Account<'_>, folder: &Path) -> Self {
        Self::start_with(name, account, folder, "")
    }

    /// The same with TLS on port 5061, with this identity and believing this authority.
    pub fn start_with_tls(
        name: &str,
        account: &Account<'_>,
        folder: &Path,
        identity: &Identity,
        authority: &Path,
    ) -> Self {
        // It wants certificate and key in one file.
        let both = folder.join(format!("{name}-both.pem"));
        let parts =
            [&identity.certificate, &identity.key].map(|path| fs::read_to_string(path).expect("written"));
        write(&both, &parts.concat());
        let more = format!("sip_certificate {}\nsip_cafile {}\n", both.display(), authority.display());
        Self::start_with(name, account, folder, &more)
    }

    fn start_with(name: &str, account: &Account<'_>, folder: &Path, more: &str) -> Self {
        let home = folder.join(name);
        let recordings = home.join("recordings");
        fs::create_dir_all(&recordings).expect("the test's folder is writable");
        let tone = home.join("tone.wav");
        wav::write_tone(&tone, account.tone, TONE_S);
        write(&home.join("accounts"), &format!("<{}>{}\n", account.aor, account.parameters));
        write(&home.join("config"), &(configuration(account.ip, &tone, &recordings) + more));
        let mut command = Command::new("baresip");
        command.arg("-f").arg(&home);
        let process = Process::start(name, &mut command, folder);
        let address = SocketAddr::new(account.ip, CONTROL_PORT);
        let control = poll(START, || TcpStream::connect(address).ok());
        let control = control.unwrap_or_else(|| panic!("{name} does not start:\n{}", process.last_words()));
        let events = Arc::new(Log::default());
        let (reader, log) = (control.try_clone().expect("a socket can be cloned"), Arc::clone(&events));
        // It ends with the connection, which ends with the process.
        std::thread::spawn(move || read_events(reader, &log));
        Self { process, control, recordings, events }
    }

    /// Calls a SIP URI.
    pub fn dial(&mut self, uri: &str) {
        self.order("dial", uri);
    }

    /// Hangs up.
    pub fn hang_up(&mut self) {
        self.order("hangup", "");
    }

    /// Waits for an event; panics with those that came.
    pub fn wait_for(&self, event: &str, limit: Duration) -> Value {
        let look = |events: &[Value]| events.iter().find(|e| e["type"] == event).cloned();
        self.events.wait(limit, look).unwrap_or_else(|| {
            let seen = self.events.read(|events| format!("{events:#?}"));
            panic!("no {event} within {limit:?}: {seen}\n{}", self.process.last_words())
        })
    }

    /// Waits until it has heard `seconds` of sound and returns them (all that was recorded up to now).
    pub fn heard(&self, seconds: u32, limit: Duration) -> Vec<i16> {
        let enough = usize::try_from(wav::RATE_HZ * seconds).expect("a usize has 32 bits or more");
        let sound = poll(limit, || {
            let file = fs::read_dir(&self.recordings)
                .ok()?
                .filter_map(Result::ok)
                .map(|entry| entry.path())
                .find(|path| path.to_string_lossy().ends_with("-dec.wav"))?;
            Some(wav::read(&file)).filter(|samples| samples.len() >= enough)
        });
        sound.unwrap_or_else(|| panic!("{seconds} s of sound were not heard within {limit:?}"))
    }

    /// Waits for the `n`th (from 1) event of a kind.
    pub fn wait_for_nth(&self, event: &str, n: usize, limit: Duration) -> Value {
        let look = |events: &[Value]| events.iter().filter(|e| e["type"] == event).nth(n - 1).cloned();
        self.events.wait(limit, look).unwrap_or_else(|| {
            let seen = self.events.read(|events| format!("{events:#?}"));
            panic!("no {n} × {event} within {limit:?}: {seen}\n{}", self.process.last_words())
        })
    }

    /// Waits until the last second that it has heard in its newest call is as wanted; with that second when
    /// the time is over.
    pub fn hears_at_last(&self, limit: Duration, wanted: impl Fn(&[i16]) -> bool) -> Result<(), Vec<i16>> {
        let mut last = Vec::new();
        let heard = poll(limit, || {
            let sound = wav::read(&self.newest_recording()?);
            last = sound[sound.len().saturating_sub(wav::RATE_HZ as usize)..].to_vec();
            wanted(&last).then_some(())
        });
        heard.ok_or(last)
    }

    fn newest_recording(&self) -> Option<PathBuf> {
        let files = fs::read_dir(&self.recordings).ok()?.filter_map(Result::ok).map(|entry| entry.path());
        let heard = files.filter(|path| path.to_string_lossy().ends_with("-dec.wav"));
        heard.max_by_key(|path| fs::metadata(path).and_then(|file| file.modified()).ok())
    }

    fn order(&mut self, command: &str, parameters: &str) {
        let order = json!({ "command": command, "params": parameters, "token": command }).to_string();
        write!(self.control, "{}:{order},", order.len()).expect("baresip reads its orders");
    }
}

fn configuration(ip: IpAddr, tone: &Path, recordings: &Path) -> String {
    let tone = tone.display();
    let sound = format!(
        "audio_source aufile,{tone}\naudio_player aufile,{tone}\naudio_alert aufile,{tone}\n\
         ausrc_srate 8000\nauplay_srate 8000\nausrc_channels 1\nauplay_channels 1\n"
    );
    format!(
        "poll_method epoll\nsip_listen {ip}:5060\nnet_interface {ip}\nrtp_ports 30000-30100\n{sound}\
         snd_path {recordings}\nmodule_path {modules}\n\
         module g711.so\nmodule aufile.so\nmodule sndfile.so\nmodule_tmp uuid.so\nmodule_tmp account.so\n\
         module_app menu.so\nmodule ctrl_tcp.so\nctrl_tcp_listen {ip}:{CONTROL_PORT}\n",
        recordings = recordings.display(),
        modules = module_folder().display(),
    )
}

/// Debian has moved it between releases.
fn module_folder() -> PathBuf {
    let multiarch = fs::read_dir("/usr/lib").into_iter().flatten().filter_map(Result::ok);
    multiarch
        .map(|entry| entry.path().join("baresip/modules"))
        .find(|path| path.is_dir())
        .unwrap_or_else(|| PathBuf::from("/usr/lib/baresip/modules"))
}

/// The control connection speaks netstrings: `LENGTH:JSON,`.
fn read_events(mut stream: TcpStream, log: &Log<Value>) {
    let mut waiting = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(length) = stream.read(&mut buffer) {
        if length == 0 {
            return;
        }
        waiting.extend_from_slice(&buffer[..length]);
        while let Some((text, used)) = netstring(&waiting) {
            if let Ok(event) = serde_json::from_slice(text) {
                log.push(event);
            }
            waiting.drain(..used);
        }
    }
}

fn netstring(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let colon = bytes.iter().position(|byte| *byte == b':')?;
    let length: usize = std::str::from_utf8(&bytes[..colon]).ok()?.trim().parse().ok()?;
    let end = colon + 1 + length;
    (bytes.len() > end).then(|| (&bytes[colon + 1..end], end + 1))
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("the test's folder is writable");
}
