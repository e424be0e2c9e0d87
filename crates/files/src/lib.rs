//! Reading and writing files that others may have laid in the way.
//!
//! Belongs here: reading a file without hanging, without end and without being led elsewhere; writing one that only its
//! owner can read, whatever the umask; folders of our own, with their owner and mode checked. Does not belong here: what
//! is in a file, and what a failure means. What differs between operating systems is in one module, `system`.

mod own;
mod read;
mod system;
mod write;

pub use own::{Exposed, create_folder, own_file, own_folder, own_place};
pub use read::{Limit, Whose, read, read_start};
pub use system::{cut, is_pipe, is_service, keep_streams, remove, sync_folder};
pub use write::{NEW, append_to, create, open_lock, overwrite, replace, replace_unsynced};

#[cfg(test)]
mod tests;
