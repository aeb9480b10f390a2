#!/usr/bin/env bash
# Counts the instructions that the pieces of a call's way take, and compares them with the table in the repository: a
# count that is more than the tolerance away from it, to either side, is an error. Whoever has meant it takes the new
# counts over with --accept, and commits them. What is counted: docs/performance.md.
#
#   scripts/instructions.sh            counts and compares
#   scripts/instructions.sh --accept   counts and rewrites the table
#
# TOLERANCE (percent, default 5). Needs valgrind; the runner that gungraun needs is installed into the target directory.
set -euo pipefail
cd "$(dirname "$0")/.."

TABLE=tests/benches/instructions/counts.txt
TOLERANCE=${TOLERANCE:-5}
TARGET=$(realpath -m "${CARGO_TARGET_DIR:-target}")
RESULTS=$TARGET/instructions

die() {
  echo "instructions.sh: $*" >&2
  exit 1
}

case "$#:${1:-}" in
  0:) accept=false ;;
  1:--accept) accept=true ;;
  *) die "usage: scripts/instructions.sh [--accept]" ;;
esac

command -v valgrind >/dev/null ||
  die "valgrind is missing. Debian and Ubuntu: apt-get install valgrind; Fedora: dnf install valgrind"

# The runner must be of the same version as the library.
version=$(awk '$0 == "name = \"gungraun-runner\"" { getline; gsub(/version = |"/, ""); print }' Cargo.lock)
[ -n "$version" ] || die "Cargo.lock has no gungraun-runner"
if [ "$("$TARGET/tools/bin/gungraun-runner" --version 2>/dev/null)" != "gungraun-runner $version" ]; then
  echo "instructions.sh: installing gungraun-runner $version into $TARGET/tools"
  CARGO_TARGET_DIR=$TARGET/tools/build cargo install --quiet --locked --force --root "$TARGET/tools" \
    "gungraun-runner@$version"
  rm -rf "$TARGET/tools/build"
fi

echo "instructions.sh: counting"
rm -rf "$RESULTS"
mkdir -p "$RESULTS"
if ! PATH="$TARGET/tools/bin:$PATH" GUNGRAUN_HOME=$RESULTS \
  cargo bench --quiet --locked -p mesh-tests --bench instructions >"$RESULTS/log" 2>&1; then
  cat "$RESULTS/log" >&2
  die "the bench has failed"
fi

# Callgrind writes a file for each thread of a case, in a folder that has the case's name.
find "$RESULTS" -name 'callgrind.*.out' -exec awk '
  FNR == 1 { levels = split(FILENAME, level, "/"); name = level[levels - 2] "/" level[levels - 1] }
  /^totals:/ { count[name] += $2 }
  END { for (name in count) print name, count[name] }' {} + | LC_ALL=C sort >"$RESULTS/counts"
[ -s "$RESULTS/counts" ] || die "nothing was counted, see $RESULTS/log"
awk '$2 == 0 { print "instructions.sh: nothing was counted for " $1 > "/dev/stderr"; none = 1 } END { exit none }' \
  "$RESULTS/counts" || exit 1

# On what the counts depend, beside this repository. Valgrind shows every program one and the same CPU, with AVX2 or, on
# old machines, without it.
made_with() {
  echo "# $(rustc --version)"
  echo "# $(valgrind --version), $(uname -m)$(grep -qw avx2 /proc/cpuinfo 2>/dev/null && echo ' with AVX2')"
  echo "# $(ldd --version 2>&1 | head -n 1)"
}

if $accept; then
  {
    echo "# Instructions of each case. Written by scripts/instructions.sh --accept, with:"
    made_with
    awk '{ printf "%-34s %9d\n", $1, $2 }' "$RESULTS/counts"
  } >"$TABLE.new"
  mv "$TABLE.new" "$TABLE"
  echo "instructions.sh: wrote $(grep -vc '^#' "$TABLE") counts to $TABLE"
  exit 0
fi

[ -f "$TABLE" ] || die "there is no $TABLE: scripts/instructions.sh --accept writes it"
verdict=0
awk -v tolerance="$TOLERANCE" '
  function row(name, old, new, change, remark) {
    printf "%-34s %10s %10s %9s%s\n", name, old, new, change, remark == "" ? "" : "  " remark
    if (remark != "") wrong++
  }
  FNR == 1 { file++ }
  /^#/ || NF == 0 { next }
  file == 1 { was[$1] = $2; next }
  FNR == 1 { row("case", "old", "new", "change", "") }
  !($1 in was) { row($1, "-", $2, "-", "not in the table"); next }
  {
    change = 100 * ($2 - was[$1]) / was[$1]
    far = change > tolerance || -change > tolerance
    row($1, was[$1], $2, sprintf("%+.2f %%", change), far ? (change > 0 ? "more" : "fewer") : "")
    delete was[$1]
  }
  END {
    for (name in was) row(name, was[name], "-", "-", "no longer counted")
    exit wrong > 0
  }' "$TABLE" "$RESULTS/counts" || verdict=1

if [ "$verdict" -ne 0 ]; then
  if [ "$(made_with)" != "$(sed -n '2,4p' "$TABLE")" ]; then
    echo "instructions.sh: the table was made elsewhere, which alone may change the counts:" >&2
    diff <(sed -n '2,4p' "$TABLE") <(made_with) >&2 || true
  fi
  die "counts differ from $TABLE by more than $TOLERANCE %. If that is meant, fewer instructions too, take them over
with scripts/instructions.sh --accept, and commit the table"
fi
echo "instructions.sh: all within $TOLERANCE % of $TABLE"
