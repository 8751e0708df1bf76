//! What mdbitmap-check(8) says of `--repair`.

/// What is done, and what is not.
pub const NOTES: &str = r#".SH REPAIR
.B \-\-repair
takes all members of one stopped array, or images of them, for itself, checks them, writes what has to be written, and checks again. What was
found, what was done and what is left is printed; with
.BR \-\-dry\-run ,
what would be. An array with nothing that is for a repair is not touched.
.SS "What is done"
.TP
.B A field is wrong, the bits are sound
(mend_header) The field is put right in every copy; nothing else changes.
.TP
.B Copies differ, or some cannot be believed
(unite_copies, rebuild) Every copy that can be believed is complete by itself, so all members get what any of them marks. Copies are changed where they
are, and none that is good is taken away first. On an array that was stopped cleanly this makes nothing to be resynchronised: its members are
equal by their superblocks.
.TP
.B No copy can be believed
(rebuild) A wrong UUID, events that are behind, a write error, no magic number: such bits say nothing, and mending the field would make the kernel believe them. The
bitmap is made anew with every chunk marked, and the array is marked as not stopped cleanly, so that the next start resynchronises all of it. A member that is absent
is copied completely when it comes back. A bitmap that does not cover the whole array is marked where it does not.
.TP
.B It lies where something else does
(move) The bitmap is made anew in a place that is free on all members, if need be with larger chunks.
.TP
.B Nothing lies where the superblocks say
(superblocks) They say no more that there is a bitmap.
.SS "What is refused"
Nothing is written, the status is 3, and every reason is given: a member that holds a slot was not given
.RB ( \-\-force
calls it failed, on an array that was stopped cleanly); members contradict each other; a member is being recovered by this very bitmap; a reshape, a
journal, a partial parity log; marks that would have to be synchronised on an array with an open slot; no room for a bitmap; a cluster whose nodes may be
up
.RB ( \-\-force
says that none is).
.SS JSON
.B \-\-repair \-\-json
prints one object with the keys
.BR schema ,
.B before
and
.B after
(arrays as above),
.B change
(as the verbs that change arrays print it; its
.B refused
lists the reasons) and
.B prediction
(null, or what the next start does:
.BR starts ,
.BR resync_bytes ,
.BR why ,
.BR recovers ).
"#;
