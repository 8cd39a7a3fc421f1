//! The report: as a table for people, as JSON for scripts, as JUnit XML for build servers.

use std::fmt::Write as _;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use serde::Serialize;

use super::judge::{Finding, State};
use super::route::Access;

/// What a suite has found.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Whether nothing failed.
    pub passed: bool,
    /// What was asked.
    pub target: String,
    /// The numbers.
    pub summary: Summary,
    /// The routes that were probed.
    pub routes: Vec<Probed>,
    /// The routes that were not, and why.
    pub skipped: Vec<Skipped>,
    /// The attacks that were not tried, and what was missing.
    pub not_tried: Vec<NotTried>,
    /// Everything that was found out, route by route.
    pub findings: Vec<Finding>,
}

/// The numbers of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// Routes that were probed.
    pub routes: usize,
    /// Of those, the protected ones.
    pub protected: usize,
    /// The ones where credentials are optional.
    pub optional: usize,
    /// The public ones.
    pub public: usize,
    /// Requests that were planned.
    pub probes: usize,
    /// Findings that are as they should be.
    pub passes: usize,
    /// Findings that are odd.
    pub warnings: usize,
    /// Findings that are bad.
    pub failures: usize,
}

/// A route that was probed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Probed {
    /// As in `GET /me`.
    pub route: String,
    /// Who may enter.
    pub access: Access,
    /// The worst that was found.
    pub state: State,
}

/// A route that was not probed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Skipped {
    /// As in `GET /me`.
    pub route: String,
    /// Why not.
    pub why: String,
}

/// An attack that was not tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NotTried {
    /// The attack's name.
    pub attack: &'static str,
    /// What it takes.
    pub needs: String,
}

/// How a piece of the table is meant, for whoever has colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Odd.
    Odd,
    /// Bad.
    Bad,
    /// Less important.
    Dim,
    /// More important.
    Bold,
}

impl Report {
    pub(super) fn new(
        target: String,
        strict: bool,
        mut routes: Vec<Probed>,
        skipped: Vec<Skipped>,
        not_tried: Vec<NotTried>,
        findings: Vec<Finding>,
        probes: usize,
    ) -> Self {
        for probed in &mut routes {
            let states = findings
                .iter()
                .filter(|finding| finding.route == probed.route)
                .map(|finding| finding.state);
            probed.state = states.max().unwrap_or(State::Pass);
        }
        let with = |access| routes.iter().filter(|route| route.access == access).count();
        let are = |state| {
            findings
                .iter()
                .filter(|finding| finding.state == state)
                .count()
        };
        let summary = Summary {
            routes: routes.len(),
            protected: with(Access::Protected),
            optional: with(Access::Optional),
            public: with(Access::Public),
            probes,
            passes: are(State::Pass),
            warnings: are(State::Warn),
            failures: are(State::Fail),
        };
        Self {
            passed: summary.failures == 0 && !(strict && summary.warnings > 0),
            target,
            summary,
            routes,
            skipped,
            not_tried,
            findings,
        }
    }

    /// As a table without colours.
    pub fn table(&self) -> String {
        self.painted(&|_, text| text.to_owned())
    }

