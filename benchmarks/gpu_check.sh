#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Everything worth knowing about the CUDA device on a machine with a GPU, in at most nine minutes; leaves a dated record.
#
#   benchmarks/gpu_check.sh [FOLDER]     FOLDER of the record (default benchmarks/records)
#   PYTHON=python3                       an interpreter that has this package's dependencies
#   BUDGET=540                           seconds for all steps; what does not fit is left out and the record says so
#   DEVICE=cuda                          cpp for a dry run without a GPU
#   CELLS="2000 10000 100000"            sizes of one column (to draw a million cells takes minutes)
#   COLUMNS_OF_2000="4 16 64"            ensembles
#   SECONDS_SIMULATED=3                  in each measurement of speed
#   JOBS=6                               tests at a time
#   PARTS="speed"                        or "sweeps", a sweep on the GPU and on the processor; "work", these, a course and
#                                        compute-sanitizer, seven minutes more
set -uo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
device=${DEVICE:-cuda}
cells=${CELLS:-2000 10000 100000}
ensembles=${COLUMNS_OF_2000:-4 16 64}
seconds=${SECONDS_SIMULATED:-3}
parts=${PARTS:-speed}
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

build_all() {  # all programs at once: each compiles few files, so the cores are shared well; and meanwhile, the tests
  local size jobs=() tests=$1
  timeout 330 "$python" -m pytest -q -m gpu -rs -n "${JOBS:-6}" --dist worksteal --durations 8 tests > "$tests" 2>&1 & jobs+=($!)
  for size in $cells; do
    "${pfc[@]}" build configs/ketamine.yaml --device "$device" --set "network.num_neurons=$size" & jobs+=($!)
  done
  for size in $ensembles; do
    "${pfc[@]}" build configs/ketamine.yaml --device "$device" --columns "$size" & jobs+=($!)
  done
  "${pfc[@]}" build configs/ketamine.yaml --device cpp & jobs+=($!)
  "${pfc[@]}" build configs/ketamine.yaml --device "$device" --set numerics.precision=single & jobs+=($!)
  "${pfc[@]}" build configs/smoke.yaml --device "$device" & jobs+=($!)
  local status=0 job
  for job in "${jobs[@]}"; do wait "$job" || status=$?; done
  tail -n 25 "$tests"
  rm -f "$tests"
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

# What each kernel takes by itself; without --clock-control none it would change the clocks of the card.
kernels() {
  step "Kernels of $1" 100 ncu --target-processes all --clock-control none --metrics gpu__time_duration.sum --csv \
    --log-file "$stem.csv" --launch-skip 2000 --launch-count 800 \
    "${pfc[@]}" benchmark --device "$device" --seconds 0.2 --columns "$2"
  [ -e "$stem.csv" ] && "$python" - "$stem.csv" >> "$record" <<'PY'
import collections, csv, sys
lines = [line for line in open(sys.argv[1]) if line.startswith('"')]
found = collections.defaultdict(list)
for row in csv.DictReader(lines):
    scale = {"n": 1e-3, "u": 1.0, "m": 1e3}[row["Metric Unit"][0]]
    found[row["Kernel Name"].partition("(")[0]].append(scale * float(row["Metric Value"].replace(",", "")))
total = sum(map(sum, found.values()))
print("\n| kernel | launches | us each | share |\n|---|---:|---:|---:|")
for name, times in sorted(found.items(), key=lambda item: -sum(item[1])):
    print(f"| {name} | {len(times)} | {sum(times) / len(times):.2f} | {sum(times) / total:.0%} |")
PY
  rm -f "$stem.csv"
}

speed() {
  step "Doctor" 90 "${pfc[@]}" doctor --device "$device"
  step "Builds and parity with the CPU, all at once" 420 bash -c 'pfc=("$python" pfc.py); build_all "$0"' "$stem.tests"
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
    kernels "16 columns" 16
  else
    printf '\n## Where a step'"'"'s time goes\n\nLeft out: ncu is not on this machine.\n' >> "$record"
  fi
}

# A sweep on this device and on the processor.
sweeps() {
  local results; results=$(mktemp -d)
  step "32 seeds" 240 "${pfc[@]}" sweep configs/ketamine.yaml --vary seed=1..32 --device "$device" --no-figures \
    --out "$results/sweep"
  step "The same on the cores of this machine" 180 "${pfc[@]}" sweep configs/ketamine.yaml --vary seed=1..32 \
    --device cpp --no-figures --out "$results/cores"
  step "Do they agree?" 30 "$python" benchmarks/compare_sweeps.py "$results/sweep" "$results/cores"
  rm -rf "$results"
}

# What users do, and whether memory is used as it should.
work() {
  local results; results=$(mktemp -d)
  sweeps
  step "A sweep of 36 points" 240 "${pfc[@]}" sweep configs/dose_response.yaml --device "$device" --out "$results/doses"
  step "A course of days" 240 "${pfc[@]}" run configs/antidepressant.yaml --device "$device" --out "$results/course"
  if command -v compute-sanitizer > /dev/null; then
    step "compute-sanitizer on the smoke configuration" 250 compute-sanitizer --target-processes all \
      --error-exitcode 3 "${pfc[@]}" run configs/smoke.yaml --device "$device" --no-figures --out "$results/smoke" \
      --set "protocol.t_baseline=2 ms" --set "protocol.t_drug=2 ms" --set "protocol.t_settle=1 ms" \
      --set "protocol.t_transition=0 ms"
  else
    printf '\n## compute-sanitizer\n\nLeft out: it is not on this machine.\n' >> "$record"
  fi
  rm -rf "$results"
}

export -f build_all; export python device cells ensembles
for part in $parts; do "$part"; done
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
sed -i -e "s#$PWD/##g" -e "s#$python#python#g" -e "s#$folder/##g" -e "s#$PFC_CACHE#PFC_CACHE#g" \
  -e 's#/tmp/tmp\.[A-Za-z0-9]*#results#g' -e '/PytestBenchmarkWarning/d' "$record"
rm -f "$stem.log"
echo "Record: $record"
