# SPDX-License-Identifier: GPL-2.0-or-later
# The kernel's re-add trap (reference/kernel.md traps 10 and 11) on real kernels: `readd-check` has to see it before the
# re-add that leaves different members, and to pass an ordinary re-add with the right number of bytes.
# phases: 1
# long-kernels: 6.12 llbitmap
# timeout: 600

COMPONENT=3072 # KiB of each member of 4 MiB, whose data starts at 1 MiB

# answer STATUS TEXT ARGUMENTS...: the JSON is kept in $STATE/stdout
answer() { local status=$1 text=$2; shift 2; check "$status" "$text" mdbitmap readd-check --json "$@"; }
told() { json "$1" < $STATE/stdout; } # KEY
reasons() { sed 's/"notes":.*//' $STATE/stdout | grep -o '"name":"[^"]*"' | sed 's/.*:"//; s/"//' | tr '\n' ' '; }
both() { echo "$(told would_use_bitmap) $(told verdict) $(reasons)"; }

leave() { # MD DEVICE
    must "$MDADM" "/dev/$1" --fail "$2"
    retry 10 "$MDADM" "/dev/$1" --remove "$2"
}
return_by_bitmap() { # MD DEVICE
    must "$MDADM" "/dev/$1" --re-add "$2"
    wait_idle "$1"
}
mismatches() { # MD: sectors
    echo check > "/sys/block/$1/md/sync_action"
    wait_idle "$1"
    cat "/sys/block/$1/md/mismatch_cnt"
}
letters() { mdstat_of "$1" | grep -o '\[[U_]*\]'; }
# overwrite DEVICE: all its data with a byte that neither the data nor any parity of it has
overwrite() {
    tr '\0' '\377' < /dev/zero | dd of="$1" bs=64k seek=16 count=$((COMPONENT / 64)) iflag=fullblock oflag=direct conv=notrunc 2>/dev/null
}
rewritten() { # DEVICE: bytes that are no longer what `overwrite` wrote
    read_back "$1" 1024 $COMPONENT > /tmp/data
    tr '\0' '\377' < /dev/zero | head -c $((COMPONENT * 1024)) > /tmp/pattern
    cmp -l /tmp/data /tmp/pattern | wc -l
}
no_dirt() { [ "$(mdbitmap examine --json "$1" | json dirty_chunks)" = 0 ]; }
all_clean() { ! grep -Eq '^(dirty|need sync|syncing) [1-9]' "/sys/block/$1/md/llbitmap/bits"; } # MD
calm() { retry 30 no_dirt "$1"; } # MEMBER: until the kernel has cleared what it is about to clear

# array MD MEMBER ARGUMENTS...: with text all over it, every bit clear, events_cleared above 0
array() {
    local md=$1 member=$2; shift 2
    create_array "$md" --metadata=1.2 --data-offset=1M --assume-clean "$@"
    fill "/dev/$md" 0 $(($(cat "/sys/block/$md/size") / 2))
    wait_idle "$md"
    calm "$member"
}

# ordinary MD VICTIM KIB: an absence without any other device; KIB is where a small write falls that VICTIM misses
ordinary() {
    local md=$1 victim=$2 text="$1, ordinary" expected
    leave "$md" "$victim"
    fill "/dev/$md" 1024 512 changed
    fill "/dev/$md" "$3" 4 changed
    answer 0 "$text: status 0" "/dev/$md" --member "$victim"
    check_eq "$text: by bitmap, unproven, no reason" "true unproven " "$(both)"
    expected=$(told copy_bytes)
    if [ "$md" = md0 ]; then
        answer 1 "$text: strict, status 1" "/dev/$md" --member "$victim" --strict --no-scan
        answer 0 "$text: compared, status 0 although strict" "/dev/$md" --member "$victim" --verify=full --strict --no-scan
        check_eq "$text: compared, proven" "true proven " "$(both)"
        return_by_bitmap "$md" "$victim"
        check_eq "$text: equal after the re-add" 0 "$(mismatches "$md")"
        calm /dev/a
        leave "$md" "$victim"
        fill "/dev/$md" 1024 512 again
        fill "/dev/$md" "$3" 4 again
    fi
    # A member that has lost everything: exactly the marked bytes are written.
    overwrite "$victim"
    answer 1 "$text: overwritten, status 1" "/dev/$md" --member "$victim" --verify=sample --no-scan
    check_eq "$text: overwritten, unsafe" "true unsafe difference-found " "$(both)"
    check_eq "$text: overwritten, as many bytes" "$expected" "$(told copy_bytes)"
    return_by_bitmap "$md" "$victim"
    check_eq "$text: the kernel copied what was said" "$expected" "$(rewritten "$victim")"
    # Whole again.
    leave "$md" "$victim"
    must "$MDADM" "/dev/$md" --add-spare "$victim"
    wait_idle "$md"
    check_eq "$text: --add-spare copies everything" 0 "$(mismatches "$md")"
}

