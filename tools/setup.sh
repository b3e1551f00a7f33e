#!/usr/bin/env bash
# Installs what building and testing need: tools/setup.sh demo | test | test-long
#
# On Debian and its relatives it installs packages, as root or through sudo, and is quick when they
# are there. Elsewhere it lists them and goes on when the tools are found.
set -euo pipefail
purpose=${1:-test}

build=(build-essential cmake ninja-build libvulkan-dev spirv-headers libvulkan1 elixir erlang-dev)
test=(spirv-tools mesa-vulkan-drivers vulkan-validationlayers libgtest-dev nlohmann-json3-dev
  libcli11-dev libpng-dev libmpfr-dev clang-format ccache erlang-xmerl)
test_long=(clang clang-tidy libc++-dev libc++abi-dev googletest spirv-cross dpkg-dev pkg-config
  g++-mingw-w64-x86-64-posix wine wine64 xvfb xauth g++-aarch64-linux-gnu qemu-user bmake busybox)

has_vulkan_driver() {
  compgen -G '/usr/share/vulkan/icd.d/*.json' >/dev/null ||
    compgen -G '/usr/local/share/vulkan/icd.d/*.json' >/dev/null || compgen -G '/etc/vulkan/icd.d/*.json' >/dev/null
}

has_tools() {
  local tool missing=0
  for tool in cmake c++ mix; do
    command -v "$tool" >/dev/null || { echo "missing: $tool" >&2; missing=1; }
  done
  return $missing
}

# dpkg-query fails for packages it never heard of, so the answers are counted here.
missing_packages() {
  local package
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || echo "$package"
  done
}

# apt-get, as root. While another process holds a lock of apt's, such as the upgrade that a new cloud
# machine makes by itself, it waits: DPkg::Lock::Timeout does not cover the locks of the package lists
# and the archives in all versions.
patience=300  # seconds
apt_get() {
  local errors deadline=$((SECONDS + patience))
  errors=$(mktemp)
  until "${as_root[@]}" env LC_ALL=C DEBIAN_FRONTEND=noninteractive \
    apt-get -q -o "DPkg::Lock::Timeout=$patience" "$@" 2>"$errors"; do
    cat "$errors" >&2
    if ! grep -q 'Could not get lock' "$errors" || ((SECONDS >= deadline)); then
      rm "$errors"
      return 1
    fi
    echo "Waiting for apt's lock" >&2
    sleep 2
  done
  cat "$errors" >&2
  rm "$errors"
}

install_debian() {
  local wanted=("${build[@]}") missing
  if [[ $purpose == test* ]]; then
    wanted+=("${test[@]}")
    if [[ $purpose == test-long ]]; then wanted+=("${test_long[@]}"); fi
  elif ! has_vulkan_driver; then
    wanted+=(mesa-vulkan-drivers)
  fi
  mapfile -t missing < <(missing_packages "${wanted[@]}")
  if ((${#missing[@]} == 0)); then
    return 0
  fi

  local as_root=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null && as_root=(sudo)
  fi
  if ((EUID != 0 && ${#as_root[@]} == 0)); then
    echo "Neither root nor sudo: install these packages yourself:" >&2
    echo "  apt-get install ${missing[*]}" >&2
    has_tools
    return
  fi
  echo "Installing: ${missing[*]}"
  apt_get update
  apt_get install -y --no-install-recommends "${missing[@]}"
}

list_packages() {
  cat >&2 <<'LIST'
This system is not Debian. What is needed, under the names of its packages:
  Fedora   dnf install gcc-c++ cmake ninja-build vulkan-headers spirv-headers-devel vulkan-loader
           mesa-vulkan-drivers elixir erlang-erts
  Arch     pacman -S base-devel cmake ninja vulkan-headers spirv-headers vulkan-icd-loader
           vulkan-swrast elixir
  FreeBSD  pkg install cmake ninja bash vulkan-headers spirv-headers vulkan-loader mesa-dri elixir
  macOS    brew install cmake ninja vulkan-headers spirv-headers vulkan-loader molten-vk elixir
For the tests also: SPIRV-Tools, vulkan-validation-layers, GoogleTest, nlohmann-json, CLI11, libpng,
MPFR, clang-format 14; for the long ones clang and clang-tidy 14.
LIST
  has_tools
}

if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
  install_debian
else
  list_packages
fi
