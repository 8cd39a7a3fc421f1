//! The OAuth server for MCP as Python calls it: a request in, a promise of a response out.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use doorward::{
    Carried, CarriedRequest, CarriedResponse, Clock as _, Secret, SecretText, SharedCarrier,
    Timestamp,
};
use doorward_issuer::authorization_server::transport::{HttpSettings, HttpTransport};
use doorward_issuer::authorization_server::{
    AnyStore, AuthorizationServer as Engine, Capacity, ClientDocuments, Consent, DocumentAnswer,
    DocumentCall, DocumentError, KeyRing, Moment, PageSettings, Pages, Registration, Reply,
    Sessions, Settings, Standing, StaticClient, Transport, Upstream, UpstreamAnswer,
    UpstreamAuthentication, UpstreamCall, UpstreamCheck, UpstreamToken, UpstreamUnreachable,
};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict, PyString};
use serde::Deserialize;

use crate::authenticator::PyClock;
use crate::carrier::Carrier;
use crate::refusal::config_error;
use crate::runtime::{self, Promise};
use crate::value::json_of;

/// The settings, in Python's keyword arguments.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    issuer: String,
    resource: String,
    secret: SecretText,
    upstream: GivenUpstream,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    clients: Vec<GivenClient>,
    client_documents: Option<GivenDocuments>,
    registration: Option<GivenRegistration>,
    signing_key_period: Option<i64>,
    #[serde(default)]
    custom_schemes: Vec<String>,
    allowed_redirect_uris: Option<Vec<String>>,
    callback_path: Option<String>,
    upstream_check: Option<GivenCheck>,
    outage_tolerance: Option<i64>,
    #[serde(default)]
    claims: Vec<String>,
    consent: Option<String>,
    #[serde(default)]
    pages: PageSettings,
    store: Option<SecretText>,
    store_key: Option<SecretText>,
    #[serde(default)]
    old_store_keys: Vec<SecretText>,
    max_clients: Option<usize>,
    max_families: Option<usize>,
    max_approvals: Option<usize>,
    timeout: Option<f64>,
    access_token_lifetime: Option<i64>,
    refresh_lifetime: Option<i64>,
    #[serde(default)]
    invalid_grant_is_unauthorized: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenUpstream {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    client_id: String,
    client_secret: Option<SecretText>,
    authentication: Option<String>,
    scopes: Option<Vec<String>>,
    revocation_endpoint: Option<String>,
    introspection_endpoint: Option<String>,
    userinfo_endpoint: Option<String>,
    #[serde(default)]
    extra_authorize_parameters: BTreeMap<String, String>,
    #[serde(default)]
    forward_resource: bool,
    #[serde(default)]
    iss_parameter_supported: bool,
}

