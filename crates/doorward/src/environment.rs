//! The environment as a source of configuration.

use std::collections::BTreeMap;

use doorward_core::Secret;

use crate::config::{Config, ConfigError, IssuerConfig, OneOrMany, SecretText, unknown};
use crate::preset::Preset;
use crate::webhook;

/// Every variable that is read, and what it sets. Variables of other programs are left alone; one that begins with
/// `DOORWARD_` and is not here is a mistake.
const VARIABLES: &[(&str, Apply)] = &[
    ("DOORWARD_PRESET", |to, text| {
        to.issuer().preset = Some(text)
    }),
    ("DOORWARD_ISSUER", |to, text| {
        to.issuer().issuer = Some(text)
    }),
    ("DOORWARD_ISSUER_ALIASES", |to, text| {
        to.issuer().issuer_aliases = Some(OneOrMany::list(&text))
    }),
    ("DOORWARD_TENANTS", |to, text| {
        to.issuer().tenants = Some(OneOrMany::list(&text))
    }),
    ("DOORWARD_AUDIENCE", |to, text| {
        to.issuer().audience = Some(OneOrMany::list(&text))
    }),
    ("DOORWARD_KEYS", |to, text| {
        to.issuer().keys = Some(OneOrMany::One(text))
    }),
    ("DOORWARD_KEYS_FILE", |to, text| {
        to.issuer().keys_file = Some(text)
    }),
    ("DOORWARD_JWKS_URL", |to, text| {
        to.issuer().jwks_url = Some(text)
    }),
    ("DOORWARD_JWKS_BEARER", |to, text| {
        to.issuer().jwks_bearer = Some(secret(&text))
    }),
    ("DOORWARD_SHARED_SECRET", |to, text| {
        to.issuer().shared_secret = Some(secret(&text))
    }),
    ("DOORWARD_ALGORITHMS", |to, text| {
        to.issuer().algorithms = Some(OneOrMany::list(&text))
    }),
    ("DOORWARD_AUTHORIZED_PARTIES", |to, text| {
        to.issuer().authorized_parties = Some(OneOrMany::One(text))
    }),
    ("DOORWARD_AZP", |to, text| to.issuer().azp = Some(text)),
    ("DOORWARD_TOKEN_TYPES", |to, text| {
        to.issuer().token_types = Some(OneOrMany::list(&text))
    }),
    ("DOORWARD_REQUIRED_CLAIMS", |to, text| {
        to.issuer().required_claims = Some(OneOrMany::list(&text))
    }),
    ("DOORWARD_DECODER", |to, text| {
        to.issuer().decoder = Some(text)
    }),
    ("DOORWARD_USER_ID_CLAIM", |to, text| {
        to.issuer().user_id_claim = Some(text)
    }),
    ("DOORWARD_ROLES_CLAIM", |to, text| {
        to.issuer().roles_claim = Some(text)
    }),
    ("DOORWARD_SCOPES_CLAIM", |to, text| {
        to.issuer().scopes_claim = Some(text)
    }),
    ("DOORWARD_PERMISSIONS_CLAIM", |to, text| {
        to.issuer().permissions_claim = Some(text)
    }),
    ("DOORWARD_ORGANIZATION_CLAIM", |to, text| {
        to.issuer().organization_claim = Some(text)
    }),
    ("DOORWARD_SESSION_CLAIM", |to, text| {
        to.issuer().session_claim = Some(text)
    }),
    ("DOORWARD_CLIENT_ID_CLAIM", |to, text| {
        to.issuer().client_id_claim = Some(text)
    }),
    ("DOORWARD_AUDIENCE_CLAIM", |to, text| {
        to.issuer().audience_claim = Some(text)
    }),
    ("DOORWARD_DOMAIN", |to, text| {
        to.issuer().domain = Some(text)
    }),
    ("DOORWARD_URL", |to, text| to.issuer().url = Some(text)),
    ("DOORWARD_REGION", |to, text| {
        to.issuer().region = Some(text)
    }),
    ("DOORWARD_USER_POOL_ID", |to, text| {
        to.issuer().user_pool_id = Some(text)
    }),
    ("DOORWARD_TENANT_ID", |to, text| {
        to.issuer().tenant_id = Some(text)
    }),
    ("DOORWARD_PROJECT_ID", |to, text| {
        to.issuer().project_id = Some(text)
    }),
    ("DOORWARD_REALM", |to, text| to.issuer().realm = Some(text)),
    ("DOORWARD_CLIENT_ID", |to, text| {
        to.issuer().client_id = Some(text)
    }),
    ("DOORWARD_AUTHORIZATION_SERVER", |to, text| {
        to.issuer().authorization_server = Some(text)
    }),
    ("DOORWARD_API_URL", |to, text| {
        to.issuer().api_url = Some(text)
    }),
    ("DOORWARD_INTROSPECTION_URL", |to, text| {
        to.issuer().introspection_url = Some(text)
    }),
    ("DOORWARD_INTROSPECTION_CLIENT_ID", |to, text| {
        to.issuer().introspection_client_id = Some(text)
    }),
    ("DOORWARD_INTROSPECTION_CLIENT_SECRET", |to, text| {
        to.issuer().introspection_client_secret = Some(secret(&text))
    }),
    ("DOORWARD_INTROSPECTION_AUTH", |to, text| {
        to.issuer().introspection_auth = Some(text)
    }),
    ("DOORWARD_INTROSPECTION_CLIENT_KEY", |to, text| {
        to.issuer().introspection_client_key = Some(text.into())
    }),
    ("DOORWARD_INTROSPECTION_CLIENT_KEY_FILE", |to, text| {
        to.issuer().introspection_client_key_file = Some(text)
    }),
    ("DOORWARD_INTROSPECTION_CLIENT_KEY_ID", |to, text| {
        to.issuer().introspection_client_key_id = Some(text)
    }),
    ("DOORWARD_INTROSPECTION_CLIENT_ALGORITHM", |to, text| {
        to.issuer().introspection_client_algorithm = Some(text)
    }),
    ("DOORWARD_INTROSPECTION_ASSERTION_AUDIENCE", |to, text| {
        to.issuer().introspection_assertion_audience = Some(text)
    }),
    ("DOORWARD_INTROSPECTION_RESPONSE", |to, text| {
        to.issuer().introspection_response = Some(text)
    }),
    ("DOORWARD_USERINFO_URL", |to, text| {
        to.issuer().userinfo_url = Some(text)
    }),
    ("DOORWARD_MACHINE_SECRET_KEY", |to, text| {
        to.issuer().machine_secret_key = Some(secret(&text))
    }),
    ("DOORWARD_ANSWER_TTL", |to, text| {
        to.parsed(text, |to, value| to.config.answer_ttl = Some(value))
    }),
    ("DOORWARD_ANSWER_NEGATIVE_TTL", |to, text| {
        to.parsed(text, |to, value| {
            to.config.answer_negative_ttl = Some(value)
        })
    }),
    ("DOORWARD_ANSWER_STALE_IF_ERROR", |to, text| {
        to.parsed(text, |to, value| {
            to.config.answer_stale_if_error = Some(value)
        })
    }),
    ("DOORWARD_LOGOUT_CLIENT_ID", |to, text| {
        to.issuer().logout_client_id = Some(OneOrMany::list(&text))
    }),
    ("DOORWARD_REVOCATION_STORE", |to, text| {
        to.config.revocation_store = Some(secret(&text))
    }),
    ("DOORWARD_REVOCATION_ON_OUTAGE", |to, text| {
        to.config.revocation_on_outage = Some(text)
    }),
    ("DOORWARD_REVOCATION_RETENTION", |to, text| {
        to.parsed(text, |to, value| {
            to.config.revocation_retention = Some(value)
        })
    }),
    ("DOORWARD_REVOCATION_MAX_ENTRIES", |to, text| {
        to.parsed(text, |to, value| {
            to.config.revocation_max_entries = Some(value)
        })
    }),
    ("DOORWARD_USERINFO_TTL", |to, text| {
        to.parsed(text, |to, value| to.config.userinfo_ttl = Some(value))
    }),
    ("DOORWARD_CLIENT_ADDRESS_HEADER", |to, text| {
        to.config.client_address_header = Some(text)
    }),
    ("DOORWARD_RESOURCE", |to, text| {
        to.config.resource = Some(text)
    }),
    ("DOORWARD_AUTHORIZATION_SERVERS", |to, text| {
        to.config.authorization_servers = Some(OneOrMany::list(&text))
    }),
    ("DOORWARD_SCOPES_SUPPORTED", |to, text| {
        to.config.scopes_supported = Some(OneOrMany::One(text))
    }),
    ("DOORWARD_CHALLENGE_SCOPES", |to, text| {
        to.config.challenge_scopes = Some(OneOrMany::One(text))
    }),
    ("DOORWARD_OFFLINE_ACCESS", |to, text| {
        to.parsed(text, |to, value| to.config.offline_access = Some(value))
    }),
    ("DOORWARD_RESOURCE_NAME", |to, text| {
        to.config.resource_name = Some(text)
    }),
    ("DOORWARD_RESOURCE_DOCUMENTATION", |to, text| {
        to.config.resource_documentation = Some(text)
    }),
    ("DOORWARD_RESOURCE_POLICY_URI", |to, text| {
        to.config.resource_policy_uri = Some(text)
    }),
    ("DOORWARD_RESOURCE_TOS_URI", |to, text| {
        to.config.resource_tos_uri = Some(text)
    }),
    ("DOORWARD_SCOPE_IMPLIES", |to, text| {
        to.json(text, |to, value| to.config.scope_implies = Some(value))
    }),
    ("DOORWARD_TOOL_SCOPES", |to, text| {
        to.json(text, |to, value| to.config.tool_scopes = Some(value))
    }),
    ("DOORWARD_DEFAULT_TOOL_SCOPES", |to, text| {
        to.config.default_tool_scopes = Some(OneOrMany::One(text))
    }),
    ("DOORWARD_SESSION_SECRET", |to, text| {
        to.config.session_secret = Some(secret(&text))
    }),
    ("DOORWARD_CERTIFICATE_AUTHORITIES", |to, text| {
        to.config.certificate_authorities = Some(text)
    }),
    ("DOORWARD_CERTIFICATE_AUTHORITIES_FILE", |to, text| {
        to.config.certificate_authorities_file = Some(text)
    }),
    ("DOORWARD_CLIENTS_WITHOUT_AUDIENCE", |to, text| {
        to.issuer().clients_without_audience = Some(OneOrMany::list(&text))
    }),
    (
        "DOORWARD_DANGEROUSLY_ACCEPT_TOKENS_WITHOUT_AUDIENCE",
        |to, text| {
            to.parsed(text, |to, value| {
                to.issuer().dangerously_accept_tokens_without_audience = Some(value)
            })
        },
    ),
    ("DOORWARD_DISCOVER", |to, text| {
        to.parsed(text, |to, value| to.issuer().discover = Some(value))
    }),
    ("DOORWARD_INSECURE_PLAIN_HTTP", |to, text| {
        to.parsed(text, |to, value| {
            to.issuer().insecure_plain_http = Some(value)
        })
    }),
    ("DOORWARD_MAX_TENANTS", |to, text| {
        to.parsed(text, |to, value| to.issuer().max_tenants = Some(value))
    }),
    ("DOORWARD_ACCEPTS", |to, text| {
        to.config.accepts = Some(OneOrMany::list(&text))
    }),
    ("DOORWARD_COOKIES", |to, text| {
        to.config.cookies = Some(OneOrMany::list(&text))
    }),
    ("DOORWARD_LEEWAY", |to, text| {
        to.parsed(text, |to, value| to.config.leeway = Some(value))
    }),
    ("DOORWARD_ALLOW_PENDING", |to, text| {
        to.parsed(text, |to, value| to.config.allow_pending = Some(value))
    }),
    ("DOORWARD_EXPLAIN", |to, text| {
        to.parsed(text, |to, value| to.config.explain = Some(value))
    }),
    ("DOORWARD_PROBLEM_DETAILS", |to, text| {
        to.parsed(text, |to, value| to.config.problem_details = Some(value))
    }),
    ("DOORWARD_CACHE_BYTES", |to, text| {
        to.parsed(text, |to, value| to.config.cache_bytes = Some(value))
    }),
    ("DOORWARD_MAX_TOKEN_BYTES", |to, text| {
        to.parsed(text, |to, value| to.config.max_token_bytes = Some(value))
    }),
];

