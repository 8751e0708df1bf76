//! A bitmap superblock as JSON: the same keys wherever one is shown.

use super::state_names;
use crate::format::bitmap_super::RawBitmapSuper;
use serde::Serialize;

/// The `superblock` object of design.md section 4; keys in this order.
#[derive(Debug, Serialize)]
pub struct SuperblockJson {
    version: u32,
    uuid: String,
    events: u64,
    events_cleared: u64,
    state: Vec<String>,
    state_raw: u32,
    sync_size_sectors: u64,
    chunk_bytes: Option<u64>,
    daemon_sleep_seconds: u32,
    write_behind: u32,
    sectors_reserved: u32,
    nodes: u32,
    cluster_name: String,
}

impl SuperblockJson {
    /// The fields of `raw`; how its UUID is written depends on where it was found.
    pub fn new(raw: &RawBitmapSuper, uuid: String) -> Self {
        Self {
            version: raw.version,
            uuid,
            events: raw.events,
            events_cleared: raw.events_cleared,
            state: state_names(raw.state),
            state_raw: raw.state,
            sync_size_sectors: raw.sync_size_sectors,
            chunk_bytes: raw.chunk_bytes(),
            daemon_sleep_seconds: raw.daemon_sleep_seconds,
            write_behind: raw.write_behind,
            sectors_reserved: raw.sectors_reserved,
            nodes: raw.nodes,
            cluster_name: raw.cluster_name_text(),
        }
    }
}
