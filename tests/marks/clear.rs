//! `clear` on images.

use super::images::{COMPONENT, DATA_OFFSET, all};
use super::*;
use std::fs;

/// One byte of a member's data differs: its chunk stays marked, the others do not.
#[test]
fn what_differs_stays_marked() {
    for version in [4, 6] {
        for array in all(version) {
            let array = Array {
                dirty: (0..array.chunks()).collect(),
                ..array
            };
            let folder = folder();
            let folder = folder.path();
            array.write(folder);
            let path = folder.join("m1.img");
            let mut image = fs::read(&path).unwrap();
            // In the middle of the member, whatever it holds there.
            image[(DATA_OFFSET + COMPONENT / 2) as usize * 512 + 1000] = 1;
            fs::write(&path, image).unwrap();
            let before = images(folder, &array);
            let (out, err) = verb(folder, &array, &["clear", "--all", "--dry-run"], 1);
            assert!(images(folder, &array) == before);
            assert!(
                err.contains("different on members, still marked: 1 chunk (4096 bytes)"),
                "{err}"
            );
            let (done, again) = verb(folder, &array, &["clear", "--all"], 1);
            assert_eq!(err, again);
            assert_eq!(out.lines().nth(1), done.lines().nth(1));
            let left = marked(folder, &array);
            assert_eq!(left.len(), 1);
            assert!(
                err.contains(&format!(
                    "bytes {}..{}",
                    left[0] * 4096,
                    left[0] * 4096 + 4096
                )),
                "{err}"
            );
            sound(folder, &array);
            let (out, _) = verb(folder, &array, &["clear", "--all", "--force"], 0);
            assert!(out.contains("not compared: 1 chunk"), "{out}");
            assert_eq!(marked(folder, &array), [0u64; 0]);
            // No data is written, whatever is found.
            for (before, after) in before.iter().zip(images(folder, &array)) {
                let data = DATA_OFFSET as usize * 512;
                assert!(before[data..] == after[data..]);
            }
        }
    }
}
