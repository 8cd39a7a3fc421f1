//! Lists: filtered, ordered, and a page of them.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;

use crate::backend_api::Outcome;
use crate::backend_api::call::Call;
use crate::backend_api::problem::Problem;
use crate::backend_api::store::{Family, Object, Store};

/// Whether an object is wanted: a filter of its own for each parameter that was given.
pub(super) type Filter<'c> = Box<dyn Fn(&Object) -> bool + 'c>;

/// A page of those objects of a family that pass the filters, ordered as asked for.
pub(super) fn page<'c>(
    store: &Store,
    call: &Call,
    family: Family,
    filters: impl IntoIterator<Item = Option<Filter<'c>>>,
    sortable: &[&str],
    show: impl Fn(&Object) -> Value,
) -> Result<Outcome, Problem> {
    let order = Order::read(call, sortable)?;
    let (offset, limit) = window(call);
    let filters: Vec<Filter<'_>> = filters.into_iter().flatten().collect();
    let backdated = || {
        let mut held = store.held(family);
        held.any(|object| object.contains_key(BACKDATED))
    };
    if filters.is_empty() && order.field == "created_at" && !backdated() {
        let page = store.page(family, order.newest_first, offset, limit);
        let page = page.iter().map(|object| show(object));
        return Ok(Outcome::List(page.collect(), store.count(family)));
    }
    let found = store.all(family);
    Ok(page_among(call, found, &filters, &order, show))
}

/// A page of those of these objects that pass the filters. They come oldest first.
pub(super) fn page_among<'o>(
    call: &Call,
    objects: impl Iterator<Item = Cow<'o, Object>>,
    filters: &[Filter<'_>],
    order: &Order,
    show: impl Fn(&Object) -> Value,
) -> Outcome {
    let (offset, limit) = window(call);
    let passing = objects.filter(|object| filters.iter().all(|passes| passes(object)));
    let mut found: Vec<Cow<'_, Object>> = passing.collect();
    order.sort(&mut found);
    let total = found.len() as u64;
    let page = found.iter().skip(offset).take(limit);
    Outcome::List(page.map(|object| show(object)).collect(), total)
}

/// `offset` and `limit`.
pub(super) fn window(call: &Call) -> (usize, usize) {
    let number = |name, otherwise: usize| {
        call.int(name)
            .map_or(otherwise, |number| usize::try_from(number).unwrap_or(0))
    };
    (number("offset", 0), number("limit", usize::MAX))
}

/// `order_by`: a field, and `+` or `-` before it.
pub(super) struct Order {
    pub(super) field: String,
    pub(super) newest_first: bool,
}

impl Order {
    /// Reads `order_by`. Without one, the newest come first.
    pub(super) fn read(call: &Call, sortable: &[&str]) -> Result<Self, Problem> {
        let text = call.text("order_by").unwrap_or("-created_at").trim();
        let (newest_first, field) = match text.strip_prefix('-') {
            Some(field) => (true, field),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if field != "created_at" && !sortable.contains(&field) {
            let mut known = vec!["created_at"];
            known.extend(sortable);
            let long = format!("order_by must be one of {}.", known.join(", "));
            return Err(Problem::value("order_by", long));
        }
        Ok(Self {
            field: field.to_owned(),
            newest_first,
        })
    }

    /// Orders objects that came oldest first.
    pub(super) fn sort(&self, objects: &mut [Cow<'_, Object>]) {
        if self.field != "created_at" || objects.iter().any(|object| object.contains_key(BACKDATED))
        {
            objects.sort_by(|one, other| {
                compared(sort_key(one, &self.field), sort_key(other, &self.field))
            });
        }
        if self.newest_first {
            objects.reverse();
        }
    }
}

fn sort_key<'o>(object: &'o Object, field: &str) -> Option<&'o Value> {
    let first = |list: &str, field: &str| object.get(list)?.as_array()?.first()?.get(field);
    match field {
        "email_address" => object
            .get(field)
            .or_else(|| first("email_addresses", field)),
        "phone_number" => object.get(field).or_else(|| first("phone_numbers", field)),
        "web3wallet" => first("web3_wallets", "web3_wallet"),
        _ => object.get(field),
    }
}

