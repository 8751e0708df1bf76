//! Golden images: what we print against what mdadm 4.2 printed when the images were made.
//!
//! Sets made by real kernels (fixtures/README.md) and the synthetic set (fixtures/synthetic/README.md).
//! MDBITMAP_BLESS=1 rewrites the `NAME.mdbitmap.out` files of the synthetic set.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod synthetic;

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// Folders of images made by kernels, sorted.
fn sets() -> Vec<PathBuf> {
    let mut sets: Vec<PathBuf> = fs::read_dir(fixtures())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("facts").is_file() && !path.ends_with("synthetic"))
        .collect();
    sets.sort();
    sets
}

/// One image of a set, unpacked into a folder of its own.
struct Golden {
    set: PathBuf,
    name: String,
    facts: BTreeMap<String, String>,
    folder: PathBuf,
}

impl Golden {
    fn unpack(set: &Path, name: &str, facts: &BTreeMap<String, String>) -> Self {
        // A folder of the test build, written anew by every run: nothing to clean up.
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("golden")
            .join(set.file_name().unwrap());
        fs::create_dir_all(&folder).unwrap();
        let image = unpack(&set.join(format!("{name}.img.gz")));
        let part = folder.join(format!("{name}.img.{:?}", std::thread::current().id()));
        fs::write(&part, image).unwrap();
        fs::rename(part, folder.join(format!("{name}.img"))).unwrap();
        Self {
            set: set.to_owned(),
            name: name.to_owned(),
            facts: facts.clone(),
            folder,
        }
    }

    fn title(&self) -> String {
        format!(
            "{}/{}",
            self.set.file_name().unwrap().to_string_lossy(),
            self.name
        )
    }

    fn fact(&self, key: &str) -> Option<&str> {
        self.facts
            .get(&format!("{}.{key}", self.name))
            .map(String::as_str)
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.fact(key).map(|text| text.parse().unwrap())
    }

    /// Runs us on the image, by its bare name.
    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_mdbitmap"))
            .args(arguments)
            .arg(format!("{}.img", self.name))
            .current_dir(&self.folder)
            .output()
            .unwrap()
    }

    /// mdadm's output, with the image's name in the place of the device's.
    fn recorded(&self) -> Option<Vec<u8>> {
        let text = fs::read(self.set.join(format!("{}.mdadm-4.2.out", self.name))).ok()?;
        let mut lines = text.split_inclusive(|b| *b == b'\n');
        let Some(first) = lines.next() else {
            return Some(Vec::new());
        };
        assert!(
            first.starts_with(b"        Filename : "),
            "{}: {}",
            self.title(),
            first.escape_ascii()
        );
        let mut renamed = format!("        Filename : {}.img\n", self.name).into_bytes();
        renamed.extend(lines.flatten());
        Some(renamed)
    }

    fn json(&self) -> serde_json::Value {
        let output = self.run(&["examine", "--json"]);
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{}: {e}: {output:?}", self.title()))
    }
}

fn unpack(path: &Path) -> Vec<u8> {
    let mut image = Vec::new();
    GzDecoder::new(fs::File::open(path).unwrap())
        .read_to_end(&mut image)
        .unwrap();
    image
}

fn facts(set: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(set.join("facts")).unwrap();
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// Every image of every set that mdadm was asked about, unpacked once.
fn goldens() -> &'static [Golden] {
    static ALL: OnceLock<Vec<Golden>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all = Vec::new();
        for set in sets() {
            let facts = facts(&set);
            for key in facts.keys() {
                if let Some(name) = key.strip_suffix(".mdadm-4.2.status") {
                    all.push(Golden::unpack(&set, name, &facts));
                }
            }
        }
        all
    })
}

/// The first lines of two outputs.
fn head(output: &[u8], lines: usize) -> Vec<u8> {
    output
        .split_inclusive(|b| *b == b'\n')
        .take(lines)
        .flatten()
        .copied()
        .collect()
}

#[test]
fn images_of_real_kernels_read_as_in_mdadm() {
    let (mut same, mut lockless, mut dm, mut none) = (0, 0, 0, 0);
    for golden in goldens() {
        let title = golden.title();
        let ours = golden.run(&["-X"]);
        let (status, recorded) = (
            ours.status.code(),
            golden.recorded().expect("recorded output"),
        );
        let text = format!(
            "{title}:\n{}\n{}",
            String::from_utf8_lossy(&ours.stdout),
            String::from_utf8_lossy(&ours.stderr)
        );
        if golden.fact("mdadm-4.2.status") == Some("0") {
            assert_eq!(
                ours.stdout.escape_ascii().to_string(),
                recorded.escape_ascii().to_string(),
                "{text}"
            );
            assert_eq!(status, Some(0), "{text}");
            same += 1;
        } else if recorded.ends_with(b"Version : 6\n") {
            // mdadm gives up after three lines.
            assert_eq!(head(&ours.stdout, 3), recorded, "{text}");
            assert_eq!(status, Some(0), "{text}");
            lockless += 1;
        } else if golden.facts["metadata"] == "dm-raid" {
            // mdadm takes the superblock of dm-raid for a bitmap.
            assert!(ours.stdout.starts_with(&head(&recorded, 1)), "{text}");
            assert_eq!(status, Some(0), "{text}");
            dm += 1;
        } else {
            // No internal bitmap: a word about it, whatever mdadm made of the bytes there.
            assert_eq!(status, Some(1), "{text}");
            assert!(
                String::from_utf8_lossy(&ours.stderr).contains("bitmap"),
                "{text}"
            );
            none += 1;
        }
    }
    println!("{same} as in mdadm, {lockless} lockless, {dm} dm-raid, {none} without a bitmap");
    assert!(
        same > 20 && lockless > 5 && dm > 3,
        "{same} {lockless} {dm}: are the fixtures there?"
    );
}

