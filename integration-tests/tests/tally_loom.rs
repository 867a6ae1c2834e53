//! What is read of a thread's calls while it makes them, in every interleaving: never more than there were, and in the end all.
//!
//! The very files of the crate are compiled here against the model checker's atomics.

#![allow(dead_code, reason = "the model uses a part of the files")]
#![allow(unreachable_pub, reason = "what is public there is not here")]

#[path = "../../src/observe/by_mode.rs"]
mod by_mode;
#[path = "../../src/label/call_mode.rs"]
mod call_mode;
#[path = "../../src/slot/handshake.rs"]
mod handshake;
#[path = "../../src/observe/tally.rs"]
mod tally;

mod label {
    pub(crate) use super::call_mode::CallMode;
}

/// What `crate::sync` is to these files. Release and acquire are as in the crate.
mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};

    pub(crate) fn light_fence() {
        loom::sync::atomic::fence(Ordering::SeqCst);
    }

    pub(crate) fn heavy_fence() -> bool {
        loom::sync::atomic::fence(Ordering::SeqCst);
        true
    }

    pub(crate) fn pause() {
        loom::thread::yield_now();
    }
}

use handshake::Handshake;
use label::CallMode;
use loom::sync::Arc;
use loom::thread;
use tally::{Tally, Totals};

struct Thread {
    handshake: Handshake,
    tally: Tally,
}

impl Thread {
    /// A frame with a call on the fast path that calls back, and one that counts itself.
    fn make_calls(&self) {
        let Self { handshake, tally } = self;
        let _ = handshake.open();
        handshake.enter_c();
        let _ = handshake.enter_rust();
        tally.callback_by_mark();
        handshake.enter_c();
        let _ = handshake.enter_rust();
        tally.call(CallMode::Long, true);
        handshake.enter_c();
        let _ = handshake.enter_rust();
        tally.frame();
        let _ = handshake.close();
    }

    fn counted(&self) -> Totals {
        let ways = self.handshake.ways();
        Totals::new(ways, &self.tally)
    }
}

#[test]
fn no_call_is_counted_that_was_not_made() {
    // What goes wrong takes two: one in between the owner's stores, one in between the reader's loads.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let owner = Arc::new(Thread {
            handshake: Handshake::new(),
            tally: Tally::new(),
        });
        let seen = owner.clone();
        let reader = thread::spawn(move || {
            let counted = seen.counted();
            assert!(counted.by_mark <= 1, "{counted:?}");
        });
        owner.make_calls();
        reader.join().unwrap();
        let counted = owner.counted();
        assert_eq!((counted.by_mark, counted.calls().long), (1, 1));
    });
}
