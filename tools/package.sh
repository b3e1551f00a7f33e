#!/usr/bin/env bash
# Makes what a release consists of, in build/package/release:
#
#   nx_vulkan-nif-*.tar.gz   the NIF for Linux on x86-64 and on 64-bit ARM, and for Windows on x86-64
#   nxv-*.tar.gz, nxv_*.deb  the C library
#   checksum-nx_vulkan.exs   what the archives of the NIF are; the Mix compiler step reads it
#
# The package of Hex ships a copy of the last: put one beside mix.exs before `mix hex.build`. With it,
# `mix compile` takes the archive of the release instead of building the NIF.
# Archives run where the C library is at least that of this machine; those of releases are made on
# Debian 12. NXV_RELEASES=https://... is the address of the folder where the release will be.
# TARGETS=x86_64-linux-gnu,... makes some. Targets whose compilers are not here are skipped loudly.
set -euo pipefail
source "$(dirname "$0")/environment.sh"
work=build/package
release=$work/release
targets=${TARGETS:-x86_64-linux-gnu,aarch64-linux-gnu,x86_64-windows-gnu}
include=$(erl -noshell -eval 'io:put_chars(code:root_dir()), halt().')/usr/include
nif_version=$(erl -noshell -eval 'io:put_chars(erlang:system_info(nif_version)), halt().')
version=$(sed -n 's/^project(nxv VERSION \([0-9.]*\) .*/\1/p' CMakeLists.txt)
mkdir -p "$release"
rm -f "$release"/*

# settings TARGET: sets options of CMake, the compiler's prefix, and the NIF's file.
settings() {
  options=(-G Ninja -DCMAKE_BUILD_TYPE=Release -DNXV_TESTS=OFF -DNXV_TOOLS=OFF -DNXV_NIF=ON
    -DNXV_STATIC_RUNTIME=ON "-DERL_INCLUDE_DIR=$include")
  nif=nxv_nif.so
  case $1 in
    x86_64-linux-gnu)
      prefix=
      [[ $(uname -sm) == 'Linux x86_64' ]] || prefix=x86_64-linux-gnu-
      ;;
    aarch64-linux-gnu)
      prefix=aarch64-linux-gnu-
      options+=(-DCMAKE_TOOLCHAIN_FILE="$PWD/cmake/toolchains/aarch64-linux.cmake")
      ;;
    x86_64-windows-gnu)
      prefix=x86_64-w64-mingw32-
      nif=nxv_nif.dll
      options+=(-DCMAKE_TOOLCHAIN_FILE="$PWD/cmake/toolchains/mingw-w64.cmake")
      ;;
    *)
      echo "no such target: $1" >&2
      return 2
      ;;
  esac
}

has_compiler() {
  case $1 in
    x86_64-windows-gnu) command -v x86_64-w64-mingw32-g++-posix >/dev/null ;;
    *) command -v "${prefix}g++" >/dev/null ;;
  esac
}

# The newest version of glibc's symbols that a file asks for.
glibc_of() {
  "${prefix}objdump" -T "$1" | sed -n 's/.*GLIBC_\([0-9.]*\).*/\1/p' | sort -t. -k1,1n -k2,2n |
    tail -n 1
}

digest_of() { cmake -E sha256sum "$1" | cut -d ' ' -f 1; }

entries=
# package TARGET
package() {
  local build=$work/$1 name=nx_vulkan-nif-$nif_version-$1-$version.tar.gz glibc=
  echo "== $1"
  cmake -S . -B "$build" "${options[@]}" "-DNXV_NIF_OUTPUT=$PWD/$build/priv" >"$work/$1.log"
  cmake --build "$build" >>"$work/$1.log"
  "${prefix}strip" --strip-unneeded "$build/priv/$nif"
  tar -C "$build/priv" -czf "$release/$name" "$nif"
  [[ $nif == *.dll ]] || glibc=$(glibc_of "$build/priv/$nif")
  entries+="    \"$name\" => %{sha256: \"$(digest_of "$release/$name")\"${glibc:+, glibc: \"$glibc\"}},"$'\n'
  (cd "$build" && cpack -B packages >>"../$1.log")
  cp "$build"/packages/nxv[-_]* "$release/"
}

for target in ${targets//,/ }; do
  settings "$target"
  if has_compiler "$target"; then
    package "$target"
  else
    echo "SKIPPED: $target: there is no ${prefix}g++"
  fi
done

{
  echo "%{"
  echo "  url: \"${NXV_RELEASES:-}\","
  echo "  archives: %{"
  printf '%s\n' "${entries%,*}"
  echo "  }"
  echo "}"
} >"$release/checksum-nx_vulkan.exs"
ls -l "$release"
