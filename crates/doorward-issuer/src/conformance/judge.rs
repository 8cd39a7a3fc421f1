//! The judge: what the answers of one route say about it.
//!
//! An answer is judged by itself where it can be, and otherwise by how the same route answers strangers: a route that
//! says 401 to junk and 422 to a forged token has believed the token, though it let nobody in.

use serde::Serialize;

use super::attack::{Attack, Family, Gravity};
use super::probe::{Answer, Class, Probe};
use super::report::{WHOLE, printable};
use super::route::{Access, Route};

/// What was found out by one probe, or about a whole route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The route, as in `GET /me`.
    pub route: String,
    /// The attack's name, or `route` for what all of them together say.
    pub attack: String,
    /// Good, odd or bad.
    pub state: State,
    /// A stable name for what was found.
    pub code: &'static str,
    /// The status that came back, if there was one.
    pub status: Option<u16>,
    /// What was found, in words.
    pub found: String,
    /// How to mend it; empty where there is nothing to mend.
    pub mend: String,
}

/// How a finding is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Pass,
    /// Not a hole, and not right either; or nothing was learned.
    Warn,
    /// A hole, or as good as one.
    Fail,
}

/// Everything about one route: a finding for each attack in the order of the probes, then what they say together.
///
/// `forbidden` are the attacks that this API is known to refuse with 403: see [`forbidden`].
pub(super) fn judge(
    route: &Route,
    origin: Option<&str>,
    asked: &[(&Probe, &Answer)],
    forbidden: &[&str],
) -> Vec<Finding> {
    let judge = Judge {
        route,
        origin,
        asked,
        forbidden,
    };
    let mut findings: Vec<Finding> = Vec::new();
    for (probe, answer) in asked {
        let finding = judge.one(probe, answer);
        // One attack may take several requests, as with several keys: the worst of them counts.
        let known = findings
            .iter_mut()
            .find(|known| known.attack == finding.attack);
        match known {
            Some(known) if known.state < finding.state => *known = finding,
            Some(_) => {}
            None => findings.push(finding),
        }
    }
    findings.extend(judge.all());
    findings
}

/// The attacks that got 403 on a route where the good token got in: there 403 is a refusal, in the wrong words, and the
/// same API means the same by it on routes where the good token is not sent.
pub(super) fn forbidden(asked: &[(&Probe, &Answer)]) -> Vec<&'static str> {
    let status = |answer: &Answer| answer.status().unwrap_or_default();
    let let_in = asked.iter().any(|(probe, answer)| {
        probe.attack.family == Family::Good && (200..300).contains(&status(answer))
    });
    let attacks = asked.iter().filter(|(probe, answer)| {
        let_in && probe.attack.family == Family::Bad && status(answer) == 403
    });
    attacks.map(|(probe, _)| probe.attack.name).collect()
}

struct Judge<'a> {
    route: &'a Route,
    origin: Option<&'a str>,
    asked: &'a [(&'a Probe, &'a Answer)],
    forbidden: &'a [&'a str],
}

