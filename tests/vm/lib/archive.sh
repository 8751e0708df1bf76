# SPDX-License-Identifier: GPL-2.0-or-later
# Debian packages of several suites, fetched and unpacked without installing anything: a private apt state
# beside the machine's own. Versions are always looked up, never written down here.

# The mirror this machine uses already (its proxies and apt.conf keep working), or Debian's own.
debian_mirror() {
    local uri origin found=
    while read -r uri origin; do
        case $uri in *security*|*-updates*) continue ;; esac
        if [[ $origin == Debian ]]; then found=$uri; break; fi
        if [[ -z $found && $uri == */debian/ ]]; then found=$uri; fi
    done < <(apt-get indextargets --format '$(REPO_URI) $(ORIGIN)' 'Created-By: Packages' 2>/dev/null | sort -u)
    printf '%s\n' "${found:-http://deb.debian.org/debian/}"
}

SUITES=(bookworm bookworm-backports trixie trixie-backports forky sid)

# The apt options that make it private.
archive_options() {
    printf '%s\n' \
        -o "Dir::Etc::sourcelist=$CACHE/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o "Dir::Etc::preferences=/dev/null" -o Dir::Etc::preferencesparts=/dev/null \
        -o "Dir::State::Lists=$CACHE/apt/lists" -o "Dir::Cache=$CACHE/apt/cache" \
        -o Dir::Cache::pkgcache=pkgcache.bin -o Dir::Cache::srcpkgcache=srcpkgcache.bin \
        -o APT::Sandbox::User=root -o APT::Architecture=amd64 -o Acquire::Languages=none \
        -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
        -o Acquire::Retries=3 -o Acquire::http::Timeout=30
}
archive() {
    local tool=$1; shift
    local options; mapfile -t options < <(archive_options)
    "$tool" -q "${options[@]}" "$@"
}

# archive_update: the newest package lists. Fails when the mirror cannot be reached.
archive_update() {
    local mirror suite
    mirror=$(debian_mirror)
    mkdir -p "$CACHE/apt/lists/partial" "$CACHE/apt/cache/archives/partial"
    for suite in "${SUITES[@]}"; do printf 'deb %s %s main\n' "$mirror" "$suite"; done > "$CACHE/apt/sources.list"
    archive apt-get -o APT::Update::Error-Mode=any update > "$CACHE/apt/update.log" 2>&1
}

# newest REGEX: of all package names that match, the one with the highest version number in its name
newest() { archive apt-cache search --names-only "$1" | cut -d' ' -f1 | sort -V | tail -n1; }

# version_of PACKAGE[/SUITE]: the version that "unpack" would fetch
version_of() {
    local package=${1%%/*} suite=
    [[ $1 == */* ]] && suite=${1#*/}
    archive apt-cache madison "$package" |
        awk -F'|' -v suite="$suite" '{ gsub(/ /, "", $2); split($3, at, " "); sub(/\/.*/, "", at[2])
            if (suite == "" || at[2] == suite) print $2 }' | sort -V | tail -n1
}

# unpack DIR PACKAGE[/SUITE]...: the files of packages below DIR
unpack() {
    local into=$1 package deb work; shift
    work=$(mktemp -d "$CACHE/download.XXXXXX")
    for package; do
        local wanted=$package
        [[ $package == */* ]] || wanted=$package=$(version_of "$package")
        ( cd "$work" && archive apt-get download "$wanted" ) >> "$CACHE/apt/download.log" 2>&1 ||
            { rm -rf "$work"; die "cannot download $wanted (see $CACHE/apt/download.log)"; }
    done
    mkdir -p "$into"
    for deb in "$work"/*.deb; do dpkg -x "$deb" "$into"; done
    rm -rf "$work"
}
