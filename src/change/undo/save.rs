//! A plan as an undo file.

use crate::change::content::Digest;
use crate::change::plan::{Old, Plan, Write, read_pieces};
use crate::device::{Store, StoreError};
use crate::format::undo::{
    self, About, Device, Encoder, Guard, MAX_DEVICES, MAX_STEPS, MAX_WRITES, Packer, Record, Run,
};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Why a plan could not be saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// What is to be overwritten could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file could not be written.
    #[error("{0}")]
    Write(#[from] io::Error),
    /// Something else wrote there since the plan was made.
    #[error(
        "{device}: bytes {start}..{end} do not hold what they held when this was planned: something else writes to this device"
    )]
    NotAsPlanned {
        /// The device.
        device: String,
        /// First byte.
        start: u64,
        /// First byte behind.
        end: u64,
    },
    /// It is longer than an undo file can be.
    #[error(
        "the plan has {devices} devices, {steps} steps and {writes} writes; an undo file has at most {MAX_DEVICES}, {MAX_STEPS} \
         and {MAX_WRITES}"
    )]
    TooLong {
        /// Devices.
        devices: usize,
        /// Steps.
        steps: usize,
        /// Writes, all steps together.
        writes: usize,
    },
}

/// Writes everything that taking `plan` back needs to `out`. `stores` are its devices, in their order; `paths` where they
/// can be found again, or nothing where their names are enough. Long old contents come from the stores, and have to be what
/// the plan was made from.
///
/// # Errors
/// [`SaveError`].
pub fn save(
    about: &About,
    plan: &Plan,
    stores: &[&dyn Store],
    paths: &[PathBuf],
    out: &mut dyn io::Write,
) -> Result<(), SaveError> {
    let writes = plan.steps.iter().map(|step| step.writes.len()).sum();
    let (devices, steps) = (plan.devices.len(), plan.steps.len());
    if devices > MAX_DEVICES || steps > MAX_STEPS || writes > MAX_WRITES {
        return Err(SaveError::TooLong {
            devices,
            steps,
            writes,
        });
    }
    let mut encoder = Encoder::default();
    out.write_all(&encoder.start())?;
    let mut saving = Saving { encoder, out };
    saving.record(&Record::About(about.clone()))?;
    for (number, device) in plan.devices.iter().enumerate() {
        let path = paths.get(number).map(|path| path.as_os_str().as_bytes());
        saving.record(&Record::Device(Device {
            bytes: device.len.0,
            uuid: device.uuid,
            path: path.unwrap_or(device.name.as_bytes()).to_vec(),
        }))?;
    }
    for guard in &plan.guards {
        saving.record(&Record::Guard(Guard {
            device: number(guard.device),
            start: guard.start.0,
            bytes: guard.bytes.clone(),
        }))?;
    }
    for step in &plan.steps {
        saving.record(&Record::Step(step.title.clone()))?;
        for write in &step.writes {
            saving.write(write, stores.get(write.device).copied())?;
        }
    }
    saving.record(&Record::End)
}

fn number(device: usize) -> u32 {
    u32::try_from(device).unwrap_or(u32::MAX)
}

struct Saving<'o> {
    encoder: Encoder,
    out: &'o mut dyn io::Write,
}

impl Saving<'_> {
    fn record(&mut self, record: &Record) -> Result<(), SaveError> {
        Ok(self.out.write_all(&self.encoder.record(record))?)
    }

    fn run(&mut self, run: Run) -> Result<(), SaveError> {
        self.record(&Record::Run(run))
    }

    fn write(&mut self, write: &Write, store: Option<&dyn Store>) -> Result<(), SaveError> {
        self.record(&Record::Write(undo::Write {
            device: number(write.device),
            start: write.start.0,
            len: write.new.len(),
            part: write.part,
        }))?;
        let mut packer = Packer::default();
        match (&write.old, store) {
            (Old::Bytes(bytes), _) => packer.push(bytes, |run| self.run(run))?,
            (Old::Long(digest), Some(store)) => {
                self.long(write, *digest, store, &mut packer)?;
            }
            (Old::Long(_), None) => {}
        }
        packer.finish(|run| self.run(run))?;
        let mut packer = Packer::default();
        write
            .new
            .pieces(|_, piece| packer.push(piece, |run| self.run(run)))?;
        packer.finish(|run| self.run(run))
    }

    /// An old content of which the plan has the digest alone.
    fn long(
        &mut self,
        write: &Write,
        expected: u64,
        store: &dyn Store,
        packer: &mut Packer,
    ) -> Result<(), SaveError> {
        let mut digest = Digest::default();
        read_pieces(store, write.start, write.new.len(), |_, piece| {
            digest.update(piece);
            packer.push(piece, |run| self.run(run))
        })?;
        if digest.value() == expected {
            return Ok(());
        }
        let range = write.range();
        Err(SaveError::NotAsPlanned {
            device: store.name().to_owned(),
            start: range.start,
            end: range.end,
        })
    }
}