impl Judge<'_> {
    fn one(&self, probe: &Probe, answer: &Answer) -> Finding {
        let class = self.class(probe, answer);
        let verdict = match (class, self.route.access, probe.attack.family) {
            (Class::Early | Class::Moved | Class::Broken, _, _)
                if ELSEWHERE.contains(&probe.attack.name)
                    && matches!(answer.status(), Some(300..400 | 404 | 405 | 501)) =>
            {
                PASS.because(format!("{}: nothing is there", status(answer)))
            }
            (Class::Broken, _, _) => broken(answer),
            (Class::Silent, _, _) => silent(answer),
            (Class::Limited, _, _) => {
                LIMITED.because("429: too many requests, nothing was learned")
            }
            (_, Access::Public, _) | (_, Access::Optional, Family::Absent) => {
                self.open(class, answer)
            }
            (_, _, Family::Good) => self.good(probe, class, answer),
            (_, Access::Optional, _) => self.ignored(probe, class, answer),
            (_, Access::Protected, _) => self.stranger(probe, class, answer),
        };
        verdict.finding(self.route, probe.label(), answer.status())
    }

    /// Nothing was presented where nothing is demanded.
    fn open(&self, class: Class, answer: &Answer) -> Verdict {
        let status = status(answer);
        match class {
            Class::Refused | Class::Forbidden => OPEN_REFUSED.because(format!(
                "{status}, though it is {} by what was said",
                self.route.access
            )),
            Class::Early if matches!(answer.status(), Some(404 | 405)) => {
                NOT_THERE.because(format!("{status}: is it there?"))
            }
            _ => PASS.because(format!("{status} without credentials")),
        }
    }

    /// A good token.
    fn good(&self, probe: &Probe, class: Class, answer: &Answer) -> Verdict {
        let status = status(answer);
        let as_everybody = self.anonymous() == answer.status();
        match class {
            Class::Refused => by_gravity(
                probe.attack,
                "good_refused",
                format!("{status} for {}", probe.attack.what),
            ),
            Class::Forbidden | Class::Redirected | Class::Moved if as_everybody => {
                GOOD_UNPROVEN.because(format!("{status}, as without any: nothing was learned"))
            }
            Class::Early if answer.status() == Some(405) => {
                NOT_THERE.because("405 for a good token: is it there?")
            }
            Class::Forbidden => {
                PASS.because(format!("{status}: recognized, though it lacks a right"))
            }
            _ => PASS.because(format!("{status}: it was let in")),
        }
    }

    /// A bad credential where one is optional: it must not pass for none.
    fn ignored(&self, probe: &Probe, class: Class, answer: &Answer) -> Verdict {
        match class {
            Class::Refused | Class::Forbidden | Class::TooLarge => {
                self.refused(probe, class, answer)
            }
            Class::Malformed if self.anonymous() != Some(400) => PASS.because("400: refused"),
            _ => IGNORED.because(format!(
                "{}, as without any: it was ignored, or believed",
                status(answer)
            )),
        }
    }

    /// Anything but a good token where one is demanded.
    fn stranger(&self, probe: &Probe, class: Class, answer: &Answer) -> Verdict {
        let status = status(answer);
        let family = probe.attack.family;
        match class {
            Class::LetIn => {
                return by_gravity(
                    probe.attack,
                    "let_in",
                    format!("{status}: it accepted {}", probe.attack.what),
                );
            }
            Class::Refused | Class::TooLarge => return self.refused(probe, class, answer),
            Class::Malformed if family == Family::Malformed => return PASS.because("400: refused"),
            Class::Malformed if is_bearer_challenge(answer) => return PASS.because("400: refused"),
            _ => {}
        }
        // A refusal in other words, unless strangers are refused in the right ones.
        let forbids = class == Class::Forbidden
            && (family == Family::Malformed || self.forbidden.contains(&probe.attack.name));
        if let Some(refusal) = self.refusal_of_strangers(probe, answer)
            && family != Family::Absent
            && !forbids
        {
            // Where the good token got in, this one did not pass for it.
            if self.good_was_let_in() && !OF_OTHERS.contains(&probe.attack.name) {
                return OTHER_WORDS.because(format!("{status} instead of 401"));
            }
            return by_gravity(
                probe.attack,
                "believed",
                format!(
                    "{status}, where strangers get {refusal}: it believed {}",
                    probe.attack.what
                ),
            );
        }
        match class {
            Class::Forbidden => self.refused(probe, class, answer),
            Class::Redirected => REDIRECTED.because(format!(
                "{status} to {} instead of 401",
                place(answer, false)
            )),
            Class::Moved => MOVED.because(format!("{status} to {}", place(answer, true))),
            _ => EARLY.because(format!("{status} before authentication")),
        }
    }

    /// A refusal: whether it is in the right words.
    fn refused(&self, probe: &Probe, class: Class, answer: &Answer) -> Verdict {
        let status = status(answer);
        match class {
            Class::Forbidden => FORBIDDEN.because("403 instead of 401"),
            Class::TooLarge => PASS.because(format!("{status}: refused for its size")),
            _ if !self.route.wants_bearer() => PASS.because(format!("{status}: refused")),
            _ => {
                let challenges = answer.challenges();
                let bearer = challenges.iter().find(|challenge| challenge.is_bearer());
                match bearer {
                    None if challenges.is_empty() => {
                        NO_CHALLENGE.because("401 without WWW-Authenticate")
                    }
                    None => NO_CHALLENGE.because(format!(
                        "401 with a challenge for {}, not Bearer",
                        match challenges[0].scheme.len() {
                            0..=20 => printable(&challenges[0].scheme),
                            _ => "…".to_owned(),
                        }
                    )),
                    Some(challenge)
                        if probe.attack.family == Family::Absent
                            && challenge.parameters.iter().any(|name| name == "error") =>
                    {
                        ERROR_FOR_ABSENT
                            .because("the challenge names an error, though nothing was presented")
                    }
                    Some(_) => PASS.because("401: refused"),
                }
            }
        }
    }

    /// What all probes of a protected route say together: a route of which no refusal was seen is no pass.
    fn all(&self) -> Option<Finding> {
        if self.route.access != Access::Protected || self.asked.is_empty() {
            return None;
        }
        let strangers = || {
            self.asked
                .iter()
                .filter(|(probe, _)| probe.attack.family != Family::Good)
                // They say nothing of this method and this path.
                .filter(|(probe, _)| !ELSEWHERE.contains(&probe.attack.name))
                .map(|(probe, answer)| (self.class(probe, answer), *answer))
        };
        let settled = strangers().any(|(class, answer)| match class {
            Class::Refused => true,
            // What a good token gets as well is no refusal of bad ones.
            Class::Forbidden => !self.good_got(class),
            Class::Redirected => !self.good_got(class) && leads_to_sign_in(answer),
            // Told apart already, as a hole or as out of order.
            Class::LetIn | Class::Broken | Class::Silent => true,
            Class::Malformed => is_bearer_challenge(answer),
            Class::TooLarge | Class::Early | Class::Limited | Class::Moved => false,
        });
        // `LetIn` of a stranger is settled, so here the good token alone got in.
        if settled || self.good_was_let_in() {
            return None;
        }
        let (_, answer) = self.asked.first()?;
        let found = format!("{} for everybody: no refusal was seen", status(answer));
        let mend = match answer.status() {
            Some(404) => {
                "Check credentials before looking anything up; or name a thing that exists, by an example in the document \
                 or a parameter's value."
            }
            Some(429) => LIMITED.mend,
            Some(300..400) => MOVED.mend,
            _ => {
                "Check credentials before anything else of the request. As it is, nobody can tell this route from one \
                 without a guard; skip it if that is meant."
            }
        };
        let verdict = Verdict {
            state: Fail,
            code: "unproven",
            mend,
            found,
        };
        Some(verdict.finding(self.route, WHOLE.to_owned(), answer.status()))
    }

    /// The status by which strangers are refused here, if this answer has another one.
    fn refusal_of_strangers(&self, probe: &Probe, answer: &Answer) -> Option<u16> {
        let strangers = || {
            self.asked
                .iter()
                .filter(|(other, _)| STRANGERS.contains(&other.attack.name))
                .filter(|(other, _)| other.label() != probe.label())
        };
        if strangers().any(|(_, other)| other.status() == answer.status()) {
            return None;
        }
        strangers()
            .filter_map(|(_, other)| other.status())
            .find(|status| matches!(status, 401 | 403))
    }

    /// The status without credentials.
    fn anonymous(&self) -> Option<u16> {
        self.asked
            .iter()
            .find(|(probe, _)| probe.attack.family == Family::Absent)
            .and_then(|(_, answer)| answer.status())
    }

    fn good_was_let_in(&self) -> bool {
        self.asked.iter().any(|(probe, answer)| {
            probe.attack.family == Family::Good && self.class(probe, answer) == Class::LetIn
        })
    }

    fn good_got(&self, class: Class) -> bool {
        self.asked.iter().any(|(probe, answer)| {
            probe.attack.family == Family::Good && self.class(probe, answer) == class
        })
    }

    fn class(&self, probe: &Probe, answer: &Answer) -> Class {
        answer.class(self.origin, &probe.target)
    }
}

