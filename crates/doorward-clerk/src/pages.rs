//! Walking through a list, page by page.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use futures_core::Stream;
use serde_json::Value;

use crate::call::Arguments;
use crate::clerk::{CallOptions, Clerk};
use crate::error::{ApiError, ErrorKind};
use crate::list::List;
use crate::models::Model;
use crate::table::{Operation, Parameter};

/// The items of a list, from all of its pages, each page fetched when it is needed.
///
/// Where the API has a cursor (`GET /users` by its default order) the walk uses it: what is added or deleted meanwhile
/// neither repeats an item nor skips one, though the API may refuse to go on from an item that was deleted. By `offset`, it
/// may do either.
pub struct Pages<T> {
    clerk: Clerk,
    operation: &'static Operation,
    arguments: Arguments,
    options: CallOptions,
    walk: Walk,
    ready: VecDeque<T>,
    total_count: Option<u64>,
    failure: Option<ApiError>,
    done: bool,
}

impl<T> Pages<T> {
    pub(crate) fn new(
        clerk: Clerk,
        operation: &'static Operation,
        arguments: Arguments,
        options: CallOptions,
    ) -> Self {
        Self {
            clerk,
            walk: Walk::new(operation, &arguments),
            operation,
            arguments,
            options,
            ready: VecDeque::new(),
            total_count: None,
            failure: None,
            done: false,
        }
    }

    /// How many items there are on all pages, once the first has arrived, if the API says so.
    pub fn total_count(&self) -> Option<u64> {
        self.total_count
    }
}

impl<T: Model> Pages<T> {
    /// The next item, or `None` after the last. After an error it goes on where it was.
    ///
    /// A page is fetched before the last item of the one before it is handed out: that item is where the API goes on from,
    /// and whoever gets it may delete it.
    ///
    /// # Errors
    /// A page could not be fetched. It is told after the items that came before it.
    pub async fn next(&mut self) -> Result<Option<T>, ApiError> {
        while self.ready.len() < 2 && !self.done && self.failure.is_none() {
            match self.page().await {
                Ok(page) => self.ready.extend(page),
                Err(error) => self.failure = Some(error),
            }
        }
        match self.ready.pop_front() {
            None => self.failure.take().map_or(Ok(None), Err),
            item => Ok(item),
        }
    }

    /// All remaining items.
    ///
    /// # Errors
    /// A page could not be fetched.
    pub async fn all(mut self) -> Result<Vec<T>, ApiError> {
        let mut all = Vec::new();
        while let Some(item) = self.next().await? {
            all.push(item);
        }
        Ok(all)
    }

