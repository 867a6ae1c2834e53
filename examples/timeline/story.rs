//! From moments to stretches of time: what each thread did, and in which slot if it had one.

use crate::record::{Kind, Moment, Scene, Seen, Tid, What};
use std::collections::BTreeMap;
use std::time::Duration;
use tracing::span::Id;

/// What was going on.
pub(crate) struct Story {
    /// In the order in which they appeared.
    pub(crate) threads: Vec<Thread>,
    pub(crate) slots: usize,
    pub(crate) stretches: Vec<Stretch>,
    pub(crate) hand_overs: Vec<HandOver>,
    /// What the load did, from when on.
    pub(crate) phases: Vec<(Duration, String)>,
    pub(crate) end: Duration,
}

pub(crate) struct Thread {
    pub(crate) tid: Tid,
    pub(crate) name: String,
    /// Whether it ever had a slot.
    pub(crate) is_worker: bool,
}

/// A thread did one thing, from then to then.
pub(crate) struct Stretch {
    pub(crate) thread: usize,
    pub(crate) slot: Option<usize>,
    pub(crate) from: Duration,
    pub(crate) to: Duration,
    pub(crate) doing: Doing,
    pub(crate) name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Has a slot, and polls no task.
    Idle,
    /// Polls a task.
    Task,
    InC,
    /// In C, which has called back and waits for the future.
    Waits,
    /// Polls a callback's future, for C that is below it on this thread or not.
    Callback {
        under_c: bool,
    },
}

/// A slot went from one thread to another.
pub(crate) struct HandOver {
    pub(crate) at: Duration,
    pub(crate) slot: usize,
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// Whether the thread that had it gave it away, rather than the monitor.
    pub(crate) is_given: bool,
}

/// What is known of a thread while the moments go by.
#[derive(Default)]
struct State {
    slot: Option<usize>,
    since: Duration,
    entered: Vec<(Id, Scene)>,
    /// Calls whose span was exited: C has returned from them, or waits for a callback.
    left: Vec<Left>,
    /// Stretches since then, by their place, of which that is to be found out.
    open: Vec<usize>,
    gives_away: bool,
}

struct Left {
    call: Id,
    name: String,
    has_called_back: bool,
}

impl State {
    /// Whether C has waited for a callback since the call was left, now that it is entered again: for one that this thread
    /// has polled or, if that has no task, a task elsewhere.
    fn has_waited(&self, left: usize) -> bool {
        let polls_a_task = self
            .entered
            .iter()
            .any(|(_, scene)| scene.kind == Kind::Task);
        self.left[left].has_called_back || !polls_a_task
    }
}

/// Tells what `seen` comes to.
pub(crate) fn tell(seen: Seen) -> Story {
    let mut teller = Teller {
        end: seen.moments.last().map_or(Duration::ZERO, |last| last.at),
        ..Teller::default()
    };
    for moment in seen.moments {
        let name = &seen.thread_names[&moment.thread];
        teller.next(moment, name);
    }
    for thread in 0..teller.states.len() {
        teller.stretch_ends(thread, teller.end);
        teller.has_returned(thread);
    }
    Story {
        threads: teller.threads,
        slots: teller.holders.len(),
        stretches: merged(teller.stretches.into_iter().flatten()),
        hand_overs: teller.hand_overs,
        phases: teller.phases,
        end: teller.end,
    }
}

/// Without the seams between stretches of the same thing.
fn merged(all: impl Iterator<Item = Stretch>) -> Vec<Stretch> {
    let mut merged: Vec<Stretch> = Vec::new();
    for stretch in all.filter(|stretch| stretch.from < stretch.to) {
        let before = merged
            .iter_mut()
            .rfind(|before| before.thread == stretch.thread);
        match before {
            Some(before) if stretch.continues(before) => before.to = stretch.to,
            _ => merged.push(stretch),
        }
    }
    merged
}

#[derive(Default)]
struct Teller {
    threads: Vec<Thread>,
    known: BTreeMap<Tid, usize>,
    /// Of the threads.
    states: Vec<State>,
    /// Who has which slot.
    holders: BTreeMap<usize, usize>,
    /// `None` is none after all.
    stretches: Vec<Option<Stretch>>,
    hand_overs: Vec<HandOver>,
    phases: Vec<(Duration, String)>,
    end: Duration,
}

impl Teller {
    fn next(&mut self, moment: Moment, name: &str) {
        let thread = self.thread(moment.thread, name);
        self.stretch_ends(thread, moment.at);
        let is_worker = match &moment.what {
            What::Parks | What::Unparks => true,
            What::Enters(_, scene) => scene.kind == Kind::Task,
            _ => false,
        };
        if let (true, Some(slot)) = (is_worker, moment.slot) {
            self.has(thread, slot, moment.at);
        }
        match moment.what {
            // A thread in C is in the task's span, and polls nothing.
            What::Enters(_, scene) if scene.kind == Kind::Task && moment.slot.is_none() => {}
            What::Enters(id, scene) => self.enters(thread, id, scene),
            What::Exits(id) => self.exits(thread, &id),
            What::Says(message) if message.starts_with("slot handed off") => self.gives(thread),
            What::Phase(name) => self.phases.push((moment.at, name)),
            What::Parks | What::Unparks | What::Says(_) => {}
        }
    }

