//! Sections of the pages of the verbs that change marks, as roff.

pub const EXTENTS: &str = r#".SH "RANGES AND LISTS"
.B \-\-range
START+LENGTH: both numbers need a suffix: s for sectors of 512 bytes, K, M, G, T for powers of 1024, B for bytes. What is addressed is said by
.BR \-\-space :
.TP
.B bitmap
(the default) What the bitmap counts: rows of the members for RAID 1, 4, 5, 6, sectors of the array for RAID 10.
.TP
.B array
Sectors of the array (/dev/mdN).
.TP
.B member
From the start of the data of one member, which
.B \-\-member
names.
.TP
.B device
From the start of the device of one member. What lies outside the array's data there (superblock, bitmap) has no mark, and is left out with
a note.
.PP
.B \-\-extents
FILE is a list as
.BR mdbitmap\-extents (8)
writes it, told apart by how it begins: JSON (which says its space), CSV (with the members' names where addresses are of members), or a mapfile of GNU
ddrescue. Extents must be in ascending order and apart from each other, those of one member together. A list that says that it is
incomplete, or ends early, is an error, and so is anything else that does not fit the form: the message names the line.
.PP
Of a mapfile, blocks with the status
.B +
are meant, and
.B ?
are not, as in a domain (ddrescue \-m), which is what
.B mdbitmap extents
writes. The map of a rescue looks the same and means the contrary:
.B +
is what was read. So any other status in it is an error, unless
.B \-\-status
says which blocks are meant:
.B \-\-status=\-*/?
is everything that was not rescued. A map that mdbitmap did not write does not say in which addresses it is;
.B \-\-space
must (device, as a rule, and
.B \-\-member
then says of which).
"#;

pub const SET: &str = r#".SH "WHAT A MARK DOES"
The kernel looks at marks when it starts an array that was not stopped cleanly: it makes the members equal in every chunk that is marked. On RAID 1 the lowest slot
is copied to the others, on RAID 10 the first copy, on RAID 4, 5 and 6 parity is computed from the data. From a clean array it drops
the marks without synchronising anything. So where chunks are to be synchronised that are marked or become so, the array is marked as one that was not
stopped cleanly (resync offset 0), before the marks are there; all other marks on it are then synchronised too.
.PP
A lone member of a mirror has nothing to be synchronised with: its marks say what a member lacks that is re-added, and it stays clean. A degraded array of another kind that
is clean is refused: not stopped cleanly, it might not start any more.
.PP
The bitmap must be one that the kernel would work with as it is, on all members; else
.B mdbitmap check \-\-repair
comes first. All copies get the same new marks; only the 512\-byte sectors that change are written. Order: headers of the bitmaps with the next event count, superblocks,
marks; each flushed and read back before the next. A power cut in between leaves an array that starts, and the command can be given again.
"#;

pub const SET_EXAMPLES: &str = r#".SH EXAMPLES
.TP
.B mdbitmap set \-\-range 0K+1M \-\-dry\-run /dev/sda1 /dev/sdb1
What marking the first MiB would write, and what the next start would then do.
.TP
.B mdbitmap set \-\-space=device \-\-member /dev/sdb1 \-\-range 40136s+8s /dev/sda1 /dev/sdb1
Marks the chunk in which sector 40136 of /dev/sdb1 lies, after a sector there was rewritten by hand.
.TP
.B mdbitmap set \-\-extents rescue.map \-\-status=\-*/? \-\-space=device \-\-member sdb1.img sda1.img sdb1.img
Marks what ddrescue could not read of a member, so that the other one's data is copied there.
.TP
.B mdbitmap set \-\-all /dev/sd[abc]1
A full resync at the next start.
"#;

pub const CLEAR: &str = r#".SH "WHAT IS CLEARED"
Only chunks that lie wholly in what is named (the last chunk of an array may be short): a chunk that is named in part may differ in the other part, and keeps its mark. Several
ranges or extents count together; in the space array, a chunk of a RAID 5 is named when the pieces of all data members are.
.PP
Marked ones among these are read from all members: mirrors and RAID 10 are compared copy by copy, RAID 4, 5 and 6 by parity (and Q). No chunk is read that is not marked. A
dry run reads as much, and says exactly what would be cleared.
.PP
A mark may be the only record of what a member that is away lacks, so nothing is cleared while a slot of the array is empty, its member was not given, or is being
recovered. The header's events cleared is raised before the first mark goes: a device that was a member earlier is then not re-added by this
bitmap.
.PP
The array stays what it is: one that was not stopped cleanly starts with a resync of what is still marked. In a lockless bitmap chunks become clean; unwritten ones stay
unwritten.
.SH "EXIT STATUS"
0: everything asked for is cleared, or was not marked. 1: some chunks differ and are still marked. 2: a mistake in the arguments. 3: refused, nothing was written. 4: something could not be
read: chunks that could not be compared are still marked.
"#;

pub const CLEAR_EXAMPLES: &str = r#".SH EXAMPLES
.TP
.B mdbitmap clear \-\-all /dev/sda1 /dev/sdb1
After a crash: takes the marks off all chunks in which the two members are equal, so that the next start has little or nothing to synchronise.
.TP
.B mdbitmap clear \-\-all \-\-dry\-run /dev/sd[abc]1
Which of the marked chunks differ.
.TP
.B mdbitmap clear \-\-force \-\-range 1G+64M /dev/sda1 /dev/sdb1
Nothing is read: where the members differ there, nothing tells any more.
"#;

pub const MERGE: &str = r#".SH "SOURCES"
A source is a bitmap file, a bare bitmap device, a member that was left out of the array, an image of a member (of a crashed disk, say), or a dump made by
.BR mdbitmap\-dump (8).
It must belong to the array: its UUID is compared, and nothing overrules that. All slots of a clustered bitmap count, and all devices of a dump that are of the array. The chunk size and the
version may differ: a chunk of the array becomes marked when the source knows of dirt in any part of it. What a source does not cover is not known, and becomes marked;
so do chunks about which a lockless bitmap and the array's own contradict each other (one says that they were never written to).
.PP
Marks are only added. A source that is older than the array lacks what was marked since, which is said; that does no harm, since the array's own marks stay.
.PP
Without
.B \-\-from
the copies on the members are made alike. The kernel reads the bitmap of one member only: a mark that only another one has would be overlooked. On a clean array that
lacks a member, the marks say what that member lacks; it stays clean.
.PP
For what a mark does, and why a clean array becomes one that was not stopped cleanly, see
.BR mdbitmap\-set (8).
"#;

pub const MERGE_EXAMPLES: &str = r#".SH EXAMPLES
.TP
.B mdbitmap merge /dev/sda1 /dev/sdb1
Gives both copies the marks of both.
.TP
.B mdbitmap merge \-\-from crashed.img /dev/sda1 /dev/sdb1
Adds the marks that an image of a member has, taken right after the crash.
.TP
.B mdbitmap merge \-\-from /root/md0.bitmap \-\-from before.dump /dev/sda1 /dev/sdb1
Adds those of a bitmap file, and of a dump.
"#;

pub const RESTORE: &str = r#".SH "INTO THE BITMAP OF AN ARRAY"
A dump tells what was marked when it was made. What was marked later is not in it, so its marks are added to those of the array, and none is taken away: as
.BR mdbitmap\-merge (8)
would. Chunks may have another size; what the dump does not cover is marked. The devices of the dump that are of the array count together, unless
.B \-\-device
names one.
.PP
.B \-\-replace
makes the bitmap say what the dump says, and nothing else. For that, the superblocks of all members must be those that the dump tells about: event count, time of the last update,
resync offset. Even so, a dump that was made while the array ran lacks what was marked between that moment and a crash, and no superblock shows it. So where marks
would go that count at the next start (the array was not stopped cleanly, or its bitmap is lockless), you have to vouch for the dump with
.BR \-\-force ;
.B mdbitmap clear
compares the data instead. No mark goes while a slot of the array is open. The bitmap keeps its chunk size, delay and place: to change these,
.BR "mdbitmap grow" .
.PP
Where the bitmap is not one that the kernel would work with on all members, it is made anew, with the chunks, delay and write\-behind of the dump, and says what the copies say that
are to be believed, and the dump. Where none is, every chunk becomes marked (a full resync), since nothing is known of what was marked after the dump was made; unless the
superblocks are those of the dump and the array was stopped cleanly with all members: then the dump is enough.
.B \-\-replace \-\-force
vouches for the dump in other cases. An array without a bitmap gets one: with the dump's marks when it was stopped cleanly, else with all.
.SH "INTO A FILE OR A BARE DEVICE"
When one file or block device is named that has no md superblock, it gets exactly the bytes that the dump tells: superblock, bits or states, all slots, in the bit order that was dumped; a file
that ended too early ends there again. A new file is whole or not there at all. With
.B \-\-force
a file or device is overwritten that holds a bitmap, and no other. On a device the superblock comes last, so that it never vouches for bits that are not there yet.
"#;

pub const RESTORE_EXAMPLES: &str = r#".SH EXAMPLES
.TP
.B mdbitmap dump /dev/sda1 /dev/sdb1 > before.dump
The dump.
.TP
.B mdbitmap restore before.dump /dev/sda1 /dev/sdb1
Adds its marks to those that are there now.
.TP
.B mdbitmap restore \-\-replace \-\-dry\-run before.dump /dev/sda1 /dev/sdb1
What taking back all later marks would write, if the array has not been used since.
.TP
.B mdbitmap restore \-\-device /dev/sda1 before.dump md0.bitmap
Makes a bitmap file of the copy that /dev/sda1 had.
"#;
