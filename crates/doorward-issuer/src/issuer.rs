//! The issuer: its keys as they come and go, its metadata (RFC 8414), its tokens.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::http::HeaderMap;
use serde_json::{Value, json};

use crate::backend_api::{BackendApi, SeedError};
use crate::client::{Client, ClientAuthentication, Clients};
use crate::defect::Defect;
use crate::encoding::base64_unpadded;
use crate::fault::Fault;
use crate::jws::Compact;
use crate::keys::{KeyError, SigningAlgorithm, SigningKey};
use crate::mint::{Kind, Mint, MintError};
use crate::oauth::{Form, OauthError};
use crate::opaque::{Opaque, Tokens, in_time, random_text};
use crate::requests::{Endpoint, RequestLog};
use crate::revocation::Revocation;
use crate::sign_in::{SignIn, SignIns};
use crate::webhook_signer::new_webhook_secret;

/// A local issuer, for tests and demonstrations. Shared freely: everything changes through `&self`.
pub struct DevIssuer {
    clock: Clock,
    max_age: u64,
    secret_key: String,
    client: Client,
    state: Mutex<State>,
    tokens: Mutex<Tokens>,
    clients: Mutex<Clients>,
    machines: Mutex<VecDeque<(String, String)>>,
    backend_api: BackendApi,
    log: RequestLog,
    sign_ins: Mutex<SignIns>,
}

impl DevIssuer {
    /// An issuer with one RS256 key and the system's clock.
    pub fn new() -> Result<Self, KeyError> {
        Self::builder().build()
    }

    /// Says more about the issuer before it is made.
    pub fn builder() -> DevIssuerBuilder {
        DevIssuerBuilder {
            issuer: None,
            algorithms: Vec::new(),
            keys: Vec::new(),
            clock: Arc::new(system_time),
            max_age: DEFAULT_MAX_AGE,
            secret_key: None,
            people: (0, 0),
            rate_limit: None,
        }
    }

    /// The issuer's URL: the one that was set, else where it is served, else [`DevIssuer::UNSERVED`].
    pub fn issuer(&self) -> String {
        self.state()
            .issuer
            .clone()
            .unwrap_or_else(|| Self::UNSERVED.to_owned())
    }

    /// The issuer's URL as long as it has no other.
    pub const UNSERVED: &'static str = "https://issuer.doorward.test";

    /// Makes a token. What the issuer has to know of it later, it remembers: opaque tokens, 10,000 of them at most, and
    /// that it was revoked.
    pub fn mint(&self, mint: &Mint) -> Result<String, MintError> {
        mint.check()?;
        let now = self.now();
        if mint.kind.is_opaque() {
            let claims = mint.all_claims(&self.issuer(), now)?;
            let (given, known) = Opaque::make(mint, claims, now)?;
            if let Some((right, opaque)) = known {
                self.tokens().add(&right, opaque, now);
            }
            return Ok(given);
        }
        let key = self.signing_key(mint.alg)?;
        let stranger = mint
            .needs_stranger()
            .then(|| self.stranger(key.algorithm()))
            .transpose()?;
        let token = mint.token(&self.issuer(), now, &key, stranger.as_deref())?;
        if mint.defect == Some(Defect::Revoked) {
            self.revoke_tokens(&Revocation::Token(token.clone()), None);
        }
        Ok(token)
    }

    /// Revokes, and says how many tokens that struck which the issuer knows: JWTs count only when they are named
    /// themselves. Who verifies JWTs without asking does not hear of it.
    pub fn revoke(&self, what: &Revocation, reason: Option<&str>) -> usize {
        let struck = self.revoke_tokens(what, reason);
        self.backend_api.revoked(what, reason, self.now());
        struck
    }

    /// Revokes what is known of tokens, the Backend API's state apart.
    pub(crate) fn revoke_tokens(&self, what: &Revocation, reason: Option<&str>) -> usize {
        let now = self.now();
        if let Revocation::Token(token) = what
            && let Some(read) = self.own_jws(token)
        {
            self.tokens().revocations.add_jwt(read.signed);
            return 1;
        }
        self.tokens().revoke(what, reason, now)
    }

