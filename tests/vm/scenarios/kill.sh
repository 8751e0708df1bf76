# Every writer of stopped arrays, killed at a random moment in a real kernel's guest: the array can be assembled, what was marked
# and differs is mended, and the members agree everywhere by the kernel's own check; the same command given again ends well, and
# what it leaves can be assembled just so. 12 kills, 100 with --long; `--seed N` repeats the moments, as far as time can be repeated,
# and `--case N` is one kill alone.
# phases: 1
# long-kernels: 6.12 7
# timeout: 3600

# name|from which members|chunks of 64K that differ from the start|that are made to differ once the command is done|its status|arguments
# What is marked after the crash are the chunks 8 to 11; 9 and 10 differ.
commands() {
    # In a short run there what other kernels cannot do.
    [ "$KERNEL$LONG" = llbitmapno ] || cat <<'TABLE'
add_unclean|crashed|30||0|grow --bitmap=internal --chunk=8K
remove|crashed||30|0|grow --bitmap=none
coarser|crashed|||0|grow --chunk=256K
finest|crashed|||0|grow --chunk=512B
delay|crashed|||0|grow --delay=9 --write-behind=100
set|crashed||16 18|0|set --range 1M+192K
set_on_clean|clean||10 30|0|set --all
clear|crashed|||0|clear --range 512K+64K
clear_all|crashed|||1|clear --all
merge|crashed||16 18|0|merge --from /tmp/kill/more.dump
restore|crashed||16 18|0|restore /tmp/kill/more.dump
restore_replace|crashed|||0|restore --replace --force /tmp/kill/before.dump
repair_stale|crashed|||0|check --repair
repair_foreign|crashed||30|0|check --repair
undo_of_grow|crashed|||0|undo /tmp/kill/made.undo
undo_of_set|crashed|||0|undo /tmp/kill/made.undo
add_clean|clean|||0|grow --bitmap=internal
TABLE
    [ "$KERNEL" = llbitmap ] && cat <<'TABLE'
to_lockless|crashed|||0|grow --bitmap=lockless
to_internal|crashed|||0|grow --bitmap=internal
set_lockless|crashed||16 18|0|set --range 1M+192K
remove_lockless|crashed||30|0|grow --bitmap=none
TABLE
}
# What is done before: on members that are as the crash, or a stop, has left them.
prepare() {
    local extra="--range 1M+192K"
    case $1 in
        add_*) quiet grow --no-undo --bitmap=none $members ;;
        merge|restore)
            quiet set --no-undo $extra $members
            quiet dump --output /tmp/kill/more.dump $members
            quiet clear --no-undo --force $extra $members ;;
        restore_replace)
            quiet dump --output /tmp/kill/before.dump $members
            quiet set --no-undo $extra $members ;;
        # The events of a copy; the UUID of all.
        repair_stale) zeros "$(last $members)" 8216 8 ;;
        repair_foreign) for member in $members; do zeros $member 8200 16; done ;;
        undo_of_grow) quiet grow --chunk=8K --undo /tmp/kill/made.undo $members ;;
        undo_of_set) quiet set $extra --undo /tmp/kill/made.undo $members ;;
        to_internal|*_lockless) [ "$1" = to_lockless ] || quiet grow --no-undo --bitmap=lockless $members ;;
    esac
}
quiet() { must mdbitmap "$@"; }
zeros() { must dd if=/dev/zero of="$1" bs=1 seek="$2" count="$3" conv=notrunc,fsync; }

