//! What an issuer tells besides about the user of an access token (OpenID Connect Core §5.3): names, addresses, pictures.
//! Asked only when somebody wants it, remembered for a while, and never part of a verdict.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use doorward_core::{Answer, Identity, Known, Reason, Rejection, Timestamp, TokenKind, Verifier};
use serde::de::DeserializeOwned;

use crate::answers::{Answers, Digest};
use crate::flight::Ticket;

/// What an issuer told about a user. Its `sub` is the caller's, compared exactly (§5.3.2). `Debug` shows the names of the
/// claims, not what they say.
#[derive(Clone)]
pub struct Userinfo(Arc<Answer>);

/// The result of one try that does not wait.
#[derive(Debug)]
pub enum UserinfoAttempt {
    /// The issuer told this.
    Told(Userinfo),
    /// It did not, and why. Nothing about the caller's verdict changes.
    Refused(Rejection),
    /// Wait for this question's answer, then try again.
    Pending(Ticket),
}

impl Userinfo {
    /// The claims as the JSON that arrived.
    pub fn json(&self) -> &[u8] {
        self.0.json()
    }

    /// The claims read into a type of your own.
    ///
    /// # Errors
    /// The type does not fit the claims.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(self.json())
    }
}

impl fmt::Debug for Userinfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Userinfo").field(&self.0).finish()
    }
}

/// Where a token goes is decided by who made it, and an identity of another authenticator may name another issuer.
pub(crate) fn check(
    verifier: &Verifier,
    identity: &Identity,
    token: &str,
) -> Result<(), Rejection> {
    let own = verifier.issuers().get(identity.provenance().issuer.index());
    if !own.is_some_and(|own| own.is_named(identity.issuer())) {
        return Err(Rejection::new(Reason::VerificationUnavailable)
            .with_detail("userinfo: the identity is none of this authenticator's"));
    }
    if token.len() > verifier.settings().max_token_bytes {
        return Err(Reason::TokenTooLarge.into());
    }
    Ok(())
}

/// One try: what is remembered, else a question.
pub(crate) fn attempt(
    answers: &Answers,
    identity: &Identity,
    token: &str,
    digest: Digest,
    now: Timestamp,
    elapsed: Duration,
) -> UserinfoAttempt {
    let issuer = identity.provenance().issuer;
    match answers.look_up(&digest, issuer, TokenKind::Oauth, now, elapsed) {
        Known::Yes(answer) if answer.subject() == Some(identity.subject()) => {
            UserinfoAttempt::Told(Userinfo(answer))
        }
        Known::Yes(_) => {
            answers.doubt(&digest, elapsed);
            refused("userinfo: its `sub` is not the caller's, so it is somebody else's")
        }
        Known::No => UserinfoAttempt::Refused(Rejection::new(Reason::TokenInvalid).with_detail(
            "userinfo: the issuer tells nothing about this token; was the scope `openid` granted?",
        )),
        Known::Unreachable(seconds) => UserinfoAttempt::Refused(
            Rejection::new(Reason::VerificationUnavailable)
                .with_retry_after(seconds)
                .with_detail("userinfo: the issuer cannot be asked"),
        ),
        Known::NotYet => {
            let whom = (issuer, TokenKind::Oauth);
            match answers.ask(digest, token, whom, None, now, elapsed) {
                Some(ticket) => UserinfoAttempt::Pending(ticket),
                None => refused("userinfo: no `userinfo_url` is configured, or too much is asked"),
            }
        }
        _ => refused("userinfo: nothing is known"),
    }
}

fn refused(detail: &'static str) -> UserinfoAttempt {
    UserinfoAttempt::Refused(
        Rejection::new(Reason::VerificationUnavailable)
            .with_retry_after(1)
            .with_detail(detail),
    )
}
