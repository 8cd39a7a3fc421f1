//! What operators see: what happened to whom, and no secret; and in labels nobody.

#[path = "../../../../../tests/support/seen.rs"]
mod seen;

use super::*;
use seen::Seen;

#[test]
fn events_name_people_and_no_secret_and_labels_name_nobody() {
    let seen = Seen::default();
    let mut secrets = Vec::new();
    let client_id = tracing::subscriber::with_default(seen.clone(), || {
        metrics::with_local_recorder(&seen, || life(&mut secrets))
    });
    let text = seen.text();
    for secret in &secrets {
        assert!(!text.contains(secret.as_str()), "{secret} in {text}");
    }
    let events: Vec<_> = text
        .lines()
        .filter(|line| line.contains("event="))
        .collect();
    for event in [
        "registered",
        "consent",
        "signed_in",
        "replayed",
        "ended",
        "refused",
    ] {
        let named = format!("event=\"{event}\"");
        assert!(
            events.iter().any(|line| line.contains(&named)),
            "no {named} in {text}"
        );
    }
    let counted: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("doorward_"))
        .collect();
    for line in &counted {
        assert!(
            !line.contains(&client_id) && !line.contains("user_ada"),
            "{line}"
        );
    }
    for expected in [
        "doorward_oauth_requests_total endpoint=/token",
        "doorward_oauth_refusals_total endpoint=/token error=invalid_grant",
        "doorward_oauth_refusals_total endpoint=other error=not_found",
        "doorward_oauth_consents_total decision=allow",
        "doorward_oauth_replays_total what=refresh_token",
    ] {
        assert!(counted.contains(&expected), "no {expected} in {text}");
    }
}

/// A login, a renewal, a replay, and a stray request; tells the client and what nobody may see.
fn life(secrets: &mut Vec<String>) -> String {
    let mut world = world();
    let client_id = world.registered();
    let code = world.code(&client_id);
    let (_, first) = world.token(&redeem(&client_id, &code));
    world.now += 100;
    let (_, second) = world.refresh(&client_id, &first["refresh_token"]);
    world.now += 100;
    assert_eq!(world.refresh(&client_id, &first["refresh_token"]).0, 400);
    let given = world.tokens(&client_id);
    let token = given["refresh_token"].as_str().unwrap();
    let form = [("client_id", client_id.as_str()), ("token", token)];
    assert_eq!(world.post("/auth/revoke", &form).status(), 200);
    assert_eq!(world.post("/auth/planted", &[]).status(), 404);
    secrets.extend(["planted", VERIFIER, "desk&secret", "up stream:secret"].map(str::to_owned));
    secrets.push(code);
    for tokens in [&first, &second, &given] {
        for name in ["access_token", "refresh_token"] {
            secrets.push(tokens[name].as_str().unwrap().to_owned());
        }
    }
    client_id
}
