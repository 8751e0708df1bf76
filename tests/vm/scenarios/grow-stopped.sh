# `grow` on stopped arrays, then real kernels and mdadm: each change is followed by a start in which nothing is resynchronised,
# /proc/mdstat shows the new bitmap, and `mdadm -X` reads what `examine` reads. After a crash the bitmap is changed before the start,
# with members spoilt where it is dirty: all of that is mended. To files, to lockless bitmaps and back.
# phases: 2
# long-kernels: 6.12 7
# timeout: 900

# name|kind of agreement|members|mdadm arguments
arrays() { cat <<'END'
m12|equal|2|--level=1 --metadata=1.2
m11|equal|2|--level=1 --metadata=1.1
m10|equal|2|--level=1 --metadata=1.0
m09|equal|2|--level=1 --metadata=0.90
r5|xor|3|--level=5 --chunk=64 --metadata=1.2
r5old|xor|3|--level=5 --chunk=64 --metadata=0.90
r6|none|4|--level=6 --chunk=64 --metadata=1.2
r10|equal|2|--level=10 --layout=n2 --chunk=64 --metadata=1.2
END
}
size=24576
members() { # NAME COUNT
    local i=0
    while [ $i -lt "$2" ]; do echo "/dev/$1m$i"; i=$((i + 1)); done
}
last() { for member; do :; done; echo "$member"; }
number_of() { arrays | awk -F'|' -v name="$1" '$1 == name { print NR }'; }
# KiB at which the data of a member starts
data_start() { mdadm-4.6 -E "$1" | awk '/Data Offset/ { found = $4 } END { print found / 2 }'; }

# --- what a start shows --------------------------------------------------------------------------------------------------
# start MD MEMBER...: without a resync, if what it starts with is clean
start() {
    local md=$1; shift
    dmesg -c > /dev/null
    assemble_array "$md" "$@"
    wait_idle "$md"
}
check_clean_start() { # TEXT MD MEMBER...
    local text=$1 md=$2; shift 2
    start "$md" "$@"
    check_match "$text: complete" '\[U+\]' "$(mdstat_of "$md")"
    check_no_match "$text: nothing is resynchronised" 'resync of|recovery of' "$(dmesg)"
}
# check_shown TEXT MD CHUNK MEMBER...: the running array has a bitmap with such chunks
check_shown() {
    check_match "$1: in mdstat" "bitmap: .* $3 chunk" "$(mdstat_of "$2")"
}
check_data() { # TEXT MD: what was written at the beginning is there
    read_back "/dev/$2" 0 4096 > /tmp/now
    yes "$2 as it was" | dd bs=4k count=1024 iflag=fullblock of=/tmp/then 2>/dev/null
    check_same_bytes "$1: the data is as it was" /tmp/then /tmp/now
}
# check_readers TEXT MEMBER...: mdadm -X and examine, -E and our check
check_readers() {
    local text=$1 member; shift
    for member in "$1" "$(last "$@")"; do check_examine "$member" "$text"; done
    mdbitmap check "$@" > $STATE/check 2> $STATE/check.err
    check_no_match "$text: check finds nothing new" '^  (danger|error|warning): ' "$(grep -v 'geometry-rows\|rows-may' $STATE/check)"
}
change() { # TEXT ARGUMENTS... -- MEMBER...
    local text=$1 arguments=; shift
    while [ "$1" != -- ]; do arguments="$arguments $1"; shift; done
    shift
    check 0 "$text" mdbitmap grow --no-undo $arguments "$@"
    cp $STATE/stdout $STATE/changed
    mdbitmap grow --no-undo $arguments "$@" > $STATE/again 2>&1
    check_match "$text: once more there is nothing to do" 'nothing to do' "$(cat $STATE/again)"
}
count() { mdbitmap examine --json "$1" 2>/dev/null | json "$2"; }
# stop_array, and what the members then say
stop_and_read() { # TEXT MD MEMBER...
    local text=$1 md=$2; shift 2
    stop_array "$md"
    check_readers "$text" "$@"
}

