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
