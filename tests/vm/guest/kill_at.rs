// SPDX-License-Identifier: GPL-2.0-or-later
//! kill_at WRITES MICROSECONDS COMMAND...: runs it, and kills it that long after so many writes to /dev/vda have been done
//! (0: after its start); with `never` instead of WRITES it may end. Says "killed" or its exit status, how many writes there
//! were, and the microseconds that it took.

use std::{
    env, fs,
    os::unix::process::ExitStatusExt,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Writes that the disk has done so far.
fn writes() -> u64 {
    let stat = fs::read_to_string("/sys/block/vda/stat").expect("statistics of the disk");
    stat.split_whitespace().nth(4).and_then(|field| field.parse().ok()).expect("a number of writes")
}

fn has_ended(child: &mut Child) -> bool {
    child.try_wait().expect("the command").is_some()
}

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let awaited: Option<u64> = arguments[1].parse().ok();
    let delay = Duration::from_micros(arguments[2].parse().expect("microseconds"));
    let output = |name: &str| Stdio::from(fs::File::create(name).expect(name));
    let before = writes();
    let started = Instant::now();
    let mut child = Command::new(&arguments[3])
        .args(&arguments[4..])
        .stdin(Stdio::null())
        .stdout(output("/state/stdout"))
        .stderr(output("/state/stderr"))
        .spawn()
        .expect("the command");
    // There is one processor: the command runs while we sleep.
    if let Some(awaited) = awaited {
        while writes() - before < awaited && !has_ended(&mut child) {
            thread::sleep(Duration::from_micros(50));
        }
        thread::sleep(delay);
        if !has_ended(&mut child) {
            child.kill().expect("the command");
        }
    }
    let status = child.wait().expect("the command");
    let ended = match status.signal() {
        Some(9) => "killed".to_owned(),
        _ => status.code().map_or("died".to_owned(), |code| code.to_string()),
    };
    println!("{ended} {} {}", writes() - before, started.elapsed().as_micros());
}
