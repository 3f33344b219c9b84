# Sourced by the scripts beside it: where builds go, and how missing tools are installed.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=x86_64-unknown-linux-gnu

# Build output lives outside the checkout, so that a fresh clone on a kept machine builds warm.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/farmer/target}
built=$CARGO_TARGET_DIR/$target

say() { printf '\n==> %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "installing packages needs root; run this as root or install sudo ($*)"
    fi
}

# Stops in the first second where Rust can neither be found nor installed.
need_rust() {
    [ "$(uname -m)" = x86_64 ] || die "only x86_64 is supported for now, this is $(uname -m)"
    local wanted have
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")
    [ -e "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"
    if command -v rustup >/dev/null; then
        return # rust-toolchain.toml names the toolchain; rustup fetches it
    fi
    if command -v cargo >/dev/null; then
        have=$(cargo --version | cut -d' ' -f2)
        [ "$(printf '%s\n' "$wanted" "$have" | sort -V | head -n1)" = "$wanted" ] && return
        printf 'cargo is %s, %s is needed.\n' "$have" "$wanted" >&2
    fi
    # Where apt's lists are not there yet nothing is known of rustup before they are fetched.
    if [ -z "$(apt-cache policy apt 2>/dev/null | grep -m1 '^ .*http')" ] && grep -qs 'VERSION_ID="1[3-9]"' /etc/os-release; then
        rust_package=rustup
        return
    fi
    if apt-cache policy rustup 2>/dev/null | grep -q 'Candidate: [0-9]'; then
        rust_package=rustup
        return
    fi
    cat >&2 <<'END'
error: this program needs Rust, and this Debian has no package of rustup.
hint: run this line, then start again:
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal
END
    exit 1
}

# Installs what is missing of the named Debian packages, and says so.
need_packages() {
    command -v apt-get >/dev/null || die "this script needs Debian or a relative of it (no apt-get here)"
    local missing=() package
    for package in "$@" ${rust_package:-}; do
        dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    say "installing ${missing[*]}"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends "${missing[@]}" >&2
    if [ -n "${rust_package:-}" ]; then
        rustup show active-toolchain >/dev/null 2>&1 || (cd "$root" && rustup toolchain install)
    fi
}

# farm-node alone: in one build with the others it would get the server's features and their weight.
build_node() { # PROFILE
    (cd "$root" && cargo build --locked --profile "$1" -p farm-node)
}
