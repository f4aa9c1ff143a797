#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The equal of vllm_online_benchmark.py: load a running server and print that script's figures under its labels.
#
#   online-benchmark.sh MODEL MAX_SEQ [INPUT_TOKENS [OUTPUT_TOKENS]]
#
# MODEL is what the server calls its model. After a warm-up, 4 x MAX_SEQ requests are sent, MAX_SEQ at once. Each has a prompt
# of its own: there all had the same one, so that a prefix cache would hide what a first token costs; SAME_PROMPT=1 does so too.
# HOST and PORT (127.0.0.1, 8000) say where the server is; REQUESTS how many are sent for each of MAX_SEQ (4).
set -eu
[ $# -ge 2 ] || { echo "usage: online-benchmark.sh MODEL MAX_SEQ [INPUT_TOKENS [OUTPUT_TOKENS]]" >&2; exit 2; }
model=$1 max_seq=$2 in=${3:-1024} out=${4:-512}

bench() { # REQUESTS INPUT OUTPUT MORE...
  n=$1 len=$2 answer=$3
  shift 3
  if [ "${SAME_PROMPT:-0}" = 1 ]; then
    set -- --dataset-name prefix --prefix-repetition-num-prefixes 1 --prefix-repetition-prefix-len "$len" --prefix-repetition-suffix-len 0 \
      --prefix-repetition-output-len "$answer" "$@"
  else
    set -- --dataset-name random --random-input-len "$len" --random-output-len "$answer" "$@"
  fi
  "${LLMSERVE:-llmserve}" bench serve --host "${HOST:-127.0.0.1}" --port "${PORT:-8000}" --model "$model" --max-concurrency "$max_seq" \
    --num-prompts "$n" --ignore-eos --online "$@"
}

echo "model_name: $model"
echo "max_seq: $max_seq"
bench 2 32 32 --quiet >/dev/null
bench $((2 * max_seq)) "$in" "$out" --seed 1 >/dev/null
bench $((${REQUESTS:-4} * max_seq)) "$in" "$out" --seed 2
