//! A browser's and a client's hands.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use reqwest::redirect::Policy;
use tokio::net::TcpListener;
use url::Url;

/// The value of an attribute that follows this text in a page, as it is where nothing has to be escaped.
pub(crate) fn attribute<'p>(page: &'p str, before: &str) -> &'p str {
    let (_, rest) = page
        .split_once(before)
        .unwrap_or_else(|| panic!("no {before} in {page}"));
    rest.split_once('"').unwrap().0
}

pub(crate) fn client() -> reqwest::Client {
    let builder = reqwest::Client::builder()
        .redirect(Policy::none())
        .no_proxy();
    builder.timeout(Duration::from_secs(10)).build().unwrap()
}

pub(crate) async fn serve(listener: TcpListener, router: Router) {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).await.unwrap();
}

pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

pub(crate) fn cookie(response: &reqwest::Response) -> String {
    let mut cookies = response.headers().get_all("set-cookie").iter();
    let set = cookies.rfind(|cookie| !cookie.to_str().unwrap().contains("Max-Age=0"));
    set.unwrap()
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned()
}

pub(crate) fn location(response: &reqwest::Response) -> Url {
    assert_eq!(response.status(), 303);
    Url::parse(response.headers()["location"].to_str().unwrap()).unwrap()
}

pub(crate) fn parameter(url: &Url, name: &str) -> String {
    let found = url.query_pairs().find(|(key, _)| key == name);
    found
        .unwrap_or_else(|| panic!("no {name} in {url}"))
        .1
        .into_owned()
}

pub(crate) async fn post_form(
    client: &reqwest::Client,
    url: &str,
    fields: &[(&str, &str)],
    cookie: &str,
) -> reqwest::Response {
    let request = client
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded");
    request
        .header("cookie", cookie)
        .body(form(fields))
        .send()
        .await
        .unwrap()
}
