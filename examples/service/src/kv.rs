//! Entries by key. Short queries, in place: the task calls SQLite right where it is.

use crate::app::App;
use crate::entries::{self, Entry};
use crate::error::Error;
use crate::extract::{Key, Parameters, Payload, checked_key};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

type Shared = State<Arc<App>>;

/// `GET /kv/{key}`
pub(crate) async fn get(State(app): Shared, Key(key): Key) -> Result<Json<Entry>, Error> {
    let mut db = app.readers.get_within(app.config.deadline).await?;
    let value = cede::call(|| entries::get(&mut db, &key))
        .named("kv_get")
        .await?;
    let value = value.ok_or(Error::NoEntry)?;
    Ok(Json(Entry { key, value }))
}

#[derive(Deserialize)]
pub(crate) struct Page {
    #[serde(default)]
    prefix: String,
    #[serde(default)]
    after: String,
    #[serde(default = "default_limit")]
    limit: u16,
}

fn default_limit() -> u16 {
    100
}

/// So that a query stays short.
const LONGEST_PAGE: u16 = 1000;

#[derive(Serialize)]
pub(crate) struct Listing {
    total: i64,
    entries: Vec<Entry>,
}

/// `GET /kv?prefix=…&after=…&limit=…`
pub(crate) async fn list(
    State(app): Shared,
    Parameters(page): Parameters<Page>,
) -> Result<Json<Listing>, Error> {
    let limit = page.limit.min(LONGEST_PAGE).into();
    let mut db = app.readers.get_within(app.config.deadline).await?;
    let total = cede::call(|| entries::count(&mut db, &page.prefix))
        .named("kv_count")
        .await?;
    let entries = cede::call(|| entries::list(&mut db, &page.prefix, &page.after, limit));
    let entries = entries.named("kv_list").await?;
    Ok(Json(Listing { total, entries }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewValue {
    value: u32,
}

/// `PUT /kv/{key}` with `{"value": 7}`
pub(crate) async fn put(
    State(app): Shared,
    Key(key): Key,
    Payload(new): Payload<NewValue>,
) -> Result<StatusCode, Error> {
    let value = new.value.into();
    let write = app
        .writer
        .write("kv_put", move |db| entries::put(db, &key, value));
    write.await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /kv` with `{"apple": 7, "pear": 3}`: all of them, or none.
pub(crate) async fn put_all(
    State(app): Shared,
    Payload(new): Payload<BTreeMap<String, u32>>,
) -> Result<StatusCode, Error> {
    for key in new.keys() {
        checked_key(key, app.config.key)?;
    }
    let new: Vec<_> = new
        .into_iter()
        .map(|(key, value)| (key, value.into()))
        .collect();
    let write = app
        .writer
        .write("kv_put_all", move |db| entries::put_all(db, &new));
    write.await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /kv/{key}`
pub(crate) async fn delete(State(app): Shared, Key(key): Key) -> Result<StatusCode, Error> {
    let write = app
        .writer
        .write("kv_delete", move |db| entries::delete(db, &key));
    match write.await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Error::NoEntry),
    }
}

#[derive(Serialize)]
pub(crate) struct Worth {
    key: String,
    worth: i64,
}

/// `GET /kv/{key}/worth`: SQLite calls a function that awaits the price service. In place: the thread waits, its slot goes on.
pub(crate) async fn worth(State(app): Shared, Key(key): Key) -> Result<Json<Worth>, Error> {
    let mut db = app.pricers.get_within(app.config.deadline).await?;
    let worth = cede::call(|| entries::worth(&mut db, &key))
        .named("kv_worth")
        .await?;
    let worth = worth.ok_or(Error::NoEntry)?;
    Ok(Json(Worth { key, worth }))
}
