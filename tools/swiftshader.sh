#!/usr/bin/env bash
# Prints the manifest of SwiftShader, a second Vulkan driver for CPUs that shares no code with Mesa,
# for VK_DRIVER_FILES. It is taken out of Debian's package chromium-common, which is downloaded and
# unpacked under build/ and never installed. Fails, and says why, where it cannot be had.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$PWD/build/swiftshader
manifest=$folder/usr/lib/chromium/vk_swiftshader_icd.json

if [[ ! -f $manifest ]]; then
  for tool in apt-get dpkg-deb; do
    command -v "$tool" >/dev/null || { echo "SwiftShader comes from a Debian package: no $tool here" >&2; exit 1; }
  done
  rm -rf "$folder"
  mkdir -p "$folder"
  download=$(mktemp -d)
  trap 'rm -rf "$download"' EXIT
  if ! (cd "$download" && apt-get download chromium-common) >"$folder/download.log" 2>&1; then
    echo "the package chromium-common cannot be downloaded: $(tail -n 1 "$folder/download.log")" >&2
    exit 1
  fi
  dpkg-deb --extract "$download"/chromium-common_*.deb "$download/all"
  mkdir -p "${manifest%/*}"
  mv "$download"/all/usr/lib/chromium/libvk_swiftshader.so "${manifest%/*}/"
  mv "$download"/all/usr/lib/chromium/vk_swiftshader_icd.json "$manifest"
fi
echo "$manifest"
