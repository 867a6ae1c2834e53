//! A refused callback is an error of libcurl's own, and the handle goes on.

use crate::easy;
use crate::server::{Server, bytes};
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::workers;
use std::future::ready;

#[test]
fn refusals_end_transfers_by_curls_own_rules() {
    let _watchdog = Watchdog::new("refused transfers");
    let elsewhere = workers(1);
    let server = elsewhere.block_on(Server::start());
    let mut easy = easy(&server.bytes(1000));
    easy.progress(true).unwrap();

    let mut transfer = easy.transfer();
    transfer
        .write_function(|chunk| Ok(cede::callback(ready(chunk.len())).unwrap_or(0)))
        .unwrap();
    let error = transfer.perform().unwrap_err();
    assert!(error.is_write_error(), "{error}");
    drop(transfer);

    let mut transfer = easy.transfer();
    transfer
        .header_function(|_| cede::callback(ready(true)).unwrap_or(false))
        .unwrap();
    let error = transfer.perform().unwrap_err();
    assert!(error.is_write_error(), "{error}");
    drop(transfer);

    let mut transfer = easy.transfer();
    transfer
        .progress_function(|_, _, _, _| cede::callback(ready(true)).unwrap_or(false))
        .unwrap();
    let error = transfer.perform().unwrap_err();
    assert!(error.is_aborted_by_callback(), "{error}");
    drop(transfer);

    let mut received = Vec::new();
    let call = cede::call(|| {
        let mut transfer = easy.transfer();
        transfer.write_function(|chunk| {
            let taken = cede::callback(async { received.extend_from_slice(chunk) });
            Ok(taken.map_or(0, |()| chunk.len()))
        })?;
        transfer.perform()
    });
    elsewhere.block_on(call).unwrap();
    assert_eq!(received, bytes(1000));
}
