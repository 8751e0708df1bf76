//! The catalogue as a whole; each finding is tested in tests/check.

use super::{Finding, RepairClass, Severity, catalogue};
use std::collections::BTreeSet;

#[test]
fn names_are_unique_and_in_kebab_case() {
    let mut seen = BTreeSet::new();
    for kind in catalogue() {
        assert!(seen.insert(kind.name), "{} twice", kind.name);
        let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(kind.name.chars().all(kebab), "{}", kind.name);
        assert!(!kind.meaning.ends_with('.'), "{}", kind.name);
    }
}

/// What is said of a repair is what its class says.
pub(crate) fn assert_repair_is_told(finding: &Finding) {
    // While a member is being recovered by the bitmap, nothing is repaired; the words say what comes first.
    let later = finding
        .repair
        .starts_with("first take the member that is being recovered");
    let told = finding.repair.contains("check --repair");
    let ours = finding.repair_class.is_ours() && !later;
    assert_eq!(told, ours, "{finding:#?}");
}

#[test]
fn every_repair_has_a_kind_and_its_words() {
    for class in RepairClass::ALL {
        assert!(
            catalogue().any(|kind| kind.repair_class == class),
            "{class}"
        );
        let word = serde_json::to_string(&class).unwrap();
        assert_eq!(word, format!("\"{class}\""));
        assert_eq!(class.meaning().contains("check --repair"), class.is_ours());
    }
    // Nothing that is to be done stands behind "none".
    for kind in catalogue().filter(|kind| kind.repair_class == RepairClass::None) {
        let harmless = kind.severity == Severity::Note;
        let hopeless = [
            "raid10-colliding-layout",
            "no-metadata",
            "unknown-state-bits",
        ];
        assert!(harmless || hopeless.contains(&kind.name), "{}", kind.name);
    }
}

#[test]
fn severities_have_an_order_and_names() {
    assert!(Severity::ALL.is_sorted());
    for severity in Severity::ALL {
        assert_eq!(severity.name().parse(), Ok(severity));
    }
    assert!("grave".parse::<Severity>().is_err());
}
