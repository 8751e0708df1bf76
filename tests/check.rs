//! `mdbitmap check`, as a user runs it: what it prints, what its exit status says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod synthetic;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use synthetic::corpus::{fifth, small_bitmap, small_super};
use synthetic::{BitmapSuper, Image, SuperV1, UUID, bad_block_log, put, seal_v1};

fn check<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mdbitmap"))
        .arg("check")
        .args(arguments)
        .output()
        .unwrap()
}

/// Standard output and standard error of a run that ended with status `want`.
#[track_caller]
fn status(output: &Output, want: i32) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(want), "{out}{err}");
    (out, err)
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// Member `number` of a small mirror: not clean, every fifth of 56 chunks dirty.
fn member(number: u32, change: fn(&mut SuperV1, &mut BitmapSuper)) -> Vec<u8> {
    let (mut md, mut bitmap) = (small_super(), small_bitmap());
    (md.dev_number, md.resync_offset) = (number, 0);
    change(&mut md, &mut bitmap);
    let mut bytes = md.bytes();
    put(&mut bytes, 168, &[number as u8 + 1; 16]);
    seal_v1(&mut bytes);
    Image::sectors(512)
        .put(12288, &bad_block_log(&[]))
        .put(8192, &bitmap.with_bits(fifth))
        .put(4096, &bytes)
        .bytes
}

fn sound(_: &mut SuperV1, _: &mut BitmapSuper) {}

/// Images in a folder, by name.
fn write(folder: &Path, images: &[(&str, Vec<u8>)]) -> Vec<PathBuf> {
    let write = |(name, image): &(&str, Vec<u8>)| {
        let path = folder.join(name);
        fs::write(&path, image).unwrap();
        path
    };
    images.iter().map(write).collect()
}

fn transcript_images() -> Vec<(&'static str, Vec<u8>)> {
    let poison = |_: &mut SuperV1, bitmap: &mut BitmapSuper| bitmap.daemon_sleep = 0;
    let old = |_: &mut SuperV1, bitmap: &mut BitmapSuper| bitmap.events -= 4;
    vec![
        ("sda1.img", member(0, sound)),
        ("sdb1.img", member(1, sound)),
        ("sdc1.img", member(0, poison)),
        ("sdd1.img", member(1, poison)),
        ("sde1.img", member(1, old)),
    ]
}

/// tests/cmd/check.in holds these very images; MDBITMAP_BLESS=1 writes them.
#[test]
fn the_images_of_the_transcript_are_these() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd/check.in");
    if std::env::var_os("MDBITMAP_BLESS").is_some() {
        fs::create_dir_all(&folder).unwrap();
        write(&folder, &transcript_images());
    }
    for (name, image) in transcript_images() {
        assert!(fs::read(folder.join(name)).unwrap() == image, "{name}");
    }
}

#[test]
fn a_sound_array_is_status_0_and_says_so() {
    let folder = folder();
    let paths = write(
        folder.path(),
        &[("a", member(0, sound)), ("b", member(1, sound))],
    );
    let (out, err) = status(&check(&paths), 0);
    assert!(
        out.ends_with("  Sound: nothing wrong was found.\n"),
        "{out}"
    );
    assert_eq!(err, "");
    let quiet = [
        OsStr::new("--quiet"),
        paths[0].as_os_str(),
        paths[1].as_os_str(),
    ];
    assert_eq!(status(&check(quiet), 0), (String::new(), String::new()));
}

#[test]
fn what_was_not_given_is_said_and_a_warning_is_status_1() {
    let folder = folder();
    let paths = write(folder.path(), &[("a", member(0, sound))]);
    let (out, _) = status(&check(&paths), 1);
    assert!(out.contains("warning: member-forgotten"), "{out}");
    assert!(
        out.contains("  Not checked: the members in slot 1"),
        "{out}"
    );
    assert_eq!(
        status(&check(["-q".as_ref(), paths[0].as_os_str()]), 1),
        Default::default()
    );
}

