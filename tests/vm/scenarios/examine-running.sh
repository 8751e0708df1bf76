# examine on running arrays: the members of an array given by mistake, with and without /proc and /sys; nested arrays.
# phases: 1

# The kernel knows the members by other names than ours.
without_names() { grep -v '^        Filename : '; }

# members_in_its_place TEXT MEMBER...: `examine /dev/md0` shows what `examine MEMBER...` shows
members_in_its_place() {
    local text=$1; shift
    mdbitmap examine "$@" 2>/dev/null | without_names > /tmp/members
    check 0 "$text: the array is accepted" mdbitmap examine /dev/md0
    without_names < $STATE/stdout > /tmp/shown
    check_same "$text: its members are shown" /tmp/members /tmp/shown
    check_match "$text: and it says so" '^mdbitmap: /dev/md0: is a running array, not a member' "$(cat $STATE/stderr)"
    check 0 "$text: -X too" mdbitmap -X /dev/md0
    without_names < $STATE/stdout > /tmp/shown
    check_same "$text: -X shows the same" /tmp/members /tmp/shown
    check 0 "$text: one JSON entry a member" mdbitmap examine --json /dev/md0
    check_eq "$text: entries" $# "$(grep -o '"path":' $STATE/stdout | wc -l)"
}

without_proc_and_sys() {
    umount /proc
    umount /sys/kernel/config 2>/dev/null; umount /sys
    members_in_its_place "devtmpfs alone" "$@"
    check 0 "devtmpfs alone: a member is explained" mdbitmap examine --explain /dev/a
    check_match "devtmpfs alone: the driver itself names the array" 'is in use by md array md0' "$(cat $STATE/stderr)"
    mount -t proc proc /proc; mount -t sysfs sys /sys
}

phase_1() {
    local device
    for device in a b c; do slice $device 8192; done
    create_array md0 --bitmap=internal --bitmap-chunk=64K --metadata=1.2 --level=1 --raid-devices=2 /dev/a /dev/b
    wait_idle md0
    settle md0 /dev/a /dev/b
    fill /dev/md0 0 256
    # Until the array is clean again its event count moves.
    retry 20 grep -qE 'clean|idle' /sys/block/md0/md/array_state
    sleep 1
    members_in_its_place "raid1" /dev/a /dev/b
    without_proc_and_sys /dev/a /dev/b
    check 0 "a member is explained" mdbitmap examine --explain /dev/a
    check_match "the array is named as its user" 'is in use by md array md0' "$(cat $STATE/stderr)"

    # An array that is a member itself bears a superblock: it is a member.
    create_array md1 --bitmap=internal --metadata=1.2 --level=1 --raid-devices=2 --assume-clean /dev/md0 /dev/c
    check 0 "an array that is a member" mdbitmap examine --json /dev/md0
    check_match "is a member" '"path":"/dev/md0","found":\{"kind":"internal","metadata":"1.2"' "$(cat $STATE/stdout)"
    check_no_match "and nothing else is said" 'running array' "$(cat $STATE/stderr)"
    check 0 "the outer array" mdbitmap examine /dev/md1
    check_match "shows the inner one as its member" 'Filename : /dev/md0' "$(cat $STATE/stdout)"
    stop_array md1
    dd if=/dev/zero of=/dev/md0 bs=64k count=1 conv=notrunc oflag=direct 2>/dev/null

    must "$MDADM" --grow /dev/md0 --bitmap=none
    check 1 "an array without a bitmap" mdbitmap examine /dev/md0
    check_match "says so" 'is a running array, not a member, and has no bitmap' "$(cat $STATE/stderr)"
    stop_array md0
}
