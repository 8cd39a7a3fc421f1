//! What a route demands of a verified caller (RFC 6750 §3.1 `insufficient_scope`).

use crate::identity::Identity;
use crate::kind::{KindSet, TokenKind};
use crate::rejection::{Reason, Rejection};

/// A route's demands. Every one of them must be met; the empty policy demands a verified identity and no more.
///
/// ```
/// # use doorward_core::Policy;
/// let admins = Policy::new().role("org:admin").permission("org:posts:delete");
/// assert_eq!(admins, Policy::new().role("admin").permission("org:posts:delete"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Policy {
    kinds: Option<KindSet>,
    scopes: Vec<String>,
    /// Of each group, one.
    any_scope: Vec<Vec<String>>,
    roles: Vec<RoleDemand>,
    permissions: Vec<String>,
    feature: Option<String>,
    plan: Option<String>,
    reverification: Option<Reverification>,
    organization: Option<OrganizationRule>,
    deny_impersonation: bool,
}

/// A role as it is spelled: for a provider's own list, and for the active organization.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct RoleDemand {
    bare: String,
    prefixed: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum OrganizationRule {
    Any,
    Is(String),
}

impl Policy {
    /// Demands nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Accepts these kinds of tokens only.
    #[must_use]
    pub fn accepts(mut self, kinds: impl IntoIterator<Item = TokenKind>) -> Self {
        self.kinds = Some(kinds.into_iter().collect());
        self
    }

