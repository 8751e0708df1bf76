# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_mdbitmap_global_optspecs
    string join \n h/help V/version
end

function __fish_mdbitmap_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_mdbitmap_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_mdbitmap_using_subcommand
    set -l cmd (__fish_mdbitmap_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c mdbitmap -n "__fish_mdbitmap_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mdbitmap -n "__fish_mdbitmap_needs_command" -s V -l version -d 'Print version'
complete -c mdbitmap -n "__fish_mdbitmap_needs_command" -f -a "examine" -d 'Shows bitmaps: superblock, chunks, how many of them are dirty'
complete -c mdbitmap -n "__fish_mdbitmap_needs_command" -f -a "check" -d 'Finds what is wrong with bitmaps and their arrays, and says what the kernel would do'
complete -c mdbitmap -n "__fish_mdbitmap_needs_command" -f -a "extents" -d 'Lists the dirty extents, for people and other tools: table, CSV, JSON, ddrescue mapfile'
complete -c mdbitmap -n "__fish_mdbitmap_needs_command" -f -a "dump" -d 'Writes whole bitmaps as text that can be read and edited, or as JSON'
complete -c mdbitmap -n "__fish_mdbitmap_needs_command" -f -a "unbundle" -d 'Makes sparse images of an array\'s members from a bundle (dump --bundle)'
complete -c mdbitmap -n "__fish_mdbitmap_needs_command" -f -a "compare" -d 'How the bitmaps of members, of nodes, or of two moments differ'
complete -c mdbitmap -n "__fish_mdbitmap_needs_command" -f -a "map" -d 'Shows where a sector of an array lies on its members, and the other way round'
complete -c mdbitmap -n "__fish_mdbitmap_needs_command" -f -a "readd-check" -d 'Would a re-add go by the bitmap, how much would it copy, is it safe?'
complete -c mdbitmap -n "__fish_mdbitmap_needs_command" -f -a "create" -d 'Makes an external bitmap: a file, or a bare bitmap on a device'
complete -c mdbitmap -n "__fish_mdbitmap_needs_command" -f -a "grow" -d 'Adds, removes, re-chunks, moves or converts the bitmap of a stopped array'
complete -c mdbitmap -n "__fish_mdbitmap_needs_command" -f -a "set" -d 'Marks chunks of a stopped array\'s bitmap, so that they are synchronised'
complete -c mdbitmap -n "__fish_mdbitmap_needs_command" -f -a "clear" -d 'Takes marks off chunks of a stopped array\'s bitmap that are equal on all members'
complete -c mdbitmap -n "__fish_mdbitmap_needs_command" -f -a "merge" -d 'Adds the marks of other bitmaps to those of a stopped array'
complete -c mdbitmap -n "__fish_mdbitmap_needs_command" -f -a "restore" -d 'Puts the marks of a dump back into a stopped array\'s bitmap, or makes a bitmap file of it'
complete -c mdbitmap -n "__fish_mdbitmap_needs_command" -f -a "undo" -d 'Takes back a change of a stopped array, also one that stopped half-way'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand examine" -l width -d 'Columns of --layout and --map; otherwise those of the terminal, or 80' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand examine" -s e -l metadata -d 'Looks for this metadata only: 0.90, 1, 1.0, 1.1, 1.2, dm-raid' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand examine" -l offset -d 'The bitmap starts this far into the device; a suffix is required: 8K, 16s' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand examine" -l host-endian -d 'Bit order of a version 3 bitmap that a big-endian host wrote: be32 or be64' -r -f -a "be32\t''
be64\t''"
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand examine" -l slot -d 'Only this slot (node) of a clustered bitmap, counted from 0' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand examine" -s b -l brief -d 'Superblocks only; no bit is read'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand examine" -l json -d 'One JSON object for all devices'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand examine" -l explain -d 'Also says whether the kernel would trust the bitmap, and what it would resync'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand examine" -l layout -d 'Also draws what lies where on the device'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand examine" -l map -d 'Also draws where the dirt is'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand examine" -l ascii -d 'Draws --map in plain ASCII, as is done anyway when the locale is not UTF-8'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand examine" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand check" -l min-severity -d 'Shows findings from this severity up: note (default), warning, error, danger' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand check" -s e -l metadata -d 'Looks for this metadata only: 0.90, 1, 1.0, 1.1, 1.2, dm-raid' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand check" -l offset -d 'The bitmap starts this far into the device; a suffix is required: 8K, 16s' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand check" -l host-endian -d 'Bit order of a version 3 bitmap that a big-endian host wrote: be32 or be64' -r -f -a "be32\t''
be64\t''"
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand check" -l undo -d 'Keeps what is overwritten in FILE instead of the usual folder' -r -F
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand check" -l json -d 'One JSON object for all arrays'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand check" -s q -l quiet -d 'Prints nothing; the exit status tells'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand check" -l repair -d 'Repairs what can be repaired safely, and checks again: all members of one stopped array'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand check" -s n -l dry-run -d 'Shows what would be written, and writes nothing'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand check" -l no-undo -d 'Keeps nothing of what is overwritten: the change cannot be taken back'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand check" -s f -l force -d 'Calls members that were not given failed; says that no node of a cluster is up'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand extents" -l format -d 'table, json, csv, or mapfile (a domain for ddrescue -m)' -r -f -a "table\t''
json\t''
csv\t''
mapfile\t''"
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand extents" -l space -d 'Addresses: device, member, bitmap or array [default: bitmap; of a mapfile: device]' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand extents" -l member -d 'Another member of the array, to judge by; not listed. May be repeated' -r -F
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand extents" -l slot -d 'Only this slot (node) of a clustered bitmap, counted from 0; without it, all together' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand extents" -s e -l metadata -d 'Looks for this metadata only: 0.90, 1, 1.0, 1.1, 1.2, dm-raid' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand extents" -l offset -d 'The bitmap starts this far into the device; a suffix is required: 8K, 16s' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand extents" -l host-endian -d 'Bit order of a version 3 bitmap that a big-endian host wrote: be32 or be64' -r -f -a "be32\t''
be64\t''"
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand extents" -l json -d 'The same as --format=json'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand extents" -l resync -d 'What the kernel would resynchronise when it starts the array, instead of what is marked'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand extents" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand dump" -s o -l output -d 'Writes to FILE, which is whole or not there at all' -r -F
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand dump" -l verify -d 'Compares the devices with the dump FILE: status 1 when something differs' -r -F
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand dump" -l bundle -d 'Writes the members\' metadata to FILE, as one small file for unbundle' -r -F
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand dump" -s e -l metadata -d 'Looks for this metadata only: 0.90, 1, 1.0, 1.1, 1.2, dm-raid' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand dump" -l offset -d 'The bitmap starts this far into the device; a suffix is required: 8K, 16s' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand dump" -l host-endian -d 'Bit order of a version 3 bitmap that a big-endian host wrote: be32 or be64' -r -f -a "be32\t''
be64\t''"
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand dump" -s f -l force -d 'Replaces FILE if it exists'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand dump" -l json -d 'One JSON object'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand dump" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand unbundle" -l limit -d 'The most that the images may take on disk; a suffix is required [default: 1G]' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand unbundle" -l dry-run -d 'Checks the bundle and says what is in it; makes nothing'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand unbundle" -l json -d 'One JSON object'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand unbundle" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand compare" -l format -d 'Lists what has been written since the dump: table, json, csv, mapfile' -r -f -a "table\t''
json\t''
csv\t''
mapfile\t''"
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand compare" -l space -d 'Addresses of the list: device, member, bitmap or array [default: bitmap; of a mapfile: device]' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand compare" -s e -l metadata -d 'Looks for this metadata only: 0.90, 1, 1.0, 1.1, 1.2, dm-raid' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand compare" -l offset -d 'The bitmap starts this far into the device; a suffix is required: 8K, 16s' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand compare" -l host-endian -d 'Bit order of a version 3 bitmap that a big-endian host wrote: be32 or be64' -r -f -a "be32\t''
be64\t''"
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand compare" -l nodes -d 'All slots of clustered bitmaps, not the first alone'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand compare" -l json -d 'One JSON object'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand compare" -l assume-held -d 'You know that the kernel has cleared no mark since the dump'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand compare" -l strict -d 'Refuses an unproven list (status 3) instead of warning'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand compare" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand map" -l sector -d 'The sector at this position; a suffix is required: 123456s, 1G. May be repeated' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand map" -l range -d 'All sectors of a range, as in 8K+1M or 123456s+8s. May be repeated' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand map" -l of -d 'The positions are those of this member, from its start, not of the array' -r -F
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand map" -s e -l metadata -d 'Looks for this metadata only: 0.90, 1, 1.0, 1.1, 1.2, dm-raid' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand map" -l json -d 'One JSON object'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand map" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand readd-check" -l member -d 'The device (or image) that is to come back' -r -F
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand readd-check" -l verify -d 'Compares unmarked chunks of DEV with the array: sample or full' -r -f -a "sample\t''
full\t''"
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand readd-check" -l limit -d 'Reads so many bytes a second of each device at most; a suffix is required: 200M' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand readd-check" -l strict -d 'Exit status 1 also when the verdict is unproven'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand readd-check" -l no-scan -d 'Does not look for other superblocks of the array on this machine\'s block devices'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand readd-check" -l json -d 'One JSON object'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand readd-check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand create" -l size -d 'Covers so much: a member of raid1/4/5/6, the array of raid10' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand create" -l like -d 'Covers the array that MEMBER (device or image) belongs to, and takes its UUID' -r -F
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand create" -l array -d 'Covers the running array ARRAY (/dev/md0), and takes its UUID' -r -F
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand create" -l chunk -l bitmap-chunk -d 'Bytes that one bit stands for: a power of two from 512 bytes to 2G' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand create" -s d -l delay -d 'Seconds between passes that clear bits on disk [default: 5]' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand create" -s u -l uuid -d 'UUID of the array, as mdadm prints it, with dashes, or 32 digits [default: the array\'s, or zeros]' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand create" -l write-behind -d 'Most writes outstanding to write-mostly members of a raid1, 0 to 16383 [default: 0, off; without a number: 256]' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand create" -l clean -d 'All chunks clean; only with --like of a clean array'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand create" -s f -l force -d 'Replaces a file, overwrites what a device holds; never what is in use'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand create" -l dry-run -d 'Says what would be written, and writes nothing'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand create" -l json -d 'One JSON object'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand grow" -s b -l bitmap -d 'internal, lockless, clustered, none, or a file name with a / [default: the kind that is there]' -r -F
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand grow" -l chunk -l bitmap-chunk -d 'Bytes of a chunk: a power of two, 512 bytes to 2G, at least 64K if lockless' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand grow" -s d -l delay -d 'Seconds between passes that clear bits on disk [default: as it is; 5, or 30 if lockless]' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand grow" -l write-behind -d 'Most writes outstanding to write-mostly members of a raid1, 0 to 16383 [default: as it is; 0, off; without a number: 256]' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand grow" -l nodes -d 'Nodes of a clustered bitmap, at least 2 [default: as it is; 4]' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand grow" -l home-cluster -d 'Name of the cluster of a clustered bitmap, at most 63 bytes' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand grow" -l merge -d 'Takes the marks of this bitmap file of the array over into the internal bitmap' -r -F
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand grow" -l undo -d 'Keeps what is overwritten in FILE instead of the usual folder' -r -F
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand grow" -s n -l dry-run -d 'Shows what would be written, and writes nothing'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand grow" -l no-undo -d 'Keeps nothing of what is overwritten: the change cannot be taken back'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand grow" -s f -l force -d 'Calls members that were not given failed; says that no node of a cluster is up'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand grow" -l json -d 'Prints JSON: what is, or would be, written, and why not'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand grow" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand set" -l range -d 'A range, as in 8K+1M or 123456s+8s; may be repeated' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand set" -l extents -d 'The extents of a list: JSON, CSV or a domain of ddrescue, as mdbitmap extents writes them' -r -F
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand set" -l space -d 'Addresses of the ranges: bitmap, array, member or device [default: what the list says, else bitmap]' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand set" -l member -d 'In the spaces member and device: whose addresses they are, as named among the members' -r -F
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand set" -l status -d 'Which blocks of a ddrescue map are meant, such as -*/ for what was not rescued [default: + of a domain]' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand set" -l undo -d 'Keeps what is overwritten in FILE instead of the usual folder' -r -F
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand set" -l all -d 'Every chunk'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand set" -s n -l dry-run -d 'Shows what would be written, and writes nothing'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand set" -l no-undo -d 'Keeps nothing of what is overwritten: the change cannot be taken back'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand set" -s f -l force -d 'Calls members that were not given failed; says that no node of a cluster is up'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand set" -l json -d 'Prints JSON: what is, or would be, written, and why not'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand set" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand clear" -l range -d 'A range, as in 8K+1M or 123456s+8s; may be repeated' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand clear" -l extents -d 'The extents of a list: JSON, CSV or a domain of ddrescue, as mdbitmap extents writes them' -r -F
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand clear" -l space -d 'Addresses of the ranges: bitmap, array, member or device [default: what the list says, else bitmap]' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand clear" -l member -d 'In the spaces member and device: whose addresses they are, as named among the members' -r -F
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand clear" -l status -d 'Which blocks of a ddrescue map are meant, such as -*/ for what was not rescued [default: + of a domain]' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand clear" -l undo -d 'Keeps what is overwritten in FILE instead of the usual folder' -r -F
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand clear" -l all -d 'Every chunk'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand clear" -s n -l dry-run -d 'Shows what would be written, and writes nothing'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand clear" -l no-undo -d 'Keeps nothing of what is overwritten: the change cannot be taken back'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand clear" -l json -d 'Prints JSON: what is, or would be, written, and why not'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand clear" -s f -l force -d 'Compares nothing; says that no node of a cluster is up'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand clear" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand merge" -l from -d 'A bitmap file, bare bitmap device, member, image or dump of this array; may be repeated' -r -F
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand merge" -l undo -d 'Keeps what is overwritten in FILE instead of the usual folder' -r -F
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand merge" -s n -l dry-run -d 'Shows what would be written, and writes nothing'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand merge" -l no-undo -d 'Keeps nothing of what is overwritten: the change cannot be taken back'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand merge" -s f -l force -d 'Calls members that were not given failed; says that no node of a cluster is up'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand merge" -l json -d 'Prints JSON: what is, or would be, written, and why not'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand merge" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand restore" -l device -d 'The one device of the dump that counts, by its name there [default: all of the array\'s together]' -r
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand restore" -l undo -d 'Keeps what is overwritten in FILE instead of the usual folder' -r -F
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand restore" -l replace -d 'Exactly the dump\'s marks: what is marked and not in the dump is not marked any more'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand restore" -s n -l dry-run -d 'Shows what would be written, and writes nothing'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand restore" -l no-undo -d 'Keeps nothing of what is overwritten: the change cannot be taken back'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand restore" -l json -d 'Prints JSON: what is, or would be, written, and why not'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand restore" -s f -l force -d 'Vouches that nothing was marked after the dump was made (--replace); replaces a bitmap file; and as elsewhere'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand restore" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand undo" -s l -l list -d 'Lists the undo files of the usual folder, and how far their changes have come'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand undo" -s n -l dry-run -d 'Shows what would be put back, and writes nothing'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand undo" -l json -d 'Prints JSON: what is, or would be, put back, and why not'
complete -c mdbitmap -n "__fish_mdbitmap_using_subcommand undo" -s h -l help -d 'Print help (see more with \'--help\')'
