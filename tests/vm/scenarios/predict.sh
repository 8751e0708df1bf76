# What --explain and the JSON verdict predict is what the kernel then does. After a crash one member is spoilt everywhere
# behind the kernel's back; a resync repairs exactly the chunks that it covers, which an independent program counts.
# phases: 2
# long: yes
# timeout: 900

# case: array, level, members, options; then what happens before the crash (a function)
make() { # MD LEVEL COUNT OPTIONS...
    local md=$1 level=$2 count=$3 i=0; shift 3
    members=
    while [ $i -lt "$count" ]; do slice "${md}m$i" "${SIZE_KIB:-6144}"; members="$members /dev/${md}m$i"; i=$((i + 1)); done
    create_array "$md" --level="$level" --metadata=1.2 --raid-devices="$count" "$@" $members
    wait_idle "$md"
}
classic() { make "$@" --bitmap=internal --bitmap-chunk=64K; settle "$1" $members; }

phase_1() {
    local old
    # 1: mirror, unclean, some chunks
    classic md1 1 2; make_unclean md1; fill /dev/md1 0 4; fill /dev/md1 2044 300
    # 2: mirror, clean superblock, bits set
    classic md2 1 2; fill /dev/md2 1024 128
    # 3: mirror, unclean, its bitmap put back from before: not to be trusted
    classic md3 1 2
    stop_array md3
    dd if=/dev/md3m0 of=/tmp/old bs=512 skip=16 count=8 2>/dev/null
    for round in 1 2 3; do
        must "$MDADM" --assemble /dev/md3 $members
        [ $round = 3 ] && { slow_daemon md3; make_unclean md3; }
        fill /dev/md3 1024 64
        [ $round = 3 ] || stop_array md3
    done
    # 4: the same, but clean
    classic md4 1 2
    stop_array md4
    dd if=/dev/md4m0 of=/tmp/old4 bs=512 skip=16 count=8 2>/dev/null
    for round in 1 2 3; do must "$MDADM" --assemble /dev/md4 $members; fill /dev/md4 1024 64; stop_array md4; done
    for member in $members; do dd if=/tmp/old4 of=$member bs=512 seek=16 count=8 oflag=direct conv=notrunc 2>/dev/null; done
    # 5: RAID5, unclean
    classic md5 5 3 --chunk=64; make_unclean md5; fill /dev/md5 0 4; fill /dev/md5 5000 500
    # 6: RAID10 on two members
    classic md6 10 2 --chunk=64 --layout=n2; make_unclean md6; fill /dev/md6 1000 100; fill /dev/md6 4096 64
    if [ "$KERNEL" = llbitmap ]; then
        MDADM=mdadm-4.6
        SIZE_KIB=40960
        # 7: lockless mirror, all clean, then one write of several chunks; 8: one small write; 9: RAID5
        make md7 1 2 --bitmap=lockless --assume-clean; slow_daemon md7; make_unclean md7; fill /dev/md7 4096 256
        make md8 1 2 --bitmap=lockless --assume-clean; slow_daemon md8; make_unclean md8; fill /dev/md8 36864 4
        make md9 5 3 --bitmap=lockless --assume-clean --chunk=64; slow_daemon md9; make_unclean md9; fill /dev/md9 0 4
    fi
    cp /tmp/old $STATE/old
    crash
}

# predict MD COUNT equal|xor CHUNK TEXT: spoils the last member, assembles, and compares what the resync repaired with the prediction
predict() {
    local md=$1 count=$2 kind=$3 chunk=$4 text=$5 i=0 members= last start length predicted before after
    while [ $i -lt "$count" ]; do last=/dev/${md}m$i; members="$members $last"; i=$((i + 1)); done
    mdbitmap examine --json $members > $STATE/json 2>/dev/null
    predicted=$(json resync_bytes < $STATE/json)
    mdbitmap examine --explain $members > $STATE/explained 2>/dev/null
    check_match "$text: --explain says the same in words" "\($predicted bytes\)|resync nothing|no resync|would not" "$(cat $STATE/explained)"
    start=$(($(mdadm-4.6 -E "$last" | sed -n 's/ *Data Offset : \([0-9]*\) sectors/\1/p') * 512))
    length=$(($(json sync_size_sectors < $STATE/json) * 512))
    # spoil: words that no chunk of the other members holds
    yes 'spoilt!' | dd of="$last" bs=64k seek=$((start / 65536)) count=$((length / 65536)) iflag=fullblock oflag=direct conv=notrunc 2>/dev/null
    before=$(consistent_chunks $kind $start $length $chunk $members)
    check_eq "$text: every chunk is spoilt" 0 "$before"
    must "${MDADM}" --assemble "/dev/$md" $members
    wait_idle "$md"
    stop_array "$md"
    after=$(consistent_chunks $kind $start $length $chunk $members)
    check_eq "$text: bytes that the kernel resynced, as predicted" "$((after * chunk))" "$predicted"
}
phase_2() {
    for member in /dev/md3m0 /dev/md3m1; do dd if=$STATE/old of=$member bs=512 seek=16 count=8 oflag=direct conv=notrunc 2>/dev/null; done
    predict md1 2 equal 65536 "mirror, unclean"
    predict md2 2 equal 65536 "mirror, clean with bits set"
    predict md3 2 equal 65536 "mirror, unclean, stale bitmap"
    predict md4 2 equal 65536 "mirror, clean, stale bitmap"
    predict md5 3 xor 65536 "RAID5, unclean"
    predict md6 2 equal 65536 "RAID10, unclean"
    if [ "$KERNEL" = llbitmap ]; then
        MDADM=mdadm-4.6
        predict md7 2 equal 65536 "lockless mirror, several chunks"
        predict md8 2 equal 65536 "lockless mirror, one chunk"
        predict md9 3 xor 65536 "lockless RAID5"
    fi
}
