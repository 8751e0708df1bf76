//! One command on one array, at every moment.

use super::attempt::{Attempt, Ended, Tamper, attempt, attempt_with};
use super::figures::Figures;
use super::judge::{Case, Counts, Fault, Knowledge, before};
use super::record::{Digest, Record, strays};
use crate::commands::Command;
use crate::corpus::Base;
use mdbitmap::change::undo as undo_files;
use mdbitmap::device::crash::{
    self, CallKind, Effort, Image, Kept, Log, Random, Recorder, What, windows,
};
use std::collections::HashSet;
use std::sync::Arc;

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub effort: Effort,
    /// Of how many states a second run is cut short as well: one in this many.
    pub second_in: u64,
    /// Which calls are made to fail: every write and flush, and one in so many of the reads.
    pub faults_in: u64,
}

/// How a command is made wrong.
#[derive(Clone, Copy)]
pub struct Wrong<'w> {
    pub tamper: &'w Tamper<'w>,
    /// The store whose flushes are lost.
    pub unflushed: Option<usize>,
}

/// What comes of a command on an array.
pub fn explore(
    base: &Base,
    command: &Command,
    settings: Settings,
    wrong: Option<Wrong<'_>>,
    figures: &mut Figures,
) {
    let given = given(base, command);
    let Some(given) = given else {
        return;
    };
    let mut before = before(base);
    // The one that is left out may be called failed.
    before.members -= usize::from(command.without.is_some());
    let case = Case {
        base,
        command,
        given,
        before,
        seed: settings.effort.seed,
        tamper: wrong.as_ref().map(|wrong| wrong.tamper),
    };
    Explorer {
        case,
        unflushed: wrong.and_then(|wrong| wrong.unflushed),
        settings,
        figures,
        seen: HashSet::new(),
        ends: HashSet::new(),
        counts: Counts::default(),
    }
    .run();
}

/// The disks that a command is given: those that are part of the array, less the one that is left out, and now and then those
/// that are away.
fn given(base: &Base, command: &Command) -> Option<Vec<usize>> {
    let mut given = base.present();
    if let Some(slot) = command.without {
        // Of a complete array alone.
        if !base.away.is_empty() || slot >= base.spec.slots as usize {
            return None;
        }
        given.retain(|disk| *disk != slot);
    } else if base.number % 3 == 1 {
        given.extend(&base.away);
    }
    Some(given)
}

struct Explorer<'e> {
    case: Case<'e>,
    unflushed: Option<usize>,
    settings: Settings,
    figures: &'e mut Figures,
    seen: HashSet<u128>,
    ends: HashSet<u128>,
    counts: Counts,
}

