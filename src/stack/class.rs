//! Sizes of C stacks: four classes, and exact sizes beyond.

/// Usable bytes of the classes, smallest first.
const CLASSES: [usize; 4] = [64 << 10, 256 << 10, 2 << 20, 8 << 20];

/// How many classes there are.
pub(super) const COUNT: usize = CLASSES.len();

/// What a call gets that asks for nothing: as much as a tokio worker's own stack.
pub(crate) const DEFAULT_SIZE: u32 = 2 << 20;

/// The most that a call may ask for.
pub(crate) const MAX_SIZE: u32 = 1 << 30;

/// The size of a C stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// One of the classes, by index: served from slabs, cached, reused.
    Class(usize),
    /// More than the largest class holds, in bytes: mapped for the call and unmapped after it.
    Exact(usize),
}

impl Size {
    /// The size of [`DEFAULT_SIZE`].
    pub(super) const DEFAULT: Self = Self::Class(2);

    /// The smallest size that holds `bytes`.
    pub(super) fn holding(bytes: usize) -> Self {
        match CLASSES.iter().position(|&class| bytes <= class) {
            Some(class) => Self::Class(class),
            None => Self::Exact(bytes),
        }
    }

    /// Usable bytes.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Class(class) => CLASSES[class],
            Self::Exact(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_up_to_a_class() {
        assert_eq!(Size::holding(0), Size::Class(0));
        assert_eq!(Size::holding(64 << 10), Size::Class(0));
        assert_eq!(Size::holding((64 << 10) + 1), Size::Class(1));
        assert_eq!(Size::holding(8 << 20), Size::Class(3));
        assert_eq!(Size::holding((8 << 20) + 1), Size::Exact((8 << 20) + 1));
    }

    #[test]
    fn the_default_is_a_class() {
        assert_eq!(Size::DEFAULT.bytes(), DEFAULT_SIZE as usize);
        assert_eq!(Size::holding(DEFAULT_SIZE as usize), Size::DEFAULT);
    }
}
