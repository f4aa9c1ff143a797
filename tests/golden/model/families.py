#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write a small random model of each family as GGUF, with tokens and the logits that transformers gives for them.

Usage: families.py [FOLDER [NAME ...]]

Here the weights are made in Hugging Face's form, rounded to bf16, and go the way of llama.cpp's converter: the names are
those of the gguf package, the permutations and splits those of its convert_hf_to_gguf.py. Families that transformers does
not have are made from one that computes the same (baichuan, minicpm and internlm2 from llama and granite).
"""
import sys
import numpy as np
import torch
import transformers as hf
from gguf import GGMLQuantizationType as T, GGUFWriter, quants

N_TOK, VOCAB = 32, 96

TOP = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
       "model.norm.bias": "output_norm.bias", "lm_head.weight": "output.weight"}
NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
         "self_attn.qkv_proj": "attn_qkv", "self_attn.q_a_proj": "attn_q_a", "self_attn.q_b_proj": "attn_q_b",
         "self_attn.q_a_layernorm": "attn_q_a_norm", "self_attn.kv_a_proj_with_mqa": "attn_kv_a_mqa",
         "self_attn.kv_a_layernorm": "attn_kv_a_norm", "self_attn.kv_b_proj": "attn_kv_b",
         "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "mlp.gate_up_proj": "ffn_up",
         "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down", "mlp.gate": "ffn_gate_inp", "mlp.router": "ffn_gate_inp",
         "block_sparse_moe.router": "ffn_gate_inp", "mlp.shared_expert_gate": "ffn_gate_inp_shexp",
         "mlp.shared_expert.gate_proj": "ffn_gate_shexp", "mlp.shared_expert.up_proj": "ffn_up_shexp",
         "mlp.shared_expert.down_proj": "ffn_down_shexp", "mlp.shared_experts.gate_proj": "ffn_gate_shexp",
         "mlp.shared_experts.up_proj": "ffn_up_shexp", "mlp.shared_experts.down_proj": "ffn_down_shexp",
         "shared_mlp.output_linear": "ffn_down_shexp",
         "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
POST = {"post_attention_layernorm": "post_attention_norm", "post_feedforward_layernorm": "post_ffw_norm"}
MORE = {"gemma2": POST | {"pre_feedforward_layernorm": "ffn_norm"}, "olmo2": POST, "exaone4": POST,
        "glm4": {"post_self_attn_layernorm": "post_attention_norm", "post_mlp_layernorm": "post_ffw_norm"},
        "seed_oss": {"post_attention_layernorm": "post_attention_norm"},
        "gpt-oss": {"post_attention_layernorm": "post_attention_norm"},
        "glm4moe": {"post_attention_layernorm": "post_attention_norm"}}
PERMUTED = {"llama", "granite", "granitemoe", "minicpm", "internlm2", "baichuan"}


def bf16(a):
    return torch.from_numpy(np.asarray(a, np.float32)).bfloat16().float().numpy()


def random(rng, name, shape, cfg, arch, how):
    """Values of one of Hugging Face's parameters."""
    if "norm" in name and name.endswith("weight"):
        return ((0 if arch.startswith("gemma") else 1) + 0.3 * rng.standard_normal(shape)).astype(np.float32)
    if name.endswith("sinks"):
        return (2 + rng.standard_normal(shape)).astype(np.float32)
    if len(shape) == 1 or "bias" in name:
        return bf16(0.3 * rng.standard_normal(shape))
    cols = cfg.hidden_size if "embed" in name else shape[-2] if arch == "gpt-oss" and "experts" in name else shape[-1]
    gain = {"experts.gate_up_proj": how.get("gate_up", 1.3), "gate.weight": 3, "router.weight": 3, "q_proj.weight": 2, "lm_head.weight": 1.3}
    return bf16(next((g for n, g in gain.items() if name.endswith(n)), 1.3) / np.sqrt(cols) * rng.standard_normal(shape))


