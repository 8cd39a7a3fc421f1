//! What holds for every webhook: no panic, one verdict, nothing accepted that was changed.

#![allow(clippy::unwrap_used, reason = "a test may")]

use doorward_core::{Timestamp, WebhookReason, WebhookVerifier, webhook};
use proptest::collection::vec;
use proptest::prelude::*;

const SECRET: &str = "whsec_AwoRGB8mLTQ7QklQV15lbHN6gYiPlp2kq7K5wMfO1dw=";
const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const NAMES: [&str; 6] = [
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "svix-id",
    "svix-timestamp",
    "svix-signature",
];

type Head = Vec<(&'static str, Vec<u8>)>;

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_request_is_judged(
        head in vec((proptest::sample::select(&NAMES[..]), vec(any::<u8>(), 0..120)), 0..9),
        body in vec(any::<u8>(), 0..200),
    ) {
        prop_assert!(verifier().verify(&head, &body, NOW).is_err());
    }

    /// As far as the list of signatures: everything before it is right.
    #[test]
    fn any_list_is_judged(list in "[v1a2, =+/A-Za-z0-9]{0,200}", body in vec(any::<u8>(), 0..50)) {
        let mut head = signed("m", NOW, &body);
        head[2].1 = list.clone().into_bytes();
        let refused = verifier().verify(&head, &body, NOW).unwrap_err().reason();
        prop_assert!(matches!(refused, WebhookReason::SignaturesMalformed | WebhookReason::SignatureMismatch));
        // Whatever stands around a good entry, it counts.
        let good = String::from_utf8(signed("m", NOW, &body)[2].1.clone()).unwrap();
        if list.split(' ').filter(|entry| !entry.is_empty()).count() < webhook::MAX_SIGNATURES {
            head[2].1 = format!("{list} {good} {list}").into_bytes();
            let twice = list.split(' ').filter(|entry| !entry.is_empty()).count() * 2 + 1;
            prop_assert_eq!(verifier().verify(&head, &body, NOW).is_ok(), twice <= webhook::MAX_SIGNATURES);
        }
    }

    #[test]
    fn any_timestamp_is_judged(text in "[-+0-9._e ]{0,24}") {
        let mut head = signed("m", NOW, b"");
        head[1].1 = text.into_bytes();
        match verifier().verify(&head, b"", NOW) {
            Ok(message) => prop_assert_eq!(message.sent_at(), NOW),
            Err(refused) => prop_assert!(matches!(
                refused.reason(),
                WebhookReason::TimestampMalformed | WebhookReason::TimestampTooOld | WebhookReason::TimestampTooNew
                    | WebhookReason::SignatureMismatch
            )),
        }
    }

    #[test]
    fn what_is_signed_is_accepted_and_nothing_else(
        id in "[!-+/-~--]{1,40}", offset in -300_i64..=300, body in vec(any::<u8>(), 0..300), flip in any::<usize>(),
    ) {
        let sent_at = Timestamp::from_secs(NOW.as_secs() + offset);
        let head = signed(&id, sent_at, &body);
        let message = verifier().verify(&head, &body, NOW).unwrap();
        prop_assert_eq!((message.id(), message.sent_at()), (id.as_str(), sent_at));

        // One bit anywhere in what was signed.
        let mut changed = (head.clone(), body.clone());
        let lengths = [head[0].1.len(), head[1].1.len(), body.len()];
        let mut bit = flip % (8 * lengths.iter().sum::<usize>());
        let place = lengths.iter().position(|length| {
            let here = bit < 8 * length;
            bit -= if here { 0 } else { 8 * length };
            here
        });
        let octets = match place.unwrap() {
            2 => &mut changed.1,
            header => &mut changed.0[header].1,
        };
        octets[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(verifier().verify(&changed.0, &changed.1, NOW).is_err());
        let strange = WebhookVerifier::new(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]).unwrap();
        prop_assert_eq!(strange.verify(&head, &body, NOW).unwrap_err().reason(), WebhookReason::SignatureMismatch);
    }

    #[test]
    fn any_time_is_judged(sent_at in any::<i64>(), now in any::<i64>()) {
        let (sent_at, now) = (Timestamp::from_millis(sent_at), Timestamp::from_millis(now));
        if let Ok(headers) = webhook::sign(SECRET, "m", sent_at, b"") {
            let near = now.as_secs().saturating_sub(sent_at.as_secs()).saturating_abs() <= webhook::TOLERANCE_SECONDS;
            prop_assert_eq!(verifier().verify(&headers.standard().to_vec(), b"", now).is_ok(), near);
        }
    }

    /// A secret's error repeats nothing of it.
    #[test]
    fn any_secret_is_read(text in "(whsec_|whpk_|whsk_|sk_test_|)[ -~]{12,80}") {
        if let Err(why) = WebhookVerifier::new([&text]) {
            let prefixes = ["whsec_", "whpk_", "whsk_", "sk_test_"];
            let after = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(&text);
            prop_assert!(!why.contains(after), "{}", why);
        }
    }
}

fn verifier() -> WebhookVerifier {
    WebhookVerifier::new([SECRET]).unwrap()
}

fn signed(id: &str, sent_at: Timestamp, body: &[u8]) -> Head {
    let headers = webhook::sign(SECRET, id, sent_at, body).unwrap();
    headers
        .standard()
        .map(|(name, value)| (name, value.into_bytes()))
        .into()
}
