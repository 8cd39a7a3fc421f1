//! Checks somebody's own running API: every protected route refuses a list of bad credentials, every public one is open.
//!
//! No sockets here: a [`Suite`] says which requests to send ([`Suite::probes`]), is told what came back
//! ([`Suite::record`]) and judges it ([`Suite::report`]). The command line sends them over the network, Python's tests
//! to a test client.
//!
//! ```
//! use doorward_issuer::conformance::{Answer, RouteSpec, Settings, Suite};
//!
//! let mut settings = Settings::default();
//! settings.routes.push(RouteSpec::parse("GET /me")?);
//! let mut suite = Suite::new(settings)?;
//! for index in 0..suite.probes().len() {
//!     // An application that lets everybody in.
//!     suite.record(index, Answer::response(200, []));
//! }
//! assert!(!suite.report().passed);
//! # Ok::<(), doorward_issuer::conformance::SuiteError>(())
//! ```

mod attack;
mod forge;
mod judge;
mod openapi;
mod probe;
mod report;
mod route;

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;

pub use attack::Attack;
use forge::{Known, Tokens};
pub use judge::{Finding, State};
use probe::Place;
pub use probe::{Answer, Probe, follow, retry_after};
pub use report::{NotTried, Probed, Report, Skipped, Summary, Tone};
pub use route::{Access, Route, RouteSpec};
use route::{KeyPlace, Pattern, Scheme, encode};

/// What to check, and with what. The fields are the members of the JSON that Python sends.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Settings {
    /// What the report calls the API.
    pub target: String,
    /// Scheme, host and port, to tell redirects apart.
    pub origin: Option<String>,
    /// What stands before every path; without it, the path of the document's first server does.
    pub base: Option<String>,
    /// An OpenAPI 3 document with the routes.
    pub openapi: Option<Value>,
    /// Routes by hand; one that the document has as well replaces it.
    pub routes: Vec<RouteSpec>,
    /// Probe these routes only.
    pub only: Vec<String>,
    /// Leave these routes out.
    pub skip: Vec<String>,
    /// These routes are public, whatever the document says.
    pub public: Vec<String>,
    /// On these routes credentials are optional, whatever the document says.
    pub optional: Vec<String>,
    /// Every route that is not named public or optional is protected, whatever the document says.
    pub protect_all: bool,
    /// Values for parameters in paths, by name.
    pub parameters: BTreeMap<String, String>,
    /// A token that the API takes.
    pub token: Option<String>,
    /// The `iss` of the tokens that the API takes.
    pub issuer: Option<String>,
    /// The public keys of the issuer (RFC 7517 §5).
    pub jwks: Option<Value>,
    /// What was minted for [`mints`], by name.
    pub minted: BTreeMap<String, String>,
    /// A cookie in which the API takes tokens, too.
    pub cookie: Option<String>,
    /// Send the good token to POST, PUT, PATCH and DELETE, too, and nothing to public ones: they will act on it.
    pub unsafe_methods: bool,
    /// Attacks that are not tried, by name.
    pub waive: Vec<String>,
    /// More fields for every request.
    pub headers: Vec<(String, String)>,
    /// The most requests that may be sent; 0 is [`Suite::MOST_PROBES`].
    pub max_probes: usize,
    /// Warnings fail.
    pub strict: bool,
}

/// No tokens, and neither routes nor documents, which are long.
impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Settings")
            .field("target", &self.target)
            .field("only", &self.only)
            .field("skip", &self.skip)
            .field("public", &self.public)
            .field("optional", &self.optional)
            .finish_non_exhaustive()
    }
}

/// The requests that check an API, and the answers to them.
#[derive(Debug)]
pub struct Suite {
    target: String,
    origin: Option<String>,
    strict: bool,
    routes: Vec<Route>,
    skipped: Vec<Skipped>,
    not_tried: Vec<NotTried>,
    probes: Vec<Probe>,
    answers: Vec<Option<Answer>>,
}

impl Suite {
    /// The most requests of a suite that says no other number.
    pub const MOST_PROBES: usize = 5000;

