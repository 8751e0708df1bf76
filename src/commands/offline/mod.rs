//! What every verb does that changes a stopped array: hold the members, read them, plan, and, unless it is a dry run,
//! carry the plan out. A verb brings the function that plans.

mod bitmap_file;
pub(crate) mod former;
mod half_done;
mod result;

pub use former::{FormerCause, FormerError};
pub use result::{Changed, Failure, TakenBack};

use crate::change::undo::{About, What};
use crate::change::{Moment, PlanError, Planned, StoppedArray, execute, hold, postcondition};
use crate::commands::undo_files::{self, Wanted};
use crate::device::Store;
use former::Former;
use std::ffi::OsString;
use std::path::PathBuf;

/// What is asked of a verb that changes a stopped array, whatever the change.
#[derive(Debug, Clone, Default)]
pub struct OfflineOptions {
    /// The verb, for the report and the undo file.
    pub verb: &'static str,
    /// All members, or images of them.
    pub devices: Vec<OsString>,
    /// Write nothing.
    pub dry_run: bool,
    /// Where what is overwritten goes first.
    pub undo: UndoPlace,
}

/// Where the undo file of a change is made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum UndoPlace {
    /// In the usual folder.
    #[default]
    Usual,
    /// Under this name.
    File(PathBuf),
    /// Nowhere: the change cannot be undone.
    Nowhere,
}

/// Makes the plan of a change to an array.
pub type Planner<'p> = dyn Fn(&StoppedArray<'_>, Moment) -> Result<Planned, PlanError> + 'p;

/// Looks at the members while they are held: nobody else can have changed them between one look and the other.
pub trait Witness {
    /// Before anything is planned: the devices in the order given, as they are once a former change was taken back that
    /// stopped half-way.
    fn before(&self, _devices: &[&dyn Store]) {}

    /// After everything was written and read back: the members in the order of [`StoppedArray::devices`].
    fn after(&self, _devices: &[&dyn Store]) {}
}

/// Nobody looks.
impl Witness for () {}

/// Changes the stopped array of `options.devices` as `planner` plans.
pub fn change(options: &OfflineOptions, planner: &Planner<'_>) -> Changed {
    change_before(options, planner, &())
}

/// The same before a witness.
pub fn change_before(
    options: &OfflineOptions,
    planner: &Planner<'_>,
    witness: &dyn Witness,
) -> Changed {
    let asked = Asked {
        options,
        planner,
        witness,
    };
    Changed {
        verb: options.verb,
        dry_run: options.dry_run,
        ..asked.changed()
    }
}

/// What is asked.
struct Asked<'a> {
    options: &'a OfflineOptions,
    planner: &'a Planner<'a>,
    witness: &'a dyn Witness,
}

