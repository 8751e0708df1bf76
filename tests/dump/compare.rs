//! `compare`.

use crate::{Run, Set, set};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::FileExt;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn patch(set: &Set, image: &str, at: u64, bytes: &[u8]) {
    let file = fs::OpenOptions::new()
        .write(true)
        .open(set.path(image))
        .unwrap();
    file.write_all_at(bytes, at).unwrap();
}

/// Where the bitmap of the members of 1.2 sets starts.
const BITMAP: u64 = 8192;
const BITS: u64 = BITMAP + 256;

fn byte(set: &Set, image: &str, at: u64) -> u8 {
    fs::read(set.path(image)).unwrap()[at as usize]
}

#[test]
fn copies_that_are_equal_and_not() {
    let set = set("raid1-1.2-dirty");
    let equal = set.run_all(&["compare"]);
    assert_eq!(equal.status, 0, "{equal:?}");
    assert!(
        equal.out.starts_with("The bitmaps are equal; "),
        "{equal:?}"
    );
    let (a, b) = (&set.images[0], &set.images[1]);
    assert_eq!(byte(&set, b, BITS + 5), 0);
    patch(&set, b, BITS + 5, &[0x0c]);
    patch(&set, b, BITMAP + 32, &77u64.to_le_bytes());
    let differ = set.run_all(&["compare"]);
    assert_eq!(differ.status, 1);
    assert!(
        differ
            .out
            .contains(&format!("chunks 42-43: dirty in {b}; not in {a}\n")),
        "{differ:?}"
    );
    assert!(
        differ.out.contains("events_cleared: ") && differ.out.contains(&format!(", 77 in {b}\n")),
        "{differ:?}"
    );
    // Three at once: the third is a copy of the first.
    fs::copy(set.path(a), set.path("c.img")).unwrap();
    let three = set.run(&["compare", a, b, "c.img"]);
    assert!(
        three
            .out
            .contains(&format!("chunks 42-43: dirty in {b}; not in {a}, c.img\n")),
        "{three:?}"
    );
    let three = json(&set.run(&["compare", "--json", a, b, "c.img"]).out);
    assert_eq!(three["differences"][0]["dirty_in"], serde_json::json!([1]));
    assert_eq!(
        three["differing_bytes"],
        2 * three["chunk_bytes"].as_u64().unwrap()
    );
    assert_eq!(three["equal"], false);
    let alone = set.run(&["compare", a]);
    assert_eq!((alone.status, alone.out.as_str()), (1, ""));
}

#[test]
fn nodes_and_legs() {
    let clustered = set("synthetic");
    let nodes = clustered.run(&["compare", "--nodes", "clustered.img"]);
    assert!(nodes.out.contains("clustered.img slot 1"), "{nodes:?}");
    assert_eq!(nodes.status, 1);
    let legs = set("dmraid-raid1-dirty");
    let images: Vec<&str> = legs
        .images
        .iter()
        .map(String::as_str)
        .filter(|name| name.starts_with("meta"))
        .collect();
    let compared = legs.run(&[&["compare"], &images[..]].concat());
    assert!(
        compared.status <= 1 && compared.out.contains("bitmap"),
        "{compared:?}"
    );
}

/// A mirror that lacks a member, at two moments.
struct Moments {
    set: Set,
    image: &'static str,
}

impl Moments {
    /// With `before` made.
    fn new() -> Self {
        let set = set("raid1-1.2-degraded");
        let moments = Moments {
            set,
            image: "a.img",
        };
        let made = moments.set.run(&["dump", "-o", "before", "a.img"]);
        assert_eq!(made.status, 0, "{made:?}");
        moments
    }

    fn list(&self, more: &[&str]) -> Run {
        let arguments = ["compare", "before", self.image, "--format=csv"];
        self.set.run(&[&arguments[..], more].concat())
    }

    /// A byte of the bits that is zero.
    fn clean_byte(&self) -> u64 {
        let image = fs::read(self.set.path(self.image)).unwrap();
        let at = (BITS..).find(|at| image[*at as usize] == 0).unwrap();
        assert!(at < BITS + 8);
        at
    }

    fn refused(&self, more: &[&str], why: &str) {
        let list = self.list(more);
        assert_eq!((list.status, list.out.as_str()), (3, ""), "{why}: {list:?}");
        assert!(
            list.err.contains(why) && list.err.contains("no list is given"),
            "{why}: {list:?}"
        );
    }
}

