# SPDX-License-Identifier: GPL-2.0-or-later
# What scenarios use inside the guest (busybox sh). Lines that start with @@ are for the host; see tests/vm/README.md.
#
# Devices: /dev/vda is one large disk that survives a crash; slices of it (dm-linear) are the members. /dev/vdb carries
# /state, a folder that later phases and the host see. KERNEL is 6.1, 6.12, 7 or llbitmap; PHASE counts from 1.

STATE=/state
mkdir -p $STATE/out
MDADM=${MDADM:-mdadm-4.2}
set -o pipefail

# --- results ---------------------------------------------------------------------------------------------------------
ok() { echo "@@ok $1"; }
# fail TEXT [CONTEXT...]: context lines are shown below the failure
fail() {
    echo "@@FAIL $1"; shift
    for context; do printf '%s\n' "$context" | sed 's/^/@@| /'; done
}
note() { echo "@@note $*"; }
check_eq() { # TEXT EXPECTED ACTUAL
    if [ "$2" = "$3" ]; then ok "$1"; else fail "$1" "expected: $2" "found:    $3"; fi
}
check_match() { # TEXT EXTENDED-REGEX ACTUAL
    if printf '%s\n' "$3" | grep -Eq -- "$2"; then ok "$1"; else fail "$1" "no match for: $2" "$3"; fi
}
check_no_match() { # TEXT EXTENDED-REGEX ACTUAL
    if printf '%s\n' "$3" | grep -Eq -- "$2"; then fail "$1" "matches: $2" "$3"; else ok "$1"; fi
}
check_same() { # TEXT EXPECTED-FILE ACTUAL-FILE: text files
    if cmp -s "$2" "$3"; then ok "$1"; else fail "$1" "$(diff "$2" "$3" | head -n 40)"; fi
}
check_same_bytes() { # TEXT EXPECTED-FILE ACTUAL-FILE
    if cmp -s "$2" "$3"; then ok "$1"; else
        fail "$1" "sizes $(wc -c < "$2") and $(wc -c < "$3")" "$(cmp -l "$2" "$3" 2>&1 | head -n 10)"; fi
}
# check STATUS TEXT COMMAND...: its exit status; what it said is kept in $STATE/stdout and $STATE/stderr
check() {
    local wanted=$1 text=$2; shift 2
    "$@" > $STATE/stdout 2> $STATE/stderr
    local got=$?
    if [ $got = "$wanted" ]; then ok "$text"; else
        fail "$text" "status $got instead of $wanted from: $*" "$(head -n 20 $STATE/stdout)" "$(head -n 20 $STATE/stderr)"; fi
}
# must COMMAND...: preparation that has to work for the scenario to make sense
must() {
    "$@" > $STATE/must.log 2>&1 && return
    fail "preparation: $*" "$(tail -n 20 $STATE/must.log)" "$(dmesg | tail -n 8)"
    save_state
    echo "@@stopped"
    poweroff -f
}

# --- phases ----------------------------------------------------------------------------------------------------------
save_state() { tar -C $STATE -cf - . | dd of=/dev/vdb bs=64k conv=fsync 2>/dev/null; }
# crash: the machine dies; what reached the disks stays there. The next phase boots again.
crash() {
    save_state
    echo "@@crash phase $PHASE"
    sleep 1
    echo b > /proc/sysrq-trigger
    sleep 60
}

# --- members ---------------------------------------------------------------------------------------------------------
# slice NAME KIB: a new member /dev/NAME, a slice of /dev/vda; the host finds it in the table $STATE/slices
slice() {
    local start=2048
    [ -s $STATE/slices ] && start=$(awk 'END { print $2 + $3 }' $STATE/slices)
    start=$(( (start + 2047) / 2048 * 2048 ))
    echo "$1 $start $(($2 * 2))" >> $STATE/slices
    open_slice "$1" $start $(($2 * 2))
}
open_slice() {
    dmsetup --noudevsync create "$1" --table "0 $3 linear /dev/vda $2"
    ln -sf /dev/null /dev/null.check 2>/dev/null; rm -f /dev/null.check
    local minor
    minor=$(dmsetup info -c --noheadings -o minor "$1" | tr -d ' ')
    rm -f "/dev/$1"
    mknod "/dev/$1" b "$(awk '$2 == "device-mapper" { print $1 }' /proc/devices)" "$minor"
}
open_slices() {
    [ -s $STATE/slices ] || return 0
    local name start sectors
    while read -r name start sectors; do open_slice "$name" "$start" "$sectors"; done < $STATE/slices
}

# fill DEVICE START_KIB LENGTH_KIB [WORD]: writes a repeating text there, straight to the device
fill() {
    yes "${4:-mdbitmap}" | dd of="$1" bs=4k seek=$(($2 / 4)) count=$(($3 / 4)) iflag=fullblock oflag=direct conv=notrunc 2>/dev/null
}
# read_back DEVICE START_KIB LENGTH_KIB: bytes on stdout
read_back() { dd if="$1" bs=4k skip=$(($2 / 4)) count=$(($3 / 4)) iflag=direct 2>/dev/null; }

