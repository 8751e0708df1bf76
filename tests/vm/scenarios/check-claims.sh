# What `check` says that the kernel does, done by a kernel: for each finding an array that has it, the finding by name,
# then the start of that array. Fields of the bitmap superblock have no checksum; those of the md superblock get theirs.
# phases: 1
# long-kernels: 6.12 7
# timeout: 600

# --- fields --------------------------------------------------------------------------------------------------------------
patch() { printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc,fsync 2>/dev/null; } # DEVICE BYTE TEXT
patch_all() { # BYTE TEXT MEMBER...
    local byte=$1 text=$2 member; shift 2
    for member; do patch "$member" "$byte" "$text"; done
}
# u32 DEVICE BYTE
u32() { dd if="$1" bs=1 skip="$2" count=4 2>/dev/null | od -An -t u4 | tr -d ' '; }
# seal MEMBER...: the checksum of the 1.2 superblock at byte 4096 (reference/kernel.md 7.4)
seal() {
    local member sum
    for member; do
        patch "$member" 4312 '\000\000\000\000'
        # The numbers of devices of these arrays are even: whole words.
        sum=$(dd if="$member" bs=1 skip=4096 count=$((256 + 2 * $(u32 "$member" 4316))) 2>/dev/null | od -An -v -t u4 |
            awk '{ for (i = 1; i <= NF; i++) n += $i } END { printf "%.0f", n % 4294967296 + int(n / 4294967296) }')
        patch "$member" 4312 "$(printf '\\%03o\\%03o\\%03o\\%03o' $((sum & 255)) $((sum >> 8 & 255)) $((sum >> 16 & 255)) $((sum >> 24 & 255)))"
    done
}
unclean() { patch_all 4304 '\000\000\000\000\000\000\000\000' "$@"; seal "$@"; } # resync_offset 0
data_sector() { u32 "$1" 4224; }

