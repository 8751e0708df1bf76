//! The `key value` lines of a device or a bitmap.

use super::parse::wrong;
use super::values;
use super::{BitmapFacts, DeviceFacts, DumpTextError, MAX_DEVICES, MdFacts, Metadata, Role};
use crate::format::bit_array::BitOrder;
use crate::format::bitmap_super::{BITMAP_MAGIC, RawBitmapSuper};
use crate::units::SECTOR_BYTES;

/// What a kind of section may hold.
#[derive(Debug)]
pub(super) struct Kind {
    name: &'static str,
    keys: &'static [&'static str],
}

/// The section of a device.
pub(super) static DEVICE: Kind = Kind {
    name: "device",
    keys: &[
        "device_bytes",
        "metadata",
        "super_start_bytes",
        "array_uuid",
        "device_uuid",
        "array_name",
        "created_seconds",
        "updated_seconds",
        "level",
        "layout",
        "raid_chunk_sectors",
        "raid_disks",
        "number",
        "role",
        "events",
        "resync_offset_sectors",
        "recovery_offset_sectors",
        "component_sectors",
        "array_sectors",
        "data_offset_sectors",
        "features",
        "reshaping",
        "logical_block_bytes",
        "vacant_slots",
        ROLE,
    ],
};

/// The section of a bitmap, before its runs.
pub(super) static BITMAP: Kind = Kind {
    name: "bitmap",
    keys: &[
        "start_bytes",
        "version",
        "uuid",
        "events",
        "events_cleared",
        "sync_size_sectors",
        "state",
        "chunk_bytes",
        "chunksize_field",
        "daemon_sleep_seconds",
        "write_behind",
        "sectors_reserved",
        "nodes",
        "cluster_name",
        "pad",
        "bit_order",
    ],
};

/// The only key that may come more than once.
const ROLE: &str = "device_role";

/// A value and the number of its line.
#[derive(Debug, Clone)]
struct Value {
    text: String,
    line: u64,
}

impl Value {
    fn parse<T>(
        &self,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<T, DumpTextError> {
        read(&self.text).ok_or_else(|| wrong(self.line, expected, &self.text))
    }
}

/// The lines of a section that is being read.
#[derive(Debug)]
pub(super) struct Section {
    kind: &'static Kind,
    /// What stands behind the section's own word.
    title: Value,
    values: Vec<(&'static str, Value)>,
}

impl Section {
    pub(super) fn new(kind: &'static Kind, title: &str, line: u64) -> Self {
        Self {
            kind,
            title: Value {
                text: title.to_owned(),
                line,
            },
            values: Vec::new(),
        }
    }

    /// Takes a line.
    pub(super) fn take_line(
        &mut self,
        key: &str,
        value: &str,
        line: u64,
        text: &str,
    ) -> Result<(), DumpTextError> {
        let Some(known) = self.kind.keys.iter().find(|known| **known == key) else {
            let expected = match self.kind.name {
                "device" => "a key of a device, \"bitmap\", \"device\" or \"end-dump\"",
                _ => "a key of a bitmap, \"runs\" or \"no-runs\"",
            };
            return Err(wrong(line, expected, text));
        };
        let taken = self.values.iter().filter(|(taken, _)| taken == known);
        let most = match *known {
            ROLE => MAX_DEVICES,
            _ => 1,
        };
        if self.values.len() >= most && taken.count() >= most {
            return Err(wrong(
                line,
                format!("\"{known}\" not more than {most} times"),
                text,
            ));
        }
        let value = Value {
            text: value.to_owned(),
            line,
        };
        self.values.push((known, value));
        Ok(())
    }

    fn value(&self, key: &str) -> Option<&Value> {
        let mut all = self.values.iter();
        all.find(|(taken, _)| *taken == key).map(|(_, value)| value)
    }

    fn optional<T>(
        &self,
        key: &'static str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, DumpTextError> {
        let value = self.value(key);
        value.map(|value| value.parse(expected, read)).transpose()
    }

