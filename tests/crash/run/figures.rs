//! What was done, as numbers.

use std::collections::BTreeMap;

/// Figures of some cases.
#[derive(Debug, Default)]
pub struct Figures {
    /// Arrays, and commands that were run on them.
    pub arrays: u64,
    pub commands: u64,
    /// How often each command was carried out, refused, and had nothing to do.
    pub by_command: BTreeMap<&'static str, [u64; 3]>,
    /// Why they were refused.
    pub refusals: BTreeMap<String, u64>,
    /// States that were looked at, all cases together.
    pub states: u64,
    /// The hash of each.
    pub hashes: Vec<u128>,
    /// States in which a superblock is torn.
    pub torn: u64,
    pub again: u64,
    pub undone: u64,
    /// Calls that were made to fail.
    pub faults: u64,
    pub violations: Vec<String>,
}

impl Figures {
    pub fn add(&mut self, other: Figures) {
        self.arrays += other.arrays;
        self.commands += other.commands;
        for (name, counts) in other.by_command {
            let mine = self.by_command.entry(name).or_default();
            for (mine, count) in mine.iter_mut().zip(counts) {
                *mine += count;
            }
        }
        for (reason, count) in other.refusals {
            *self.refusals.entry(reason).or_default() += count;
        }
        self.states += other.states;
        self.hashes.extend(other.hashes);
        self.torn += other.torn;
        self.again += other.again;
        self.undone += other.undone;
        self.faults += other.faults;
        self.violations.extend(other.violations);
    }

    /// All of it, for whoever runs the tests.
    pub fn print(&mut self, seed: u64) {
        let distinct = self.distinct();
        for (name, [done, refused, nothing]) in &self.by_command {
            println!("  {name}: {done} done, {refused} refused, {nothing} had nothing to do");
        }
        if std::env::var_os("MDBITMAP_CRASH_REFUSALS").is_some() {
            for (reason, count) in &self.refusals {
                println!("  refused {count} times: {reason}");
            }
        }
        println!(
            "crash: seed {seed}: {} arrays, {} kinds of commands, {} commands, {} states, {distinct} distinct, {} torn, {} injected \
             faults, {} run again, {} undone, {} violations",
            self.arrays,
            self.by_command.len(),
            self.commands,
            self.states,
            self.torn,
            self.faults,
            self.again,
            self.undone,
            self.violations.len()
        );
        self.print_violations();
    }

    /// Commands that were refused everywhere.
    pub fn commands_never_done(&self) -> Vec<&'static str> {
        let never = self.by_command.iter().filter(|(_, [done, ..])| *done == 0);
        never.map(|(name, _)| *name).collect()
    }

    /// The first violation of each kind of each command, and how many there are of it.
    pub fn print_violations(&self) {
        let mut kinds: BTreeMap<String, (u64, &str)> = BTreeMap::new();
        for violation in &self.violations {
            let digits = |c: char| c.is_ascii_digit();
            let (what, fault) = violation.rsplit_once("# ").unwrap_or(("", violation));
            let command = what
                .split("], ")
                .nth(1)
                .and_then(|rest| rest.split(", ").next())
                .unwrap_or_default();
            let fault: String = fault.chars().filter(|c| !digits(*c)).take(120).collect();
            let entry = kinds
                .entry(format!("{command}: {fault}"))
                .or_insert((0, violation));
            entry.0 += 1;
        }
        for (count, first) in kinds.values().take(40) {
            let short: String = first.chars().take(420).collect();
            println!("{count} times: {short}");
        }
    }

    /// States that differ from each other.
    pub fn distinct(&mut self) -> usize {
        self.hashes.sort_unstable();
        self.hashes.dedup();
        self.hashes.len()
    }
}