    /// As a table in the colours that `paint` gives it.
    pub fn painted(&self, paint: &dyn Fn(Tone, &str) -> String) -> String {
        let mut out = String::new();
        let longest = self
            .routes
            .iter()
            .map(|probed| probed.route.chars().count());
        let width = longest.max().unwrap_or(0).clamp(12, 48);
        for probed in &self.routes {
            let findings: Vec<_> = self
                .findings
                .iter()
                .filter(|finding| finding.route == probed.route)
                .collect();
            let (tone, word) = match probed.state {
                State::Pass => (Tone::Good, "pass"),
                State::Warn => (Tone::Odd, "warn"),
                State::Fail => (Tone::Bad, "fail"),
            };
            let asked = findings.iter().filter(|finding| finding.attack != WHOLE);
            let tried = match asked.count() {
                1 => "1 check".to_owned(),
                many => format!("{many} checks"),
            };
            let facts = format!("{:<9}  {tried}", probed.access.to_string());
            let _ = writeln!(
                out,
                "{}  {:<width$}  {}",
                paint(tone, word),
                probed.route,
                paint(Tone::Dim, &facts)
            );
            for group in Self::grouped(&findings) {
                let (first, names) = group;
                let tone = if first.state == State::Fail {
                    Tone::Bad
                } else {
                    Tone::Odd
                };
                let found = paint(tone, &first.found);
                let _ = writeln!(out, "      {}: {found}", paint(Tone::Bold, &names));
                let _ = writeln!(out, "        {}", paint(Tone::Dim, &first.mend));
            }
        }
        for skipped in &self.skipped {
            let _ = writeln!(
                out,
                "{}  {:<width$}  {}",
                paint(Tone::Dim, "skip"),
                skipped.route,
                paint(Tone::Dim, &skipped.why)
            );
        }
        let mut needs: Vec<&str> = Vec::new();
        for missing in &self.not_tried {
            if !needs.contains(&missing.needs.as_str()) {
                needs.push(&missing.needs);
            }
        }
        if !needs.is_empty() {
            let _ = writeln!(out, "\n{}", paint(Tone::Bold, "Not tried"));
        }
        for need in needs {
            let names: Vec<_> = self
                .not_tried
                .iter()
                .filter(|missing| missing.needs == need)
                .map(|missing| missing.attack)
                .collect();
            let _ = writeln!(
                out,
                "  {} {}",
                names.join(", "),
                paint(Tone::Dim, &format!("({need})"))
            );
        }
        let _ = writeln!(out, "\n{}", self.verdict(paint));
        out
    }

    /// What it comes to, in one line.
    pub fn verdict(&self, paint: &dyn Fn(Tone, &str) -> String) -> String {
        let count = |number: usize, one: &str| match number {
            1 => format!("1 {one}"),
            _ => format!("{number} {one}s"),
        };
        let Summary {
            routes,
            protected,
            optional,
            public,
            probes,
            warnings,
            failures,
            ..
        } = self.summary;
        let verdict = if self.passed {
            paint(Tone::Good, "passed")
        } else {
            paint(Tone::Bad, "failed")
        };
        let optional = if optional > 0 {
            format!("{optional} optional, ")
        } else {
            String::new()
        };
        format!(
            "{verdict}: {} ({protected} protected, {optional}{public} public), {}: {}, {}",
            count(routes, "route"),
            count(probes, "request"),
            count(failures, "failure"),
            count(warnings, "warning"),
        )
    }

