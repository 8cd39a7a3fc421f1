//! Where a command's configuration comes from: flags, else a file, else the environment.

use std::path::PathBuf;

use clap::Args;
use doorward::{Config, IssuerConfig, OneOrMany, SecretText};

use crate::output::Failure;

/// Whom to trust. Without any of these the environment is read (CLERK_* and DOORWARD_*), or ./doorward.toml.
#[derive(Debug, Args)]
#[command(next_help_heading = "Whom to trust")]
pub(crate) struct Settings {
    /// Read this doorward.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The issuer, exactly as `iss` has it
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// The audience a token must have; "*" waives the check
    #[arg(long, value_name = "NAME")]
    audience: Option<String>,
    /// Where the issuer's JWK set is published (default: found by discovery)
    #[arg(long, value_name = "URL")]
    jwks_url: Option<String>,
    /// A file with the issuer's keys: PEM, JWK or JWK set
    #[arg(long, value_name = "FILE")]
    keys_file: Option<String>,
    /// A provider's defaults: clerk or oidc
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Clerk's publishable key, from which the issuer follows
    #[arg(long, value_name = "KEY")]
    publishable_key: Option<String>,
    /// Origins a session token may be made for, separated by commas
    #[arg(long, value_name = "ORIGINS")]
    authorized_parties: Option<String>,
    /// Algorithms the issuer signs with, separated by commas
    #[arg(long, value_name = "NAMES")]
    algorithms: Option<String>,
    /// Kinds of tokens to accept, separated by commas
    #[arg(long, value_name = "KINDS")]
    accepts: Option<String>,
}

/// The configuration, and where it came from.
pub(crate) struct Found {
    pub(crate) config: Config,
    pub(crate) origin: String,
}

impl Settings {
    pub(crate) fn find(&self) -> Result<Found, Failure> {
        let mut found = self.source()?;
        if let Some(accepts) = &self.accepts {
            found.config.accepts = Some(OneOrMany::One(accepts.clone()));
        }
        Ok(found)
    }

    fn source(&self) -> Result<Found, Failure> {
        let narrowing = [&self.audience, &self.authorized_parties, &self.algorithms];
        let elsewhere = self.config.is_some() || self.issuer_of_flags().is_none();
        if elsewhere && narrowing.iter().any(|flag| flag.is_some()) {
            return Err(Failure::usage(
                "--audience, --authorized-parties and --algorithms go with an issuer on the command line \
                 (--issuer, --preset or --publishable-key); a file or the environment says these itself",
            ));
        }
        if let Some(path) = &self.config {
            return Ok(Found {
                config: Config::from_file(path)?,
                origin: path.display().to_string(),
            });
        }
        if let Some(issuer) = self.issuer_of_flags() {
            return Ok(Found {
                config: Config::new([issuer]),
                origin: "the command line".to_owned(),
            });
        }
        let local = PathBuf::from("doorward.toml");
        match Config::from_env() {
            Ok(config) => Ok(Found {
                config,
                origin: "the environment".to_owned(),
            }),
            Err(error) if error.setting == "environment" && local.is_file() => Ok(Found {
                config: Config::from_file(&local)?,
                origin: local.display().to_string(),
            }),
            Err(error) => Err(error.into()),
        }
    }

    fn issuer_of_flags(&self) -> Option<IssuerConfig> {
        let given = [
            &self.issuer,
            &self.jwks_url,
            &self.keys_file,
            &self.preset,
            &self.publishable_key,
        ];
        if given.iter().all(|flag| flag.is_none()) {
            return None;
        }
        let clerk = self.publishable_key.as_ref().map(|_| "clerk".to_owned());
        let mut issuer = IssuerConfig::default();
        issuer.preset = self.preset.clone().or(clerk);
        issuer.issuer.clone_from(&self.issuer);
        issuer.audience = self.audience.as_deref().map(OneOrMany::from);
        issuer.jwks_url.clone_from(&self.jwks_url);
        issuer.keys_file.clone_from(&self.keys_file);
        issuer.publishable_key.clone_from(&self.publishable_key);
        issuer.secret_key = std::env::var("CLERK_SECRET_KEY")
            .ok()
            .filter(|_| issuer.preset.is_some())
            .map(SecretText::from);
        issuer.authorized_parties = self.authorized_parties.as_deref().map(OneOrMany::from);
        issuer.algorithms = self
            .algorithms
            .as_deref()
            .map(|names| OneOrMany::One(names.to_owned()));
        Some(issuer)
    }
}
