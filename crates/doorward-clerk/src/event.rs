//! Clerk's webhook events (<https://clerk.com/docs/guides/development/webhooks/overview>).
//!
//! A [`ClerkEvent`] is read from a body that was verified before. It is tolerant: types and fields that are new here pass
//! through as JSON, and a field of another type than documented reads as absent.

use std::fmt;
use std::sync::LazyLock;

use doorward_core::webhook::WebhookEvent;
use doorward_core::{Timestamp, WebhookRejection};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// One event. `Debug` shows its type and ids, not the person it is about.
#[derive(Clone, PartialEq)]
pub struct ClerkEvent {
    raw: Map<String, Value>,
}

impl ClerkEvent {
    /// Reads a verified body. A member of the event or of its data that cannot be read is null.
    ///
    /// # Errors
    /// `payload_malformed`: see [`WebhookEvent::read`].
    pub fn parse(body: &[u8]) -> Result<Self, WebhookRejection> {
        let raw = WebhookEvent::read(body)?.to_object();
        Ok(Self { raw })
    }

    /// Takes an event that is JSON already.
    ///
    /// # Errors
    /// What it lacks to be an event.
    pub fn from_value(value: Value) -> Result<Self, &'static str> {
        let Value::Object(raw) = value else {
            return Err("the event is not a JSON object");
        };
        match raw.get("type") {
            Some(Value::String(name)) if name.is_empty() => Err("the event's `type` is empty"),
            Some(Value::String(_)) => Ok(Self { raw }),
            Some(_) => Err("the event's `type` is not a string"),
            None => Err("the event has no `type`"),
        }
    }

    /// The event's type as Clerk writes it, `user.created`. New ones may come at any time.
    pub fn type_name(&self) -> &str {
        self.object().text("type").unwrap_or_default()
    }

    /// The event's type, as far as it is known here.
    pub fn kind(&self) -> ClerkEventType {
        ClerkEventType::from_name(self.type_name())
    }

    /// What the event is about, as it came; null if it was left out.
    pub fn data(&self) -> &Value {
        self.raw.get("data").unwrap_or(&Value::Null)
    }

    /// The id of what the event is about, `user_…`, `org_…`, `sess_…`. A deleted object may lack it.
    pub fn data_id(&self) -> Option<&str> {
        self.data_object().text("id")
    }

    /// The Clerk instance (`ins_…`) that sent it: development and production have different ones.
    pub fn instance_id(&self) -> Option<&str> {
        self.object().text("instance_id")
    }

    /// When it happened; Clerk writes milliseconds.
    pub fn timestamp(&self) -> Option<Timestamp> {
        self.object().time("timestamp")
    }

    /// By what to order events about one object, for they may arrive in any order: its `updated_at`, or else when the
    /// event happened.
    pub fn version(&self) -> Option<Timestamp> {
        let updated = self.data_object().time("updated_at");
        updated.or_else(|| self.timestamp())
    }

    /// The address of the client whose request caused it (`event_attributes.http_request.client_ip`).
    pub fn client_ip(&self) -> Option<&str> {
        self.http_request()?.text("client_ip")
    }

    /// The client's `User-Agent` (`event_attributes.http_request.user_agent`).
    pub fn user_agent(&self) -> Option<&str> {
        self.http_request()?.text("user_agent")
    }

    /// The user, of `user.created` and `user.updated`, and within a session's event where Clerk embeds it.
    pub fn user(&self) -> Option<User<'_>> {
        match self.kind().subject()? {
            Subject::User => Some(User(self.data_object())),
            Subject::Session => self.data_object().object("user").map(User),
            _ => None,
        }
    }

    /// The session, of `session.*`.
    pub fn session(&self) -> Option<Session<'_>> {
        self.about(Subject::Session).map(Session)
    }

    /// The organization, of `organization.created` and `organization.updated`, and within a membership's event.
    pub fn organization(&self) -> Option<Organization<'_>> {
        match self.kind().subject()? {
            Subject::Organization => Some(Organization(self.data_object())),
            Subject::Membership => self.data_object().object("organization").map(Organization),
            _ => None,
        }
    }

    /// The membership, of `organizationMembership.*`; in full even when it was deleted.
    pub fn membership(&self) -> Option<OrganizationMembership<'_>> {
        self.about(Subject::Membership).map(OrganizationMembership)
    }

    /// The invitation, of `organizationInvitation.*`.
    pub fn invitation(&self) -> Option<OrganizationInvitation<'_>> {
        self.about(Subject::Invitation).map(OrganizationInvitation)
    }

    /// What is left of a deleted user, organization, domain, role or permission.
    pub fn deleted(&self) -> Option<DeletedObject<'_>> {
        self.about(Subject::Deleted).map(DeletedObject)
    }

    /// The whole event, as it came.
    pub fn as_object(&self) -> &Map<String, Value> {
        &self.raw
    }

    fn about(&self, subject: Subject) -> Option<Object<'_>> {
        (self.kind().subject()? == subject).then(|| self.data_object())
    }

    fn object(&self) -> Object<'_> {
        Object(&self.raw)
    }

    fn data_object(&self) -> Object<'_> {
        Object(self.data().as_object().unwrap_or(&EMPTY))
    }

    fn http_request(&self) -> Option<Object<'_>> {
        self.object()
            .object("event_attributes")?
            .object("http_request")
    }
}

