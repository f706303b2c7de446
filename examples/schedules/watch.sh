#!/bin/sh
# Start a worker, wait until a schedule's job has completed, and show what stands where. Ends the worker again.
set -eu
cd "$(dirname "$0")"
export SPECQL_JOBS_DSN="${SPECQL_JOBS_DSN:-embedded}"

specql-jobs db migrate --quiet
specql-jobs services show text.count
echo
specql-jobs worker &
worker=$!
trap 'kill "$worker"; wait "$worker"' EXIT

tries=0
until specql-jobs list --status completed --quiet | grep -q .; do
  tries=$((tries + 1))
  [ "$tries" -lt 60 ] || { echo "no job has completed within a minute" >&2; exit 1; }
  sleep 1
done
echo
specql-jobs schedules list
