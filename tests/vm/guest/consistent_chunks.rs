// SPDX-License-Identifier: GPL-2.0-or-later
//! consistent_chunks equal|xor|pq START LENGTH CHUNK DEVICE...: of the CHUNK-sized pieces (bytes) in START+LENGTH, how many
//! are the same on all devices (mirrors), have an exclusive-or of zero over all devices (RAID4/5 with its parity), or have
//! both parities right (RAID6, left-symmetric, in chunks of CHUNK from START on). With equal-each, xor-each and pq-each: a
//! digit for each piece, 1 where it is so.
//! An independent judge of what a resync has copied; it knows nothing of bitmaps.

use std::{
    env,
    fs::File,
    io::{Read, Seek, SeekFrom},
};

/// Times 2 in the field of RAID6.
fn double(byte: u8) -> u8 {
    byte << 1 ^ if byte & 0x80 == 0 { 0 } else { 0x1d }
}

/// Whether P, which moves down by one device a stripe, and Q, which is the next device, fit the data behind them.
fn parities_are_right(stripe: usize, pieces: &[Vec<u8>]) -> bool {
    let count = pieces.len();
    let p = count - 1 - stripe % count;
    let at = |place: usize, byte: usize| pieces[(p + place) % count][byte];
    (0..pieces[0].len()).all(|byte| {
        let data = (2..count).map(|place| at(place, byte));
        let sum = data.clone().fold(0, |sum, value| sum ^ value);
        let weighted = data.rev().fold(0, |sum, value| double(sum) ^ value);
        at(0, byte) == sum && at(1, byte) == weighted
    })
}

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let number = |i: usize| arguments[i].parse::<u64>().expect("a number");
    let kind = arguments[1].trim_end_matches("-each");
    let each = arguments[1] != kind;
    let (start, length, chunk) = (number(2), number(3), number(4));
    let mut devices: Vec<File> = arguments[5..].iter().map(|path| File::open(path).expect("device")).collect();
    let mut digits = String::new();
    for (stripe, at) in (start..start + length).step_by(chunk as usize).enumerate() {
        let size = chunk.min(start + length - at) as usize;
        let read = |device: &mut File| {
            let mut piece = vec![0; size];
            device.seek(SeekFrom::Start(at)).expect("seek");
            device.read_exact(&mut piece).expect("read");
            piece
        };
        let pieces: Vec<Vec<u8>> = devices.iter_mut().map(read).collect();
        let same = match kind {
            "equal" => pieces.iter().all(|piece| *piece == pieces[0]),
            "xor" => (0..size).all(|byte| pieces.iter().fold(0, |sum, piece| sum ^ piece[byte]) == 0),
            "pq" => parities_are_right(stripe, &pieces),
            _ => panic!("equal, xor or pq"),
        };
        digits.push(if same { '1' } else { '0' });
    }
    match each {
        true => println!("{digits}"),
        false => println!("{}", digits.matches('1').count()),
    }
}
