//! What people are shown: the question, the way onward, and what went wrong. Programs see JSON.
//!
//! Names, logo, colour, words and templates are the operator's to replace ([`PageSettings`]); the frame is not: every page
//! is sent without script, kept by nobody, in nobody's frame, and every text of a client's is escaped, short, and of
//! letters that stand where they seem to stand.

mod english;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use http::header::{
    ACCEPT, ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap,
    HeaderValue, LOCATION, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{Response, StatusCode};
use minijinja::value::{Kwargs, Value};
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior, context, escape_formatter,
};
use serde::Deserialize;
use url::Url;

use super::settings::is_loopback;
use super::{ConfigError, ConsentPrompt, Reply};
use crate::encoding::base64;
use english::ENGLISH;

/// What the pages look like and say, in TOML or JSON. Everything has a default.
///
/// ```
/// use doorward_issuer::authorization_server::{PageSettings, Pages};
///
/// let settings: PageSettings = serde_json::from_str(
///     r##"{
///         "name": "Notes",
///         "accent": "#0a7d4f",
///         "scopes": { "notes:read": "Read your notes" },
///         "strings": { "de": { "consent:allow": "Erlauben", "scope:notes:read": "Deine Notizen lesen" } }
///     }"##,
/// )?;
/// let pages = Pages::new(settings)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PageSettings {
    /// What people call the resource. By default its host.
    pub name: Option<String>,
    /// A picture beside the name: an `https` URL, or a `data:image/…` URL. 32 pixels high.
    pub logo: Option<String>,
    /// The colour of the button that allows, `#rgb` or `#rrggbb`. The text on it is black or white, whichever is easier to
    /// read.
    pub accent: Option<String>,
    /// The same on a dark page, if it is another.
    pub accent_dark: Option<String>,
    /// What each scope lets a client do, in words: "Read your notes".
    pub scopes: BTreeMap<String, String>,
    /// Texts by language (BCP 47: `de`, `pt-BR`) and key. Keys and English texts are in `pages/english.rs`, and
    /// `scope:NAME` says what a scope is in this language; what is left out stays English.
    pub strings: BTreeMap<String, BTreeMap<String, String>>,
    /// The language for those who understand none that is there. By default `en`.
    pub language: Option<String>,
    /// Templates (Jinja) in the place of the built-in `layout.html`, `consent.html`, `message.html` and `style.css`. The
    /// form has the fields that [`ConsentPrompt`] names. Script does not run, and style is in `style.css` alone.
    pub templates: BTreeMap<String, String>,
}

/// Renders. Cheap to clone.
#[derive(Clone)]
pub struct Pages(Arc<Inner>);

struct Inner {
    settings: PageSettings,
    own: Environment<'static>,
    /// For the case that the operator's templates fail after all.
    built_in: Environment<'static>,
    languages: Vec<String>,
    style: String,
    policy: HeaderValue,
}

impl Pages {
    /// Pages with these settings. Every page is rendered once in every language, so that what is wrong with a template is
    /// known at the start.
    ///
    /// # Errors
    /// The setting or the template that is wrong.
    pub fn new(settings: PageSettings) -> Result<Self, ConfigError> {
        let words = words(&settings)?;
        let languages: Vec<String> = words.keys().cloned().collect();
        let words = Arc::new(words);
        let own = environment(&settings.templates, Arc::clone(&words))
            .map_err(|error| refused(&error))?;
        let built_in = environment(&BTreeMap::new(), words).map_err(|error| refused(&error))?;
        let style = styled(&settings, &own)?;
        let pages = Self(Arc::new(Inner {
            policy: policy(&settings, &style)?,
            settings,
            own,
            built_in,
            languages,
            style,
        }));
        pages.try_all()?;
        Ok(pages)
    }

    /// What is sent, whatever the reply: the consent page, the page that a browser is shown instead of an error in JSON,
    /// or the answer as it is.
    pub fn answer(&self, reply: Reply) -> Response<Vec<u8>> {
        let mut response = match reply {
            Reply::Consent(prompt) => return self.consent(&prompt),
            Reply::Response(response) => response,
        };
        match response.extensions_mut().remove::<Screen>() {
            None => response,
            Some(screen) => self.message(&screen, response),
        }
    }

    fn consent(&self, prompt: &ConsentPrompt) -> Response<Vec<u8>> {
        let language = self.0.language(&prompt.accept_language);
        let mut response = Response::new(Vec::new());
        *response.headers_mut() = prompt.headers();
        let content = self.0.asked(prompt, language);
        self.rendered("consent.html", language, response, content)
    }

    fn message(&self, screen: &Screen, mut response: Response<Vec<u8>>) -> Response<Vec<u8>> {
        let language = self.0.language(&screen.accept_language);
        let url = response.headers_mut().remove(LOCATION);
        let onward = url.as_ref().and_then(|url| url.to_str().ok()).map(|url| {
            let host = shown_host(url);
            context! { url, host }
        });
        if onward.is_some() {
            // Browsers apply `form-action` to redirects, and those of a place to sign in lead nobody knows where: the
            // form ends here, and the page goes on by itself.
            *response.status_mut() = StatusCode::OK;
        }
        let error = context! { code => screen.code, description => screen.description };
        let brand = self.0.brand(&screen.resource);
        let content = context! { brand, onward, error, told => screen.told };
        self.rendered("message.html", language, response, content)
    }

