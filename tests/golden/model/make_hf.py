#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write small random models as Hugging Face folders, with tokens and the logits that transformers gives for them.

Usage: make_hf.py [FOLDER [NAME ...]]

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


def golden(model, folder, mask=None):
    tokens = torch.from_numpy(rng.integers(0, VOCAB, N_TOK).astype(np.int32))
    with torch.no_grad():
        more = {} if mask is None else {"attention_mask": mask}
        logits = model(tokens[None].long(), use_cache=False, **more).logits[0].float()
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
    if "-base-" in folder:
        os.makedirs(f"{folder}/1_Pooling", exist_ok=True)
        json.dump({"pooling_mode_cls_token": False, "pooling_mode_lasttoken": True}, open(f"{folder}/1_Pooling/config.json", "w"))
    (model.model if "-base-" in folder else model).to(dtype).save_pretrained(folder, max_shard_size=shard)


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


def baichuan(state, cfg):
    out = {}
    for n, v in state.items():
        if ".q_proj." in n:
            out[n.replace("q_proj", "W_pack")] = torch.cat([state[n.replace("q_proj", f"{k}_proj")] for k in "qkv"])
        elif ".k_proj." not in n and ".v_proj." not in n:
            out[n] = v
    return out


def internlm2(state, cfg):
    names = {"model.embed_tokens": "model.tok_embeddings", "lm_head": "output", "self_attn.o_proj": "attention.wo",
             "mlp.gate_proj": "feed_forward.w1", "mlp.up_proj": "feed_forward.w3", "mlp.down_proj": "feed_forward.w2",
             "input_layernorm": "attention_norm", "post_attention_layernorm": "ffn_norm"}
    out, n_kv = {}, cfg.num_key_value_heads
    for n, v in state.items():
        if ".q_proj." in n:
            parts = [state[n.replace("q_proj", f"{k}_proj")].reshape(n_kv, -1, v.shape[1]) for k in "qkv"]
            out[n.replace("self_attn.q_proj", "attention.wqkv")] = torch.cat(parts, 1).reshape(-1, v.shape[1])
        elif ".k_proj." not in n and ".v_proj." not in n:
            for a, b in names.items():
                n = n.replace(a, b)
            out[n] = v
    return out


def chatglm(state, cfg):
    names = {"model.embed_tokens": "transformer.embedding.word_embeddings", "model.norm": "transformer.encoder.final_layernorm",
             "lm_head": "transformer.output_layer", "model.layers": "transformer.encoder.layers",
             "self_attn.o_proj": "self_attention.dense", "mlp.gate_up_proj": "mlp.dense_h_to_4h", "mlp.down_proj": "mlp.dense_4h_to_h"}
    out = {}
    for n, v in state.items():
        if ".q_proj." in n:
            v = torch.cat([state[n.replace("q_proj", f"{k}_proj")] for k in "qkv"])
            n = n.replace("self_attn.q_proj", "self_attention.query_key_value")
        elif ".k_proj." in n or ".v_proj." in n:
            continue
        for a, b in names.items():
            n = n.replace(a, b)
        out[n] = v
    return out


def alibi(n_head):
    slopes = [2.0 ** (-8 * (h + 1) / n_head) for h in range(n_head)]
    past = np.arange(N_TOK)[None, :] - np.arange(N_TOK)[:, None]
    m = np.where(past > 0, np.finfo(np.float32).min, np.asarray(slopes)[:, None, None] * past)
    return torch.from_numpy(m.astype(np.float32))[None]