impl fmt::Debug for ClerkEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClerkEvent")
            .field("type", &self.type_name())
            .field("data_id", &self.data_id())
            .field("instance_id", &self.instance_id())
            .field("timestamp", &self.timestamp())
            .finish_non_exhaustive()
    }
}

impl<'de> Deserialize<'de> for ClerkEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_value(Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Serialize for ClerkEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.raw.serialize(serializer)
    }
}

macro_rules! event_types {
    ($($name:ident = $text:literal, $subject:expr;)+) => {
        /// The types that Clerk documents (45 in its webhook API of 2025-04-15, and one more that its SDKs know).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum ClerkEventType {
            $(#[doc = concat!("`", $text, "`")] $name,)+
            /// A type that is not known here; [`ClerkEvent::type_name`] says which.
            Other,
        }

        impl ClerkEventType {
            /// Every known type, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Reads Clerk's name.
            pub fn from_name(name: &str) -> Self {
                match name { $($text => Self::$name,)+ _ => Self::Other }
            }

            /// Clerk's name, `user.created`; empty for [`Self::Other`].
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)+ Self::Other => "" }
            }

            const fn subject(self) -> Option<Subject> {
                match self { $(Self::$name => $subject,)+ Self::Other => None }
            }
        }
    };
}

/// What `data` is, where there is a type for it below.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    User,
    Session,
    Organization,
    Membership,
    Invitation,
    Deleted,
}

event_types! {
    UserCreated = "user.created", Some(Subject::User);
    UserUpdated = "user.updated", Some(Subject::User);
    UserDeleted = "user.deleted", Some(Subject::Deleted);
    SessionCreated = "session.created", Some(Subject::Session);
    SessionPending = "session.pending", Some(Subject::Session);
    SessionEnded = "session.ended", Some(Subject::Session);
    SessionRemoved = "session.removed", Some(Subject::Session);
    SessionRevoked = "session.revoked", Some(Subject::Session);
    OrganizationCreated = "organization.created", Some(Subject::Organization);
    OrganizationUpdated = "organization.updated", Some(Subject::Organization);
    OrganizationDeleted = "organization.deleted", Some(Subject::Deleted);
    MembershipCreated = "organizationMembership.created", Some(Subject::Membership);
    MembershipUpdated = "organizationMembership.updated", Some(Subject::Membership);
    MembershipDeleted = "organizationMembership.deleted", Some(Subject::Membership);
    InvitationCreated = "organizationInvitation.created", Some(Subject::Invitation);
    InvitationAccepted = "organizationInvitation.accepted", Some(Subject::Invitation);
    InvitationRevoked = "organizationInvitation.revoked", Some(Subject::Invitation);
    DomainCreated = "organizationDomain.created", None;
    DomainUpdated = "organizationDomain.updated", None;
    DomainDeleted = "organizationDomain.deleted", Some(Subject::Deleted);
    RoleCreated = "role.created", None;
    RoleUpdated = "role.updated", None;
    RoleDeleted = "role.deleted", Some(Subject::Deleted);
    PermissionCreated = "permission.created", None;
    PermissionUpdated = "permission.updated", None;
    PermissionDeleted = "permission.deleted", Some(Subject::Deleted);
    EmailCreated = "email.created", None;
    SmsCreated = "sms.created", None;
    WaitlistEntryCreated = "waitlistEntry.created", None;
    WaitlistEntryUpdated = "waitlistEntry.updated", None;
    PaymentAttemptCreated = "paymentAttempt.created", None;
    PaymentAttemptUpdated = "paymentAttempt.updated", None;
    SubscriptionCreated = "subscription.created", None;
    SubscriptionUpdated = "subscription.updated", None;
    SubscriptionActive = "subscription.active", None;
    SubscriptionPastDue = "subscription.pastDue", None;
    SubscriptionItemAbandoned = "subscriptionItem.abandoned", None;
    SubscriptionItemActive = "subscriptionItem.active", None;
    SubscriptionItemCanceled = "subscriptionItem.canceled", None;
    SubscriptionItemCreated = "subscriptionItem.created", None;
    SubscriptionItemEnded = "subscriptionItem.ended", None;
    SubscriptionItemFreeTrialEnding = "subscriptionItem.freeTrialEnding", None;
    SubscriptionItemIncomplete = "subscriptionItem.incomplete", None;
    SubscriptionItemPastDue = "subscriptionItem.pastDue", None;
    SubscriptionItemUpcoming = "subscriptionItem.upcoming", None;
    SubscriptionItemUpdated = "subscriptionItem.updated", None;
}

