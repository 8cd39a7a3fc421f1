//! `doorward webhooks`.

mod metrics;
mod outlets;
mod receive;
mod send;
mod serve;
mod tail;

use std::process::ExitCode;

pub(crate) use serve::asked_to_end;

use clap::Subcommand;

use crate::output::Failure;

/// Receive webhooks, send test events, watch them arrive
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Receive webhooks: verify them, keep each once, and keep the tables in step
    Serve(Box<serve::Arguments>),
    /// Send events as Clerk does, and misbehave on demand
    Send(Box<send::Arguments>),
    /// Show messages as they arrive in the inbox
    Tail(tail::Arguments),
}

pub(crate) fn run(command: &Command, as_json: bool) -> Result<ExitCode, Failure> {
    match command {
        Command::Serve(arguments) => serve::run(arguments, as_json),
        Command::Send(arguments) => send::run(arguments, as_json),
        Command::Tail(arguments) => tail::run(arguments, as_json),
    }
}
