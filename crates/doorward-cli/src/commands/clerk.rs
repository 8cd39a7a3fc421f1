//! `doorward clerk`: every operation of Clerk's Backend API, by resource and verb, from the client's own table.

use std::ffi::OsString;
use std::io::{IsTerminal as _, Read as _};
use std::path::Path;
use std::process::ExitCode;

use clap::error::ErrorKind as UsageErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches, Subcommand};
use doorward::core::{Secret, Timestamp};
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
            print_list(call.operation, &list);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let answer = clerk.call_blocking(
        call.operation,
        call.arguments.clone(),
        CallOptions::default(),
    );
    let answer = answer.map_err(|error| failed(&clerk, call.operation, &error))?;
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
        let named = |name: &str| match std::env::var_os(name).map(OsString::into_string) {
            Some(Err(_)) => Err(Failure::usage(format!("{name}: is not UTF-8"))),
            Some(Ok(text)) if !text.is_empty() => Ok(Some(text)),
            _ => Ok(None),
        };
        let mut config = ClerkConfig {
            secret_key: named("CLERK_SECRET_KEY")?.map(Secret::new),
            machine_secret_key: named("CLERK_MACHINE_SECRET_KEY")?.map(Secret::new),
            ..ClerkConfig::default()
        };
        let url = match self.api_url.clone() {
            None => named("CLERK_API_URL")?,
            said => said,
        };
        if let Some(url) = url {
            config.base_url = url;
        }
        let missing = |key: &str| {
            Failure::usage(format!(
                "{key} is not set; it is read from the environment, and --dry-run needs none"
            ))
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
            let answer = answer.map_err(|error| failed(clerk, self.operation, &error))?;
            let read = read(&answer)?;
            Ok::<_, Failure>(List::read(Some(self.operation), read))
        };
        if !self.every_page {
            return page(self.arguments.clone());
        }
        let bar = progress();
        let mut all = page(walk.arguments(self.arguments.clone()))?;
        let mut step = walk.step(&all);
        while step == Step::More {
            show(&bar, &all);
            let next = page(walk.arguments(self.arguments.clone()))?;
            step = walk.step(&next);
            if step != Step::Stuck {
                all.items.extend(next.items);
            }
        }
        bar.finish_and_clear();
        if step == Step::Stuck {
            return Err(Failure {
                message: "the API gave a page twice; nothing is shown rather than a part"
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
        let mut headers = Map::new();
        if self.operation.auth != Auth::None {
            headers.insert("authorization".to_owned(), json!("Bearer ***"));
        }
        let version = &clerk.config().api_version;
        headers.insert("clerk-api-version".to_owned(), json!(version));
        if as_json {
            output::document(&json!({
                "method": request.method(),
                "url": url,
                "headers": headers,
                "body": body,
            }));
            return Ok(ExitCode::SUCCESS);
        }
        output::line(&format!("{} {url}", paint(BOLD, request.method())));
        for (name, value) in &headers {
            let value = value.as_str().unwrap_or_default();
            output::line(&paint(DIM, &format!("{name}: {value}")));
        }
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
fn failed(clerk: &Clerk, operation: &Operation, error: &ApiError) -> Failure {
    let code = match error.kind() {
        ErrorKind::Refused if error.status().is_some_and(|status| status < 500) => 1,
        ErrorKind::Arguments => output::USAGE,
        _ => UNAVAILABLE,
    };
    let mut message = error.to_string();
    match (error.kind(), error.status()) {
        (ErrorKind::Unreachable, _) => {
            let url = &clerk.config().base_url;
            message += &format!("; is the API at {url}? CLERK_API_URL and --api-url say where");
        }
        (_, Some(401)) => {
            message += "; the key comes from CLERK_SECRET_KEY or, a machine's, from \
                        CLERK_MACHINE_SECRET_KEY";
        }
        _ => {}
    }
    if error.may_have_arrived() && operation.method != "GET" {
        message += "; it may have taken effect";
    }
    let message = message.chars().map(harmless).collect();
    Failure { message, code }
}

fn progress() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    ProgressBar::new_spinner()
}

/// How far it has come, and of how many if the API says that.
fn show(bar: &ProgressBar, so_far: &List<Value>) {
    let template = match so_far.total_count {
        Some(_) => "{bar:30} {pos}/{len}",
        None => "{spinner} {pos} so far",
    };
    if let Some(total) = so_far.total_count {
        bar.set_length(total);
    }
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_position(so_far.items.len() as u64);
    bar.tick();
}

fn print_object(fields: &Map<String, Value>) {
    let width = fields.keys().map(String::len).max().unwrap_or_default();
    for (name, value) in fields {
        let label = paint(DIM, &format!("{name:width$}"));
        output::line(&format!("{label}  {}", cell(value, LONGEST_VALUE)));
    }
}

/// The columns that tell items apart, as far as they have them and the terminal is wide.
fn print_list(operation: &Operation, list: &List<Value>) {
    let has = |name: &&str| {
        let told = |item: &Value| item.get(name).is_some_and(|value| !value.is_null());
        list.items.iter().any(told)
    };
    let mut columns: Vec<&str> = COLUMNS.into_iter().filter(has).take(MOST_COLUMNS).collect();
    let mut rows: Vec<Vec<String>> = list
        .items
        .iter()
        .map(|item| match columns.as_slice() {
            [] => vec![cell(item, LONGEST_VALUE)],
            columns => columns
                .iter()
                .map(|name| match (name.ends_with("_at"), item[*name].as_i64()) {
                    (true, Some(time)) => Timestamp::from_millis(time).to_string(),
                    _ => cell(&item[*name], LONGEST_CELL),
                })
                .collect(),
        })
        .collect();
    let widest = |at: usize| {
        let cells = rows.iter().map(|row| row[at].chars().count());
        cells.chain([columns[at].len()]).max().unwrap_or_default()
    };
    let mut widths: Vec<usize> = (0..columns.len()).map(widest).collect();
    if let Some((terminal_size::Width(room), _)) =
        terminal_size::terminal_size_of(std::io::stdout())
    {
        fit(&mut widths, room.into());
    }
    columns.truncate(widths.len());
    for row in &mut rows {
        for (cell, width) in row.iter_mut().zip(&widths) {
            shorten(cell, *width);
        }
        row.truncate(widths.len().max(1));
    }
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
    let more = match operation.is_paginated() {
        true => "; --all follows the pages",
        false => "",
    };
    let note = match list.total_count {
        Some(total) if total > shown as u64 => format!("{shown} of {total}{more}"),
        Some(_) => format!("{shown} in all"),
        None => format!("{shown} on this page{more}"),
    };
    output::line(&paint(DIM, &note));
}

/// Leaves out the last columns that have no room, then takes from the widest of the others until all have: but from the
/// first, for an id that was cut is none.
fn fit(widths: &mut Vec<usize>, room: usize) {
    let taken = |widths: &[usize], most: usize| {
        let (first, others) = widths.split_first().unwrap_or((&0, &[]));
        let others = others.iter().map(|width| 2 + *width.min(&most));
        first + others.sum::<usize>()
    };
    while widths.len() > 1 && taken(widths, NARROWEST) > room {
        widths.pop();
    }
    while taken(widths, usize::MAX) > room {
        match widths.iter_mut().skip(1).max() {
            Some(width) if *width > NARROWEST => *width -= 1,
            _ => return,
        }
    }
}

fn shorten(text: &mut String, most: usize) {
    if text.chars().count() > most {
        *text = text.chars().take(most.saturating_sub(1)).collect();
        text.push('…');
    }
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
    let mut letters = text.chars().map(harmless);
    let mut shown: String = letters.by_ref().take(most).collect();
    if letters.next().is_some() {
        shown.push('…');
    }
    shown
}

fn harmless(letter: char) -> char {
    match letter.is_control() {
        true => '\u{fffd}',
        false => letter,
    }
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
            .aliases(dashed(resource))
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
    let metadata = format!("{}/metadata", operation.path);
    let of_metadata = Table::get()
        .of_resource(operation.resource)
        .filter(|other| operation.method == "PATCH" && other.path == metadata)
        .map(|other| other.verb)
        .collect::<Vec<_>>();
    let elsewhere = match of_metadata.is_empty() {
        true => String::new(),
        false => format!("Metadata are changed by {}.", of_metadata.join(" and ")),
    };
    Command::new(operation.verb)
        .after_help(elsewhere)
        .visible_aliases(operation.aliases.iter().copied())
        .aliases(operation.verbs().filter_map(dashed))
        .about(about)
        .args(operation.parameters.iter().map(argument))
        .args(own.map(|own| own.help_heading("Call")))
        .args(operation.is_list().then(|| every_page.help_heading("Call")))
}

/// As people type it who know other commands.
fn dashed(name: &str) -> Option<String> {
    name.contains('_').then(|| name.replace('_', "-"))
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
            // A whole one goes as such: who reads `5.0` where an integer is meant may not.
            if let Ok(number) = text.parse::<i64>() {
                return Ok(number.into());
            }
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
Others on this machine can see what is typed: give passwords by --data @FILE, or --data - and a pipe.

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
/// No column is made narrower.
const NARROWEST: usize = 12;
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
    fn a_table_fits_the_terminal() {
        let fitted = |widths: &[usize], room| {
            let mut widths = widths.to_vec();
            fit(&mut widths, room);
            widths
        };
        assert_eq!(fitted(&[32, 10, 30], 80), [32, 10, 30]);
        assert_eq!(fitted(&[32, 10, 30], 70), [32, 10, 24]);
        assert_eq!(fitted(&[32, 20, 30], 70), [32, 17, 17]);
        assert_eq!(fitted(&[32, 20, 30], 50), [32, 16]);
        assert_eq!(fitted(&[32, 20, 30], 10), [32]);
        assert!(fitted(&[], 10).is_empty());
        let mut text = "grüße".to_owned();
        shorten(&mut text, 5);
        assert_eq!(text, "grüße");
        shorten(&mut text, 3);
        assert_eq!(text, "gr…");
    }

    #[test]
    fn numbers_are_whole_where_they_can_be() {
        let parameter = |verb, name| {
            let operation = Table::get().find("api_keys", verb).unwrap();
            operation.parameter(name).unwrap()
        };
        let read = |text: &str| value(parameter("list", "limit"), &[&text.to_owned()]);
        assert_eq!(read("5").unwrap().to_string(), "5");
        assert_eq!(read("5.5").unwrap().to_string(), "5.5");
        for wrong in ["NaN", "inf", "five", ""] {
            assert!(read(wrong).is_err(), "{wrong}");
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
