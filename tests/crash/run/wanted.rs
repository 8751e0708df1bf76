//! What is asked for, by the environment: tests/run sets it, and whoever looks at a single violation.

/// States in a run that asks for nothing, which may be one of a slow build.
const FEW_STATES: usize = if cfg!(debug_assertions) { 300 } else { 10_000 };

#[derive(Debug, Clone)]
pub struct Wanted {
    /// MDBITMAP_SEED.
    pub seed: u64,
    /// MDBITMAP_CRASH_STATES: so many distinct ones at least.
    pub states: usize,
    /// Arrays whose world is looked at without any command.
    pub arrays_alone: u64,
    /// MDBITMAP_CRASH_ARRAY: this one alone.
    pub array: Option<u64>,
    /// MDBITMAP_CRASH_COMMAND: commands whose name is this.
    pub command: Option<String>,
}

impl Wanted {
    pub fn from_environment() -> Wanted {
        let number = |name: &str| -> Option<u64> {
            let text = std::env::var(name).ok()?;
            Some(
                text.parse()
                    .unwrap_or_else(|_| panic!("{name}={text} is not a number")),
            )
        };
        let states = number("MDBITMAP_CRASH_STATES");
        Wanted {
            seed: number("MDBITMAP_SEED").unwrap_or(1),
            states: states.map_or(FEW_STATES, |states| states as usize),
            arrays_alone: if states.is_some() { 1760 } else { 88 },
            array: number("MDBITMAP_CRASH_ARRAY"),
            command: std::env::var("MDBITMAP_CRASH_COMMAND").ok(),
        }
    }

    /// Arrays that are looked at between two looks at how many states there are: all shapes with all kinds of metadata, if
    /// there is time.
    pub fn batch(&self) -> u64 {
        if self.states > 50_000 { 44 } else { 2 }
    }

    pub fn is_command(&self, name: &str) -> bool {
        self.command.as_ref().is_none_or(|wanted| wanted == name)
    }

    /// Enough for every command to be carried out somewhere.
    pub fn is_everything(&self) -> bool {
        self.array.is_none() && self.command.is_none() && self.states >= 100_000
    }
}
