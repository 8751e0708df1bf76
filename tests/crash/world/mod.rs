//! What mdadm and the kernel make of the members of an array: a model that shares no code with what it judges.
//!
//! Every rule comes from the project's reference of kernel facts (kernel.md, cited by section) and from what real kernels did
//! (tests/vm/FINDINGS.md). docs/crash-simulator.md says what is modelled and what is not.

pub mod array;
pub mod assemble;
pub mod bitmap;
pub mod bytes;
pub mod cells;
pub mod disk;
pub mod galois;
pub mod map;
pub mod stories;
pub mod superblock;
pub mod sync;
pub mod verify;
pub mod write;
