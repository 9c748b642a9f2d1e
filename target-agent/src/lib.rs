//! Placeholder until its room is furnished.
#![no_std]