/// `never`, `always`, or once in so many seconds.
#[derive(Deserialize)]
#[serde(untagged)]
enum GivenCheck {
    Seconds(i64),
    Named(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenClient {
    client_id: String,
    client_name: String,
    #[serde(default)]
    redirect_uris: Vec<String>,
    client_secret: Option<SecretText>,
    keys: Option<String>,
    scopes: Option<Vec<String>>,
    #[serde(default)]
    client_credentials: bool,
}

/// Whether clients are let in by a document about them, and which.
#[derive(Deserialize)]
#[serde(untagged)]
enum GivenDocuments {
    Whether(bool),
    Which(GivenDomains),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenDomains {
    allowed_domains: Option<Vec<String>>,
    #[serde(default)]
    denied_domains: Vec<String>,
    #[serde(default)]
    dangerously_allow_loopback_for_tests: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenRegistration {
    open: bool,
    lifetime: Option<i64>,
    each_minute: Option<u32>,
    all_each_minute: Option<u32>,
}

/// An OAuth 2.1 authorization server for one MCP server.
#[pyclass(frozen, module = "doorward", name = "AuthorizationServer")]
pub(crate) struct AuthorizationServer {
    pages: Pages,
    clock: Option<PyClock>,
    own: Arc<Own>,
}

/// What its keys need as well.
struct Own {
    engine: Engine,
    http: HttpSettings,
    place: Place,
    carrier: Option<SharedCarrier>,
    live: Mutex<Option<(u32, Arc<Live>)>>,
}

/// What belongs to a process: its connections, and what it knows. A forked child makes its own.
struct Live {
    store: Arc<AnyStore>,
    transport: Arc<Carrying>,
    sessions: Sessions<AnyStore, Carrying>,
}

/// Where the store is, what seals it, and how much it holds.
#[derive(Clone)]
struct Place {
    url: Secret,
    keys: Option<(Secret, Vec<Secret>)>,
    capacity: Capacity,
}

impl Place {
    fn open(&self) -> Result<AnyStore, String> {
        let ring = self.keys.as_ref().map(|(key, old)| KeyRing::new(key, old));
        let ring = ring.transpose().map_err(|error| error.to_string())?;
        AnyStore::with_capacity(&self.url, ring, self.capacity).map_err(|error| error.to_string())
    }
}

#[pymethods]
impl AuthorizationServer {
    #[new]
    #[pyo3(signature = (*, clock=None, carrier=None, **settings))]
    fn new(
        py: Python<'_>,
        clock: Option<Py<PyAny>>,
        carrier: Option<&Carrier>,
        settings: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let none = PyDict::new(py);
        let settings = json_of(settings.unwrap_or(&none).as_any().cast()?)?;
        let wrong = |why: String| config_error(py, &format!("authorization server: {why}"));
        let given: Given = serde_json::from_str(&settings).map_err(|e| wrong(e.to_string()))?;
        let http = given.http().map_err(&wrong)?;
        let place = given.place();
        let pages = Pages::new(given.pages.clone()).map_err(|e| wrong(e.to_string()))?;
        let settings = given.settings().map_err(&wrong)?;
        let engine = Engine::with_rotating_keys(settings).map_err(|e| wrong(e.to_string()))?;
        // What is wrong with it is told now; connections come later.
        HttpTransport::new(&http).map_err(|e| wrong(e.to_string()))?;
        place.open().map_err(&wrong)?;
        Ok(Self {
            pages,
            clock: clock.map(|clock| PyClock::new(py, clock)).transpose()?,
            own: Arc::new(Own {
                engine,
                http,
                place,
                carrier: carrier.map(Carrier::shared),
                live: Mutex::new(None),
            }),
        })
    }

    /// The paths it answers at.
    #[getter]
    fn paths(&self) -> Vec<String> {
        self.own.engine.paths().into_iter().collect()
    }

    /// Reads where an issuer's endpoints are from its metadata (RFC 8414, OpenID Connect Discovery), as JSON.
    #[staticmethod]
    #[pyo3(signature = (issuer, *, authentication="client_secret_basic", timeout=10.0))]
    fn discover(
        py: Python<'_>,
        issuer: &str,
        authentication: &str,
        timeout: f64,
    ) -> PyResult<String> {
        let wrong = |why: String| config_error(py, &format!("{issuer}: {why}"));
        let mut http = HttpSettings::default();
        http.timeout = seconds(timeout).map_err(&wrong)?;
        let transport = HttpTransport::new(&http).map_err(|e| wrong(e.to_string()))?;
        // Only whether the issuer understands it counts here.
        let way = match authentication {
            "none" => UpstreamAuthentication::None,
            "client_secret_post" => UpstreamAuthentication::Post(Secret::from("")),
            _ => UpstreamAuthentication::Basic(Secret::from("")),
        };
        let of = issuer.to_owned();
        let found = Promise::of(async move {
            let found = Upstream::discover(&of, "", way, &transport).await;
            found.map(Arc::new).map_err(|error| error.to_string())
        })?;
        found.wait(py)?;
        let found = found.value().unwrap_or_else(|| Err("no answer".to_owned()));
        let found = found.map_err(wrong)?;
        let told = serde_json::json!({
            "issuer": found.issuer,
            "authorization_endpoint": found.authorization_endpoint,
            "token_endpoint": found.token_endpoint,
            "jwks_uri": found.jwks_uri,
            "introspection_endpoint": found.introspection_endpoint,
            "userinfo_endpoint": found.userinfo_endpoint,
            "revocation_endpoint": found.revocation_endpoint,
            "iss_parameter_supported": found.iss_parameter_supported,
        });
        Ok(told.to_string())
    }

    /// Answers a request.
    #[pyo3(signature = (method, target, headers, body, source=None))]
    fn handle(
        &self,
        py: Python<'_>,
        method: &str,
        target: &str,
        headers: Vec<(PyBackedBytes, PyBackedBytes)>,
        body: &[u8],
        source: Option<&str>,
    ) -> PyResult<Handling> {
        let mut request = http::Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(&*name, &*value);
        }
        // Servers have refused most of what is no HTTP before.
        let Ok(request) = request.body(body.to_vec()) else {
            let refusal = http::Response::builder().status(400).body(Vec::new());
            let refusal = refusal.map_err(|_| PyValueError::new_err("no request"))?;
            return Ok(Handling(Promise::of(async { Sent(Arc::new(refusal)) })?));
        };
        let source = source.and_then(|source| source.parse::<IpAddr>().ok());
        let (live, pages) = (self.live(py)?, self.pages.clone());
        let exchange = self.own.engine.handle(request, source, self.moment()?);
        let answered = async move {
            let reply = exchange.run(&*live.store, &*live.transport).await;
            Sent(Arc::new(pages.answer(reply)))
        };
        Ok(Handling(Promise::of(answered)?))
    }

    /// Whether a family of tokens stands: `stands`, `ended` or `unknown`; or who is being asked.
    fn standing_nowait<'py>(&self, py: Python<'py>, sid: String) -> PyResult<Bound<'py, PyAny>> {
        let live = self.live(py)?;
        if let Some(standing) = live.sessions.known(&sid, self.now().as_secs()) {
            return Ok(PyString::new(py, named(standing)).into_any());
        }
        let asked = async move { live.sessions.check(&sid).await };
        Ok(Bound::new(py, Checking(Promise::of(asked)?))?.into_any())
    }

    /// Fetches the upstream's access token of a family.
    fn upstream_token(&self, py: Python<'_>, sid: String) -> PyResult<Fetching> {
        let live = self.live(py)?;
        let fetched = async move { live.sessions.upstream_token(&sid).await };
        Ok(Fetching(Promise::of(fetched)?))
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.own.engine)
    }
}