fn is_bearer_challenge(answer: &Answer) -> bool {
    answer
        .challenges()
        .iter()
        .any(|challenge| challenge.is_bearer())
}

fn by_gravity(attack: &Attack, code: &'static str, found: String) -> Verdict {
    Verdict {
        state: match attack.gravity {
            Gravity::Hole => Fail,
            Gravity::Oddity => Warn,
        },
        code,
        mend: attack.mend,
        found,
    }
}

fn broken(answer: &Answer) -> Verdict {
    match answer {
        Answer::Crash(what) => {
            BROKEN.because(format!("the application raised {}", printable(what)))
        }
        _ if answer.status() == Some(503) => UNAVAILABLE.because("503: it could not decide"),
        _ => BROKEN.because(format!("{}: it broke", status(answer))),
    }
}

fn silent(answer: &Answer) -> Verdict {
    let why = match answer {
        Answer::Silence(why) => printable(why),
        _ => String::new(),
    };
    SILENT.because(format!("no answer: {why}"))
}

fn status(answer: &Answer) -> String {
    answer
        .status()
        .map_or("nothing".to_owned(), |status| status.to_string())
}

/// Where a redirect leads, without its query, which may have a token in it.
fn place(answer: &Answer, whole: bool) -> String {
    let Answer::Response {
        location: Some(location),
        ..
    } = answer
    else {
        return "nowhere".to_owned();
    };
    let bare = location.split(['?', '#']).next().unwrap_or_default();
    let shown = match (whole, bare.split_once("://")) {
        // Credentials in front of the host are nobody's business.
        (_, Some((scheme, rest))) => {
            let host = rest.split('/').next().unwrap_or_default();
            let path = &rest[host.len()..];
            let host = host.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        (_, None) => bare.to_owned(),
    };
    // A long segment may be a token.
    let short = |segment: &str| match segment.len() {
        0..=40 => segment.to_owned(),
        _ => "…".to_owned(),
    };
    printable(&shown.split('/').map(short).collect::<Vec<_>>().join("/"))
}

/// Whether a redirect is what pages of an application answer strangers with.
fn leads_to_sign_in(answer: &Answer) -> bool {
    let place = place(answer, true).to_ascii_lowercase();
    [
        "login", "log-in", "signin", "sign-in", "sign_in", "auth", "account",
    ]
    .iter()
    .any(|word| place.contains(word))
}

/// A finding before it is told of which route.
struct Verdict {
    state: State,
    code: &'static str,
    mend: &'static str,
    found: String,
}

impl Verdict {
    fn finding(self, route: &Route, attack: String, status: Option<u16>) -> Finding {
        Finding {
            route: printable(&route.to_string()),
            attack,
            state: self.state,
            code: self.code,
            status,
            found: self.found,
            mend: self.mend.to_owned(),
        }
    }
}

/// What can be found, apart from what an attack's own row says.
struct Row {
    state: State,
    code: &'static str,
    mend: &'static str,
}

impl Row {
    fn because(&self, found: impl Into<String>) -> Verdict {
        Verdict {
            state: self.state,
            code: self.code,
            mend: self.mend,
            found: found.into(),
        }
    }
}

const fn row(state: State, code: &'static str, mend: &'static str) -> Row {
    Row { state, code, mend }
}

use State::{Fail, Pass, Warn};

const PASS: Row = row(Pass, "as_expected", "");
const OPEN_REFUSED: Row = row(
    Fail,
    "open_refused",
    "Let everybody in; or if it is meant to be protected, say so (`security` in the document).",
);
const BROKEN: Row = row(
    Fail,
    "server_error",
    "Refuse with 401. Whoever can make the check fail can look for the input that makes it pass.",
);
const UNAVAILABLE: Row = row(
    Fail,
    "unavailable",
    "Let the API reach its issuer's keys, then run again: nothing was learned.",
);
const SILENT: Row = row(
    Fail,
    "no_answer",
    "Answer every request in time; a connection that is cut tells a client nothing.",
);
const LIMITED: Row = row(
    Warn,
    "rate_limited",
    "Lift the rate limit for the test, or ask more slowly.",
);
const NOT_THERE: Row = row(
    Warn,
    "not_there",
    "Correct the route, or what stands in for its parameters.",
);
const GOOD_UNPROVEN: Row = row(
    Warn,
    "good_unproven",
    "Give a token with the rights that this route demands.",
);
const IGNORED: Row = row(
    Warn,
    "bad_ignored",
    "Refuse bad credentials even where none are needed: absent is not bad.",
);
const FORBIDDEN: Row = row(
    Warn,
    "forbidden",
    "Answer 401 with a challenge to missing and bad credentials (RFC 9110 §15.5.2): 403 tells a client that new \
     ones will not help.",
);
const REDIRECTED: Row = row(
    Warn,
    "redirected",
    "Answer 401 to clients of the API; leave redirects to pages for people.",
);
const MOVED: Row = row(
    Warn,
    "moved",
    "Nothing was learned: give the URL it redirects to as the target.",
);
const EARLY: Row = row(
    Warn,
    "before_authentication",
    "Check credentials first: as it is, strangers learn what is there and what is valid.",
);
const OTHER_WORDS: Row = row(
    Warn,
    "other_words",
    "Answer 401 with a challenge to every bad token (RFC 6750 §3.1), whatever is wrong with it.",
);
const NO_CHALLENGE: Row = row(
    Warn,
    "no_challenge",
    "Send `WWW-Authenticate: Bearer` with every 401 (RFC 9110 §15.5.2, RFC 6750 §3).",
);
const ERROR_FOR_ABSENT: Row = row(
    Warn,
    "error_for_absent",
    "Send a bare `Bearer` challenge where nothing was presented (RFC 6750 §3.1).",
);

/// Probes that nobody can take for a good token.
const STRANGERS: [&str; 2] = ["no_credentials", "junk"];
/// What asks another method or path, which the API need not have.
const ELSEWHERE: [&str; 3] = ["head", "trailing_slash", "method_override"];
/// Tokens of another subject, or of none: whoever believes them may refuse them for that.
const OF_OTHERS: [&str; 3] = ["payload_changed", "no_sub", "duplicate_claim"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::probe::Place;
    use crate::conformance::route::RouteSpec;

    fn route(access: Access) -> Route {
        let mut spec = RouteSpec::parse("/me").unwrap();
        spec.access = access;
        Route::from_spec(&spec).unwrap()
    }

    fn probe(name: &str) -> Probe {
        Probe {
            route: 0,
            attack: Attack::named(name).unwrap(),
            method: "GET".to_owned(),
            target: "/me".to_owned(),
            headers: Vec::new(),
            body: None,
            place: Place::Header,
        }
    }

    const BEARER: (&str, &str) = ("WWW-Authenticate", "Bearer");
    const INVALID: (&str, &str) = ("WWW-Authenticate", r#"Bearer error="invalid_token""#);

    fn answer(status: u16) -> Answer {
        match status {
            401 => Answer::response(401, [INVALID]),
            _ => Answer::response(status, []),
        }
    }

    /// What is found when each of these is answered so.
    fn codes(access: Access, asked: &[(&str, Answer)]) -> Vec<(State, &'static str)> {
        let probes: Vec<_> = asked.iter().map(|(name, _)| probe(name)).collect();
        let pairs: Vec<_> = probes
            .iter()
            .zip(asked)
            .map(|(probe, (_, answer))| (probe, answer))
            .collect();
        judge(
            &route(access),
            Some("http://a.test"),
            &pairs,
            &forbidden(&pairs),
        )
        .into_iter()
        .map(|finding| (finding.state, finding.code))
        .collect()
    }

    fn protected(asked: &[(&str, Answer)]) -> Vec<(State, &'static str)> {
        codes(Access::Protected, asked)
    }

    const OK: (State, &str) = (Pass, "as_expected");

    #[test]
    fn a_sound_route_passes() {
        let found = protected(&[
            ("no_credentials", Answer::response(401, [BEARER])),
            ("basic", Answer::response(401, [BEARER])),
            ("bearer_without_token", answer(400)),
            ("junk", answer(401)),
            ("alg_none", answer(401)),
            ("no_signature", Answer::response(400, [INVALID])),
            ("token_in_query", Answer::response(414, [])),
            ("good_then_junk", answer(400)),
            ("good_token", answer(200)),
            ("lower_case_scheme", answer(204)),
        ]);
        assert_eq!(found, [OK; 10]);
    }

    #[test]
    fn who_lets_a_stranger_in_fails() {
        let found = protected(&[
            ("no_credentials", answer(200)),
            ("junk", answer(204)),
            ("alg_none", answer(200)),
            ("string_exp", answer(200)),
            ("good_then_junk", answer(200)),
        ]);
        let let_in = |state| (state, "let_in");
        assert_eq!(found, [Fail, Fail, Fail, Warn, Warn].map(let_in));
    }

    #[test]
    fn a_token_that_gets_further_than_junk_was_believed() {
        for status in [400, 403, 404, 405, 409, 415, 422] {
            let found = protected(&[
                ("no_credentials", Answer::response(401, [BEARER])),
                ("junk", answer(401)),
                ("alg_none", answer(status)),
                ("issued_in_future", answer(status)),
            ]);
            assert_eq!(
                found[2..],
                [(Fail, "believed"), (Warn, "believed")],
                "{status}"
            );
        }
        // Who says 403 to bad tokens says it to junk, too.
        let found = protected(&[
            ("no_credentials", Answer::response(401, [BEARER])),
            ("junk", answer(403)),
            ("alg_none", answer(403)),
        ]);
        assert_eq!(found, [OK, (Warn, "forbidden"), (Warn, "forbidden")]);
        let found = protected(&[
            ("no_credentials", Answer::response(401, [BEARER])),
            ("junk", answer(422)),
        ]);
        assert_eq!(found, [OK, (Fail, "believed")]);
    }

    #[test]
    fn where_the_good_token_gets_in_another_answer_is_a_refusal() {
        let asked = [
            ("no_credentials", 401),
            ("junk", 401),
            ("alg_none", 403),
            ("expired", 404),
            ("no_sub", 404),
            ("good_token", 200),
        ];
        let found = protected(&asked.map(|(name, status)| (name, answer(status))));
        assert_eq!(
            found[2..],
            [
                (Warn, "forbidden"),
                (Warn, "other_words"),
                (Fail, "believed"),
                OK
            ]
        );
        // And 403 means the same where the good token is not sent.
        let probes = ["no_credentials", "junk", "alg_none", "expired"].map(probe);
        let answers = [401, 401, 403, 403].map(answer);
        let pairs: Vec<_> = probes.iter().zip(&answers).collect();
        let found = judge(&route(Access::Protected), None, &pairs, &["alg_none"]);
        assert_eq!(found[2].code, "forbidden");
        assert_eq!(found[3].code, "believed");
    }

    #[test]
    fn a_route_that_refuses_nobody_is_no_pass() {
        for status in [404, 405, 422, 400, 429] {
            let asked = [("no_credentials", status), ("junk", status)];
            let asked = asked.map(|(name, status)| (name, answer(status)));
            let found = protected(&asked);
            assert_eq!(found.last(), Some(&(Fail, "unproven")), "{status}");
            assert!(found[..1].iter().all(|(state, _)| *state == Warn));
        }
        let found = protected(&[
            ("no_credentials", answer(404)),
            ("junk", answer(404)),
            ("good_token", answer(200)),
        ]);
        let early = (Warn, "before_authentication");
        assert_eq!(found, [early, early, OK]);
    }

    #[test]
    fn breaking_down_is_no_refusal() {
        let found = protected(&[
            ("no_credentials", Answer::response(401, [BEARER])),
            ("junk", answer(500)),
            ("alg_none", Answer::Crash("ValueError".to_owned())),
            ("stranger_key", answer(503)),
            ("truncated", Answer::Silence("timed out".to_owned())),
            ("expired", answer(429)),
        ]);
        assert_eq!(
            found[1..],
            [
                (Fail, "server_error"),
                (Fail, "server_error"),
                (Fail, "unavailable"),
                (Fail, "no_answer"),
                (Warn, "rate_limited")
            ]
        );
    }

    #[test]
    fn the_words_of_a_refusal_count() {
        let basic = ("WWW-Authenticate", "Basic realm=\"x\"");
        let found = protected(&[
            ("no_credentials", Answer::response(401, [INVALID])),
            ("basic", Answer::response(401, [])),
            ("junk", Answer::response(401, [basic])),
            ("alg_none", Answer::response(401, [basic, BEARER])),
        ]);
        assert_eq!(
            found,
            [
                (Warn, "error_for_absent"),
                (Warn, "no_challenge"),
                (Warn, "no_challenge"),
                OK
            ]
        );
        assert_eq!(
            protected(&[("no_credentials", answer(403))]),
            [(Warn, "forbidden")]
        );
    }

    #[test]
    fn redirects_are_told_apart() {
        let to = |location| Answer::response(302, [("Location", location)]);
        let found = protected(&[
            ("no_credentials", to("/login?next=/me")),
            ("junk", to("/login?next=/me")),
        ]);
        assert_eq!(found, [(Warn, "redirected"), (Warn, "redirected")]);
        let found = protected(&[
            ("no_credentials", to("https://a.test/me")),
            ("junk", to("https://a.test/me")),
        ]);
        assert_eq!(
            found,
            [(Warn, "moved"), (Warn, "moved"), (Fail, "unproven")]
        );
    }

    #[test]
    fn a_location_is_shown_without_what_may_be_secret() {
        for (location, shown) in [
            ("/login?token=eyJ", "/login"),
            ("https://me:secret@sso.test/a#t", "https://sso.test/a"),
            ("/a\u{1b}[31m", "/a\u{fffd}[31m"),
        ] {
            let answer = Answer::response(302, [("Location", location)]);
            assert_eq!(place(&answer, false), shown);
        }
    }

    #[test]
    fn the_good_token_must_get_further() {
        let found = protected(&[
            ("no_credentials", Answer::response(401, [BEARER])),
            ("good_token", answer(401)),
            ("lower_case_scheme", answer(401)),
        ]);
        assert_eq!(found[1..], [(Fail, "good_refused"), (Warn, "good_refused")]);
        for (status, expected) in [
            (200, OK),
            (403, OK),
            (404, OK),
            (422, OK),
            (405, (Warn, "not_there")),
        ] {
            let found = protected(&[
                ("no_credentials", Answer::response(401, [BEARER])),
                ("good_token", answer(status)),
            ]);
            assert_eq!(found[1], expected);
        }
        let found = protected(&[("no_credentials", answer(403)), ("good_token", answer(403))]);
        assert_eq!(found[1], (Warn, "good_unproven"));
    }

    #[test]
    fn public_is_open_and_optional_refuses_what_is_bad() {
        for (status, code) in [
            (200, OK),
            (302, OK),
            (422, OK),
            (401, (Fail, "open_refused")),
            (403, (Fail, "open_refused")),
            (404, (Warn, "not_there")),
            (500, (Fail, "server_error")),
        ] {
            for access in [Access::Public, Access::Optional] {
                let found = codes(access, &[("no_credentials", answer(status))]);
                assert_eq!(found, [code], "{status} {access}");
            }
        }
        let found = codes(
            Access::Optional,
            &[
                ("no_credentials", answer(200)),
                ("junk", answer(401)),
                ("basic", answer(400)),
                ("alg_none", answer(200)),
                ("expired", answer(403)),
                ("good_token", answer(401)),
            ],
        );
        assert_eq!(
            found,
            [
                OK,
                OK,
                OK,
                (Warn, "bad_ignored"),
                (Warn, "forbidden"),
                (Fail, "good_refused")
            ]
        );
    }

    #[test]
    fn a_route_with_another_scheme_owes_no_bearer_challenge() {
        let mut route = route(Access::Protected);
        route.schemes = vec![super::super::route::Scheme::Other];
        let probe = probe("no_credentials");
        let answer = Answer::response(401, []);
        let found = judge(&route, None, &[(&probe, &answer)], &[]);
        assert_eq!(found[0].state, Pass);
    }
}
