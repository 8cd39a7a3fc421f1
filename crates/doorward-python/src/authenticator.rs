//! The authenticator: one try that does not wait, one that blocks. The waiting of event loops is written in Python.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use doorward::core::Place;
use doorward::{
    Attempt, Authenticator as Engine, Clock, Config, IssuerConfig, OneOrMany, SecretText,
    SharedCarrier, Ticket, Timestamp, UserinfoAttempt,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping, PyString, PyTuple, PyType};

use crate::asgi;
use crate::authorization_server::AuthorizationServer;
use crate::carrier::Carrier;
use crate::head::{Credentials, Head, token_text};
use crate::identity::Identity;
use crate::issuer::{Issuer, audience, one_or_many, secret_text, set_keys};
use crate::policy::{Policy, kinds};
use crate::refusal::{config_error, raise};
use crate::resource::ProtectedResource;
use crate::revocation::{self, Given, Logout, Reply, Revoking, Sample};
use crate::value::{from_json, json_of};

/// A verifier with a memory, a fetcher and a clock.
#[pyclass(frozen, subclass, module = "doorward", name = "Authenticator")]
pub(crate) struct Authenticator {
    engine: Engine,
}

/// An engine on its way into a class; `cls(engine)` lets the class methods honour subclasses.
#[pyclass(frozen, module = "doorward", name = "Built")]
struct Built(Engine);

