//! The three verdicts of design.md W9.

use super::{Evidence, Judgement};

/// Whether the clear bits may be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Safety {
    /// Every unmarked chunk was compared and is equal.
    Proven,
    /// Nothing speaks against the bits; superblocks cannot prove them.
    Unproven,
    /// Evidence speaks against the bits: they must not be used.
    Unsafe,
}

impl Safety {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Safety::Proven => "proven",
            Safety::Unproven => "unproven",
            Safety::Unsafe => "unsafe",
        }
    }
}

/// What a comparison of unmarked chunks has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// A chunk differs.
    Differs,
    /// All that were compared are equal; others were not.
    SampleEqual,
    /// All were compared, all are equal.
    AllEqual,
}

impl Judgement {
    /// The verdict, in the light of a comparison, if one was made.
    pub fn safety(&self, compared: Option<Compared>) -> Safety {
        let holds = |evidence: &&Evidence| match compared {
            Some(Compared::AllEqual) => !evidence.refutable,
            _ => true,
        };
        if compared == Some(Compared::Differs) || self.evidence.iter().any(|one| holds(&one)) {
            Safety::Unsafe
        } else if compared == Some(Compared::AllEqual) {
            Safety::Proven
        } else {
            Safety::Unproven
        }
    }
}
