//! The story as a page: one file, no script, nothing to load.

mod plot;

use crate::story::{Story, Thread};
use std::fmt::{self, Display, Write};
use std::time::Duration;

/// Okabe's and Ito's, which nearly everybody can tell apart. They stand for threads.
const COLOURS: [&str; 7] = [
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#b3a300",
];
const STYLE: &str = include_str!("page/style.css");

const WIDTH: f64 = 1240.0;
/// Beside the time: what a row is.
const LEFT: f64 = 150.0;
const RIGHT: f64 = 14.0;
/// Above the first row.
const TOP: f64 = 62.0;

/// How rows are laid out.
#[derive(Clone, Copy)]
struct Rows {
    top: f64,
    pitch: f64,
    height: f64,
}

impl Rows {
    fn y(self, row: usize) -> f64 {
        self.top + self.pitch * row as f64
    }
}

struct Page<'a> {
    story: &'a Story,
    /// The threads that have a row, in the order of the rows: those that ever had a slot first.
    threads: Vec<usize>,
    slot_rows: Rows,
    thread_rows: Rows,
    svg: String,
}

/// The page.
pub(crate) fn draw(story: &Story) -> String {
    let acts = |&thread: &usize| story.stretches.iter().any(|it| it.thread == thread);
    let mut threads: Vec<_> = (0..story.threads.len()).filter(acts).collect();
    threads.sort_by_key(|&thread| !story.threads[thread].is_worker);
    let slot_rows = Rows {
        top: TOP,
        pitch: 56.0,
        height: 34.0,
    };
    let thread_rows = Rows {
        top: slot_rows.y(story.slots) + 22.0,
        pitch: 27.0,
        height: 17.0,
    };
    let mut page = Page {
        story,
        threads,
        slot_rows,
        thread_rows,
        svg: String::new(),
    };
    page.plot();
    page.html()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Text that is no markup.
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '<' => f.write_str("&lt;"),
            '&' => f.write_str("&amp;"),
            c => f.write_char(c),
        })
    }
}

impl Page<'_> {
    fn put(&mut self, element: fmt::Arguments<'_>) {
        self.svg.write_fmt(element).expect("a string takes it all");
        self.svg.push('\n');
    }

    fn x(&self, time: Duration) -> f64 {
        LEFT + ms(time) * (WIDTH - LEFT - RIGHT) / ms(self.story.end)
    }

    fn bottom(&self) -> f64 {
        self.thread_rows.y(self.threads.len())
    }

    fn thread(&self, thread: usize) -> &Thread {
        &self.story.threads[thread]
    }

    fn row_of(&self, thread: usize) -> usize {
        let row = self.threads.iter().position(|&shown| shown == thread);
        row.expect("who has a slot does something")
    }

    /// What a thread is called that had a slot. Others have no letter, and no colour.
    fn letter(&self, thread: usize) -> Option<char> {
        let letter = || char::from(b'A' + (self.row_of(thread) % 26) as u8);
        self.thread(thread).is_worker.then(letter)
    }

    fn class(&self, thread: usize) -> String {
        match self.letter(thread) {
            Some(_) => format!("c{}", self.row_of(thread) % COLOURS.len()),
            None => "out".into(),
        }
    }

    fn html(self) -> String {
        let mut colours = String::new();
        for (i, colour) in COLOURS.iter().enumerate() {
            colours += &format!(".c{i}{{--c:{colour}}}\n");
            // Whoever points at a thread sees where else it is.
            colours += &format!("svg:has(.c{i}:hover) .t:not(.c{i}){{opacity:.2}}\n");
        }
        let story = self.story;
        let given = story.hand_overs.iter().filter(|it| it.is_given).count();
        let retaken = story.hand_overs.len() - given;
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\
             <meta name=\"viewport\" content=\"width=device-width\"/><title>Who has which slot</title>\n\
             <style>{STYLE}{colours}</style></head>\n<body><h1>Who has which slot</h1>\n\
             <p>A slot is the right to run tasks. A thread that stays in C loses its slot to another one. \
             {slots} slots, {end:.0} ms: retaken {retaken} times, handed off {given} times.</p>\n{legend}\n\
             <svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"Slots and threads over time\">\n{svg}</svg>\n\
             </body></html>\n",
            slots = story.slots,
            end = ms(story.end),
            legend = legend(),
            height = self.bottom() + 22.0,
            svg = self.svg,
        )
    }
}

fn bar(class: &str, from: f64, to: f64, y: f64, height: f64) -> String {
    let width = (to - from).max(0.5);
    format!(
        "<rect class=\"{class}\" x=\"{from:.2}\" y=\"{y:.1}\" width=\"{width:.2}\" height=\"{height:.1}\"/>"
    )
}

fn legend() -> String {
    let c = bar("in-c out", 1.0, 33.0, 0.5, 15.0);
    let arrow = |given| format!("<path class=\"tip{given}\" d=\"M17 14l-5 -9h10z\"/>");
    let keys = [
        (bar("task", 1.0, 33.0, 0.0, 16.0), "runs tasks"),
        (bar("idle", 1.0, 33.0, 6.5, 3.0), "has a slot, no task"),
        (
            bar("in-c", 1.0, 33.0, 0.5, 15.0),
            "in C, slot still its own",
        ),
        (c.clone(), "in C, no slot"),
        (
            c.clone() + "<path class=\"waits\" d=\"M1 8H33\"/>",
            "waits for a callback",
        ),
        (c + &bar("callback", 8.0, 26.0, 5.0, 6.0), "runs a callback"),
        (arrow(""), "slot retaken"),
        (arrow(" given"), "slot handed off"),
    ];
    let keys = keys.map(|(shape, text)| {
        format!("<li><svg viewBox=\"0 0 34 16\" class=\"c0\" aria-hidden=\"true\">{shape}</svg>{text}</li>")
    });
    format!("<ul>{}</ul>", keys.concat())
}
