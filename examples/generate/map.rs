//! Sections of mdbitmap-map(8), as roff.

pub const OUTPUT: &str = r#".SH OUTPUT
For each stretch of sectors that lies in one piece, and in one chunk of the bitmap: the stripe (the row of RAID chunks),
the RAID chunk, the bitmap chunk, and every place where it is kept. The first sector of a stretch corresponds to the
first LBA named, and so on.
.TP
.B data, copy N
The data; copies are numbered in the order in which the kernel uses them.
.TP
.B parity P, parity Q
What protects it. Asked about a sector of parity, the sectors of the array that it covers are listed.
.TP
.B not given, no member
Nothing was given for the slot; nothing holds it, by the freshest superblock.
.TP
.B clean, dirty
What the bitmaps of all members given say that are in sync. Where they differ, where the kernel would not believe them, and
where they cannot be read, the chunk has to be taken for dirty, and the text says so.
.PP
Asked about a device: parts that hold no data of the array are named (md superblock, bitmap, bad-block log, partial parity
log, gap), and so is room for data that the array leaves unused.
.PP
An array that is being reshaped has no single geometry and is refused. So are RAID 10 layouts in which the kernel itself
stores two chunks in one place: near copies together with offset copies on a number of members that the near copies do not
divide, or with far sets of unequal size.
.PP
.B \-\-json
prints one object with the keys
.B schema
(1),
.B array
and
.BR answers ,
an entry for each stretch, written as it is found. Sectors are of 512 bytes
.RB ( _sectors );
.B lba_sectors
counts from the start of the device,
.B data_sectors
from the start of its data.
.SH "KERNEL 6.12 AND RAID 4, 5, 6"
Kernel 6.12.107 (Debian 13) marks the wrong rows on RAID 4, 5 and 6 arrays whose number of data members is no power of two
(4, 6, 7, 8 members of a RAID 5, for example): in a third of all small writes or more the row that is written to stays
unmarked. 6.1, 7.2 and 7.3 do not. For such arrays the output has a note: where such a kernel wrote, a clean chunk proves
nothing, and a full check (sync_action) is the only way to be sure.
"#;

pub const EXAMPLES: &str = r#".SH EXAMPLES
.TP
.B mdbitmap map \-\-sector 123456s /dev/sda1 /dev/sdb1 /dev/sdc1
Where sector 123456 of the array lies.
.TP
.B mdbitmap map \-\-sector 40136s \-\-of /dev/sdb1 /dev/sda1 /dev/sdc1
What LBA 40136 of a member holds, after a read error there.
.TP
.B mdbitmap map \-\-json \-\-range 1G+64M /dev/md0
All pieces of a range of a running array, for a program.
"#;