def own_code(folder, cls, cfg, rename, config, prepare=None, mask=None):
    """A family whose folders bring their own code: from one of transformers that computes the same."""
    seed(folder)
    cfg.attn_implementation = cfg._attn_implementation = "eager"
    model = cls(cfg).float().eval()
    fill(model, torch.bfloat16)
    state = {n: p.to(torch.bfloat16).contiguous() for n, p in model.state_dict().items()
             if not (cfg.tie_word_embeddings and n == "lm_head.weight")}
    if prepare:
        prepare(model)
    os.makedirs(folder, exist_ok=True)
    golden(model, folder, mask)
    save_file({n: v.contiguous() for n, v in rename(state, cfg).items()}, f"{folder}/model.safetensors", metadata={"format": "pt"})
    json.dump(config | {"bos_token_id": 1, "eos_token_id": 2, "torch_dtype": "bfloat16"}, open(f"{folder}/config.json", "w"), indent=1, sort_keys=True)


def llama_config(cfg, model_type, **more):
    keys = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
            "max_position_embeddings", "rms_norm_eps", "hidden_act", "tie_word_embeddings")
    c = {k: getattr(cfg, k) for k in keys} | {"model_type": model_type} | more
    return {k: v for k, v in c.items() if v is not None}


def no_rope(model):
    model.model.rotary_emb.inv_freq.zero_()


def make_own_code(top):
    small = dict(hidden_size=32, intermediate_size=32)
    llama = LlamaConfig(**base(**small, num_key_value_heads=4))
    own_code(f"{top}/baichuan-bf16", LlamaForCausalLM, llama, baichuan, llama_config(llama, "baichuan", num_key_value_heads=None))
    own_code(f"{top}/baichuan-alibi-bf16", LlamaForCausalLM, llama, baichuan, llama_config(
        llama, "baichuan", num_key_value_heads=None, max_position_embeddings=None, model_max_length=256), no_rope, alibi(4))
    llama = LlamaConfig(**base(**small))
    own_code(f"{top}/internlm2-bf16", LlamaForCausalLM, llama, internlm2, llama_config(llama, "internlm2", bias=False))
    granite = transformers.GraniteConfig(**base(**small, tie_word_embeddings=True, embedding_multiplier=12.0, residual_multiplier=1.4 / np.sqrt(2),
                                                attention_multiplier=8 ** -0.5, logits_scaling=2.0))
    own_code(f"{top}/minicpm-bf16", transformers.GraniteForCausalLM, granite, lambda s, c: s, llama_config(
        granite, "minicpm", scale_emb=12, scale_depth=1.4, dim_model_base=16))
    glm = transformers.GlmConfig(**base(**small, head_dim=8, attention_bias=True, rope_parameters={
        "rope_type": "default", "rope_theta": 500000.0, "partial_rotary_factor": 0.5}))
    own_code(f"{top}/chatglm-bf16", transformers.GlmForCausalLM, glm, chatglm, {
        "model_type": "chatglm", "padded_vocab_size": VOCAB, "hidden_size": 32, "ffn_hidden_size": 32, "num_layers": 2,
        "num_attention_heads": 4, "kv_channels": 8, "multi_query_attention": True, "multi_query_group_num": 2, "seq_length": 256,
        "layernorm_epsilon": 1e-5, "rmsnorm": True, "add_qkv_bias": True, "rope_ratio": 50, "tie_word_embeddings": False})


FP4 = np.array([0, .5, 1, 1.5, 2, 3, 4, 6, -0., -.5, -1, -1.5, -2, -3, -4, -6], np.float32)


