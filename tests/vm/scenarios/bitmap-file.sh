# Bitmap files that we made, in the kernel's hands: attached by SET_BITMAP_FILE, written to, crashed; refused by kernels
# since 6.18. (create-running.sh: files in use, --clean, stale ones.)
# phases: 2
# long-kernels: 6.12 llbitmap

phase_1() {
    local uuid
    slice a 40960; slice b 40960; slice c 8192; slice d 8192; slice e 8192; slice fs 16384
    must /tools/mke2fs -q -F -t ext4 /dev/fs
    mkdir -p /mnt/fs
    must mount -t ext4 /dev/fs /mnt/fs
    create_array md0 --level=1 --raid-devices=2 --metadata=1.2 --bitmap=none --assume-clean /dev/a /dev/b
    create_array md1 --level=5 --chunk=64 --raid-devices=3 --metadata=1.0 --bitmap=none --assume-clean /dev/c /dev/d /dev/e
    uuid=$(mdadm-4.2 -E /dev/a | sed -n 's/.*Array UUID : //p')
    as_mdadm
    check 0 "a file by size and UUID" mdbitmap create --size="$(cat /sys/block/md0/size)s" --uuid="$uuid" --chunk=4K --delay=600 /mnt/fs/size
    check 0 "a file without a UUID" mdbitmap create --size="$(cat /sys/block/md0/size)s" --chunk=4K /mnt/fs/none
    check 0 "a file like a member" mdbitmap create --like=/dev/c --chunk=32K --delay=600 /mnt/fs/like
    case $KERNEL in
        6.*) accepted; crash ;;
        *) refused ;;
    esac
}

# By size and UUID, the bytes that mdadm 4.2 writes. On tmpfs, where the kernel refuses the file after mdadm made it.
as_mdadm() {
    local chunk metadata sectors uuid options
    slice x 6144; slice y 6144
    for chunk in 4K default; do
        for metadata in 1.2 0.90; do
            uuid=01234567:89abcdef:fedcba98:76543210
            options="--delay=7"
            [ $chunk = default ] || options="$options --bitmap-chunk=$chunk"
            rm -f /tmp/theirs /tmp/ours
            mdadm-4.2 --create /dev/md9 --run --homehost=none --level=1 --metadata=$metadata --uuid=$uuid --raid-devices=2 \
                --assume-clean --bitmap=/tmp/theirs $options /dev/x /dev/y > /dev/null 2>&1
            mdadm-4.2 --stop /dev/md9 > /dev/null 2>&1
            sectors=$(od -An -t u4 -j 40 -N 4 /tmp/theirs | tr -d ' ')
            # The words of a 0.90 UUID go into a file in the machine's byte order.
            [ $metadata = 1.2 ] || uuid=67452301:efcdab89:98badcfe:10325476
            check 0 "$metadata, chunk $chunk: a file" mdbitmap create --size="${sectors}s" --uuid=$uuid $options /tmp/ours
            check_same_bytes "$metadata, chunk $chunk: the bytes are mdadm's" /tmp/theirs /tmp/ours
        done
    done
}

refused() {
    check_eq "this kernel takes no bitmap file" "errno 22" "$(set_bitmap_file /dev/md0 /mnt/fs/size)"
    check_no_match "and has none" 'file:' "$(cat /proc/mdstat)"
}

accepted() {
    check_eq "without a UUID the kernel refuses it" "errno 22" "$(set_bitmap_file /dev/md0 /mnt/fs/none)"
    check_eq "by size and UUID: attached" ok "$(set_bitmap_file /dev/md0 /mnt/fs/size)"
    check_match "by size and UUID: shown" '5 pages .* 4KB chunk, file: /mnt/fs/size' "$(cat /proc/mdstat)"
    check_eq "like a member: attached" ok "$(set_bitmap_file /dev/md1 /mnt/fs/like)"
    check_match "like a member: shown" '32KB chunk, file: /mnt/fs/like' "$(cat /proc/mdstat)"
    active_file "new" /mnt/fs/size
    active_file "new" /mnt/fs/like
    # The bits that a new file starts with go when the array stops; then those of two writes.
    stop_array md0; stop_array md1
    active_file "stopped" /mnt/fs/size
    check_match "stopped: no bit is left" ' 0 dirty' "$(cat $STATE/stdout)"
    must mdadm-4.2 --assemble /dev/md0 --bitmap=/mnt/fs/size /dev/a /dev/b
    must mdadm-4.2 --assemble /dev/md1 --bitmap=/mnt/fs/like /dev/c /dev/d /dev/e
    # No superblock is written between two looks.
    make_unclean md0; make_unclean md1
    fill /dev/md0 0 4; fill /dev/md0 16384 256
    fill /dev/md1 4096 256
    active_file "written" /mnt/fs/size
    check_match "written: the chunks are marked" ' 65 dirty' "$(cat $STATE/stdout)"
    active_file "written" /mnt/fs/like
    # 256 KiB on two data disks: 128 KiB of each member.
    check_match "written: the rows are marked" ' 4 dirty' "$(cat $STATE/stdout)"
    check 0 "examined by its array" mdbitmap examine /dev/md0
    check_match "by its array: the file is shown" 'Filename : /mnt/fs/size' "$(cat $STATE/stdout)"
}
active_file() { # TEXT FILE
    mdadm-4.2 -X "$2" > $STATE/mdadm
    check 0 "$1: ${2##*/} examined" mdbitmap examine "$2"
    check_same "$1: ${2##*/} as mdadm -X" $STATE/mdadm $STATE/stdout
}

phase_2() {
    case $KERNEL in
        6.*) ;;
        *) ok "no bitmap file here"; return ;;
    esac
    mkdir -p /mnt/fs
    must mount -t ext4 /dev/fs /mnt/fs
    active_file "crashed" /mnt/fs/size
    check_match "crashed: the chunks are marked" ' 65 dirty' "$(cat $STATE/stdout)"
    # Its members have no bitmap of their own, hence the status.
    check 1 "explained with its members" mdbitmap examine --explain /mnt/fs/size /dev/a /dev/b
    check_match "explained: trusted" '/mnt/fs/size: the kernel would use this bitmap as it is' "$(cat $STATE/stdout)"
    # What the second member holds in the marked chunks is lost.
    offset=$(mdadm-4.2 -E /dev/b | awk '/Data Offset/ { print $4 / 2 }')
    fill /dev/b $offset 4 lost; fill /dev/b $((offset + 16384)) 256 lost
    dmesg -c > /dev/null
    must mdadm-4.2 --assemble /dev/md0 --bitmap=/mnt/fs/size /dev/a /dev/b
    wait_idle md0
    check_no_match "the kernel trusts it too" 'out of date|forcing full recovery' "$(dmesg)"
    stop_array md0
    read_back /dev/a 0 40960 | dd bs=4k skip=512 2> /dev/null > /tmp/a
    read_back /dev/b 0 40960 | dd bs=4k skip=512 2> /dev/null > /tmp/b
    check_same_bytes "its resync left equal members" /tmp/a /tmp/b
    active_file "resynced" /mnt/fs/size
    check_match "resynced: no bit is left" ' 0 dirty' "$(cat $STATE/stdout)"
}