    /// Demands all of these scopes.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// Demands at least one of these scopes; may be called again for another group. Nobody has one of none.
    #[must_use]
    pub fn any_scope<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.any_scope
            .push(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// Demands a role: the one in the active organization, where the prefix `org:` may be left out (nobody has two), or
    /// one of the provider's own list.
    #[must_use]
    pub fn role(mut self, role: &str) -> Self {
        let bare = role.strip_prefix("org:").unwrap_or(role);
        self.roles.push(RoleDemand {
            bare: bare.to_owned(),
            prefixed: format!("org:{bare}"),
        });
        self
    }

    /// Demands a permission, `org:<feature>:<permission>`; may be called again for more.
    #[must_use]
    pub fn permission(mut self, permission: &str) -> Self {
        self.permissions.push(permission.to_owned());
        self
    }

    /// Demands a feature: `name` for user or organization, `user:name` or `org:name` for one of them.
    #[must_use]
    pub fn feature(mut self, feature: &str) -> Self {
        self.feature = Some(feature.to_owned());
        self
    }

    /// Demands a plan, spelled like a feature.
    #[must_use]
    pub fn plan(mut self, plan: &str) -> Self {
        self.plan = Some(plan.to_owned());
        self
    }

    /// Demands that the factors were verified a short time ago.
    #[must_use]
    pub fn reverification(mut self, reverification: Reverification) -> Self {
        self.reverification = Some(reverification);
        self
    }

    /// Demands an active organization, whichever it is.
    #[must_use]
    pub fn organization(mut self) -> Self {
        self.organization = Some(OrganizationRule::Any);
        self
    }

    /// Demands this active organization, by id or slug.
    #[must_use]
    pub fn organization_is(mut self, id_or_slug: &str) -> Self {
        self.organization = Some(OrganizationRule::Is(id_or_slug.to_owned()));
        self
    }

    /// Keeps out sessions in which somebody acts for the user.
    #[must_use]
    pub fn deny_impersonation(mut self) -> Self {
        self.deny_impersonation = true;
        self
    }

    /// Whether the policy demands nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Lets the caller through, or says what is lacking.
    ///
    /// # Errors
    /// The first demand that is not met.
    pub fn permit(&self, identity: &Identity) -> Result<(), Rejection> {
        if let Some(kinds) = self.kinds
            && !kinds.contains(identity.kind())
        {
            return Err(
                Rejection::new(Reason::TokenKindNotAccepted).with_detail(format!(
                    "the token is a {}, this route accepts: {kinds}",
                    identity.kind()
                )),
            );
        }
        if self.deny_impersonation && identity.actor().is_some() {
            return Err(Reason::ImpersonationDenied.into());
        }
        self.permit_scopes(identity)?;
        self.permit_organization(identity)?;
        let lacking = |reason: Reason, what: &str, wanted: &str| {
            Err(Rejection::new(reason).with_detail(format!("the {what} {wanted:?} is lacking")))
        };
        if let Some(role) = self.roles.iter().find(|role| !has_role(identity, role)) {
            return lacking(Reason::RoleRequired, "role", &role.prefixed);
        }
        if let Some(permission) = self
            .permissions
            .iter()
            .find(|p| !identity.permissions().contains(p))
        {
            return lacking(Reason::PermissionRequired, "permission", permission);
        }
        if let Some(feature) = self
            .feature
            .as_deref()
            .filter(|feature| !has_entry(identity.features(), feature))
        {
            return lacking(Reason::FeatureRequired, "feature", feature);
        }
        if let Some(plan) = self
            .plan
            .as_deref()
            .filter(|plan| !has_entry(identity.plans(), plan))
        {
            return lacking(Reason::PlanRequired, "plan", plan);
        }
        match self.reverification {
            Some(rule) if !rule.is_fresh(identity.factor_verification_age()) => Err(
                Rejection::new(Reason::ReverificationRequired).with_detail(format!(
                    "factors verified {:?} minutes ago, wanted: {rule:?}",
                    identity.factor_verification_age()
                )),
            ),
            _ => Ok(()),
        }
    }

    /// Clerk's `has()`: true if something is asked and every part of it is met.
    pub fn has(&self, identity: &Identity) -> bool {
        !self.is_empty() && self.permit(identity).is_ok()
    }

    /// MCP authorization, "Scope Challenge Handling": all that an operation takes is named at once.
    fn permit_scopes(&self, identity: &Identity) -> Result<(), Rejection> {
        let held = |scope: &String| identity.has_scope(scope);
        let lacks_one = !self.scopes.iter().all(held);
        let groups = self.any_scope.iter();
        let lacking: Vec<_> = groups.filter(|group| !group.iter().any(held)).collect();
        if !lacks_one && lacking.is_empty() {
            return Ok(());
        }
        let all = self.scopes.iter().filter(|_| lacks_one);
        let mut wanted: Vec<&str> = Vec::new();
        for scope in all.chain(lacking.into_iter().flatten()) {
            if !wanted.contains(&scope.as_str()) {
                wanted.push(scope);
            }
        }
        let wanted = wanted.join(" ");
        Err(Rejection::new(Reason::InsufficientScope)
            .with_detail(format!(
                "the token has {:?}, wanted: {wanted:?}",
                identity.scopes().join(" ")
            ))
            .with_scope(wanted))
    }

    fn permit_organization(&self, identity: &Identity) -> Result<(), Rejection> {
        let met = match &self.organization {
            None => true,
            Some(OrganizationRule::Any) => identity.organization_id().is_some(),
            Some(OrganizationRule::Is(wanted)) => {
                // A slug counts only within an organization, and an empty demand is a mistake that nobody meets.
                identity.organization_id().is_some()
                    && !wanted.is_empty()
                    && [identity.organization_id(), identity.organization_slug()]
                        .contains(&Some(wanted.as_str()))
            }
        };
        if met {
            Ok(())
        } else {
            Err(Reason::OrganizationRequired.into())
        }
    }
}

fn has_role(identity: &Identity, wanted: &RoleDemand) -> bool {
    match identity.role() {
        Some(role) => identity.organization_id().is_some() && role == wanted.prefixed,
        None => identity
            .roles()
            .iter()
            .any(|role| *role == wanted.bare || *role == wanted.prefixed),
    }
}

/// Whether a list of `scope:name` entries has `wanted`, which may itself be scoped to the user or the organization.
fn has_entry(entries: &[String], wanted: &str) -> bool {
    let (scope, name) = match wanted.split_once(':') {
        None => (None, wanted),
        Some(("o" | "org" | "organization", name)) => (Some('o'), name),
        Some(("u" | "user", name)) => (Some('u'), name),
        Some(_) => return false,
    };
    !name.is_empty()
        && !name.contains(':')
        && entries
            .iter()
            .filter_map(|entry| entry.split_once(':'))
            .any(|(own, entry)| {
                matches!(own, "o" | "u" | "ou" | "uo")
                    && scope.is_none_or(|s| own.contains(s))
                    && entry == name
            })
}

/// How fresh the factors must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reverification {
    /// Which factors count.
    pub level: Level,
    /// They count while they are younger than so many minutes.
    pub after_minutes: u32,
}

