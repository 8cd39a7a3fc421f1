//! What the inbox and the tables promise, on SQLite and on PostgreSQL alike.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use doorward_core::Timestamp;
use doorward_sync::{
    Database, Handled, Handler, HandlerError, Inbox, InboxSettings, Message, Outlet, Replay,
    Schema, SyncError, Tables, Transaction, Turn, Verdict, Worker,
};
use serde_json::json;
use support::events::{deleted, membership, message, organization, session, user};
use support::servers::Server;
use support::{START, seconds};

/// One scenario, run on both databases.
macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                let folder = super::support::servers::Folder::new("sync");
                let database = super::Database::connect(&folder.sqlite_url()).await.unwrap();
                let place = super::Place::new(database, "").await;
                super::$name(place).await;
            })*
        }

        /// One server for all of them; each has its own tables.
        #[tokio::test]
        async fn postgres() {
            let server = Server::postgres();
            let mut number = 0;
            $({
                number += 1;
                println!("{}", stringify!($name));
                let database = Database::connect(&server.url()).await.unwrap();
                let place = Place::new(database, &format!("t{number}_")).await;
                $name(place).await;
            })*
        }
    };
}

scenarios!(
    runs_once_however_often_it_is_delivered,
    keeps_the_newest_whatever_the_order,
    ends_deleted_when_the_deletion_comes_first,
    fills_in_what_comes_after_the_deletion,
    follows_the_addresses_of_a_user,
    ends_with_the_same_addresses_whatever_the_order,
    is_not_led_astray_by_an_absurd_time,
    takes_at_once_what_a_wrong_clock_put_off,
    holds_a_membership_until_its_organization_is_there,
    keeps_sessions_only_if_asked,
    retries_then_buries_then_replays,
    undoes_what_a_failed_handler_wrote,
    gives_a_message_to_the_next_when_the_lease_is_over,
    gives_up_what_workers_vanish_over,
    survives_panics_and_slowness,
    finds_the_guilty_one_in_a_batch,
    keeps_texts_that_databases_dislike,
    handles_at_once_if_asked,
    writes_the_tables_though_an_outlet_fails,
    expires_after_the_retention_and_not_before,
    accepts_the_same_message_from_many_at_once,
    migrates_once_though_two_begin,
    leaves_foreign_tables_alone,
    accepts_within_a_transaction_of_ones_own,
    says_how_things_stand,
);

