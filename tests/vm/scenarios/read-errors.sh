# Devices that cannot be read everywhere: an error that names the bytes, never a count.
# phases: 1

# broken NAME SLICE FIRST COUNT: /dev/NAME is SLICE, but COUNT sectors from sector FIRST on give I/O errors
broken() {
    local start size
    start=$(awk -v name="$2" '$1 == name { print $2 }' $STATE/slices)
    size=$(awk -v name="$2" '$1 == name { print $3 }' $STATE/slices)
    {
        [ "$3" = 0 ] || echo "0 $3 linear /dev/vda $start"
        echo "$3 $4 error"
        echo "$(($3 + $4)) $((size - $3 - $4)) linear /dev/vda $((start + $3 + $4))"
    } > $STATE/table
    node "$1" $STATE/table
}
node() { # NAME TABLE-FILE
    must dmsetup --noudevsync create "$1" "$2"
    rm -f "/dev/$1"
    mknod "/dev/$1" b "$(awk '$2 == "device-mapper" { print $1 }' /proc/devices)" \
        "$(dmsetup info -c --noheadings -o minor "$1" | tr -d ' ')"
}

# unreadable TEXT DEVICE FIRST-BYTE LAST-BYTE: an error inside these bytes, and no count
unreadable() {
    local text=$1 device=$2 first=$3 last=$4
    check 4 "$text: status" mdbitmap examine $device
    check_no_match "$text: no count" dirty "$(cat $STATE/stdout)"
    named "$text" $first $last
    check 1 "$text: status in mdadm's spelling" mdbitmap -X $device
    check_no_match "$text: no count in mdadm's spelling" dirty "$(cat $STATE/stdout)"
    check 4 "$text: explained" mdbitmap examine --explain $device
    check_no_match "$text: not trusted" 'would use this bitmap as it is|would resync [^c]' "$(cat $STATE/stdout)"
    check 4 "$text: JSON" mdbitmap examine --json $device
    check_match "$text: JSON names the error" '"error": *\{"kind": *"read"' "$(tr -d '\n ' < $STATE/stdout)"
    check_match "$text: JSON has no count" '"bitmap":null' "$(tr -d '\n ' < $STATE/stdout)"
}
# The range that the message names and the unreadable one overlap.
named() { # TEXT FIRST LAST
    local found
    found=$(sed -n 's/.*bytes \([0-9]*\)\(\.\.\|-\| to \)\([0-9]*\).*/\1 \3/p' $STATE/stderr | head -n 1)
    if [ -n "$found" ] && [ "${found% *}" -le "$3" ] && [ "${found#* }" -ge "$2" ]; then
        ok "$1: the range ${found% *} to ${found#* } is named"
    else
        fail "$1: bytes of $2 to $3 are named" "$(cat $STATE/stderr)"
    fi
}

phase_1() {
    slice a 8192; slice b 8192; slice old 262144; slice old2 262144; slice fs 16384; slice plain 8192
    # The second members fail, so that the first keep their bits after a stop.
    create_array md0 --level=1 --raid-devices=2 --metadata=1.2 --bitmap=internal --bitmap-chunk=4K --assume-clean /dev/a /dev/b
    settle md0 /dev/a /dev/b
    must "$MDADM" /dev/md0 --fail /dev/b
    fill /dev/md0 0 4; fill /dev/md0 4096 400
    stop_array md0
    # Bits on three pages.
    create_array md1 --level=1 --raid-devices=2 --metadata=0.90 --bitmap=internal --bitmap-chunk=4K --assume-clean /dev/old /dev/old2
    settle md1 /dev/old /dev/old2
    must "$MDADM" /dev/md1 --fail /dev/old2
    fill /dev/md1 0 4; fill /dev/md1 200000 400
    stop_array md1
    check_match "the readable member" ' 101 dirty' "$(mdbitmap examine /dev/a)"
    check_match "the readable member, 0.90" ' 65520 bits .* 101 dirty' "$(mdbitmap examine /dev/old)"
    members
    old_members
    flaky
    files
    writes
}

