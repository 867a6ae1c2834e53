//! What a request says, looked at before anything is done with it.

use crate::app::App;
use crate::error::Error;
use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use tokio::time::timeout;

/// A key in the path.
pub(crate) struct Key(pub(crate) String);

impl FromRequestParts<Arc<App>> for Key {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Error> {
        let key = Path::<String>::from_request_parts(parts, app).await;
        let Path(key) = key.map_err(|why| Error::BadRequest(why.body_text()))?;
        checked_key(&key, app.config.key)?;
        Ok(Self(key))
    }
}

/// Whether it may be a key.
pub(crate) fn checked_key(key: &str, longest: usize) -> Result<(), Error> {
    if key.is_empty() || key.len() > longest {
        let why = format!("a key has from 1 to {longest} bytes");
        return Err(Error::BadRequest(why));
    }
    if key.chars().any(char::is_control) {
        return Err(Error::BadRequest("a key has no control characters".into()));
    }
    Ok(())
}

/// What follows the question mark.
pub(crate) struct Parameters<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<App>> for Parameters<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Error> {
        let query = Query::try_from_uri(&parts.uri);
        let Query(parameters) = query.map_err(|why| Error::BadRequest(why.body_text()))?;
        Ok(Self(parameters))
    }
}

/// A body of JSON, of bounded length, that has to come in time.
pub(crate) struct Payload<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Payload<T> {
    type Rejection = Error;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Error> {
        let body = to_bytes(request.into_body(), app.config.body);
        let body = timeout(app.config.patience, body)
            .await
            .map_err(|_| Error::SlowClient)?
            // There is no telling the one from a client that has gone, which does not read the answer.
            .map_err(|_| Error::TooLarge)?;
        let payload = serde_json::from_slice(&body);
        let payload = payload.map_err(|why| Error::BadRequest(format!("the body: {why}")))?;
        Ok(Self(payload))
    }
}
