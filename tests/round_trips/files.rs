//! Every bitmap of every fixture, restored as a file.

use super::sets::run;
use flate2::read::GzDecoder;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// All images, as real kernels, mdadm and `fixtures/synthetic/make` made them.
fn images() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let list = |folder: &Path| -> Vec<PathBuf> {
        let all = fs::read_dir(folder).unwrap();
        all.map(|entry| entry.unwrap().path()).collect()
    };
    let folders = list(&root).into_iter().filter(|path| path.is_dir());
    let mut images: Vec<PathBuf> = folders.flat_map(|folder| list(&folder)).collect();
    images.retain(|path| path.to_str().unwrap().ends_with(".img.gz"));
    images.sort();
    assert!(images.len() > 100, "{}", images.len());
    images
}

/// The parts of a dump that tell of bitmaps, without where they lie.
fn bitmaps(dump: &str) -> Vec<&str> {
    let lines = dump.lines().skip_while(|line| !line.starts_with("bitmap "));
    lines
        .filter(|line| !line.starts_with("start_bytes "))
        .collect()
}

/// The number behind `key` in a dump, where it first is.
fn number(dump: &str, key: &str) -> u64 {
    let line = dump.lines().find(|line| line.starts_with(key)).unwrap();
    line[key.len()..].trim().parse().unwrap()
}

/// What a dump tells of cannot be made into a file where it tells no chunks.
fn is_without_chunks(told: &str) -> bool {
    told.contains("holds no bitmap") || told.contains("what its chunks are cannot be told")
}

#[test]
fn every_bitmap_comes_back_as_a_file() {
    let (mut same, mut none) = (0, 0);
    for path in images() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let mut image = Vec::new();
        GzDecoder::new(fs::File::open(&path).unwrap())
            .read_to_end(&mut image)
            .unwrap();
        fs::write(folder.join("image"), &image).unwrap();
        let before = run(folder, &["dump", "image"]).out;
        fs::write(folder.join("dump"), &before).unwrap();
        let restored = run(folder, &["restore", "dump", "file"]);
        if restored.status != 0 {
            assert!(is_without_chunks(&restored.err), "{path:?} {restored:?}");
            assert!(!folder.join("file").exists());
            none += 1;
            continue;
        }
        let after = run(folder, &["dump", "file"]).out;
        // 0.90 has the words of its uuid the other way round, which only a superblock beside it tells.
        let swapped = before.contains("\nmetadata 0.90\n");
        let without_uuid = |line: &&&str| !swapped || !line.starts_with("uuid ");
        let (before_lines, after_lines) = (bitmaps(&before), bitmaps(&after));
        assert_eq!(
            before_lines.iter().filter(without_uuid).collect::<Vec<_>>(),
            after_lines.iter().filter(without_uuid).collect::<Vec<_>>(),
            "{path:?}"
        );
        let file = fs::read(folder.join("file")).unwrap();
        let start = number(&before, "start_bytes ") as usize;
        assert_eq!(image[start..start + 256], file[..256], "{path:?}");
        same += 1;
    }
    assert!(same > 110 && none < 50, "{same} {none}");
}
