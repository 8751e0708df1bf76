# `check --repair`: real arrays that crashed, damaged in every way that is to be repaired, repaired, and started by a real
# kernel: it trusts the bitmap, and synchronises exactly the chunks that were predicted. The last member is spoilt
# everywhere before: what is predicted is mended, everything else is left.
# phases: 2
# kernels: 6.1 6.12 7 llbitmap
# long-kernels: 6.12 7
# timeout: 900

# name|level|members|metadata|kind of agreement|mdadm arguments. Chunks of 64 KiB.
arrays() {
    case $KERNEL in
        llbitmap) cat <<'END'
md1|1|2|1.2|equal|--bitmap=lockless
md5|5|3|1.2|xor|--bitmap=lockless --chunk=64
END
        ;;
        *) cat <<'END'
md1|1|2|1.2|equal|--bitmap=internal --bitmap-chunk=64K
md5|5|3|1.2|xor|--bitmap=internal --bitmap-chunk=64K --chunk=64
md6|6|4|1.2|pq|--bitmap=internal --bitmap-chunk=64K --chunk=64
md10|10|2|1.2|equal|--bitmap=internal --bitmap-chunk=64K --chunk=64 --layout=n2
md90|1|2|0.90|equal|--bitmap=internal --bitmap-chunk=64K
md100|1|2|1.0|equal|--bitmap=internal --bitmap-chunk=64K
md110|1|2|1.1|equal|--bitmap=internal --bitmap-chunk=64K
END
        ;;
    esac
}
if [ "$KERNEL" = llbitmap ]; then MDADM=mdadm-4.6 size=49152; else size=6144; fi
members() { # NAME COUNT
    local i=0
    while [ $i -lt "$2" ]; do echo "/dev/$1m$i"; i=$((i + 1)); done
}
last() { for member; do :; done; echo "$member"; }

# --- fields --------------------------------------------------------------------------------------------------------------
patch() { printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc,fsync 2>/dev/null; } # DEVICE BYTE TEXT
patch_all() { # BYTE TEXT MEMBER...
    local byte=$1 text=$2 member; shift 2
    for member; do patch "$member" "$byte" "$text"; done
}
u32() { dd if="$1" bs=1 skip="$2" count=4 2>/dev/null | od -An -t u4 | tr -d ' '; } # DEVICE BYTE
le32() { printf '\\%03o\\%03o\\%03o\\%03o' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)); }
# seal MEMBER...: the checksum of the 1.2 superblock at byte 4096 (reference/kernel.md 7.4)
seal() {
    local member sum
    for member; do
        patch "$member" 4312 '\000\000\000\000'
        sum=$(dd if="$member" bs=1 skip=4096 count=$((256 + 2 * $(u32 "$member" 4316))) 2>/dev/null | od -An -v -t u4 |
            awk '{ for (i = 1; i <= NF; i++) n += $i } END { printf "%.0f", n % 4294967296 + int(n / 4294967296) }')
        patch "$member" 4312 "$(le32 "$sum")"
    done
}
# find_places NAME METADATA MEMBER: where mdadm says that bitmap (bytes) and data (KiB) are
find_places() {
    local super data=0 offset=8 text
    text=$(mdadm-4.6 -E "$3")
    if [ "$2" = 0.90 ]; then super=$((size * 2 / 128 * 128 - 128)); else
        super=$(echo "$text" | sed -n 's/ *Super Offset : \([0-9]*\) sectors/\1/p')
        data=$(echo "$text" | sed -n 's/ *Data Offset : \([0-9]*\) sectors/\1/p')
        offset=$(echo "$text" | sed -n 's/ *Internal Bitmap : \(-*[0-9]*\) sectors from superblock/\1/p')
    fi
    # mdadm tells no place of a lockless bitmap.
    echo $(((super + ${offset:-8}) * 512)) $((${data:-0} / 2)) > $STATE/places-$1
}
# places NAME: from then on in $bitmap and $data
places() { read -r bitmap data < $STATE/places-$1; }
zeros64='\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000'

