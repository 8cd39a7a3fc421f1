//! Clients that are documents: their `client_id` is the URL of what they say of themselves (OAuth Client ID Metadata
//! Document, draft-ietf-oauth-client-id-metadata-document; MCP authorization, "Client Registration").

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::{Host, Url};

use super::client::{Client, Keys};
use super::registration::{known_part, name};
use super::respond::Halt;
use super::settings::{ClientDocuments, is_loopback};
use super::store::{Key, Kind, Operation, Outcome};
use super::{Call, DocumentCall, DocumentError, observe, redirect};

/// What a client says of itself, as far as anybody looks (RFC 7591 §2).
#[derive(Deserialize)]
struct Said {
    client_id: String,
    client_name: String,
    redirect_uris: Vec<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    scope: Option<String>,
    token_endpoint_auth_method: Option<String>,
    client_secret: Option<Value>,
    jwks: Option<Value>,
    jwks_uri: Option<String>,
}

/// A document as it is remembered.
#[derive(Serialize, Deserialize)]
struct Remembered {
    body: String,
    etag: Option<String>,
    fetched_at: i64,
    fresh_until: i64,
}

/// Whether this is how such a client is named.
pub(super) fn is_document(client_id: &str) -> bool {
    client_id.starts_with("https://") || client_id.starts_with("http://")
}

/// The domain that stands for such a client.
pub(super) fn domain(client_id: &str) -> Option<String> {
    is_document(client_id).then_some(())?;
    Some(Url::parse(client_id).ok()?.host_str()?.to_owned())
}

