//! Who is calling, as the MCP server is told: a signed statement that lives for a minute, in one header field.

use std::path::Path;

use base64_simd::URL_SAFE_NO_PAD;
use doorward::Identity;
use doorward_issuer::{SigningAlgorithm, SigningKey};
use serde_json::{Value, json};

use crate::output::Failure;

/// Signs statements, for one MCP server.
pub(super) struct Assertions {
    key: SigningKey,
    issuer: String,
    audience: String,
}

/// The field. Whatever a caller sends in it goes no further.
pub(super) const FIELD: &str = "doorward-identity";
/// Where its public key is.
pub(super) const KEYS: &str = "/doorward/identity/jwks.json";
/// RFC 8725 §3.11: no token for an API is mistaken for one of these, nor one of these for a token.
const TYPE: &str = "doorward-identity+jwt";
/// Seconds.
const LIFETIME: i64 = 60;

impl Assertions {
    /// With the key in this file, PKCS #8 in PEM for ES256; or with one of this process's own.
    pub(super) fn new(
        file: Option<&Path>,
        issuer: String,
        audience: String,
    ) -> Result<Self, Failure> {
        let wrong = |why: String| Failure::usage(format!("identity_key_file: {why}"));
        let key = match file {
            None => SigningKey::generate(SigningAlgorithm::ES256),
            Some(path) => {
                let pem = std::fs::read_to_string(path)
                    .map_err(|error| wrong(format!("{}: {error}", path.display())))?;
                SigningKey::from_pkcs8_pem(&pem, SigningAlgorithm::ES256)
            }
        };
        Ok(Self {
            key: key.map_err(|error| wrong(error.to_string()))?,
            issuer,
            audience,
        })
    }

    pub(super) fn keys(&self) -> Value {
        json!({ "keys": [self.key.jwk()] })
    }

    /// What this caller's request says of them. `None` where nothing can be signed.
    pub(super) fn sign(&self, caller: &Identity, now: i64) -> Option<String> {
        let mut claims = json!({
            "iss": self.issuer,
            "aud": self.audience,
            "sub": caller.subject(),
            // Whose subject it is: names are unique within an issuer only.
            "sub_iss": caller.issuer(),
            "scope": caller.scopes().join(" "),
            "iat": now,
            "exp": now.saturating_add(LIFETIME),
        });
        let more = [
            ("client_id", caller.client_id()),
            ("sid", caller.session_id()),
            ("org_id", caller.organization_id()),
        ];
        for (name, value) in more {
            if let Some(value) = value {
                claims[name] = value.into();
            }
        }
        // RFC 8693 §4.1.
        if let Some(actor) = caller.actor() {
            claims["act"] = json!({ "sub": actor.subject });
        }
        let header = json!({"alg": "ES256", "kid": self.key.kid(), "typ": TYPE});
        let coded = |value: &Value| URL_SAFE_NO_PAD.encode_to_string(value.to_string());
        let signed = format!("{}.{}", coded(&header), coded(&claims));
        let signature = self.key.sign(signed.as_bytes()).ok()?;
        Some(format!(
            "{signed}.{}",
            URL_SAFE_NO_PAD.encode_to_string(signature)
        ))
    }
}
