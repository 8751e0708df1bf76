# The guest itself: the tools run, members survive a crash, md leaves a dirty bitmap behind.
# phases: 2

phase_1() {
    note "kernel $(uname -r)"
    for mdadm in mdadm-4.2 mdadm-4.6; do
        check_match "$mdadm runs" "v${mdadm#mdadm-}" "$($mdadm --version 2>&1)"
    done
    slice a 8192; slice b 8192
    create_array md0 --level=1 --raid-devices=2 --metadata=1.2 --bitmap=internal --bitmap-chunk=64K \
        --assume-clean /dev/a /dev/b
    settle md0 /dev/a /dev/b
    check_match "the array runs with a bitmap" 'bitmap: .*64KB chunk' "$(cat /proc/mdstat)"
    fill /dev/md0 1024 64
    check_match "the program starts" mdbitmap "$(mdbitmap --version 2>&1)"
    crash
}

phase_2() {
    check_eq "the table of slices is back" 2 "$(wc -l < $STATE/slices)"
    for mdadm in mdadm-4.2 mdadm-4.6; do
        for member in a b; do
            check_match "$mdadm -X reads crashed member $member" ' 1 dirty' "$($mdadm -X /dev/$member 2>&1)"
        done
    done
}
