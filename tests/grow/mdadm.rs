//! What mdadm 4.2 reads after each change is what we read: `mdadm -X` and `-E` on loop devices. Run by
//! `tests/run --tier differential`, which sets MDADM; nothing without it.

use super::loops::Loop;
use super::{Images, Set, run, sets};
use std::path::Path;
use std::process::Command;

fn said(mdadm: &str, option: &str, device: &Path) -> String {
    let output = Command::new(mdadm)
        .arg(option)
        .arg(device)
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Without the lines that name the file.
fn body(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.contains("Filename :"));
    lines.map(|line| format!("{line}\n")).collect()
}

/// All members of a set, after a change: the same text, a right checksum, and the bitmap where we say that it is.
fn agrees(mdadm: &str, set: &Set, context: &str) {
    for member in &set.members {
        let device = Loop::attach(&set.path(member)).unwrap();
        let ours = run(set.folder.path(), &["examine", member]);
        let theirs = said(mdadm, "-X", &device.0);
        // Version 6 is beyond mdadm.
        if !ours.out.contains("Version : 6") {
            assert_eq!(body(&ours.out), body(&theirs), "{context}: {member}");
        }
        let found = said(mdadm, "-E", &device.0);
        assert!(found.contains("- correct"), "{context}: {member}: {found}");
        let announced = found.contains("Internal Bitmap :") || found.contains("Bitmap : present");
        assert_eq!(
            announced,
            ours.out.contains("Sync Size"),
            "{context}: {member}: {found}{}",
            ours.out
        );
    }
}

#[test]
fn mdadm_reads_what_we_have_written() {
    let Ok(mdadm) = std::env::var("MDADM") else {
        return;
    };
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: mdadm -X needs root");
        return;
    }
    let changes: &[&[&str]] = &[
        &["--bitmap=internal", "--chunk=8K"],
        &["--chunk=2M", "--delay=3"],
        &["--delay=1000000", "--write-behind=16383"],
        &[
            "--bitmap=clustered",
            "--nodes=4",
            "--home-cluster=mycluster",
        ],
        &["--bitmap=internal", "--force"],
        &["--bitmap=none"],
        &["--bitmap=internal"],
    ];
    let mut compared = 0;
    for name in sets() {
        let set = Images::of(&name).unpack();
        for arguments in changes {
            let all: Vec<&str> = ["grow", "--no-undo"]
                .iter()
                .chain(*arguments)
                .copied()
                .collect();
            let run = set.run(&all);
            if run.status == 0 {
                agrees(&mdadm, &set, &format!("{name} {arguments:?}"));
                compared += 1;
            } else {
                assert_eq!(run.status, 3, "{name} {arguments:?}: {}", run.err);
            }
        }
    }
    assert!(compared > 100, "{compared}");
}
