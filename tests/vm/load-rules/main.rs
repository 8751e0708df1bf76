// SPDX-License-Identifier: GPL-2.0-or-later
//! Random arrays, what mdbitmap predicts of them, and what a real kernel did: the host's part of the scenario
//! `load-rules`. See tests/vm/README.md.
//!
//! `load_rules STEP STATE DISK KERNEL SEED BASES CASES [CASE]`, where STEP is
//! `plan` (writes the histories for the guest), `prepare` (makes the cases out of what the histories left on the disk
//! and predicts them), `judge` (compares; prints a line for each case). CASE leaves out all cases but that one.

#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod bases;
mod cases;
mod expected;
mod judge;
mod marks;
mod random;

use bases::{Base, spacing};
use mdbitmap::array::geometry::Geometry;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

struct Run {
    state: PathBuf,
    disk: File,
    kernel: String,
    seed: u64,
    bases: Vec<Base>,
    cases: Vec<u64>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |index: usize| arguments[index].parse::<u64>().expect("a number");
    let (kernel, seed) = (arguments[4].clone(), number(5));
    let only = arguments.get(8).filter(|text| !text.is_empty());
    let run = Run {
        state: PathBuf::from(&arguments[2]),
        disk: File::options()
            .read(true)
            .write(true)
            .open(&arguments[3])
            .expect("the disk"),
        bases: bases::all(seed, &kernel, number(6)),
        cases: match only {
            Some(_) => vec![number(8)],
            None => (0..number(7)).collect(),
        },
        kernel,
        seed,
    };
    match arguments[1].as_str() {
        "plan" => run.plan(),
        "prepare" => run.prepare(),
        "judge" => run.judge(),
        other => panic!("no step {other}"),
    }
}

impl Run {
    fn plan(&self) {
        let mut minor = 0;
        let mut text = String::new();
        for (number, base) in self.bases.iter().enumerate() {
            let wanted = self
                .cases
                .iter()
                .any(|case| case % self.bases.len() as u64 == number as u64);
            if wanted {
                text += &base.line(minor);
                text.push('\n');
            }
            minor += base.members;
        }
        fs::write(self.state.join("bases"), text).unwrap();
    }

    fn read(&self, start: u64, kib: u64) -> Vec<u8> {
        let mut bytes = vec![0; kib as usize * 1024];
        self.disk
            .read_exact_at(&mut bytes, start * 512)
            .expect("the disk can be read");
        bytes
    }

    fn prepare(&self) {
        let members = |base: &Base| {
            (0..base.members)
                .map(|member| {
                    self.read(
                        base.start + member * spacing(base.member_kib),
                        base.member_kib,
                    )
                })
                .collect()
        };
        let images: Vec<Vec<Vec<u8>>> = self.bases.iter().map(members).collect();
        let mut start = self.bases.last().map_or(2048, Base::end);
        let (mut lines, mut all) = (String::new(), Vec::new());
        for number in &self.cases {
            let mut case = cases::make(self.seed, &self.kernel, *number, &self.bases, &images);
            let base = &self.bases[case.base];
            for (member, image) in case.images.iter_mut().enumerate() {
                mark(image, *number, member);
            }
            let mut value = expected::predict(&case, &self.kernel);
            value["case"] = json!({
                "number": number, "base": base.name, "create": base.create, "steps": base.steps, "changes": case.changes,
                "given": case.given, "roles": cases::roles(&case), "start": start, "members": case.given.len(), "lockless": base.lockless,
                "member_kib": base.member_kib,
            });
            for (image, at) in case
                .images
                .iter()
                .zip((start..).step_by(spacing(base.member_kib) as usize))
            {
                self.disk
                    .write_all_at(image, at * 512)
                    .expect("the disk can be written");
            }
            let given = case.given.len() as u64;
            let (table, devices) =
                bases::devices(&format!("c{number}"), start, base.member_kib, given, 0);
            let tool = if base.lockless {
                "mdadm-4.6"
            } else {
                "mdadm-4.2"
            };
            lines += &format!("{number}|{tool}|{table}|{devices}\n");
            start += given * spacing(base.member_kib);
            all.push(value);
        }
        fs::write(self.state.join("cases"), lines).unwrap();
        fs::write(self.state.join("expected"), Value::from(all).to_string()).unwrap();
    }

    fn judge(&self) {
        let text = fs::read_to_string(self.state.join("expected")).expect("what was expected");
        let expected: Value = serde_json::from_str(&text).unwrap();
        let mut resynced = 0;
        for value in expected.as_array().unwrap() {
            let case = &value["case"];
            let number = case["number"].as_u64().unwrap();
            let report = fs::read_to_string(self.state.join(format!("results/{number}")));
            let Ok(report) = report else {
                println!("@@FAIL case {number}: the guest did not come to it");
                continue;
            };
            let kib = case["member_kib"].as_u64().unwrap();
            let start = case["start"].as_u64().unwrap();
            let members = 0..case["members"].as_u64().unwrap();
            let images: Vec<Vec<u8>> = members
                .map(|member| self.read(start + member * spacing(kib), kib))
                .collect();
            let found = judge::Found {
                number,
                report: &report,
                images: &images,
            };
            let wrong = judge::disagreements(&found, value);
            let summary = format!("case {number}: {} {}", case["create"], case["changes"]);
            resynced += usize::from(
                value["resync"]
                    .as_array()
                    .is_some_and(|runs| !runs.is_empty()),
            );
            if wrong.is_empty() {
                let named = value["named"]
                    .as_str()
                    .map_or(String::new(), |name| format!(" (named: {name})"));
                println!("@@ok {summary}{named}");
                continue;
            }
            println!("@@FAIL {summary}");
            for line in wrong {
                println!("@@| {line}");
            }
            println!(
                "@@| alone: --kernel {} --seed {} --case {number}",
                self.kernel, self.seed
            );
            println!("@@| {value}");
            for line in report
                .lines()
                .filter(|line| !line.contains("forcing resync"))
            {
                println!("@@| {line}");
            }
        }
        println!(
            "@@note seed {}, {} cases of {} arrays, {resynced} with a resync predicted",
            self.seed,
            self.cases.len(),
            self.bases.len()
        );
    }
}

/// Fills all data of a member.
fn mark(image: &mut [u8], case: u64, member: usize) {
    let found = cases::found(image).member;
    let Ok(geometry) = Geometry::of(&found) else {
        return;
    };
    let from = found.data_offset.0 as usize * 512;
    let end = from + geometry.member_size().0 as usize * 512;
    if let Some(data) = image.get_mut(from..end) {
        marks::fill(data, case, member);
    }
}
