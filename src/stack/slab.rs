//! Slabs: one large mapping holds many stacks of a class, so that a million of them take a handful of mappings.
//!
//! ```text
//!   low                                                                          high
//!   ├─ guard ─┬─ stack 0 ────────────┼─ guard ─┬─ stack 1 ────────────┼─ …        ─┤
//!   │◀ GUARD ▶│◀─ class size, PAGE ─▶│ ▲ limit │              base ▲ │
//!   │◀─────────── stride ───────────▶│
//! ```
//!
//! A stack grows down from its base towards its guard. Each slab of a class holds as many stacks as all before it
//! together, so the number of mappings grows with the logarithm of the number of stacks. A slab without stacks goes back to
//! the kernel unless it is the last of its class.

use super::class::{COUNT, Size};
use super::mapping::{GUARD, Mapping, PAGE, give_back, install_guard};
use super::overflow;
use crate::sync::lock;
use std::io;
use std::sync::Mutex;

/// Stacks in the first slab of a class. Guessed: a small service needs no second one.
const FIRST_SLAB: usize = 16;

/// One stack's address range, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Region {
    guard: usize,
    /// Usable bytes.
    bytes: u32,
    place: Place,
}

/// Where a region's address space comes from.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// A slab of this class, which holds so many stacks: two to this power, at least.
    Slab { class: u8, rank: u8 },
    /// A mapping of its own.
    Own,
}

impl Region {
    /// A stack of at least `size`, whose guard is in place.
    pub(super) fn new(size: Size) -> io::Result<Self> {
        let (guard, place) = match size {
            Size::Class(class) => {
                let (guard, rank) = lock(&SLABS)[class].take(size)?;
                let class = class as u8;
                (guard, Place::Slab { class, rank })
            }
            Size::Exact(_) => {
                let mapping = Mapping::new(stride(size))?;
                // SAFETY: the start of a mapping that has just been made.
                unsafe { install_guard(mapping.start()) }?;
                overflow::watch(mapping.start(), stride(size), 1);
                (mapping.leak(), Place::Own)
            }
        };
        let bytes = u32::try_from(size.bytes()).expect("no more than a stack may have");
        Ok(Self {
            guard,
            bytes,
            place,
        })
    }

    pub(super) fn size(&self) -> Size {
        match self.place {
            Place::Slab { class, .. } => Size::Class(class.into()),
            Place::Own => Size::Exact(self.bytes as usize),
        }
    }

    /// How large the slab is that this keeps from going back to the kernel.
    pub(super) fn rank(&self) -> u8 {
        match self.place {
            Place::Slab { rank, .. } => rank,
            Place::Own => 0,
        }
    }

    /// The lowest address, that of the guard.
    pub(super) fn limit(&self) -> usize {
        self.guard
    }

    /// One past the highest address, where the stack begins.
    pub(super) fn base(&self) -> usize {
        self.guard + stride(self.size())
    }

    /// Gives back all memory further than `depth` bytes from the base.
    ///
    /// # Safety
    ///
    /// Nobody needs what the stack holds there.
    pub(super) unsafe fn give_back_below(&self, depth: usize) {
        let lowest = self.guard + GUARD;
        let watermark = self.base().saturating_sub(depth).max(lowest);
        // SAFETY: the range lies between this region's guard and its base; the rest is this function's contract.
        unsafe { give_back(lowest, watermark - lowest) };
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        match self.size() {
            Size::Class(class) => {
                // SAFETY: whoever drops the region has given up the stack in it.
                unsafe { self.give_back_below(0) };
                let emptied = lock(&SLABS)[class].put(self.guard);
                drop(emptied);
            }
            size @ Size::Exact(_) => {
                overflow::unwatch(self.guard);
                // SAFETY: leaked by `new`, with this length.
                drop(unsafe { Mapping::reclaim(self.guard, stride(size)) });
            }
        }
    }
}

/// With a page more than was asked for: not every stack begins at the top of its first page (`machine`).
fn stride(size: Size) -> usize {
    GUARD + size.bytes().next_multiple_of(PAGE) + PAGE
}

static SLABS: Mutex<[Slabs; COUNT]> = Mutex::new([const { Slabs(Vec::new()) }; COUNT]);

/// The slabs of one class.
struct Slabs(Vec<Slab>);

struct Slab {
    mapping: Mapping,
    stride: usize,
    /// Guards of stacks that were in use and are not.
    free: Vec<usize>,
    /// Stacks from the start of the mapping that have a guard; the others were never used.
    carved: usize,
    in_use: usize,
}

