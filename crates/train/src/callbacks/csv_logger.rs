//! The logs of every epoch as a CSV file.

use crate::callback::{Callback, State};
use hadal_core::{Error, Result};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes one line per epoch: `epoch,accuracy,loss,val_accuracy,val_loss`. Each line is on disk before the next epoch.
pub struct CsvLogger {
    path: PathBuf,
    file: Option<File>,
    append: bool,
}

impl CsvLogger {
    /// A new file at this path; an old one is replaced.
    pub fn new(path: impl AsRef<Path>) -> CsvLogger {
        CsvLogger { path: path.as_ref().to_owned(), file: None, append: false }
    }

    /// Continues an existing file, as a resumed run does.
    pub fn append(mut self) -> Self {
        self.append = true;
        self
    }
}

impl Callback for CsvLogger {
    fn on_epoch_end(&mut self, state: &mut State) -> Result<()> {
        let fail = |e: std::io::Error| Error::file(&self.path, e);
        if self.file.is_none() {
            let old = self.append && self.path.metadata().is_ok_and(|m| m.len() > 0);
            let mut options = OpenOptions::new();
            let options = if old { options.append(true) } else { options.write(true).create(true).truncate(true) };
            let mut file = options.open(&self.path).map_err(fail)?;
            if !old {
                let names: Vec<&str> = state.logs.iter().map(|(name, _)| name).collect();
                writeln!(file, "epoch,{}", names.join(",")).map_err(fail)?;
            }
            self.file = Some(file);
        }
        let values: Vec<String> = state.logs.iter().map(|(_, v)| v.to_string()).collect();
        let file = self.file.as_mut().expect("opened above");
        writeln!(file, "{},{}", state.epoch, values.join(",")).and_then(|()| file.sync_data()).map_err(fail)
    }
}
