//! The names of what is written in assembly: global ones, since the linker puts the parts of a program together, and so with this
//! crate's version in them. A program may have several.

/// A name that no other version of this crate has.
macro_rules! symbol {
    ($name:literal) => {
        concat!(
            "cede_",
            $name,
            "_",
            env!("CARGO_PKG_VERSION_MAJOR"),
            "_",
            env!("CARGO_PKG_VERSION_MINOR"),
            "_",
            env!("CARGO_PKG_VERSION_PATCH")
        )
    };
}

pub(super) use symbol;
