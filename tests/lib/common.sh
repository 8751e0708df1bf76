# Shared by the test scripts: where things are kept, and how they talk. Source it from bash.

# Downloads and built kernels live outside the checkout, so that a clean clone finds them again.
if [ -n "${XDG_CACHE_HOME:-}" ]; then
    cache="$XDG_CACHE_HOME/mdbitmap-vm"
elif [ -n "${HOME:-}" ] && [ -w "${HOME:-/}" ]; then
    cache="$HOME/.cache/mdbitmap-vm"
else
    cache="/var/tmp/mdbitmap-vm-$(id -u)"
fi

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Succeeds when every named program is there; otherwise prints the missing ones, one a line.
missing_programs() {
    local program absent=1
    for program in "$@"; do
        command -v "$program" >/dev/null 2>&1 || { printf '%s\n' "$program"; absent=0; }
    done
    return $absent
}
