//! The rules of the source tree (docs/architecture.md), held by reading the sources.
//!
//! Each rule is a plain function over text, and has a test that it can find what it forbids.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms from the top down: a room uses only rooms to its right. design.md 3.
const ROOMS: &[&str] = &[
    "cli", "report", "commands", "resync", "check", "change", "array", "intent", "bitmap",
    "kernel", "device", "format", "units",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `folder` whose name ends in `.rs`, with their text.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "{folder}: no sources found");
    found
}

/// The text with comments and the insides of string literals blanked, line structure kept.
fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    while i < bytes.len() {
        let rest = &text[i..];
        let previous_is_word =
            i > 0 && (bytes[i - 1].is_ascii_alphanumeric() || bytes[i - 1] == b'_');
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if !previous_is_word && (rest.starts_with("r\"") || rest.starts_with("r#")) {
            raw_string_length(rest)
        } else if rest.starts_with('"') {
            string_length(rest)
        } else if rest.starts_with("'\"'") {
            3
        } else if rest.starts_with("'\\\"'")
            || rest.starts_with("'\\\\'")
            || rest.starts_with("'\\''")
        {
            4
        } else {
            0
        };
        if skipped == 0 {
            let character = rest.chars().next().unwrap();
            out.push(character);
            i += character.len_utf8();
        } else {
            out.extend(rest[..skipped].chars().filter(|c| *c == '\n'));
            out.push(' ');
            i += skipped;
        }
    }
    out
}

fn string_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn raw_string_length(rest: &str) -> usize {
    let hashes = rest[1..].bytes().take_while(|b| *b == b'#').count();
    if rest.as_bytes().get(1 + hashes) != Some(&b'"') {
        return 0; // r#keyword
    }
    let end = format!("\"{}", "#".repeat(hashes));
    rest[2 + hashes..]
        .find(&end)
        .map_or(rest.len(), |at| 2 + hashes + at + end.len())
}

/// The room that a source file belongs to; `None` for lib.rs and main.rs.
fn room_of(path: &Path) -> Option<String> {
    let inside = path.strip_prefix("src").ok()?;
    let first = inside.iter().next()?.to_str()?;
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (!matches!(name, "lib" | "main")).then(|| name.to_owned())
}

/// Rooms named through `crate::` in a piece of code, `use crate::{a, b}` included.
fn rooms_used(code: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            for character in group.chars() {
                match character {
                    '{' => depth += 1,
                    '}' if depth == 0 => {
                        used.insert(std::mem::take(&mut word));
                        break;
                    }
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        used.insert(std::mem::take(&mut word));
                    }
                    ':' if depth == 0 => {
                        used.insert(std::mem::take(&mut word));
                        depth += 1000; // the rest of this path is not a room
                    }
                    c if depth == 0 && (c.is_alphanumeric() || c == '_') => word.push(c),
                    _ => {}
                }
                if depth >= 1000 && character == ',' {
                    depth -= 1000;
                }
            }
        } else {
            used.insert(
                rest.chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect(),
            );
        }
    }
    used.retain(|name| ROOMS.contains(&name.as_str()));
    used
}

fn level(room: &str) -> usize {
    ROOMS.iter().position(|r| *r == room).unwrap_or_else(|| {
        panic!("src/{room} is not a room of design.md 3; add it to ROOMS in its place")
    })
}

/// What a room may not use, as `user -> used` lines.
fn upward_uses(path: &Path, text: &str) -> Vec<String> {
    let Some(room) = room_of(path) else {
        return Vec::new();
    };
    rooms_used(&code_only(text))
        .into_iter()
        .filter(|used| level(used) < level(&room))
        .map(|used| format!("{}: {room} uses {used}, which is above it", path.display()))
        .collect()
}

/// Line numbers (from 1) of `unsafe` in code.
fn unsafe_lines(text: &str) -> Vec<usize> {
    numbered_lines_with_word(&code_only(text), "unsafe")
}

fn numbered_lines_with_word(code: &str, word: &str) -> Vec<usize> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.lines()
        .enumerate()
        .filter(|(_, line)| {
            line.match_indices(word).any(|(at, _)| {
                !line[..at].chars().next_back().is_some_and(is_word)
                    && !line[at + word.len()..].chars().next().is_some_and(is_word)
            })
        })
        .map(|(number, _)| number + 1)
        .collect()
}

