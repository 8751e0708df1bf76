//! Sections of mdbitmap-readd-check(8), as roff.

pub const NOTES: &str = r#".SH VERDICT
.TP
.B unsafe
Evidence speaks against the bitmap: another device held the slot after DEV had left it (its superblock, or one that names
it, was given or found by looking at the block devices of this machine); events_cleared is 0 in a bitmap that the kernel trusts,
as it always is in version 6, so that any old member would be accepted; another device carries the same device UUID; DEV
went on without the array; the array was changed since; DEV left in the middle of a recovery; or data was compared and differs.
.TP
.B unproven
Nothing speaks against the bitmap. The superblocks of an honest absence and of the kernel's trap can be identical, so nothing
more can be said without comparing data.
.TP
.B proven
Every chunk that the bitmap does not mark was compared with the other members and is equal
.RB ( \-\-verify=full ,
or a sample that has all of them). What a version 6 bitmap calls unwritten holds no data and is left out. A proof
overrules all evidence but writes of DEV's own and a changed array.
.PP
To bring DEV back without its bitmap:
.B mdadm ARRAY \-\-add\-spare DEV
copies everything.
.B \-\-add
tries a re-add first.
.SH "RUNNING ARRAYS"
Members are read past the page cache. A chunk that differs because it is being written to is marked by then and does not
count. The number of bytes is an upper bound: bits of writes before DEV left are cleared late, and their chunks are not copied.
With
.B \-\-verify
the bits are believed only after six periods of the bitmap's delay (half a minute with the usual 5 seconds), during which they
could have been cleared; if that takes more than two minutes nothing is proven unless the marked chunks are equal too.
.SH JSON
One object:
.B schema
(1),
.BR would_use_bitmap ,
.BR verdict ,
.B copy_bytes
(null when it cannot be told),
.B reasons
(objects with
.B name
and
.BR sentence :
why the bitmap would not be used, and what speaks against it),
.B entry
(bitmap, nothing, full, spare, impossible: what becomes of DEV),
.BR member ,
.BR array ,
.BR events_cleared ,
.B copy_bytes_by_copy
(where the members' bitmaps differ),
.BR verify ,
.BR scan ,
.BR notes ,
.BR problems .
When the question is refused: an object
.B error
with
.B kind
and
.BR message .
"#;

pub const STATUS: &str = r#".SH "EXIT STATUS"
.TP
.B 0
The bitmap would be used, and the verdict is proven or (without
.BR \-\-strict )
unproven.
.TP
.B 1
The bitmap would not be used, or the verdict is unsafe, or it is unproven and
.B \-\-strict
was given.
.TP
.B 2
The command line cannot be understood.
.TP
.B 3
The question makes no sense for what was given: DEV is a current member, is still in the array as a failed one, belongs to another
array, or bears no superblock.
.TP
.B 4
Something that was needed could not be read.
"#;

pub const EXAMPLES: &str = r#".SH EXAMPLES
.TP
.B mdbitmap readd\-check /dev/md0 \-\-member /dev/sdb1
Before
.BR "mdadm /dev/md0 \-\-re\-add /dev/sdb1" .
.TP
.B mdbitmap readd\-check /dev/md0 \-\-member /dev/sdb1 \-\-verify=full \-\-strict \-\-limit 200M && mdadm /dev/md0 \-\-re\-add /dev/sdb1
Only with a proof, and gently.
.TP
.B mdbitmap readd\-check a.img c.img \-\-member b.img \-\-no\-scan
On images.
"#;
