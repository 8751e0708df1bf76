//! The running md driver, read only so far: sysfs, /proc/mdstat, ioctls, holders of a device.
//!
//! Everything here works with /sys or /proc missing (an initramfs with devtmpfs alone), and says
//! what it could then not look at.

pub mod arrays;
pub mod bitmap_memory;
pub mod holders;
pub mod ioctl;
pub mod locks;
pub mod mdstat;
pub mod stacks;
pub mod system;
pub mod writers;

pub use arrays::{ArrayMember, RunningArray, running_array};
pub use holders::{Holder, Holders, holders};
pub use system::{DeviceNumber, System, Unchecked};
