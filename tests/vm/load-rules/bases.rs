//! Arrays with a history, which a real kernel makes: what they are made of and what happens to them.

use crate::random::Random;
use std::fmt::Write;

/// One array.
pub struct Base {
    pub name: String,
    pub lockless: bool,
    pub level: u32,
    pub members: u64,
    /// Arguments of `mdadm --create`.
    pub create: String,
    pub member_kib: u64,
    /// What happens to it, step by step, for the guest's `step_*` functions.
    pub steps: Vec<String>,
    /// First sector of its first member on the disk.
    pub start: u64,
}

/// Sectors between the members of an array.
pub fn spacing(member_kib: u64) -> u64 {
    (member_kib * 2).next_multiple_of(2048)
}

impl Base {
    /// First sector behind it.
    pub fn end(&self) -> u64 {
        self.start + self.members * spacing(self.member_kib)
    }

    /// The line for the guest. `minor` is the number of its first device.
    pub fn line(&self, minor: u64) -> String {
        let tool = if self.lockless {
            "mdadm-4.6"
        } else {
            "mdadm-4.2"
        };
        let (table, devices) =
            devices(&self.name, self.start, self.member_kib, self.members, minor);
        let steps = self.steps.join(";");
        format!(
            "{}|{tool}|{}|{table}|{devices}|{steps}",
            self.name, self.create
        )
    }
}

/// The device-mapper tables of some members, and their device nodes.
pub fn devices(
    name: &str,
    start: u64,
    member_kib: u64,
    members: u64,
    minor: u64,
) -> (String, String) {
    let (mut table, mut devices) = (String::new(), String::new());
    for member in 0..members {
        let (minor, from) = (minor + member, start + member * spacing(member_kib));
        let _ = write!(
            table,
            "{name}m{member},,{minor},rw,0 {} linear /dev/vda {from};",
            member_kib * 2
        );
        let _ = write!(devices, "/dev/dm-{minor} ");
    }
    table.pop();
    devices.pop();
    (table, devices)
}

/// All arrays of a run: `count` of them, of which a kernel with lockless bitmaps makes half with one.
pub fn all(seed: u64, kernel: &str, count: u64) -> Vec<Base> {
    let mut bases = Vec::new();
    let mut start = 2048;
    for number in 0..count {
        let mut random = Random::new(seed, &[kernel, "base", &number.to_string()]);
        let lockless = kernel == "llbitmap" && number % 2 == 0;
        let base = one(&mut random, number, start, lockless);
        start = base.end();
        bases.push(base);
    }
    bases
}

fn one(random: &mut Random, number: u64, start: u64, lockless: bool) -> Base {
    let level = random.pick(&[1, 1, 1, 10, 10, 5, 5, 6, 4]);
    // raid6 has two kinds of parity, of which the lazy recovery of version 6 mends one.
    let level = if lockless && level == 6 { 5 } else { level };
    let members = match level {
        1 => 2 + random.below(3),
        10 => 2 + random.below(4),
        6 => 4 + random.below(2),
        _ => 3 + random.below(2),
    };
    let member_kib = if lockless {
        6144
    } else {
        random.pick(&[3072, 4096, 4160])
    };
    let mut create = format!("--level={level} --raid-devices={members} --assume-clean");
    if level != 1 {
        let _ = write!(create, " --chunk={}", random.pick(&[4, 16, 64, 64, 128]));
    }
    match level {
        10 => {
            let layouts = if members == 2 {
                &["n2", "f2", "o2"][..]
            } else {
                &["n2", "f2", "o2", "n3", "f3"]
            };
            let _ = write!(create, " --layout={}", random.pick(layouts));
        }
        5 if random.chance(50) => {
            let _ = write!(
                create,
                " --layout={}",
                random.pick(&["la", "ra", "rs", "parity-first", "parity-last"])
            );
        }
        _ => {}
    }
    if lockless {
        create += " --metadata=1.2 --bitmap=lockless";
    } else {
        let metadata = random.pick(&["1.2", "1.2", "1.2", "1.0", "1.1", "0.90"]);
        let chunk = random.pick(&[4, 16, 64, 64, 256]);
        let _ = write!(
            create,
            " --metadata={metadata} --bitmap=internal --bitmap-chunk={chunk}K"
        );
    }
    let data_kib = member_kib - 2048;
    Base {
        name: format!("b{number}"),
        lockless,
        level,
        members,
        create,
        member_kib,
        steps: history(random, level, members, data_kib, lockless),
        start,
    }
}

fn writes(random: &mut Random, data_kib: u64, steps: &mut Vec<String>) {
    for _ in 0..1 + random.below(3) {
        let (at, len) = (
            random.below(data_kib / 4) * 4,
            4 * random.pick(&[1, 1, 2, 16, 40]),
        );
        steps.push(format!("write {at} {}", len.min(data_kib - at)));
    }
}

fn history(
    random: &mut Random,
    level: u32,
    members: u64,
    data_kib: u64,
    lockless: bool,
) -> Vec<String> {
    let mut steps = vec!["settle".to_owned()];
    let spare = level != 10 || members > 2;
    let member = random.below(members);
    match random.below(12) {
        // Writes, then a crash.
        0..3 => {
            steps.push("unclean".into());
            writes(random, data_kib, &mut steps);
        }
        // Writes, then a clean stop.
        3 | 4 => {
            writes(random, data_kib, &mut steps);
            steps.push("stop".into());
        }
        // A member fails, writes go on; then a crash or a stop.
        5 | 6 if spare => {
            writes(random, data_kib, &mut steps);
            steps.push(format!("fail {member}"));
            if random.chance(50) {
                steps.push("unclean".into());
            }
            writes(random, data_kib, &mut steps);
            if random.chance(50) {
                steps.push(format!("remove {member}"));
            }
            if random.chance(60) {
                steps.push("stop".into());
            }
        }
        // A resync that was interrupted after a checkpoint.
        7 if !lockless => {
            writes(random, data_kib, &mut steps);
            steps.push(format!("checkpoint {}", random.below(data_kib * 2)));
        }
        // A re-add that was interrupted.
        8 if spare && !lockless => {
            steps.push(format!("fail {member}"));
            writes(random, data_kib, &mut steps);
            steps.push(format!("write 0 {}", data_kib / 2 / 4 * 4));
            steps.push(format!("remove {member}"));
            steps.push(format!("readd {member}"));
        }
        // Many small writes, then a crash.
        _ => {
            steps.push("unclean".into());
            for _ in 0..3 {
                writes(random, data_kib, &mut steps);
            }
        }
    }
    steps
}
