//! Versions of the contract.

/// Version of images, records and messages: hosts and agents of another major refuse each other; a minor only adds.
pub const MAJOR: u8 = 1;
/// Minor version: raised whenever a table of the contract grows.
pub const MINOR: u8 = 0;
