//! What the calls of a JSON-RPC body take (Model Context Protocol, `tools/call`): which tools are called, and which scopes
//! their callers need ("Scope Challenge Handling").
//!
//! Whoever reads a body in front of another reader must not read something else than they do. So whatever readers differ
//! about is refused: repeated members, members in other letters (Go folds case), a name that is no text.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use doorward_core::{Identity, Reason, Rejection, SessionSeal};
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::authenticator::Authenticator;
use crate::config::{Config, ConfigError};
use crate::resource::scopes;
use crate::signing;

/// Which scopes a tool takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ToolScopes {
    by_name: BTreeMap<String, Vec<String>>,
    default: Vec<String>,
}

impl Authenticator {
    /// Whether some tool takes a scope, so that bodies have to be looked at.
    pub fn guards_tools(&self) -> bool {
        *self.tool_scopes() != ToolScopes::default()
    }

    /// Lets a caller's JSON-RPC body through, a single message or a batch, if they have the scopes that the tools take
    /// which it calls (`tool_scopes`, `default_tool_scopes`).
    ///
    /// # Errors
    /// `insufficient_scope`, with the scopes of all these tools and those of the token; `call_malformed` for a body that
    /// others might read otherwise.
    pub fn permit_call(&self, caller: &Identity, body: &[u8]) -> Result<(), Rejection> {
        if !self.guards_tools() {
            return Ok(());
        }
        let called: Called<'_> = serde_json::from_slice(body).map_err(|error| {
            // A message of serde's may quote the whole text.
            let detail: String = error.to_string().chars().take(160).collect();
            self.refuse(Rejection::new(Reason::CallMalformed).with_detail(detail))
        })?;
        self.permit_tools(caller, called.tools.iter().map(|tool| &**tool))
    }

    /// As [`permit_call`](Self::permit_call), for tools whose names are known.
    ///
    /// # Errors
    /// `insufficient_scope`.
    pub fn permit_tools<'t>(
        &self,
        caller: &Identity,
        tools: impl IntoIterator<Item = &'t str>,
    ) -> Result<(), Rejection> {
        let known = self.tool_scopes();
        let mut wanted: Vec<&str> = Vec::new();
        let mut lacking = None;
        for tool in tools {
            for scope in known.by_name.get(tool).unwrap_or(&known.default) {
                if !caller.has_scope(scope) {
                    lacking = lacking.or(Some(tool));
                }
                if !wanted.contains(&scope.as_str()) {
                    wanted.push(scope);
                }
            }
        }
        let Some(tool) = lacking else {
            return Ok(());
        };
        let tool: String = tool.chars().take(64).collect();
        let detail = format!(
            "the tool {tool:?} is called, and the token has {:?}, wanted: {wanted:?}",
            caller.scopes().join(" ")
        );
        // Who asks for these gets a token that can do what the old one could.
        let held = caller.scopes().iter().map(String::as_str);
        let more = wanted
            .iter()
            .filter(|scope| !caller.scopes().iter().any(|own| own == *scope));
        let all: Vec<&str> = held.chain(more.copied()).collect();
        let rejection = Rejection::new(Reason::InsufficientScope).with_detail(detail);
        Err(self.refuse(rejection.with_scope(all.join(" "))))
    }

    /// The name that this caller is to use for a session of a protocol above HTTP (`Mcp-Session-Id`). `None` where no
    /// `resource` is configured.
    pub fn bind_session(&self, session: &str, caller: &Identity) -> Option<String> {
        Some(self.session_seal()?.seal(session, caller))
    }

    /// The session that this caller means by a name that [`bind_session`](Self::bind_session) gave them; `None` for any
    /// other: to them, there is no such session.
    pub fn bound_session<'s>(&self, bound: &'s str, caller: &Identity) -> Option<&'s str> {
        self.session_seal()?.open(bound, caller)
    }
}