impl AuthorizationServer {
    /// Has an authenticator find the public keys here instead of asking over the network.
    pub(crate) fn keys(&self) -> SharedCarrier {
        SharedCarrier(Arc::new(OwnKeys(Arc::clone(&self.own))))
    }

    fn live(&self, py: Python<'_>) -> PyResult<Arc<Live>> {
        self.own.live().map_err(|why| config_error(py, &why))
    }

    fn now(&self) -> Timestamp {
        match &self.clock {
            Some(clock) => clock.now(),
            None => SystemTime::now().into(),
        }
    }

    fn moment(&self) -> PyResult<Moment> {
        let mut seed = [0; 32];
        aws_lc_rs::rand::fill(&mut seed)
            .map_err(|_| PyRuntimeError::new_err("there are no random numbers"))?;
        Ok(Moment::new(self.now().as_secs(), seed))
    }
}

impl Own {
    fn live(&self) -> Result<Arc<Live>, String> {
        let process = std::process::id();
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        match &*live {
            Some((own, live)) if *own == process => return Ok(Arc::clone(live)),
            _ => {}
        }
        let own = HttpTransport::new(&self.http).map_err(|error| error.to_string())?;
        let store = Arc::new(self.place.open()?);
        let transport = Arc::new(Carrying {
            own,
            foreign: self.carrier.clone(),
        });
        let server = self.engine.clone();
        let made = Arc::new(Live {
            sessions: Sessions::new(server, Arc::clone(&store), Arc::clone(&transport)),
            store,
            transport,
        });
        *live = Some((process, Arc::clone(&made)));
        Ok(made)
    }
}

