//! What exists at the issuer: collections of objects, in the order in which they came.
//!
//! The first of them may be a crowd: people of [`crate::people`], of whom nothing is held until somebody changes them. So
//! a million users cost nothing.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::backend_api::roles;
#[cfg(feature = "sqlite")]
use crate::backend_api::state_file::{Change, Row, StateFile};
use crate::people;

/// An object, with what is ours alone under names that begin with `_`.
pub(crate) type Object = Map<String, Value>;

/// The kinds of objects that are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Family {
    ActorTokens,
    AllowlistIdentifiers,
    BlocklistIdentifiers,
    Clients,
    Domains,
    Invitations,
    JwtTemplates,
    Machines,
    Memberships,
    OauthApplications,
    /// Opaque tokens, in the shape that [`crate::opaque`] reads them in.
    OpaqueTokens,
    OrganizationDomains,
    OrganizationInvitations,
    Organizations,
    Permissions,
    RedirectUrls,
    Roles,
    Sessions,
    /// What there is one of.
    Settings,
    SignInTokens,
    Users,
}

#[cfg(feature = "sqlite")]
impl Family {
    const ALL: [(Self, &'static str); 21] = [
        (Self::ActorTokens, "actor_tokens"),
        (Self::AllowlistIdentifiers, "allowlist_identifiers"),
        (Self::BlocklistIdentifiers, "blocklist_identifiers"),
        (Self::Clients, "clients"),
        (Self::Domains, "domains"),
        (Self::Invitations, "invitations"),
        (Self::JwtTemplates, "jwt_templates"),
        (Self::Machines, "machines"),
        (Self::Memberships, "memberships"),
        (Self::OauthApplications, "oauth_applications"),
        (Self::OpaqueTokens, "opaque_tokens"),
        (Self::OrganizationDomains, "organization_domains"),
        (Self::OrganizationInvitations, "organization_invitations"),
        (Self::Organizations, "organizations"),
        (Self::Permissions, "permissions"),
        (Self::RedirectUrls, "redirect_urls"),
        (Self::Roles, "roles"),
        (Self::Sessions, "sessions"),
        (Self::Settings, "settings"),
        (Self::SignInTokens, "sign_in_tokens"),
        (Self::Users, "users"),
    ];

    pub(crate) fn as_str(self) -> &'static str {
        let found = Self::ALL.iter().find(|(family, _)| *family == self);
        found.map_or("", |(_, name)| name)
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, known)| *known == name);
        found.map(|(family, _)| *family)
    }
}

/// Everything that is held, and the file that remembers it.
#[derive(Default)]
pub(crate) struct Store {
    users: u64,
    organizations: u64,
    collections: BTreeMap<Family, Collection>,
    /// The last moment that was given out, in milliseconds: each change has a later one.
    last: i64,
    #[cfg(feature = "sqlite")]
    file: Option<StateFile>,
    /// What is changed and neither kept nor undone yet.
    changes: Vec<Before>,
}

/// What was held in a place before a change.
struct Before {
    family: Family,
    number: u64,
    id: String,
    held: Option<Option<Arc<Object>>>,
}

/// Objects of one kind, numbered as they came.
#[derive(Default)]
struct Collection {
    /// The numbers below this are the crowd's, unless they were touched.
    crowd: u64,
    /// What is held; nothing in the place of one of the crowd who was deleted.
    held: BTreeMap<u64, Option<Arc<Object>>>,
    by_id: HashMap<String, u64>,
    next: u64,
}

impl Store {
    /// A store in which so many users and organizations exist; each user is a member of one organization.
    pub(crate) fn new(users: u64, organizations: u64) -> Self {
        let mut store = Self {
            users,
            organizations,
            ..Self::default()
        };
        store.populate();
        store
    }

    fn populate(&mut self) {
        let memberships = match self.organizations {
            0 => 0,
            _ => self.users,
        };
        for (family, crowd) in [
            (Family::Users, self.users),
            (Family::Organizations, self.organizations),
            (Family::Memberships, memberships),
            (Family::Roles, roles::ROLES),
            (Family::Permissions, roles::PERMISSIONS.len() as u64),
        ] {
            let collection = self.collections.entry(family).or_default();
            (collection.crowd, collection.next) = (crowd, crowd);
        }
    }

    /// Forgets everything but the crowd, the file too.
    pub(crate) fn clear(&mut self) -> std::io::Result<()> {
        self.collections.clear();
        self.changes.clear();
        self.populate();
        #[cfg(feature = "sqlite")]
        if let Some(file) = &mut self.file {
            file.rewrite(std::iter::empty())?;
        }
        Ok(())
    }

