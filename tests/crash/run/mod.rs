//! Commands are run, cut short, and judged.

pub mod attempt;
pub mod case;
pub mod figures;
pub mod judge;
pub mod record;
pub mod wanted;
