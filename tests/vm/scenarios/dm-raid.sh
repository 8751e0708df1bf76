# The bitmaps of dm-raid (LVM RAID volumes), which no other tool shows: against the bytes on disk, dmsetup, and the number
# of chunks that were written.
# phases: 2
# long-kernels: 6.12 7 llbitmap

# name|legs|sectors of the volume|sectors that the bitmap covers|table. region_size is the chunk size in sectors.
# daemon_sleep (milliseconds) keeps the kernel from clearing bits meanwhile.
volumes() {
    cat <<'END'
a|2|32768|32768|raid1 6 0 nosync region_size 128 daemon_sleep 600000 2
b|3|32768|16384|raid5_ls 6 64 nosync region_size 64 daemon_sleep 600000 3
c|4|32768|32768|raid10 8 128 nosync region_size 128 daemon_sleep 600000 raid10_copies 2 4
d|2|32768|32768|raid1 5 0 region_size 8 daemon_sleep 600000 2
END
}
legs() { # NAME COUNT PREFIX
    local i
    for i in 0 1 2 3; do
        [ $i -ge "$2" ] || echo "/dev/$1$3$i"
    done
}
start_volume() { # NAME COUNT SECTORS TABLE
    local name=$1 count=$2 size=$3 devices i; shift 3
    for i in 0 1 2 3; do
        [ $i -ge "$count" ] || devices="$devices /dev/${name}m$i /dev/${name}d$i"
    done
    must dmsetup --noudevsync create volume-$name --table "0 $size raid $*$devices"
    rm -f /dev/volume-$name
    mknod /dev/volume-$name b "$(awk '$2 == "device-mapper" { print $1 }' /proc/devices)" \
        "$(dmsetup info -c --noheadings -o minor volume-$name | tr -d ' ')"
}
# wait_in_sync NAME: health letters all A, nothing under way
wait_in_sync() {
    retry 60 sh -c "dmsetup status volume-$1 | grep -Eq ' A+ ([0-9]+)/\\1 idle '"
}

# wait_quiet DEVICE: until its superblocks are no longer written, some time after the last write
wait_quiet() {
    local before after= left=20
    while [ $left -gt 0 ]; do
        before=$after left=$((left - 1))
        after=$(dd if="$1" bs=4k count=2 iflag=direct 2> /dev/null | md5sum)
        [ "$before" != "$after" ] || return
        sleep 1
    done
}

# field FILE OFFSET BYTES: a little-endian number of the file
field() {
    dd if="$1" bs=1 skip="$2" count="$3" 2> /dev/null | hexdump -v -e '1/4 "%u\n"' | awk '{ n += $1 * (NR == 1 ? 1 : 4294967296) } END { print n }'
}

# shown TEXT DEVICE COVERED CHUNK-SECTORS: what we show is what the bytes say
shown() {
    local text="$1 ${2#/dev/}" device=$2 covered=$3 chunk=$4
    check 0 "$text: examined" mdbitmap examine $device
    cp $STATE/stdout $STATE/text
    mdbitmap examine --json $device > $STATE/json 2> /dev/null
    dd if=$device of=/tmp/meta bs=4k count=3 iflag=direct 2> /dev/null
    check_eq "$text: the magic numbers are on disk" "DmRd bitm" "$(head -c 4 /tmp/meta) $(dd if=/tmp/meta bs=4096 skip=1 2> /dev/null | head -c 4)"
    check_match "$text: metadata and place" '"found":\{"kind":"internal","metadata":"dm-raid","offset_bytes":4096' "$(tr -d ' \n' < $STATE/json)"
    check_eq "$text: events as on disk" "$(field /tmp/meta $((4096 + 24)) 8)" "$(sed -n 's/^ *Events : //p' $STATE/text)"
    check_eq "$text: events cleared as on disk" "$(field /tmp/meta $((4096 + 32)) 8)" "$(sed -n 's/^  Events Cleared : //p' $STATE/text)"
    check_eq "$text: events of the superblock" "$(field /tmp/meta 16 8)" "$(sed 's/.*"array"//' $STATE/json | json events)"
    check_eq "$text: level" "$(echo "$1" | sed 's/[_ ].*//')" "$(json level < $STATE/json)"
    check_eq "$text: sync size as on disk" "$(field /tmp/meta $((4096 + 40)) 8)" "$(json sync_size_sectors < $STATE/json)"
    check_eq "$text: sync size" $covered "$(json sync_size_sectors < $STATE/json)"
    check_eq "$text: chunk size as on disk" "$(field /tmp/meta $((4096 + 52)) 4)" "$(json chunk_bytes < $STATE/json)"
    check_eq "$text: chunk size" $((chunk * 512)) "$(json chunk_bytes < $STATE/json)"
    check_eq "$text: dirty as on disk" "$(by_hand $(((covered + chunk - 1) / chunk)))" "$(json dirty_chunks < $STATE/json)"
}
# by_hand CHUNKS: set bits of /tmp/meta
by_hand() {
    dd if=/tmp/meta bs=256 skip=17 2> /dev/null | hexdump -v -e '1/1 "%u\n"' | awk -v left="$1" '
        { byte = $1; for (i = 0; i < 8 && left > 0; i++) { n += byte % 2; byte = int(byte / 2); left-- } }
        END { print n + 0 }'
}
chunk_of() { echo "$1" | sed 's/.*region_size \([0-9]*\).*/\1/'; }