async fn runs_once_however_often_it_is_delivered(place: Place) {
    let counter = Counter::default();
    let worker = place.worker().handler(counter.clone());
    let created = message(
        "msg_1",
        "user.created",
        T,
        &user("user_1", "Ada", &["a@x.test"], T),
    );
    assert!(place.inbox.accept(&created, START).await.unwrap());
    assert!(!place.inbox.accept(&created, START).await.unwrap());
    assert_eq!(worker.turn(START).await.unwrap().done, 1);
    // And again after it was handled.
    assert!(
        !place
            .inbox
            .accept(&created, START.plus(seconds(9)))
            .await
            .unwrap()
    );
    assert_eq!(
        worker.turn(START.plus(seconds(90))).await.unwrap(),
        Turn::default()
    );
    assert_eq!(counter.count(), 1);
    let row = place
        .row("SELECT provider_id, first_name, primary_email_address, external_id FROM {p}users")
        .await;
    assert_eq!(row, ["user_1", "Ada", "a@x.test", "ex_user_1"]);
    let payload = place.row("SELECT payload FROM {p}users").await;
    assert!(payload[0].contains(r#""public_metadata":{"plan":"pro"}"#));
}

async fn keeps_the_newest_whatever_the_order(place: Place) {
    let events = [
        ("m3", "user.updated", T + 2000, "Third"),
        ("m1", "user.created", T, "First"),
        ("m2", "user.updated", T + 1000, "Second"),
    ];
    for (id, kind, at, name) in events {
        place
            .take(&message(id, kind, at, &user("user_1", name, &[], at)))
            .await;
        assert_eq!(
            place.row("SELECT first_name FROM {p}users").await,
            ["Third"]
        );
    }
    // The same moment of change, told later: the later telling stands, in either order.
    for (id, at, name) in [("m5", T + 9, "Later"), ("m4", T + 8, "Sooner")] {
        let data = organization("org_1", name, T);
        place
            .take(&message(id, "organization.updated", at, &data))
            .await;
    }
    assert_eq!(
        place.row("SELECT name FROM {p}organizations").await,
        ["Later"]
    );
    assert_eq!(place.count("users").await, 1);
}

async fn ends_deleted_when_the_deletion_comes_first(place: Place) {
    let gone = message("m2", "user.deleted", T + 5000, &deleted("user", "user_1"));
    place.take(&gone).await;
    let created = message(
        "m1",
        "user.created",
        T,
        &user("user_1", "Ada", &["a@x.test"], T),
    );
    place.take(&created).await;
    let row = place
        .row("SELECT CAST(deleted_at AS TEXT) FROM {p}users")
        .await;
    assert_eq!(row, [(T + 5000).to_string()]);
    let row = place
        .row("SELECT CAST(deleted_at AS TEXT) FROM {p}email_addresses")
        .await;
    assert_eq!(row, [(T + 5000).to_string()]);
}

async fn fills_in_what_comes_after_the_deletion(place: Place) {
    let told = [
        message(
            "m1",
            "user.created",
            T,
            &user("user_1", "Ada", &["a@x.test"], T),
        ),
        message("m2", "user.deleted", T + 5000, &deleted("user", "user_1")),
        message(
            "m3",
            "user.updated",
            T + 1000,
            &user("user_1", "Eve", &["b@x.test"], T + 1000),
        ),
    ];
    for one in &told {
        place.take(one).await;
    }
    let row = place
        .row("SELECT first_name, CAST(deleted_at AS TEXT), CAST(updated_at AS TEXT) FROM {p}users")
        .await;
    assert_eq!(
        row,
        [
            "Eve".to_owned(),
            (T + 5000).to_string(),
            (T + 1000).to_string()
        ]
    );
    let row = place
        .row("SELECT COUNT(*) FROM {p}email_addresses WHERE deleted_at IS NULL")
        .await;
    assert_eq!(row, ["0"]);
}

async fn follows_the_addresses_of_a_user(place: Place) {
    place
        .take(&message(
            "m1",
            "user.created",
            T,
            &user("user_1", "Ada", &["a@x.test", "b@x.test"], T),
        ))
        .await;
    place
        .take(&message(
            "m2",
            "user.updated",
            T + 1,
            &user("user_1", "Ada", &["b@x.test"], T + 1),
        ))
        .await;
    let present = "SELECT email_address FROM {p}email_addresses WHERE deleted_at IS NULL AND is_primary AND verified";
    assert_eq!(place.row(present).await, ["b@x.test"]);
    assert_eq!(place.count("email_addresses").await, 2);
    // A late one changes nothing.
    place
        .take(&message(
            "m0",
            "user.updated",
            T - 1,
            &user("user_1", "Ada", &["a@x.test"], T - 1),
        ))
        .await;
    assert_eq!(place.row(present).await, ["b@x.test"]);
}

async fn ends_with_the_same_addresses_whatever_the_order(place: Place) {
    for (number, order) in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("user_{number}");
        let told = |place: usize| {
            let (kind, at, data) = match place {
                0 => ("user.created", T, user(&id, "Ada", &["a@x.test"], T)),
                1 => (
                    "user.updated",
                    T + 1,
                    user(&id, "Ada", &["b@x.test"], T + 1),
                ),
                _ => ("user.deleted", T + 2, deleted("user", &id)),
            };
            message(&format!("m_{number}_{place}"), kind, at, &data)
        };
        for place_in_order in order {
            place.take(&told(place_in_order)).await;
        }
        let of_user = format!("FROM {{p}}email_addresses WHERE user_provider_id = '{id}'");
        let kept = format!(
            "SELECT COUNT(*), MIN(deleted_at), MIN(CAST(CASE WHEN is_primary THEN 1 ELSE 0 END AS BIGINT)) {of_user} \
             AND email_address = 'b@x.test'"
        );
        assert_eq!(
            place.row(&kept).await,
            ["1", &(T + 2).to_string(), "1"],
            "{order:?}"
        );
        // Of an address that was gone before it came, nothing need be there.
        let lost = format!(
            "SELECT COALESCE(MIN(deleted_at), {0}), COALESCE(MIN(CAST(CASE WHEN is_primary THEN 1 ELSE 0 END AS BIGINT)), 0) \
             {of_user} AND email_address = 'a@x.test'",
            T + 1
        );
        assert_eq!(
            place.row(&lost).await,
            [&(T + 1).to_string(), "0"],
            "{order:?}"
        );
    }
}

async fn is_not_led_astray_by_an_absurd_time(place: Place) {
    for (number, absurd) in [json!(u64::MAX), json!(i64::MAX), json!(9e15), json!(-5)]
        .into_iter()
        .enumerate()
    {
        let id = format!("user_{number}");
        let mut odd = user(&id, "Odd", &[], T);
        odd["updated_at"] = absurd;
        let then = message(&format!("m{number}"), "user.created", T, &odd);
        place.take(&then).await;
        let later = user(&id, "Later", &[], T + 1);
        let then = message(&format!("n{number}"), "user.updated", T + 1, &later);
        place.take(&then).await;
        let name = format!("SELECT first_name FROM {{p}}users WHERE provider_id = '{id}'");
        assert_eq!(place.row(&name).await, ["Later"]);
    }
}

async fn takes_at_once_what_a_wrong_clock_put_off(place: Place) {
    let hour = 3600;
    let ahead = START.plus(seconds(hour));
    let told = |id: &str| message(id, "user.created", T, &user(id, "Ada", &[], T));
    place.inbox.accept(&told("msg_1"), ahead).await.unwrap();
    // And one that failed while the clock was a day ahead.
    place.inbox.accept(&told("msg_2"), START).await.unwrap();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let worker = place.worker();
    place
        .run("UPDATE {p}doorward_inbox SET failures = 1, claims = 1, due_at = 1800086400000 WHERE id = 'msg_2'")
        .await;
    assert_eq!(worker.turn(START).await.unwrap(), Turn::default());
    let mut done = 0;
    let report = |turn: &Result<Turn, SyncError>| {
        done += turn.as_ref().unwrap().done;
        if done == 2 {
            stop.send(true).unwrap();
        }
    };
    let running = worker.run(|| START, report, stopped);
    tokio::time::timeout(seconds(30), running).await.unwrap();
    assert_eq!(done, 2);
}

async fn holds_a_membership_until_its_organization_is_there(place: Place) {
    let joined = membership("orgmem_1", "org_1", "user_1", "org:admin", T);
    place
        .take(&message("m3", "organizationMembership.created", T, &joined))
        .await;
    let held = "SELECT COUNT(*) FROM {p}held_memberships";
    let current = "SELECT COUNT(*) FROM {p}current_memberships";
    assert_eq!(place.row(held).await, ["1"]);
    assert_eq!(place.row(current).await, ["0"]);
    place
        .take(&message(
            "m1",
            "user.created",
            T,
            &user("user_1", "Ada", &[], T),
        ))
        .await;
    assert_eq!(place.row(held).await, ["1"]);
    place
        .take(&message(
            "m2",
            "organization.created",
            T,
            &organization("org_1", "Acme", T),
        ))
        .await;
    assert_eq!(place.row(held).await, ["0"]);
    let row = place
        .row("SELECT role, permissions FROM {p}current_memberships")
        .await;
    assert_eq!(row, ["org:admin", r#"["org:posts:read"]"#]);
    // The organization goes, and the membership with it.
    place
        .take(&message(
            "m4",
            "organization.deleted",
            T + 9,
            &deleted("organization", "org_1"),
        ))
        .await;
    assert_eq!(place.row(current).await, ["0"]);
    // A membership that ends is told in full.
    let gone = message("m5", "organizationMembership.deleted", T + 5, &joined);
    place.take(&gone).await;
    let row = place
        .row("SELECT role, CAST(deleted_at AS TEXT) FROM {p}memberships")
        .await;
    assert_eq!(row, ["org:admin".to_owned(), (T + 5).to_string()]);
}

async fn keeps_sessions_only_if_asked(place: Place) {
    let began = |id: &str| {
        message(
            id,
            "session.created",
            T,
            &session("sess_1", "user_1", "active", T),
        )
    };
    place.take(&began("m1")).await;
    assert_eq!(place.count("sessions").await, 0);
    let worker = Worker::new(place.inbox.clone()).tables(Tables::default().with_sessions());
    let ended = session("sess_1", "user_1", "ended", T + 5);
    for one in [message("m3", "session.ended", T + 5, &ended), began("m2")] {
        place.inbox.accept(&one, START).await.unwrap();
        worker.turn(START).await.unwrap();
    }
    let row = place
        .row("SELECT status, CAST(deleted_at AS TEXT) FROM {p}sessions")
        .await;
    assert_eq!(row, ["ended".to_owned(), (T + 5).to_string()]);
}

async fn retries_then_buries_then_replays(place: Place) {
    let handler = Stubborn::default();
    let worker = place.worker().handler(handler.clone());
    let told = message("msg_1", "email.created", T, &serde_json::json!({}));
    place.inbox.accept(&told, START).await.unwrap();
    let mut now = START;
    let rests = [1, 4, 16, 64, 256, 1024, 3600];
    for rest in rests {
        assert_eq!(worker.turn(now).await.unwrap().failed, 1);
        let almost = Timestamp::from_millis(now.plus(seconds(rest)).as_millis() - 1);
        assert_eq!(worker.turn(almost).await.unwrap(), Turn::default());
        now = now.plus(seconds(rest));
    }
    assert_eq!(worker.turn(now).await.unwrap().dead, 1);
    assert_eq!(handler.tries.load(Ordering::Relaxed), 8);
    assert_eq!(
        worker.turn(now.plus(seconds(100_000))).await.unwrap(),
        Turn::default()
    );
    let letters = place.inbox.dead_letters(10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].message, told);
    assert_eq!(letters[0].failures, 8);
    assert_eq!(letters[0].last_error, "the mail server is on fire");
    assert_eq!(letters[0].died_at, now);
    // A delivery of a dead letter changes nothing; a replay does.
    assert!(!place.inbox.accept(&told, now).await.unwrap());
    handler.works.store(1, Ordering::Relaxed);
    assert_eq!(
        place.inbox.replay(&Replay::DeadLetters, now).await.unwrap(),
        1
    );
    assert_eq!(worker.turn(now).await.unwrap().done, 1);
    assert!(place.inbox.dead_letters(10).await.unwrap().is_empty());
    assert_eq!(
        place
            .inbox
            .replay(&Replay::Message("msg_1".to_owned()), now)
            .await
            .unwrap(),
        1
    );
    assert_eq!(worker.turn(now).await.unwrap().done, 1);
    assert_eq!(
        place
            .inbox
            .replay(&Replay::Message("nobody".to_owned()), now)
            .await
            .unwrap(),
        0
    );
}

async fn undoes_what_a_failed_handler_wrote(place: Place) {
    place.effects().await;
    let handler = Stubborn::default();
    let worker = place
        .worker()
        .handler(Effect(place.schema.table("effects")))
        .handler(handler.clone());
    let created = message("msg_1", "user.created", T, &user("user_1", "Ada", &[], T));
    place.inbox.accept(&created, START).await.unwrap();
    assert_eq!(worker.turn(START).await.unwrap().failed, 1);
    assert_eq!(place.count("effects").await, 0);
    assert_eq!(place.count("users").await, 0);
    handler.works.store(1, Ordering::Relaxed);
    assert_eq!(worker.turn(START.plus(seconds(1))).await.unwrap().done, 1);
    assert_eq!(place.count("effects").await, 1);
    assert_eq!(place.count("users").await, 1);
}

async fn gives_a_message_to_the_next_when_the_lease_is_over(place: Place) {
    let told = message("msg_1", "user.created", T, &user("user_1", "Ada", &[], T));
    place.inbox.accept(&told, START).await.unwrap();
    let first = place.inbox.claim(10, START).await.unwrap();
    assert_eq!(first.len(), 1);
    assert!(
        place
            .inbox
            .claim(10, START.plus(seconds(59)))
            .await
            .unwrap()
            .is_empty()
    );
    let later = START.plus(seconds(60));
    let second = place.inbox.claim(10, later).await.unwrap();
    assert_eq!((second.len(), second[0].claims()), (1, 2));
    let mut tx = place.inbox.database().begin().await.unwrap();
    assert!(
        !place
            .inbox
            .complete(&mut tx, &first[0], later)
            .await
            .unwrap()
    );
    assert!(
        place
            .inbox
            .complete(&mut tx, &second[0], later)
            .await
            .unwrap()
    );
    tx.commit().await.unwrap();
    let mut tx = place.inbox.database().begin().await.unwrap();
    assert!(
        !place
            .inbox
            .complete(&mut tx, &second[0], later)
            .await
            .unwrap()
    );
    assert_eq!(
        place
            .inbox
            .fail(&mut tx, &first[0], "late", later)
            .await
            .unwrap(),
        None
    );
    drop(tx);
    assert_eq!(
        place.inbox.state("msg_1").await.unwrap().as_deref(),
        Some("done")
    );
}

async fn gives_up_what_workers_vanish_over(place: Place) {
    let told = message("msg_1", "user.created", T, &user("user_1", "Ada", &[], T));
    place.inbox.accept(&told, START).await.unwrap();
    let mut now = START;
    // Eight failures are allowed, and three times as many vanished workers.
    for _ in 0..24 {
        assert_eq!(place.inbox.claim(10, now).await.unwrap().len(), 1);
        now = now.plus(seconds(60));
    }
    let worker = place.worker();
    assert_eq!(worker.turn(now).await.unwrap().dead, 1);
    let letters = place.inbox.dead_letters(1).await.unwrap();
    assert!(
        letters[0].last_error.contains("vanished"),
        "{}",
        letters[0].last_error
    );
}

async fn survives_panics_and_slowness(place: Place) {
    let settings = InboxSettings {
        lease: seconds(1),
        ..InboxSettings::default()
    };
    let inbox =
        Inbox::with_settings(place.inbox.database().clone(), &place.schema, settings).unwrap();
    for (id, worker, expected) in [
        (
            "m1",
            Worker::new(inbox.clone()).handler(Panics),
            "it panicked",
        ),
        (
            "m2",
            Worker::new(inbox.clone()).handler(Hangs),
            "it took longer than half of the lease, 0.5 s",
        ),
    ] {
        inbox
            .accept(&message(id, "a.b", T, &serde_json::json!({})), START)
            .await
            .unwrap();
        assert_eq!(worker.turn(START).await.unwrap().failed, 1);
        let error = place
            .row(&format!(
                "SELECT last_error FROM {{p}}doorward_inbox WHERE id = '{id}'"
            ))
            .await;
        assert_eq!(error, [expected]);
    }
}

async fn finds_the_guilty_one_in_a_batch(place: Place) {
    for number in 0..5 {
        let id = format!("user_{number}");
        let told = message(
            &format!("m{number}"),
            "user.created",
            T,
            &user(&id, "Ada", &[], T),
        );
        place.inbox.accept(&told, START).await.unwrap();
    }
    for (id, data) in [
        ("bad_1", serde_json::json!({"object": "user"})),
        ("bad_2", serde_json::json!({"id": 7})),
        ("bad_3", serde_json::json!({"id": "x".repeat(256)})),
        ("bad_4", serde_json::json!({"id": "a\0b"})),
        ("bad_5", serde_json::json!(["user_1"])),
    ] {
        place
            .inbox
            .accept(&message(id, "user.created", T, &data), START)
            .await
            .unwrap();
    }
    let bare = Message::new("bad_6", br#"{"type":"user.created"}"#).unwrap();
    place.inbox.accept(&bare, START).await.unwrap();
    let turn = place.worker().turn(START).await.unwrap();
    assert_eq!((turn.done, turn.failed), (5, 6));
    assert_eq!(place.count("users").await, 5);
}

async fn keeps_texts_that_databases_dislike(place: Place) {
    let mut told = user("user_1", "A\0da \u{1f600}", &["a@x.test"], T);
    told["last_sign_in_at"] = serde_json::json!(1.8e12);
    told["banned"] = serde_json::json!("yes");
    told["image_url"] = serde_json::json!({"an": "object"});
    told["last_name"] = serde_json::json!("'; DROP TABLE users; --");
    told["email_addresses"][0]["verification"] = serde_json::Value::Null;
    told["phone_numbers"] = serde_json::json!("none");
    place.take(&message("m1", "user.created", T, &told)).await;
    let row = place
        .row("SELECT first_name, last_name, CAST(last_sign_in_at AS TEXT) FROM {p}users WHERE banned IS NULL AND image_url IS NULL")
        .await;
    assert_eq!(
        row,
        [
            "A\u{fffd}da \u{1f600}",
            "'; DROP TABLE users; --",
            "1800000000000"
        ]
    );
    let kept = place.row("SELECT payload FROM {p}users").await;
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&kept[0]).unwrap(),
        told
    );
}

async fn handles_at_once_if_asked(place: Place) {
    let handler = Stubborn::default();
    let worker = place.worker().handler(handler.clone());
    let told = message("msg_1", "user.created", T, &user("user_1", "Ada", &[], T));
    place.inbox.accept(&told, START).await.unwrap();
    assert_eq!(
        worker.handle_now("msg_1", START).await.unwrap(),
        Verdict::Failed
    );
    // The sender's retry does not wait for our own rest to end.
    handler.works.store(1, Ordering::Relaxed);
    assert_eq!(
        worker.handle_now("msg_1", START).await.unwrap(),
        Verdict::Done
    );
    assert_eq!(
        worker.handle_now("msg_1", START).await.unwrap(),
        Verdict::Done
    );
    assert_eq!(handler.tries.load(Ordering::Relaxed), 2);
    place
        .inbox
        .accept(&message("msg_2", "a.b", T, &serde_json::json!({})), START)
        .await
        .unwrap();
    let held = place.inbox.claim(1, START).await.unwrap();
    assert_eq!(
        worker.handle_now("msg_2", START).await.unwrap(),
        Verdict::InHand
    );
    place.inbox.release(&held, START).await.unwrap();
    assert_eq!(
        worker.handle_now("msg_2", START).await.unwrap(),
        Verdict::Done
    );
}

async fn writes_the_tables_though_an_outlet_fails(place: Place) {
    let outlet = Stubborn::default();
    let worker = place.worker().outlet(outlet.clone());
    let told = message("msg_1", "user.created", T, &user("user_1", "Ada", &[], T));
    place.inbox.accept(&told, START).await.unwrap();
    assert_eq!(worker.turn(START).await.unwrap().failed, 1);
    assert_eq!(place.count("users").await, 1);
    outlet.works.store(1, Ordering::Relaxed);
    assert_eq!(worker.turn(START.plus(seconds(1))).await.unwrap().done, 1);
}

async fn expires_after_the_retention_and_not_before(place: Place) {
    let day = 24 * 3600;
    let told = message("msg_1", "user.created", T, &user("user_1", "Ada", &[], T));
    let waiting = message("msg_2", "user.created", T, &user("user_2", "Ada", &[], T));
    place.take(&told).await;
    place.inbox.accept(&waiting, START).await.unwrap();
    assert_eq!(
        place
            .inbox
            .expire(START.plus(seconds(7 * day)))
            .await
            .unwrap(),
        0
    );
    let later = START.plus(seconds(7 * day + 1));
    assert_eq!(place.inbox.expire(later).await.unwrap(), 1);
    // What waits is never forgotten.
    assert_eq!(
        place
            .inbox
            .expire(later.plus(seconds(1000 * day)))
            .await
            .unwrap(),
        0
    );
    let brief = InboxSettings {
        retention: seconds(27 * 3600),
        ..InboxSettings::default()
    };
    let refused = Inbox::with_settings(place.inbox.database().clone(), &place.schema, brief);
    assert!(matches!(refused, Err(SyncError::Configuration(why)) if why.contains("retry horizon")));
}

async fn accepts_the_same_message_from_many_at_once(place: Place) {
    let mut tasks = Vec::new();
    for number in 0..400 {
        let inbox = place.inbox.clone();
        tasks.push(tokio::spawn(async move {
            let id = format!("user_{}", number % 100);
            let told = message(
                &format!("m{}", number % 100),
                "user.created",
                T,
                &user(&id, "Ada", &[], T),
            );
            inbox.accept(&told, START).await.unwrap()
        }));
    }
    let mut news = 0;
    for task in tasks {
        news += u32::from(task.await.unwrap());
    }
    assert_eq!(news, 100);
    assert_eq!(place.inbox.status(START).await.unwrap().waiting, 100);
}

async fn migrates_once_though_two_begin(place: Place) {
    let schema = Schema::with_prefix(&format!("{}again_", place.schema.table(""))).unwrap();
    let database = place.inbox.database();
    assert_eq!(schema.pending(database).await.unwrap().len(), 3);
    assert!(schema.check(database).await.is_err());
    let (one, other) = tokio::join!(
        schema.migrate(database, START),
        schema.migrate(database, START)
    );
    assert_eq!(one.unwrap().len() + other.unwrap().len(), 3);
    schema.check(database).await.unwrap();
    place
        .run("UPDATE {p}doorward_migrations SET version = 99 WHERE version = 1")
        .await;
    if let Database::Postgres(pool) = database {
        // Whatever isolation the database is set to.
        let options = pool.connect_options();
        let options = (*options)
            .clone()
            .options([("default_transaction_isolation", "serializable")]);
        let strict = sqlx::PgPool::connect_with(options).await.unwrap();
        let strict = Database::from(strict);
        let schema = Schema::with_prefix(&format!("{}strict_", place.schema.table(""))).unwrap();
        let four = (0..4).map(|_| {
            let (schema, strict) = (schema.clone(), strict.clone());
            tokio::spawn(async move { schema.migrate(&strict, START).await.unwrap().len() })
        });
        let mut steps = 0;
        for one in four.collect::<Vec<_>>() {
            steps += one.await.unwrap();
        }
        assert_eq!(steps, 3);
    }
    let newer = place.schema.check(database).await;
    assert!(matches!(newer, Err(SyncError::Configuration(why)) if why.contains("upgrade")));
}

async fn leaves_foreign_tables_alone(place: Place) {
    let schema = Schema::with_prefix(&format!("{}own_", place.schema.table(""))).unwrap();
    place.run("CREATE TABLE {p}own_users (name TEXT)").await;
    let refused = schema.migrate(place.inbox.database(), START).await;
    assert!(matches!(refused, Err(SyncError::Configuration(why)) if why.contains("prefix")));
    // Nothing of it was left half done.
    place.run("DROP TABLE {p}own_users").await;
    assert_eq!(
        schema
            .migrate(place.inbox.database(), START)
            .await
            .unwrap()
            .len(),
        3
    );
}

async fn accepts_within_a_transaction_of_ones_own(place: Place) {
    let told = message("msg_1", "user.created", T, &user("user_1", "Ada", &[], T));
    let mut tx = place.inbox.database().begin().await.unwrap();
    assert!(place.inbox.accept_in(&mut tx, &told, START).await.unwrap());
    tx.rollback().await.unwrap();
    assert_eq!(place.inbox.state("msg_1").await.unwrap(), None);
    let mut tx = place.inbox.database().begin().await.unwrap();
    assert!(place.inbox.accept_in(&mut tx, &told, START).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(
        place.inbox.state("msg_1").await.unwrap().as_deref(),
        Some("waiting")
    );
}

async fn says_how_things_stand(place: Place) {
    place
        .take(&message(
            "m1",
            "user.created",
            T,
            &user("user_1", "Ada", &["a@x.test"], T),
        ))
        .await;
    place
        .take(&message(
            "m2",
            "user.deleted",
            T,
            &deleted("user", "user_1"),
        ))
        .await;
    let joined = membership("orgmem_1", "org_1", "user_1", "org:admin", T);
    place
        .take(&message("m3", "organizationMembership.created", T, &joined))
        .await;
    place
        .inbox
        .accept(&message("m4", "a.b", T, &serde_json::json!({})), START)
        .await
        .unwrap();
    let status = place.inbox.status(START).await.unwrap();
    assert_eq!(
        (status.waiting, status.done, status.dead, status.in_hand),
        (1, 3, 0, 0)
    );
    assert_eq!(status.oldest_waiting, Some(START));
    let tables = place.inbox.tables().await.unwrap();
    let of = |name: &str| {
        tables
            .iter()
            .find(|t| t.table == place.schema.table(name))
            .unwrap()
    };
    assert_eq!((of("users").present, of("users").deleted), (0, 1));
    assert_eq!((of("memberships").present, of("memberships").held), (1, 1));
    assert_eq!(of("users").newest, Some(Timestamp::from_millis(T)));
}

/// When the provider's story begins, in milliseconds.
const T: i64 = 1_799_999_000_000;

/// A migrated database with its inbox.
struct Place {
    inbox: Inbox,
    schema: Schema,
}

impl Place {
    async fn new(database: Database, prefix: &str) -> Self {
        let schema = Schema::with_prefix(prefix).unwrap();
        schema.migrate(&database, START).await.unwrap();
        Self {
            inbox: Inbox::new(database, &schema),
            schema,
        }
    }

    fn worker(&self) -> Worker {
        Worker::new(self.inbox.clone()).tables(Tables::default())
    }

    /// Accepts a message and handles it.
    async fn take(&self, message: &Message) {
        assert!(self.inbox.accept(message, START).await.unwrap());
        assert_eq!(self.worker().turn(START).await.unwrap().done, 1);
    }

    async fn effects(&self) {
        self.run("CREATE TABLE {p}effects (message_id TEXT NOT NULL)")
            .await;
    }

    async fn run(&self, sql: &str) {
        let sql = sqlx::AssertSqlSafe(sql.replace("{p}", &self.schema.table("")));
        match self.inbox.database() {
            Database::Sqlite(pool) => drop(sqlx::query(sql).execute(pool).await.unwrap()),
            Database::Postgres(pool) => drop(sqlx::query(sql).execute(pool).await.unwrap()),
        }
    }

    /// The one row of an answer, as text.
    async fn row(&self, sql: &str) -> Vec<String> {
        use sqlx::{Column as _, Row as _, TypeInfo as _};
        let sql = sqlx::AssertSqlSafe(sql.replace("{p}", &self.schema.table("")));
        macro_rules! texts {
            ($pool:expr) => {{
                let row = sqlx::query(sql).fetch_one($pool).await.unwrap();
                let read = |place: usize| {
                    let kind = row.column(place).type_info().name().to_owned();
                    match row.try_get::<String, _>(place) {
                        Ok(text) => text,
                        Err(_) => row
                            .try_get::<i64, _>(place)
                            .unwrap_or_else(|e| panic!("{kind}: {e}"))
                            .to_string(),
                    }
                };
                (0..row.columns().len()).map(read).collect()
            }};
        }
        match self.inbox.database() {
            Database::Sqlite(pool) => texts!(pool),
            Database::Postgres(pool) => texts!(pool),
        }
    }

    async fn count(&self, table: &str) -> u64 {
        self.row(&format!("SELECT COUNT(*) FROM {{p}}{table}"))
            .await[0]
            .parse()
            .unwrap()
    }
}

#[derive(Clone, Default)]
struct Counter(Arc<AtomicU32>);

impl Counter {
    fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Handler for Counter {
    fn handle<'a>(&'a self, _: &'a Message, _: &'a mut Transaction) -> Handled<'a> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { Ok(()) })
    }
}

/// Fails until it is told to work.
#[derive(Clone, Default)]
struct Stubborn {
    tries: Arc<AtomicU32>,
    works: Arc<AtomicU32>,
}

impl Stubborn {
    fn attempt(&self) -> Result<(), HandlerError> {
        self.tries.fetch_add(1, Ordering::Relaxed);
        if self.works.load(Ordering::Relaxed) == 0 {
            return Err(HandlerError::new("the mail server is on fire"));
        }
        Ok(())
    }
}

impl Handler for Stubborn {
    fn handle<'a>(&'a self, _: &'a Message, _: &'a mut Transaction) -> Handled<'a> {
        Box::pin(async { self.attempt() })
    }
}

