# Crash states of the simulator (docs/crash-simulator.md) before real kernels: 200 of them, spread over commands, levels and
# metadata, chosen by the seed. The host writes the members and what will happen; the guest assembles each and lets it
# synchronise; the host then looks whether what started was to start, who is in sync, and whether all that is in sync agrees.
# phases: 1
# host-before: 1
# timeout: 900
# kernels: 6.1 7 llbitmap
# long-kernels: 7 llbitmap

phase_1() {
    local number table members told name count=0 removal=/sys/module/md_mod/parameters/legacy_async_del_gendisk
    MDADM=mdadm-4.6
    mkdir -p $STATE/results
    [ ! -e $removal ] || echo Y > $removal
    while IFS='|' read -r number table members told name <&3; do
        must dmsetup --noudevsync create --concise "$table"
        one > "$STATE/results/$number" 2>&1
        retry 5 dmsetup --noudevsync remove $(echo "$table" | tr ';' '\n' | cut -d, -f1)
        count=$((count + 1))
    done 3< $STATE/cases
    ok "$count crash states assembled"
}
one() {
    dmesg -c > /dev/null
    "$MDADM" --assemble /dev/md0 --run $members
    case $(cat /sys/block/md0/md/array_state 2>/dev/null) in
        ''|clear|inactive) echo "started no" ;;
        *) echo "started yes"; wait_idle md0 ;;
    esac
    mdstat_of md0
    [ ! -e /sys/block/md0 ] || stop_array md0
    dmesg
}