# --- arrays ----------------------------------------------------------------------------------------------------------
size=8192
last() { for member; do :; done; echo "$member"; }
# use raid1|raid5: the array that the following is about
use() {
    case $1 in
        raid1) md=md1 level=1 kind=equal members="/dev/md1m0 /dev/md1m1" options= ;;
        raid5) md=md5 level=5 kind=xor members="/dev/md5m0 /dev/md5m1 /dev/md5m2" options=--chunk=64 ;;
    esac
}
spoilt=0
spoil() { # CHUNK...: on the last member
    local chunk
    for chunk; do
        spoilt=$((spoilt + 1))
        yes "spoilt, number $spoilt" | dd of="$(last $members)" bs=4k seek=$((start / 4 + chunk * 16 + 8)) count=1 iflag=fullblock \
            oflag=direct conv=notrunc 2>/dev/null
    done
}
# agreeing: how many chunks agree; $chunks when all do
agreeing() { consistent_chunks $kind $((start * 1024)) $((chunks * 65536)) 65536 $members; }
keep() { # NAME [KIB]: copies of the members, or of what is before their data
    for member in $members; do must dd if=$member of=/tmp/kill/$1-${member#/dev/} bs=64k iflag=direct ${2:+count=$(($2 / 64))}; done
}
put() { # NAME
    for member in $members; do must dd if=/tmp/kill/$1-${member#/dev/} of=$member bs=64k conv=notrunc,fsync; done
}
# make: members that agree everywhere, stopped cleanly, and as a crash during writes leaves them
make() {
    for member in $members; do slice "${member#/dev/}" $size; done
    create_array $md --level=$level --metadata=1.2 --raid-devices="$(echo $members | wc -w)" $options --bitmap=internal \
        --bitmap-chunk=64K $members
    wait_idle $md
    fill /dev/$md 0 $(($(cat /sys/block/$md/size) / 2)) "$md as it was"
    settle $md $members
    start=$(($(mdadm-4.6 -E "$(last $members)" | sed -n 's/ *Data Offset : \([0-9]*\) sectors/\1/p') / 2))
    chunks=$(((size - start) / 64))
    make_unclean $md
    case $level in 5) fill /dev/$md 1024 512 new ;; *) fill /dev/$md 512 256 new ;; esac
    keep crashed
    stop_array $md
    keep clean
    put crashed
    check_match "$md: dirty after the crash" '^[1-9]' "$(mdbitmap examine --json "$(last $members)" | json dirty_chunks)"
    check_eq "$md: and all agree so far" "$chunks" "$(agreeing)"
    eval "start_$md=$start chunks_$md=$chunks"
}

# --- kills -----------------------------------------------------------------------------------------------------------
dice() { # END: a random number below it, in $die
    seed=$(((seed * 1103515245 + 12345) & 0x7fffffff))
    die=$(((seed >> 4) % ($1 > 0 ? $1 : 1)))
}
# Killed anywhere one time of three, else while it writes.
kill_it() { # COMMAND...: sets ended, written, moment
    dice 3
    if [ $die = 0 ]; then
        dice $((takes * 11 / 10)); moment="0 $die"
    else
        dice "$all"; moment=$((die + 1)); dice 4000; moment="$moment $die"
    fi
    read -r ended written took <<DONE
$(kill_at $moment "$@")
DONE
}
# judge TEXT [--run]: a kernel starts it, and then the members agree everywhere
judge() {
    local text=$1 file=/sys/block/$md/md removal=/sys/module/md_mod/parameters/legacy_async_del_gendisk; shift
    dmesg -c > /dev/null
    [ ! -e $removal ] || echo Y > $removal
    check 0 "$text: assembled $*" "$MDADM" --assemble /dev/$md "$@" $members
    wait_idle $md
    if [ ! -e $file/sync_action ]; then
        fail "$text: not running" "$(cat /proc/mdstat)" "$(dmesg | tail -n 20)" "$(for member in $members; do mdadm-4.6 -E $member; done)"
        "$MDADM" --stop /dev/$md > /dev/null 2>&1
        return
    fi
    check_match "$text: complete" '\[U+\]' "$(mdstat_of $md)"
    echo check > $file/sync_action
    wait_idle $md
    check_eq "$text: the kernel finds no mismatch" 0 "$(cat $file/mismatch_cnt)"
    stop_array $md
    check_eq "$text: nor do we" "$chunks" "$(agreeing)"
}

# control: what is spoilt where nothing is marked stays so, and the kernel tells
control() {
    put clean
    spoil 20
    assemble_array $md $members
    wait_idle $md
    echo check > /sys/block/$md/md/sync_action
    wait_idle $md
    check_match "$md: the kernel finds what differs" '^[1-9]' "$(cat /sys/block/$md/md/mismatch_cnt)"
    stop_array $md
    check_eq "$md: and so do we" $((chunks - 1)) "$(agreeing)"
}

