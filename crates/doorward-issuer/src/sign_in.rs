//! Signing in: authorization requests with a page, codes and tokens (RFC 6749 §4.1 and §6, RFC 7636, OpenID Connect
//! Core §3.1), as Clerk's identity provider does it.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::header::{
    CONTENT_SECURITY_POLICY, HeaderMap, LOCATION, REFERRER_POLICY, X_FRAME_OPTIONS,
};
use axum::http::{Method, StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;

use crate::Defect;
use crate::authorization_server::is_loopback;
use crate::client::Client;
use crate::encoding::base64url;
use crate::fault::Fault;
use crate::issuer::DevIssuer;
use crate::line::Line;
use crate::mint::{Kind, Mint};
use crate::oauth::{Form, OauthError};
use crate::opaque::{Digest, digest_of, random_text};
use crate::page::sign_in_page;
use crate::requests::Endpoint;
use crate::strike::{Answer, answered};
use crate::verify::EVE;

/// How people sign in, and what comes of it: the JSON of `POST /dev/sign-in`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SignIn {
    /// Who signs in without being asked; by default a page asks.
    pub sub: Option<String>,
    /// Gives `oat_…` access tokens, as Clerk's older applications do, in the place of JWTs.
    pub opaque: bool,
    /// Seconds until an access token expires; by default 86,400.
    pub ttl: Option<i64>,
}

impl SignIn {
    /// Somebody signs in without being asked.
    pub fn automatic(sub: impl Into<String>) -> Self {
        Self {
            sub: Some(sub.into()),
            ..Self::default()
        }
    }

    /// Gives opaque access tokens.
    #[must_use]
    pub fn opaque(mut self) -> Self {
        self.opaque = true;
        self
    }
}

/// Codes and refresh tokens that are good, by digest. Bounded by count, oldest out.
#[derive(Default)]
pub(crate) struct SignIns {
    pub(crate) how: SignIn,
    codes: VecDeque<Code>,
    refreshes: VecDeque<(Digest, Grant)>,
}

struct Code {
    digest: Digest,
    redirect_uri: String,
    challenge: Option<String>,
    expires_at: i64,
    grant: Grant,
}

/// Who let which client do what.
#[derive(Clone)]
struct Grant {
    client_id: String,
    sub: String,
    scope: String,
    nonce: Option<String>,
}

impl SignIns {
    /// Forgets a refresh token of this client's.
    pub(crate) fn revoke(&mut self, token: &str, client_id: &str) {
        let digest = digest_of(token);
        self.refreshes
            .retain(|(known, grant)| *known != digest || grant.client_id != client_id);
    }

    fn take_code(&mut self, code: &str) -> Option<Code> {
        let digest = digest_of(code);
        let at = self.codes.iter().position(|known| known.digest == digest)?;
        self.codes.remove(at)
    }

    fn take_refresh(&mut self, token: &str) -> Option<Grant> {
        let digest = digest_of(token);
        let at = self
            .refreshes
            .iter()
            .position(|(known, _)| *known == digest)?;
        self.refreshes.remove(at).map(|(_, grant)| grant)
    }
}

/// `GET` and `POST /oauth/authorize`.
pub(crate) async fn authorize(
    State(issuer): State<Arc<DevIssuer>>,
    ConnectInfo(line): ConnectInfo<Line>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answered(&issuer, Endpoint::Authorize, &line, |_| {
        let form = match method {
            Method::POST => Form::read(&headers, &body),
            _ => Form::query(uri.query().unwrap_or_default()),
        };
        let posted = method == Method::POST;
        form.and_then(|form| authorized(&issuer, &form, posted))
            .unwrap_or_else(OauthError::answer)
    })
    .await
}

