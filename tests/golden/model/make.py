#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write small random models as GGUF, with tokens and the logits that transformers gives for them.

Usage: make.py [FOLDER]

The weights are made in GGUF's form, rounded to their type, and turned into a Hugging Face model of f32, as the
inverse of what llama.cpp's converter does. Tokens and logits stand in the file's own metadata: golden.tokens
[n] and golden.logits [n][vocab], of all positions.
"""
import sys
import numpy as np
import torch
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as T, GGUFWriter, quants
from transformers import (Gemma3ForCausalLM, Gemma3TextConfig, LlamaConfig, LlamaForCausalLM, MistralConfig,
                          MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM)

N_TOK, VOCAB = 32, 200
rng = np.random.default_rng(7)

NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
         "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
         "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
GEMMA = {"post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm",
         "post_feedforward_layernorm": "post_ffw_norm"}
TOP = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
       "lm_head.weight": "output.weight"}

# Bytes of a block that hold f16 scales, and how many times the first one each of them is.
SCALES = {"Q2_K": {80: 1, 82: 1.5}, "Q3_K": {108: 1}, "Q4_K": {0: 1, 2: 7.5}, "Q5_K": {0: 1, 2: 15.5}, "Q6_K": {208: 1},
          "IQ4_XS": {0: 1}, "IQ4_NL": {0: 1}, "Q4_0": {0: 1}, "Q4_1": {0: 1, 2: -7.5}, "Q5_0": {0: 1},
          "Q5_1": {0: 1, 2: -15.5}, "Q8_0": {0: 1}}


def gguf_name(name, arch):
    if name in TOP:
        return TOP[name]
    _, _, layer, rest = name.split(".", 3)
    rest, kind = rest.rsplit(".", 1)
    names = NAMES | (GEMMA if arch == "gemma3" else {})
    return f"blk.{layer}.{names[rest]}.{kind}"


def random_blocks(shape, std, qtype):
    """Random bytes in a block format whose values have about this standard deviation: (bytes, values)."""
    block, size = GGML_QUANT_SIZES[qtype]
    raw = rng.integers(0, 256, (shape[0], shape[1] // block, size), dtype=np.uint8)
    d = 1.0
    for _ in range(2):
        for at, ratio in SCALES[qtype.name].items():
            raw[:, :, at:at + 2] = np.frombuffer(np.float16(d * ratio).tobytes(), np.uint8)
        values = quants.dequantize(raw.reshape(shape[0], -1), qtype)
        d *= std / values.std()
    return raw.reshape(shape[0], -1), values


def make_tensor(name, shape, qtype, dim):
    """(data for the file, its type, values)"""
    if len(shape) == 1:
        v = 1 + 0.3 * rng.standard_normal(shape) if "norm" in name else 0.3 * rng.standard_normal(shape)
        return v.astype(np.float32), T.F32, v.astype(np.float32)
    std = 1.3 / np.sqrt(dim if name == "token_embd.weight" else shape[1])
    if qtype.name in SCALES:
        raw, values = random_blocks(shape, std, qtype)
        return raw, qtype, values
    v = (std * rng.standard_normal(shape)).astype(np.float32)
    raw = quants.quantize(v, qtype)
    return raw, qtype, quants.dequantize(raw, qtype).astype(np.float32).reshape(shape)


def unpermute(w, n_head):
    """The converter stores llama's q and k with each head's halves interleaved."""
    return w.reshape(n_head, w.shape[0] // n_head // 2, 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def to_hf(name, w, arch, cfg):
    if arch == "llama" and ".attn_q." in name:
        return unpermute(w, cfg.num_attention_heads)
    if arch == "llama" and ".attn_k." in name:
        return unpermute(w, cfg.num_key_value_heads)
    return w - 1 if arch == "gemma3" and "norm" in name else w


def llama3_factors(cfg, head_dim):
    p = cfg.rope_parameters
    low, high, n_ctx = p["low_freq_factor"], p["high_freq_factor"], p["original_max_position_embeddings"]
    wave = 2 * np.pi * p["rope_theta"] ** (np.arange(0, head_dim, 2) / head_dim)
    smooth = np.clip((n_ctx / wave - low) / (high - low), 0, 1)
    return (1 / ((1 - smooth) / p["factor"] + smooth)).astype(np.float32)


def write_keys(w, arch, cfg, head_dim):
    w.add_block_count(cfg.num_hidden_layers)
    w.add_context_length(cfg.max_position_embeddings)
    w.add_embedding_length(cfg.hidden_size)
    w.add_feed_forward_length(cfg.intermediate_size)
    w.add_head_count(cfg.num_attention_heads)
    w.add_head_count_kv(cfg.num_key_value_heads)
    w.add_layer_norm_rms_eps(cfg.rms_norm_eps)
    if head_dim * cfg.num_attention_heads != cfg.hidden_size:
        w.add_key_length(head_dim)
        w.add_value_length(head_dim)
    if getattr(cfg, "sliding_window", None) and arch != "qwen2":
        w.add_sliding_window(cfg.sliding_window)
    p = cfg.rope_parameters
    p = p.get("full_attention", p)
    w.add_rope_freq_base(p["rope_theta"])
    if p["rope_type"] in ("linear", "yarn"):
        w.add_string(f"{arch}.rope.scaling.type", p["rope_type"])
        w.add_rope_scaling_factor(p["factor"])
    if p["rope_type"] == "yarn":
        w.add_rope_scaling_orig_ctx_len(p["original_max_position_embeddings"])


def make(folder, name, arch, cls, cfg, qtype_of):
    cfg.attn_implementation = "eager"
    model = cls(cfg).float().eval()
    head_dim = getattr(cfg, "head_dim", None) or cfg.hidden_size // cfg.num_attention_heads
    w = GGUFWriter(f"{folder}/{name}.gguf", arch)
    write_keys(w, arch, cfg, head_dim)
    state = {}
    for hf, p in model.state_dict().items():
        if hf == "lm_head.weight" and cfg.tie_word_embeddings:
            continue
        g = gguf_name(hf, arch)
        raw, qtype, values = make_tensor(g, tuple(p.shape), qtype_of(g), cfg.hidden_size)
        w.add_tensor(g, raw, raw_dtype=qtype)
        state[hf] = torch.from_numpy(np.ascontiguousarray(to_hf(g, values, arch, cfg)))
    if cfg.rope_parameters.get("rope_type") == "llama3":
        w.add_tensor("rope_freqs.weight", llama3_factors(cfg, head_dim))
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and all(m == "lm_head.weight" for m in missing)
    tokens = rng.integers(0, VOCAB, N_TOK)
    with torch.no_grad():
        logits = model(torch.from_numpy(tokens)[None]).logits[0].numpy()
    w.add_array("golden.tokens", [int(t) for t in tokens])
    w.add_array("golden.logits", logits.ravel().tolist())
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    print(f"{name}: deviation of logits {logits.std():.2f}, nan {np.isnan(logits).any()}")


def base(**more):
    return dict(vocab_size=VOCAB, hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
                num_key_value_heads=2, max_position_embeddings=256, rms_norm_eps=1e-5, bos_token_id=None,
                eos_token_id=None, pad_token_id=None) | more


MIXED = {"attn_q": ("Q4_K", "Q5_0"), "attn_k": ("Q5_K", "Q4_1"), "attn_v": ("Q6_K", "Q8_0"), "attn_output": ("Q3_K", "Q5_1"),
         "ffn_gate": ("Q2_K", "Q4_0"), "ffn_up": ("IQ4_XS", "IQ4_NL"), "ffn_down": ("Q6_K", "Q4_1"), "token_embd": ("Q8_0",)}


def mixed(name):
    parts = name.split(".")
    return T[MIXED[parts[-2]][int(parts[1]) if parts[0] == "blk" else 0]] if parts[-2] in MIXED else T.F32


def main():
    folder = (sys.argv[1:] + ["."])[0]
    f32, bf16, f16 = (lambda _: T.F32), (lambda _: T.BF16), (lambda _: T.F16)
    make(folder, "llama-gqa-tied-f32", "llama", LlamaForCausalLM, LlamaConfig(**base(tie_word_embeddings=True)), f32)
    make(folder, "llama-llama3rope-bias-bf16", "llama", LlamaForCausalLM,
         LlamaConfig(**base(head_dim=32, attention_bias=True, mlp_bias=True, rope_parameters={
             "rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
             "original_max_position_embeddings": 64})), bf16)
    make(folder, "llama-mqa-yarn-f16", "llama", LlamaForCausalLM,
         LlamaConfig(**base(num_key_value_heads=1, rope_parameters={
             "rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 64})), f16)
    make(folder, "llama-window-linear-bf16", "llama", MistralForCausalLM,
         MistralConfig(**base(sliding_window=8, rope_parameters={
             "rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0})), bf16)
    make(folder, "llama-mixed-quants", "llama", LlamaForCausalLM,
         LlamaConfig(**base(hidden_size=256, intermediate_size=256, num_key_value_heads=1, tie_word_embeddings=True)), mixed)
    make(folder, "qwen2-bf16", "qwen2", Qwen2ForCausalLM, Qwen2Config(**base(rope_parameters={
        "rope_type": "default", "rope_theta": 1000000.0})), bf16)
    make(folder, "gemma3-window-bf16", "gemma3", Gemma3ForCausalLM,
         Gemma3TextConfig(**base(num_hidden_layers=7, num_attention_heads=2, num_key_value_heads=1, head_dim=32,
                                 query_pre_attn_scalar=32, sliding_window=8, rope_parameters={
                                     "full_attention": {"rope_type": "linear", "rope_theta": 1000000.0, "factor": 8.0},
                                     "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}})), bf16)


main()