    fn rendered(
        &self,
        template: &str,
        language: &str,
        mut response: Response<Vec<u8>>,
        content: Value,
    ) -> Response<Vec<u8>> {
        let inner = &*self.0;
        let page = inner
            .render(&inner.own, template, language, content.clone())
            .or_else(|_| inner.render(&inner.built_in, template, language, content));
        let headers = response.headers_mut();
        for (name, value) in [
            (CONTENT_TYPE, "text/html; charset=utf-8"),
            (CACHE_CONTROL, "no-store"),
            (REFERRER_POLICY, "no-referrer"),
            (X_FRAME_OPTIONS, "DENY"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (VARY, "accept, accept-language"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.insert(CONTENT_SECURITY_POLICY, inner.policy.clone());
        *response.body_mut() = page.unwrap_or_default().into_bytes();
        response
    }

    /// Renders everything, with texts that are not there in real life.
    fn try_all(&self) -> Result<(), ConfigError> {
        let inner = &*self.0;
        for language in &inner.languages {
            for kind in ["web", "local", "app"] {
                let page = inner.render(&inner.own, "consent.html", language, sample(kind));
                let page = page.map_err(|error| refused(&error))?;
                for field in [SAMPLE, r#"name="decision""#, r#"value="allow""#] {
                    if !page.contains(field) {
                        return Err(ConfigError::new(format!(
                            "`consent.html` lacks a field of its form: transaction, form_token or decision ({field})"
                        )));
                    }
                }
            }
            for told in TOLD {
                let error = context! { code => "x", description => "x" };
                let brand = inner.brand("");
                let content = context! { brand, error, told, onward => () };
                inner
                    .render(&inner.own, "message.html", language, content)
                    .map_err(|error| refused(&error))?;
            }
            for told in ["allowed", "denied"] {
                let onward = context! { url => "https://a.example/", host => "a.example" };
                let error = context! { code => "", description => "" };
                let content = context! { brand => inner.brand(""), onward, error, told };
                inner
                    .render(&inner.own, "message.html", language, content)
                    .map_err(|error| refused(&error))?;
            }
        }
        Ok(())
    }
}

impl Default for Pages {
    fn default() -> Self {
        // Constants, which the tests render.
        Self::new(PageSettings::default()).expect("the built-in pages")
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages")
            .field("languages", &self.0.languages)
            .finish_non_exhaustive()
    }
}

/// What a browser is shown in the place of this response: a note to [`Pages`], in the response's extensions.
#[derive(Clone)]
pub(super) struct Screen {
    /// The key of the text.
    pub(super) told: &'static str,
    pub(super) code: &'static str,
    pub(super) description: &'static str,
    pub(super) resource: String,
    pub(super) accept_language: String,
}

/// Whether a browser asks on behalf of a person: who takes anything (`*/*`) is a program.
pub(super) fn wants_page(headers: &HeaderMap) -> bool {
    ranges(headers, ACCEPT)
        .any(|(range, quality)| range.eq_ignore_ascii_case("text/html") && quality > 0.0)
}

/// The languages that a request asks for.
pub(super) fn accept_language(headers: &HeaderMap) -> String {
    let asked = headers
        .get(ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok());
    asked
        .filter(|asked| asked.len() <= MAX_ACCEPT_LANGUAGE)
        .unwrap_or_default()
        .to_owned()
}

/// A text of a stranger's, as a person may be shown it: on one line, of letters that are seen and stand where they seem
/// to, and no more than `most` of them.
pub(super) fn plain(text: &str, most: usize) -> String {
    let mut plain = String::new();
    let mut letters = 0;
    let seen = text.chars().filter(|letter| !is_deceptive(*letter));
    for letter in seen.take(SCANNED) {
        let blank = letter.is_whitespace();
        if blank && (plain.is_empty() || plain.ends_with(' ')) {
            continue;
        }
        if letters == most {
            plain.truncate(plain.trim_end().len());
            plain.push('…');
            return plain;
        }
        plain.push(if blank { ' ' } else { letter });
        letters += 1;
    }
    plain.truncate(plain.trim_end().len());
    plain
}

impl Inner {
    /// The language that suits best (RFC 9110 §12.5.4, RFC 4647 §3.4).
    fn language(&self, asked: &str) -> &str {
        let mut headers = HeaderMap::new();
        if let Ok(asked) = HeaderValue::from_str(asked) {
            headers.insert(ACCEPT_LANGUAGE, asked);
        }
        let mut asked: Vec<_> = ranges(&headers, ACCEPT_LANGUAGE)
            .filter(|(_, quality)| *quality > 0.0)
            .collect();
        asked.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        let known = |tag: &str| {
            self.languages
                .iter()
                .find(|known| known.eq_ignore_ascii_case(tag))
        };
        let found = asked.iter().find_map(|(range, _)| {
            let mut tag = *range;
            loop {
                if let Some(found) = known(tag) {
                    return Some(found.as_str());
                }
                tag = tag.rsplit_once('-')?.0;
            }
        });
        found.or(self.settings.language.as_deref()).unwrap_or("en")
    }

    fn asked(&self, prompt: &ConsentPrompt, language: &str) -> Value {
        let scopes: Vec<Value> = prompt
            .scopes
            .iter()
            .map(|name| {
                let words = self.scope_words(name, language);
                context! { name, words }
            })
            .collect();
        let kind = match Url::parse(&prompt.redirect_uri) {
            // Whatever the scheme: a certificate for this machine vouches for nobody.
            Ok(url) if prompt.only_on_this_machine || is_loopback(&url) => "local",
            Ok(url) if url.scheme() == "https" => "web",
            _ => "app",
        };
        context! {
            brand => self.brand(&prompt.resource),
            action => &prompt.action,
            transaction => &prompt.transaction,
            form_token => &prompt.form_token,
            client => context! {
                id => &prompt.client_id,
                name => plain(&prompt.client_name, MAX_NAME),
                verified_domain => prompt.verified_domain.as_deref(),
            },
            redirect => context! {
                kind,
                uri => &prompt.redirect_uri,
                host => shown_host(&prompt.redirect_uri),
            },
            scopes,
            resource => &prompt.resource,
            sign_in_host => shown_host(&prompt.upstream_origin),
        }
    }

    fn scope_words(&self, name: &str, language: &str) -> Option<&String> {
        let key = format!("scope:{name}");
        let own = self.settings.strings.get(language);
        own.and_then(|own| own.get(&key))
            .or_else(|| self.settings.scopes.get(name))
    }

    fn brand(&self, resource: &str) -> Value {
        let name = self.settings.name.clone();
        let name = name.unwrap_or_else(|| shown_host(resource));
        context! { name, logo => self.settings.logo.as_deref() }
    }

    fn render(
        &self,
        environment: &Environment<'_>,
        template: &str,
        language: &str,
        content: Value,
    ) -> Result<String, Error> {
        let primary = language.split('-').next().unwrap_or_default();
        let dir = if RIGHT_TO_LEFT.contains(&primary) {
            "rtl"
        } else {
            "ltr"
        };
        let style = Value::from_safe_string(self.style.clone());
        let frame = context! { lang => language, dir, style };
        environment
            .get_template(template)?
            .render(context! { ..content, ..frame })
    }
}

/// The texts of every language, whole: what one lacks is taken from the operator's English, and then from ours.
type Words = BTreeMap<String, BTreeMap<String, String>>;

fn words(settings: &PageSettings) -> Result<Words, ConfigError> {
    let ours: BTreeMap<String, String> = ENGLISH
        .iter()
        .map(|(key, text)| ((*key).to_owned(), (*text).to_owned()))
        .collect();
    for (language, texts) in &settings.strings {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if language.is_empty() || language.len() > 35 || !language.bytes().all(fits) {
            return Err(ConfigError::new(format!(
                "`strings` has {language:?}, which is no language tag; expected one such as de or pt-BR"
            )));
        }
        for (key, text) in texts {
            if key.starts_with("scope:") {
                continue;
            }
            let Some(right) = ours.get(key) else {
                return Err(ConfigError::new(format!(
                    "`strings.{language}` has {key:?}, which is no text of the pages"
                )));
            };
            if let Some(hole) = holes(text).find(|hole| !holes(right).any(|known| known == *hole)) {
                return Err(ConfigError::new(format!(
                    "`strings.{language}.{key}` has {{{hole}}}, which is not filled in; the English text is {right:?}"
                )));
            }
        }
    }
    let mut english = ours;
    english.extend(settings.strings.get("en").cloned().unwrap_or_default());
    let mut words: Words = settings
        .strings
        .iter()
        .map(|(language, texts)| {
            let mut whole = english.clone();
            whole.extend(texts.clone());
            (language.clone(), whole)
        })
        .collect();
    words.insert("en".to_owned(), english);
    match &settings.language {
        Some(language) if !words.contains_key(language) => Err(ConfigError::new(format!(
            "`language` is {language:?}, of which `strings` has nothing"
        ))),
        _ => Ok(words),
    }
}

/// The names between braces.
fn holes(text: &str) -> impl Iterator<Item = &str> {
    text.split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(hole, _)| hole)
}

fn environment(
    templates: &BTreeMap<String, String>,
    words: Arc<Words>,
) -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // As the library does it, but for slashes, so that a URL can be read in the source.
    environment.set_formatter(|out, state, value| {
        if *state.auto_escape() == AutoEscape::Html && !value.is_safe() && !value.is_undefined() {
            Ok(out.write_str(&escape(&value.to_string()))?)
        } else {
            escape_formatter(out, state, value)
        }
    });
    for (name, source) in BUILT_IN {
        environment.add_template(name, source)?;
    }
    for (name, source) in templates {
        if !BUILT_IN.iter().any(|(known, _)| known == name) {
            return Err(Error::new(
                ErrorKind::TemplateNotFound,
                format!(
                    "`templates` has {name:?}; the pages have layout.html, consent.html, message.html and style.css"
                ),
            ));
        }
        environment.add_template_owned(name.clone(), source.clone())?;
    }
    environment.add_function(
        "say",
        move |state: &State<'_, '_>, key: &str, values: Kwargs| say(&words, state, key, &values),
    );
    Ok(environment)
}

/// A text in the page's language, filled in. What is filled in is isolated, so that it turns no word around it.
fn say(words: &Words, state: &State<'_, '_>, key: &str, values: &Kwargs) -> Result<Value, Error> {
    let language = state.lookup("lang");
    let language = language.as_ref().and_then(Value::as_str).unwrap_or("en");
    let text = words.get(language).and_then(|texts| texts.get(key));
    let text = text.ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidOperation,
            format!("the pages have no text {key:?}"),
        )
    })?;
    let mut said = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('{') {
        let Some((hole, after)) = after.split_once('}') else {
            break;
        };
        let value: Value = values.get(hole)?;
        said += &escape(before);
        said += &format!("<bdi>{}</bdi>", escape(&value.to_string()));
        rest = after;
    }
    Ok(Value::from_safe_string(said + &escape(rest)))
}