fn authorized(issuer: &DevIssuer, form: &Form, posted: bool) -> Result<Answer, OauthError> {
    let wrong = OauthError::invalid_request;
    // Until client and redirect URI are known to belong together, nobody is sent anywhere (RFC 6749 §4.1.2.1).
    let client_id = form.required("client_id")?;
    let client = issuer
        .client_named(client_id)
        .ok_or_else(|| wrong("there is no client of this name; see POST /dev/clients"))?;
    let redirect_uri = form.required("redirect_uri")?;
    if !may_return_to(&client, redirect_uri) {
        return Err(wrong(
            "the redirect_uri is none of the client's; without any, it leads to this machine",
        ));
    }
    let state = form.one("state")?;
    let back = |said: &[(&str, &str)]| {
        let mut to = Url::parse(redirect_uri).map_err(|_| wrong("the redirect_uri is no URL"))?;
        to.query_pairs_mut()
            .extend_pairs(said)
            .extend_pairs(state.map(|state| ("state", state)))
            .append_pair("iss", &issuer.issuer());
        let answer = Answer::empty().status(StatusCode::SEE_OTHER);
        Ok(answer.header(LOCATION, to.as_str()))
    };
    let refuse = |error: OauthError| {
        back(&[
            ("error", error.code()),
            ("error_description", error.description()),
        ])
    };
    let (scope, nonce, challenge) = match asked(form, &client) {
        Ok(asked) => asked,
        Err(error) => return refuse(error),
    };
    let how = issuer.sign_ins().how.clone();
    let sub = match (posted, how.sub) {
        (false, Some(sub)) => sub,
        (false, None) if form.one("prompt")? == Some("none") => {
            return refuse(OauthError::new("login_required", "nobody is signed in"));
        }
        (false, None) => return Ok(page(issuer, form, scope)),
        (true, _) if form.one("decision")? == Some("deny") => {
            return refuse(OauthError::new("access_denied", "signing in was denied"));
        }
        (true, _) => form.required("sub")?.to_owned(),
    };
    let code = random_text("").map_err(|_| OauthError::new("server_error", "no randomness"))?;
    let mut sign_ins = issuer.sign_ins();
    if sign_ins.codes.len() == MAX_CODES {
        sign_ins.codes.pop_front();
    }
    sign_ins.codes.push_back(Code {
        digest: digest_of(&code),
        redirect_uri: redirect_uri.to_owned(),
        challenge: challenge.map(str::to_owned),
        expires_at: issuer.now().saturating_add(CODE_LIFETIME),
        grant: Grant {
            client_id: client_id.to_owned(),
            sub,
            scope: scope.to_owned(),
            nonce: nonce.map(str::to_owned),
        },
    });
    back(&[("code", &code)])
}

type Asked<'f> = (&'f str, Option<&'f str>, Option<&'f str>);

/// What a client asks for: scope, nonce, challenge.
fn asked<'f>(form: &'f Form, client: &Client) -> Result<Asked<'f>, OauthError> {
    form.all_once()?;
    if form.required("response_type")? != "code" {
        return Err(OauthError::new(
            "unsupported_response_type",
            "expected response_type=code",
        ));
    }
    let challenge = form.one("code_challenge")?;
    // RFC 9700 §2.1.1: a public client has nothing else to show.
    if challenge.is_none() && client.is_public() {
        return Err(OauthError::invalid_request("code_challenge is missing"));
    }
    if challenge.is_some() && form.one("code_challenge_method")? != Some("S256") {
        return Err(OauthError::invalid_request(
            "expected code_challenge_method=S256",
        ));
    }
    let scope = form.one("scope")?.unwrap_or_default();
    Ok((scope, form.one("nonce")?, challenge))
}

fn page(issuer: &DevIssuer, form: &Form, scope: &str) -> Answer {
    let hidden: Vec<(&str, &str)> = PARAMETERS
        .into_iter()
        .filter_map(|name| Some((name, form.one(name).ok()??)))
        .collect();
    let hint = form.one("login_hint").ok().flatten();
    let page = sign_in_page(issuer, &hidden, scope, hint.unwrap_or(Mint::USER));
    // No `form-action`: browsers apply it to the redirects that follow, and those are the clients'.
    Answer::text("text/html; charset=utf-8", page)
        .header(
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
        )
        .header(X_FRAME_OPTIONS, "DENY")
        .header(REFERRER_POLICY, "no-referrer")
}

/// One of the client's own, or for a client without any one that leads to this machine.
fn may_return_to(client: &Client, redirect_uri: &str) -> bool {
    if !client.redirect_uris.is_empty() {
        return client.redirect_uris.iter().any(|own| own == redirect_uri);
    }
    let Ok(url) = Url::parse(redirect_uri) else {
        return false;
    };
    is_loopback(&url) && matches!(url.scheme(), "http" | "https") && url.fragment().is_none()
}

/// `POST /oauth/token`.
pub(crate) async fn token(
    State(issuer): State<Arc<DevIssuer>>,
    ConnectInfo(line): ConnectInfo<Line>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answered(&issuer, Endpoint::Token, &line, |fault| {
        given(&issuer, fault, uri.path(), &headers, &body).unwrap_or_else(OauthError::answer)
    })
    .await
}