impl Slabs {
    /// The guard of a stack, and the rank of its slab.
    fn take(&mut self, size: Size) -> io::Result<(usize, u8)> {
        // A stack that was used before has its guard; a new guard may be refused.
        for slab in &mut self.0 {
            if let Some(guard) = slab.take_used() {
                return Ok((guard, slab.rank()));
            }
        }
        if let Some(slab) = self.0.iter_mut().find(|slab| slab.has_room()) {
            return Ok((slab.take()?, slab.rank()));
        }
        let held: usize = self.0.iter().map(Slab::capacity).sum();
        let mut slab = Slab::new(stride(size), held.max(FIRST_SLAB))?;
        let guard = slab.take()?;
        overflow::watch(slab.mapping.start(), slab.stride, slab.capacity());
        let rank = slab.rank();
        self.0.push(slab);
        Ok((guard, rank))
    }

    /// Takes a stack back; hands out its slab if that is not needed any more.
    fn put(&mut self, guard: usize) -> Option<Slab> {
        let index = self.0.iter().position(|slab| slab.contains(guard))?;
        let slab = &mut self.0[index];
        slab.free.push(guard);
        slab.in_use -= 1;
        if slab.in_use > 0 || self.0.len() == 1 {
            return None;
        }
        overflow::unwatch(self.0[index].mapping.start());
        Some(self.0.swap_remove(index))
    }
}

impl Slab {
    /// A slab of `count` stacks, or of fewer if the kernel does not give that much address space.
    fn new(stride: usize, count: usize) -> io::Result<Self> {
        let mut count = count;
        let mapping = loop {
            match Mapping::new(stride * count) {
                Ok(mapping) => break mapping,
                Err(error) if count == 1 => return Err(error),
                Err(_) => count /= 2,
            }
        };
        Ok(Self {
            mapping,
            stride,
            free: Vec::new(),
            carved: 0,
            in_use: 0,
        })
    }

    fn rank(&self) -> u8 {
        self.capacity().ilog2() as u8
    }

    fn capacity(&self) -> usize {
        self.mapping.len() / self.stride
    }

    /// Whether there is a stack that was never used.
    fn has_room(&self) -> bool {
        self.carved < self.capacity()
    }

    fn contains(&self, address: usize) -> bool {
        (self.mapping.start()..self.mapping.start() + self.mapping.len()).contains(&address)
    }

    /// A stack that was in use before.
    fn take_used(&mut self) -> Option<usize> {
        let guard = self.free.pop()?;
        self.in_use += 1;
        Some(guard)
    }

    /// A stack that was never used, from a slab that has room.
    fn take(&mut self) -> io::Result<usize> {
        let guard = self.mapping.start() + self.carved * self.stride;
        // SAFETY: the range is in this slab, at its first stack that was never used.
        unsafe { install_guard(guard) }?;
        self.carved += 1;
        self.in_use += 1;
        Ok(guard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Far more stacks than one slab holds, so that slabs come and go.
    #[test]
    fn a_region_is_writable_down_to_its_guard_and_goes_back_when_dropped() {
        let size = Size::Class(0);
        let regions: Vec<_> = (0..200).map(|_| Region::new(size).unwrap()).collect();
        for (n, region) in regions.iter().enumerate() {
            assert_eq!(region.base() - region.limit(), GUARD + size.bytes() + PAGE);
            for address in [region.limit() + GUARD, region.base() - 8] {
                // SAFETY: both ends of a stack that nobody else uses.
                unsafe { (address as *mut u64).write(n as u64) };
            }
        }
        for (n, region) in regions.iter().enumerate() {
            // SAFETY: written above, and still ours.
            let top = unsafe { ((region.base() - 8) as *const u64).read() };
            assert_eq!(top, n as u64);
        }
        drop(regions);
        let again = Region::new(size).unwrap();
        // SAFETY: within a stack that is ours.
        let top = unsafe { ((again.base() - 8) as *const u64).read() };
        assert_eq!(top, 0, "memory was given back");
    }

    #[test]
    fn sizes_beyond_the_classes_are_mapped_exactly() {
        let size = Size::holding((8 << 20) + 1);
        let region = Region::new(size).unwrap();
        assert!(region.base() - region.limit() > GUARD + (8 << 20));
        assert_eq!(region.base() % PAGE, 0);
    }
}