    /// Plans the requests.
    ///
    /// # Errors
    /// A setting is wrong, no route is left, no route is protected, or there would be too many requests.
    pub fn new(settings: Settings) -> Result<Self, SuiteError> {
        let waived = waived(&settings)?;
        check_fields(&settings)?;
        let (routes, mut skipped) = routes(&settings)?;
        if routes.iter().all(|route| route.access == Access::Public) {
            return Err(SuiteError::new(
                "no route is protected by what the document says, so there is nothing to refuse; declare `security` in \
                 it, or have every route protected that is not named public",
            ));
        }
        let minted = settings.minted.get(forge::GOOD);
        let good = settings.token.iter().chain(minted).cloned().collect();
        let mut tokens = forge::tokens(Known {
            good,
            issuer: settings.issuer.as_deref(),
            jwks: settings.jwks.as_ref(),
            minted: &settings.minted,
        })?;
        tokens.bad.retain(|(name, _)| !waived.contains(name));
        let mut probes = Vec::new();
        let mut probed = Vec::new();
        for route in routes {
            if !(route.access == Access::Protected || route.is_safe() || settings.unsafe_methods) {
                skipped.push(Skipped {
                    route: report::printable(&route.to_string()),
                    why: format!(
                        "{}, and would act on a request without credentials",
                        route.access
                    ),
                });
                continue;
            }
            let planner = Planner {
                settings: &settings,
                tokens: &tokens,
                waived: &waived,
                route: &route,
                index: probed.len(),
            };
            planner.plan(&mut probes);
            probed.push(route);
        }
        let most = match settings.max_probes {
            0 => Self::MOST_PROBES,
            most => most,
        };
        if probes.len() > most {
            return Err(SuiteError::new(format!(
                "{} routes would take {} requests, and at most {most} may be sent: pick fewer routes, or raise the \
                 limit",
                probed.len(),
                probes.len()
            )));
        }
        let not_tried = not_tried(&tokens, &waived);
        Ok(Self {
            target: settings.target,
            origin: settings.origin,
            strict: settings.strict,
            answers: vec![None; probes.len()],
            routes: probed,
            skipped,
            not_tried,
            probes,
        })
    }

    /// The routes that are probed.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// What to send, in any order and any number at a time.
    pub fn probes(&self) -> &[Probe] {
        &self.probes
    }

    /// Takes down what came back for the probe at `index`. An index that is none is ignored.
    pub fn record(&mut self, index: usize, answer: Answer) {
        if let Some(place) = self.answers.get_mut(index) {
            *place = Some(answer);
        }
    }

    /// Judges what came back so far. A probe without an answer fails.
    pub fn report(&self) -> Report {
        let unasked = Answer::Silence("it was not sent".to_owned());
        let answers: Vec<_> = self
            .answers
            .iter()
            .map(|answer| answer.as_ref().unwrap_or(&unasked))
            .collect();
        let mut by_route: Vec<Vec<_>> = self.routes.iter().map(|_| Vec::new()).collect();
        for (probe, answer) in self.probes.iter().zip(answers) {
            by_route[probe.route].push((probe, answer));
        }
        let forbidden: Vec<_> = by_route
            .iter()
            .flat_map(|asked| judge::forbidden(asked))
            .collect();
        let origin = self.origin.as_deref();
        let findings = self
            .routes
            .iter()
            .zip(&by_route)
            .flat_map(|(route, asked)| judge::judge(route, origin, asked, &forbidden))
            .collect();
        let routes = self.routes.iter().map(|route| Probed {
            route: report::printable(&route.to_string()),
            access: route.access,
            state: State::Pass,
        });
        Report::new(
            self.target.clone(),
            self.strict,
            routes.collect(),
            self.skipped.clone(),
            self.not_tried.clone(),
            findings,
            self.probes.len(),
        )
    }
}

/// What to have minted by an issuer that the API trusts: names for [`Settings::minted`], and the specifications for
/// `POST /dev/mint`. `like` is the specification of a good token; an empty object is a session.
pub fn mints(like: &Value) -> Vec<(&'static str, Value)> {
    forge::mints(like)
}

/// Reads an OpenAPI document, JSON or YAML.
///
/// # Errors
/// It is neither, or too large.
pub fn read_document(text: &str) -> Result<Value, SuiteError> {
    if text.len() > LARGEST_DOCUMENT {
        return Err(SuiteError::new(format!(
            "the document has {} bytes; at most {LARGEST_DOCUMENT} are read",
            text.len()
        )));
    }
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text)
            .map_err(|error| SuiteError::new(format!("the document is no JSON: {error}")));
    }
    serde_saphyr::from_str(text).map_err(|error| {
        // The first line says what and where; the others quote the document.
        let error = error.to_string();
        let first = error.lines().next().unwrap_or_default();
        SuiteError::new(format!("the document is neither JSON nor YAML: {first}"))
    })
}

/// Why there is no suite: a mistake in what it was told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SuiteError(String);

