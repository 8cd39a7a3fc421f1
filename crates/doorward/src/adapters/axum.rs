//! Extractors for [`axum`](https://docs.rs/axum): handlers say what they need, the [`AuthLayer`] around them provides it.
//!
//! ```
//! # use doorward::Authenticator;
//! # fn example(auth: Authenticator) -> ::axum::Router {
//! use axum::{Router, routing::get};
//! use doorward::axum::{AuthLayer, Identity};
//!
//! async fn me(caller: Identity) -> String {
//!     format!("hello {}", caller.subject())
//! }
//!
//! Router::new().route("/me", get(me)).layer(AuthLayer::required(auth))
//! # }
//! ```

use std::convert::Infallible;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use ::axum::Router;
use ::axum::routing::any;
use axum_core::body::Body;
use axum_core::extract::{
    FromRef, FromRequest, FromRequestParts, OptionalFromRequestParts, Request,
};
use axum_core::response::{IntoResponse, Response};
use bytes::Bytes;
use doorward_core::{Logout, Policy, Reason, Rejection};
use http::header::CACHE_CONTROL;
use http::request::Parts;
use http::{Method, StatusCode, Uri};
use serde::de::DeserializeOwned;

use crate::authenticator::Authenticator;
pub use crate::axum_webhook::{SignedBody, Webhook, WebhookClock, WebhookRefusal};
use crate::backchannel::LogoutReply;
use crate::resource::ResourceReply;
pub use crate::tower::{Admission, AuthLayer, Head};

/// The verified caller. As `Option<Identity>` it is `None` where nobody presented credentials and the layer allows it.
#[derive(Clone, Debug)]
pub struct Identity(pub doorward_core::Identity);

impl Deref for Identity {
    type Target = doorward_core::Identity;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Identity {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let admission = admission(parts)?;
        match &admission.identity {
            Some(identity) => Ok(Self(identity.clone())),
            None => Err(admission
                .auth
                .refuse(Reason::CredentialsMissing.into())
                .into()),
        }
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for Identity {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(crate::tower::identity(&parts.extensions).cloned().map(Self))
    }
}

/// The caller's claims, read into a type of your own. Claims that do not fit it are refused as `claim_malformed`.
#[derive(Clone, Copy, Debug)]
pub struct Claims<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Claims<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let identity = <Identity as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        identity.custom_claims().map(Self).map_err(|error| {
            let rejection = Rejection::new(Reason::ClaimMalformed).with_detail(error.to_string());
            refused(parts, rejection)
        })
    }
}

/// A named policy, for [`Permitted`].
pub trait Demand {
    /// What is demanded. Keep it in a `LazyLock`, so that it is built once.
    fn policy() -> &'static Policy;
}

/// The caller, if they meet a policy.
///
/// ```
/// use std::sync::LazyLock;
/// use doorward::Policy;
/// use doorward::axum::{Demand, Permitted};
///
/// struct DeletePosts;
///
/// impl Demand for DeletePosts {
///     fn policy() -> &'static Policy {
///         static POLICY: LazyLock<Policy> = LazyLock::new(|| Policy::new().permission("org:posts:delete"));
///         &POLICY
///     }
/// }
///
/// async fn delete(caller: Permitted<DeletePosts>) -> String {
///     format!("{} deletes", caller.subject())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Permitted<D> {
    identity: doorward_core::Identity,
    demand: PhantomData<fn() -> D>,
}

impl<D> Deref for Permitted<D> {
    type Target = doorward_core::Identity;

    fn deref(&self) -> &Self::Target {
        &self.identity
    }
}

impl<S: Send + Sync, D: Demand> FromRequestParts<S> for Permitted<D> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Identity(identity) =
            <Identity as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        D::policy()
            .permit(&identity)
            .map_err(|rejection| refused(parts, rejection))?;
        Ok(Self {
            identity,
            demand: PhantomData,
        })
    }
}

/// A logout token that the issuer sent (OpenID Connect Back-Channel Logout 1.0), verified; what it says is over is
/// revoked by now. Answers 200 as a response. The [`Authenticator`] comes from the router's state.
///
/// ```
/// # use doorward::Authenticator;
/// # fn example(auth: Authenticator) -> ::axum::Router {
/// use axum::{Router, routing::post};
/// use doorward::axum::BackchannelLogout;
///
/// async fn logout(logout: BackchannelLogout) -> BackchannelLogout {
///     logout
/// }
///
/// Router::new().route("/backchannel-logout", post(logout)).with_state(auth)
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct BackchannelLogout(pub Logout);

impl<S: Send + Sync> FromRequest<S> for BackchannelLogout
where
    Authenticator: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(IntoResponse::into_response)?;
        let reply = Authenticator::from_ref(state).answer_logout(&body).await;
        match &reply.verdict {
            Ok(logout) => Ok(Self(logout.clone())),
            Err(_) => Err(reply.into_response()),
        }
    }
}

impl IntoResponse for BackchannelLogout {
    fn into_response(self) -> Response {
        ([(CACHE_CONTROL, "no-store")], ()).into_response()
    }
}

impl IntoResponse for LogoutReply {
    fn into_response(self) -> Response {
        response(self.status, self.headers, self.body)
    }
}

/// A refusal as a response.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// About this request.
    Rejected(Rejection),
    /// The operator forgot the [`AuthLayer`] around this handler. Answers 500, as axum does for missing extensions.
    NoLayer,
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Rejected(rejection) => crate::tower::refuse::<Body>(&rejection),
            Self::NoLayer => {
                let message = "there is no doorward layer around this route";
                (StatusCode::INTERNAL_SERVER_ERROR, message).into_response()
            }
        }
    }
}

fn admission(parts: &Parts) -> Result<&Admission, Refusal> {
    parts.extensions.get().ok_or(Refusal::NoLayer)
}

fn refused(parts: &Parts, rejection: Rejection) -> Refusal {
    match admission(parts) {
        Ok(admission) => admission.auth.refuse(rejection).into(),
        Err(missing) => missing,
    }
}

/// The resource's metadata as routes (RFC 9728 §3), to be merged with those of the resource; without layers, for strangers
/// read them. Empty where no `resource` is configured.
///
/// ```
/// # use doorward::Authenticator;
/// # fn example(auth: Authenticator, api: ::axum::Router) -> ::axum::Router {
/// use doorward::axum::{AuthLayer, resource_routes};
///
/// let metadata = resource_routes(&auth);
/// api.layer(AuthLayer::required(auth)).merge(metadata)
/// # }
/// ```
pub fn resource_routes<S: Clone + Send + Sync + 'static>(auth: &Authenticator) -> Router<S> {
    let Some(resource) = auth.resource() else {
        return Router::new();
    };
    let paths = resource.paths();
    let resource = Arc::new(resource.clone());
    let handler = any(move |method: Method, uri: Uri| async move {
        match resource.answer(method.as_str(), uri.path()) {
            Some(reply) => reply.into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    });
    paths.iter().fold(Router::new(), |router, path| {
        router.route(path, handler.clone())
    })
}

impl IntoResponse for ResourceReply {
    fn into_response(self) -> Response {
        response(self.status, self.headers, self.body)
    }
}

fn response(status: u16, fields: Vec<(&'static str, String)>, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in fields {
        if let Ok(value) = value.try_into() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
