//! Where the lines go: through a bounded queue to one thread that writes standard error.
//!
//! Nobody who logs ever waits: a reader that does not read costs lines, not calls (F12).

use std::io::{IsTerminal as _, Write as _};
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

use super::limiter::{Class, HeldBack, Limiter};
use super::line::{self, Fields, Head};
use super::metric;
use crate::config::{Log, LogFormat, LogLevel};

/// Lines that wait for the writer; about 2 MiB at most.
const QUEUE: usize = 4_096;
/// How long the end of the process waits for the last lines.
const FLUSH_WITHIN: Duration = Duration::from_millis(500);

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Logging was begun before.
    #[error("this process already writes a log")]
    Begun,
    /// The writer's thread could not be started.
    #[error("the log's thread cannot be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// Writes what is still queued when it is dropped: keep it until the process ends.
#[derive(Debug)]
#[must_use = "dropping it flushes the log"]
pub struct LogGuard {
    writer: SyncSender<ToWriter>,
}

/// Begins to log to standard error: JSON, one object a line; text on a terminal, plain with `NO_COLOR`.
pub fn init_log(settings: &Log) -> Result<LogGuard, LogError> {
    let (sender, receiver) = sync_channel(QUEUE);
    let limiter = Arc::new(Limiter::new(settings.lines_per_s));
    let form = form_of(settings.format);
    let layer = LineLayer { form, limiter: Arc::clone(&limiter), writer: sender.clone() };
    // Libraries are heard when they complain; their own words may carry what ours must not (N82).
    let ours =
        Targets::new().with_default(LevelFilter::WARN).with_target("toritsugi", level_of(settings.level));
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(ours));
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Begun)?;
    thread::Builder::new().name("log".to_owned()).spawn(move || write_lines(&receiver, &limiter, form))?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(LogGuard { writer: sender })
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let (done, flushed) = sync_channel(1);
        // A full queue means that nobody reads: then nothing is waited for.
        if self.writer.try_send(ToWriter::Flush(done)).is_ok() {
            let _late = flushed.recv_timeout(FLUSH_WITHIN);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Json,
    Text { colour: bool },
}

#[derive(Debug)]
enum ToWriter {
    Line(String),
    Flush(SyncSender<()>),
}

/// Turns events into lines.
struct LineLayer {
    form: Form,
    limiter: Arc<Limiter>,
    writer: SyncSender<ToWriter>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LineLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let at = Timestamp::now();
        let class = Class {
            target: metadata.target(),
            file: metadata.file().unwrap_or(""),
            line: metadata.line().unwrap_or(0),
        };
        if !self.limiter.admit(class, at.as_second()) {
            metrics::counter!(metric::DROPPED_LOG_LINES, "reason" => "held_back").increment(1);
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.inherit(outer);
            }
        }
        let head = Head { at, level: *metadata.level(), target: metadata.target() };
        if self.writer.try_send(ToWriter::Line(self.form.line(&head, &fields))).is_err() {
            metrics::counter!(metric::DROPPED_LOG_LINES, "reason" => "queue_full").increment(1);
        }
    }
}

impl Form {
    fn line(self, head: &Head<'_>, fields: &Fields) -> String {
        match self {
            Self::Json => line::json(head, fields),
            Self::Text { colour } => line::text(head, fields, colour),
        }
    }
}

