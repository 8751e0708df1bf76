# Marks of stopped arrays: `set`, `clear`, `merge` and `restore`, then a real kernel assembles and synchronises. Members are spoilt
# behind its back in marked and in unmarked chunks: what is marked is mended, what is not is left as it is.
# phases: 2
# kernels: 6.1 7 llbitmap
# long-kernels: 7
# timeout: 600

# Chunks of 64 KiB, by their number as the bitmap counts. name|level|members|kind of agreement|mdadm arguments
arrays() {
    case $KERNEL in
        llbitmap) cat <<'END'
md1|1|2|equal|--bitmap=lockless --assume-clean
md5|5|3|xor|--bitmap=lockless --assume-clean --chunk=64
END
        ;;
        *) cat <<'END'
md1|1|2|equal|--bitmap=internal --bitmap-chunk=64K
md5|5|3|xor|--bitmap=internal --bitmap-chunk=64K --chunk=64
md10|10|2|equal|--bitmap=internal --bitmap-chunk=64K --chunk=64 --layout=n2
END
        ;;
    esac
}
# Chunks that nothing marks, and KiB of a member. A write makes a lockless bitmap mark all chunks whose states lie in the same
# 512 bytes.
if [ "$KERNEL" = llbitmap ]; then far=600 farther=610 size=49152; else far=40 farther=50 size=8192; fi
members() { # NAME COUNT
    local i=0
    while [ $i -lt "$2" ]; do echo "/dev/$1m$i"; i=$((i + 1)); done
}
last() { for member; do :; done; echo "$member"; }
spoilt=0
data_start() { echo $(($(mdadm-4.6 -E "$1" | sed -n 's/ *Data Offset : \([0-9]*\) sectors/\1/p') / 2)); } # KiB
spoil() { # CHUNK MEMBER...: the last member; with what was never there (raid5 takes the data for right, and mends the parity)
    local chunk=$1 member; shift
    member=$(last "$@")
    spoilt=$((spoilt + 1))
    yes "spoilt in phase $PHASE, number $spoilt" | dd of="$member" bs=4k seek=$(($(data_start "$member") / 4 + chunk * 16)) count=16 iflag=fullblock \
        oflag=direct conv=notrunc 2>/dev/null
}
agree() { # KIND CHUNK MEMBER...: whether the members agree in a chunk
    local kind=$1 chunk=$2; shift 2
    consistent_chunks "$kind" $((($(data_start "$1") + chunk * 64) * 1024)) 65536 65536 "$@"
}
check_agree() { # TEXT EXPECTED KIND "CHUNK..." MEMBER...
    local text=$1 expected=$2 kind=$3 chunks=$4 chunk found=; shift 4
    for chunk in $chunks; do found="$found$(agree "$kind" "$chunk" "$@")"; done
    check_eq "$text" "$expected" "$found"
}
marks() { mdbitmap examine --json "$1" 2>/dev/null | json dirty_chunks; }
check_marks() { # TEXT EXPECTED MEMBER...: on every copy, and mdadm agrees where it can read them
    local text=$1 expected=$2 found= member; shift 2
    for member; do found="$found $(marks "$member")"; done
    check_eq "$text" "$(for member; do printf ' %s' "$expected"; done)" "$found"
    [ "$KERNEL" = llbitmap ] ||
        check_match "$text: mdadm counts the same" "\), $expected dirty" "$(mdadm-4.2 -X "$1")"
}
# An array whose members agree everywhere, stopped cleanly, without a mark.
make() { # NAME LEVEL COUNT ARGUMENTS...
    local name=$1 level=$2 count=$3 sectors; shift 3
    for member in $(members "$name" "$count"); do slice "${member#/dev/}" $size; done
    create_array "$name" --level="$level" --metadata=1.2 --raid-devices="$count" "$@" $(members "$name" "$count")
    wait_idle "$name"
    sectors=$(cat "/sys/block/$name/size")
    fill "/dev/$name" 0 $((sectors / 2)) "$name as it was"
    wait_idle "$name"
    stop_array "$name"
    # What a lockless bitmap calls dirty after such a write is put right by another start.
    if [ "$KERNEL" = llbitmap ]; then
        assemble_array "$name" $(members "$name" "$count"); wait_idle "$name"; stop_array "$name"
    fi
}
start_and_stop() { # NAME MEMBER...
    local name=$1; shift
    assemble_array "$name" "$@"
    wait_idle "$name"
    check_match "$name: complete" '\[U+\]' "$(mdstat_of "$name")"
    stop_array "$name"
}
each() { # FUNCTION: with NAME LEVEL COUNT KIND ARGUMENTS...
    local function=$1
    [ "$KERNEL" = llbitmap ] && MDADM=mdadm-4.6
    arrays > $STATE/arrays
    while IFS='|' read -r name level count kind arguments <&3; do
        $function "$name" "$level" "$count" "$kind" $arguments
    done 3< $STATE/arrays
}

phase_1() {
    each set_on_clean
    # For phase 2: arrays that crash while chunks are marked.
    each crashing
    crash
}