    fn thread(&mut self, tid: Tid, name: &str) -> usize {
        *self.known.entry(tid).or_insert_with(|| {
            self.states.push(State::default());
            self.threads.push(Thread {
                tid,
                name: name.to_owned(),
                is_worker: false,
            });
            self.threads.len() - 1
        })
    }

    /// Only who has the slot polls tasks: whoever had it before has lost it.
    fn has(&mut self, thread: usize, slot: usize, at: Duration) {
        let before = self.holders.insert(slot, thread);
        self.threads[thread].is_worker = true;
        self.states[thread].slot = Some(slot);
        if let Some(before) = before.filter(|&before| before != thread) {
            self.stretch_ends(before, at);
            let loser = &mut self.states[before];
            loser.slot = None;
            self.hand_overs.push(HandOver {
                at,
                slot,
                from: before,
                to: thread,
                is_given: std::mem::take(&mut loser.gives_away),
            });
        }
    }

    /// It has said so; another thread may have the slot already.
    fn gives(&mut self, thread: usize) {
        if self.states[thread].slot.is_some() {
            self.states[thread].gives_away = true;
        } else if let Some(given) = self.hand_overs.iter_mut().rfind(|it| it.from == thread) {
            given.is_given = true;
        }
    }

    fn enters(&mut self, thread: usize, id: Id, scene: Scene) {
        let state = &mut self.states[thread];
        match scene.kind {
            Kind::Call => {
                let left = state.left.iter().position(|left| left.call == id);
                let has_waited = left.map(|left| state.has_waited(left));
                match (left, has_waited) {
                    (Some(left), Some(true)) => {
                        state.left.truncate(left);
                        state.open.clear();
                    }
                    // C has returned, and the span is entered to say something about it.
                    (Some(_), _) => return,
                    (None, _) => self.has_returned(thread),
                }
            }
            Kind::Callback => {
                for left in &mut state.left {
                    left.has_called_back = true;
                }
            }
            Kind::Task => {}
        }
        self.states[thread].entered.push((id, scene));
    }

    fn exits(&mut self, thread: usize, id: &Id) {
        let state = &mut self.states[thread];
        let Some(at) = state.entered.iter().rposition(|(entered, _)| entered == id) else {
            return;
        };
        let (id, scene) = state.entered.remove(at);
        match scene.kind {
            Kind::Call => state.left.push(Left {
                call: id,
                name: scene.name,
                has_called_back: false,
            }),
            Kind::Task => self.has_returned(thread),
            Kind::Callback => {}
        }
    }

    /// C has returned, and not called back, when a call was left last.
    fn has_returned(&mut self, thread: usize) {
        let state = &mut self.states[thread];
        let is_in_callback = state
            .entered
            .iter()
            .any(|(_, scene)| scene.kind == Kind::Callback);
        if is_in_callback {
            return;
        }
        state.left.clear();
        for stretch in state.open.drain(..) {
            let place = &mut self.stretches[stretch];
            *place = place.take().and_then(Stretch::of_rust);
        }
    }

    /// What the thread does from here on is another stretch.
    fn stretch_ends(&mut self, thread: usize, at: Duration) {
        let state = &mut self.states[thread];
        let from = std::mem::replace(&mut state.since, at);
        let (doing, name) = match (state.entered.last(), state.left.last()) {
            (Some((_, scene)), _) if scene.kind == Kind::Call => (Doing::InC, &scene.name),
            (Some((_, scene)), left) if scene.kind == Kind::Callback => {
                let under_c = left.is_some();
                (Doing::Callback { under_c }, &scene.name)
            }
            (_, Some(left)) => {
                state.open.push(self.stretches.len());
                (Doing::Waits, &left.name)
            }
            (Some((_, task)), None) => (Doing::Task, &task.name),
            (None, None) if state.slot.is_some() => (Doing::Idle, &String::new()),
            (None, None) => return,
        };
        self.stretches.push(Some(Stretch {
            thread,
            slot: state.slot,
            from,
            to: at,
            doing,
            name: name.clone(),
        }));
    }
}

impl Stretch {
    fn continues(&self, before: &Self) -> bool {
        let about = |stretch: &Self| (stretch.slot, stretch.doing);
        self.from == before.to && about(self) == about(before) && self.name == before.name
    }

    /// What it was if C had returned by then.
    fn of_rust(self) -> Option<Self> {
        let doing = Doing::Task;
        self.slot.is_some().then_some(Self { doing, ..self })
    }
}
