# Where the kernel stores the sectors of an array, against array::geometry: every sector is written with its own number
# through /dev/mdN, and the host (geometry.host) looks for each of them, and for parity, on the members, and explains every
# sector of every member. Some arrays then get a few small writes and a crash: the bits that the kernel set for them.
# phases: 1
# long-kernels: 6.1 7 llbitmap
# timeout: 600

# name|members|KiB of a member|what then|mdadm arguments. What then: "bits", or "layout N" and "refused N": a layout that mdadm
# does not make is written into the superblocks; the latter is not for use (geometry-long.sh).
arrays() {
    cat <<'END'
raid1|3|1801|bits|--level=1 --metadata=1.2
raid4|3|1800||--level=4 --metadata=1.1 --chunk=16
raid5-ls|4|1811|bits|--level=5 --metadata=1.0 --chunk=32 --layout=left-symmetric
raid5-la|3|1800||--level=5 --metadata=0.90 --chunk=8 --layout=left-asymmetric
raid6-ls|5|1807|bits|--level=6 --metadata=1.2 --chunk=16 --layout=left-symmetric
raid6-ddf0|5|1800||--level=6 --metadata=1.2 --chunk=4 --layout=ddf-zero-restart
raid6-ls6|4|1800||--level=6 --metadata=1.1 --chunk=64 --layout=left-symmetric-6
raid10-n2|3|1803|bits|--level=10 --metadata=1.2 --chunk=16 --layout=n2
raid10-f2|5|1801|bits|--level=10 --metadata=1.0 --chunk=8 --layout=f2
raid10-o3|5|1800|bits|--level=10 --metadata=1.2 --chunk=16 --layout=o3
raid10-f2-sets|5|1800|layout 0x40201|--level=10 --metadata=1.2 --chunk=8 --layout=f2
END
}

# markers: as many sectors as the largest array has, each with its number and a number made from that, 32 times
make_markers() {
    awk 'BEGIN { for (i = 0; i < 18000; i++) {
        s = sprintf("%08x%08x", i, i * 2654435761 % 2147483647); s = s s; s = s s; s = s s; s = s s; printf "%s", s s } }' > /tmp/markers
}

# put OFFSET NUMBER: a little-endian u32 of the file /tmp/super
put() {
    local n=$2 octal= i
    for i in 1 2 3 4; do octal="$octal\\$(printf '%03o' $((n % 256)))"; n=$((n / 256)); done
    printf "$octal" | dd of=/tmp/super bs=1 seek="$1" conv=notrunc 2> /dev/null
}
# relayout LAYOUT DEVICE...: writes another layout into 1.2 superblocks, with their checksum
relayout() {
    local layout=$1 device roles sum; shift
    for device; do
        dd if="$device" of=/tmp/super bs=4k skip=1 count=1 iflag=direct 2> /dev/null
        roles=$(dd if=/tmp/super bs=4 skip=55 count=1 2> /dev/null | hexdump -v -e '1/4 "%u\n"')
        put 76 $(($layout)); put 216 0
        sum=$(head -c $((256 + 2 * roles)) /tmp/super | hexdump -v -e '1/4 "%u\n"' |
            awk '{ s += $1 } END { high = int(s / 4294967296); printf "%.0f", (s - high * 4294967296 + high) % 4294967296 }')
        put 216 "$sum"
        dd if=/tmp/super of="$device" bs=4k seek=1 oflag=direct conv=notrunc 2> /dev/null
    done
}

# write_markers MD SECTORS
write_markers() { head -c $(($2 * 512)) /tmp/markers | dd of="/dev/$1" bs=64k iflag=fullblock oflag=direct 2> /dev/null; }
# small_writes NAME MD SECTORS: 4 KiB each, of the content that is there anyway; all but the last are aligned
small_writes() {
    local at
    for at in 0 $(($3 / 7 / 8 * 8)) $(($3 / 3 / 8 * 8)) $(($3 / 2 / 8 * 8)) $((($3 * 9 / 10) / 8 * 8)) $(($3 - 8)); do
        dd if=/tmp/markers of="/dev/$2" bs=512 skip="$at" seek="$at" count=8 2> /dev/null
        echo "$1 $at 8" >> $STATE/writes
    done
    sync
}

# one_array NAME COUNT KIB THEN ARGUMENTS...
one_array() {
    local name=$1 count=$2 kib=$3 then=$4 md=md0 bitmap=none i=0 members= size; shift 4
    while [ $i -lt "$count" ]; do slice "$name.$i" "$kib"; members="$members /dev/$name.$i"; i=$((i + 1)); done
    if [ "$then" = bits ]; then
        bits=$((bits + 1)) md=md$bits bitmap="internal --bitmap-chunk=4K"
    fi
    create_array "$md" "$@" --raid-devices="$count" --bitmap=$bitmap --assume-clean $members
    case $then in layout*|refused*)
        stop_array "$md"
        relayout "${then#* }" $members
        assemble_array "$md" $members ;;
    esac
    size=$(cat "/sys/block/$md/size")
    must write_markers "$md" "$size"
    case $then in
        bits) settle "$md" $members; small_writes "$name" "$md" "$size" ;;
        "refused "*)
            echo check > /sys/block/$md/md/sync_action
            sleep 0.5; wait_idle $md
            if [ "$(cat /sys/block/$md/md/mismatch_cnt)" = 0 ]; then
                fail "$name: with layout ${then#* } the kernel's copies are equal after writing: why refuse it?"
            else
                ok "$name: with layout ${then#* } the kernel's own writes leave copies that differ"
            fi
            stop_array "$md" ;;
        *) stop_array "$md" ;;
    esac
    echo "$name $count $size ${then%% *}" >> $STATE/arrays
}

phase_1() {
    bits=0
    make_markers
    local IFS='|' name count kib then arguments
    arrays > /tmp/list
    while read -r name count kib then arguments; do
        IFS=' '
        one_array "$name" "$count" "$kib" "$then" $arguments
        IFS='|'
    done < /tmp/list
    IFS=' '
    check_eq "all arrays were made and written" "$(wc -l < /tmp/list)" "$(wc -l < $STATE/arrays)"
    crash
}
