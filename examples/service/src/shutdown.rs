//! The end, in order, each step with a limit.
//!
//! | | |
//! |---|---|
//! | 1 | no connection is accepted any more; requests in flight have the grace to end, then they are dropped, which interrupts their C |
//! | 2 | the writer's lane is closed: what is in line is written |
//! | 3 | C that nobody waits for has returned, or is named in the log |
//! | 4 | the price service, the connections and the temporary file go |
//!
//! Steps 2 and 3 have the grace once more, together. It should be longer than any deadline of a request: then nothing is left in
//! step 1 but clients that do not read.

use crate::Service;
use std::io;
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, timeout_at};

impl Service {
    /// Ends the service. Whether everything ended well and in time; else the log says what did not.
    pub async fn shut_down(self) -> bool {
        let Self {
            app,
            stop,
            serving,
            mut beside,
            file,
            ..
        } = self;
        tracing::info!("shutting down");
        drop(stop);
        let answered = serving.await.unwrap_or(false);
        if !answered {
            tracing::warn!("requests were not answered in time");
        }
        let limit = Instant::now() + app.config.grace;
        let written = timeout_at(limit, app.writer.close()).await.is_ok();
        if !written {
            let waiting = app.writer.waiting();
            tracing::warn!(waiting, "writes were not done in time");
        }
        let drained = cede::drain(limit.saturating_duration_since(Instant::now())).await;
        if let Err(left) = &drained {
            left.calls().iter().for_each(name);
        }
        beside.shutdown().await;
        // The last connection to go tidies up the file.
        cede::call(|| drop(app)).named("sqlite3_close").await;
        drop(file);
        let is_clean = answered && written && drained.is_ok();
        tracing::info!(is_clean, "down");
        is_clean
    }
}

fn name(call: &cede::InFlight) {
    let (name, location, age) = (call.name(), call.location(), call.age());
    tracing::warn!(name, %location, ?age, "C has not returned in time");
}

/// Ready when the process is asked to end: by SIGTERM, or ctrl-c.
///
/// # Errors
///
/// If the system does not tell.
pub async fn asked_to_end() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        asked = ctrl_c() => asked,
        _ = terminate.recv() => Ok(()),
    }
}
