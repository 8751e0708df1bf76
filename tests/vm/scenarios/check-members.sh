# What `check` says of single members and bitmaps that the scenario check-claims does not show: for each finding a mirror
# that has it, the finding by name, then what a kernel does with it.
# phases: 1
# long-kernels: 6.12 7
# timeout: 600

# --- fields --------------------------------------------------------------------------------------------------------------
patch() { printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc,fsync 2>/dev/null; } # DEVICE BYTE TEXT
both() { patch /dev/a "$1" "$2"; patch /dev/b "$1" "$2"; }                          # BYTE TEXT
u32() { dd if="$1" bs=1 skip="$2" count=4 2>/dev/null | od -An -t u4 | tr -d ' '; } # DEVICE BYTE
# seal MEMBER...: the checksum of the 1.2 superblock at byte 4096 (reference/kernel.md 7.4)
seal() {
    local member sum
    for member; do
        patch "$member" 4312 '\000\000\000\000'
        sum=$(dd if="$member" bs=1 skip=4096 count=$((256 + 2 * $(u32 "$member" 4316))) 2>/dev/null | od -An -v -t u4 |
            awk '{ for (i = 1; i <= NF; i++) n += $i } END { printf "%.0f", n % 4294967296 + int(n / 4294967296) }')
        patch "$member" 4312 "$(printf '\\%03o\\%03o\\%03o\\%03o' $((sum & 255)) $((sum >> 8 & 255)) $((sum >> 16 & 255)) $((sum >> 24 & 255)))"
    done
}
unclean() { both 4304 '\000\000\000\000\000\000\000\000'; seal /dev/a /dev/b; } # resync_offset 0
start_of() { echo $(($(u32 "$1" 4224) / 2)); }                                    # DEVICE: KiB of its data
spoil() { fill /dev/b $(($(start_of /dev/b) + $1)) 4 'not what the other holds'; }
differs() { # KIB: whether the 4 KiB of data there differ
    read_back /dev/a $(($(start_of /dev/a) + $1)) 4 > /tmp/left; read_back /dev/b $(($(start_of /dev/b) + $1)) 4 > /tmp/right
    if cmp -s /tmp/left /tmp/right; then echo equal; else echo different; fi
}
keep() { local member; for member in a b; do dd if=/dev/$member of=/tmp/$1-$member bs=64k count=4 2>/dev/null; done; }
back() { # NAME: metadata as it was, and data that is equal
    local member
    for member in a b; do dd if=/tmp/$1-$member of=/dev/$member bs=64k conv=notrunc,fsync 2>/dev/null; done
    read_back /dev/a $(start_of /dev/a) 4096 | dd of=/dev/b bs=4k seek=$(($(start_of /dev/b) / 4)) iflag=fullblock oflag=direct conv=notrunc 2>/dev/null
}

# --- claims --------------------------------------------------------------------------------------------------------------
has() { # TEXT NAME MEMBER...
    local text=$1 name=$2; shift 2
    mdbitmap check --json "$@" > $STATE/json 2> $STATE/stderr
    check_match "$text: found" "\"name\":\"$name\"" "$(cat $STATE/json $STATE/stderr)"
}
start() { # MEMBER...
    local removal=/sys/module/md_mod/parameters/legacy_async_del_gendisk
    [ ! -e $removal ] || echo Y > $removal
    "$MDADM" --assemble /dev/md0 --run "$@" > $STATE/start.log 2>&1
}
stop() {
    "$MDADM" --stop /dev/md0 > /dev/null 2>&1
    local left=20
    while [ -e /sys/block/md0 ] && [ $left -gt 0 ]; do sleep 0.1; left=$((left - 1)); done
}
runs() { grep -q '^md0 : active' /proc/mdstat; }
starts() { # TEXT MEMBER...
    local text=$1; shift
    start "$@"
    if runs; then ok "$text: started"; else fail "$text: started" "$(cat $STATE/start.log)" "$(dmesg | tail -n 5)"; fi
    wait_idle md0
}
refuses() { # TEXT MEMBER...
    local text=$1; shift
    start "$@"
    if runs; then fail "$text: refused" "$(cat /proc/mdstat)"; else ok "$text: refused"; fi
    stop
}
write() { if runs; then fill /dev/md0 "$1" 4 "$2"; fi; } # KIB [WORD]
letters() { grep -A1 '^md0 ' /proc/mdstat | grep -o '\[[U_]*\]'; }