impl SuiteError {
    fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// The routes to probe, and those that were left out on request.
fn routes(settings: &Settings) -> Result<(Vec<Route>, Vec<Skipped>), SuiteError> {
    let mut routes = match &settings.openapi {
        Some(document) => openapi::routes(document)?,
        None => Vec::new(),
    };
    for spec in &settings.routes {
        let route = Route::from_spec(spec)?;
        routes.retain(|known| (&known.method, &known.path) != (&route.method, &route.path));
        routes.push(route);
    }
    if let Some(base) = &settings.base {
        for route in &mut routes {
            base.trim_end_matches('/').clone_into(&mut route.base);
        }
    }
    if settings.protect_all {
        for route in &mut routes {
            route.access = Access::Protected;
        }
    }
    // Public last: where both are said, nothing is demanded.
    for (option, access, texts) in [
        ("optional", Access::Optional, &settings.optional),
        ("public", Access::Public, &settings.public),
    ] {
        for pattern in patterns(option, texts, &routes)? {
            for route in routes.iter_mut().filter(|route| pattern.matches(route)) {
                route.access = access;
            }
        }
    }
    let only = patterns("only", &settings.only, &routes)?;
    let skip = patterns("skip", &settings.skip, &routes)?;
    let mut skipped = Vec::new();
    routes.retain(|route| {
        let wanted = only.is_empty() || only.iter().any(|pattern| pattern.matches(route));
        let unwanted = skip.iter().any(|pattern| pattern.matches(route));
        if !wanted || unwanted {
            skipped.push(Skipped {
                route: report::printable(&route.to_string()),
                why: "as was asked".to_owned(),
            });
        }
        wanted && !unwanted
    });
    if routes.is_empty() {
        return Err(SuiteError::new("there is no route to check"));
    }
    Ok((routes, skipped))
}

/// Patterns, each of which picks a route: one that picks none is a typo that would check the wrong thing.
fn patterns<'a>(
    option: &str,
    texts: &'a [String],
    routes: &[Route],
) -> Result<Vec<Pattern<'a>>, SuiteError> {
    texts
        .iter()
        .map(|text| {
            let pattern = Pattern::parse(option, text)?;
            if routes.iter().any(|route| pattern.matches(route)) {
                Ok(pattern)
            } else {
                Err(pattern.picks_nothing(option, routes))
            }
        })
        .collect()
}

fn waived(settings: &Settings) -> Result<Vec<&'static str>, SuiteError> {
    let find = |name: &String| {
        let attack = Attack::named(name).map(|attack| attack.name);
        attack.ok_or_else(|| {
            let known: Vec<_> = Attack::ALL.iter().map(|attack| attack.name).collect();
            SuiteError::new(format!(
                "waive {name:?}: expected one of {}",
                known.join(", ")
            ))
        })
    };
    let waived = settings
        .waive
        .iter()
        .map(find)
        .collect::<Result<Vec<_>, _>>()?;
    // What strangers get is what all else is compared with.
    match waived
        .iter()
        .find(|name| ["no_credentials", "junk"].contains(*name))
    {
        Some(name) => Err(SuiteError::new(format!(
            "waive {name:?}: everything else is compared with it; skip the route instead"
        ))),
        None => Ok(waived),
    }
}

/// Whether what goes into the head of every request can, and should (RFC 9110 §5.5).
fn check_fields(settings: &Settings) -> Result<(), SuiteError> {
    for (name, value) in &settings.headers {
        if !is_token(name) || !is_value(value) {
            return Err(SuiteError::new(format!(
                "header {:?}: the name or the value has letters that HTTP does not allow",
                report::printable(name)
            )));
        }
        if ["authorization", "cookie"].contains(&name.to_ascii_lowercase().as_str()) {
            return Err(SuiteError::new(format!(
                "header {name:?}: credentials on every request would hide what is checked"
            )));
        }
    }
    if settings
        .cookie
        .as_deref()
        .is_some_and(|name| !is_token(name))
    {
        return Err(SuiteError::new("cookie: expected its name alone"));
    }
    let tokens = settings.token.iter().chain(settings.minted.values());
    if tokens
        .into_iter()
        .any(|token| token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()))
    {
        return Err(SuiteError::new(
            "token: expected the token alone, without white space and without its scheme",
        ));
    }
    Ok(())
}

/// Whether a field or a cookie can have this name (RFC 9110 §5.6.2).
fn is_token(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_letter)
}

/// Whether a field can have this value.
fn is_value(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'))
}