# trap_ MD SURVIVOR VICTIM THIRD REASONS VERDICT-WITHOUT: another device takes the slot meanwhile
trap_() {
    local md=$1 survivor=$2 victim=$3 third=$4 with=$5 without=$6 text="$1, trap"
    [ "$KERNEL" = llbitmap ] || calm "$survivor"
    leave "$md" "$victim"
    fill "/dev/$md" 2048 512 missed
    [ "$md" = md0 ] && [ "$KERNEL" != llbitmap ] && slow_daemon "$md"
    must "$MDADM" "/dev/$md" --add "$third"
    wait_idle "$md"
    if [ "$KERNEL" = llbitmap ]; then
        fill "/dev/$md" 1024 256 later
        retry 60 all_clean "$md"
    fi
    leave "$md" "$third"
    answer 1 "$text: status 1" "/dev/$md" --member "$victim"
    check_eq "$text: unsafe, the third superblock is there" "true unsafe $with" "$(both)"
    check_match "$text: its device is named" "($third|/dev/dm-[0-9]+) held slot" "$(cat $STATE/stdout)"
    check 1 "$text: in words" mdbitmap readd-check "/dev/$md" --member "$victim"
    check_match "$text: UNSAFE" 'Verdict: UNSAFE' "$(cat $STATE/stdout)"
    check_match "$text: what to type" "mdadm /dev/$md --add-spare $victim" "$(cat $STATE/stdout)"
    # The third device is taken away.
    dmsetup --noudevsync remove "${third#/dev/}"; rm -f "$third"
    if [ "$md" = md0 ]; then
        # Its recovery has made the bits worthless. On disk they are set for as long as the delay says, those of version 6
        # until something else is written beside them.
        mdbitmap readd-check --json "/dev/$md" --member "$victim" --verify=full > $STATE/stdout 2> $STATE/stderr
        check_eq "$text: gone, bits about to lapse are no proof" "$(echo $without)" "$(echo $(told verdict) $(reasons | sed 's/difference-found //'))"
        check_match "$text: gone, bits about to lapse are told" '"unsettled":"the array runs|difference-found' "$(cat $STATE/stdout)"
        [ "$KERNEL" = llbitmap ] || slow_daemon "$md" 1
    fi
    [ "$KERNEL" = llbitmap ] || calm "$survivor"
    mdbitmap readd-check --json "/dev/$md" --member "$victim" > $STATE/stdout 2> $STATE/stderr
    check_eq "$text: gone, metadata cannot tell" "true $without" "$(both)"
    if [ "$KERNEL" != llbitmap ]; then
        answer 1 "$text: gone, compared, status 1" "/dev/$md" --member "$victim" --verify=sample
        check_eq "$text: gone, the sample tells" "true unsafe difference-found " "$(both)"
    fi
    return_by_bitmap "$md" "$victim"
    check_no_match "$text: the kernel shows a healthy array" _ "$(letters "$md")"
    check_eq "$text: over different members" yes "$([ "$(mismatches "$md")" -gt 0 ] && echo yes)"
    note "$text: $(letters "$md"), $(cat "/sys/block/$md/md/mismatch_cnt") sectors differ"
}

