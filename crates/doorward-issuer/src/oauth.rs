//! Requests that are forms, and OAuth 2.0's errors (RFC 6749 §5.2, RFC 6750 §3).

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderMap, WWW_AUTHENTICATE};
use serde_json::json;
use url::form_urlencoded;

use crate::strike::Answer;

/// A form, `application/x-www-form-urlencoded`.
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    pub(crate) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, OauthError> {
        let content_type = headers
            .get(CONTENT_TYPE)
            .and_then(|text| text.to_str().ok());
        let media_type = content_type.and_then(|text| text.split(';').next());
        if !media_type.is_some_and(|text| text.trim().eq_ignore_ascii_case(FORM)) {
            return Err(OauthError::invalid_request(
                "expected content-type: application/x-www-form-urlencoded",
            ));
        }
        Self::parse(body)
    }

    /// The parameters of a query.
    pub(crate) fn query(query: &str) -> Result<Self, OauthError> {
        Self::parse(query.as_bytes())
    }

    fn parse(text: &[u8]) -> Result<Self, OauthError> {
        let fields: Vec<_> = form_urlencoded::parse(text)
            .take(MAX_FIELDS + 1)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        match fields.len() {
            0..=MAX_FIELDS => Ok(Self(fields)),
            _ => Err(OauthError::invalid_request("too many parameters")),
        }
    }

    /// Refuses parameters that are repeated, whether anybody reads them or not (RFC 6749 §3.1).
    pub(crate) fn all_once(&self) -> Result<(), OauthError> {
        for (name, _) in &self.0 {
            self.one(name)?;
        }
        Ok(())
    }

    /// A parameter, which may stand there once. Empty is absent (RFC 6749 §3.1).
    pub(crate) fn one(&self, name: &str) -> Result<Option<&str>, OauthError> {
        let mut found = self.0.iter().filter(|(given, _)| given == name);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(OauthError::invalid_request("a parameter is repeated")),
            (first, None) => Ok(first
                .map(|(_, value)| value.as_str())
                .filter(|value| !value.is_empty())),
        }
    }

    /// A parameter that has to be there.
    pub(crate) fn required(&self, name: &str) -> Result<&str, OauthError> {
        self.one(name)?.ok_or_else(|| {
            OauthError::invalid_request(if name == "token" {
                "the parameter token is missing"
            } else {
                "a parameter is missing"
            })
        })
    }
}

/// An error of OAuth's.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OauthError {
    status: StatusCode,
    code: &'static str,
    description: &'static str,
    challenge: Option<String>,
}

impl OauthError {
    pub(crate) fn new(code: &'static str, description: &'static str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code,
            description,
            challenge: None,
        }
    }

    pub(crate) fn invalid_request(description: &'static str) -> Self {
        Self::new("invalid_request", description)
    }

    /// RFC 6749 §5.2: 401, and a challenge for whoever tried HTTP authentication; the others lose nothing by it.
    pub(crate) fn invalid_client(description: &'static str) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            challenge: Some(r#"Basic realm="doorward""#.to_owned()),
            ..Self::new("invalid_client", description)
        }
    }

    /// RFC 6750 §3.1, for a protected resource.
    pub(crate) fn bearer(
        status: StatusCode,
        code: &'static str,
        description: &'static str,
    ) -> Self {
        let more = if code == "insufficient_scope" {
            r#", scope="openid""#
        } else {
            ""
        };
        Self {
            status,
            challenge: Some(format!(r#"Bearer error="{code}"{more}"#)),
            ..Self::new(code, description)
        }
    }

    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    pub(crate) fn description(&self) -> &'static str {
        self.description
    }

    pub(crate) fn answer(self) -> Answer {
        let body = json!({ "error": self.code, "error_description": self.description });
        let mut answer = Answer::json(&body).status(self.status);
        if let Some(challenge) = self.challenge {
            answer = answer.header(WWW_AUTHENTICATE, challenge);
        }
        answer
    }
}

const FORM: &str = "application/x-www-form-urlencoded";
const MAX_FIELDS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn form(body: &str) -> Result<Form, OauthError> {
        let mut headers = HeaderMap::new();
        let content_type = "Application/x-www-form-urlencoded; charset=UTF-8";
        headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        Form::read(&headers, body.as_bytes())
    }

    #[test]
    fn a_parameter_stands_there_once() {
        let form = form("token=a%2Bb+c&hint=&twice=1&twice=1").unwrap();
        assert_eq!(form.required("token"), Ok("a+b c"));
        assert_eq!(form.one("hint"), Ok(None));
        assert_eq!(form.one("absent"), Ok(None));
        for (name, code) in [("twice", "invalid_request"), ("hint", "invalid_request")] {
            assert_eq!(form.required(name).unwrap_err().code, code);
        }
    }

    #[test]
    fn what_is_no_form_is_refused() {
        assert!(Form::read(&HeaderMap::new(), b"token=a").is_err());
        assert!(form(&"a=1&".repeat(MAX_FIELDS)).is_ok());
        assert!(form(&"a=1&".repeat(MAX_FIELDS + 1)).is_err());
    }
}