# keep NAME MEMBER... / back NAME MEMBER...: the metadata of stopped members, at either end
keep() {
    local name=$1 member; shift
    for member; do
        dd if="$member" of=/tmp/keep-$name-${member#/dev/} bs=64k count=8 2>/dev/null
        dd if="$member" of=/tmp/tail-$name-${member#/dev/} bs=64k skip=$((size / 64 - 2)) 2>/dev/null
    done
}
back() {
    local name=$1 member; shift
    for member; do
        dd if=/tmp/keep-$name-${member#/dev/} of="$member" bs=64k conv=notrunc,fsync 2>/dev/null
        dd if=/tmp/tail-$name-${member#/dev/} of="$member" bs=64k seek=$((size / 64 - 2)) conv=notrunc,fsync 2>/dev/null
    done
}

# --- chunks --------------------------------------------------------------------------------------------------------------
sync_kib() { echo $(($(mdbitmap examine --json "$1" 2>/dev/null | json sync_size_sectors) / 2)); }
# spoil KIB CHUNKS MEMBER...: the last member, with what was never there: all of it, or the chunks that are 1 in CHUNKS
spoilt=0
spoil() {
    local kib=$1 chunks=$2 member chunk=0; shift 2
    member=$(last "$@")
    spoilt=$((spoilt + 1))
    if [ "$chunks" = all ]; then spoil_some 0 $((kib / 64)); return; fi
    while [ $chunk -lt ${#chunks} ]; do
        case $(echo "$chunks" | cut -c$((chunk + 1))) in 1) spoil_some $chunk 1 ;; esac
        chunk=$((chunk + 1))
    done
}
spoil_some() { # CHUNK COUNT
    yes "spoilt in phase $PHASE, number $spoilt" | dd of="$member" bs=64k seek=$((data / 64 + $1)) count="$2" iflag=fullblock oflag=direct conv=notrunc 2>/dev/null
}
# agreeing KIND KIB MEMBER...: a digit for each chunk: 1 where the members agree
agreeing() {
    local kind=$1 kib=$2; shift 2
    consistent_chunks "$kind-each" $((data * 1024)) $((kib / 64 * 65536)) 65536 "$@"
}
# predicted KIB MEMBER...: a digit for each chunk: 1 where the next start would synchronise
predicted() {
    local kib=$1; shift
    mdbitmap extents --resync --space=bitmap --format=csv "$@" 2>/dev/null | awk -F, -v n=$((kib / 64)) '
        NR > 1 { for (c = int($(NF - 1) / 65536); c * 65536 < $(NF - 1) + $NF; c++) on[c] = 1 }
        END { for (c = 0; c < n; c++) printf "%d", on[c]; print "" }'
}
ones() { echo "$1" | tr -cd 1 | wc -c | tr -d ' '; }

# --- one case ------------------------------------------------------------------------------------------------------------
# one_case NAME FINDING KIND WANTED MEMBER...: the damage is done. WANTED is "marks" (as many chunks as were marked), "all",
# "none", or a number of chunks; "planted" is "marks", on members that agree in all other chunks, which then agree everywhere.
one_case() {
    local text="$1: $2" name=$1 finding=$2 kind=$3 wanted=$4 kib bytes expected marks status from spoil=all; shift 4
    mdbitmap check --json "$@" > $STATE/json 2>/dev/null
    check_match "$text: found" "\"name\":\"$finding\"" "$(cat $STATE/json)"
    kib=$(cat $STATE/kib-$name)
    case $wanted in
        marks) marks=$(cat $STATE/marks-$name) ;;
        planted) marks=$(cat $STATE/marks-$name) spoil=$(cat $STATE/predicted-$name) ;;
        all) marks=$((kib / 64)) ;;
        none) marks=0 ;;
        *) marks=$wanted ;;
    esac
    spoil "$kib" "$spoil" "$@"
    mdbitmap check --repair --no-undo --json "$@" > $STATE/json 2> $STATE/stderr
    status=$?
    # Up to 7.2 a lockless resync leaves out chunks, which is a warning that stays.
    case $KERNEL:$status in *:0 | llbitmap:1) ok "$text: repaired" ;;
        *) fail "$text: repaired" "status $status" "$(cut -c1-600 $STATE/json)" "$(cat $STATE/stderr)"; return ;;
    esac
    check_no_match "$text: not found any more" "\"name\":\"$finding\"" "$(sed 's/.*"after":\[/[/' $STATE/json)"
    bytes=$(sed 's/.*"prediction"://' $STATE/json | json resync_bytes)
    expected=$(predicted "$kib" "$@")
    check_eq "$text: as many chunks are predicted as must be" "$marks" "$(ones "$expected")"
    check_eq "$text: the bytes that were told are those chunks" $((marks * 65536)) "$bytes"
    [ "$KERNEL" = llbitmap ] || mdadm_agrees "$text" "$1"
    from=$(dmesg | wc -l)
    assemble_array "$name" "$@"
    wait_idle "$name"
    check_match "$text: complete" '\[U+\]' "$(mdstat_of "$name")"
    check_match "$text: with a bitmap" 'bitmap|lockless' "$(mdstat_of "$name"; ls -d /sys/block/"$name"/md/llbitmap 2>/dev/null)"
    stop_array "$name"
    dmesg | tail -n +$((from + 1)) > $STATE/dmesg
    check_no_match "$text: the kernel trusts it" 'forcing full recovery|bad magic|mismatch|invalid|error' "$(cat $STATE/dmesg)"
    [ $wanted != planted ] || expected=$(echo "$expected" | tr 0 1)
    check_eq "$text: exactly what was predicted is synchronised" "$expected" "$(agreeing "$kind" "$kib" "$@")"
    mdbitmap check --json "$@" > $STATE/json 2> $STATE/stderr
    case $KERNEL:$? in *:0 | llbitmap:1) ok "$text: nothing is found afterwards" ;;
        *) fail "$text: nothing is found afterwards" "$(cut -c1-600 $STATE/json)" "$(cat $STATE/stderr)" ;;
    esac
}
# mdadm_agrees TEXT MEMBER: it reads the same bitmap, and believes the superblock that announces it
mdadm_agrees() {
    mdadm-4.2 -X "$2" > $STATE/theirs 2>&1
    mdbitmap examine "$2" > $STATE/ours 2>&1
    check_same "$1: mdadm -X reads the same" $STATE/theirs $STATE/ours
    check_match "$1: mdadm -E: the checksum is right, the bitmap is there" 'Internal (Bitmap )?: .*Checksum : [0-9a-f]* - (correct|expected the same)' \
        "$(mdadm-4.2 -E "$2" | tr '\n' ' ' | sed 's/Checksum : \([0-9a-f]*\) - correct/Checksum : \1 - correct/')"
}
# Not every array meets every damage in every run: these, and all with --long.
short='
md1:planted md1:all|sync-size-larger md1:one|bad-magic md1:garbage md1:copies-differ md1:too-few-bits md1:overlaps-data md1:feature-bit
md1:bitmap-missing md1:clean-stale md5:planted md5:all|uuid-mismatch md6:planted md6:too-few-bits md10:planted md10:all|stale-events
md90:one|bad-magic md100:all|bad-magic md110:copies-differ
md1:unknown-chunk-states md1:stale-events md1:lockless-over-bad-block-log md1:lockless-copies-differ md5:first-use-on-data md5:uuid-mismatch'
chosen() { # NAME WHAT
    case $LONG:" $(echo $short) " in yes:* | *" $1:$2 "*) return 0 ;; *) return 1 ;; esac
}

