#![allow(clippy::single_range_in_vec_init)]

use super::*;
use proptest::prelude::*;

fn csv(text: &str) -> Result<Vec<ListedExtent>, ListError> {
    let mut parser = CsvParser::default();
    let mut found = Vec::new();
    for line in text.lines() {
        found.extend(parser.line(line.as_bytes())?);
    }
    parser.finish().map(|()| found)
}

fn map_of(text: &str, statuses: Statuses) -> Result<(Vec<Range<u128>>, MapHead), ListError> {
    let mut parser = MapParser::new(statuses);
    let mut found = Vec::new();
    for line in text.lines() {
        found.extend(parser.line(line.as_bytes())?.map(|extent| extent.bytes));
    }
    parser.finish()?;
    Ok((found, parser.head().clone()))
}

fn map(text: &str) -> Result<Vec<Range<u128>>, ListError> {
    map_of(text, Statuses::Domain).map(|(extents, _)| extents)
}

fn extent(member: Option<&str>, start: u128, length: u128) -> ListedExtent {
    ListedExtent {
        member: member.map(str::to_owned),
        bytes: start..start + length,
    }
}

#[test]
fn csv_as_it_is_written() {
    let text = "member,start_bytes,length_bytes\r\n/dev/sda1,0,4096\n\"a,\"\"b\"\"\nc\",4096,512\n,18446744073709551615,1\n";
    let all = [
        extent(Some("/dev/sda1"), 0, 4096),
        extent(Some("a,\"b\"\nc"), 4096, 512),
        extent(None, u128::from(u64::MAX), 1),
    ];
    assert_eq!(csv(text).unwrap(), all);
    assert_eq!(csv("member,start_bytes,length_bytes\n").unwrap(), []);
}

#[test]
fn what_is_wrong_with_csv_is_said_with_its_line() {
    let head = "member,start_bytes,length_bytes\n";
    for (rows, expected) in [
        (
            "a,0,4096\nincomplete,,\n",
            "line 3: the list is marked as incomplete",
        ),
        ("a,0\n", "line 2: expected three fields"),
        ("a,0,1,2\n", "line 2: expected three fields"),
        (
            "a,x,1\n",
            "line 2: expected a whole number of bytes, found \"x\"",
        ),
        ("a,+1,1\n", "expected a whole number of bytes, found \"+1\""),
        (
            "a,18446744073709551616,1\n",
            "line 2: expected a whole number of bytes",
        ),
        ("a,5,0\n", "a length of more than 0"),
        ("a\"b\"c,1,1\n", "quotes around all of them"),
        ("\"a\"b,1,1\n", "quotes around all of them"),
        (
            "\"a,1,1\n",
            "the list is cut off after line 2: expected a closing quote",
        ),
        ("\n", "line 2: expected three fields"),
    ] {
        let error = csv(&format!("{head}{rows}")).unwrap_err().to_string();
        assert!(error.contains(expected), "{rows:?}: {error}");
    }
    assert!(
        csv("member,start,length\n")
            .unwrap_err()
            .to_string()
            .starts_with("line 1: expected the titles")
    );
    assert!(
        csv("")
            .unwrap_err()
            .to_string()
            .contains("cut off after line 0")
    );
    let long = format!("{head}\"{}", "a\n".repeat(MAX_LINE));
    assert!(
        csv(&long)
            .unwrap_err()
            .to_string()
            .starts_with("line 2: expected at most 65536 bytes")
    );
}

const MAP: &str = "\
# Mapfile. Created by mdbitmap version 0.1.0, extents
# Domain for ddrescue -m: + is dirty, ? is not; space: device
# Device: /dev/sda1
# current_pos  current_status  current_pass
0x00000000     +               1
#      pos        size  status
0x00000000  0x00001000  ?
0x00001000  0x00001000  +
0x00002000  0x0000a800  ?
# 1 extents, 4096 bytes
";

#[test]
fn a_domain_as_it_is_written() {
    let (extents, head) = map_of(MAP, Statuses::Domain).unwrap();
    assert_eq!(extents, [0x1000..0x2000]);
    assert_eq!(head.space.as_deref(), Some("device"));
    assert_eq!(head.device.as_deref(), Some("/dev/sda1"));
    // As ddrescue may write it: no pass, decimal and octal numbers, starting anywhere.
    let text = "# Mapfile. Created by GNU ddrescue\n010 F\n16 010 +\n0x18 1 ?\n";
    let (extents, head) = map_of(text, Statuses::Domain).unwrap();
    assert_eq!((extents, head), (vec![16..24], MapHead::default()));
    assert!(map("0 +\n").unwrap().is_empty());
}

#[test]
fn a_map_of_a_rescue_is_no_domain_unless_it_is_said_what_is_meant() {
    let text = "0 -\n0 512 +\n512 512 -\n1024 512 /\n1536 512 *\n";
    let error = map(text).unwrap_err();
    assert_eq!(
        error,
        ListError::Rescue {
            line: 3,
            status: '-'
        }
    );
    let of = |statuses: &str| map_of(text, Statuses::parse(statuses).unwrap()).unwrap().0;
    assert_eq!(of("+"), [0..512]);
    assert_eq!(of("-/"), [512..1024, 1024..1536]);
    assert_eq!(of("?"), []);
    assert_eq!(Statuses::parse("x"), None);
    assert_eq!(Statuses::parse(""), None);
}

#[test]
fn what_is_wrong_with_a_map_is_said_with_its_line() {
    for (change, expected) in [
        (
            MAP.replace("0x00002000  0x", "0x00002200  0x"),
            "line 9: expected a block that begins where the one before it ends, at 0x00002000",
        ),
        (
            MAP.replace("0x00001000  +", "0x00001000  +  1"),
            "line 8: expected a block",
        ),
        (
            MAP.replace("0x00001000  +", "0x00000000  +"),
            "line 8: expected a block",
        ),
        (
            MAP.replace("0x00001000  +", "0x0000g000  +"),
            "line 8: expected a block",
        ),
        (
            MAP.replace("0x00001000  +", "+1000  +"),
            "line 8: expected a block",
        ),
        (
            MAP.replace("0x00001000  +", "0x00001000  x"),
            "line 8: expected a block",
        ),
        (
            MAP.replace("0x0000a800", "0xffffffffffffffff"),
            "line 9: expected a block",
        ),
        (
            MAP.replace("     +               1", ""),
            "line 5: expected the current position",
        ),
        (
            format!("{MAP}incomplete\n"),
            "line 11: the list is marked as incomplete",
        ),
        (
            format!("{MAP}{}", "x".repeat(MAX_LINE + 1)),
            "line 11: expected at most 65536 bytes",
        ),
        ("# nothing\n".to_owned(), "cut off after line 1"),
    ] {
        let error = map(&change).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

proptest! {
    /// Any bytes give an answer.
    #[test]
    fn anything_may_come(text in "(member,start_bytes,length_bytes\n)?[\\x00-\\x7f]{0,200}", lines in "(0 \\+\n)?([0-9x]{1,4} [0-9]{1,3} [+?]\n){0,5}.{0,40}") {
        let _ = csv(&text);
        let _ = map(&text);
        let _ = map(&lines);
    }

    #[test]
    fn names_survive_quoting(name in ".{1,40}", start in any::<u32>()) {
        prop_assume!(!name.contains(['\r', '\n']));
        let quoted = name.replace('"', "\"\"");
        let text = format!("member,start_bytes,length_bytes\n\"{quoted}\",{start},7\n");
        prop_assert_eq!(csv(&text).unwrap(), [extent(Some(&name), u128::from(start), 7)]);
    }
}
