//! Providers as data: a preset is a piece of `doorward.toml` with holes.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::config::{ConfigError, IssuerConfig, OneOrMany, SecretText, unknown};

/// The files in `presets/`.
const FILES: [(&str, &str); 2] = [
    ("clerk", include_str!("../presets/clerk.toml")),
    ("oidc", include_str!("../presets/oidc.toml")),
];

/// A provider's settings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Preset {
    #[serde(default)]
    defaults: BTreeMap<String, String>,
    issuer: Vec<Alternative>,
    #[serde(default)]
    common: IssuerConfig,
}

/// One way to configure the provider, if the holes it needs are filled.
#[derive(Debug, Deserialize)]
struct Alternative {
    needs: Vec<String>,
    #[serde(flatten)]
    config: toml::Table,
}

impl Preset {
    pub(crate) fn named(name: &str) -> Result<Self, ConfigError> {
        let Some((_, text)) = FILES.iter().find(|(known, _)| *known == name) else {
            return Err(ConfigError::new(
                "preset",
                unknown(name, &FILES.map(|(known, _)| known)),
            ));
        };
        toml::from_str(text)
            .map_err(|error| ConfigError::new(format!("presets/{name}.toml"), error.to_string()))
    }

    /// Fills in what `given` leaves open. What the operator says wins.
    pub(crate) fn complete(&self, given: &IssuerConfig) -> Result<IssuerConfig, ConfigError> {
        let mut holes = given.holes()?;
        for (name, value) in &self.defaults {
            holes.entry(name.clone()).or_insert_with(|| value.clone());
        }
        let met = |alternative: &&Alternative| {
            alternative
                .needs
                .iter()
                .all(|need| holes.contains_key(need.as_str()))
        };
        let Some(alternative) = self.issuer.iter().find(met) else {
            return Err(ConfigError::new("preset", self.what_is_missing()));
        };
        let mut config: IssuerConfig = alternative
            .config
            .clone()
            .try_into()
            .map_err(|error| ConfigError::new("preset", format!("{error}")))?;
        config.fill_from(&self.common);
        config.fill_holes(&holes);
        let mut completed = given.clone();
        if completed.gives_keys() {
            config.jwks_url = None;
            config.jwks_bearer = None;
            config.jwks_headers = None;
            config.discover = None;
        }
        completed.fill_from(&config);
        Ok(completed)
    }

    fn what_is_missing(&self) -> String {
        let settings = |need: &String| match need.as_str() {
            "origin" => "publishable_key (or issuer)".to_owned(),
            "keys" => "keys (a PEM or JWK set)".to_owned(),
            other => other.to_owned(),
        };
        let ways: Vec<String> = self
            .issuer
            .iter()
            .map(|way| {
                way.needs
                    .iter()
                    .map(settings)
                    .collect::<Vec<_>>()
                    .join(" and ")
            })
            .collect();
        format!("one of these is needed: {}", ways.join("; "))
    }
}

impl IssuerConfig {
    fn gives_keys(&self) -> bool {
        self.keys.is_some()
            || self.keys_file.is_some()
            || self.shared_secret.is_some()
            || self.jwks_url.is_some()
    }

    /// Takes every setting from `other` that is not set here.
    fn fill_from(&mut self, other: &Self) {
        macro_rules! fill {
            ($($field:ident)+) => { $(if self.$field.is_none() { self.$field.clone_from(&other.$field); })+ };
        }
        fill!(issuer audience keys keys_file jwks_url jwks_bearer jwks_headers discover shared_secret);
        fill!(issuer_pinned_by_keys algorithms authorized_parties azp token_types required_claims leeway decoder);
        fill!(cookies publishable_key secret_key api_url);
    }

    /// Writes the known values into the holes. A cookie whose hole stays open is left out.
    fn fill_holes(&mut self, holes: &BTreeMap<String, String>) {
        let fill = |text: &mut String| {
            for (name, value) in holes {
                *text = text.replace(&format!("{{{name}}}"), value);
            }
        };
        [&mut self.issuer, &mut self.jwks_url]
            .into_iter()
            .flatten()
            .for_each(fill);
        if let Some(secret) = &mut self.jwks_bearer {
            let mut text = secret.0.expose().to_owned();
            fill(&mut text);
            *secret = SecretText::from(text);
        }
        if let Some(OneOrMany::Many(cookies)) = &mut self.cookies {
            cookies.iter_mut().for_each(fill);
            cookies.retain(|cookie| !cookie.contains('{'));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_well_formed() {
        for (name, _) in FILES {
            let preset = Preset::named(name).unwrap();
            for alternative in &preset.issuer {
                let config: Result<IssuerConfig, _> = alternative.config.clone().try_into();
                assert!(config.is_ok(), "{name}: {config:?}");
                assert!(!alternative.needs.is_empty(), "{name}");
            }
        }
    }
}