impl Explorer<'_> {
    fn run(mut self) {
        let name = self.case.command.name;
        let recorder = Recorder::new(self.case.start());
        let ended = attempt(&recorder, self.case.command, self.case.tamper);
        let row = match &ended {
            Ended::Done(attempt) if !attempt.planned.plan.is_empty() => 0,
            Ended::Done(_) => 2,
            Ended::Refused(_) => 1,
            Ended::Failed { .. } | Ended::Broken(_) => {
                return self.violation("undisturbed", &Fault::Again(format!("{ended:?}")));
            }
        };
        if let Ended::Refused(reasons) = &ended {
            let reason = format!("{name}: {reasons:?}");
            *self.figures.refusals.entry(reason).or_default() += 1;
        }
        self.figures.by_command.entry(name).or_default()[row] += 1;
        self.figures.commands += 1;
        let (calls, log) = (recorder.kinds(), recorder.log());
        let Ended::Done(done) = ended else {
            return self.untouched(&log);
        };
        if done.planned.plan.is_empty() {
            return self.untouched(&log);
        }
        if let Some(stray) = strays(self.case.base, &done.planned.plan) {
            return self.violation("undisturbed", &Fault::Again(stray));
        }
        let undo_length = done.undo.len();
        let known = self.knowledge(log, done);
        let log = known.record.log.clone();
        match self.unflushed {
            None => self.cut(&known, &log, "", true),
            Some(lost) => self.cut(
                &known,
                &log.without_flushes(|_, store| store == lost),
                "",
                false,
            ),
        }
        if self.case.tamper.is_none() {
            self.fail(&known, &calls);
            self.undo_file_does_not_fit(undo_length);
        }
        self.figures.torn += self.counts.torn;
        self.figures.again += self.counts.again;
        self.figures.undone += self.counts.undone;
    }

    /// What was refused, or had nothing to do, has written nothing.
    fn untouched(&mut self, log: &Log) {
        if log.entries().count() > 0 {
            let writes = log
                .entries()
                .any(|entry| matches!(entry, crash::Entry::Write { .. }));
            if writes {
                self.violation("refused", &Fault::Outside(0));
            }
        }
    }

    fn knowledge(&self, log: Log, attempt: Box<Attempt>) -> Knowledge {
        let record = Record::new(self.case.base, log, &attempt);
        let disks = self.case.disks(&record.end);
        let world = self.case.base.world(&disks);
        let digest = Digest::of(&world, &self.case.given);
        let undo = attempt.undo_file();
        Knowledge {
            digest,
            undo,
            origin: record.log.start().to_vec(),
            record,
        }
    }

    /// Every window of a log.
    fn cut(&mut self, known: &Knowledge, log: &Log, before: &str, again: bool) {
        for window in windows(log) {
            for state in window.states(self.settings.effort) {
                let what = format!("{before}window {} state {}", window.number(), state.index);
                let new = self.look(known, &state.images, &what);
                if self.case.tamper.is_some() && !self.figures.violations.is_empty() {
                    return;
                }
                if again && new && state.index % self.settings.second_in == 1 {
                    self.cut_again(known, &state.images, &what);
                    self.cut_undo(known, &state.images, &what);
                }
            }
        }
    }

    /// The same command is run on what a cut left, and cut short as well.
    fn cut_again(&mut self, known: &Knowledge, images: &[Image], what: &str) {
        let recorder = Recorder::new(images.to_vec());
        let Ended::Done(attempt) = attempt(&recorder, self.case.command, self.case.tamper) else {
            return;
        };
        if attempt.planned.plan.is_empty() {
            return;
        }
        let mut second = self.knowledge(recorder.log(), attempt);
        // An end is an end of the first run as well.
        second.digest.clone_from(&known.digest);
        let log = second.record.log.clone();
        self.cut(&second, &log, &format!("{what}, again: "), false);
    }

    /// What a cut left is taken back, and that is cut short as well.
    fn cut_undo(&mut self, known: &Knowledge, images: &[Image], what: &str) {
        if self.case.tamper.is_some() {
            return;
        }
        let recorder = Recorder::new(images.to_vec());
        // Whether it can be is looked at elsewhere.
        if undo_files::take_back(&known.undo, &recorder.stores()).is_err() {
            return;
        }
        let second = Knowledge {
            record: known.record.of_undo(self.case.base, recorder.log()),
            digest: known.digest.clone(),
            undo: Arc::clone(&known.undo),
            origin: known.origin.clone(),
        };
        let log = second.record.log.clone();
        self.cut(&second, &log, &format!("{what}, undone: "), false);
    }

    /// The disk that the undo file is on is full: nothing else is written.
    fn undo_file_does_not_fit(&mut self, length: usize) {
        let mut random = Random::of(&[self.settings.effort.seed, length as u64]);
        let rooms = [
            0,
            length / 2,
            random.below(length as u64) as usize,
            length - 1,
        ];
        for room in rooms {
            let recorder = Recorder::new(self.case.start());
            let ended = attempt_with(&recorder, self.case.command, None, Some(room));
            let writes = recorder
                .log()
                .entries()
                .any(|entry| matches!(entry, crash::Entry::Write { .. }));
            self.figures.faults += 1;
            if writes || !matches!(ended, Ended::Failed { written: false }) {
                let name = format!("room for {room} bytes of the undo file");
                self.violation(&name, &Fault::Again(ended.short()));
            }
        }
    }

    /// Judges a state that was not seen before; false for one that was.
    fn look(&mut self, known: &Knowledge, images: &[Image], what: &str) -> bool {
        let hash = crash::hash_of(images);
        if !self.seen.insert(hash) {
            return false;
        }
        self.figures.states += 1;
        self.figures.hashes.push(hash);
        if let Err(fault) = self
            .case
            .judge(known, images, &mut self.ends, &mut self.counts)
        {
            self.violation(what, &fault);
        }
        true
    }

    /// Every call fails once, each in one of the ways in turn.
    fn fail(&mut self, known: &Knowledge, calls: &[CallKind]) {
        for (call, kind) in (0..).zip(calls) {
            let mut random = Random::of(&[self.settings.effort.seed, self.case.base.number, call]);
            if *kind == CallKind::Read && !random.once_in(self.settings.faults_in) {
                continue;
            }
            let kinds = [
                (What::InputOutput, Kept::Nothing),
                (What::NoSpace, Kept::Some(call)),
                (What::InputOutput, Kept::All),
            ];
            let turn = (call + self.case.base.number) % 3;
            for (number, (what, kept)) in (0..).zip(kinds).filter(|(number, _)| *number == turn) {
                let fault = crash::Fault {
                    call,
                    what,
                    kept,
                    lasting: number == 2,
                };
                let recorder = Recorder::new(self.case.start()).with_fault(fault);
                let ended = attempt(&recorder, self.case.command, None);
                let log = recorder.log();
                let writes = log
                    .entries()
                    .any(|entry| matches!(entry, crash::Entry::Write { .. }));
                let is_read = recorder.struck() == Some(CallKind::Read);
                let name = format!("call {call} fails ({what:?}, {kept:?})");
                self.figures.faults += 1;
                match ended {
                    Ended::Failed { written } if written || !writes => {}
                    Ended::Refused(_) if !writes => {}
                    // What is looked at before the first write could not be read.
                    Ended::Broken(_) if is_read && !writes => {}
                    // What could not be read counts as unknown, and another plan may come of it.
                    Ended::Done(done) if is_read => {
                        if !done.planned.plan.is_empty() {
                            let other = self.knowledge(log, done);
                            let end = other.record.end.clone();
                            self.look(&other, &end, &name);
                        }
                        break;
                    }
                    other => self.violation(&name, &Fault::Again(other.short())),
                }
                let last = windows(&log).pop();
                let effort = Effort {
                    exhaustive: 4,
                    random: 1,
                    ..self.settings.effort
                };
                for state in last.iter().flat_map(|window| window.states(effort)) {
                    self.look(
                        known,
                        &state.images,
                        &format!("{name}, state {}", state.index),
                    );
                }
                if is_read {
                    // One kind is enough.
                    break;
                }
            }
        }
    }

    fn violation(&mut self, what: &str, fault: &Fault) {
        let base = self.case.base;
        self.figures.violations.push(format!(
            "array {} ({}), {}, {what} (seed {}) # {fault:?}",
            base.number,
            base.name(),
            self.case.command.name,
            self.settings.effort.seed
        ));
    }
}
