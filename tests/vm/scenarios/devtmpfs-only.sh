# With devtmpfs and nothing else, as early in an initramfs: no /proc, no /sys, no /run, no /var.
# phases: 1

# bounded STATUS TEXT COMMAND...: as check, and not for ever
bounded() { local status=$1 text=$2; shift 2; check "$status" "$text" timeout 60 "$@"; }

phase_1() {
    local folder
    for device in a b c d e f; do slice $device 8192; done
    slice fs 16384
    must /tools/mke2fs -q -F -t ext4 /dev/fs
    mkdir -p /mnt/fs
    must mount -t ext4 /dev/fs /mnt/fs
    create_array md0 --level=1 --raid-devices=2 --metadata=1.2 --bitmap=internal --bitmap-chunk=64K --assume-clean /dev/a /dev/b
    settle md0 /dev/a /dev/b
    # No superblock is written between two looks.
    make_unclean md0
    fill /dev/md0 1024 300
    create_array md1 --level=1 --raid-devices=2 --metadata=1.2 --bitmap=none --assume-clean /dev/d /dev/e
    dd if=/dev/a of=/mnt/fs/image bs=64k iflag=direct 2> /dev/null
    must mdbitmap create --size=1G /mnt/fs/bitmap
    mdbitmap examine /dev/a /dev/b /mnt/fs/image /mnt/fs/bitmap > /tmp/with 2> /dev/null
    mdbitmap examine /dev/md0 > /tmp/array-with 2> /dev/null
    mdbitmap create --array=/dev/md1 /mnt/fs/file-with > /dev/null 2>&1

    umount /sys/kernel/config 2> /dev/null
    umount /sys; umount /run; umount /proc
    rm -rf /var /run
    for folder in /proc/self /sys/block /run /var; do check 1 "$folder is not there" test -e $folder; done
    looking
    making
    mount -t proc proc /proc; mount -t sysfs sys /sys
    check_match "the array still runs" '^md0 : active' "$(cat /proc/mdstat)"
    check_no_match "the kernel complains of nothing" 'BUG|WARNING|hung' "$(dmesg)"
}

looking() {
    bounded 0 "members, an image, a file" mdbitmap examine /dev/a /dev/b /mnt/fs/image /mnt/fs/bitmap
    check_same "the same as with everything" /tmp/with $STATE/stdout
    bounded 0 "mdadm's spelling" mdbitmap -X /dev/a /dev/b /mnt/fs/image /mnt/fs/bitmap
    check_same "the same in mdadm's spelling" /tmp/with $STATE/stdout
    bounded 0 "a running array" mdbitmap examine /dev/md0
    check_match "it is known as one" '/dev/md0: is a running array, not a member' "$(cat $STATE/stderr)"
    check_eq "both members are found" "$(stat -L -c %t:%T /dev/a /dev/b)" \
        "$(sed -n 's/^ *Filename : //p' $STATE/stdout | while read -r path; do stat -L -c %t:%T "$path"; done)"
    grep -v Filename /tmp/array-with > /tmp/expected; grep -v Filename $STATE/stdout > /tmp/found
    check_same "their bitmaps are those" /tmp/expected /tmp/found
    bounded 0 "explained" mdbitmap examine --explain /dev/a
    check_match "the array is found by asking the driver" '/dev/a: is in use by md array md0' "$(cat $STATE/stderr)"
    check_match "the verdict" 'the kernel would use this bitmap as it is' "$(cat $STATE/stdout)"
    bounded 0 "an image explained" mdbitmap examine --explain /mnt/fs/image
    check_match "what could not be checked" 'image: whether a running array uses it is not known: could not check' "$(cat $STATE/stderr)"
    bounded 0 "JSON" mdbitmap examine --json /dev/a
    check_match "the count" '"dirty_chunks": *5' "$(tr , '\n' < $STATE/stdout)"
    bounded 1 "an array without a bitmap" mdbitmap examine /dev/md1
    check_match "it is said" '/dev/md1: is a running array, not a member, and has no bitmap' "$(cat $STATE/stderr)"
}

making() {
    bounded 0 "a file by its size" mdbitmap create --size=1G /mnt/fs/new
    check_same_bytes "the same bytes as with everything" /mnt/fs/bitmap /mnt/fs/new
    bounded 0 "replaced by force" mdbitmap create --size=1G --force /mnt/fs/new
    check_match "what could not be checked of a file" 'could not check' "$(cat $STATE/stderr)"
    bounded 0 "a file for a running array" mdbitmap create --array=/dev/md1 /mnt/fs/file
    check_same_bytes "the same bytes as with everything, for the array" /mnt/fs/file-with /mnt/fs/file
    bounded 0 "a file like a member" mdbitmap create --like=/dev/d /mnt/fs/like
    check_same_bytes "the same bytes from a member" /mnt/fs/file-with /mnt/fs/like
    bounded 0 "on a bare device" mdbitmap create --size=1G /dev/c
    check_match "what could not be checked of a device" 'could not check' "$(cat $STATE/stderr)"
    head -c "$(wc -c < /mnt/fs/bitmap)" /dev/c > /tmp/bare
    check_same_bytes "the same bytes on the device" /mnt/fs/bitmap /tmp/bare
    bounded 0 "the device is examined" mdbitmap examine /dev/c
    bounded 3 "a member of a running array is refused" mdbitmap create --size=1G --force /dev/a
    bounded 3 "a mounted device is refused" mdbitmap create --size=1G --force /dev/fs
}
