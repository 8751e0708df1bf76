//! Sections of mdbitmap-grow(8), as roff.

pub const NOTES: &str = r#".SH "WHAT IS KEPT"
Dirty chunks. In coarser chunks whatever holds a dirty one is dirty; in finer ones, all of it. What a bitmap did not cover because the members were enlarged
is dirty. The event count up to which marks were cleared (Events Cleared) is kept with them, so that a member that is away can still be re-added by
the bitmap; a first bitmap gets the present one, and no former member is re-added by it.
.PP
A lockless bitmap calls chunks dirty, unwritten and so on whatever the md superblock says of the array. In bits everything but clean is dirty, and the array
is marked as one that was not stopped cleanly, so that the kernel does synchronise these chunks; so it is when a lockless bitmap is removed. The same holds for
marks that the nodes of a cluster have left: all slots count.
.SH "WHERE IT GOES"
All members, and spares when they are put to use, have the bitmap at the same distance from their superblocks. It stays where it is if it fits there; else it goes where mdadm
would put it; else to the smallest free stretch that is large enough. Free is what is taken neither by superblock, bad\-block log (in use or not), partial parity log
nor data of any member, and where the kernel looks for a bitmap: between superblock and data with 1.1 and 1.2, before the superblock with 1.0, at the one place of 60 KiB
with 0.90. So finer chunks are possible than mdadm offers, which counts only what was reserved when the array was created. Where the bitmap does not fit, it is refused with
what is in the way on which member, and with the smallest chunk that does fit. A bitmap that is there and has become too long (enlarged members, other data offset) gets the smallest
chunks that fit, unless
.B \-\-chunk
says which.
.PP
A lockless bitmap reserves 128 KiB if there is room. One that mdadm 4.6 has made lies on the bad\-block log;
.B \-\-bitmap=lockless
moves it away, unless the log was used already: then the bitmap is not to be believed.
.SH "ORDER"
Superblocks lose the bitmap; the new area is written without its header; the header; superblocks announce it. Everything is flushed and read back in between, and event counts
move by one at a time. Interrupted anywhere the array starts: with the old bitmap, without one (an array that was not stopped cleanly is then resynchronised as a whole), or with the new one.
Delay and write\-behind alone are changed in place.
.SH "FILES"
.B \-\-bitmap=FILE
takes the bitmap off the members and makes FILE with the same marks, which must not exist. The superblocks do not say where it is: it is given to mdadm (up to 4.3) with every start of the
array, on kernels before 6.18. Once the array has run without it, it is out of date.
.B \-\-bitmap=internal \-\-merge=FILE
is the way back. The file has to be the bitmap of the array as it is: right UUID, and neither older nor newer than the members (an older one is no
hindrance where the array's bitmap has all its marks). A change to a file that is cut off just before the file has its name marks everything when it is given again, or is taken back by
.BR "mdbitmap undo" . A crash of the array
without its file leaves no bitmap that could be believed.
.SH "MEMBERS THAT ARE NOT THERE"
A member that the freshest superblock calls active and that is not given may be fresher than all others, so that is refused. With
.BR \-\-force ,
on an array that was stopped cleanly, it counts as failed from then on. A lockless bitmap does not record since when a member is away: none is made while a slot is open.
"#;

pub const EXAMPLES: &str = r#".SH EXAMPLES
.TP
.B mdbitmap grow \-\-bitmap=internal \-\-dry\-run /dev/sd[ab]1
Shows what it would take to add a bitmap: every byte.
.TP
.B mdbitmap grow \-\-chunk 1M /dev/sd[ab]1
Changes the chunks of the bitmap to 1 MiB, and adds one where there is none.
.TP
.B mdbitmap \-\-grow /dev/sd[ab]1 \-\-bitmap=internal \-\-bitmap\-chunk=64M \-\-delay=5
The same command as mdadm has for running arrays.
.TP
.B mdbitmap grow \-\-delay 15 \-\-write\-behind=512 /dev/sd[ab]1
Changes these two alone, in place.
.TP
.B mdbitmap grow \-\-bitmap=lockless /dev/sd[abc]1
Converts to a lockless bitmap, or moves one away from what it lies on.
.TP
.B mdbitmap grow \-\-bitmap=none \-\-force /dev/sda1
Removes the bitmap of a mirror whose other member is lost.
.TP
.B mdbitmap grow \-\-bitmap=clustered \-\-nodes 3 \-\-home\-cluster web /dev/sd[ab]1
Makes room for the bitmaps of three nodes, and gives the first all marks;
.B \-\-bitmap=internal \-\-force
is the way back, once no node is up.
.TP
.B mdbitmap grow \-\-bitmap=/boot/md0.bitmap /dev/sd[ab]1
Moves the bitmap into a file, with its marks.
.TP
.B mdbitmap grow \-\-bitmap=internal \-\-merge=/boot/md0.bitmap \-\-chunk 4K /dev/sd[ab]1
Replaces a bitmap file, which new kernels do not attach, by an internal bitmap with the same marks.
"#;
