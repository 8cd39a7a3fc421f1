//! `doorward clerk`: every operation of Clerk's Backend API, by resource and verb, from the client's own table.

use std::io::{IsTerminal as _, Read as _};
use std::path::Path;
use std::process::ExitCode;

use clap::error::ErrorKind as UsageErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches, Subcommand};
use doorward::core::Secret;
use doorward_clerk::table::{Auth, Place, Shape};
use doorward_clerk::{
    ApiError, Arguments, CallOptions, Clerk, ClerkConfig, ErrorKind, List, Operation, Parameter,
    Request, Response, Step, Table, Upload, Walk,
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};

use crate::output::{self, BOLD, DIM, Failure, UNAVAILABLE, paint};

/// A call, as it was typed.
#[derive(Debug)]
pub(crate) struct Call {
    operation: &'static Operation,
    arguments: Arguments,
    every_page: bool,
    dry_run: bool,
    api_url: Option<String>,
}

pub(crate) fn run(call: &Call, as_json: bool) -> Result<ExitCode, Failure> {
    if call.dry_run {
        return call.show(as_json);
    }
    let clerk = call.client()?;
    if call.operation.is_list() {
        let list = call.list(&clerk)?;
        if as_json {
            output::document(&json!({ "data": list.items, "total_count": list.total_count }));
        } else {
            print_list(&list);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let answer = clerk.call_blocking(
        call.operation,
        call.arguments.clone(),
        CallOptions::default(),
    );
    let answer = answer.map_err(|error| failed(&error))?;
    match call.operation.shape {
        Shape::Text if !as_json => output::line(&answer.text()),
        Shape::Text => output::document(&json!(answer.text())),
        _ => {
            let read = read(&answer)?;
            match &read {
                Value::Object(fields) if !as_json => print_object(fields),
                Value::Null if !as_json => output::line("Done."),
                _ => output::document(&read),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Call {
    /// Where the environment says, or where the flag does.
    fn client(&self) -> Result<Clerk, Failure> {
        let named = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
        let mut config = ClerkConfig {
            secret_key: named("CLERK_SECRET_KEY").map(Secret::new),
            machine_secret_key: named("CLERK_MACHINE_SECRET_KEY").map(Secret::new),
            ..ClerkConfig::default()
        };
        if let Some(url) = self.api_url.clone().or_else(|| named("CLERK_API_URL")) {
            config.base_url = url;
        }
        let missing = |key: &str| {
            Failure::usage(format!("{key} is not set; it is read from the environment"))
        };
        let (secret, machine) = (&config.secret_key, &config.machine_secret_key);
        match self.operation.auth {
            _ if self.dry_run => {}
            Auth::Secret if secret.is_none() => return Err(missing("CLERK_SECRET_KEY")),
            Auth::Machine if machine.is_none() => return Err(missing("CLERK_MACHINE_SECRET_KEY")),
            Auth::Either if secret.is_none() && machine.is_none() => {
                return Err(missing("CLERK_SECRET_KEY or CLERK_MACHINE_SECRET_KEY"));
            }
            _ => {}
        }
        Clerk::with_config(config).map_err(|error| Failure::usage(error.to_string()))
    }

    /// One page, or all of them.
    fn list(&self, clerk: &Clerk) -> Result<List<Value>, Failure> {
        let mut walk = Walk::new(self.operation, &self.arguments);
        let page = |arguments: Arguments| {
            let answer = clerk.call_blocking(self.operation, arguments, CallOptions::default());
            let read = read(&answer.map_err(|error| failed(&error))?)?;
            Ok::<_, Failure>(List::read(Some(self.operation), read))
        };
        if !self.every_page {
            return page(self.arguments.clone());
        }
        let bar = progress();
        let mut all = page(walk.arguments(self.arguments.clone()))?;
        let mut step = walk.step(&all);
        while step == Step::More {
            if let Some(total) = all.total_count {
                bar.set_length(total);
            }
            bar.set_position(all.items.len() as u64);
            let next = page(walk.arguments(self.arguments.clone()))?;
            step = walk.step(&next);
            if step != Step::Stuck {
                all.items.extend(next.items);
            }
        }
        bar.finish_and_clear();
        if step == Step::Stuck {
            return Err(Failure {
                message: "the API gave the same page twice; nothing is shown rather than a part"
                    .to_owned(),
                code: 1,
            });
        }
        Ok(all)
    }

    /// What would be sent, with secrets masked.
    fn show(&self, as_json: bool) -> Result<ExitCode, Failure> {
        let request = self.operation.request(self.arguments.clone());
        let request: Request = request.map_err(|error| Failure::usage(error.to_string()))?;
        let clerk = self.client()?;
        let (url, body) = (clerk.url(&request), request.masked_body());
        let version = &clerk.config().api_version;
        if as_json {
            output::document(&json!({
                "method": request.method(),
                "url": url,
                "headers": { "authorization": "Bearer ***", "clerk-api-version": version },
                "body": body,
            }));
            return Ok(ExitCode::SUCCESS);
        }
        output::line(&format!("{} {url}", paint(BOLD, request.method())));
        output::line(&paint(DIM, "Authorization: Bearer ***"));
        output::line(&paint(DIM, &format!("Clerk-API-Version: {version}")));
        if let Some(body) = body {
            output::line("");
            output::document(&body);
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn read(answer: &Response) -> Result<Value, Failure> {
    answer.json().map_err(|error| Failure {
        message: format!("the answer is not JSON: {error}"),
        code: UNAVAILABLE,
    })
}

/// As the exit statuses have it: what the API refused is 1, wrong usage 2, and what was not answered 3.
fn failed(error: &ApiError) -> Failure {
    let code = match error.kind() {
        ErrorKind::Refused if error.status().is_some_and(|status| status < 500) => 1,
        ErrorKind::Arguments => output::USAGE,
        _ => UNAVAILABLE,
    };
    let mut message = error.to_string();
    if let Some(trace) = error.trace_id() {
        message += &format!(" (trace {trace})");
    }
    if error.may_have_arrived() && error.kind() != ErrorKind::Refused {
        message += "; it may have taken effect";
    }
    Failure { message, code }
}

fn progress() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn print_object(fields: &Map<String, Value>) {
    let width = fields.keys().map(String::len).max().unwrap_or_default();
    for (name, value) in fields {
        let label = paint(DIM, &format!("{name:width$}"));
        output::line(&format!("{label}  {}", cell(value, LONGEST_VALUE)));
    }
}

/// The columns that tell items apart, as far as they have them.
fn print_list(list: &List<Value>) {
    let has = |name: &&str| {
        let told = |item: &Value| item.get(name).is_some_and(|value| !value.is_null());
        list.items.iter().any(told)
    };
    let columns: Vec<&str> = COLUMNS.into_iter().filter(has).take(MOST_COLUMNS).collect();
    let rows: Vec<Vec<String>> = list
        .items
        .iter()
        .map(|item| match columns.as_slice() {
            [] => vec![cell(item, LONGEST_VALUE)],
            columns => columns
                .iter()
                .map(|name| cell(&item[*name], LONGEST_CELL))
                .collect(),
        })
        .collect();
    let widths: Vec<usize> = (0..columns.len())
        .map(|at| {
            let cells = rows.iter().map(|row| row[at].chars().count());
            cells.chain([columns[at].len()]).max().unwrap_or_default()
        })
        .collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells
            .zip(widths.iter().chain(std::iter::repeat(&0)))
            .map(|(cell, &width)| format!("{cell:width$}"))
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    if !columns.is_empty() {
        output::line(&paint(BOLD, &line(&mut columns.iter().copied())));
    }
    for row in &rows {
        output::line(&line(&mut row.iter().map(String::as_str)));
    }
    let shown = list.items.len();
    let note = match list.total_count {
        Some(total) if total > shown as u64 => format!("{shown} of {total}; --all shows every one"),
        _ => format!("{shown} in all on this page"),
    };
    output::line(&paint(DIM, &note));
}

/// A value on one line. What a provider says may hold control characters, and a terminal would obey them.
fn cell(value: &Value, most: usize) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        // A user's addresses are what people know them by.
        Value::Array(items) if items.iter().all(|item| item["email_address"].is_string()) => {
            let addresses = items
                .iter()
                .filter_map(|item| item["email_address"].as_str());
            addresses.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    };
    let clean = |letter: char| {
        if letter.is_control() {
            '\u{fffd}'
        } else {
            letter
        }
    };
    let mut letters = text.chars().map(clean);
    let mut shown: String = letters.by_ref().take(most).collect();
    if letters.next().is_some() {
        shown.push('…');
    }
    shown
}

impl FromArgMatches for Call {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let wrong = |why: String| clap::Error::raw(UsageErrorKind::ValueValidation, why + "\n");
        let missing = || wrong("expected a resource and a verb".to_owned());
        let (resource, below) = matches.subcommand().ok_or_else(missing)?;
        let (verb, given) = below.subcommand().ok_or_else(missing)?;
        let operation = Table::get().find(resource, verb).ok_or_else(missing)?;
        let mut arguments = match given.get_one::<String>(DATA) {
            None => Arguments::new(),
            Some(text) => match content(text).and_then(|text| parsed(&text)) {
                Ok(Value::Object(fields)) => Arguments::from(fields),
                Ok(_) => return Err(wrong("--data: expected a JSON object".to_owned())),
                Err(why) => return Err(wrong(format!("--data: {why}"))),
            },
        };
        for parameter in &operation.parameters {
            let Some(texts) = given.get_many::<String>(parameter.name) else {
                continue;
            };
            let texts: Vec<&String> = texts.collect();
            let named = |why: String| wrong(format!("{}: {why}", flag(parameter)));
            arguments = if kind(parameter) == "file" {
                arguments.file(parameter.name, upload(texts[0]).map_err(named)?)
            } else {
                arguments.set(parameter.name, value(parameter, &texts).map_err(named)?)
            };
        }
        for name in given.get_many::<String>(NULL).into_iter().flatten() {
            arguments = arguments.set(name.replace('-', "_"), Value::Null);
        }
        Ok(Self {
            operation,
            arguments,
            every_page: operation.is_list() && given.get_flag(EVERY_PAGE),
            dry_run: given.get_flag(DRY_RUN),
            api_url: given.get_one::<String>(API_URL).cloned(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Subcommand for Call {
    fn augment_subcommands(command: Command) -> Command {
        command
            .about("Call Clerk's Backend API: any operation, by resource and verb")
            .after_help(EXAMPLES)
            .subcommand_required(true)
            .arg_required_else_help(true)
            .subcommand_value_name("RESOURCE")
            .subcommand_help_heading("Resources")
            // Reading the table takes a moment that no other command should wait for.
            .defer(resources)
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        Table::get().resources().contains(&name)
    }
}

fn resources(command: Command) -> Command {
    let all = Table::get().resources().into_iter().map(|resource| {
        let verbs = Table::get().of_resource(resource);
        Command::new(resource)
            .about(
                verbs
                    .map(|operation| operation.verb)
                    .collect::<Vec<_>>()
                    .join(", "),
            )
            .subcommand_required(true)
            .arg_required_else_help(true)
            .subcommand_value_name("VERB")
            .subcommand_help_heading("Verbs")
            .subcommands(Table::get().of_resource(resource).map(verb))
    });
    command.subcommands(all)
}

fn verb(operation: &'static Operation) -> Command {
    let advised_against = if operation.deprecated {
        "; deprecated"
    } else {
        ""
    };
    let about = format!("{} {}{advised_against}", operation.method, operation.path);
    let own = [
        Arg::new(DRY_RUN)
            .long("dry-run")
            .action(ArgAction::SetTrue)
            .help("Print the request, with secrets masked, and send nothing"),
        Arg::new(DATA)
            .long("data")
            .value_name("JSON")
            .help("Arguments as a JSON object; @FILE reads a file, - standard input. Flags win"),
        Arg::new(NULL)
            .long("null")
            .value_name("NAME")
            .action(ArgAction::Append)
            .help("Send this field as null, which clears it; may be repeated"),
        Arg::new(API_URL)
            .long("api-url")
            .value_name("URL")
            .help("Where the API is [default: CLERK_API_URL, else https://api.clerk.com/v1]"),
    ];
    let every_page = Arg::new(EVERY_PAGE)
        .long("all")
        .action(ArgAction::SetTrue)
        .help("Follow the pages to the end");
    Command::new(operation.verb)
        .visible_aliases(operation.aliases.iter().copied())
        .about(about)
        .args(operation.parameters.iter().map(argument))
        .args(own.map(|own| own.help_heading("Call")))
        .args(operation.is_list().then(|| every_page.help_heading("Call")))
}

fn argument(parameter: &'static Parameter) -> Arg {
    let argument = Arg::new(parameter.name).value_name(placeholder(parameter));
    if parameter.place == Place::Path {
        return argument.required(true);
    }
    let mut help = String::new();
    if kind(parameter).starts_with('\'') {
        help = kind(parameter).replace('\'', "").replace('|', ", ");
    }
    let mut note = |text: String| {
        let separator = if help.is_empty() { "" } else { " " };
        help += &format!("{separator}[{text}]");
    };
    if parameter.required {
        note("required".to_owned());
    }
    if let Some(default) = &parameter.default {
        note(format!("default: {}", cell(default, LONGEST_CELL)));
    }
    if parameter.deprecated {
        note("deprecated".to_owned());
    }
    let argument = argument
        .long(parameter.name.replace('_', "-"))
        .alias(parameter.name)
        .action(ArgAction::Append)
        .allow_hyphen_values(true)
        .help(help);
    if kind(parameter) == "boolean" {
        argument
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
    } else {
        argument
    }
}

fn flag(parameter: &Parameter) -> String {
    match parameter.place {
        Place::Path => parameter.name.to_owned(),
        _ => format!("--{}", parameter.name.replace('_', "-")),
    }
}

fn placeholder(parameter: &Parameter) -> String {
    match (parameter.place, kind(parameter)) {
        (Place::Path, _) => parameter.name.to_uppercase(),
        (_, "integer" | "number") => "NUMBER".to_owned(),
        (_, "time") => "MILLISECONDS".to_owned(),
        (_, "boolean") => "BOOLEAN".to_owned(),
        (_, "file") => "FILE".to_owned(),
        (_, text) if text == "string" || text.starts_with('\'') => "TEXT".to_owned(),
        _ => "JSON".to_owned(),
    }
}

/// The type of one value: of a list's items, without what says that it may be null.
fn kind(parameter: &Parameter) -> &'static str {
    let whole = parameter.type_text.trim_end_matches('?');
    let items = whole
        .strip_prefix('[')
        .and_then(|items| items.strip_suffix(']'));
    items.unwrap_or(whole).trim_end_matches('?')
}

fn value(parameter: &Parameter, texts: &[&String]) -> Result<Value, String> {
    let is_list = parameter.type_text.starts_with('[');
    let one = |text: &String| match kind(parameter) {
        "integer" | "time" => {
            let number = text.parse::<i64>().map(Value::from);
            number.map_err(|_| format!("{text:?} is no whole number"))
        }
        "number" => {
            let number = text.parse().ok().and_then(serde_json::Number::from_f64);
            let number = number.map(Value::Number);
            number.ok_or_else(|| format!("{text:?} is no number"))
        }
        "boolean" => {
            let truth = text.parse::<bool>().map(Value::from);
            truth.map_err(|_| format!("{text:?} is neither true nor false"))
        }
        kind if kind == "string" || kind.starts_with('\'') => Ok(Value::from(text.as_str())),
        _ => parsed(&content(text)?),
    };
    match texts {
        [text] if !is_list => one(text),
        _ if !is_list => Err("is given more than once".to_owned()),
        // Somebody wrote the whole list.
        [text] if matches!(parsed(text), Ok(Value::Array(_))) => parsed(text),
        texts => texts.iter().map(|text| one(text)).collect(),
    }
}

fn parsed(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}"))
}

/// The text itself, or what is in a file or on standard input.
fn content(text: &str) -> Result<String, String> {
    let read = |what: &str, result: std::io::Result<String>| {
        result.map_err(|error| format!("cannot read {what}: {error}"))
    };
    match text.strip_prefix('@') {
        Some(path) => read(path, std::fs::read_to_string(path)),
        None if text == "-" => {
            let mut told = String::new();
            let taken = std::io::stdin().take(MOST_INPUT).read_to_string(&mut told);
            read("standard input", taken.map(|_| told))
        }
        None => Ok(text.to_owned()),
    }
}

fn upload(path: &str) -> Result<Upload, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("cannot read {path}: {error}"))?;
    let file = Path::new(path);
    let extension = file.extension().and_then(|extension| extension.to_str());
    let content_type = match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    Ok(Upload {
        file_name: file.file_name().map_or_else(
            || "file".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        ),
        content_type: content_type.to_owned(),
        bytes,
    })
}

const EXAMPLES: &str = "\
Keys are read from the environment, never from flags: CLERK_SECRET_KEY, CLERK_MACHINE_SECRET_KEY.

Examples:
  doorward clerk users list --email-address ada@example.com --json
  doorward clerk users update user_29w… --first-name Ada --null last_name
  doorward clerk organizations create --name Acme --created-by user_29w… --dry-run
  doorward clerk users list --all --json > users.json";

// No parameter of the table is called so.
const DRY_RUN: &str = "dry-run";
const DATA: &str = "data-";
const NULL: &str = "null-";
const API_URL: &str = "api-url";
const EVERY_PAGE: &str = "all-";
/// What is known of most things, best first.
const COLUMNS: [&str; 16] = [
    "id",
    "name",
    "first_name",
    "last_name",
    "email_addresses",
    "email_address",
    "identifier",
    "slug",
    "role",
    "key",
    "status",
    "user_id",
    "url",
    "phone_number",
    "subject",
    "created_at",
];
const MOST_COLUMNS: usize = 6;
const LONGEST_CELL: usize = 40;
const LONGEST_VALUE: usize = 400;
/// Bytes read from standard input.
const MOST_INPUT: u64 = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// clap looks for names that clash only in what it builds.
    #[test]
    fn every_operation_can_be_typed() {
        let mut command = Call::augment_subcommands(Command::new("clerk"));
        command.build();
        command.clone().debug_assert();
        for operation in &Table::get().operations {
            let paths = operation
                .parameters
                .iter()
                .filter(|parameter| parameter.place == Place::Path);
            let mut typed = vec!["clerk", operation.resource, operation.verb];
            typed.extend(paths.map(|_| "id_1"));
            let matches = command.clone().try_get_matches_from(&typed);
            let matches = matches.unwrap_or_else(|error| panic!("{typed:?}: {error}"));
            let call = Call::from_arg_matches(&matches).unwrap();
            assert_eq!(call.operation.id, operation.id);
        }
    }

    #[test]
    fn what_would_move_a_cursor_is_not_printed() {
        assert_eq!(cell(&json!("a\u{1b}[2Jb"), 9), "a\u{fffd}[2Jb");
        assert_eq!(cell(&json!("abcdef"), 3), "abc…");
        let addresses = json!([{ "email_address": "a@example.com" }]);
        assert_eq!(cell(&addresses, 40), "a@example.com");
    }
}