# --- phase 1 -------------------------------------------------------------------------------------------------------------
make() { # NAME MEMBERS ARGUMENTS...
    local name=$1 md=md$(number_of "$1") count=$2; shift 2
    for member in $(members "$name" "$count"); do slice "${member#/dev/}" $size; done
    create_array "$md" --raid-devices="$count" --bitmap=none "$@" $(members "$name" "$count")
    wait_idle "$md"
    fill "/dev/$md" 0 4096 "$md as it was"
    wait_idle "$md"
    stop_array "$md"
}

clean_changes() { # NAME KIND MEMBERS ARGUMENTS...
    local name=$1 count=$3 md=md$(number_of "$1") all
    shift 3
    make "$name" "$count" "$@"
    all=$(members "$name" "$count")

    change "$name: added" --bitmap=internal --chunk 64K -- $all
    check_eq "$name: no chunk is dirty" 0 "$(count "$(last $all)" dirty_chunks)"
    check_readers "$name, added" $all
    check_clean_start "$name, added" $md $all
    check_shown "$name, added" $md 64KB
    check_data "$name, added" $md
    stop_and_read "$name, added and started" $md $all

    change "$name: coarser" --chunk 1M -- $all
    check_clean_start "$name, coarser" $md $all
    check_shown "$name, coarser" $md 1024KB
    stop_and_read "$name, coarser" $md $all

    change "$name: delay and write-behind" --delay 9 --write-behind=300 -- $all
    check_match "$name: in place" 'stays as it is' "$(cat $STATE/changed)"
    check_clean_start "$name, delay" $md $all
    check_eq "$name: the kernel has the delay" 9 "$(cat /sys/block/$md/md/bitmap/time_base)"
    check_eq "$name: and the write-behind" 300 "$(cat /sys/block/$md/md/bitmap/backlog)"
    stop_and_read "$name, delay" $md $all

    finest "$name" $md $all

    change "$name: removed" --bitmap=none -- $all
    mdadm-4.2 -X "$1" > $STATE/theirs 2>&1
    check_no_match "$name: mdadm finds none" 'Bitmap : ' "$(cat $STATE/theirs)"
    check_clean_start "$name, removed" $md $all
    check_no_match "$name: none in mdstat" 'bitmap:' "$(mdstat_of $md)"
    check_data "$name, removed" $md
    stop_array $md
}

# Chunks so small that the bitmap has to move, where there is anywhere to.
finest() { # NAME MD MEMBER...
    local name=$1 md=$2; shift 2
    case $name in
        m10)
            check 3 "$name: too fine for the room is refused" mdbitmap grow --chunk 512B "$@"
            check_match "$name: with the smallest that fits" 'the smallest chunk that fits is 1K' "$(cat $STATE/stderr)"
            change "$name: the smallest that fits" --chunk 1K -- "$@"
            check_clean_start "$name, finest" $md "$@"
            check_shown "$name, finest" $md 1KB
            ;;
        *)
            change "$name: finest" --chunk 512B -- "$@"
            case $name in
                m09|r5old) check_no_match "$name: 0.90 has one place" 'moves' "$(cat $STATE/changed)" ;;
                *) check_match "$name: behind the bad-block log" 'moves from 8 sectors behind .* to 24 sectors behind' "$(cat $STATE/changed)" ;;
            esac
            check_clean_start "$name, finest" $md "$@"
            check_shown "$name, finest" $md 512B
            ;;
    esac
    check_data "$name, finest" $md
    # Bits that are set there are cleared there.
    fill "/dev/$md" 8192 64 "$md as it was"
    stop_and_read "$name, finest" $md "$@"
    case $name in m09|r5old|m10) return ;; esac
    check_match "$name: the log is empty" 'empty|No bad' "$(mdadm-4.6 --examine-badblocks "$1" 2>&1)"
}

each() { # FUNCTION
    arrays > $STATE/arrays
    while IFS='|' read -r name kind count arguments <&3; do
        $1 "$name" "$kind" "$count" $arguments
    done 3< $STATE/arrays
}

