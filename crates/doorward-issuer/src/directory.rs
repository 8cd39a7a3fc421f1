//! The lists of Clerk's Backend API: users, organizations and memberships, page by page
//! (<https://clerk.com/docs/reference/backend-api>).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header::{AUTHORIZATION, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::fresh;
use crate::issuer::DevIssuer;
use crate::people::{self, number};

/// Who exists at the issuer, and how often one may ask about them.
#[derive(Debug)]
pub(crate) struct Directory {
    users: u64,
    organizations: u64,
    /// Requests in ten seconds.
    limit: usize,
    asked: Mutex<VecDeque<Instant>>,
}

impl Directory {
    pub(crate) fn new(users: u64, organizations: u64, limit: usize) -> Self {
        Self {
            users,
            organizations,
            limit,
            asked: Mutex::default(),
        }
    }

    /// The seconds to wait, for who asks too often.
    fn too_often(&self) -> Option<u64> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        while asked
            .front()
            .is_some_and(|then| now.duration_since(*then) >= WINDOW)
        {
            asked.pop_front();
        }
        if asked.len() < self.limit {
            asked.push_back(now);
            return None;
        }
        let oldest = asked
            .front()
            .map_or(WINDOW, |then| now.duration_since(*then));
        Some(WINDOW.saturating_sub(oldest).as_secs() + 1)
    }
}

#[derive(Deserialize)]
pub(crate) struct Paging {
    #[serde(default = "ten")]
    limit: u64,
    #[serde(default)]
    offset: u64,
    starting_after: Option<String>,
    order_by: Option<String>,
}

fn ten() -> u64 {
    10
}

type Issuer = State<Arc<DevIssuer>>;

/// `GET /v1/users`: a bare list.
pub(crate) async fn users(
    State(issuer): Issuer,
    headers: HeaderMap,
    Query(paging): Query<Paging>,
) -> Response {
    let list = |directory: &Directory| {
        let first = match &paging.starting_after {
            Some(_) if paging.offset > 0 => {
                return Err(invalid("starting_after cannot be combined with offset"));
            }
            Some(cursor) => match number(cursor).filter(|at| *at < directory.users) {
                Some(at) => at + 1,
                None => {
                    return Err(refusal(
                        StatusCode::NOT_FOUND,
                        "resource_not_found",
                        "not found",
                    ));
                }
            },
            None => paging.offset,
        };
        let page = paging.page(first, directory.users, |n| {
            people::user(n, people::created_at(n))
        })?;
        Ok(Value::Array(page))
    };
    answered(&issuer, &headers, list)
}

/// `GET /v1/users/count`.
pub(crate) async fn users_count(State(issuer): Issuer, headers: HeaderMap) -> Response {
    answered(&issuer, &headers, |directory| {
        Ok(json!({"object": "total_count", "total_count": directory.users}))
    })
}

/// `GET /v1/organizations`: a list with its length around it.
pub(crate) async fn organizations(
    State(issuer): Issuer,
    headers: HeaderMap,
    Query(paging): Query<Paging>,
) -> Response {
    answered(&issuer, &headers, |directory| {
        let count = directory.organizations;
        let one = |n| people::organization(n, people::created_at(n));
        let page = paging.page(paging.offset, count, one)?;
        Ok(json!({"data": page, "total_count": count}))
    })
}

/// `GET /v1/organization_memberships`: those of every organization.
pub(crate) async fn memberships(
    State(issuer): Issuer,
    headers: HeaderMap,
    Query(paging): Query<Paging>,
) -> Response {
    answered(&issuer, &headers, |directory| {
        let count = directory.memberships();
        let page = paging.page(paging.offset, count, |n| directory.membership(n))?;
        Ok(json!({"data": page, "total_count": count}))
    })
}

/// `GET /v1/organizations/{organization_id}/memberships`.
pub(crate) async fn memberships_of(
    State(issuer): Issuer,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(paging): Query<Paging>,
) -> Response {
    answered(&issuer, &headers, |directory| {
        let found = number(&id)
            .filter(|n| *n < directory.organizations && people::organization_id(*n) == id);
        let Some(organization) = found else {
            return Err(refusal(
                StatusCode::NOT_FOUND,
                "resource_not_found",
                "not found",
            ));
        };
        // Every n-th user is a member.
        let (users, step) = (directory.users, directory.organizations);
        let count = users.saturating_sub(organization).div_ceil(step);
        let page = paging.page(paging.offset, count, |n| {
            directory.membership(organization + n * step)
        })?;
        Ok(json!({"data": page, "total_count": count}))
    })
}

impl Directory {
    /// Everybody is a member of one organization, if there is any.
    fn memberships(&self) -> u64 {
        if self.organizations == 0 {
            0
        } else {
            self.users
        }
    }

    fn membership(&self, user: u64) -> Value {
        let organization = user % self.organizations.max(1);
        let role = if user == organization {
            "org:admin"
        } else {
            "org:member"
        };
        people::membership(user, organization, role, people::created_at(user))
    }
}

impl Paging {
    /// One page of numbers, of which the later ones were made later.
    fn page(
        &self,
        first: u64,
        count: u64,
        object: impl Fn(u64) -> Value,
    ) -> Result<Vec<Value>, Refusal> {
        if !(1..=500).contains(&self.limit) {
            return Err(invalid("limit must be between 1 and 500"));
        }
        let order = self.order_by.as_deref().unwrap_or("-created_at");
        let last = first.saturating_add(self.limit).min(count);
        match order {
            "+created_at" | "created_at" | " created_at" => Ok((first..last).map(object).collect()),
            "-created_at" if self.starting_after.is_none() => {
                let place = |n: u64| count - 1 - n;
                Ok((first..last).map(place).map(object).collect())
            }
            _ => Err(invalid("this local issuer orders by created_at only")),
        }
    }
}

struct Refusal(StatusCode, Value);

fn refusal(status: StatusCode, code: &str, message: &str) -> Refusal {
    let error = json!({"code": code, "message": message, "long_message": message, "meta": {}});
    Refusal(status, json!({"errors": [error]}))
}

fn invalid(message: &str) -> Refusal {
    refusal(
        StatusCode::UNPROCESSABLE_ENTITY,
        "form_param_value_invalid",
        message,
    )
}

fn answered(
    issuer: &DevIssuer,
    headers: &HeaderMap,
    list: impl FnOnce(&Directory) -> Result<Value, Refusal>,
) -> Response {
    let directory = issuer.directory();
    let key = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
        .unwrap_or_default();
    let allowed = verify_slices_are_equal(key, issuer.secret_key().as_bytes()).is_ok();
    let result = if allowed {
        if let Some(seconds) = directory.too_often() {
            let Refusal(status, body) = refusal(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_requests",
                "Too many requests",
            );
            return (status, [(RETRY_AFTER, seconds.to_string())], Json(body)).into_response();
        }
        list(directory)
    } else {
        Err(refusal(
            StatusCode::UNAUTHORIZED,
            "authentication_invalid",
            "Send this issuer's secret key as a bearer token",
        ))
    };
    match result {
        Ok(body) => fresh(&body),
        Err(Refusal(status, body)) => (status, Json(body)).into_response(),
    }
}

const WINDOW: Duration = Duration::from_secs(10);

/// As at Clerk's development instances.
pub(crate) const REQUESTS_IN_TEN_SECONDS: usize = 100;
