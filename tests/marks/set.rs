//! `set` on images.

use super::images::all;
use super::*;

#[test]
fn a_dry_run_writes_nothing_and_says_everything() {
    for version in [4, 6] {
        for array in all(version) {
            let array = Array {
                clean: true,
                ..array
            };
            let folder = folder();
            let folder = folder.path();
            array.write(folder);
            let before = images(folder, &array);
            let (out, _) = verb(folder, &array, &["set", "--range", "4K+9K", "--dry-run"], 0);
            assert!(images(folder, &array) == before);
            for step in [
                "step 1: bitmap headers",
                "step 2: superblocks: not stopped cleanly",
                "step 3: marks",
            ] {
                assert!(out.contains(step), "{out}");
            }
            let (out, _) = verb(folder, &array, &["set", "--range", "4K+9K"], 0);
            assert!(
                out.contains("newly marked: 3 chunks (12288 bytes)"),
                "{out}"
            );
            assert_eq!(marked(folder, &array), [1, 2, 3]);
            sound(folder, &array);
            let (out, _) = verb(folder, &array, &["examine", "--json"], 0);
            assert!(out.contains("\"resync_bytes\":12288"), "{out}");
            let (out, _) = verb(folder, &array, &["compare"], 0);
            assert!(!out.contains("differ:"), "{out}");
            let (out, _) = verb(folder, &array, &["set", "--range", "4K+9K"], 0);
            assert!(out.contains("nothing to do"), "{out}");
        }
    }
}

#[test]
fn mistakes_are_told_before_anything_is_opened() {
    let folder = folder();
    let folder = folder.path();
    let array = all(4).remove(0);
    array.write(folder);
    let before = images(folder, &array);
    for arguments in [
        &["set"][..],
        &["set", "--all", "--range=0K+4K"],
        &["set", "--range=0+4"],
        &["set", "--range=0K+4K", "--space=moon"],
        &["set", "--range=0K+4K", "--space=member"],
        &["set", "--range=0K+4K", "--status=+"],
    ] {
        verb(folder, &array, arguments, 2);
    }
    for (arguments, told) in [
        (
            &["set", "--range=255K+2K"][..],
            "which has 262144 bytes here",
        ),
        (
            &["set", "--range=0K+4K", "--space=device", "--member=x"],
            "\"x\" is none of the devices given",
        ),
    ] {
        let (_, err) = verb(folder, &array, arguments, 3);
        assert!(err.contains(told), "{err}");
    }
    assert!(images(folder, &array) == before);
    let output = run(folder, &["set", "--all", "--no-undo", "m0.img"]);
    assert_eq!(output.status.code(), Some(3));
    let output = run(
        folder,
        &["set", "--all", "--no-undo", "nothing.img", "m0.img"],
    );
    assert_eq!(output.status.code(), Some(1));
}
