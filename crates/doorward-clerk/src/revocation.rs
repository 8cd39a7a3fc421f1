//! Which events end sessions, and so revoke tokens.

use doorward_core::{Revocation, RevokedClaim, Timestamp};

use crate::event::{ClerkEvent, ClerkEventType};

impl ClerkEvent {
    /// What the event revokes, to be remembered until `expires_at`: the session that was revoked, ended or removed, or
    /// everything of a user who was deleted. Clerk documents no events about API keys and machine tokens that are
    /// revoked; whoever asks about those learns it within `answer_ttl`.
    pub fn revocation(&self, expires_at: Timestamp) -> Option<Revocation> {
        use ClerkEventType::{SessionEnded, SessionRemoved, SessionRevoked, UserDeleted};
        let claim = match self.kind() {
            SessionRevoked | SessionEnded | SessionRemoved => RevokedClaim::SessionId,
            UserDeleted => RevokedClaim::Subject,
            _ => return None,
        };
        let id = self.data_id().filter(|id| !id.is_empty())?;
        Some(Revocation::new(claim, id, expires_at))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sessions_and_users_end_and_nothing_else_does() {
        let end = Timestamp::from_secs(1);
        for kind in ClerkEventType::ALL {
            let event = json!({"type": kind.name(), "data": {"id": "x_1"}});
            let revoked = ClerkEvent::from_value(event).unwrap().revocation(end);
            let expected = match kind.name() {
                "session.revoked" | "session.ended" | "session.removed" => {
                    Some(Revocation::new(RevokedClaim::SessionId, "x_1", end))
                }
                "user.deleted" => Some(Revocation::new(RevokedClaim::Subject, "x_1", end)),
                _ => None,
            };
            assert_eq!(revoked, expected, "{kind}");
        }
        for data in [
            json!(null),
            json!({}),
            json!({"id": ""}),
            json!({"id": 7}),
            json!([]),
        ] {
            let event = json!({"type": "user.deleted", "data": data});
            assert_eq!(ClerkEvent::from_value(event).unwrap().revocation(end), None);
        }
    }
}