phase_1() {
    [ "$KERNEL" = llbitmap ] && MDADM=mdadm-4.6
    each clean_changes
    refusals
    failed_member
    partial_parity
    [ "$KERNEL" = llbitmap ] && lockless_clean
    each crashing
    crash
}

refusals() {
    local all
    all=$(members m12 2)
    change "for the refusals" --bitmap=internal --chunk 64K -- $all
    start md1 $all
    check 3 "members of a running array" mdbitmap grow --bitmap=none $all
    check_match "with advice" 'stop the array first' "$(cat $STATE/stderr)"
    check 3 "the running array" mdbitmap grow --bitmap=none /dev/md1
    check_match "with advice" 'is a running array' "$(cat $STATE/stderr)"
    check 1 "in mdadm's spelling: mdadm's status" mdbitmap --grow /dev/md1 --bitmap=none
    check 2 "--chunk is the RAID chunk there" mdbitmap --grow /dev/md1 --chunk=64K
    stop_array md1
    check 3 "a member is missing" mdbitmap grow --bitmap=none /dev/m12m0
    check_match "named by its slot" 'slot 1 is in use' "$(cat $STATE/stderr)"
    check 3 "members of two arrays" mdbitmap grow --bitmap=none /dev/m12m0 /dev/m11m0
    must cp /dev/m12m1 /tmp/m12m1
    dd if=/dev/zero of=/dev/m12m1 bs=512 seek=16 count=1 conv=notrunc,fsync 2>/dev/null
    check 3 "a copy without header is not believed" mdbitmap grow --chunk 4K $all
    check_match "with the way out" 'check --repair' "$(cat $STATE/stderr)"
    must dd if=/tmp/m12m1 of=/dev/m12m1 bs=64k conv=notrunc,fsync
    check 3 "a lockless bitmap on 1.0" mdbitmap grow --bitmap=lockless $(members m10 2)
    check 3 "a lockless bitmap on 0.90" mdbitmap grow --bitmap=lockless $(members m09 2)
    change "and away again" --bitmap=none -- $all
}

# A partial parity log lies where a bitmap could: none is added beside it; it is free room once mdadm has given it up.
partial_parity() {
    local all="/dev/ppla /dev/pplb /dev/pplc"
    for name in $all; do slice "${name#/dev/}" 16384; done
    create_array md41 --level=5 --chunk=64 --metadata=1.2 --raid-devices=3 --consistency-policy=ppl $all
    wait_idle md41
    fill /dev/md41 0 1024 "md41 as it was"
    wait_idle md41; stop_array md41
    check 3 "beside a partial parity log" mdbitmap grow --no-undo --bitmap=internal $all
    check_match "beside a partial parity log: the reason" 'partial parity' "$(cat $STATE/stderr)"
    start md41 $all
    must "$MDADM" --grow /dev/md41 --consistency-policy=resync
    wait_idle md41; stop_array md41
    change "after the partial parity log" --bitmap=internal --chunk 512B -- $all
    check_clean_start "after the partial parity log" md41 $all
    check_shown "after the partial parity log" md41 512B
    check_eq "after the partial parity log: parity is right" 0 "$(mismatches md41)"
    stop_and_read "after the partial parity log" md41 $all
}