    /// What Clerk's verify endpoint for this kind of opaque token answers; nothing if it would answer 404.
    pub fn verify_opaque(&self, token: &str) -> Option<Value> {
        let now = self.now();
        self.tokens().verify(token, None, None, now)
    }

    /// The secret key of the instance, `sk_test_…`: whoever has it may verify every opaque token.
    pub fn secret_key(&self) -> &str {
        &self.secret_key
    }

    /// The secret key of a machine, `ak_…`: whoever has it may verify the machine tokens whose scopes name the machine.
    /// It is made when first asked for, and forgotten when 64 other machines came after it.
    pub fn machine_secret_key(&self, machine: &str) -> Result<String, KeyError> {
        if let Some(key) = self.backend_api.machine_key(machine) {
            return Ok(key);
        }
        let mut machines = lock(&self.machines);
        if let Some((_, key)) = machines.iter().find(|(known, _)| known == machine) {
            return Ok(key.clone());
        }
        let key = random_text("ak_")?;
        if machines.len() == MAX_MACHINES {
            machines.pop_front();
        }
        machines.push_back((machine.to_owned(), key.clone()));
        Ok(key)
    }

    /// Remembers what exists at the Backend API in this file, and reads what is in it. What is answered as done is in the
    /// file; keys are not, except those that the Backend API gave out.
    ///
    /// # Errors
    /// The file cannot be read or written, or another process has it.
    #[cfg(feature = "sqlite")]
    pub fn open_state(&self, file: &std::path::Path) -> std::io::Result<()> {
        self.backend_api.open(self, file)
    }

    /// Creates who and what this YAML or JSON names: for each resource of the Backend API a list of what its `create`
    /// takes, and an `id` if it shall have this one. Nothing is told to webhooks. Where something exists already, other
    /// than the people of [`DevIssuerBuilder::people`], nothing is done. Answers how many objects were created.
    ///
    /// # Errors
    /// The text cannot be read, or says what the Backend API would refuse.
    pub fn seed(&self, text: &str) -> Result<usize, SeedError> {
        self.backend_api.seed(self, text)
    }

    /// Sends webhooks of what happens at the Backend API to a URL of this machine, signed with this secret (`whsec_…`) or
    /// with a new one; answers with the secret.
    ///
    /// # Errors
    /// The URL leads elsewhere, or the secret is none.
    pub fn send_webhooks_to(&self, url: &str, secret: Option<&str>) -> Result<String, String> {
        let secret = match secret {
            Some(secret) => secret.to_owned(),
            None => new_webhook_secret()?,
        };
        self.backend_api.deliveries.listen(url, &secret)?;
        Ok(secret)
    }

    /// Who is told of what happens at the Backend API, and the last 256 deliveries, oldest first.
    pub fn webhook_log(&self) -> Value {
        self.backend_api.deliveries.shown()
    }

    /// The client that is registered from the start: [`Mint::CLIENT`], with a secret of its own.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Says how people sign in from now on: by a page, unless somebody is named here.
    pub fn sign_in(&self, how: SignIn) {
        self.sign_ins().how = how;
    }

    /// Registers a client that people may sign in to, and that may introspect, and revoke its tokens; in the place of one with the same name. One that
    /// needs a secret and brings none is given one.
    pub fn register(&self, mut client: Client) -> Result<Client, KeyError> {
        if client.lacks_secret() {
            client.client_secret = Some(random_text("")?);
        }
        lock(&self.clients).register(client.clone());
        Ok(client)
    }

    /// How often this endpoint was asked over HTTP, faults included.
    pub fn requests(&self, endpoint: Endpoint) -> u64 {
        self.log.count(endpoint)
    }

    /// The last 256 requests over HTTP, oldest first, without any secret: method, path, headers of interest, names of
    /// the members of the body, status of the answer.
    pub fn request_log(&self) -> Value {
        self.log.told(None).into()
    }