/// True when the `unsafe` on `line` has a `SAFETY:` comment on it or just above it.
fn has_reason(text: &str, line: usize) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    if lines[line - 1].contains("SAFETY:") {
        return true;
    }
    // Upwards over the comment, attributes and the head of the statement.
    lines[..line - 1]
        .iter()
        .rev()
        .take(12)
        .any(|l| l.contains("SAFETY:"))
}

#[test]
fn rooms_use_only_rooms_below() {
    let wrong: Vec<String> = sources("src")
        .iter()
        .flat_map(|(path, text)| upward_uses(path, text))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unsafe_only_in_device_and_kernel_with_a_reason() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        for line in unsafe_lines(&text) {
            let room = room_of(&path).unwrap_or_default();
            if room != "device" && room != "kernel" {
                wrong.push(format!(
                    "{}:{line}: unsafe outside device and kernel",
                    path.display()
                ));
            } else if !has_reason(&text, line) {
                wrong.push(format!(
                    "{}:{line}: unsafe without a SAFETY: comment",
                    path.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_left_to_be_done() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let code = code_only(&text);
        for forbidden in ["todo!", "unimplemented!", "dbg!"] {
            if code.contains(forbidden) {
                wrong.push(format!("{}: {forbidden}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What each room must not touch: (rooms, pieces of code, why).
const KEPT_OUT: &[(&[&str], &[&str], &str)] = &[
    (
        &["format", "units"],
        &["std::fs", "std::process", "rustix::", "nix::"],
        "format is bytes to types and back, without input or output",
    ),
    (
        &[
            "report", "commands", "resync", "check", "change", "array", "intent", "bitmap",
            "kernel", "device", "format", "units",
        ],
        &["clap::"],
        "the command line is known to cli alone",
    ),
    (
        &[
            "commands", "resync", "check", "change", "array", "intent", "bitmap", "kernel",
            "device", "format", "units",
        ],
        &["println!", "eprintln!", "print!("],
        "only cli and report print",
    ),
    (
        &[
            "report", "commands", "resync", "check", "change", "array", "intent", "bitmap",
            "kernel", "device", "format", "units",
        ],
        &["process::exit"],
        "only cli and main decide how the program ends",
    ),
];

#[test]
fn rooms_keep_to_their_work() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let Some(room) = room_of(&path) else { continue };
        // Test modules may use what they like; by custom they end a file.
        let code = code_only(&text);
        let code = code.split("#[cfg(test)]").next().unwrap();
        let is_test = |n: &std::ffi::OsStr| n == "tests.rs" || n == "testing.rs" || n == "tests";
        if path.iter().any(is_test) {
            continue;
        }
        for (rooms, pieces, why) in KEPT_OUT {
            for piece in pieces
                .iter()
                .filter(|p| rooms.contains(&room.as_str()) && code.contains(**p))
            {
                wrong.push(format!("{}: {piece}: {why}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Files that are images or recorded outputs are no one's work unless a script can make them anew.
/// In the static build `{:?}` shows nothing (tests/lib/static-binary); only assertions may use it.
#[test]
fn nothing_that_users_read_is_made_with_debug() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let is_test = |n: &std::ffi::OsStr| {
            let name = n.to_string_lossy();
            [
                "tests.rs",
                "testing.rs",
                "tests",
                "worked_examples.rs",
                "properties.rs",
            ]
            .contains(&name.as_ref())
        };
        if path.iter().any(is_test) {
            continue;
        }
        let program = text.split("#[cfg(test)]\nmod").next().unwrap();
        for (number, line) in program.lines().enumerate() {
            let is_debug = line.contains(":?}") || line.contains(":#?}");
            if is_debug && !line.contains("assert") {
                wrong.push(format!("{}:{}: {line}", path.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// docs/law.md: each rule for writers is cited where it is obeyed, and tested.
#[test]
fn every_law_is_cited_and_tested() {
    let law = fs::read_to_string(root().join("docs/law.md")).unwrap();
    let all: Vec<_> = sources("src").into_iter().chain(sources("tests")).collect();
    let mut wrong = Vec::new();
    for number in 1..=19 {
        let rule = format!("W{number}");
        let Some((_, text)) = law.split_once(&format!("\n## {rule}: ")) else {
            wrong.push(format!("{rule} is not in docs/law.md"));
            continue;
        };
        let text = text.split("\n## ").next().unwrap();
        let named = |what: &str| -> Vec<&str> {
            let line = text.lines().find_map(|line| line.strip_prefix(what));
            line.unwrap_or_default()
                .split('`')
                .skip(1)
                .step_by(2)
                .collect()
        };
        let (places, tests) = (named("- Obeyed: "), named("- Tested: "));
        if places.is_empty() || tests.is_empty() {
            wrong.push(format!("{rule}: no place or no test"));
        }
        for place in places {
            let cites = |(path, text): &&(PathBuf, String)| {
                path == Path::new(place)
                    && text
                        .split(|c: char| !c.is_alphanumeric())
                        .any(|word| word == rule)
            };
            if all.iter().find(cites).is_none() {
                wrong.push(format!("{rule} is not cited in {place}"));
            }
        }
        for test in tests {
            let head = "#[test]\n";
            let is_there = all.iter().any(|(_, text)| {
                text.split(head).skip(1).any(|body| {
                    body.split("fn ")
                        .nth(1)
                        .is_some_and(|name| name.starts_with(&format!("{test}(")))
                })
            });
            if !is_there {
                wrong.push(format!("{rule}: there is no test {test}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_fixture_folder_says_how_it_was_made() {
    let mut folders = 0;
    for entry in fs::read_dir(root().join("fixtures")).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        folders += 1;
        let script = ["make.sh", "make"]
            .map(|name| folder.join(name))
            .into_iter()
            .find(|p| p.is_file());
        let script = script
            .unwrap_or_else(|| panic!("{}: no make.sh: which script made it?", folder.display()));
        let text = fs::read_to_string(&script).unwrap();
        let reason = text
            .lines()
            .find(|line| line.starts_with("# ") && line.len() > 20);
        assert!(
            reason.is_some(),
            "{} does not say why it is here",
            script.display()
        );
    }
    assert!(folders > 0, "fixtures/ is empty");
}

/// The closed list of differences from mdadm is closed in the manual of differences, too.
#[test]
fn every_class_of_difference_is_explained() {
    let classes = fs::read_to_string(root().join("tests/differential/classes.rs")).unwrap();
    let text = fs::read_to_string(root().join("docs/differences-from-mdadm.md")).unwrap();
    let names: Vec<&str> = classes
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .filter_map(|line| line.split_once('"'))
        .filter_map(|(_, text)| text.split_once(": "))
        .map(|(name, _)| name)
        .filter(|name| *name != "none" && name.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
        .collect();
    assert!(names.len() >= 8, "{names:?}");
    for name in names {
        assert!(
            text.contains(&format!("`{name}`")),
            "docs/differences-from-mdadm.md does not explain {name}"
        );
    }
}

#[test]
fn the_scanner_finds_what_it_forbids() {
    let upward =
        "use crate::{device::Store, cli::{a, b}, units::Bytes};\nfn f() { crate::report::text(); }";
    let found = upward_uses(Path::new("src/array/x.rs"), upward);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        upward_uses(
            Path::new("src/array/x.rs"),
            "// crate::cli\nlet s = \"crate::cli\";"
        )
        .is_empty()
    );
    assert!(
        upward_uses(
            Path::new("src/array.rs"),
            "use crate::array::x; use crate::units;"
        )
        .is_empty()
    );

    let code = "// unsafe\nlet a = \"unsafe\";\nlet b = r#\"unsafe\"#;\nunsafe { f() }\nlet unsafe_count = '\"';\n";
    assert_eq!(unsafe_lines(code), [4]);
    assert!(!has_reason(code, 4));
    assert!(has_reason("// SAFETY: f is sound\nunsafe { f() }", 2));
}

/// What a verb needs beside its code: a row in README, a line in CHANGELOG, a transcript, a manual page
/// with examples.
#[test]
fn every_verb_is_documented() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap_or_default();
    let (readme, changelog) = (read("README.md"), read("CHANGELOG.md"));
    let files = fs::read_dir(root().join("tests/cmd")).unwrap();
    let transcripts: String = files
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for verb in mdbitmap::cli::VERBS {
        let name = verb.name;
        let quoted = format!("`{name}`");
        let mut rows = readme.lines().filter(|line| line.starts_with("| `"));
        assert!(
            rows.any(|row| row.contains(&quoted)),
            "README.md: no row for {name}"
        );
        assert!(
            changelog.contains(&format!("`{name}")),
            "CHANGELOG.md: {name} is missing"
        );
        let shown = format!("$ mdbitmap {name} ");
        assert!(
            transcripts.contains(&shown),
            "no transcript in tests/cmd shows {name}"
        );
        let manual = read(&format!("man/mdbitmap-{name}.8"));
        assert!(
            manual.contains(".SH EXAMPLES"),
            "man/mdbitmap-{name}.8 has no examples"
        );
    }
}
