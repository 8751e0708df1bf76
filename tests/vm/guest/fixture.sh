# SPDX-License-Identifier: GPL-2.0-or-later
# What the scripts of golden images use besides lib.sh. What they leave in $STATE/out becomes the fixture: images, recorded
# outputs and "facts", one key=value a line (see fixtures/README.md).

OUT=$STATE/out
SET_UUID=$(printf '%s' "$SCENARIO" | md5sum | sed 's/\(.\{8\}\)\(.\{8\}\)\(.\{8\}\)\(.\{8\}\).*/\1:\2:\3:\4/')

# fact KEY VALUE
fact() { echo "$1=$2" >> $OUT/facts; }

# golden MD LEVEL METADATA MEMBERS ARGUMENTS...: an array with a fixed uuid on new 6 MiB members (SIZE_KIB to change)
golden() {
    local md=$1 level=$2 metadata=$3 members=$4 devices= name; shift 4
    for name in $members; do slice "$name" "${SIZE_KIB:-6144}"; devices="$devices /dev/$name"; done
    fact level "$level"
    fact metadata "$metadata"
    fact members "$(echo $members)"
    create_array "$md" --level="$level" --metadata="$metadata" --uuid="$SET_UUID" --name=golden \
        --raid-devices="$(echo $members | wc -w)" "$@" $devices
    wait_idle "$md"
}
# reopen MD MEMBERS: stop and start with a slow daemon, so that no bit is set and those of later writes stay
reopen() {
    settle "$1" $(for name in $2; do echo "/dev/$name"; done)
}
# running_facts MD: what the kernel says while the array runs
running_facts() {
    sed -n "/^$1 :/,/^\$/p" /proc/mdstat > $OUT/expected.mdstat
    sed -n 's/.*bitmap: \([0-9]*\)\/\([0-9]*\) pages \[[0-9]*KB\], \([0-9]*[KB]*\) chunk.*/mdstat_used_pages=\1\nmdstat_total_pages=\2\nmdstat_chunk=\3/p' \
        $OUT/expected.mdstat >> $OUT/facts
    cp "/sys/block/$1/md/llbitmap/bits" $OUT/expected.bits 2>/dev/null
    cp "/sys/block/$1/md/llbitmap/metadata" $OUT/expected.llbitmap-metadata 2>/dev/null
    fact component_kib "$(cat "/sys/block/$1/md/component_size")"
    fact array_kib "$(($(cat "/sys/block/$1/size") / 2))"
    fact degraded "$(cat "/sys/block/$1/md/degraded")"
}
# said NAME PROGRAM ARGUMENTS...: stdout, stderr and status of a program, kept as NAME.out, NAME.err and a fact
said() {
    local name=$1 status; shift
    "$@" > "$OUT/$name.out" 2> "$OUT/$name.err"
    status=$?
    [ -s "$OUT/$name.err" ] || rm "$OUT/$name.err"
    fact "$name.status" $status
}
# record MEMBERS: the images of stopped members, and what both mdadm say about them
record() {
    local name
    grep -q "^kernel=" $OUT/facts 2>/dev/null || fact kernel "$(uname -r)"
    for name in $1; do
        dd if="/dev/$name" of="$OUT/$name.img" bs=64k iflag=direct 2>/dev/null
        fact "$name.path" "/dev/$name"
        said "$name.mdadm-4.2" mdadm-4.2 -X "/dev/$name"
        said "$name.mdadm-4.6" mdadm-4.6 -X "/dev/$name"
        cmp -s "$OUT/$name.mdadm-4.2.out" "$OUT/$name.mdadm-4.6.out" && rm "$OUT/$name.mdadm-4.6.out" && fact "$name.mdadm-4.6.out" same
        mdadm-4.6 -E "/dev/$name" > "$OUT/$name.mdadm-E" 2>&1
        sed -n "s/ *Bitmap : \([0-9]*\) bits (chunks), \([0-9]*\) dirty.*/$name.chunks=\1\n$name.dirty_chunks=\2/p" \
            "$OUT/$name.mdadm-4.2.out" >> $OUT/facts
    done
}
# record_states MEMBERS SECTOR CHUNKS: counts of the state bytes of a version 6 bitmap, by od from the image
record_states() {
    local name
    for name in $1; do
        dd if="$OUT/$name.img" bs=1 skip=$(($2 * 512 + 1024)) count="$3" 2>/dev/null | od -An -v -t u1 -w1 | sort -n | uniq -c |
            while read -r count state; do fact "$name.state_$state" "$count"; done
    done
}
# record_file FILE: an external bitmap file
record_file() {
    local name
    name=$(basename "$1")
    cp "$1" "$OUT/$name.img"
    fact "$name.path" "$1"
    said "$name.mdadm-4.2" mdadm-4.2 -X "$1"
    said "$name.mdadm-4.6" mdadm-4.6 -X "$1"
    sed -n "s/ *Bitmap : \([0-9]*\) bits (chunks), \([0-9]*\) dirty.*/$name.chunks=\1\n$name.dirty_chunks=\2/p" \
        "$OUT/$name.mdadm-4.2.out" >> $OUT/facts
}
# unclean MD: from now on the array does not become clean between writes
unclean() { echo 600 > "/sys/block/$1/md/safe_mode_delay"; }
# lose MD MEMBER: fail and remove it
lose() {
    must "$MDADM" "/dev/$1" --fail "/dev/$2"
    must "$MDADM" "/dev/$1" --remove "/dev/$2"
}
# lockless_record MEMBERS: record, and the state bytes (metadata 1.2: the bitmap is at sector 16)
lockless_record() {
    record "$1"
    record_states "$1" 16 "$(awk '$1 == "chunks" { print $2 }' $OUT/expected.llbitmap-metadata)"
}
# reload_facts MD MEMBERS: the states that the kernel counts when it loads these bitmaps (its Reload and Stale rules are
# applied then: reference/kernel.md 6.2), the array read-only so that nothing is resynced
reload_facts() {
    must "$MDADM" --assemble --run --readonly "/dev/$1" $(for name in $2; do echo "/dev/$name"; done)
    cp "/sys/block/$1/md/llbitmap/bits" $OUT/expected.bits-after-load
    stop_array "$1"
}
# dm_raid NAME TYPE PARAMETERS LEGS: a dm-raid device on new metadata (meta0...) and data (data0...) devices; waits for its sync
dm_raid() {
    local leg devices= count=0
    grep -q "^metadata=" $OUT/facts 2>/dev/null || { fact metadata dm-raid; fact level "$2"; fact legs "$4"; }
    for leg in $4; do
        [ -e /dev/meta$leg ] || { slice "meta$leg" 128; slice "data$leg" 4096; }
        devices="$devices /dev/meta$leg /dev/data$leg"; count=$((count + 1))
    done
    echo "0 $DM_SECTORS raid $2 $3 $count$devices" > $OUT/expected.table
    must dmsetup --noudevsync create "$1" $OUT/expected.table
    local minor
    minor=$(dmsetup info -c --noheadings -o minor "$1" | tr -d ' ')
    rm -f "/dev/$1"; mknod "/dev/$1" b "$(awk '$2 == "device-mapper" { print $1 }' /proc/devices)" "$minor"
    retry 60 sh -c "dmsetup status $1 | grep -q ' idle '"
    dmsetup status "$1" > $OUT/expected.status
}
# count_bits FILE BYTE BITS: how many bits are set, by od
count_bits() {
    dd if="$1" bs=1 skip="$2" count=$(($3 / 8)) 2>/dev/null | od -An -v -t u1 -w1 |
        awk '{ for (b = $1; b > 0; b = int(b / 2)) n += b % 2 } END { print n + 0 }'
}
# dm_raid_record LEGS CHUNKS
dm_raid_record() {
    for leg in $1; do
        record meta$leg
        dd if="/dev/data$leg" of="$OUT/data$leg.img" bs=64k iflag=direct 2>/dev/null
        fact "meta$leg.chunks" "$2"
        fact "meta$leg.dirty_chunks" "$(count_bits "$OUT/meta$leg.img" 4352 "$2")"
    done
}
