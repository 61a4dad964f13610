#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# usage: lint.sh CHECK TOP_DIR [FILE...]    exit status 77: the tool is not there

set -eu
check=$1 top=$2
shift 2

need () {
  command -v "$1" || { echo "$1 is not installed" >&2; exit 77; }
}

case $check in
  format)
    tool=$(need clang-format-14 2>/dev/null || need clang-format)
    find "$top/src" "$top/client" "$top/tests" -name '*.[ch]' -print0 2>/dev/null \
      | xargs -0 "$tool" --dry-run --Werror ;;
  spelling)
    need codespell >/dev/null
    cd "$top"
    # shellcheck disable=SC2038 # no name here holds a newline
    find src data docs client tests README.md -name '*.[ch]' -o -name '*.py' -o -name '*.sh' \
      -o -name '*.md' -o -name '*.in' -o -name '*.[1-9]' -o -name '*.xml' -o -name '*.policy' \
      -o -name '*.catalog' 2>/dev/null \
      | xargs -d "\n" codespell --builtin clear,rare --ignore-words tests/lint/spelling-ignore ;;
  unit)
    need systemd-analyze >/dev/null
    dir=$(mktemp -d)
    trap 'rm -rf "$dir"' EXIT
    # The daemon is not installed where the unit will find it; everything else is checked.
    sed 's#^ExecStart=.*#ExecStart=/bin/true#' "$1" > "$dir/mtvd.service"
    systemd-analyze verify --man=no "$dir/mtvd.service" 2>&1 | tee "$dir/verify"
    ! grep -q mtvd.service "$dir/verify"
    # Exposure 2.0 of 10 at most.
    systemd-analyze security --offline=yes --no-pager --threshold=20 "$dir/mtvd.service" ;;
  xml)
    need xmllint >/dev/null
    xmllint --nonet --noout "$@"
    # Each action has an owner (the daemon is not root), and a text to be translated.
    for file in "$@"; do
      case $file in
        *.policy)
          dtd=/usr/share/polkit-1/policyconfig-1.dtd
          [ ! -e "$dtd" ] || xmllint --nonet --noout --dtdvalid "$dtd" "$file"
          xmllint --nonet --xpath 'boolean(//action) and not(//action[
              not(annotate[@key="org.freedesktop.policykit.owner"]="unix-user:mtv")
              or not(message[@gettext-domain]) or not(description[@gettext-domain])])' "$file" \
            | grep -qx true ;;
      esac
    done ;;
  man)
    need man >/dev/null
    for page in "$@"; do
      said=$(LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=100 man --warnings -E UTF-8 -l -Tutf8 "$page" \
             2>&1 >/dev/null)
      [ -z "$said" ] || { echo "$page: $said"; exit 1; }
    done ;;
  *) echo "unknown check '$check'" >&2; exit 2 ;;
esac
