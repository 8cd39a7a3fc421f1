//! What a state file remembers, and what a failure leaves behind.

use std::io::ErrorKind;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::attacks::{PATIENCE, told};
use super::{Desk, SEED};
use crate::DevIssuer;
use crate::backend_api::store::{Family, Store};

#[tokio::test]
async fn a_state_outlives_its_process() {
    let scratch = Scratch::new("outlives");
    let file = scratch.file();
    let (key, lost, jwt_session);
    {
        let desk = Desk::open();
        desk.issuer.open_state(&file).unwrap();
        assert_eq!(desk.issuer.seed(SEED).unwrap(), 19);
        let body = json!({"name": "cicd", "subject": "user_ada"});
        key = desk.done("POST", "/api_keys", body).await["secret"].clone();
        let body = json!({"name": "lost", "subject": "user_bob"});
        lost = desk.done("POST", "/api_keys", body).await["secret"].clone();
        desk.done("DELETE", "/users/user_bob", NOTHING).await;
        jwt_session = desk
            .done("POST", "/sessions/sess_ada/revoke", NOTHING)
            .await["id"]
            .clone();
        for name in ["B", "A", "C"] {
            let body = json!({"name": name});
            desk.done("POST", "/organizations", body).await;
        }
        let busy = DevIssuer::builder().build().unwrap().open_state(&file);
        let busy = busy.unwrap_err();
        assert_eq!(busy.kind(), ErrorKind::ResourceBusy);
        assert!(busy.to_string().contains("another process"), "{busy}");
    }

    let desk = Desk::open();
    desk.issuer.open_state(&file).unwrap();
    assert_eq!(desk.issuer.seed(SEED).unwrap(), 0);
    assert_eq!(desk.refused("GET", "/users/user_bob", NOTHING).await.0, 404);
    let count = desk.done("GET", "/users/count", NOTHING).await;
    assert_eq!(count["total_count"], 1);
    let organizations = desk.done("GET", "/organizations", NOTHING).await;
    let names = organizations["data"].as_array().unwrap().iter();
    let names: Vec<&str> = names.map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["C", "A", "B", "Acme"]);
    let verify = json!({"secret": key});
    let verified = desk.done("POST", "/api_keys/verify", verify).await;
    assert_eq!(verified["name"], "cicd");
    // Its user is gone, and it was not forgotten that it went too.
    let verify = json!({"secret": lost});
    let found = desk.refused("POST", "/api_keys/verify", verify).await;
    assert_eq!(found.0, 404);
    let verify = json!({"password": "correct horse"});
    desk.done("POST", "/users/user_ada/verify_password", verify)
        .await;
    let mint = crate::Mint::default().sid(jwt_session.as_str().unwrap());
    let jwt = desk.issuer.mint(&mint).unwrap();
    let read = desk.issuer.own_jws(&jwt).unwrap();
    assert!(!desk.issuer.stands_by(&read));
    // A token that is revoked by another way than the Backend API stays revoked as well.
    let token = crate::Revocation::Token(key.as_str().unwrap().to_owned());
    desk.issuer.revoke(&token, None);
    drop(desk);
    let desk = Desk::open();
    desk.issuer.open_state(&file).unwrap();
    assert!(desk.issuer.verify_opaque(key.as_str().unwrap()).is_none());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        for entry in std::fs::read_dir(&scratch.0).unwrap() {
            let mode = entry.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
    // And a reset is one.
    desk.issuer.reset();
    drop(desk);
    let desk = Desk::open();
    desk.issuer.open_state(&file).unwrap();
    assert_eq!(desk.issuer.seed(SEED).unwrap(), 19);
}

#[tokio::test]
async fn a_crowd_may_have_another_size_the_next_time() {
    let scratch = Scratch::new("crowd");
    let file = scratch.file();
    let builder = || DevIssuer::builder().people(40, 2);
    {
        let desk = Desk::of(builder());
        desk.issuer.open_state(&file).unwrap();
        for number in [3, 7] {
            let path = format!("/users/{}", crate::people::user_id(number));
            desk.done("DELETE", &path, NOTHING).await;
        }
        let path = format!("/users/{}", crate::people::user_id(5));
        desk.done("PATCH", &path, json!({"first_name": "Fifth"}))
            .await;
        desk.done("POST", "/users", json!({"external_id": "one"}))
            .await;
        desk.done("POST", "/users", json!({"external_id": "two"}))
            .await;
    }
    for (users, count, newest) in [(60, 60, "two"), (4, 6, "two"), (40, 41, "two")] {
        let desk = Desk::of(DevIssuer::builder().people(users, 2));
        desk.issuer.open_state(&file).unwrap();
        let total = desk.done("GET", "/users/count", NOTHING).await["total_count"].clone();
        assert_eq!(total, count, "{users}");
        let list = desk.done("GET", "/users?limit=1", NOTHING).await;
        assert_eq!(list[0]["external_id"], newest, "{users}");
        let fifth = format!("/users/{}", crate::people::user_id(5));
        let fifth = desk.done("GET", &fifth, NOTHING).await;
        assert_eq!(fifth["first_name"], "Fifth");
        let third = format!("/users/{}", crate::people::user_id(3));
        assert_eq!(desk.refused("GET", &third, NOTHING).await.0, 404);
    }
}

