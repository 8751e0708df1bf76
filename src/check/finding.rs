//! A finding: something about a bitmap, a member or an array that the administrator should know.

use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; nothing has to be done.
    Note,
    /// The array works, but it costs: a full resync, speed, protection.
    Warning,
    /// The array does not start, the bitmap is not used, or metadata is damaged.
    Error,
    /// Data can be lost, or differ unnoticed.
    Danger,
}

impl Severity {
    /// All of them, the least first.
    pub const ALL: [Severity; 4] = [
        Severity::Note,
        Severity::Warning,
        Severity::Error,
        Severity::Danger,
    ];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
            Severity::Danger => "danger",
        }
    }

    /// "1 error", "2 errors".
    pub fn counted(self, count: usize) -> String {
        let plural = if count == 1 { "" } else { "s" };
        format!("{count} {}{plural}", self.name())
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A word that is no severity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown severity \"{0}\", expected note, warning, error or danger")]
pub struct UnknownSeverity(pub String);

impl FromStr for Severity {
    type Err = UnknownSeverity;

    fn from_str(text: &str) -> Result<Severity, UnknownSeverity> {
        let mut all = Severity::ALL.into_iter();
        all.find(|severity| severity.name() == text)
            .ok_or_else(|| UnknownSeverity(text.to_owned()))
    }
}

/// What a finding means for the array when it is started, from harmless to grave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing.
    None,
    /// Every chunk is taken to be dirty.
    AllDirty,
    /// The array runs as if it had no such bitmap.
    Unused,
    /// The kernel does not take this member, or cannot read its copy of the bitmap: the array starts by
    /// the others, or not at all.
    LeftOut,
    /// The array does not start.
    NoStart,
    /// Data can be lost, or differ unnoticed.
    Loss,
}

/// What can be done about a finding, and by whom. The others are left as they are by `check --repair`, which says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RepairClass {
    /// Nothing: it needs no repair, or nothing on the disks could be changed to the better.
    None,
    /// `check --repair` puts a field of the bitmap's superblock right, and keeps the bits.
    MendHeader,
    /// `check --repair` gives all members what their copies say together.
    UniteCopies,
    /// `check --repair` makes the bitmap anew: from the copies that can be believed, else with every chunk marked.
    Rebuild,
    /// `check --repair` makes the bitmap anew where there is room for it, or so that there is.
    Move,
    /// `check --repair` changes what the md superblocks say.
    Superblocks,
    /// Something else has to do it: a start of the array, mdadm, LVM, another verb, a screwdriver.
    Elsewhere,
}

impl RepairClass {
    /// All of them.
    pub const ALL: [RepairClass; 7] = [
        RepairClass::None,
        RepairClass::MendHeader,
        RepairClass::UniteCopies,
        RepairClass::Rebuild,
        RepairClass::Move,
        RepairClass::Superblocks,
        RepairClass::Elsewhere,
    ];

    /// The word for it, as in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            RepairClass::None => "none",
            RepairClass::MendHeader => "mend_header",
            RepairClass::UniteCopies => "unite_copies",
            RepairClass::Rebuild => "rebuild",
            RepairClass::Move => "move",
            RepairClass::Superblocks => "superblocks",
            RepairClass::Elsewhere => "elsewhere",
        }
    }

    /// What it means, in one line.
    pub fn meaning(self) -> &'static str {
        match self {
            RepairClass::None => {
                "needs no repair, or nothing on the disks could be changed to the better"
            }
            RepairClass::MendHeader => {
                "`check --repair` puts a field of the bitmap's superblock right, and keeps the bits"
            }
            RepairClass::UniteCopies => {
                "`check --repair` gives all members what their copies say together"
            }
            RepairClass::Rebuild => {
                "`check --repair` makes the bitmap anew: from the copies that can be believed, else with every chunk marked"
            }
            RepairClass::Move => {
                "`check --repair` makes the bitmap anew where there is room for it, or so that there is"
            }
            RepairClass::Superblocks => {
                "`check --repair` changes what the md superblocks say of the bitmap"
            }
            RepairClass::Elsewhere => {
                "something else has to do it: a start of the array, mdadm, LVM, another verb; each finding says what"
            }
        }
    }

    /// True where `check --repair` does it, on the members of a stopped array.
    pub fn is_ours(self) -> bool {
        !matches!(self, RepairClass::None | RepairClass::Elsewhere)
    }
}

impl fmt::Display for RepairClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A kind of finding: an entry of the catalogue.
#[derive(Debug, PartialEq, Eq)]
pub struct FindingKind {
    /// Stable name, in kebab case.
    pub name: &'static str,
    /// How grave it is.
    pub severity: Severity,
    /// What it means for the array.
    pub effect: Effect,
    /// What can be done about it where it is found on a member of md's own.
    pub repair_class: RepairClass,
    /// One line for the catalogue.
    pub meaning: &'static str,
}

impl FindingKind {
    /// A finding of this kind.
    pub fn found(
        &self,
        subject: impl Into<String>,
        sentence: impl Into<String>,
        kernel: impl Into<String>,
        repair: impl Into<String>,
    ) -> Finding {
        Finding {
            name: self.name,
            severity: self.severity,
            effect: self.effect,
            repair_class: self.repair_class,
            subject: subject.into(),
            sentence: sentence.into(),
            kernel: kernel.into(),
            repair: repair.into(),
        }
    }
}

/// Something that was found. The sentences begin in lower case and have no full stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable name, in kebab case.
    pub name: &'static str,
    /// How grave it is.
    pub severity: Severity,
    /// What it means for the array.
    pub effect: Effect,
    /// What can be done about it, and by whom.
    pub repair_class: RepairClass,
    /// The device, file or array that it is about.
    pub subject: String,
    /// What was found, with the numbers.
    pub sentence: String,
    /// What the kernel would do.
    pub kernel: String,
    /// What can be done about it.
    pub repair: String,
}

/// Declares kinds of findings as constants, and all of them as `KINDS`.
macro_rules! kinds {
    ($($kind:ident $name:literal $severity:ident $effect:ident $repair:ident $meaning:literal;)*) => {
        $(const $kind: $crate::check::FindingKind = $crate::check::FindingKind {
            name: $name,
            severity: $crate::check::Severity::$severity,
            effect: $crate::check::Effect::$effect,
            repair_class: $crate::check::RepairClass::$repair,
            meaning: $meaning,
        };)*

        /// The kinds of findings of this file.
        const KINDS: &[$crate::check::FindingKind] = &[$($kind),*];
    };
}

pub(super) use kinds;
