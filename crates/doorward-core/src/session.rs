//! Sessions of a protocol above HTTP (`Mcp-Session-Id`), each bound to the caller who began it.
//!
//! Such a name is no credential (MCP security best practices, "Session Hijacking"): whoever learns another's must gain
//! nothing. So the caller is given the name with a MAC over it and over who they are, and nothing is kept.

use std::fmt;

use base64_simd::URL_SAFE_NO_PAD;

use crate::crypto::{HmacSha256, equal};
use crate::identity::Identity;
use crate::secret::Secret;

/// Binds names of sessions to callers: issuer, subject and client. All nodes of one service have the same secret.
pub struct SessionSeal(HmacSha256);

/// The shortest secret, in bytes (RFC 2104 §3).
pub const MIN_SESSION_SECRET: usize = 32;

impl SessionSeal {
    /// A seal keyed with this secret.
    ///
    /// # Errors
    /// It is shorter than [`MIN_SESSION_SECRET`].
    pub fn new(secret: &Secret) -> Result<Self, &'static str> {
        let bytes = secret.expose().as_bytes();
        if bytes.len() < MIN_SESSION_SECRET {
            return Err("is too short: 32 random bytes at least are needed");
        }
        // A key of its own, so that the secret may serve something else as well.
        let own = HmacSha256::new(bytes).tag(&[b"doorward session seal v1"]);
        Ok(Self(HmacSha256::new(&own)))
    }

    /// The name that this caller is to use for a session.
    pub fn seal(&self, session: &str, caller: &Identity) -> String {
        let tag = URL_SAFE_NO_PAD.encode_to_string(self.tag(session, caller));
        format!("{session}.{tag}")
    }

    /// The session that this caller means; `None` if the name was not given to them.
    pub fn open<'s>(&self, sealed: &'s str, caller: &Identity) -> Option<&'s str> {
        let (session, tag) = sealed.rsplit_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode_to_vec(tag.as_bytes()).ok()?;
        let tag: [u8; 32] = tag.try_into().ok()?;
        equal(&tag, &self.tag(session, caller)).then_some(session)
    }

    fn tag(&self, session: &str, caller: &Identity) -> [u8; 32] {
        let client = caller.client_id();
        // Each part says how long it is, so that none can be mistaken for a piece of the next.
        let lengths = [session, caller.issuer(), caller.subject()].map(|part| length(Some(part)));
        self.0.tag(&[
            &lengths[0],
            session.as_bytes(),
            &lengths[1],
            caller.issuer().as_bytes(),
            &lengths[2],
            caller.subject().as_bytes(),
            &length(client),
            client.unwrap_or_default().as_bytes(),
        ])
    }
}

/// Absent and empty differ.
fn length(part: Option<&str>) -> [u8; 8] {
    part.map_or(u64::MAX, |part| part.len() as u64)
        .to_be_bytes()
}

impl fmt::Debug for SessionSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionSeal")
    }
}