# --- one claim -----------------------------------------------------------------------------------------------------------
# has TEXT NAME MEMBER...: check finds it
has() {
    local text=$1 name=$2; shift 2
    mdbitmap check --json "$@" > $STATE/json 2> $STATE/stderr
    check_match "$text: found" "\"name\":\"$name\"" "$(cat $STATE/json $STATE/stderr)"
}
# sound TEXT MEMBER...: nothing from a warning up
sound() {
    local text=$1; shift
    check 0 "$text: no alarm" mdbitmap check "$@"
}
start() { # MEMBER...: as md0; the status of mdadm
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
# refuses TEXT MEMBER...: the array does not start
refuses() {
    local text=$1; shift
    start "$@"
    if runs; then fail "$text: refused" "$(cat /proc/mdstat)"; else ok "$text: refused"; fi
    stop
}
# starts TEXT MEMBER...: it does, and is idle afterwards
starts() {
    local text=$1; shift
    start "$@"
    if runs; then ok "$text: started"; else fail "$text: started" "$(cat $STATE/start.log)" "$(dmesg | tail -n 5)"; fi
    wait_idle md0
}
write() { if runs; then fill /dev/md0 "$1" 4 "$2"; fi; } # KIB [WORD]
letters() { grep -A1 '^md0 ' /proc/mdstat | grep -o '\[[U_]*\]'; }
# differs A B KIB: whether the 4 KiB of data there differ
differs() {
    local start=$(($(data_sector "$1") / 2))
    read_back "$1" $((start + $3)) 4 > /tmp/left; read_back "$2" $((start + $3)) 4 > /tmp/right
    if cmp -s /tmp/left /tmp/right; then echo equal; else echo different; fi
}
spoil() { fill "$1" $(($(data_sector "$1") / 2 + $2)) 4 'not what the other holds'; } # MEMBER KIB
# keep NAME MEMBER... / back NAME MEMBER...: metadata of stopped members
keep() { local name=$1 member; shift; for member; do dd if="$member" of=/tmp/keep-$name-${member#/dev/} bs=64k count=2 2>/dev/null; done; }
back() { local name=$1 member; shift; for member; do dd if=/tmp/keep-$name-${member#/dev/} of="$member" bs=64k conv=notrunc,fsync 2>/dev/null; done; }
bits_set() { mdbitmap examine --json "$1" 2> /dev/null | json dirty_chunks; }

phase_1() {
    local letter
    for letter in a b c; do slice $letter 8192; done
    create_array md0 --level=1 --metadata=1.2 --raid-devices=2 --bitmap=internal --bitmap-chunk=64K --assume-clean /dev/a /dev/b
    stop_array md0
    sound "made by mdadm" /dev/a /dev/b
    starts "made by mdadm" /dev/a /dev/b
    write 0
    stop
    keep sound /dev/a /dev/b
    sound "written to" /dev/a /dev/b
    refused_headers
    accepted_headers
    clean_bits
    one_copy
    overlaps
    md_superblocks
    poisoned
    absent
    apart
    interrupted
    parity
    bitmap_file
    lvm
    [ "$KERNEL" != llbitmap ] || lockless
}

# --- the bitmap superblock, at byte 8192 ---------------------------------------------------------------------------------
# finding|offset|bytes: the array does not start
refused_headers() {
    local name offset bytes
    [ "$KERNEL" = llbitmap ] || refused_header kernel-lockless 4 '\006'
    while IFS='|' read -r name offset bytes <&3; do refused_header "$name" "$offset" "$bytes"; done 3<< 'END'
bad-magic|0|x
bitmap-missing|0|\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000
bad-version|4|\002
uuid-mismatch|8|other
write-error|48|\004
bad-chunk-size|52|\001\000\000\000
bad-chunk-size|52|\001\000\001\000
zero-daemon-sleep|56|\000\000\000\000
bad-write-behind|60|\000\100\000\000
END
}

refused_header() { # FINDING OFFSET BYTES
    back sound /dev/a /dev/b
    patch_all $((8192 + $2)) "$3" /dev/a /dev/b
    has "$1" "$1" /dev/a /dev/b
    refuses "$1" /dev/a /dev/b
}

# Fields that are accepted, and what becomes of them.
accepted_headers() {
    local name offset bytes
    while IFS='|' read -r name offset bytes <&3; do
        back sound /dev/a /dev/b
        patch_all $((8192 + offset)) "$bytes" /dev/a /dev/b
        has "$name" "$name" /dev/a /dev/b
        starts "$name" /dev/a /dev/b
        write 0
        stop
        case $name in
            sync-size-*) check_eq "$name: the field is put right" "$(u32 /dev/a 4176)" "$(u32 /dev/a 8232)" ;;
        esac
    done 3<< 'END'
sync-size-smaller|40|\010\000\000\000
sync-size-larger|40|\000\000\001\000
events-ahead|24|\377\000\000\000
END
    # It is a matter of one field: without it, the same array is sound.
    back sound /dev/a /dev/b
    sound "put back" /dev/a /dev/b
}

# Traps 8 and 14: on a clean array set bits lapse, those of a stale bitmap too; nothing is resynchronised.
clean_bits() {
    back sound /dev/a /dev/b
    patch_all 8448 '\002' /dev/a /dev/b
    spoil /dev/b 64
    starts "bits on a clean array" /dev/a /dev/b
    stop
    check_eq "bits on a clean array: lapsed without a resync" "0 different" "$(bits_set /dev/a) $(differs /dev/a /dev/b 64)"
    for name in stale-events marked-stale; do
        back sound /dev/a /dev/b
        case $name in
            stale-events) patch_all 8216 '\000\000\000\000\000\000\000\000' /dev/a /dev/b ;;
            marked-stale) patch_all 8240 '\002' /dev/a /dev/b ;;
        esac
        has "$name" "$name" /dev/a /dev/b
        starts "$name, clean" /dev/a /dev/b
        check_eq "$name: every bit is set" "$(mdbitmap examine --json /dev/a 2> /dev/null | json chunks)" "$(bits_set /dev/a)"
        stop
        check_eq "$name, clean: lapsed without a resync" "0 different" "$(bits_set /dev/a) $(differs /dev/a /dev/b 64)"
        back sound /dev/a /dev/b
        case $name in
            stale-events) patch_all 8216 '\000\000\000\000\000\000\000\000' /dev/a /dev/b ;;
            marked-stale) patch_all 8240 '\002' /dev/a /dev/b ;;
        esac
        unclean /dev/a /dev/b
        spoil /dev/b 64
        starts "$name, unclean" /dev/a /dev/b
        stop
        check_eq "$name, unclean: everything is resynchronised" equal "$(differs /dev/a /dev/b 64)"
        spoil /dev/b 64
    done
    # Trap 14, as sysfs makes it.
    back sound /dev/a /dev/b
    starts "bitmap_set_bits" /dev/a /dev/b
    echo 1 > /sys/block/md0/md/bitmap_set_bits
    stop
    starts "bitmap_set_bits, again" /dev/a /dev/b
    stop
    check_eq "bitmap_set_bits: forgotten" "0 different" "$(bits_set /dev/a) $(differs /dev/a /dev/b 64)"
    dd if=/dev/zero of=/dev/b bs=4k seek=$((($(data_sector /dev/b) / 2 + 64) / 4)) count=1 oflag=direct conv=notrunc 2>/dev/null
}

