//! The crash simulator: no crash of a command that changes a stopped array makes differing data pass for equal.
//!
//! docs/crash-simulator.md says what is done, what is modelled, and how a single violation is reproduced.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

mod commands;
mod corpus;
mod mutants;
mod run;
mod vm;
mod world;

use mdbitmap::device::crash::{Effort, Random};
use run::case::{Settings, Wrong, explore};
use run::figures::Figures;
use run::wanted::Wanted;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// How thoroughly a command is looked at.
fn settings(seed: u64) -> Settings {
    Settings {
        effort: Effort {
            exhaustive: 64,
            random: 16,
            seed,
        },
        second_in: 16,
        faults_in: 8,
    }
}

/// Figures of every number of a range, on all processors.
fn on_all_processors(
    numbers: std::ops::Range<u64>,
    one: &(dyn Fn(u64) -> Figures + Sync),
) -> Figures {
    let next = AtomicU64::new(numbers.start);
    let figures = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= numbers.end {
                        return;
                    }
                    let done = one(number);
                    figures.lock().unwrap().push((number, done));
                }
            });
        }
    });
    let mut all = figures.into_inner().unwrap();
    all.sort_by_key(|(number, _)| *number);
    let mut sum = Figures::default();
    for (_, figures) in all {
        sum.add(figures);
    }
    sum
}

/// Without any command nothing is wrong: the world is one in which kernels keep their promises.
#[test]
fn the_world_alone_keeps_its_promises() {
    let wanted = Wanted::from_environment();
    let seed = wanted.seed;
    let figures = on_all_processors(0..wanted.arrays_alone, &|number| {
        let mut figures = Figures::default();
        let base = corpus::Base::new(seed, number);
        let images: Vec<_> = base.images.iter().collect();
        let world = base.world(&images);
        let mut random = Random::of(&[seed, number]);
        let present = base.present();
        let stories = world::stories::Stories {
            world: &world,
            present: &present,
            away: &base.away,
            before: world::stories::Before {
                members: 0,
                lone_mirror: world::stories::Before::is_lone_mirror(&world),
                has_former: base.history.away == corpus::history::Away::Former,
            },
            torn: false,
        };
        for _ in 0..20 {
            if let Err(violation) = stories.all(&mut random) {
                figures
                    .violations
                    .push(format!("{number}: {}: {violation:?}", base.name()));
                break;
            }
        }
        figures
    });
    assert!(
        figures.violations.is_empty(),
        "{}\n{}",
        figures.violations.len(),
        figures.violations.join("\n")
    );
}

/// Every command on arrays of every kind, at every moment.
#[test]
fn no_crash_makes_differing_data_pass_for_equal() {
    let wanted = Wanted::from_environment();
    let seed = wanted.seed;
    let one = |number| {
        let mut figures = Figures::default();
        let base = corpus::Base::new(seed, number);
        figures.arrays += 1;
        for command in commands::all(&base, &mut Random::of(&[seed, number, 1])) {
            if wanted.is_command(command.name) {
                let mut settings = settings(seed);
                if wanted.array.is_some() {
                    (settings.second_in, settings.faults_in) = (4, 1);
                }
                explore(&base, &command, settings, None, &mut figures);
            }
        }
        figures
    };
    let mut figures = Figures::default();
    match wanted.array {
        Some(number) => {
            println!("{}", corpus::Base::new(seed, number).describe());
            figures.add(one(number));
        }
        None => {
            let mut first = 0;
            while first == 0 || figures.distinct() < wanted.states {
                figures.add(on_all_processors(first..first + wanted.batch(), &one));
                first += wanted.batch();
                if figures.violations.len() > 10_000 {
                    break;
                }
            }
        }
    }
    figures.print(seed);
    assert!(
        figures.violations.is_empty(),
        "{} violations (see above)",
        figures.violations.len()
    );
    if wanted.is_everything() {
        let idle = figures.commands_never_done();
        assert!(idle.is_empty(), "never carried out: {idle:?}");
    }
}

