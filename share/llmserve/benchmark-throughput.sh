#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The equal of benchmark_vllm_throughput.py: throughput without a server, its options and its line.
#
#   benchmark-throughput.sh --model MODEL --input-len 1024 --output-len 512 --num-prompts 64 [--dataset SHAREGPT.json]
#
# What chose the engine there (--backend vllm, --trust-remote-code, --enforce-eager, --device, --dtype) is taken as llmserved takes it.
set -eu
name=random
n=$#
while [ "$n" -gt 0 ]; do # --dataset names a file there, and --backend a library
  case $1 in
  --dataset) name=sharegpt ;;
  --backend) shift 2; n=$((n - 2)); continue ;;
  --backend=*) shift; n=$((n - 1)); continue ;;
  esac
  set -- "$@" "$1"
  shift
  n=$((n - 1))
done
exec "${LLMSERVE:-llmserve}" bench throughput --dataset-name "$name" "$@"
