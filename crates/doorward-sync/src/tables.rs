//! The tables that follow the provider's objects.
//!
//! Whatever order events come in, the newest description stands: it is written if (`updated_at`, `event_at`) is greater
//! than what is there. A deletion is final, for ids are never given twice; a description that comes after it is filled in
//! and changes nothing about that.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use doorward_core::Timestamp;
use serde_json::Value as Json;

use crate::change::{Change, Object, millis, reference, text};
use crate::database::{Dialect, Sql, SyncError, Transaction, Value};
use crate::message::MAX_ID_BYTES;
use crate::schema::Schema;

/// Which tables are kept.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    sessions: bool,
    statements: Arc<OnceLock<Statements>>,
}

/// One kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Resource {
    /// `organizations`
    Organizations,
    /// `users`, and with them `email_addresses`
    Users,
    /// `memberships`
    Memberships,
    /// `sessions`
    Sessions,
}

impl Resource {
    /// All of them, in the order in which a backfill brings them.
    pub const ALL: [Self; 4] = [
        Self::Organizations,
        Self::Users,
        Self::Memberships,
        Self::Sessions,
    ];

    /// The table's name, without a prefix.
    pub const fn table(self) -> &'static str {
        match self {
            Self::Organizations => "organizations",
            Self::Users => "users",
            Self::Memberships => "memberships",
            Self::Sessions => "sessions",
        }
    }

    /// By what stands before the last dot of an event's type.
    pub(crate) fn of_events(noun: &str) -> Option<Self> {
        Some(match noun {
            "organization" => Self::Organizations,
            "user" => Self::Users,
            "organizationMembership" => Self::Memberships,
            "session" => Self::Sessions,
            _ => return None,
        })
    }

    const fn columns(self) -> &'static [Column] {
        match self {
            Self::Organizations => ORGANIZATION,
            Self::Users => USER,
            Self::Memberships => MEMBERSHIP,
            Self::Sessions => SESSION,
        }
    }
}

impl Tables {
    /// Keeps `sessions` as well: they change often, and few applications need them.
    #[must_use]
    pub fn with_sessions(mut self) -> Self {
        self.sessions = true;
        self
    }

    pub(crate) fn keep(&self, resource: Resource) -> bool {
        self.sessions || resource != Resource::Sessions
    }

    /// Writes changes. Sorted, so that two workers that have the same objects in hand lock them in the same order.
    pub(crate) async fn write(
        &self,
        tx: &mut Transaction,
        schema: &Schema,
        changes: &mut [Change],
        now: Timestamp,
    ) -> Result<(), SyncError> {
        changes.sort_by(|a, b| (a.resource, &a.provider_id).cmp(&(b.resource, &b.provider_id)));
        let dialect = match tx {
            Transaction::Sqlite(_) => Dialect::Sqlite,
            Transaction::Postgres(_) => Dialect::Postgres,
        };
        let statements = self
            .statements
            .get_or_init(|| Statements::new(schema, dialect));
        for change in changes.iter().filter(|change| self.keep(change.resource)) {
            statements.write(tx, change, now).await?;
        }
        Ok(())
    }
}

/// A column and where in the object its value stands.
struct Column {
    name: &'static str,
    value: Source,
}

