# A mirror of two whose power went while data was written, its bitmap's events_cleared being the array's own event count, is started
# with one member: the kernel keeps no marks for the other, and a re-add shows [UU] over members that differ (found by the crash
# simulator, tests/crash; seen on 6.1 and 7.2). What it does is noted, not checked: a kernel that does better is welcome.
# phases: 2
# long-kernels: 6.12 llbitmap

field() { od -An -tu8 -j $((8192 + $2)) -N 8 "/dev/$1" | tr -d ' '; } # of the bitmap of a member: events 24, events_cleared 32
bits() { od -An -tx1 -j $((8192 + 256)) -N 8 "/dev/$1" | tr -d ' \n'; }

phase_1() {
    slice a 8192; slice b 8192
    create_array md0 --bitmap=internal --bitmap-chunk=64K --assume-clean --metadata=1.2 --level=1 --raid-devices=2 /dev/a /dev/b
    make_unclean md0
    echo 1 > /sys/block/md0/md/bitmap/time_base
    fill /dev/md0 0 64 first
    sleep 6 # marks are cleared, events_cleared is written
    echo 600 > /sys/block/md0/md/bitmap/time_base
    fill /dev/md0 640 64 second
    note "bitmap: events $(field a 24), cleared $(field a 32), bits $(bits a)"
    check_eq "events_cleared is the event count" "$(field a 24)" "$(field a 32)"
    check_eq "one chunk is marked" 0004000000000000 "$(bits a)"
    crash
}
phase_2() {
    # as if the write had not reached the second member when the power went
    fill /dev/b $((1024 + 640)) 64 torn
    assemble_array md0 --run /dev/a
    sleep 1
    echo 1 > /sys/block/md0/md/bitmap/time_base
    sleep 6
    note "started with one: bits $(bits a), $(cat /sys/block/md0/md/array_state), events_cleared $(field a 32)"
    "$MDADM" /dev/md0 --re-add /dev/b > /tmp/readd 2>&1 || note "re-add: $(cat /tmp/readd)"
    sleep 1; wait_idle md0
    LETTERS=$(grep -A1 '^md0 ' /proc/mdstat | grep -o '\[[U_]*\]')
    stop_array md0
    read_back /dev/a 1024 7168 > /tmp/a; read_back /dev/b 1024 7168 > /tmp/b
    note "re-added: $LETTERS, $(cmp -l /tmp/a /tmp/b | wc -l) bytes differ"
    check_eq "the member is taken back" "[UU]" "$LETTERS"
}
