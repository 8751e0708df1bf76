//! `dump` and `dump --verify`.

use crate::{Set, run, set, sets};
use mdbitmap::commands::dump_file::DumpFile;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::FileExt;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What `examine --json` counts in each slot: path, slot, dirty chunks.
fn examined(set: &Set, image: &str) -> Vec<(u64, Option<u64>)> {
    let examined = json(&set.run(&["examine", "--json", image]).out);
    let devices = examined["devices"].as_array().unwrap().clone();
    let counted = devices
        .iter()
        .filter(|entry| !entry["superblock"].is_null());
    counted
        .map(|entry| {
            let slot = entry["found"]["slot"].as_u64().unwrap();
            (slot, entry["bitmap"]["dirty_chunks"].as_u64())
        })
        .collect()
}

#[test]
fn every_fixture_is_dumped_read_back_and_found_unchanged() {
    let (mut dumped, mut with_states) = (0, 0);
    for set in sets() {
        for image in &set.images {
            let title = format!("{}/{image}", set.name);
            let made = set.run(&["dump", "-o", "dump", image]);
            assert_eq!(made.out, "", "{title}");
            let file = DumpFile::open(set.path("dump").as_os_str())
                .unwrap_or_else(|error| panic!("{title}: {error}"));
            // The JSON says the same.
            let whole = json(&set.run(&["dump", "--json", image]).out);
            let bitmaps = whole["devices"][0]["bitmaps"].as_array().unwrap();
            for (facts, value) in file.devices[0].bitmaps.iter().zip(bitmaps) {
                let runs = value["runs"].as_array().unwrap();
                assert_eq!(value["run_count"], runs.len() as u64, "{title}");
                assert_eq!(value["run_count"], facts.totals.runs, "{title}");
                assert_eq!(value["dirty_chunks"], facts.totals.dirty_chunks, "{title}");
                let read: Vec<(u64, u64)> = file
                    .runs(facts)
                    .unwrap()
                    .map(Result::unwrap)
                    .map(|run| (run.chunks.start.0, run.chunks.end.0 - 1))
                    .collect();
                let said: Vec<(u64, u64)> = runs
                    .iter()
                    .map(|run| {
                        (
                            run["first_chunk"].as_u64().unwrap(),
                            run["last_chunk"].as_u64().unwrap(),
                        )
                    })
                    .collect();
                assert_eq!(read, said, "{title}");
                with_states += u32::from(facts.facts.raw.is_lockless() && !runs.is_empty());
            }
            assert_eq!(file.devices[0].bitmaps.len(), bitmaps.len(), "{title}");
            // And so does examine, of everything that it counts too.
            for (slot, dirty) in examined(&set, image) {
                let found = file.devices[0]
                    .bitmaps
                    .iter()
                    .find(|bitmap| u64::from(bitmap.facts.slot) == slot);
                let Some(found) = found else {
                    panic!("{title}: slot {slot} is not in the dump");
                };
                if let Some(dirty) = dirty {
                    assert_eq!(found.totals.dirty_chunks, dirty, "{title} slot {slot}");
                }
                dumped += 1;
            }
            let verified = set.run(&["dump", "--verify", "dump", image]);
            assert_eq!(verified.out, "Nothing differs from the dump.\n", "{title}");
            assert_eq!(verified.status, made.status, "{title}");
            fs::remove_file(set.path("dump")).unwrap();
        }
    }
    assert!(
        dumped > 100 && with_states > 10,
        "{dumped} bitmaps, {with_states} with states"
    );
}

#[test]
fn a_changed_bit_is_named() {
    let set = set("raid1-1.2-dirty");
    let image = &set.images[0];
    let dump = |name: &str| assert_eq!(set.run_all(&["dump", "-f", "-o", name]).status, 0);
    dump("before");
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(set.path(image))
        .unwrap();
    let mut byte = [0];
    // Chunks 40 to 47; the bitmap of this set starts at byte 8192.
    file.read_exact_at(&mut byte, 8192 + 256 + 5).unwrap();
    assert_eq!(byte, [0]);
    file.write_all_at(&[0x0c], 8192 + 256 + 5).unwrap();
    let verified = set.run_all(&["dump", "--verify", "before"]);
    let line = format!("{image}: chunks 42-43: the dump says not dirty, the device dirty\n");
    assert_eq!(
        verified.out,
        line + "1 differences in bitmaps; the md superblocks are as in the dump.\n"
    );
    assert_eq!(verified.status, 1);
    let whole = json(&set.run_all(&["dump", "--json", "--verify", "before"]).out);
    assert_eq!(whole["equal"], false);
    assert_eq!(whole["differences"][0]["first_chunk"], 42);
    assert_eq!(whole["differences"][0]["last_chunk"], 43);
    // The header: events_cleared.
    file.write_all_at(&[0], 8192 + 256 + 5).unwrap();
    file.write_all_at(&77u64.to_le_bytes(), 8192 + 32).unwrap();
    let verified = set.run_all(&["dump", "--verify", "before"]);
    assert!(
        verified.out.contains(&format!(
            "{image}: bitmap superblock: events_cleared: the dump says "
        )),
        "{verified:?}"
    );
    assert_eq!(verified.status, 1);
    // One device less, one more.
    dump("after");
    let verified = set.run(&["dump", "--verify", "after", image]);
    assert!(
        verified.out.contains(&format!(
            "{}: is in the dump, but was not given\n",
            set.images[1]
        )),
        "{verified:?}"
    );
    fs::write(set.path("one"), set.run(&["dump", image]).out).unwrap();
    let verified = set.run_all(&["dump", "--verify", "one"]);
    assert!(
        verified
            .out
            .contains(&format!("{}: is not in the dump\n", set.images[1])),
        "{verified:?}"
    );
    assert_eq!(verified.status, 1);
}

