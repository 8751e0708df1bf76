//! Crash states for real kernels: written out, and compared with what became of them (tests/vm/scenarios/crash-states.sh).

use crate::commands::{self, Command};
use crate::corpus::Base;
use crate::corpus::spec::Has;
use crate::run::attempt::{Ended, attempt};
use crate::world::assemble::How;
use crate::world::disk::{Disk, World};
use crate::world::superblock::CLEAN;
use mdbitmap::device::crash::{Effort, Image, Random, Recorder, windows};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A state of the disks of an array that a power cut in a command left.
pub struct CrashState {
    pub base: Base,
    pub command: &'static str,
    pub what: String,
    /// All disks.
    images: Vec<Image>,
}

/// What the model says that a kernel makes of a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prediction {
    pub starts: bool,
    /// Members in sync in the end, by whatever copy of the bitmap is read.
    pub members: BTreeSet<usize>,
    /// Where members differ now: these sectors, as the bitmap counts, are synchronised at least.
    pub differ: BTreeSet<u64>,
}

/// What is asked for, by the environment: tests/vm/scenarios/crash-states.host sets it.
pub struct Asked {
    pub seed: u64,
    pub count: usize,
    /// As tests/vm calls it.
    pub kernel: String,
    /// Where the list of cases is, and what became of them.
    pub folder: PathBuf,
    /// The disk that the guest cuts the members from; without it, files in the folder.
    pub disk: Option<PathBuf>,
}

impl Asked {
    pub fn from_environment() -> Option<Asked> {
        let text = |name: &str| std::env::var(name).ok();
        Some(Asked {
            folder: text("MDBITMAP_CRASH_EXPORT")?.into(),
            seed: text("MDBITMAP_SEED").map_or(1, |seed| seed.parse().expect("a seed")),
            count: text("MDBITMAP_CRASH_CASES")
                .map_or(200, |count| count.parse().expect("a number")),
            kernel: text("KERNEL").unwrap_or_else(|| "6.1".to_owned()),
            disk: text("DISK").map(PathBuf::from),
        })
    }

    fn is_lockless(&self) -> bool {
        self.kernel == "llbitmap"
    }

    /// Kernels before 6.9 go by each member's own role.
    fn has_own_roles(&self) -> bool {
        self.kernel.starts_with('6')
    }
}

/// Sectors of the disk between two members, and members that a case has at most.
const SPACING: u64 = 4096;
const MOST: u64 = 8;

/// The states, by their numbers.
pub fn states(asked: &Asked) -> Vec<CrashState> {
    let mut found = Vec::new();
    for number in 0.. {
        if found.len() == asked.count {
            break;
        }
        found.extend(state_of(asked, number));
    }
    found
}

fn state_of(asked: &Asked, number: u64) -> Option<CrashState> {
    let base = Base::new(asked.seed, number);
    let for_kernel = match base.spec.bitmap {
        Has::States(_) => asked.is_lockless(),
        Has::Clustered(_) => false,
        Has::Nothing | Has::Bits(_) => true,
    };
    if !for_kernel
        || base.history.away != crate::corpus::history::Away::Nobody && base.history.spares > 0
    {
        return None;
    }
    let mut random = Random::of(&[asked.seed, number, 0x766d]);
    let mut all = commands::all(&base, &mut Random::of(&[asked.seed, number, 1]));
    let lockless = |command: &Command| command.name.contains("lockless");
    all.retain(|command| {
        command.without.is_none()
            && !command.name.contains("clustered")
            && (asked.is_lockless() || !lockless(command))
    });
    for _ in 0..6 {
        let command = &all[random.below(all.len() as u64) as usize];
        let Some((what, images)) = cut(&base, command, &mut random) else {
            continue;
        };
        let state = CrashState {
            command: command.name,
            what,
            images,
            base,
        };
        return (!state.is_beyond(asked)).then_some(state);
    }
    None
}