impl Config {
    pub(crate) fn tools(&self) -> Result<ToolScopes, ConfigError> {
        let default = scopes("default_tool_scopes", self.default_tool_scopes.as_ref())?;
        let mut by_name = BTreeMap::new();
        for (tool, given) in self.tool_scopes.iter().flatten() {
            if tool.is_empty() {
                return Err(ConfigError::new("tool_scopes", "has a tool without a name"));
            }
            let given = scopes("tool_scopes", Some(given))?.unwrap_or_default();
            by_name.insert(tool.clone(), given);
        }
        Ok(ToolScopes {
            by_name,
            default: default.unwrap_or_default(),
        })
    }

    /// The operator's, which every node has; or one for this process alone.
    pub(crate) fn session_seal(&self) -> Result<Option<SessionSeal>, ConfigError> {
        let setting = "session_secret";
        let secret = match (&self.session_secret, &self.resource) {
            (Some(secret), _) => secret.0.clone(),
            (None, None) => return Ok(None),
            (None, Some(_)) => signing::random_secret()
                .ok_or_else(|| ConfigError::new(setting, "is missing, and none can be made"))?,
        };
        let seal = SessionSeal::new(&secret).map_err(|why| ConfigError::new(setting, why))?;
        Ok(Some(seal))
    }
}

/// The tools that a body calls.
#[derive(Debug, Default)]
struct Called<'b> {
    tools: BTreeSet<Cow<'b, str>>,
}

impl<'de> Deserialize<'de> for Called<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Body;

        impl<'de> Visitor<'de> for Body {
            type Value = Called<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON-RPC message, or a list of those")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let tool = Message.visit_map(map)?;
                Ok(Called {
                    tools: tool.into_iter().collect(),
                })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut tools = BTreeSet::new();
                while let Some(tool) = list.next_element_seed(Message)? {
                    tools.extend(tool);
                }
                Ok(Called { tools })
            }
        }

        deserializer.deserialize_any(Body)
    }
}

/// One message: the tool that it calls.
struct Message;

impl<'de> DeserializeSeed<'de> for Message {
    type Value = Option<Cow<'de, str>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Message {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON-RPC message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut method, mut params) = (None, None);
        while let Some(Text(name)) = map.next_key()? {
            match member(&name, &["method", "params"])? {
                Some("method") => once(&mut method, map.next_value::<Text<'de>>()?)?,
                Some(_) => once(&mut params, map.next_value::<Params<'de>>()?)?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        match (method, params) {
            (Some(Text(method)), params) if method == TOOLS_CALL => {
                let name = params.and_then(|params| params.name);
                let name = name.ok_or_else(|| A::Error::custom("a call names no tool"))?;
                Ok(Some(name))
            }
            _ => Ok(None),
        }
    }
}

/// The `name` among a message's parameters.
#[derive(Default)]
struct Params<'b> {
    name: Option<Cow<'b, str>>,
}

impl<'de> Deserialize<'de> for Params<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Named;

        impl<'de> Visitor<'de> for Named {
            type Value = Params<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("parameters: an object or a list")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut found = None;
                while let Some(Text(name)) = map.next_key()? {
                    match member(&name, &["name"])? {
                        Some(_) => once(&mut found, map.next_value::<Text<'de>>()?)?,
                        None => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(Params {
                    name: found.map(|Text(name)| name),
                })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Params::default())
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Params::default())
            }
        }

        deserializer.deserialize_any(Named)
    }
}

/// A text, borrowed where it has no escapes.
struct Text<'b>(Cow<'b, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Either)
    }
}

