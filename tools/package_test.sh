#!/usr/bin/env bash
# That what tools/package.sh has made serves: what the Mix compiler step makes of the archive for this
# machine, from a server on it in place of the release page, and of one that is wrong, out of reach, or
# not wanted; and that programs find the C library of each package by pkg-config. cmake is a stand-in
# that only says that it was called.
set -euo pipefail
source "$(dirname "$0")/environment.sh"
release=$root/build/package/release
work=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT

# What packages of Hex ship.
project=$work/project
mkdir -p "$project" "$work/bin"
MIX_ENV=prod mix run --no-compile --no-start -e '
  for entry <- Mix.Project.config()[:package][:files],
      path <- [entry | Path.wildcard(entry <> "/**", match_dot: true)],
      File.regular?(path),
      do: IO.puts(path)' >"$work/shipped"
tar -cf - -T "$work/shipped" | tar -C "$project" -xf -
printf '#!/bin/sh\necho "cmake was called"\nexit 1\n' >"$work/bin/cmake"
chmod +x "$work/bin/cmake"

cat >"$work/server.exs" <<'SERVER'
[folder, port_file] = System.argv()
{:ok, _} = Application.ensure_all_started(:inets)
folder = String.to_charlist(folder)

{:ok, server} =
  :inets.start(:httpd, port: 0, bind_address: {127, 0, 0, 1}, server_name: ~c"release",
    server_root: folder, document_root: folder)

File.write!(port_file <> ".new", "#{:httpd.info(server)[:port]}")
File.rename!(port_file <> ".new", port_file)
Process.sleep(:infinity)
SERVER
elixir "$work/server.exs" "$release" "$work/port" &
server=$!
until [[ -s $work/port ]]; do
  kill -0 "$server"
  sleep 0.1
done
address=http://127.0.0.1:$(cat "$work/port")/

# compile [VARIABLE=VALUE...]: by Mix, anew, into $work/log; its status.
compile() {
  rm -rf "$project/_build"
  (cd "$project" && env PATH="$work/bin:$PATH" NXV_NX=none MIX_ENV=prod HOME="$work/home" \
    XDG_CACHE_HOME="$work/cache" NXV_RELEASES="$address" "$@" mix compile) >"$work/log" 2>&1
}

failed=0
# expect WHAT STATUS PATTERN...: of the last run.
expect() {
  local what=$1 wanted=$2 status=$result pattern
  shift 2
  for pattern in "$@"; do
    if ((status != wanted)) || ! grep -q -- "$pattern" "$work/log"; then
      echo "FAILED: $what: status $status, not $wanted, or nothing says '$pattern':"
      cat "$work/log"
      failed=1
      return
    fi
  done
  echo "ok: $what"
}
attempt() { result=0; compile "$@" || result=$?; }

attempt
expect 'sources of no release are built' 1 'of no release' 'cmake was called'

cp "$release/checksum-nx_vulkan.exs" "$project/"
attempt
expect 'the archive is taken from the page' 0 'the NIF is that of archive .* from http'
(cd "$project" && NXV_NX=none MIX_ENV=prod mix run --no-compile -e '
  true = Enum.any?(Nx.Vulkan.Native.functions())
  IO.puts(File.read!(Application.app_dir(:nx_vulkan, "priv/nxv_nif.origin")))') >"$work/log" 2>&1 ||
  result=$?
expect 'its NIF loads, and its origin is known' 0 '^archive nx_vulkan-nif-'

attempt NXV_RELEASES=http://127.0.0.1:1/
expect 'it is kept for the next time' 0 'the NIF is that of archive .* from /'

rm -rf "$work/cache"
attempt NXV_RELEASES=http://127.0.0.1:1/
expect 'without a network the NIF is built' 1 'cannot be reached' 'cmake was called'

attempt NXV_BUILD=1
expect 'NXV_BUILD=1 builds it' 1 'NXV_BUILD is set' 'cmake was called'

attempt XDG_CACHE_HOME=/dev/null/none
expect 'a cache that cannot be written is no obstacle' 0 'the archive is not kept' \
  'the NIF is that of archive'

sed 's/sha256: "......../sha256: "00000000/' "$release/checksum-nx_vulkan.exs" \
  >"$project/checksum-nx_vulkan.exs"
attempt
expect 'an archive with another checksum is refused' 1 'its SHA-256 is' 'cmake was called'

# The C library, from each package that this machine can unpack.
example() {
  local prefix=$1 folder
  folder=$(dirname "$(find "$prefix" -name nxv.pc)")
  result=0
  {
    cc -std=c99 examples/c/add.c -o "$work/add" \
      $(PKG_CONFIG_PATH=$folder pkg-config --cflags --libs nxv) &&
      LD_LIBRARY_PATH=$(dirname "$folder") "$work/add"
  } >"$work/log" 2>&1 || result=$?
}
machine=$(uname -m)
for package in "$release"/nxv-*"$machine".tar.gz "$release"/nxv_*.deb; do
  case $package in
    *arm64.deb | *'*'*) continue ;;
    *.deb)
      rm -rf "$work/deb"
      dpkg-deb --extract "$package" "$work/deb"
      example "$work/deb"
      ;;
    *)
      rm -rf "$work/tar"
      mkdir -p "$work/tar"
      tar -C "$work/tar" -xzf "$package"
      example "$work/tar"
      ;;
  esac
  expect "programs find the library of ${package##*/}" 0 .
done
exit "$failed"
