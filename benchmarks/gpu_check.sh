#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Everything worth knowing about the CUDA device on a machine with a GPU, in at most nine minutes; leaves a dated record.
#
#   benchmarks/gpu_check.sh [FOLDER]     FOLDER of the record (default benchmarks/records)
#   PYTHON=python3                       an interpreter that has this package's dependencies
#   BUDGET=540                           seconds for all steps; what does not fit is left out and the record says so
#   DEVICE=cuda                          cpp for a dry run without a GPU
#   CELLS="2000 10000 100000"            sizes of one column (to draw a million cells takes minutes)
#   COLUMNS_OF_2000="4 16 64 128"        ensembles
#   JOBS=6                               tests at a time
set -uo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
device=${DEVICE:-cuda}
cells=${CELLS:-2000 10000 100000}
ensembles=${COLUMNS_OF_2000:-4 16 64 128}
seconds=${SECONDS_SIMULATED:-1}
deadline=$(( $(date +%s) + ${BUDGET:-540} ))
folder=${1:-benchmarks/records}
mkdir -p "$folder"
stem="$folder/gpu_check-$(date -u +%Y-%m-%d-%H%M)"
record=$stem.md lines=$stem.jsonl
export PFC_CACHE=${PFC_CACHE:-$(mktemp -d)}
pfc=("$python" pfc.py)

left() { echo $(( deadline - $(date +%s) )); }

# step TITLE SECONDS COMMAND...: runs it within its seconds and what is left, and puts its end into the record.
step() {
  local title=$1 most=$2 room; shift 2
  room=$(left)
  printf '\n## %s\n\n' "$title" >> "$record"
  if [ "$room" -lt 5 ]; then echo "Left out: no time left." | tee -a "$record"; return 1; fi
  [ "$most" -lt "$room" ] || most=$room
  printf '    %s\n\n```\n' "$*" >> "$record"
  local start status=0; start=$(date +%s)
  echo "== $title"
  timeout -k 5 "$most" "$@" > "$stem.log" 2>&1 || status=$?
  tail -n "${TAIL:-40}" "$stem.log" | cut -c -2000 | tee -a "$record"
  printf '```\n\nStatus %s after %s s.\n' "$status" "$(( $(date +%s) - start ))" >> "$record"
  return "$status"
}

build_all() {  # all programs at once: each compiles few files, so the cores are shared well
  local size jobs=()
  for size in $cells; do
    "${pfc[@]}" build configs/ketamine.yaml --device "$device" --set "network.num_neurons=$size" & jobs+=($!)
  done
  for size in $ensembles; do
    "${pfc[@]}" build configs/ketamine.yaml --device "$device" --columns "$size" & jobs+=($!)
  done
  "${pfc[@]}" build configs/ketamine.yaml --device cpp & jobs+=($!)
  "${pfc[@]}" build configs/ketamine.yaml --device "$device" --set numerics.precision=single & jobs+=($!)
  local status=0 job
  for job in "${jobs[@]}"; do wait "$job" || status=$?; done
  return "$status"
}

{
  echo "# GPU check of $(date -u +'%Y-%m-%d %H:%M') UTC"
  echo
  echo "Device asked for: $device. Commit ${COMMIT:-$(git rev-parse HEAD 2>/dev/null || echo unknown)}. Command: benchmarks/gpu_check.sh"
  echo "with CELLS=\"$cells\", COLUMNS_OF_2000=\"$ensembles\", $seconds s simulated. Raw lines: $(basename "$lines")."
  echo
  echo '```'
  nvidia-smi --query-gpu=name,driver_version,memory.total,compute_cap --format=csv 2> /dev/null || echo "no nvidia-smi"
  nvcc --version 2>&1 | tail -n 2
  echo '```'
} > "$record"

# What a kernel takes by itself; without --clock-control none it would change the clocks of the card.
kernels() {
  TAIL=160 step "Kernels of $1" 90 ncu --target-processes all --clock-control none --metrics gpu__time_duration.sum \
    --print-summary per-kernel --launch-skip 1000 --launch-count 500 \
    "${pfc[@]}" benchmark --device "$device" --seconds 0.2 --columns "$2"
}

step "Doctor" 90 "${pfc[@]}" doctor --device "$device"
export -f build_all; export python device cells ensembles
step "Builds, all at once" 300 bash -c 'pfc=("$python" pfc.py); build_all'
for size in $cells; do
  step "One column of $size cells" 120 "${pfc[@]}" benchmark --device "$device" --cells "$size" \
    --seconds "$seconds" --append "$lines"
done
for columns in $ensembles; do
  step "$columns columns of 2000 cells" 90 "${pfc[@]}" benchmark --device "$device" --columns "$columns" \
    --seconds "$seconds" --append "$lines"
done
step "One column of 2000 cells in single precision" 120 "${pfc[@]}" benchmark --device "$device" --precision single \
  --seconds "$seconds" --append "$lines"
step "The same column on one core of this machine's processor" 120 taskset -c 0 "${pfc[@]}" benchmark --device cpp \
  --seconds "$seconds" --repeats 2 --append "$lines"
if command -v ncu > /dev/null; then
  kernels "one column" 1
  kernels "64 columns" 64
else
  printf '\n## Where a step'"'"'s time goes\n\nLeft out: ncu is not on this machine.\n' >> "$record"
fi
if command -v compute-sanitizer > /dev/null; then
  step "compute-sanitizer on the smoke configuration" 120 compute-sanitizer --target-processes all --error-exitcode 3 \
    "${pfc[@]}" run configs/smoke.yaml --device "$device" --no-figures --out "$(mktemp -d)/run" \
    --set "protocol.t_baseline=10 ms" --set "protocol.t_drug=10 ms" --set "protocol.t_settle=5 ms" \
    --set "protocol.t_transition=5 ms"
else
  printf '\n## compute-sanitizer\n\nLeft out: it is not on this machine.\n' >> "$record"
fi
step "Parity with the CPU" 400 "$python" -m pytest -q -m gpu -rs -n "${JOBS:-6}" --dist worksteal --durations 8 tests

"$python" - "$lines" >> "$record" <<'PY'
import json, pathlib, sys
file = pathlib.Path(sys.argv[1])
rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
print("\n## Speed\n\n| device | cells | columns | precision | initialise (s) | simulate (s per biological s) | ns per cell and step |")
print("|---|---:|---:|---|---:|---:|---:|")
for row in rows:
    print(f"| {row['device']} | {row['cells']:,} | {row['columns']} | {row['precision']} | {row['initialise_s']:.2f} "
          f"| {row['per_biological_second_s']:.3f} | {row['per_cell_step_ns']:.3f} |")
PY
# The record names no path of the machine.
sed -i -e "s#$PWD/##g" -e "s#$python#python#g" -e "s#$folder/##g" -e "s#$PFC_CACHE#PFC_CACHE#g" "$record"
rm -f "$stem.log"
echo "Record: $record"
