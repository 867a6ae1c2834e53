//! What C gets from a registration that is gone.
//!
//! A late callback finds nothing of its registration any more, and has to return something all the same. So the fallback is
//! left behind under the type of what was registered, which the trampoline knows: of all registrations that the same
//! place in the source has made, the fallback of the latest. That is one small value for each such place, for good.

use crate::sync::lock;
use std::any::{Any, TypeId, type_name};
use std::collections::BTreeMap;
use std::sync::Mutex;

static LEFT_BEHIND: Mutex<BTreeMap<TypeId, Box<dyn Any + Send>>> = Mutex::new(BTreeMap::new());

/// Leaves the fallback of registrations of type `H` behind.
pub(super) fn leave<H, R>(fallback: R)
where
    H: 'static,
    R: Copy + Send + 'static,
{
    lock(&LEFT_BEHIND).insert(TypeId::of::<H>(), Box::new(fallback));
}

/// The fallback of registrations of type `H`.
#[cold]
pub(super) fn left<H, R>() -> R
where
    H: 'static,
    R: Copy + Send + 'static,
{
    let left = lock(&LEFT_BEHIND);
    let fallback = left
        .get(&TypeId::of::<H>())
        .and_then(|left| left.downcast_ref());
    // Nobody has the trampoline but from a registration of this type.
    *fallback.unwrap_or_else(|| panic!("nothing was left behind for {}", type_name::<H>()))
}