impl Call<'_> {
    /// The client whose document is at this URL, if such clients are let in.
    pub(super) async fn documented(
        &self,
        client_id: &str,
        used: bool,
    ) -> Result<Option<Client>, Halt> {
        let Some(policy) = &self.server.settings.client_documents else {
            return Ok(None);
        };
        check_url(client_id, policy, true).map_err(Halt::invalid_request)?;
        // What nobody has redeemed a code for is a stranger's, and is not kept for long.
        let extend_to = used.then(|| self.moment.now.saturating_add(MOST_STALE));
        let how = (MAX_DOCUMENT, i64::MIN, extend_to);
        let body = self.fetched(client_id, how, policy).await?;
        let client = self.client_of(client_id, &body, policy);
        client.map(Some).map_err(|why| {
            observe::document_refused(domain(client_id).as_deref(), why);
            Halt::invalid_request(why)
        })
    }

    /// The keys at a client's `jwks_uri`, fetched after `since`.
    pub(super) async fn keys_at(&self, url: &str, since: i64) -> Result<String, Halt> {
        let policy = self.server.settings.client_documents.as_ref();
        let policy = policy.ok_or_else(Halt::unavailable)?;
        let extend_to = Some(self.moment.now.saturating_add(MOST_STALE));
        self.fetched(url, (MAX_KEYS, since, extend_to), policy)
            .await
    }

    /// A document of so many bytes, fetched after some time, from memory while it is fresh. While its source is away, the
    /// last one does for a day at most.
    async fn fetched(
        &self,
        url: &str,
        (max_bytes, since, extend_to): (usize, i64, Option<i64>),
        policy: &ClientDocuments,
    ) -> Result<String, Halt> {
        let now = self.moment.now;
        let key = self.server.keys.key(Kind::Document, url);
        let Outcome::Value(before) = self.desk.store(Operation::Read { key, extend_to }).await?
        else {
            return Err(Halt::unavailable());
        };
        let known: Option<Remembered> = before
            .as_deref()
            .and_then(|bytes| serde_json::from_slice(bytes).ok());
        if let Some(known) = &known
            && (known.fetched_at..known.fresh_until).contains(&now)
            && known.fetched_at >= since
        {
            return Ok(known.body.clone());
        }
        // Who floods this with documents does not keep out whoever is known.
        let last = known
            .as_ref()
            .filter(|known| now < known.fetched_at.saturating_add(MOST_STALE));
        let within = self.within("document", policy.each_minute, policy.all_each_minute);
        if let Err(halt) = within.await {
            return last.map(|known| known.body.clone()).ok_or(halt);
        }
        let call = DocumentCall {
            url: url.to_owned(),
            etag: known.as_ref().and_then(|known| known.etag.clone()),
            max_bytes,
        };
        let answer = match (self.desk.document(call).await, known) {
            (Ok(answer), known) => (answer, known),
            (Err(DocumentError::Refused(why)), _) => {
                observe::document_refused(domain(url).as_deref(), why);
                return Err(unusable());
            }
            (Err(DocumentError::Unreachable), Some(known))
                if now < known.fetched_at.saturating_add(MOST_STALE) =>
            {
                return Ok(known.body);
            }
            // The same answer as above: whether a name leads inside, or to nobody, is not for strangers to learn.
            (Err(DocumentError::Unreachable), _) => {
                observe::document_refused(domain(url).as_deref(), "it cannot be reached");
                return Err(unusable());
            }
        };
        let (body, etag, max_age) = match answer {
            (answer, Some(known)) if answer.status == 304 => {
                (known.body, answer.etag.or(known.etag), answer.max_age)
            }
            (answer, _) => {
                let media_type = answer.content_type.as_deref().unwrap_or_default();
                let body = String::from_utf8(answer.body).ok();
                let body = body.filter(|_| answer.status == 200 && is_json(media_type));
                let wrong = || Halt::invalid_request("the client's document is no JSON");
                (body.ok_or_else(wrong)?, answer.etag, answer.max_age)
            }
        };
        let fresh_for = max_age.unwrap_or(USUAL_AGE).clamp(LEAST_AGE, MOST_AGE);
        let remembered = Remembered {
            body: body.clone(),
            etag,
            fetched_at: now,
            fresh_until: now.saturating_add(fresh_for),
        };
        self.remember(key, before, &remembered).await;
        Ok(body)
    }

    /// Where there is no room, it is fetched again next time.
    async fn remember(&self, key: Key, before: Option<Vec<u8>>, remembered: &Remembered) {
        let Ok(value) = serde_json::to_vec(remembered) else {
            return;
        };
        let expires_at = remembered.fresh_until.saturating_add(SPARE);
        let operation = match before {
            None => Operation::PutIfAbsent {
                key,
                value,
                expires_at,
            },
            Some(before) => Operation::Replace {
                key,
                before,
                after: value,
                expires_at,
            },
        };
        let _ = self.desk.store(operation).await;
    }

    fn client_of(
        &self,
        client_id: &str,
        body: &str,
        policy: &ClientDocuments,
    ) -> Result<Client, &'static str> {
        let said: Said = serde_json::from_str(body)
            .map_err(|_| "the client's document lacks client_id, client_name or redirect_uris")?;
        // Byte for byte, or anybody who can put a file somewhere speaks for that place.
        if said.client_id != client_id {
            return Err("the client's document names another client_id");
        }
        if said.client_secret.is_some() {
            return Err("the client's document has a secret in it, which everybody can read");
        }
        if said.redirect_uris.is_empty() || said.redirect_uris.len() > MAX_REDIRECT_URIS {
            return Err("the client's document has no redirect_uris, or too many");
        }
        for uri in &said.redirect_uris {
            redirect::check(uri, &self.server.settings.custom_schemes)?;
        }
        let grants = said
            .grant_types
            .unwrap_or_else(|| vec!["authorization_code".to_owned()]);
        let responses = said
            .response_types
            .unwrap_or_else(|| vec!["code".to_owned()]);
        let has = |list: &[String], wanted: &str| list.iter().any(|one| one == wanted);
        if !has(&grants, "authorization_code") || !has(&responses, "code") {
            return Err("the client's document has no authorization_code grant");
        }
        let keys = match (
            said.token_endpoint_auth_method.as_deref(),
            said.jwks,
            said.jwks_uri,
        ) {
            (None | Some("none"), _, _) => None,
            (Some("private_key_jwt"), Some(jwks), None) => Some(Keys::Given(jwks.to_string())),
            (Some("private_key_jwt"), None, Some(uri)) => {
                check_url(&uri, policy, false)
                    .map_err(|_| "the client's jwks_uri is no URL that is fetched here")?;
                Some(Keys::At(uri))
            }
            (Some("private_key_jwt"), _, _) => {
                return Err("the client's document has no keys, or keys in two places");
            }
            _ => return Err("the client authenticates in a way that is not known here"),
        };
        Ok(Client {
            client_id: said.client_id,
            client_name: name(&said.client_name),
            redirect_uris: said.redirect_uris,
            refreshes: has(&grants, "refresh_token"),
            scopes: said
                .scope
                .as_deref()
                .map(|scope| known_part(&self.server.settings.scopes, scope)),
            keys,
            by_operator: false,
            acts_alone: false,
        })
    }
}