#[test]
fn the_gravest_comes_first_and_what_is_alike_is_told_once() {
    let worse = |md: &mut SuperV1, bitmap: &mut BitmapSuper| {
        (bitmap.daemon_sleep, bitmap.state) = (0, 0x2);
        // A bad-block log inside the bitmap.
        (md.bblog_offset, bitmap.state) = (8, 0x2);
    };
    let folder = folder();
    let paths = write(
        folder.path(),
        &[("a", member(0, worse)), ("b", member(1, worse))],
    );
    let (out, _) = status(&check(&paths), 1);
    let at = |text: &str| out.find(text).unwrap_or_else(|| panic!("{text}: {out}"));
    let (danger, error, warning) = (
        at("danger: overlaps-bad-block-log: "),
        at("error: zero-daemon-sleep: "),
        at("warning: marked-stale: "),
    );
    assert!(danger < error && error < warning, "{out}");
    assert_eq!(out.matches("zero-daemon-sleep").count(), 1, "{out}");
    let last = out.lines().last().unwrap();
    assert!(
        last.starts_with("  1 danger, 1 error, 1 warning: data is in danger"),
        "{out}"
    );
    let least = [
        OsStr::new("--min-severity=error"),
        paths[0].as_os_str(),
        paths[1].as_os_str(),
    ];
    let (out, _) = status(&check(least), 1);
    assert!(
        !out.contains("marked-stale") && out.contains("1 warning"),
        "{out}"
    );
}

#[test]
fn a_defect_of_one_copy_may_or_may_not_matter() {
    let poison = |_: &mut SuperV1, bitmap: &mut BitmapSuper| bitmap.daemon_sleep = 0;
    let folder = folder();
    let paths = write(
        folder.path(),
        &[("a", member(0, sound)), ("b", member(1, poison))],
    );
    let (out, _) = status(&check(&paths), 1);
    assert!(
        out.contains("depends on which member's bitmap the kernel reads"),
        "{out}"
    );
    let paths = write(folder.path(), &[("a", member(0, poison))]);
    let both = [paths[0].clone(), folder.path().join("b")];
    let (out, _) = status(&check(both), 1);
    assert!(out.contains("the array does not start like this"), "{out}");
}

#[test]
fn several_arrays_are_judged_apart() {
    let other = |md: &mut SuperV1, bitmap: &mut BitmapSuper| {
        (md.uuid[0], bitmap.uuid[0]) = (0xff, 0xff);
        bitmap.events -= 4;
    };
    let folder = folder();
    let images = [
        ("a", member(0, sound)),
        ("x", member(0, other)),
        ("b", member(1, sound)),
        ("y", member(1, other)),
    ];
    let paths = write(folder.path(), &images);
    let mut arguments = vec![PathBuf::from("--json")];
    arguments.extend(paths);
    let (out, _) = status(&check(&arguments), 1);
    let root: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&root["schema"], root["failed"].as_array().unwrap().len()),
        (&1.into(), 0)
    );
    let arrays = root["arrays"].as_array().unwrap();
    assert_eq!(arrays.len(), 2);
    assert_eq!(arrays[0]["uuid"], "01234567:89abcdef:fedcba98:76543210");
    assert_eq!(
        (
            &arrays[0]["worst"],
            arrays[0]["findings"].as_array().unwrap().len()
        ),
        (&serde_json::Value::Null, 0)
    );
    assert_eq!(arrays[1]["worst"], "warning");
    let finding = &arrays[1]["findings"][0];
    assert_eq!(
        (&finding["name"], &finding["severity"], &finding["effect"]),
        (
            &"stale-events".into(),
            &"warning".into(),
            &"all_dirty".into()
        )
    );
    assert!(
        finding["sentence"]
            .as_str()
            .unwrap()
            .contains("4 events behind"),
        "{finding}"
    );
    assert!(
        finding["subject"].as_str().unwrap().ends_with("/x"),
        "{finding}"
    );
    assert!(finding["kernel"].is_string() && finding["repair"].is_string());
}

