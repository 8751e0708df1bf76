//! Sections of the page of `undo`, as roff.

pub const NOTES: &str = r#".SH "WHEN A CHANGE CAN BE TAKEN BACK"
Every verb that changes a stopped array first makes an undo file: whole, flushed, and read back before the first byte of a member is written. It holds the old
and the new content of everything that is written, and the superblocks and bitmap headers of all members.
.PP
A change can be taken back as long as every sector of it holds the old or one of the new contents, and the superblocks and bitmap headers hold nothing else
beside. So it can be taken back when it is done, when it stopped half-way, and when taking it back stopped half-way. It cannot be when the array was started
since: that writes the superblocks. The event count alone proves nothing, since kernels step it back; what is compared are all bytes, the time of the last update among them.
.PP
The steps are taken back in the reverse order, each flushed on one member after the other, so that a crash on the way leaves nothing that a crash of the change
itself could not have left: the array can be started, and no chunk that may differ counts as clean.
.SH "AFTER A CRASH"
A command that was interrupted can simply be given again: it finds the undo file of the change that stopped half-way (in the usual folder, or the one that
.B \-\-undo
names), takes that change back, says so, and begins anew. This works with a superblock of which only a part was written, too. With
.B \-\-no\-undo
nothing is looked for.
.PP
An undo file on tmpfs (as in an initramfs) is gone after the next boot, which is said. An array whose undo file is lost is safe all the same: what stopped half-way can be started as it is,
and the command can be given again; marks that only the old bitmap had are then lost, in which case everything is marked.
.SH FILES
.TP
.I /var/lib/mdbitmap/undo/
The usual folder of root, for root alone. Files are named by array UUID, verb and time. They are not removed by themselves, but for those of changes that stopped half-way and were
taken back by the command that was given again.
.TP
.I $XDG_STATE_HOME/mdbitmap/undo/
That of other users; the default of the variable is ~/.local/state.
.SH ENVIRONMENT
.TP
.B MDBITMAP_UNDO_DIR
Names another folder than the usual one.
"#;

pub const EXAMPLES: &str = r#".SH EXAMPLES
.TP
.B mdbitmap undo \-\-list
What can be taken back, and how far each change has come.
.TP
.B mdbitmap undo \-\-dry\-run grow.undo
What would be put back, in words, and whether that is possible.
.TP
.B mdbitmap undo grow.undo
Takes it back on the members that the file names.
.TP
.B mdbitmap undo grow.undo /mnt/rescue/sda1.img /mnt/rescue/sdb1.img
The same on images of the members that were made after the change.
"#;
