//! A panic in a callback: curl hangs up, and only then the panic goes on.

use crate::easy;
use crate::server::{Server, bytes};
use cede_integration_tests::process::{Watchdog, descriptors};
use cede_integration_tests::{child, child_task, on_worker};
use curl::easy::Easy;
use futures::FutureExt;
use std::panic::AssertUnwindSafe;

/// A download whose callback panics at the third chunk.
async fn ill_fated(easy: &mut Easy, server: &Server) {
    easy.url(&server.endless()).unwrap();
    let mut left = 3;
    let call = cede::call(|| {
        let mut transfer = easy.transfer();
        transfer
            .write_function(|chunk| {
                let taken = cede::callback(async {
                    tokio::task::yield_now().await;
                    left -= 1;
                    assert!(left > 0, "enough");
                });
                Ok(taken.map_or(0, |()| chunk.len()))
            })
            .unwrap();
        let error = transfer.perform().unwrap_err();
        assert!(error.is_write_error(), "{error}");
    });
    let panic = AssertUnwindSafe(call).catch_unwind().await.unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"enough"));
    assert_eq!(left, 0, "no callback has run after the panic");
    // The connection is closed: it is not kept for another transfer.
    server.hung_up().await;
}

async fn fine(easy: &mut Easy, server: &Server) {
    easy.url(&server.bytes(1000)).unwrap();
    let mut received = Vec::new();
    cede::call(|| {
        let mut transfer = easy.transfer();
        transfer.write_function(|chunk| {
            received.extend_from_slice(chunk);
            Ok(chunk.len())
        })?;
        transfer.perform()
    })
    .await
    .unwrap();
    assert_eq!(received, bytes(1000));
    server.idle().await;
}

#[test]
fn after_panics_the_handle_is_good_and_no_connection_is_left() {
    const TASK: &str = "ill-fated downloads";

    if child_task().as_deref() == Some(TASK) {
        let _watchdog = Watchdog::new("ill-fated downloads");
        on_worker(1, async {
            let server = Server::start().await;
            let mut easy = easy(&server.bytes(0));
            ill_fated(&mut easy, &server).await;
            fine(&mut easy, &server).await;
            let before = descriptors();
            for _ in 0..10 {
                ill_fated(&mut easy, &server).await;
            }
            fine(&mut easy, &server).await;
            assert_eq!(descriptors(), before);
        });
        return;
    }
    // The other tests have descriptors, too.
    let name = "panicking::after_panics_the_handle_is_good_and_no_connection_is_left";
    let output = child(name, TASK);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