/// Whether such a URL is fetched here. That of a client has a path, so that a whole site is nobody's name, and one
/// spelling; that of keys need not.
fn check_url(text: &str, policy: &ClientDocuments, names: bool) -> Result<(), &'static str> {
    let url = Url::parse(text).map_err(|_| "the client's URL is none")?;
    let local = policy.dangerously_allow_loopback_for_tests && is_loopback(&url);
    let safe = url.scheme() == "https" || (url.scheme() == "http" && local);
    if !safe || text.len() > MAX_URL {
        return Err("the client's URL is not https, or too long");
    }
    if !url.username().is_empty() || url.password().is_some() || text.contains('#') {
        return Err("the client's URL has userinfo or a fragment");
    }
    // Dot segments, capital hosts and default ports are refused, not mended.
    if url.as_str() != text || (names && url.path() == "/") {
        return Err("the client's URL has no path, or is not in its normal form");
    }
    let host = match url.host() {
        // With a dot at its end it would be another name for the same host.
        Some(Host::Domain(name)) if !name.ends_with('.') => name,
        Some(Host::Domain(_)) => return Err("the client's host ends with a dot"),
        Some(_) if local => return Ok(()),
        _ => return Err("the client's URL has an address for a host"),
    };
    let named = |pattern: &String| match pattern.strip_prefix("*.") {
        Some(parent) => host
            .strip_suffix(parent)
            .is_some_and(|rest| rest.ends_with('.')),
        None => host == pattern,
    };
    let allowed = policy.allowed_domains.as_ref();
    if policy.denied_domains.iter().any(named) || allowed.is_some_and(|all| !all.iter().any(named))
    {
        return Err("clients of this domain are not let in");
    }
    Ok(())
}

fn unusable() -> Halt {
    Halt::invalid_request("the client's document cannot be used")
}

fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Bytes of a client's document (draft §6.6), and of its keys.
const MAX_DOCUMENT: usize = 5 * 1024;
const MAX_KEYS: usize = 32 * 1024;
const MAX_URL: usize = 2048;
const MAX_REDIRECT_URIS: usize = 10;
/// Seconds for which a document is fresh: where it says nothing, at least, and at most.
const USUAL_AGE: i64 = 3600;
const LEAST_AGE: i64 = 60;
const MOST_AGE: i64 = 3600;
/// Seconds that it is kept longer, so that its tag can be sent; and for which a client's that is used does after it was
/// fetched, while its source is away.
const SPARE: i64 = 600;
const MOST_STALE: i64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_urls_may_name_a_client() {
        let open = ClientDocuments::default();
        let check = |url: &str| check_url(url, &open, true);
        for url in [
            "https://app.example.com/client.json",
            "https://app.example.com/oauth/client?v=1",
            "https://app.example.com:8443/c",
        ] {
            assert_eq!(check(url), Ok(()), "{url}");
        }
        for url in [
            "https://app.example.com",
            "https://app.example.com/",
            "https://App.example.com/c",
            "https://app.example.com:443/c",
            "https://app.example.com/a/../c",
            "https://app.example.com/%2e%2e/c",
            "https://app.example.com/c#x",
            "https://user@app.example.com/c",
            "https://127.0.0.1/c",
            "https://[::1]/c",
            "https://10.0.0.1/c",
            "http://127.0.0.1/c",
            "http://app.example.com/c",
            "ftp://app.example.com/c",
            "https://",
        ] {
            assert!(check(url).is_err(), "{url}");
        }
        let long = format!("https://app.example.com/{}", "x".repeat(MAX_URL));
        assert!(check(&long).is_err());
    }

    #[test]
    fn a_domain_is_let_in_or_kept_out() {
        let policy = ClientDocuments {
            allowed_domains: Some(vec!["example.com".into(), "*.example.org".into()]),
            denied_domains: vec!["bad.example.org".into()],
            ..ClientDocuments::default()
        };
        for (host, fits) in [
            ("example.com", true),
            ("a.example.com", false),
            ("a.example.org", true),
            ("a.b.example.org", true),
            ("example.org", false),
            ("evilexample.org", false),
            ("bad.example.org", false),
            ("example.net", false),
        ] {
            let checked = check_url(&format!("https://{host}/c"), &policy, true);
            assert_eq!(checked.is_ok(), fits, "{host}");
        }
    }
}
