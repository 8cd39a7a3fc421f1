//! What the server says about itself and its resource (RFC 8414 §2, RFC 9207 §3, RFC 9728 §2).

use doorward_core::AlgorithmSet;
use serde_json::{Map, Value, json};

use super::{AuthorizationServer, Inner, Registration};

impl AuthorizationServer {
    /// Where the resource's metadata are (RFC 9728 §3.1): what a challenge names.
    pub fn resource_metadata_url(&self) -> String {
        let resource = &self.0.resource;
        let origin = resource.origin().ascii_serialization();
        format!(
            "{origin}{RESOURCE}{}",
            resource.path().trim_end_matches('/')
        )
    }
}

impl Inner {
    /// The documents, by their paths. RFC 8414 §3.1 and RFC 9728 §3.1: the path of the issuer or the resource stands
    /// behind the well-known one.
    pub(super) fn well_known(&self) -> impl Iterator<Item = (String, Value)> + '_ {
        let suffix = self.resource.path().trim_end_matches('/');
        let base = &self.base_path;
        let mut documents = vec![
            (format!("{SERVER}{base}"), self.metadata()),
            (format!("{OPENID}{base}"), self.openid_metadata()),
            // Clients that were told of no path look here.
            (RESOURCE.to_owned(), self.resource_metadata()),
        ];
        // OpenID Connect Discovery §4 appends.
        if !base.is_empty() {
            documents.push((format!("{base}{OPENID}"), self.openid_metadata()));
        }
        if !suffix.is_empty() {
            documents.push((format!("{RESOURCE}{suffix}"), self.resource_metadata()));
        }
        documents.into_iter()
    }

    fn metadata(&self) -> Value {
        let settings = &self.settings;
        let mut methods = vec!["none"];
        if settings
            .clients
            .iter()
            .any(|client| client.client_secret.is_some())
        {
            methods.extend(["client_secret_basic", "client_secret_post"]);
        }
        let documents = settings.client_documents.is_some();
        if documents || settings.clients.iter().any(|client| client.keys.is_some()) {
            methods.push("private_key_jwt");
        }
        let mut grants = vec!["authorization_code", "refresh_token"];
        if settings
            .clients
            .iter()
            .any(|client| client.client_credentials)
        {
            grants.push("client_credentials");
        }
        let mut metadata = json!({
            "issuer": settings.issuer,
            "authorization_endpoint": self.at("/authorize"),
            "token_endpoint": self.at("/token"),
            "revocation_endpoint": self.at("/revoke"),
            "jwks_uri": self.at("/jwks"),
            "scopes_supported": settings.scopes,
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": grants,
            "token_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_methods_supported": methods,
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
        });
        if methods.contains(&"private_key_jwt") {
            let algorithms: Vec<_> = AlgorithmSet::ASYMMETRIC
                .iter()
                .map(|algorithm| algorithm.as_str())
                .collect();
            for endpoint in ["token", "revocation"] {
                let name = format!("{endpoint}_endpoint_auth_signing_alg_values_supported");
                metadata[name] = json!(algorithms);
            }
        }
        if documents {
            metadata["client_id_metadata_document_supported"] = json!(true);
        }
        if settings.registration != Registration::Off {
            metadata["registration_endpoint"] = json!(self.at("/register"));
        }
        without_empty(metadata)
    }

    /// The same for clients that look for OpenID Connect Discovery §3, with what it requires besides. There are no ID
    /// tokens here; what is signed is signed so.
    fn openid_metadata(&self) -> Value {
        let mut metadata = self.metadata();
        metadata["subject_types_supported"] = json!(["public"]);
        metadata["id_token_signing_alg_values_supported"] = json!(["ES256"]);
        metadata
    }

    fn resource_metadata(&self) -> Value {
        without_empty(json!({
            "resource": self.settings.resource,
            "authorization_servers": [self.settings.issuer],
            "scopes_supported": self.settings.scopes,
            "bearer_methods_supported": ["header"],
        }))
    }
}

/// RFC 8414 §3.2: claims with zero elements are left out.
fn without_empty(mut document: Value) -> Value {
    if let Some(members) = document.as_object_mut() {
        let kept = std::mem::take(members)
            .into_iter()
            .filter(|(_, value)| value.as_array().is_none_or(|list| !list.is_empty()));
        *members = kept.collect::<Map<_, _>>();
    }
    document
}

const SERVER: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";
const RESOURCE: &str = "/.well-known/oauth-protected-resource";
