//! The client against a server that answers, stalls, breaks off and lies.
#![cfg(feature = "client")]
#![allow(clippy::unwrap_used, reason = "a test may")]

mod server;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use doorward_clerk::{
    ApiError, Arguments, CallOptions, Clerk, ClerkConfig, ErrorKind, Field, Request, RetryPolicy,
    Table, Upload,
};
use doorward_core::Secret;
use serde_json::{Value, json};
use server::{Reply, Server};

const KEY: &str = "sk_test_planted_0123456789";

fn clerk_with(url: &str, change: impl FnOnce(&mut ClerkConfig)) -> Clerk {
    let mut config = ClerkConfig {
        secret_key: Some(Secret::new(KEY)),
        base_url: url.to_owned(),
        retry: RetryPolicy {
            pause: Duration::from_millis(4),
            ..RetryPolicy::default()
        },
        ..ClerkConfig::default()
    };
    change(&mut config);
    Clerk::with_config(config).unwrap()
}

fn clerk(server: &Server) -> Clerk {
    clerk_with(&server.url, |_| {})
}

fn answer(status: u16, body: impl Into<Value>) -> Reply {
    let json = vec![("content-type", "application/json".to_owned())];
    Reply::Answer(status, json, body.into().to_string().into_bytes())
}

fn answer_with(status: u16, header: (&'static str, &str), body: &str) -> Reply {
    Reply::Answer(status, vec![(header.0, header.1.to_owned())], body.into())
}

fn user() -> Reply {
    answer(200, json!({"id": "user_1", "object": "user"}))
}

#[tokio::test]
async fn a_request_is_as_the_api_wants_it() {
    let server = Server::replying([user()]).await;
    let update = clerk(&server).users().update("user_1");
    let user = update
        .first_name("Ada")
        .username(Field::Null)
        .send()
        .await
        .unwrap();
    assert_eq!(user.id(), Some("user_1"));
    let log = server.log();
    assert_eq!(
        (log[0].method.as_str(), log[0].target.as_str()),
        ("PATCH", "/v1/users/user_1")
    );
    assert_eq!(
        log[0].header("authorization"),
        Some(format!("Bearer {KEY}").as_str())
    );
    assert_eq!(log[0].header("clerk-api-version"), Some("2026-05-12"));
    assert_eq!(log[0].header("content-type"), Some("application/json"));
    let body: Value = serde_json::from_slice(&log[0].body).unwrap();
    assert_eq!(body, json!({"first_name": "Ada", "username": null}));
}

#[tokio::test]
async fn any_2xx_is_success() {
    for status in [200, 201, 202, 203, 206, 299] {
        let server = Server::replying([answer(status, json!({"id": "ak_1"}))]).await;
        let key = clerk(&server)
            .api_keys()
            .create()
            .name("x")
            .subject("user_1");
        assert_eq!(key.send().await.unwrap().id(), Some("ak_1"), "{status}");
    }
    let server = Server::replying([Reply::Answer(204, vec![], vec![])]).await;
    clerk(&server)
        .instance_settings()
        .update()
        .send()
        .await
        .unwrap();
    // An empty answer where an object is documented.
    let user = clerk(&server).users().get("user_1").send().await.unwrap();
    assert_eq!(user.id(), None);
}

#[tokio::test]
async fn a_429_is_waited_out_for_every_method() {
    let busy = answer_with(
        429,
        ("retry-after", "1"),
        r#"{"errors":[{"code":"rate_limit_exceeded"}]}"#,
    );
    let server = Server::replying([busy, user()]).await;
    let start = Instant::now();
    clerk(&server).users().create().send().await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(server.count("POST"), 2);
}

#[tokio::test]
async fn a_429_holds_everybody_back() {
    let busy = answer_with(429, ("retry-after", "3"), "{}");
    let server = Server::replying([busy, user()]).await;
    let clerk = clerk(&server);
    let request = Request::new("GET", "/users/user_1");
    let error = clerk.send(&request, &once()).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
    let others = (0..5).map(|_| {
        let clerk = clerk.clone();
        tokio::spawn(async move { clerk.users().get("user_1").send().await })
    });
    for other in others.collect::<Vec<_>>() {
        other.await.unwrap().unwrap();
    }
    let log = server.log();
    assert!(
        log[1..]
            .iter()
            .all(|arrived| arrived.at - log[0].at >= Duration::from_millis(2990))
    );
}

#[tokio::test]
async fn a_429_holds_nobody_back_with_another_key() {
    let busy = answer_with(429, ("retry-after", "3600"), "{}");
    let server = Server::replying([busy, user()]).await;
    let clerk = clerk(&server);
    let request = Request::new("GET", "/users/user_1");
    let error = clerk.send(&request, &once()).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    // No time for a minute's silence: it is not even tried.
    let error = clerk.users().get("user_1").send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
    assert!(!error.may_have_arrived());
    assert_eq!(server.log().len(), 1);
    // Another instance has a limit of its own.
    let other = clerk.users().get("user_1");
    let other = other.secret_key(Secret::new("sk_test_other")).send();
    assert_eq!(other.await.unwrap().id(), Some("user_1"));
}

fn once() -> CallOptions {
    CallOptions {
        retry: Some(RetryPolicy {
            attempts: 1,
            ..RetryPolicy::default()
        }),
        ..CallOptions::default()
    }
}

#[tokio::test]
async fn a_5xx_is_tried_again_only_where_that_is_safe() {
    for status in [500, 502, 503, 504] {
        let server = Server::replying([answer(status, json!({})), user()]).await;
        clerk(&server).users().get("user_1").send().await.unwrap();
        assert_eq!(server.count("GET"), 2, "{status}");

        let server = Server::replying([answer(status, json!({})), user()]).await;
        let error = clerk(&server).users().create().send().await.unwrap_err();
        assert_eq!(
            (error.kind(), error.status()),
            (ErrorKind::Refused, Some(status))
        );
        assert!(error.may_have_arrived());
        assert_eq!(server.count("POST"), 1, "{status}");
    }
    let server = Server::replying([answer(503, json!({}))]).await;
    let error = clerk(&server)
        .users()
        .get("user_1")
        .send()
        .await
        .unwrap_err();
    assert_eq!((error.attempts(), server.count("GET")), (4, 4));
}

/// However the connection dies once bytes have left, a POST is sent once: the server's log says so.
#[tokio::test]
async fn a_post_is_never_sent_twice_after_bytes_left() {
    for reply in [
        Reply::Close,
        Reply::CloseInBody(200),
        Reply::CloseInBody(500),
        Reply::Hang,
    ] {
        let hangs = matches!(reply, Reply::Hang);
        let server = Server::replying([reply.clone(), user()]).await;
        let mut create = clerk(&server).users().create().first_name("Ada");
        if hangs {
            create = create.deadline(Duration::from_secs(2));
        }
        let error = create.send().await.unwrap_err();
        let expected = match hangs {
            true => ErrorKind::TimedOut,
            false => ErrorKind::Interrupted,
        };
        assert_eq!(error.kind(), expected, "{reply:?}: {error}");
        assert!(error.may_have_arrived(), "{reply:?}");
        assert_eq!(error.attempts(), 1, "{reply:?}");
        // A machine may be so slow that nothing of it has arrived after two seconds.
        assert!(server.log().len() <= 1, "{reply:?}");
        assert!(hangs || server.log().len() == 1, "{reply:?}");

        let server = Server::replying([reply.clone(), user()]).await;
        let impatient = clerk_with(&server.url, |config| {
            if hangs {
                config.attempt_timeout = Duration::from_secs(3);
            }
        });
        impatient.users().get("user_1").send().await.unwrap();
        assert!(server.count("GET") >= 2, "{reply:?}");
    }
}

#[tokio::test]
async fn a_connection_that_died_at_rest_costs_a_post_at_most_one_attempt() {
    let gone = Reply::AnswerAndClose(200, br#"{"id":"user_1"}"#.to_vec());
    let server = Server::replying([gone]).await;
    let clerk = clerk(&server);
    for round in 0..20 {
        let before = server.count("POST");
        let result = clerk.users().create().send().await;
        let sent = server.count("POST") - before;
        assert!(sent <= 1, "round {round}: sent {sent} times");
        assert!(sent == 1 || result.is_err(), "round {round}");
    }
}

/// The connection is a good one, it has served before; it dies with the request on it. A pool that takes this for a
/// connection that died at rest would send the request again on another.
#[tokio::test]
async fn a_post_on_a_connection_that_is_kept_is_sent_once_too() {
    for reply in [Reply::Close, Reply::CloseInBody(200)] {
        let server = Server::replying([user(), reply.clone(), user()]).await;
        let clerk = clerk(&server);
        clerk.users().create().send().await.unwrap();
        let error = clerk.users().create().send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted, "{reply:?}");
        assert!(error.may_have_arrived() && error.attempts() == 1);
        let log = server.log();
        assert_eq!(log.len(), 2, "{reply:?}");
        assert_eq!(log[0].connection, log[1].connection, "the same was kept");
    }
}

#[tokio::test]
async fn what_an_earlier_attempt_may_have_done_is_not_forgotten() {
    let gone = || answer(404, json!({"errors": [{"code": "resource_not_found"}]}));
    let server = Server::replying([Reply::Close, gone()]).await;
    let delete = clerk(&server).users().delete("user_1");
    let error = delete.send().await.unwrap_err();
    assert_eq!((error.status(), error.attempts()), (Some(404), 2));
    assert!(error.may_have_arrived(), "the first may have deleted it");
    let server = Server::replying([gone()]).await;
    let delete = clerk(&server).users().delete("user_1");
    assert!(!delete.send().await.unwrap_err().may_have_arrived());
}

#[tokio::test]
async fn no_setting_is_beyond_arithmetic() {
    let server = Server::replying([Reply::Close, user()]).await;
    let endless = clerk_with(&server.url, |config| {
        config.deadline = Duration::MAX;
        config.attempt_timeout = Duration::MAX;
        config.connect_timeout = Duration::MAX;
        config.max_response_bytes = usize::MAX;
        config.retry.longest_pause = Duration::MAX;
    });
    let user = endless.users().get("user_1").send().await.unwrap();
    assert_eq!((user.id(), server.count("GET")), (Some("user_1"), 2));
    let hasty = endless.users().create().deadline(Duration::ZERO);
    let error = hasty.send().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::TimedOut, 0));
    assert!(!error.may_have_arrived() && server.count("POST") == 0);
}

