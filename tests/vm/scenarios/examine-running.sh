# examine beside running arrays: /proc/mdstat's figures, what is on disk and not in the page cache, /dev/mdX, --explain.
# phases: 1
# long-kernels: 6.12 llbitmap

phase_1() {
    slice a 40960; slice b 40960; slice c 8192; slice d 8192; slice e 8192; slice f 8192; slice g 40960
    create_array md0 --level=1 --raid-devices=2 --metadata=1.2 --bitmap=internal --bitmap-chunk=4K --assume-clean /dev/a /dev/b
    settle md0 /dev/a /dev/b
    # No superblock is written between two looks.
    make_unclean md0
    create_array md1 --level=10 --layout=n2 --chunk=64 --raid-devices=4 --metadata=1.0 --bitmap=internal --bitmap-chunk=32K \
        --assume-clean /dev/c /dev/d /dev/e /dev/f
    settle md1 /dev/c /dev/d /dev/e /dev/f
    make_unclean md1
    from_disk
    mdstat
    by_array
    explained
    large
    nested
}

# A buffered read of the bitmaps, before the kernel changes them behind the page cache.
from_disk() {
    local member chunks
    for member in a b c d; do dd if=/dev/$member bs=64k of=/dev/null 2> /dev/null; done
    # In chunks of 4 KiB: the first and 64 others; 100 KiB are 4 chunks of 32 KiB.
    fill /dev/md0 0 4; fill /dev/md0 16384 256
    fill /dev/md1 1024 100
    chunks=65
    for member in a b c d; do
        case $member in c) chunks=4 ;; esac
        dd if=/dev/$member bs=64k of=/tmp/cached 2> /dev/null
        dd if=/dev/$member bs=64k iflag=direct of=/tmp/direct 2> /dev/null
        mdadm-4.2 -X /dev/$member > $STATE/mdadm
        check 0 "$member: examined while its array runs" mdbitmap examine /dev/$member
        check_match "$member: bits as the kernel set them" " $chunks dirty " "$(cat $STATE/stdout)"
        check_same "$member: as mdadm -X" $STATE/mdadm $STATE/stdout
        sed "s|/dev/$member|/tmp/direct|" $STATE/stdout > $STATE/expected
        check 0 "$member: a copy past the page cache" mdbitmap examine /tmp/direct
        check_same "$member: shows the same" $STATE/expected $STATE/stdout
        check_match "$member: the page cache would have shown none of it" ' 0 dirty ' "$(mdbitmap examine /tmp/cached)"
    done
}

mdstat() {
    local md chunk chunks used total line
    for md in md0:a:2 md1:c:1; do
        set -- $(echo $md | tr : ' ')
        mdbitmap examine --json /dev/$2 2> /dev/null > $STATE/json
        chunk=$(json chunk_bytes < $STATE/json) chunks=$(json chunks < $STATE/json)
        # A page of the kernel's holds 2048 counters (reference/kernel.md 8); pages without a bit are not there.
        total=$(((chunks + 2047) / 2048)) used=$3
        line=$(grep -A 4 "^$1 " /proc/mdstat | sed -n 's/^ *bitmap: //p' | head -n 1)
        check_eq "$1: pages and chunk size of /proc/mdstat" "$used/$total pages [$((used * 4))KB], $((chunk / 1024))KB chunk" "$line"
    done
}

# devices_of FILE: the device numbers of the members that a listing names, and those of some members
devices_of() { sed -n 's/^ *Filename : //p' "$1" | while read -r path; do stat -L -c %t:%T "$path"; done; }
by_array() {
    check 0 "an array instead of a member" mdbitmap examine /dev/md1
    check_match "it is said" '/dev/md1: is a running array, not a member' "$(cat $STATE/stderr)"
    cp $STATE/stdout $STATE/array
    check_eq "its members in the order of their slots" "$(stat -L -c %t:%T /dev/c /dev/d /dev/e /dev/f)" "$(devices_of $STATE/array)"
    check 0 "the same members by their names" mdbitmap examine $(sed -n 's/^ *Filename : //p' $STATE/array)
    check_same "the same is shown" $STATE/stdout $STATE/array
    check 0 "in mdadm's spelling" mdbitmap -X /dev/md1
    check_same "the same in mdadm's spelling" $STATE/array $STATE/stdout
    check 0 "JSON of an array" mdbitmap examine --json /dev/md1
    check_eq "JSON has its members" 4 "$(grep -o '"dirty_chunks": *4' $STATE/stdout | wc -l)"

    must "$MDADM" /dev/md0 --fail /dev/b
    check 0 "with a failed member" mdbitmap examine /dev/md0
    check_eq "only the other is shown" "$(stat -L -c %t:%T /dev/a)" "$(devices_of $STATE/stdout)"
    must "$MDADM" /dev/md0 --remove /dev/b
    must "$MDADM" /dev/md0 --re-add /dev/b
    wait_idle md0
    check 0 "with the member back" mdbitmap examine /dev/md0
    check_eq "both are shown" "$(stat -L -c %t:%T /dev/a /dev/b)" "$(devices_of $STATE/stdout)"

    create_array md2 --level=1 --raid-devices=1 --force --metadata=1.2 --bitmap=none --assume-clean /dev/g
    check 1 "an array without a bitmap" mdbitmap examine /dev/md2
    check_match "it is said" '/dev/md2: is a running array, not a member, and has no bitmap' "$(cat $STATE/stderr)"
    check_eq "nothing is shown" "" "$(cat $STATE/stdout)"
    stop_array md2
    "$MDADM" --zero-superblock /dev/g
    if [ -e /dev/md2 ]; then
        check 1 "an md node without an array" mdbitmap examine /dev/md2
    fi
}

