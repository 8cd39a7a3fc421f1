//! Authorization servers whose issuers differ by a tenant's name only.
//!
//! Whoever runs such a server gives a tenant to anybody who asks, so a template says which tenants are trusted. The hole
//! holds one label of the host or one segment of the path, never more: what a stranger writes into `iss` can lead to no
//! other host than the operator's template names.

use std::collections::BTreeSet;

/// An issuer with a hole where the tenant's name stands, as `https://login.example.com/{tenant}/v2.0`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IssuerTemplate {
    prefix: String,
    suffix: String,
    tenants: Tenants,
}

/// Which tenants are trusted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tenants {
    /// Whoever the server calls a tenant. Only where strangers may sign in.
    Any,
    /// These, exactly.
    OneOf(BTreeSet<String>),
}

/// The hole.
pub const TENANT: &str = "{tenant}";

/// The longest name of a tenant, in bytes.
const MAX_TENANT_BYTES: usize = 64;

impl IssuerTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// A sentence that says why it could name a host that the operator did not mean.
    pub fn new(template: &str, tenants: Tenants) -> Result<Self, String> {
        let Some((prefix, suffix)) = template.split_once(TENANT) else {
            return Err(format!("{template:?} has no {TENANT}"));
        };
        if suffix.contains(['{', '}']) || prefix.contains(['{', '}']) {
            return Err(format!("{template:?} has more than the one hole {TENANT}"));
        }
        let Some((_, host)) = prefix.split_once("://") else {
            return Err(format!("{template:?}: the scheme is missing"));
        };
        if !host.contains('/') {
            let rest = suffix.split('/').next().unwrap_or_default();
            if !rest.starts_with('.') || !rest[1..].contains('.') {
                return Err(format!(
                    "{template:?}: in the host, the tenant is one label before a domain of the provider's"
                ));
            }
        } else if !prefix.ends_with('/') || !(suffix.is_empty() || suffix.starts_with('/')) {
            return Err(format!(
                "{template:?}: in the path, the tenant is one whole segment"
            ));
        }
        match &tenants {
            Tenants::OneOf(names) if names.is_empty() => Err("no tenant is trusted".to_owned()),
            Tenants::OneOf(names) if !names.iter().all(|name| is_tenant(name)) => Err(
                "a tenant's name has letters, digits, `-` and `_`, at most 64 of them".to_owned(),
            ),
            _ => Ok(Self {
                prefix: prefix.to_owned(),
                suffix: suffix.to_owned(),
                tenants,
            }),
        }
    }

    /// The tenant whose issuer this is, if it is a trusted one's.
    pub fn tenant<'i>(&self, issuer: &'i str) -> Option<&'i str> {
        let tenant = issuer
            .strip_prefix(&self.prefix)?
            .strip_suffix(&self.suffix)?;
        let trusted = is_tenant(tenant)
            && match &self.tenants {
                Tenants::Any => true,
                Tenants::OneOf(names) => names.contains(tenant),
            };
        trusted.then_some(tenant)
    }
}

impl std::fmt::Display for IssuerTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{TENANT}{}", self.prefix, self.suffix)
    }
}

fn is_tenant(name: &str) -> bool {
    (1..=MAX_TENANT_BYTES).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any(template: &str) -> Result<IssuerTemplate, String> {
        IssuerTemplate::new(template, Tenants::Any)
    }

    #[test]
    fn a_tenant_is_one_label_or_one_segment() {
        let path = any("https://login.example.com/{tenant}/v2.0").unwrap();
        assert_eq!(
            path.tenant("https://login.example.com/acme/v2.0"),
            Some("acme")
        );
        let host = any("https://{tenant}.auth.example.com/").unwrap();
        assert_eq!(
            host.tenant("https://acme-1.auth.example.com/"),
            Some("acme-1")
        );
        for stranger in [
            "https://login.example.com//v2.0",
            "https://login.example.com/v2.0",
            "https://login.example.com/a/b/v2.0",
            "https://login.example.com/../v2.0",
            "https://login.example.com/a%2fb/v2.0",
            "https://login.example.com/acme/v2.0/",
            "https://login.example.com/acme/v2.0 ",
            "http://login.example.com/acme/v2.0",
            "https://login.example.com/\u{e4}/v2.0",
        ] {
            assert_eq!(path.tenant(stranger), None, "{stranger}");
        }
        for stranger in [
            "https://evil.example.net/.auth.example.com/",
            "https://evil.example.net#.auth.example.com/",
            "https://a.b.auth.example.com/",
            "https://a@b.auth.example.com/",
            "https://.auth.example.com/",
        ] {
            assert_eq!(host.tenant(stranger), None, "{stranger}");
        }
        let long = format!("https://login.example.com/{}/v2.0", "a".repeat(65));
        assert_eq!(path.tenant(&long), None);
    }

    #[test]
    fn only_named_tenants_are_trusted() {
        let names = ["acme".to_owned()].into();
        let template = IssuerTemplate::new("https://h.example.com/{tenant}", Tenants::OneOf(names));
        let template = template.unwrap();
        assert_eq!(template.tenant("https://h.example.com/acme"), Some("acme"));
        assert_eq!(template.tenant("https://h.example.com/other"), None);
    }

    #[test]
    fn templates_that_name_somebody_elses_host_are_refused() {
        for bad in [
            "https://example.com/",
            "https://{tenant}/",
            "https://{tenant}.com/",
            "https://{tenant}example.com/",
            "https://example.com/x{tenant}",
            "https://example.com/{tenant}x",
            "https://{tenant}.example.com/{tenant}",
            "{tenant}",
        ] {
            assert!(any(bad).is_err(), "{bad}");
        }
        let nobody =
            IssuerTemplate::new("https://h.example.com/{tenant}", Tenants::OneOf([].into()));
        assert!(nobody.is_err());
    }
}