/// Which of these members it is, if it is one; a name that another reader might take for one is nobody's.
fn member<'n, E: Error>(name: &str, known: &[&'n str]) -> Result<Option<&'n str>, E> {
    if let Some(exact) = known.iter().find(|own| **own == name) {
        return Ok(Some(exact));
    }
    let in_other_letters = if name.is_ascii() {
        known.iter().any(|own| own.eq_ignore_ascii_case(name))
    } else {
        // Longer names are none, however they are folded, and long ones are not worth folding.
        let folded = (name.len() <= 24).then(|| name.to_uppercase());
        folded.is_some_and(|folded| known.iter().any(|own| own.to_uppercase() == folded))
    };
    match in_other_letters {
        true => Err(E::custom("a member is spelled in other letters")),
        false => Ok(None),
    }
}

fn once<T, E: Error>(place: &mut Option<T>, value: T) -> Result<(), E> {
    match place.replace(value) {
        Some(_) => Err(E::custom("a member is repeated")),
        None => Ok(()),
    }
}

/// Model Context Protocol, "Calling Tools".
pub(crate) const TOOLS_CALL: &str = "tools/call";

#[cfg(test)]
mod tests {
    use super::*;

    fn tools(body: &str) -> Result<Vec<String>, String> {
        let called: Called<'_> = serde_json::from_str(body).map_err(|error| error.to_string())?;
        Ok(called.tools.into_iter().map(Cow::into_owned).collect())
    }

    #[test]
    fn calls_are_found_alone_and_in_batches() {
        let call = |name: &str| {
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"arguments":{{"name":"x"}},"name":"{name}"}}}}"#
            )
        };
        let none: [&str; 0] = [];
        assert_eq!(tools(&call("add")).unwrap(), ["add"]);
        assert_eq!(
            tools(r#"{"method":"tools\/call","params":{"name":"\u0061dd"}}"#).unwrap(),
            ["add"]
        );
        assert_eq!(
            tools(r#"{"params":{"name":"add"},"method":"tools/call"}"#).unwrap(),
            ["add"]
        );
        assert_eq!(
            tools(&format!("[{}, {}]", call("b"), call("a"))).unwrap(),
            ["a", "b"]
        );
        for other in [
            r#"{"method":"tools/list"}"#,
            r#"{"method":"tools/list","params":null}"#,
            r#"{"method":"tools/list","params":[1,{"name":2}]}"#,
            r#"{"method":"prompts/get","params":{"name":"add"}}"#,
            r#"{"id":1,"result":{"method":"tools/call","name":"add"}}"#,
            r#"{"method":"TOOLS/CALL","params":{"name":"add"}}"#,
            "[]",
        ] {
            assert_eq!(tools(other).unwrap(), none, "{other}");
        }
    }

    #[test]
    fn what_others_might_read_otherwise_is_refused() {
        for body in [
            "",
            "1",
            "null",
            "\"tools/call\"",
            "[1]",
            "[[{}]]",
            "\u{feff}{}",
            "{} {}",
            r#"{"method":"ping","method":"tools/call","params":{"name":"a"}}"#,
            r#"{"method":"tools/call","params":{"name":"a","name":"b"}}"#,
            r#"{"method":"tools/call","params":{"name":"a"},"params":{"name":"b"}}"#,
            r#"{"method":"ping","Method":"tools/call"}"#,
            r#"{"method":"tools/call","params":{"name":"a","NAME":"b"}}"#,
            r#"{"method":"tools/call","params":{"name":"a"},"param\u017f":{"name":"b"}}"#,
            r#"{"method":"ping","m\u0065thod":"tools/call"}"#,
            r#"{"method":"tools/call"}"#,
            r#"{"method":"tools/call","params":[]}"#,
            r#"{"method":"tools/call","params":{"name":1}}"#,
            r#"{"method":"tools/call","params":{"name":null}}"#,
            r#"{"method":["tools/call"],"params":{"name":"a"}}"#,
            r#"{"method":null,"params":{"name":"a"}}"#,
            r#"{"method":"ping","params":"name"}"#,
        ] {
            assert!(tools(body).is_err(), "{body}");
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(tools(&deep).is_err());
        assert!(tools(&format!(r#"{{"method":"ping","params":{{"a":{deep}}}}}"#)).is_ok());
    }
}
