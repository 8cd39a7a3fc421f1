//! The tables that follow the provider's objects.
//!
//! Whatever order events come in, the newest description stands: it is written if (`updated_at`, `event_at`) is greater
//! than what is there. A deletion is final, for ids are never given twice; a description that comes after it is filled in
//! and changes nothing about that.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use doorward_core::Timestamp;
use serde_json::{Value as Json, json};

use crate::change::{Change, Object, millis, reference, text};
use crate::database::{Dialect, Row, Sql, SyncError, Transaction};
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

    /// Writes changes, a few statements for all of them. In the order of their ids, so that two workers that have the
    /// same objects in hand lock them in the same order.
    pub(crate) async fn write(
        &self,
        tx: &mut Transaction,
        schema: &Schema,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> Result<(), SyncError> {
        let dialect = match tx {
            Transaction::Sqlite(_) => Dialect::Sqlite,
            Transaction::Postgres(_) => Dialect::Postgres,
        };
        let statements = self
            .statements
            .get_or_init(|| Statements::new(schema, dialect));
        let mut merged: BTreeMap<Resource, BTreeMap<String, Change>> = BTreeMap::new();
        for change in changes {
            if !self.keep(change.resource) {
                continue;
            }
            let objects = merged.entry(change.resource).or_default();
            match objects.remove(&change.provider_id) {
                Some(known) => {
                    let both = known.merged_with(change);
                    objects.insert(both.provider_id.clone(), both);
                }
                None => drop(objects.insert(change.provider_id.clone(), change)),
            }
        }
        for (resource, objects) in merged {
            let objects: Vec<Change> = objects.into_values().collect();
            statements.write(tx, resource, &objects, now).await?;
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
    fn read(&self, object: &Json) -> Json {
        match self {
            Self::Text(path) => text(object, path).into(),
            Self::Reference(path) => reference(object, path).into(),
            Self::Int(name) => millis(object, name).into(),
            Self::Bool(name) => object.get(name).and_then(Json::as_bool).into(),
            Self::Json(name) => object
                .get(name)
                .filter(|value| !value.is_null())
                .map(Json::to_string)
                .into(),
            Self::PrimaryEmailAddress => primary_email_address(object).into(),
        }
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::Int(_) => "bigint",
            Self::Bool(_) => "boolean",
            _ => "text",
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
        let gone = dialect.rows(&[("provider_id", "text"), ("deleted_at", "bigint")]);
        let tables = Resource::ALL.map(|resource| {
            let table = resource.table();
            let pair = Pair {
                describe: sql(&describe(table, resource.columns(), dialect)),
                delete: sql(&format!(
                    "INSERT INTO {{p}}{table} (provider_id, deleted_at, synced_at, payload)
                     SELECT provider_id, deleted_at, $2, '{{}}' FROM {gone}
                     ON CONFLICT (provider_id) DO UPDATE SET
                        deleted_at = CASE WHEN {{p}}{table}.deleted_at < excluded.deleted_at
                            THEN {{p}}{table}.deleted_at ELSE excluded.deleted_at END,
                        synced_at = excluded.synced_at"
                )),
            };
            (resource, pair)
        });
        let addresses = dialect.rows(ADDRESS);
        let users = dialect.rows(&[
            ("user_id", "text"),
            ("updated_at", "bigint"),
            ("event_at", "bigint"),
        ]);
        let of_users = dialect.among("user_provider_id", "user_id", &users);
        let of_gone = dialect.among("user_provider_id", "provider_id", &gone);
        Self {
            tables: tables.into(),
            // Only of users whose description is new, so it needs no order of its own.
            address: sql(&format!(
                "INSERT INTO {{p}}email_addresses (provider_id, user_provider_id, email_address, verified, is_primary,
                    created_at, updated_at, event_at, deleted_at, synced_at, payload)
                SELECT provider_id, user_provider_id, email_address, verified, is_primary,
                    created_at, updated_at, event_at, deleted_at, $2, payload FROM {addresses}
                ON CONFLICT (provider_id) DO UPDATE SET user_provider_id = excluded.user_provider_id,
                    email_address = excluded.email_address, verified = excluded.verified,
                    is_primary = excluded.is_primary, created_at = excluded.created_at,
                    updated_at = excluded.updated_at, event_at = excluded.event_at,
                    deleted_at = excluded.deleted_at, synced_at = excluded.synced_at, payload = excluded.payload"
            )),
            // An address that a newer description lacks is gone since then, even if its user was deleted later or before.
            other_addresses: sql(&format!(
                "UPDATE {{p}}email_addresses SET is_primary = FALSE, synced_at = $2,
                    deleted_at = CASE WHEN {{p}}email_addresses.deleted_at < r.updated_at
                        THEN {{p}}email_addresses.deleted_at ELSE r.updated_at END
                FROM {users} AND {of_users} AND user_provider_id = r.user_id
                    AND ({{p}}email_addresses.deleted_at IS NULL OR {{p}}email_addresses.deleted_at > r.updated_at
                        OR is_primary)
                    AND ({{p}}email_addresses.updated_at, {{p}}email_addresses.event_at) < (r.updated_at, r.event_at)"
            )),
            addresses_of_deleted: sql(&format!(
                "UPDATE {{p}}email_addresses SET deleted_at = r.deleted_at, synced_at = $2
                FROM {gone} AND {of_gone} AND user_provider_id = r.provider_id
                    AND ({{p}}email_addresses.deleted_at IS NULL OR {{p}}email_addresses.deleted_at > r.deleted_at)"
            )),
        }
    }

    /// Changes of one table, each of another object.
    async fn write(
        &self,
        tx: &mut Transaction,
        resource: Resource,
        changes: &[Change],
        now: Timestamp,
    ) -> Result<(), SyncError> {
        let Some(Pair { describe, delete }) = self.tables.get(&resource) else {
            return Ok(());
        };
        let described: Vec<Json> = changes
            .iter()
            .filter_map(|change| description(change, resource.columns()))
            .collect();
        if !described.is_empty() {
            let values = [described.into(), now.as_millis().into()];
            // Those that are missing in the answer: what is there is newer.
            let written = tx.rows(describe, &values).await?;
            if resource == Resource::Users {
                self.write_addresses(tx, changes, &written, now).await?;
            }
        }
        let gone: Vec<Json> = changes
            .iter()
            .filter_map(|change| {
                let deleted_at = change.deleted_at?;
                Some(json!({ "provider_id": change.provider_id, "deleted_at": deleted_at }))
            })
            .collect();
        if !gone.is_empty() {
            let values = [gone.into(), now.as_millis().into()];
            tx.execute(delete, &values).await?;
            if resource == Resource::Users {
                tx.execute(&self.addresses_of_deleted, &values).await?;
            }
        }
        Ok(())
    }

    /// The addresses of users whose descriptions were just written, and so are locked by us.
    async fn write_addresses(
        &self,
        tx: &mut Transaction,
        users: &[Change],
        written: &[Row],
        now: Timestamp,
    ) -> Result<(), SyncError> {
        let mut rows: BTreeMap<String, Json> = BTreeMap::new();
        let mut told = Vec::new();
        for row in written {
            let (id, deleted_at) = (row.text(0)?, row.optional_int(1)?);
            let place = users.binary_search_by(|user| user.provider_id.cmp(&id));
            let Some(user) = place.ok().and_then(|place| users.get(place)) else {
                continue;
            };
            let Some(object) = &user.object else { continue };
            let Some(addresses) = object
                .members
                .get("email_addresses")
                .and_then(Json::as_array)
            else {
                // They were left out, which says nothing.
                continue;
            };
            for address in addresses {
                if let Some((id, row)) = address_row(user, object, address, deleted_at) {
                    rows.insert(id, row);
                }
            }
            told.push(json!({
                "user_id": id, "updated_at": object.updated_at, "event_at": user.event_at,
            }));
        }
        if !rows.is_empty() {
            let rows: Vec<Json> = rows.into_values().collect();
            let values = [rows.into(), now.as_millis().into()];
            tx.execute(&self.address, &values).await?;
        }
        if !told.is_empty() {
            let values = [told.into(), now.as_millis().into()];
            tx.execute(&self.other_addresses, &values).await?;
        }
        Ok(())
    }
}

fn description(change: &Change, columns: &[Column]) -> Option<Json> {
    let object = change.object.as_ref()?;
    let mut row = json!({
        "provider_id": change.provider_id, "payload": object.payload,
        "updated_at": object.updated_at, "event_at": change.event_at,
    });
    for column in columns {
        row[column.name] = column.value.read(&object.members);
    }
    Some(row)
}

fn address_row(
    user: &Change,
    object: &Object,
    address: &Json,
    deleted_at: Option<i64>,
) -> Option<(String, Json)> {
    let id = reference(address, &["id"]).filter(|id| !id.is_empty())?;
    let status = text(address, &["verification", "status"]);
    let primary = reference(&object.members, &["primary_email_address_id"]);
    let row = json!({
        "provider_id": id,
        "user_provider_id": user.provider_id,
        "email_address": text(address, &["email_address"]),
        "verified": status.as_deref() == Some("verified"),
        "is_primary": primary.as_deref() == Some(id.as_str()),
        "created_at": millis(address, "created_at"),
        "updated_at": object.updated_at,
        "event_at": user.event_at,
        "deleted_at": deleted_at,
        "payload": address.to_string(),
    });
    Some((id, row))
}

const ADDRESS: &[(&str, &str)] = &[
    ("provider_id", "text"),
    ("user_provider_id", "text"),
    ("email_address", "text"),
    ("verified", "boolean"),
    ("is_primary", "boolean"),
    ("created_at", "bigint"),
    ("updated_at", "bigint"),
    ("event_at", "bigint"),
    ("deleted_at", "bigint"),
    ("payload", "text"),
];

/// Writes the descriptions that are newer than what is there, and says which, and whether the object is deleted.
fn describe(table: &str, columns: &[Column], dialect: Dialect) -> String {
    let mut kinds = vec![
        ("provider_id", "text"),
        ("payload", "text"),
        ("updated_at", "bigint"),
        ("event_at", "bigint"),
    ];
    kinds.extend(
        columns
            .iter()
            .map(|column| (column.name, column.value.kind())),
    );
    let names: Vec<&str> = kinds.iter().map(|(name, _)| *name).collect();
    let updates: Vec<String> = names
        .iter()
        .filter(|name| **name != "provider_id")
        .map(|name| format!("{name} = excluded.{name}"))
        .collect();
    format!(
        "INSERT INTO {{p}}{table} (synced_at, {names}) SELECT $2, {names} FROM {rows}
         ON CONFLICT (provider_id) DO UPDATE SET synced_at = excluded.synced_at, {updates}
         WHERE {{p}}{table}.updated_at IS NULL
            OR (excluded.updated_at, excluded.event_at) > ({{p}}{table}.updated_at, {{p}}{table}.event_at)
         RETURNING provider_id, deleted_at",
        names = names.join(", "),
        updates = updates.join(", "),
        rows = dialect.rows(&kinds),
    )
}