/// The writer's thread: lines as they come, and each second the summaries of what was held back.
fn write_lines(receiver: &Receiver<ToWriter>, limiter: &Limiter, form: Form) {
    loop {
        let flushed = match receiver.recv_timeout(Duration::from_secs(1)) {
            Ok(ToWriter::Line(line)) => {
                write(&line);
                None
            }
            Ok(ToWriter::Flush(done)) => Some(done),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let now = Timestamp::now();
        for held_back in limiter.summaries(now.as_second()) {
            write(&summary(now, held_back, form));
        }
        if let Some(done) = flushed {
            // Whoever asked may have stopped waiting.
            let _gone = done.send(());
        }
    }
}

fn summary(at: Timestamp, held_back: HeldBack, form: Form) -> String {
    let HeldBack { class, lines } = held_back;
    let place = format!("{}:{}", class.file, class.line);
    let fields = Fields::of(
        format!("{lines} more lines like this were held back"),
        vec![("lines", lines.into()), ("class", place.into())],
    );
    form.line(&Head { at, level: Level::WARN, target: class.target }, &fields)
}

fn write(line: &str) {
    // A closed or broken standard error must not stop the process; there is nowhere left to say so.
    let _nowhere_to_say = std::io::stderr().lock().write_all(line.as_bytes());
}

fn form_of(format: LogFormat) -> Form {
    let terminal = std::io::stderr().is_terminal();
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let text = Form::Text { colour: terminal && !no_colour };
    match format {
        LogFormat::Auto if terminal => text,
        LogFormat::Auto | LogFormat::Json => Form::Json,
        LogFormat::Text => text,
    }
}

fn level_of(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

/// A panic is a bug of ours: one line with its place. Formatted messages may quote what a caller sent, so
/// only literal ones are written (N82).
fn log_panic(info: &PanicHookInfo<'_>) {
    let place = info.location().map_or_else(String::new, ToString::to_string);
    let why = info.payload().downcast_ref::<&'static str>().copied().unwrap_or("(message withheld)");
    let thread = thread::current();
    tracing::error!(place, why, thread = thread.name().unwrap_or(""), "panic");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines that `log` causes, with at most `lines_per_s` of a class.
    fn lines_of(lines_per_s: u32, log: impl FnOnce()) -> Vec<String> {
        let (writer, receiver) = sync_channel(QUEUE);
        let layer = LineLayer { form: Form::Json, limiter: Arc::new(Limiter::new(lines_per_s)), writer };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        let line = |message| match message {
            ToWriter::Line(line) => line,
            ToWriter::Flush(_) => String::new(),
        };
        receiver.try_iter().map(line).collect()
    }

    #[test]
    fn a_line_carries_the_fields_of_its_spans() {
        let lines = lines_of(100, || {
            let call = tracing::info_span!("call", call.id = "c-1", sip.call_id = tracing::field::Empty);
            call.record("sip.call_id", "abc@host\r\n");
            call.in_scope(|| tracing::info!(sip.status = 180, "ringing"));
        });
        let parsed: serde_json::Value = serde_json::from_str(&lines[0]).expect("one object");
        assert_eq!(parsed["call.id"], "c-1");
        assert_eq!(parsed["sip.call_id"], "abc@host␍␊");
        assert_eq!(parsed["sip.status"], 180);
        assert_eq!(parsed["message"], "ringing");
    }

    #[test]
    fn n42_a_flood_of_one_class_is_cut_and_another_class_is_heard() {
        let lines = lines_of(1, || {
            for _ in 0..1_000 {
                tracing::warn!("malformed");
            }
            tracing::info!("call begins");
        });
        // The flood may touch two seconds of the clock, hence at most two of its lines.
        assert!((2..=3).contains(&lines.len()), "{lines:?}");
        assert!(lines.last().is_some_and(|line| line.contains("call begins")));
    }

    #[test]
    fn n42_the_summary_says_how_many_and_where() {
        let class = Class { target: "toritsugi::transport", file: "src/transport/udp.rs", line: 12 };
        let line = summary(Timestamp::UNIX_EPOCH, HeldBack { class, lines: 9_900 }, Form::Json);
        let parsed: serde_json::Value = serde_json::from_str(&line).expect("one object");
        assert_eq!(parsed["message"], "9900 more lines like this were held back");
        assert_eq!(parsed["class"], "src/transport/udp.rs:12");
    }

    #[test]
    fn f12_a_log_that_nobody_reads_holds_nobody_up() {
        let (writer, receiver) = sync_channel(1);
        let layer = LineLayer { form: Form::Json, limiter: Arc::new(Limiter::new(1_000)), writer };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            for _ in 0..500 {
                tracing::info!("call begins");
            }
        });
        assert_eq!(receiver.try_iter().count(), 1);
    }
}
