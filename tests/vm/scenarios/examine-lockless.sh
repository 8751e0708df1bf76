# Version 6 (lockless) bitmaps: our counts against the kernel's own (md/llbitmap/bits) and against the bytes on disk, in
# every situation in which memory and disk must agree (reference/kernel.md 6.4, 6.6).
# kernels: llbitmap
# phases: 2
MDADM=mdadm-4.6

# by_hand DEVICE CHUNKS: nine counts, from unwritten to unknown, of the bytes on disk
by_hand() {
    # Metadata 1.2: the bitmap at sector 16, its state bytes 1024 bytes on.
    dd if="$1" bs=4k skip=2 count=33 iflag=direct 2> /dev/null | dd bs=1024 skip=1 2> /dev/null | head -c "$2" |
        hexdump -v -e '1/1 "%u\n"' | awk '{ n[$1 > 7 ? 8 : $1]++ }
            END { for (i = 0; i < 9; i++) printf "%s%d", i ? " " : "", n[i]; print "" }'
}
# ours DEVICE: the same from our States line
ours() {
    mdbitmap examine "$1" 2> /dev/null | sed -n 's/^ *States : //p' | sed 's/[^0-9,]//g; s/,/ /g'
}
# The kernel's eight counts and, as the ninth, none unknown.
kernels() { echo "$(sed 's/.* //' "/sys/block/$1/md/llbitmap/bits" | tr '\n' ' ')0"; }
from_kernel() { awk -v key="$2" '$1 == key { print $2 }' "/sys/block/$1/md/llbitmap/metadata"; }
# What the kernel makes of these counts when it loads them (Reload).
reloaded() { echo "$*" | awk '{ print $1 + $6 + $7, $2, 0, $3 + $4 + $5, 0, 0, 0, $8, $9 }'; }

# agree TEXT MD MEMBER...: kernel, disk and we count the same
agree() {
    local text=$1 md=$2 member chunks; shift 2
    chunks=$(from_kernel $md chunks)
    for member; do
        check_eq "$text: $member as on disk" "$(by_hand $member $chunks)" "$(ours $member)"
        check_eq "$text: $member as the kernel counts" "$(kernels $md)" "$(ours $member)"
    done
    check_eq "$text: chunk size" $(($(from_kernel $md chunksize) * 512)) "$(of "$1" chunk_bytes)"
    check_eq "$text: chunks" "$chunks" "$(of "$1" chunks)"
}
of() { mdbitmap examine --json "$1" 2> /dev/null | json "$2"; }

# name|members|arguments
arrays() {
    cat <<'END'
a|2|--level=1
b|2|--level=1 --assume-clean
c|3|--level=1 --assume-clean
d|3|--level=5 --chunk=64 --assume-clean
e|3|--level=5 --chunk=64
f|4|--level=10 --layout=n2 --chunk=64
g|4|--level=6 --chunk=64 --assume-clean
h|2|--level=1 --assume-clean
END
}
members() { # NAME COUNT
    local i
    for i in 1 2 3 4; do
        [ $i -gt "$2" ] || echo "/dev/$1$i"
    done
}

phase_1() {
    local number=0 md devices member
    first_use
    while IFS='|' read -r name count arguments <&3; do
        md=md$number; number=$((number + 1))
        for member in $(members "$name" "$count"); do slice "${member#/dev/}" 65536; done
        devices=$(members "$name" "$count")
        create_array $md --raid-devices="$count" --metadata=1.2 --bitmap=lockless $arguments $devices
        echo 3600 > /sys/block/$md/md/llbitmap/daemon_sleep
        wait_idle $md
        # Makes the kernel write its superblock, which on disk is still the one mdadm wrote.
        fill /dev/$md 40960 4
        wait_idle $md
        sync_super $md
        case $name in
            a|b|f) agree "$arguments: written" $md $devices ;;
        esac
        by_name "$name" $md $devices
    done 3<<END
$(arrays)
END
    mdadm_on_version_6
    crash
}

# sync_super MD: waits until the superblocks are written
sync_super() {
    local i=0
    until [ "$(cat /sys/block/$1/md/array_state)" = clean ] || [ $i -gt 50 ]; do sleep 0.1; i=$((i + 1)); done
}