    /// The published keys, newest first.
    pub fn jwks(&self) -> Value {
        let state = self.state();
        let keys: Vec<Value> = state
            .keys
            .iter()
            .filter(|held| held.published)
            .map(|held| held.key.jwk())
            .collect();
        json!({ "keys": keys })
    }

    /// The names of the published keys, newest first.
    pub fn kids(&self) -> Vec<String> {
        let state = self.state();
        state
            .keys
            .iter()
            .filter(|held| held.published)
            .map(|held| held.key.kid().to_owned())
            .collect()
    }

    /// The metadata (RFC 8414 §2, OpenID Connect Discovery §3): what is there, and no endpoint that is not.
    pub fn discovery(&self) -> Value {
        let issuer = self.issuer();
        let at = |path: &str| format!("{}{path}", issuer.trim_end_matches('/'));
        let mut algorithms: Vec<_> = self
            .state()
            .keys
            .iter()
            .map(|held| held.key.algorithm().as_str())
            .collect();
        algorithms.sort_unstable();
        algorithms.dedup();
        let open = lock(&self.clients)
            .iter()
            .any(|client| client.token_endpoint_auth_method == Some(ClientAuthentication::None));
        let mut methods = vec![
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt",
        ];
        methods.extend(open.then_some("none"));
        let assertions = SigningAlgorithm::ALL.map(SigningAlgorithm::as_str);
        json!({
            "issuer": issuer,
            "jwks_uri": at("/.well-known/jwks.json"),
            "authorization_endpoint": at("/oauth/authorize"),
            "token_endpoint": at("/oauth/token"),
            "token_endpoint_auth_methods_supported": methods,
            "token_endpoint_auth_signing_alg_values_supported": assertions,
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "claims_supported": ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "name", "email", "email_verified"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": algorithms,
            "introspection_endpoint": at("/oauth/introspect"),
            "introspection_endpoint_auth_methods_supported": methods,
            "introspection_endpoint_auth_signing_alg_values_supported": assertions,
            "introspection_signing_alg_values_supported": algorithms,
            "revocation_endpoint": at("/oauth/revoke"),
            "revocation_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_signing_alg_values_supported": assertions,
            "userinfo_endpoint": at("/oauth/userinfo"),
            "backchannel_logout_supported": true,
            "backchannel_logout_session_supported": true,
        })
    }

    /// A Clerk publishable key whose front-end API is this issuer.
    pub fn publishable_key(&self) -> String {
        let issuer = self.issuer();
        let host = issuer
            .split_once("://")
            .map_or(issuer.as_str(), |(_, rest)| rest)
            .trim_end_matches('/');
        format!("pk_test_{}", base64_unpadded(format!("{host}$").as_bytes()))
    }

    /// The PEM of the key that signs first, for verification without a network.
    pub fn public_pem(&self) -> String {
        self.state()
            .keys
            .iter()
            .find(|held| held.signs)
            .map(|held| held.key.public_pem())
            .unwrap_or_default()
    }

    /// New keys in, old ones out at once; returns the first new key's name.
    pub fn rotate(&self) -> Result<String, KeyError> {
        self.replace_keys(false)
    }

    /// New keys in; old ones sign no more but stay published. Returns the first new key's name.
    pub fn rotate_overlapping(&self) -> Result<String, KeyError> {
        self.replace_keys(true)
    }

    /// Publishes this key no more; says whether it was published. If it signs, it goes on signing.
    pub fn withdraw(&self, kid: &str) -> bool {
        let mut state = self.state();
        let mut withdrawn = false;
        for held in state.keys.iter_mut().filter(|held| held.key.kid() == kid) {
            withdrawn |= std::mem::replace(&mut held.published, false);
        }
        state.keys.retain(|held| held.published || held.signs);
        withdrawn
    }

