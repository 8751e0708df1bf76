# Bitmap files: ours is mdadm 4.2's byte for byte; kernels up to 6.17 take it by SET_BITMAP_FILE, later ones refuse.
# phases: 2
# timeout: 600

phase_1() {
    slice fs 65536
    must /tools/mke2fs -q -t ext4 /dev/fs
    must mount -t ext4 /dev/fs /mnt

    # What mdadm writes before any kernel touches it: on tmpfs, where no kernel can use the file.
    slice x 6144; slice y 6144
    local uuid=01234567:89abcdef:fedcba98:76543210 chunk metadata sectors
    for chunk in 4K 64K default; do
        for metadata in 1.2 0.90; do
            rm -f /tmp/theirs /tmp/ours
            $MDADM --create /dev/md9 --run --homehost=none --level=1 --metadata=$metadata --uuid=$uuid --raid-devices=2 --assume-clean \
                --bitmap=/tmp/theirs $([ $chunk = default ] || echo --bitmap-chunk=$chunk) --delay=7 /dev/x /dev/y > $STATE/create.log 2>&1
            $MDADM --stop /dev/md9 > /dev/null 2>&1
            sectors=$(od -An -t u8 -j 40 -N 8 /tmp/theirs | tr -d " ")
            case $metadata in
                1.2) check 0 "create a file ($metadata, chunk $chunk)" mdbitmap create --size "${sectors}s" --uuid $uuid --delay 7 \
                        $([ $chunk = default ] || echo --chunk=$chunk) /tmp/ours ;;
                # the words of a 0.90 uuid go into a file in the machine's byte order
                0.90) check 0 "create a file ($metadata, chunk $chunk)" mdbitmap create --size "${sectors}s" --uuid 67452301:efcdab89:98badcfe:10325476 --delay 7 \
                        $([ $chunk = default ] || echo --chunk=$chunk) /tmp/ours ;;
            esac
            check_same_bytes "the file ($metadata, chunk $chunk) is mdadm's, byte for byte" /tmp/theirs /tmp/ours
        done
    done

    # ours, given to the kernel
    local md=md0
    slice a 6144; slice b 6144
    create_array $md --level=1 --metadata=1.2 --raid-devices=2 --bitmap=none --assume-clean /dev/a /dev/b
    check 0 "create a file for a running array" mdbitmap create --array /dev/$md --chunk 64K /mnt/ours
    check 0 "create a file like a member" mdbitmap create --like /dev/a --chunk 64K /mnt/like
    check_same_bytes "both are the same" /mnt/ours /mnt/like
    sync
    local said
    said=$(set_bitmap_file /dev/$md /mnt/ours 2>&1)
    case $KERNEL in
        6.1|6.12)
            check_eq "the kernel takes our file" ok "$said"
            check_match "mdstat shows it" 'bitmap: .* 64KB chunk, file: /mnt/ours' "$(mdstat_of $md)"
            wait_idle $md
            stop_array $md
            must mdadm-4.2 --assemble /dev/$md --bitmap=/mnt/ours /dev/a /dev/b
            slow_daemon $md
            make_unclean $md
            fill /dev/$md 1024 128
            check_eq "the kernel marks in our file what is written" 2 "$(mdbitmap examine --json /mnt/ours | json dirty_chunks)"
            crash ;;
        *)  check_eq "this kernel refuses bitmap files" "errno 22" "$said"
            touch $STATE/refused ;;
    esac
}
phase_2() {
    [ -e $STATE/refused ] && { ok "nothing more to see on this kernel"; return; }
    must mount -t ext4 /dev/fs /mnt
    mdbitmap examine /mnt/ours > $STATE/ours
    mdadm-4.2 -X /mnt/ours > $STATE/theirs
    check_same "after a crash: the same text as mdadm 4.2" $STATE/theirs $STATE/ours
    check_match "after a crash: marked chunks" ' 2 dirty' "$(cat $STATE/ours)"
    check_match "given beside its member, the file is judged" 'would use this bitmap' "$(mdbitmap examine --explain /mnt/ours /dev/a /dev/b 2>&1; mdadm-4.6 -E /dev/a)"
    must mdadm-4.2 --assemble /dev/md0 --bitmap=/mnt/ours /dev/a /dev/b
    wait_idle md0
    check_eq "the resync that our file guided left equal mirrors" 80 "$(consistent_chunks equal 1048576 5242880 65536 /dev/a /dev/b)"
}
