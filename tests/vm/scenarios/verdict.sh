# What `examine` predicts a kernel to resynchronise, against what the kernel then does. One member is overwritten before
# the array starts again, so every chunk that the resync leaves out shows in the mismatch count of the check afterwards.
# Chosen cases; load-rules takes random ones, in every run.
# phases: 2
# long: yes
# timeout: 600

# Arrays of 16 MiB members, chunks of 64 KiB. name|members|mdadm arguments
arrays() {
    cat <<'END'
m12|2|--level=1 --metadata=1.2
m10|2|--level=1 --metadata=1.0
m090|2|--level=1 --metadata=0.90
deg3|3|--level=1 --metadata=1.2
deg2|2|--level=1 --metadata=1.2
stale|2|--level=1 --metadata=1.2
staleclean|2|--level=1 --metadata=1.2
clean|2|--level=1 --metadata=1.2
ahead|2|--level=1 --metadata=1.2
point|2|--level=1 --metadata=1.2
magic|2|--level=1 --metadata=1.2
uuid|2|--level=1 --metadata=1.2
error|2|--level=1 --metadata=1.2
sleep|2|--level=1 --metadata=1.2
chunk|2|--level=1 --metadata=1.2
near|4|--level=10 --metadata=1.2 --layout=n2 --chunk=64
far|4|--level=10 --metadata=1.2 --layout=f2 --chunk=64
r5|3|--level=5 --metadata=1.2 --chunk=64
r6|4|--level=6 --metadata=1.0 --chunk=64
r5deg|3|--level=5 --metadata=1.2 --chunk=64
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

phase_1() {
    local md=0
    arrays > $STATE/arrays
    while IFS='|' read -r name count arguments <&3; do
        for member in $(members "$name" "$count"); do slice "${member#/dev/}" 16384; done
        create_array md$md --raid-devices="$count" --bitmap=internal --bitmap-chunk=64K --assume-clean \
            $arguments $(members "$name" "$count")
        settle md$md $(members "$name" "$count")
        case $name in
            deg*|r5deg) must "$MDADM" "/dev/md$md" --fail "/dev/${name}b" ;;
        esac
        # It stays unclean until the crash.
        echo 600 > /sys/block/md$md/md/safe_mode_delay
        # A few chunks in the middle, the first, the last.
        fill /dev/md$md 0 4
        fill /dev/md$md 2048 300
        fill /dev/md$md $(($(cat /sys/block/md$md/size) / 2 / 64 * 64 - 64)) 4
        # What the bitmap covers, and what of a member is used, in KiB.
        covered=$(cat /sys/block/md$md/md/component_size)
        echo "$covered" > $STATE/component-$name
        case $arguments in *level=10*) covered=$(($(cat /sys/block/md$md/size) / 2)) ;; esac
        echo "$covered" > $STATE/covered-$name
        case $name in
            # A clean stop leaves no bits; some get them afterwards.
            staleclean|clean) stop_array md$md ;;
            # As if a resync had come to the end of chunk 128.
            point)
                echo frozen > /sys/block/md$md/md/sync_action
                echo $((129 * 128)) > /sys/block/md$md/md/resync_start
                stop_array md$md ;;
        esac
        md=$((md + 1))
    done 3< $STATE/arrays
    crash
}

# patch DEVICE BYTE TEXT: writes a few bytes (printf escapes)
patch() { printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc,fsync 2>/dev/null; }
offset_of() { # DEVICE: first data sector
    mdadm-4.2 -E "$1" | awk '/Data Offset/ { print $4; found = 1 } END { if (!found) print 0 }'
}
predicted() { mdbitmap examine --json "$1" 2> $STATE/stderr | sed -n 's/.*"resync_bytes": *\([0-9a-z]*\).*/\1/p'; }

phase_2() {
    local md=0
    while IFS='|' read -r name count arguments <&3; do
        one "$name" md$md "$count" $(members "$name" "$count")
        md=$((md + 1))
    done 3< $STATE/arrays
}

# Overwrites all data of a member with what no other member holds.
spoil() { # NAME MEMBER
    yes "not what the others hold: $2" | dd of="$2" bs=4k seek=$(($(offset_of "$2") / 8)) \
        count=$(($(cat $STATE/component-$1) / 4)) iflag=fullblock oflag=direct conv=notrunc 2>/dev/null
}

one() { # NAME MD COUNT MEMBER...
    local name=$1 md=$2 count=$3 member guess covered found
    shift 3
    case $name in
        # Fields of the bitmap superblock, which begins at byte 8192, and bits, which begin at byte 8448.
        stale|staleclean) for member; do patch "$member" 8216 '\000\000\000\000\000\000\000\000'; done ;;
        ahead) for member; do patch "$member" 8216 '\377\000\000\000\000\000\000\000'; done ;;
        clean) for member; do patch "$member" 8449 '\377\017'; done ;;
        point) for member; do patch "$member" 8449 '\377'; patch "$member" 8464 '\377'; done ;;
        magic) for member; do patch "$member" 8192 'x'; done ;;
        uuid) for member; do patch "$member" 8200 'other'; done ;;
        error) for member; do patch "$member" 8240 '\004'; done ;;
        sleep) for member; do patch "$member" 8248 '\000\000\000\000'; done ;;
        chunk) for member; do patch "$member" 8244 '\001'; done ;;
    esac
    guess=$(predicted "$1")
    case $name in *deg*) set -- $(echo "$@" | sed "s|/dev/${name}b||") ;; esac
    case $name in
        near|far) spoil "$name" "$2"; spoil "$name" "$4" ;;
        deg2) ;;
        *) for member; do :; done; spoil "$name" "$member" ;;
    esac
    if ! "$MDADM" --assemble /dev/$md --run "$@" > $STATE/must.log 2>&1; then
        check_eq "$name: does not start" null "$guess"
        return
    fi
    if [ "$guess" = null ]; then
        fail "$name: starts, although predicted not to" "$(cat /proc/mdstat)"
        return
    fi
    wait_idle $md
    if [ "$name" = deg2 ]; then
        check_eq "$name: one member has nothing to resynchronise with" 0 "$guess"
        return
    fi
    echo check > /sys/block/$md/md/sync_action
    wait_idle $md
    found=$(($(cat /sys/block/$md/md/mismatch_cnt) * 512))
    covered=$(($(cat $STATE/covered-$name) * 1024))
    case $name in
        # Without its second member nothing can be checked.
        r5deg) found=$covered ;;
    esac
    check_eq "$name: $guess of $covered bytes resynchronised" "$((covered - found))" "$guess"
}