# Trap 9: copies are not joined. Each of two chunks is marked in one copy only, and only one of them is copied.
one_copy() {
    back sound /dev/a /dev/b
    patch /dev/a 8448 '\002'
    patch /dev/b 8448 '\004'
    has "copies on a clean array" copies-differ-unused /dev/a /dev/b
    unclean /dev/a /dev/b
    has "copies" copies-differ /dev/a /dev/b
    spoil /dev/b 64; spoil /dev/b 128
    starts "copies" /dev/a /dev/b
    stop
    check_match "copies: one of them was read" '^(equal different|different equal)$' "$(differs /dev/a /dev/b 64) $(differs /dev/a /dev/b 128)"
    back sound /dev/a /dev/b
    unclean /dev/a /dev/b
    patch_all 8448 '\006' /dev/a /dev/b
    starts "copies, joined" /dev/a /dev/b
    stop
    check_eq "copies, joined: both chunks are copied" "equal equal" "$(differs /dev/a /dev/b 64) $(differs /dev/a /dev/b 128)"
    back sound /dev/a /dev/b
    patch /dev/b 8244 '\000\000\002\000'
    has "copies of another chunk size" copies-geometry-differ /dev/a /dev/b
    starts "copies of another chunk size" /dev/a /dev/b
    check_match "copies of another chunk size: one of them was read" '^(64|128)KB chunk$' "$(mdstat_of md0 | grep -o '[0-9]*KB chunk')"
    stop
    back sound /dev/a /dev/b
    patch /dev/b 8252 '\010'
    has "a header that differs" copies-header-differ /dev/a /dev/b
    starts "a header that differs" /dev/a /dev/b
    write 0
    stop
    check_eq "a header that differs: one value for both" "$(u32 /dev/a 8252)" "$(u32 /dev/b 8252)"
}