#[pymethods]
impl Authenticator {
    #[new]
    #[pyo3(signature = (issuers, *, accepts=None, allow_pending=false, leeway=5.0, clock=None, cookies=None,
        cache_bytes=16_777_216, explain=false, problem_details=false, revocation_store=None, revocation_on_outage=None,
        revocation_retention=None, answer_ttl=None,
        answer_negative_ttl=None, answer_stale_if_error=None, userinfo_ttl=None, client_address_header=None, resource=None,
        authorization_servers=None, scopes_supported=None, challenge_scopes=None, offline_access=None, scope_implies=None,
        certificate_authorities=None))]
    #[expect(
        clippy::too_many_arguments,
        reason = "they are Python's keyword arguments"
    )]
    fn new(
        py: Python<'_>,
        issuers: &Bound<'_, PyAny>,
        accepts: Option<&Bound<'_, PyAny>>,
        allow_pending: bool,
        leeway: f64,
        clock: Option<Py<PyAny>>,
        cookies: Option<&Bound<'_, PyAny>>,
        cache_bytes: usize,
        explain: bool,
        problem_details: bool,
        revocation_store: Option<String>,
        revocation_on_outage: Option<String>,
        revocation_retention: Option<f64>,
        answer_ttl: Option<f64>,
        answer_negative_ttl: Option<f64>,
        answer_stale_if_error: Option<f64>,
        userinfo_ttl: Option<f64>,
        client_address_header: Option<String>,
        resource: Option<String>,
        authorization_servers: Option<&Bound<'_, PyAny>>,
        scopes_supported: Option<&Bound<'_, PyAny>>,
        challenge_scopes: Option<&Bound<'_, PyAny>>,
        offline_access: Option<bool>,
        scope_implies: Option<&Bound<'_, PyMapping>>,
        certificate_authorities: Option<String>,
    ) -> PyResult<Self> {
        if let Ok(built) = issuers.cast::<Built>() {
            return Ok(Self {
                engine: built.get().0.clone(),
            });
        }
        let mut configs = Vec::new();
        for issuer in issuers.try_iter()? {
            let issuer = issuer?;
            match issuer.cast::<Issuer>() {
                Ok(issuer) => configs.push(issuer.get().config.clone()),
                Err(_) => return Err(PyTypeError::new_err("issuers is a list of doorward.Issuer")),
            }
        }
        let mut config = Config::new(configs);
        config.cookies = cookies
            .map(|names| one_or_many("cookies", names))
            .transpose()?;
        let named = |setting: &str, given: Option<&Bound<'_, PyAny>>| {
            given.map(|names| one_or_many(setting, names)).transpose()
        };
        let settings = Settings {
            authorization_servers: named("authorization_servers", authorization_servers)?,
            scopes_supported: named("scopes_supported", scopes_supported)?,
            challenge_scopes: named("challenge_scopes", challenge_scopes)?,
            scope_implies: scope_implies.map(implied_scopes).transpose()?,
            resource,
            offline_access,
            accepts,
            allow_pending,
            leeway,
            cache_bytes,
            explain,
            problem_details,
            revocation_store,
            revocation_on_outage,
            revocation_retention,
            answer_ttl,
            answer_negative_ttl,
            answer_stale_if_error,
            userinfo_ttl,
            client_address_header,
            certificate_authorities,
        };
        Ok(Self {
            engine: settings.build(py, config, clock)?,
        })
    }

    #[classmethod]
    #[pyo3(signature = (*, publishable_key=None, issuer=None, jwt_key=None, secret_key=None, machine_secret_key=None,
        authorized_parties=None, audience=None, accepts=None, allow_pending=false, azp=None, leeway=5.0, clock=None, api_url=None,
        jwks_url=None, cookies=None, cache_bytes=16_777_216, explain=false, problem_details=false, revocation_store=None,
        revocation_on_outage=None, revocation_retention=None, answer_ttl=None,
        answer_negative_ttl=None, answer_stale_if_error=None, userinfo_ttl=None, client_address_header=None, resource=None,
        authorization_servers=None, scopes_supported=None, challenge_scopes=None, offline_access=None, scope_implies=None,
        certificate_authorities=None))]
    #[expect(
        clippy::too_many_arguments,
        reason = "they are Python's keyword arguments"
    )]
    fn clerk<'py>(
        class: &Bound<'py, PyType>,
        publishable_key: Option<String>,
        issuer: Option<String>,
        jwt_key: Option<&Bound<'py, PyAny>>,
        secret_key: Option<&Bound<'_, PyAny>>,
        machine_secret_key: Option<&Bound<'_, PyAny>>,
        authorized_parties: Option<&Bound<'py, PyAny>>,
        audience: Option<&Bound<'py, PyAny>>,
        accepts: Option<&Bound<'py, PyAny>>,
        allow_pending: bool,
        azp: Option<String>,
        leeway: f64,
        clock: Option<Py<PyAny>>,
        api_url: Option<String>,
        jwks_url: Option<String>,
        cookies: Option<&Bound<'py, PyAny>>,
        cache_bytes: usize,
        explain: bool,
        problem_details: bool,
        revocation_store: Option<String>,
        revocation_on_outage: Option<String>,
        revocation_retention: Option<f64>,
        answer_ttl: Option<f64>,
        answer_negative_ttl: Option<f64>,
        answer_stale_if_error: Option<f64>,
        userinfo_ttl: Option<f64>,
        client_address_header: Option<String>,
        resource: Option<String>,
        authorization_servers: Option<&Bound<'_, PyAny>>,
        scopes_supported: Option<&Bound<'_, PyAny>>,
        challenge_scopes: Option<&Bound<'_, PyAny>>,
        offline_access: Option<bool>,
        scope_implies: Option<&Bound<'_, PyMapping>>,
        certificate_authorities: Option<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut config = IssuerConfig::preset("clerk");
        config.publishable_key = publishable_key;
        config.issuer = issuer;
        config.machine_secret_key = machine_secret_key
            .map(|secret| secret_text("machine_secret_key", secret))
            .transpose()?;
        config.secret_key = secret_key
            .map(|secret| secret_text("secret_key", secret))
            .transpose()?;
        config.authorized_parties = authorized_parties
            .map(|parties| one_or_many("authorized_parties", parties))
            .transpose()?;
        config.audience = audience.map(self::audience).transpose()?;
        config.azp = azp;
        config.api_url = api_url;
        config.jwks_url = jwks_url;
        config.cookies = cookies
            .map(|names| one_or_many("cookies", names))
            .transpose()?;
        if let Some(keys) = jwt_key {
            set_keys(&mut config, keys)?;
        }
        let named = |setting: &str, given: Option<&Bound<'_, PyAny>>| {
            given.map(|names| one_or_many(setting, names)).transpose()
        };
        let settings = Settings {
            authorization_servers: named("authorization_servers", authorization_servers)?,
            scopes_supported: named("scopes_supported", scopes_supported)?,
            challenge_scopes: named("challenge_scopes", challenge_scopes)?,
            scope_implies: scope_implies.map(implied_scopes).transpose()?,
            resource,
            offline_access,
            accepts,
            allow_pending,
            leeway,
            cache_bytes,
            explain,
            problem_details,
            revocation_store,
            revocation_on_outage,
            revocation_retention,
            answer_ttl,
            answer_negative_ttl,
            answer_stale_if_error,
            userinfo_ttl,
            client_address_header,
            certificate_authorities,
        };
        let engine = settings.build(class.py(), Config::new([config]), clock)?;
        class.call1((Built(engine),))
    }

    #[classmethod]
    #[pyo3(signature = (environ=None, *, clock=None))]
    fn from_env<'py>(
        class: &Bound<'py, PyType>,
        environ: Option<&Bound<'py, PyAny>>,
        clock: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = class.py();
        let pairs = environment(py, environ, Config::reads_variable)?;
        let config =
            Config::from_variables(pairs).map_err(|error| config_error(py, &error.to_string()))?;
        class.call1((Built(build(py, &config, clock)?),))
    }

    /// From a `doorward.toml`, or from a mapping with its settings.
    #[classmethod]
    #[pyo3(signature = (config, *, clock=None, carrier=None))]
    fn from_config<'py>(
        class: &Bound<'py, PyType>,
        config: &Bound<'py, PyAny>,
        clock: Option<Py<PyAny>>,
        carrier: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = class.py();
        let config = match config.cast::<PyMapping>() {
            Ok(settings) => Config::from_json(&json_of(settings)?),
            Err(_) => Config::from_file(config.extract::<PathBuf>()?),
        };
        let mut config = config.map_err(|error| config_error(py, &error.to_string()))?;
        config.fetch.carrier = carrier.map(carried_by).transpose()?;
        class.call1((Built(build(py, &config, clock)?),))
    }

    fn authenticate_nowait<'py>(&self, head: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.outcome(head.py(), self.engine.try_authenticate(&self.head(head)?))
    }

    /// One try, and where it succeeds, the scope an ASGI application behind the door gets.
    fn admit_nowait<'py>(
        slf: &Bound<'py, Self>,
        scope: &Bound<'py, PyDict>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let own = slf.get();
        match own.engine.try_authenticate(&own.head(scope.as_any())?) {
            Attempt::Verified(identity) => asgi::admitted(slf.as_any(), scope, identity.into()),
            Attempt::Rejected(rejection) => Err(raise(py, &rejection)),
            Attempt::Pending(ticket) => Ok(Bound::new(py, Pending { ticket })?.into_any()),
        }
    }

    fn verify_nowait<'py>(&self, token: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.outcome(token.py(), self.engine.try_verify(&token_text(token)?))
    }

    fn authenticate_blocking(&self, head: &Bound<'_, PyAny>) -> PyResult<Identity> {
        let borrowed = self.head(head)?;
        self.blocking(head.py(), || self.engine.try_authenticate(&borrowed))
    }

    fn verify(&self, token: &Bound<'_, PyAny>) -> PyResult<Identity> {
        let text = token_text(token)?;
        self.blocking(token.py(), || self.engine.try_verify(&text))
    }

    fn userinfo_nowait<'py>(
        &self,
        identity: &Identity,
        token: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = token.py();
        match self
            .engine
            .try_userinfo(&identity.engine, &token_text(token)?)
        {
            UserinfoAttempt::Told(told) => from_json(py, told.json()),
            UserinfoAttempt::Refused(rejection) => Err(raise(py, &rejection)),
            UserinfoAttempt::Pending(ticket) => Ok(Bound::new(py, Pending { ticket })?.into_any()),
        }
    }

    /// Asks on the caller's thread, without the GIL while it waits.
    fn userinfo<'py>(
        &self,
        identity: &Identity,
        token: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, text) = (token.py(), token_text(token)?);
        for _ in 0..ROUNDS {
            match self.engine.try_userinfo(&identity.engine, &text) {
                UserinfoAttempt::Told(told) => return from_json(py, told.json()),
                UserinfoAttempt::Refused(rejection) => return Err(raise(py, &rejection)),
                UserinfoAttempt::Pending(ticket) => wait(py, &ticket)?,
            }
        }
        Err(self.gave_up(py))
    }

    /// Raises `Rejection` unless the identity satisfies the policy, in the way this authenticator's refusals speak.
    fn permit(&self, py: Python<'_>, policy: &Policy, identity: &Identity) -> PyResult<()> {
        let permitted = policy.engine.permit(&identity.engine);
        permitted.map_err(|rejection| raise(py, &self.engine.refuse(rejection)))
    }

    /// Whether some tool takes a scope, so that bodies have to be looked at.
    #[getter]
    fn guards_tools(&self) -> bool {
        self.engine.guards_tools()
    }

    /// Raises `Rejection` unless the identity has the scopes of the tools that a JSON-RPC body calls.
    fn permit_call(&self, py: Python<'_>, identity: &Identity, body: &[u8]) -> PyResult<()> {
        let permitted = self.engine.permit_call(&identity.engine, body);
        permitted.map_err(|rejection| raise(py, &rejection))
    }

    /// The name that this caller is to use for a session.
    fn bind_session(&self, session: &str, identity: &Identity) -> Option<String> {
        self.engine.bind_session(session, &identity.engine)
    }

    /// The session that this caller means by such a name.
    fn bound_session(&self, bound: &str, identity: &Identity) -> Option<String> {
        let own = self.engine.bound_session(bound, &identity.engine);
        own.map(str::to_owned)
    }

    /// A refusal as this authenticator's speak, for what an adapter alone can judge.
    fn refusal<'py>(
        &self,
        py: Python<'py>,
        reason: &str,
        detail: String,
    ) -> PyResult<Bound<'py, PyAny>> {
        let reason = doorward::Reason::from_code(reason)
            .ok_or_else(|| PyValueError::new_err("no such reason"))?;
        let rejection = doorward::Rejection::new(reason).with_detail(detail);
        let refused = raise(py, &self.engine.refuse(rejection));
        Ok(refused.into_value(py).into_bound(py).into_any())
    }

    /// The bearer token a request presents, unverified.
    fn token<'py>(&self, head: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
        let py = head.py();
        let head = self.head(head)?;
        let credential = self
            .engine
            .credential(&head)
            .map_err(|rejection| raise(py, &rejection))?;
        Ok(PyString::new(py, credential.token()))
    }

    /// Where the request's credential stands.
    fn place(&self, head: &Bound<'_, PyAny>) -> PyResult<Option<&'static str>> {
        let place = self.engine.place(&self.head(head)?);
        Ok(place.map(|place| match place {
            Place::Cookie => "cookie",
            _ => "header",
        }))
    }

    /// The protected resource, if it is named.
    #[getter]
    fn resource(&self) -> Option<ProtectedResource> {
        self.engine.resource().cloned().map(ProtectedResource::from)
    }

    /// The issuers that are trusted, as they are configured.
    #[getter]
    fn issuers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.engine.issuers())
    }

    #[getter]
    fn authorized_parties<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.engine.authorized_parties())
    }

    /// Refuses tokens before they expire.
    #[pyo3(signature = (*, session_id=None, token_id=None, subject=None, client_id=None, issuer=None, issued_until=None,
        expires_at=None))]
    #[expect(
        clippy::too_many_arguments,
        reason = "they are Python's keyword arguments"
    )]
    fn revoke(
        &self,
        py: Python<'_>,
        session_id: Option<String>,
        token_id: Option<String>,
        subject: Option<String>,
        client_id: Option<String>,
        issuer: Option<String>,
        issued_until: Option<f64>,
        expires_at: Option<f64>,
    ) -> PyResult<()> {
        let given = Given {
            session_id,
            token_id,
            subject,
            client_id,
            issuer,
            issued_until,
            expires_at,
        };
        revocation::revoke(py, &self.engine, given.revocation(&self.engine)?)
    }

    /// As `revoke`, without waiting for the store.
    #[pyo3(signature = (*, session_id=None, token_id=None, subject=None, client_id=None, issuer=None, issued_until=None,
        expires_at=None))]
    #[expect(
        clippy::too_many_arguments,
        reason = "they are Python's keyword arguments"
    )]
    fn revoke_nowait(
        &self,
        py: Python<'_>,
        session_id: Option<String>,
        token_id: Option<String>,
        subject: Option<String>,
        client_id: Option<String>,
        issuer: Option<String>,
        issued_until: Option<f64>,
        expires_at: Option<f64>,
    ) -> PyResult<Option<Revoking>> {
        let given = Given {
            session_id,
            token_id,
            subject,
            client_id,
            issuer,
            issued_until,
            expires_at,
        };
        revocation::revoke_nowait(py, &self.engine, given.revocation(&self.engine)?)
    }

    /// Revokes what one of Clerk's events ends.
    fn accept_event(&self, event: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Some(revoked) = revocation::of_event(&self.engine, event)? else {
            return Ok(false);
        };
        revocation::revoke(event.py(), &self.engine, revoked)?;
        Ok(true)
    }

    /// As `accept_event`, without waiting for the store: whether anything was revoked, and what to wait for.
    fn accept_event_nowait(&self, event: &Bound<'_, PyAny>) -> PyResult<(bool, Option<Revoking>)> {
        let Some(revoked) = revocation::of_event(&self.engine, event)? else {
            return Ok((false, None));
        };
        let revoking = revocation::revoke_nowait(event.py(), &self.engine, revoked)?;
        Ok((true, revoking))
    }

    /// Verifies a logout token and revokes what it says is over.
    fn accept_logout(&self, py: Python<'_>, token: &str) -> PyResult<Logout> {
        let accepted = py.detach(|| self.engine.accept_logout_blocking(token));
        accepted
            .map(Logout::from)
            .map_err(|rejection| raise(py, &rejection))
    }

    /// The answer to a back-channel logout request: status, headers, body.
    fn answer_logout<'py>(&self, py: Python<'py>, body: &[u8]) -> Reply<'py> {
        let reply = py.detach(|| self.engine.answer_logout_blocking(body));
        revocation::reply(py, reply)
    }

    /// How it is, as a dict.
    fn status<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        revocation::status(py, &self.engine)
    }

    /// The numbers of the status.
    fn samples<'py>(&self, py: Python<'py>) -> PyResult<Vec<Sample<'py>>> {
        revocation::samples(py, &self.engine)
    }

    fn refresh(&self, py: Python<'_>) {
        py.detach(|| self.engine.refresh_blocking());
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.engine)
    }
}