/// Variables that narrow what is accepted. An empty one is more likely a template gone wrong than a waiver.
const RESTRICTING: [&str; 13] = [
    "CLERK_AUTHORIZED_PARTIES",
    "DOORWARD_TENANTS",
    "DOORWARD_AUDIENCE_CLAIM",
    "DOORWARD_AUTHORIZED_PARTIES",
    "DOORWARD_AUDIENCE",
    "DOORWARD_CLIENTS_WITHOUT_AUDIENCE",
    "DOORWARD_RESOURCE",
    "DOORWARD_TOOL_SCOPES",
    "DOORWARD_DEFAULT_TOOL_SCOPES",
    "DOORWARD_ALGORITHMS",
    "DOORWARD_TOKEN_TYPES",
    "DOORWARD_REQUIRED_CLAIMS",
    "DOORWARD_ACCEPTS",
];

type Apply = fn(&mut Target, String);

/// The configuration under construction: it has one issuer, the environment's.
#[derive(Default)]
struct Target {
    config: Config,
    issuer: Option<IssuerConfig>,
    wrong: Option<String>,
}

impl Target {
    fn issuer(&mut self) -> &mut IssuerConfig {
        self.issuer.get_or_insert_default()
    }

    fn parsed<T: std::str::FromStr>(&mut self, text: String, set: impl FnOnce(&mut Self, T)) {
        match text.trim().parse() {
            Ok(value) => set(self, value),
            Err(_) => self.wrong = Some(text),
        }
    }