# A bitmap on something else. Chunks of 512 bytes make it four sectors long on a and b, two pages on x and y.
overlaps() {
    local data=$(data_sector /dev/a) log before
    # Its last two sectors lie in the data, and with them its first page.
    move $((data - 2 - 8)) /dev/a /dev/b
    has "first page in the data" overlaps-data /dev/a /dev/b
    refuses "first page in the data" /dev/a /dev/b
    # The same with the space that it needs before the data; only one sector of it is reserved.
    move $((data - 4 - 8)) /dev/a /dev/b
    patch_all $((data * 512 - 2048 + 64)) '\001' /dev/a /dev/b
    has "space" reserved-space-too-small /dev/a /dev/b
    starts "space" /dev/a /dev/b
    stop
    # Its last two sectors lie on the bad-block log.
    log=$(u32 /dev/a 4284)
    move $((log - 2)) /dev/a /dev/b
    has "on the bad-block log" overlaps-bad-block-log /dev/a /dev/b
    before=$(log_of $log)
    starts "on the bad-block log" /dev/a /dev/b
    slow_daemon md0
    # Its bit is in the third sector: 768 bytes of bits lie before that.
    write 4096
    check_no_match "on the bad-block log: overwritten" "$before" "$(log_of $log)"
    stop
    slice x 20480; slice y 20480
    create_array md0 --level=1 --metadata=1.2 --raid-devices=2 --bitmap=internal --bitmap-chunk=64K --assume-clean /dev/x /dev/y
    stop_array md0
    keep sound /dev/x /dev/y
    # Its second page lies in the data.
    data=$(data_sector /dev/x)
    move $((data - 8 - 8)) /dev/x /dev/y
    has "second page in the data" overlaps-data /dev/x /dev/y
    starts "second page in the data" /dev/x /dev/y
    # The bits of the first 30720 chunks lie in the first page.
    write 0
    read_back /dev/x $((data / 2)) 4 > /tmp/before
    check_no_match "second page in the data: works at first" 'disabling internal bitmap' "$(dmesg | tail -n 3)"
    write 16384
    check_match "second page in the data: put out of use when it is to be written" 'disabling internal bitmap' "$(dmesg | tail -n 3)"
    stop
    read_back /dev/x $((data / 2)) 4 > /tmp/after
    check_same_bytes "second page in the data: the data is left alone" /tmp/before /tmp/after
}
log_of() { dd if=/dev/a bs=512 skip=$((8 + $1)) count=1 iflag=direct 2>/dev/null | md5sum; }
# move SECTORS MEMBER...: puts the bitmap there, from the superblock on, with chunks of 512 bytes and no bit set
move() {
    local sectors=$1 member field; shift
    back sound "$@"
    field=$(printf '\\%03o\\%03o\\%03o\\%03o' $((sectors & 255)) $((sectors >> 8 & 255)) $((sectors >> 16 & 255)) 0)
    for member; do
        dd if=/dev/zero of=/tmp/bitmap bs=512 count=4 2>/dev/null
        dd if="$member" of=/tmp/bitmap bs=256 skip=32 count=1 conv=notrunc 2>/dev/null
        patch /tmp/bitmap 52 '\000\002\000\000'
        dd if=/tmp/bitmap of="$member" bs=512 seek=$((8 + sectors)) conv=notrunc,fsync 2>/dev/null
        patch "$member" 4192 "$field"
        seal "$member"
    done
}

# --- the md superblock, at byte 4096 -------------------------------------------------------------------------------------
md_superblocks() {
    back sound /dev/a /dev/b
    patch_all 4192 '\000\000\000\000' /dev/a /dev/b; seal /dev/a /dev/b
    has "no place" no-location /dev/a /dev/b
    starts "no place" /dev/a /dev/b
    stop
    back sound /dev/a /dev/b
    patch_all 4105 '\040' /dev/a /dev/b; seal /dev/a /dev/b
    has "unknown feature" unknown-features /dev/a /dev/b
    refuses "unknown feature" /dev/a /dev/b
    back sound /dev/a /dev/b
    patch_all 4105 '\004' /dev/a /dev/b; seal /dev/a /dev/b
    has "PPL" ppl-with-bitmap /dev/a /dev/b
    # The member that comes first is refused; mdadm then adds it anew.
    starts "PPL" /dev/a /dev/b
    check_match "PPL: a member is refused, and filled anew" 'active with 1 out of 2 mirrors' "$(dmesg | tail -n 10)"
    stop
    back sound /dev/a /dev/b
    patch_all 4320 '\000\002' /dev/a /dev/b; seal /dev/a /dev/b
    has "logical block size" kernel-logical-block-size /dev/a /dev/b
    case $KERNEL in
        6.*) refuses "logical block size, up to 6.18" /dev/a /dev/b ;;
        *) starts "logical block size" /dev/a /dev/b; stop ;;
    esac
    back sound /dev/a /dev/b
}

# Trap 7, as sysfs makes it.
poisoned() {
    back sound /dev/a /dev/b
    starts "time_base" /dev/a /dev/b
    echo 0.5 > /sys/block/md0/md/bitmap/time_base
    write 0
    stop
    has "time_base below a second" zero-daemon-sleep /dev/a /dev/b
    refuses "time_base below a second" /dev/a /dev/b
}

