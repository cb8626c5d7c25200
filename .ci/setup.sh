# SPDX-License-Identifier: BSL-1.0
#
# What the scripts share: set-up of a machine, and the three steps of a preset. To be sourced by a bash script that has
# done `cd` to the top of the repository.

say() { printf '\n== %s\n' "$*"; }
die() { printf '%s: %s\n' "$0" "$*" >&2; exit 1; }

# need PACKAGE[=COMMAND]…: installs the Debian packages that are missing. A package is there if dpkg says so, or if the
# command is found. Does nothing, not even ask apt, when nothing is missing. Elsewhere than on Debian and Ubuntu only
# commands are looked for, and CMake says which library it does not find.
need() {
  local entry package command missing=() as_root=()
  for entry in "$@"; do
    package=${entry%%=*} command=
    if [[ $entry == *=* ]]; then command=${entry#*=}; fi
    if [[ -n $command ]] && command -v "$command" >/dev/null; then continue; fi
    if [[ -z $command ]] && ! command -v dpkg-query >/dev/null; then continue; fi
    if [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]]; then continue; fi
    missing+=("$package")
  done
  if [[ ${#missing[@]} == 0 ]]; then return; fi
  command -v apt-get >/dev/null || die "this machine lacks what Debian calls: ${missing[*]}. Please install it."
  if [[ $(id -u) != 0 ]]; then
    command -v sudo >/dev/null || die "as root, please run: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  say "installing ${missing[*]}"
  if [[ -z ${lists_are_current-} ]]; then "${as_root[@]}" apt-get update -q </dev/null; fi
  lists_are_current=1
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" \
    </dev/null || die "the installation failed"
}

# need_compiler PRESET: the compiler that a preset uses.
need_compiler() {
  case $1 in
    clang19*) need clang-19=clang++-19 libclang-rt-19-dev ;;
    clang16*) need clang-16=clang++-16 libclang-rt-16-dev ;;
    *) need g++=g++ ;;
  esac
}

need_build_tools() { need cmake=cmake ninja-build=ninja ccache=ccache; }
need_test_tools() {
  need_build_tools
  need catch2 pkg-config=pkg-config libssl-dev liburing-dev libboost1.81-dev libcurl4-openssl-dev
}

# configure_and_build PRESET [TARGET…]
configure_and_build() {
  local preset=$1
  shift
  # Objects are found again from another directory: paths are taken relative to the top of the repository.
  export CMAKE_CXX_COMPILER_LAUNCHER=ccache CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
  # Configured once; the build configures again by itself when a CMake file has changed.
  if [[ ! -f build/$preset/build.ninja || CMakePresets.json -nt build/$preset/build.ninja ]]; then
    cmake --preset "$preset" && touch "build/$preset/build.ninja" || return
  fi
  cmake --build --preset "$preset" --parallel "$(nproc)" ${1:+--target "$@"}
}

# with_known_addresses PRESET COMMAND…: runs a command; without address randomisation if the preset has the thread
# sanitizer and the kernel randomises more bits than its shadow memory allows for.
with_known_addresses() {
  local preset=$1
  shift
  if [[ $preset == *tsan && $(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 0) -gt 28 ]]; then
    setarch "$(uname -m)" --addr-no-randomize "$@"
  else
    "$@"
  fi
}
