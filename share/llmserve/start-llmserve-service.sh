#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Starts llmserved with the settings that the replaced start-vllm-service.sh read from the environment, and with its defaults:
#
#   MODEL_PATH              the model: a GGUF file or a Hugging Face folder (needed)
#   SERVED_MODEL_NAME       what requests call it (default: the file's name)
#   TENSOR_PARALLEL_SIZE    devices that share the model (1)
#   MAX_NUM_SEQS            sequences of one step (256)
#   MAX_NUM_BATCHED_TOKENS  tokens of one step (3000)
#   MAX_MODEL_LEN           longest prompt and answer together (2000; auto: what the model and memory allow)
#   LOAD_IN_LOW_BIT         what 16-bit weights are made to at load, such as fp8 or sym_int4 (default: they stay as they are)
#   PORT                    (8000)
#   HOST                    address to listen on (127.0.0.1)
#
# Further arguments go to llmserved, in vLLM's or in llmserve's spelling: start-llmserve-service.sh --gpu-memory-utilization 0.9
set -eu
: "${MODEL_PATH:?set MODEL_PATH to a GGUF file or a Hugging Face folder}"

echo "Starting service with model: $MODEL_PATH"
echo "Served model name: ${SERVED_MODEL_NAME:-its own}"
echo "Tensor parallel size: ${TENSOR_PARALLEL_SIZE:-1}"

exec "${LLMSERVED:-llmserved}" \
  --model "$MODEL_PATH" ${SERVED_MODEL_NAME:+--served-model-name "$SERVED_MODEL_NAME"} \
  --host "${HOST:-127.0.0.1}" --port "${PORT:-8000}" \
  --trust-remote-code --gpu-memory-utilization 0.95 --enforce-eager \
  ${LOAD_IN_LOW_BIT:+--load-in-low-bit "$LOAD_IN_LOW_BIT"} \
  --max-model-len "${MAX_MODEL_LEN:-2000}" \
  --max-num-batched-tokens "${MAX_NUM_BATCHED_TOKENS:-3000}" \
  --max-num-seqs "${MAX_NUM_SEQS:-256}" \
  --tensor-parallel-size "${TENSOR_PARALLEL_SIZE:-1}" \
  --disable-async-output-proc --distributed-executor-backend mp "$@"
