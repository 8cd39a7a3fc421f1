//! Scopes that hold others (RFC 6749 §3.3 leaves their meaning to the resource; MCP authorization, "Scope Challenge
//! Handling", wants hierarchies minded).

use std::collections::{BTreeMap, BTreeSet};

/// Which scopes hold others: who has `notes:write` has `notes:read` as well. Of any shape; a circle is a set of equals.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ScopeHierarchy {
    /// By scope, all that it holds, and all that those hold, without itself.
    held: BTreeMap<String, BTreeSet<String>>,
}

impl ScopeHierarchy {
    /// Reads what each scope holds directly.
    ///
    /// ```
    /// # use doorward_core::ScopeHierarchy;
    /// let hierarchy = ScopeHierarchy::new([("admin", vec!["write"]), ("write", vec!["read"])]);
    /// assert_eq!(hierarchy.implied(&["admin".to_owned()]), ["read", "write"]);
    /// ```
    pub fn new<S: Into<String>>(direct: impl IntoIterator<Item = (S, Vec<S>)>) -> Self {
        let mut next: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (scope, holds) in direct {
            let holds = holds.into_iter().map(Into::into);
            next.entry(scope.into()).or_default().extend(holds);
        }
        let held = next.keys().map(|scope| {
            let mut seen = BTreeSet::new();
            let mut open = vec![scope];
            while let Some(scope) = open.pop() {
                for held in next.get(scope).into_iter().flatten() {
                    if seen.insert(held.clone()) {
                        open.push(held);
                    }
                }
            }
            seen.remove(scope);
            (scope.clone(), seen)
        });
        Self {
            held: held.collect(),
        }
    }

    /// What these scopes hold besides themselves, sorted.
    pub fn implied(&self, scopes: &[String]) -> Vec<String> {
        if self.held.is_empty() {
            return Vec::new();
        }
        let named: BTreeSet<&String> = scopes.iter().collect();
        let held = named.iter().filter_map(|scope| self.held.get(*scope));
        let held: BTreeSet<&String> = held.flatten().collect();
        held.difference(&named)
            .map(|scope| (*scope).clone())
            .collect()
    }
}

/// Whether a text is one scope (RFC 6749 §3.3, `scope-token`).
pub fn is_scope(text: &str) -> bool {
    let fits =
        |byte: u8| byte == 0x21 || (0x23..=0x5b).contains(&byte) || (0x5d..=0x7e).contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(hierarchy: &ScopeHierarchy, scope: &str) -> Vec<String> {
        hierarchy.implied(&[scope.to_owned()])
    }

    #[test]
    fn circles_end() {
        let circle =
            ScopeHierarchy::new([("a", vec!["b"]), ("b", vec!["c", "b"]), ("c", vec!["a"])]);
        assert_eq!(held(&circle, "a"), ["b", "c"]);
        assert_eq!(held(&circle, "b"), ["a", "c"]);
        assert_eq!(held(&circle, "d"), [""; 0]);
    }

    #[test]
    fn what_is_held_twice_counts_once_and_nothing_is_held_upwards() {
        let diamond =
            ScopeHierarchy::new([("admin", vec!["read", "write"]), ("write", vec!["read"])]);
        let both = ["admin".to_owned(), "read".to_owned()];
        assert_eq!(diamond.implied(&both), ["write"]);
        assert_eq!(held(&diamond, "read"), [""; 0]);
        assert_eq!(held(&diamond, "admi"), [""; 0]);
    }

    #[test]
    fn a_scope_is_one_word_without_quotes() {
        for good in ["a", "notes:read", "https://a.example/x", "a,b", "!"] {
            assert!(is_scope(good), "{good}");
        }
        for bad in ["", "a b", "a\"b", "a\\b", "\u{e4}", "a\n"] {
            assert!(!is_scope(bad), "{bad}");
        }
    }
}
