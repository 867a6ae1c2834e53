//! What goes with a call to the thread that is in C: the subscriber and the span of the task that made it.

use crate::label::Label;
use crate::observe::{self, KeptSpan, Seen};
use crate::watchdog::Parent;
use tracing::dispatcher::{self, Dispatch};
use tracing::level_filters::LevelFilter;

pub(super) struct Carried {
    dispatch: Dispatch,
    /// The one that was current.
    around: KeptSpan,
    seen: Option<Seen>,
}

impl Carried {
    /// Those of the calling thread, now. `None` if there is no subscriber anywhere.
    pub(super) fn current(label: &Label, lane: Option<&str>) -> Option<Self> {
        (LevelFilter::current() != LevelFilter::OFF).then(|| Self {
            dispatch: dispatcher::get_default(Dispatch::clone),
            around: KeptSpan::current(),
            seen: Seen::begin_if_wanted(label, lane),
        })
    }

    /// Who looks at the call, if anybody.
    pub(super) fn seen(&self) -> Option<&Seen> {
        self.seen.as_ref()
    }

    /// For events about the call: its span, or the one around it.
    pub(super) fn parent(&self) -> Parent {
        let span = self.seen.as_ref().map_or(&*self.around, Seen::span);
        Parent::new(&self.dispatch, span)
    }

    /// Runs `f` with them, on another thread.
    fn within<R>(&self, f: impl FnOnce() -> R) -> R {
        dispatcher::with_default(&self.dispatch, || {
            let _entered = observe::enter(&self.around);
            f()
        })
    }

    /// Has something told in the call's span, on another thread or where the future is dropped. In the one around it as well: a
    /// subscriber's layer that does not want to know of calls looks for what is entered on this thread, not for the parents of that.
    pub(super) fn tell(&self, event: impl FnOnce()) {
        self.within(|| {
            let _entered = self.seen.as_ref().map(|seen| observe::enter(seen.span()));
            event();
        });
    }

    /// Runs C with them, on another thread.
    pub(super) fn around_c<R>(&self, c: impl FnOnce() -> R) -> R {
        self.within(|| {
            self.seen.as_ref().inspect(|seen| seen.begin_c());
            let returned = c();
            self.seen.as_ref().inspect(|seen| seen.end_c());
            returned
        })
    }
}