#[test]
fn an_edited_dump_is_taken_and_a_damaged_one_is_not() {
    let set = set("raid1-1.2-dirty");
    let image = &set.images[0];
    let text = set.run(&["dump", image]).out;
    let end = text
        .lines()
        .find(|line| line.starts_with("end-runs"))
        .unwrap();
    let edited = text.replace(&format!("79\n{end}"), "70-75 # these too\n71\n79\nend-runs");
    fs::write(set.path("edited"), &edited).unwrap();
    let verified = set.run(&["dump", "--verify", "edited", image]);
    assert!(
        verified.out.starts_with(&format!(
            "{image}: chunks 70-75: the dump says dirty, the device not dirty\n"
        )),
        "{verified:?}"
    );
    fs::write(
        set.path("damaged"),
        text.replace(&format!("79\n{end}"), &format!("78\n79\n{end}")),
    )
    .unwrap();
    let refused = set.run(&["dump", "--verify", "damaged", image]);
    assert_eq!((refused.status, refused.out.as_str()), (1, ""));
    assert!(
        refused.err.contains("damaged: line ")
            && refused.err.contains("lines are missing or were changed"),
        "{refused:?}"
    );
}

#[test]
fn files_are_whole_or_not_there() {
    let set = set("raid1-1.2-dirty");
    let image = &set.images[0];
    fs::write(set.path("there"), "mine").unwrap();
    let refused = set.run(&["dump", "-o", "there", image]);
    assert_eq!(refused.status, 3);
    assert!(refused.err.contains("exists already"), "{refused:?}");
    assert_eq!(fs::read(set.path("there")).unwrap(), b"mine");
    let refused = set.run(&["dump", "--force", "-o", image, image]);
    assert_eq!(refused.status, 3, "{refused:?}");
    assert!(refused.err.contains("is what is to be read"), "{refused:?}");
    let missing = set.run(&["dump", "-o", "new", image, "not-there"]);
    assert_eq!(missing.status, 1);
    let text = fs::read_to_string(set.path("new")).unwrap();
    assert!(
        text.contains("# A device that could not be opened:\n# not-there: cannot open"),
        "{text}"
    );
    assert!(DumpFile::open(set.path("new").as_os_str()).is_ok());
}

#[test]
fn names_that_are_lines_stay_names() {
    let folder = tempfile::tempdir().unwrap();
    let name = "a\nend-dump\n#";
    fs::write(folder.path().join(name), vec![0; 4096]).unwrap();
    fs::write(
        folder.path().join("dump"),
        run(folder.path(), &["dump", name, "b\nruns"]).out,
    )
    .unwrap();
    let read = DumpFile::open(folder.path().join("dump").as_os_str()).unwrap();
    assert_eq!(read.devices[0].facts.path, name.as_bytes());
    assert_eq!(read.devices.len(), 1);
}

/// 2^31 chunks of which every other one is dirty, on a sparse file: bounded memory, by a limit on it.
#[test]
fn a_large_bitmap_is_dumped_in_bounded_memory() {
    let folder = tempfile::tempdir().unwrap();
    let chunks: u64 = if std::env::var_os("MDBITMAP_LONG").is_some() {
        1 << 31
    } else {
        1 << 23
    };
    let mut head = vec![0u8; 256];
    head[..4].copy_from_slice(b"bitm");
    head[4] = 4;
    head[40..48].copy_from_slice(&(chunks * 8).to_le_bytes());
    head[52..56].copy_from_slice(&4096u32.to_le_bytes());
    head[56] = 5;
    let path = folder.path().join("large");
    let file = fs::File::create(&path).unwrap();
    file.write_all_at(&head, 0).unwrap();
    let piece = vec![0x55u8; 1 << 20];
    for at in (0..chunks / 8).step_by(1 << 20) {
        file.write_all_at(&piece, 256 + at).unwrap();
    }
    let limited = |tail: &str| {
        let program = env!("CARGO_BIN_EXE_mdbitmap");
        // The address space: the program and its libraries included.
        let script = format!("ulimit -v 100000; {program} {tail}");
        let output = std::process::Command::new("sh")
            .args(["-c", &script])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let runs = limited("dump large | grep -c '^[0-9]'");
    assert_eq!(runs.trim(), (chunks / 2).to_string());
    if chunks == 1 << 22 {
        limited("dump large -o dump");
        assert_eq!(
            limited("dump --verify dump large"),
            "Nothing differs from the dump.\n"
        );
        assert!(
            limited("dump --json large | tail -c 60")
                .contains(&format!("\"dirty_chunks\":{}", chunks / 2))
        );
    }
}
