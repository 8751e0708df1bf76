# What `examine` predicts of the metadata device of an LVM RAID volume, against what the kernel then resynchronises.
# phases: 2
# long-kernels: 6.12 7 llbitmap
# timeout: 600

start_volume() {
    must dmsetup --noudevsync create r1 --table \
        "0 16384 raid raid1 5 0 region_size 128 daemon_sleep 600000 2 /dev/meta0 /dev/data0 /dev/meta1 /dev/data1"
    rm -f /dev/r1
    mknod /dev/r1 b "$(awk '$2 == "device-mapper" { print $1 }' /proc/devices)" \
        "$(dmsetup info -c --noheadings -o minor r1 | tr -d ' ')"
}
wait_volume() {
    local i=0
    until dmsetup status r1 | grep -q ' idle '; do
        i=$((i + 1)); [ $i -gt 300 ] && { fail "the volume does not become idle" "$(dmsetup status r1)"; return; }
        sleep 0.2
    done
    sleep 1
}
phase_1() {
    for leg in 0 1; do slice meta$leg 4096; slice data$leg 8192; must dd if=/dev/zero of=/dev/meta$leg bs=4k count=16 conv=fsync; done
    start_volume
    wait_volume
    fill /dev/r1 1024 256
    crash
}
phase_2() {
    local guess found
    # Byte 4096 is the bitmap's first, 4352 the first of its bits.
    check_match "the crash left bits behind" '[1-9a-f]' \
        "$(dd if=/dev/meta0 bs=1 skip=4352 count=16 2>/dev/null | od -An -t x1)"
    guess=$(mdbitmap examine --json /dev/meta0 2> $STATE/stderr | sed -n 's/.*"resync_bytes": *\([0-9a-z]*\).*/\1/p')
    yes "not what the other leg holds" |
        dd of=/dev/data1 bs=4k count=2048 iflag=fullblock oflag=direct conv=notrunc 2>/dev/null
    start_volume
    wait_volume
    must dmsetup message r1 0 check
    wait_volume
    # ... SYNCED/TOTAL ACTION MISMATCHES DATA-OFFSET JOURNAL
    found=$(dmsetup status r1 | sed 's/.* idle \([0-9]*\).*/\1/')
    check_eq "$guess of 8388608 bytes resynchronised" $((8388608 - found * 512)) "$guess"
}