phase_1() {
    slice a 8192; slice b 8192
    create_array md0 --level=1 --metadata=1.2 --raid-devices=2 --bitmap=internal --bitmap-chunk=64K --assume-clean /dev/a /dev/b
    write 0
    stop_array md0
    keep sound
    running
    accepted
    no_bitmap
    too_few
    left_out
    places
    re_added
    bitmap_file
    [ "$KERNEL" != llbitmap ] || lockless
}

# A running array: its members as they lie on disk at that moment.
running() {
    starts "running" /dev/a /dev/b
    write 64
    check 0 "running: sound" mdbitmap check /dev/md0
    check_match "running: members" '^raid1 of 2 members, uuid [0-9a-f:]*: .*(dm-|[ab]).* ' "$(head -n 1 $STATE/stdout)"
    check_match "running: said" 'in use by md array md0' "$(cat $STATE/stderr)"
    must "$MDADM" --grow /dev/md0 --bitmap=none
    check 0 "running, no bitmap: a note" mdbitmap check /dev/md0
    check_match "running, no bitmap: a note" 'note: no-bitmap' "$(cat $STATE/stdout)"
    stop
}

# Fields of the bitmap superblock (at byte 8192) that kernels take as they are. finding|offset|bytes
accepted() {
    local name offset bytes
    while IFS='|' read -r name offset bytes <&3; do
        back sound
        both $((8192 + offset)) "$bytes"
        has "$name" "$name" /dev/a /dev/b
        starts "$name" /dev/a /dev/b
        write 64
        stop
        case $name in
            unknown-state-bits) check_eq "$name: taken over" 80 "$(u32 /dev/a 8240)" ;;
            events-cleared-ahead) check_no_match "$name: lowered" '^255$' "$(u32 /dev/a 8224)" ;;
            pad-not-zero) check_eq "$name: left alone" 7 "$(u32 /dev/a 8328)" ;;
        esac
    done 3<< 'END'
unknown-state-bits|48|\120\000
pad-not-zero|136|\007
nodes-without-cluster|68|\003
nodes-without-cluster|4|\005
host-endian|4|\003
ones-past-end|300|\001
events-cleared-ahead|32|\377\000
END
}

# A bitmap that was removed is still there, and is not looked at: everything is resynchronised.
no_bitmap() {
    back sound
    starts "no bitmap" --update=no-bitmap /dev/a /dev/b
    stop
    has "no bitmap" no-bitmap /dev/a /dev/b
    has "no bitmap" leftover-bitmap /dev/a /dev/b
    unclean
    spoil 64; spoil 3072
    starts "no bitmap" /dev/a /dev/b
    check_eq "no bitmap: none is used" none "$(cat /sys/block/md0/md/bitmap/location 2> /dev/null || echo none)"
    stop
    check_eq "no bitmap: everything is resynchronised" "equal equal" "$(differs 64) $(differs 3072)"
}

# Bits behind those that sync_size makes: as they happen to be. Chunks 20 (set) and 30 (clear) lie behind it.
too_few() {
    back sound
    both 8232 '\000\002\000\000\000\000\000\000'
    both 8450 '\020'
    unclean
    has "too few bits" too-few-bits /dev/a /dev/b
    spoil $((20 * 64)); spoil $((30 * 64))
    starts "too few bits" /dev/a /dev/b
    stop
    check_eq "too few bits: those behind are believed" "equal different" "$(differs $((20 * 64))) $(differs $((30 * 64)))"
}

