//! A command on stores, as `commands::offline` carries it out, without the parts that need real devices.

use crate::commands::{Command, NOW};
use mdbitmap::change::execute::Cause;
use mdbitmap::change::plan::{Old, Plan};
use mdbitmap::change::undo::{self, About, UndoFile, What};
use mdbitmap::change::{PlanError, Planned, StoppedArray, execute, postcondition};
use mdbitmap::device::crash::Recorder;
use mdbitmap::device::{MemoryStore, Store, StoreError};
use mdbitmap::units::Bytes;
use std::sync::Arc;

/// How a command ended.
#[derive(Debug)]
pub enum Ended {
    /// All of it is done; nothing was to be done, perhaps.
    Done(Box<Attempt>),
    /// It may not be done: the names of the reasons.
    Refused(Vec<&'static str>),
    /// A device failed; false when nothing was written for certain.
    Failed { written: bool },
    /// Something that must not be.
    Broken(String),
}

#[derive(Debug)]
pub struct Attempt {
    pub planned: Planned,
    /// The plan's devices, as places among the stores.
    pub places: Vec<usize>,
    /// The undo file.
    pub undo: Vec<u8>,
}

/// What is done to a plan between its making and its execution.
pub type Tamper<'t> = dyn Fn(&mut Plan) + 't;

/// Runs a command on the stores of a recorder.
pub fn attempt(recorder: &Recorder, command: &Command, tamper: Option<&Tamper<'_>>) -> Ended {
    attempt_with(recorder, command, tamper, Some(usize::MAX))
}

/// The same when there is room for so many bytes of the undo file; without one if `None`.
pub fn attempt_with(
    recorder: &Recorder,
    command: &Command,
    tamper: Option<&Tamper<'_>>,
    room: Option<usize>,
) -> Ended {
    let stores = recorder.stores();
    let array = match StoppedArray::read(&stores) {
        Ok(array) => array,
        Err(error) => return not_planned(&error),
    };
    let planned = (command.plan)(&array, NOW).and_then(|planned| {
        if tamper.is_none() {
            postcondition::check(&array, &planned)?;
        }
        Ok(planned)
    });
    let mut planned = match planned {
        Ok(planned) => planned,
        Err(error) => return not_planned(&error),
    };
    let order: Vec<&dyn Store> = array.devices.iter().map(|device| device.store).collect();
    if let Some(tamper) = tamper {
        tamper(&mut planned.plan);
        put_old_right(&mut planned.plan, &order);
    }
    let place = |store: &&dyn Store| stores.iter().position(|other| other.name() == store.name());
    let places = order.iter().filter_map(place).collect();
    let mut undo = Vec::new();
    if planned.plan.is_empty() {
        return Ended::Done(Box::new(Attempt {
            planned,
            places,
            undo,
        }));
    }
    let mut disk = Disk {
        bytes: &mut undo,
        room: room.unwrap_or_default(),
    };
    if room.is_some()
        && let Err(error) = undo::save(&about(), &planned.plan, &order, &[], &mut disk)
    {
        return match error {
            undo::SaveError::Store(_) | undo::SaveError::Write(_) => {
                Ended::Failed { written: false }
            }
            other => Ended::Broken(other.to_string()),
        };
    }
    match execute(&planned.plan, &order, |_, _| {}) {
        Ok(()) => Ended::Done(Box::new(Attempt {
            planned,
            places,
            undo,
        })),
        Err(error) => match error.cause {
            Cause::Store(_) => Ended::Failed {
                written: error.written,
            },
            _ => Ended::Broken(error.to_string()),
        },
    }
}

/// Where the undo file is.
struct Disk<'b> {
    bytes: &'b mut Vec<u8>,
    room: usize,
}

impl std::io::Write for Disk<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let fits = bytes.len().min(self.room - self.bytes.len());
        if fits == 0 && !bytes.is_empty() {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(&bytes[..fits]);
        Ok(fits)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What the writes of a plan that was tampered with replace.
fn put_old_right(plan: &mut Plan, stores: &[&dyn Store]) {
    let copy = |store: &&dyn Store| {
        let mut bytes = vec![0; store.len().0 as usize];
        store
            .read_at(Bytes(0), &mut bytes)
            .expect("no fault in a mutant");
        bytes
    };
    let mut now: Vec<Vec<u8>> = stores.iter().map(copy).collect();
    plan.steps.retain(|step| !step.writes.is_empty());
    for write in plan.steps.iter_mut().flat_map(|step| &mut step.writes) {
        let range = write.range();
        let bytes = &mut now[write.device][range.start as usize..range.end as usize];
        write.old = Old::Bytes(bytes.to_vec());
        bytes.copy_from_slice(&write.new.to_vec());
    }
}

fn not_planned(error: &PlanError) -> Ended {
    match error {
        PlanError::Store(StoreError::Read { .. } | StoreError::Flush { .. }) => {
            Ended::Failed { written: false }
        }
        PlanError::Store(other) => Ended::Broken(other.to_string()),
        PlanError::Refused(all) => {
            let names: Vec<&'static str> = all.iter().map(|refusal| refusal.name).collect();
            match names.contains(&"plan-flawed") {
                true => Ended::Broken(error.to_string()),
                false => Ended::Refused(names),
            }
        }
    }
}

fn about() -> About {
    About {
        what: What::Metadata,
        made: NOW.seconds,
        array_uuid: crate::corpus::history::UUID,
        verb: "crash".to_owned(),
        array: String::new(),
        program: "crash".to_owned(),
        sentences: Vec::new(),
    }
}

impl Attempt {
    pub fn undo_file(&self) -> Arc<UndoFile> {
        let store = MemoryStore::new("undo", self.undo.clone());
        Arc::new(UndoFile::open(Arc::new(store)).expect("the undo file of a plan can be read"))
    }
}

impl Ended {
    /// For a violation.
    pub fn short(&self) -> String {
        match self {
            Ended::Done(done) => format!("Done({} steps)", done.planned.plan.steps.len()),
            Ended::Broken(why) => why.clone(),
            Ended::Refused(names) => format!("Refused({names:?})"),
            Ended::Failed { written } => format!("Failed, written {written}"),
        }
    }
}