# Made read-only and stopped: the kernel has chosen nothing yet.
first_use() {
    slice x 65536; slice y 65536
    create_array md20 --readonly --raid-devices=2 --metadata=1.2 --bitmap=lockless --assume-clean --level=1 /dev/x /dev/y
    stop_array md20
    if mdbitmap examine /dev/x | grep -q 'State : .*first use'; then
        check 0 "first use: shown" mdbitmap examine /dev/x
        check_match "first use: no chunk size" 'Chunksize : chosen by the kernel' "$(cat $STATE/stdout)"
        check_eq "first use: JSON" null "$(of /dev/x chunk_bytes)"
        check 0 "first use: explained" mdbitmap examine --explain /dev/x
    else
        fail "first use: the flag is on disk" "$(mdbitmap examine /dev/x 2>&1)"
    fi
}

by_name() { # NAME MD MEMBER...
    local name=$1 md=$2; shift 2
    case $name in
        c)  must "$MDADM" /dev/$md --fail /dev/c2
            fill /dev/$md 0 4
            fill /dev/$md 8192 300
            sync_super $md
            agree "degraded: written" $md /dev/c1 /dev/c3 ;;
        d|e|g)
            fill /dev/$md 8192 300
            wait_idle $md
            sync_super $md
            stopped "$name: parity" $md "$@"
            assemble_array $md "$@"
            echo 3600 > /sys/block/$md/md/llbitmap/daemon_sleep
            fill /dev/$md 36864 256
            wait_idle $md
            sync_super $md
            agree "$name: parity, written again" $md "$@" ;;
        h)  fill /dev/$md 0 2048
            sync_super $md
            stopped "raid1: written" $md "$@" ;;
        *)  fill /dev/$md 0 4
            fill /dev/$md 24576 4096
            sync_super $md
            agree "$name: written again" $md "$@" ;;
    esac
}

# A clean stop writes everything; started again read-only nothing changes.
stopped() { # TEXT MD MEMBER...
    local text=$1 md=$2 before; shift 2
    stop_array $md
    before=$(ours "$1")
    assemble_array $md --readonly "$@"
    agree "$text: stopped and started" $md "$@"
    check_eq "$text: nothing changed by starting" "$before" "$(ours "$1")"
    stop_array $md
}

mdadm_on_version_6() {
    mdadm-4.2 -X /dev/a1 > $STATE/mdadm 2> /dev/null
    check_eq "mdadm 4.2 gives up on version 6" 1 $?
    mdbitmap examine /dev/a1 2> /dev/null | head -n 3 > $STATE/first
    check_same "the lines that it prints are ours" $STATE/mdadm $STATE/first
}

phase_2() {
    local number=0 md devices member before guess chunk need
    while IFS='|' read -r name count arguments <&3; do
        md=md$number; number=$((number + 1))
        devices=$(members "$name" "$count")
        [ "$name" = c ] && devices="/dev/c1 /dev/c3"
        set -- $devices
        before=$(ours "$1")
        guess=$(of "$1" resync_bytes)
        chunk=$(of "$1" chunk_bytes)
        for member; do
            check_eq "$name: left behind: $member as on disk" "$(by_hand $member "$(of $member chunks)")" "$(ours $member)"
            check_eq "$name: left behind: $member has the same" "$before" "$(ours $member)"
        done
        assemble_array $md --readonly --run $devices
        check_eq "$name: left behind: loaded by the kernel" "$(reloaded $before)" "$(kernels $md)"
        check_eq "$name: chunk size" $(($(from_kernel $md chunksize) * 512)) "$chunk"
        check_eq "$name: chunks" "$(from_kernel $md chunks)" "$(of "$1" chunks)"
        need=$(kernels $md | cut -d ' ' -f 4)
        # Read-only first, the kernel would forget to resynchronise: so anew.
        stop_array $md
        assemble_array $md --run $devices
        wait_idle $md
        # A degraded array keeps what needs a resync until its member is back.
        check_eq "$name: predicted resync" $(((need - $(kernels $md | cut -d ' ' -f 4)) * chunk)) "$guess"
        stop_array $md
        check_eq "$name: after all: ${devices%% *} as on disk" "$(by_hand "$1" "$(of "$1" chunks)")" "$(ours "$1")"
    done 3<<END
$(arrays)
END
}
