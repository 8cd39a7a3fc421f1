//! Providers as data: a preset is a piece of `doorward.toml` with holes.

use std::collections::BTreeMap;

use doorward_core::{TENANT, cookie_suffix};
use serde::Deserialize;

use crate::config::{ConfigError, IssuerConfig, OneOrMany, SecretText, frontend_host, unknown};
use crate::fetch::trusted_url;

macro_rules! presets {
    ($($name:literal)+) => {
        /// The files in `presets/`.
        const FILES: &[(&str, &str)] = &[$(($name, include_str!(concat!("../presets/", $name, ".toml"))),)+];
    };
}

presets! {
    "auth0" "better_auth" "clerk" "cognito" "entra" "firebase" "google" "keycloak" "logto" "oidc" "okta" "stytch"
    "supabase" "workos" "zitadel"
}

/// A provider's settings, and what people need to know about them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Preset {
    /// The provider's name, as people write it.
    pub title: String,
    /// Where the provider describes its tokens.
    pub documentation: String,
    /// What an operator should know besides.
    #[serde(default)]
    pub notes: String,
    /// The settings that fill the holes.
    #[serde(default)]
    pub holes: BTreeMap<String, Hole>,
    /// Environment variables that are read where this preset is chosen, and the settings they fill in.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The ways to configure the provider, the first whose needs are given being used.
    #[serde(rename = "issuer")]
    pub alternatives: Vec<Alternative>,
    #[serde(default)]
    common: IssuerConfig,
}

/// A setting that fills a hole.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Hole {
    /// What it is.
    pub about: String,
    /// How one looks.
    #[serde(default)]
    pub example: String,
    /// What it is if nobody says.
    pub default: Option<String>,
    /// What may stand there: `host`, `url` or `name`.
    #[serde(default)]
    is: Shape,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Shape {
    Host,
    Url,
    Uuid,
    #[default]
    Name,
}

/// One way to configure the provider, if the holes it needs are filled.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Alternative {
    /// The holes.
    pub needs: Vec<String>,
    #[serde(flatten)]
    config: toml::Table,
}

impl Preset {
    /// The names of all presets.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FILES.iter().map(|(name, _)| *name)
    }

    /// The preset of a name.
    ///
    /// # Errors
    /// There is none.
    pub fn named(name: &str) -> Result<Self, ConfigError> {
        let Some((_, text)) = FILES.iter().find(|(known, _)| *known == name) else {
            let names: Vec<&str> = Self::names().collect();
            return Err(ConfigError::new("preset", unknown(name, &names)));
        };
        toml::from_str(text)
            .map_err(|error| ConfigError::new(format!("presets/{name}.toml"), error.to_string()))
    }

    /// What an issuer's settings are, as far as this preset knows them, with the holes left open.
    ///
    /// # Errors
    /// The preset is no configuration.
    pub fn outline(&self, alternative: &Alternative) -> Result<IssuerConfig, ConfigError> {
        let mut config: IssuerConfig = alternative
            .config
            .clone()
            .try_into()
            .map_err(|error| ConfigError::new("preset", format!("{error}")))?;
        config.fill_from(&self.common);
        Ok(config)
    }

    /// Fills in what `given` leaves open. What the operator says wins.
    pub(crate) fn complete(&self, given: &IssuerConfig) -> Result<IssuerConfig, ConfigError> {
        let holes = self.filled(given)?;
        let met = |alternative: &&Alternative| {
            let mut needs = alternative.needs.iter();
            needs.all(|need| holes.contains_key(need.as_str()))
        };
        let Some(alternative) = self.alternatives.iter().find(met) else {
            return Err(ConfigError::new(
                "preset",
                self.what_is_missing(given, &holes),
            ));
        };
        let mut config = self.outline(alternative)?;
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

    /// What the holes are filled with.
    fn filled(&self, given: &IssuerConfig) -> Result<BTreeMap<String, String>, ConfigError> {
        let mut holes = BTreeMap::new();
        for (name, value) in given.fillings() {
            let Some(hole) = self.holes.get(name) else {
                let known: Vec<&str> = self.holes.keys().map(String::as_str).collect();
                return Err(ConfigError::new(
                    name,
                    format!(
                        "{} has no such setting; it has: {}",
                        self.title,
                        known.join(", ")
                    ),
                ));
            };
            let value = hole.is.read(value).map_err(|why| {
                ConfigError::new(name, format!("{why}; write it like {:?}", hole.example))
            })?;
            if let (Shape::Url, Ok(url)) = (hole.is, trusted_url(&value, true)) {
                let origin = url.origin().ascii_serialization();
                holes.insert(format!("{name}_origin"), origin);
            }
            holes.insert(name.to_owned(), value);
        }
        given.known(&mut holes)?;
        for (name, hole) in &self.holes {
            if let Some(default) = &hole.default {
                holes.entry(name.clone()).or_insert_with(|| default.clone());
            }
        }
        Ok(holes)
    }

    fn what_is_missing(&self, given: &IssuerConfig, holes: &BTreeMap<String, String>) -> String {
        let settings = |need: &String| {
            let name = match need.as_str() {
                "origin" => "publishable_key (or issuer)",
                "keys" => "keys (a PEM or JWK set)",
                other => other,
            };
            let example = self
                .holes
                .get(need)
                .map(|hole| hole.example.as_str())
                .unwrap_or_default();
            let variable = self
                .environment
                .iter()
                .find(|(_, setting)| *setting == need);
            match (example, variable) {
                ("", None) => name.to_owned(),
                (_, None) => format!("{name} (like {example:?})"),
                ("", Some((variable, _))) => format!("{name} (or {variable})"),
                (_, Some((variable, _))) => format!("{name} (like {example:?}; or {variable})"),
            }
        };
        let ways: Vec<String> = self
            .alternatives
            .iter()
            .map(|way| {
                let lacking = way
                    .needs
                    .iter()
                    .filter(|need| !holes.contains_key(need.as_str()));
                lacking.map(settings).collect::<Vec<_>>().join(" and ")
            })
            .collect();
        let name = given.preset.as_deref().unwrap_or_default();
        match ways.as_slice() {
            [way] => format!("{name} needs {way}"),
            _ => format!("{name} needs one of these: {}", ways.join("; ")),
        }
    }
}