#[test]
fn what_was_written_since_is_listed_when_nothing_speaks_against_it() {
    let moments = Moments::new();
    // Dirty already when the dump was made: the backup may lack it.
    let same = moments.list(&[]);
    assert_eq!(same.status, 1, "{same:?}");
    let at = moments.clean_byte();
    patch(&moments.set, moments.image, at, &[0x06]);
    let list = moments.list(&[]);
    assert_eq!(list.status, 1, "{list:?}");
    assert!(
        list.err.contains("unproven: ")
            && !list.err.contains("WARNING")
            && list.err.contains("no other device was recovered"),
        "{list:?}"
    );
    // The very list that extents gives.
    let extents = moments.set.run(&["extents", "--format=csv", moments.image]);
    assert_eq!(list.out, extents.out);
    assert!(list.out.lines().count() > same.out.lines().count());
    moments.refused(&["--strict"], "not proven to be complete");
    let told = moments
        .set
        .run(&["compare", "--json", "before", moments.image]);
    assert_eq!(told.status, 1);
    assert_eq!(json(&told.out)["since"]["verdict"], "unproven");
    same_as_extents(&moments.set, moments.image, "unproven", &[]);
    same_as_extents(&moments.set, moments.image, "held", &["--assume-held"]);
    let held = moments.list(&["--assume-held", "--strict"]);
    assert_eq!((held.status, held.out), (1, list.out), "{}", held.err);
    assert!(!held.err.contains("unproven"), "{}", held.err);
}

#[test]
fn rows_that_a_kernel_never_marks_cannot_be_vouched_for() {
    let set = set("raid6-1.1-dirty");
    let image = set.images[0].as_str();
    assert!(set.run(&["dump", "-o", "before", image]).status <= 1);
    let list = |more: &[&str]| {
        let held = ["compare", "before", image, "--format=csv", "--assume-held"];
        set.run(&[&held[..], more].concat())
    };
    let warned = list(&[]);
    assert_eq!(warned.out, set.run(&["extents", "--format=csv", image]).out);
    assert!(
        warned.err.contains("unproven: ") && warned.err.contains("DANGER: some kernels (6.12"),
        "{warned:?}"
    );
    let strict = list(&["--strict"]);
    assert_eq!((strict.status, strict.out.as_str()), (3, ""), "{strict:?}");
}

/// The list in each format is that of `extents`, and has the verdict where the format has room.
fn same_as_extents(set: &Set, image: &str, verdict: &str, more: &[&str]) {
    for format in ["table", "json", "mapfile"] {
        let format = format!("--format={format}");
        let list = set.run(&[&["compare", "before", image, &format], more].concat());
        let extents = set.run(&["extents", &format, image]).out;
        assert_eq!(list.status, 1, "{format}: {list:?}");
        if format == "--format=json" {
            let (mut list, extents) = (json(&list.out), json(&extents));
            assert_eq!(list["verdict"], verdict);
            let reasons = list["reasons"].as_array().unwrap().len();
            assert_eq!(reasons > 0, verdict == "unproven", "{list}");
            let object = list.as_object_mut().unwrap();
            object.remove("verdict");
            object.remove("reasons");
            assert_eq!(list, extents);
        } else {
            assert!(
                list.out.contains(&format!("verdict: {verdict}\n")),
                "{list:?}"
            );
            let rest = |text: &str| {
                let lines = text.lines().filter(|line| {
                    !line.contains("verdict: ") && !line.starts_with(&format!("# {verdict}: "))
                });
                lines.map(str::to_owned).collect::<Vec<_>>()
            };
            assert_eq!(rest(&list.out), rest(&extents), "{format}");
        }
    }
}

#[test]
fn nothing_dirty_is_an_empty_list() {
    let moments = Moments::new();
    let image = fs::read(moments.set.path("a.img")).unwrap();
    for at in (BITS..BITMAP + 4096).filter(|at| !matches!(image[*at as usize], 0 | 0xff)) {
        patch(&moments.set, "a.img", at, &[0]);
    }
    fs::remove_file(moments.set.path("before")).unwrap();
    assert_eq!(
        moments.set.run(&["dump", "-o", "before", "a.img"]).status,
        0
    );
    let list = moments.list(&[]);
    assert_eq!((list.status, list.out.lines().count()), (0, 1), "{list:?}");
}