trial() { # NUMBER NAME BASE FROM-THE-START ONCE-DONE STATUS ARGUMENTS...
    local number=$1 name=$2 base=$3 always=$4 after=$5 status=$6 text; shift 6
    dice 2; [ $die = 0 ] && use raid1 || use raid5
    eval "start=\$start_$md chunks=\$chunks_$md"
    # `undo` knows its members.
    if [ "$1" != undo ]; then
        # Given again it needs its undo file for this one only: the event counts are not those of the dump then.
        dice 4; [ $die != 0 ] || [ $name = restore_replace ] || set -- "$@" --no-undo
        set -- "$@" $members
    fi
    rm -rf /tmp/kill/undo /tmp/kill/*.dump /tmp/kill/made.undo
    put $base
    prepare $name
    [ $base = clean ] || spoil 9 10 $always
    [ $base = clean ] || check_eq "kill $number, $name, $md: what is spoilt differs" $((chunks - 2 - $(echo $always | wc -w))) "$(agreeing)"
    keep before "$start"
    if [ -e /tmp/kill/made.undo ]; then cp /tmp/kill/made.undo /tmp/kill/made; fi
    read -r ended all takes <<DONE
$(kill_at never 0 mdbitmap "$@")
DONE
    if [ "$ended" = "$status" ]; then ok "$name, undisturbed ($md)"; else
        fail "$name, undisturbed ($md)" "status $ended" "$(cat $STATE/stderr $STATE/stdout)"; fi
    put before
    rm -rf /tmp/kill/undo
    if [ -e /tmp/kill/made ]; then mv /tmp/kill/made /tmp/kill/made.undo; fi

    kill_it mdbitmap "$@"
    text="kill $number, $name, $md"
    note "$text: writes and us to be waited for: $moment of $all $takes: $ended after $written writes and $took us"
    [ "$ended" != killed ] || killed=$((killed + 1))
    [ "$written" = 0 ] || [ "$written" -ge "$all" ] || half_way=$((half_way + 1))
    dice 2; local run=; [ $die = 0 ] && run=--run
    # What was damaged so that no kernel starts it is not better until the command is done.
    local rounds=left
    [ $((number % 2)) = 0 ] || rounds=again
    [ "$LONG" = no ] || rounds="left again"
    [ $name != repair_foreign ] || rounds=again
    keep left
    for round in $rounds; do
        put left
        if [ $round = again ]; then
            check $status "$text, given again" mdbitmap "$@"
            spoil $after
        fi
        judge "$text, $round" $run
    done
}

phase_1() {
    [ "$KERNEL" = llbitmap ] && MDADM=mdadm-4.6
    local kills=12 number=0 count first
    [ "$LONG" = no ] || kills=100
    seed=${SEED:-1} killed=0 half_way=0
    note "seed $seed"
    mkdir -p /tmp/kill
    export MDBITMAP_UNDO_DIR=/tmp/kill/undo
    for one in raid1 raid5; do use $one; make; control; done
    commands > /tmp/kill/commands
    count=$(wc -l < /tmp/kill/commands)
    # Each in its turn, and the first one is not always the same.
    dice "$count"; first=$die
    [ -z "$CASE" ] || { number=$CASE; kills=$((CASE + 1)); }
    while [ $number -lt $kills ]; do
        IFS='|' read -r name base always after status arguments <<LINE
$(sed -n "$(((first + number * 5) % count + 1))p" /tmp/kill/commands)
LINE
        # As random as in a run of all.
        seed=$((${SEED:-1} * 1000 + number))
        dice 2; dice 2
        trial $number "$name" "$base" "$always" "$after" "$status" $arguments
        number=$((number + 1))
    done
    note "$number commands, $killed killed, $half_way of them between two writes"
    [ -n "$CASE" ] || check_match "some were killed between two writes" '^[1-9]' "$half_way"
}
