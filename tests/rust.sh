#!/usr/bin/env bash
# Runs the Rust tests to the end, so that one look shows everything that fails. When nothing has been heard of them for a long
# time, one of them waits for something that never comes: then it is named, with all that runs, and the tests are ended.
set -euo pipefail
cd "$(dirname "$0")/.."

patience=${UPDRAFT_TEST_SILENCE:-900} # seconds
log=$(mktemp)
tests=
cleanup() {
  # Whoever has a group of its own is in the session still.
  [ -z "$tests" ] || pkill -KILL --session "$tests" || true
  rm -f "$log"
}
trap cleanup EXIT
trap 'exit 143' INT TERM

# The tests that were said to take long, and of whose end nothing was said.
unfinished() {
  sed -n 's/^test \(.*\) has been running for over .*/\1/p' "$log" | sort -u | while read -r name; do
    grep -qF "test $name ... " "$log" || echo "  $name"
  done
}

# In a session of its own, so that all of it can be ended.
setsid cargo test --locked --workspace --no-fail-fast "$@" >"$log" 2>&1 &
tests=$!
tail --follow --lines=+1 --pid="$tests" "$log" &
shown=$!
while kill -0 "$tests" 2>/dev/null; do
  sleep 1
  if [ $(($(date +%s) - $(stat -c %Y "$log"))) -ge "$patience" ]; then
    {
      echo "Nothing has been heard of the tests for $patience seconds. What runs:"
      ps -eo pid,ppid,etime,stat,wchan:16,args --forest | cut -c 1-200
      echo "Tests that have not ended:"
      unfinished
    } >&2
    exit 1
  fi
done
status=0
wait "$tests" || status=$?
tests=
wait "$shown"
exit "$status"