fn styled(settings: &PageSettings, environment: &Environment<'_>) -> Result<String, ConfigError> {
    let colour = |name: &str, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => Colour::read(text).map(Some).ok_or_else(|| {
            ConfigError::new(format!("`{name}` is {text:?}; expected #rgb or #rrggbb"))
        }),
    };
    let light = colour("accent", &settings.accent)?;
    let dark = colour("accent_dark", &settings.accent_dark)?.or(light);
    let (light, dark) = (light.unwrap_or(ACCENT), dark.unwrap_or(ACCENT_DARK));
    let accent = context! {
        light => light.to_string(),
        on_light => light.ink(),
        dark => dark.to_string(),
        on_dark => dark.ink(),
    };
    let style = environment
        .get_template("style.css")
        .and_then(|template| template.render(context! { accent }))
        .map_err(|error| refused(&error))?;
    if style.contains("</") {
        return Err(ConfigError::new("`style.css` has `</`, which ends it"));
    }
    // As a browser reads it, and hashes it.
    Ok(style.replace("\r\n", "\n").replace('\r', "\n"))
}

/// No script, no form but to ourselves, no frame, and of style and pictures only what is ours.
fn policy(settings: &PageSettings, style: &str) -> Result<HeaderValue, ConfigError> {
    let pictures = match &settings.logo {
        None => String::new(),
        Some(logo) => {
            let wrong = || {
                ConfigError::new("`logo` is neither an https URL nor a data:image/… URL".to_owned())
            };
            if !logo.bytes().all(|byte| byte.is_ascii_graphic()) || logo.len() > MAX_LOGO {
                return Err(wrong());
            }
            let url = Url::parse(logo).map_err(|_| wrong())?;
            match url.scheme() {
                "data" if url.path().starts_with("image/") => " img-src data:;".to_owned(),
                "https" => format!(" img-src {};", url.origin().ascii_serialization()),
                _ => return Err(wrong()),
            }
        }
    };
    let hash = base64(digest(&SHA256, style.as_bytes()).as_ref());
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}';{pictures} base-uri 'none'; frame-ancestors 'none'; \
         form-action 'self'"
    );
    HeaderValue::try_from(policy).map_err(|_| ConfigError::new("`logo` has no usable host"))
}