    /// What happens to requests now, at endpoints that have no fault of their own.
    pub fn fault(&self) -> Fault {
        self.state().fault.clone()
    }

    /// What happens to requests at this endpoint now.
    pub fn fault_at(&self, endpoint: Endpoint) -> Fault {
        let state = self.state();
        let own = state.faults.iter().find(|(at, _)| *at == endpoint);
        own.map_or(&state.fault, |(_, fault)| fault).clone()
    }

    /// Sets what happens to requests from now on, at every endpoint.
    pub fn set_fault(&self, fault: Fault) {
        let mut state = self.state();
        state.faults.clear();
        state.fault = fault;
    }

    /// Sets what happens to requests at this endpoint from now on.
    pub fn set_fault_at(&self, endpoint: Endpoint, fault: Fault) {
        let mut state = self.state();
        state.faults.retain(|(at, _)| *at != endpoint);
        state.faults.push((endpoint, fault));
    }

    /// Forgets what happened: tokens and revocations, how people sign in, clients and machines that came later, requests and their counts,
    /// faults. Keys and names stay, so that the next test need not wait for a new key.
    pub fn reset(&self) {
        self.set_fault(Fault::None);
        *self.tokens() = Tokens::default();
        *lock(&self.clients) = Clients::of(self.client.clone());
        lock(&self.machines).clear();
        *self.sign_ins() = SignIns::default();
        self.backend_api.reset();
        self.log.reset();
    }

    /// How often keys were fetched over HTTP, faults included.
    pub fn jwks_fetches(&self) -> u64 {
        self.requests(Endpoint::Jwks)
    }

    /// How often metadata was fetched over HTTP, faults included.
    pub fn discovery_fetches(&self) -> u64 {
        self.requests(Endpoint::Discovery)
    }

    /// How many of all fetches of keys and metadata carried an `Authorization` header.
    pub fn authorized_fetches(&self) -> u64 {
        self.log.authorized()
    }

    /// How long fetched keys may be kept, in seconds.
    pub(crate) fn max_age(&self) -> u64 {
        self.max_age
    }

    pub(crate) fn now(&self) -> i64 {
        (self.clock)()
    }

    pub(crate) fn backend_api(&self) -> &BackendApi {
        &self.backend_api
    }

    pub(crate) fn log(&self) -> &RequestLog {
        &self.log
    }

