# raid4, 5 and 6 whose number of data members is no power of two: kernels with the defect (seen on 6.12) compute the rows that
# a write marks with masks, and in a third of all cases or more leave the row that is written to unmarked. What follows: a
# member re-added by bitmap holds old data and the array is shown whole; after a crash wrong parity is not repaired.
# Whether a kernel has the defect is read from the bits, not from its version.
# phases: 2
# long-kernels: 6.1 7 llbitmap

# Four members, RAID chunk 32 KiB, bitmap chunk 4 KiB: a row is 192 sectors of the array and 8 bits, one byte. Sector 9672 is in
# row 50, data on member d, parity on member b. Masks make that row 49 alone.
at=9672
members="/dev/a /dev/b /dev/c /dev/d"
write_at() { head -c 4096 "$2" | dd of=/dev/md0 bs=512 seek="$1" oflag=direct conv=notrunc 2> /dev/null; }
word_at() { dd if=/dev/md0 bs=512 skip="$1" count=8 iflag=direct 2> /dev/null | head -n 1; }
# bits_of_row ROW: its byte of member a's bitmap
bits_of_row() {
    dd if=/dev/a bs=512 skip="$(($(mdbitmap examine --json /dev/a | json offset_bytes) / 512))" count=1 iflag=direct 2> /dev/null |
        dd bs=1 skip=$((256 + $1)) count=1 2> /dev/null | hexdump -v -e '1/1 "%u"'
}
# mismatches: what a check of the whole array finds
mismatches() {
    echo check > /sys/block/md0/md/sync_action
    sleep 1; wait_idle md0
    cat /sys/block/md0/md/mismatch_cnt
}
start() { assemble_array md0 $members; slow_daemon md0; }

phase_1() {
    for member in a b c d; do slice $member 2048; done
    yes old | head -c 4096 > /tmp/old
    yes new | head -c 4096 > /tmp/new
    create_array md0 --level=5 --chunk=32 --raid-devices=4 --metadata=1.0 --bitmap=internal --bitmap-chunk=4K --assume-clean $members
    write_at $at /tmp/old
    settle md0 $members
    write_at $at /tmp/old
    defect=no
    [ "$(bits_of_row 50)" != 0 ] || defect=yes
    note "kernel $(uname -r): rows left unmarked: $defect (row 49: $(bits_of_row 49), row 50: $(bits_of_row 50))"
    echo $defect > $STATE/defect

    for member in d b; do
        stop_array md0; start
        must "$MDADM" /dev/md0 --fail /dev/$member
        retry 10 "$MDADM" /dev/md0 --remove /dev/$member
        write_at $at /tmp/new
        check_eq "without $member, what was written reads back" new "$(word_at $at)"
        must "$MDADM" /dev/md0 --re-add /dev/$member
        wait_idle md0
        check_match "with $member again the kernel shows four members" '\[UUUU\]' "$(mdstat_of md0)"
        case $defect$member in
            yesd) check_eq "the defect: re-added d gives back the old data" old "$(word_at $at)" ;;
            *) check_eq "re-added $member: the new data" new "$(word_at $at)" ;;
        esac
        if [ $defect = yes ]; then check_eq "the defect: the row of $member's stale chunk does not match its parity" 8 "$(mismatches)"
        else check_eq "re-added $member: parity is right everywhere" 0 "$(mismatches)"; fi
        echo repair > /sys/block/md0/md/sync_action
        sleep 1; wait_idle md0
        write_at $at /tmp/old
    done
    # Now a crash.
    stop_array md0; start
    make_unclean md0
    write_at $at /tmp/new
    crash
}

# The write was cut off before its parity.
phase_2() {
    local defect
    defect=$(cat $STATE/defect)
    # Row 50, and 72 sectors further; metadata 1.0 begins its data at 0.
    dd if=/dev/zero of=/dev/b bs=512 seek=$((50 * 64 + 9672 % 64)) count=8 oflag=direct conv=notrunc 2> /dev/null
    assemble_array md0 $members
    wait_idle md0
    check_match "after a crash the array is whole" '\[UUUU\]' "$(mdstat_of md0)"
    if [ "$defect" = yes ]; then check_eq "the defect: the resync leaves out the row that was written to" 8 "$(mismatches)"
    else check_eq "the resync repairs the row that was written to" 0 "$(mismatches)"; fi
}