#[test]
fn what_cannot_be_opened_is_told_and_the_rest_is_checked() {
    let folder = folder();
    let paths = write(
        folder.path(),
        &[("a", member(0, sound)), ("b", member(1, sound))],
    );
    let missing = folder.path().join("nowhere");
    let (out, err) = status(&check([&paths[0], &missing, &paths[1]]), 1);
    assert!(out.contains("Sound"), "{out}");
    assert!(err.contains("nowhere: cannot open"), "{err}");
    let (out, _) = status(&check([Path::new("--json"), &missing]), 1);
    assert!(
        out.contains(r#""failed":[{"path":""#) && out.contains(r#""kind":"open""#),
        "{out}"
    );
}

#[test]
fn a_command_line_that_makes_no_sense_is_status_2() {
    for arguments in [
        &["--min-severity=grave", "x"][..],
        &[],
        &["--offset=8", "x"],
        &["--quiet", "--json", "x"],
    ] {
        let (out, err) = status(&check(arguments), 2);
        assert!(out.is_empty() && !err.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let folder = folder();
    let paths = write(
        folder.path(),
        &[("a", member(0, sound)), ("b", member(1, sound))],
    );
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = Command::new(env!("CARGO_BIN_EXE_mdbitmap"))
        .arg("check")
        .args(&paths)
        .stdout(writer)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
}

/// A bitmap file as it should be: root's, 0600, whole. The file system of the tests' folder may be any.
fn bitmap_file(path: &Path) {
    let bitmap = BitmapSuper {
        uuid: UUID,
        ..small_bitmap()
    };
    let mut bytes = bitmap.with_bits(fifth);
    bytes.truncate(256 + 7);
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn names(output: &Output) -> Vec<String> {
    let root: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let arrays = root["arrays"].as_array().unwrap();
    let findings = arrays
        .iter()
        .flat_map(|array| array["findings"].as_array().unwrap().clone());
    findings
        .map(|finding| finding["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn real_files_are_looked_at_where_they_lie() {
    let folder = folder();
    let path = folder.path().join("bitmap");
    bitmap_file(&path);
    let found = |path: &Path| names(&check([Path::new("--json"), path]));
    let whole = found(&path);
    assert!(
        !whole.contains(&"file-has-holes".to_owned()) && !whole.contains(&"file-mode".to_owned()),
        "{whole:?}"
    );
    fs::set_permissions(&path, fs::Permissions::from_mode(0o622)).unwrap();
    assert!(found(&path).contains(&"file-mode".to_owned()));
    // A hole behind the header.
    let holed = folder.path().join("holed");
    let file = fs::File::create(&holed).unwrap();
    file.write_all_at(&small_bitmap().bytes(), 0).unwrap();
    file.set_len(1 << 20).unwrap();
    let (blocks, len) = {
        use std::os::unix::fs::MetadataExt;
        let metadata = file.metadata().unwrap();
        (metadata.blocks(), metadata.len())
    };
    drop(file);
    let holes = found(&holed);
    if blocks * 512 < len && !holes.contains(&"file-system-unsuitable".to_owned()) {
        assert!(holes.contains(&"file-has-holes".to_owned()), "{holes:?}");
    }
}

#[test]
fn a_bitmap_file_in_memory_cannot_serve_md() {
    if !Path::new("/dev/shm").is_dir() {
        eprintln!("\nSKIPPED: no /dev/shm here");
        return;
    }
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let path = folder.path().join("bitmap");
    bitmap_file(&path);
    let output = check([Path::new("--json"), &path]);
    assert!(
        names(&output).contains(&"file-system-unsuitable".to_owned()),
        "{output:?}"
    );
}

#[test]
fn a_file_joins_the_array_whose_uuid_it_has() {
    let none = |md: &mut SuperV1, _: &mut BitmapSuper| md.feature_map = 0;
    let folder = folder();
    let mut paths = write(
        folder.path(),
        &[("a", member(0, none)), ("b", member(1, none))],
    );
    // Without the remains of an internal bitmap.
    for path in &paths {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.write_all_at(&[0; 512], 8192).unwrap();
    }
    paths.push(folder.path().join("bitmap"));
    bitmap_file(&paths[2]);
    let mut arguments = vec![PathBuf::from("--json")];
    arguments.extend(paths.clone());
    let output = check(&arguments);
    let found = names(&output);
    assert!(
        !found.contains(&"no-bitmap".to_owned()) && !found.contains(&"stale-events".to_owned()),
        "{found:?}"
    );
    let file = fs::File::options().write(true).open(&paths[2]).unwrap();
    file.write_all_at(&3u64.to_le_bytes(), 24).unwrap();
    let output = check(&arguments);
    assert!(
        names(&output).contains(&"stale-events".to_owned()),
        "{output:?}"
    );
    assert_eq!(output.status.code(), Some(1));
}
