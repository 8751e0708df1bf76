//! Taking changes back.

use super::*;

#[test]
fn every_kind_of_change_is_taken_back() {
    for change in changes() {
        let made = Made::new(&change);
        let now = || contents(made.path(), &made.names);
        let (out, _) = ends(made.path(), &["undo", "--dry-run", made.file()], 0);
        assert!(out.contains("  it is done\n  nothing was written"), "{out}");
        assert!(out.contains("back from: "), "{out}");
        assert_eq!(now(), made.after);
        let (out, _) = ends(made.path(), &["undo", made.file()], 0);
        assert!(out.contains("it is taken back now: "), "{out}");
        assert_eq!(now(), made.before, "{}", change.name);
        let (out, _) = ends(made.path(), &["undo", made.file()], 0);
        assert!(out.contains("everything is as before it"), "{out}");
        assert_eq!(now(), made.before);
    }
}

#[test]
fn every_point_at_which_a_change_can_stop() {
    for change in changes() {
        let made = Made::new(&change);
        for groups in 0..=made.groups() {
            for sectors in [0, 0x5555_5555] {
                made.crash(groups, sectors);
                let (out, _) = ends(made.path(), &["undo", made.file()], 0);
                let now = contents(made.path(), &made.names);
                assert_eq!(
                    now, made.before,
                    "{} {groups} {sectors:x}\n{out}",
                    change.name
                );
            }
        }
    }
}

#[test]
fn images_that_were_moved_are_known_again() {
    let change = &changes()[1];
    let made = Made::new(change);
    made.crash(made.groups() / 2, 0);
    let moved: Vec<String> = made
        .names
        .iter()
        .map(|name| format!("moved-{name}"))
        .collect();
    for (name, new) in made.names.iter().zip(&moved) {
        fs::rename(made.path().join(name), made.path().join(new)).unwrap();
    }
    let (_, err) = ends(made.path(), &["undo", made.file()], 1);
    assert!(err.contains("if the devices have other names now"), "{err}");
    let (_, err) = ends(made.path(), &["undo", made.file(), &moved[1], &moved[0]], 3);
    assert!(
        err.contains("m2.img (device UUID 03030303:03030303:"),
        "{err}"
    );
    assert!(err.contains("all of them are needed"), "{err}");
    let given = [&moved[2], &moved[0], &moved[1]].map(String::as_str);
    let arguments = [&["undo", made.file()], &given[..]].concat();
    ends(made.path(), &arguments, 0);
    assert_eq!(contents(made.path(), &moved), made.before);
    // Names that were exchanged are no matter at all.
    put(made.path(), &made.names, &made.after);
    let swap = |a: &str, b: &str| {
        let path = |name: &str| made.path().join(name);
        fs::rename(path(a), path("x")).unwrap();
        fs::rename(path(b), path(a)).unwrap();
        fs::rename(path("x"), path(b)).unwrap();
    };
    swap("m0.img", "m1.img");
    ends(made.path(), &["undo", made.file()], 0);
    swap("m0.img", "m1.img");
    assert_eq!(contents(made.path(), &made.names), made.before);
}

#[test]
fn what_was_started_since_is_left_alone() {
    for change in changes() {
        let made = Made::new(&change);
        let path = made.path().join(&made.names[0]);
        // The same event count: kernels step it back; the time of the update is another one.
        edit(&path, |raw| raw.fixed.utime = 1_900_000_000);
        let foreign = contents(made.path(), &made.names);
        let (out, err) = ends(made.path(), &["undo", made.file()], 3);
        assert!(
            err.contains("m0.img: bytes 4096..4608 (md superblock): found updated 2030-03-17"),
            "{err}"
        );
        assert!(err.contains("nothing was written, since"), "{err}");
        assert!(!out.contains("taken back now"), "{out}");
        assert_eq!(contents(made.path(), &made.names), foreign);
        // On a member to which nothing had been written yet, too.
        made.crash(1, 0);
        edit(&made.path().join(made.names.last().unwrap()), |raw| {
            raw.fixed.events += 3;
        });
        let (_, err) = ends(made.path(), &["undo", made.file()], 3);
        assert!(err.contains("expected"), "{err}");
    }
}

