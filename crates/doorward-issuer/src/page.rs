//! The issuer's web page: what it is, what it publishes, and how to ask it for tokens.

use crate::defect::Defect;
use crate::fault::Fault;
use crate::issuer::DevIssuer;
use crate::mint::Kind;
use crate::requests::Endpoint;

/// The page, whole: no script, no font, nothing fetched.
pub(crate) fn page(issuer: &DevIssuer) -> String {
    let url = escape(&issuer.issuer());
    let faults: Vec<_> = Endpoint::ALL
        .into_iter()
        .map(|endpoint| (endpoint, issuer.fault_at(endpoint)))
        .filter(|(_, fault)| *fault != Fault::None)
        .collect();
    let everywhere =
        faults.len() == Endpoint::ALL.len() && faults.windows(2).all(|pair| pair[0].1 == pair[1].1);
    let said = |fault: &Fault| escape(&serde_json::to_string(fault).unwrap_or_default());
    let standing = match &faults[..] {
        [] => r#"<span class="well">all is well</span>"#.to_owned(),
        [(_, fault), ..] if everywhere => {
            format!(
                r#"<span class="ill">fault</span> <code>{}</code>"#,
                said(fault)
            )
        }
        faults => faults.iter().fold(String::new(), |all, (at, fault)| {
            format!(
                r#"{all}<span class="ill">{at}</span> <code>{}</code> "#,
                said(fault)
            )
        }),
    };
    let requests = Endpoint::ALL
        .map(|at| format!("{at} {}", issuer.requests(at)))
        .join(" · ");
    let keys: String =
        issuer.jwks()["keys"]
            .as_array()
            .into_iter()
            .flatten()
            .fold(String::new(), |rows, key| {
                let member = |name: &str| escape(key[name].as_str().unwrap_or_default());
                format!(
                    "{rows}<tr><td><code>{}</code><td>{}<td>{}",
                    member("kid"),
                    member("alg"),
                    member("kty")
                )
            });
    let list = |names: &mut dyn Iterator<Item = &'static str>| {
        names
            .map(|name| format!("<code>{name}</code>"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let fills = [
        ("{{style}}", STYLE.to_owned()),
        ("{{url}}", url),
        ("{{publishable_key}}", escape(&issuer.publishable_key())),
        ("{{standing}}", standing),
        ("{{keys}}", keys),
        (
            "{{kinds}}",
            list(&mut Kind::ALL.iter().map(|kind| kind.as_str())),
        ),
        (
            "{{defects}}",
            list(&mut Defect::ALL.iter().map(|defect| defect.as_str())),
        ),
        ("{{faults}}", list(&mut Fault::NAMES.into_iter())),
        (
            "{{endpoints}}",
            list(&mut Endpoint::ALL.iter().map(|endpoint| endpoint.as_str())),
        ),
        ("{{secret_key}}", escape(issuer.secret_key())),
        ("{{client}}", escape(&issuer.client().client_id)),
        ("{{requests}}", requests),
    ];
    fills.iter().fold(PAGE.to_owned(), |page, (hole, filling)| {
        page.replace(hole, filling)
    })
}

/// Where people sign in, who do not exist.
pub(crate) fn sign_in_page(
    issuer: &DevIssuer,
    hidden: &[(&str, &str)],
    scope: &str,
    sub: &str,
) -> String {
    let hidden = hidden.iter().fold(String::new(), |all, (name, value)| {
        format!(
            r#"{all}<input type="hidden" name="{name}" value="{}">"#,
            escape(value)
        )
    });
    let scopes = scope.split_whitespace().fold(String::new(), |all, scope| {
        format!("{all}<code>{}</code> ", escape(scope))
    });
    let fills = [
        ("{{style}}", STYLE.to_owned()),
        ("{{url}}", escape(&issuer.issuer())),
        ("{{hidden}}", hidden),
        ("{{scopes}}", scopes),
        ("{{sub}}", escape(sub)),
    ];
    fills
        .iter()
        .fold(SIGN_IN.to_owned(), |page, (hole, filling)| {
            page.replace(hole, filling)
        })
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

const PAGE: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Doorward · local issuer</title>
<style>{{style}}</style>
<main>
<header>
<h1>Doorward <small>local issuer</small></h1>
<p>{{standing}}</p>
</header>
<p class="note">Test keys, good for nothing else. Whoever reaches this page can mint any token.</p>
<section>
<h2>Issuer</h2>
<dl>
<dt>Issuer<dd><code>{{url}}</code>
<dt>Publishable key<dd><code>{{publishable_key}}</code>
<dt>Secret key<dd><code>{{secret_key}}</code>
<dt>Client<dd><code>{{client}}</code> · its secret is in <a href="/dev/state">/dev/state</a>
<dt>Keys<dd><a href="/.well-known/jwks.json">/.well-known/jwks.json</a>
<dt>Metadata<dd><a href="/.well-known/openid-configuration">/.well-known/openid-configuration</a>
<dt>Requests<dd>{{requests}} · <a href="/dev/requests">/dev/requests</a>
</dl>
</section>
<section>
<h2>Published keys</h2>
<table><thead><tr><th>kid<th>alg<th>kty<tbody>{{keys}}</table>
</section>
<section>
<h2>Mint a token</h2>
<pre>curl --json '{"sub": "user_ada", "org": {"permissions": ["org:posts:read"]}}' {{url}}/dev/mint
curl --json '{"kind": "oauth", "scopes": ["posts:read"], "aud": "https://api.test"}' {{url}}/dev/mint
curl --json '{"kind": "api_key", "scopes": ["posts:read"]}' {{url}}/dev/mint
curl --json '{"defect": "expired"}' {{url}}/dev/mint</pre>
<p>Kinds: {{kinds}}</p>
<p>Defects: {{defects}}</p>
</section>
<section>
<h2>Make trouble</h2>
<pre>curl --json '{"kind": "down"}' {{url}}/dev/fault
curl --json '{"kind": "slow", "milliseconds": 500}' {{url}}/dev/fault
curl --json '{"kind": "too_many_requests", "endpoint": "verify"}' {{url}}/dev/fault
curl --json '{"kind": "none"}' {{url}}/dev/fault
curl --json '{"overlapping": true}' {{url}}/dev/rotate</pre>
<p>Faults: {{faults}}</p>
<p>Endpoints: {{endpoints}}</p>
</section>
<section>
<h2>Ask about a token, and revoke it</h2>
<pre>curl -H "Authorization: Bearer {{secret_key}}" --json '{"secret": "ak_…"}' {{url}}/v1/api_keys/verify
curl -u {{client}}:… -d token=… {{url}}/oauth/introspect
curl --json '{"sid": "sess_2doorwardAda"}' {{url}}/dev/revoke
curl --json '{"url": "http://127.0.0.1:3000/logout", "sub": "user_ada"}' {{url}}/dev/backchannel</pre>
</section>
</main>
</html>
"#;

const SIGN_IN: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign in · Doorward · local issuer</title>
<style>{{style}}</style>
<main class="narrow">
<header>
<h1>Doorward <small>local issuer</small></h1>
</header>
<section>
<h2>Sign in</h2>
<p>Nobody is checked here: be whoever you like. It is the local issuer at <code>{{url}}</code>, in the place of your
provider.</p>
<form method="post" action="/oauth/authorize">
{{hidden}}
<label for="sub">User ID</label>
<input id="sub" name="sub" value="{{sub}}" required maxlength="200" autocomplete="username" spellcheck="false">
<p class="note">Scopes: {{scopes}}</p>
<div class="buttons">
<button class="primary" name="decision" value="allow">Sign in</button>
<button name="decision" value="deny" formnovalidate>Cancel</button>
</div>
</form>
</section>
</main>
</html>
"#;

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5b6570; --line: #dfe3e8; --edge: #868e98; --paper: #fafbfc; --card: #fff;
  --accent: #2f5bd7; --well: #1a7f4b; --ill: #b3341f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --soft: #9aa4af; --line: #2b3138; --edge: #6c7580; --paper: #111417;
  --card: #181c20; --accent: #8aa9ff; --well: #5fce94; --ill: #ff8a73; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 52rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
header { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: baseline; justify-content: space-between; }
h1 { margin: 0; font-size: 1.7rem; letter-spacing: -.02em; }
h1 small { color: var(--soft); font-weight: 400; }
h2 { margin: 0 0 .75rem; font-size: 1rem; }
header p { margin: 0; }
section { margin-top: 1.25rem; padding: 1.25rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; }
section > :last-child { margin-bottom: 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .35rem 1.25rem; margin: 0; }
dt, th { color: var(--soft); font-weight: 400; text-align: left; }
dd { margin: 0; overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; }
td, th { padding: .35rem 1rem .35rem 0; border-top: 1px solid var(--line); }
th { border-top: 0; }
code, pre { font: .875em/1.6 ui-monospace, monospace; }
pre { margin: 0 0 1rem; padding: .9rem 1rem; overflow-x: auto; background: var(--paper); border: 1px solid var(--line);
  border-radius: 8px; }
a { color: var(--accent); }
p { margin: 0 0 1rem; }
label { display: block; margin-bottom: .25rem; color: var(--soft); }
input { width: 100%; padding: .6rem .75rem; font: inherit; color: inherit; background: var(--paper);
  border: 1px solid var(--edge); border-radius: 8px; }
button { min-height: 2.75rem; padding: .5rem 1.25rem; font: inherit; font-weight: 600; color: inherit; cursor: pointer;
  background: none; border: 1px solid var(--edge); border-radius: 8px; }
.primary { color: var(--card); background: var(--accent); border-color: var(--accent); }
:focus-visible { outline: 3px solid var(--ink); outline-offset: 2px; }
.buttons { display: flex; flex-wrap: wrap; gap: .75rem; margin-top: 1.25rem; }
.narrow { max-width: 28rem; }
.note { margin: .5rem 0 0; color: var(--soft); }
.well, .ill { font-weight: 600; }
.well { color: var(--well); }
.ill { color: var(--ill); }
";
