# Version 6: our States line is what the kernel counts, on running arrays and after a clean stop; a crash is shown as it is.
# kernels: llbitmap
# phases: 2
# timeout: 900
MDADM=mdadm-4.6

# states_of DEVICE: our counts in the form of md/llbitmap/bits
states_of() {
    mdbitmap examine "$1" 2>/dev/null | sed -n 's/ *States : //p' | tr ',' '\n' | sed 's/^ *\([0-9]*\) \(.*\)/\2 \1/' | grep -v '^unknown 0$'
}
bits_of() { cat "/sys/block/$1/md/llbitmap/bits"; }

make() { # MD LEVEL COUNT OPTIONS...
    local md=$1 level=$2 count=$3 members= i=0; shift 3
    while [ $i -lt "$count" ]; do slice "${md}m$i" 40960; members="$members /dev/${md}m$i"; i=$((i + 1)); done
    create_array "$md" --level="$level" --metadata=1.2 --raid-devices="$count" --bitmap=lockless "$@" $members
    wait_idle "$md"
    fill "/dev/$md" 0 1024
    wait_idle "$md"
    stop_array "$md"
    states_of "/dev/${md}m0" > $STATE/ours
    must "$MDADM" --assemble --readonly "/dev/$md" $members
    check_eq "$md (level $level): after a clean stop the states are those that the kernel loads" "$(bits_of "$md")" "$(cat $STATE/ours)"
    stop_array "$md"
    must "$MDADM" --assemble "/dev/$md" $members
    slow_daemon "$md"
    make_unclean "$md"
    fill "/dev/$md" 36864 256
    wait_idle "$md"
    bits_of "$md" > "$STATE/$md.bits"
    local member
    for member in $members; do
        check_eq "$md (level $level): ${member#/dev/} of the running array" "$(cat "$STATE/$md.bits")" "$(states_of "$member")"
    done
    check_eq "$md (level $level): true chunk size" "$(($(awk '$1 == "chunksize" { print $2 }' "/sys/block/$md/md/llbitmap/metadata") * 512))" \
        "$(mdbitmap examine --json "$member" 2>/dev/null | json chunk_bytes)"
    check_eq "$md (level $level): number of chunks" "$(awk '$1 == "chunks" { print $2 }' "/sys/block/$md/md/llbitmap/metadata")" \
        "$(mdbitmap examine --json "$member" 2>/dev/null | json chunks)"
}
after_crash() { # MD COUNT
    local i=0
    while [ $i -lt "$2" ]; do
        check_eq "$1: member $i after the crash" "$(cat "$STATE/$1.bits")" "$(states_of "/dev/${1}m$i")"
        i=$((i + 1))
    done
}

phase_1() {
    make md1 1 2
    make md2 1 3 --assume-clean
    make md5 5 3 --chunk=64
    make md6 6 4 --chunk=64
    make md10 10 4 --chunk=64 --layout=n2
    crash
}
phase_2() {
    after_crash md1 2; after_crash md2 3; after_crash md5 3; after_crash md6 4; after_crash md10 4
}
