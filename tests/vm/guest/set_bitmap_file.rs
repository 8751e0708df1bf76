// SPDX-License-Identifier: GPL-2.0-or-later
//! set_bitmap_file ARRAY FILE | ARRAY --detach: the bare ioctl, to ask the kernel itself and nobody else.
//! Prints "ok" or "errno N". Compiled alone with rustc, statically.

use std::{env, ffi, fs::OpenOptions, io, os::fd::AsRawFd, process::exit};

const SET_BITMAP_FILE: ffi::c_ulong = 0x4004_092b;

unsafe extern "C" {
    fn ioctl(fd: ffi::c_int, request: ffi::c_ulong, ...) -> ffi::c_int;
}

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let array = OpenOptions::new().read(true).open(&arguments[1]).expect("array");
    let file = (arguments[2] != "--detach")
        .then(|| OpenOptions::new().read(true).write(true).open(&arguments[2]).expect("file"));
    let number: ffi::c_int = file.as_ref().map_or(-1, AsRawFd::as_raw_fd);
    // SAFETY: the argument of this ioctl is a number, not a pointer.
    if unsafe { ioctl(array.as_raw_fd(), SET_BITMAP_FILE, number) } == 0 {
        println!("ok");
    } else {
        println!("errno {}", io::Error::last_os_error().raw_os_error().unwrap_or(0));
        exit(1);
    }
}