/// How often a blocking call may wait for a fetch.
const ROUNDS: usize = 5;

impl Authenticator {
    fn outcome<'py>(&self, py: Python<'py>, attempt: Attempt) -> PyResult<Bound<'py, PyAny>> {
        match attempt {
            Attempt::Verified(identity) => Ok(Bound::new(py, Identity::from(identity))?.into_any()),
            Attempt::Rejected(rejection) => Err(raise(py, &rejection)),
            Attempt::Pending(ticket) => Ok(Bound::new(py, Pending { ticket })?.into_any()),
        }
    }

    /// Tries on the caller's thread; lets go of the GIL only to wait for a fetch.
    fn blocking(&self, py: Python<'_>, attempt: impl Fn() -> Attempt) -> PyResult<Identity> {
        for _ in 0..ROUNDS {
            match attempt() {
                Attempt::Verified(identity) => return Ok(Identity::from(identity)),
                Attempt::Rejected(rejection) => return Err(raise(py, &rejection)),
                Attempt::Pending(ticket) => wait(py, &ticket)?,
            }
        }
        Err(self.gave_up(py))
    }

    fn gave_up(&self, py: Python<'_>) -> PyErr {
        let gave_up = doorward::Rejection::new(doorward::Reason::KeysUnavailable);
        raise(py, &self.engine.refuse(gave_up))
    }

    fn head<'py>(&'py self, head: &Bound<'py, PyAny>) -> PyResult<Head<'py>> {
        Head::with(
            Credentials::with_address(self.engine.client_address_header()),
            head,
        )
    }
}

