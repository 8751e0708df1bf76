//! The running md driver, read only so far: sysfs, /proc/mdstat, holders of a device.
