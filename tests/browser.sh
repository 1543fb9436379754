#!/usr/bin/env bash
# Drives a real server with a real Chromium: the journeys of a user, on SQLite and on Postgres (`tests/browser.sh journeys
# postgres actions` for one database, and those whose file has `actions` in its name); or the picture of the README
# (`tests/browser.sh screenshot`).
set -euo pipefail
cd "$(dirname "$0")/.."

what=${1:-journeys}
databases=${2:-sqlite postgres}
chosen=("${@:3}")
scratch=$(mktemp -d)
server=
postgres=

cleanup() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  [ -z "$server" ] || wait "$server" 2>/dev/null || true
  [ -z "$postgres" ] || as_postgres "$postgres/bin/pg_ctl" -D "$scratch/pg/data" -m immediate -s stop || true
  rm -rf "$scratch"
}
trap cleanup EXIT

# Postgres refuses to run as root.
as_postgres() {
  if [ "$(id -u)" -eq 0 ]; then (cd / && setpriv --reuid=postgres --regid=postgres --clear-groups "$@"); else "$@"; fi
}

start_postgres() {
  postgres=$(ls -d /usr/lib/postgresql/*/ 2>/dev/null | sort -V | tail -n 1)
  postgres=${postgres%/}
  [ -x "$postgres/bin/initdb" ] || { echo "Postgres is missing: apt-get install postgresql" >&2; exit 1; }
  chmod 711 "$scratch"
  mkdir -p "$scratch/pg"
  if [ "$(id -u)" -eq 0 ]; then chown postgres "$scratch/pg"; fi
  as_postgres "$postgres/bin/initdb" -D "$scratch/pg/data" -U updraft -A trust -E UTF8 --locale=C >/dev/null
  as_postgres "$postgres/bin/pg_ctl" -D "$scratch/pg/data" -l "$scratch/pg/log" -w -t 300 -s start \
    -o "-k '$scratch/pg' -c listen_addresses='' -F"
  as_postgres "$postgres/bin/createdb" -h "$scratch/pg" -U updraft updraft
}

# Starts Updraft on the database $1 with copies of the example DAGs and of those that the journeys need, and runs the tests of Playwright project $2.
drive() {
  local home
  home=$(mktemp -d "$scratch/home-XXXXXX")
  mkdir "$home/dags"
  cp dags/*.yaml web/ui/e2e/dags/*.yaml "$home/dags/"
  UPDRAFT_HOME="$home" UPDRAFT_DATABASE_URL="$1" UPDRAFT_DAGS_FOLDER="$home/dags" UPDRAFT_ADMIN_PASSWORD=let-me-in \
    UPDRAFT_LOG=warn target/debug/updraft standalone --port 0 >"$home/out" 2>"$home/err" &
  server=$!
  local url=
  for _ in $(seq 3000); do
    url=$(sed -n 's/.*is ready at  //p' "$home/out")
    [ -z "$url" ] || break
    kill -0 "$server" 2>/dev/null || { cat "$home/err" >&2; exit 1; }
    sleep 0.1
  done
  [ -n "$url" ] || { echo "the server did not become ready" >&2; cat "$home/err" >&2; exit 1; }
  if ! (cd web/ui && UPDRAFT_URL="$url" UPDRAFT_PASSWORD=let-me-in UPDRAFT_DAGS_FOLDER="$home/dags" \
    npx playwright test --project="$2" "${chosen[@]}"); then
    echo "what the server said last:" >&2
    tail -n 50 "$home/err" >&2
    exit 1
  fi
  kill -TERM "$server"
  wait "$server"
  server=
}

case "$what" in
  journeys)
    for database in $databases; do
      case "$database" in
        sqlite) drive "sqlite://$scratch/updraft.db" real ;;
        postgres)
          start_postgres
          drive "postgres://updraft@localhost/updraft?host=$scratch/pg" real
          ;;
        *) echo "there is no database $database: sqlite or postgres" >&2; exit 2 ;;
      esac
    done
    ;;
  screenshot) drive "sqlite://$scratch/updraft.db" screenshot ;;
  *) echo "usage: tests/browser.sh [journeys [sqlite|postgres [NAME...]]|screenshot]" >&2; exit 2 ;;
esac
