# LVM's RAID: the metadata devices that device-mapper's raid target makes, in use, removed cleanly, and after a crash.
# phases: 2
# timeout: 600

raid_device() { # NAME SECTORS TYPE PARAMETERS LEGS
    local name=$1 leg=0 devices= minor
    while [ $leg -lt "$5" ]; do
        [ -e "/dev/$name-meta$leg" ] || { slice "$name-meta$leg" 128; slice "$name-data$leg" 4096; }
        devices="$devices /dev/$name-meta$leg /dev/$name-data$leg"; leg=$((leg + 1))
    done
    echo "0 $2 raid $3 $4 $5$devices" > $STATE/table
    must dmsetup --noudevsync create "$name" $STATE/table
    minor=$(dmsetup info -c --noheadings -o minor "$name" | tr -d ' ')
    rm -f "/dev/$name"; mknod "/dev/$name" b "$(awk '$2 == "device-mapper" { print $1 }' /proc/devices)" "$minor"
    retry 60 sh -c "dmsetup status $name | grep -q ' idle '"
}
count_bits() { # DEVICE BITS: set bits behind the superblock at 4096
    dd if="$1" bs=1 skip=4352 count=$(($2 / 8)) 2>/dev/null | od -An -v -t u1 -w1 |
        awk '{ for (b = $1; b > 0; b = int(b / 2)) n += b % 2 } END { print n + 0 }'
}
look() { # NAME LEGS CHUNKS TEXT
    local leg=0
    while [ $leg -lt "$2" ]; do
        mdbitmap examine --json "/dev/$1-meta$leg" > $STATE/json 2> $STATE/err
        check_eq "$1, leg $leg, $4: dm-raid, chunk size, chunks" "dm-raid 65536 $3" "$(json metadata < $STATE/json) $(json chunk_bytes < $STATE/json) $(json chunks < $STATE/json)"
        check_eq "$1, leg $leg, $4: dirty chunks" "$(count_bits "/dev/$1-meta$leg" "$3")" "$(json dirty_chunks < $STATE/json)"
        leg=$((leg + 1))
    done
}
phase_1() {
    raid_device r1 8192 raid1 "3 0 region_size 128" 2
    raid_device r5 16384 raid5_ls "3 128 region_size 128" 3
    raid_device r10 16384 raid10 "7 128 region_size 128 raid10_copies 2 raid10_format near" 4
    local name
    for name in r1 r5 r10; do must dmsetup --noudevsync remove $name; done
    look r1 2 64 "removed"; look r5 3 64 "removed"; look r10 4 128 "removed"
    raid_device r1 8192 raid1 "5 0 region_size 128 daemon_sleep 600000" 2
    raid_device r5 16384 raid5_ls "5 128 region_size 128 daemon_sleep 600000" 3
    raid_device r10 16384 raid10 "9 128 region_size 128 daemon_sleep 600000 raid10_copies 2 raid10_format near" 4
    for name in r1 r5 r10; do fill /dev/$name 1024 256; done
    sync
    look r1 2 64 "running"; look r5 3 64 "running"; look r10 4 128 "running"
    crash
}
phase_2() {
    look r1 2 64 "crashed"; look r5 3 64 "crashed"; look r10 4 128 "crashed"
    check_match "something is dirty" '"dirty_chunks":[1-9]' "$(mdbitmap examine --json /dev/r1-meta0)"
    check_match "the level is known" '"level":"raid5"' "$(mdbitmap examine --json /dev/r5-meta0)"
}