/// Calls the upstream by Python's HTTP client if there is one. Strangers' documents never go that way: what fetches them
/// has to know public addresses from others.
struct Carrying {
    own: HttpTransport,
    foreign: Option<SharedCarrier>,
}

impl Transport for Carrying {
    async fn call(&self, call: UpstreamCall) -> Result<UpstreamAnswer, UpstreamUnreachable> {
        let Some(SharedCarrier(carrier)) = &self.foreign else {
            return self.own.call(call).await;
        };
        let mut headers = vec![("accept".to_owned(), "application/json".to_owned())];
        if let Some(value) = &call.authorization {
            headers.push(("authorization".to_owned(), value.expose().to_owned()));
        }
        if call.form.is_some() {
            let form = "application/x-www-form-urlencoded";
            headers.push(("content-type".to_owned(), form.to_owned()));
        }
        let body = call.form.as_ref().map(Secret::expose).unwrap_or_default();
        let carried = carrier.carry(CarriedRequest {
            method: call.method.to_string(),
            url: call.url,
            headers,
            body: body.as_bytes().to_vec(),
        });
        let answer = carried.await.map_err(|_| UpstreamUnreachable)?;
        Ok(UpstreamAnswer {
            status: answer.status,
            body: answer.body,
        })
    }

    async fn document(&self, call: DocumentCall) -> Result<DocumentAnswer, DocumentError> {
        self.own.document(call).await
    }
}

/// The public keys, for the authenticator of the same process.
struct OwnKeys(Arc<Own>);

impl doorward::Carrier for OwnKeys {
    fn carry(&self, request: CarriedRequest) -> Carried {
        let failed = |why: &str| Err(why.to_owned());
        let own = Arc::clone(&self.0);
        // The store belongs to our runtime; who asks runs on another.
        let Ok(runtime) = runtime::handle() else {
            return Box::pin(async move { failed("there is no runtime") });
        };
        let asked = runtime.spawn(async move {
            let request = http::Request::get(request.url).body(Vec::new()).ok()?;
            let live = own.live().ok()?;
            let exchange = own.engine.handle(request, None, Moment::of_the_system()?);
            match exchange.run(&*live.store, &*live.transport).await {
                Reply::Response(response) => Some(CarriedResponse {
                    status: response.status().as_u16(),
                    headers: Vec::new(),
                    body: response.into_body(),
                }),
                _ => None,
            }
        });
        Box::pin(async move {
            match asked.await {
                Ok(Some(response)) => Ok(response),
                _ => failed("the authorization server gave no keys"),
            }
        })
    }
}

fn named(standing: Standing) -> &'static str {
    match standing {
        Standing::Stands => "stands",
        Standing::Ended => "ended",
        Standing::Unknown => "unknown",
    }
}

/// A response on its way.
#[pyclass(frozen, module = "doorward", name = "Handling")]
pub(crate) struct Handling(Promise<Sent>);

#[derive(Clone)]
struct Sent(Arc<http::Response<Vec<u8>>>);

/// Status, headers, body.
type Answer<'py> = (
    u16,
    Vec<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)>,
    Bound<'py, PyBytes>,
);

#[pymethods]
impl Handling {
    #[getter]
    fn fetch_id(&self) -> usize {
        self.0.id()
    }

    fn wait(&self, py: Python<'_>) -> PyResult<()> {
        self.0.wait(py)
    }

    /// The response, if it is there: status, headers and body.
    fn response<'py>(&self, py: Python<'py>) -> Option<Answer<'py>> {
        let Sent(response) = self.0.value()?;
        let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            let name = PyBytes::new(py, name.as_str().as_bytes());
            (name, PyBytes::new(py, value.as_bytes()))
        };
        let headers = response.headers().iter().map(header).collect();
        Some((
            response.status().as_u16(),
            headers,
            PyBytes::new(py, response.body()),
        ))
    }
}

