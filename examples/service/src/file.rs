//! Where the database is.

use std::env::temp_dir;
use std::fs::{DirBuilder, remove_dir_all};
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// A file, which goes with this if it is a temporary one.
#[derive(Debug)]
pub(crate) struct DatabaseFile {
    path: PathBuf,
    temporary: Option<PathBuf>,
}

impl DatabaseFile {
    /// That file; or one in a directory of its own, which only we may look into.
    pub(crate) fn new(path: Option<PathBuf>) -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if let Some(path) = path {
            return Ok(Self {
                path,
                temporary: None,
            });
        }
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let directory = temp_dir().join(format!("cede-service-{}-{count}", process::id()));
            match for_us_alone().create(&directory) {
                Ok(()) => {
                    return Ok(Self {
                        path: directory.join("entries.db"),
                        temporary: Some(directory),
                    });
                }
                // Left behind by a process that had our number, and was killed.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

fn for_us_alone() -> DirBuilder {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

impl Drop for DatabaseFile {
    fn drop(&mut self) {
        if let Some(directory) = &self.temporary {
            if let Err(error) = remove_dir_all(directory) {
                tracing::warn!(%error, ?directory, "the temporary database is left behind");
            }
        }
    }
}