# --- members -------------------------------------------------------------------------------------------------------------
absent() {
    back sound /dev/a /dev/b
    has "forgotten" member-forgotten /dev/a
    "$MDADM" --assemble /dev/md0 /dev/a > $STATE/start.log 2>&1
    if runs; then fail "forgotten: not started without --run" "$(cat /proc/mdstat)"; else ok "forgotten: not started without --run"; fi
    stop
    # It fails, the array is written to; then it is given again.
    starts "failed" /dev/a /dev/b
    must "$MDADM" /dev/md0 --fail /dev/b
    write 1024 lost; write 0
    stop
    has "failed" vacant-slot /dev/a
    has "failed" member-out-of-date /dev/a /dev/b
    keep failed /dev/a /dev/b
    starts "failed" /dev/a /dev/b
    check_eq "failed: left out" "[U_]" "$(letters)"
    check_no_match "failed: bits are kept" '^0$' "$(bits_set /dev/a)"
    stop
}

# W17: each went on alone; the one with more events wins, the other is left out.
apart() {
    back sound /dev/a /dev/b
    starts "alone" /dev/a; write 0; stop
    starts "alone" /dev/b; write 0; stop
    has "split brain" split-brain /dev/a /dev/b
    starts "split brain" /dev/a /dev/b
    check_match "split brain: one is left out" '^\[(U_|_U)\]$' "$(letters)"
    stop
    back sound /dev/a /dev/b
    dd if=/dev/b of=/dev/c bs=64k 2>/dev/null
    has "copy" member-copied /dev/a /dev/b /dev/c
    has "copy" same-slot /dev/a /dev/b /dev/c
    starts "copy" /dev/a /dev/b /dev/c
    check_eq "copy: one of the two is a member" "2 [UU]" "$(grep '^md0 ' /proc/mdstat | grep -o '\[[0-9]*\]' | wc -l | tr -d ' ') $(letters)"
    stop
    dd if=/dev/zero of=/dev/c bs=64k count=4 2>/dev/null
}

# An interrupted re-add by bitmap (see interrupted-recovery): without its bitmap, [UU] over members that differ.
interrupted() {
    back sound /dev/a /dev/b
    starts "re-add" /dev/a /dev/b
    must "$MDADM" /dev/md0 --fail /dev/b
    fill /dev/md0 0 4096 changed
    must "$MDADM" /dev/md0 --remove /dev/b
    echo 10 > /sys/block/md0/md/sync_speed_max
    echo 10 > /sys/block/md0/md/sync_speed_min
    must "$MDADM" /dev/md0 --re-add /dev/b
    sleep 2
    stop
    check_eq "re-add: interrupted" 83 "$(printf '%x' "$(u32 /dev/b 4104)")"
    keep interrupted /dev/a /dev/b
    dd if=/dev/b of=/tmp/b bs=64k 2>/dev/null
    has "re-add" member-recovering /dev/a /dev/b
    starts "re-add, same bitmap" /dev/a /dev/b
    stop
    check_eq "re-add, same bitmap: equal" equal "$(differs /dev/a /dev/b 4000)"
    forgets recovery-bitmap-untrusted
    forgets recovery-bitmap-gone
    forgets recovery-bitmap-empty
}
forgets() { # FINDING
    back interrupted /dev/a /dev/b
    dd if=/tmp/b of=/dev/b bs=64k 2>/dev/null
    case $1 in
        *-untrusted) patch_all 8216 '\000\000\000\000\000\000\000\000' /dev/a /dev/b ;;
        *-gone) patch /dev/a 4104 '\000'; patch /dev/b 4104 '\202'; seal /dev/a /dev/b ;;
        *-empty) for member in /dev/a /dev/b; do dd if=/dev/zero of=$member bs=256 seek=33 count=1 conv=notrunc 2>/dev/null; done ;;
    esac
    has "re-add" "$1" /dev/a /dev/b
    starts "re-add, $1" /dev/a /dev/b
    check_eq "re-add, $1: shown in sync, and different" "[UU] different" "$(letters) $(differs /dev/a /dev/b 4000)"
    stop
}