/// A fetch ends by its own deadline; this is the belt to those braces.
const LONGEST_WAIT: Duration = Duration::from_secs(6);

/// A verdict that waits for a key set.
#[pyclass(frozen, module = "doorward", name = "Pending")]
pub(crate) struct Pending {
    ticket: Ticket,
}

#[pymethods]
impl Pending {
    #[getter]
    fn fetch_id(&self) -> usize {
        self.ticket.id()
    }

    fn wait(&self, py: Python<'_>) -> PyResult<()> {
        wait(py, &self.ticket)
    }
}

/// Waits without the GIL, and lets Ctrl-C through.
pub(crate) fn wait(py: Python<'_>, ticket: &Ticket) -> PyResult<()> {
    const SLICE: Duration = Duration::from_millis(100);
    let mut left = LONGEST_WAIT;
    while !ticket.has_landed() && !left.is_zero() {
        py.detach(|| ticket.wait(SLICE));
        py.check_signals()?;
        left = left.saturating_sub(SLICE);
    }
    Ok(())
}

/// Who carries requests: an HTTP client of Python's, or an authorization server that has its keys at hand.
fn carried_by(carrier: &Bound<'_, PyAny>) -> PyResult<SharedCarrier> {
    if let Ok(carrier) = carrier.cast::<Carrier>() {
        return Ok(carrier.get().shared());
    }
    match carrier.cast::<AuthorizationServer>() {
        Ok(server) => Ok(server.get().keys()),
        Err(_) => Err(PyTypeError::new_err(
            "carrier is a Carrier or an AuthorizationServer",
        )),
    }
}

