//! The catalogue of findings as a page of the documentation and as a section of mdbitmap-check(8).

use mdbitmap::check::{FindingKind, RepairClass, Severity, catalogue};

/// Kinds of this severity, by name.
fn of(severity: Severity) -> Vec<&'static FindingKind> {
    let mut kinds: Vec<_> = catalogue()
        .filter(|kind| kind.severity == severity)
        .collect();
    kinds.sort_by_key(|kind| kind.name);
    kinds
}

/// What a severity means.
fn meaning(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "Worth knowing; nothing has to be done.",
        Severity::Warning => "The array works, but it costs: a full resync, speed, protection.",
        Severity::Error => {
            "The array does not start, the bitmap is not used, or metadata is damaged."
        }
        Severity::Danger => "Data can be lost, or differ unnoticed.",
    }
}

fn gravest_first() -> impl Iterator<Item = Severity> {
    Severity::ALL.into_iter().rev()
}

/// docs/findings.md.
pub fn page() -> String {
    let mut text = String::from(
        "# Findings of `mdbitmap check`\n\n\
         Written by `cargo run --example generate` from the rules in `src/check`. Names are stable: scripts may rely on\n\
         them. Each has an image that shows it, and sound ones that do not, in `src/check/member/tests.rs` or\n\
         `src/check/array/tests.rs`; what kernels do is shown by the scenarios `check-claims` and `check-members`.\n\n\
         What can be done, as `\"repair_class\"` in the JSON has it (in bitmap files and on LVM's volumes, what `check --repair`\n\
         would do elsewhere is left to others):\n\n| repair | what |\n|---|---|\n",
    );
    for class in RepairClass::ALL {
        text.push_str(&format!("| `{class}` | {} |\n", class.meaning()));
    }
    for severity in gravest_first() {
        text.push_str(&format!(
            "\n## {severity}\n\n{}\n\n| name | what | repair |\n|---|---|---|\n",
            meaning(severity)
        ));
        for kind in of(severity) {
            let (name, class) = (kind.name, kind.repair_class);
            text.push_str(&format!("| `{name}` | {} | `{class}` |\n", kind.meaning));
        }
    }
    text
}

/// The section FINDINGS, as roff.
pub fn section() -> String {
    let mut text = String::from(".SH FINDINGS\nThe word in parentheses says what can be done:\n");
    for class in RepairClass::ALL {
        let meaning = class.meaning().replace('-', "\\-").replace('`', "");
        text.push_str(&format!(".TP\n.B {class}\n{meaning}\n"));
    }
    for severity in gravest_first() {
        text.push_str(&format!(".SS {severity}\n"));
        for kind in of(severity) {
            let name = kind.name.replace('-', "\\-");
            let meaning = kind.meaning.replace('-', "\\-");
            let class = kind.repair_class.name();
            text.push_str(&format!(".TP\n.B {name}\n{meaning} ({class})\n"));
        }
    }
    text
}
