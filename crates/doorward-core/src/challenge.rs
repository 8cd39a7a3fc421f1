//! The Bearer challenge of `WWW-Authenticate` (RFC 6750 §3, RFC 9110 §11.6.1, RFC 9728 §5.1).

use std::fmt;

/// A challenge, as the caller will read it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Challenge {
    parameters: Vec<(&'static str, String)>,
}

impl Challenge {
    /// A bare `Bearer` challenge.
    pub fn bearer() -> Self {
        Self::default()
    }

    /// The RFC 6750 §3.1 error code.
    #[must_use]
    pub fn error(self, code: &str) -> Self {
        self.with("error", code)
    }

    /// A sentence for the client's developer.
    #[must_use]
    pub fn error_description(self, text: &str) -> Self {
        self.with("error_description", text)
    }

    /// The scopes that would do, separated by spaces.
    #[must_use]
    pub fn scope(self, scope: &str) -> Self {
        self.with("scope", scope)
    }

    /// The protection space.
    #[must_use]
    pub fn realm(self, realm: &str) -> Self {
        self.with("realm", realm)
    }

    /// Where the protected resource's metadata is published.
    #[must_use]
    pub fn resource_metadata(self, url: &str) -> Self {
        self.with("resource_metadata", url)
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.parameters.push((name, value.to_owned()));
        self
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer")?;
        for (position, (name, value)) in self.parameters.iter().enumerate() {
            let separator = if position == 0 { " " } else { ", " };
            write!(f, "{separator}{name}=\"")?;
            for letter in value.chars() {
                match letter {
                    '"' | '\\' => write!(f, "\\{letter}")?,
                    // RFC 6750 §3: visible ASCII and space only. Anything else would break the header.
                    ' '..='~' => write!(f, "{letter}")?,
                    _ => f.write_str("?")?,
                }
            }
            f.write_str("\"")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cannot_be_split_by_what_it_quotes() {
        let challenge = Challenge::bearer()
            .error("invalid_token")
            .scope("a\"\r\nSet-Cookie: x\\");
        assert_eq!(
            challenge.to_string(),
            "Bearer error=\"invalid_token\", scope=\"a\\\"??Set-Cookie: x\\\\\""
        );
    }
}
