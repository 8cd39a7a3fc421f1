//! Redirect URIs: which may be registered, and which one a request may name (RFC 6749 §3.1.2, RFC 8252 §7,
//! RFC 9700 §4.1.3).

use url::Url;

use super::settings::is_loopback;

/// Whether a client may register this redirect URI; if not, why.
pub(super) fn check(uri: &str, custom_schemes: &[String]) -> Result<(), &'static str> {
    if uri.len() > MAX_LENGTH {
        return Err("a redirect URI is too long");
    }
    // What browsers and parsers read in different ways is not read at all.
    if !uri.bytes().all(|byte| byte.is_ascii_graphic()) || uri.contains(['\\', '*', '"', '<', '>'])
    {
        return Err("a redirect URI has a character that does not belong there");
    }
    if uri.contains('#') {
        return Err("a redirect URI has no fragment");
    }
    let url = Url::parse(uri).map_err(|_| "a redirect URI is no absolute URI")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a redirect URI has no userinfo");
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => return Err("a redirect URI with http is on a loopback host"),
        scheme if custom_schemes.iter().any(|own| own == scheme) => {}
        _ => return Err("the scheme of a redirect URI is not among those allowed"),
    }
    // One resource, one spelling: dot segments, capital hosts and default ports are refused, not mended.
    let bare = url.as_str().strip_suffix('/') == Some(uri);
    if url.as_str() != uri && !bare {
        return Err("a redirect URI is not in its normal form");
    }
    Ok(())
}

/// Whether a request may name `asked` where `registered` was registered: the same string, but that on a loopback host
/// the port may be another (RFC 8252 §7.3).
pub(super) fn matches(registered: &str, asked: &str) -> bool {
    registered == asked
        || match (loopback(registered), loopback(asked)) {
            (Some(registered), Some(asked)) => registered == asked,
            _ => false,
        }
}

/// Whether the operator may name this as a place that people are sent back to; if not, why.
pub(super) fn check_pattern(pattern: &str, custom_schemes: &[String]) -> Result<(), &'static str> {
    let stem = stem(pattern);
    if !stem.any_port {
        return check(stem.text, custom_schemes);
    }
    match loopback(stem.text) {
        Some((_, "")) => Ok(()),
        _ => Err("every port is allowed only on a loopback host, as in http://localhost:*"),
    }
}

/// Whether the operator lets people be sent back to `uri`, which was registered.
pub(super) fn allows(pattern: &str, uri: &str) -> bool {
    let stem = stem(pattern);
    if stem.any_port {
        return match (loopback(stem.text), loopback(uri)) {
            (Some((allowed, _)), Some((host, _))) => allowed == host,
            _ => false,
        };
    }
    if stem.any_path {
        let below = uri.strip_prefix(stem.text);
        return below.is_some_and(|rest| rest.starts_with('/'));
    }
    matches(stem.text, uri)
}

/// A place that the operator names, without its stars.
struct Stem<'p> {
    text: &'p str,
    any_port: bool,
    any_path: bool,
}

fn stem(pattern: &str) -> Stem<'_> {
    let (text, any_path) = match pattern.strip_suffix("/*") {
        Some(text) => (text, true),
        None => (pattern, false),
    };
    let (text, any_port) = match text.strip_suffix(":*") {
        Some(text) => (text, true),
        None => (text, false),
    };
    Stem {
        text,
        any_port,
        any_path,
    }
}

/// Whether this leads to the machine that the browser runs on.
pub(super) fn is_local(uri: &str) -> bool {
    loopback(uri).is_some()
}

/// Whether its host is the machine itself, whatever the scheme.
pub(super) fn is_loopback_host(uri: &str) -> bool {
    Url::parse(uri).is_ok_and(|url| is_loopback(&url))
}

/// `uri` with these parameters added to its query.
pub(super) fn with_query(uri: &str, parameters: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish();
    let glue = match uri.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some(_) => "&",
    };
    format!("{uri}{glue}{query}")
}

