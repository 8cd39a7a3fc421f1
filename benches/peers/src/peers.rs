//! The crates people use today, each set up as its documentation says, with the same key, issuer and checks where it
//! has them. None waits for anything here, so their futures are polled once.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use clerk_rs::validators::authorizer::validate_jwt_with_key;
use clerk_rs::validators::jwks::JwksKey;
use jsonwebtoken::{DecodingKey, Validation};
use jwt_authorizer::{JwtAuthorizer, RegisteredClaims};
use oauth_resource_server::{KeyNaming, OAuthConfig, OAuthValidator};
use serde::Deserialize;
use tower::{Layer, Service};
use tower_oauth2_resource_server::claims::DefaultClaims;
use tower_oauth2_resource_server::layer::OAuth2ResourceServerLayer;
use tower_oauth2_resource_server::server::OAuth2ResourceServer;
use tower_oauth2_resource_server::tenant::TenantConfiguration;
use tower_oauth2_resource_server::validation::ClaimsValidationSpec;

use crate::token::{AUDIENCE, ISSUER, KID, Signer};

/// The result of a future that has nothing to wait for.
pub fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("nothing here should have to wait"),
    }
}

/// The claims of the token, owned, as an application would write them down.
#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "what matters is that it is read")]
pub struct Session {
    azp: Option<String>,
    exp: i64,
    fea: Option<String>,
    fva: Option<[i64; 2]>,
    iat: i64,
    iss: String,
    jti: Option<String>,
    nbf: i64,
    o: Option<Organization>,
    pla: Option<String>,
    sid: Option<String>,
    sts: Option<String>,
    sub: String,
    v: Option<u8>,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "what matters is that it is read")]
struct Organization {
    fpm: Option<String>,
    id: String,
    per: Option<String>,
    rol: String,
    slg: String,
}

/// jsonwebtoken 11, with the key and the validation built once.
pub fn jsonwebtoken(signer: &Signer) -> impl Fn(&str) -> Session {
    let jwk = serde_json::from_value(signer.jwk(KID)).expect("a JWK");
    let key = DecodingKey::from_jwk(&jwk).expect("a key");
    let algorithm = signer.algorithm().parse().expect("a known algorithm");
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&[ISSUER]);
    validation.validate_nbf = true;
    move |token| {
        jsonwebtoken::decode::<Session>(token, &key, &validation)
            .expect("valid")
            .claims
    }
}

/// jwt-authorizer 0.15, with a key at hand.
pub fn jwt_authorizer(signer: &Signer) -> impl Fn(&str) -> RegisteredClaims {
    let validation = jwt_authorizer::Validation::new().iss(&[ISSUER]).nbf(true);
    let builder = JwtAuthorizer::<RegisteredClaims>::from_jwks_text(&signer.jwks());
    let authorizer = ready(builder.validation(validation).build()).expect("an authorizer");
    move |token| ready(authorizer.check_auth(token)).expect("valid").claims
}

/// clerk-rs 0.5, with a key at hand. RS256 only.
pub fn clerk_rs(signer: &Signer) -> impl Fn(&str) -> String {
    let key: JwksKey = serde_json::from_value(signer.jwk(KID)).expect("a JWK");
    move |token| validate_jwt_with_key(token, &key).expect("valid").sub
}

/// oauth-resource-server 0.4, with a key set at hand. It demands an audience, so its token has one.
pub fn oauth_resource_server(signer: &Signer) -> impl Fn(&str) -> usize {
    let config = OAuthConfig {
        enabled: true,
        issuer: ISSUER.to_owned(),
        jwks_uri: Some(format!("{ISSUER}/.well-known/jwks.json")),
        audience: AUDIENCE.to_owned(),
        resource: AUDIENCE.to_owned(),
        algorithms: vec![signer.algorithm().to_owned()],
        allow_unscoped_tokens: true,
        ..OAuthConfig::default()
    };
    let resolved = config
        .resolve(KeyNaming::Dotted("bench"))
        .expect("sound")
        .expect("enabled");
    let validator = OAuthValidator::builder(&resolved)
        .initial_jwks(&signer.jwks())
        .build()
        .expect("a validator");
    move |token| size_of_val(&ready(validator.validate(token)).expect("valid"))
}

/// tower-oauth2-resource-server 0.12, whose verification can only be reached through its layer.
pub fn tower_oauth2(signer: &Signer) -> OAuth2ResourceServerLayer<Body, DefaultClaims> {
    let spec = ClaimsValidationSpec::new().iss(ISSUER).exp(true).nbf(true);
    let tenant = TenantConfiguration::static_builder(signer.jwks())
        .identifier(ISSUER)
        .claims_validation(spec)
        .build()
        .expect("a tenant");
    let server = OAuth2ResourceServer::<DefaultClaims>::builder()
        .add_tenant(tenant)
        .build();
    ready(server).expect("a server").into_layer()
}

/// Calls a layer around a service that does nothing.
pub fn through<L>(layer: L, token: &str) -> impl FnMut()
where
    L: Layer<Nothing>,
    L::Service: Service<Request, Response = Response, Error = std::convert::Infallible>,
{
    let mut service = layer.layer(Nothing);
    let value = crate::http::authorization(token);
    move || {
        let request = crate::http::request(Some(&value));
        let response = ready(service.call(request)).expect("infallible");
        assert!(
            response.status().is_success(),
            "refused: {}",
            response.status()
        );
    }
}

/// A service that answers at once.
#[derive(Clone)]
pub struct Nothing;

impl Service<Request> for Nothing {
    type Response = Response;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request) -> Self::Future {
        std::future::ready(Ok(Response::default()))
    }
}
