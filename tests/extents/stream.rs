//! Lists as long as they come: memory stays small, and a reader may close the pipe.

use super::folder;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::process::{Command, Stdio};

/// 2^31 chunks of 4 KiB, of which the first ones alternate; the rest is a hole.
#[test]
fn memory_does_not_grow_and_a_closed_pipe_is_no_error() {
    let folder = folder();
    let path = folder.path().join("alternating");
    let created = Command::new(env!("CARGO_BIN_EXE_mdbitmap"))
        .args(["create", "--chunk=4K", "--size=8T"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(created.status.success());
    let mut file = File::options().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(256)).unwrap();
    file.write_all(&vec![0x55; 4 << 20]).unwrap();
    for format in ["table", "csv", "json"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mdbitmap"))
            .args(["extents", "--format", format])
            .arg(&path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = child.stdout.take().unwrap();
        let mut buffer = vec![0; 1 << 20];
        let mut read = 0;
        while read < 40 << 20 {
            read += out.read(&mut buffer).unwrap();
        }
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak: u64 = peak
            .unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap();
        assert!(peak < 32 << 10, "{format}: {peak} KiB");
        drop(out);
        assert_eq!(child.wait().unwrap().code(), Some(0), "{format}");
    }
}
