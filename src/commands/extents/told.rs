//! What is said about the devices before anything is listed.

use super::Opened;
use super::plan::{Array, Plan, is_bare};
use crate::array::Conflict;
use crate::commands::given::{Problem, ProblemKind};
use crate::commands::users;

/// What was noted when the devices were opened, as far as it matters here.
pub(super) fn devices(opened: &Opened, plan: &mut Plan<'_>) {
    let has_file = opened.given.iter().any(is_bare);
    for (index, given) in opened.given.iter().enumerate() {
        plan.notes.extend(given.notes.iter().cloned());
        if index < opened.listed && given.is_usable() {
            plan.notes.extend(users::of(&given.path));
        }
        // The bitmap of a member beside a bitmap file is that file.
        let no_matter = given.member.is_some() && (has_file || index >= opened.listed);
        for problem in &given.problems {
            if problem.kind != ProblemKind::NoBitmap {
                plan.problems.push(problem.clone());
            } else if given.found.as_ref().is_some_and(|found| !found.announced) && !no_matter {
                plan.problems.push(Problem::new(
                    ProblemKind::NoBitmap,
                    format!(
                        "{}: has no bitmap: its superblock announces none, and what lies at the place of one is not listed",
                        given.name()
                    ),
                ));
            } else if !no_matter {
                plan.problems.push(problem.clone());
            }
        }
    }
}

impl Array<'_> {
    /// What the superblocks contradict each other in.
    pub(super) fn told_conflicts(&self, plan: &mut Plan<'_>) {
        let name = |place: usize| {
            let member = self.members.get(place);
            member.map(|member| member.given.name()).unwrap_or_default()
        };
        let conflicts = self
            .membership
            .iter()
            .flat_map(|membership| &membership.conflicts);
        for conflict in conflicts {
            let sentence = match conflict {
                Conflict::SplitBrain { first, second } => format!(
                    "{} and {}: split brain: each says that the other is not in the array, so both went on alone; chunks that neither \
                     marks may differ",
                    name(*first),
                    name(*second)
                ),
                Conflict::SameSlot {
                    slot,
                    first,
                    second,
                } => format!(
                    "{} and {} both claim slot {slot}; chunks that neither marks may differ",
                    name(*first),
                    name(*second)
                ),
                Conflict::SameDevice { first, second } => format!(
                    "{} and {} have the same device UUID: one is a copy of the other",
                    name(*first),
                    name(*second)
                ),
                Conflict::Geometry {
                    member,
                    field,
                    expected,
                    found,
                } => {
                    plan.refuse(format!(
                        "{}: {field}: expected {expected}, as the freshest superblock says, found {found}; give it without the others",
                        name(*member)
                    ));
                    continue;
                }
            };
            plan.problems
                .push(Problem::new(ProblemKind::BadSuperblock, sentence));
        }
    }
}
