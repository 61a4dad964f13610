#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# run.sh [SUITE…]: installs what the tests need, builds, runs all suites or those named.
#   unit bus lint e2e   the tests of meson
#   peers               kubernetes, libvirt, ovirt and vsphere together
#   vsphere             against the simulator of vSphere; skipped where there is no Go
#   libvirt             the libvirt provider with a libvirtd and guests of its own
#   ovirt               the ovirt provider with a stand-in engine, and with the real ovirt-imageio
#   system              mtvd under a real systemd in a container; needs root
#   kubernetes          what is sent to a cluster, against KubeVirt's published schemas; needs Go
#   sanitize            unit, bus and e2e with AddressSanitizer and UndefinedBehaviorSanitizer
#   clang               builds with clang, warnings are errors
#   tidy                clang's static analyzer is quiet
#   fuzz                each fuzz target for $MTV_FUZZ_SECONDS (30)
# Builds below $MTV_BUILD (build-test). The last line is "N passed, N failed, N skipped"; a suite that
# could not run counts as failed.
set -uo pipefail

cd "$(dirname "$0")/.." || exit 1
. tests/packages.sh

all=(lint unit bus sanitize e2e peers system clang tidy fuzz)
build=$(realpath -m "${MTV_BUILD:-build-test}")
fuzz_seconds=${MTV_FUZZ_SECONDS:-30}
passed=0 failed=0 skipped=0
summary=()

export LC_ALL=C.UTF-8

# What is needed for the suites that were asked for.
needed_packages ()
{
  local suite

  printf '%s\n' "${packages_build[@]}" "${packages_run[@]}" "${packages_test[@]}"
  for suite in "$@"; do
    case $suite in
      e2e | sanitize | system) printf '%s\n' "${packages_guest[@]}" ;;&
      libvirt | peers) printf '%s\n' "${packages_libvirt[@]}" ;;&
      system) printf '%s\n' "${packages_system[@]}" ;;
      ovirt | peers) printf '%s\n' "${packages_ovirt[@]}" ;;
      clang | tidy | fuzz | lint) printf '%s\n' "${packages_clang[@]}" ;;
    esac
  done
}

count ()
{
  passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}

# compile NAME COMPILER [OPTION…]: sets up $build/NAME once, and builds it.
compile ()
{
  local folder=$build/$1 compiler=$2 log=$build/logs/build-$1.log

  shift 2
  {
    [ -e "$folder/build.ninja" ] || CC=$compiler meson setup "$folder" "$@"
  } > "$log" 2>&1 && ninja -k 0 -C "$folder" >> "$log" 2>&1 && return
  grep -E -A 6 "error:|^FAILED" "$log" | head -n 80 || tail -n 40 "$log"
  return 1
}

build_of ()
{
  case $1 in
    test) compile test gcc -Dwerror=true --prefix=/usr ;; # as the system suite installs it
    sanitize) compile sanitize gcc -Dwerror=true -Db_sanitize=address,undefined ;;
    clang) compile clang clang-14 -Dwerror=true ;;
    fuzz) compile fuzz clang-14 -Dfuzz=true -Db_lundef=false -Db_sanitize=address,undefined ;;
  esac
}

# meson_suites FOLDER LOG SUITE…: counts each of their tests.
meson_suites ()
{
  local folder=$build/$1 name=$2 suites=() suite counts log

  shift 2
  for suite in "$@"; do
    suites+=(--suite "$suite")
  done
  log=$folder/meson-logs/$name-all # meson adds the setup
  rm -f "$log.json"
  meson test -C "$folder" --no-rebuild --setup all --timeout-multiplier 2 --logbase "$name" \
    --print-errorlogs "${suites[@]}" > "$build/logs/$name.log" 2>&1
  [ -s "$log.json" ] || { tail -n 20 "$build/logs/$name.log"; return 1; }
  counts=$(/usr/bin/python3 tests/tools/count-results.py "$log.json") || return 1
  # shellcheck disable=SC2086 # three words
  count $counts
  case $counts in
    *' 0 '*) ;;
    *) tail -n 200 "$build/logs/$name.log" ;;
  esac
}

suite_unit () { build_of test && meson_suites test unit unit; }
suite_bus () { build_of test && meson_suites test bus bus; }
suite_lint () { build_of test && meson_suites test lint lint; }
suite_e2e () { build_of test && meson_suites test e2e e2e; }
suite_vsphere () { build_of test && meson_suites test vsphere vsphere; }
suite_libvirt () { build_of test && meson_suites test libvirt libvirt; }
suite_kubernetes () { build_of test && meson_suites test kubernetes kubernetes; }