fn given(
    issuer: &DevIssuer,
    fault: &Fault,
    path: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Answer, OauthError> {
    let form = Form::read(headers, body)?;
    form.all_once()?;
    let client_id = issuer
        .caller(path, headers, &form)?
        .ok_or_else(|| OauthError::invalid_client("the client is not named"))?;
    let bad = |why| OauthError::new("invalid_grant", why);
    match form.required("grant_type")? {
        "authorization_code" => {
            let code = form.required("code")?;
            let redirect_uri = form.one("redirect_uri")?;
            let verifier = form.one("code_verifier")?;
            let found = issuer.sign_ins().take_code(code);
            let code = found.ok_or_else(|| bad("the code is unknown, or was used"))?;
            if code.expires_at <= issuer.now() {
                return Err(bad("the code has expired"));
            }
            if code.grant.client_id != client_id {
                return Err(bad("the code is another client's"));
            }
            if redirect_uri != Some(&code.redirect_uri) {
                return Err(bad("the redirect_uri is not the one of the request"));
            }
            let challenge = verifier.map(|verifier| base64url(digest_of(verifier)));
            if code.challenge != challenge {
                return Err(bad("the code_verifier does not fit the code_challenge"));
            }
            tokens(issuer, fault, code.grant)
        }
        "refresh_token" => {
            let token = form.required("refresh_token")?;
            let mut grant = issuer
                .sign_ins()
                .take_refresh(token)
                .filter(|grant| grant.client_id == client_id)
                .ok_or_else(|| {
                    bad("the refresh token is unknown, was used, or is another client's")
                })?;
            // RFC 6749 §6.
            if let Some(scope) = form.one("scope")? {
                let had: Vec<_> = grant.scope.split(' ').collect();
                if !scope.split(' ').all(|scope| had.contains(&scope)) {
                    return Err(OauthError::new("invalid_scope", "a scope was not granted"));
                }
                scope.clone_into(&mut grant.scope);
            }
            grant.nonce = None;
            tokens(issuer, fault, grant)
        }
        _ => Err(OauthError::new(
            "unsupported_grant_type",
            "expected authorization_code or refresh_token",
        )),
    }
}

fn tokens(issuer: &DevIssuer, fault: &Fault, grant: Grant) -> Result<Answer, OauthError> {
    let failed = || OauthError::new("server_error", "the tokens could not be made");
    let how = issuer.sign_ins().how.clone();
    let scopes: Vec<&str> = grant.scope.split_whitespace().collect();
    let sub = match fault {
        Fault::OtherSubject => EVE,
        _ => &grant.sub,
    };
    let about = |mint: Mint| {
        let (name, email) = person(sub);
        let claims = [
            ("profile", "name", json!(name)),
            ("email", "email", json!(email)),
            ("email", "email_verified", json!(true)),
        ];
        claims
            .into_iter()
            .filter(|(scope, ..)| scopes.contains(scope))
            .fold(mint.sub(sub), |mint, (_, claim, value)| {
                mint.claim(claim, value)
            })
    };
    let ttl = how.ttl.unwrap_or(ACCESS_LIFETIME);
    let kind = if how.opaque {
        Kind::OauthOpaque
    } else {
        Kind::Oauth
    };
    let access = about(Mint::kind(kind))
        .client_id(&grant.client_id)
        .scopes(scopes.iter().copied())
        .ttl(ttl);
    let access = issuer.mint(&access).map_err(|_| failed())?;
    let refresh = random_text("").map_err(|_| failed())?;
    let mut told = json!({
        "access_token": access,
        "token_type": "Bearer",
        "expires_in": ttl,
        "refresh_token": refresh,
        "scope": grant.scope,
    });
    if scopes.contains(&"openid") {
        let mut id_token = about(Mint::kind(Kind::Oidc))
            .aud(grant.client_id.as_str())
            .claim("auth_time", issuer.now());
        if let Some(nonce) = &grant.nonce {
            id_token = id_token.claim("nonce", nonce.as_str());
        }
        id_token = match fault {
            Fault::Forged => id_token.defect(Defect::WrongKey),
            Fault::Expired => id_token.defect(Defect::Expired),
            _ => id_token,
        };
        told["id_token"] = json!(issuer.mint(&id_token).map_err(|_| failed())?);
    }
    let mut sign_ins = issuer.sign_ins();
    if sign_ins.refreshes.len() == MAX_REFRESHES {
        sign_ins.refreshes.pop_front();
    }
    sign_ins.refreshes.push_back((digest_of(&refresh), grant));
    Ok(Answer::json(&told))
}

/// Name and address of somebody who does not exist.
fn person(sub: &str) -> (String, String) {
    if sub == Mint::USER {
        return ("Ada Lovelace".to_owned(), "ada@example.com".to_owned());
    }
    let plain: String = sub
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
        .collect();
    (
        sub.to_owned(),
        format!("{}@example.com", plain.to_lowercase()),
    )
}

/// The parameters of a request that the page carries along.
const PARAMETERS: [&str; 8] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
];
/// Seconds.
const CODE_LIFETIME: i64 = 60;
const ACCESS_LIFETIME: i64 = 86_400;
const MAX_CODES: usize = 256;
const MAX_REFRESHES: usize = 1024;
