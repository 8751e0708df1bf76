# The same as scenario verdict, for version 6: states are written into stopped arrays, what `examine` predicts is compared
# with what the kernel then resynchronises. On kernels before 7.3 the first chunk of a resync is lost (they are not run).
# phases: 1
# long: yes
# kernels: llbitmap
# timeout: 600
MDADM=mdadm-4.6

# 240 chunks, all clean after creation; members of 16 MiB. name|members|mdadm arguments|chunk:state (octal)...
arrays() {
    cat <<'END'
none|2|--level=1|
one|2|--level=1|100:002
two|2|--level=1|100:002 150:002
need|2|--level=1|100:003 150:003
need-dirty|2|--level=1|50:003 100:002
syncing|2|--level=1|20:004 100:004
unknown|2|--level=1|100:011
unwritten|2|--level=1|10:000 100:002 150:002 200:000
zero|2|--level=1|0:003 239:003
unclean|2|--level=1|100:002 150:003
stale|2|--level=1|
degraded|3|--level=1|100:002 150:002
near|4|--level=10 --layout=n2 --chunk=64|100:002 300:003 301:003
r5|3|--level=5 --chunk=64|100:002
r5two|3|--level=5 --chunk=64|10:000 100:002 150:002
END
}
members() { # NAME COUNT
    local i
    for i in a b c d; do
        [ "$2" = 0 ] && break
        set -- "$1" $(($2 - 1))
        echo "/dev/$1$i"
    done
}
patch() { printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc,fsync 2>/dev/null; } # DEVICE BYTE TEXT
spoil() { # DEVICE COMPONENT_KIB: overwrites all data with what no other member holds
    local start
    start=$(mdadm-4.2 -E "$1" | awk '/Data Offset/ { print $4 }')
    yes "not what the others hold: $1" | dd of="$1" bs=4k seek=$((start / 8)) count=$(($2 / 4)) \
        iflag=fullblock oflag=direct conv=notrunc 2>/dev/null
}
predicted() { mdbitmap examine --json "$1" 2> $STATE/stderr | sed -n 's/.*"resync_bytes": *\([0-9a-z]*\).*/\1/p'; }

phase_1() {
    local md=0
    arrays > $STATE/arrays
    while IFS='|' read -r name count arguments states <&3; do
        for member in $(members "$name" "$count"); do slice "${member#/dev/}" 16384; done
        one "$name" md$md "$arguments" "$states" $(members "$name" "$count")
        md=$((md + 1))
    done 3< $STATE/arrays
}

one() { # NAME MD ARGUMENTS STATES MEMBER...
    local name=$1 md=$2 arguments=$3 states=$4 member state component covered guess found
    shift 4
    create_array "$md" --raid-devices=$# --metadata=1.2 --bitmap=lockless --assume-clean $arguments "$@"
    # The kernel's own geometry reaches the disk with the first write.
    fill "/dev/$md" 0 4
    wait_idle "$md"
    component=$(cat "/sys/block/$md/md/component_size")
    covered=$component
    case $arguments in *level=10*) covered=$(($(cat "/sys/block/$md/size") / 2)) ;; esac
    if [ "$name" = degraded ]; then must "$MDADM" "/dev/$md" --fail "$2"; fi
    if [ "$name" = unclean ]; then
        echo frozen > "/sys/block/$md/md/sync_action"
        echo 0 > "/sys/block/$md/md/resync_start"
    fi
    stop_array "$md"
    if [ "$name" = degraded ]; then set -- "$1" "$3"; fi
    for member; do
        # The bitmap begins at byte 8192, its states 1024 later. Everything clean first.
        yes "$(printf '\001')" | tr -d '\n' | dd of="$member" bs=1 seek=9216 count=480 iflag=fullblock conv=notrunc,fsync 2>/dev/null
        for state in $states; do patch "$member" $((9216 + ${state%:*})) "\\${state#*:}"; done
        [ "$name" = stale ] && patch "$member" 8216 '\000\000\000\000\000\000\000\000'
    done
    guess=$(predicted "$1")
    case $name in
        near) spoil "$2" "$component"; spoil "$4" "$component" ;;
        *) for member; do :; done; spoil "$member" "$component" ;;
    esac
    must "$MDADM" --assemble "/dev/$md" --run "$@"
    wait_idle "$md"
    echo check > "/sys/block/$md/md/sync_action"
    wait_idle "$md"
    found=$(($(cat "/sys/block/$md/md/mismatch_cnt") * 512))
    check_eq "$name: $guess of $((covered * 1024)) bytes resynchronised" "$((covered * 1024 - found))" "$guess"
}