fn not_tried(tokens: &Tokens, waived: &[&'static str]) -> Vec<NotTried> {
    let missing = tokens
        .missing
        .iter()
        .filter(|(name, _)| !waived.contains(name))
        .map(|(name, needs)| (*name, format!("needs {needs}")));
    let waived = waived.iter().map(|name| (*name, "waived".to_owned()));
    missing
        .chain(waived)
        .map(|(attack, needs)| NotTried { attack, needs })
        .collect()
}

/// Plans the requests to one route.
struct Planner<'a> {
    settings: &'a Settings,
    tokens: &'a Tokens,
    waived: &'a [&'static str],
    route: &'a Route,
    index: usize,
}

/// The fields that present a credential, and what the query has more.
#[derive(Default)]
struct Presented<'a> {
    authorization: Vec<String>,
    cookie: Option<(&'a str, &'a str)>,
    headers: Vec<(&'a str, &'a str)>,
    /// Instead of the route's own.
    method: Option<&'a str>,
    /// With a slash at the end of the path that has none, or the other way round.
    turns_slash: bool,
    query: Vec<(&'a str, &'a str)>,
    place: Place,
}

impl<'a> Presented<'a> {
    fn authorization(values: &[&str]) -> Self {
        Self {
            authorization: values.iter().map(|value| (*value).to_owned()).collect(),
            ..Self::default()
        }
    }

    fn cookie(name: &'a str, token: &'a str) -> Self {
        Self {
            cookie: Some((name, token)),
            place: Place::Cookie,
            ..Self::default()
        }
    }
}

