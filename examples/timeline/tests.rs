//! What is written has the parts that it should have. Nothing is asked about times.

use super::*;
use record::Moment;
use roxmltree::{Document, ParsingOptions};
use serde_json::Value;
use std::time::Duration;
use story::Doing;
use tracing::span::Id;

#[test]
fn runs() {
    let directory = std::env::temp_dir().join(format!("cede-timeline-{}", std::process::id()));
    write(&directory).unwrap();
    let trace = fs::read_to_string(directory.join("timeline.json")).unwrap();
    let page = fs::read_to_string(directory.join("timeline.html")).unwrap();
    fs::remove_dir_all(directory).unwrap();
    check_trace(&serde_json::from_str(&trace).unwrap());
    check_page(&page);
}

/// Every thread has a track, and everything that begins ends.
fn check_trace(trace: &Value) {
    let entries = trace.as_array().unwrap();
    let of = |phase: &str| {
        let entries = entries.iter().filter(|entry| entry["ph"] == phase);
        entries.collect::<Vec<_>>()
    };
    let tracks = of("M");
    for name in ["tokio", "standby", "lane"] {
        let named = tracks.iter().find(|track| track["args"]["name"] == name);
        assert!(named.is_some(), "no track of {name}");
    }
    let begun = of("B");
    for name in [
        "requests, in slot ",
        "C: short (in_place)",
        "C: lasts (in_place)",
        "C: long() (long)",
        "C: offloaded (offloaded)",
        "C: lane (lane)",
        "callback: waits, then computes",
    ] {
        let is_there = begun
            .iter()
            .any(|it| it["name"].as_str().unwrap().starts_with(name));
        assert!(is_there, "no {name}");
    }
    assert_eq!(begun.len(), of("E").len());
    let told = of("i");
    assert!(told.iter().any(|it| it["name"] == "slot handed off"));
}

/// It is whole, and whole by itself.
fn check_page(page: &str) {
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    let page = Document::parse_with_options(page, options).unwrap();
    let elements: Vec<_> = page.descendants().filter(|it| it.is_element()).collect();
    let with_class = |class| {
        let all = elements
            .iter()
            .filter(move |it| it.attribute("class") == Some(class));
        all.count()
    };
    assert_eq!(with_class("slot"), WORKERS);
    assert!(with_class("thread") > WORKERS);
    assert!(with_class("hand-over") > 0);
    assert!(with_class("callback") > 0);
    for slot in 0..WORKERS {
        let name = format!("slot-{slot}");
        assert!(elements.iter().any(|it| it.attribute("id") == Some(&name)));
        let tip = format!("has slot {slot}");
        let mut tips = page.descendants().filter_map(|it| it.text());
        assert!(tips.any(|text| text.contains(&tip)), "nobody {tip}");
    }
    for element in elements {
        let fetches = ["script", "link", "img", "iframe", "image", "use"];
        assert!(!fetches.contains(&element.tag_name().name()));
        assert!(
            element
                .attribute("src")
                .or(element.attribute("href"))
                .is_none()
        );
    }
    assert!(!page.input_text().contains("http"));
    assert!(!page.input_text().contains("url("));
}

/// Moments by hand: one every millisecond.
fn told(moments: Vec<(record::Tid, Option<usize>, What)>) -> story::Story {
    let moments = moments.into_iter().enumerate();
    let moments = moments.map(|(ms, (thread, slot, what))| Moment {
        at: Duration::from_millis(ms as u64),
        thread,
        slot,
        what,
    });
    story::tell(Seen {
        moments: moments.collect(),
        thread_names: [(1, "one".into()), (2, "two".into())].into(),
    })
}

fn enters(id: u64, kind: Kind) -> What {
    let scene = Scene {
        kind,
        name: format!("{id}"),
        mode: String::new(),
    };
    What::Enters(Id::from_u64(id), scene)
}

fn exits(id: u64) -> What {
    What::Exits(Id::from_u64(id))
}

/// What a thread did: from then to then, in milliseconds, and in which slot.
fn did(story: &story::Story, thread: usize) -> Vec<(u128, u128, Doing, Option<usize>)> {
    let own = story.stretches.iter().filter(|it| it.thread == thread);
    own.map(|it| (it.from.as_millis(), it.to.as_millis(), it.doing, it.slot))
        .collect()
}

#[test]
fn a_slot_is_lost_to_the_thread_that_next_polls_a_task_in_it() {
    let story = told(vec![
        (1, Some(0), enters(1, Kind::Task)),
        (1, Some(0), enters(2, Kind::Call)),
        (2, Some(0), enters(3, Kind::Task)),
        (1, Some(0), exits(2)),
        // To tell that the slot was lost.
        (1, Some(0), enters(2, Kind::Call)),
        (1, Some(0), exits(2)),
        (1, Some(0), exits(1)),
        (2, Some(0), exits(3)),
    ]);
    let in_c = [
        (0, 1, Doing::Task, Some(0)),
        (1, 2, Doing::InC, Some(0)),
        (2, 3, Doing::InC, None),
    ];
    assert_eq!(did(&story, 0), in_c);
    assert_eq!(did(&story, 1), [(2, 7, Doing::Task, Some(0))]);
    let hand_over = &story.hand_overs[0];
    assert_eq!((hand_over.from, hand_over.to), (0, 1));
    assert!(!hand_over.is_given);
}

#[test]
fn c_waits_while_its_callback_is_pending_and_no_longer() {
    let under_c = true;
    let story = told(vec![
        (1, Some(0), enters(1, Kind::Task)),
        (1, Some(0), enters(2, Kind::Call)),
        (1, Some(0), exits(2)),
        (1, Some(0), enters(3, Kind::Callback)),
        (1, Some(0), exits(3)),
        (1, Some(0), enters(2, Kind::Call)),
        (1, Some(0), exits(2)),
        (1, Some(0), exits(1)),
    ]);
    let all = [
        (0, 1, Doing::Task, Some(0)),
        (1, 2, Doing::InC, Some(0)),
        (2, 3, Doing::Waits, Some(0)),
        (3, 4, Doing::Callback { under_c }, Some(0)),
        (4, 5, Doing::Waits, Some(0)),
        (5, 6, Doing::InC, Some(0)),
        (6, 7, Doing::Task, Some(0)),
    ];
    assert_eq!(did(&story, 0), all);
}