    /// A table, as a JSON object.
    fn json<T: serde::de::DeserializeOwned>(
        &mut self,
        text: String,
        set: impl FnOnce(&mut Self, T),
    ) {
        match serde_json::from_str(&text) {
            Ok(value) => set(self, value),
            Err(_) => self.wrong = Some(text),
        }
    }

    /// Reads the variables of the provider's own. Clerk's names choose its preset where nothing else names an issuer.
    fn provider(&mut self, variables: &BTreeMap<String, String>) -> Result<(), ConfigError> {
        const NAMING: [&str; 3] = ["CLERK_PUBLISHABLE_KEY", "CLERK_SECRET_KEY", "CLERK_JWT_KEY"];
        let named = NAMING.iter().find(|name| variables.contains_key(**name));
        if let Some(named) = named
            && self
                .issuer
                .as_ref()
                .is_none_or(|issuer| issuer.preset.is_none())
        {
            if self
                .issuer
                .as_ref()
                .is_some_and(IssuerConfig::names_an_issuer)
            {
                return Err(ConfigError::new(
                    *named,
                    "the DOORWARD_ variables name an issuer as well; if it is Clerk's, set DOORWARD_PRESET=clerk, \
                     if not, unset the CLERK_ variables",
                ));
            }
            self.issuer().preset = Some("clerk".to_owned());
        }
        let Some(issuer) = &mut self.issuer else {
            return Ok(());
        };
        let Some(name) = &issuer.preset else {
            if let Some(parties) = variables.get("CLERK_AUTHORIZED_PARTIES") {
                let parties = || OneOrMany::from(parties.as_str());
                issuer.authorized_parties.get_or_insert_with(parties);
            }
            return Ok(());
        };
        let preset = Preset::named(name)?;
        let mut own = IssuerConfig::default();
        let mut read: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
        for (variable, setting) in &preset.environment {
            let Some(text) = variables.get(variable) else {
                continue;
            };
            if let Some((other, value)) = read.insert(setting, (variable, text))
                && value != text
            {
                return Err(ConfigError::new(
                    variable.clone(),
                    format!(
                        "says something else than {other}, and both set {setting}; keep one of them"
                    ),
                ));
            }
            own.set(setting, text);
        }
        // Keys that are given and keys that are fetched exclude each other, so ours win over the provider's.
        if issuer.gives_keys() {
            (own.keys, own.jwks_url, own.shared_secret) = (None, None, None);
        }
        issuer.fill_from(&own);
        Ok(())
    }
}

