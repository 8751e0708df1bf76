//! The parts of the manual pages that no command definition holds, as roff.

#[path = "grow.rs"]
mod grow;
#[path = "map.rs"]
mod map;
#[path = "marks.rs"]
mod marks;
#[path = "readd_check.rs"]
mod readd_check;
#[path = "repair.rs"]
mod repair;
#[path = "undo.rs"]
mod undo;

/// Sections of mdbitmap(8) behind the options.
pub const MAIN: &[&str] = &[BITMAP, LIMITS, EXIT_STATUS, MAIN_EXAMPLES, MAIN_SEE_ALSO];

/// Sections of the page of a verb behind its options.
pub fn of_verb(name: &str) -> Vec<&'static str> {
    match name {
        "examine" => vec![
            OUTPUT,
            TRUST,
            EXIT_STATUS,
            DIFFERENCES,
            EXAMINE_EXAMPLES,
            VERB_SEE_ALSO,
        ],
        "check" => vec![
            CHECK_OUTPUT,
            repair::NOTES,
            CHECK_STATUS,
            CHECK_EXAMPLES,
            VERB_SEE_ALSO,
        ],
        "extents" => vec![EXTENTS_OUTPUT, EXIT_STATUS, EXTENTS_EXAMPLES, VERB_SEE_ALSO],
        "dump" => vec![DUMP_NOTES, EXIT_STATUS, DUMP_EXAMPLES, VERB_SEE_ALSO],
        "unbundle" => vec![
            UNBUNDLE_NOTES,
            EXIT_STATUS,
            UNBUNDLE_EXAMPLES,
            VERB_SEE_ALSO,
        ],
        "map" => vec![map::OUTPUT, EXIT_STATUS, map::EXAMPLES, VERB_SEE_ALSO],
        "readd-check" => vec![
            readd_check::NOTES,
            readd_check::STATUS,
            readd_check::EXAMPLES,
            VERB_SEE_ALSO,
        ],
        "compare" => vec![COMPARE_NOTES, EXIT_STATUS, COMPARE_EXAMPLES, VERB_SEE_ALSO],
        "create" => vec![CREATE_NOTES, EXIT_STATUS, CREATE_EXAMPLES, VERB_SEE_ALSO],
        "grow" => vec![grow::NOTES, EXIT_STATUS, grow::EXAMPLES, VERB_SEE_ALSO],
        "undo" => vec![undo::NOTES, EXIT_STATUS, undo::EXAMPLES, VERB_SEE_ALSO],
        "set" => vec![
            marks::EXTENTS,
            marks::SET,
            EXIT_STATUS,
            marks::SET_EXAMPLES,
            VERB_SEE_ALSO,
        ],
        "clear" => vec![
            marks::EXTENTS,
            marks::CLEAR,
            marks::CLEAR_EXAMPLES,
            VERB_SEE_ALSO,
        ],
        "merge" => vec![
            marks::MERGE,
            EXIT_STATUS,
            marks::MERGE_EXAMPLES,
            VERB_SEE_ALSO,
        ],
        "restore" => vec![
            marks::RESTORE,
            EXIT_STATUS,
            marks::RESTORE_EXAMPLES,
            VERB_SEE_ALSO,
        ],
        _ => vec![EXIT_STATUS, VERB_SEE_ALSO],
    }
}

const BITMAP: &str = r#".SH "WHAT A BITMAP IS"
An md array with redundancy keeps a write-intent bitmap: before a write reaches the members, the chunk that it
falls in is marked on disk. After a crash only marked chunks have to be made equal again, and a member that was
away for a while only has to be given the chunks that were marked meanwhile.
.PP
The bitmap lies beside the md superblock of every member (internal), in a file (kernels before 6.18), or, on LVM
RAID volumes, on the metadata device of each leg.
"#;

