use super::*;
use proptest::prelude::*;
use std::path::PathBuf;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn file(&self, text: &[u8]) -> PathBuf {
        let path = self.0.path().join("list");
        std::fs::write(&path, text).unwrap();
        path
    }
}

type List = (
    Option<Space>,
    Option<String>,
    Vec<(Option<String>, u128, u128)>,
);

fn read(text: &str) -> Result<List, String> {
    let folder = Folder::new();
    let path = folder.file(text.as_bytes());
    let name = format!("{}: ", path.display());
    let told = |error: ExtentFileError| error.to_string().replace(&name, "");
    let list = ExtentFile::open(path.as_os_str(), Statuses::Domain).map_err(told)?;
    let mut extents = Vec::new();
    list.read(&mut |extent| {
        let (start, end) = (extent.bytes.start, extent.bytes.end);
        extents.push((extent.member.clone(), start, end));
        Ok(())
    })
    .map_err(told)?;
    Ok((list.space, list.device, extents))
}

#[test]
fn every_form_is_known_by_its_beginning() {
    let a = || Some("a".to_owned());
    let json = " \n{\"schema\":1,\"space\":\"member\",\"extents\":[{\"member\":\"a\",\"start_bytes\":0,\"length_bytes\":512},\
        {\"member\":null,\"start_bytes\":1,\"length_bytes\":2},{\"start_bytes\":3,\"length_bytes\":2}],\
        \"totals\":{\"extents\":3},\"trusted\":true,\"complete\":true,\"errors\":[]}";
    let extents = vec![(a(), 0, 512), (None, 1, 3), (None, 3, 5)];
    assert_eq!(read(json), Ok((Some(Space::Member), None, extents)));
    let csv = "member,start_bytes,length_bytes\na,512,512\n";
    assert_eq!(read(csv), Ok((None, None, vec![(a(), 512, 1024)])));
    let map = "# Domain for ddrescue -m: + is dirty, ? is not; space: device\n# Device: a\n0 +\n0 512 +\n";
    assert_eq!(
        read(map),
        Ok((Some(Space::Device), a(), vec![(None, 0, 512)]))
    );
    assert_eq!(
        read("0 +\n0 512 +\n"),
        Ok((None, None, vec![(None, 0, 512)]))
    );
    assert!(read("hello").unwrap_err().contains("is no list of extents"));
    assert!(read("").unwrap_err().contains("is no list of extents"));
}