impl Config {
    /// Reads the process's environment; see [`Config::from_variables`].
    ///
    /// # Errors
    /// As [`Config::from_variables`].
    pub fn from_env() -> Result<Self, ConfigError> {
        let mut variables = Vec::new();
        for (name, value) in std::env::vars_os() {
            // A name that is not UTF-8 is none of ours; a value of ours that is not would be a setting that is lost.
            let Ok(name) = name.into_string() else {
                continue;
            };
            match value.into_string() {
                Ok(value) => variables.push((name, value)),
                Err(_) if Self::reads_variable(&name) => {
                    return Err(ConfigError::new(name, "the value is not UTF-8 text"));
                }
                Err(_) => {}
            }
        }
        Self::from_variables(variables)
    }

    /// Whether an environment variable of this name would be read, or be refused as unknown.
    pub fn reads_variable(name: &str) -> bool {
        let of_a_provider = |preset: &str| {
            Preset::named(preset).is_ok_and(|preset| preset.environment.contains_key(name))
        };
        name.starts_with("DOORWARD_") || Preset::names().any(of_a_provider)
    }

    /// Reads `DOORWARD_*`, and the variables of the provider that `DOORWARD_PRESET` chooses (`docs/providers.md`); those of
    /// Clerk choose its preset themselves. `DOORWARD_CONFIG` names a `doorward.toml` to read instead of an issuer in the
    /// environment. An empty variable counts as not set, except for those that narrow what is accepted: there it is a
    /// mistake.
    ///
    /// # Errors
    /// Nothing names an issuer, a `DOORWARD_` variable is unknown, or a value cannot be read.
    pub fn from_variables(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let (empty, variables): (BTreeMap<String, String>, BTreeMap<String, String>) = variables
            .into_iter()
            .partition(|(_, value)| value.trim().is_empty());
        if let Some(name) = RESTRICTING.iter().find(|name| empty.contains_key(**name)) {
            return Err(ConfigError::new(
                *name,
                "is empty, which would waive a check; unset it or fill it in",
            ));
        }
        let known: Vec<&str> = VARIABLES
            .iter()
            .map(|(name, _)| *name)
            .chain([CONFIG_FILE])
            .chain(webhook::VARIABLES)
            .collect();
        let stranger =
            |name: &&String| name.starts_with("DOORWARD_") && !known.contains(&name.as_str());
        if let Some(name) = variables.keys().find(stranger) {
            return Err(ConfigError::new(name.clone(), unknown(name, &known)));
        }
        if let Some((name, meant)) = variables
            .keys()
            .find_map(|name| Some((name, misspelt(name)?)))
        {
            return Err(ConfigError::new(
                name.clone(),
                format!("is nobody's variable; did you mean {meant:?}?"),
            ));
        }
        let mut target = Target::default();
        if let Some(path) = variables.get(CONFIG_FILE) {
            target.config = Self::from_file(path)?;
        }
        for (name, apply) in VARIABLES {
            if let Some(value) = variables.get(*name) {
                apply(&mut target, value.clone());
                if let Some(found) = target.wrong.take() {
                    return Err(ConfigError::new(
                        *name,
                        format!("{found:?} cannot be read; see the documentation"),
                    ));
                }
            }
        }
        target.provider(&variables)?;
        match target.issuer {
            Some(issuer) if target.config.issuers.is_empty() => target.config.issuers.push(issuer),
            Some(_) => {
                return Err(ConfigError::new(
                    CONFIG_FILE,
                    "the file and the environment both name an issuer; keep one of them",
                ));
            }
            None if target.config.issuers.is_empty() => {
                return Err(ConfigError::new(
                    "environment",
                    "names no issuer; set CLERK_PUBLISHABLE_KEY, CLERK_JWT_KEY or CLERK_SECRET_KEY, or \
                     DOORWARD_PRESET and what your provider needs, or DOORWARD_ISSUER and DOORWARD_AUDIENCE, or \
                     DOORWARD_CONFIG",
                ));
            }
            None => {}
        }
        Ok(target.config)
    }
}

