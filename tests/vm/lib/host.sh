# SPDX-License-Identifier: GPL-2.0-or-later
# What every script on the host side needs: where things are kept, how to speak, how to stop.
# Sourced, never run. Callers have set: set -euo pipefail

VM_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
REPO_DIR=$(cd "$VM_DIR/../.." && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/mdbitmap-vm

say() { printf '%s\n' "$*" >&2; }
die() { say "$(basename "$0"): $*"; exit 1; }

# hash_of FILE...: a short name for the contents of some files
hash_of() { cat -- "$@" | sha256sum | cut -c1-12; }

# publish BUILT FINAL: makes a finished directory visible under its final name in one step, so that an
# interrupted build is never taken for a finished one.
publish() {
    local built=$1 final=$2
    if [[ -e $final ]]; then rm -rf "$final.old"; mv "$final" "$final.old"; fi
    mv "$built" "$final"
    rm -rf "$final.old"
}

# point_current DIR: NAME/current -> DIR, replaced in one step
point_current() {
    local dir=$1 link
    link=$(dirname "$dir")/current
    ln -sfn "$(basename "$dir")" "$link.new"
    mv -T "$link.new" "$link"
}