/// Whoever writes a path of their own and puts somebody else's id in it asks for nothing but what is written there.
#[tokio::test]
async fn a_path_of_ones_own_is_sent_as_it_is_or_not_at_all() {
    let server = Server::replying([user()]).await;
    let clerk = clerk(&server);
    for path in [
        "users",
        "",
        "@evil.example/",
        ":1@evil.example/",
        "/users/../instance",
        "/users/..",
        "/users/.",
        "/users/%2e%2E/instance",
        "/users/.%2e/instance",
        "/users/..\\instance",
        "/users\\..",
        "/users/a b",
        "/users/a\nb",
        "/users/ä",
        "/users/a#b",
    ] {
        for method in ["GET", "POST"] {
            let request = Request::new(method, path);
            let error = clerk.send(&request, &CallOptions::default()).await;
            let error = error.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Arguments, "{path:?}");
            assert!(!error.may_have_arrived());
        }
    }
    assert_eq!(server.log().len(), 0);
    let request = Request::new("GET", "/users/a.b/...?x=../y").query("z", "../+");
    clerk.send(&request, &CallOptions::default()).await.unwrap();
    assert_eq!(
        server.log()[0].target,
        "/v1/users/a.b/...?x=../y&z=..%2F%2B"
    );
}

/// One client for a whole process, as in tests that bring a runtime each, or a server with one for each core.
#[test]
fn a_client_outlives_its_runtimes() {
    let home = tokio::runtime::Runtime::new().unwrap();
    let server = home.block_on(Server::replying([user()]));
    let clerk = clerk(&server);
    for round in 0..10 {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        // With POST, which nothing repeats.
        let user = runtime.block_on(clerk.users().create().send());
        assert_eq!(user.unwrap().id(), Some("user_1"), "{round}");
        drop(runtime);
        let user = clerk.users().create().send_blocking();
        assert_eq!(user.unwrap().id(), Some("user_1"), "{round}");
    }
    assert_eq!(server.count("POST"), 20);
}