/// Clerk's variable that this name is a slip away from. Programs have other variables of Clerk's, further away than that.
fn misspelt(name: &str) -> Option<&'static str> {
    const CLERK: [&str; 6] = [
        "CLERK_PUBLISHABLE_KEY",
        "CLERK_SECRET_KEY",
        "CLERK_JWT_KEY",
        "CLERK_AUTHORIZED_PARTIES",
        "CLERK_API_URL",
        "CLERK_WEBHOOK_SIGNING_SECRET",
    ];
    let near = |known: &&str| name != *known && strsim::damerau_levenshtein(name, known) <= 2;
    name.starts_with("CLERK_")
        .then(|| CLERK.into_iter().find(near))?
}

const CONFIG_FILE: &str = "DOORWARD_CONFIG";

fn secret(text: &str) -> SecretText {
    SecretText(Secret::new(text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_variables(
            variables
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned())),
        )
    }

    #[test]
    fn clerk_variables_choose_the_preset() {
        let config = read(&[
            ("CLERK_PUBLISHABLE_KEY", "pk_test_Y2xlcmsuY2xlcmsuZGV2JA"),
            (
                "CLERK_AUTHORIZED_PARTIES",
                "http://localhost:3000,https://app.example",
            ),
            ("CLERK_JWT_KEY", ""),
            ("HOME", "/home/someone"),
        ])
        .unwrap();
        let issuer = &config.issuers[0];
        assert_eq!(issuer.preset.as_deref(), Some("clerk"));
        assert_eq!(issuer.keys, None);
        assert_eq!(issuer.authorized_parties.as_ref().unwrap().split().len(), 2);
    }

    #[test]
    fn a_preset_reads_its_own_variables() {
        let config = read(&[
            ("DOORWARD_PRESET", "auth0"),
            ("AUTH0_DOMAIN", "acme.eu.auth0.com"),
            ("AUTH0_AUDIENCE", "https://api.acme.example"),
            ("CLERK_SECRET_KEY", "sk_test_of_another_program"),
            ("SUPABASE_URL", "https://abc.supabase.co"),
        ]);
        let issuer = &config.unwrap().issuers[0];
        assert_eq!(issuer.domain.as_deref(), Some("acme.eu.auth0.com"));
        assert_eq!(issuer.audience, Some("https://api.acme.example".into()));
        assert!(issuer.secret_key.is_none() && issuer.url.is_none());

        let missing = read(&[("DOORWARD_PRESET", "supabase")]).unwrap();
        let error = crate::Authenticator::new(&missing).unwrap_err().to_string();
        assert!(
            error.contains("url") && error.contains("SUPABASE_URL"),
            "{error}"
        );
    }

    #[test]
    fn two_issuers_are_not_mixed_into_one() {
        let both = [
            ("CLERK_SECRET_KEY", "sk_test_x"),
            ("DOORWARD_ISSUER", "https://login.example.com"),
            ("DOORWARD_AUDIENCE", "api"),
        ];
        let error = read(&both).unwrap_err().to_string();
        assert!(
            error.contains("CLERK_SECRET_KEY") && error.contains("DOORWARD_PRESET"),
            "{error}"
        );
        let together = [&both[..2], &[("DOORWARD_PRESET", "clerk")]].concat();
        assert!(read(&together).is_ok());
    }

    #[test]
    fn a_typo_is_a_mistake() {
        let error = read(&[("DOORWARD_ISUER", "https://a.example")])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("did you mean \"DOORWARD_ISSUER\"?"),
            "{error}"
        );
        let error = read(&[("CLERK_AUTHORISED_PARTIES", "http://localhost:3000")]);
        assert!(
            error
                .unwrap_err()
                .to_string()
                .contains("CLERK_AUTHORIZED_PARTIES")
        );
        assert!(misspelt("CLERK_API_KEY").is_none() && misspelt("CLERK_API_VERSION").is_none());
        let error = read(&[("DOORWARD_LEEWAY", "five")])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("DOORWARD_LEEWAY") && error.contains("five"),
            "{error}"
        );
    }

    #[test]
    fn an_empty_environment_says_what_is_missing() {
        let error = read(&[]).unwrap_err().to_string();
        assert!(
            error.contains("CLERK_PUBLISHABLE_KEY") && error.contains("DOORWARD_ISSUER"),
            "{error}"
        );
    }
}