each() { # FUNCTION: with NAME LEVEL COUNT METADATA KIND ARGUMENTS...
    local function=$1
    arrays > $STATE/arrays
    while IFS='|' read -r name level count metadata kind arguments <&3; do
        [ $PHASE = 1 ] || places "$name"
        $function "$name" "$level" "$count" "$metadata" "$kind" $arguments
    done 3< $STATE/arrays
}

phase_1() {
    each make
    each crashing
    crash
}

# An array whose members agree everywhere, without a mark; its metadata is kept as that of a clean one.
make() { # NAME LEVEL COUNT METADATA KIND ARGUMENTS...
    local name=$1 level=$2 count=$3 metadata=$4 sectors; shift 5
    for member in $(members "$name" "$count"); do slice "${member#/dev/}" $size; done
    # All of its members are zeros, and so agree.
    create_array "$name" --assume-clean --level="$level" --metadata="$metadata" --raid-devices="$count" "$@" $(members "$name" "$count")
    wait_idle "$name"
    sectors=$(cat "/sys/block/$name/size")
    find_places "$name" "$metadata" "/dev/${name}m0"
    yes "$name as it was" | dd of="/dev/$name" bs=64k count=$((sectors / 128)) iflag=fullblock oflag=direct 2>/dev/null
    wait_idle "$name"
    stop_array "$name"
    # What a lockless bitmap calls dirty after such a write is put right by another start.
    if [ "$KERNEL" = llbitmap ]; then
        assemble_array "$name" $(members "$name" "$count"); wait_idle "$name"; stop_array "$name"
    fi
}