const LIMITS: &str = r#".SH "WHAT A BITMAP DOES NOT DO"
A clear bit is a statement about writes that md saw. It says nothing about:
.IP \(bu 2
what was written to a member behind md's back (mounted alone, restored from an image, changed by a boot loader);
.IP \(bu 2
blocks that decayed, or that a drive lost although it had acknowledged them;
.IP \(bu 2
the content of a file system: equal members can hold equally damaged data;
.IP \(bu 2
the write hole of RAID 4, 5 and 6: a degraded array that stopped uncleanly can have parity that fits no data, and
no bitmap tells where.
.PP
A bitmap is no backup, and it does not replace a regular check of the array (see
.BR md (4),
sync_action).
"#;

const EXIT_STATUS: &str = r#".SH "EXIT STATUS"
.TP
.B 0
Done, nothing wrong.
.TP
.B 1
Failed, or something is wrong with what was looked at.
.TP
.B 2
The command line cannot be understood; nothing was done.
.TP
.B 3
Refused; nothing was written.
.TP
.B 4
An I/O error: something could not be read or written.
.PP
Of several devices the gravest counts: 4, 3, 1, 0 in this order. Under mdadm's spelling
.RB ( -X ,
.BR --examine-bitmap ,
.BR -G ,
.BR --grow )
everything that failed is 1. A reader that closes the pipe early is no error.
"#;

const MAIN_EXAMPLES: &str = r#".SH EXAMPLES
.TP
.B mdbitmap examine /dev/sda1
Shows the bitmap of a member.
.TP
.B mdbitmap \-X /dev/sda1
The same in mdadm's spelling.
.TP
.B mdbitmap examine \-\-explain /dev/sda1 /dev/sdb1
Says whether the kernel would trust the bitmaps, and what it would resync.
"#;

const MAIN_SEE_ALSO: &str = r#".SH "SEE ALSO"
.BR mdadm (8),
.BR md (4),
.BR mdbitmap-examine (8),
.BR mdbitmap-check (8),
.BR mdbitmap-map (8),
.BR mdbitmap-readd-check (8),
.BR mdbitmap-create (8),
.BR mdbitmap-grow (8)
"#;

const OUTPUT: &str = r#".SH OUTPUT
The text on standard output is what
.B mdadm \-X
of mdadm 4.2 prints, with the exceptions listed below. Everything that is wrong is said on standard error.
.PP
.TP
.B State
.B OK
when no flag is set,
.B Out of date
when the bitmap is marked stale; other flags are named: write error, first use, clean, daemon busy, shutdown,
hostendian, or the number of the bit.
.TP
.B Chunksize
Divided by 1024 while it can be, remainders dropped: 1536 bytes are shown as 1 KB. The JSON has the bytes.
.TP
.B Bitmap
Chunks, and how many are dirty. Chunks whose bits are missing because the device ends too early count as dirty.
.TP
.B States
Version 6 only: how many chunks are in each state. Dirty are: dirty, need sync, syncing and unknown.
.PP
.B \-\-json
prints one object with the keys
.B schema
(1) and
.BR devices ,
which has one entry for each device and slot. Keys end in their unit
.RB ( _bytes ,
.BR _sectors ,
.BR _seconds ).
A device with which something is wrong has the key
.B error
with
.B kind
and
.BR message .
Of
.BR verdict ,
.B reasons
holds objects with
.B name
(for programs) and
.B sentence
(for people).
Bytes of a path that are not UTF-8 are replaced in JSON; the text has them as they are.
.PP
With
.BR \-\-layout ,
the first entry of each device has the key
.BR layout :
the areas in order, gaps included, each with
.BR name ,
.BR slot ,
.BR start_bytes ,
.BR length_bytes ,
.B detail
(for people) and
.BR overlaps :
what it shares bytes with, and which. Names are: md_superblock, bitmap, bitmap_superblock, bits, states, bad_block_log,
ppl, data, hole, unfit (stored where md cannot write in place), gap, end.
"#;

const TRUST: &str = r#".SH "WHAT THE KERNEL WOULD DO"
.B \-\-explain
and the key
.B verdict
of the JSON predict what the kernel would do with the bitmap if the array were started now from the superblocks at
hand. A clean array resyncs nothing, whatever its bits say: they matter for members that come back. A superblock
that was not given can change the prediction, and so can options of the kernel and of mdadm.
"#;

const DIFFERENCES: &str = r#".SH "DIFFERENCES FROM MDADM"
For bitmaps of versions 3, 4 and 5, standard output is that of
.B mdadm \-X
4.2 byte for byte, except:
.IP \(bu 2
A read error is an error (status 4, or 1 in mdadm's spelling). mdadm counts whatever is in its buffer and succeeds.
.IP \(bu 2
A truncated bitmap keeps its full total and the missing chunks count as dirty, with a complaint and status 1. mdadm
reports the chunks that it could read, and succeeds.
.IP \(bu 2
The output is the same but the status is 1 instead of 0: a wrong magic number; a chunk size of 0; a slot that cannot be
read, or that has another number of nodes; a bitmap that metadata 0.90 does not announce; a member whose superblock
has a wrong checksum.
.IP \(bu 2
Nothing crashes where mdadm crashes. A listing of slots has at most 1024 of them. Of a slot whose version is not known
no bit is counted. A bitmap that a superblock places outside its device is not looked for at its start.
.IP \(bu 2
Sync sizes above 2^46 sectors are shown correctly.
.IP \(bu 2
Bitmap files and images of members are accepted, and need not be examined by root. So are superblocks of metadata
0.90 in the other byte order, and the metadata devices of LVM RAID volumes.
.IP \(bu 2
States other than OK and Out of date are named, where mdadm says Unknown.
.IP \(bu 2
The slots of a clustered bitmap in a file are read where they are. mdadm reads them wherever it stopped before.
.IP \(bu 2
A running array given instead of a member has the bitmaps of its members shown.
.PP
Version 6 (lockless) bitmaps, which mdadm cannot show, have the same lines and one more,
.BR States .
All messages on standard error are our own.
"#;

const EXAMINE_EXAMPLES: &str = r#".SH EXAMPLES
.TP
.B mdbitmap examine \-\-brief /dev/sd[ab]1
The superblocks of two members.
.TP
.B mdbitmap examine \-\-json /dev/sda1 | jq '.devices[].bitmap.dirty_bytes'
How many bytes are marked dirty.
.TP
.B mdbitmap examine \-\-explain disk.img
Whether the kernel would trust the bitmap in the image of a member.
.TP
.B mdbitmap examine \-\-map /dev/sda1
Where the dirt is: one burst, scattered, or everywhere.
.TP
.B mdbitmap examine \-\-layout \-\-brief /dev/sd[ab]1
What lies where on two members, and whether anything lies on anything else.
.TP
.B mdbitmap examine \-\-host\-endian=be64 old.bitmap
A version 3 bitmap file of a big-endian host.
"#;

const EXTENTS_OUTPUT: &str = r#".SH OUTPUT
Extents are sorted, lie apart from each other (what touches is one), and end where the array does. All numbers are
bytes.
.PP
With
.B \-\-space=device
or
.B member
there is a list for each member, by its own copy of the bitmap (beside a bitmap file: by that file). With
.B bitmap
or
.B array
there is one list: a chunk is dirty if the copy of any current member marks it. Members that are out of date, failed
or still being recovered do not count, unless there is no other. When the copies differ, standard error says so.
.PP
The slots of a clustered bitmap are united. Chunks of version 6 are listed when they are dirty, need sync, are being
synchronised, or are in a state that nobody knows.
.PP
What cannot be known is dirty: chunks whose bits lie past the end of a truncated bitmap, what a bitmap does not cover
of its array, slots that are damaged. The exit status is 1 then. A part that cannot be
.I read
ends the list with status 4, and no form of the output can be taken for a complete one: the table ends with
.BR INCOMPLETE ,
CSV with the line
.BR incomplete,, ,
JSON has
.BR \(dqcomplete\(dq:false ,
and ddrescue refuses the mapfile.
.PP
.B \-\-resync
lists what the kernel would resynchronise when it starts the array as it lies on the disks: nothing of an array that
is marked clean, everything when the bitmap is stale, otherwise what is marked from the place on where the last resync
stopped. Of several members the copy counts that the kernel reads first.
.PP
The metadata devices of LVM RAID volumes (rmeta) have their data on another device (rimage):
.B \-\-space=member
counts from the start of that one, and
.B device
is refused.
.PP
JSON: one object with
.BR schema ,
.BR space ,
.BR extents " (" member ", null for several members together; " start_bytes ", " length_bytes "),"
.BR totals " (" extents ", " dirty_bytes "),"
.BR trusted " (would the kernel go by the bitmap; null where no superblock says),"
.BR complete " and " errors " (" kind ", " message ")."
"#;

const EXTENTS_EXAMPLES: &str = r#".SH EXAMPLES
.TP
.B mdbitmap extents /dev/sda1
What is marked dirty.
.TP
.B mdbitmap extents \-\-format=csv \-\-space=array /dev/sd[abc]1
The dirty extents of /dev/md0, by the copies of all members, to be compared or copied with other tools.
.TP
.B mdbitmap extents \-\-resync /dev/sd[ab]1
What a resync would touch if the array were started now.
.TP
.B mdbitmap extents \-\-format=mapfile sda1.img > dirty.map && ddrescue \-m dirty.map sda1.img sdb1.img
Copies exactly the dirty bytes from the image of one mirror member to that of another.
.TP
.B mdbitmap extents \-\-space=device \-\-member=/dev/sda1 md0.bitmap
What a bitmap file marks, in addresses of a member's device.
"#;

const CHECK_OUTPUT: &str = r#".SH OUTPUT
For each array: its findings, the gravest first; what could not be checked; one line that says what it comes to.
.PP
.TP
.B danger
Data can be lost, or differ unnoticed.
.TP
.B error
The array does not start, the bitmap is not used, or metadata is damaged.
.TP
.B warning
The array works, but it costs: a full resync, speed, protection.
.TP
.B note
Worth knowing; nothing has to be done.
.PP
What the kernel would do is said for an array that is started as it lies on the disks. It reads the bitmap of one
member only, so a defect of one copy may or may not have an effect.
.PP
.B \-\-json
prints one object with the keys
.B schema
(1),
.B arrays
and
.B failed
(what could not be opened). An array has
.BR title ,
.BR uuid ,
.BR devices ,
.B worst
(the gravest severity, or null),
.BR findings ,
.B unchecked
and
.BR conclusion .
A finding has
.BR name ,
.BR severity ,
.B effect
(none, all_dirty, unused, left_out, no_start, loss),
.B repair_class
(what can be done: see FINDINGS),
.B subject
(a device, or the array),
.BR sentence ,
.B kernel
and
.BR repair .
Names, severities and effects stay the same; the sentences may change.
"#;

const CHECK_STATUS: &str = r#".SH "EXIT STATUS"
.TP
.B 0
Nothing was found, or notes only.
.TP
.B 1
There is a warning, an error or a danger (with
.BR \-\-repair :
it is left); or something given could not be opened.
.TP
.B 2
The command line cannot be understood; nothing was done.
.TP
.B 3
.BR \-\-repair :
refused, for the reasons given; nothing was written.
.TP
.B 4
Something could not be read, or written.
"#;

const CHECK_EXAMPLES: &str = r#".SH EXAMPLES
.TP
.B mdbitmap check /dev/sd[ab]1
Checks both members of a stopped mirror.
.TP
.B mdbitmap check \-q /dev/md0 || mail \-s 'md0: look at its bitmap' root
For a nightly script: the exit status tells.
.TP
.B mdbitmap check \-\-json disk*.img | jq \-r '.arrays[].findings[] | [.severity, .name, .subject] | @tsv'
The findings about an array, from the images of its members, as a table.
.TP
.B mdbitmap check \-\-repair \-\-dry\-run /dev/sd[ab]1
What a repair would write, what the next start would resynchronise, and what would be left.
.TP
.B mdbitmap check \-\-repair /dev/sd[ab]1 && mdadm \-\-assemble /dev/md0 /dev/sd[ab]1
Repairs the bitmap of a stopped mirror, and starts it.
"#;

const CREATE_NOTES: &str = r#".SH NOTES
Kernels from 6.18 on attach no bitmap file any more, and no kernel attaches a block device as a bitmap file. Files are
for kernels before 6.18, on a file system that maps its blocks to a device (ext4 does; tmpfs, btrfs, overlay and
network file systems do not).
.PP
All chunks of a new bitmap are dirty, so that nothing is taken to be in sync that was not seen to be.
.SS "What is refused, even with --force"
A file that an array uses as its bitmap, or that anything else has open for writing; a file behind a loop device; a
device that is mounted, swap, or part of an array or of another device; a member named by
.BR --like ;
a file on the array that
.B --array
names. A member that is being recovered with the help of the bitmap that its array has now: with a new bitmap the
kernel would leave out the rest and call the member current.
.SS "When --clean is accepted"
The superblock of every member given says: clean, all slots taken, no reshape, no recovery; an internal bitmap of the
array is current and has no dirty chunk, nor has a bitmap that is replaced. An array without an internal bitmap needs
the superblock of every member: those not given are looked for among the block devices of the machine. Events and
Events Cleared of the bitmap are those of the array. As soon as the array has a later event count the kernel takes all
chunks to be dirty.
.SS "Differences from mdadm 4.2"
The content is the same. The file has mode 0600 whatever the umask, appears under its name only when it is whole and
on the disk, and nothing is left of it after an error (a process that is killed can leave a file
.IR .mdbitmap-PID-N.tmp ).
A chunk size that does not fit the superblock (4G and more) is an error; mdadm lets 4G to 1T wrap to 0.
"#;

const CREATE_EXAMPLES: &str = r#".SH EXAMPLES
.TP
.B mdbitmap create \-\-size=100G \-\-chunk=64M /var/lib/md0.bitmap
A bitmap file for an array of 100 GiB.
.TP
.B mdbitmap create \-\-like=/dev/sda1 /var/lib/md0.bitmap
A bitmap file with the UUID and the size of the array that /dev/sda1 belongs to.
.TP
.B mdbitmap create \-\-array=/dev/md0 \-\-dry\-run /var/lib/md0.bitmap
What would be written for a running array.
.TP
.B mdbitmap create \-\-clean \-\-like=/dev/sda1 \-\-like=/dev/sdb1 /var/lib/md0.bitmap
A bitmap without a dirty chunk for a stopped, clean mirror.
"#;

const VERB_SEE_ALSO: &str = r#".SH "SEE ALSO"
.BR mdbitmap (8),
.BR mdadm (8),
.BR md (4)
"#;

const DUMP_NOTES: &str = r#".SH "THE TEXT"
Lines of the form "key value"; "device" begins a device, "bitmap" a bitmap (a slot, of a clustered one), "runs" the list of
its dirty chunks:
.B first-last
or one number, both ends included; in version 6 followed by the state. What is not listed is clean (version 6:
unwritten). # begins a comment.
.PP
After an edit remove the totals behind
.B end-runs
or correct them: they are there so that a lost line is noticed. Runs must be in ascending order. docs/dump-format.md
has the whole grammar.
.PP
A bitmap that cannot be read to its end gives no dump: status 4, and with
.B \-o
no file. Chunks whose bits lie past the end of an image are listed as missing, which counts as dirty.
"#;

const UNBUNDLE_NOTES: &str = r#".SH "WHAT IS IN A BUNDLE"
All md superblocks, those that are damaged or left over from older arrays too; the bitmap, every slot of a clustered one; the
bad-block log. What lies inside the data area of the superblock that places it is left out, and the log of partial parity
is left out altogether. So no byte of the array's data is in it. It does tell paths, the name of the array (often with the
name of the host), UUIDs, sizes, times, and where on the array was written lately.
.PP
A damaged or truncated bundle is noticed, by checksums.
"#;

const UNBUNDLE_EXAMPLES: &str = r#".SH EXAMPLES
.TP
.B mdbitmap dump \-\-bundle md0.bundle /dev/sd[abc]1
The metadata of three members in one small file.
.TP
.B mdbitmap unbundle md0.bundle images && mdbitmap check images/*.img
What check finds on another machine.
"#;

const COMPARE_NOTES: &str = r#".SH "WHEN A LIST IS COMPLETE"
A list of what has been written since a dump has to hold every chunk that was written, or a backup made from it is
silently wrong. What is dirty now is such a list exactly if no mark that was set since has been cleared. An array that has
all its members clears marks a few seconds after each write, and most of that leaves no trace. So each list has a verdict:
.TP
.B incomplete
Something speaks against it: a mark of the dump is gone, events_cleared has moved, events have gone back, the bitmap or
the array is another one or not to be trusted, or a member given is not in sync. No list is given; the status is 3.
.TP
.B unproven
Nothing speaks against it, but it cannot be proven. The list is given, and standard error says how it may lack something:
usually marks that were set and cleared between the two moments. JSON and mapfiles carry the verdict and the reasons, a
table the verdict; CSV has no room for either.
.B \-\-strict
refuses such a list with status 3.
.TP
.B held
With
.B \-\-assume\-held
you vouch that the kernel cleared no mark: on any level an array that lacked a member all the time under a recent kernel;
or md/bitmap/time_base set, before the dump, to more seconds than have passed since, and the array not stopped. What
speaks against it refuses the list all the same, and rows that some kernels never mark leave it unproven.
.PP
A RAID 1 that lacks the same member from the dump to the list clears nothing; its list is as good as proven. It is called
unproven because another device may have been recovered into the array and taken out again, which clears marks and leaves
no trace.
.PP
Marks from before the dump are cleared once they are a few seconds old even when a member is missing. So make the dump when nothing has been
written for three times the delay (daemon_sleep_seconds), or the list will be refused later.
"#;

const COMPARE_EXAMPLES: &str = r#".SH EXAMPLES
.TP
.B mdbitmap compare /dev/sda1 /dev/sdb1
Whether the members' copies are alike, and where they are not.
.TP
.B mdbitmap compare before.dump /dev/sda1
What has changed since the dump was made.
.TP
.B mdbitmap compare \-\-format=csv \-\-space=array before.dump /dev/sda1
What has been written since one half of a mirror was taken out as a backup.
"#;

const DUMP_EXAMPLES: &str = r#".SH EXAMPLES
.TP
.B mdbitmap dump \-o before.dump /dev/sd[ab]1
Keeps what the bitmaps of two members hold.
.TP
.B mdbitmap dump \-\-verify before.dump /dev/sd[ab]1
Says what has changed since, and whether only the md superblocks have.
.TP
.B mdbitmap dump disk.img | grep \-c '^[0-9]'
How many runs of dirty chunks there are.
"#;
