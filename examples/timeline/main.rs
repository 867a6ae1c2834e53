//! A picture of who has which slot: short calls, calls that last, callbacks that wait, offloaded calls and a lane, on two
//! workers, as tracing sees them. Writes a page for a browser, and a trace for <https://ui.perfetto.dev>.
//!
//! `cargo run --release --example timeline [directory]`

mod load;
mod page;
mod record;
mod story;
#[cfg(test)]
mod tests;

use record::{Kind, Recorder, Scene, Seen, What, message};
use std::fs::{self, File};
use std::io;
use std::path::Path;
use tokio::runtime::Builder;
use tracing::Subscriber;
use tracing_chrome::{ChromeLayerBuilder, EventOrSpan};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::{LookupSpan, Registry};

const WORKERS: usize = 2;

/// What an event or span is called in the trace, where the rows are threads.
fn title<S>(what: &EventOrSpan<'_, '_, S>) -> String
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let span = match what {
        EventOrSpan::Event(event) => return message(event),
        EventOrSpan::Span(span) => span,
    };
    let extensions = span.extensions();
    let Some(Scene { kind, name, mode }) = extensions.get() else {
        return span.name().into();
    };
    match (kind, tokio::runtime::worker_index()) {
        (Kind::Task, Some(slot)) => format!("{name}, in slot {slot}"),
        (Kind::Task, None) => name.clone(),
        (Kind::Call, _) => format!("C: {name} ({mode})"),
        (Kind::Callback, _) => format!("callback: {name}"),
    }
}

/// Runs the load on a runtime of its own. The trace is written meanwhile, and the rest returned.
fn run(trace: File) -> Seen {
    let recorder = Recorder::new();
    let (chrome, written) = ChromeLayerBuilder::new()
        .writer(trace)
        .name_fn(Box::new(title))
        .include_args(true)
        .include_locations(false)
        .build();
    let subscriber = Registry::default().with(recorder.clone()).with(chrome);
    tracing::subscriber::set_global_default(subscriber).expect("there is no other");

    let (parks, unparks) = (recorder.clone(), recorder.clone());
    let runtime = Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_name("tokio")
        .enable_time()
        .on_thread_park(move || parks.write(What::Parks))
        .on_thread_unpark(move || unparks.write(What::Unparks))
        .build()
        .expect("threads can be had");
    cede::StandbyThreads::new()
        .name("standby")
        .apply_to(runtime.handle());
    runtime.block_on(load::run());
    let seen = recorder.take();
    drop(runtime);
    drop(written);
    seen
}

/// Writes both files to the directory.
fn write(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let trace = directory.join("timeline.json");
    let page = directory.join("timeline.html");
    let story = story::tell(run(File::create(&trace)?));
    fs::write(&page, page::draw(&story))?;
    println!(
        "{}\n  open it in a browser: the upper rows are slots, coloured by the thread that has them;",
        page.display()
    );
    println!("  follow an arrow from the thread that lost its slot in C to the one that goes on.");
    println!(
        "{}\n  open it in https://ui.perfetto.dev or chrome://tracing, to zoom into calls of microseconds.",
        trace.display()
    );
    Ok(())
}

fn main() -> io::Result<()> {
    let directory = std::env::args().nth(1);
    write(Path::new(directory.as_deref().unwrap_or("target")))
}