/// Of levels that have no bitmaps every command is refused, and nothing is written.
#[test]
fn arrays_without_redundancy_are_refused() {
    let wanted = Wanted::from_environment();
    let seed = wanted.seed;
    let mut refused = 0;
    let arrays = wanted.arrays_alone / 4;
    for number in 0..arrays {
        let mut base = corpus::Base::new(seed, number);
        base.make_raid0();
        let mut figures = Figures::default();
        for command in commands::all(&base, &mut Random::of(&[seed, number, 1])) {
            explore(&base, &command, settings(seed), None, &mut figures);
        }
        for (name, [done, refusals, _]) in &figures.by_command {
            assert_eq!(*done, 0, "{name}: {}", base.name());
            refused += refusals;
        }
        assert!(figures.violations.is_empty(), "{:?}", figures.violations);
    }
    assert!(refused > arrays * 10, "{refused}");
}

/// The right way of what the mutants do wrongly is not held against anybody.
#[test]
fn the_mutants_are_right_without_their_mistake() {
    let seed = Wanted::from_environment().seed;
    let mut figures = Figures::default();
    for number in 0..44 {
        let base = corpus::Base::new(seed, number);
        if !mutants::is_right_for(&base) {
            continue;
        }
        let right = Wrong {
            tamper: &|_| {},
            unflushed: None,
        };
        explore(
            &base,
            &mutants::right(&base),
            settings(seed),
            Some(right),
            &mut figures,
        );
    }
    assert!(figures.states > 100, "{}", figures.states);
    assert!(
        figures.violations.is_empty(),
        "{:?}",
        figures.violations.first()
    );
}

/// Wrong orders and wrong inputs are caught, every one of them.
#[test]
fn every_mutant_is_caught() {
    let seed = Wanted::from_environment().seed;
    let caught = |mutant: &mutants::Mutant| {
        let mut figures = Figures::default();
        for number in 0..600 {
            let base = corpus::Base::new(seed, number);
            if !(mutant.suits)(&base) {
                continue;
            }
            let wrong = Wrong {
                tamper: &mutant.tamper,
                unflushed: mutant.unflushed,
            };
            explore(
                &base,
                &(mutant.plan)(&base),
                settings(seed),
                Some(wrong),
                &mut figures,
            );
            if !figures.violations.is_empty() {
                break;
            }
        }
        figures
    };
    let survivors = Mutex::new(Vec::new());
    on_all_processors(0..mutants::ALL.len() as u64, &|number| {
        let mutant = &mutants::ALL[number as usize];
        let figures = caught(mutant);
        match figures.violations.first() {
            Some(violation) => println!("mutant caught: {}: {violation}", mutant.name),
            None => {
                println!(
                    "mutant SURVIVES: {}: {} states, {:?}",
                    mutant.name, figures.states, figures.by_command
                );
                survivors.lock().unwrap().push(mutant.name);
            }
        }
        Figures::default()
    });
    let survivors = survivors.into_inner().unwrap();
    println!(
        "crash: {} of {} mutants caught",
        mutants::ALL.len() - survivors.len(),
        mutants::ALL.len()
    );
    assert!(survivors.is_empty(), "{survivors:?}");
}

/// For tests/vm/scenarios/crash-states.sh: MDBITMAP_CRASH_EXPORT=FOLDER, KERNEL, DISK, MDBITMAP_CRASH_CASES, MDBITMAP_SEED.
#[test]
#[ignore = "writes members and predictions for real kernels"]
fn write_crash_states_for_real_kernels() {
    vm::export(&vm::Asked::from_environment().expect("MDBITMAP_CRASH_EXPORT"));
}

/// The same, afterwards.
#[test]
#[ignore = "looks at what real kernels made of them"]
fn real_kernels_did_what_was_predicted() {
    let wrong = vm::judge(&vm::Asked::from_environment().expect("MDBITMAP_CRASH_EXPORT"));
    for case in &wrong {
        println!("{case}");
    }
    assert!(wrong.is_empty(), "{} cases", wrong.len());
}