# --force: the member that was not given has failed, and is not taken for current any more.
failed_member() {
    local all
    all=$(members m12 2)
    change "$all: for --force" --bitmap=internal --chunk 64K -- $all
    check 0 "one member alone, by force" mdbitmap grow --no-undo --force --chunk 128K /dev/m12m0
    start md1 --run /dev/m12m0
    check_match "it runs alone" '\[U_\]' "$(mdstat_of md1)"
    check_shown "by force" md1 128KB
    fill /dev/md1 512 64 "while it was away"
    wait_idle md1
    must "$MDADM" /dev/md1 --re-add /dev/m12m1
    retry 20 grep -q '\[UU\]' /proc/mdstat
    wait_idle md1
    check_match "re-added" '\[UU\]' "$(mdstat_of md1)"
    stop_array md1
    check_eq "and both are equal" 1 "$(consistent_chunks equal $(($(data_start /dev/m12m0) * 1024)) $((8 << 20)) $((8 << 20)) $all)"
    # Assembled together, the failed one stays out.
    check 0 "by force once more" mdbitmap grow --no-undo --force --bitmap=none /dev/m12m0
    start md1 --run $all
    check_match "the failed one stays out" '\[U_\]' "$(mdstat_of md1)"
    must "$MDADM" /dev/md1 --add /dev/m12m1
    wait_idle md1; retry 20 grep -q '\[UU\]' /proc/mdstat; wait_idle md1
    fill /dev/md1 0 4096 "md1 as it was"
    wait_idle md1
    stop_array md1
}

# --- crashes -------------------------------------------------------------------------------------------------------------
crashing() { # NAME KIND MEMBERS ARGUMENTS...
    local name=$1 count=$3 md=md$(number_of "$1") all
    all=$(members "$name" "$count")
    change "$name: for the crash" --bitmap=internal --chunk 64K -- $all
    start $md $all
    slow_daemon $md; make_unclean $md
    fill /dev/$md 512 128 new
    fill /dev/$md 4096 64 new
}

# spoil NAME MEMBER: in the middle of each dirty extent of the last member
spoil() {
    local all=$1 member=$2 start length
    mdbitmap extents --space=device --format=csv $all 2>/dev/null > $STATE/extents
    awk -F, -v member="$member" 'NR > 1 && $1 == member { print $2, $3 }' $STATE/extents > $STATE/dirty
    while read -r start length; do
        yes "spoilt" | dd of="$member" bs=512 seek=$(((start + length / 2) / 512)) count=1 iflag=fullblock oflag=direct conv=notrunc 2>/dev/null
    done < $STATE/dirty
    wc -l < $STATE/dirty
}
# A sector of the last member that is wrong where nothing is dirty (6 MiB into its data): a resync that keeps to the dirt leaves it so.
untouched_at() { echo $((($(data_start "$1") + 6144) * 2)); }
spoil_clean() { # MEMBER
    yes "unseen" | dd of="$1" bs=512 seek="$(untouched_at "$1")" count=1 iflag=fullblock oflag=direct conv=notrunc 2>/dev/null
}
check_untouched() { # TEXT MEMBER
    check_eq "$1: no resync beyond what is dirty" unseen "$(dd if="$2" bs=512 skip="$(untouched_at "$2")" count=1 iflag=direct 2>/dev/null | head -n 1)"
    dd if="/tmp/kept-${2#/dev/}" of="$2" bs=512 skip="$(untouched_at "$2")" seek="$(untouched_at "$2")" count=1 conv=notrunc,fsync 2>/dev/null
}
mismatches() { # MD: sectors that differ, by the kernel's own check
    echo check > /sys/block/$1/md/sync_action
    wait_idle $1
    cat /sys/block/$1/md/mismatch_cnt
}

phase_2() {
    [ "$KERNEL" = llbitmap ] && MDADM=mdadm-4.6
    each after_crash
    [ "$KERNEL" = llbitmap ] && each to_lockless
    case $KERNEL in 6.*) bitmap_file ;; esac
    with_dirt_removed
}

