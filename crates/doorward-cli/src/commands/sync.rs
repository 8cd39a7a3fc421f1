//! `doorward sync`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use doorward::core::Secret;
use doorward_sync::{Backfill, BackfillError, Inbox, Letter, Progress, Replay, Resource};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::json;

use crate::output::{self, BAD, BOLD, DIM, Failure, GOOD, ODD, UNAVAILABLE, paint};
use crate::store::{Store, block_on, now};

/// Look after the tables that follow the provider
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create the tables, or bring them to the newest version
    Migrate(Migrate),
    /// Show how the inbox and the tables stand
    Status(Status),
    /// Bring the users, organizations and memberships that exist already; run it again to resume it
    Backfill(Box<Fill>),
    /// Handle dead letters again, or any message by its id
    Replay(Again),
    /// Show the messages that failed too often
    DeadLetters(Letters),
}

#[derive(Debug, Args)]
pub(crate) struct Migrate {
    #[command(flatten)]
    store: Store,
    /// Only say what would be done; exit status 1 if there is something
    #[arg(long)]
    check: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    store: Store,
}

#[derive(Debug, Args)]
pub(crate) struct Fill {
    #[command(flatten)]
    store: Store,
    /// The Backend API. The instance's secret key is read from CLERK_SECRET_KEY
    #[arg(long, value_name = "URL", default_value = "https://api.clerk.com/v1")]
    api: String,
    /// Begin at the beginning, whatever earlier runs brought
    #[arg(long)]
    restart: bool,
    /// Objects in one page
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=500))]
    page_size: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Again {
    #[command(flatten)]
    store: Store,
    /// Messages by their ids, dead or done
    #[arg(value_name = "MESSAGE", required_unless_present = "all")]
    messages: Vec<String>,
    /// Every dead letter
    #[arg(long, conflicts_with = "messages")]
    all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Letters {
    #[command(flatten)]
    store: Store,
    /// At most so many, the latest first
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Show the whole payload, with the personal data in it
    #[arg(long)]
    payload: bool,
}

pub(crate) fn run(command: &Command, as_json: bool) -> Result<ExitCode, Failure> {
    block_on(async {
        match command {
            Command::Migrate(arguments) => migrate(arguments, as_json).await,
            Command::Status(arguments) => status(arguments, as_json).await,
            Command::Backfill(arguments) => backfill(arguments, as_json).await,
            Command::Replay(arguments) => replay(arguments, as_json).await,
            Command::DeadLetters(arguments) => dead_letters(arguments, as_json).await,
        }
    })
}

async fn migrate(arguments: &Migrate, as_json: bool) -> Result<ExitCode, Failure> {
    let steps = if arguments.check {
        let (database, schema) = arguments.store.open().await?;
        schema.pending(&database).await?
    } else {
        let (database, schema) = arguments.store.create().await?;
        schema.migrate(&database, now()).await?
    };
    if as_json {
        let names: Vec<_> = steps
            .iter()
            .map(|step| json!({ "version": step.version, "name": step.name }))
            .collect();
        let key = if arguments.check {
            "pending"
        } else {
            "applied"
        };
        output::document(&json!({ key: names }));
    } else if steps.is_empty() {
        output::line("The tables are at the newest version.");
    } else {
        let done = if arguments.check {
            "pending"
        } else {
            "applied"
        };
        for step in &steps {
            output::line(&format!(
                "{} {:04} {}",
                paint(GOOD, done),
                step.version,
                step.name
            ));
        }
    }
    Ok(if arguments.check && !steps.is_empty() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

async fn status(arguments: &Status, as_json: bool) -> Result<ExitCode, Failure> {
    let (database, schema) = arguments.store.open_migrated().await?;
    let inbox = Inbox::new(database, &schema);
    let now = now();
    let status = inbox.status(now).await?;
    let tables = inbox.tables().await?;
    let age = status
        .oldest_waiting
        .map(|then| now.millis_since(then).max(0) / 1000);
    if as_json {
        let tables: serde_json::Map<_, _> = tables
            .iter()
            .map(|table| {
                let told = json!({
                    "present": table.present, "deleted": table.deleted, "held": table.held,
                    "newest": table.newest.map(|at| at.to_string()),
                });
                (table.table.clone(), told)
            })
            .collect();
        output::document(&json!({
            "inbox": {
                "waiting": status.waiting, "in_hand": status.in_hand, "resting": status.resting,
                "done": status.done, "dead": status.dead, "oldest_waiting_seconds": age,
            },
            "tables": tables,
        }));
        return Ok(ExitCode::SUCCESS);
    }
    output::line(&paint(BOLD, "Inbox"));
    let row = |name: &str, value: &str| output::line(&format!("  {name:<18} {value}"));
    let waited = age.map_or_else(String::new, |age| format!("   (the oldest for {age} s)"));
    row("waiting", &format!("{}{waited}", status.waiting));
    row("in hand", &status.in_hand.to_string());
    row("resting", &status.resting.to_string());
    row("done", &status.done.to_string());
    let dead = status.dead.to_string();
    let style = if status.dead > 0 { BAD } else { DIM };
    row("dead letters", &paint(style, &dead));
    output::line(&paint(BOLD, "Tables"));
    for table in &tables {
        let held = if table.held > 0 {
            paint(ODD, &format!(", {} held back", table.held))
        } else {
            String::new()
        };
        let newest = table
            .newest
            .map_or_else(String::new, |at| paint(DIM, &format!("   {at}")));
        row(
            &table.table,
            &format!(
                "{} ({} deleted{held}){newest}",
                table.present, table.deleted
            ),
        );
    }
    Ok(ExitCode::SUCCESS)
}

async fn backfill(arguments: &Fill, as_json: bool) -> Result<ExitCode, Failure> {
    let key = std::env::var("CLERK_SECRET_KEY").map_err(|_| {
        Failure::usage("CLERK_SECRET_KEY is not set; it holds the instance's secret key, sk_…")
    })?;
    let (database, schema) = arguments.store.open_migrated().await?;
    let backfill = Backfill::new(database, &schema, &arguments.api, &Secret::from(key.trim()))?
        .page_size(arguments.page_size);
    if arguments.restart {
        backfill.restart().await?;
    }
    let mut bars = Bars::new(as_json);
    let result = backfill.run(now, |progress| bars.show(progress)).await;
    bars.end();
    result.map_err(|error| match error {
        BackfillError::Store(error) => error.into(),
        BackfillError::Unreachable(_) => Failure {
            message: format!("{error}; run it again to resume it"),
            code: UNAVAILABLE,
        },
        other => Failure::usage(other.to_string()),
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn replay(arguments: &Again, as_json: bool) -> Result<ExitCode, Failure> {
    let (database, schema) = arguments.store.open_migrated().await?;
    let inbox = Inbox::new(database, &schema);
    let mut count = 0;
    let mut unknown = Vec::new();
    if arguments.all {
        count = inbox.replay(&Replay::DeadLetters, now()).await?;
    }
    for id in &arguments.messages {
        match inbox.replay(&Replay::Message(id.clone()), now()).await? {
            0 => unknown.push(id),
            found => count += found,
        }
    }
    if as_json {
        output::document(&json!({ "replayed": count, "not_found": unknown }));
    } else {
        output::line(&format!("{count} to be handled again by the workers"));
        for id in &unknown {
            output::line(&paint(ODD, &format!("{id} is unknown, or waiting already")));
        }
    }
    Ok(if unknown.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn dead_letters(arguments: &Letters, as_json: bool) -> Result<ExitCode, Failure> {
    let (database, schema) = arguments.store.open_migrated().await?;
    let inbox = Inbox::new(database, &schema);
    let letters = inbox.dead_letters(arguments.limit).await?;
    if as_json {
        let told: Vec<_> = letters
            .iter()
            .map(|letter| told(letter, arguments.payload))
            .collect();
        output::document(&json!(told));
        return Ok(ExitCode::SUCCESS);
    }
    if letters.is_empty() {
        output::line("There are no dead letters.");
    }
    for letter in &letters {
        let error: String = letter
            .last_error
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        output::line(&format!(
            "{} {} {} {}\n    {}",
            paint(DIM, &letter.died_at.to_string()),
            paint(BAD, &letter.message.kind().replace(char::is_control, "?")),
            letter.message.id(),
            paint(DIM, &format!("{} failures", letter.failures)),
            error
        ));
        if arguments.payload {
            let payload = serde_json::from_str(letter.message.payload()).unwrap_or_default();
            output::document(&payload);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn told(letter: &Letter, whole: bool) -> serde_json::Value {
    let mut told = json!({
        "id": letter.message.id(), "type": letter.message.kind(), "failures": letter.failures,
        "received_at": letter.received_at.to_string(), "died_at": letter.died_at.to_string(),
        "last_error": letter.last_error,
    });
    if whole {
        told["payload"] = serde_json::from_str(letter.message.payload()).unwrap_or_default();
    }
    told
}

/// A bar for each kind of object; with `--json` a line for each at its end.
struct Bars {
    all: MultiProgress,
    shown: Vec<(Resource, ProgressBar)>,
    as_json: bool,
}

impl Bars {
    fn new(as_json: bool) -> Self {
        let all = MultiProgress::new();
        if as_json {
            all.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        }
        Self {
            all,
            shown: Vec::new(),
            as_json,
        }
    }

    fn show(&mut self, progress: &Progress) {
        let bar = match self.shown.iter().find(|(of, _)| *of == progress.resource) {
            Some((_, bar)) => bar,
            None => {
                let bar = self.all.add(ProgressBar::new(0));
                let style = ProgressStyle::with_template("{prefix:>13} {bar:30} {pos}/{len} {msg}");
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                bar.set_prefix(progress.resource.table());
                self.shown.push((progress.resource, bar));
                &self.shown[self.shown.len() - 1].1
            }
        };
        bar.set_length(progress.total.unwrap_or(progress.seen).max(progress.seen));
        bar.set_position(progress.seen);
        let unreadable = match progress.unreadable {
            0 => String::new(),
            count => format!("({count} could not be read)"),
        };
        bar.set_message(match progress.waiting {
            Some(rest) => format!("asked to wait {} s", rest.as_secs()),
            None => unreadable.clone(),
        });
        if progress.finished {
            bar.finish();
            if self.as_json {
                let told = json!({
                    "table": progress.resource.table(), "seen": progress.seen, "unreadable": progress.unreadable,
                });
                output::line(&told.to_string());
            } else if self.all.is_hidden() {
                // No terminal, no bars.
                let (table, seen) = (progress.resource.table(), progress.seen);
                output::line(format!("{table}: {seen} {unreadable}").trim_end());
            }
        }
    }

    fn end(&self) {
        for (_, bar) in &self.shown {
            bar.abandon();
        }
    }
}