def permute(w, n_head):
    return w.reshape(n_head, 2, w.shape[0] // n_head // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def experts(rest, v, arch, quantize):
    """The experts' tensors of a layer: name and values."""
    if arch == "gpt-oss":
        if rest.endswith("gate_up_proj"):
            return [("ffn_gate_exps.weight", v[:, :, ::2].swapaxes(1, 2)), ("ffn_up_exps.weight", v[:, :, 1::2].swapaxes(1, 2))]
        if rest.endswith("gate_up_proj_bias"):
            return [("ffn_gate_exps.bias", v[:, ::2]), ("ffn_up_exps.bias", v[:, 1::2])]
        return [("ffn_down_exps.bias", v)] if rest.endswith("bias") else [("ffn_down_exps.weight", v.swapaxes(1, 2))]
    if rest.endswith("down_proj"):
        return [("ffn_down_exps.weight", v)]
    n = v.shape[1] // 2
    return [("ffn_gate_exps.weight", v[:, :n]), ("ffn_up_exps.weight", v[:, n:])]


def split_kv_b(v, cfg):
    """kv_b of all heads as k_b, turned, and v_b."""
    v = v.reshape(cfg.num_attention_heads, cfg.qk_nope_head_dim + cfg.v_head_dim, -1)
    return [("attn_k_b.weight", v[:, :cfg.qk_nope_head_dim].swapaxes(1, 2)), ("attn_v_b.weight", v[:, cfg.qk_nope_head_dim:])]


def convert(name, v, arch, cfg, how):
    """What the converter makes of a parameter: pairs of name and values."""
    if arch.startswith("gemma") and "norm" in name:
        v = v + 1
    if name in TOP:
        return [(TOP[name], v)]
    _, _, layer, rest = name.split(".", 3)
    if ".experts." in name:
        pairs = experts(rest, v, arch, how)
    elif rest == "mlp.gate.e_score_correction_bias":
        pairs = [("exp_probs_b.bias", v)]
    elif rest == "self_attn.sinks":
        pairs = [("attn_sinks.weight", v)]
    elif rest == "shared_mlp.input_linear.weight":
        pairs = [("ffn_gate_shexp.weight", v[:len(v) // 2]), ("ffn_up_shexp.weight", v[len(v) // 2:])]
    elif rest == "self_attn.kv_b_proj.weight" and how.get("absorbed", True):
        pairs = split_kv_b(v, cfg)
    elif rest == "mlp.shared_expert_gate.weight":
        pairs = [("ffn_gate_inp_shexp.weight", v[0])]
    else:
        if arch in PERMUTED and "q_proj" in rest:
            v = permute(v, cfg.num_attention_heads)
        if arch in PERMUTED and "k_proj" in rest:
            v = permute(v, cfg.num_key_value_heads)
        rest, kind = rest.rsplit(".", 1)
        pairs = [((NAMES | MORE.get(arch, {}))[rest] + "." + kind, v)]
    return [(f"blk.{layer}.{n}", w) for n, w in pairs]


def joined(tensors, how):
    """q, k and v in one tensor, as the converters of some families leave them."""
    if not how.get("qkv"):
        return tensors
    out = {}
    for n, v in tensors.items():
        if ".attn_q." in n:
            parts = [tensors[n.replace("attn_q", f"attn_{k}")] for k in "qkv"]
            out[n.replace("attn_q", "attn_qkv")] = np.concatenate(parts)
        elif ".attn_k." not in n and ".attn_v." not in n:
            out[n] = v
    return out


def split_experts(tensors, how):
    """A tensor for each expert, as the first converters of Mixtral wrote them."""
    if not how.get("split_experts"):
        return tensors
    out = {}
    for n, v in tensors.items():
        out |= {n.replace("_exps", f".{e}"): w for e, w in enumerate(v)} if "_exps." in n else {n: v}
    return out


def put_keys(w, arch, cfg, how):
    def u32(k, v):
        if v:
            w.add_uint32(f"{arch}.{k}", v)

    def f32(k, v):
        if v:
            w.add_float32(f"{arch}.{k}", v)
    head = how.get("head_dim") or getattr(cfg, "head_dim", None) or cfg.hidden_size // cfg.num_attention_heads
    u32("block_count", cfg.num_hidden_layers + how.get("n_next", 0))
    u32("context_length", cfg.max_position_embeddings)
    u32("embedding_length", cfg.hidden_size)
    u32("feed_forward_length", cfg.intermediate_size)
    u32("attention.head_count", cfg.num_attention_heads)
    u32("attention.head_count_kv", how.get("n_kv_head", cfg.num_key_value_heads))
    u32("attention.key_length", head)
    u32("attention.value_length", how.get("v_dim", head))
    if hasattr(cfg, "rms_norm_eps"):
        f32("attention.layer_norm_rms_epsilon", cfg.rms_norm_eps)
    else:
        f32("attention.layer_norm_epsilon", getattr(cfg, "layer_norm_eps", None) or cfg.norm_epsilon)
    p = cfg.rope_parameters
    p = p.get("full_attention", p)
    f32("rope.freq_base", p["rope_theta"])
    u32("rope.dimension_count", how.get("n_rot") or int(head * p.get("partial_rotary_factor", 1)))
    if p["rope_type"] in ("linear", "yarn"):
        w.add_string(f"{arch}.rope.scaling.type", p["rope_type"])
        f32("rope.scaling.factor", p["factor"])
        u32("rope.scaling.original_context_length", p.get("original_max_position_embeddings"))
    for k, v in how.get("keys", {}).items():
        {int: w.add_uint32, float: w.add_float32, bool: w.add_bool, str: w.add_string, list: w.add_array}[type(v)](f"{arch}.{k}", v)


def put_tensor(w, name, v, how):
    v = np.ascontiguousarray(v, np.float32)
    kind = how.get("qtype", {}).get(name.split(".")[-2]) if name.endswith("weight") else None
    if kind:
        w.add_tensor(name, quants.quantize(v, T[kind]), raw_dtype=T[kind])
    elif v.ndim > 1 and name.endswith("weight") and "norm" not in name and "gate_inp" not in name:
        w.add_tensor(name, quants.quantize(v, T.BF16), raw_dtype=T.BF16)
    else:
        w.add_tensor(name, v)


def quantized(v, how, rest):
    """Values that the type of the experts can hold, made in the layout that the file has."""
    if not how.get("qtype") or not rest.endswith("proj"):
        return v
    t = np.ascontiguousarray(v.swapaxes(1, 2))
    return np.ascontiguousarray(quants.dequantize(quants.quantize(t, T.MXFP4), T.MXFP4).reshape(t.shape).swapaxes(1, 2))


def make(folder, name, arch, cls, cfg, **how):
    rng = np.random.default_rng(sum(name.encode()) + how.get("seed", 0))
    cfg._attn_implementation = "eager"
    model = cls(cfg).float().eval()
    state, tensors = {}, {}
    for n, p in model.state_dict().items():
        if n == "lm_head.weight" and cfg.tie_word_embeddings:
            continue
        v = random(rng, n, tuple(p.shape), cfg, arch, how)
        if ".experts." in n:
            v = quantized(v, how, n)
        state[n] = torch.from_numpy(v)
        tensors |= dict(convert(n, v, arch, cfg, how))
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and all(m == "lm_head.weight" for m in missing)
    if how.get("prepare"):
        how["prepare"](model)
    w = GGUFWriter(f"{folder}/{name}.gguf", arch)
    put_keys(w, arch, cfg, how)
    for n, v in (split_experts(joined(tensors, how), how) | how.get("tensors", {})).items():
        put_tensor(w, n, v, how)
    tokens = rng.integers(0, VOCAB, N_TOK)
    more = {"attention_mask": how["mask"]} if "mask" in how else {}
    with torch.no_grad():
        logits = model(torch.from_numpy(tokens)[None], use_cache=False, **more).logits[0].numpy()
    w.add_array("golden.tokens", [int(t) for t in tokens])
    w.add_array("golden.logits", logits.ravel().tolist())
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    print(f"{name}: deviation of logits {logits.std():.2f}, nan {np.isnan(logits).any()}")


def base(**more):
    return dict(vocab_size=VOCAB, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
                num_key_value_heads=2, max_position_embeddings=256, bos_token_id=None, eos_token_id=None,
                pad_token_id=None, tie_word_embeddings=False) | more


def normed(**more):
    return base(rms_norm_eps=1e-5) | more


def rope(**more):
    return dict(rope_type="default", rope_theta=10000.0) | more


def causal(slopes=None):
    """A mask of all heads, with what ALiBi adds."""
    pos = np.arange(N_TOK)
    past = pos[None, :] - pos[:, None]
    m = np.zeros((1, 1 if slopes is None else len(slopes), N_TOK, N_TOK)) if slopes is None else np.asarray(slopes)[None, :, None, None] * past
    return torch.from_numpy(np.where(past > 0, np.finfo(np.float32).min, m).astype(np.float32))


def no_rope(model):
    model.model.rotary_emb.inv_freq.zero_()


LONG = dict(short_factor=[1.0, 1.5, 2.0], long_factor=[1.0, 2.0, 4.0])


def longrope(name, max_len, original):
    cfg = hf.Phi3Config(**normed(max_position_embeddings=max_len, original_max_position_embeddings=original, sliding_window=None,
                                 rope_parameters=rope(rope_type="longrope", partial_rotary_factor=0.75,
                                                      original_max_position_embeddings=original, **LONG)))
    factor = float(np.sqrt(1 + np.log(max_len / original) / np.log(original)))
    return (name, "phi3", hf.Phi3ForCausalLM, cfg, dict(
        keys={"rope.scaling.original_context_length": original, "rope.scaling.attn_factor": factor},
        tensors={f"rope_factors_{k}.weight": np.array(LONG[f"{k}_factor"], np.float32) for k in ("long", "short")}))


def deepseek(name, cls, cfg, absorbed=True, **more):
    keys = {"attention.q_lora_rank": cfg.q_lora_rank or 0, "attention.kv_lora_rank": cfg.kv_lora_rank,
            "leading_dense_block_count": cfg.first_k_dense_replace, "expert_count": cfg.n_routed_experts,
            "expert_used_count": cfg.num_experts_per_tok, "expert_shared_count": cfg.n_shared_experts,
            "expert_feed_forward_length": cfg.moe_intermediate_size, "expert_weights_scale": float(cfg.routed_scaling_factor),
            "expert_group_count": cfg.n_group, "expert_group_used_count": cfg.topk_group} | more.get("keys", {})
    head, row = cfg.qk_nope_head_dim + cfg.qk_rope_head_dim, cfg.kv_lora_rank + cfg.qk_rope_head_dim
    if absorbed:
        keys |= {"attention.key_length_mla": head, "attention.value_length_mla": cfg.v_head_dim}
    return (name, "deepseek2", cls, cfg, dict(absorbed=absorbed, keys=keys, n_rot=cfg.qk_rope_head_dim, head_dim=row if absorbed else head,
                                              v_dim=cfg.kv_lora_rank if absorbed else cfg.v_head_dim,
                                              n_kv_head=1 if absorbed else cfg.num_attention_heads, seed=more.get("seed", 0)))


def mla(**more):
    return normed(num_hidden_layers=2, num_key_value_heads=4, n_routed_experts=8, num_experts_per_tok=3, moe_intermediate_size=24,
                  first_k_dense_replace=1, kv_lora_rank=24, q_lora_rank=12, qk_nope_head_dim=12, qk_rope_head_dim=4,
                  v_head_dim=10, n_shared_experts=1, n_group=4, topk_group=2, routed_scaling_factor=1.5) | more


def dense():
    local = dict(layer_types=["sliding_attention", "full_attention"], sliding_window=8)
    four = dict(num_hidden_layers=4, layer_types=["sliding_attention"] * 3 + ["full_attention"], sliding_window=8)
    window = {"attention.sliding_window": 8}
    alibi = [2.0 ** (-8 * (h + 1) / 4) for h in range(4)] + [2.0 ** (-4 * (2 * h + 1) / 4) for h in range(2)]
    tied = dict(tie_word_embeddings=True)
    return [
        ("qwen3", "qwen3", hf.Qwen3ForCausalLM, hf.Qwen3Config(**normed(head_dim=12, **tied)), {}),
        ("gemma", "gemma", hf.GemmaForCausalLM, hf.GemmaConfig(**normed(head_dim=12, **tied)), {}),
        ("gemma2", "gemma2", hf.Gemma2ForCausalLM,
         hf.Gemma2Config(**normed(head_dim=12, query_pre_attn_scalar=12, attn_logit_softcapping=2.0, final_logit_softcapping=3.0, **local, **tied)),
         dict(keys=window | {"attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0})),
        longrope("phi3-longrope-long", 256, 16),
        longrope("phi3-longrope-short", 64, 64),
        ("phi3-window", "phi3", hf.Phi3ForCausalLM, hf.Phi3Config(**normed(sliding_window=8, rope_parameters=rope(partial_rotary_factor=1.0))),
         dict(keys=window)),
        ("olmo2", "olmo2", hf.Olmo2ForCausalLM, hf.Olmo2Config(**normed()), {}),
        ("olmo3", "olmo2", hf.Olmo3ForCausalLM, hf.Olmo3Config(**normed(rope_parameters={
            "sliding_attention": rope(), "full_attention": rope(rope_type="yarn", factor=4.0, original_max_position_embeddings=64)}, **four)),
         dict(keys=window | {"rope.scaling.attn_factor": 0.1 * float(np.log(4)) + 1, "attention.sliding_window_pattern": [True, True, True, False]})),
        ("granite", "granite", hf.GraniteForCausalLM,
         hf.GraniteConfig(**normed(embedding_multiplier=3.0, residual_multiplier=0.5, attention_multiplier=0.1, logits_scaling=2.0)),
         dict(keys={"embedding_scale": 3.0, "residual_scale": 0.5, "attention.scale": 0.1, "logit_scale": 2.0})),
        ("granite-nope", "granite", hf.GraniteForCausalLM, hf.GraniteConfig(**normed(embedding_multiplier=1.0, attention_multiplier=0.3)),
         dict(prepare=no_rope, keys={"rope.scaling.finetuned": False, "attention.scale": 0.3})),
        ("command-r", "command-r", hf.CohereForCausalLM, hf.CohereConfig(**base(logit_scale=0.25, use_qk_norm=True, **tied)),
         dict(keys={"logit_scale": 0.25})),
        ("cohere2", "cohere2", hf.Cohere2ForCausalLM, hf.Cohere2Config(**base(logit_scale=0.25, **four, **tied)),
         dict(keys=window | {"logit_scale": 0.25})),
        ("starcoder2", "starcoder2", hf.Starcoder2ForCausalLM, hf.Starcoder2Config(**base(norm_epsilon=1e-5, sliding_window=8, **tied)),
         dict(keys=window)),
        ("internlm2", "internlm2", hf.LlamaForCausalLM, hf.LlamaConfig(**normed()), {}),
        ("minicpm", "minicpm", hf.GraniteForCausalLM,
         hf.GraniteConfig(**normed(embedding_multiplier=12.0, residual_multiplier=1.4 / np.sqrt(2), attention_multiplier=8 ** -0.5, logits_scaling=0.125)), {}),
        ("chatglm", "chatglm", hf.GlmForCausalLM, hf.GlmConfig(**normed(head_dim=16, attention_bias=True)), dict(qkv=True)),
        ("glm4", "glm4", hf.Glm4ForCausalLM, hf.Glm4Config(**normed(head_dim=16, attention_bias=True)), {}),
        ("baichuan-7b", "baichuan", hf.LlamaForCausalLM, hf.LlamaConfig(**normed(num_key_value_heads=4)), {}),
        ("baichuan-alibi", "baichuan", hf.LlamaForCausalLM,
         hf.LlamaConfig(**normed(hidden_size=48, num_attention_heads=6, num_key_value_heads=6)),
         dict(prepare=no_rope, mask=causal(alibi), keys={"attention.max_alibi_bias": 8.0})),
        ("exaone4", "exaone4", hf.Exaone4ForCausalLM, hf.Exaone4Config(**normed(**four)), dict(keys=window)),
        ("exaone4-all", "exaone4", hf.Exaone4ForCausalLM, hf.Exaone4Config(**normed(sliding_window=None, layer_types=["full_attention"] * 2)), {}),
        ("seed-oss", "seed_oss", hf.SeedOssForCausalLM, hf.SeedOssConfig(**normed(head_dim=12)), {}),
    ]


def sparse():
    four, two = {"expert_count": 6, "expert_used_count": 2}, dict(num_experts_per_tok=2)
    yarn = rope(rope_type="yarn", factor=4.0, original_max_position_embeddings=64)
    deep = rope(rope_type="yarn", factor=4.0, original_max_position_embeddings=64, mscale=0.7, mscale_all_dim=0.7, beta_fast=32.0, beta_slow=1.0)
    oss = hf.GptOssConfig(**normed(num_local_experts=6, head_dim=16, sliding_window=8, intermediate_size=64,
                                   rope_parameters=yarn | {"truncate": False, "beta_fast": 32.0, "beta_slow": 1.0}, **two))
    glm = dict(n_routed_experts=8, moe_intermediate_size=24, first_k_dense_replace=1, n_shared_experts=1, n_group=4, topk_group=2,
               routed_scaling_factor=1.5, head_dim=16, use_qk_norm=True, attention_bias=True, num_hidden_layers=2)
    return [
        ("mixtral", "llama", hf.MixtralForCausalLM, hf.MixtralConfig(**normed(num_local_experts=6, intermediate_size=24, sliding_window=None, **two)), dict(keys=four)),
        ("mixtral-split", "llama", hf.MixtralForCausalLM, hf.MixtralConfig(**normed(num_local_experts=6, intermediate_size=24, sliding_window=None, **two)),
         dict(keys=four, split_experts=True)),
        ("qwen2moe", "qwen2moe", hf.Qwen2MoeForCausalLM,
         hf.Qwen2MoeConfig(**normed(num_experts=6, moe_intermediate_size=24, shared_expert_intermediate_size=40, **two)), dict(keys=four)),
        ("qwen3moe", "qwen3moe", hf.Qwen3MoeForCausalLM,
         hf.Qwen3MoeConfig(**normed(num_experts=6, moe_intermediate_size=24, head_dim=12, norm_topk_prob=True, mlp_only_layers=[0], **two)),
         dict(keys=four)),
        ("granitemoe", "granitemoe", hf.GraniteMoeSharedForCausalLM,
         hf.GraniteMoeSharedConfig(**normed(num_local_experts=6, intermediate_size=24, shared_intermediate_size=40, embedding_multiplier=3.0, residual_multiplier=0.5,
                                            attention_multiplier=0.1, logits_scaling=2.0, **two)),
         dict(keys=four | {"embedding_scale": 3.0, "residual_scale": 0.5, "attention.scale": 0.1, "logit_scale": 2.0,
                           "expert_shared_feed_forward_length": 40})),
        ("olmoe", "olmoe", hf.OlmoeForCausalLM, hf.OlmoeConfig(**normed(num_experts=6, intermediate_size=24, **two)), dict(keys=four)),
        ("glm4moe", "glm4moe", hf.Glm4MoeForCausalLM, hf.Glm4MoeConfig(**normed(num_experts_per_tok=3, **glm)),
         dict(n_next=1, tensors={"blk.2.nextn.eh_proj.weight": np.zeros((4, 4))}, keys={
             "nextn_predict_layers": 1, "expert_count": 8, "expert_used_count": 3, "expert_group_count": 4, "expert_group_used_count": 2,
             "expert_weights_scale": 1.5, "expert_weights_norm": True, "expert_gating_func": 2})),
        ("gpt-oss", "gpt-oss", hf.GptOssForCausalLM, oss, dict(gate_up=5, keys=four | {"attention.sliding_window": 8})),
        ("gpt-oss-quants", "gpt-oss", hf.GptOssForCausalLM, oss, # a seed whose choice of experts is not changed by int8 activations
         dict(seed=11, keys=four | {"attention.sliding_window": 8},
              qtype={k: "MXFP4" for k in ("ffn_gate_exps", "ffn_up_exps", "ffn_down_exps")})),
        deepseek("deepseek2-v2", hf.DeepseekV2ForCausalLM, hf.DeepseekV2Config(**mla(topk_method="group_limited_greedy", n_group=2, topk_group=1)), seed=2),
        deepseek("deepseek2-expanded", hf.DeepseekV2ForCausalLM, hf.DeepseekV2Config(**mla(q_lora_rank=None, topk_method="greedy")), absorbed=False,
                 keys={"expert_group_count": 1}),
        deepseek("deepseek2-v3", hf.DeepseekV3ForCausalLM, hf.DeepseekV3Config(**mla(norm_topk_prob=True, rope_parameters=deep, rope_interleave=True)),
                 keys={"expert_gating_func": 2, "expert_weights_norm": True, "rope.scaling.yarn_log_multiplier": 0.07}),
    ]


def main():
    folder, wanted = (sys.argv[1:2] + ["."])[0], sys.argv[2:]
    for name, arch, cls, cfg, how in dense() + sparse():
        if not wanted or name in wanted:
            make(folder, name, arch, cls, cfg, **how)


main()