/// A cut somewhere in a command.
fn cut(base: &Base, command: &Command, random: &mut Random) -> Option<(String, Vec<Image>)> {
    let given = base.present();
    let start = given
        .iter()
        .map(|disk| base.images[*disk].clone())
        .collect();
    let recorder = Recorder::new(start);
    let Ended::Done(done) = attempt(&recorder, command, None) else {
        return None;
    };
    if done.planned.plan.is_empty() {
        return None;
    }
    let all = windows(&recorder.log());
    let window = &all[random.below(all.len() as u64) as usize];
    let effort = Effort {
        exhaustive: 64,
        random: 16,
        seed: random.bits(),
    };
    let state = window.state(effort, random.below(window.count(effort)));
    let mut images = base.images.clone();
    for (disk, image) in given.iter().zip(state.images) {
        images[*disk] = image;
    }
    Some((
        format!("window {} state {}", state.window, state.index),
        images,
    ))
}

impl CrashState {
    fn world(&self) -> World<'_> {
        self.base.world(&self.images.iter().collect::<Vec<_>>())
    }

    /// The disks that mdadm is given: those that have a superblock, without those that are away.
    fn given(&self) -> Vec<usize> {
        let world = self.world();
        let mut given = self.base.present();
        given.retain(|disk| world.disks[*disk].sb.is_some());
        given
    }

    fn is_degraded(&self) -> bool {
        self.given().len() < self.base.spec.slots as usize + self.base.history.spares as usize
            || self.base.history.away == crate::corpus::history::Away::Absent
    }

    /// What kernels are known to do otherwise than they should (tests/vm/FINDINGS.md), and what the model leaves open.
    fn is_beyond(&self, asked: &Asked) -> bool {
        let world = self.world();
        let given = self.given();
        let unclean = given.iter().any(|disk| {
            world.disks[*disk]
                .sb
                .as_ref()
                .is_some_and(|sb| sb.resync != CLEAN)
        });
        let level = self.base.spec.level;
        // Recovery first, and then no resync; a raid10 without a second copy; a mirror of one.
        let degraded = self.is_degraded() && unclean;
        degraded && (self.base.history.spares > 0 || level == 10 || level == 1 && given.len() == 1)
            || self.predict(asked).is_none()
    }

    /// What happens; `None` when it hangs on which copy of the bitmap is read.
    pub fn predict(&self, asked: &Asked) -> Option<Prediction> {
        let world = self.world();
        let given = self.given();
        let mut starts = BTreeSet::new();
        let mut members = BTreeSet::new();
        for copy in 0..world.map.slots {
            let how = How {
                copy,
                own_roles: asked.has_own_roles(),
                eager: true,
            };
            let Ok(mut running) = world.assemble(&given, how) else {
                starts.insert(false);
                continue;
            };
            starts.insert(true);
            running.settle();
            members.insert(running.members.len() - running.degraded());
        }
        if starts.len() != 1 {
            return None;
        }
        let differ = world.uneven(&given);
        Some(Prediction {
            starts: starts.contains(&true),
            members,
            differ: differ.into_iter().map(|sector| sector / 8 * 8).collect(),
        })
    }

    fn title(&self) -> String {
        format!(
            "array {} ({}), {}, {}",
            self.base.number,
            self.base.name(),
            self.command,
            self.what
        )
    }
}

/// Where a member begins on the disk, in sectors.
fn place(case: usize, disk: usize) -> u64 {
    2048 + (case as u64 * MOST + disk as u64) * SPACING
}

/// Writes the states out, and a line for each: number|device-mapper table|members|what will happen|what it is.
pub fn export(asked: &Asked) {
    let mut list = String::new();
    let disk = asked
        .disk
        .as_ref()
        .map(|disk| File::options().write(true).open(disk).expect("the disk"));
    for (case, state) in states(asked).iter().enumerate() {
        let told = state.predict(asked).expect("it was asked before");
        let (mut table, mut members) = (Vec::new(), Vec::new());
        for (minor, number) in state.given().into_iter().enumerate() {
            let image = &state.images[number];
            let (bytes, sectors) = (image.to_vec(), image.len() / 512);
            match &disk {
                Some(disk) => {
                    let start = place(case, number);
                    assert!(sectors <= SPACING && (number as u64) < MOST);
                    disk.write_all_at(&bytes, start * 512)
                        .expect("room on the disk");
                    table.push(format!(
                        "c{case}m{number},,{minor},rw,0 {sectors} linear /dev/vda {start}"
                    ));
                    members.push(format!("/dev/dm-{minor}"));
                }
                None => {
                    let name = format!("{case}-{number}.img");
                    std::fs::write(asked.folder.join(&name), bytes).expect("room for an image");
                    members.push(name);
                }
            }
        }
        let what = match told.starts {
            false => "does not start".to_owned(),
            true => format!(
                "starts; {:?} members come to be in sync, alike; at least sectors {:?} (8 each) are synchronised",
                told.members, told.differ
            ),
        };
        writeln!(
            list,
            "{case}|{}|{}|{what}|{}",
            table.join(";"),
            members.join(" "),
            state.title()
        )
        .expect("memory");
    }
    std::fs::write(asked.folder.join("cases"), list).expect("room for the list");
}