    pub(crate) fn tokens(&self) -> MutexGuard<'_, Tokens> {
        lock(&self.tokens)
    }

    pub(crate) fn sign_ins(&self) -> MutexGuard<'_, SignIns> {
        lock(&self.sign_ins)
    }

    /// The client of this name.
    pub(crate) fn client_named(&self, client_id: &str) -> Option<Client> {
        lock(&self.clients).find(client_id).cloned()
    }

    /// The faults of single endpoints.
    pub(crate) fn faults(&self) -> Value {
        self.state()
            .faults
            .iter()
            .map(|(at, fault)| (at.as_str().to_owned(), json!(fault)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    /// The names of the clients.
    /// Forgets a client.
    pub(crate) fn unregister(&self, client_id: &str) {
        lock(&self.clients).remove(client_id);
    }

    /// Issues an opaque token of which more is known than a mint says; answers with it and with its id.
    pub(crate) fn issue_opaque(
        &self,
        mint: &Mint,
        more: impl FnOnce(&mut Opaque),
    ) -> Result<(String, String), MintError> {
        let now = self.now();
        let claims = mint.all_claims(&self.issuer(), now)?;
        let (given, known) = Opaque::make(mint, claims, now)?;
        let mut id = String::new();
        if let Some((right, mut opaque)) = known {
            opaque.secret = Some(right.clone());
            more(&mut opaque);
            id = opaque.claim("jti").unwrap_or_default().to_owned();
            self.tokens().add(&right, opaque, now);
        }
        Ok((given, id))
    }

    pub(crate) fn client_ids(&self) -> Vec<String> {
        lock(&self.clients)
            .iter()
            .map(|client| client.client_id.clone())
            .collect()
    }

    /// Which machine has this secret key.
    pub(crate) fn machine_of(&self, secret_key: &str) -> Option<String> {
        let same =
            |key: &str| verify_slices_are_equal(key.as_bytes(), secret_key.as_bytes()).is_ok();
        let found = lock(&self.machines)
            .iter()
            .find(|(_, key)| same(key))
            .map(|(machine, _)| machine.clone());
        found.or_else(|| self.backend_api.machine_of(same, self.now()))
    }

    /// Who asks at this path.
    pub(crate) fn caller(
        &self,
        path: &str,
        headers: &HeaderMap,
        form: &Form,
    ) -> Result<Option<String>, OauthError> {
        // RFC 7523 §3: what an authorization server may be called in an assertion's `aud`.
        let mut audiences = vec![self.issuer()];
        audiences.extend(self.state().address.clone());
        for base in audiences.clone() {
            let base = base.trim_end_matches('/');
            audiences.extend(["", "/", "/oauth/token", path].map(|path| format!("{base}{path}")));
        }
        let now = self.now();
        lock(&self.clients).authenticate(headers, form, &audiences, now)
    }

    /// Whose token this is, if it is an access token of the issuer's that a client was given.
    pub(crate) fn client_of(&self, token: &str) -> Option<String> {
        let client = |claims: &serde_json::Map<String, Value>| {
            claims.get("client_id")?.as_str().map(str::to_owned)
        };
        if let Some(read) = self.own_jws(token) {
            return client(&read.claims);
        }
        let now = self.now();
        let tokens = self.tokens();
        let opaque = tokens.find(token, now)?;
        let given = matches!(opaque.kind, Kind::OauthOpaque | Kind::Opaque);
        client(&opaque.claims).filter(|_| given)
    }

    /// A JWS that one of the issuer's keys signed in its name. It may have expired, or be revoked.
    pub(crate) fn own_jws<'a>(&self, token: &'a str) -> Option<Compact<'a>> {
        let read = Compact::read(token)?;
        let (algorithm, kid) = (read.algorithm()?, read.text("kid")?);
        let key = {
            let state = self.state();
            let mut keys = state.keys.iter().map(|held| &held.key);
            Arc::clone(keys.find(|key| key.kid() == kid && key.algorithm() == algorithm)?)
        };
        let ours = read.claims.get("iss").and_then(Value::as_str) == Some(&self.issuer());
        let signed = key.verifies(read.signed.as_bytes(), &read.signature);
        (ours && signed).then_some(read)
    }

    /// Whether the issuer stands by a JWS of its own.
    pub(crate) fn stands_by(&self, read: &Compact<'_>) -> bool {
        let now = self.now();
        let tokens = self.tokens();
        in_time(&read.claims, now) && !tokens.revocations.cover_jwt(&read.claims, read.signed)
    }

    /// The key that signs with this algorithm, or the one that signs first.
    pub(crate) fn signing_key(
        &self,
        algorithm: Option<SigningAlgorithm>,
    ) -> Result<Arc<SigningKey>, MintError> {
        let state = self.state();
        let mut signing = state
            .keys
            .iter()
            .filter(|held| held.signs)
            .map(|held| &held.key);
        let found = match algorithm {
            Some(algorithm) => signing.find(|key| key.algorithm() == algorithm),
            None => signing.next(),
        };
        let none = || MintError::NoKey(algorithm.unwrap_or_default());
        found.map(Arc::clone).ok_or_else(none)
    }

    /// Takes this URL as the issuer's, unless it has one.
    pub(crate) fn served_at(&self, url: &str) {
        let mut state = self.state();
        state.address = Some(url.to_owned());
        state.issuer.get_or_insert_with(|| url.to_owned());
    }

    fn replace_keys(&self, overlapping: bool) -> Result<String, KeyError> {
        let algorithms: Vec<_> = self
            .state()
            .keys
            .iter()
            .filter(|held| held.signs)
            .map(|held| held.key.algorithm())
            .collect();
        // Made without the lock: RSA takes its time.
        let mut keys = Held::generate(&algorithms)?;
        let kid = keys
            .first()
            .map(|held| held.key.kid().to_owned())
            .unwrap_or_default();
        let mut state = self.state();
        if overlapping {
            keys.extend(
                state
                    .keys
                    .drain(..)
                    .filter(|held| held.published)
                    .map(|held| Held {
                        signs: false,
                        ..held
                    }),
            );
            keys.truncate(MAX_KEYS);
        }
        state.keys = keys;
        Ok(kid)
    }

    /// A key nobody published, made when first needed.
    pub(crate) fn stranger(
        &self,
        algorithm: SigningAlgorithm,
    ) -> Result<Arc<SigningKey>, KeyError> {
        let known = |state: &State| {
            state
                .strangers
                .iter()
                .find(|key| key.algorithm() == algorithm)
                .cloned()
        };
        if let Some(key) = known(&self.state()) {
            return Ok(key);
        }
        let key = Arc::new(SigningKey::generate(algorithm)?);
        let mut state = self.state();
        // Another thread may have been faster; there is at most one for each algorithm.
        if let Some(key) = known(&state) {
            return Ok(key);
        }
        state.strangers.push(Arc::clone(&key));
        Ok(key)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for DevIssuer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DevIssuer")
            .field("issuer", &self.issuer())
            .field("kids", &self.kids())
            .field("fault", &self.fault())
            .finish_non_exhaustive()
    }
}