impl Planner<'_> {
    fn plan(&self, probes: &mut Vec<Probe>) {
        let mut add = |name: &str, presented: Presented<'_>| {
            let optional = self.route.access == Access::Optional;
            let pointless =
                |name| self.waived.contains(&name) || (optional && NO_CREDENTIAL.contains(&name));
            if let Some(attack) = Attack::named(name).filter(|attack| !pointless(attack.name)) {
                probes.push(self.probe(attack, &presented));
            }
        };
        add("no_credentials", Presented::default());
        if self.route.access == Access::Public {
            return;
        }
        self.plan_detours(&mut add);
        for (name, values) in [
            ("basic", &["Basic ZG9vcndhcmQ6ZG9vcndhcmQ="][..]),
            ("bearer_without_token", &["Bearer"]),
            ("empty_authorization", &[""]),
            ("two_authorizations", &["Bearer a.b.c", "Bearer d.e.f"]),
        ] {
            add(name, Presented::authorization(values));
        }
        for (name, token) in &self.tokens.bad {
            add(
                name,
                Presented::authorization(&[&format!("Bearer {token}")]),
            );
        }
        for cookie in self.cookies() {
            for (name, token) in &self.tokens.bad {
                if IN_COOKIES.contains(name) {
                    add(name, Presented::cookie(cookie, token));
                }
            }
        }
        for scheme in &self.route.schemes {
            if let Scheme::ApiKey { place, name } = scheme {
                let mut presented = Presented {
                    place: Place::ApiKey,
                    ..Presented::default()
                };
                match place {
                    KeyPlace::Header => presented.headers.push((name, MADE_UP)),
                    KeyPlace::Query => presented.query.push((name, MADE_UP)),
                    // Forged tokens were tried in it already.
                    KeyPlace::Cookie => continue,
                }
                add("api_key_junk", presented);
            }
        }
        if self.route.is_safe() || self.settings.unsafe_methods {
            for good in &self.tokens.good {
                self.plan_good(good, &mut add);
            }
        }
    }

    /// Ways around a guard that take no token.
    fn plan_detours(&self, add: &mut dyn FnMut(&str, Presented<'_>)) {
        if self.route.method == "GET" {
            add(
                "head",
                Presented {
                    method: Some("HEAD"),
                    ..Presented::default()
                },
            );
            // HEAD changes nothing, and is no preflight, which may be answered to everybody.
            let headers = METHOD_OVERRIDES.map(|name| (name, "HEAD")).to_vec();
            add(
                "method_override",
                Presented {
                    headers,
                    ..Presented::default()
                },
            );
        }
        if self.route.path.len() > 1 {
            add(
                "trailing_slash",
                Presented {
                    turns_slash: true,
                    ..Presented::default()
                },
            );
        }
        add(
            "made_up_identity",
            Presented {
                headers: IDENTITIES.to_vec(),
                ..Presented::default()
            },
        );
    }

    fn plan_good(&self, good: &str, add: &mut dyn FnMut(&str, Presented<'_>)) {
        let bearer = format!("Bearer {good}");
        let query = ["access_token", "token", "jwt"].map(|name| (name, good));
        add(
            "token_in_query",
            Presented {
                query: query.to_vec(),
                ..Presented::default()
            },
        );
        add(
            "good_then_junk",
            Presented::authorization(&[&bearer, "Bearer a.b.c"]),
        );
        add(
            "junk_then_good",
            Presented::authorization(&["Bearer a.b.c", &bearer]),
        );
        add("good_token", Presented::authorization(&[&bearer]));
        add(
            "lower_case_scheme",
            Presented::authorization(&[&format!("bearer {good}")]),
        );
    }

    /// The cookies in which this route may take a token.
    fn cookies(&self) -> Vec<&str> {
        let declared = self.route.schemes.iter().filter_map(|scheme| match scheme {
            Scheme::ApiKey {
                place: KeyPlace::Cookie,
                name,
            } => Some(name.as_str()),
            _ => None,
        });
        let mut cookies: Vec<_> = declared.chain(self.settings.cookie.as_deref()).collect();
        cookies.dedup();
        cookies
    }

    fn probe(&self, attack: &'static Attack, presented: &Presented<'_>) -> Probe {
        let mut target = self.route.filled(&self.settings.parameters);
        if presented.turns_slash && target.pop() != Some('/') {
            target = self.route.filled(&self.settings.parameters) + "/";
        }
        let required = self.route.query.iter();
        let pairs = required
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .chain(presented.query.iter().copied());
        for (position, (name, value)) in pairs.enumerate() {
            target.push(if position == 0 { '?' } else { '&' });
            encode(name, &mut target);
            target.push('=');
            encode(value, &mut target);
        }
        let mut headers = vec![("Accept".to_owned(), "application/json".to_owned())];
        headers.extend(self.route.headers.iter().cloned());
        headers.extend(self.settings.headers.iter().cloned());
        for value in &presented.authorization {
            headers.push(("Authorization".to_owned(), value.clone()));
        }
        if let Some((name, token)) = presented.cookie {
            headers.push(("Cookie".to_owned(), format!("{name}={token}")));
        }
        for (name, value) in &presented.headers {
            headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            headers.push(((*name).to_owned(), (*value).to_owned()));
        }
        let body = matches!(self.route.method.as_str(), "POST" | "PUT" | "PATCH");
        if body {
            headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        }
        Probe {
            route: self.index,
            attack,
            method: presented.method.unwrap_or(&self.route.method).to_owned(),
            target,
            headers,
            body: body.then(|| "{}".to_owned()),
            place: presented.place,
        }
    }
}

/// Where frameworks put their OpenAPI documents, the most likely place first.
pub const DOCUMENTS: &[&str] = &[
    "/openapi.json",
    "/schema/openapi.json",
    "/api/openapi.json",
    "/api/schema/",
    "/schema/",
    "/schema",
    "/openapi.yaml",
    "/openapi.yml",
    "/docs/openapi.json",
    "/api-docs/openapi.json",
    "/v3/api-docs",
    "/swagger/v1/swagger.json",
    "/api/docs/openapi.json",
    "/openapi",
];
const LARGEST_DOCUMENT: usize = 16 * 1024 * 1024;
/// What is tried in a cookie, too: one token of each way to fail.
const IN_COOKIES: [&str; 7] = [
    "junk",
    "alg_none",
    "stranger_key",
    "hmac_with_public_key",
    "bad_signature",
    "expired",
    "wrong_azp",
];
/// What an API that takes bearer tokens may take for nothing, where nothing is enough.
const NO_CREDENTIAL: [&str; 7] = [
    "basic",
    "empty_authorization",
    "token_in_query",
    "head",
    "trailing_slash",
    "method_override",
    "made_up_identity",
];
const METHOD_OVERRIDES: [&str; 3] = [
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
];
/// Where proxies that sign people in name them.
const IDENTITIES: [(&str, &str); 9] = [
    ("X-User-Id", "1"),
    ("X-User", "admin"),
    ("X-Forwarded-User", "admin"),
    ("X-Forwarded-Email", "admin@example.com"),
    ("X-Auth-Request-User", "admin"),
    ("X-Authenticated-User", "admin"),
    ("X-Remote-User", "admin"),
    ("Remote-User", "admin"),
    ("X-User-Role", "admin"),
];
const MADE_UP: &str = "conformance-0123456789abcdef";

#[cfg(test)]
mod tests;