members() {
    broken super a 8 8
    unreadable "md superblock" /dev/super 4096 8191
    broken header a 16 8
    unreadable "bitmap superblock" /dev/header 8192 12287
    broken behind a 24 2000
    check 0 "behind the bitmap" mdbitmap examine /dev/behind
    check_match "behind the bitmap: the count" ' 101 dirty' "$(cat $STATE/stdout)"
    broken start a 0 8
    # Nobody can know what superblock of metadata 1.1 might be there.
    check 4 "the first sectors: status" mdbitmap examine /dev/start
    named "the first sectors" 0 4095
}

# Metadata 0.90: the superblock 64 KiB before the end, the bitmap 4 KiB on.
old_members() {
    local first=$((262144 * 2 - 128)) byte=$((262144 * 1024 - 65536))
    broken old-super old $first 8
    unreadable "0.90: md superblock" /dev/old-super $byte $((byte + 4095))
    broken old-header old $((first + 8)) 8
    unreadable "0.90: bitmap superblock" /dev/old-header $((byte + 4096)) $((byte + 8191))
    broken second old $((first + 16)) 8
    unreadable "second page of the bits" /dev/second $((byte + 8192)) $((byte + 12287))
    check 0 "second page: the superblock alone" mdbitmap examine --brief /dev/second
    broken third old $((first + 24)) 1
    unreadable "one sector of the third page" /dev/third $((byte + 12288)) $((byte + 12799))
    # Of several devices the gravest status counts, and the readable one is shown.
    check 4 "one readable, one not" mdbitmap examine /dev/second /dev/a
    check_match "one readable, one not: the readable one is counted" ' 101 dirty' "$(cat $STATE/stdout)"
}

# A whole device that fails all reads.
flaky() {
    local start
    start=$(awk '$1 == "a" { print $2 }' $STATE/slices)
    echo "0 16384 flakey /dev/vda $start 0 600" > $STATE/table
    node flaky $STATE/table
    unreadable "nothing is readable" /dev/flaky 0 8388607
    dmsetup --noudevsync remove flaky
    echo "0 16384 flakey /dev/vda $start 600 0" > $STATE/table
    node flaky $STATE/table
    check 0 "it works again" mdbitmap examine /dev/flaky
    check_match "it works again: the count" ' 101 dirty' "$(cat $STATE/stdout)"
}

# A bitmap file on a file system with a bad place, and an image through a loop device over one.
files() {
    local place
    must /tools/mke2fs -q -F -b 4096 -t ext4 -O ^has_journal /dev/fs
    mkdir -p /mnt/fs
    must mount -t ext4 /dev/fs /mnt/fs
    must mdbitmap create --size=256M --chunk=4K --uuid=01234567:89abcdef:fedcba98:76543210 /mnt/fs/bitmap
    umount /mnt/fs
    # Where the file begins: its superblock starts with the word "bitm".
    place=$(strings -t d /dev/fs | awk '$2 ~ /^bitm/ && $1 % 4096 == 0 { print $1; exit }')
    check_match "the file is found on the device" '^[0-9]+$' "$place"
    broken bad-fs fs $((place / 512 + 8)) 8
    must mount -t ext4 -o ro /dev/bad-fs /mnt/fs
    unreadable "file: second page of the bits" /mnt/fs/bitmap 4096 8191
    umount /mnt/fs
    must losetup /dev/loop0 /dev/second
    unreadable "loop device: second page of the bits" /dev/loop0 $((262144 * 1024 - 65536 + 8192)) $((262144 * 1024 - 65536 + 12287))
    must losetup -d /dev/loop0
}

# A bitmap cannot be made where nothing can be written, or read back.
writes() {
    broken bad-start plain 0 8
    check 4 "create where the header cannot be written" mdbitmap create --size=256M --chunk=4K --force /dev/bad-start
    note "$(cat $STATE/stderr)"
    broken bad-middle plain 8 8
    check 4 "create where bits cannot be written" mdbitmap create --size=256M --chunk=4K --force /dev/bad-middle
    note "$(cat $STATE/stderr)"
    check_no_match "create: no header stands before bits that are not there" 'Magic : 6d746962' "$(mdbitmap examine --brief /dev/plain 2>&1)"
}
