//! `doorward webhooks tail`.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use doorward_sync::{Inbox, Point};
use serde_json::{Value, json};

use crate::output::{self, DIM, Failure, GOOD, paint};
use crate::store::{Store, block_on, duration, now};

/// Show messages as they arrive in the inbox.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    store: Store,
    /// Begin this long ago
    #[arg(long, default_value = "0s", value_parser = duration)]
    since: Duration,
    /// Show what has arrived, and end
    #[arg(long)]
    no_follow: bool,
    /// Show the whole payload
    #[arg(long)]
    payload: bool,
}

pub(crate) fn run(arguments: &Arguments, as_json: bool) -> Result<ExitCode, Failure> {
    block_on(async {
        let (database, schema) = arguments.store.open_migrated().await?;
        let inbox = Inbox::new(database, &schema);
        let back = i64::try_from(arguments.since.as_millis()).unwrap_or(i64::MAX);
        let begin = now().as_millis().saturating_sub(back);
        let mut point = Point::at(doorward::core::Timestamp::from_millis(begin));
        loop {
            let arrived = inbox.since(&point, AT_ONCE).await?;
            let more = arrived.len() as u32 == AT_ONCE;
            for (at, message, state) in arrived {
                show(&message, &at, &state, arguments.payload, as_json);
                point = at;
            }
            if !more {
                if arguments.no_follow {
                    return Ok(ExitCode::SUCCESS);
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    })
}

fn show(message: &doorward_sync::Message, at: &Point, state: &str, whole: bool, as_json: bool) {
    let event: Value = serde_json::from_str(message.payload()).unwrap_or_default();
    let object_id = event["data"]["id"].as_str().unwrap_or("-");
    let received_at = at.received_at().to_string();
    if as_json {
        let mut told = json!({
            "id": message.id(), "type": message.kind(), "object_id": object_id,
            "received_at": received_at, "state": state,
        });
        if whole {
            told["payload"] = event;
        }
        return output::line(&told.to_string());
    }
    output::line(&format!(
        "{} {} {} {}",
        paint(DIM, &received_at),
        paint(GOOD, &printable(message.kind())),
        printable(object_id),
        paint(DIM, message.id()),
    ));
    if whole {
        output::document(&event);
    }
}

/// What somebody else wrote must not drive the terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

const AT_ONCE: u32 = 100;
const LOOK_EVERY: Duration = Duration::from_millis(300);