impl Outlet for Stubborn {
    fn pass_on<'a>(&'a self, _: &'a Message) -> Handled<'a> {
        Box::pin(async { self.attempt() })
    }
}

/// Writes a row of its own in the inbox's transaction.
struct Effect(String);

impl Handler for Effect {
    fn handle<'a>(&'a self, message: &'a Message, tx: &'a mut Transaction) -> Handled<'a> {
        Box::pin(async move {
            let sql = sqlx::AssertSqlSafe(format!("INSERT INTO {} VALUES ($1)", self.0));
            match tx {
                Transaction::Sqlite(tx) => {
                    sqlx::query(sql)
                        .bind(message.id())
                        .execute(&mut **tx)
                        .await?;
                }
                Transaction::Postgres(tx) => {
                    sqlx::query(sql)
                        .bind(message.id())
                        .execute(&mut **tx)
                        .await?;
                }
            }
            Ok(())
        })
    }
}

struct Panics;

impl Handler for Panics {
    fn handle<'a>(&'a self, _: &'a Message, _: &'a mut Transaction) -> Handled<'a> {
        Box::pin(async { panic!("on purpose") })
    }
}

struct Hangs;

impl Handler for Hangs {
    fn handle<'a>(&'a self, _: &'a Message, _: &'a mut Transaction) -> Handled<'a> {
        Box::pin(std::future::pending())
    }
}
