# Sourced by contrib/try and contrib/test: which Debian packages they need, and how they get there.

# what a build needs
packages_build="gcc libc6-dev make autoconf automake pkgconf libev-dev libldns-dev libinih-dev libcurl4-openssl-dev"
# what the tour types
packages_try="bind9-dnsutils redis-tools"
# what the tests need
packages_test="libcmocka-dev python3 python3-pytest python3-dnspython python3-redis bind9-dnsutils knot-dnsutils ldnsutils
    redis-tools netcat-openbsd ca-certificates openssl mandoc procps valgrind"
# clang builds and fuzzing
packages_clang="clang libclang-rt-14-dev"
# make distcheck
packages_dist="xz-utils"

# Installs what is missing of "$@": as root, or through sudo. Says what it does; does nothing if nothing is missing.
packages_need() {
    missing=
    for package in "$@"; do
        dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    echo "installing:$missing"
    as_root=
    [ "$(id -u)" -eq 0 ] || as_root=sudo
    if [ -n "$as_root" ] && ! command -v sudo >/dev/null; then
        echo "these packages are missing, and neither root nor sudo is at hand; as root: apt-get install$missing" >&2
        return 1
    fi
    log=$(mktemp)
    # The lists may be missing or old: the first attempt is cheap, the second one fetches them.
    if ! $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $missing >"$log" 2>&1 &&
        ! { $as_root apt-get update -q >"$log" 2>&1 &&
            $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $missing >"$log" 2>&1; }
    then
        cat "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}

# A clean copy of the source tree $1 in $2, without what an earlier build left in it, and with a fresh `configure`: neither
# the tree nor its owner notices that somebody builds.
source_copy() {
    mkdir -p "$2"
    tar -C "$1" --exclude=./.git --exclude=./build --exclude='./build-*' --exclude=./autom4te.cache --exclude=./configure \
        --exclude=./config.status --exclude=./config.h --exclude=./Makefile --exclude='*.o' --exclude='*.a' \
        --exclude=__pycache__ -cf - . | tar -C "$2" -xf -
    (cd "$2" && autoreconf -i)
}
