//! Why a token stands for nothing.

use std::error::Error;
use std::fmt;

/// Why a [`Token`](crate::Token) could not be used. Opaque; ask it with the predicates.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenError(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Stale,
    Unknown,
    WrongType,
    Crowded,
}

impl TokenError {
    pub(crate) const STALE: Self = Self(Kind::Stale);
    pub(crate) const UNKNOWN: Self = Self(Kind::Unknown);
    pub(crate) const WRONG_TYPE: Self = Self(Kind::WrongType);
    pub(crate) const CROWDED: Self = Self(Kind::Crowded);

    /// Whether there was such a token once, whose value has been taken since: it was used after its end, or ended twice.
    pub fn is_stale(self) -> bool {
        self.0 == Kind::Stale
    }

    /// Whether no such token was ever made in this process: it is forged, null, or C has passed something else.
    pub fn is_unknown(self) -> bool {
        self.0 == Kind::Unknown
    }

    /// Whether there is such a token, for a value of another type.
    pub fn is_wrong_type(self) -> bool {
        self.0 == Kind::WrongType
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Stale => "stale token: its value has been taken",
            Kind::Unknown => "unknown token: this process has made no such token",
            Kind::WrongType => "token of another type",
            Kind::Crowded => "the value of the token is held too often: guards have been forgotten",
        })
    }
}

impl fmt::Debug for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokenError").field(&self.0).finish()
    }
}

impl Error for TokenError {}