/// A call that is given up in the middle leaves the client as it was.
#[tokio::test]
async fn a_future_that_is_dropped_holds_nobody_back() {
    let server = Server::deciding(|arrived| match arrived.target.ends_with("/slow") {
        true => Reply::Hang,
        false => user(),
    });
    let server = server.await;
    let clerk = clerk(&server);
    let first = clerk.users().get("slow").send();
    let arrived = async {
        while server.log().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        answer = first => panic!("{answer:?}"),
        () = arrived => {}
    }
    fn sendable<T: Send + 'static>(future: T) -> T {
        future
    }
    let next = sendable(clerk.users().create().send());
    assert_eq!(next.await.unwrap().id(), Some("user_1"));
    let pages = clerk.users().list().pages();
    drop(sendable(async move { pages.all().await }));
}

#[tokio::test]
async fn without_a_connection_even_a_post_is_tried_again() {
    let error = clerk_with("http://127.0.0.1:1", |_| {})
        .users()
        .create()
        .send()
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.attempts()),
        (ErrorKind::Unreachable, 4)
    );
    assert!(!error.may_have_arrived());
}

/// Not before it is over, and before what is waited for otherwise: 50 seconds, an hour.
#[tokio::test]
async fn the_deadline_is_kept() {
    let server = Server::replying([Reply::Hang]).await;
    let clerk = clerk_with(&server.url, |config| {
        config.deadline = Duration::from_secs(50);
        config.attempt_timeout = Duration::from_secs(50);
    });
    let start = Instant::now();
    let get = clerk.users().get("user_1").deadline(Duration::from_secs(2));
    let error = get.send().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::TimedOut, 1));
    let took = start.elapsed();
    assert!(
        took >= Duration::from_secs(2) && took < Duration::from_secs(40),
        "{took:?}"
    );
    let late = answer_with(503, ("retry-after", "3600"), "{}");
    let server = Server::replying([late]).await;
    let clerk = clerk_with(&server.url, |_| {});
    let error = clerk.users().get("u").send().await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    assert_eq!((error.status(), error.attempts()), (Some(503), 1));
}

