//! How many requests there may be at once.

use crate::app::App;
use crate::error::Error;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;

/// Lets a request in if there is room, until it is answered or its client has gone.
pub(crate) async fn admit(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    let admitted = app.admission.try_acquire();
    let _admitted = admitted.map_err(|_| Error::Busy("requests"))?;
    Ok(next.run(request).await)
}
