# SPDX-License-Identifier: GPL-2.0-or-later
# The kernels under test. Each lives in $CACHE/kernel-NAME/VERSION-CONFIG/ as vmlinuz, version and modules/
# (numbered in load order, unpacked; empty when everything is built in); kernel-NAME/current points to the newest.
#
#   6.1       bookworm's kernel          6.12      trixie's kernel
#   7         the newest 7.x kernel      llbitmap  built from the newest linux-source-7.x with CONFIG_MD_LLBITMAP

KERNELS=(6.1 6.12 7 llbitmap)

# Modules in the order in which they are loaded; one that a kernel does not have is built in or not needed there.
MODULES=(
    virtio virtio_ring virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk
    crc16 crc32c_generic crc32c-intel libcrc32c mbcache jbd2 ext4
    xor raid6_pq async_tx async_memcpy async_xor async_pq async_raid6_recov
    md-mod raid0 raid1 raid10 raid456 dm-mod dm-raid dm-flakey dm-log-writes loop brd
)

# stock_packages NAME: the newest packages that hold this kernel and its modules
stock_packages() {
    local image release
    case $1 in
        6.1)  newest '^linux-image-6\.1\.0-[0-9]+-cloud-amd64$' ;;
        6.12) newest '^linux-image-6\.12\.[0-9.]+\+deb[0-9.]+-cloud-amd64$' ;;
        7)  # split in two packages; take the newest release that has both
            while read -r image; do
                release=${image#linux-binary-}
                if [[ -n $(newest "^linux-modules-${release//+/\\+}\$") ]]; then
                    printf '%s\n%s\n' "$image" "linux-modules-$release"
                    return
                fi
            done < <(archive apt-cache search --names-only '^linux-binary-7\.[0-9.]+\+deb[0-9]+-cloud-amd64$' |
                     cut -d' ' -f1 | sort -Vr) ;;
    esac
}

# fetch_stock_kernel NAME
fetch_stock_kernel() {
    local name=$1 packages version final work modules number=10 module path
    mapfile -t packages < <(stock_packages "$name")
    [[ -n ${packages[0]:-} ]] || die "the archive has no kernel package for $name"
    version=$(version_of "${packages[0]}")
    final=$CACHE/kernel-$name/$version-$(printf "%s\n" "${MODULES[@]}" | hash_of -)
    if [[ ! -d $final ]]; then
        say "kernel $name: fetching ${packages[*]} ($version)"
        work=$(mktemp -d "$CACHE/work.XXXXXX")
        unpack "$work/root" "${packages[@]}"
        mkdir -p "$work/done/modules"
        cp "$work"/root/boot/vmlinuz-* "$work/done/vmlinuz" 2>/dev/null ||
            cp "$(find "$work/root" -name 'vmlinuz*' -type f | head -n1)" "$work/done/vmlinuz" ||
            die "no vmlinuz in ${packages[*]}"
        modules=$(find "$work/root" -type d -path '*/lib/modules/*/kernel' | head -n1)
        basename "$(dirname "$modules")" > "$work/done/version"
        for module in "${MODULES[@]}"; do
            path=$(find "$modules" \( -name "$module.ko" -o -name "$module.ko.xz" -o -name "${module//-/_}.ko.xz" \) | head -n1)
            [[ -n $path ]] || continue
            case $path in
                *.xz) xz -dc "$path" ;;
                *)    cat "$path" ;;
            esac > "$work/done/modules/$((number++))-$module.ko"
        done
        mkdir -p "$CACHE/kernel-$name"
        publish "$work/done" "$final"
        rm -rf "$work"
    fi
    point_current "$final"
}

# build_llbitmap_kernel: no distribution switches CONFIG_MD_LLBITMAP on
build_llbitmap_kernel() {
    local package=${MDBITMAP_VM_SOURCE:+linux-source-$MDBITMAP_VM_SOURCE} version final work tree option
    [[ -n $package ]] || package=$(newest '^linux-source-7\.[0-9]+$')
    [[ -n $package ]] || die "the archive has no linux-source-7.x package"
    version=$(version_of "$package")
    final=$CACHE/kernel-llbitmap/$version-$(hash_of "$VM_DIR/llbitmap.config")
    if [[ ! -d $final ]]; then
        say "kernel llbitmap: building $package ($version), about six minutes on two processors"
        work=$(mktemp -d "$CACHE/work.XXXXXX")
        unpack "$work" "$package"
        mkdir -p "$work/tree" "$work/done/modules"
        tar -C "$work/tree" --strip-components=1 -xf "$(find "$work/usr/src" -name 'linux-source-*.tar*' | head -n1)"
        tree=$work/tree
        (
            cd "$tree"
            make ARCH=x86_64 tinyconfig
            cat "$VM_DIR/llbitmap.config" >> .config
            make ARCH=x86_64 olddefconfig
            while read -r option; do
                grep -qx "$option" .config || { echo "not accepted: $option"; exit 1; }
            done < <(grep '^CONFIG_' "$VM_DIR/llbitmap.config")
            nice -n 5 make ARCH=x86_64 -j"$(nproc)" bzImage
        ) > "$CACHE/kernel-llbitmap.log" 2>&1 || die "the kernel build failed; see $CACHE/kernel-llbitmap.log ($tree is kept)"
        cp "$tree/arch/x86/boot/bzImage" "$work/done/vmlinuz"
        ( cd "$tree" && make -s ARCH=x86_64 kernelrelease ) > "$work/done/version"
        cp "$tree/.config" "$work/done/config"
        mkdir -p "$CACHE/kernel-llbitmap"
        publish "$work/done" "$final"
        rm -rf "$work"
    fi
    point_current "$final"
}