impl fmt::Display for ClerkEventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A view of one object of Clerk's: each accessor reads a field, absent if it is missing, null or of another type.
macro_rules! views {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $how:ident, $about:literal;)+ })+) => {$(
        $(#[$doc])*
        ///
        /// Its times are milliseconds since 1970 on the wire.
        #[derive(Clone, Copy)]
        pub struct $name<'e>(Object<'e>);

        impl<'e> $name<'e> {
            $(views!(@accessor $field $how $about);)+

            /// The object as it came, with the fields that have no accessor.
            pub fn raw(&self) -> &'e Map<String, Value> {
                self.0.0
            }
        }

        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("id", &self.0.text("id")).finish_non_exhaustive()
            }
        }
    )+};
    (@accessor $field:ident text $about:literal) => {
        #[doc = $about]
        pub fn $field(&self) -> Option<&'e str> { self.0.text(stringify!($field)) }
    };
    (@accessor $field:ident flag $about:literal) => {
        #[doc = $about]
        pub fn $field(&self) -> Option<bool> { self.0.0.get(stringify!($field))?.as_bool() }
    };
    (@accessor $field:ident time $about:literal) => {
        #[doc = $about]
        pub fn $field(&self) -> Option<Timestamp> { self.0.time(stringify!($field)) }
    };
    (@accessor $field:ident json $about:literal) => {
        #[doc = $about]
        pub fn $field(&self) -> Option<&'e Value> {
            self.0.0.get(stringify!($field)).filter(|value| !value.is_null())
        }
    };
}