crashing() { # NAME LEVEL COUNT METADATA KIND ARGUMENTS...
    local name=$1 level=$2 count=$3
    assemble_array "$name" $(members "$name" "$count")
    slow_daemon "$name"; make_unclean "$name"
    case $level in 5 | 6) fill "/dev/$name" 1024 512 new ;; *) fill "/dev/$name" 512 256 new ;; esac
}

phase_2() {
    each crashed
    if [ "$KERNEL" = llbitmap ]; then
        each lockless_cases
    else
        each cases
        places md1
        placed md1 equal $(members md1 2)
        clean_cases md1 equal $(members md1 2)
        absent_member
    fi
}

# What the crash left, before anything is repaired; and how many chunks are marked.
crashed() { # NAME LEVEL COUNT METADATA KIND ARGUMENTS...
    local name=$1 members found
    members=$(members "$name" "$3")
    keep "$name" $members
    sync_kib "$(last $members)" > $STATE/kib-$name
    # raid10 counts sectors of the array, which is as large as a member here.
    predicted "$(cat $STATE/kib-$name)" $members > $STATE/predicted-$name
    ones "$(cat $STATE/predicted-$name)" > $STATE/marks-$name
    note "$name: $(cat $STATE/marks-$name) of $(($(cat $STATE/kib-$name) / 64)) chunks are marked after the crash"
    check_match "$name: the crash left marks" '^[1-9]' "$(cat $STATE/marks-$name)"
    found=$(agreeing "$5" "$(cat $STATE/kib-$name)" $members)
    check_no_match "$name: the members agree wherever no mark is" 0 "$(echo "$(cat $STATE/predicted-$name) $found" | awk '{
        for (c = 1; c <= length($1); c++) printf "%s", substr($1, c, 1) + substr($2, c, 1) > 0 ? 1 : 0 }')"
}

