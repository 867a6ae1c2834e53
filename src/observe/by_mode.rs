//! One of something for each way to run C.

use crate::label::CallMode;

/// One of something for each way to run C.
///
/// A call counts for what it was asked to be, whatever came of it: one in place on a thread without a slot, which cedes
/// nothing, is one in place, and a [`brief`](crate::Call::brief) one in a [`scope`](crate::scope) is brief. Of what was asked for together
/// the first of these counts: [`on_thread_stack`](crate::Call::on_thread_stack), then
/// [`suspendable`](crate::Call::suspendable) or [`migratable`](crate::Call::migratable), then [`brief`](crate::Call::brief) or
/// [`long`](crate::Call::long).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByMode<T> {
    /// [`call`](crate::call()) as it is.
    pub in_place: T,
    /// [`long`](crate::Call::long).
    pub long: T,
    /// [`brief`](crate::Call::brief).
    pub brief: T,
    /// [`suspendable`](crate::Call::suspendable).
    pub suspendable: T,
    /// [`migratable`](crate::Call::migratable).
    pub migratable: T,
    /// [`on_thread_stack`](crate::Call::on_thread_stack).
    pub thread_stack: T,
    /// [`offload`](crate::offload()), on no lane.
    pub offloaded: T,
    /// [`on_lane`](crate::Offload::on_lane).
    pub lane: T,
}

impl<T> ByMode<T> {
    pub(crate) fn from_fn(mut f: impl FnMut(CallMode) -> T) -> Self {
        let [
            in_place,
            long,
            brief,
            suspendable,
            migratable,
            thread_stack,
            offloaded,
            lane,
        ] = CallMode::ALL.map(&mut f);
        Self {
            in_place,
            long,
            brief,
            suspendable,
            migratable,
            thread_stack,
            offloaded,
            lane,
        }
    }

    /// Each mode's name, the one that spans and published metrics have, and what there is of it.
    ///
    /// ```
    /// for (mode, calls) in cede::metrics().calls.iter() {
    ///     println!("{mode}: {calls}");
    /// }
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &T)> {
        CallMode::ALL
            .map(|mode| (mode.name(), self.of(mode)))
            .into_iter()
    }

    pub(crate) fn of(&self, mode: CallMode) -> &T {
        match mode {
            CallMode::InPlace => &self.in_place,
            CallMode::Long => &self.long,
            CallMode::Brief => &self.brief,
            CallMode::Suspendable => &self.suspendable,
            CallMode::Migratable => &self.migratable,
            CallMode::ThreadStack => &self.thread_stack,
            CallMode::Offloaded => &self.offloaded,
            CallMode::Lane => &self.lane,
        }
    }
}

impl ByMode<u64> {
    /// Of all modes together.
    pub fn total(&self) -> u64 {
        CallMode::ALL.iter().map(|&mode| self.of(mode)).sum()
    }
}
