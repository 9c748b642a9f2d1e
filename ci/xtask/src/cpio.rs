//! A writer of cpio archives in the kernel's `newc` form (Documentation/driver-api/early-userspace/buffer-format.rst).
//!
//! In: files, directories, links, devices. Out: the archive's bytes. Invariant: the same entries give the same bytes: all times are
//! 0, all owners root, inode numbers count from 1.

/// An archive being written.
pub struct Archive {
    bytes: Vec<u8>,
    next_inode: u32,
}

/// File type bits of a mode, from stat(2).
const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;
const CHARACTER: u32 = 0o020_000;

/// The name that ends an archive.
const TRAILER: &str = "TRAILER!!!";

impl Archive {
    /// Starts an empty archive.
    pub fn new() -> Self {
        Self {
            bytes: Vec::new(),
            next_inode: 1,
        }
    }

    /// Adds a directory. Parents come first.
    pub fn directory(&mut self, name: &str, permissions: u32) {
        self.entry(name, DIRECTORY | permissions, (0, 0), &[]);
    }

    /// Adds a file.
    pub fn file(&mut self, name: &str, permissions: u32, bytes: &[u8]) {
        self.entry(name, REGULAR | permissions, (0, 0), bytes);
    }

    /// Adds a symbolic link.
    pub fn symlink(&mut self, name: &str, target: &str) {
        self.entry(name, SYMLINK | 0o777, (0, 0), target.as_bytes());
    }

    /// Adds a character device.
    pub fn character_device(&mut self, name: &str, permissions: u32, major: u32, minor: u32) {
        self.entry(name, CHARACTER | permissions, (major, minor), &[]);
    }

    /// Ends the archive and returns its bytes.
    pub fn finish(mut self) -> Vec<u8> {
        self.header(0, 0, (0, 0), 0, TRAILER);
        self.bytes
    }

    fn entry(&mut self, name: &str, mode: u32, device: (u32, u32), data: &[u8]) {
        let inode = self.next_inode;
        self.next_inode += 1;
        self.header(inode, mode, device, data.len(), name);
        self.bytes.extend_from_slice(data);
        self.align();
    }

    fn header(&mut self, inode: u32, mode: u32, device: (u32, u32), size: usize, name: &str) {
        let links = if mode & DIRECTORY == DIRECTORY { 2 } else { 1 };
        // magic, ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
        let (major, minor) = device;
        let name_size = name.len() + 1;
        let header = format!(
            "070701{inode:08X}{mode:08X}{:08X}{:08X}{links:08X}{:08X}{size:08X}{:08X}{:08X}{major:08X}{minor:08X}{name_size:08X}{:08X}",
            0, 0, 0, 0, 0, 0
        );
        self.bytes.extend_from_slice(header.as_bytes());
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_aligned_and_dateless() {
        let mut archive = Archive::new();
        archive.directory("etc", 0o755);
        archive.file("etc/x", 0o644, b"hello");
        let bytes = archive.finish();
        let directory = concat!(
            "070701", "00000001", "000041ED", "00000000", "00000000", "00000002", "00000000", "00000000", "00000000",
            "00000000", "00000000", "00000000", "00000004", "00000000", "etc\0", "\0\0"
        );
        assert_eq!(&bytes[..directory.len()], directory.as_bytes());
        let file = concat!(
            "070701",
            "00000002",
            "000081A4",
            "00000000",
            "00000000",
            "00000001",
            "00000000",
            "00000005",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000006",
            "00000000",
            "etc/x\0",
            "hello\0\0\0"
        );
        assert_eq!(&bytes[directory.len()..directory.len() + file.len()], file.as_bytes());
        assert_eq!(bytes.len() % 4, 0);
    }

    #[test]
    fn links_and_devices_carry_their_target_and_number() {
        let mut archive = Archive::new();
        archive.symlink("init", "bin/busybox");
        archive.character_device("dev/console", 0o600, 5, 1);
        let text = String::from_utf8(archive.finish()).unwrap();
        assert!(text.contains("0000A1FF"), "a link's mode");
        assert!(text.contains("init\0\0bin/busybox\0"), "a link's target is its data");
        assert!(text.contains("0000000500000001"), "a device's number");
        assert!(text.ends_with("TRAILER!!!\0\0\0\0"));
    }
}