# Damage: of all copies or of the one that the kernel would read, finding, what is to be synchronised, byte of the bitmap's superblock, bytes.
damages() { cat <<'END'
all|zero-daemon-sleep|marks|56|\000\000\000\000
all|bad-write-behind|marks|60|\377\377\000\000
all|events-cleared-zero|marks|32|\000\000\000\000\000\000\000\000
all|events-cleared-ahead|marks|32|\000\001\000\000\000\000\000\000
all|sync-size-larger|marks|40|\000\000\000\001\000\000\000\000
all|uuid-mismatch|all|8|other
all|stale-events|all|24|\001\000\000\000\000\000\000\000
all|write-error|all|48|\004
all|marked-stale|all|48|\002
all|bad-magic|all|0|x
all|events-ahead|all|24|\000\001\000\000\000\000\000\000
one|uuid-mismatch|marks|8|other
one|stale-events|marks|24|\001\000\000\000\000\000\000\000
one|write-error|marks|48|\004
one|bad-magic|marks|0|x
one|bad-version|marks|4|\007
one|bad-chunk-size|marks|52|\001\000\000\000
one|copies-header-differ|marks|56|\011\000\000\000
END
}
cases() { # NAME LEVEL COUNT METADATA KIND ARGUMENTS...
    local name=$1 kind=$5 members first where finding wanted byte bytes chunks
    members=$(members "$name" "$3")
    first=$(set -- $members; echo $1)
    chunks=$(($(cat $STATE/kib-$name) / 64))
    # As after a crash that left differences in every chunk that is marked, and nowhere else, and half of a write of a header.
    if chosen "$name" planted; then
        patch "$first" $((bitmap + 24)) "$zeros64"
        one_case "$name" bad-chunk-size "$kind" planted $members
    fi
    damages > $STATE/damages
    while IFS='|' read -r where finding wanted byte bytes <&4; do
        chosen "$name" "$where|$finding" || continue
        # Before the superblock (1.0), so many bits as that would take lie on it: all is marked.
        case $4:$finding in 1.0:sync-size-larger) wanted=all ;; esac
        back "$name" $members
        case $where in
            all) patch_all $((bitmap + byte)) "$bytes" $members ;;
            one) patch "$first" $((bitmap + byte)) "$bytes" ;;
        esac
        one_case "$name" "$finding" "$kind" "$wanted" $members
    done 4< $STATE/damages
    # Bits behind the last chunk mean nothing, before and after.
    if chosen "$name" garbage; then
        back "$name" $members
        patch_all $((bitmap + 256 + chunks / 8 + 1)) '\125\377\001\252' $members
        patch "$first" $((bitmap + 8)) other
        one_case "$name" uuid-mismatch "$kind" marks $members
    fi
    # Bits that the copy which the kernel would read lacks, and one that only it has: chunks 8 and up are marked.
    if chosen "$name" copies-differ; then
        back "$name" $members
        patch "$first" $((bitmap + 256)) '\001\000\000'
        one_case "$name" copies-differ "$kind" $(($(cat $STATE/marks-$name) + 1)) $members
    fi
    # Only the first 20 chunks are covered; what lies behind is dirty.
    if chosen "$name" too-few-bits; then
        back "$name" $members
        patch_all $((bitmap + 40)) "$(le32 2560)" $members
        one_case "$name" too-few-bits "$kind" $((chunks - 20 + $(cat $STATE/marks-$name))) $members
    fi
}

