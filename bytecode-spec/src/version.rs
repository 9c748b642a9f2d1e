//! Versions of the contract.

/// Version of images, records and messages: hosts and agents of another major refuse each other; a minor only adds.
pub const MAJOR: u8 = 2;
/// Minor version: raised whenever a table of the contract grows.
pub const MINOR: u8 = 0;

/// Returns the minor version both sides speak, or nothing if the peer's version is of another major.
///
/// Each side uses of the contract only what this minor has.
pub fn compatible(major: u8, minor: u8) -> Option<u8> {
    if major == MAJOR {
        [minor, MINOR].into_iter().min()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn majors_refuse_each_other_and_minors_meet_at_the_lower() {
        assert_eq!(compatible(MAJOR, MINOR), Some(MINOR));
        assert_eq!(compatible(MAJOR, MINOR + 3), Some(MINOR));
        assert_eq!(compatible(MAJOR + 1, MINOR), None);
        assert_eq!(compatible(MAJOR - 1, 9), None);
    }
}