# Members that the kernel, or mdadm before it, does not take.
left_out() {
    back sound
    patch /dev/b 4312 '\001\002\003\004'
    has "damaged superblock" superblock-damaged /dev/a /dev/b
    starts "damaged superblock" /dev/a /dev/b
    check_eq "damaged superblock: left out" "[U_]" "$(letters)"
    stop
    back sound
    slice small 4096
    dd if=/dev/b of=/dev/small bs=64k count=64 2>/dev/null
    has "smaller than it says" device-too-small /dev/a /dev/small
    starts "smaller than it says" /dev/a /dev/small
    check_eq "smaller than it says: left out" "[U_]" "$(letters)"
    stop
    dd if=/dev/zero of=/dev/small bs=64k count=4 2>/dev/null
    # Bytes that have to be zero.
    back sound
    patch /dev/b 4324 '\001'; seal /dev/b
    has "reserved bytes" member-refused /dev/a /dev/b
    start /dev/a /dev/b
    check_no_match "reserved bytes: not taken as it is" '^\[UU\]$' "$(letters)"
    stop
}

# The freshest superblock names the place, and the kernel writes there on every member.
places() {
    back sound
    patch /dev/b 4192 '\030'
    patch /dev/a 4296 "$(printf '\\%03o' $(($(u32 /dev/a 4296) + 1)))"
    patch /dev/a 8216 "$(printf '\\%03o' $(($(u32 /dev/a 8216) + 1)))"
    patch /dev/b 8216 "$(printf '\\%03o' $(($(u32 /dev/b 8216) + 1)))"
    seal /dev/a /dev/b
    has "two places" bitmap-place-differs /dev/a /dev/b
    starts "two places" /dev/a /dev/b
    write 128
    stop
    check_eq "two places: that of the freshest is taken for both" "8 8" "$(u32 /dev/a 4192) $(u32 /dev/b 4192)"
    check_eq "two places: written there on the other member too" "$(u32 /dev/a 8216)" "$(u32 /dev/b 8216)"
}

# events_cleared decides whether a member that comes back gets marked chunks only. What differs here is marked nowhere.
re_added() {
    local events
    for events in 0 current; do
        back sound
        starts "events_cleared $events" /dev/a /dev/b
        must "$MDADM" /dev/md0 --fail /dev/b
        write 1280 lost
        stop
        # The bit of chunk 20 goes, as if it had been cleared meanwhile.
        patch /dev/a 8450 '\000'
        case $events in
            0)
                patch /dev/a 8224 '\000\000\000\000'
                has "events_cleared 0" events-cleared-zero-degraded /dev/a /dev/b ;;
            current) patch /dev/a 8224 "$(printf '\\%03o' "$(u32 /dev/a 8216)")" ;;
        esac
        starts "events_cleared $events, degraded" /dev/a
        start_again=$("$MDADM" /dev/md0 --re-add /dev/b 2>&1) || "$MDADM" /dev/md0 --add /dev/b > /dev/null 2>&1
        sleep 0.5
        wait_idle md0
        check_eq "events_cleared $events: complete again" "[UU]" "$(letters)"
        stop
        case $events in
            0) check_eq "events_cleared 0: the mirrors differ, shown as healthy" different "$(differs 1280)" ;;
            current) check_eq "events_cleared current: copied completely" equal "$(differs 1280)" ;;
        esac
    done
}

