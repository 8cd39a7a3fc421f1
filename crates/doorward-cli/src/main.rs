//! Runs: the `doorward` command.

mod commands;
mod output;
mod serving;
mod settings;
mod standing;
mod store;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands::{
    clerk, conformance, dev, doctor, inspect, mcp_proxy, sync, token, verify, webhooks,
};
use crate::output::Failure;

/// Decides who may enter an API: verify and inspect tokens, check a configuration, run a local issuer.
#[derive(Debug, Parser)]
#[command(name = "doorward", version, propagate_version = true, after_help = EXIT_CODES)]
struct Arguments {
    /// Print JSON, for scripts
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit status: 0 accepted or all well; 1 refused or a check failed; 2 wrong usage or \
                          configuration; 3 the keys, the \
                          store or the provider are out of reach.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a local issuer and a sample API behind it
    Dev(dev::Arguments),
    /// Mint a token from the local issuer
    Token(token::Arguments),
    /// Verify a token, and say who it is or why not
    Verify(verify::Arguments),
    /// Show what a token says, WITHOUT verifying it
    Inspect(inspect::Arguments),
    /// Check the configuration and the live set-up
    Doctor(doctor::Arguments),
    /// Check that a running API refuses every bad token
    ///
    /// Every protected route has to refuse a list of bad credentials, and every public one to be open. Give it a test
    /// deployment of your own: a route without a guard acts on what it is sent.
    Conformance(Box<conformance::Arguments>),
    McpProxy(Box<mcp_proxy::Arguments>),
    /// Call Clerk's Backend API: any operation, by resource and verb
    #[command(subcommand)]
    Clerk(clerk::Call),
    /// Receive webhooks, send test events, watch them arrive
    #[command(subcommand)]
    Webhooks(webhooks::Command),
    /// Look after the tables that follow the provider
    #[command(subcommand)]
    Sync(sync::Command),
}

fn main() -> ExitCode {
    let Arguments { json, command } = Arguments::parse();
    let result = match command {
        Command::Dev(arguments) => dev::run(&arguments, json),
        Command::Token(arguments) => token::run(&arguments, json),
        Command::Verify(arguments) => verify::run(&arguments, json),
        Command::Inspect(arguments) => inspect::run(&arguments, json),
        Command::Doctor(arguments) => doctor::run(&arguments, json),
        Command::Conformance(arguments) => conformance::run(&arguments, json),
        Command::McpProxy(arguments) => mcp_proxy::run(&arguments, json),
        Command::Clerk(call) => clerk::run(&call, json),
        Command::Webhooks(command) => webhooks::run(&command, json),
        Command::Sync(command) => sync::run(&command, json),
    };
    match result {
        Ok(code) => code,
        Err(Failure { message, code }) => {
            output::error(&message, json);
            ExitCode::from(code)
        }
    }
}