#[test]
fn a_file_of_another_kind_stays_as_it_is() {
    let scratch = Scratch::new("foreign");
    let file = scratch.file();
    let open = |text: &[u8]| {
        std::fs::write(&file, text).unwrap();
        let error = DevIssuer::builder().build().unwrap().open_state(&file);
        assert_eq!(std::fs::read(&file).unwrap(), text);
        error.unwrap_err().to_string()
    };
    let long = b"{\"in\": \"users\", \"object\": {\"id\": \"user_1\"}}\n".repeat(100);
    let why = open(&long);
    assert!(
        why.contains("not a file that the local issuer made"),
        "{why}"
    );
    let why = open(b"users: []\n");
    assert!(
        why.contains("not a file that the local issuer made"),
        "{why}"
    );
    std::fs::remove_file(&file).unwrap();

    // Each time anew: who looks at a file has it.
    let alter = |sql: &str| {
        let other = rusqlite::Connection::open(&file).unwrap();
        other.execute_batch(sql).unwrap();
    };
    let why = || {
        let opened = DevIssuer::builder().build().unwrap().open_state(&file);
        opened.unwrap_err().to_string()
    };
    alter("CREATE TABLE theirs (one)");
    assert!(why().contains("not a file that the local issuer made"));
    alter("DROP TABLE theirs");
    DevIssuer::builder()
        .build()
        .unwrap()
        .open_state(&file)
        .unwrap();
    alter("INSERT INTO objects VALUES ('gnomes', 'gnome_1', 0, '{}')");
    let told = why();
    assert!(
        told.contains("gnomes gnome_1: nothing of this kind"),
        "{told}"
    );
    alter("DELETE FROM objects; INSERT INTO objects VALUES ('users', 'user_1', 0, '{\"id\": ')");
    let told = why();
    assert!(told.contains("users user_1: EOF"), "{told}");
    alter("DELETE FROM objects; PRAGMA user_version = 2");
    let told = why();
    assert!(told.contains("version 2"), "{told}");
    let nowhere = scratch.0.join("no/such/folder");
    let nowhere = DevIssuer::builder().build().unwrap().open_state(&nowhere);
    assert_eq!(nowhere.unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn what_cannot_be_written_has_not_happened() {
    let scratch = Scratch::new("full");
    let mut store = Store::new(2, 1);
    store.open(&scratch.file()).unwrap();
    let user = |id: &str, note: &str| {
        let user = json!({"id": id, "note": note});
        user.as_object().unwrap().clone()
    };
    let first = crate::people::user_id(0);
    store.put(Family::Users, user("user_a", "small"));
    store.remove(Family::Users, &first);
    store.commit().unwrap();
    store.file_may_grow(false);
    // New, changed, of the crowd, and gone.
    store.put(Family::Users, user("user_b", &"b".repeat(1 << 20)));
    store.put(Family::Users, user("user_a", "changed"));
    store.put(Family::Users, user("user_a", "changed again"));
    store.put(Family::Users, user(&first, "back"));
    store.remove(Family::Users, &crate::people::user_id(1));
    let error = store.commit().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
    assert!(store.find(Family::Users, "user_b").is_none());
    assert_eq!(
        store.find(Family::Users, "user_a").unwrap()["note"],
        "small"
    );
    assert!(store.find(Family::Users, &first).is_none());
    assert!(
        store
            .find(Family::Users, &crate::people::user_id(1))
            .is_some()
    );
    assert_eq!(store.count(Family::Users), 2);
    // A change for which there is room is kept.
    store.put(Family::Users, user("user_a", "tiny"));
    store.commit().unwrap();
    drop(store);
    let mut store = Store::new(2, 1);
    store.open(&scratch.file()).unwrap();
    assert_eq!(store.find(Family::Users, "user_a").unwrap()["note"], "tiny");
    assert_eq!(store.count(Family::Users), 2);
}

#[tokio::test]
async fn what_is_refused_for_a_full_disk_is_nobodys() {
    let scratch = Scratch::new("refused");
    let desk = Desk::open();
    desk.issuer.open_state(&scratch.file()).unwrap();
    let told = told(&desk);
    let user = json!({"external_id": "one"});
    let user = desk.done("POST", "/users", user).await;
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), "user.created");
    let path = format!("/users/{}", user["id"].as_str().unwrap());
    let session = desk
        .done("POST", "/sessions", json!({"user_id": user["id"]}))
        .await;
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), "session.created");
    let before = desk.done("GET", &path, NOTHING).await;
    let known = desk.issuer.tokens().count();
    let may_grow = |may| desk.issuer.backend_api().store().file_may_grow(may);
    may_grow(false);
    // Each is larger than what is left of a page.
    let large = "x".repeat(8000);
    let key = json!({"name": "key", "subject": user["id"], "claims": {"a": large}});
    let reply = desk.ask("POST", "/api_keys", key).await;
    assert_eq!(reply.status, 500, "{}", reply.text);
    let why = reply.body["errors"][0]["long_message"].as_str().unwrap();
    assert!(why.contains("the disk is full"), "{why}");
    assert_eq!(desk.issuer.tokens().count(), known);
    let metadata = json!({"private_metadata": {"a": "x".repeat(8000)}});
    let reply = desk
        .ask("PATCH", &format!("{path}/metadata"), metadata)
        .await;
    assert_eq!(reply.status, 500, "{}", reply.text);
    assert_eq!(desk.done("GET", &path, NOTHING).await, before);
    // The session is as good as before, and so are its tokens.
    let tokens = format!("/sessions/{}/tokens", session["id"].as_str().unwrap());
    let jwt = desk.done("POST", &tokens, NOTHING).await["jwt"].clone();
    desk.done("POST", "/clients/verify", json!({"token": jwt}))
        .await;
    may_grow(true);
    desk.done("DELETE", &path, NOTHING).await;
    for kind in ["session.removed", "user.deleted"] {
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), kind);
    }
}

const NOTHING: Value = Value::Null;

/// A folder of the test's own.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("doorward-state-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.join("state.db")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