#[test]
fn counts_are_those_of_mdadm_and_of_the_kernel() {
    let mut counted = 0;
    for golden in goldens() {
        let Some(chunks) = golden.number("chunks") else {
            continue;
        };
        let json = golden.json();
        let bitmap = &json["devices"][0]["bitmap"];
        assert_eq!(
            bitmap["chunks"].as_u64(),
            Some(chunks),
            "{}: {json}",
            golden.title()
        );
        assert_eq!(
            bitmap["dirty_chunks"].as_u64(),
            golden.number("dirty_chunks"),
            "{}: {json}",
            golden.title()
        );
        counted += 1;
    }
    assert!(counted > 25, "{counted} images have facts");
}

#[test]
fn lockless_states_are_those_counted_byte_by_byte() {
    const NAMES: [&str; 8] = [
        "unwritten",
        "clean",
        "dirty",
        "need_sync",
        "syncing",
        "need_sync_unwritten",
        "syncing_unwritten",
        "clean_unwritten",
    ];
    let mut counted = 0;
    for golden in goldens() {
        let prefix = format!("{}.state_", golden.name);
        if !golden.facts.keys().any(|key| key.starts_with(&prefix)) {
            continue;
        }
        let json = golden.json();
        if json["devices"][0]["superblock"]["chunk_bytes"].is_null() {
            continue; // FIRST_USE: the bytes mean nothing yet
        }
        let states = &json["devices"][0]["bitmap"]["states"];
        for (value, name) in NAMES.iter().enumerate() {
            let expected = golden.number(&format!("state_{value}")).unwrap_or(0);
            assert_eq!(
                states[name].as_u64(),
                Some(expected),
                "{}: {name}: {json}",
                golden.title()
            );
        }
        assert_eq!(
            states["unknown"].as_u64(),
            Some(0),
            "{}: {json}",
            golden.title()
        );
        counted += 1;
    }
    assert!(counted > 5, "{counted} lockless images have facts");
}

/// Name, kind, whether mdadm ends, the field to be named; from the manifest.
fn manifest() -> Vec<[String; 4]> {
    let text = fs::read_to_string(fixtures().join("synthetic/manifest.tsv")).unwrap();
    text.lines()
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            [columns[0], columns[1], columns[2], columns[3]].map(str::to_owned)
        })
        .collect()
}

#[test]
fn synthetic_images_are_those_of_the_corpus() {
    let corpus = synthetic::corpus::fixtures();
    assert_eq!(
        corpus.len(),
        manifest().len(),
        "run fixtures/synthetic/make"
    );
    for (fixture, [name, ..]) in corpus.iter().zip(manifest()) {
        assert_eq!(fixture.name, name);
        let committed = unpack(&fixtures().join(format!("synthetic/{name}.img.gz")));
        assert!(
            committed == fixture.image.bytes,
            "{name} has changed: run fixtures/synthetic/make"
        );
    }
}

#[test]
fn synthetic_images_read_as_in_mdadm_or_as_recorded() {
    let set = fixtures().join("synthetic");
    let facts = facts(&set);
    let bless = std::env::var_os("MDBITMAP_BLESS").is_some();
    let mut wrong = Vec::new();
    for [name, ..] in manifest() {
        let golden = Golden::unpack(&set, &name, &facts);
        let ours = golden.run(&["-X"]);
        let status = ours
            .status
            .code()
            .map_or_else(|| "killed".to_owned(), |code| code.to_string());
        let ours = [
            ours.stdout.as_slice(),
            format!("exit status {status}\n").as_bytes(),
        ]
        .concat();
        let theirs = golden.recorded().map(|text| {
            [
                text.as_slice(),
                format!("exit status {}\n", golden.fact("mdadm-4.2.status").unwrap()).as_bytes(),
            ]
            .concat()
        });
        let own = set.join(format!("{name}.mdbitmap.out"));
        if bless {
            let _ = fs::remove_file(&own);
            if theirs.as_ref() != Some(&ours) {
                fs::write(&own, &ours).unwrap();
            }
        }
        let expected = fs::read(&own).ok().or(theirs).expect("a recorded output");
        if ours != expected {
            wrong.push(format!(
                "{name}: expected\n{}ours\n{}",
                String::from_utf8_lossy(&expected),
                String::from_utf8_lossy(&ours)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn hostile_images_have_their_field_named() {
    let set = fixtures().join("synthetic");
    let mut wrong = Vec::new();
    for [name, _, _, field] in manifest() {
        if field == "-" {
            continue;
        }
        let output = Golden::unpack(&set, &name, &BTreeMap::new()).run(&["examine", "--explain"]);
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        if !text.to_lowercase().contains(&field.to_lowercase()) {
            wrong.push(format!("{name}: nothing names {field}:\n{text}"));
        }
        assert!(output.status.code().is_some(), "{name}: killed: {text}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The hashes that mdadm.md Appendix B gives for a real clustered create.
#[test]
fn clustered_slots_have_the_bytes_that_mdadm_writes() {
    let image = unpack(&fixtures().join("synthetic/clustered-fresh.img.gz"));
    let hash = |at: usize| {
        let digest = Sha256::digest(&image[at..at + 4096]);
        digest
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    assert_eq!(
        hash(8192),
        "0609b732c5622479e2be34c1b74e7c68989681435d23f93d9cf2c72f6fe9271f"
    );
    for slot in 1..4 {
        assert_eq!(
            hash(8192 + slot * 4096),
            "dde9234d320158ee4d8313393b4cb08d70882ed83cab05af470e1e071ea172f1"
        );
    }
}
