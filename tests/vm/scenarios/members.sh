# Every level and every metadata, made by both mdadm, written to, crashed: members look the same to mdadm and to us, while
# the array runs and after the crash; the kernel's own figures agree.
# phases: 2
# timeout: 900

# array, level, metadata, members, mdadm, bitmap chunk, further options
ARRAYS='
md1 1  0.90 2 mdadm-4.2 16K
md2 1  1.0  3 mdadm-4.6 32K
md3 1  1.1  2 mdadm-4.2 64K
md4 4  1.2  3 mdadm-4.6 64K --chunk=64
md5 5  1.2  3 mdadm-4.2 16K --chunk=64
md6 6  1.0  4 mdadm-4.6 64K --chunk=64
md7 10 1.1  3 mdadm-4.6 64K --chunk=64 --layout=n2
md8 10 1.2  4 mdadm-4.2 32K --chunk=64 --layout=f2
md9 5  0.90 3 mdadm-4.6 32K --chunk=32
'
members_of() { # ARRAY COUNT
    local i=0
    while [ $i -lt "$2" ]; do echo "/dev/${1}m$i"; i=$((i + 1)); done
}
# numbers_of DEVICE...: a device may have several names
numbers_of() { stat -c %t:%T "$@" | sort; }
each_array() { # FUNCTION: with the fields as arguments
    echo "$ARRAYS" | grep . > $STATE/arrays
    while read -r line <&3; do "$1" $line; done 3< $STATE/arrays
}

make() { # MD LEVEL METADATA COUNT MDADM CHUNK OPTIONS...
    local md=$1 level=$2 metadata=$3 count=$4 chunk=$6 member members; MDADM=$5; shift 6
    members=$(members_of "$md" "$count")
    for member in $members; do slice "${member#/dev/}" 6144; done
    create_array "$md" --level="$level" --metadata="$metadata" --raid-devices="$count" --bitmap=internal \
        --bitmap-chunk="$chunk" "$@" $members
    settle "$md" $members
    make_unclean "$md"
    fill "/dev/$md" 0 4
    fill "/dev/$md" 1500 300
    sync
    for member in $members; do check_examine "$member" "level $level, $metadata, array running"; done
    # the kernel's own words about the running array
    mdbitmap examine --json "$member" > $STATE/json
    check_eq "$md: chunk size and pages as in mdstat" "$(mdstat_of "$md" | sed -n 's/.*bitmap: [0-9]*\/\([0-9]*\) pages.*, \([0-9]*\)KB chunk.*/\1 pages \2 KB/p')" \
        "$((($(json chunks < $STATE/json) + 2047) / 2048)) pages $(($(json chunk_bytes < $STATE/json) / 1024)) KB"
    check_eq "$md: the JSON names level and metadata" "raid$level $metadata internal" \
        "$(json level < $STATE/json) $(json metadata < $STATE/json) $(json kind < $STATE/json)"
    mdbitmap examine "/dev/$md" > $STATE/array 2> $STATE/array.err
    check_match "$md: examining the array itself says so" running "$(cat $STATE/array.err)"
    check_eq "$md: and shows the bitmap of each member" "$(numbers_of $members)" "$(numbers_of $(sed -n 's/ *Filename : //p' $STATE/array))"
}
after_crash() {
    local md=$1 level=$2 metadata=$3 count=$4 member
    for member in $(members_of "$md" "$count"); do
        check_examine "$member" "level $level, $metadata, crashed"
        check_eq "${member#/dev/}: the JSON says unclean, and to be trusted" "false true" "$(json clean < $STATE/ours.json) $(json trusted < $STATE/ours.json)"
    done
}

phase_1() { each_array make; crash; }
phase_2() { each_array after_crash; }
