# What the kernel makes of a recovery by bitmap that was interrupted (1.x feature bits 0x82 on the member that is being
# recovered), when the bitmap has changed meanwhile. Seen on 6.1 and 6.12: with the bitmap gone, or not as current as
# the superblocks (all bits are set then, none demands a resync of a clean array), the kernel leaves out the rest of
# the recovery and shows [UU] over different members. Only what is safe is checked; what is not is noted.
# phases: 1
# long-kernels: 6.12 7 llbitmap

# interrupt: a mirror whose second member misses 4 MiB less what a short recovery copied
interrupt() {
    grep -q '^md0 ' /proc/mdstat && stop_array md0
    "$MDADM" --zero-superblock /dev/a /dev/b > /dev/null 2>&1
    dd if=/dev/zero of=/dev/a bs=64k count=128 oflag=direct 2>/dev/null
    dd if=/dev/zero of=/dev/b bs=64k count=128 oflag=direct 2>/dev/null
    create_array md0 --bitmap=internal --bitmap-chunk=4K --assume-clean --metadata=1.2 --level=1 --raid-devices=2 /dev/a /dev/b
    must "$MDADM" /dev/md0 --fail /dev/b
    fill /dev/md0 0 4096 changed
    must "$MDADM" /dev/md0 --remove /dev/b
    echo 10 > /sys/block/md0/md/sync_speed_max
    echo 10 > /sys/block/md0/md/sync_speed_min
    must "$MDADM" /dev/md0 --re-add /dev/b
    sleep 3
    stop_array md0
    check_eq "the recovery is interrupted, and goes on by bitmap" 00000083 "$(od -An -tx4 -j 4104 -N 4 /dev/b | tr -d ' ')"
}

# finish ARGUMENTS...: starts the array, lets it become idle; DIFFERENT is how many bytes differ then
finish() {
    must "$MDADM" --assemble /dev/md0 "$@" /dev/a /dev/b
    echo 500000 > /sys/block/md0/md/sync_speed_max
    sleep 1
    wait_idle md0
    LETTERS=$(grep -A1 '^md0 ' /proc/mdstat | grep -o '\[[U_]*\]')
    stop_array md0
    read_back /dev/a 1024 7168 > /tmp/a; read_back /dev/b 1024 7168 > /tmp/b
    DIFFERENT=$(cmp -l /tmp/a /tmp/b | wc -l)
}

# overwrite a field or the bits of the bitmap at byte 8192 of both members
events() { for d in a b; do dd if=/dev/zero of=/dev/$d bs=8 seek=1027 count=1 conv=notrunc 2>/dev/null; done; }
events_cleared() { for d in a b; do dd if=/dev/zero of=/dev/$d bs=8 seek=1028 count=1 conv=notrunc 2>/dev/null; done; }
all_ones() { for d in a b; do tr '\0' '\377' < /dev/zero | dd of=/dev/$d bs=256 seek=33 count=15 iflag=fullblock conv=notrunc 2>/dev/null; done; }

phase_1() {
    slice a 8192; slice b 8192
    interrupt
    finish
    check_eq "with the same bitmap the members become equal" "[UU] 0" "$LETTERS $DIFFERENT"
    interrupt
    all_ones; events_cleared
    finish
    check_eq "with all bits set, events kept and events_cleared 0 they do too" "[UU] 0" "$LETTERS $DIFFERENT"
    interrupt
    all_ones; events
    finish
    note "events 0, all bits set: $LETTERS, $DIFFERENT bytes differ"
    interrupt
    finish --update=no-bitmap
    note "--update=no-bitmap: $LETTERS, $DIFFERENT bytes differ"
}