# --- arrays ----------------------------------------------------------------------------------------------------------
# create_array MD ARGUMENTS...: with $MDADM
create_array() {
    local md=$1; shift
    must "$MDADM" --create "/dev/$md" --run --homehost=none "$@"
}
# wait_idle MD: until no resync, recovery or check runs or is about to
wait_idle() {
    local i=0 action
    # nothing runs on a read-only array, it only waits
    mdstat_of "$1" | grep -q "(read-only)" && return 0
    while [ $i -lt 300 ]; do
        action=$(cat "/sys/block/$1/md/sync_action" 2>/dev/null || echo idle)
        if [ "$action" = idle ] && ! grep -A 3 "^$1 " /proc/mdstat | grep -Eq 'resync|recovery|check ='; then
            sleep 0.2
            [ "$(cat "/sys/block/$1/md/sync_action" 2>/dev/null || echo idle)" = idle ] && return 0
        fi
        sleep 0.1; i=$((i + 1))
    done
    fail "/dev/$1 does not become idle" "$(cat /proc/mdstat)"
}
# stop_array MD. The kernel removes the device a moment later, and until then 7.x cannot set it up again.
stop_array() {
    local left=20
    must "$MDADM" --stop "/dev/$1"
    while [ -e "/sys/block/$1" ] && [ $left -gt 0 ]; do sleep 0.1; left=$((left - 1)); done
}
# assemble_array MD ARGUMENTS...: with $MDADM. mdadm 4.6 tells 7.x to remove the device of a stopped array at once, and from
# then on 4.2 cannot assemble: it stops the array that it has just set up, to be sure, and loses the device with it.
assemble_array() {
    local md=$1 removal=/sys/module/md_mod/parameters/legacy_async_del_gendisk; shift
    [ ! -e $removal ] || echo Y > $removal
    must "$MDADM" --assemble "/dev/$md" "$@"
}
# retry SECONDS COMMAND...: until it succeeds
retry() {
    local left=$(($1 * 5)); shift
    until "$@" > $STATE/retry.log 2>&1; do
        left=$((left - 1))
        [ $left -gt 0 ] || { fail "still failing: $*" "$(cat $STATE/retry.log)"; return 1; }
        sleep 0.2
    done
}
# settle MD MEMBER...: stops and starts the array, which leaves a bitmap without a single bit, and makes the kernel so
# slow to clear bits that those of later writes stay on disk
settle() {
    local md=$1; shift
    wait_idle "$md"
    stop_array "$md"
    assemble_array "$md" "$@"
    slow_daemon "$md"
}
slow_daemon() {
    local file=/sys/block/$1/md/bitmap/time_base
    [ -e "$file" ] || file=/sys/block/$1/md/llbitmap/daemon_sleep
    echo "${2:-600}" > "$file"
}

# --- mdbitmap --------------------------------------------------------------------------------------------------------
# json KEY < OBJECT: the first value of that key (a number, a bare word, a string or a flat list)
json() { grep -o "\"$1\":\(\"[^\"]*\"\|\[[^]]*\]\|[^,}]*\)" | head -n 1 | sed "s/^\"$1\"://; s/^\"\(.*\)\"\$/\1/"; }
# check_examine MEMBER [CONTEXT]: our text is that of both mdadm, byte for byte, and so are the counts of our JSON
check_examine() {
    local member=$1 text="examine ${1#/dev/}${2:+ ($2)}" mdadm
    mdbitmap examine "$member" > $STATE/ours 2> $STATE/ours.err
    local status=$?
    for mdadm in mdadm-4.2 mdadm-4.6; do
        $mdadm -X "$member" > $STATE/theirs 2>/dev/null
        check_same "$text: the same text as $mdadm" $STATE/theirs $STATE/ours
    done
    check_eq "$text: status 0, nothing on stderr" "0 " "$status $(cat $STATE/ours.err)"
    mdbitmap -X "$member" > $STATE/spelled 2>&1
    check_same "$text: -X is the same" $STATE/ours $STATE/spelled
    check_eq "$text: JSON counts what mdadm counts" "$(sed -n 's/.*Bitmap : \([0-9]*\) bits (chunks), \([0-9]*\) dirty.*/\1 \2/p' $STATE/theirs)" \
        "$(mdbitmap examine --json "$member" | tee $STATE/ours.json | json chunks) $(json dirty_chunks < $STATE/ours.json)"
}
# mdstat_of MD: its part of /proc/mdstat
mdstat_of() { sed -n "/^$1 :/,/^\$/p" /proc/mdstat; }
# make_unclean MD: from now on the array does not become clean between writes
make_unclean() { echo 600 > "/sys/block/$1/md/safe_mode_delay"; }