    fn needed<T>(
        &self,
        key: &'static str,
        end: u64,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<T, DumpTextError> {
        self.optional(key, expected, read)?
            .ok_or(DumpTextError::KeyMissing {
                line: end,
                section: self.kind.name,
                key,
            })
    }

    fn u64(&self, key: &'static str, end: u64) -> Result<u64, DumpTextError> {
        self.needed(key, end, "a number below 2^64", values::number)
    }

    fn u32(&self, key: &'static str, end: u64) -> Result<u32, DumpTextError> {
        self.needed(key, end, "a number below 2^32", small)
    }

    /// A number or `none`.
    fn maybe(&self, key: &'static str, end: u64) -> Result<Option<u64>, DumpTextError> {
        self.needed(key, end, "a number or \"none\"", |text| match text {
            "none" => Some(None),
            text => values::number(text).map(Some),
        })
    }

    /// The device that these lines tell of; `end` is the line that ends them.
    pub(super) fn device(&self, end: u64) -> Result<DeviceFacts, DumpTextError> {
        let expected = "the device's path in double quotes";
        let path = self.title.parse(expected, values::unquote)?;
        let expected = "0.90, 0.90-big-endian, 1.0, 1.1, 1.2 or dm-raid";
        let metadata = self.optional("metadata", expected, Metadata::of_name)?;
        if let (None, Some((key, value))) = (metadata, self.first_but("device_bytes")) {
            let found = format!("{key} {}", value.text);
            return Err(wrong(
                value.line,
                "\"metadata\" too, in a device that has a superblock",
                &found,
            ));
        }
        Ok(DeviceFacts {
            path,
            device_bytes: self.u64("device_bytes", end)?,
            md: metadata
                .map(|metadata| self.md(metadata, end))
                .transpose()?,
        })
    }

    fn first_but(&self, key: &str) -> Option<&(&'static str, Value)> {
        self.values.iter().find(|(taken, _)| *taken != key)
    }

    fn md(&self, metadata: Metadata, end: u64) -> Result<MdFacts, DumpTextError> {
        let uuid = |text: &str| values::uuid(text, Some(metadata));
        let name = |text: &str| String::from_utf8(values::unquote(text)?).ok();
        let yes = |text: &str| match text {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        };
        Ok(MdFacts {
            metadata,
            super_start_bytes: self.u64("super_start_bytes", end)?,
            array_uuid: self.needed("array_uuid", end, UUID, uuid)?,
            device_uuid: self.optional("device_uuid", UUID, uuid)?,
            array_name: self.optional("array_name", "a name in double quotes", name)?,
            created_seconds: self.u64("created_seconds", end)?,
            updated_seconds: self.u64("updated_seconds", end)?,
            level: self.needed("level", end, "a level such as raid1", values::level)?,
            layout: self.u32("layout", end)?,
            raid_chunk_sectors: self.u64("raid_chunk_sectors", end)?,
            raid_disks: self.u32("raid_disks", end)?,
            number: self.u32("number", end)?,
            role: self.needed("role", end, ROLES, values::role)?,
            events: self.u64("events", end)?,
            resync_offset_sectors: self.maybe("resync_offset_sectors", end)?,
            recovery_offset_sectors: self.maybe("recovery_offset_sectors", end)?,
            component_sectors: self.maybe("component_sectors", end)?,
            array_sectors: self.maybe("array_sectors", end)?,
            data_offset_sectors: self.u64("data_offset_sectors", end)?,
            features: self.u32("features", end)?,
            reshaping: self.needed("reshaping", end, "\"yes\" or \"no\"", yes)?,
            logical_block_bytes: self.u32("logical_block_bytes", end)?,
            vacant_slots: self.needed(
                "vacant_slots",
                end,
                "\"none\", or slots in ascending order such as 0 2-3",
                values::slots,
            )?,
            device_roles: self.device_roles()?,
        })
    }

    fn device_roles(&self) -> Result<Vec<(u32, Role)>, DumpTextError> {
        let mut roles: Vec<(u32, Role)> = Vec::new();
        for (_, value) in self.values.iter().filter(|(key, _)| *key == ROLE) {
            let read = |text: &str| {
                let (number, role) = text.split_once(' ')?;
                Some((small(number)?, values::role(role.trim_start())?))
            };
            let role = value.parse("a device number and a role", read)?;
            if roles.last().is_some_and(|(before, _)| *before >= role.0) {
                return Err(wrong(
                    value.line,
                    "device numbers in ascending order",
                    &value.text,
                ));
            }
            roles.push(role);
        }
        Ok(roles)
    }

    /// The bitmap that these lines tell of.
    pub(super) fn bitmap(
        &self,
        end: u64,
        metadata: Option<Metadata>,
        has_runs: bool,
    ) -> Result<BitmapFacts, DumpTextError> {
        let uuid = |text: &str| values::uuid(text, metadata);
        let order = |text: &str| match text {
            "be32" => Some(BitOrder::Be32),
            "be64" => Some(BitOrder::Be64),
            "little" => Some(BitOrder::Little),
            _ => None,
        };
        let name = |text: &str| {
            let bytes = values::unquote(text)?;
            let mut name = [0; 64];
            name.get_mut(..bytes.len())?.copy_from_slice(&bytes);
            Some(name)
        };
        let slot = self.title.parse("the number of a slot", small)?;
        let mut raw = RawBitmapSuper {
            magic: BITMAP_MAGIC,
            version: self.u32("version", end)?,
            uuid: self.needed("uuid", end, UUID, uuid)?,
            events: self.u64("events", end)?,
            events_cleared: self.u64("events_cleared", end)?,
            sync_size_sectors: self.u64("sync_size_sectors", end)?,
            state: self.u32("state", end)?,
            chunksize: 0,
            daemon_sleep_seconds: self.u32("daemon_sleep_seconds", end)?,
            write_behind: self.u32("write_behind", end)?,
            sectors_reserved: self.u32("sectors_reserved", end)?,
            nodes: self.u32("nodes", end)?,
            cluster_name: self.needed(
                "cluster_name",
                end,
                "a name of at most 64 bytes in double quotes",
                name,
            )?,
            pad: self
                .optional("pad", "240 hexadecimal digits", values::hex)?
                .unwrap_or([0; 120]),
        };
        raw.chunksize = self.chunksize(&raw, end)?;
        Ok(BitmapFacts {
            slot,
            start_bytes: self.u64("start_bytes", end)?,
            raw,
            order: self
                .optional("bit_order", "be32, be64 or little", order)?
                .unwrap_or_default(),
            has_runs,
        })
    }

    /// The field as it lies on disk: bytes, or sectors in version 6 (reference/kernel.md trap 1).
    fn chunksize(&self, raw: &RawBitmapSuper, end: u64) -> Result<u32, DumpTextError> {
        let (key, other) = match raw.is_first_use() {
            true => ("chunksize_field", "chunk_bytes"),
            false => ("chunk_bytes", "chunksize_field"),
        };
        if let Some(value) = self.value(other) {
            let expected = format!("\"{key}\" with this version and state");
            return Err(wrong(
                value.line,
                expected,
                &format!("{other} {}", value.text),
            ));
        }
        if raw.is_first_use() {
            return self.u32(key, end);
        }
        let unit = match raw.is_lockless() {
            true => SECTOR_BYTES,
            false => 1,
        };
        let expected = match raw.is_lockless() {
            true => "whole sectors of 512 bytes, fewer than 2^32 of them",
            false => "a number below 2^32",
        };
        let whole = |text: &str| {
            let bytes = values::number(text).filter(|bytes| bytes.is_multiple_of(unit))?;
            u32::try_from(bytes / unit).ok()
        };
        self.needed(key, end, expected, whole)
    }
}

const UUID: &str = "a UUID such as 01234567:89abcdef:fedcba98:76543210";
const ROLES: &str = "\"slot N\", spare, faulty or journal";

fn small(text: &str) -> Option<u32> {
    u32::try_from(values::number(text)?).ok()
}