/// A colour.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Colour([u8; 3]);

impl Colour {
    fn read(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#')?.as_bytes();
        let digit = |at: usize| (digits[at] as char).to_digit(16);
        let parts: Option<Vec<u32>> = match digits.len() {
            3 => (0..3).map(|at| Some(digit(at)? * 17)).collect(),
            6 => (0..3)
                .map(|at| Some(digit(2 * at)? * 16 + digit(2 * at + 1)?))
                .collect(),
            _ => None,
        };
        let parts: Vec<u8> = parts?.into_iter().map(|part| part as u8).collect();
        Some(Self(parts.try_into().ok()?))
    }

    /// Black or white, whichever is easier to read on it: the contrast is 4.5 at least (WCAG 2.2 §1.4.3).
    fn ink(self) -> &'static str {
        let luminance = self.luminance();
        if 1.05 / (luminance + 0.05) >= 4.5 {
            "#fff"
        } else {
            "#000"
        }
    }

    /// WCAG 2.2, relative luminance.
    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 {
                part / 12.92
            } else {
                ((part + 0.055) / 1.055).powf(2.4)
            }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

/// The part of a URL that a person can judge: the host, with its port if that is unusual, or the scheme.
fn shown_host(url: &str) -> String {
    match Url::parse(url) {
        Ok(url) if url.has_host() && matches!(url.scheme(), "http" | "https") => {
            let host = url.host_str().unwrap_or_default();
            match url.port() {
                None => host.to_owned(),
                Some(port) => format!("{host}:{port}"),
            }
        }
        Ok(url) => format!("{}:", url.scheme()),
        Err(_) => String::new(),
    }
}