/// What holds for all issuers alike.
struct Settings<'a, 'py> {
    accepts: Option<&'a Bound<'py, PyAny>>,
    allow_pending: bool,
    leeway: f64,
    cache_bytes: usize,
    explain: bool,
    problem_details: bool,
    revocation_store: Option<String>,
    revocation_on_outage: Option<String>,
    revocation_retention: Option<f64>,
    answer_ttl: Option<f64>,
    answer_negative_ttl: Option<f64>,
    answer_stale_if_error: Option<f64>,
    userinfo_ttl: Option<f64>,
    client_address_header: Option<String>,
    resource: Option<String>,
    authorization_servers: Option<OneOrMany>,
    scopes_supported: Option<OneOrMany>,
    challenge_scopes: Option<OneOrMany>,
    offline_access: Option<bool>,
    scope_implies: Option<BTreeMap<String, OneOrMany>>,
    certificate_authorities: Option<String>,
}

impl Settings<'_, '_> {
    fn build(
        self,
        py: Python<'_>,
        mut config: Config,
        clock: Option<Py<PyAny>>,
    ) -> PyResult<Engine> {
        if let Some(accepts) = self.accepts {
            let names = kinds(py, accepts)?
                .into_iter()
                .map(|kind| kind.as_str().to_owned())
                .collect();
            config.accepts = Some(OneOrMany::Many(names));
        }
        config.allow_pending = Some(self.allow_pending);
        config.leeway = Some(self.leeway);
        config.cache_bytes = Some(self.cache_bytes);
        config.explain = Some(self.explain);
        config.problem_details = Some(self.problem_details);
        config.revocation_store = self.revocation_store.map(SecretText::from);
        config.revocation_on_outage = self.revocation_on_outage;
        config.revocation_retention = self.revocation_retention;
        config.answer_ttl = self.answer_ttl;
        config.answer_negative_ttl = self.answer_negative_ttl;
        config.answer_stale_if_error = self.answer_stale_if_error;
        config.userinfo_ttl = self.userinfo_ttl;
        config.client_address_header = self.client_address_header;
        config.resource = self.resource;
        config.authorization_servers = self.authorization_servers;
        config.scopes_supported = self.scopes_supported;
        config.challenge_scopes = self.challenge_scopes;
        config.offline_access = self.offline_access;
        config.scope_implies = self.scope_implies;
        config.certificate_authorities = self.certificate_authorities;
        build(py, &config, clock)
    }
}

