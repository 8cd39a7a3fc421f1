//! What people and scripts read: colours on a terminal, plain text in a pipe, JSON on demand.

use std::io::Read as _;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
pub(crate) const ODD: Style = AnsiColor::Yellow.on_default();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const BOLD: Style = Style::new().bold();

/// A failure of the command itself.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) code: u8,
}

/// Wrong usage or configuration.
pub(crate) const USAGE: u8 = 2;
/// The keys, the store or the provider are out of reach.
pub(crate) const UNAVAILABLE: u8 = 3;

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: USAGE,
        }
    }
}

impl From<doorward::ConfigError> for Failure {
    fn from(error: doorward::ConfigError) -> Self {
        Self::usage(error.to_string())
    }
}

/// One line, styled on a terminal.
pub(crate) fn line(text: &str) {
    anstream::println!("{text}");
}

/// A JSON document on a line of its own.
pub(crate) fn document(value: &Value) {
    anstream::println!("{value:#}");
}

pub(crate) fn error(message: &str, as_json: bool) {
    if as_json {
        anstream::eprintln!("{}", json!({ "error": message }));
    } else {
        anstream::eprintln!("{BAD}error:{BAD:#} {message}");
    }
}

/// From now on, what the libraries have to say goes to standard error: lines, or JSON.
pub(crate) fn log_to_stderr(as_json: bool) {
    let log = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing_subscriber::filter::LevelFilter::INFO);
    // A second subscriber is refused, and the first one does as well.
    let _ = if as_json {
        log.json().try_init()
    } else {
        log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .try_init()
    };
}

/// Paints `text`.
pub(crate) fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// A token from the command line, or from standard input if it is `-` or missing. Bounded, and trimmed of the newline
/// that every shell adds.
pub(crate) fn token(argument: Option<&str>) -> Result<String, Failure> {
    const MOST: u64 = 1024 * 1024;
    let text = match argument {
        Some(text) if text != "-" => text.to_owned(),
        _ => {
            let mut text = String::new();
            std::io::stdin()
                .take(MOST)
                .read_to_string(&mut text)
                .map_err(|error| {
                    Failure::usage(format!("cannot read a token from standard input: {error}"))
                })?;
            text
        }
    };
    let text = text.trim();
    let token = text
        .get(..7)
        .filter(|start| start.eq_ignore_ascii_case("bearer "))
        .map_or(text, |_| text[7..].trim());
    if token.is_empty() {
        return Err(Failure::usage("there is no token; pass one, or pipe it in"));
    }
    Ok(token.to_owned())
}