bitmap_file() {
    case $KERNEL in 6.*) ;; *) return ;; esac
    slice fs 4096
    must /tools/mke2fs -q -F -t ext4 /dev/fs
    mkdir -p /mnt/fs /mnt/memory
    must mount -t ext4 /dev/fs /mnt/fs
    must mount -t tmpfs tmpfs /mnt/memory
    back sound
    create_array md0 --level=1 --metadata=1.2 --raid-devices=2 --bitmap=none --assume-clean /dev/a /dev/b
    must mdbitmap create --chunk=4K --like=/dev/a /mnt/fs/whole
    head -c 300 /mnt/fs/whole > /mnt/fs/short
    has "short file" file-too-small /dev/a /dev/b /mnt/fs/short
    check_eq "short file: refused" "errno 28" "$(set_bitmap_file /dev/md0 /mnt/fs/short)"
    dd if=/mnt/fs/whole of=/mnt/fs/holes bs=256 count=1 2>/dev/null
    truncate -s 16384 /mnt/fs/holes
    has "holes" file-has-holes /dev/a /dev/b /mnt/fs/holes
    check_eq "holes: refused" "errno 22" "$(set_bitmap_file /dev/md0 /mnt/fs/holes)"
    cp /mnt/fs/whole /mnt/memory/whole
    has "in memory" file-system-unsuitable /dev/a /dev/b /mnt/memory/whole
    check_match "in memory: refused" '^errno' "$(set_bitmap_file /dev/md0 /mnt/memory/whole)"
    check_eq "whole: attached" ok "$(set_bitmap_file /dev/md0 /mnt/fs/whole)"
    write 64
    check 0 "running, bitmap file: sound" mdbitmap check /dev/md0
    check_match "running, bitmap file: members and file" '^raid1 of 2 members, .* /mnt/fs/whole$' "$(head -n 1 $STATE/stdout)"
    stop
    umount /mnt/fs /mnt/memory
}

# Version 6: states begin at byte 9216, 64 KiB a chunk.
lockless() {
    local MDADM=mdadm-4.6
    "$MDADM" --zero-superblock /dev/a /dev/b > /dev/null 2>&1
    create_array md0 --level=1 --metadata=1.2 --raid-devices=2 --bitmap=lockless --assume-clean /dev/a /dev/b
    write 0; write 640
    stop
    keep lockless
    # A state that nobody knows counts as "need sync".
    both $((9216 + 20)) '\011'
    has "unknown state" unknown-chunk-states /dev/a /dev/b
    spoil 1280
    starts "unknown state" /dev/a /dev/b
    stop
    check_eq "unknown state: resynchronised" equal "$(differs 1280)"
    # chunk size (sectors), daemon_sleep, sync_size: refused. A bitmap that could not be written is out of use.
    local name offset bytes
    while IFS='|' read -r name offset bytes <&3; do
        back lockless
        both $((8192 + offset)) "$bytes"
        has "version 6, $name" "$name" /dev/a /dev/b
        refuses "version 6, $name" /dev/a /dev/b
    done 3<< 'END'
bad-chunk-size|52|\201\000\000\000
zero-daemon-sleep|56|\000\000\000\000
lockless-sync-size-too-large|40|\000\000\001\000
uuid-mismatch|8|other
END
    back lockless
    both 8240 '\004'
    has "version 6, write-error" write-error /dev/a /dev/b
    starts "version 6, write-error" /dev/a /dev/b
    check_match "version 6, write-error: acts as absent" 'bitmap io error' "$(cat /sys/block/md0/md/llbitmap/bits)"
    stop
    # FIRST_USE on data: every chunk unwritten, and what is there is left out of a resync, even of one that is due.
    back lockless
    both 8240 '\010'
    has "FIRST_USE on data" first-use-on-data /dev/a /dev/b
    unclean
    spoil 640
    starts "FIRST_USE on data" /dev/a /dev/b
    check_match "FIRST_USE on data: unwritten" '^clean 0$' "$(cat /sys/block/md0/md/llbitmap/bits)"
    stop
    check_eq "FIRST_USE on data: left out of the resync" different "$(differs 640)"
    # FIRST_USE and CLEAN on an array that is not.
    back lockless
    both 8240 '\030'
    unclean
    has "FIRST_USE and CLEAN" first-use-clean-on-unclean /dev/a /dev/b
    spoil 640
    starts "FIRST_USE and CLEAN" /dev/a /dev/b
    check_match "FIRST_USE and CLEAN: all clean" '^unwritten 0$' "$(cat /sys/block/md0/md/llbitmap/bits)"
    stop
    check_eq "FIRST_USE and CLEAN: the resync that was due is skipped" different "$(differs 640)"
}
