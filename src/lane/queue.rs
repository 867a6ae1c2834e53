//! Who is next: the jobs of a lane in the order in which they came, and how many may be there.
//!
//! # Rules
//!
//! 1. A job has a place from the moment it is admitted until C has returned. There are as many places as the
//!    lane has threads plus the length of its queue.
//! 2. Jobs stand in one line, in the order in which they came; those for which there is a place are at its head. So the oldest
//!    that waits is the next to be admitted, and the one that was admitted first the next to run.
//! 3. A job may leave the line until it is taken. What is behind it moves up.
//! 4. When the lane is closed nobody joins the line; who stands in it is served.

use std::collections::BTreeMap;

/// Why a job does not join the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhyNot {
    Full,
    Closed,
}

/// What a thread is to do.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn<J> {
    Run(J),
    Wait,
    /// The lane is closed, and everybody was served.
    Leave,
}

#[derive(Debug)]
pub(super) struct Queue<J> {
    line: BTreeMap<u64, J>,
    next: u64,
    busy: usize,
    places: usize,
    closed: bool,
}

impl<J> Queue<J> {
    pub(super) fn new(places: usize) -> Self {
        Self {
            line: BTreeMap::new(),
            next: 0,
            busy: 0,
            places,
            closed: false,
        }
    }

    /// Joins the line; the number to leave it with.
    pub(super) fn join(&mut self, job: J) -> Result<u64, WhyNot> {
        if self.closed {
            return Err(WhyNot::Closed);
        }
        let number = self.next;
        self.next += 1;
        self.line.insert(number, job);
        Ok(number)
    }

    /// Joins the line if there is a place.
    pub(super) fn try_join(&mut self, job: J) -> Result<u64, WhyNot> {
        if !self.closed && self.line.len() + self.busy >= self.places {
            return Err(WhyNot::Full);
        }
        self.join(job)
    }

    /// Leaves the line (rule 3).
    #[must_use]
    pub(super) fn leave(&mut self, number: u64) -> Option<J> {
        self.line.remove(&number)
    }

    /// A thread that has nothing to do takes its turn.
    pub(super) fn take(&mut self) -> Turn<J> {
        match self.line.pop_first() {
            Some((_, job)) => {
                self.busy += 1;
                Turn::Run(job)
            }
            None if self.closed => Turn::Leave,
            None => Turn::Wait,
        }
    }

    /// A job gives its place back.
    pub(super) fn done(&mut self) {
        self.busy -= 1;
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn waiting(&self) -> usize {
        self.line.len()
    }

    pub(super) fn running(&self) -> usize {
        self.busy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_leaves_the_line_lets_the_others_move_up() {
        let mut queue = Queue::new(2);
        let numbers: Vec<_> = (0..4).map(|job| queue.join(job).unwrap()).collect();
        assert_eq!(queue.try_join(9), Err(WhyNot::Full));
        assert_eq!(queue.leave(numbers[0]), Some(0));
        assert_eq!(queue.leave(numbers[2]), Some(2));
        assert_eq!(queue.leave(numbers[2]), None);
        assert_eq!((queue.take(), queue.take()), (Turn::Run(1), Turn::Run(3)));
        assert_eq!(queue.take(), Turn::Wait);
        assert_eq!(queue.try_join(9), Err(WhyNot::Full), "both run still");
        queue.done();
        assert!(queue.try_join(9).is_ok());
    }

    #[test]
    fn a_closed_lane_serves_who_is_in_line() {
        let mut queue = Queue::new(1);
        queue.join(1).unwrap();
        queue.close();
        assert_eq!(queue.join(2), Err(WhyNot::Closed));
        assert_eq!(queue.try_join(2), Err(WhyNot::Closed));
        assert_eq!(queue.take(), Turn::Run(1));
        assert_eq!(queue.take(), Turn::Leave);
    }
}
