//! Sockets in the file system, which not every system has.

/// Where is listened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Socket {
    /// At an address of this machine.
    Address,
    /// At a socket in the file system.
    File,
}

#[cfg(unix)]
pub use here::{FileListener, bind};

#[cfg(unix)]
mod here {
    use crate::listen::Accept;
    use std::io;
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
    use std::path::Path;
    use tokio::net::{UnixListener, UnixStream};

    /// A socket that is listened at.
    #[derive(Debug)]
    pub struct FileListener(UnixListener);

    impl Accept for FileListener {
        type Stream = UnixStream;

        async fn accept(&self) -> io::Result<UnixStream> {
            self.0.accept().await.map(|(stream, _)| stream)
        }
    }

    /// Listens at a socket that only its owner can open. It is made in a folder of our own and gets its name when its rights
    /// are set, so that there is no moment in which others can open it. What is left of an earlier process is replaced;
    /// anything but a socket stays.
    ///
    /// # Errors
    /// The system's answer.
    pub fn bind(path: &Path) -> io::Result<FileListener> {
        if let Ok(found) = std::fs::symlink_metadata(path)
            && !found.file_type().is_socket()
        {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is something else than a socket"));
        }
        let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let ours = tempfile::Builder::new().prefix(".s").tempdir_in(above)?;
        let new = ours.path().join("s");
        let listener = UnixListener::bind(&new)?;
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o600))?;
        std::fs::rename(&new, path)?;
        Ok(FileListener(listener))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[tokio::test]
        async fn a_socket_is_its_owners_and_replaces_one_that_was_left_and_nothing_else() {
            let folder = tempfile::TempDir::new().unwrap();
            let path = folder.path().join("api");
            drop(bind(&path).unwrap());
            let listener = bind(&path).unwrap();
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            let (client, served) = tokio::join!(UnixStream::connect(&path), Accept::accept(&listener));
            assert!(client.is_ok() && served.is_ok());
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
            let other = folder.path().join("file");
            std::fs::write(&other, "mine").unwrap();
            assert!(bind(&other).is_err());
            assert_eq!(std::fs::read_to_string(&other).unwrap(), "mine");
        }
    }
}

#[cfg(not(unix))]
pub use elsewhere::{FileListener, bind};

#[cfg(not(unix))]
mod elsewhere {
    use crate::listen::Accept;
    use std::io;
    use std::path::Path;
    use tokio::net::TcpStream;

    /// A socket that there cannot be.
    #[derive(Debug)]
    pub enum FileListener {}

    impl Accept for FileListener {
        type Stream = TcpStream;

        async fn accept(&self) -> io::Result<TcpStream> {
            match *self {}
        }
    }

    /// Refuses: there are no such sockets on this system.
    ///
    /// # Errors
    /// Always.
    pub fn bind(_path: &Path) -> io::Result<FileListener> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no sockets in the file system here"))
    }
}
