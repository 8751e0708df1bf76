//! The catalogue as a whole; each finding is tested in tests/check.

use super::{Severity, catalogue};
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

#[test]
fn severities_have_an_order_and_names() {
    assert!(Severity::ALL.is_sorted());
    for severity in Severity::ALL {
        assert_eq!(severity.name().parse(), Ok(severity));
    }
    assert!("grave".parse::<Severity>().is_err());
}