/// What an issuer is made of.
pub struct DevIssuerBuilder {
    issuer: Option<String>,
    algorithms: Vec<SigningAlgorithm>,
    keys: Vec<SigningKey>,
    clock: Clock,
    max_age: u64,
    secret_key: Option<String>,
    people: (u64, u64),
    rate_limit: Option<usize>,
}

impl DevIssuerBuilder {
    /// The issuer's URL; by default the one it is served at.
    #[must_use]
    pub fn issuer(mut self, url: impl Into<String>) -> Self {
        self.issuer = Some(url.into());
        self
    }

    /// Makes a key for each of these algorithms; the first one signs what asks for none.
    #[must_use]
    pub fn algorithms(mut self, algorithms: &[SigningAlgorithm]) -> Self {
        self.algorithms.extend_from_slice(algorithms);
        self
    }

    /// Brings a key; keys that are brought stand before keys that are made.
    #[must_use]
    pub fn key(mut self, key: SigningKey) -> Self {
        self.keys.push(key);
        self
    }

    /// Tells the time, in seconds since 1970; by default the system's.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// How long fetched keys may be kept (`Cache-Control: max-age`); by default 300 seconds.
    #[must_use]
    pub fn max_age(mut self, seconds: u64) -> Self {
        self.max_age = seconds;
        self
    }

    /// The secret key of the instance, `sk_test_…`; by default a random one.
    #[must_use]
    pub fn secret_key(mut self, secret_key: impl Into<String>) -> Self {
        self.secret_key = Some(secret_key.into());
        self
    }

    /// Lets so many users and organizations exist, for the lists of the Backend API; by default none. Each user is a
    /// member of one organization.
    #[must_use]
    pub fn people(mut self, users: u64, organizations: u64) -> Self {
        self.people = (users, organizations);
        self
    }

    /// How often the Backend API may be asked in ten seconds, before it answers 429; by default as often as one likes. A
    /// development instance of Clerk's allows 100 times.
    #[must_use]
    pub fn rate_limit(mut self, requests: usize) -> Self {
        self.rate_limit = Some(requests);
        self
    }