views! {
    /// A user.
    User {
        id: text, "`user_…`.";
        external_id: text, "Their id in your own system.";
        username: text, "Their user name.";
        first_name: text, "Their first name.";
        last_name: text, "Their last name.";
        image_url: text, "Their picture.";
        primary_email_address_id: text, "Which of the email addresses is the primary one.";
        primary_phone_number_id: text, "Which of the phone numbers is the primary one.";
        banned: flag, "Whether they are banned.";
        locked: flag, "Whether they are locked out for now.";
        public_metadata: json, "What the frontend may read.";
        private_metadata: json, "What only backends may read. It may be in an event.";
        unsafe_metadata: json, "What the user may write.";
        last_sign_in_at: time, "When they last signed in.";
        created_at: time, "When they were created.";
        updated_at: time, "When they were last changed.";
    }
    /// An email address of a user.
    EmailAddress {
        id: text, "`idn_…`.";
        email_address: text, "The address.";
    }
    /// A phone number of a user.
    PhoneNumber {
        id: text, "`idn_…`.";
        phone_number: text, "The number (E.164).";
    }
    /// A session.
    Session {
        id: text, "`sess_…`.";
        user_id: text, "Whose.";
        client_id: text, "On which client (`client_…`).";
        status: text, "`active`, `pending`, `revoked`, `ended`, `expired`, `removed`, `abandoned` or `replaced`.";
        last_active_organization_id: text, "The organization that was active last.";
        last_active_at: time, "When it was last used.";
        expire_at: time, "When it ends at the latest.";
        abandon_at: time, "When it ends unless it is used.";
        created_at: time, "When it began.";
        updated_at: time, "When it was last changed.";
    }
    /// An organization.
    Organization {
        id: text, "`org_…`.";
        name: text, "Its name.";
        slug: text, "Its name for URLs.";
        image_url: text, "Its picture.";
        created_by: text, "The user who created it.";
        public_metadata: json, "What the frontend may read.";
        private_metadata: json, "What only backends may read.";
        created_at: time, "When it was created.";
        updated_at: time, "When it was last changed.";
    }
    /// A user's membership of an organization.
    OrganizationMembership {
        id: text, "`orgmem_…`.";
        role: text, "The member's role, `org:admin`.";
        role_name: text, "The role's name for people.";
        permissions: json, "The role's permissions, a list of strings.";
        public_metadata: json, "What the frontend may read.";
        private_metadata: json, "What only backends may read.";
        created_at: time, "When they became a member.";
        updated_at: time, "When the membership was last changed.";
    }
    /// An invitation to an organization.
    OrganizationInvitation {
        id: text, "`orginv_…`.";
        email_address: text, "Who is invited.";
        organization_id: text, "To which organization.";
        role: text, "The role they will have.";
        status: text, "`pending`, `accepted`, `revoked` or `expired`.";
        user_id: text, "Who accepted it.";
        inviter_id: text, "Who invited them.";
        expires_at: time, "Until when it can be accepted.";
        created_at: time, "When they were invited.";
        updated_at: time, "When it was last changed.";
    }
    /// What is left of something that was deleted.
    DeletedObject {
        id: text, "Its id. Clerk's document lets it be absent.";
        object: text, "What it was: `user`, `organization`, …";
        slug: text, "Its name for URLs, if it had one.";
        external_id: text, "Its id in your own system, if it had one.";
    }
}

impl<'e> User<'e> {
    /// The email addresses.
    pub fn email_addresses(&self) -> impl Iterator<Item = EmailAddress<'e>> + use<'e> {
        self.0.objects("email_addresses").map(EmailAddress)
    }

    /// The phone numbers.
    pub fn phone_numbers(&self) -> impl Iterator<Item = PhoneNumber<'e>> + use<'e> {
        self.0.objects("phone_numbers").map(PhoneNumber)
    }

    /// The primary email address, found by its id.
    pub fn primary_email_address(&self) -> Option<&'e str> {
        let primary = self.primary_email_address_id()?;
        let mut addresses = self.email_addresses();
        addresses
            .find(|address| address.id() == Some(primary))?
            .email_address()
    }

    /// The primary phone number, found by its id.
    pub fn primary_phone_number(&self) -> Option<&'e str> {
        let primary = self.primary_phone_number_id()?;
        let mut numbers = self.phone_numbers();
        numbers
            .find(|number| number.id() == Some(primary))?
            .phone_number()
    }
}

impl EmailAddress<'_> {
    /// Whether its owner has proved that it is theirs.
    pub fn is_verified(&self) -> bool {
        self.0.is_verified()
    }
}

impl PhoneNumber<'_> {
    /// Whether its owner has proved that it is theirs.
    pub fn is_verified(&self) -> bool {
        self.0.is_verified()
    }
}

impl<'e> OrganizationMembership<'e> {
    /// The member's id (`public_user_data.user_id`).
    pub fn user_id(&self) -> Option<&'e str> {
        self.0.object("public_user_data")?.text("user_id")
    }

    /// The organization.
    pub fn organization(&self) -> Option<Organization<'e>> {
        self.0.object("organization").map(Organization)
    }
}

/// Reads fields by name and type.
#[derive(Clone, Copy)]
struct Object<'e>(&'e Map<String, Value>);

