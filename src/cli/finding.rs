//! The arguments that verbs share: how superblocks and bitmaps are found on devices.

use crate::array::MetadataFilter;
use crate::format::bit_array::BitOrder;
use clap::{Arg, ArgAction, ArgMatches};
use std::ffi::OsString;

/// `-e`, `--metadata`.
pub(super) fn metadata() -> Arg {
    Arg::new("metadata")
        .short('e')
        .long("metadata")
        .value_name("METADATA")
        .help("Looks for this metadata only: 0.90, 1, 1.0, 1.1, 1.2, dm-raid")
        .value_parser(|text: &str| text.parse::<MetadataFilter>())
        .action(ArgAction::Set)
        .overrides_with("metadata")
}

/// All arguments that say how bitmaps are found.
pub(super) fn all() -> [Arg; 3] {
    [metadata(), offset(), host_endian()]
}

/// `--offset`.
fn offset() -> Arg {
    Arg::new("offset")
        .long("offset")
        .value_name("SIZE")
        .help("The bitmap starts this far into the device; a suffix is required: 8K, 16s")
        .long_help(
            "The bitmap starts this far into the device, whatever its md superblock says. A suffix is required: \
             s for sectors of 512 bytes, K, M, G, T for powers of 1024; for example 8K or 16s.",
        )
        .value_parser(super::size::offset)
        .conflicts_with("metadata")
}

/// `--host-endian`.
fn host_endian() -> Arg {
    Arg::new("host-endian")
        .long("host-endian")
        .value_name("ORDER")
        .help("Bit order of a version 3 bitmap that a big-endian host wrote: be32 or be64")
        .long_help(
            "Bit order of a version 3 bitmap that a big-endian host wrote: be32 or be64, by the word size of \
             that host. Other versions have one order everywhere and are not affected.",
        )
        .value_parser(["be32", "be64"])
}

/// The values of an argument that may come several times.
pub(super) fn paths(matches: &ArgMatches, id: &str) -> Vec<OsString> {
    let all = matches.get_many::<OsString>(id);
    all.into_iter().flatten().cloned().collect()
}

/// What [`host_endian`] says.
pub(super) fn order(matches: &ArgMatches) -> BitOrder {
    match matches.get_one::<String>("host-endian").map(String::as_str) {
        Some("be32") => BitOrder::Be32,
        Some("be64") => BitOrder::Be64,
        _ => BitOrder::Little,
    }
}