/// A family's standing, about which somebody is being asked.
#[pyclass(frozen, module = "doorward", name = "Checking")]
pub(crate) struct Checking(Promise<Standing>);

#[pymethods]
impl Checking {
    #[getter]
    fn fetch_id(&self) -> usize {
        self.0.id()
    }

    fn wait(&self, py: Python<'_>) -> PyResult<()> {
        self.0.wait(py)
    }

    /// `stands`, `ended` or `unknown`, which it is until there is an answer.
    fn standing(&self) -> &'static str {
        named(self.0.value().unwrap_or(Standing::Unknown))
    }
}

/// An upstream's access token on its way.
#[pyclass(frozen, module = "doorward", name = "Fetching")]
pub(crate) struct Fetching(Promise<Result<UpstreamToken, Standing>>);

#[pymethods]
impl Fetching {
    #[getter]
    fn fetch_id(&self) -> usize {
        self.0.id()
    }

    fn wait(&self, py: Python<'_>) -> PyResult<()> {
        self.0.wait(py)
    }

    /// Token, scope and expiry; or why there is none: `ended` or `unknown`.
    fn token<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.0.value() {
            Some(Ok(token)) => {
                let told = (token.access_token.expose(), token.scope, token.expires_at);
                Ok(told.into_pyobject(py)?.into_any())
            }
            Some(Err(standing)) => Ok(PyString::new(py, named(standing)).into_any()),
            None => Ok(PyString::new(py, named(Standing::Unknown)).into_any()),
        }
    }
}

impl Given {
    fn place(&self) -> Place {
        let url = self.store.as_ref().map(|url| url.0.clone());
        let old = self.old_store_keys.iter().map(|key| key.0.clone());
        let usual = Capacity::default();
        Place {
            capacity: Capacity {
                clients: self.max_clients.unwrap_or(usual.clients),
                families: self.max_families.unwrap_or(usual.families),
                approvals: self.max_approvals.unwrap_or(usual.approvals),
                ..usual
            },
            url: url.unwrap_or_else(|| Secret::from("memory:")),
            keys: self
                .store_key
                .as_ref()
                .map(|key| (key.0.clone(), old.collect())),
        }
    }

    fn http(&self) -> Result<HttpSettings, String> {
        let mut http = HttpSettings::default();
        if let Some(given) = self.timeout {
            http.timeout = seconds(given)?;
        }
        Ok(http)
    }

    fn settings(self) -> Result<Settings, String> {
        let upstream = self.upstream.upstream()?;
        let mut settings = Settings::new(self.issuer, self.resource, self.secret.0, upstream);
        settings.scopes = self.scopes;
        settings.clients = self.clients.into_iter().map(GivenClient::client).collect();
        if let Some(documents) = self.client_documents {
            settings.client_documents = documents.documents();
        }
        if let Some(registration) = self.registration {
            settings.registration = registration.registration();
        }
        settings.custom_schemes = self.custom_schemes;
        settings.allowed_redirect_uris = self.allowed_redirect_uris;
        if let Some(path) = self.callback_path {
            settings.callback_path = path;
        }
        if let Some(check) = self.upstream_check {
            settings.upstream_check = check.check()?;
        }
        if let Some(seconds) = self.outage_tolerance {
            settings.outage_tolerance = seconds;
        }
        settings.claims = self.claims;
        settings.consent = match self.consent.as_deref() {
            None | Some("always") => Consent::Always,
            Some("remember") => Consent::Remember,
            Some("external") => Consent::External,
            Some(other) => {
                return Err(format!(
                    "`consent` is {other:?}; expected always, remember or external"
                ));
            }
        };
        if let Some(seconds) = self.access_token_lifetime {
            settings.access_token_lifetime = seconds;
            settings.signing_key_period = settings.signing_key_period.max(seconds);
        }
        if let Some(seconds) = self.signing_key_period {
            settings.signing_key_period = seconds;
        }
        if let Some(seconds) = self.refresh_lifetime {
            settings.refresh_lifetime = seconds;
        }
        settings.invalid_grant_is_unauthorized = self.invalid_grant_is_unauthorized;
        Ok(settings)
    }
}