impl Shape {
    fn read(self, text: &str) -> Result<String, String> {
        let plain = |text: &str, more: &[char]| {
            !text.is_empty()
                && text
                    .chars()
                    .all(|letter| letter.is_ascii_alphanumeric() || more.contains(&letter))
        };
        match self {
            Self::Host if plain(text, &['.', '-', ':']) && !text.starts_with('.') => {
                Ok(text.to_owned())
            }
            Self::Host => Err(format!("{text:?} is no host name")),
            Self::Name if plain(text, &['.', '-', '_', '~']) && !text.starts_with('.') => {
                Ok(text.to_owned())
            }
            Self::Uuid
                if text.len() == 36 && plain(text, &['-']) && text.matches('-').count() == 4 =>
            {
                Ok(text.to_owned())
            }
            Self::Uuid => Err(format!("{text:?} is no UUID")),
            Self::Name => Err(format!("{text:?} has letters that have a meaning in a URL")),
            Self::Url => {
                let url = text.trim_end_matches('/');
                let bare = url.contains("://") && !url.contains(['?', '#', '@', '{', ' ']);
                if !bare {
                    return Err(format!(
                        "{text:?} is no URL without query, fragment and user"
                    ));
                }
                // Whether it may be plain http is decided where keys are fetched.
                trusted_url(url, true)?;
                Ok(url.to_owned())
            }
        }
    }
}

impl IssuerConfig {
    /// Whether it says where keys are.
    pub(crate) fn gives_keys(&self) -> bool {
        self.keys.is_some()
            || self.keys_file.is_some()
            || self.shared_secret.is_some()
            || self.jwks_url.is_some()
    }

    /// Whether it says which issuer it is, or whose keys.
    pub(crate) fn names_an_issuer(&self) -> bool {
        self.issuer.is_some() || self.gives_keys()
    }

    /// The settings that only fill holes.
    fn fillings(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let settings = [
            ("domain", &self.domain),
            ("url", &self.url),
            ("region", &self.region),
            ("user_pool_id", &self.user_pool_id),
            ("tenant_id", &self.tenant_id),
            ("project_id", &self.project_id),
            ("realm", &self.realm),
            ("client_id", &self.client_id),
            ("authorization_server", &self.authorization_server),
            ("api_url", &self.api_url),
        ];
        settings
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }

    /// The settings that mean something by themselves and fill holes besides.
    fn known(&self, holes: &mut BTreeMap<String, String>) -> Result<(), ConfigError> {
        let mut fill = |name: &str, value: String| holes.insert(name.to_owned(), value);
        if let Some(key) = &self.publishable_key {
            let host =
                frontend_host(key).map_err(|why| ConfigError::new("publishable_key", why))?;
            // Only the local issuer is at an address of this machine, where it has no TLS; with TLS it is at `localhost`.
            let plain = !host.starts_with("localhost")
                && trusted_url(&format!("http://{host}"), false).is_ok();
            fill(
                "origin",
                format!("http{}://{host}", if plain { "" } else { "s" }),
            );
            fill("suffix", cookie_suffix(key));
        }
        if let Some(issuer) = &self.issuer {
            fill("origin", issuer.trim_end_matches('/').to_owned());
            fill("issuer", issuer.clone());
        }
        if let Some(secret) = &self.secret_key {
            fill("secret_key", secret.0.expose().to_owned());
        }
        if let Some(secret) = &self.machine_secret_key {
            fill("machine_secret_key", secret.0.expose().to_owned());
        }
        if self.keys.is_some() || self.keys_file.is_some() {
            fill("keys", String::new());
        }
        if self.shared_secret.is_some() {
            fill("shared_secret", String::new());
        }
        if self.audience.is_some() {
            fill("audience", String::new());
        }
        if self.tenants.is_some() {
            fill("tenants", String::new());
        }
        Ok(())
    }

    /// Sets a setting by its name, from an environment variable's text.
    pub(crate) fn set(&mut self, setting: &str, text: &str) {
        let own = || Some(text.to_owned());
        match setting {
            "audience" => self.audience = Some(OneOrMany::list(text)),
            "authorized_parties" => self.authorized_parties = Some(OneOrMany::from(text)),
            "keys" => self.keys = Some(OneOrMany::from(text)),
            "machine_secret_key" => {
                self.machine_secret_key = Some(SecretText::from(text.trim().to_owned()));
            }
            "secret_key" => self.secret_key = Some(SecretText::from(text.trim().to_owned())),
            "shared_secret" => self.shared_secret = Some(SecretText::from(text.trim().to_owned())),
            "publishable_key" => self.publishable_key = own(),
            "issuer" => self.issuer = own(),
            "jwks_url" => self.jwks_url = own(),
            "domain" => self.domain = own(),
            "url" => self.url = own(),
            "region" => self.region = own(),
            "user_pool_id" => self.user_pool_id = own(),
            "tenant_id" => self.tenant_id = own(),
            "project_id" => self.project_id = own(),
            "realm" => self.realm = own(),
            "client_id" => self.client_id = own(),
            "authorization_server" => self.authorization_server = own(),
            "api_url" => self.api_url = own(),
            other => debug_assert!(false, "no preset's variable sets {other}"),
        }
    }

    /// Takes every setting from `other` that is not set here.
    pub(crate) fn fill_from(&mut self, other: &Self) {
        macro_rules! fill {
            ($($field:ident)+) => { $(if self.$field.is_none() { self.$field.clone_from(&other.$field); })+ };
        }
        fill!(issuer issuer_aliases tenants max_tenants audience clients_without_audience keys keys_file jwks_url jwks_bearer jwks_headers);
        fill!(discover insecure_plain_http shared_secret issuer_pinned_by_keys algorithms authorized_parties azp);
        fill!(accepts token_types required_claims leeway decoder cookies publishable_key secret_key api_url);
        fill!(user_id_claim roles_claim scopes_claim permissions_claim organization_claim session_claim);
        fill!(client_id_claim audience_claim required_values machine_values machine_without);
        fill!(machine_secret_key opaque dangerously_accept_tokens_without_audience);
        fill!(introspection_url introspection_client_id introspection_client_secret introspection_auth);
        fill!(introspection_client_key introspection_client_key_file introspection_client_key_id);
        fill!(introspection_client_algorithm introspection_assertion_audience introspection_response userinfo_url);
        fill!(domain url region user_pool_id tenant_id project_id realm client_id authorization_server);
    }