impl<'e> Object<'e> {
    fn text(self, name: &str) -> Option<&'e str> {
        self.0.get(name)?.as_str()
    }

    fn time(self, name: &str) -> Option<Timestamp> {
        let time = Timestamp::from_millis(self.0.get(name)?.as_i64()?);
        let possible = Timestamp::from_millis(0)..=Timestamp::LAST;
        possible.contains(&time).then_some(time)
    }

    fn object(self, name: &str) -> Option<Self> {
        self.0.get(name)?.as_object().map(Object)
    }

    fn objects(self, name: &str) -> impl Iterator<Item = Self> + use<'e> {
        let list = self.0.get(name).and_then(Value::as_array);
        let members = list.into_iter().flatten();
        members.filter_map(Value::as_object).map(Object)
    }

    fn is_verified(self) -> bool {
        let status = || self.object("verification")?.text("status");
        status() == Some("verified")
    }
}

static EMPTY: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);

#[cfg(test)]
mod tests {
    use doorward_core::WebhookReason;

    use super::*;
    use serde_json::json;

    fn event(value: Value) -> ClerkEvent {
        ClerkEvent::from_value(value).unwrap()
    }

    fn refused(body: &[u8]) -> String {
        let rejection = ClerkEvent::parse(body).unwrap_err();
        assert_eq!(rejection.reason(), WebhookReason::PayloadMalformed);
        rejection.detail().to_owned()
    }

    #[test]
    fn reads_a_user() {
        let event = event(json!({
            "object": "event", "type": "user.updated", "timestamp": 1_772_000_000_123_i64, "instance_id": "ins_1",
            "event_attributes": {"http_request": {"client_ip": "203.0.113.7", "user_agent": "curl"}},
            "data": {
                "object": "user", "id": "user_1", "first_name": "Ada", "last_name": null, "banned": false,
                "primary_email_address_id": "idn_2", "updated_at": 1_772_000_000_100_i64,
                "email_addresses": [
                    {"id": "idn_1", "email_address": "old@example.com", "verification": {"status": "unverified"}},
                    7,
                    {"id": "idn_2", "email_address": "ada@example.com", "verification": {"status": "verified"}},
                ],
                "public_metadata": {"tier": "pro"}, "new_field": [1],
            },
        }));
        assert_eq!(event.kind(), ClerkEventType::UserUpdated);
        assert_eq!(event.instance_id(), Some("ins_1"));
        assert_eq!(event.client_ip(), Some("203.0.113.7"));
        assert_eq!(event.user_agent(), Some("curl"));
        assert_eq!(event.timestamp().unwrap().as_millis(), 1_772_000_000_123);
        assert_eq!(event.version().unwrap().as_millis(), 1_772_000_000_100);
        let user = event.user().unwrap();
        assert_eq!(user.id(), event.data_id());
        assert_eq!(user.primary_email_address(), Some("ada@example.com"));
        assert_eq!((user.first_name(), user.last_name()), (Some("Ada"), None));
        assert_eq!(user.banned(), Some(false));
        let verified: Vec<bool> = user
            .email_addresses()
            .map(|address| address.is_verified())
            .collect();
        assert_eq!(verified, [false, true]);
        assert_eq!(user.raw()["new_field"], json!([1]));
        assert!(event.session().is_none() && event.deleted().is_none());
        let shown = format!("{event:?} {user:?}");
        assert!(shown.contains("user_1") && !shown.contains("Ada") && !shown.contains("ada@"));
    }

    #[test]
    fn reads_what_belongs_to_other_types() {
        let session = event(json!({"type": "session.created", "data": {
            "id": "sess_1", "user_id": "user_1", "status": "active", "expire_at": 1_772_000_000_000_i64,
            "user": {"id": "user_1"},
        }}));
        assert_eq!(session.session().unwrap().user_id(), Some("user_1"));
        assert_eq!(session.user().unwrap().id(), Some("user_1"));
        let gone = event(
            json!({"type": "user.deleted", "data": {"object": "user", "id": "user_1", "deleted": true}}),
        );
        assert_eq!(gone.deleted().unwrap().id(), Some("user_1"));
        assert!(gone.user().is_none());
        let member = event(json!({"type": "organizationMembership.deleted", "data": {
            "id": "orgmem_1", "role": "org:admin", "organization": {"id": "org_1"},
            "public_user_data": {"user_id": "user_1"},
        }}));
        let membership = member.membership().unwrap();
        assert_eq!(membership.user_id(), Some("user_1"));
        assert_eq!(membership.organization().unwrap().id(), Some("org_1"));
        assert_eq!(member.organization().unwrap().id(), Some("org_1"));
        let invitation = event(
            json!({"type": "organizationInvitation.accepted", "data": {"id": "orginv_1", "user_id": "user_1"}}),
        );
        assert_eq!(invitation.invitation().unwrap().user_id(), Some("user_1"));
    }

