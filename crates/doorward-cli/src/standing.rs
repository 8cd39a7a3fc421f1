//! What the OAuth server knows of a token beyond the token: whether the sign-in stands that it came of.

use std::sync::Arc;

use axum::http::request::Parts;
use doorward::{Authenticator, Reason, Rejection, tower};
use doorward_issuer::authorization_server::axum::CheckLayer;
use doorward_issuer::authorization_server::{Sessions, Standing, Store, Transport};

/// Lets a caller in whose sign-in nobody has ended; refuses in the words of `auth`.
pub(crate) fn layer<S: Store, T: Transport>(
    sessions: Sessions<S, T>,
    auth: Authenticator,
) -> CheckLayer<S, T, Sid> {
    CheckLayer::refusing(Arc::new(sessions), sid, move |standing| {
        let rejection = match standing {
            Standing::Ended => Reason::TokenRevoked.into(),
            _ => Rejection::new(Reason::VerificationUnavailable)
                .with_detail("nobody can tell whether the sign-in still stands"),
        };
        tower::refuse(&auth.refuse(rejection))
    })
}

/// Where a request's `sid` is found.
type Sid = fn(&Parts) -> Option<String>;

fn sid(parts: &Parts) -> Option<String> {
    let caller = tower::identity(&parts.extensions)?;
    caller.session_id().map(str::to_owned)
}
