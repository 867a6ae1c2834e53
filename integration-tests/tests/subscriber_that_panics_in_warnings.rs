//! A subscriber that panics in a warning harms nobody: neither the call that is spoken of, nor the watchdog, which goes on.

use cede_integration_tests::process::{Watchdog, eventually};
use cede_integration_tests::{Held, LIMIT, install_limit, on_worker, under_c};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Registry;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

static WARNINGS: AtomicUsize = AtomicUsize::new(0);

struct Panics;

impl<S: Subscriber> Layer<S> for Panics {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "cede" && *event.metadata().level() == Level::WARN {
            WARNINGS.fetch_add(1, Ordering::SeqCst);
            panic!("in a warning");
        }
    }
}

fn warnings(so_many: usize) -> bool {
    eventually(|| WARNINGS.load(Ordering::SeqCst) == so_many)
}

#[test]
fn nobody_is_harmed() {
    let _watchdog = Watchdog::new("a subscriber that panics");
    std::panic::set_hook(Box::new(|_| ()));
    let subscriber = Registry::default().with(LevelFilter::INFO).with(Panics);
    tracing::subscriber::set_global_default(subscriber).unwrap();
    install_limit(LIMIT);
    let held = Arc::new(Held::new());
    let returned = Arc::new(Mutex::new(Vec::new()));

    let slow = |mode: u32| {
        let (held, returned) = (held.clone(), returned.clone());
        let wait = move || {
            held.wait();
            mode
        };
        std::thread::spawn(move || {
            let number = on_worker(1, async move {
                match mode {
                    0 => cede::call(wait).await,
                    1 => cede::call(wait).brief().await,
                    2 => cede::scope(cede::call(wait)).await,
                    _ => cede::offload(wait).await,
                }
            });
            returned.lock().unwrap().push(number);
        })
    };
    for mode in 0..4 {
        let before = WARNINGS.load(Ordering::SeqCst);
        let call = slow(mode);
        assert!(warnings(before + 1), "{mode}");
        held.release();
        call.join().unwrap();
        assert!(warnings(before + 2), "{mode}");
    }
    assert_eq!(*returned.lock().unwrap(), [0, 1, 2, 3]);

    // A callback that parks, C's frames below.
    let ready = Arc::new(Semaphore::new(0));
    let wait = ready.clone();
    let call = std::thread::spawn(move || {
        on_worker(1, async move {
            cede::call(|| under_c(|| cede::callback(async { wait.acquire().await.is_ok() }))).await
        })
    });
    assert!(warnings(9));
    ready.add_permits(1);
    assert_eq!(call.join().unwrap(), Ok(true));
    assert!(warnings(10));
}