    /// What is not as it should be, alike things together: the first finding, and the attacks' names.
    fn grouped<'a>(findings: &[&'a Finding]) -> Vec<(&'a Finding, String)> {
        let mut groups: Vec<(&Finding, Vec<&str>)> = Vec::new();
        for finding in findings {
            if finding.state == State::Pass {
                continue;
            }
            let alike = groups.iter_mut().find(|(first, _)| {
                // Who lets in nobody in particular lets in everybody: one mistake, one line.
                let everybody = first.attack == "no_credentials" && first.code == "let_in";
                (everybody && finding.code == "let_in")
                    || (first.state, &first.found, &first.mend)
                        == (finding.state, &finding.found, &finding.mend)
            });
            match alike {
                Some((_, names)) => names.push(&finding.attack),
                None => groups.push((finding, vec![&finding.attack])),
            }
        }
        // The worst first, otherwise in the order of the probes.
        groups.sort_by_key(|(first, _)| std::cmp::Reverse(first.state));
        let joined = |names: Vec<&str>| match names.len() {
            0..=MOST_NAMES => names.join(", "),
            many => format!(
                "{} and {} more",
                names[..MOST_NAMES].join(", "),
                many - MOST_NAMES
            ),
        };
        groups
            .into_iter()
            .map(|(first, names)| (first, joined(names)))
            .collect()
    }

    /// As JUnit XML: a suite for each route, a case for each attack. Warnings are in the cases' output.
    pub fn junit(&self) -> String {
        let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
        // Writing into memory does not fail.
        let _ = self.write_junit(&mut writer);
        let mut text = String::from_utf8_lossy(&writer.into_inner()).into_owned();
        text.push('\n');
        text
    }

    fn write_junit(&self, writer: &mut Writer<Vec<u8>>) -> std::io::Result<()> {
        let cases = |route: &str| {
            self.findings
                .iter()
                .filter(|finding| finding.route == route)
                .collect::<Vec<_>>()
        };
        let failing = |findings: &[&Finding]| {
            findings
                .iter()
                .filter(|finding| finding.state == State::Fail)
                .count()
                .to_string()
        };
        writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        let all: Vec<_> = self.findings.iter().collect();
        writer
            .create_element("testsuites")
            .with_attribute(("name", "doorward conformance"))
            .with_attribute((
                "tests",
                (all.len() + self.skipped.len()).to_string().as_str(),
            ))
            .with_attribute(("failures", failing(&all).as_str()))
            .with_attribute(("skipped", self.skipped.len().to_string().as_str()))
            .write_inner_content(|writer| {
                for probed in &self.routes {
                    let cases = cases(&probed.route);
                    writer
                        .create_element("testsuite")
                        .with_attribute(("name", xml(&probed.route).as_str()))
                        .with_attribute(("tests", cases.len().to_string().as_str()))
                        .with_attribute(("failures", failing(&cases).as_str()))
                        .write_inner_content(|writer| {
                            cases.iter().try_for_each(|case| write_case(writer, case))
                        })?;
                }
                for skipped in &self.skipped {
                    writer
                        .create_element("testsuite")
                        .with_attribute(("name", xml(&skipped.route).as_str()))
                        .with_attribute(("tests", "1"))
                        .with_attribute(("failures", "0"))
                        .with_attribute(("skipped", "1"))
                        .write_inner_content(|writer| {
                            writer
                                .create_element("testcase")
                                .with_attribute(("classname", xml(&skipped.route).as_str()))
                                .with_attribute(("name", WHOLE))
                                .write_inner_content(|writer| {
                                    writer
                                        .create_element("skipped")
                                        .with_attribute(("message", xml(&skipped.why).as_str()))
                                        .write_empty()?;
                                    Ok(())
                                })?;
                            Ok(())
                        })?;
                }
                Ok(())
            })?;
        Ok(())
    }
}

fn write_case(writer: &mut Writer<Vec<u8>>, case: &Finding) -> std::io::Result<()> {
    let element = writer
        .create_element("testcase")
        .with_attribute(("classname", xml(&case.route).as_str()))
        .with_attribute(("name", xml(&case.attack).as_str()));
    match case.state {
        State::Pass => element.write_empty()?,
        State::Warn => element.write_inner_content(|writer| {
            let text = format!("warning: {} ({})\n{}", case.found, case.code, case.mend);
            writer
                .create_element("system-out")
                .write_text_content(BytesText::new(&xml(&text)))?;
            Ok(())
        })?,
        State::Fail => element.write_inner_content(|writer| {
            writer
                .create_element("failure")
                .with_attribute(("type", case.code))
                .with_attribute(("message", xml(&case.found).as_str()))
                .write_text_content(BytesText::new(&xml(&case.mend)))?;
            Ok(())
        })?,
    };
    Ok(())
}

/// Text that XML 1.0 can hold (§2.2).
fn xml(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            '\n' => letter,
            _ if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => '\u{fffd}',
            _ => letter,
        })
        .collect()
}