explained() {
    check 0 "explained while the array runs" mdbitmap examine --explain /dev/c
    check_match "in use" 'is in use by md array md1: what is shown is on disk at this moment' "$(cat $STATE/stderr)"
    check_match "trusted" '/dev/c: the kernel would use this bitmap as it is' "$(cat $STATE/stdout)"
    check_match "the others were not given" 'Not known: the superblocks of 3 other members' "$(cat $STATE/stdout)"
    check_match "amount" 'Starting the array would resync 128 KiB \(131072 bytes\)' "$(cat $STATE/stdout)"
    check 0 "explained by the array" mdbitmap examine --explain /dev/md1
    check_eq "each member is explained" 4 "$(grep -c 'the kernel would use this bitmap as it is' $STATE/stdout)"
    check_no_match "nobody is missing" 'Not known' "$(cat $STATE/stdout)"
    check_match "4 chunks" '4 of [0-9]* chunks are marked dirty: 128 KiB of' "$(cat $STATE/stdout)"
}

# An array that is itself a member is a member.
nested() {
    create_array md3 --level=1 --raid-devices=2 --metadata=1.2 --bitmap=internal --bitmap-chunk=64K --assume-clean /dev/md0 /dev/g
    slow_daemon md3
    make_unclean md0; make_unclean md3
    mdadm-4.2 -X /dev/md0 > $STATE/mdadm
    check 0 "an array that is a member of another" mdbitmap examine /dev/md0
    check_same "as mdadm -X shows it" $STATE/mdadm $STATE/stdout
    check_eq "nothing else is said" "" "$(cat $STATE/stderr)"
    check 0 "the array on top" mdbitmap examine /dev/md3
    check_eq "its members" "$(stat -L -c %t:%T /dev/md0 /dev/g)" "$(devices_of $STATE/stdout)"
    check 0 "explained: in use by the array on top" mdbitmap examine --explain /dev/md0
    check_match "in use by the array on top" 'in use by md array md3' "$(cat $STATE/stderr)"
}

# More room for a bitmap than a page has mdadm from 8 GiB on.
large() {
    local i chunks
    for i in 0 1; do
        truncate -s 9G /tmp/large$i
        must losetup /dev/loop$i /tmp/large$i
    done
    create_array md4 --level=1 --raid-devices=2 --metadata=1.2 --bitmap=internal --bitmap-chunk=32K --assume-clean /dev/loop0 /dev/loop1
    settle md4 /dev/loop0 /dev/loop1
    make_unclean md4
    # In the first page of bits, in the third, in the last chunk.
    fill /dev/md4 0 64; fill /dev/md4 2500000 64
    fill /dev/md4 $(($(cat /sys/block/md4/size) / 8 * 4 - 4)) 4
    for i in 0 1; do
        mdadm-4.2 -X /dev/loop$i > $STATE/mdadm
        check 0 "large: /dev/loop$i" mdbitmap examine /dev/loop$i
        check_same "large: /dev/loop$i as mdadm -X" $STATE/mdadm $STATE/stdout
    done
    chunks=$(sed -n 's/^ *Bitmap : \([0-9]*\) bits (chunks), 5 dirty.*/\1/p' $STATE/stdout)
    check_match "large: pages of /proc/mdstat" "bitmap: 3/$(((chunks + 2047) / 2048)) pages .* 32KB chunk" "$(grep -A 4 '^md4 ' /proc/mdstat)"
}