#[tokio::test]
async fn an_error_says_all_that_the_api_said() {
    let body = json!({
        "errors": [
            {"code": "form_identifier_exists", "message": "taken", "long_message": "That is taken.",
             "meta": {"param_name": "email_address", "more": 1}},
            {"code": "second"},
            "not an error",
        ],
        "clerk_trace_id": "trace_1",
    });
    let server = Server::replying([answer(422, body)]).await;
    let error = clerk(&server).users().create().send().await.unwrap_err();
    assert_eq!(
        (error.status(), error.code()),
        (Some(422), Some("form_identifier_exists"))
    );
    assert!(error.has_code("second") && !error.may_have_arrived());
    let detail = &error.errors()[0];
    assert_eq!(detail.param_name.as_deref(), Some("email_address"));
    assert_eq!(detail.long_message.as_deref(), Some("That is taken."));
    assert_eq!(detail.meta.as_ref().unwrap()["more"], 1);
    assert_eq!(error.trace_id().as_deref(), Some("trace_1"));
    assert_eq!(
        error.to_string(),
        "POST /users: answered 422: form_identifier_exists (email_address): That is taken.; second \
         [trace trace_1]"
    );
}

#[tokio::test]
async fn what_is_not_json_is_kept() {
    let html = "<html>Bad gateway</html>";
    let edge = answer_with(502, ("cf-ray", "ray_1"), html);
    let server = Server::replying([edge]).await;
    let error = clerk(&server).users().create().send().await.unwrap_err();
    assert_eq!((error.status(), error.errors().len()), (Some(502), 0));
    assert_eq!(error.trace_id().as_deref(), Some("ray_1"));
    assert_eq!(error.response().unwrap().text(), html);

    let server = Server::replying([answer_with(200, ("content-type", "text/html"), html)]).await;
    let error = clerk(&server).users().create().send().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.status()),
        (ErrorKind::Unreadable, Some(200))
    );
    assert!(error.may_have_arrived());
    assert_eq!(error.response().unwrap().text(), html);
    let page = clerk(&server)
        .miscellaneous()
        .get_public_interstitial()
        .send()
        .await;
    assert_eq!(page.unwrap(), html);
}

