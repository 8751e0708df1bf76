# create on running arrays: the same bytes as mdadm 4.2, files that md takes, files in use, --clean.
# kernels: 6.1 6.12
# phases: 1
# long-kernels: 6.12

# same_as_mdadm TEXT MEMBERS-AND-OPTIONS...: a file for md0 beside the one that mdadm makes. md cannot use a file on tmpfs,
# so the kernel refuses mdadm's after it was written, and its bytes stay what mdadm made.
same_as_mdadm() {
    local text=$1; shift
    create_array md0 --bitmap=none --assume-clean "$@"
    local case ours theirs
    for case in ' ' '--chunk=4K,--delay=7 --bitmap-chunk=4,--delay=7' '--chunk=2M,--write-behind=9 --bitmap-chunk=2M,--write-behind=9'; do
        ours=$(echo "${case% *}" | tr , ' ') theirs=$(echo "${case#* }" | tr , ' ')
        rm -f /tmp/theirs /tmp/ours
        mdadm-4.2 --grow /dev/md0 --bitmap=/tmp/theirs $theirs > /dev/null 2>&1
        check 0 "$text${ours:+, $ours}: a file is made" mdbitmap create --array=/dev/md0 $ours /tmp/ours
        check_same_bytes "$text${ours:+, $ours}: the bytes are mdadm's" /tmp/theirs /tmp/ours
        rm -f /tmp/like
        check 0 "$text${ours:+, $ours}: --like takes the same from a member" mdbitmap create --like=/dev/a $ours /tmp/like
        check_same_bytes "$text${ours:+, $ours}: --like gives the same bytes" /tmp/ours /tmp/like
    done
    stop_array md0
}

phase_1() {
    local device
    for device in a b c d; do slice $device 8192; done
    slice fs 16384
    must /tools/mke2fs -q -F -t ext4 /dev/fs
    mkdir -p /mnt/fs /mnt/on
    must mount -t ext4 /dev/fs /mnt/fs

    same_as_mdadm "raid1 0.90" --metadata=0.90 --level=1 --raid-devices=2 /dev/a /dev/b
    same_as_mdadm "raid1 1.0" --metadata=1.0 --level=1 --raid-devices=2 /dev/a /dev/b
    same_as_mdadm "raid1 1.1" --metadata=1.1 --level=1 --raid-devices=2 /dev/a /dev/b
    same_as_mdadm "raid5" --metadata=1.2 --level=5 --chunk=64 --raid-devices=3 /dev/a /dev/b /dev/c
    same_as_mdadm "raid6" --metadata=1.2 --level=6 --chunk=64 --raid-devices=4 /dev/a /dev/b /dev/c /dev/d
    same_as_mdadm "raid10" --metadata=1.2 --level=10 --chunk=64 --raid-devices=4 /dev/a /dev/b /dev/c /dev/d
    same_as_mdadm "raid10 far" --metadata=1.2 --level=10 --layout=f2 --chunk=64 --raid-devices=3 /dev/a /dev/b /dev/c

    files_in_use
    clean_files
    interrupted_recovery
}

files_in_use() {
    create_array md0 --bitmap=none --assume-clean --metadata=1.2 --level=1 --raid-devices=2 /dev/a /dev/b
    check 0 "a file on ext4 is made" mdbitmap create --array=/dev/md0 --chunk=64K /mnt/fs/bitmap
    check_eq "md attaches it" ok "$(set_bitmap_file /dev/md0 /mnt/fs/bitmap)"
    check_match "md shows it" 'file: /mnt/fs/bitmap' "$(cat /proc/mdstat)"
    check 3 "an active file is not replaced, even by force" mdbitmap create --size=1G --force /mnt/fs/bitmap
    check_match "the array is named" 'is the bitmap file of the running array md0' "$(cat $STATE/stderr)"
    ln /mnt/fs/bitmap /mnt/fs/other
    check 3 "nor under another name" mdbitmap create --size=1G --force /mnt/fs/other
    check_match "the array is named there too" 'running array md0' "$(cat $STATE/stderr)"
    umount /proc
    check 3 "nor without /proc" mdbitmap create --size=1G --force /mnt/fs/other
    umount /sys/kernel/config 2>/dev/null; umount /sys
    check 3 "nor without /proc and /sys" mdbitmap create --size=1G --force /mnt/fs/other
    rm /dev/md0
    check 3 "nor without a node for the array" mdbitmap create --size=1G --force /mnt/fs/other
    check_match "the open file is what gives it away" 'something has it open for writing' "$(cat $STATE/stderr)"
    mknod /dev/md0 b 9 0
    mount -t proc proc /proc; mount -t sysfs sys /sys
    check_eq "md lets go of it" ok "$(set_bitmap_file /dev/md0 --detach)"
    check 0 "then it is replaced" mdbitmap create --size=1G --force /mnt/fs/other

    check 3 "a running array is no place for a bare bitmap" mdbitmap create --size=1G /dev/md0
    check_match "and its data is what would be lost" 'holds the data of a running array' "$(cat $STATE/stderr)"
    must /tools/mke2fs -q -F -t ext4 /dev/md0
    must mount -t ext4 /dev/md0 /mnt/on
    check 3 "a file on the array itself is refused" mdbitmap create --array=/dev/md0 /mnt/on/bitmap
    check_match "and why" 'lies on the array /dev/md0 itself' "$(cat $STATE/stderr)"
    umount /mnt/on
    check 3 "the array's own member is refused" mdbitmap create --size=1G --force /dev/a
    check_match "the array is named as its user" 'md0' "$(cat $STATE/stderr)"
    stop_array md0
}