phase_1() {
    local device
    while IFS='|' read -r name count size covered table <&3; do
        for device in $(legs $name $count m); do slice ${device#/dev/} 1024; done
        for device in $(legs $name $count d); do slice ${device#/dev/} 16384; done
        start_volume $name $count $size $table
        wait_in_sync $name
        # Stopped and started, the bitmap has no bits.
        dmsetup --noudevsync remove volume-$name
        start_volume $name $count $size $table
        wait_in_sync $name
        fill /dev/volume-$name 0 4
        fill /dev/volume-$name 4096 256
        wait_quiet /dev/${name}m0
        for device in $(legs $name $count m | sed -n '1p;$p'); do shown "$table: active" $device $covered "$(chunk_of "$table")"; done
        check_eq "$table: the volume is healthy" "$(dmsetup status volume-$name | sed 's/.* \(A*\) .*/\1/')" \
            "$(printf "%${count}s" "" | tr ' ' A)"
        mdadm-4.2 -X $device > /dev/null 2> $STATE/stderr
        check_match "$table: mdadm -X sees no bitmap" 'invalid bitmap magic 0x64526d44' "$(cat $STATE/stderr)"
    done 3<<END
$(volumes)
END
    crash
}

phase_2() {
    local device dirty
    while IFS='|' read -r name count size covered table <&3; do
        for device in $(legs $name $count m | sed -n '1p;$p'); do
            shown "$table: crashed" $device $covered "$(chunk_of "$table")"
            dirty=$(json dirty_chunks < $STATE/json)
            case $name in
                # 4 KiB at 0 and 256 KiB at 4 MiB, in chunks of 64 KiB or 4 KiB; raid5: two data legs, chunks of 32 KiB.
                d) check_eq "$table: crashed: chunks that were written" 65 "$dirty" ;;
                *) check_eq "$table: crashed: chunks that were written" 5 "$dirty" ;;
            esac
        done
        check 0 "$table: explained" mdbitmap examine --explain $(legs $name $count m)
        check_eq "$table: the kernel would use it on each leg" $count "$(grep -c 'the kernel would use this bitmap as it is' $STATE/stdout)"
        # The kernel agrees.
        guess=$(mdbitmap examine --json $(legs $name $count m) | json resync_bytes)
        [ "$name" != a ] || yes "not what the other leg holds" | dd of=/dev/ad1 bs=64k count=256 iflag=fullblock oflag=direct 2> /dev/null
        dmesg -c > /dev/null
        start_volume $name $count $size $(echo "$table" | sed 's/nosync //; s/ 6 / 5 /; s/ 8 128/ 7 128/')
        check_no_match "$table: the kernel trusts it" 'forcing full recovery|out of date' "$(dmesg)"
        wait_in_sync $name
        dmsetup --noudevsync remove volume-$name
        check_match "$table: no bit is left after a stop" ' 0 dirty' "$(mdbitmap examine /dev/${name}m0)"
        [ "$name" != a ] || resynced "$guess"
    done 3<<END
$(volumes)
END
}

# Chunks of 64 KiB that were resynchronised are equal again: 0 and 64 to 67 were marked, 1 and 255 were not.
resynced() {
    local chunk equal=0
    for chunk in 0 64 65 66 67 1 255; do
        read_back /dev/ad0 $((chunk * 64)) 64 > /tmp/one
        read_back /dev/ad1 $((chunk * 64)) 64 > /tmp/other
        cmp -s /tmp/one /tmp/other && equal=$((equal + 1))
    done
    note "of 5 marked chunks the kernel resynchronised $equal"
    check_eq "bytes that the kernel resynchronised, as predicted" $((equal * 65536)) "$1"
}
