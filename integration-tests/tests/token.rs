//! A token stands for its value from `new` to `take`, and for nothing before, after or beside that.

use cede::{Token, TokenError};
use std::collections::HashSet;
use std::ffi::c_void;
use std::ptr::{null_mut, without_provenance_mut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

fn error<T>(token: Token<T>) -> TokenError
where
    T: Send + Sync + 'static,
{
    token.get().err().expect("no value is there")
}

#[test]
fn stands_for_its_value_across_c() {
    let token = Token::new(String::from("value"));
    let c_has: *mut c_void = token.as_ptr();
    assert_eq!(*Token::<String>::from_ptr(c_has).get().unwrap(), "value");
    assert_eq!(
        *Token::<String>::from_raw(token.as_raw()).get().unwrap(),
        "value"
    );
    assert_eq!(Arc::into_inner(token.take().unwrap()).unwrap(), "value");
}

#[test]
fn is_stale_when_its_value_was_taken() {
    let token = Token::new(1_u32);
    token.take().unwrap();
    assert!(error(token).is_stale());
    assert!(token.take().unwrap_err().is_stale());
    // The place is used again, the token is not.
    let next: Vec<_> = (0..100).map(|n: u32| Token::new(n)).collect();
    assert!(error(token).is_stale());
    for token in next {
        token.take().unwrap();
    }
}

#[test]
fn is_refused_for_another_type_and_stays() {
    let token = Token::new(1_u32);
    let other = Token::<i32>::from_ptr(token.as_ptr());
    assert!(error(other).is_wrong_type());
    assert!(other.take().unwrap_err().is_wrong_type());
    assert_eq!(*token.take().unwrap(), 1);
}

#[test]
fn what_c_makes_up_is_unknown() {
    assert!(error(Token::<u8>::from_ptr(null_mut())).is_unknown());
    let local = 1_u8;
    assert!(error(Token::<u8>::from_raw((&raw const local).addr())).is_unknown());
    assert!(error(Token::<u8>::from_ptr(without_provenance_mut(usize::MAX))).is_unknown());
    // A generation that is yet to come, of a place that is there.
    let token = Token::new(1_u8);
    assert!(error(Token::<u8>::from_raw(token.as_raw() + 1)).is_unknown());
    token.take().unwrap();
}

/// Numbers that look like tokens, while the table grows and places change hands.
#[test]
fn any_number_whatsoever_may_be_looked_up_at_any_time() {
    let done = Arc::new(AtomicUsize::new(0));
    let seekers: Vec<_> = (1..=2_u64)
        .map(|seed| {
            let done = done.clone();
            thread::spawn(move || {
                let mut random = seed;
                while done.load(Ordering::SeqCst) == 0 {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    // Of the places that the other threads use, and of generations near to theirs.
                    let near = (1 << 63) | ((random % 3000) << 32) | ((random >> 40) % 4);
                    for raw in [random, near] {
                        if let Ok(value) = Token::<[u64; 2]>::from_raw(raw as usize).get() {
                            assert_eq!(value[0], !value[1], "neither this value nor that");
                        }
                    }
                }
            })
        })
        .collect();
    for round in 0..20_u64 {
        let tokens: Vec<_> = (0..2000_u64)
            .map(|n| Token::new([n ^ round, !(n ^ round)]))
            .collect();
        for token in tokens {
            token.take().unwrap();
        }
    }
    done.store(1, Ordering::SeqCst);
    for seeker in seekers {
        seeker.join().unwrap();
    }
}

#[test]
fn of_several_who_take_one_succeeds() {
    const TOKENS: usize = 200_000;
    let tokens: Vec<_> = (0..TOKENS).map(Token::new).collect();
    let start = Barrier::new(2);
    let take_all = || {
        start.wait();
        // Side by side through the same tokens.
        tokens.iter().filter(|token| token.take().is_ok()).count()
    };
    let taken = thread::scope(|scope| {
        let other = scope.spawn(take_all);
        take_all() + other.join().unwrap()
    });
    assert_eq!(taken, TOKENS);
}

#[test]
fn a_guard_keeps_the_value_though_the_token_is_taken() {
    struct Counts(Arc<AtomicUsize>);
    impl Drop for Counts {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    let token = Token::new(Counts(dropped.clone()));
    let guard = token.get().unwrap();
    drop(token.take().unwrap());
    assert!(token.get().is_err());
    assert_eq!(guard.0.load(Ordering::SeqCst), 0);
    drop(guard);
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
}

#[test]
fn no_two_tokens_are_ever_equal() {
    let mut seen = HashSet::new();
    for _ in 0..10 {
        let tokens: Vec<_> = (0..100).map(|n: u8| Token::new(n)).collect();
        for token in &tokens {
            assert!(seen.insert(token.as_raw()));
        }
        for token in tokens {
            token.take().unwrap();
        }
    }
}