# with_imageio SUITE…: of meson, with the real ovirt-imageio where it can be installed.
with_imageio ()
{
  local -x MTV_IMAGEIO=
  local peer=$build/ovirt-imageio

  build_of test || return 1
  if tests/peers/ovirt/up.sh "$peer"; then
    MTV_IMAGEIO=$peer/bin/ovirt-imageio
  else
    echo '  skipped: what needs the real ovirt-imageio'
  fi
  meson_suites test "$1" "$@"
}

suite_ovirt () { with_imageio ovirt; }
# All of them at once: most of the time each waits.
suite_peers () { with_imageio kubernetes libvirt ovirt vsphere; }

suite_system ()
{
  [ "$(id -u)" -eq 0 ] || { echo 'This suite needs root.'; return 1; }
  build_of test && meson_suites test system system
}

suite_sanitize ()
{
  local -x ASAN_OPTIONS=detect_leaks=1:abort_on_error=1
  local -x UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1

  build_of sanitize && meson_suites sanitize sanitize unit bus e2e
}

suite_clang () { build_of clang && count 1 0 0; }

suite_tidy ()
{
  local log=$build/logs/tidy.log

  build_of clang || return 1
  if run-clang-tidy-14 -quiet -j "$(nproc)" -p "$build/clang" "$PWD/(src|client)/" > "$log" 2>&1; then
    count 1 0 0
  else
    sed 's/\x1b\[[0-9;]*[mK]//g' "$log" | grep -A 5 -E ' (error|warning): ' | head -n 80
    return 1
  fi
}

fuzz_one ()
{
  local name=${1##*/fuzz-} folder=$build/fuzz-work/${1##*/}

  rm -rf "$folder"
  mkdir -p "$folder/new"
  (cd "$folder" && "$1" -seed=1 -max_total_time="$fuzz_seconds" -timeout=20 -rss_limit_mb=2048 \
    -print_final_stats=1 new "$OLDPWD/tests/fuzz/corpus/$name" > log 2>&1)
}

suite_fuzz ()
{
  local target targets=() good=0 bad=0 jobs=()

  build_of fuzz || return 1
  for target in "$build"/fuzz/tests/fuzz/fuzz-*; do
    [ -f "$target" ] && [ -x "$target" ] && targets+=("$target")
  done
  # As many at once as there are processors.
  while [ ${#targets[@]} -gt 0 ]; do
    jobs=()
    for target in "${targets[@]:0:$(nproc)}"; do
      fuzz_one "$target" &
      jobs+=("$!:$target")
    done
    for target in "${jobs[@]}"; do
      if wait "${target%%:*}"; then
        good=$((good + 1))
        sed -n "s,^stat::number_of_executed_units: *,  ${target##*/}: executions: ,p" \
          "$build/fuzz-work/${target##*/}/log"
      else
        bad=$((bad + 1))
        echo "  failed: ${target##*/}"
        tail -n 40 "$build/fuzz-work/${target##*/}/log"
      fi
    done
    targets=("${targets[@]:$(nproc)}")
  done
  count $good $bad 0
  [ $((good + bad)) -gt 0 ]
}

run_suite ()
{
  local suite=$1 before=("$passed" "$failed" "$skipped") start=$SECONDS

  echo "== $suite"
  "suite_$suite" 2>&1 || { echo "  failed: the suite $suite"; count 0 1 0; }
  # Nothing counted is no success either.
  [ "${before[*]}" != "$passed $failed $skipped" ] \
    || { echo "  failed: the suite $suite has no tests"; count 0 1 0; }
  summary+=("$(printf '%-10s %5d passed %4d failed %4d skipped %5d s' "$suite" \
    $((passed - before[0])) $((failed - before[1])) $((skipped - before[2])) $((SECONDS - start)))")
}

for suite in "$@"; do
  case " ${all[*]} " in
    *" $suite "*) ;;
    *) echo "There is no suite '$suite'; there are: ${all[*]}" >&2; exit 2 ;;
  esac
done
[ $# -gt 0 ] || set -- "${all[@]}"

mapfile -t packages < <(needed_packages "$@" | sort -u)
if mkdir -p "$build/logs" && install_packages "${packages[@]}"; then
  for suite in "$@"; do
    run_suite "$suite"
  done
  printf '\n'
  printf '%s\n' "${summary[@]}"
else
  count 0 1 0
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
