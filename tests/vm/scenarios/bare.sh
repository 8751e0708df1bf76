# An initramfs with devtmpfs alone: no /proc, /sys, /var, /run.
# timeout: 400

phase_1() {
    slice a 6144; slice b 6144; slice bare 2048
    create_array md0 --level=1 --metadata=1.2 --raid-devices=2 --bitmap=internal --bitmap-chunk=64K --assume-clean /dev/a /dev/b
    mdbitmap examine /dev/a > $STATE/with 2> $STATE/with.err
    check_eq "with everything mounted nothing is said" "" "$(cat $STATE/with.err)"
    stop_array md0
    mdbitmap examine /dev/a > $STATE/with
    mdbitmap create --dry-run --size 1M /dev/bare > $STATE/plan 2>&1
    cp /bin/busybox /tmp/sh
    umount /sys/kernel/config 2>/dev/null
    rmdir /var/lib /var 2>/dev/null
    umount -l /sys; umount -l /proc; umount -l /run
    if [ -e /proc/self ] || [ -e /sys/block ]; then fail "/proc and /sys are gone"; else ok "/proc and /sys are gone"; fi
    mdbitmap examine /dev/a > $STATE/without 2> $STATE/without.err
    check_eq "examine works" 0 $?
    check_same "examine shows the same" $STATE/with $STATE/without
    check 0 "--explain works" mdbitmap examine --explain /dev/a /dev/b
    cp $STATE/stdout $STATE/explained
    check_match "--explain predicts" 'resync' "$(cat $STATE/explained)"
    check 0 "--json works" mdbitmap examine --json /dev/a
    check 0 "create makes a file" mdbitmap create --size 5M --chunk 64K /tmp/file
    check_eq "of the right size" 266 "$(wc -c < /tmp/file)"
    check 0 "examine reads that file" mdbitmap examine /tmp/file
    mdbitmap create --size 1M --force --yes /dev/bare > $STATE/stdout 2> $STATE/stderr ||
        mdbitmap create --size 1M --force /dev/bare > $STATE/stdout 2> $STATE/stderr
    check_eq "create makes a bare bitmap" 0 $?
    check_match "and says what it could not check" '/proc|/sys|could not|cannot|unknown' "$(cat $STATE/stdout $STATE/stderr)"
    check_match "examine reads it" 'dirty' "$(mdbitmap examine /dev/bare 2>&1)"
    mount -t proc proc /proc; mount -t sysfs sys /sys
}
