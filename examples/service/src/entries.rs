//! The entries: a key and a quantity each, and every statement that is about them.
//!
//! All of it blocks, as C does.

use crate::db::{Connection, Error, Value};
use serde::Serialize;

/// A key and how much there is of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) value: i64,
}

/// A key, and how many have more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Rank {
    pub(crate) key: String,
    pub(crate) rank: i64,
}

/// Makes the table, and so many entries if there are none.
pub(crate) fn prepare(db: &mut Connection, seed: u32) -> Result<(), Error> {
    db.query("PRAGMA journal_mode = WAL", &[], |_| ())?;
    db.execute("PRAGMA synchronous = NORMAL", &[])?;
    db.transaction(|db| {
        db.execute(
            "CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
            &[],
        )?;
        db.execute(
            "WITH n AS (SELECT 0 AS i UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1) \
             INSERT INTO entries SELECT printf('item-%05d', i), i * 7919 % 10007 FROM n \
             WHERE ?1 > 0 AND NOT EXISTS (SELECT 1 FROM entries)",
            &[i64::from(seed).into()],
        )?;
        Ok(())
    })
}

pub(crate) fn get(db: &mut Connection, key: &str) -> Result<Option<i64>, Error> {
    let sql = "SELECT value FROM entries WHERE key = ?1";
    db.query_one(sql, &[key.into()], |row| row.integer(0))
}

/// Keys with this beginning, after that one, in order.
pub(crate) fn list(
    db: &mut Connection,
    prefix: &str,
    after: &str,
    limit: i64,
) -> Result<Vec<Entry>, Error> {
    // No key goes on with more than the last character there is.
    let sql = "SELECT key, value FROM entries \
               WHERE key >= ?1 AND key < ?1 || char(1114111) AND key > ?2 ORDER BY key LIMIT ?3";
    let parameters = [prefix.into(), after.into(), limit.into()];
    db.query(sql, &parameters, |row| Entry {
        key: row.text(0),
        value: row.integer(1),
    })
}

pub(crate) fn count(db: &mut Connection, prefix: &str) -> Result<i64, Error> {
    let sql = "SELECT count(*) FROM entries WHERE key >= ?1 AND key < ?1 || char(1114111)";
    let count = db.query_one(sql, &[prefix.into()], |row| row.integer(0))?;
    Ok(count.unwrap_or(0))
}

pub(crate) fn put(db: &mut Connection, key: &str, value: i64) -> Result<(), Error> {
    let sql =
        "INSERT INTO entries VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value";
    db.execute(sql, &[key.into(), value.into()])?;
    Ok(())
}

/// All of them, or none.
pub(crate) fn put_all(db: &mut Connection, entries: &[(String, i64)]) -> Result<(), Error> {
    db.transaction(|db| {
        entries
            .iter()
            .try_for_each(|(key, value)| put(db, key, *value))
    })
}

/// Whether there was one.
pub(crate) fn delete(db: &mut Connection, key: &str) -> Result<bool, Error> {
    let deleted = db.execute("DELETE FROM entries WHERE key = ?1", &[key.into()])?;
    Ok(deleted > 0)
}

/// What an entry is worth: the SQL function `price` awaits the price service.
pub(crate) fn worth(db: &mut Connection, key: &str) -> Result<Option<i64>, Error> {
    let sql = "SELECT value * price(key) FROM entries WHERE key = ?1";
    db.query_one(sql, &[key.into()], |row| row.integer(0))
}

/// What all entries with this beginning are worth, and how many they are. One question to the price service each.
pub(crate) fn worth_of_all(db: &mut Connection, prefix: &str) -> Result<(i64, i64), Error> {
    let sql = "SELECT coalesce(sum(value * price(key)), 0), count(*) FROM entries \
               WHERE key >= ?1 AND key < ?1 || char(1114111)";
    let sum = db.query_one(sql, &[prefix.into()], |row| {
        (row.integer(0), row.integer(1))
    })?;
    Ok(sum.unwrap_or((0, 0)))
}

/// The ten entries of which there is most. Compares each with each, as reports do that nobody has thought about: with 20,000
/// entries it takes half a minute of one processor.
pub(crate) fn ranks(db: &mut Connection, prefix: &str) -> Result<Vec<Rank>, Error> {
    let sql = "SELECT a.key, (SELECT count(*) FROM entries AS b WHERE b.value > a.value \
                   AND b.key >= ?1 AND b.key < ?1 || char(1114111)) AS more FROM entries AS a \
               WHERE a.key >= ?1 AND a.key < ?1 || char(1114111) ORDER BY more, a.key LIMIT 10";
    let parameters: [Value<'_>; 1] = [prefix.into()];
    db.query(sql, &parameters, |row| Rank {
        key: row.text(0),
        rank: row.integer(1) + 1,
    })
}