# --- parity --------------------------------------------------------------------------------------------------------------
parity() {
    local letter all="/dev/p /dev/q /dev/r"
    for letter in p q r; do slice $letter 8192; done
    create_array md0 --level=5 --chunk=64 --metadata=1.2 --raid-devices=3 --bitmap=internal --bitmap-chunk=64K --assume-clean $all
    must "$MDADM" /dev/md0 --fail /dev/r
    write 0
    stop_array md0
    keep degraded $all
    unclean /dev/p /dev/q
    has "unclean and degraded" dirty-degraded /dev/p /dev/q
    refuses "unclean and degraded" /dev/p /dev/q
    back degraded $all
    # the role of q: failed
    patch /dev/p 4354 '\376\377'; seal /dev/p
    has "two missing" not-enough-members /dev/p
    refuses "two missing" /dev/p
    back degraded $all
    patch_all 4105 '\002' /dev/p /dev/q; seal /dev/p /dev/q
    has "journal" journal-with-bitmap /dev/p /dev/q
    refuses "journal" /dev/p /dev/q
    back degraded $all
    # layout 99
    patch_all 4172 '\143' /dev/p /dev/q; seal /dev/p /dev/q
    has "layout" bad-geometry /dev/p /dev/q
    refuses "layout" /dev/p /dev/q
}

# Trap 5.
bitmap_file() {
    slice fs 4096
    must /tools/mke2fs -q -F -t ext4 /dev/fs
    mkdir -p /mnt/fs
    must mount -t ext4 /dev/fs /mnt/fs
    create_array md0 --level=1 --metadata=1.2 --raid-devices=2 --bitmap=none --assume-clean /dev/a /dev/b
    must mdbitmap create --like=/dev/a /mnt/fs/bitmap
    has "file" kernel-bitmap-file /dev/a /mnt/fs/bitmap
    case $KERNEL in
        6.*) check_eq "file: attached" ok "$(set_bitmap_file /dev/md0 /mnt/fs/bitmap)" ;;
        *) check_eq "file: refused since 6.18" "errno 22" "$(set_bitmap_file /dev/md0 /mnt/fs/bitmap)" ;;
    esac
    stop
    umount /mnt/fs
}

# LVM's volumes were never deactivated: what they mark is not resynchronised when they are activated again.
lvm() {
    lvm_volume raid1 2 "raid1 6 0" 1
    # The parity of the first row is on the last leg.
    lvm_volume raid5 3 "raid5_ls 6 128" 2
}
lvm_volume() { # NAME LEGS START-OF-TABLE LEG-THAT-IS-SPOILT
    local name=$1 legs=$2 table=$3 spoilt=$4 i=0 metas= devices=
    while [ $i -lt "$legs" ]; do
        slice $name-m$i 2048; slice $name-d$i 2048
        metas="$metas /dev/$name-m$i"
        devices="$devices /dev/$name-m$i /dev/$name-d$i"
        i=$((i + 1))
    done
    activate() { must dmsetup --noudevsync create volume --table "0 2048 raid $table nosync region_size 128 daemon_sleep 600000 $legs$devices"; }
    activate
    rm -f /dev/volume
    mknod /dev/volume b "$(awk '$2 == "device-mapper" { print $1 }' /proc/devices)" "$(dmsetup info -c --noheadings -o minor volume | tr -d ' ')"
    fill /dev/volume 0 4
    sleep 1
    keep crashed $metas
    must dmsetup --noudevsync remove volume
    sound "LVM $name" $metas
    back crashed $metas
    fill /dev/$name-d$spoilt 0 4 'not what belongs there'
    has "LVM $name" dm-raid-bits-lapse $metas
    read_back /dev/$name-d$spoilt 0 4 > /tmp/before
    activate
    retry 30 sh -c "dmsetup status volume | grep -q ' idle '"
    must dmsetup --noudevsync remove volume
    read_back /dev/$name-d$spoilt 0 4 > /tmp/after
    check_eq "LVM $name: no bit is left" 0 "$(bits_set /dev/$name-m0)"
    check_same_bytes "LVM $name: and the legs still differ" /tmp/before /tmp/after
}