def gpt_oss_mxfp4(folder, cfg):
    """The experts as OpenAI publishes them: two codes a byte, an exponent for each 32."""
    seed(folder)
    cfg.attn_implementation = "eager"
    model = transformers.GptOssForCausalLM(cfg).float().eval()
    fill(model, torch.bfloat16)
    state = {n: p.to(torch.bfloat16).contiguous() for n, p in model.state_dict().items()}
    for n in [n for n in state if n.endswith(("experts.gate_up_proj", "experts.down_proj"))]:
        e, cols, rows = state.pop(n).shape
        blocks = rng.integers(0, 256, (e, rows, cols // 32, 16)).astype(np.uint8)
        scale = rng.integers(121, 124, (e, rows, cols // 32)).astype(np.uint8)
        codes = np.stack([blocks & 15, blocks >> 4], -1).reshape(e, rows, cols // 32, 32)
        w = np.ldexp(FP4[codes], scale[..., None].astype(int) - 127).reshape(e, rows, cols)
        model.get_parameter(n).data = torch.from_numpy(w).float().swapaxes(1, 2).contiguous()
        state[n + "_blocks"], state[n + "_scales"] = torch.from_numpy(blocks), torch.from_numpy(scale)
    os.makedirs(folder, exist_ok=True)
    golden(model, folder)
    save_file(state, f"{folder}/model.safetensors", metadata={"format": "pt"})
    config = cfg.to_dict() | {"quantization_config": {"quant_method": "mxfp4"}, "architectures": ["GptOssForCausalLM"]}
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
    ("qwen3-base", "Qwen3", dict(tie_word_embeddings=True)),
    ("seed-oss", "SeedOss", {}),
    ("starcoder2", "Starcoder2", dict(sliding_window=8, use_bias=True, head_dim=8, norm_epsilon=1e-5)),
]


MLA = dict(head_dim=4, num_key_value_heads=4, n_routed_experts=8, num_experts_per_tok=3, moe_intermediate_size=32, first_k_dense_replace=1,
           kv_lora_rank=32, q_lora_rank=16, qk_nope_head_dim=12, qk_rope_head_dim=4, v_head_dim=8, n_shared_experts=1, n_group=4,
           topk_group=2, routed_scaling_factor=1.5)
YARN = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 64, "beta_fast": 32.0, "beta_slow": 1.0}
FOUR = dict(num_hidden_layers=4, layer_types=["sliding_attention"] * 3 + ["full_attention"], sliding_window=8)
OSS = dict(num_local_experts=6, num_experts_per_tok=2, head_dim=16, sliding_window=8, rope_parameters=YARN | {"truncate": False},
           layer_types=["sliding_attention", "full_attention"])
FAMILIES += [
    ("deepseek-v2", "DeepseekV2", MLA | dict(q_lora_rank=None, topk_method="group_limited_greedy", n_group=2, topk_group=1)),
    ("deepseek-v3-yarn", "DeepseekV3", MLA | dict(norm_topk_prob=True, rope_interleave=True,
                                                  rope_parameters=YARN | {"mscale": 0.7, "mscale_all_dim": 0.7})),
    ("exaone4", "Exaone4", dict(head_dim=8)),
    ("exaone4-window", "Exaone4", FOUR | dict(head_dim=8)),
    ("glm4-moe", "Glm4Moe", dict(n_routed_experts=8, num_experts_per_tok=3, moe_intermediate_size=32, first_k_dense_replace=1,
                                 n_shared_experts=1, n_group=4, topk_group=2, routed_scaling_factor=1.5, head_dim=16,
                                 use_qk_norm=True, attention_bias=True)),
    ("gpt-oss", "GptOss", OSS),
    ("granitemoeshared", "GraniteMoeShared", dict(embedding_multiplier=3.0, residual_multiplier=0.5, attention_multiplier=0.2,
                                                  logits_scaling=2.0, num_local_experts=4, num_experts_per_tok=2, head_dim=8,
                                                  shared_intermediate_size=32)),
    ("olmo3-yarn", "Olmo3", FOUR | dict(head_dim=8, rope_parameters=YARN)),
]


def ct(weights, fmt):
    return {"quant_method": "compressed-tensors", "format": fmt, "ignore": ["lm_head"],
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}}}


def main():
    top, wanted = (sys.argv[1:] + ["."])[0] + "/hf", sys.argv[2:]
    if wanted:
        for f in [globals()[f] for f in ("make", "quantized", "own_code", "gpt_oss_mxfp4")]:
            globals()[f.__name__] = lambda folder, *a, f=f, **k: os.path.basename(folder) in wanted and f(folder, *a, **k)
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
    make_own_code(top)
    gpt_oss_mxfp4(f"{top}/gpt-oss-quants", transformers.GptOssConfig(**base(**SMALL | OSS)))
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
