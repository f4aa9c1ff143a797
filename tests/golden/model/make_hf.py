#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write small random models as Hugging Face folders, with tokens and the logits that transformers gives for them.

Usage: make_hf.py [FOLDER]

Each folder has config.json, generation_config.json and model.safetensors (or parts with an index) as transformers
writes them, and golden.safetensors with tokens [n] and logits [n][vocab] of all positions, computed in f32. Weights
of quantized checkpoints are random integers, zeros and scales in the packing of AutoAWQ, AutoGPTQ, FP8 and
compressed-tensors; transformers gets their values.
"""
import json
import os
import sys
import zlib
import numpy as np
import torch
from safetensors.torch import save_file
import transformers
from transformers import (Gemma3ForCausalLM, Gemma3TextConfig, LlamaConfig, LlamaForCausalLM, MistralConfig,
                          MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM)

N_TOK, VOCAB = 24, 128
rng = None
F8 = torch.float8_e4m3fn


def base(**more):
    return dict(vocab_size=VOCAB, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
                num_key_value_heads=2, max_position_embeddings=256, rms_norm_eps=1e-5, bos_token_id=1,
                eos_token_id=[2, 5], pad_token_id=None) | more


def seed(folder):
    """Each model has its own numbers: another one does not change it."""
    global rng
    rng = np.random.default_rng(zlib.crc32(os.path.basename(folder).encode()))


def fill(model, dtype):
    """Random weights of a size that keeps activations near 1, rounded to the type."""
    for name, p in model.named_parameters():
        v = rng.standard_normal(tuple(p.shape))
        if p.dim() == 1:
            v = 0.3 * v + (1 if "norm" in name and "Gemma" not in type(model).__name__ else 0)
        else:
            v = 1.3 / np.sqrt(p.shape[1]) * v
        p.data = torch.from_numpy(v).float().to(dtype).float()


def golden(model, folder):
    tokens = torch.from_numpy(rng.integers(0, VOCAB, N_TOK).astype(np.int32))
    with torch.no_grad():
        logits = model(tokens[None].long()).logits[0].float()
    save_file({"tokens": tokens, "logits": logits.contiguous()}, f"{folder}/golden.safetensors")
    print(f"{folder}: deviation of logits {logits.std():.2f}, nan {bool(torch.isnan(logits).any())}")


def make(folder, cls, cfg, dtype, shard="10MB"):
    seed(folder)
    cfg.attn_implementation = "eager"
    model = cls(cfg).float().eval()
    fill(model, dtype)
    model.tie_weights()
    model.generation_config.update(temperature=0.7, top_p=0.9, top_k=40, repetition_penalty=1.1, do_sample=True)
    os.makedirs(folder, exist_ok=True)
    golden(model, folder)
    model.to(dtype).save_pretrained(folder, max_shard_size=shard)


def pack(q, bits, order=None):
    """Integers [n][m] to words [n][m * bits / 32], the first in the lowest bits."""
    n = 32 // bits
    q = np.pad(q, ((0, 0), (0, -q.shape[1] % n))).reshape(q.shape[0], -1, n).astype(np.uint64)
    q = q[..., order] if order else q
    w = sum(q[..., i] << np.uint64(bits * i) for i in range(n))
    return torch.from_numpy(w.astype(np.uint32).view(np.int32).copy())


def scales(shape, std, bits, dtype):
    """Scales that give integers of so many bits about this deviation; every second one is half as large."""
    s = std / (2 ** bits / np.sqrt(12)) * (1 + 0.5 * rng.random(shape))
    return torch.from_numpy(s).to(dtype)


def awq(module, rows, cols, std, group=32):
    q, z = rng.integers(0, 16, (rows, cols)), rng.integers(6, 11, (rows, cols // group))
    s = scales((rows, cols // group), std, 4, torch.float16)
    w = (q - np.repeat(z, group, 1)) * np.repeat(s.float().numpy(), group, 1)
    order = [0, 2, 4, 6, 1, 3, 5, 7]
    return w, {"qweight": pack(q.T, 4, order), "qzeros": pack(z.T, 4, order), "scales": s.T.contiguous()}


def gptq(module, rows, cols, std, group=32, bits=4, sym=True, v2=False, act_order=False):
    n_group, add = cols // group, 0 if v2 else 1
    q = rng.integers(0, 2 ** bits, (rows, cols))
    z = np.full((rows, n_group), 2 ** (bits - 1)) if sym else rng.integers(1, 2 ** bits, (rows, n_group))
    s = scales((rows, n_group), std, bits, torch.float16)
    idx = rng.permutation(np.arange(cols) // group) if act_order else np.arange(cols) // group
    w = (q - z[:, idx]) * s.float().numpy()[:, idx]
    return w, {"qweight": pack(q, bits).T.contiguous(), "qzeros": pack(z.T - add, bits), "scales": s.T.contiguous(),
               "g_idx": torch.from_numpy(idx.astype(np.int32))}


def fp8(shape, std):
    return torch.from_numpy(rng.standard_normal(shape) * 16).float().to(F8), std / 16


def fp8_block(module, rows, cols, std, block=(128, 128)):
    q, d = fp8((rows, cols), std)
    n = [-(-rows // block[0]), -(-cols // block[1])]
    s = torch.from_numpy(d * (0.5 + rng.random(n))).float()
    full = s.repeat_interleave(block[0], 0)[:rows].repeat_interleave(block[1], 1)[:, :cols]
    return (q.float() * full).numpy(), {"weight": q, "weight_scale_inv": s}


def fp8_channel(module, rows, cols, std):
    """One scale a row, or one in all for attention."""
    q, d = fp8((rows, cols), std)
    s = torch.from_numpy(d * (0.5 + rng.random((1,) if "attn" in module else (rows, 1)))).to(torch.bfloat16)
    more = {"input_scale": torch.ones(1)} if "attn" in module else {}
    return (q.float() * s.float()).numpy(), {"weight": q, "weight_scale": s} | more


def ct_int4(module, rows, cols, std, group=32):
    """Symmetric in the MLP, with zeros in attention, and with scales beyond f16's range in o_proj."""
    q = rng.integers(0, 16, (rows, cols))
    z = rng.integers(4, 12, (rows, cols // group)) if "attn" in module else np.full((rows, cols // group), 8)
    s = scales((rows, cols // group), std, 4, torch.bfloat16)
    if "o_proj" in module:
        s[::2] *= 2.0 ** -20
    w = (q - np.repeat(z, group, 1)) * np.repeat(s.float().numpy(), group, 1)
    more = {"weight_zero_point": pack(z.T, 4).T.contiguous()} if "attn" in module else {}
    return w, {"weight_packed": pack(q, 4), "weight_scale": s, "weight_shape": torch.tensor([rows, cols])} | more


def ct_int8(module, rows, cols, std):
    q = rng.integers(-128, 128, (rows, cols))
    s = scales((rows, 1), std, 8, torch.bfloat16)
    return q * s.float().numpy(), {"weight": torch.from_numpy(q.astype(np.int8)), "weight_scale": s}


def quantized(folder, quantization, module_of, cls=LlamaForCausalLM, cfg=LlamaConfig, **more):
    cfg = cfg(**base(num_hidden_layers=1, intermediate_size=64) | more)
    seed(folder)
    cfg.attn_implementation = "eager"
    model = cls(cfg).float().eval()
    fill(model, torch.bfloat16)
    state = {}
    for name, m in model.named_modules():
        if isinstance(m, torch.nn.Linear) and name != "lm_head":
            w, stored = module_of(name, *m.weight.shape, 1.3 / np.sqrt(m.weight.shape[1]))
            m.weight.data = torch.from_numpy(np.ascontiguousarray(w)).float()
            state |= {f"{name}.{k}": v for k, v in stored.items()}
            if m.bias is not None:
                state[f"{name}.bias"] = m.bias.data.to(torch.bfloat16)
    for name, p in model.state_dict().items():
        if name.rsplit(".", 1)[0] + ".qweight" not in state and name not in state and \
           name.rsplit(".", 1)[0] + ".weight_packed" not in state:
            state[name] = p.to(torch.bfloat16).contiguous()
    os.makedirs(folder, exist_ok=True)
    golden(model, folder)
    save_file(state, f"{folder}/model.safetensors", metadata={"format": "pt"})
    config = cfg.to_dict() | {"quantization_config": quantization, "architectures": [cls.__name__]}
    json.dump(config, open(f"{folder}/config.json", "w"), indent=1, sort_keys=True)


SMALL = dict(hidden_size=32, intermediate_size=32, head_dim=16)
MOE = dict(moe_intermediate_size=32, num_experts=4, num_experts_per_tok=2)
FAMILIES = [
    ("cohere", "Cohere", dict(use_qk_norm=False)),
    ("cohere2-window", "Cohere2", dict(num_hidden_layers=4, sliding_window=8)),
    ("gemma", "Gemma", {}),
    ("gemma2-window", "Gemma2", dict(sliding_window=8, query_pre_attn_scalar=20)),
    ("glm", "Glm", dict(attention_bias=True)),
    ("glm4", "Glm4", dict(attention_bias=True)),
    ("granite", "Granite", dict(embedding_multiplier=3.0, residual_multiplier=0.5, attention_multiplier=0.2, logits_scaling=2.0,
                                head_dim=8)),
    ("granitemoe", "GraniteMoe", dict(embedding_multiplier=3.0, residual_multiplier=0.5, attention_multiplier=0.2,
                                      logits_scaling=2.0, num_local_experts=4, num_experts_per_tok=2, head_dim=8)),
    ("mixtral", "Mixtral", dict(num_local_experts=4, num_experts_per_tok=2)),
    ("olmo2", "Olmo2", dict(head_dim=8)),
    ("olmoe", "Olmoe", dict(num_experts=4, num_experts_per_tok=2, head_dim=8)),
    ("phi3-longrope", "Phi3", dict(head_dim=8, original_max_position_embeddings=16, rope_parameters={
        "rope_type": "longrope", "rope_theta": 10000.0, "short_factor": [1.0, 1.1, 1.2, 1.3], "long_factor": [1.0, 1.5, 2.0, 3.0],
        "original_max_position_embeddings": 16})),
    ("qwen2-moe", "Qwen2Moe", MOE | dict(shared_expert_intermediate_size=32, head_dim=8)),
    ("qwen3", "Qwen3", {}),
    ("qwen3-moe", "Qwen3Moe", MOE | dict(norm_topk_prob=True)),
    ("seed-oss", "SeedOss", {}),
    ("starcoder2", "Starcoder2", dict(sliding_window=8, use_bias=True, head_dim=8, norm_epsilon=1e-5)),
]


def ct(weights, fmt):
    return {"quant_method": "compressed-tensors", "format": fmt, "ignore": ["lm_head"],
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}}}


def main():
    top = (sys.argv[1:] + ["."])[0] + "/hf"
    llama3 = {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
              "original_max_position_embeddings": 64}
    yarn = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 64}
    make(f"{top}/llama-parts-bf16", LlamaForCausalLM, LlamaConfig(**base(
        head_dim=32, attention_bias=True, mlp_bias=True, rope_parameters=llama3)), torch.bfloat16, "60KB")
    make(f"{top}/llama-yarn-tied-f16", LlamaForCausalLM, LlamaConfig(**base(
        num_key_value_heads=4, tie_word_embeddings=True, rope_parameters=yarn)), torch.float16)
    make(f"{top}/mistral-window-f32", MistralForCausalLM, MistralConfig(**base(sliding_window=8, rope_parameters={
        "rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0})), torch.float32)
    make(f"{top}/qwen2-bf16", Qwen2ForCausalLM, Qwen2Config(**base(rope_parameters={
        "rope_type": "default", "rope_theta": 1000000.0})), torch.bfloat16)
    make(f"{top}/gemma3-window-bf16", Gemma3ForCausalLM, Gemma3TextConfig(**base(
        num_hidden_layers=7, num_attention_heads=2, num_key_value_heads=1, head_dim=32, query_pre_attn_scalar=24,
        sliding_window=8, final_logit_softcapping=20.0, rope_parameters={
            "full_attention": {"rope_type": "linear", "rope_theta": 1000000.0, "factor": 8.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}})), torch.bfloat16)
    for name, family, more in FAMILIES:
        cfg = getattr(transformers, family + "Config")(**base(**(SMALL | more)))
        make(f"{top}/{name}-bf16", getattr(transformers, family + "ForCausalLM"), cfg, torch.bfloat16)
    quantized(f"{top}/llama-awq-quants", {"quant_method": "awq", "bits": 4, "group_size": 32, "zero_point": True,
                                          "version": "gemm"}, awq)
    quantized(f"{top}/llama-gptq-quants", {"quant_method": "gptq", "bits": 4, "group_size": 32, "sym": True,
                                           "desc_act": False, "checkpoint_format": "gptq"}, gptq)
    quantized(f"{top}/qwen2-gptq-order", {"quant_method": "gptq", "bits": 4, "group_size": 32, "sym": False,
                                          "desc_act": True}, lambda *a: gptq(*a, sym=False, act_order=True),
              Qwen2ForCausalLM, Qwen2Config)
    quantized(f"{top}/llama-gptq8-quants", {"quant_method": "gptq", "bits": 8, "group_size": 64, "sym": True,
                                            "checkpoint_format": "gptq_v2"},
              lambda *a: gptq(*a, group=64, bits=8, v2=True))
    quantized(f"{top}/llama-fp8-block", {"quant_method": "fp8", "weight_block_size": [128, 128], "activation_scheme": "dynamic"},
              fp8_block, intermediate_size=192)
    quantized(f"{top}/llama-fp8-channel", ct({"num_bits": 8, "type": "float", "strategy": "channel"}, "float-quantized"),
              fp8_channel)
    quantized(f"{top}/llama-int4-quants", ct({"num_bits": 4, "type": "int", "strategy": "group", "group_size": 32},
                                             "pack-quantized"), ct_int4)
    quantized(f"{top}/llama-int8-quants", ct({"num_bits": 8, "type": "int", "strategy": "channel"}, "int-quantized"), ct_int8)


main()