# Where it lies, and how large its chunks are. In the md superblock (1.2), feature_map is at byte 8, bitmap_offset at 96.
placed() { # NAME KIND FIRST LAST
    local what
    for what in place-differs feature-bit outside-device overlaps-data overlaps-bad-block-log bitmap-missing geometry-differs; do
        chosen "$1" $what || continue
        back "$1" "$3" "$4"
        placed_$(echo $what | tr - _) "$@"
    done
    back "$1" "$3" "$4"
    # Announced nowhere: there is no bitmap, and after a crash everything is synchronised.
    ! chosen "$1" no-location || without_bitmap "$@"
}
placed_place_differs() { # NAME KIND FIRST LAST
    patch "$4" $((4096 + 96)) "$(le32 16)"; seal "$4"
    one_case "$1" bitmap-place-differs "$2" marks "$3" "$4"
}
placed_feature_bit() {
    patch "$4" $((4096 + 8)) '\000'; seal "$4"
    one_case "$1" bitmap-place-differs "$2" marks "$3" "$4"
}
placed_outside_device() {
    patch_all $((4096 + 96)) "$(le32 1048576)" "$3" "$4"; seal "$3" "$4"
    one_case "$1" bitmap-outside-device "$2" all "$3" "$4"
}
# In the first sectors of the data.
placed_overlaps_data() {
    local member
    for member in "$3" "$4"; do
        dd if="$member" bs=512 skip=16 count=8 2>/dev/null | dd of="$member" bs=512 seek=$((data * 2)) conv=notrunc,fsync 2>/dev/null
    done
    patch_all $((4096 + 96)) "$(le32 $((data * 2 - 8)))" "$3" "$4"; seal "$3" "$4"
    one_case "$1" overlaps-data "$2" all "$3" "$4"
}
# A log that was never used has left the bits alone.
placed_overlaps_bad_block_log() {
    patch_all $((4096 + 184)) '\000\011\010\000\010\000\000\000' "$3" "$4"; seal "$3" "$4"
    one_case "$1" overlaps-bad-block-log "$2" marks "$3" "$4"
}
placed_bitmap_missing() {
    patch_all $bitmap "$zeros64$zeros64" "$3" "$4"
    one_case "$1" bitmap-missing "$2" all "$3" "$4"
}
# The first copy's chunks are twice as large: 8 to 11 of it are 16 to 23 of the other.
placed_geometry_differs() {
    patch "$3" $((bitmap + 52)) '\000\000\002\000'
    one_case "$1" copies-geometry-differ "$2" 12 "$3" "$4"
}
without_bitmap() { # NAME KIND FIRST LAST
    local name=$1 kind=$2 first=$3 last=$4 kib
    patch_all $((4096 + 96)) "$(le32 0)" "$first" "$last"; seal "$first" "$last"
    kib=$(cat $STATE/kib-$name)
    spoil "$kib" all "$first" "$last"
    check 0 "$name: no-location: repaired" mdbitmap check --repair --no-undo "$first" "$last"
    assemble_array "$name" "$first" "$last"
    wait_idle "$name"
    check_no_match "$name: no-location: no bitmap" bitmap "$(mdstat_of "$name")"
    stop_array "$name"
    check_eq "$name: no-location: everything is synchronised" "$((kib / 64))" "$(ones "$(agreeing "$kind" "$kib" "$first" "$last")")"
}

# The same on an array that was stopped cleanly: what copies tell changes nothing, what is lost is everything.
clean_cases() { # NAME KIND FIRST LAST
    local name=$1 kind=$2 first=$3 last=$4
    back "$name" "$first" "$last"
    assemble_array "$name" "$first" "$last"; wait_idle "$name"; stop_array "$name"
    keep clean "$first" "$last"
    if chosen "$name" clean-unused; then
        patch "$last" $((bitmap + 260)) '\001'
        one_case "$name" copies-differ-unused "$kind" none "$first" "$last"
        back clean "$first" "$last"
    fi
    if chosen "$name" clean-stale; then
        patch_all $((bitmap + 24)) '\001\000\000\000\000\000\000\000' "$first" "$last"
        one_case "$name" stale-events "$kind" all "$first" "$last"
        back clean "$first" "$last"
    fi
    if chosen "$name" clean-smaller; then
        patch_all $((bitmap + 40)) "$(le32 2560)" "$first" "$last"
        one_case "$name" sync-size-smaller "$kind" $(($(cat $STATE/kib-$name) / 64 - 20)) "$first" "$last"
        back clean "$first" "$last"
    fi
    if chosen "$name" clean-one; then
        patch "$last" $((bitmap + 8)) other
        one_case "$name" uuid-mismatch "$kind" none "$first" "$last"
    fi
}