/// What a browser's policy calls the place that a redirect URI leads to: an origin, or a scheme.
pub(super) fn origin(uri: &str) -> String {
    match Url::parse(uri) {
        Ok(url) if url.has_host() && matches!(url.scheme(), "http" | "https") => {
            url.origin().ascii_serialization()
        }
        Ok(url) => format!("{}:", url.scheme()),
        Err(_) => String::new(),
    }
}

/// Host and what comes after the port, of `http` on a loopback host.
fn loopback(uri: &str) -> Option<(&str, &str)> {
    check(uri, &[]).ok()?;
    let rest = uri.strip_prefix("http://")?;
    let host = LOOPBACK_HOSTS
        .into_iter()
        .find(|host| rest.strip_prefix(host).is_some_and(ends_host))?;
    let rest = &rest[host.len()..];
    let Some(port_and_more) = rest.strip_prefix(':') else {
        return Some((host, rest));
    };
    let digits = port_and_more.bytes().take_while(u8::is_ascii_digit).count();
    let (port, rest) = port_and_more.split_at(digits);
    port.parse::<u16>().ok().filter(|port| *port > 0)?;
    Some((host, rest))
}

fn ends_host(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with([':', '/', '?'])
}

const LOOPBACK_HOSTS: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];
const MAX_LENGTH: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_registered() {
        let schemes = ["cursor".to_owned()];
        for uri in [
            "https://claude.ai/api/mcp/auth_callback",
            "https://app.example.com:8443/cb?x=1",
            "https://app.example.com",
            "http://127.0.0.1:33418/callback",
            "http://localhost/callback",
            "http://[::1]:1/callback",
            "cursor://anysphere.cursor-mcp/oauth/callback",
        ] {
            assert_eq!(check(uri, &schemes), Ok(()), "{uri}");
        }
        for uri in [
            "",
            "/callback",
            "app.example.com/cb",
            "https://",
            "https://app.example.com/cb#",
            "https://app.example.com/cb#x",
            "https://user@app.example.com/cb",
            "https://user:pass@app.example.com/cb",
            "https://@app.example.com/cb",
            "http://app.example.com/cb",
            "http://127.0.0.1.example.com/cb",
            "http://localhost.example.com/cb",
            "http://127.0.0.1@example.com/cb",
            "ftp://app.example.com/cb",
            "javascript:alert(1)",
            "data:text/html,x",
            "vscode://x/cb",
            "urn:ietf:wg:oauth:2.0:oob",
            "https://app.example.com/a/../cb",
            "https://app.example.com/%2e%2e/cb",
            "https://App.example.com/cb",
            "HTTPS://app.example.com/cb",
            "https://app.example.com:443/cb",
            "https://*.example.com/cb",
            "https:\\\\app.example.com\\cb",
            "https:app.example.com/cb",
            "https://app.example.com/c b",
            "https://app.example.com/\tcb",
            "https://app.example.com/c\u{e4}b",
            "http://127.1/cb",
            "http://0x7f000001/cb",
        ] {
            assert!(check(uri, &schemes).is_err(), "{uri}");
        }
        assert!(check(&format!("https://a.example/{}", "x".repeat(2048)), &[]).is_err());
    }

    #[test]
    fn a_request_names_exactly_what_was_registered() {
        let registered = "https://app.example.com/cb?x=1";
        assert!(matches(registered, registered));
        for near in [
            "https://app.example.com/cb",
            "https://app.example.com/cb?x=1&y=2",
            "https://app.example.com/cb?x=2",
            "https://app.example.com/cb/?x=1",
            "https://app.example.com/CB?x=1",
            "https://app.example.com:8443/cb?x=1",
            "http://app.example.com/cb?x=1",
            "https://app.example.com/./cb?x=1",
            "https://app.example.com/cb?x=1#",
            "https://app.example.com.evil.example/cb?x=1",
            "https://evil.example/https://app.example.com/cb?x=1",
            " https://app.example.com/cb?x=1",
        ] {
            assert!(!matches(registered, near), "{near}");
        }
    }

    #[test]
    fn on_a_loopback_host_the_port_may_be_another() {
        for (registered, asked) in [
            ("http://127.0.0.1/cb", "http://127.0.0.1:51234/cb"),
            ("http://127.0.0.1:3000/cb", "http://127.0.0.1:51234/cb"),
            ("http://localhost:3000/cb?x=1", "http://localhost/cb?x=1"),
            ("http://[::1]:3000/cb", "http://[::1]:4/cb"),
        ] {
            assert!(matches(registered, asked), "{asked}");
        }
        for (registered, asked) in [
            ("http://127.0.0.1:3000/cb", "http://127.0.0.1:51234/other"),
            ("http://127.0.0.1:3000/cb", "http://127.0.0.1:51234/cb?x"),
            ("http://127.0.0.1:3000/cb", "http://localhost:3000/cb"),
            ("http://127.0.0.1:3000/cb", "http://127.0.0.2:3000/cb"),
            ("http://127.0.0.1:3000/cb", "https://127.0.0.1:3000/cb"),
            ("http://127.0.0.1:3000/cb", "http://127.0.0.1:0/cb"),
            ("http://127.0.0.1:3000/cb", "http://127.0.0.1:99999/cb"),
            (
                "http://127.0.0.1:3000/cb",
                "http://127.0.0.1:@evil.example/cb",
            ),
            (
                "http://localhost:3000/cb",
                "http://localhost.evil.example:3000/cb",
            ),
            ("https://localhost:3000/cb", "https://localhost:4000/cb"),
            (
                "https://app.example.com:1/cb",
                "https://app.example.com:2/cb",
            ),
        ] {
            assert!(!matches(registered, asked), "{asked}");
        }
    }

    #[test]
    fn the_operator_may_name_where_people_are_sent_back_to() {
        for (pattern, uri) in [
            ("https://app.example.com/cb", "https://app.example.com/cb"),
            ("https://app.example.com/*", "https://app.example.com/cb"),
            (
                "https://app.example.com/a/*",
                "https://app.example.com/a/cb?x",
            ),
            ("http://localhost:*", "http://localhost:51234/callback"),
            ("http://localhost:*/*", "http://localhost/callback"),
            ("http://127.0.0.1:*", "http://127.0.0.1:1/cb"),
            ("http://127.0.0.1:3000/cb", "http://127.0.0.1:4000/cb"),
        ] {
            assert_eq!(check_pattern(pattern, &[]), Ok(()), "{pattern}");
            assert!(allows(pattern, uri), "{pattern} {uri}");
        }
        for (pattern, uri) in [
            ("https://app.example.com/cb", "https://app.example.com/cb/x"),
            (
                "https://app.example.com/*",
                "https://app.example.com.evil.example/cb",
            ),
            ("https://app.example.com/a/*", "https://app.example.com/b"),
            ("https://app.example.com/a/*", "https://app.example.com/ab"),
            ("http://localhost:*", "http://localhost.evil.example:1/cb"),
            ("http://localhost:*", "http://127.0.0.1:1/cb"),
            ("http://localhost:*", "https://localhost:1/cb"),
        ] {
            assert!(!allows(pattern, uri), "{pattern} {uri}");
        }
        for pattern in [
            "*",
            "https://*",
            "https://*.example.com/cb",
            "https://a.example:*",
            "http://a.example/*",
        ] {
            assert!(check_pattern(pattern, &[]).is_err(), "{pattern}");
        }
    }

    #[test]
    fn parameters_are_added_to_what_is_there() {
        let add = |uri| with_query(uri, &[("code", "a b&c")]);
        assert_eq!(
            add("https://a.example/cb"),
            "https://a.example/cb?code=a+b%26c"
        );
        assert_eq!(
            add("https://a.example/cb?x=1"),
            "https://a.example/cb?x=1&code=a+b%26c"
        );
        assert_eq!(add("cursor://cb?"), "cursor://cb?code=a+b%26c");
    }
}