/// What a real kernel did otherwise than predicted.
pub fn judge(asked: &Asked) -> Vec<String> {
    let disk = File::open(asked.disk.as_ref().expect("DISK")).expect("the disk");
    let mut wrong = Vec::new();
    for (case, state) in states(asked).iter().enumerate() {
        if let Err(why) = state.compare(asked, &disk, case) {
            let log = std::fs::read_to_string(results(&asked.folder, case)).unwrap_or_default();
            wrong.push(format!("case {case}: {}: {why}\n{log}", state.title()));
        }
    }
    wrong
}

fn results(folder: &Path, case: usize) -> PathBuf {
    folder.join("results").join(case.to_string())
}

impl CrashState {
    fn compare(&self, asked: &Asked, disk: &File, case: usize) -> Result<(), String> {
        let told = self.predict(asked).expect("it was asked before");
        let result = std::fs::read_to_string(results(&asked.folder, case))
            .map_err(|error| error.to_string())?;
        let started = result.contains("started yes");
        if started != told.starts {
            return Err(format!("started {started}, predicted {told:?}"));
        }
        if !started {
            return Ok(());
        }
        let given = self.given();
        let mut images = self.images.clone();
        for number in &given {
            let mut bytes = vec![0; self.images[*number].len() as usize];
            disk.read_exact_at(&mut bytes, place(case, *number) * 512)
                .map_err(|error| error.to_string())?;
            images[*number] = Image::new("member", bytes);
        }
        let mut world = self.base.world(&images.iter().collect::<Vec<_>>());
        for number in &given {
            world.disks[*number].data = Arc::new(self.words(&images[*number])?);
        }
        self.compare_worlds(asked, &world, &given, &told)
    }

    /// The data of a member: a word a sector.
    fn words(&self, image: &Image) -> Result<Vec<u64>, String> {
        let bytes = image.to_vec();
        let start = self.base.spec.data_offset() as usize * 512;
        let data = &bytes[start..start + self.base.spec.size as usize * 512];
        data.chunks(512)
            .map(|sector| {
                let first = &sector[..8];
                match sector.chunks(8).all(|word| word == first) {
                    true => Ok(u64::from_le_bytes(first.try_into().expect("eight bytes"))),
                    false => Err("a sector that the kernel mixed".to_owned()),
                }
            })
            .collect()
    }

    fn compare_worlds(
        &self,
        asked: &Asked,
        after: &World<'_>,
        given: &[usize],
        told: &Prediction,
    ) -> Result<(), String> {
        let how = How {
            copy: 0,
            own_roles: asked.has_own_roles(),
            eager: true,
        };
        let running = after
            .assemble(given, how)
            .map_err(|why| format!("does not start again: {why:?}"))?;
        let members = running.members.len() - running.degraded();
        let superblocks: Vec<&Disk<'_>> = given.iter().map(|disk| &after.disks[*disk]).collect();
        if !told.members.contains(&members) {
            let events: Vec<_> = superblocks
                .iter()
                .map(|disk| disk.sb.as_ref().map(|sb| (sb.events, sb.own_role())))
                .collect();
            return Err(format!(
                "{members} members in sync, predicted {:?}: {events:?}",
                told.members
            ));
        }
        if running.resync != CLEAN {
            return Err("still to be synchronised".to_owned());
        }
        match running.wrong() {
            Some(wrong) => Err(format!("{wrong:?}")),
            None => Ok(()),
        }
    }
}
