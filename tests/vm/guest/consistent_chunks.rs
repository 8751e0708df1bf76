// SPDX-License-Identifier: GPL-2.0-or-later
//! consistent_chunks equal|xor START LENGTH CHUNK DEVICE...: of the CHUNK-sized pieces (bytes) in START+LENGTH, how many are
//! the same on all devices (mirrors), or have an exclusive-or of zero over all devices (RAID4/5 with its parity).
//! An independent judge of what a resync has copied; it knows nothing of bitmaps.

use std::{
    env,
    fs::File,
    io::{Read, Seek, SeekFrom},
};

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let number = |i: usize| arguments[i].parse::<u64>().expect("a number");
    let xor = arguments[1] == "xor";
    let (start, length, chunk) = (number(2), number(3), number(4));
    let mut devices: Vec<File> = arguments[5..].iter().map(|path| File::open(path).expect("device")).collect();
    let mut consistent = 0;
    for at in (start..start + length).step_by(chunk as usize) {
        let size = chunk.min(start + length - at) as usize;
        let mut pieces = devices.iter_mut().map(|device| {
            let mut piece = vec![0; size];
            device.seek(SeekFrom::Start(at)).expect("seek");
            device.read_exact(&mut piece).expect("read");
            piece
        });
        let first = pieces.next().expect("a device");
        let same = if xor {
            pieces.fold(first, |sum, piece| sum.iter().zip(&piece).map(|(a, b)| a ^ b).collect()).iter().all(|&b| b == 0)
        } else {
            pieces.all(|piece| piece == first)
        };
        consistent += u64::from(same);
    }
    println!("{consistent}");
}
