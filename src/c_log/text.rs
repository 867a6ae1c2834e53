//! What C logs, as text.

use std::fmt::{self, Write};

/// A line's bytes, shown as UTF-8 as far as they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    /// Without the line ends behind it.
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        let is_text = |&byte: &u8| byte != b'\n' && byte != b'\r';
        let length = bytes.iter().rposition(is_text).map_or(0, |last| last + 1);
        Self(&bytes[..length])
    }

    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            if !chunk.invalid().is_empty() {
                f.write_char(char::REPLACEMENT_CHARACTER)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_standard_library_shows_it_without_what_ends_the_line() {
        for (bytes, shown) in [
            (&b"a line"[..], "a line"),
            (b"a line\n", "a line"),
            (b"a line\r\n\r\n", "a line"),
            (b"\n one\r\n  two \n", "\n one\r\n  two "),
            (b"", ""),
            (b"\r\n", ""),
            (b"gr\xc3\xbc\xc3\x9fe", "grüße"),
            (b"gr\xfc\xdfe\xc3", "gr\u{fffd}\u{fffd}e\u{fffd}"),
            (b"nul\0 within", "nul\0 within"),
        ] {
            let text = Text::of(bytes);
            assert_eq!(text.to_string(), shown);
            assert_eq!(text.to_string(), String::from_utf8_lossy(text.0));
            assert_eq!(text.is_empty(), shown.is_empty());
        }
    }
}