clean_files() {
    rm -f /mnt/fs/*
    check 0 "a clean file for a clean array" mdbitmap create --clean --like=/dev/a --chunk=64K /mnt/fs/clean
    cp /mnt/fs/clean /mnt/fs/stale
    dmesg -c > /dev/null
    must mdadm-4.2 --assemble /dev/md0 --bitmap=/mnt/fs/clean /dev/a /dev/b
    check_match "md starts with it" 'file: /mnt/fs/clean' "$(cat /proc/mdstat)"
    check_no_match "md trusts it" 'out of date|forcing full recovery' "$(dmesg)"
    # A member that fails moves the array on.
    must mdadm-4.2 /dev/md0 --fail /dev/b
    fill /dev/md0 1024 64
    stop_array md0
    check 3 "degraded: no clean file" mdbitmap create --clean --like=/dev/a /mnt/fs/no
    check_match "and why" 'slots \[1\] are vacant' "$(cat $STATE/stderr)"
    dmesg -c > /dev/null
    must mdadm-4.2 --assemble --run /dev/md0 --bitmap=/mnt/fs/stale /dev/a
    check_match "md distrusts a clean file of an earlier state" 'forcing full recovery' "$(dmesg)"
    stop_array md0
    check 1 "nothing was left by what was refused" test -e /mnt/fs/no
}

# A recovery by bitmap that was interrupted: only the recovering member's own superblock tells. With another bitmap file,
# clean or dirty, the kernel would leave out the rest (see interrupted-recovery.sh).
interrupted_recovery() {
    rm -f /mnt/fs/*
    must mdadm-4.2 --zero-superblock /dev/a /dev/b
    create_array md0 --bitmap=none --assume-clean --metadata=1.2 --level=1 --raid-devices=2 /dev/a /dev/b
    must mdbitmap create --array=/dev/md0 --chunk=4K /mnt/fs/first
    must set_bitmap_file /dev/md0 /mnt/fs/first
    must mdadm-4.2 /dev/md0 --fail /dev/b
    fill /dev/md0 0 4096 changed
    must mdadm-4.2 /dev/md0 --remove /dev/b
    echo 10 > /sys/block/md0/md/sync_speed_max
    echo 10 > /sys/block/md0/md/sync_speed_min
    must mdadm-4.2 /dev/md0 --re-add /dev/b
    sleep 3
    stop_array md0
    check_eq "it was interrupted, and goes on by bitmap" 00000082 "$(od -An -tx4 -j 4104 -N 4 /dev/b | tr -d ' ')"
    check 3 "no clean file, whichever member is named" mdbitmap create --clean --like=/dev/a /mnt/fs/second
    check_match "the recovering one is found and named" '/dev/[^ ]*: this member is being recovered' "$(cat $STATE/stderr)"
    check 3 "nor a dirty one" mdbitmap create --like=/dev/a --like=/dev/b /mnt/fs/second
    check_match "and why" 'let the recovery finish first' "$(cat $STATE/stderr)"
    mkdir -p /tmp/dev; mv /dev/b /tmp/dev/b
    find /dev -name 'dm-*' -exec rm {} +
    check 3 "no clean file when the recovering member cannot be seen" mdbitmap create --clean --like=/dev/a /mnt/fs/second
    check_match "and what to do" 'slots \[1\]; give --like=MEMBER' "$(cat $STATE/stderr)"
    mv /tmp/dev/b /dev/b
    must mdadm-4.2 --assemble /dev/md0 --bitmap=/mnt/fs/first /dev/a /dev/b
    echo 500000 > /sys/block/md0/md/sync_speed_max
    wait_idle md0
    check_match "with its own bitmap the recovery is finished" '\[UU\]' "$(cat /proc/mdstat)"
    check 0 "then there is a file again" mdbitmap create --array=/dev/md0 --dry-run /mnt/fs/second
    stop_array md0
    check 0 "and a clean one" mdbitmap create --clean --like=/dev/a --like=/dev/b /mnt/fs/second
    read_back /dev/a 1024 7168 > /tmp/a; read_back /dev/b 1024 7168 > /tmp/b
    check_same_bytes "and the members are equal" /tmp/a /tmp/b
}