/// What came from outside must not drive the terminal, nor fill it.
pub(super) fn printable(text: &str) -> String {
    let mark = |letter: char| {
        if letter.is_control() {
            '\u{fffd}'
        } else {
            letter
        }
    };
    let mut shown: String = text.chars().take(LONGEST).map(mark).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

/// The name of a finding about all probes of a route.
pub(super) const WHOLE: &str = "route";
const LONGEST: usize = 200;
/// Names that stand in one line.
const MOST_NAMES: usize = 6;

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn finding(route: &str, attack: &str, state: State, found: &str) -> Finding {
        Finding {
            route: route.to_owned(),
            attack: attack.to_owned(),
            state,
            code: "let_in",
            status: Some(200),
            found: found.to_owned(),
            mend: "Mend <it> & run again.".to_owned(),
        }
    }

    fn report(strict: bool, findings: Vec<Finding>) -> Report {
        let probed = |route: &str, access| Probed {
            route: route.to_owned(),
            access,
            state: State::Pass,
        };
        let skipped = Skipped {
            route: "POST /a\"b".to_owned(),
            why: "as asked".to_owned(),
        };
        let missing = |attack| NotTried {
            attack,
            needs: "a good token".to_owned(),
        };
        Report::new(
            "http://a.test".to_owned(),
            strict,
            vec![
                probed("GET /me", Access::Protected),
                probed("GET /health", Access::Public),
            ],
            vec![skipped],
            vec![missing("truncated"), missing("bad_signature")],
            findings,
            9,
        )
    }

    fn findings() -> Vec<Finding> {
        let mut findings = vec![
            finding("GET /me", "junk", State::Pass, "401"),
            finding("GET /me", "odd", State::Warn, "403"),
            finding("GET /health", "no_credentials", State::Pass, "200"),
        ];
        for number in 0..8 {
            let name = format!("forged_{number}");
            findings.push(finding("GET /me", &name, State::Fail, "200: let in"));
        }
        findings
    }

    #[test]
    fn the_table_puts_alike_things_together_and_the_worst_first() {
        let table = report(false, findings()).table();
        let expected = "\
fail  GET /me       protected  10 checks
      forged_0, forged_1, forged_2, forged_3, forged_4, forged_5 and 2 more: 200: let in
        Mend <it> & run again.
      odd: 403
        Mend <it> & run again.
pass  GET /health   public     1 check
skip  POST /a\"b     as asked

Not tried
  truncated, bad_signature (a good token)

failed: 2 routes (1 protected, 1 public), 9 requests: 8 failures, 1 warning
";
        assert_eq!(table, expected);
        let painted = report(false, findings()).painted(&|tone, text| format!("<{tone:?} {text}>"));
        assert!(painted.contains("<Bad fail>") && painted.contains("<Odd 403>"));
    }

    #[test]
    fn warnings_fail_only_the_strict() {
        let odd = || vec![finding("GET /me", "odd", State::Warn, "403")];
        assert!(report(false, odd()).passed && !report(true, odd()).passed);
        assert!(report(true, Vec::new()).passed);
    }

    #[test]
    fn the_json_is_whole() {
        let json: Value = serde_json::to_value(report(false, findings())).unwrap();
        assert_eq!(json["passed"], false);
        assert_eq!(json["summary"]["failures"], 8);
        assert_eq!(json["routes"][0]["state"], "fail");
        assert_eq!(json["routes"][1]["access"], "public");
        assert_eq!(json["findings"][0]["attack"], "junk");
        assert_eq!(json["not_tried"][0]["needs"], "a good token");
    }

    #[test]
    fn the_xml_is_well_formed_and_counts() {
        use quick_xml::Reader;
        let mut findings = findings();
        findings[1].found = "a \u{1b}[31m \"b\" <c>".to_owned();
        findings[3].found = "]]> & \u{0}".to_owned();
        let text = report(false, findings).junit();
        let mut reader = Reader::from_str(&text);
        let (mut failures, mut cases, mut suites) = (0, 0, 0);
        loop {
            match reader.read_event().unwrap() {
                Event::Eof => break,
                Event::Start(tag) | Event::Empty(tag) => match tag.name().as_ref() {
                    "failure" => failures += 1,
                    "testcase" => cases += 1,
                    "testsuite" => suites += 1,
                    _ => {}
                },
                _ => {}
            }
        }
        assert_eq!((failures, cases, suites), (8, 12, 3));
        assert!(
            text.starts_with("<?xml") && text.contains(r#"tests="12" failures="8" skipped="1""#)
        );
        assert!(!text.contains('\u{1b}') && !text.contains('\u{0}'));
    }
}
