//! C's errno is the same after a callback, of whatever kind, and whatever that did to it.

use cede::Callback;
use cede_fixtures::errno::{across, fail_int};
use cede_integration_tests::on_worker;
use std::ffi::c_int;

#[test]
fn across_each_kind() {
    on_worker(1, async {
        let awaits = Callback::new(0, async |_: c_int| {
            tokio::task::yield_now().await;
            fail_int(libc::EIO)
        });
        // SAFETY: the callback is there until C has returned.
        let call = cede::call(|| unsafe { across(awaits.data_first(), awaits.data(), 77) });
        assert_eq!(call.await, 77);
        let makes = Callback::sendable(0, |_: c_int| {
            let failed = fail_int(libc::EIO);
            async move { failed }
        });
        // SAFETY: as above.
        let call = cede::call(|| unsafe { across(makes.data_first(), makes.data(), 78) });
        assert_eq!(call.await, 78);
        let leaf = Callback::leaf(0, |_: c_int| fail_int(libc::EIO));
        // SAFETY: as above.
        let call = cede::call(|| unsafe { across(leaf.data_first(), leaf.data(), 79) });
        assert_eq!(call.await, 79);
        let shared = Callback::shared_leaf(0, |_: c_int| fail_int(libc::EIO));
        // SAFETY: as above.
        let call = cede::call(|| unsafe { across(shared.data_first(), shared.data(), 80) });
        assert_eq!(call.await, 80);
    });
}