set_on_clean() { # NAME LEVEL COUNT KIND ARGUMENTS...
    local name=$1 level=$2 count=$3 kind=$4 members; shift 4
    make "$name" "$level" "$count" "$@"
    members=$(members "$name" "$count")
    check_marks "$name: no mark to begin with" 0 $members
    spoil 10 $members; spoil 12 $members; spoil $far $members
    check 0 "$name: set on a clean array" mdbitmap set --no-undo --range 640K+192K $members
    check_marks "$name: three chunks" 3 $members
    start_and_stop "$name" $members
    check_agree "$name: marked chunks are mended, the other one is not" 110 "$kind" "10 12 $far" $members
    check_marks "$name: no mark is left" 0 $members
    check_match "$name: clean again" 'State : (clean|active)' "$(mdadm-4.6 -E $(last $members))"
    # Addresses of a device: the same chunk, by the place where it lies.
    check 0 "$name: set by sectors of a device" mdbitmap set --no-undo --space=device --member "$(last $members)" \
        --range $((($(data_start $(last $members)) + far * 64) * 2 + 3))s+1s $members
    start_and_stop "$name" $members
    check_agree "$name: now that is mended, too" 1 "$kind" $far $members
}

crashing() { # NAME LEVEL COUNT KIND ARGUMENTS...
    local name=$1 level=$2 count=$3
    assemble_array "$name" $(members "$name" "$count")
    slow_daemon "$name"; make_unclean "$name"
    # raid1 and raid10 of two: chunks 8 to 11; raid5: rows 8 to 11, in stripes of two data chunks.
    case $level in 5) fill "/dev/$name" 1024 512 new ;; *) fill "/dev/$name" 512 256 new ;; esac
}

phase_2() { each after_a_crash; }

after_a_crash() { # NAME LEVEL COUNT KIND ARGUMENTS...
    local name=$1 level=$2 count=$3 kind=$4 members found; shift 4
    members=$(members "$name" "$count")
    found=$(marks "/dev/${name}m0")
    note "$name: $found chunks are marked after the crash"
    mdbitmap extents --format=csv $members > $STATE/extents 2>/dev/null
    check_match "$name: chunks 8 to 11 are among them" '.' "$(awk -F, 'NR > 1 && $2 <= 524288 && $2 + $3 >= 786432' $STATE/extents)"
    must cp "/dev/${name}m0" "/tmp/$name-crash.img"
    must mdbitmap dump --output "/tmp/$name.dump" $members

    # clear: what is equal loses its mark and is not synchronised; what differs stays marked and is.
    spoil 9 $members
    check 1 "$name: clear tells that a chunk differs" mdbitmap clear --no-undo --all $members
    check_match "$name: which one" 'still marked: 1 chunk' "$(cat $STATE/stderr)"
    check_marks "$name: one mark is left" 1 $members
    spoil 10 $members
    start_and_stop "$name" $members
    check_agree "$name: what was cleared is not synchronised, what differed is mended" 10 "$kind" "9 10" $members

    # merge: the marks of the crash image come back.
    check_marks "$name: no mark" 0 $members
    check 0 "$name: merge of the image of a member" mdbitmap merge --no-undo --from "/tmp/$name-crash.img" $members
    check_marks "$name: all marks of the image" "$found" $members
    spoil $far $members
    start_and_stop "$name" $members
    check_agree "$name: mended by the image's marks, and no more" 10 "$kind" "10 $far" $members

    # A dump as a bitmap on a bare device, and its marks from there.
    slice "${name}bare" 1024
    check 0 "$name: restore to a bare device" mdbitmap restore --device "/dev/${name}m0" "/tmp/$name.dump" "/dev/${name}bare"
    check_eq "$name: all marks are on it" "$found" "$(marks "/dev/${name}bare")"
    check 0 "$name: merge of a bare device" mdbitmap merge --no-undo --from "/dev/${name}bare" $members
    check_marks "$name: all marks of the device" "$found" $members
    start_and_stop "$name" $members

    # restore: an older dump over newer dirt loses neither.
    check 0 "$name: newer dirt" mdbitmap set --no-undo --range $((far * 64))K+64K $members
    check 0 "$name: restore of an older dump" mdbitmap restore --no-undo "/tmp/$name.dump" $members
    check_marks "$name: both are marked" $((found + 1)) $members
    spoil 11 $members; spoil $farther $members
    start_and_stop "$name" $members
    check_agree "$name: old and new marks are mended, and no more" 110 "$kind" "11 $far $farther" $members
    check 0 "$name: what was spoilt last is marked by hand" mdbitmap set --no-undo --all $members
    start_and_stop "$name" $members
    check_agree "$name: everything agrees" 11111 "$kind" "9 10 11 $far $farther" $members

    # restore over a bitmap that is lost: everything is marked, and synchronised.
    for member in $members; do
        yes lost | dd of="$member" bs=512 seek=16 count=1 iflag=fullblock oflag=direct conv=notrunc 2>/dev/null
    done
    spoil 9 $members; spoil $far $members
    check 0 "$name: restore over a lost bitmap" mdbitmap restore --no-undo "/tmp/$name.dump" $members
    check_match "$name: it says that everything is marked" 'every chunk, because' "$(cat $STATE/stdout)"
    start_and_stop "$name" $members
    check_agree "$name: all of it was synchronised" 11 "$kind" "9 $far" $members
    check_marks "$name: the bitmap made anew is in use" 0 $members
}
