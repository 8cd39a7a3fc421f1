//! Clerk's packed permissions, written: `fea`, `o.per` and `o.fpm` of a session token, version 2.

use crate::mint::MintError;

/// What goes into the claims, empty where there is nothing to say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Packed {
    /// Scoped features, separated by commas.
    pub(crate) features: String,
    /// Permission names, each once.
    pub(crate) permissions: String,
    /// One integer for each feature, in the features' order; bit `j` grants permission `j`.
    pub(crate) masks: String,
}

/// Packs scoped features (`o:posts`, `u:beta`) and permissions (`org:posts:read`).
///
/// A permission's feature that is missing is added as `o:<feature>`; one known only for users becomes `uo:<feature>`.
pub(crate) fn pack(features: &[String], permissions: &[String]) -> Result<Packed, MintError> {
    let mut columns = features
        .iter()
        .map(|feature| Column::parse(feature))
        .collect::<Result<Vec<_>, _>>()?;
    let mut names: Vec<&str> = Vec::new();
    for permission in permissions {
        let (feature, name) = split_permission(permission)?;
        let bit = names
            .iter()
            .position(|known| *known == name)
            .unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            });
        // Masks of Clerk's own may be wider still; nobody needs a 129th permission to test a reader of masks.
        let mask = u32::try_from(bit)
            .ok()
            .and_then(|bit| 1u128.checked_shl(bit))
            .ok_or(MintError::TooManyPermissions)?;
        let position = columns
            .iter()
            .position(|column| column.name == feature)
            .unwrap_or_else(|| {
                columns.push(Column {
                    scope: "o",
                    name: feature,
                    mask: 0,
                });
                columns.len() - 1
            });
        let column = &mut columns[position];
        if column.scope == "u" {
            column.scope = "uo";
        }
        column.mask |= mask;
    }
    let join = |write: &dyn Fn(&Column<'_>) -> String| {
        columns.iter().map(write).collect::<Vec<_>>().join(",")
    };
    Ok(Packed {
        features: join(&|column| format!("{}:{}", column.scope, column.name)),
        permissions: names.join(","),
        masks: if names.is_empty() {
            String::new()
        } else {
            join(&|column| column.mask.to_string())
        },
    })
}

struct Column<'a> {
    scope: &'a str,
    name: &'a str,
    mask: u128,
}

impl<'a> Column<'a> {
    fn parse(feature: &'a str) -> Result<Self, MintError> {
        match feature.split_once(':') {
            Some((scope @ ("u" | "o" | "uo" | "ou"), name)) if is_name(name) => Ok(Self {
                scope,
                name,
                mask: 0,
            }),
            _ => Err(MintError::Feature(feature.to_owned())),
        }
    }
}

fn split_permission(permission: &str) -> Result<(&str, &str), MintError> {
    permission
        .strip_prefix("org:")
        .and_then(|rest| rest.split_once(':'))
        // System permissions (`org:sys_…`) are never in a token.
        .filter(|(feature, name)| is_name(feature) && is_name(name) && !feature.starts_with("sys_"))
        .ok_or_else(|| MintError::Permission(permission.to_owned()))
}

/// Whether a name survives being joined by commas and colons.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains([',', ':']) && !name.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(
        features: &[&str],
        permissions: &[&str],
    ) -> Result<(String, String, String), MintError> {
        let own = |texts: &[&str]| {
            texts
                .iter()
                .map(|&text| text.to_owned())
                .collect::<Vec<_>>()
        };
        pack(&own(features), &own(permissions))
            .map(|packed| (packed.features, packed.permissions, packed.masks))
    }

    fn three(
        features: &str,
        permissions: &str,
        masks: &str,
    ) -> Result<(String, String, String), MintError> {
        Ok((
            features.to_owned(),
            permissions.to_owned(),
            masks.to_owned(),
        ))
    }

    #[test]
    fn bits_follow_the_permissions_and_masks_follow_the_features() {
        assert_eq!(
            packed(
                &["o:dashboard", "o:teams"],
                &[
                    "org:dashboard:manage",
                    "org:dashboard:read",
                    "org:teams:read"
                ]
            ),
            three("o:dashboard,o:teams", "manage,read", "3,2"),
        );
    }

    #[test]
    fn a_feature_of_users_only_keeps_its_place_with_a_zero() {
        assert_eq!(
            packed(
                &["u:beta", "o:dashboard"],
                &["org:dashboard:read", "org:teams:write"]
            ),
            three("u:beta,o:dashboard,o:teams", "read,write", "0,1,2"),
        );
    }

    #[test]
    fn a_feature_of_users_that_gains_a_permission_becomes_one_of_both() {
        assert_eq!(
            packed(&["u:posts"], &["org:posts:read"]),
            three("uo:posts", "read", "1")
        );
    }

    #[test]
    fn without_permissions_there_are_no_masks() {
        assert_eq!(packed(&["o:posts"], &[]), three("o:posts", "", ""));
        assert_eq!(packed(&[], &[]), three("", "", ""));
    }

    #[test]
    fn a_mask_may_be_wider_than_a_machine_word_but_not_endless() {
        let many: Vec<String> = (0..129).map(|index| format!("org:a:p{index}")).collect();
        let wide = pack(&[], &many[..72]).unwrap();
        assert_eq!(wide.masks, ((1u128 << 72) - 1).to_string());
        assert_eq!(pack(&[], &many).unwrap_err(), MintError::TooManyPermissions);
    }

    #[test]
    fn names_that_would_break_the_packing_are_refused() {
        for feature in ["posts", "x:posts", "o:", "o:a,b", "o:a:b"] {
            assert_eq!(
                packed(&[feature], &[]),
                Err(MintError::Feature(feature.to_owned()))
            );
        }
        for permission in [
            "posts:read",
            "org:posts",
            "org:posts:",
            "org:a:b:c",
            "org:a:b,c",
            "org:sys_members:read",
        ] {
            assert_eq!(
                packed(&[], &[permission]),
                Err(MintError::Permission(permission.to_owned()))
            );
        }
    }
}