    /// Writes the known values into the holes. What still has a hole then is left out, but for the tenant's.
    fn fill_holes(&mut self, holes: &BTreeMap<String, String>) {
        let fill = |text: &mut String| {
            for (name, value) in holes {
                *text = text.replace(&format!("{{{name}}}"), value);
            }
        };
        let open = |text: &str| text.replace(TENANT, "").contains('{');
        for text in [&mut self.issuer, &mut self.jwks_url] {
            text.iter_mut().for_each(fill);
            text.take_if(|text| open(text));
        }
        if let Some(secret) = &mut self.jwks_bearer {
            let mut text = secret.0.expose().to_owned();
            fill(&mut text);
            *secret = SecretText::from(text);
        }
        let fill_secret = |secret: &mut SecretText| {
            let mut text = secret.0.expose().to_owned();
            fill(&mut text);
            *secret = SecretText::from(text);
        };
        for how in self.opaque.iter_mut().flat_map(BTreeMap::values_mut) {
            fill(&mut how.url);
            how.bearer.iter_mut().for_each(fill_secret);
            how.bearer.retain(|secret| !open(secret.0.expose()));
        }
        if let Some(opaque) = &mut self.opaque {
            // Whoever has no secret cannot ask.
            opaque.retain(|_, how| !how.bearer.is_empty());
        }
        for list in [
            &mut self.cookies,
            &mut self.audience,
            &mut self.issuer_aliases,
        ] {
            match list {
                Some(OneOrMany::Many(items)) => {
                    items.iter_mut().for_each(fill);
                    items.retain(|item| !open(item));
                }
                Some(OneOrMany::One(item)) => fill(item),
                None => {}
            }
            list.take_if(|list| {
                let items = list.items();
                items.is_empty() || items.iter().any(|item| open(item))
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_well_formed() {
        for name in Preset::names() {
            let preset = Preset::named(name).unwrap();
            for alternative in &preset.alternatives {
                let config = preset.outline(alternative);
                assert!(config.is_ok(), "{name}: {config:?}");
                assert!(!alternative.needs.is_empty(), "{name}");
            }
            for setting in preset.environment.values() {
                IssuerConfig::default().set(setting, "text");
            }
            assert!(preset.documentation.starts_with("https://"), "{name}");
            for hole in preset.holes.values() {
                assert!(!hole.about.is_empty(), "{name}");
                for text in [Some(&hole.example), hole.default.as_ref()]
                    .into_iter()
                    .flatten()
                {
                    assert!(
                        text.is_empty() || hole.is.read(text).is_ok(),
                        "{name}: {text}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_hole_takes_what_fits_into_it() {
        for (shape, good, bad) in [
            (
                Shape::Host,
                ["acme.eu.auth0.com", "localhost:3000"],
                [
                    "https://acme.auth0.com",
                    "acme.auth0.com/",
                    "",
                    "a b",
                    "a@b",
                ],
            ),
            (
                Shape::Name,
                ["eu-west-1_Ab9", "a.b"],
                ["../x", "a/b", "", "a?b", "a{b}"],
            ),
            (
                Shape::Url,
                ["https://id.example.com/", "http://frontend:3000/base"],
                [
                    "id.example.com",
                    "https://a?x=1",
                    "https://u@h",
                    "ftp://h",
                    "https://{h}/",
                ],
            ),
        ] {
            for text in good {
                assert!(shape.read(text).is_ok(), "{text}");
            }
            for text in bad {
                assert!(shape.read(text).is_err(), "{text}");
            }
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = |config: IssuerConfig| {
            let preset = Preset::named(config.preset.as_deref().unwrap()).unwrap();
            preset.complete(&config).unwrap_err().to_string()
        };
        let auth0 = error(IssuerConfig::preset("auth0"));
        assert!(
            auth0.contains("domain") && auth0.contains("AUTH0_DOMAIN"),
            "{auth0}"
        );
        let cognito = error(IssuerConfig {
            region: Some("eu-west-1".to_owned()),
            ..IssuerConfig::preset("cognito")
        });
        assert!(
            cognito.contains("user_pool_id") && !cognito.contains("region"),
            "{cognito}"
        );
        let stray = error(IssuerConfig {
            realm: Some("acme".to_owned()),
            ..IssuerConfig::preset("auth0")
        });
        assert!(
            stray.contains("realm") && stray.contains("domain"),
            "{stray}"
        );
        let scheme = error(IssuerConfig {
            domain: Some("https://acme.eu.auth0.com".to_owned()),
            ..IssuerConfig::preset("auth0")
        });
        assert!(
            scheme.contains("host name") && scheme.contains("acme.eu.auth0.com"),
            "{scheme}"
        );
    }
}
