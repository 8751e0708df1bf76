# Random arrays, and what mdbitmap predicts of them: does the array start, is the bitmap trusted or stale, which chunks
# are resynchronised or recovered. Real kernels make arrays with a history; the host (tests/vm/load-rules) copies their
# members, changes them, leaves some out, fills all data with what no two members share, and predicts; the guest
# assembles each case; the host then looks at every 4 KiB. A case that fails prints how to run it alone.
# phases: 2
# host-before: 1 2
# timeout: 900

# --- histories -------------------------------------------------------------------------------------------------------
devices() { # TABLE: all members of an array or a case
    must dmsetup --noudevsync create --concise "$1"
}
step_settle() {
    # version 6 writes its own geometry with the first write
    case $create in *lockless*) fill "/dev/$md" 0 4 ;; esac
    settle "$md" $members
}
step_unclean() { make_unclean "$md"; }
step_write() { # START_KIB LENGTH_KIB
    local size=$(($(cat "/sys/block/$md/size") / 2)) start=$1
    [ $((start + $2)) -le "$size" ] || start=$(((size - $2) / 4 * 4))
    fill "/dev/$md" "$start" "$2"
}
member() { set -- $members; shift "$wanted"; echo "$1"; }
step_fail() { wanted=$1; must "$MDADM" "/dev/$md" --fail "$(member)"; }
step_remove() { wanted=$1; retry 5 "$MDADM" "/dev/$md" --remove "$(member)"; }
step_stop() { stop_array "$md"; }
step_checkpoint() { # SECTOR: as if a resync had got there
    echo frozen > "/sys/block/$md/md/sync_action"
    echo "$1" > "/sys/block/$md/md/resync_start"
    stop_array "$md"
}
step_readd() { # a re-add that is interrupted
    wanted=$1
    echo 10 > "/sys/block/$md/md/sync_speed_max"
    echo 10 > "/sys/block/$md/md/sync_speed_min"
    "$MDADM" "/dev/$md" --re-add "$(member)" > $STATE/must.log 2>&1
    sleep 1
    stop_array "$md"
}
phase_1() {
    local name table steps step number=0
    while IFS='|' read -r name MDADM create table members steps <&3; do
        md=md$number
        number=$((number + 1))
        devices "$table"
        create_array "$md" $create $members
        echo "$steps" | tr ';' '\n' > /tmp/steps
        while read -r step <&4; do step_$step; done 4< /tmp/steps
    done 3< $STATE/bases
    crash
}

# --- cases -----------------------------------------------------------------------------------------------------------
phase_2() {
    local number table members count=0 removal=/sys/module/md_mod/parameters/legacy_async_del_gendisk
    mkdir -p $STATE/results
    while IFS='|' read -r number MDADM table members <&3; do
        devices "$table"
        dmesg -c > /dev/null
        [ ! -e $removal ] || echo Y > $removal
        one > "$STATE/results/$number" 2>&1
        retry 5 dmsetup --noudevsync remove $(echo "$table" | tr ';' '\n' | cut -d, -f1)
        count=$((count + 1))
    done 3< $STATE/cases
    ok "$count cases assembled"
}
one() {
    local state
    "$MDADM" --assemble /dev/md0 --run $members
    state=$(cat /sys/block/md0/md/array_state 2>/dev/null)
    case $state in
        ''|clear|inactive) echo "started no" ;;
        *)
            echo "started yes"
            wait_idle md0
            ;;
    esac
    mdstat_of md0
    [ ! -e /sys/block/md0 ] || stop_array md0
    dmesg
}
