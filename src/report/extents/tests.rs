use super::*;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

fn head(lacking: bool) -> Head<'static> {
    Head {
        space: Space::Device,
        what: "dirty",
        problems: vec![("untrusted", "a warning\nof two lines")],
        trusted: Some(true),
        lacking,
        since: None,
    }
}

/// Two lists; the second breaks off when `fails`.
fn told(format: Format, lacking: bool, fails: bool) -> (String, Result<Totals, String>) {
    let paths = [
        OsString::from_vec(b"a,\"b\"".to_vec()),
        OsString::from("sdb1"),
    ];
    let list = |ranges: &[(u64, u64)], fails: bool| -> Pieces<'static, String> {
        let ranges: Vec<_> = ranges
            .iter()
            .map(|(a, b)| Ok(Sectors(*a)..Sectors(*b)))
            .collect();
        let error = fails.then(|| Err("cannot read bytes 0..1".to_owned()));
        Box::new(ranges.into_iter().chain(error))
    };
    let sections = [
        (&paths[0], list(&[(0, 8)], false)),
        (&paths[1], list(&[(8, 16), (100, 1 << 60)], fails)),
    ];
    let sections = sections.into_iter().map(|(path, extents)| Section {
        path: Some(path.as_os_str()),
        length: Sectors(1 << 60),
        extents: Ok(extents),
    });
    let sections = sections.skip(usize::from(format == Format::Mapfile));
    let mut out = Vec::new();
    let totals = write(&mut out, format, &head(lacking), sections).unwrap();
    (String::from_utf8(out).unwrap(), totals)
}

/// 2^60 sectors are 2^69 bytes: past 64 bits, and right.
#[test]
fn csv_quotes_names_and_tells_large_numbers() {
    let (csv, totals) = told(Format::Csv, false, false);
    assert_eq!(
        csv,
        "member,start_bytes,length_bytes\n\"a,\"\"b\"\"\",0,4096\nsdb1,4096,4096\nsdb1,51200,590295810358705600512\n"
            .replace("590295810358705600512", &((1u128 << 69) - 51200).to_string())
    );
    assert_eq!(
        totals.unwrap(),
        Totals {
            extents: 3,
            sectors: (1 << 60) - 100 + 16
        }
    );
}

#[test]
fn json_is_valid_however_it_ends() {
    for (lacking, fails) in [(false, false), (true, false), (false, true)] {
        let (json, totals) = told(Format::Json, lacking, fails);
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["complete"], !lacking && !fails);
        assert_eq!(value["extents"][0]["member"], "a,\"b\"");
        assert_eq!(value["extents"][1]["start_bytes"], 4096);
        assert_eq!(value["totals"]["extents"], 3);
        assert_eq!(
            value["errors"].as_array().unwrap().len(),
            1 + usize::from(fails)
        );
        assert_eq!(totals.is_err(), fails);
    }
}

#[test]
fn no_form_that_breaks_off_looks_complete() {
    for (lacking, fails) in [(true, false), (false, true)] {
        let of = |format| told(format, lacking, fails).0;
        assert!(of(Format::Csv).ends_with("\nincomplete,,\n"));
        assert!(of(Format::Mapfile).ends_with("\nincomplete\n"));
        let table = of(Format::Table);
        assert!(
            table.contains("INCOMPLETE") && !table.contains("Together"),
            "{table}"
        );
        // A list that broke off has no totals.
        assert_eq!(
            table.matches(" extent").count(),
            if fails { 1 } else { 2 },
            "{table}"
        );
    }
    let (map, _) = told(Format::Mapfile, false, true);
    assert!(
        map.contains("\n# INCOMPLETE: cannot read bytes 0..1\n"),
        "{map}"
    );
    // Nor is the rest called clean.
    assert!(
        !map.trim_end()
            .lines()
            .any(|line| line.starts_with("0xc800") && line.ends_with('?')),
        "{map}"
    );
}

#[test]
fn a_mapfile_is_contiguous_and_its_comments_stay_comments() {
    let (map, _) = told(Format::Mapfile, false, false);
    assert!(
        map.contains("\n# WARNING: a warning?of two lines\n"),
        "{map}"
    );
    let blocks: Vec<&str> = map.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(blocks[0], "0x00000000     +               1");
    assert_eq!(
        blocks[1..4],
        [
            "0x00000000  0x00001000  ?",
            "0x00001000  0x00001000  +",
            "0x00002000  0x0000a800  ?"
        ]
    );
}

#[test]
fn a_table_of_several_lists_has_a_sum() {
    let (table, _) = told(Format::Table, false, false);
    assert!(
        table.contains("sdb1, dirty, in bytes from the start of the device:\n"),
        "{table}"
    );
    assert!(table.contains("\nTogether 3 extents, "), "{table}");
    assert!(
        table.contains("1 extent, 4096 bytes (4 KiB) of 512 EiB\n"),
        "{table}"
    );
}
