//! The crash simulator: no crash of a command that changes a stopped array makes differing data pass for equal.
//!
//! docs/crash-simulator.md says what is done, what is modelled, and how a single violation is reproduced.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

mod commands;
mod corpus;
mod mutants;
mod run;
mod world;

/// Without any command nothing is wrong: the world is one in which kernels keep their promises.
#[test]
fn the_world_alone_keeps_its_promises() {
    let mut wrong = Vec::new();
    for number in 0..600 {
        let base = corpus::Base::new(1, number);
        let images: Vec<_> = base.images.iter().collect();
        let world = base.world(&images);
        let mut random = mdbitmap::device::crash::Random::of(&[1, number]);
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
                wrong.push(format!("{number}: {}: {violation:?}", base.name()));
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

/// Every command on arrays of every kind, at every moment.
#[test]
fn no_crash_makes_differing_data_pass_for_equal() {
    use mdbitmap::device::crash::{Effort, Random};
    let (seed, arrays) = (1, std::env::var("MDBITMAP_CRASH_ARRAYS").map_or(20, |n| n.parse().unwrap()));
    let settings = run::case::Settings {
        effort: Effort {
            exhaustive: 64,
            random: 16,
            seed,
        },
        second_in: 16,
        faults_in: 8,
    };
    let mut figures = run::figures::Figures::default();
    for number in 0..arrays {
        let base = corpus::Base::new(seed, number);
        figures.arrays += 1;
        for command in commands::all(&base, &mut Random::of(&[seed, number, 1])) {
            run::case::explore(&base, &command, settings, None, &mut figures);
        }
    }
    let distinct = figures.distinct();
    for (name, [done, refused, nothing]) in &figures.by_command {
        println!("{name}: {done} done, {refused} refused, {nothing} had nothing to do");
    }
    for (reason, count) in &figures.refusals {
        println!("refused {count} times: {reason}");
    }
    println!(
        "{} arrays, {} commands, {} states, {distinct} distinct, {} torn, {} faults, {} again, {} undone, {} violations",
        figures.arrays, figures.commands, figures.states, figures.torn, figures.faults, figures.again, figures.undone,
        figures.violations.len()
    );
    figures.print_violations();
    assert!(figures.violations.is_empty());
}

/// Wrong orders and wrong inputs are caught, every one of them.
#[test]
fn every_mutant_is_caught() {
    use mdbitmap::device::crash::Effort;
    let seed = 1;
    let settings = run::case::Settings {
        effort: Effort {
            exhaustive: 64,
            random: 16,
            seed,
        },
        second_in: 16,
        faults_in: 8,
    };
    let mut survivors = Vec::new();
    for mutant in mutants::ALL {
        let mut figures = run::figures::Figures::default();
        for number in 0..400 {
            let base = corpus::Base::new(seed, number);
            if !(mutant.suits)(&base) {
                continue;
            }
            let wrong = run::case::Wrong {
                tamper: &mutant.tamper,
                unflushed: mutant.unflushed,
            };
            run::case::explore(&base, &(mutant.plan)(&base), settings, Some(wrong), &mut figures);
            if !figures.violations.is_empty() {
                break;
            }
        }
        match figures.violations.first() {
            Some(violation) => println!("{}: caught: {violation}", mutant.name),
            None => {
                println!("{}: SURVIVES {} states, {:?}", mutant.name, figures.states, figures.by_command);
                survivors.push(mutant.name);
            }
        }
    }
    assert!(survivors.is_empty(), "{survivors:?}");
}
