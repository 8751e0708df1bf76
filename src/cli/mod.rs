//! The command line: one file a verb (arguments in, options struct out), mdadm spellings, size parsing.

pub mod size;
