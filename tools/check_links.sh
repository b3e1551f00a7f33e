#!/usr/bin/env bash
# Links of the documents lead somewhere: tools/check_links.sh [FILE...], by default all *.md and *.livemd of
# the checkout. Looks at files and at headings of files; addresses of the web are not asked. Pages of ExDoc
# (backend_documentation-nx.html) are those that mix.exs makes of the guides. Prints every link that
# leads nowhere, and fails.
set -euo pipefail
cd "$(dirname "$0")/.."

documents=()
while IFS= read -r file; do
  if [[ $file =~ \.(md|livemd)$ && -f $file ]]; then documents+=("$file"); fi
done < <(if (($# == 0)); then git ls-files --cached --others --exclude-standard; else printf '%s\n' "$@"; fi)
((${#documents[@]} > 0)) || exit 0

# "LINE TARGET" of each link, but for code. A link may be broken after its text; no target is.
links() {
  awk '
    /^ *(```|~~~)/ { code = !code; next }
    code { next }
    {
      text = $0
      gsub(/`[^`]*`/, "", text)
      while (match(text, /\]\([^) ]+/)) {
        print FNR, substr(text, RSTART + 2, RLENGTH - 2)
        text = substr(text, RSTART + RLENGTH)
      }
    }' "$1"
}

# What headings are linked by: small letters, no punctuation, hyphens for spaces.
anchors() {
  awk '
    /^ *(```|~~~)/ { code = !code; next }
    !code && /^#+ / {
      sub(/^#+ +/, "")
      $0 = tolower($0)
      gsub(/\[|\]\([^)]*\)/, "")
      gsub(/[^a-z0-9_ -]/, "")
      gsub(/ /, "-")
      print
    }' "$1"
}

# The file that a page of ExDoc is made of.
page() {
  local name=${1%.html} file
  for file in "guides/$name.md" "guides/livebooks/$name.livemd" "guides/${name/-//}.md" \
    "guides/$name/index.md"; do
    if [[ -f $file ]]; then
      echo "$file"
      return
    fi
  done
}

status=0
for document in "${documents[@]}"; do
  while read -r line target; do
    case $target in http://* | https://* | mailto:*) continue ;; esac
    path=${target%%#*}
    if [[ -z $path ]]; then
      file=$document
    elif [[ $path == *.html ]]; then
      file=$(page "$path")
    else
      file=$(dirname "$document")/$path
    fi
    if [[ -z $file || ! -e $file ]]; then
      echo "$document:$line: there is no $path"
      status=1
    elif [[ $target == *#* ]] && ! anchors "$file" | grep -qxF -- "${target#*#}"; then
      echo "$document:$line: no heading of $file is #${target#*#}"
      status=1
    fi
  done < <(links "$document")
done
exit "$status"
