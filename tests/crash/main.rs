//! The crash simulator: no crash of a command that changes a stopped array makes differing data pass for equal.
//!
//! docs/crash-simulator.md says what is done, what is modelled, and how a single violation is reproduced.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

mod corpus;
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