#[tokio::test]
async fn a_413_that_comes_early_is_heard() {
    let body = br#"{"errors":[{"code":"payload_too_large"}]}"#.to_vec();
    let server = Server::replying([Reply::EarlyAnswer(413, vec![], body)]).await;
    let request = Request::new("POST", "/early").with_json("x".repeat(4 << 20));
    let sent = clerk(&server).send(&request, &CallOptions::default()).await;
    let error = sent.unwrap_err();
    assert_eq!(
        (error.status(), error.code()),
        (Some(413), Some("payload_too_large"))
    );
    assert_eq!(server.count("POST"), 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let trap = Server::replying([user()]).await;
    for status in [301, 302, 307, 308] {
        let there = format!("{}/v1/users", trap.url);
        let server = Server::replying([answer_with(status, ("location", &there), "")]).await;
        let error = clerk(&server).users().create().send().await.unwrap_err();
        assert_eq!(error.status(), Some(status));
        let error = clerk(&server)
            .users()
            .get("user_1")
            .send()
            .await
            .unwrap_err();
        assert_eq!(error.status(), Some(status));
    }
    assert_eq!(trap.log().len(), 0);
}

#[tokio::test]
async fn an_answer_has_a_limit() {
    let server = Server::replying([answer(200, json!({"id": "x".repeat(5000)}))]).await;
    let small = clerk_with(&server.url, |config| config.max_response_bytes = 4096);
    let error = small.users().get("user_1").send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreadable);
    let server = Server::replying([answer(404, json!({"errors": ["x".repeat(600_000)]}))]).await;
    let error = clerk(&server)
        .users()
        .get("user_1")
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.status(), Some(404));
    assert!(error.response().unwrap().bytes().len() <= 256 * 1024);
}

#[tokio::test]
async fn a_bomb_is_not_unpacked() {
    let server = Server::replying([answer_with(200, ("content-encoding", "gzip"), "xx")]).await;
    let error = clerk(&server)
        .users()
        .get("user_1")
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreadable);
}

#[tokio::test]
async fn keys_go_where_they_belong() {
    let server = Server::replying([answer(201, json!({"id": "mt_1"}))]).await;
    let used = |index: usize| {
        server.log()[index]
            .header("authorization")
            .map(str::to_owned)
    };
    let bearer = |key: &str| Some(format!("Bearer {key}"));
    let error = clerk(&server).m2m().create().send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Arguments);
    let both = clerk_with(&server.url, |config| {
        config.machine_secret_key = Some(Secret::new("ak_machine"));
    });
    both.m2m().create().send().await.unwrap();
    assert_eq!(used(0), bearer("ak_machine"));
    both.m2m().verify().token("mt_x").send().await.unwrap();
    assert_eq!(used(1), bearer(KEY));
    let machine = clerk_with(&server.url, |config| {
        config.machine_secret_key = config.secret_key.take();
    });
    machine.m2m().verify().token("mt_x").send().await.unwrap();
    assert_eq!(used(2), bearer(KEY));
    let error = machine.users().get("user_1").send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Arguments);
    let other = both
        .users()
        .get("user_1")
        .secret_key(Secret::new("sk_test_other"));
    other.send().await.unwrap();
    assert_eq!(used(3), bearer("sk_test_other"));
    both.miscellaneous()
        .get_public_interstitial()
        .send()
        .await
        .unwrap();
    assert_eq!(used(4), None);
}

