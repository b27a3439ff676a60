#!/usr/bin/env bash
# Runs every client case against the NestJS server, for every pair of versions: the cases hold for
# NestJS itself. Needs node, and npm for packages not yet installed.
set -euo pipefail
cd "$(dirname "$0")"

scratch=$(mktemp -d)
server=
client=
finish() {
  [ -n "$server" ] && kill -KILL "$server" 2>/dev/null
  [ -n "$client" ] && kill -KILL "$client" 2>/dev/null
  rm -rf "$scratch"
}
trap finish EXIT

for version in v11 v12; do
  [ -d "$version/node_modules" ] || npm ci --prefix "$version"
done

# wait_for FILE TEXT: up to 10 s for a line of a file to contain a text
wait_for() {
  for _ in $(seq 200); do
    grep -qF -- "$2" "$1" 2>/dev/null && return 0
    sleep 0.05
  done
  echo "no $2 in time" >&2
  return 1
}

start_server() {
  rm -f "$scratch/stdin"
  mkfifo "$scratch/stdin"
  : >"$scratch/server.out"
  node server.mjs "$1" <"$scratch/stdin" >"$scratch/server.out" 2>"$scratch/server.err" &
  server=$!
  exec 3>"$scratch/stdin"
  wait_for "$scratch/server.out" '"port":'
  port=$(sed -n 's/.*"port":\([0-9]*\).*/\1/p' "$scratch/server.out" | head -n 1)
}

# stop_server HOW: `stdin`, or the name of a signal. Ours by id, and it must be gone within 5 s.
stop_server() {
  [ "$1" = stdin ] || kill -s "$1" "$server"
  exec 3>&-
  local status=0
  {
    for _ in $(seq 100); do
      kill -0 "$server" || break
      sleep 0.05
    done
    if kill -KILL "$server"; then status=survived; else wait "$server" || status=$?; fi
  } 2>/dev/null
  server=
  case "$1:$status" in stdin:0 | TERM:0 | KILL:137) ;; *)
    echo "server ended with $status after $1" >&2
    return 1
    ;;
  esac
}

failures=0
# run CLIENT SERVER HOW
run() {
  local status=0 flags=()
  [ "$2" = v11 ] && flags+=(--no-metadata)
  [ "$3" = stdin ] || flags+=(--kill)
  start_server "$2"
  : >"$scratch/client.out"
  node client.mjs "$1" "$port" ${flags[@]+"${flags[@]}"} >"$scratch/client.out" 2>"$scratch/client.err" &
  client=$!
  if [ "$3" != stdin ]; then
    # All the other cases come first, so this may take a while.
    for _ in 1 2 3 4 5 6; do
      wait_for "$scratch/client.out" '"ready":"kill"' 2>/dev/null && break
      kill -0 "$client" 2>/dev/null || break
    done
    stop_server "$3" || status=1
  fi
  wait "$client" || status=$?
  client=
  if [ "$3" = stdin ]; then stop_server stdin || status=1; fi
  # One run per handler and event, one more by the request; the guarded handler never.
  if ! diff <(sed 1d "$scratch/server.out" | sort) - <<'LINES'
{"event":"object.event","data":{"id":7}}
{"event":"object.event","data":{"id":8}}
{"event":"object.event","data":{"id":9}}
{"event":"user.created#1","data":{"id":7}}
{"event":"user.created#1","data":{"id":8}}
{"event":"user.created#2","data":{"id":7}}
{"event":"user.created#2","data":{"id":8}}
LINES
  then
    status=1
  fi
  if [ "$(head -c 8 "$scratch/server.out")" != '{"port":' ]; then status=1; fi
  echo "client $1, server $2, server ended by $3: $(tail -n 1 "$scratch/client.out")"
  if [ "$status" != 0 ]; then
    failures=$((failures + 1))
    grep -v '"ok":true' "$scratch/client.out" || true
    sed 's/^/client: /' "$scratch/client.err"
    sed 's/^/server: /' "$scratch/server.err"
  fi
}

for client_version in v11 v12; do
  for server_version in v11 v12; do
    for how in stdin TERM KILL; do
      run "$client_version" "$server_version" "$how"
    done
  done
done

[ "$failures" = 0 ] || { echo "$failures runs failed"; exit 1; }
echo "all runs passed"
