//! A stack beyond the classes is mapped for its call and unmapped after it.
//!
//! One test: what is mapped is the process's.

use cede_fixtures::deep::{checksum, recurse_bytes};
use cede_integration_tests::on_worker;

#[test]
fn a_large_stack_is_given_back() {
    const ASKED: usize = 200 << 20;
    const USED: usize = 100 << 20;
    on_worker(1, async {
        let before = cede::metrics().stack_bytes_mapped;
        let during = cede::call(|| {
            // SAFETY: a C stack ends in a guard page.
            let sum = unsafe { recurse_bytes(USED) };
            assert_eq!(sum, checksum(USED));
            cede::metrics().stack_bytes_mapped
        })
        .stack_size(ASKED)
        .await;
        assert!(
            during >= before + ASKED,
            "{during} bytes mapped, {before} before"
        );
        assert_eq!(cede::metrics().stack_bytes_mapped, before);
    });
}
