# examine against mdadm -X 4.2 and 4.6, byte for byte: arrays of each level and metadata, written to and crashed, stopped,
# degraded, degraded and stopped.
# phases: 2
# long-kernels: 6.12 llbitmap

# name|members|mdadm|what is done to it|arguments. Delays are long enough that the kernel clears nothing meanwhile.
arrays() {
    cat <<'END'
a|2|4.2|crash|--metadata=1.2 --level=1 --bitmap-chunk=64K --delay=600
b|2|4.6|crash|--metadata=1.1 --level=1 --bitmap-chunk=4K --delay=300
c|2|4.2|crash|--metadata=1.0 --level=1 --bitmap-chunk=128K --delay=3600
d|2|4.2|crash|--metadata=0.90 --level=1 --bitmap-chunk=64K --delay=120
e|3|4.2|crash|--metadata=1.2 --level=4 --chunk=64 --bitmap-chunk=32K --delay=601
f|3|4.6|crash|--metadata=1.2 --level=5 --chunk=64 --bitmap-chunk=16K --delay=100
g|4|4.2|crash|--metadata=0.90 --level=5 --chunk=128 --bitmap-chunk=8K --delay=86400
h|4|4.6|crash|--metadata=1.0 --level=6 --chunk=64 --bitmap-chunk=4K --delay=600
i|4|4.2|crash|--metadata=1.1 --level=10 --layout=n2 --chunk=64 --bitmap-chunk=64K --delay=600
j|3|4.6|crash|--metadata=1.2 --level=10 --layout=f2 --chunk=64 --bitmap-chunk=128K --delay=600
k|4|4.2|crash|--metadata=1.0 --level=10 --layout=o2 --chunk=64 --bitmap-chunk=64K --delay=600
l|2|4.6|crash|--metadata=1.2 --level=1 --bitmap-chunk=64K --delay=600 --write-behind=77 --write-mostly
m|2|4.2|crash|--metadata=1.2 --level=1 --delay=600
large|2|4.2|crash|--metadata=0.90 --level=1 --bitmap-chunk=4K --delay=600
n|2|4.2|stop|--metadata=1.2 --level=1 --bitmap-chunk=64K
o|3|4.6|stop|--metadata=1.0 --level=5 --chunk=64 --bitmap-chunk=64K --delay=1
p|3|4.2|fail|--metadata=1.2 --level=1 --bitmap-chunk=16K --delay=600
q|4|4.2|fail|--metadata=1.2 --level=10 --layout=n2 --chunk=64 --bitmap-chunk=64K --delay=600
r|3|4.2|fail stop|--metadata=1.2 --level=5 --chunk=64 --bitmap-chunk=64K
s|2|4.2|fail stop|--metadata=0.90 --level=1 --bitmap-chunk=4K
END
}
members() { # NAME COUNT
    local i
    for i in 1 2 3 4; do
        [ $i -gt "$2" ] || echo "/dev/$1$i"
    done
}

phase_1() {
    local number=0 md devices member size
    while IFS='|' read -r name count version what arguments <&3; do
        md=md$number; number=$((number + 1))
        size=8192
        [ "$name" = large ] && size=262144 # bits on three pages
        for member in $(members "$name" "$count"); do slice "${member#/dev/}" $size; done
        devices=$(members "$name" "$count")
        MDADM=mdadm-$version
        create_array $md --raid-devices="$count" --bitmap=internal --assume-clean $arguments $devices
        # Stopped and started there is a bitmap without a single bit.
        stop_array $md
        assemble_array $md $devices
        case $what in fail*) must "$MDADM" /dev/$md --fail "/dev/${name}2" ;; esac
        fill /dev/$md 0 4
        fill /dev/$md 1024 200
        fill /dev/$md $(($(cat /sys/block/$md/size) / 8 * 4 - 4)) 4
        case $what in *stop) stop_array $md ;; esac
    done 3<<END
$(arrays)
END
    crash
}

phase_2() {
    local dirty current
    while IFS='|' read -r name count version what arguments <&3; do
        local text="$what, $arguments" devices
        devices=$(members "$name" "$count")
        mdadm-4.2 -X $devices > $STATE/4.2 2> $STATE/4.2.err || fail "$text: mdadm 4.2" "$(cat $STATE/4.2.err)"
        mdadm-4.6 -X $devices > $STATE/4.6 2> $STATE/4.6.err || fail "$text: mdadm 4.6" "$(cat $STATE/4.6.err)"
        check 0 "$text: examined" mdbitmap examine $devices
        check_same "$text: as mdadm 4.2 -X" $STATE/4.2 $STATE/stdout
        check_same "$text: as mdadm 4.6 -X" $STATE/4.6 $STATE/stdout
        check_eq "$text: nothing to complain of" "" "$(cat $STATE/stderr)"
        dirty=$(grep -c ' [1-9][0-9]* dirty ' $STATE/stdout)
        mdbitmap examine --json $devices > $STATE/json
        # The failed member is behind the others.
        case $what in fail*) current=$((count - 1)) ;; *) current=$count ;; esac
        check_eq "$text: JSON names metadata and level, and trusts the current ones" \
            "$current $(echo "$arguments" | sed 's/.*--metadata=\([0-9.]*\).*--level=\([0-9]*\).*/\1 raid\2/') true" \
            "$(grep -o '"trusted":true' $STATE/json | wc -l) $(json metadata < $STATE/json) $(json level < $STATE/json) $(json trusted < $STATE/json)"
        case $what in
            stop) check_eq "$text: no bit is left" 0 "$dirty" ;;
            *) check_eq "$text: bits on the current members" "$current" "$dirty" ;;
        esac
    done 3<<END
$(arrays)
END
    all_at_once
    image
}

all_at_once() {
    local all
    all=$(awk '{ print "/dev/" $1 }' $STATE/slices)
    mdadm-4.2 -X $all > $STATE/4.2 2> /dev/null
    check 0 "all members at once, in mdadm's spelling" mdbitmap -X $all
    check_same "as mdadm 4.2" $STATE/4.2 $STATE/stdout
    sed -n 's/^ *Bitmap : \([0-9]*\) bits (chunks), \([0-9]*\) dirty.*/\1 \2/p' $STATE/stdout > $STATE/counts
    mdadm-4.2 -X --brief $all > $STATE/4.2 2> /dev/null
    check 0 "superblocks only" mdbitmap -X --brief $all
    check_same "superblocks only: as mdadm 4.2" $STATE/4.2 $STATE/stdout
    check 0 "superblocks only, our spelling" mdbitmap examine -b $all
    check_same "superblocks only, our spelling: as mdadm 4.2" $STATE/4.2 $STATE/stdout
    check 0 "JSON" mdbitmap examine --json $all
    tr ',{' '\n\n' < $STATE/stdout | awk -F: '/"chunks":/ { chunks = $2 + 0 } /"dirty_chunks":/ { print chunks, $2 + 0 }' > $STATE/json
    check_same "JSON: the same counts" $STATE/counts $STATE/json
}

# An image of a member, by another name.
image() {
    local member
    for member in a1 c2 g3; do
        dd if=/dev/$member of=/tmp/image.$member bs=64k iflag=direct 2> /dev/null
        mdadm-4.2 -X /dev/$member 2> /dev/null | sed "s|/dev/$member|/tmp/image.$member|" > $STATE/4.2
        check 0 "an image of $member" mdbitmap examine /tmp/image.$member
        check_same "an image of $member: as mdadm 4.2 of the member" $STATE/4.2 $STATE/stdout
    done
}
