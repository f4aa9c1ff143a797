# SPDX-License-Identifier: Apache-2.0
"""Hyper-parameters of 0, -1 and too much (CVE-2025-0317, CVE-2024-8063, CVE-2025-0315)."""
from kit import *

KEYS = ("llama.block_count", "llama.embedding_length", "llama.feed_forward_length", "llama.context_length", "llama.attention.head_count")


def cases():
    for key in KEYS:
        for v in (0, 0xFFFFFFFF, 0x7FFFFFFF):
            yield File("%s = %d" % (key, v), gguf({**toy_gguf.keys(), key: v}))
        yield File("%s = -1" % key, gguf({**toy_gguf.keys(), key: struct.pack("<Ii", 5, -1)}))
        yield File("%s is a string" % key, gguf({**toy_gguf.keys(), key: "1"}))
        yield File("%s is NaN" % key, gguf({**toy_gguf.keys(), key: float("nan")}))
    for v in (0, 1, 3, 31, 0xFFFFFFFF, 1 << 31):
        yield File("an alignment of %d" % v, gguf({**toy_gguf.keys(), "general.alignment": v}))
    for key in ("llama.attention.head_count_kv", "llama.attention.key_length", "llama.rope.dimension_count", "llama.vocab_size", "llama.expert_count"):
        for v in (0, 3, 0xFFFFFFFF):
            yield File("%s = %d" % (key, v), gguf({**toy_gguf.keys(), key: v}))
    for v in (0.0, -1.0, float("inf"), float("nan"), 1e-45):
        yield File("an epsilon of %r" % v, gguf({**toy_gguf.keys(), "llama.attention.layer_norm_rms_epsilon": v}))
        yield File("a rope base of %r" % v, gguf({**toy_gguf.keys(), "llama.rope.freq_base": v}))
    config = {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
              "vocab_size": 64, "max_position_embeddings": 128, "rms_norm_eps": 1e-6}
    for key in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "vocab_size", "max_position_embeddings", "rms_norm_eps"):
        for v in (0, -1, 1 << 40, "x", None, [], 1e308):
            yield File("config.json: %s = %r" % (key, v), {"config.json": json.dumps({**config, key: v}).encode(), "model.safetensors": safetensors({"a": {"dtype": "F32", "shape": [4, 4], "data_offsets": [0, 64]}})})
