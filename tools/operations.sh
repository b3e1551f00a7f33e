#!/usr/bin/env bash
# Writes docs/operations.md from src/ops/op_table.h; with --check, fails when it is not current.
set -euo pipefail
cd "$(dirname "$0")/.."
table=src/ops/op_table.h
page=docs/operations.md

page_of_table() {
  cat <<'HEAD'
# Operations

Made from `src/ops/op_table.h` by `tools/operations.sh`; do not edit.

**Fusion** is how the scheduler treats an operation: a *generator* is computed from the element's
index alone and inlined anywhere; a *pointwise* operation needs element i of its operands for
element i of its result; a *view* moves elements and is folded into the loads of its reader; a
*reduction* folds axes, with its operands and its readers inlined where they fit; a *contraction* is
a matrix product.

**Merge** is the type that Nx gives a binary operation: the wider of two types of a kind, the float
of an integer and a float, and so on; **floating** is merge, with `f32` instead of integers.
**Accepts** is what the operation is defined for; the README says which complex operations are
available. Names are those of `nxv_op_find` in C. In Elixir they are functions of `Nx.Vulkan`, but
for `data` (`tensor/2`, `from_binary/3`) and `constant` (`full/3`).
HEAD
  awk '
    BEGIN {
      rule["explicit_type"] = "named by the caller"
      rule["same"] = "of the operand"
      rule["merge"] = "merge"
      rule["merge_integer"] = "merge"
      rule["floating"] = rule["real_floating"] = "floating"
      rule["real_part"] = "of the operand; of a complex one, its parts"
      rule["to_complex"] = "complex: `c128` for `f64`, else `c64`"
      rule["predicate"] = "`u8`"
      rule["aggregate"] = "of the operand; integers below 32 bits become 32 bits wide"
      accepts["any"] = "all"
      accepts["real"] = "integers, floats"
      accepts["integer"] = "integers"
      accepts["floating"] = "floats, complex"
      accepts["complex_only"] = "complex"
      section = "leaves and generators"
    }
    function heading() {
      if (section == "") return
      printf "\n## %s%s\n\n", toupper(substr(section, 1, 1)), substr(section, 2)
      print "| operation | operands | fusion | result type | accepts | cost |"
      print "| --- | --- | --- | --- | --- | --- |"
      section = ""
    }
    /^#define NXV_OPS\(X\)/ { inside = 1; next }
    !inside { next }
    /^ *\/\*/ {
      section = $0
      gsub(/^ *\/\* *| *\*\/.*$/, "", section)
      next
    }
    /^ *X\(/ {
      heading()
      row = $0
      gsub(/^ *X\(|\).*$/, "", row)
      split(row, f, / *, */)
      if (!(f[4] in rule) || !(f[5] in accepts)) {
        print "tools/operations.sh has no words for: " row > "/dev/stderr"
        exit 1
      }
      type = f[1] == "select" ? "merge of the last two operands" : rule[f[4]]
      printf "| `%s` | %s | %s | %s | %s | %s |\n", f[1], f[2] == "kVariadic" ? "any number" : f[2],
        f[3], type, accepts[f[5]], f[6]
      ++rows
      if ($0 !~ /\\$/) inside = 0
      next
    }
    { inside = 0 }
    END { if (rows == 0) { print "no operations found" > "/dev/stderr"; exit 1 } }' "$table"
  cat <<'TAIL'

Cost is a rough count of arithmetic instructions for one `f32` element. It decides whether a value
that several kernels read is stored or recomputed.
TAIL
}

if [[ ${1:-} == --check ]]; then
  if ! page_of_table | diff -u "$page" -; then
    echo "$page is not current: run tools/operations.sh" >&2
    exit 1
  fi
else
  made=$(page_of_table)
  printf '%s\n' "$made" >"$page"
fi