    /// The same as a stream. It ends after an error.
    pub fn into_stream(self) -> impl Stream<Item = Result<T, ApiError>> {
        futures_util::stream::unfold(Some(self), |pages| async {
            let mut pages = pages?;
            match pages.next().await {
                Ok(item) => Some((Ok(item?), Some(pages))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    async fn page(&mut self) -> Result<List<T>, ApiError> {
        let arguments = self.walk.arguments(self.arguments.clone());
        let request = self.operation.request(arguments)?;
        let response = self.clerk.send(&request, &self.options).await?;
        let answer = response.json().map_err(|_| {
            let why = "the answer is not JSON";
            ApiError::unreadable(request.name(), why, response.clone())
        })?;
        let list = List::read(Some(self.operation), answer);
        self.total_count = list.total_count.or(self.total_count);
        match self.walk.step(&list) {
            Step::More => {}
            Step::End => self.done = true,
            Step::Stuck => {
                self.done = true;
                let why = "a page came twice: the API ignores where to go on";
                return Err(ApiError::new(ErrorKind::Unreadable, request.name(), why));
            }
        }
        Ok(list.map(T::from_json))
    }
}

impl<T> fmt::Debug for Pages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages")
            .field("operation", &self.operation.id)
            .field("walk", &self.walk)
            .finish_non_exhaustive()
    }
}

/// Where a walk through a list is. It fetches nothing, so every driver, in Rust or Python, walks the same way.
#[derive(Clone, Debug)]
pub struct Walk {
    /// What a page holds at most, where the operation has `limit`.
    limit: Option<u64>,
    /// Whether a page shorter than `limit` must be the last: not if the API may allow less than was asked for.
    short_is_last: bool,
    offset: u64,
    by_cursor: bool,
    cursor: Option<String>,
    /// What every page so far began and ended with, as a hash.
    seen: HashSet<u64>,
}

/// What to do after a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Fetch the next.
    More,
    /// This was the last.
    End,
    /// A page came that came before. Do not use it, and stop.
    Stuck,
}

impl Walk {
    /// A walk from where `arguments` say. `limit` is the size of a page.
    pub fn new(operation: &Operation, arguments: &Arguments) -> Self {
        let maximum = |parameter: &Parameter| parameter.maximum.map(|most| most as u64);
        let most = operation.parameter("limit").and_then(maximum);
        let asked = arguments.value("limit").and_then(Value::as_u64);
        let paginated = operation.is_paginated();
        let limit = asked.or(most).filter(|limit| paginated && *limit > 0);
        let ordered = arguments.value("order_by").and_then(Value::as_str);
        let by_creation =
            ordered.is_none_or(|order| order.trim_start_matches(['+', '-']) == "created_at");
        let start = arguments.value("offset").and_then(Value::as_u64);
        let cursor = arguments.value("starting_after").and_then(Value::as_str);
        Self {
            limit,
            short_is_last: most.is_some_and(|most| limit.is_some_and(|limit| limit <= most)),
            offset: start.unwrap_or_default(),
            by_cursor: operation.parameter("starting_after").is_some()
                && by_creation
                && start.is_none(),
            cursor: cursor.map(str::to_owned),
            seen: HashSet::new(),
        }
    }

    /// The arguments of the next page.
    pub fn arguments(&self, arguments: Arguments) -> Arguments {
        let Some(limit) = self.limit else {
            return arguments;
        };
        let arguments = arguments.set("limit", limit);
        match &self.cursor {
            Some(cursor) if self.by_cursor => arguments.set("starting_after", cursor.as_str()),
            _ if self.offset > 0 => arguments.set("offset", self.offset),
            _ => arguments,
        }
    }

    /// Goes on after a page.
    pub fn step(&mut self, page: &List<Value>) -> Step {
        let ends = page.first().zip(page.last());
        self.turn(page.len() as u64, ends, page.total_count)
    }

    /// Goes on after a page of so many items, of which the first and the last are told.
    pub fn turn(
        &mut self,
        count: u64,
        ends: Option<(&Value, &Value)>,
        total_count: Option<u64>,
    ) -> Step {
        let (Some(limit), Some((first, last))) = (self.limit, ends) else {
            return Step::End;
        };
        let mut ends = DefaultHasher::new();
        for end in [first, last] {
            // Who is on the page, not what is said of them: that may change between two looks at the same.
            match end.get("id").and_then(Value::as_str) {
                Some(id) => id.hash(&mut ends),
                None => end.to_string().hash(&mut ends),
            }
        }
        if !self.seen.insert(ends.finish()) {
            return Step::Stuck;
        }
        let short = count < limit && self.short_is_last;
        self.offset = self.offset.saturating_add(count);
        if self.by_cursor {
            match last.get("id").and_then(Value::as_str) {
                Some(id) => self.cursor = Some(id.to_owned()),
                // Nothing to go on from; the offset is as far as the cursor was, unless it began somewhere.
                None => self.by_cursor = false,
            }
            return if short { Step::End } else { Step::More };
        }
        // Where there is a count, a page that is short may be one that the API cut.
        match total_count {
            Some(total) if self.offset >= total => Step::End,
            None if short => Step::End,
            _ => Step::More,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Table;

    fn list(range: std::ops::Range<u64>, total_count: Option<u64>) -> List<Value> {
        List {
            items: range.map(|id| json!({"id": format!("x_{id}")})).collect(),
            total_count,
            rest: Value::Null,
        }
    }

    fn walk(resource: &str, arguments: Arguments) -> (Walk, impl Fn(&Walk) -> String) {
        let operation = Table::get().find(resource, "list").unwrap();
        let walk = Walk::new(operation, &arguments);
        let target = move |walk: &Walk| {
            let arguments = walk.arguments(arguments.clone());
            operation.request(arguments).unwrap().target()
        };
        (walk, target)
    }

    #[test]
    fn users_are_walked_by_cursor() {
        let (mut users, target) = walk("users", Arguments::new().set("limit", 2));
        assert_eq!(target(&users), "/users?limit=2");
        assert_eq!(users.step(&list(0..2, None)), Step::More);
        assert_eq!(target(&users), "/users?limit=2&starting_after=x_1");
        assert_eq!(users.step(&list(2..3, None)), Step::End);
        let by_name = Arguments::new().set("order_by", "username");
        let (mut users, target) = walk("users", by_name);
        assert_eq!(users.step(&list(0..500, None)), Step::More);
        assert_eq!(
            target(&users),
            "/users?limit=500&offset=500&order_by=username"
        );
    }

    #[test]
    fn others_are_walked_by_offset() {
        let (mut organizations, target) = walk("organizations", Arguments::new().set("limit", 3));
        assert_eq!(organizations.step(&list(0..3, Some(5))), Step::More);
        assert_eq!(target(&organizations), "/organizations?limit=3&offset=3");
        assert_eq!(organizations.step(&list(3..5, Some(5))), Step::End);
        let (mut exact, _) = walk("organizations", Arguments::new().set("limit", 3));
        assert_eq!(exact.step(&list(0..3, Some(3))), Step::End);
        let (mut empty, _) = walk("organizations", Arguments::new());
        assert_eq!(empty.step(&list(0..0, Some(7))), Step::End);
    }

    /// Whoever asks for more than the API allows gets shorter pages, and must not take the first for the last.
    #[test]
    fn a_page_that_was_capped_is_not_the_last() {
        let (mut tokens, target) = walk(
            "api_keys",
            Arguments::new().set("limit", 500).set("subject", "u"),
        );
        assert_eq!(tokens.step(&list(0..100, None)), Step::More);
        assert!(target(&tokens).contains("offset=100"));
        assert_eq!(tokens.step(&list(100..150, None)), Step::More);
        assert_eq!(tokens.step(&list(0..0, None)), Step::End);
    }

    #[test]
    fn a_server_that_repeats_itself_is_left() {
        let (mut users, _) = walk("users", Arguments::new().set("limit", 2));
        assert_eq!(users.step(&list(0..2, None)), Step::More);
        // The same people, of whom something else is said by now.
        let mut again = list(0..2, None);
        again.items[0]["updated_at"] = json!(2);
        assert_eq!(users.step(&again), Step::Stuck);
        let (mut round, _) = walk("organizations", Arguments::new().set("limit", 2));
        for start in [0, 2, 4] {
            assert_eq!(round.step(&list(start..start + 2, Some(99))), Step::More);
        }
        assert_eq!(round.step(&list(0..2, Some(99))), Step::Stuck);
    }

    #[test]
    fn a_short_page_is_the_last_only_if_the_count_says_so() {
        let (mut cut, target) = walk("organizations", Arguments::new().set("limit", 500));
        assert_eq!(cut.step(&list(0..100, Some(150))), Step::More);
        assert!(target(&cut).contains("offset=100"), "{}", target(&cut));
        assert_eq!(cut.step(&list(100..150, Some(150))), Step::End);
        let (mut exaggerated, _) = walk("organizations", Arguments::new());
        assert_eq!(exaggerated.step(&list(0..7, Some(9))), Step::More);
        assert_eq!(exaggerated.step(&list(0..0, Some(9))), Step::End);
    }

    #[test]
    fn no_offset_is_beyond_arithmetic() {
        let last = Arguments::new().set("offset", u64::MAX).set("limit", 2);
        let (mut far, target) = walk("organizations", last);
        assert_eq!(far.step(&list(0..2, None)), Step::More);
        assert!(target(&far).contains(&format!("offset={}", u64::MAX)));
    }

    #[test]
    fn what_has_no_pages_is_one() {
        let (mut domains, target) = walk("domains", Arguments::new());
        assert_eq!(target(&domains), "/domains");
        assert_eq!(domains.step(&list(0..40, Some(40))), Step::End);
    }
}
