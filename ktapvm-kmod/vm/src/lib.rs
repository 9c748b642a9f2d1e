//! ktap-vm: the virtual machine, the same in agent and kernel module.

#![no_std]

pub mod host;