    #[test]
    fn lets_the_unknown_through() {
        let future =
            event(json!({"type": "passkey.minted", "data": {"id": "pk_1", "x": [1]}, "more": 1}));
        assert_eq!(future.kind(), ClerkEventType::Other);
        assert_eq!(future.type_name(), "passkey.minted");
        assert_eq!(future.data()["x"], json!([1]));
        assert_eq!(future.as_object()["more"], json!(1));
        assert!(future.user().is_none());
    }

    #[test]
    fn what_has_another_type_reads_as_absent() {
        for data in [
            json!(null),
            json!([]),
            json!("x"),
            json!({"id": 7, "updated_at": "today", "email_addresses": {}}),
        ] {
            let event = event(json!({
                "type": "user.created", "data": data, "timestamp": 1e300, "instance_id": [], "event_attributes": [],
            }));
            let user = event.user().unwrap();
            assert_eq!((user.id(), user.updated_at()), (None, None));
            assert_eq!(user.email_addresses().count(), 0);
            assert_eq!((event.timestamp(), event.version()), (None, None));
            assert_eq!((event.instance_id(), event.client_ip()), (None, None));
        }
        for timestamp in [
            json!(-1),
            json!(i64::MAX),
            json!(u64::MAX),
            json!(1.5),
            json!("1"),
        ] {
            assert_eq!(
                event(json!({"type": "x", "timestamp": timestamp})).timestamp(),
                None
            );
        }
        assert_eq!(event(json!({"type": "user.created"})).data(), &Value::Null);
    }

    #[test]
    fn refuses_what_is_no_event() {
        for (body, said) in [
            (&b""[..], "not JSON"),
            (b"\xff\xfe", "not JSON"),
            (b"{\"type\":\"a\"} x", "not JSON"),
            (b"[]", "not a JSON object"),
            (b"null", "not a JSON object"),
            (b"\"user.created\"", "not a JSON object"),
            (b"{}", "no `type`"),
            (b"{\"type\":null}", "not a string"),
            (b"{\"type\":7}", "not a string"),
            (b"{\"type\":\"\"}", "empty"),
        ] {
            let found = refused(body);
            assert!(found.contains(said), "{body:?}: {found}");
        }
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(refused(deep.as_bytes()).contains("not a JSON object"));
        let event = format!(r#"{{"type":"a","data":{{"id":"user_1","deep":{deep}}}}}"#);
        let event = ClerkEvent::parse(event.as_bytes()).unwrap();
        assert_eq!(event.data_id(), Some("user_1"));
    }

    #[test]
    fn is_the_same_after_a_round_trip() {
        let body = br#"{"data":{"a":[1,null,{"b":"\u00e9"}]},"type":"x.y","z":false}"#;
        let event = ClerkEvent::parse(body).unwrap();
        let again: ClerkEvent =
            serde_json::from_str(&serde_json::to_string(&event).unwrap()).unwrap();
        assert_eq!(event, again);
        assert!(
            serde_json::from_str::<ClerkEvent>("[]")
                .unwrap_err()
                .to_string()
                .contains("not a JSON object")
        );
    }

    #[test]
    fn every_type_reads_back() {
        for kind in ClerkEventType::ALL.iter().copied() {
            assert_eq!(ClerkEventType::from_name(kind.name()), kind);
            assert!(kind.name().contains('.'));
        }
        assert_eq!(ClerkEventType::ALL.len(), 46);
        assert_eq!(ClerkEventType::from_name(""), ClerkEventType::Other);
        assert_eq!(
            ClerkEventType::from_name("User.created"),
            ClerkEventType::Other
        );
    }
}
