# Sourced by the other scripts: where caches go, and what Elixir needs to run without asking.
# Settings of the caller win.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
export MESA_SHADER_CACHE_DIR=${MESA_SHADER_CACHE_DIR:-$root/.cache/mesa}
export NXV_CACHE_DIR=${NXV_CACHE_DIR:-$root/.cache/nxv}
export NXV_NX=${NXV_NX:-none}
mkdir -p "$MESA_SHADER_CACHE_DIR"
[[ $NXV_CACHE_DIR == off ]] || mkdir -p "$NXV_CACHE_DIR"

# Elixir wants UTF-8.
case ${LC_ALL:-${LC_CTYPE:-${LANG:-}}} in
  *UTF-8 | *utf8) ;;
  *) export LC_ALL=C.UTF-8 ;;
esac

# For VK_ADD_DRIVER_FILES: lavapipe's manifest, named once more, makes a second device.
second_device() {
  echo "${VK_ADD_DRIVER_FILES:-$(ls /usr/share/vulkan/icd.d/lvp_icd*.json \
    /usr/local/share/vulkan/icd.d/lvp_icd*.json 2>/dev/null | head -n 1)}"
}