#[test]
fn a_list_that_may_lack_something_is_refused() {
    // A mark of the dump that is gone.
    let moments = Moments::new();
    let image = fs::read(moments.set.path("a.img")).unwrap();
    let at = (BITS..).find(|at| image[*at as usize] != 0).unwrap();
    patch(&moments.set, "a.img", at, &[0]);
    moments.refused(&["--assume-held"], "marks have been cleared since the dump");
    // Fields.
    for (at, bytes, why) in [
        (BITMAP + 32, &99u64.to_le_bytes()[..], "events_cleared was"),
        (BITMAP + 24, &1u64.to_le_bytes()[..], "events went back"),
        (
            BITMAP + 48,
            &2u32.to_le_bytes()[..],
            "not to be trusted (state 0x2)",
        ),
        (BITMAP + 52, &8192u32.to_le_bytes()[..], "chunk_bytes was"),
        (
            BITMAP + 40,
            &512u64.to_le_bytes()[..],
            "sync_size_sectors was",
        ),
        (BITMAP, &0u32.to_le_bytes()[..], "the bitmap is gone"),
    ] {
        let moments = Moments::new();
        patch(&moments.set, "a.img", at, bytes);
        moments.refused(&["--assume-held"], why);
    }
    // The member that the array went on without: its bitmap knows nothing.
    let moments = Moments::new();
    let both = moments.set.run(&[
        "compare",
        "before",
        "a.img",
        "b.img",
        "--format=csv",
        "--assume-held",
    ]);
    assert_eq!((both.status, both.out.as_str()), (3, ""), "{both:?}");
    assert!(
        both.err.contains("b.img: is not in the dump")
            && both.err.contains("not all members given are in sync"),
        "{both:?}"
    );
}

#[test]
fn an_array_that_may_clear_unseen_gets_a_list_and_a_warning() {
    for (name, why) in [
        ("raid1-1.2-dirty", "a complete array clears marks"),
        ("raid10-near-1.2-dirty", "a complete array clears marks"),
        ("lockless-raid1-degraded", "version 6 leaves no trace"),
        ("raid5-0.90-degraded", "on levels other than raid1"),
    ] {
        let set = set(name);
        let image = set.images[0].as_str();
        assert!(set.run(&["dump", "-o", "before", image]).status <= 1);
        let extents = set.run(&["extents", "--format=csv", image]).out;
        let any = u8::from(extents.lines().count() > 1);
        let list = set.run(&["compare", "before", image, "--format=csv"]);
        assert_eq!(i64::from(list.status), i64::from(any), "{name}: {list:?}");
        assert_eq!(list.out, extents, "{name}: {list:?}");
        assert!(
            list.err.contains("WARNING: ")
                && list.err.contains(why)
                && list.err.contains("say --assume-held")
                && list.err.contains("To be certain"),
            "{name}: {list:?}"
        );
        if any == 1 {
            same_as_extents(&set, image, "unproven", &[]);
        }
        let refused = set.run(&["compare", "before", image, "--format=csv", "--strict"]);
        assert_eq!(
            (refused.status, refused.out.as_str()),
            (3, ""),
            "{name}: {refused:?}"
        );
        assert!(refused.err.contains(why), "{name}: {refused:?}");
        let held = set.run(&["compare", "before", image, "--format=csv", "--assume-held"]);
        assert!(
            held.out == extents && !held.err.contains("WARNING: what was written"),
            "{name}: {held:?}"
        );
    }
    let set = set("raid1-1.2-dirty");
    let usage = set.run_all(&["compare", "--format=csv"]);
    assert_eq!(usage.status, 2, "{usage:?}");
}

#[test]
fn dumps_stand_for_devices() {
    let moments = Moments::new();
    let at = moments.clean_byte();
    patch(&moments.set, "a.img", at, &[0x01]);
    assert_eq!(moments.set.run(&["dump", "-o", "after", "a.img"]).status, 0);
    let chunk = (at - BITS) * 8;
    let compared = moments.set.run(&["compare", "before", "after"]);
    assert!(
        compared.out.contains(&format!(
            "chunk {chunk}: dirty in after: a.img; not in before: a.img\n"
        )),
        "{compared:?}"
    );
    let compared = moments.set.run(&["compare", "a.img", "after"]);
    assert_eq!(compared.status, 0, "{compared:?}");
}