    /// Makes the issuer, and an RS256 key if nothing was said about keys.
    pub fn build(mut self) -> Result<DevIssuer, KeyError> {
        if self.keys.is_empty() && self.algorithms.is_empty() {
            self.algorithms.push(SigningAlgorithm::default());
        }
        let mut keys: Vec<_> = self.keys.into_iter().map(Held::new).collect();
        keys.extend(Held::generate(&self.algorithms)?);
        let secret_key = match self.secret_key {
            Some(key) if is_test_key(&key) => key,
            Some(_) => return Err(KeyError::SecretKey),
            None => random_text("sk_test_")?,
        };
        let client = Client::with_secret(Mint::CLIENT, random_text("")?);
        Ok(DevIssuer {
            clock: self.clock,
            max_age: self.max_age,
            secret_key,
            clients: Mutex::new(Clients::of(client.clone())),
            client,
            state: Mutex::new(State {
                issuer: self.issuer,
                address: None,
                keys,
                strangers: Vec::new(),
                fault: Fault::None,
                faults: Vec::new(),
            }),
            tokens: Mutex::default(),
            machines: Mutex::default(),
            backend_api: BackendApi::new(self.people.0, self.people.1, self.rate_limit),
            log: RequestLog::default(),
            sign_ins: Mutex::default(),
        })
    }
}

impl fmt::Debug for DevIssuerBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DevIssuerBuilder")
            .field("issuer", &self.issuer)
            .field("algorithms", &self.algorithms)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

struct State {
    issuer: Option<String>,
    /// Where it is served.
    address: Option<String>,
    keys: Vec<Held>,
    strangers: Vec<Arc<SigningKey>>,
    fault: Fault,
    /// Of single endpoints, at most one for each.
    faults: Vec<(Endpoint, Fault)>,
}

struct Held {
    key: Arc<SigningKey>,
    published: bool,
    signs: bool,
}

impl Held {
    fn new(key: SigningKey) -> Self {
        Self {
            key: Arc::new(key),
            published: true,
            signs: true,
        }
    }

    fn generate(algorithms: &[SigningAlgorithm]) -> Result<Vec<Self>, KeyError> {
        algorithms
            .iter()
            .map(|&algorithm| SigningKey::generate(algorithm).map(Self::new))
            .collect()
    }
}

type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

fn system_time() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs().try_into().unwrap_or(i64::MAX))
}

fn is_test_key(key: &str) -> bool {
    let word = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
    key.strip_prefix("sk_test_")
        .is_some_and(|rest| !rest.is_empty() && rest.chars().all(word))
}

