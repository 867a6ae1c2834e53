//! The picture itself.

use super::{Page, TOP, Text, bar, ms};
use crate::story::{Doing, HandOver, Stretch};
use std::time::Duration;

impl Page<'_> {
    pub(super) fn plot(&mut self) {
        self.axis();
        self.phases();
        self.slots();
        self.threads();
        let story = self.story;
        story.hand_overs.iter().for_each(|it| self.hand_over(it));
    }

    fn axis(&mut self) {
        let (top, bottom) = (TOP - 6.0, self.bottom());
        let end = ms(self.story.end);
        let steps = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0];
        let step = steps.into_iter().find(|step| end / step <= 20.0);
        let step = step.unwrap_or(1000.0);
        for tick in 0..=(end / step) as u32 {
            let at = f64::from(tick) * step;
            let x = self.x(Duration::from_secs_f64(at / 1000.0));
            let unit = if tick == 0 { " ms" } else { "" };
            self.put(format_args!(
                "<path class=\"grid\" d=\"M{x:.1} {top}V{bottom}\"/>\
                 <text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{at}{unit}</text>",
                bottom + 14.0,
            ));
        }
    }

    /// On two lines, for a phase may be shorter than its name.
    fn phases(&mut self) {
        let story = self.story;
        let mut room_from = [0.0; 2];
        for (since, name) in &story.phases {
            let x = self.x(*since);
            let line = usize::from(room_from[0] > x);
            room_from[line] = x + 12.0 + width(name);
            let y = 14.0 + 14.0 * line as f64;
            self.put(format_args!(
                "<path class=\"since\" d=\"M{x:.1} {:.1}v14\"/>\
                 <text class=\"phase\" x=\"{:.1}\" y=\"{y}\">{}</text>",
                y - 10.0,
                x + 4.0,
                Text(name)
            ));
        }
    }

    fn slots(&mut self) {
        let story = self.story;
        self.head(TOP - 28.0, "Who has a slot");
        for slot in 0..story.slots {
            let y = self.slot_rows.y(slot);
            self.put(format_args!(
                "<g class=\"slot\" id=\"slot-{slot}\">\
                 <text class=\"name\" x=\"0\" y=\"{:.1}\">slot {slot}</text></g>",
                y + 21.0
            ));
            let here = story.stretches.iter().filter(|it| it.slot == Some(slot));
            here.for_each(|stretch| self.stretch(stretch, y, self.slot_rows.height));
            self.letters(slot);
        }
    }

    /// Above a slot: who has it from there on.
    fn letters(&mut self, slot: usize) {
        let story = self.story;
        let y = self.slot_rows.y(slot) - 9.0;
        let first = story.stretches.iter().find(|it| it.slot == Some(slot));
        let first = first.map(|it| (it.from, it.thread));
        let later = story.hand_overs.iter().filter(|it| it.slot == slot);
        let later = later.map(|it| (it.at, it.to));
        let mut room_from = 0.0;
        for (at, thread) in first.into_iter().chain(later) {
            let x = self.x(at).max(room_from);
            room_from = x + 10.0;
            let letter = self.letter(thread).unwrap_or(' ');
            self.put(format_args!(
                "<text class=\"who\" x=\"{x:.1}\" y=\"{y:.1}\">{letter}</text>"
            ));
        }
    }

    fn threads(&mut self) {
        let story = self.story;
        self.head(self.thread_rows.y(0) - 14.0, "What threads do");
        for (row, thread) in self.threads.clone().into_iter().enumerate() {
            let y = self.thread_rows.y(row);
            if let Some(letter) = self.letter(thread) {
                self.put(format_args!(
                    "<g class=\"t {}\">{}<text class=\"badge\" x=\"8.5\" y=\"{:.1}\">{letter}</text></g>",
                    self.class(thread),
                    bar("task", 0.0, 17.0, y, 17.0),
                    y + 12.8
                ));
            }
            let about = &story.threads[thread];
            self.put(format_args!(
                "<g class=\"thread\"><text class=\"name\" x=\"24\" y=\"{:.1}\">{} \
                 <tspan class=\"tid\">{}</tspan></text></g>",
                y + 13.0,
                Text(&about.name),
                about.tid
            ));
            let own = story.stretches.iter().filter(|it| it.thread == thread);
            own.for_each(|stretch| self.stretch(stretch, y, self.thread_rows.height));
        }
    }

    fn head(&mut self, y: f64, text: &str) {
        self.put(format_args!(
            "<text class=\"head\" x=\"0\" y=\"{y}\">{text}</text>"
        ));
    }

    fn stretch(&mut self, stretch: &Stretch, y: f64, height: f64) {
        let (from, to) = (self.x(stretch.from), self.x(stretch.to));
        let out = if stretch.slot.is_none() { " out" } else { "" };
        let middle = y + height / 2.0;
        let task = || bar(&format!("task{out}"), from, to, y, height);
        let c = || bar(&format!("in-c{out}"), from, to, y + 0.5, height - 1.0);
        let shape = match stretch.doing {
            Doing::Idle => bar("idle", from, to, middle - 1.5, 3.0),
            Doing::Task => task(),
            Doing::InC => c() + &label(&stretch.name, from, to, middle),
            Doing::Waits => {
                c() + &format!("<path class=\"waits\" d=\"M{from:.2} {middle:.1}H{to:.2}\"/>")
            }
            Doing::Callback { under_c } => {
                let third = height / 3.0;
                let callback = bar("callback", from, to.max(from + 1.5), y + third, third);
                (if under_c { c() } else { task() }) + &callback
            }
        };
        let tip = self.tip(stretch);
        let class = self.class(stretch.thread);
        self.put(format_args!(
            "<g class=\"t {class}\">{shape}<title>{}</title></g>",
            Text(&tip)
        ));
    }

    fn called(&self, thread: usize) -> String {
        let name = &self.thread(thread).name;
        let letter = self.letter(thread);
        letter.map_or(name.clone(), |letter| format!("{letter} ({name})"))
    }

    fn tip(&self, stretch: &Stretch) -> String {
        let name = &stretch.name;
        let what = match stretch.doing {
            Doing::Idle => "no task to run".into(),
            Doing::Task => format!("runs the task \u{201c}{name}\u{201d}"),
            Doing::InC => format!("in C: {name}"),
            Doing::Waits => format!("waits for a callback of C: {name}"),
            Doing::Callback { .. } => format!("runs a callback: {name}"),
        };
        let slot = match stretch.slot {
            Some(slot) => format!("has slot {slot}"),
            None => "has no slot".into(),
        };
        let who = self.called(stretch.thread);
        let (from, to) = (ms(stretch.from), ms(stretch.to));
        let took = to - from;
        format!("{who}: {what}\n{slot}\n{took:.3} ms, from {from:.3} to {to:.3} ms")
    }

    /// A mark on the slot, and an arrow from the thread that had it to the thread that has it.
    fn hand_over(&mut self, hand_over: &HandOver) {
        let HandOver {
            at, slot, from, to, ..
        } = *hand_over;
        let (how, given) = match hand_over.is_given {
            true => ("handed off", " given"),
            false => ("retaken", ""),
        };
        let (who, by) = (self.called(from), self.called(to));
        let tip = format!("slot {slot} {how} at {:.3} ms: from {who} to {by}", ms(at));
        let x = self.x(at);
        let (top, height) = (self.slot_rows.y(slot), self.slot_rows.height);
        let middle = |row| self.thread_rows.y(row) + self.thread_rows.height / 2.0;
        let (from, to) = (middle(self.row_of(from)), middle(self.row_of(to)));
        let back = if to > from { -5.0 } else { 5.0 };
        self.put(format_args!(
            "<g class=\"hand-over\">\
             <path class=\"move\" d=\"M{x:.2} {top}v{height}M{x:.2} {from:.1}V{to:.1}\"/>\
             <path class=\"tip{given}\" d=\"M{x:.2} {top}l-4 -6.5h8z\"/>\
             <circle class=\"tip{given}\" cx=\"{x:.2}\" cy=\"{from:.1}\" r=\"2\"/>\
             <path class=\"tip{given}\" d=\"M{x:.2} {to:.1}l-3 {back}h6z\"/>\
             <title>{}</title></g>",
            Text(&tip)
        ));
    }
}

/// About how wide a text is.
fn width(text: &str) -> f64 {
    text.chars().count() as f64 * 5.6
}

/// The name of a call, where there is room for it.
fn label(text: &str, from: f64, to: f64, middle: f64) -> String {
    if width(text) + 8.0 > to - from {
        return String::new();
    }
    format!(
        "<text class=\"label\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
        from + 5.0,
        middle + 3.8,
        Text(text)
    )
}