/// Which factors must be fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Level {
    /// The first factor.
    FirstFactor,
    /// The second factor, or the first where no second is enrolled.
    SecondFactor,
    /// Both, or the first where no second is enrolled.
    MultiFactor,
}

impl Reverification {
    /// Multi-factor within 10 minutes.
    pub const STRICT_MFA: Self = Self {
        level: Level::MultiFactor,
        after_minutes: 10,
    };
    /// Second factor within 10 minutes.
    pub const STRICT: Self = Self {
        level: Level::SecondFactor,
        after_minutes: 10,
    };
    /// Second factor within an hour.
    pub const MODERATE: Self = Self {
        level: Level::SecondFactor,
        after_minutes: 60,
    };
    /// Second factor within a day.
    pub const LAX: Self = Self {
        level: Level::SecondFactor,
        after_minutes: 1440,
    };

    /// Reads a preset's name: `strict_mfa`, `strict`, `moderate` or `lax`.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "strict_mfa" => Self::STRICT_MFA,
            "strict" => Self::STRICT,
            "moderate" => Self::MODERATE,
            "lax" => Self::LAX,
            _ => return None,
        })
    }

    fn is_fresh(self, ages: Option<[i64; 2]>) -> bool {
        let Some([first, second]) = ages else {
            return false;
        };
        let fresh = |age: i64| age >= 0 && i64::from(self.after_minutes) > age;
        match (self.level, first, second) {
            (_, -1, -1) => false,
            (Level::FirstFactor, first, _) => fresh(first),
            (Level::SecondFactor | Level::MultiFactor, first, -1) => fresh(first),
            (Level::SecondFactor, _, second) => fresh(second),
            (Level::MultiFactor, first, second) => fresh(first) && fresh(second),
        }
    }
}

impl Level {
    /// Reads a level's name: `first_factor`, `second_factor` or `multi_factor`.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "first_factor" => Self::FirstFactor,
            "second_factor" => Self::SecondFactor,
            "multi_factor" => Self::MultiFactor,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> Vec<String> {
        entries.iter().map(|entry| (*entry).to_owned()).collect()
    }

    #[test]
    fn features_match_by_scope() {
        let features = list(&["o:dash", "u:beta", "ou:both", "x:odd", "o:a:b", "bare"]);
        for (wanted, expected) in [
            ("dash", true),
            ("o:dash", true),
            ("org:dash", true),
            ("organization:dash", true),
            ("u:dash", false),
            ("user:beta", true),
            ("o:beta", false),
            ("u:both", true),
            ("o:both", true),
            ("odd", false),
            ("x:odd", false),
            ("o:a:b", false),
            ("a:b", false),
            ("bare", false),
            ("", false),
            ("o:", false),
        ] {
            assert_eq!(has_entry(&features, wanted), expected, "{wanted}");
        }
    }

    #[test]
    fn reverification_follows_the_truth_table() {
        use Level::{FirstFactor, MultiFactor, SecondFactor};
        for (level, after_minutes, ages, expected) in [
            (SecondFactor, 10, Some([0, 0]), true),
            (SecondFactor, 10, Some([99, 9]), true),
            (SecondFactor, 10, Some([0, 10]), false),
            (SecondFactor, 10, Some([9, -1]), true),
            (SecondFactor, 10, Some([10, -1]), false),
            (SecondFactor, 10, Some([-1, 9]), true),
            (SecondFactor, 10, Some([-1, -1]), false),
            (MultiFactor, 10, Some([9, 9]), true),
            (MultiFactor, 10, Some([10, 9]), false),
            (MultiFactor, 10, Some([9, -1]), true),
            (MultiFactor, 10, Some([-1, 9]), false),
            (FirstFactor, 10, Some([9, 99]), true),
            (FirstFactor, 10, Some([-1, 0]), false),
            (SecondFactor, 10, None, false),
            (SecondFactor, 0, Some([0, 0]), false),
        ] {
            let rule = Reverification {
                level,
                after_minutes,
            };
            assert_eq!(rule.is_fresh(ages), expected, "{rule:?} {ages:?}");
        }
    }
}