/// The members of a header that is a list with weights, and their weights.
fn ranges(headers: &HeaderMap, name: http::HeaderName) -> impl Iterator<Item = (&str, f32)> {
    let lines = headers.get_all(name).into_iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .take(MAX_RANGES)
        .map(|member| {
            let mut parts = member.split(';').map(str::trim);
            let range = parts.next().unwrap_or_default();
            let quality = parts.find_map(|part| part.strip_prefix("q="));
            (
                range,
                quality.map_or(1.0, |text| text.parse().unwrap_or(0.0)),
            )
        })
}

/// Letters that are not seen, or move others.
fn is_deceptive(letter: char) -> bool {
    let control = letter.is_control() && !letter.is_whitespace();
    control
        || matches!(letter,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffc}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// A template's fault, and where.
fn refused(error: &Error) -> ConfigError {
    let at = match (error.name(), error.line()) {
        (Some(name), Some(line)) => format!("`{name}`, line {line}: "),
        _ => String::new(),
    };
    ConfigError::new(format!("{at}{error}"))
}

fn sample(kind: &str) -> Value {
    let scope = context! { name => "a", words => "a" };
    context! {
        brand => context! { name => "a", logo => () },
        action => "https://a.example/consent",
        transaction => SAMPLE,
        form_token => SAMPLE,
        client => context! { id => "a", name => "a", verified_domain => () },
        redirect => context! { kind, uri => "https://a.example/", host => "a.example" },
        scopes => vec![scope],
        resource => "https://a.example/",
        sign_in_host => "a.example",
    }
}

const BUILT_IN: [(&str, &str); 4] = [
    ("layout.html", include_str!("pages/layout.html")),
    ("consent.html", include_str!("pages/consent.html")),
    ("message.html", include_str!("pages/message.html")),
    ("style.css", include_str!("pages/style.css")),
];
/// What may have gone wrong, as far as people are concerned.
const TOLD: [&str; 8] = [
    "failed",
    "unknown-client",
    "unknown-redirect",
    "expired",
    "other-browser",
    "busy",
    "away",
    "missing",
];
const SAMPLE: &str = "doorward-sample-text";
const ACCENT: Colour = Colour([0x2f, 0x5b, 0xd7]);
const ACCENT_DARK: Colour = Colour([0x8a, 0xa9, 0xff]);
const RIGHT_TO_LEFT: [&str; 10] = ["ar", "ckb", "dv", "fa", "he", "ku", "ps", "sd", "ur", "yi"];
/// Letters of a client's name.
pub(super) const MAX_NAME: usize = 80;
/// Letters of a stranger's text that are looked at.
const SCANNED: usize = 1024;
const MAX_LOGO: usize = 256 * 1024;
const MAX_ACCEPT_LANGUAGE: usize = 1024;
const MAX_RANGES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt() -> ConsentPrompt {
        ConsentPrompt {
            action: "https://mcp.notes.example/auth/consent".to_owned(),
            transaction: "the-transaction".to_owned(),
            form_token: "the-form-token".to_owned(),
            client_id: "Y2xpZW50LWlkLW9mLTQzLWxldHRlcnMtaW4tYmFzZTY0dXJs".to_owned(),
            client_name: "Claude Code".to_owned(),
            redirect_uri: "http://127.0.0.1:33418/callback".to_owned(),
            redirect_host: "http://127.0.0.1:33418".to_owned(),
            only_on_this_machine: true,
            scopes: vec!["notes:read".to_owned(), "notes:write".to_owned()],
            resource: "https://mcp.notes.example/mcp".to_owned(),
            upstream_origin: "https://accounts.notes.example".to_owned(),
            verified_domain: None,
            accept_language: String::new(),
            set_cookies: vec![HeaderValue::from_static("a=b")],
        }
    }

    fn settings() -> PageSettings {
        let mut settings = PageSettings::default();
        for (scope, words) in [
            ("notes:read", "Read your notes"),
            ("notes:write", "Write and change notes"),
            (
                "notes:delete",
                "Delete notes for good, attachments included",
            ),
        ] {
            settings.scopes.insert(scope.to_owned(), words.to_owned());
        }
        settings
    }

    fn shown(pages: &Pages, prompt: ConsentPrompt) -> (HeaderMap, String) {
        let response = pages.answer(Reply::Consent(Box::new(prompt)));
        let (parts, body) = response.into_parts();
        (parts.headers, String::from_utf8(body).unwrap())
    }

    fn failed(pages: &Pages, told: &'static str, language: &str) -> (u16, HeaderMap, String) {
        let mut response = Response::new(br#"{"error":"invalid_request"}"#.to_vec());
        *response.status_mut() = StatusCode::BAD_REQUEST;
        response.extensions_mut().insert(Screen {
            told,
            code: "invalid_request",
            description: "there is no such client",
            resource: "https://mcp.notes.example/mcp".to_owned(),
            accept_language: language.to_owned(),
        });
        let (parts, body) = pages.answer(Reply::Response(response)).into_parts();
        (
            parts.status.as_u16(),
            parts.headers,
            String::from_utf8(body).unwrap(),
        )
    }

    fn onward(pages: &Pages, told: &'static str, to: &str) -> (u16, HeaderMap, String) {
        let mut response = Response::new(Vec::new());
        *response.status_mut() = StatusCode::SEE_OTHER;
        response.headers_mut().insert(LOCATION, to.parse().unwrap());
        response
            .headers_mut()
            .append("set-cookie", "a=b".parse().unwrap());
        response.extensions_mut().insert(Screen {
            told,
            code: "",
            description: "",
            resource: "https://mcp.notes.example/mcp".to_owned(),
            accept_language: String::new(),
        });
        let (parts, body) = pages.answer(Reply::Response(response)).into_parts();
        (
            parts.status.as_u16(),
            parts.headers,
            String::from_utf8(body).unwrap(),
        )
    }

    /// The variants of which pictures were looked at. With `DOORWARD_PAGES=folder` they are written there.
    #[test]
    fn every_variant_is_rendered() {
        let pages = Pages::new(settings()).unwrap();
        let with = |change: &dyn Fn(&mut ConsentPrompt)| {
            let mut prompt = prompt();
            change(&mut prompt);
            shown(&pages, prompt).1
        };
        let web = |prompt: &mut ConsentPrompt| {
            prompt.only_on_this_machine = false;
            prompt.client_name = "Claude".to_owned();
            prompt.redirect_uri = "https://claude.ai/api/mcp/auth_callback".to_owned();
            prompt.redirect_host = "https://claude.ai".to_owned();
        };
        let hostile =
            "\u{202e}gro.elgoog\u{2066}<script>alert(1)</script>\u{0}\u{7}\"'&\u{200b}".repeat(200);
        let mut branded = settings();
        branded.name = Some("Acme Notes".to_owned());
        branded.accent = Some("#ffd400".to_owned());
        branded.logo = Some(
            "data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIHZpZXdCb3g9IjAgMCAzMiAzMiI+\
             PGNpcmNsZSBjeD0iMTYiIGN5PSIxNiIgcj0iMTYiIGZpbGw9IiNmZmQ0MDAiLz48L3N2Zz4="
                .to_owned(),
        );
        let branded = Pages::new(branded).unwrap();
        let variants = [
            ("local", with(&|_| ())),
            ("web", with(&web)),
            (
                "verified",
                with(&|prompt| {
                    web(prompt);
                    prompt.verified_domain = Some("claude.ai".to_owned());
                    prompt.client_id = "https://claude.ai/oauth/mcp-client".to_owned();
                }),
            ),
            (
                "app",
                with(&|prompt| {
                    prompt.only_on_this_machine = false;
                    prompt.client_name = "Cursor".to_owned();
                    prompt.redirect_uri = "cursor://anysphere.cursor-mcp/oauth/callback".to_owned();
                    prompt.redirect_host = "cursor:".to_owned();
                }),
            ),
            ("no-scopes", with(&|prompt| prompt.scopes.clear())),
            (
                "many-scopes",
                with(&|prompt| {
                    prompt.scopes.push("notes:delete".to_owned());
                    prompt
                        .scopes
                        .extend((0..20).map(|n| format!("workspace:area{n}:manage")));
                }),
            ),
            (
                "long",
                with(&|prompt| {
                    web(prompt);
                    prompt.client_name =
                        "Pneumonoultramicroscopicsilicovolcanoconiosis".repeat(200);
                    let host = "https://a-very-long-name-of-a-host.of-a-branch-office.in-a-country.example";
                    prompt.redirect_uri = format!("{host}/{}", "callback/".repeat(60));
                    prompt.redirect_host = host.to_owned();
                    prompt.scopes.push("s".repeat(300));
                }),
            ),
            (
                "hostile",
                with(&|prompt| prompt.client_name.clone_from(&hostile)),
            ),
            ("branded", shown(&branded, prompt()).1),
            ("error", failed(&pages, "unknown-client", "").2),
            (
                "onward",
                onward(&pages, "allowed", "https://accounts.notes.example/x").2,
            ),
        ];
        for (name, page) in &variants {
            assert!(
                page.starts_with("<!doctype html>") && page.ends_with("</html>"),
                "{name}"
            );
            assert!(
                !page.contains("<script") && !page.contains(" style="),
                "{name}"
            );
        }
        if let Some(folder) = std::env::var_os("DOORWARD_PAGES") {
            for (name, page) in variants {
                let path = std::path::Path::new(&folder).join(format!("{name}.html"));
                std::fs::write(path, page).unwrap();
            }
        }
    }

    #[test]
    fn style_is_ours_by_its_hash_and_nothing_else_runs_or_is_sent() {
        let pages = Pages::default();
        let (headers, page) = shown(&pages, prompt());
        let (_, rest) = page.split_once("<style>").unwrap();
        let (style, _) = rest.split_once("</style>").unwrap();
        let hash = base64(digest(&SHA256, style.as_bytes()).as_ref());
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
        );
        assert_eq!(headers[CONTENT_SECURITY_POLICY], policy);
        assert_eq!(headers["set-cookie"], "a=b");
        assert_eq!(headers[CACHE_CONTROL], "no-store");
        for logo in [
            "https://cdn.example:8443/logo.svg",
            "data:image/png;base64,AA==",
        ] {
            let settings = PageSettings {
                logo: Some(logo.to_owned()),
                ..PageSettings::default()
            };
            let (headers, page) = shown(&Pages::new(settings).unwrap(), prompt());
            let source = if logo.starts_with("data") {
                "data:"
            } else {
                "https://cdn.example:8443"
            };
            let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
            assert!(policy.contains(&format!("; img-src {source};")), "{policy}");
            assert!(page.contains(&format!(r#"<img src="{logo}""#)), "{page}");
        }
    }

    #[test]
    fn what_a_stranger_calls_himself_is_plain_text() {
        for (said, plain_said) in [
            ("  Claude \n\t Code ", "Claude Code"),
            ("a\u{202e}b\u{200b}c\u{0}d\u{e0041}", "abcd"),
            ("\u{3164}\u{2800}\u{ad}", ""),
            ("\u{3000}\u{a0}x", "x"),
            ("Заметки 📝", "Заметки 📝"),
        ] {
            assert_eq!(plain(said, 80), plain_said, "{said:?}");
        }
        assert_eq!(plain(&"ab ".repeat(4000), 4), "ab a…");
        assert_eq!(plain("abcd", 4), "abcd");
        assert_eq!(plain(&"\u{200b}".repeat(100_000), 4), "");
        let mut hostile = prompt();
        hostile.client_name = r#"</h1><img src=x onerror=alert(1)> " ' &amp;"#.to_owned();
        hostile.client_id = r#""><script>"#.to_owned();
        hostile.verified_domain = Some("<b>".to_owned());
        let (_, page) = shown(&Pages::default(), hostile);
        for raw in ["<img", "<script", "<b>"] {
            assert!(!page.contains(raw), "{raw}");
        }
        assert!(
            page.contains("&lt;/h1&gt;&lt;img src=x onerror=alert(1)&gt; &quot; &#39; &amp;amp;")
        );
    }

    #[test]
    fn where_the_answer_goes_is_said_as_people_can_judge_it() {
        for (uri, local, said, warned) in [
            ("https://claude.ai/cb", false, "<bdi>claude.ai</bdi>", false),
            (
                "https://xn--pple-43d.com:8443/cb",
                false,
                "<bdi>xn--pple-43d.com:8443</bdi>",
                false,
            ),
            (
                "http://127.0.0.1:33418/cb",
                true,
                "A program on this computer",
                true,
            ),
            (
                "http://[::1]:33418/cb",
                true,
                "<bdi>[::1]:33418</bdi>",
                true,
            ),
            (
                "https://localhost:3000/cb",
                false,
                "A program on this computer",
                true,
            ),
            (
                "cursor://anysphere/cb",
                false,
                "opens <bdi>cursor:</bdi> links",
                true,
            ),
            (
                "com.example.app:/cb",
                false,
                "opens <bdi>com.example.app:</bdi> links",
                true,
            ),
        ] {
            let mut prompt = prompt();
            prompt.redirect_uri = uri.to_owned();
            prompt.only_on_this_machine = local;
            let (_, page) = shown(&Pages::default(), prompt);
            assert!(page.contains(said), "{uri}: {page}");
            assert_eq!(page.contains(r#"class="warning""#), warned, "{uri}");
        }
    }

    #[test]
    fn people_read_their_own_language() {
        let mut settings = settings();
        let german = [
            ("consent:heading", "{client} möchte {brand} benutzen"),
            ("scope:notes:read", "Deine Notizen lesen"),
        ];
        let arabic = [("consent:allow", "السماح")];
        let owned = |texts: &[(&str, &str)]| {
            texts
                .iter()
                .map(|(key, text)| ((*key).to_owned(), (*text).to_owned()))
                .collect::<BTreeMap<_, _>>()
        };
        settings.strings.insert("de".to_owned(), owned(&german));
        settings.strings.insert("ar".to_owned(), owned(&arabic));
        let pages = Pages::new(settings).unwrap();
        let in_language = |asked: &str| {
            let mut prompt = prompt();
            prompt.accept_language = asked.to_owned();
            shown(&pages, prompt).1
        };
        for german in [
            "de",
            "de-AT,en;q=0.5",
            "fr, DE;q=0.9, en;q=0.8",
            "xx-de, de;q=0.1",
        ] {
            let page = in_language(german);
            assert!(page.contains(r#"<html lang="de" dir="ltr">"#), "{german}");
            assert!(
                page.contains(
                    "<bdi>Claude Code</bdi> möchte <bdi>mcp.notes.example</bdi> benutzen"
                )
            );
            assert!(
                page.contains("Deine Notizen lesen") && page.contains("Write and change notes")
            );
            assert!(page.contains(">Deny<"), "what is not translated is English");
        }
        for english in ["", "en", "de;q=0, fr", "*", ";;,,", "de;q=x"] {
            assert!(
                in_language(english).contains(r#"<html lang="en" dir="ltr">"#),
                "{english}"
            );
        }
        assert!(in_language("ar").contains(r#"<html lang="ar" dir="rtl">"#));
    }

    #[test]
    fn a_mistake_of_the_operators_is_told_at_the_start() {
        for (wrong, named) in [
            (r##"{"accent": "blue"}"##, "`accent`"),
            (r##"{"accent": "#12345"}"##, "`accent`"),
            (r##"{"accent_dark": "#12é"}"##, "`accent_dark`"),
            (r#"{"logo": "http://cdn.example/logo.png"}"#, "`logo`"),
            (r#"{"logo": "javascript:alert(1)"}"#, "`logo`"),
            (r#"{"logo": "data:text/html,x"}"#, "`logo`"),
            (
                r#"{"logo": "https://cdn.example/; script-src *"}"#,
                "`logo`",
            ),
            (r#"{"language": "de"}"#, "`language`"),
            (r#"{"strings": {"de_DE": {}}}"#, "language tag"),
            (
                r#"{"strings": {"de": {"consent:alow": "Ja"}}}"#,
                "consent:alow",
            ),
            (
                r#"{"strings": {"de": {"consent:allow": "{client}"}}}"#,
                "{client}",
            ),
            (r#"{"templates": {"consent.htm": ""}}"#, "consent.htm"),
            (
                r#"{"templates": {"consent.html": "{{ clent.name }}"}}"#,
                "`consent.html`, line 1",
            ),
            (
                r#"{"templates": {"consent.html": "{% if %}"}}"#,
                "`consent.html`, line 1",
            ),
            (
                r#"{"templates": {"consent.html": "{{ say('x') }}"}}"#,
                "no text",
            ),
            (r#"{"templates": {"consent.html": "<form>"}}"#, "form_token"),
            (
                r#"{"templates": {"message.html": "{{ nothing }}"}}"#,
                "`message.html`, line 1",
            ),
            (r#"{"templates": {"style.css": "</style>"}}"#, "`style.css`"),
        ] {
            let settings: PageSettings = serde_json::from_str(wrong).unwrap();
            let error = Pages::new(settings).expect_err(wrong).to_string();
            assert!(error.contains(named), "{wrong}: {error}");
        }
        assert!(serde_json::from_str::<PageSettings>(r#"{"colour": "red"}"#).is_err());
    }

    #[test]
    fn a_template_of_the_operators_takes_the_place_of_ours() {
        let template = "{% extends 'layout.html' %}{% block content %}<p>{{ client.name }} of us</p><form method=post \
                        action=\"{{ action }}\"><input name=transaction value=\"{{ transaction }}\"><input name=form_token \
                        value=\"{{ form_token }}\"><button name=\"decision\" value=\"allow\">Yes</button></form>{% endblock %}";
        let mut settings = settings();
        settings
            .templates
            .insert("consent.html".to_owned(), template.to_owned());
        settings.templates.insert(
            "style.css".to_owned(),
            "p { color: {{ accent.light }} }".to_owned(),
        );
        let pages = Pages::new(settings).unwrap();
        let mut prompt = prompt();
        prompt.client_name = "<Notebook>".to_owned();
        let (_, page) = shown(&pages, prompt);
        assert!(page.contains("<p>&lt;Notebook&gt; of us</p>"), "{page}");
        assert!(
            page.contains("<style>p { color: #2f5bd7 }</style>"),
            "{page}"
        );
    }

    #[test]
    fn the_text_on_a_colour_is_easy_to_read() {
        let contrast = |one: f64, other: f64| (one.max(other) + 0.05) / (one.min(other) + 0.05);
        for red in (0..=255).step_by(15) {
            for green in (0..=255).step_by(15) {
                for blue in (0..=255).step_by(15) {
                    let colour = Colour([red, green, blue]);
                    let ink = if colour.ink() == "#fff" { 1.0 } else { 0.0 };
                    assert!(contrast(colour.luminance(), ink) >= 4.5, "{colour}");
                }
            }
        }
        assert_eq!(Colour::read("#2af"), Colour::read("#22AAFF"));
    }

    #[test]
    fn every_text_of_what_went_wrong_is_there() {
        let pages = Pages::default();
        for told in TOLD {
            let (status, headers, page) = failed(&pages, told, "");
            assert_eq!(
                (status, &headers[CONTENT_TYPE]),
                (400, &HeaderValue::from_static("text/html; charset=utf-8"))
            );
            assert!(
                page.contains("<code>invalid_request</code> · there is no such client"),
                "{page}"
            );
        }
    }

    #[test]
    fn a_form_ends_here_and_the_page_goes_on_by_itself() {
        let to = "https://accounts.notes.example/oauth/authorize?a=b&c=d";
        let (status, headers, page) = onward(&Pages::default(), "allowed", to);
        assert_eq!((status, headers.get(LOCATION)), (200, None));
        assert_eq!(headers["set-cookie"], "a=b");
        let escaped = "https://accounts.notes.example/oauth/authorize?a=b&amp;c=d";
        assert!(
            page.contains(&format!(
                r#"<meta http-equiv="refresh" content="0; url={escaped}">"#
            )),
            "{page}"
        );
        assert!(page.contains(&format!(r#"href="{escaped}""#)));
        let (_, _, page) = onward(
            &Pages::default(),
            "denied",
            "cursor://cb?error=access_denied",
        );
        assert!(page.contains("<h1>Access was denied</h1>") && page.contains("<bdi>cursor:</bdi>"));
    }
}
