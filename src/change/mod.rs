//! The only way to alter metadata offline: a plan, and one executor that carries it out.
//!
//! [`stopped`] reads an array, [`admission`] says whether it may be changed, [`draft`] makes a [`Plan`] out of what
//! is to change, [`execute`] writes it. What a plan holds is shown by a dry run and goes into an undo file before
//! anything is written. The rules are those of design.md section 6, cited by number.

pub mod admission;
pub mod content;
pub mod draft;
pub mod execute;
pub mod hold;
pub mod knowledge;
pub mod mark;
pub mod mend;
pub mod place;
pub mod plan;
pub mod planned;
pub mod postcondition;
pub mod preview;
pub mod refusal;
pub mod replace;
pub mod stopped;
pub mod superblock;
#[cfg(test)]
pub(crate) mod testing;
pub mod told;
pub mod undo;
pub mod words;

pub use execute::{ExecuteError, execute};
pub use hold::{Held, HoldError, hold};
pub use knowledge::{Knowledge, Known};
pub use place::{Room, Shape, Spot};
pub use plan::Plan;
pub use planned::{After, AfterBitmap, Left, Planned, PlannedFile};
pub use preview::{Preview, preview, preview_steps};
pub use refusal::{PlanError, Refusal};
pub use stopped::StoppedArray;
pub use superblock::Moment;
