# SPDX-License-Identifier: GPL-2.0-or-later
# Booting one guest: initial ramdisk, disks, qemu.

# pack_folder FOLDER: as cpio on stdout
pack_folder() { ( cd "$1" && find . -print0 | sort -z | cpio --null --quiet -o -H newc -R 0:0 ); }

# base_initrd KERNEL OUT: busybox, tools, modules
base_initrd() {
    local kernel=$1 out=$2 root
    root=$(mktemp -d "$WORK/root.XXXXXX")
    mkdir -p "$root"/{bin,dev,proc,sys,tmp,etc,tools}
    cp "$VM_DIR/guest/init" "$root/init"; chmod +x "$root/init"
    cp "$CACHE/tools/current/bin/busybox" "$root/bin/busybox"
    find "$CACHE/tools/current/bin" -type f ! -name busybox -exec cp {} "$root/tools/" \;
    cp -r "$CACHE/tools/current/opt" "$root/opt"
    cp -r "$CACHE/kernel-$kernel/current/modules" "$root/modules"
    pack_folder "$root" | gzip -1 > "$out"
    rm -rf "$root"
}

# guest_overlay OUT FILE...: /guest with the library, the scenarios and the programs under test
guest_overlay() {
    local out=$1 root; shift
    root=$(mktemp -d "$WORK/root.XXXXXX")
    mkdir -p "$root/guest/scenarios"
    cp "$VM_DIR/guest/lib.sh" "$VM_DIR/guest/phase.sh" "$root/guest/"
    cp "${SCENARIO_DIR:-$VM_DIR/scenarios}"/*.sh "$root/guest/scenarios/" 2>/dev/null || true
    [[ $# -eq 0 ]] || cp "$@" "$root/guest/"
    pack_folder "$root" | gzip -1 > "$out"
    rm -rf "$root"
}

# boot KERNEL INITRD LOG SECONDS APPEND DISK...: one boot; status of qemu or 124 when it took too long
# One processor without 5-level paging, as kernels panic at boot now and then otherwise; without cmpxchg16b, because qemu 7.2
# computes wrong flags for it under emulation (panics and hangs of 6.12 in the middle of nowhere).
# no_timer_check: on a loaded machine the emulated timer may come later than the kernel waits for it at boot.
boot() {
    local kernel=$1 initrd=$2 log=$3 seconds=$4 append=$5 drives=() disk; shift 5
    for disk; do drives+=(-drive "file=$disk,if=virtio,format=raw,cache=unsafe"); done
    timeout -k 5 "$seconds" qemu-system-x86_64 -machine q35,accel=tcg -cpu max,la57=off,cx16=off -smp 1 -m 1024 \
        -kernel "$CACHE/kernel-$kernel/current/vmlinuz" -initrd "$initrd" \
        -append "console=ttyS0 loglevel=5 no_timer_check panic=-1 oops=panic kernel=$kernel $append" \
        -display none -monitor none -serial "file:$log.console" -serial "file:$log" -no-reboot -nic none "${drives[@]}" < /dev/null > "$log.qemu" 2>&1
}

# header SCENARIO KEY DEFAULT: a "# key: value" line of a scenario's script
header() {
    local value
    value=$(sed -n "s/^# $2: *//p" "$VM_DIR/scenarios/$1.sh" | head -n1)
    printf '%s\n' "${value:-$3}"
}

# compile_guest_programs FOLDER: the small programs of guest/*.rs, static, into FOLDER/programs
compile_guest_programs() {
    local source
    mkdir -p "$1/programs"
    for source in "$VM_DIR"/guest/*.rs; do
        rustc --edition 2024 -O -C target-feature=+crt-static -o "$1/programs/$(basename "$source" .rs)" "$source"
    done
}

# How a phase ends when the guest died or hung, as opposed to a check that failed.
GUEST_DIED='(the kernel panicked|not finished after|ended without its end marker)'

# host_part KERNEL SCENARIO FOLDER WHEN: what a scenario does on the host, with what the guest left
host_part() {
    local kernel=$1 scenario=$2 dir=$3
    mkdir -p "$dir/state"
    tar -C "$dir/state" -xf "$dir/exchange" 2>/dev/null || true
    DISK=$dir/disk STATE=$dir/state KERNEL=$kernel "$VM_DIR/scenarios/$scenario.host" $4
}

# run_phases KERNEL SCENARIO FOLDER PHASES SECONDS: boots once a phase on the same disks and prints the lines with @@.
# A phase that panics, hangs, or stops without its end marker (or its announced crash) is a failure of its own.
run_phases() {
    local kernel=$1 scenario=$2 dir=$3 phases=$4 seconds=$5 phase log checks=0 status prepared
    truncate -s 4G "$dir/disk"
    truncate -s 512M "$dir/exchange"
    cat "$WORK/base-$kernel.gz" "$WORK/overlay.gz" > "$dir/initrd"
    prepared=$(header "$scenario" host-before '')
    for ((phase = 1; phase <= phases; phase++)); do
        log=$dir/phase-$phase.log
        status=0
        if [[ " $prepared " == *" $phase "* ]]; then
            host_part "$kernel" "$scenario" "$dir" "before $phase" || { echo "@@FAIL the host's part before phase $phase failed"; break; }
            (cd "$dir/state" && tar -cf - .) | dd of="$dir/exchange" bs=64k conv=notrunc 2>/dev/null
        fi
        boot "$kernel" "$dir/initrd" "$log" "$seconds" "scenario=$scenario phase=$phase long=${VM_LONG:-no} seed=${MDBITMAP_SEED:-1} case=${VM_CASE:-} prepared=${prepared%% *}" "$dir/disk" "$dir/exchange" || status=$?
        touch "$log" "$log.console"
        tr -d '\r' < "$log" > "$log.text"
        grep -E '^@@(ok|FAIL|skip|note|\|)' "$log.text" || true
        checks=$((checks + $(grep -cE '^@@(ok|FAIL)' "$log.text" || true)))
        if grep -q -e 'Kernel panic' -e 'Oops:' "$log.console"; then
            echo "@@FAIL phase $phase: the kernel panicked"
        elif [[ $status -eq 124 || $status -eq 137 ]]; then
            echo "@@FAIL phase $phase: not finished after $seconds seconds"
        elif grep -q "^@@stopped" "$log.text"; then
            break
        elif ! grep -q -e "^@@end phase $phase" -e "^@@crash phase $phase" "$log.text"; then
            echo "@@FAIL phase $phase: ended without its end marker (qemu: status $status)"
        else
            continue
        fi
        tail -n 25 "$log.text" "$log.console" "$log.qemu" | sed 's/^/@@| /'
        break
    done
    if [[ -x $VM_DIR/scenarios/$scenario.host ]]; then
        host_part "$kernel" "$scenario" "$dir" after > "$dir/host" || echo "@@FAIL the host's part failed" >> "$dir/host"
        cat "$dir/host"
        checks=$((checks + $(grep -cE '^@@(ok|FAIL)' "$dir/host" || true)))
    fi
    [[ $checks -gt 0 ]] || echo "@@FAIL no check ran"
}
