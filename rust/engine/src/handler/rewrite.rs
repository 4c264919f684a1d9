//! Writes the configuration to the file that it was read from.

use std::io;
use std::path::Path;

use super::store::Store;
use crate::config::Written;
use crate::error::Error;
use crate::files;

/// A configuration file is not longer than this.
const CONFIG_BYTES_MAX: u64 = 16 << 20;

impl Store {
    /// Writes the configuration to the file that it was read from.
    ///
    /// # Errors
    /// There is none, or it cannot be written: then it is as it was.
    pub fn rewrite_config(&self, written: Written) -> Result<(), Error> {
        let Some(path) = self.config_file() else {
            return Err(Error::fixed("ERR The server is running without a config file"));
        };
        if let Err(error) = self.replace_config(path, written) {
            log::warn!("CONFIG REWRITE failed: {}: {error}", path.display());
            return Err(Error::text(format!("ERR Rewriting config file: {error}")));
        }
        log::info!("CONFIG REWRITE executed with success.");
        Ok(())
    }

    /// Writes a new file beside the old one and puts it in its place, so that a crash leaves one or the other.
    fn replace_config(&self, path: &Path, written: Written) -> io::Result<()> {
        let old = match files::read_whole(path, CONFIG_BYTES_MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            old => old?,
        };
        // Users whose file is another stay there.
        let users = if self.acl_file().is_some() { Vec::new() } else { self.acl.lines() };
        let text = self.config().rewritten(&old, &users, written);
        files::replace_whole(path, &self.run_id, &text)
    }
}