phase_1() {
    for name in a b c d e f g h i j k l; do slice $name 4096; done
    if [ "$KERNEL" = llbitmap ]; then lockless; return; fi
    array md0 /dev/a --bitmap=internal --bitmap-chunk=64K --delay=1 --level=1 --raid-devices=2 /dev/a /dev/b
    refused
    ordinary md0 /dev/b 2560
    trap_ md0 /dev/a /dev/b /dev/c 'slot-was-held ' 'unproven '
    stop_array md0
    array md1 /dev/d --bitmap=internal --bitmap-chunk=64K --delay=1 --level=5 --chunk=64 --raid-devices=3 /dev/d /dev/e /dev/f
    ordinary md1 /dev/e 4096
    trap_ md1 /dev/d /dev/e /dev/g 'slot-was-held ' 'unproven '
    stop_array md1
    array md2 /dev/h --bitmap=internal --bitmap-chunk=128K --delay=1 --level=10 --chunk=64 --raid-devices=4 /dev/h /dev/i /dev/j /dev/k
    # The second chunk of a pair lies on the last two members. (6.1 does not keep bits of writes that missed nothing.)
    ordinary md2 /dev/k 4160
    trap_ md2 /dev/h /dev/k /dev/l 'slot-was-held ' 'unproven '
}

refused() {
    answer 3 "a current member: status 3" /dev/md0 --member /dev/b
    check_match "a current member: said" '"message":"/dev/b: is a current member of /dev/md0 already' "$(cat $STATE/stdout)"
    answer 3 "no member: status 3" /dev/md0 --member /dev/l
    must "$MDADM" /dev/md0 --fail /dev/b
    answer 3 "failed and not removed: status 3" /dev/md0 --member /dev/b
    check_match "failed and not removed: said" 'mdadm /dev/md0 --remove /dev/b' "$(cat $STATE/stdout)"
    retry 10 "$MDADM" /dev/md0 --remove /dev/b
    # As early in an initramfs.
    umount /sys/kernel/config 2> /dev/null
    umount /sys; umount /proc
    check 1 "with devtmpfs alone: nothing in /sys" test -e /sys/block
    answer 0 "with devtmpfs alone: status 0" /dev/md0 --member /dev/b
    check_eq "with devtmpfs alone: the answer" "true unproven " "$(both)"
    answer 3 "with devtmpfs alone: a current member is refused" /dev/md0 --member /dev/a
    mount -t proc proc /proc; mount -t sysfs sys /sys
    return_by_bitmap md0 /dev/b
}

# Version 6: the kernel accepts any old member, whatever was written meanwhile.
lockless() {
    MDADM=mdadm-4.6
    create_array md0 --metadata=1.2 --data-offset=1M --assume-clean --bitmap=lockless --level=1 --raid-devices=2 /dev/a /dev/b
    fill /dev/md0 0 $COMPONENT
    stop_array md0
    assemble_array md0 /dev/a /dev/b
    slow_daemon md0 1
    echo 1 > /sys/block/md0/md/llbitmap/barrier_idle
    retry 60 all_clean md0
    leave md0 /dev/b
    fill /dev/md0 1024 512 changed
    answer 1 "version 6, ordinary: status 1" /dev/md0 --member /dev/b
    check_eq "version 6, ordinary: metadata can show nothing" "true unsafe events-cleared-zero " "$(both)"
    answer 0 "version 6, ordinary, compared: status 0" /dev/md0 --member /dev/b --verify=full
    check_eq "version 6, ordinary, compared: proven" "true proven events-cleared-zero " "$(both)"
    return_by_bitmap md0 /dev/b
    read_back /dev/a 1024 $COMPONENT > /tmp/a; read_back /dev/b 1024 $COMPONENT > /tmp/b
    check_eq "version 6, ordinary: equal after the re-add" 0 "$(cmp -l /tmp/a /tmp/b | wc -l)"
    trap_ md0 /dev/a /dev/b /dev/c 'slot-was-held events-cleared-zero ' 'unsafe events-cleared-zero '
}