const DEFAULT_MAX_AGE: u64 = 300;
/// Overlapping rotations forget the oldest keys beyond this.
const MAX_KEYS: usize = 32;
const MAX_MACHINES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Defect, Kind};

    fn issuer() -> DevIssuer {
        DevIssuer::builder()
            .issuer("https://clerk.example.com")
            .algorithms(&[SigningAlgorithm::ES256, SigningAlgorithm::EdDSA])
            .clock(|| 1_800_000_000)
            .build()
            .unwrap()
    }

    fn header(token: &str) -> Value {
        let part = token.split('.').next().unwrap();
        serde_json::from_slice(&base64_simd::URL_SAFE_NO_PAD.decode_to_vec(part).unwrap()).unwrap()
    }

    #[test]
    fn the_first_key_signs_unless_an_algorithm_is_asked_for() {
        let issuer = issuer();
        let kids = issuer.kids();
        assert_eq!(
            header(&issuer.mint(&Mint::default()).unwrap())["kid"],
            kids[0]
        );
        let mint = Mint::kind(Kind::Oidc).alg(SigningAlgorithm::EdDSA);
        assert_eq!(header(&issuer.mint(&mint).unwrap())["kid"], kids[1]);
        let missing = issuer.mint(&mint.alg(SigningAlgorithm::RS256));
        assert_eq!(missing, Err(MintError::NoKey(SigningAlgorithm::RS256)));
    }

    #[test]
    fn rotating_replaces_every_key_and_overlapping_keeps_the_old_ones_published() {
        let issuer = issuer();
        let first = issuer.kids();
        let new = issuer.rotate().unwrap();
        let second = issuer.kids();
        assert_eq!((second.len(), &second[0]), (2, &new));
        assert!(second.iter().all(|kid| !first.contains(kid)));
        let newest = issuer.rotate_overlapping().unwrap();
        assert_eq!(issuer.kids().len(), 4);
        assert_eq!(issuer.kids()[2..], second);
        assert_eq!(
            header(&issuer.mint(&Mint::default()).unwrap())["kid"],
            newest
        );
    }

    #[test]
    fn a_withdrawn_key_is_published_no_more_but_signs() {
        let issuer = issuer();
        let kid = issuer.kids()[0].clone();
        assert!(issuer.withdraw(&kid) && !issuer.withdraw(&kid));
        assert!(!issuer.kids().contains(&kid));
        assert_eq!(header(&issuer.mint(&Mint::default()).unwrap())["kid"], kid);
        issuer.rotate_overlapping().unwrap();
        assert!(!issuer.kids().contains(&kid));
    }

    #[test]
    fn rotations_are_bounded() {
        let issuer = issuer();
        for _ in 0..MAX_KEYS {
            issuer.rotate_overlapping().unwrap();
        }
        assert_eq!(issuer.kids().len(), MAX_KEYS);
    }

    #[test]
    fn strangers_are_made_once() {
        let issuer = issuer();
        let embedded = |issuer: &DevIssuer| {
            header(&issuer.mint(&Mint::defective(Defect::EmbeddedJwk)).unwrap())["jwk"]["kid"]
                .clone()
        };
        assert_eq!(embedded(&issuer), embedded(&issuer));
        assert!(!issuer.kids().iter().any(|kid| *kid == embedded(&issuer)));
    }

    #[test]
    fn what_happened_is_forgotten_and_the_keys_are_not() {
        let issuer = issuer();
        let (keys, client) = (issuer.jwks(), issuer.client().client_id.clone());
        let mint = Mint::kind(Kind::ApiKey).sub("user_ada");
        let token = issuer.mint(&mint).unwrap();
        let jwt = issuer
            .mint(&Mint::kind(Kind::Oidc).sub("user_ada"))
            .unwrap();
        issuer.revoke(&Revocation::Sub("user_ada".to_owned()), None);
        issuer.revoke(&Revocation::Token(jwt.clone()), None);
        issuer.register(Client::with_secret("other", "s")).unwrap();
        let secret = issuer.machine_secret_key("mch_a").unwrap();
        issuer.set_fault_at(Endpoint::Verify, Fault::Down);
        issuer.reset();
        assert_eq!(issuer.verify_opaque(&token), None);
        assert!(issuer.stands_by(&issuer.own_jws(&jwt).unwrap()));
        assert!(issuer.verify_opaque(&issuer.mint(&mint).unwrap()).is_some());
        assert_eq!(issuer.client_ids(), [client]);
        assert_eq!(issuer.machine_of(&secret), None);
        assert_eq!(issuer.fault_at(Endpoint::Verify), Fault::None);
        assert_eq!(issuer.jwks(), keys);
    }

    #[test]
    fn the_metadata_names_the_issuer_exactly() {
        let metadata = issuer().discovery();
        assert_eq!(metadata["issuer"], "https://clerk.example.com");
        assert_eq!(
            metadata["jwks_uri"],
            "https://clerk.example.com/.well-known/jwks.json"
        );
        assert_eq!(
            metadata["id_token_signing_alg_values_supported"],
            json!(["ES256", "EdDSA"])
        );
        assert_eq!(
            issuer().publishable_key(),
            "pk_test_Y2xlcmsuZXhhbXBsZS5jb20k"
        );
    }

    #[test]
    fn nothing_private_is_printed() {
        let key = SigningKey::generate(SigningAlgorithm::EdDSA).unwrap();
        let pem = key.private_pem();
        let secret = pem.lines().nth(1).unwrap();
        let builder = DevIssuer::builder().key(key);
        let printed = format!("{builder:?}");
        assert!(!format!("{printed}{:?}", builder.build().unwrap()).contains(secret));
    }
}