/// What is absent or null comes first.
fn compared(one: Option<&Value>, other: Option<&Value>) -> Ordering {
    let number = |value: Option<&Value>| value.and_then(Value::as_f64);
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_lowercase);
    number(one)
        .partial_cmp(&number(other))
        .unwrap_or(Ordering::Equal)
        .then_with(|| text(one).cmp(&text(other)))
}

/// Only those whose field has this value, if the parameter was given.
pub(super) fn equals<'c>(call: &'c Call, parameter: &'c str, field: &'c str) -> Option<Filter<'c>> {
    let wanted = call.text(parameter)?;
    Some(Box::new(move |object| {
        object.get(field).and_then(Value::as_str) == Some(wanted)
    }))
}

/// Only those of which one of these fields contains this text, whatever its case.
pub(super) fn contains<'c>(
    call: &Call,
    parameter: &str,
    fields: &'c [&'c str],
) -> Option<Filter<'c>> {
    let wanted = call.text(parameter)?.to_lowercase();
    Some(Box::new(move |object| {
        let mut texts = fields
            .iter()
            .filter_map(|field| object.get(*field)?.as_str());
        texts.any(|text| text.to_lowercase().contains(&wanted))
    }))
}

/// A list in which `-` before an item excludes, and `+` or nothing includes.
pub(super) struct Chosen<'c> {
    wanted: Vec<&'c str>,
    unwanted: Vec<&'c str>,
}

impl<'c> Chosen<'c> {
    /// Reads a parameter; nothing if it was not given.
    pub(super) fn read(call: &'c Call, parameter: &str) -> Option<Self> {
        let items = call.texts(parameter);
        if items.is_empty() {
            return None;
        }
        let (unwanted, wanted): (Vec<&str>, Vec<&str>) =
            items.into_iter().partition(|item| item.starts_with('-'));
        // A bare `+` of a query is a space.
        let strip = |item: &'c str| item.trim_start_matches(['+', ' ']);
        Some(Self {
            wanted: wanted.into_iter().map(strip).collect(),
            unwanted: unwanted.into_iter().map(|item| &item[1..]).collect(),
        })
    }

    /// Whether one who has any of these names is chosen.
    pub(super) fn has(&self, is: impl Fn(&str) -> bool) -> bool {
        let included = self.wanted.is_empty() || self.wanted.iter().any(|name| is(name));
        included && !self.unwanted.iter().any(|name| is(name))
    }
}

/// The mark of an object whose `created_at` is not the order in which it came.
pub(super) const BACKDATED: &str = "_backdated";

/// An RFC 3339 moment, in milliseconds since 1970.
pub(super) fn milliseconds(text: &str) -> Option<i64> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let at = rest.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = rest.split_at(at);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut time = time.splitn(3, ':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let thousandths: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let offset = match zone {
        "Z" | "z" => 0,
        zone => {
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
            if zone.starts_with('-') {
                -minutes
            } else {
                minutes
            }
        }
    };
    let right = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    if !right {
        return None;
    }
    // Days since 1970, by the civil calendar whose year begins in March.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days =
        365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 719_469;
    let seconds = days * 86_400 + hour * 3600 + (minute - offset) * 60 + second;
    Some(seconds * 1000 + thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_every_zone() {
        for (text, at) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2027-01-15T08:00:00Z", Some(1_800_000_000_000)),
            ("2027-01-15T09:30:00.25+01:30", Some(1_800_000_000_250)),
            ("2024-02-29T00:00:00Z", Some(1_709_164_800_000)),
            ("2027-01-15", None),
            ("2027-13-15T08:00:00Z", None),
            ("soon", None),
        ] {
            assert_eq!(milliseconds(text), at, "{text}");
        }
    }
}