impl GivenUpstream {
    fn upstream(self) -> Result<Upstream, String> {
        let secret = self.client_secret.map(|secret| secret.0);
        let way = self.authentication.as_deref();
        let authentication = match (way, secret) {
            (None | Some("none"), None) => UpstreamAuthentication::None,
            (None | Some("client_secret_basic"), Some(secret)) => {
                UpstreamAuthentication::Basic(secret)
            }
            (Some("client_secret_post"), Some(secret)) => UpstreamAuthentication::Post(secret),
            (Some("none"), Some(_)) => {
                return Err("`authentication` is none, and there is a secret".to_owned());
            }
            (Some(way), _) => {
                return Err(format!(
                    "`authentication` is {way:?}; expected client_secret_basic or client_secret_post, with a \
                     `client_secret`, or none"
                ));
            }
        };
        let mut upstream = Upstream::new(
            self.issuer,
            self.authorization_endpoint,
            self.token_endpoint,
            self.jwks_uri,
            self.client_id,
            authentication,
        );
        if let Some(scopes) = self.scopes {
            upstream.scopes = scopes;
        }
        upstream.revocation_endpoint = self.revocation_endpoint;
        upstream.introspection_endpoint = self.introspection_endpoint;
        upstream.userinfo_endpoint = self.userinfo_endpoint;
        let extra = self.extra_authorize_parameters;
        upstream.extra_authorize_parameters = extra.into_iter().collect();
        upstream.forward_resource = self.forward_resource;
        upstream.iss_parameter_supported = self.iss_parameter_supported;
        Ok(upstream)
    }
}

impl GivenCheck {
    fn check(self) -> Result<UpstreamCheck, String> {
        match self {
            Self::Seconds(seconds) => Ok(UpstreamCheck::Every(seconds)),
            Self::Named(name) if name == "never" => Ok(UpstreamCheck::Never),
            Self::Named(name) if name == "always" => Ok(UpstreamCheck::Always),
            Self::Named(name) => Err(format!(
                "`upstream_check` is {name:?}; expected never, always or a number of seconds"
            )),
        }
    }
}

impl GivenClient {
    fn client(self) -> StaticClient {
        let mut client = StaticClient::new(self.client_id, self.client_name, self.redirect_uris);
        client.client_secret = self.client_secret.map(|secret| secret.0);
        client.keys = self.keys;
        client.scopes = self.scopes;
        client.client_credentials = self.client_credentials;
        client
    }
}

impl GivenDocuments {
    fn documents(self) -> Option<ClientDocuments> {
        let mut documents = ClientDocuments::default();
        match self {
            Self::Whether(false) => return None,
            Self::Whether(true) => {}
            Self::Which(which) => {
                documents.allowed_domains = which.allowed_domains;
                documents.denied_domains = which.denied_domains;
                documents.dangerously_allow_loopback_for_tests =
                    which.dangerously_allow_loopback_for_tests;
            }
        }
        Some(documents)
    }
}

impl GivenRegistration {
    fn registration(self) -> Registration {
        let Registration::Open {
            lifetime,
            each_minute,
            all_each_minute,
        } = Registration::default()
        else {
            return Registration::Off;
        };
        if !self.open {
            return Registration::Off;
        }
        Registration::Open {
            lifetime: self.lifetime.unwrap_or(lifetime),
            each_minute: self.each_minute.unwrap_or(each_minute),
            all_each_minute: self.all_each_minute.unwrap_or(all_each_minute),
        }
    }
}

fn seconds(given: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(given)
        .ok()
        .filter(|timeout| (1..=120).contains(&timeout.as_secs()))
        .ok_or_else(|| format!("`timeout` is {given} s; expected 1 to 120"))
}
