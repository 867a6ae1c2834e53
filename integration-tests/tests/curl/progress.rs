//! The progress callback: another task watches over a transfer, and ends it.

use crate::easy;
use crate::server::Server;
use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use tokio::sync::{mpsc, oneshot};

#[test]
fn a_task_of_the_same_worker_ends_an_endless_download() {
    const ENOUGH: f64 = 100_000.0;

    let _watchdog = Watchdog::new("progress");
    on_worker(1, async {
        let server = Server::start().await;
        let mut easy = easy(&server.endless());
        let (wire, mut asked) = mpsc::channel::<(f64, oneshot::Sender<bool>)>(1);
        let overseer = tokio::spawn(async move {
            let mut seen = 0.0;
            while let Some((received, goes_on)) = asked.recv().await {
                assert!(received >= seen, "never less than before");
                seen = received;
                goes_on.send(received < ENOUGH).unwrap();
            }
            seen
        });
        let ask = async |received| {
            let (answer, answered) = oneshot::channel();
            wire.send((received, answer)).await.unwrap();
            answered.await.unwrap()
        };
        easy.progress(true).unwrap();
        let outcome = cede::call(|| {
            let mut transfer = easy.transfer();
            transfer.write_function(|chunk| Ok(chunk.len()))?;
            transfer.progress_function(|_, received, _, _| {
                cede::callback(ask(received)).unwrap_or(false)
            })?;
            transfer.perform()
        })
        .await;
        let error = outcome.unwrap_err();
        assert!(error.is_aborted_by_callback(), "{error}");
        drop(wire);
        assert!(overseer.await.unwrap() >= ENOUGH);
        server.hung_up().await;
    });
}