after_crash() { # NAME KIND MEMBERS ARGUMENTS...
    local name=$1 count=$3 md=md$(number_of "$1") all chunk before after
    all=$(members "$name" "$count")
    case $name in m12|r5|m09) chunk=16K ;; *) chunk=256K ;; esac
    for member in $all; do dd if=$member of=/tmp/kept-${member#/dev/} bs=64k 2>/dev/null; done
    before=$(count "$(last $all)" dirty_bytes)
    check_match "$name: $(spoil "$all" "$(last $all)") extents are dirty after the crash" '^[1-9]' "$(wc -l < $STATE/dirty)"
    change "$name: re-chunked after the crash" --chunk $chunk -- $all
    after=$(count "$(last $all)" dirty_bytes)
    check_eq "$name: no less is dirty ($before bytes, now $after)" yes "$([ "$after" -ge "$before" ] && echo yes)"
    check_readers "$name, after the crash" $all
    spoil_clean "$(last $all)"
    start $md $all
    check_match "$name: resynchronised" "resync of RAID array $md" "$(dmesg)"
    check_match "$name: complete" '\[U+\]' "$(mdstat_of $md)"
    check_untouched "$name" "$(last $all)"
    check_eq "$name: members agree everywhere" 0 "$(mismatches $md)"
    stop_and_read "$name, resynchronised" $md $all
    check_eq "$name: no chunk is dirty" 0 "$(count "$(last $all)" dirty_chunks)"
}

# The crash images once more: classic to lockless, the kernel's resync, and back; and both ways before any start.
to_lockless() { # NAME KIND MEMBERS ARGUMENTS...
    local name=$1 count=$3 md=md$(number_of "$1") all member way
    case $name in m10|m09|r5old) return ;; esac
    all=$(members "$name" "$count")
    for way in there both; do
        for member in $all; do dd if=/tmp/kept-${member#/dev/} of=$member bs=64k conv=notrunc,fsync 2>/dev/null; done
        note "$name: $(spoil "$all" "$(last $all)") extents are spoilt"
        change "$name ($way): to lockless" --bitmap=lockless -- $all
        check_match "$name ($way): not stopped cleanly" 'synchronises the marked chunks' "$(cat $STATE/changed)"
        if [ $way = both ]; then
            change "$name: and back before any start" --bitmap=internal -- $all
        fi
        spoil_clean "$(last $all)"
        start $md $all
        check_match "$name ($way): complete" '\[U+\]' "$(mdstat_of $md)"
        check_untouched "$name ($way)" "$(last $all)"
        case $way in
            there) check_eq "$name: lockless" llbitmap "$(grep -o '\[[a-z]*\]' /sys/block/$md/md/bitmap_type | tr -d '[]')" ;;
            both) check_shown "$name: classic" $md 64KB ;;
        esac
        check_eq "$name ($way): members agree everywhere" 0 "$(mismatches $md)"
        stop_array $md
        [ $way = both ] || mdbitmap check $all > $STATE/check 2>&1
        check_no_match "$name ($way): check finds nothing" '^  (danger|error): ' "$(cat $STATE/check)"
        change "$name ($way): to internal" --bitmap=internal -- $all
        start $md $all
        check_eq "$name ($way): still agree" 0 "$(mismatches $md)"
        stop_and_read "$name ($way), internal" $md $all
    done
}

# Made by mdadm 4.6, whose bad-block log lies inside the bitmap (reference/kernel.md trap 4); and from nothing.
lockless_clean() {
    local all
    slice lla 16384; slice llb 16384
    all="/dev/lla /dev/llb"
    create_array md40 --level=1 --metadata=1.2 --raid-devices=2 --bitmap=lockless --assume-clean $all
    fill /dev/md40 0 16 x; wait_idle md40; stop_array md40
    mdbitmap check $all > $STATE/check 2>&1
    check_match "mdadm 4.6 puts the log into the bitmap" 'lockless-over-bad-block-log' "$(cat $STATE/check)"
    change "moved off the bad-block log" --bitmap=lockless -- $all
    check_match "behind it" 'to 24 sectors behind' "$(cat $STATE/changed)"
    mdbitmap check $all > $STATE/check 2>&1
    check_no_match "no overlap any more" 'danger|warning' "$(cat $STATE/check)"
    start md40 $all
    check_match "moved: complete" '\[UU\]' "$(mdstat_of md40)"
    check_match "moved: where" 'offset 24' "$(cat /sys/block/md40/md/llbitmap/metadata)"
    fill /dev/md40 1024 64 y; wait_idle md40
    stop_array md40
    start md40 $all; wait_idle md40; stop_array md40
    change "lockless chunks of 256K" --chunk 256K -- $all
    start md40 $all
    check_match "256K: 512 sectors" 'chunksize 512' "$(cat /sys/block/md40/md/llbitmap/metadata)"
    check_match "256K: all clean" 'clean 60' "$(cat /sys/block/md40/md/llbitmap/bits)"
    stop_array md40
    change "lockless to none" --bitmap=none -- $all
    change "lockless from nothing, on 1.1" --bitmap=lockless -- $(members m11 2)
    check_clean_start "lockless on 1.1" md2 $(members m11 2)
    check_match "1.1: where" 'offset 24' "$(cat /sys/block/md2/md/llbitmap/metadata)"
    check_data "lockless on 1.1" md2
    stop_array md2
    change "1.1: away again" --bitmap=none -- $(members m11 2)
}

