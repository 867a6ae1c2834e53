//! Sugar for futures.

use super::scope::{Scope, scope};
use std::future::Future;

/// What the crate adds to futures.
pub trait FutureExt: Future + Sized {
    /// Lets the calls that this future makes share the cost of ceding: [`scope(self)`](crate::scope()), at the end of a
    /// chain.
    ///
    /// ```
    /// use cede::FutureExt as _;
    ///
    /// # let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    /// # runtime.block_on(async {
    /// let sum = async {
    ///     let mut sum = 0;
    ///     for n in 0..100 {
    ///         sum += cede::call(|| unsafe { libc::abs(-n) }).await;
    ///     }
    ///     sum
    /// };
    /// assert_eq!(tokio::spawn(sum.ceding()).await.unwrap(), 4950);
    /// # });
    /// ```
    fn ceding(self) -> Scope<Self> {
        scope(self)
    }
}

impl<F: Future> FutureExt for F {}
