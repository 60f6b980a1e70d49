#!/usr/bin/env bash
# The first ten minutes on a GPU: bash benchmarks/first_gpu_run.sh [FOLDER]
#
# Four parts, each with a limit of its own: environment, gpu tests, speed, and every method on the quick phantom. What a
# part says goes to FOLDER/PART.log as it comes. A part that ended well leaves FOLDER/PART.done and is left out the next
# time; one that failed or ran out of time is said, and the next begins. So the same command goes on where it stopped.
# Ends with 0 when all parts are done, else 1. Limits in seconds: LIMIT_ENVIRONMENT, LIMIT_TESTS, LIMIT_SPEED, LIMIT_RUN.
set -uo pipefail
cd "$(dirname "$0")/.."
folder=${1:-runs/first-gpu}
python=${PYTHON:-python}
mkdir -p "$folder"
export HF_HUB_OFFLINE=${HF_HUB_OFFLINE:-1} TOKENIZERS_PARALLELISM=false OPENBLAS_NUM_THREADS=1
export OMP_WAIT_POLICY=PASSIVE CUBLAS_WORKSPACE_CONFIG=${CUBLAS_WORKSPACE_CONFIG:-:4096:8}
failed=0

part() { # NAME LIMIT COMMAND...
  local name=$1 limit=$2 began=$SECONDS status
  shift 2
  if [ -e "$folder/$name.done" ]; then
    echo "$name: done before"
    return
  fi
  echo "$name: at most $limit s"
  timeout --kill-after=20 --signal=INT "$limit" "$@" 2>&1 | tee -a "$folder/$name.log"
  status=${PIPESTATUS[0]}
  if [ "$status" -eq 0 ]; then
    echo "$name: well, $((SECONDS - began)) s" | tee "$folder/$name.done"
    return
  fi
  failed=1
  [ "$status" -eq 124 ] && echo "$name: ended by its limit of $limit s" || echo "$name: failed with $status"
}

part environment "${LIMIT_ENVIRONMENT:-90}" "$python" -m selip doctor --gpu --experiment full
part tests "${LIMIT_TESTS:-240}" "$python" -m pytest -p no:cacheprovider -m "gpu and not speed" tests \
  --junitxml "$folder/tests.xml"
part speed "${LIMIT_SPEED:-180}" "$python" -m pytest -p no:cacheprovider -m "gpu and speed" tests/speed \
  --benchmark-json "$folder/speed.json"
part run "${LIMIT_RUN:-420}" "$python" -m selip run standard profile=quick seeds=0 --workers 4 --resume \
  --out "$folder/standard-quick"
exit "$failed"
