#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the folders beside this file: tiny random models with two LoRA adapters each, and what transformers and PEFT make of
them. Needs torch, transformers, peft, safetensors and gguf; the files are committed, so that tests need none of these.

  MODEL/config.json, model.safetensors   the model
  MODEL/a                                adapter of all linear modules, in F32; also as a.gguf
  MODEL/b                                rslora, other ranks and alphas for some modules, the head too; in BF16
  MODEL/golden.safetensors               tokens [n], and logits [n][vocabulary] of base, a and b
"""
import json, os, shutil

import gguf, numpy, torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM, Phi3Config, Phi3ForCausalLM, Qwen2Config, Qwen2ForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
SIZE = dict(vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            max_position_embeddings=128, tie_word_embeddings=False, rope_theta=10000.0)
MODULES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
           "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "self_attn.qkv_proj": "attn_qkv",
           "mlp.gate_up_proj": "ffn_up"}


def adapters(q, v, *more):
    """The configurations of a and b."""
    return (LoraConfig(r=8, lora_alpha=12, target_modules=[q, v, *more, "o_proj", "down_proj"]),
            LoraConfig(r=4, lora_alpha=6, use_rslora=True, target_modules=[q, v, "down_proj", "lm_head"],
                       rank_pattern={q: 2, "model.layers.1.mlp.down_proj": 3}, alpha_pattern={"layers.0.self_attn." + v: 2.5}))


def scramble(model, seed, size, only=lambda name: True):
    torch.manual_seed(seed)
    for name, p in model.named_parameters():
        if only(name):
            p.data.copy_(torch.randn(p.shape) * size)


def interleave(rows, n_head):
    """Rows of q or k as the model's GGUF form has them: convert_hf_to_gguf.py of llama.cpp, LlamaModel.permute()."""
    n, k = rows.shape
    return rows.reshape(n_head, 2, n // n_head // 2, k).swapaxes(1, 2).reshape(n, k)


def write_gguf(folder, out, family, alpha):
    w = gguf.GGUFWriter(out, family)
    w.add_string("general.type", "adapter")
    w.add_string("adapter.type", "lora")
    w.add_float32("adapter.lora.alpha", float(alpha))
    for name, t in sorted(load_file(folder + "/adapter_model.safetensors").items()):
        _, _, _, _, layer, *module, side, _ = name.split(".")
        v = t.numpy()
        if side == "lora_B" and family == "llama" and module[-1] in ("q_proj", "k_proj"):
            v = interleave(v, SIZE["num_attention_heads" if module[-1] == "q_proj" else "num_key_value_heads"])
        w.add_tensor(f"blk.{layer}.{MODULES['.'.join(module)]}.weight.{side.lower()}", numpy.ascontiguousarray(v))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def save_adapter(model, folder, dtype):
    model.save_pretrained(folder)
    for f in os.listdir(folder):
        if f not in ("adapter_config.json", "adapter_model.safetensors"):
            os.remove(os.path.join(folder, f))
    with open(folder + "/adapter_config.json") as f:
        config = {**json.load(f), "base_model_name_or_path": "tiny", "target_modules": sorted(model.peft_config["default"].target_modules)}
    with open(folder + "/adapter_config.json", "w") as f:
        json.dump(config, f, indent=2, sort_keys=True)
    path = folder + "/adapter_model.safetensors"
    save_file({k: v.to(dtype).contiguous() for k, v in load_file(path).items()}, path)


def make(name, config, cls, seed, a, b):
    folder = os.path.join(HERE, name)
    shutil.rmtree(folder, ignore_errors=True)
    tokens = torch.tensor([[(7 * i * i + 3 * i + seed) % SIZE["vocab_size"] for i in range(24)]])
    golden = {"tokens": tokens[0].to(torch.int32)}
    torch.manual_seed(seed)
    base = cls(config).eval().float()
    scramble(base, seed, 0.25)
    base.save_pretrained(folder)
    os.path.exists(folder + "/generation_config.json") and os.remove(folder + "/generation_config.json")
    with torch.no_grad():
        golden["logits.base"] = base(tokens).logits[0].float().contiguous()
        for key, adapter, dtype in (("a", a, torch.float32), ("b", b, torch.bfloat16)):
            model = get_peft_model(cls.from_pretrained(folder).eval().float(), adapter).eval()
            scramble(model, seed + ord(key), 0.3, lambda n: "lora_" in n)
            for n, p in model.named_parameters():
                if "lora_" in n:
                    p.data.copy_(p.data.to(dtype).float())
            golden["logits." + key] = model(tokens).logits[0].float().contiguous()
            save_adapter(model, f"{folder}/{key}", dtype)
    write_gguf(folder + "/a", folder + "/a.gguf", config.model_type, a.lora_alpha)
    save_file(golden, folder + "/golden.safetensors")
    for where, _, files in os.walk(folder):
        for f in files:
            os.chmod(os.path.join(where, f), 0o644)
    for k in ("a", "b"):
        change = (golden["logits." + k] - golden["logits.base"]).norm() / golden["logits.base"].norm()
        print(name, k, f"changes the logits by {change:.2f}")
        assert change > 0.2


SPLIT = adapters("q_proj", "v_proj", "k_proj", "gate_proj", "up_proj")
make("llama", LlamaConfig(**SIZE), LlamaForCausalLM, 11, *SPLIT)
make("qwen2", Qwen2Config(**SIZE), Qwen2ForCausalLM, 12, *SPLIT)
make("phi3", Phi3Config(**SIZE, pad_token_id=0), Phi3ForCausalLM, 13, *adapters("qkv_proj", "gate_up_proj"))