enum Source {
    Text(&'static [&'static str]),
    Reference(&'static [&'static str]),
    Int(&'static str),
    Bool(&'static str),
    /// The text of a JSON value.
    Json(&'static str),
    PrimaryEmailAddress,
}

const fn column(name: &'static str, value: Source) -> Column {
    Column { name, value }
}

const USER: &[Column] = &[
    column("external_id", Source::Text(&["external_id"])),
    column("username", Source::Text(&["username"])),
    column("first_name", Source::Text(&["first_name"])),
    column("last_name", Source::Text(&["last_name"])),
    column(
        "primary_email_address_id",
        Source::Reference(&["primary_email_address_id"]),
    ),
    column("primary_email_address", Source::PrimaryEmailAddress),
    column("image_url", Source::Text(&["image_url"])),
    column("banned", Source::Bool("banned")),
    column("locked", Source::Bool("locked")),
    column("last_sign_in_at", Source::Int("last_sign_in_at")),
    column("created_at", Source::Int("created_at")),
];

const ORGANIZATION: &[Column] = &[
    column("name", Source::Text(&["name"])),
    column("slug", Source::Text(&["slug"])),
    column("image_url", Source::Text(&["image_url"])),
    column(
        "max_allowed_memberships",
        Source::Int("max_allowed_memberships"),
    ),
    column("created_by", Source::Reference(&["created_by"])),
    column("created_at", Source::Int("created_at")),
];

const MEMBERSHIP: &[Column] = &[
    column(
        "organization_provider_id",
        Source::Reference(&["organization", "id"]),
    ),
    column(
        "user_provider_id",
        Source::Reference(&["public_user_data", "user_id"]),
    ),
    column("role", Source::Text(&["role"])),
    column("permissions", Source::Json("permissions")),
    column("created_at", Source::Int("created_at")),
];

const SESSION: &[Column] = &[
    column("user_provider_id", Source::Reference(&["user_id"])),
    column("client_id", Source::Reference(&["client_id"])),
    column("status", Source::Text(&["status"])),
    column("last_active_at", Source::Int("last_active_at")),
    column("expire_at", Source::Int("expire_at")),
    column("created_at", Source::Int("created_at")),
];

impl Source {
    fn read(&self, object: &Json) -> Value<'static> {
        match self {
            Self::Text(path) => Value::Owned(text(object, path)),
            Self::Reference(path) => Value::Owned(reference(object, path)),
            Self::Int(name) => Value::Int(millis(object, name)),
            Self::Bool(name) => Value::Bool(object.get(name).and_then(Json::as_bool)),
            Self::Json(name) => Value::Owned(
                object
                    .get(name)
                    .filter(|value| !value.is_null())
                    .map(Json::to_string),
            ),
            Self::PrimaryEmailAddress => Value::Owned(primary_email_address(object)),
        }
    }
}

fn primary_email_address(user: &Json) -> Option<String> {
    let id = user.get("primary_email_address_id")?.as_str()?;
    let addresses = user.get("email_addresses")?.as_array()?;
    let primary = addresses
        .iter()
        .find(|address| address.get("id").and_then(Json::as_str) == Some(id))?;
    text(primary, &["email_address"])
}

#[derive(Debug)]
struct Statements {
    tables: BTreeMap<Resource, Pair>,
    address: Sql,
    other_addresses: Sql,
    addresses_of_deleted: Sql,
}

/// How a table is written to.
#[derive(Debug)]
struct Pair {
    describe: Sql,
    delete: Sql,
}

impl Statements {
    fn new(schema: &Schema, dialect: Dialect) -> Self {
        let sql = |text: &str| schema.fill(text, dialect);
        let tables = Resource::ALL.map(|resource| {
            let pair = Pair {
                describe: sql(&describe(resource.table(), resource.columns())),
                delete: sql(&format!(
                    "INSERT INTO {{p}}{table} (provider_id, deleted_at, synced_at, payload)
                     VALUES ($1, $2, $3, '{{}}')
                     ON CONFLICT (provider_id) DO UPDATE SET
                        deleted_at = CASE WHEN {{p}}{table}.deleted_at < excluded.deleted_at
                            THEN {{p}}{table}.deleted_at ELSE excluded.deleted_at END,
                        synced_at = excluded.synced_at",
                    table = resource.table()
                )),
            };
            (resource, pair)
        });
        Self {
            tables: tables.into(),
            // Only called when the user's description is new, so it needs no order of its own.
            address: sql("INSERT INTO {p}email_addresses (provider_id, user_provider_id, email_address, verified, is_primary,
                    created_at, updated_at, event_at, deleted_at, synced_at, payload)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
                ON CONFLICT (provider_id) DO UPDATE SET user_provider_id = excluded.user_provider_id,
                    email_address = excluded.email_address, verified = excluded.verified,
                    is_primary = excluded.is_primary, created_at = excluded.created_at,
                    updated_at = excluded.updated_at, event_at = excluded.event_at,
                    deleted_at = excluded.deleted_at, synced_at = excluded.synced_at, payload = excluded.payload"),
            other_addresses: sql("UPDATE {p}email_addresses SET deleted_at = $1, is_primary = FALSE, synced_at = $4
                WHERE user_provider_id = $2 AND deleted_at IS NULL AND (updated_at, event_at) < ($1, $3)"),
            addresses_of_deleted: sql("UPDATE {p}email_addresses SET deleted_at = $1, synced_at = $3
                WHERE user_provider_id = $2 AND (deleted_at IS NULL OR deleted_at > $1)"),
        }
    }

    async fn write(
        &self,
        tx: &mut Transaction,
        change: &Change,
        now: Timestamp,
    ) -> Result<(), SyncError> {
        let Some(Pair { describe, delete }) = self.tables.get(&change.resource) else {
            return Ok(());
        };
        if let Some(object) = &change.object {
            let mut values = vec![
                change.provider_id.as_str().into(),
                object.payload.as_str().into(),
                object.updated_at.into(),
                change.event_at.into(),
                now.as_millis().into(),
            ];
            let columns = change.resource.columns().iter();
            values.extend(columns.map(|column| column.value.read(&object.members)));
            let written = tx.rows(describe, &values).await?;
            // No row: what is there is newer.
            if let (Resource::Users, Some(row)) = (change.resource, written.first()) {
                let deleted_at = row.optional_int(0)?;
                self.write_addresses(tx, change, object, deleted_at, now)
                    .await?;
            }
        }
        if let Some(deleted_at) = change.deleted_at {
            let values = [
                change.provider_id.as_str().into(),
                deleted_at.into(),
                now.as_millis().into(),
            ];
            tx.execute(delete, &values).await?;
            if change.resource == Resource::Users {
                let values = [
                    deleted_at.into(),
                    change.provider_id.as_str().into(),
                    now.as_millis().into(),
                ];
                tx.execute(&self.addresses_of_deleted, &values).await?;
            }
        }
        Ok(())
    }

    /// The addresses of a user whose description was just written, and so is locked by us.
    async fn write_addresses(
        &self,
        tx: &mut Transaction,
        change: &Change,
        user: &Object,
        deleted_at: Option<i64>,
        now: Timestamp,
    ) -> Result<(), SyncError> {
        let Some(addresses) = user.members.get("email_addresses").and_then(Json::as_array) else {
            // It was left out, which says nothing.
            return Ok(());
        };
        let primary = reference(&user.members, &["primary_email_address_id"]);
        for address in addresses {
            let Some(id) = reference(address, &["id"]).filter(|id| is_id(id)) else {
                continue;
            };
            let status = text(address, &["verification", "status"]);
            let is_primary = primary.as_deref() == Some(id.as_str());
            let values = [
                Value::Owned(Some(id)),
                change.provider_id.as_str().into(),
                Value::Owned(text(address, &["email_address"])),
                Value::Bool(Some(status.as_deref() == Some("verified"))),
                Value::Bool(Some(is_primary)),
                Value::Int(millis(address, "created_at")),
                user.updated_at.into(),
                change.event_at.into(),
                Value::Int(deleted_at),
                now.as_millis().into(),
                Value::Owned(Some(address.to_string())),
            ];
            tx.execute(&self.address, &values).await?;
        }
        let values = [
            user.updated_at.into(),
            change.provider_id.as_str().into(),
            change.event_at.into(),
            now.as_millis().into(),
        ];
        tx.execute(&self.other_addresses, &values).await?;
        Ok(())
    }
}

fn is_id(id: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&id.len())
}

/// Writes a description if it is newer than what is there, and says whether the object is deleted.
fn describe(table: &str, columns: &[Column]) -> String {
    let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
    let places: Vec<String> = (6..6 + names.len()).map(|n| format!("${n}")).collect();
    let updates: Vec<String> = names
        .iter()
        .map(|name| format!("{name} = excluded.{name}"))
        .collect();
    format!(
        "INSERT INTO {{p}}{table} (provider_id, payload, updated_at, event_at, synced_at, {names})
         VALUES ($1, $2, $3, $4, $5, {places})
         ON CONFLICT (provider_id) DO UPDATE SET payload = excluded.payload, updated_at = excluded.updated_at,
            event_at = excluded.event_at, synced_at = excluded.synced_at, {updates}
         WHERE {{p}}{table}.updated_at IS NULL
            OR (excluded.updated_at, excluded.event_at) > ({{p}}{table}.updated_at, {{p}}{table}.event_at)
         RETURNING deleted_at",
        names = names.join(", "),
        places = places.join(", "),
        updates = updates.join(", "),
    )
}
