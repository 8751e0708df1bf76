# SPDX-License-Identifier: GPL-2.0-or-later
# The programs that the guest runs besides mdbitmap: two releases of mdadm and a few Debian tools, each set with the
# libraries it was built for in $CACHE/tools/VERSIONS/opt/SET, started through that set's own dynamic loader by a
# small wrapper in $CACHE/tools/VERSIONS/bin.

# set, suite, package=program... (gets a wrapper), packages with the libraries
TOOL_SETS=(
    "mdadm-4.2 bookworm mdadm=mdadm libc6 libudev1 libcap2"
    "mdadm-4.6 sid mdadm=mdadm libc6 libudev1 libcap2"
    "debian bookworm dmsetup=dmsetup e2fsprogs=mke2fs mount=losetup libc6 libudev1 libdevmapper1.02.1 libselinux1 libpcre2-8-0 libext2fs2 libcom-err2 libblkid1 libuuid1 libsmartcols1 libcap2"
)
TOOLS_LAYOUT=2 # counts changes of what fetch_guest_tools makes of them

fetch_guest_tools() {
    local set suite item program found loader final work library versions=
    for set in "${TOOL_SETS[@]}"; do
        set -- $set; suite=$2
        versions+="$1 $(version_of "${3%=*}/$suite"), libc6 $(version_of "libc6/$suite"); "
    done
    final=$CACHE/tools/$(printf '%s' "$TOOLS_LAYOUT $versions ${TOOL_SETS[*]}" | hash_of -)
    if [[ ! -d $final ]]; then
        say "guest tools: fetching $versions"
        work=$(mktemp -d "$CACHE/work.XXXXXX")
        mkdir -p "$work/done/bin" "$work/done/opt"
        printf '%s\n' "$versions" > "$work/done/versions"
        for set in "${TOOL_SETS[@]}"; do
            set -- $set; set=$1 suite=$2; shift 2
            local packages=() programs=()
            for item; do
                packages+=("${item%=*}/$suite")
                if [[ $item == *=* ]]; then programs+=("${item#*=}"); fi
            done
            unpack "$work/$set" "${packages[@]}"
            mkdir -p "$work/done/opt/$set" "$work/$set.libraries"
            find "$work/$set" \( -path '*/lib/x86_64-linux-gnu/*' -o -path '*/lib64/*' \) -name '*.so*' \
                -exec cp -fL {} "$work/$set.libraries/" \; 2>/dev/null || true
            loader=$work/$set.libraries/ld-linux-x86-64.so.2
            [[ -e $loader ]] || die "no dynamic loader for $set"
            cp "$loader" "$work/done/opt/$set/"
            for program in "${programs[@]}"; do
                found=$(find "$work/$set" -type f -path "*bin/$program" | head -n1)
                [[ -n $found ]] || die "no $program in the packages of $set"
                cp "$found" "$work/done/opt/$set/$program"
                "$loader" --library-path "$work/$set.libraries" --list "$found" > "$work/list" ||
                    die "$set: $program does not load"
                while read -r library; do
                    [[ -e $work/$set.libraries/$library ]] || die "$set: $program needs $library, which no listed package has"
                    cp "$work/$set.libraries/$library" "$work/done/opt/$set/"
                done < <(awk '/=>/ { print $1 }' "$work/list" | grep -v '^/')
                item=$program
                if [[ $program == mdadm ]]; then item=$set; fi
                printf '#!/bin/sh\nexec /opt/%s/ld-linux-x86-64.so.2 --library-path /opt/%s /opt/%s/%s "$@"\n' \
                    "$set" "$set" "$set" "$program" > "$work/done/bin/$item"
                chmod +x "$work/done/bin/$item"
            done
        done
        cp "$(command -v busybox)" "$work/done/bin/busybox"
        mkdir -p "$CACHE/tools"
        publish "$work/done" "$final"
        rm -rf "$work"
    fi
    point_current "$final"
}