/// Which scopes hold others, by scope.
fn implied_scopes(given: &Bound<'_, PyMapping>) -> PyResult<BTreeMap<String, OneOrMany>> {
    let read = |item: PyResult<Bound<'_, PyAny>>| {
        let (scope, holds): (String, Bound<'_, PyAny>) = item?.extract()?;
        Ok((scope, one_or_many("scope_implies", &holds)?))
    };
    given.items()?.try_iter()?.map(read).collect()
}

/// The variables as pairs. One that `ours` knows and that is no text is a mistake.
pub(crate) fn environment(
    py: Python<'_>,
    environ: Option<&Bound<'_, PyAny>>,
    ours: impl Fn(&str) -> bool,
) -> PyResult<Vec<(String, String)>> {
    // `os.environ` rather than the process's own environment: that is what Python programs change.
    let environ = match environ {
        Some(environ) => environ.clone(),
        None => py.import("os")?.getattr("environ")?,
    };
    let mut pairs = Vec::new();
    for pair in environ.call_method0("items")?.try_iter()? {
        let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair?.extract()?;
        // A name that is not text is none of ours.
        let Ok(name) = name.extract::<String>() else {
            continue;
        };
        match value.extract::<String>() {
            Ok(value) => pairs.push((name, value)),
            Err(_) if ours(&name) => {
                return Err(config_error(
                    py,
                    &format!("{name}: the value is not UTF-8 text"),
                ));
            }
            Err(_) => {}
        }
    }
    Ok(pairs)
}

