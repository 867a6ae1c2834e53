//! A callback of a stream allocates nothing and frees nothing, whatever the policy, also when the reader sleeps, on a thread
//! that has never called back before. In a process of its own, because of the allocator.

use cede::{Overflow, Registered, Reply};
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{Counting, assert_counting, counted, workers};
use std::ffi::c_int;
use std::thread;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn on_c_s_side() {
    let _watchdog = Watchdog::new("allocations");
    assert_counting();
    let runtime = workers(1);
    for overflow in [Overflow::Refuse, Overflow::DropOldest, Overflow::DropNewest] {
        let reply = Reply {
            taken: 0,
            refused: 1,
        };
        let (registered, mut events) = Registered::stream(16, overflow, reply, |n: c_int| {
            [u64::from(n.unsigned_abs()); 4]
        });
        let (function, data) = (registered.data_first(), registered.data().addr());
        let reader = runtime.spawn(async move {
            let mut read = 0;
            while events.recv().await.is_some() {
                read += 1;
            }
            read
        });
        let c = thread::spawn(move || {
            let data = std::ptr::without_provenance_mut(data);
            let mut allocations = 0;
            for n in 0..10_000 {
                allocations += counted(|| function(data, n)).1;
                if n % 1000 == 0 {
                    // The reader goes to sleep, and has to be woken.
                    thread::sleep(Duration::from_millis(2));
                }
            }
            allocations
        });
        assert_eq!(c.join().unwrap(), 0);
        drop(registered);
        assert!(runtime.block_on(reader).unwrap() > 0);
    }
}