#[test]
fn json_says_what_is_put_back_and_why_not() {
    let made = Made::new(&changes()[0]);
    let json = |arguments: &[&str], want| -> serde_json::Value {
        serde_json::from_str(&ends(made.path(), arguments, want).0).unwrap()
    };
    let plan = json(&["undo", "--json", "--dry-run", made.file()], 0);
    assert_eq!(plan["schema"], 1);
    assert_eq!(
        (&plan["state"], &plan["written"], &plan["change"]["verb"]),
        (&"done".into(), &false.into(), &"set".into())
    );
    let steps = plan["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 3);
    let supers = &steps[1]["writes"][1];
    assert_eq!(supers["part"], "md superblock");
    let fields = supers["fields"].as_array().unwrap();
    let field = |name: &str| {
        let found = fields.iter().find(|field| field["name"] == name).unwrap();
        (
            found["old"].as_str().unwrap(),
            found["new"].as_str().unwrap(),
        )
    };
    assert_eq!(field("events"), ("21", "20"));
    assert_eq!(
        field("resync"),
        (
            "from sector 0 on, not stopped cleanly",
            "none, stopped cleanly"
        )
    );
    made.crash(2, 0);
    let half = json(&["undo", "--json", "--dry-run", made.file()], 0);
    assert_eq!(
        (&half["state"], &half["steps_done"]),
        (&"half".into(), &1.into())
    );
    let done = json(&["undo", "--json", made.file()], 0);
    assert_eq!(
        (&done["written"], &done["written_bytes"]),
        (&true.into(), &1024.into())
    );
    let path = made.path().join("m1.img");
    edit(&path, |raw| raw.fixed.events = 77);
    let refused = json(&["undo", "--json", made.file()], 3);
    assert_eq!(refused["state"], "foreign");
    assert_eq!(refused["refused"][0]["name"], "changed-since");
}

#[test]
fn a_file_that_cannot_be_used_is_refused() {
    let made = Made::new(&changes()[0]);
    let bytes = fs::read(&made.file).unwrap();
    let write = |bytes: &[u8]| fs::write(made.path().join("x.undo"), bytes).unwrap();
    write(&bytes[..bytes.len() - 3]);
    let (_, err) = ends(made.path(), &["undo", "x.undo"], 3);
    assert!(err.contains("x.undo: is cut off"), "{err}");
    let mut edited = bytes.clone();
    edited[700] ^= 4;
    write(&edited);
    let (_, err) = ends(made.path(), &["undo", "x.undo"], 3);
    assert!(err.contains("is damaged or was edited"), "{err}");
    let (_, err) = ends(made.path(), &["undo", "m0.img"], 3);
    assert!(err.contains("m0.img: is no undo file"), "{err}");
    let (_, err) = ends(made.path(), &["undo", "none.undo"], 3);
    assert!(err.contains("No such file"), "{err}");
    ends(made.path(), &["undo"], 2);
    assert_eq!(contents(made.path(), &made.names), made.after);
    // Not a member.
    fs::write(made.path().join("other.img"), &made.after[0][..8192]).unwrap();
    let arguments = ["undo", made.file(), "m0.img", "m1.img", "other.img"];
    let (_, err) = ends(made.path(), &arguments, 3);
    assert!(err.contains("other.img: was not a member"), "{err}");
    assert_eq!(contents(made.path(), &made.names), made.after);
}

#[test]
fn later_changes_have_to_be_taken_back_first() {
    let change = &changes()[0];
    let made = Made::new(change);
    ends(made.path(), &change_again(&made.names), 0);
    let both = undo_files(made.path());
    let second = both.iter().find(|path| **path != made.file).unwrap();
    let (_, err) = ends(made.path(), &["undo", made.file()], 3);
    assert!(
        err.contains("a later one of mdbitmap has to be taken back first"),
        "{err}"
    );
    ends(made.path(), &["undo", second.to_str().unwrap()], 0);
    assert_eq!(contents(made.path(), &made.names), made.after);
    ends(made.path(), &["undo", made.file()], 0);
    assert_eq!(contents(made.path(), &made.names), made.before);
}

fn change_again(names: &[String]) -> Vec<&str> {
    let mut all = vec!["set", "--range", "100K+8K"];
    all.extend(names.iter().map(String::as_str));
    all
}

#[test]
fn the_list_shows_each_with_its_state() {
    let folder = folder();
    let (out, _) = ends(folder.path(), &["undo", "--list"], 0);
    assert_eq!(out, "undo: no undo files\n");
    let made = Made::new(&changes()[0]);
    let list = || ends(made.path(), &["undo", "--list"], 0).0;
    let out = list();
    assert!(out.starts_with("set of 2"), "{out}");
    assert!(out.contains(": raid1 of 2 members, 01234567:"), "{out}");
    assert!(
        out.contains("/m0.img ") && out.contains("  it is done\n"),
        "{out}"
    );
    made.crash(2, 0);
    assert!(
        list().contains("  it is done in part: 1 of 3 steps are complete\n"),
        "{}",
        list()
    );
    put(made.path(), &made.names, &made.before);
    assert!(list().contains("  everything is as before it"));
    assert!(list().contains("  may be removed: undo/"));
    edit(&made.path().join("m0.img"), |raw| raw.fixed.events = 99);
    assert!(list().contains("  something else has changed these devices since\n"));
    fs::remove_file(made.path().join("m1.img")).unwrap();
    assert!(list().contains("  these devices are not all at hand"));
    let (out, _) = ends(made.path(), &["undo", "--list", "--json"], 0);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["files"][0]["change"]["verb"], "set");
    assert_eq!(json["files"][0]["state"], serde_json::Value::Null);
    fs::write(made.path().join("undo/broken.undo"), "x").unwrap();
    let (_, err) = ends(made.path(), &["undo", "--list"], 1);
    assert!(err.contains("undo/broken.undo: is no undo file"), "{err}");
}
