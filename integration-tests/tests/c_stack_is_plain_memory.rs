//! A C stack is memory like any other to whoever looks at the process from within: mapped once, to be read and written, not to be
//! executed, with room around C's locals.

use cede_fixtures::deep::local_address;
use cede_integration_tests::{on_current_thread, on_worker, under_c};
use std::ops::Range;

/// The mapping that an address lies in, with its permissions, as the kernel tells it.
fn mapping_of(address: usize) -> (Range<usize>, String) {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let found: Vec<_> = maps
        .lines()
        .map(|line| {
            let (range, rest) = line.split_once(' ').unwrap();
            let (from, to) = range.split_once('-').unwrap();
            let number = |hex| usize::from_str_radix(hex, 16).unwrap();
            (number(from)..number(to), rest[..4].to_owned())
        })
        .filter(|(range, _)| range.contains(&address))
        .collect();
    assert_eq!(found.len(), 1, "{address:#x} in:\n{maps}");
    found.into_iter().next().unwrap()
}

fn looks(room: usize) {
    let here = local_address();
    let (range, permissions) = mapping_of(here);
    assert_eq!(permissions, "rw-p");
    assert!(
        here - range.start >= room - (32 << 10),
        "{here:#x} in {range:x?}"
    );
}

async fn of_every_size() {
    cede::call(|| looks(2 << 20)).await;
    // A test without optimisation reads that file in little more than the smallest stack has.
    cede::call(|| looks(256 << 10)).stack_size(256 << 10).await;
    cede::call(|| looks(8 << 20)).stack_size(8 << 20).await;
    cede::call(|| looks(20 << 20)).stack_size(20 << 20).await;
    cede::call(|| looks(2 << 20)).suspendable().await;
    let asks = || {
        under_c(|| cede::callback(cede::call(|| looks(2 << 20)))).unwrap();
        looks(2 << 20);
    };
    cede::call(asks).await;
}

#[test]
fn on_every_thread() {
    on_worker(1, of_every_size());
    on_current_thread(of_every_size());
}