#[tokio::test]
async fn no_key_is_ever_shown() {
    let server = Server::replying([answer(
        401,
        json!({"errors": [{"code": "authentication_invalid"}]}),
    )])
    .await;
    let clerk = clerk(&server);
    let call = clerk.users().update("user_1").password("hunter2");
    let mut options = CallOptions {
        secret_key: Some(Secret::new(KEY)),
        ..CallOptions::default()
    };
    let bearer = format!("Bearer {KEY}").parse().unwrap();
    options.headers.insert("authorization", bearer);
    let shown = format!(
        "{clerk:?} {call:?} {options:?} {:?} {:?}",
        clerk.config(),
        call.request().unwrap()
    );
    let error = call.send().await.unwrap_err();
    let shown = format!("{shown} {error} {error:?} {:?}", error.response());
    for secret in [KEY, "hunter2", "user_1"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[tokio::test]
async fn a_file_is_uploaded() {
    let server = Server::replying([answer(503, json!({})), user()]).await;
    let file = Upload {
        file_name: "a \"b\".png".to_owned(),
        content_type: "image/png".to_owned(),
        bytes: vec![0, 159, 146, 150],
    };
    let upload = clerk(&server).organizations().upload_logo("org_1");
    upload
        .file(file)
        .uploader_user_id("user_1")
        .send()
        .await
        .unwrap();
    let log = server.log();
    assert_eq!((log.len(), log[1].method.as_str()), (2, "PUT"));
    assert!(
        log[1]
            .header("content-type")
            .unwrap()
            .starts_with("multipart/form-data; boundary=")
    );
    let body = String::from_utf8_lossy(&log[1].body);
    assert!(
        body.contains("name=\"file\"; filename=\"a \\\"b\\\".png\"\r\n"),
        "{body}"
    );
    assert!(
        body.contains("image/png") && body.contains("uploader_user_id"),
        "{body}"
    );
    assert!(
        log[1]
            .body
            .windows(4)
            .any(|window| window == [0, 159, 146, 150])
    );
}

#[tokio::test]
async fn lists_are_walked_to_their_end() {
    let server = Server::deciding(|arrived| {
        let parameter = |name: &str| {
            let query = arrived.target.split_once('?')?.1;
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs
                .find(|(known, _)| *known == name)
                .map(|(_, value)| value.to_owned())
        };
        let number = |name| parameter(name).and_then(|text| text.parse::<usize>().ok());
        let after = parameter("starting_after").and_then(|id| id.strip_prefix("x_")?.parse().ok());
        let start = after.map_or_else(|| number("offset").unwrap_or(0), |last: usize| last + 1);
        let end = (start + number("limit").unwrap_or(10)).min(1234);
        let items: Vec<Value> = (start..end)
            .map(|id| json!({"id": format!("x_{id}")}))
            .collect();
        match arrived.target.starts_with("/v1/users?") {
            true => answer(200, items),
            false => answer(200, json!({"data": items, "total_count": 1234})),
        }
    })
    .await;
    let clerk = clerk(&server);
    let users = clerk.users().list().pages().all().await.unwrap();
    assert_eq!(users.len(), 1234);
    assert_eq!(users[1233].id(), Some("x_1233"));
    assert!(server.log()[1].target.contains("starting_after=x_499"));
    let mut pages = clerk.organizations().list().limit(100).pages();
    let mut seen = 0;
    while let Some(organization) = pages.next().await.unwrap() {
        assert_eq!(organization.id(), Some(format!("x_{seen}").as_str()));
        seen += 1;
    }
    assert_eq!((seen, pages.total_count()), (1234, Some(1234)));
    let page = clerk.organizations().list().send().await.unwrap();
    assert_eq!((page.len(), page.total_count), (10, Some(1234)));
}

#[tokio::test]
async fn what_a_walk_hands_out_may_be_deleted() {
    let left = Mutex::new((0..7).map(|id| format!("x_{id}")).collect::<Vec<_>>());
    let server = Server::deciding(move |arrived| {
        let mut left = left.lock().unwrap();
        if arrived.method == "DELETE" {
            left.retain(|id| !arrived.target.ends_with(id));
            return answer(200, json!({"deleted": true}));
        }
        let after = arrived.target.split_once("starting_after=");
        let start = match after.map(|(_, id)| left.iter().position(|known| known == id)) {
            None => 0,
            Some(Some(at)) => at + 1,
            Some(None) => return answer(404, json!({"errors": []})),
        };
        let page = left.iter().skip(start).take(2);
        answer(200, page.map(|id| json!({ "id": id })).collect::<Vec<_>>())
    })
    .await;
    let clerk = clerk(&server);
    let mut pages = clerk.users().list().limit(2).pages();
    let mut seen = 0;
    while let Some(user) = pages.next().await.unwrap() {
        clerk
            .users()
            .delete(user.id().unwrap())
            .send()
            .await
            .unwrap();
        seen += 1;
    }
    assert_eq!(seen, 7);
}

#[tokio::test]
async fn an_error_of_a_walk_comes_after_what_came_before_it() {
    let calls = AtomicUsize::new(0);
    let server = Server::deciding(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => answer(200, json!([{"id": "x_0"}, {"id": "x_1"}])),
        1 => answer(400, json!({"errors": []})),
        _ => answer(200, json!([{"id": "x_2"}])),
    })
    .await;
    let clerk = clerk(&server);
    let mut pages = clerk.users().list().limit(2).pages();
    let mut told = Vec::new();
    for _ in 0..5 {
        told.push(match pages.next().await {
            Ok(user) => user.map(|user| user.id().unwrap().to_owned()),
            Err(error) => error.status().map(|status| status.to_string()),
        });
    }
    let wanted = [Some("x_0"), Some("x_1"), Some("400"), Some("x_2"), None];
    assert_eq!(
        told.iter().map(Option::as_deref).collect::<Vec<_>>(),
        wanted
    );
}

/// With POST, which nothing repeats: several threads of our own may start at once, and none takes another's connections
/// with it when it ends.
#[test]
fn threads_can_call_too() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(Server::replying([user()]));
    let clerk = clerk(&server);
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let clerk = clerk.clone();
            std::thread::spawn(move || {
                for _ in 0..25 {
                    let user = clerk.users().create().send_blocking().unwrap();
                    assert_eq!(user.id(), Some("user_1"));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(server.log().len(), 200);
    let operation = Table::get().find("users", "get").unwrap();
    let arguments = Arguments::new().set("user_id", "user_1");
    let answer = clerk.call_blocking(operation, arguments, CallOptions::default());
    assert_eq!(answer.unwrap().json().unwrap()["id"], "user_1");
}

#[test]
fn a_call_that_was_started_can_be_stopped() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(Server::replying([Reply::Hang]));
    let clerk = clerk(&server);
    let (sender, receiver) = mpsc::channel::<Result<_, ApiError>>();
    let request = Request::new("GET", "/users/user_1");
    let started = clerk.start(request, CallOptions::default(), move |result| {
        sender.send(result).unwrap();
    });
    started.unwrap().cancel();
    // The callback is dropped, and with it the sender.
    let waited = receiver.recv_timeout(Duration::from_secs(60));
    assert_eq!(waited.unwrap_err(), mpsc::RecvTimeoutError::Disconnected);
}

#[test]
fn an_operators_mistake_is_named() {
    let with = |change: fn(&mut ClerkConfig)| {
        let mut config = ClerkConfig {
            secret_key: Some(Secret::new(KEY)),
            ..ClerkConfig::default()
        };
        change(&mut config);
        Clerk::with_config(config).unwrap_err().to_string()
    };
    for (error, word) in [
        (
            with(|config| config.secret_key = Some(Secret::new(""))),
            "empty",
        ),
        (
            with(|config| config.secret_key = Some(Secret::new(format!("{KEY}\n")))),
            "line breaks",
        ),
        (
            with(|config| config.base_url = "http://api.example.com".to_owned()),
            "plain http",
        ),
        (
            with(|config| config.base_url = "api.clerk.com".to_owned()),
            "not a URL",
        ),
        (
            with(|config| config.base_url = "https://x.example/v1?a=b".to_owned()),
            "query",
        ),
        (
            with(|config| config.api_version = "\n".to_owned()),
            "version",
        ),
    ] {
        assert!(error.contains(word), "{error}");
        assert!(!error.contains(KEY), "{error}");
    }
    for (base_url, there) in [
        ("https://api.clerk.com", "https://api.clerk.com/v1/users"),
        ("https://api.clerk.com/", "https://api.clerk.com/v1/users"),
        ("https://api.clerk.com/v1", "https://api.clerk.com/v1/users"),
        (
            "https://api.clerk.com/v1/",
            "https://api.clerk.com/v1/users",
        ),
        ("http://127.0.0.1:1/x", "http://127.0.0.1:1/x/users"),
    ] {
        let clerk = clerk_with(base_url, |_| {});
        assert_eq!(clerk.url(&Request::new("GET", "/users")), there);
    }
}