# events_cleared is 0: the kernel would re-add any old member by the bitmap. Once it is put right, all of it is copied (W3).
absent_member() {
    local kib
    slice away0 $size; slice away1 $size
    create_array md2 --level=1 --metadata=1.2 --raid-devices=2 --bitmap=internal --bitmap-chunk=64K --assume-clean /dev/away0 /dev/away1
    fill /dev/md2 0 4096 first
    wait_idle md2
    must "$MDADM" /dev/md2 --fail /dev/away1
    retry 10 "$MDADM" /dev/md2 --remove /dev/away1
    fill /dev/md2 640 64 second
    stop_array md2
    find_places md2 1.2 /dev/away0; places md2
    patch /dev/away0 $((bitmap + 32)) '\000\000\000\000\000\000\000\000'
    mdbitmap check --json /dev/away0 /dev/away1 > $STATE/json 2>/dev/null
    check_match "absent: found" '"name":"events-cleared-zero-degraded"' "$(cat $STATE/json)"
    kib=$(sync_kib /dev/away0)
    spoil "$kib" all /dev/away0 /dev/away1
    mdbitmap check --repair --no-undo --json /dev/away0 /dev/away1 > $STATE/json 2> $STATE/stderr
    check_match "absent: repaired" '"written":true' "$(cat $STATE/json $STATE/stderr)"
    check_no_match "absent: not found any more" events-cleared-zero "$(sed 's/.*"after":\[/[/' $STATE/json)"
    assemble_array md2 --run /dev/away0
    # An old mdadm may say no, and add it as a new one then.
    "$MDADM" /dev/md2 --re-add /dev/away1 > $STATE/stdout 2>&1 || must "$MDADM" /dev/md2 --add /dev/away1
    wait_idle md2
    check_match "absent: complete" '\[UU\]' "$(mdstat_of md2)"
    stop_array md2
    check_eq "absent: all of it was copied" "$((kib / 64))" "$(ones "$(agreeing equal "$kib" /dev/away0 /dev/away1)")"
}

# --- version 6 -----------------------------------------------------------------------------------------------------------
# Damage of all copies: finding, what is to be synchronised (as many as are marked and so many more, or all), byte, bytes.
lockless_damages() { cat <<'END'
lockless-over-bad-block-log|0|136|\000
lockless-sync-size-too-large|0|40|\000\000\000\001
lockless-overrun|0|64|\003\000\000\000
unknown-chunk-states|1|1624|\010
first-use-on-data|all|48|\010
write-error|all|48|\004
stale-events|all|24|\001\000\000\000\000\000\000\000
lockless-chunk-too-small|all|52|\001\000\000\000\005\000\000\000\000\000\000\000\001\000\000\000
uuid-mismatch|all|8|other
END
}
lockless_cases() { # NAME LEVEL COUNT METADATA KIND ARGUMENTS...
    local name=$1 kind=$5 members first marks finding more byte bytes
    members=$(members "$name" "$3")
    first=$(set -- $members; echo $1)
    marks=$(mdbitmap examine --json "$first" 2>/dev/null | json dirty_chunks)
    patch_all $((bitmap + 56)) '\000\000\000\000' $members
    one_case "$name" zero-daemon-sleep "$kind" planted $members
    lockless_damages > $STATE/damages
    while IFS='|' read -r finding more byte bytes <&4; do
        chosen "$name" "$finding" || continue
        back "$name" $members
        patch_all $((bitmap + byte)) "$bytes" $members
        [ "$more" = all ] || more=$((marks + more))
        one_case "$name" "$finding" "$kind" "$more" $members
    done 4< $STATE/damages
    if chosen "$name" lockless-one; then
        back "$name" $members
        patch "$first" $((bitmap + 8)) other
        one_case "$name" uuid-mismatch "$kind" "$marks" $members
    fi
    if chosen "$name" lockless-copies-differ; then
        back "$name" $members
        patch "$first" $((bitmap + 1624)) '\003'
        one_case "$name" copies-differ "$kind" $((marks + 1)) $members
    fi
}
