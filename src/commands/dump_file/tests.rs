use super::*;
use std::io::Write;

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

const BITMAP: &str = "start_bytes 0\nversion 4\nuuid 00000000:00000000:00000000:00000000\nevents 1\n\
    events_cleared 0\nsync_size_sectors 1280\nstate 0\nchunk_bytes 65536\ndaemon_sleep_seconds 5\nwrite_behind 0\n\
    sectors_reserved 0\nnodes 0\ncluster_name \"\"\n";

fn dump() -> String {
    format!(
        "# mine\n\nmdbitmap-dump 1\ndevice \"a\"\ndevice_bytes 9\nbitmap 0\n{BITMAP}runs\n1-2\n4\nend-runs\n\
         bitmap 1\n{BITMAP}runs # none\nend-runs\ndevice \"b\"\ndevice_bytes 9\nbitmap 0\n{BITMAP}no-runs\nend-dump\n"
    )
}

fn runs(file: &DumpFile, device: usize, bitmap: usize) -> Result<Vec<(u64, u64)>, DumpFileError> {
    let runs = file.runs(&file.devices[device].bitmaps[bitmap])?;
    runs.map(|run| run.map(|run| (run.chunks.start.0, run.chunks.end.0)))
        .collect()
}

#[test]
fn every_bitmap_is_found_again() {
    let text = file(&dump());
    assert!(DumpFile::is_dump(text.path().as_os_str()));
    let read = DumpFile::open(text.path().as_os_str()).unwrap();
    assert_eq!(read.devices.len(), 2);
    assert_eq!(runs(&read, 0, 0).unwrap(), [(1, 3), (4, 5)]);
    assert_eq!(runs(&read, 0, 1).unwrap(), []);
    assert_eq!(runs(&read, 1, 0).unwrap(), []);
}

#[test]
fn a_dump_that_changes_meanwhile_is_an_error() {
    let text = file(&dump());
    let read = DumpFile::open(text.path().as_os_str()).unwrap();
    let changed = dump().replace("1-2\n4\n", "1-2\n\n\n");
    std::fs::write(text.path(), changed).unwrap();
    assert!(matches!(
        runs(&read, 0, 0),
        Err(DumpFileError::Changed { .. })
    ));
    std::fs::write(text.path(), "").unwrap();
    assert!(matches!(
        runs(&read, 0, 0),
        Err(DumpFileError::Changed { .. })
    ));
}

#[test]
fn what_is_no_dump_is_said() {
    for text in ["", "# only\n", "mdbitmap-dump 2\n", "\u{0}bitm"] {
        let text = file(text);
        let error = DumpFile::open(text.path().as_os_str()).unwrap_err();
        assert!(matches!(error, DumpFileError::Text { .. }), "{error}");
    }
    assert!(!DumpFile::is_dump(
        file("x\nmdbitmap-dump 1\n").path().as_os_str()
    ));
    let long = file(&format!("mdbitmap-dump 1\n{}\n", "x".repeat(1 << 20)));
    let error = DumpFile::open(long.path().as_os_str())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("line 2: expected at most 65536 bytes"),
        "{error}"
    );
    let folder = tempfile::tempdir().unwrap();
    let error = DumpFile::open(folder.path().as_os_str()).unwrap_err();
    assert!(matches!(error, DumpFileError::NotAFile { .. }), "{error}");
}