fn build(py: Python<'_>, config: &Config, clock: Option<Py<PyAny>>) -> PyResult<Engine> {
    let engine = match clock {
        None => Engine::new(config),
        Some(clock) => Engine::with_clock(config, Arc::new(PyClock::new(py, clock)?)),
    };
    engine.map_err(|error| config_error(py, &error.to_string()))
}

/// A Python callable that returns seconds since the epoch. For tests; intervals follow it too, but never backwards.
#[derive(Debug)]
pub(crate) struct PyClock {
    callable: Py<PyAny>,
    start: i64,
    latest: AtomicI64,
}

impl PyClock {
    pub(crate) fn new(py: Python<'_>, callable: Py<PyAny>) -> PyResult<Self> {
        let start = Self::read(py, &callable)?.as_millis();
        Ok(Self {
            callable,
            start,
            latest: AtomicI64::new(start),
        })
    }

    fn read(py: Python<'_>, callable: &Py<PyAny>) -> PyResult<Timestamp> {
        let seconds: f64 = callable.call0(py)?.extract(py)?;
        Timestamp::from_secs_f64(seconds).ok_or_else(|| {
            config_error(
                py,
                &format!("clock: {seconds} is no time in seconds since the epoch"),
            )
        })
    }
}

impl Clock for PyClock {
    fn now(&self) -> Timestamp {
        let read = Python::try_attach(|py| {
            Self::read(py, &self.callable)
                .map_err(|error| error.write_unraisable(py, Some(self.callable.bind(py))))
        });
        // A clock that fails is told of, and the machine's own is better than none.
        read.and_then(Result::ok)
            .unwrap_or_else(|| SystemTime::now().into())
    }

    fn elapsed(&self) -> Duration {
        let now = self.now().as_millis();
        let latest = self.latest.fetch_max(now, Ordering::Relaxed).max(now);
        Duration::from_millis(latest.saturating_sub(self.start).unsigned_abs())
    }
}