# Into a file and back; a crash with the file attached.
bitmap_file() {
    local all
    all=$(members m12 2)
    slice fs 16384
    must /tools/mke2fs -q -F -t ext4 /dev/fs
    mkdir -p /mnt/fs
    must mount -t ext4 /dev/fs /mnt/fs
    check 0 "into a file" mdbitmap grow --no-undo --bitmap=/mnt/fs/bitmap --chunk 64K $all
    check_match "says how to start the array" 'mdadm --assemble --bitmap=/mnt/fs/bitmap' "$(cat $STATE/stdout)"
    check 0 "mdadm -X reads it" mdadm-4.2 -X /mnt/fs/bitmap
    must cp /mnt/fs/bitmap /tmp/old
    dmesg -c > /dev/null
    assemble_array md1 --bitmap=/mnt/fs/bitmap $all
    wait_idle md1
    check_match "file: attached" '64KB chunk, file: /mnt/fs/bitmap' "$(mdstat_of md1)"
    check_no_match "file: nothing is resynchronised" 'resync of' "$(dmesg)"
    slow_daemon md1; make_unclean md1
    fill /dev/md1 2048 64 "by file"
    # As a crash leaves them: copies of members and file while chunks are dirty.
    for member in $all; do dd if=$member of=/tmp/kept-${member#/dev/} bs=64k iflag=direct 2>/dev/null; done
    dd if=/mnt/fs/bitmap of=/tmp/bitmap bs=4k iflag=direct 2>/dev/null
    stop_array md1
    for member in $all; do dd if=/tmp/kept-${member#/dev/} of=$member bs=64k conv=notrunc,fsync 2>/dev/null; done
    yes spoilt | dd of=/dev/m12m1 bs=4k seek=$((($(data_start /dev/m12m1) + 2048) / 4)) count=4 iflag=fullblock oflag=direct conv=notrunc 2>/dev/null
    check 3 "an out-of-date file is not merged" mdbitmap grow --bitmap=internal --merge=/tmp/old $all
    check_match "because of its events" 'events: found' "$(cat $STATE/stderr)"
    check 0 "the marks of the file" mdbitmap grow --no-undo --bitmap=internal --merge=/tmp/bitmap --chunk 64K $all
    check_eq "merged: one chunk is dirty" 1 "$(count /dev/m12m0 dirty_chunks)"
    start md1 $all
    check_match "merged: resynchronised" 'resync of RAID array md1' "$(dmesg)"
    check_eq "merged: members agree" 0 "$(mismatches md1)"
    stop_and_read "merged" md1 $all
}

# A bitmap that goes while chunks are dirty: the whole array is resynchronised.
with_dirt_removed() {
    local all
    all=$(members r10 2)
    check 0 "marked" mdbitmap set --no-undo --range 640K+64K $all
    change "with dirt: removed" --bitmap=none -- $all
    yes spoilt | dd of=/dev/r10m1 bs=4k seek=$((($(data_start /dev/r10m1) + 9600) / 4)) count=4 iflag=fullblock oflag=direct conv=notrunc 2>/dev/null
    start md8 $all
    check_match "with dirt: resynchronised" 'resync of RAID array md8' "$(dmesg)"
    check_eq "with dirt: all of it" 0 "$(mismatches md8)"
    stop_array md8
}