# --- version 6 -----------------------------------------------------------------------------------------------------------
lockless() {
    local MDADM=mdadm-4.6 marker=/tmp/marker member
    slice v 16384; slice w 16384
    create_array md0 --level=1 --metadata=1.2 --raid-devices=2 --bitmap=lockless --readonly /dev/v /dev/w
    stop_array md0
    has "version 6" kernel-lockless /dev/v /dev/w
    # Trap 3: one sector is reserved for the states of 240 chunks; they are written behind it.
    patch_all 8256 '\001\000\000\000' /dev/v /dev/w
    dd if=/dev/zero bs=512 count=2 2>/dev/null | tr '\000' m > $marker
    for member in /dev/v /dev/w; do dd if=$marker of=$member bs=512 seek=17 conv=notrunc,fsync 2>/dev/null; done
    has "version 6, no room" kernel-lockless-first-use-overrun /dev/v /dev/w
    starts "version 6, no room" /dev/v /dev/w
    write 0
    stop
    has "version 6, no room" lockless-overrun /dev/v /dev/w
    check_eq "version 6, no room: what lies behind is overwritten" 1 "$(u32 /dev/v 9216 | awk '{ print $1 % 256 }')"
    # With all the room that mdadm gives it, and without the log that mdadm 4.6 puts into it, it is sound.
    "$MDADM" --zero-superblock /dev/v /dev/w > /dev/null 2>&1
    create_array md0 --level=1 --metadata=1.2 --raid-devices=2 --bitmap=lockless --assume-clean /dev/v /dev/w
    stop_array md0
    has "version 6, log" lockless-over-bad-block-log /dev/v /dev/w
    starts "version 6, log" --update=no-bbl /dev/v /dev/w
    write 0; write 640
    stop
    sound "version 6" /dev/v /dev/w
    # An unwritten chunk is left out of the resync, a chunk that needs one is not.
    patch /dev/w $((9216 + 10)) '\000'
    has "version 6, states" copies-states-differ /dev/v /dev/w
    patch_all $((9216 + 10)) '\000' /dev/v /dev/w
    patch_all $((9216 + 20)) '\003' /dev/v /dev/w
    spoil /dev/w 640; spoil /dev/w 1280
    has "version 6, to be resynchronised" kernel-lockless-resync /dev/v /dev/w
    starts "version 6, unwritten" /dev/v /dev/w
    check_eq "version 6, unwritten: left out of the resync" "different equal" "$(differs /dev/v /dev/w 640) $(differs /dev/v /dev/w 1280)"
    # Trap 11: events_cleared stays 0, so that any old member is taken back.
    must "$MDADM" /dev/md0 --fail /dev/w --remove /dev/w
    write 1920
    stop
    check_eq "version 6, absent: events_cleared is 0" 0 "$(u32 /dev/v 8224)"
    has "version 6, absent" kernel-lockless-readd /dev/v
    has "version 6, absent" readd-unsafe /dev/v /dev/w
    # Trap 4: a bad block is recorded where states lie (chunk 3072 and on), and states are read as bad blocks.
    slice s 204800; slice t 204800
    create_array md0 --level=1 --metadata=1.2 --raid-devices=2 --bitmap=lockless --assume-clean /dev/s /dev/t
    write 0
    for member in /sys/block/md0/md/dev-*/bad_blocks; do echo 409000 8 > $member; break; done
    # The superblocks tell of it when they are next written.
    write 0
    sleep 1
    stop
    has "version 6, bad block" lockless-over-bad-block-log /dev/s /dev/t
    starts "version 6, bad block" /dev/s /dev/t
    check_match "version 6, bad block: its member is refused" '^\[(_U|U_)\] .*Invalid argument' "$(letters) $(cat $STATE/start.log)"
    stop
}