    /// A moment after every one before, in milliseconds, and not before `now`.
    pub(super) fn moment(&mut self, now: i64) -> i64 {
        self.last = now.max(self.last.saturating_add(1));
        self.last
    }

    /// The moment for those who only look: not before any change, and no later than need be.
    pub(super) fn moment_to_look(&self, now: i64) -> i64 {
        now.max(self.last)
    }

    /// The object with this id.
    pub(super) fn find(&self, family: Family, id: &str) -> Option<Cow<'_, Object>> {
        let collection = self.collections.get(&family)?;
        self.at(family, collection.number(family, id)?)
    }

    /// Every object, oldest first.
    pub(super) fn all(&self, family: Family) -> impl DoubleEndedIterator<Item = Cow<'_, Object>> {
        let numbers = self.numbers(family, 0);
        numbers.filter_map(move |number| self.at(family, number))
    }

    /// What is held, oldest first: everything but the crowd that nobody has touched.
    pub(super) fn held(&self, family: Family) -> impl Iterator<Item = &Object> {
        let collections = self.collections.get(&family).into_iter();
        collections.flat_map(|collection| collection.held.values().filter_map(Option::as_deref))
    }

    /// How many that is, and how many of the crowd were deleted.
    pub(super) fn held_count(&self, family: Family) -> usize {
        let collection = self.collections.get(&family);
        collection.map_or(0, |collection| collection.held.len())
    }

    /// The number of the object with this id.
    pub(super) fn number(&self, family: Family, id: &str) -> Option<u64> {
        let number = self.collections.get(&family)?.number(family, id)?;
        self.is_alive(family, number).then_some(number)
    }

    /// A page of all objects in the order in which they came, or the other way round.
    pub(super) fn page(
        &self,
        family: Family,
        newest_first: bool,
        offset: usize,
        limit: usize,
    ) -> Vec<Cow<'_, Object>> {
        // Numbers first: to pass over a million of the crowd must not make them.
        let alive = |number: &u64| self.is_alive(family, *number);
        let numbers: Vec<u64> = match newest_first {
            true => {
                let numbers = self.numbers(family, 0).rev().filter(alive);
                numbers.skip(offset).take(limit).collect()
            }
            false => {
                let numbers = self.numbers(family, 0).filter(alive);
                numbers.skip(offset).take(limit).collect()
            }
        };
        let objects = numbers.into_iter();
        objects
            .filter_map(|number| self.at(family, number))
            .collect()
    }

    /// Every object after the one of this number, or before it if the newest come first.
    pub(super) fn from(
        &self,
        family: Family,
        number: u64,
        newest_first: bool,
    ) -> Box<dyn Iterator<Item = Cow<'_, Object>> + '_> {
        let make = move |number| self.at(family, number);
        match newest_first {
            false => Box::new(self.numbers(family, number + 1).filter_map(make)),
            true => {
                let before = self.numbers(family, 0).rev();
                Box::new(
                    before
                        .skip_while(move |other| *other >= number)
                        .filter_map(make),
                )
            }
        }
    }

    /// How many there are.
    pub(super) fn count(&self, family: Family) -> u64 {
        self.collections.get(&family).map_or(0, |collection| {
            let (mut alive, mut touched) = (0, 0);
            for (number, object) in &collection.held {
                alive += u64::from(object.is_some());
                touched += u64::from(*number < collection.crowd);
            }
            collection.crowd - touched + alive
        })
    }

    /// Holds an object, in the place of the one with its id.
    pub(super) fn put(&mut self, family: Family, object: Object) {
        let before = self.restore(family, object);
        self.changes.push(before);
    }

    /// Removes the object with this id.
    pub(super) fn remove(&mut self, family: Family, id: &str) {
        let before = self.forget(family, id);
        self.changes.extend(before);
    }

    /// The keys of every membership: user and organization. Cheap, as no object is made for it.
    pub(super) fn membership_keys(
        &self,
    ) -> impl DoubleEndedIterator<Item = (u64, Cow<'_, str>, Cow<'_, str>)> {
        let collection = self.collections.get(&Family::Memberships);
        let numbers = self.numbers(Family::Memberships, 0);
        numbers.filter_map(move |number| {
            let collection = collection?;
            match collection.held.get(&number) {
                Some(None) => None,
                Some(Some(object)) => {
                    let text = |name| object.get(name).and_then(Value::as_str).unwrap_or_default();
                    Some((
                        number,
                        Cow::Borrowed(text("_user_id")),
                        Cow::Borrowed(text("_organization_id")),
                    ))
                }
                None => {
                    let organization = number % self.organizations.max(1);
                    let user = Cow::Owned(people::user_id(number));
                    Some((
                        number,
                        user,
                        Cow::Owned(people::organization_id(organization)),
                    ))
                }
            }
        })
    }

    /// The object of this number.
    pub(super) fn at(&self, family: Family, number: u64) -> Option<Cow<'_, Object>> {
        let collection = self.collections.get(&family)?;
        match collection.held.get(&number) {
            Some(held) => held.as_deref().map(Cow::Borrowed),
            None if number < collection.crowd => self.one_of_the_crowd(family, number),
            None => None,
        }
    }

    /// Keeps what has changed, in the file too; undoes it, if the file cannot be written.
    pub(crate) fn commit(&mut self) -> std::io::Result<()> {
        #[cfg(feature = "sqlite")]
        if let Some(mut file) = self.file.take() {
            let touched = self.changes.iter();
            let touched: BTreeMap<(Family, &str), u64> = touched
                .map(|change| ((change.family, change.id.as_str()), change.number))
                .collect();
            let written = match touched.is_empty() {
                true => Ok(()),
                false => {
                    let changes = touched.into_iter();
                    file.write(
                        changes.map(|((family, id), number)| self.change(family, id, number)),
                    )
                }
            };
            self.file = Some(file);
            if written.is_err() {
                self.rollback();
                return written;
            }
        }
        self.changes.clear();
        Ok(())
    }

    /// Undoes what has changed since it was kept.
    pub(crate) fn rollback(&mut self) {
        while let Some(before) = self.changes.pop() {
            let Some(collection) = self.collections.get_mut(&before.family) else {
                continue;
            };
            match &before.held {
                Some(Some(_)) => collection.by_id.insert(before.id, before.number),
                _ => collection.by_id.remove(&before.id),
            };
            match before.held {
                Some(held) => collection.held.insert(before.number, held),
                None => collection.held.remove(&before.number),
            };
        }
    }

    /// Reads what a file remembers, and writes into it from now on.
    #[cfg(feature = "sqlite")]
    pub(crate) fn open(&mut self, path: &std::path::Path) -> std::io::Result<()> {
        let (mut file, rows) = StateFile::open(path)?;
        // A crowd of another size, or what was here before: then the places in the file are not those here.
        let mut moved = !self.is_untouched();
        for row in rows {
            let place = row.place;
            let (kind, id) = (row.kind.clone(), row.id.clone());
            let before = self.replay(row).map_err(|why| {
                self.rollback();
                let told = format!("{}: {kind} {id}: {why}", path.display());
                std::io::Error::new(std::io::ErrorKind::InvalidData, told)
            })?;
            moved |= before.as_ref().is_some_and(|before| before.number != place);
            self.changes.extend(before);
        }
        if moved {
            file.rewrite(self.rows())?;
        }
        self.changes.clear();
        self.file = Some(file);
        Ok(())
    }

    #[cfg(all(test, feature = "sqlite"))]
    pub(super) fn file_may_grow(&self, may: bool) {
        self.file.as_ref().expect("a file is open").may_grow(may);
    }

    /// Whether nothing is held but the crowd.
    pub(crate) fn is_untouched(&self) -> bool {
        let mut collections = self.collections.values();
        collections.all(|collection| collection.held.is_empty())
    }

    /// Takes what a file remembers of one object; answers with what was in its place here.
    #[cfg(feature = "sqlite")]
    fn replay(&mut self, row: Row) -> Result<Option<Before>, String> {
        let family = Family::from_name(&row.kind);
        let family = family.ok_or("nothing of this kind can be here")?;
        let Some(text) = row.object else {
            return Ok(self.forget(family, &row.id));
        };
        let object: Object = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        if id_of(&object) != row.id {
            return Err("the object has another id".to_owned());
        }
        let time = object.get("updated_at").and_then(Value::as_i64);
        self.last = self.last.max(time.unwrap_or_default());
        Ok(Some(self.restore(family, object)))
    }

    fn restore(&mut self, family: Family, object: Object) -> Before {
        let id = id_of(&object);
        let collection = self.collections.entry(family).or_default();
        let number = collection.number(family, &id).unwrap_or_else(|| {
            collection.next += 1;
            collection.next - 1
        });
        collection.by_id.insert(id.clone(), number);
        let held = collection.held.insert(number, Some(Arc::new(object)));
        Before {
            family,
            number,
            id,
            held,
        }
    }

    fn forget(&mut self, family: Family, id: &str) -> Option<Before> {
        let collection = self.collections.get_mut(&family)?;
        let number = collection.number(family, id)?;
        collection.by_id.remove(id);
        let held = match number < collection.crowd {
            true => collection.held.insert(number, None),
            false => collection.held.remove(&number),
        };
        let id = id.to_owned();
        Some(Before {
            family,
            number,
            id,
            held,
        })
    }

    /// What the file is told of an object.
    #[cfg(feature = "sqlite")]
    fn change(&self, family: Family, id: &str, number: u64) -> Change {
        let collection = self.collections.get(&family);
        match collection.and_then(|collection| collection.held.get(&number)) {
            Some(held) => Change::Keep(row(family, id, number, held.as_deref())),
            None => Change::Drop(family.as_str().to_owned(), id.to_owned()),
        }
    }

    /// All that the file has to remember.
    #[cfg(feature = "sqlite")]
    fn rows(&self) -> impl Iterator<Item = Row> {
        self.collections.iter().flat_map(|(family, collection)| {
            collection.held.iter().map(|(number, object)| {
                let object = object.as_deref();
                let id = object.map_or_else(|| crowd_id(*family, *number), id_of);
                row(*family, &id, *number, object)
            })
        })
    }

    fn is_alive(&self, family: Family, number: u64) -> bool {
        self.collections
            .get(&family)
            .is_some_and(|collection| match collection.held.get(&number) {
                Some(held) => held.is_some(),
                None => number < collection.crowd,
            })
    }

    /// The numbers from here on: the crowd's, and then what came later.
    fn numbers(&self, family: Family, from: u64) -> impl DoubleEndedIterator<Item = u64> {
        let collection = self.collections.get(&family);
        let crowd = collection.map_or(0, |collection| collection.crowd);
        let later = collection.into_iter().flat_map(move |collection| {
            let later = collection.held.range(crowd.max(from)..);
            later.map(|(number, _)| *number)
        });
        (from..crowd.max(from)).chain(later)
    }

    fn one_of_the_crowd(&self, family: Family, number: u64) -> Option<Cow<'_, Object>> {
        let at = people::created_at(number);
        let value = match family {
            Family::Users => people::user(number, at),
            Family::Organizations => people::organization(number, at),
            Family::Memberships => {
                let organization = number % self.organizations.max(1);
                let role = match number == organization {
                    true => "org:admin",
                    false => "org:member",
                };
                json!({
                    "id": crowd_id(family, number),
                    "role": role,
                    "public_metadata": {},
                    "private_metadata": {},
                    "created_at": at,
                    "updated_at": at,
                    "_user_id": people::user_id(number),
                    "_organization_id": people::organization_id(organization),
                })
            }
            Family::Roles => roles::system_role(number, &crowd_id(family, number), at)?,
            Family::Permissions => roles::system_permission(number, &crowd_id(family, number), at)?,
            _ => return None,
        };
        match value {
            Value::Object(object) => Some(Cow::Owned(object)),
            _ => None,
        }
    }
}

impl Collection {
    /// Which number has this id.
    fn number(&self, family: Family, id: &str) -> Option<u64> {
        if let Some(number) = self.by_id.get(id) {
            return Some(*number);
        }
        let number = people::number(id).filter(|number| *number < self.crowd)?;
        (crowd_id(family, number) == id).then_some(number)
    }
}

/// The `id` of an object.
pub(super) fn id_of(object: &Object) -> String {
    let id = object.get("id").and_then(Value::as_str);
    id.unwrap_or_default().to_owned()
}

#[cfg(feature = "sqlite")]
fn row(family: Family, id: &str, place: u64, object: Option<&Object>) -> Row {
    Row {
        kind: family.as_str().to_owned(),
        id: id.to_owned(),
        place,
        object: object.map(|object| json!(object).to_string()),
    }
}

fn crowd_id(family: Family, number: u64) -> String {
    match family {
        Family::Users => people::user_id(number),
        Family::Organizations => people::organization_id(number),
        Family::Roles => people::id("role", number),
        Family::Permissions => people::id("perm", number),
        _ => people::id("orgmem", number),
    }
}