impl Asked<'_> {
    fn changed(&self) -> Changed {
        let held = match hold(&self.options.devices) {
            Ok(held) => held,
            Err(error) => return Changed::failed(Failure::Hold(error)),
        };
        let mut notes = held.notes.clone();
        let stores = held.stores();
        let search = match former::search(&stores, &self.options.undo) {
            Ok(search) => search,
            Err(error) => return Changed::failed(Failure::Former(error)).with_notes(&notes),
        };
        notes.extend(search.notes.iter().cloned());
        let mut changed = match &search.former {
            None => self.on_array(&stores, search.is_spent),
            Some(former) => self.after_former(&stores, former, search.is_spent),
        };
        notes.append(&mut changed.notes);
        changed.notes = notes;
        changed
    }

    /// A change that stopped half-way is taken back first, if what is asked for can be done then.
    fn after_former(&self, stores: &[&dyn Store], former: &Former, replace: bool) -> Changed {
        let views = former.views(stores);
        let views: Vec<&dyn Store> = views.iter().map(|view| &**view as &dyn Store).collect();
        let taken_back = Some(TakenBack {
            what: former.what(),
            undo_file: former.path.clone(),
        });
        let planned = match self.planned(&views) {
            Ok(on) => on.planned,
            Err(error) => {
                self.witness.before(&views);
                let note = format!(
                    "{} stopped half-way; `mdbitmap undo {}` takes it back",
                    former.what(),
                    former.path.display()
                );
                return Changed::failed(Failure::Plan(error)).with_notes(&[note]);
            }
        };
        if self.options.dry_run {
            self.witness.before(&views);
            return Changed {
                taken_back,
                ..Changed::planned(planned)
            };
        }
        if let Err(error) = former.take_back(stores) {
            let mut changed = Changed::failed(Failure::Former(error));
            changed.ways_on = vec![format!(
                "give the same command again, or `mdbitmap undo {}`",
                former.path.display()
            )];
            return changed;
        }
        let mut changed = Changed {
            taken_back,
            ..self.on_array(stores, replace)
        };
        // It says nothing any more that is not so, and what was written since is in a file of its own.
        let is_new = changed.undo_file.as_ref() == Some(&former.path);
        if !is_new
            && changed.failure.is_none()
            && let Err(error) = std::fs::remove_file(&former.path)
        {
            changed.notes.push(format!(
                "{}: is of no use any more, and cannot be removed: {error}",
                former.path.display()
            ));
        }
        changed
    }

    fn planned<'s>(&self, stores: &[&'s dyn Store]) -> Result<OnArray<'s>, PlanError> {
        let array = StoppedArray::read(stores)?;
        let planned = (self.planner)(&array, Moment::now())?;
        postcondition::check(&array, &planned)?;
        let member = array.array()?;
        Ok(OnArray {
            planned,
            stores: array.devices.iter().map(|device| device.store).collect(),
            array_uuid: member.array_uuid,
            uuid_text: member.uuid_text(),
        })
    }

    /// Changes what is there. `replace`: the file that is named for undoing may be there.
    fn on_array(&self, stores: &[&dyn Store], replace: bool) -> Changed {
        self.witness.before(stores);
        let on = match self.planned(stores) {
            Ok(on) => on,
            Err(error) => return Changed::failed(Failure::Plan(error)),
        };
        let mut changed = Changed::default();
        if !self.options.dry_run && !on.planned.is_nothing() {
            match carry_out(self.options, &on, replace, &mut changed) {
                Ok(()) => {
                    changed.written = true;
                    self.witness.after(&on.stores);
                }
                Err(failure) => {
                    half_done::explain(&mut changed, &failure, &on.stores);
                    changed.failure = Some(failure);
                }
            }
        }
        changed.planned = Some(on.planned);
        changed
    }
}

/// A plan for the array that stores hold.
struct OnArray<'s> {
    planned: Planned,
    /// In the order of the plan.
    stores: Vec<&'s dyn Store>,
    array_uuid: [u8; 16],
    /// The same as mdadm spells it.
    uuid_text: String,
}

/// The steps, and the bitmap file around them: whether there is room for it shows before anything else is changed, and
/// it is no bitmap before everything else is. What is overwritten is kept before the first step.
fn carry_out(
    options: &OfflineOptions,
    on: &OnArray<'_>,
    replace: bool,
    changed: &mut Changed,
) -> Result<(), Failure> {
    let (planned, stores) = (&on.planned, &on.stores);
    let file = match &planned.file {
        Some(file) => Some(bitmap_file::prepare(file, &mut changed.notes)?),
        None => None,
    };
    if !planned.plan.is_empty() {
        let wanted = Wanted {
            place: &options.undo,
            about: about(options, on),
            uuid: &on.uuid_text,
            plan: &planned.plan,
            stores,
            paths: absolute(options, stores),
            replace,
        };
        if let Some((path, notes)) = undo_files::create(&wanted).map_err(Failure::Undo)? {
            changed.undo_file = Some(path);
            changed.notes.extend(notes);
        }
    }
    execute(&planned.plan, stores, |_, _| {}).map_err(Failure::Execute)?;
    file.map_or(Ok(()), |file| file.finish(planned.plan.is_empty()))
}

fn about(options: &OfflineOptions, on: &OnArray<'_>) -> About {
    let planned = &on.planned;
    About {
        what: What::Metadata,
        made: Moment::now().seconds,
        array_uuid: on.array_uuid,
        verb: options.verb.to_owned(),
        array: planned.after.array.clone(),
        program: concat!("mdbitmap ", env!("CARGO_PKG_VERSION")).to_owned(),
        sentences: planned.sentences.clone(),
    }
}

/// The paths of the stores, so that they are found from everywhere. Links are kept: names below /dev/disk last longer than
/// what they lead to.
fn absolute(options: &OfflineOptions, stores: &[&dyn Store]) -> Vec<PathBuf> {
    let path = |store: &&dyn Store| {
        let mut given = options.devices.iter().map(PathBuf::from);
        let path = given.find(|path| path.display().to_string() == store.name());
        let path = path.unwrap_or_else(|| store.name().into());
        std::path::absolute(&path).unwrap_or(path)
    };
    stores.iter().map(path).collect()
}