#[test]
fn what_is_wrong_with_json_is_said_with_its_place() {
    let list =
        |extents: &str| format!("{{\"schema\":1,\"space\":\"array\",\n\"extents\":[{extents}]}}");
    let good = "{\"start_bytes\":0,\"length_bytes\":8}";
    assert!(read(&list(good)).is_ok());
    for (text, expected) in [
        (
            list("{\"start_bytes\":0}"),
            "line 2, column 28: an extent without start_bytes or length_bytes",
        ),
        (
            list("{\"start_bytes\":0,\"length_bytes\":0}"),
            "length_bytes: found 0",
        ),
        (
            list("{\"start_bytes\":-1,\"length_bytes\":1}"),
            "start_bytes: found -1, expected a whole number",
        ),
        (
            list("{\"start_bytes\":1.5,\"length_bytes\":1}"),
            "start_bytes: found 1.5",
        ),
        (
            list("{\"start_bytes\":1e30,\"length_bytes\":1}"),
            "start_bytes: found 1e30",
        ),
        (
            list("{\"start_bytes\":99999999999999999999,\"length_bytes\":1}"),
            "expected a whole number below 2^64",
        ),
        (
            list(&format!(
                "{{\"start_bytes\":{},\"length_bytes\":1}}",
                "1".repeat(99)
            )),
            "too many digits",
        ),
        (
            list("{\"start_bytes\":\"1\",\"length_bytes\":1}"),
            "start_bytes: expected a whole number",
        ),
        (
            list("{\"member\":7,\"start_bytes\":0,\"length_bytes\":1}"),
            "member: expected a string or null",
        ),
        (
            list("{\"start_bytes\":0,\"length_bytes\":1,\"x\":1}"),
            "an unknown key \"x\"",
        ),
        (
            list("{\"start_bytes\":0,\"start_bytes\":0,\"length_bytes\":1}"),
            "a second key \"start_bytes\"",
        ),
        (
            list("{\"start_bytes\":0 \"length_bytes\":1}"),
            "expected a key, or the end of the object",
        ),
        (
            list("{,\"start_bytes\":0,\"length_bytes\":1}"),
            "expected a key, or the end of the object",
        ),
        (
            list("{\"start_bytes\":0,\"length_bytes\":1,}"),
            "expected a key behind the comma",
        ),
        (
            list("{\"start_bytes\" 0,\"length_bytes\":1}"),
            "expected a colon",
        ),
        (
            list(&format!("{good}{good}")),
            "expected an extent, or the end of the array",
        ),
        (list(&format!("{good},")), "expected an extent"),
        (list("7"), "expected an extent, or the end"),
        (
            list(&format!("{good},{good}")),
            "extent 2: begins at byte 0, before the end of the extent before it (8)",
        ),
        (
            list(good).replace("\"array\"", "\"moon\""),
            "unknown space \"moon\"",
        ),
        (
            list(good).replace("\"array\"", "\"\\ud800x\""),
            "half a surrogate pair",
        ),
        (
            list(good).replace("\"array\"", "\"\\x\""),
            "an escape that there is not",
        ),
        (
            list(good).replace("\"array\"", "\"a\nb\""),
            "a control character",
        ),
        (
            list(good).replace("\"array\"", "array"),
            "line 1, column 25: found array",
        ),
        (
            list(good).replace("\"schema\":1", "\"schema\":2"),
            "schema 2; this program reads schema 1",
        ),
        (list(good).replace("\"schema\":1,", ""), "no key \"schema\""),
        (
            list(good).replace("\"space\":\"array\",", ""),
            "\"space\" must stand before \"extents\"",
        ),
        (
            list(good).replace("]}", "],\"complete\":false}"),
            "the list is marked as incomplete",
        ),
        (
            list(good).replace("]}", "],\"complete\":7}"),
            "complete: expected true or false",
        ),
        (
            list(good).replace("]}", "],\"extents\":[]}"),
            "a second key \"extents\"",
        ),
        (
            list(good).replace("]}", "],\"more\":[]}"),
            "an unknown key \"more\"",
        ),
        (
            list(good).replace("]}", "],\"totals\":{\"a\":[1}"),
            "expected a value",
        ),
        (
            list(good).replace("]}", "]"),
            "expected a key, or the end of the object",
        ),
        (format!("{}x", list(good)), "found x"),
        (
            format!("{}[]", list(good)),
            "something stands behind the list",
        ),
        (
            "{\"schema\":1,\"space\":\"array\"}".to_owned(),
            "no key \"extents\"",
        ),
        (
            "{\"schema\":1,\"space\":\"array\",\"extents\":7}".to_owned(),
            "expected an array of extents",
        ),
        (
            "{\"schema\":1,\"space\":\"arr".to_owned(),
            "the text ends within a string",
        ),
    ] {
        let error = read(&text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

proptest! {
    /// What a library writes, however it is laid out, is read as it was meant.
    #[test]
    fn what_a_library_writes_is_read(
        extents in proptest::collection::vec((proptest::option::of("\\PC{0,12}|[\"\\\\\n\u{1}]{1,3}"), 1u64..1000, 1u64..1000), 0..6),
        pretty: bool,
        extra in ".{0,20}",
    ) {
        let mut at = 0;
        let mut expected = Vec::new();
        let mut list = Vec::new();
        for (number, (member, gap, length)) in extents.into_iter().enumerate() {
            at += gap;
            // Each member has one extent, so that any order of them is right.
            let member = member.map(|name| format!("{number}{name}"));
            list.push(serde_json::json!({"member": member, "start_bytes": at, "length_bytes": length}));
            expected.push((member, u128::from(at), u128::from(at + length)));
            at += length;
        }
        let nones = expected.iter().filter(|(member, ..)| member.is_none()).count();
        prop_assume!(nones < 2);
        let value = serde_json::json!({"extents": list, "errors": [extra, 1.5, null, true, {"a": []}], "complete": true});
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        // The space comes first.
        let text = text.unwrap().replacen('{', "{\"schema\" : 1 ,\"space\":\"member\",", 1);
        let (space, _, found) = read(&text).map_err(TestCaseError::fail)?;
        prop_assert_eq!(space, Some(Space::Member));
        prop_assert_eq!(found, expected);
    }

    /// Anything gives an answer.
    #[test]
    fn anything_may_come(text in "\\{(\"(schema|space|extents|totals)\":|[{}\\[\\],:\"0-9a-z ]){0,40}", bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = read(&text);
        let folder = Folder::new();
        let path = folder.file(&[b"{".as_slice(), &bytes].concat());
        let _ = ExtentFile::open(path.as_os_str(), Statuses::Domain);
    }
}

#[test]
fn long_strings_and_deep_nesting_end_early() {
    let long = format!("{{\"schema\":1,\"space\":\"{}", "a,{\\\"".repeat(MAX_LINE));
    assert!(
        read(&long)
            .unwrap_err()
            .contains("a string of more than 65536 bytes")
    );
    let deep = format!("{{\"schema\":1,\"totals\":{}", "[".repeat(1 << 20));
    assert!(
        read(&deep)
            .unwrap_err()
            .contains("more than 64 lists and objects")
    );
}

#[test]
fn order_is_required_of_every_form() {
    let csv = |rows: &str| read(&format!("member,start_bytes,length_bytes\n{rows}"));
    assert!(csv("a,0,8\nb,0,8\n").is_ok());
    assert!(
        csv("a,8,8\na,0,8\n")
            .unwrap_err()
            .starts_with("line 3: begins at byte 0")
    );
    assert!(
        csv("a,0,8\nb,0,8\na,8,8\n")
            .unwrap_err()
            .starts_with("line 4: \"a\" was listed before")
    );
    let many: String = (0..5000).map(|n| format!("{n},0,8\n")).collect();
    assert!(csv(&many).unwrap_err().contains("more than 4096 members"));
}

#[test]
fn only_regular_files_are_read() {
    let folder = Folder::new();
    let error = ExtentFile::open(folder.0.path().as_os_str(), Statuses::Domain).unwrap_err();
    assert!(error.to_string().contains("is not a regular file"));
    let error =
        ExtentFile::open(folder.0.path().join("x").as_os_str(), Statuses::Domain).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("cannot open the list of extents")
    );
}
