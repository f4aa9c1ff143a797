#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write small random encoders as GGUF and as Hugging Face folders, with tokens and what transformers makes of each of them.

Usage: encoders.py [FOLDER [NAME ...]]

The golden numbers are the last hidden state of all positions, or where the model has classes their scores, computed for each
position as the model does for its first one. The way to GGUF is that of llama.cpp's converter. nomic_bert, whose code stands
beside its weights, is written down here.
"""
import json
import os
import sys
import zlib
import numpy as np
import torch
import transformers as hf
from gguf import GGMLQuantizationType as T, GGUFWriter, quants
from safetensors.torch import save_file

N_TOK, VOCAB, DIM, HEADS, FFN, LAYERS = 30, 96, 32, 4, 48, 2

BERT = {"embeddings.word_embeddings": "token_embd", "embeddings.token_type_embeddings": "token_types",
        "embeddings.position_embeddings": "position_embd", "embeddings.LayerNorm": "token_embd_norm",
        "attention.self.query": "attn_q", "attention.self.key": "attn_k", "attention.self.value": "attn_v",
        "attention.output.dense": "attn_output", "attention.output.LayerNorm": "attn_output_norm",
        "intermediate.dense": "ffn_up", "output.dense": "ffn_down", "output.LayerNorm": "layer_output_norm",
        "pooler.dense": "cls", "classifier": "cls.output", "classifier.dense": "cls", "classifier.out_proj": "cls.output"}
MODERN = {"embeddings.tok_embeddings": "token_embd", "embeddings.norm": "token_embd_norm", "attn_norm": "attn_norm",
          "attn.Wqkv": "attn_qkv", "attn.Wo": "attn_output", "mlp_norm": "ffn_norm", "mlp.Wi": "ffn_up", "mlp.Wo": "ffn_down",
          "final_norm": "output_norm"}
NOMIC = {"embeddings.word_embeddings": "token_embd", "embeddings.token_type_embeddings": "token_types", "emb_ln": "token_embd_norm",
         "attn.Wqkv": "attn_qkv", "attn.out_proj": "attn_output", "norm1": "attn_output_norm", "mlp.fc11": "ffn_up",
         "mlp.fc12": "ffn_gate", "mlp.fc2": "ffn_down", "norm2": "layer_output_norm"}


class Nomic(torch.nn.Module):
    """nomic_bert: BERT with rope over halves of heads, and fc11(x) * silu(fc12(x)); norms behind the blocks."""

    class Layer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            lin = lambda o, i: torch.nn.Linear(i, o, bias=False)
            self.attn, self.mlp = torch.nn.Module(), torch.nn.Module()
            self.attn.Wqkv, self.attn.out_proj = lin(3 * DIM, DIM), lin(DIM, DIM)
            self.mlp.fc11, self.mlp.fc12, self.mlp.fc2 = lin(FFN, DIM), lin(FFN, DIM), lin(DIM, FFN)
            self.norm1, self.norm2 = torch.nn.LayerNorm(DIM, 1e-5), torch.nn.LayerNorm(DIM, 1e-5)

    def __init__(self):
        super().__init__()
        self.embeddings, self.encoder = torch.nn.Module(), torch.nn.Module()
        self.embeddings.word_embeddings, self.embeddings.token_type_embeddings = torch.nn.Embedding(VOCAB, DIM), torch.nn.Embedding(2, DIM)
        self.emb_ln = torch.nn.LayerNorm(DIM, 1e-5)
        self.encoder.layers = torch.nn.ModuleList(self.Layer() for _ in range(LAYERS))

    def forward(self, tokens):
        n, head = tokens.shape[1], DIM // HEADS
        angle = torch.arange(n)[:, None] / 1000.0 ** (torch.arange(0, head, 2) / head)
        cos, sin = torch.cat([angle, angle], 1).cos(), torch.cat([angle, angle], 1).sin()
        turn = lambda v: v * cos + torch.cat([-v[..., head // 2:], v[..., :head // 2]], -1) * sin
        x = self.emb_ln(self.embeddings.word_embeddings(tokens[0]) + self.embeddings.token_type_embeddings.weight[0])
        for l in self.encoder.layers:
            q, k, v = l.attn.Wqkv(x).reshape(n, 3, HEADS, head).permute(1, 2, 0, 3)
            a = torch.softmax(turn(q) @ turn(k).transpose(1, 2) / head ** 0.5, -1) @ v
            x = l.norm1(x + l.attn.out_proj(a.transpose(0, 1).reshape(n, DIM)))
            x = l.norm2(x + l.mlp.fc2(l.mlp.fc11(x) * torch.nn.functional.silu(l.mlp.fc12(x))))
        return x


def base(**more):
    return dict(vocab_size=VOCAB, hidden_size=DIM, intermediate_size=FFN, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
                max_position_embeddings=64, pad_token_id=0) | more


def gguf_keys(w, arch, keys):
    for k, v in ({k: v for k, v in (dict(block_count=LAYERS, embedding_length=DIM, feed_forward_length=FFN) | {"attention.head_count": HEADS, "attention.causal": False} | keys).items() if k != "roberta"}).items():
        {int: w.add_uint32, float: w.add_float32, bool: w.add_bool}[type(v)](f"{arch}.{k}", v)


def gguf_name(name, table):
    bare = name.removeprefix("bert.").removeprefix("roberta.").removeprefix("model.")
    p = bare.split(".")
    layer = next((i for i, s in enumerate(p) if s.isdigit()), None)
    if layer is None:
        module, kind = bare.rsplit(".", 1)
        return f"{table[module]}.{kind}"
    module, kind = ".".join(p[layer + 1:]).rsplit(".", 1)
    return f"blk.{p[layer]}.{table[module]}.{kind}"


def fill(model, rng):
    for name, p in model.named_parameters():
        v = rng.standard_normal(tuple(p.shape))
        if p.dim() == 1:
            v = 0.3 * v + (1 if "norm" in name.lower() and name.endswith("weight") else 0)
        elif "embeddings" not in name:
            v = 1.5 / np.sqrt(p.shape[1]) * v
        p.data = torch.from_numpy(v).float().bfloat16().float()


def run(model, tokens):
    """What our rows are: hidden states, or scores by the head that the model puts on its first row."""
    inner = getattr(model, "bert", None) or getattr(model, "roberta", None) or getattr(model, "model", None) or model
    if isinstance(model, Nomic):
        return model(tokens)
    x = inner(tokens).last_hidden_state[0]
    if not hasattr(model, "classifier"):
        return x
    first = model(tokens).logits[0]
    if hasattr(model.classifier, "out_proj"):
        rows = model.classifier.out_proj(torch.tanh(model.classifier.dense(x)))
    else:
        rows = model.classifier(torch.tanh(inner.pooler.dense(x)))
    assert torch.allclose(rows[0], first, atol=1e-5)
    return rows


def write_gguf(path, arch, table, model, keys, tokens, out):
    w = GGUFWriter(path, arch)
    gguf_keys(w, arch, keys)
    for name, p in model.named_parameters():
        v, n = p.detach().numpy(), gguf_name(name, table)
        if keys.get("roberta") and n == "position_embd.weight":
            v = v[2:]
        if v.ndim > 1 and "position" not in n and "types" not in n:
            w.add_tensor(n, quants.quantize(np.ascontiguousarray(v), T.BF16), raw_dtype=T.BF16)
        else:
            w.add_tensor(n, np.ascontiguousarray(v))
    w.add_array("golden.tokens", [int(t) for t in tokens[0]])
    w.add_array("golden.logits", out.ravel().tolist())
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def write_folder(path, model, config, tokens, out):
    os.makedirs(f"{path}/1_Pooling", exist_ok=True)
    state = {n: p.detach().bfloat16().contiguous() for n, p in model.named_parameters()}
    save_file(state, f"{path}/model.safetensors")
    json.dump(config, open(f"{path}/config.json", "w"), indent=1)
    json.dump({"pooling_mode_mean_tokens": "modern" in path or "nomic" in path, "pooling_mode_cls_token": "bert-" in path}, open(f"{path}/1_Pooling/config.json", "w"))
    save_file({"tokens": tokens[0].int(), "logits": out.contiguous()}, f"{path}/golden.safetensors")


def make(folder, name, hf_name, arch, table, model, config, keys):
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    fill(model.float().eval(), rng)
    tokens = torch.from_numpy(rng.integers(2, VOCAB, (1, N_TOK)))
    with torch.no_grad():
        out = run(model, tokens).float()
    print(f"{name}: {tuple(out.shape)}, deviation {out.std():.2f}, nan {bool(torch.isnan(out).any())}")
    write_gguf(f"{folder}/{name}.gguf", arch, table, model, keys, tokens, out.numpy())
    write_folder(f"{folder}/hf/{hf_name}", model, config, tokens, out)


def of(cls, cfg):
    cfg._attn_implementation = "eager"
    return cls(cfg), cfg.to_dict()


def models():
    eps = {"attention.layer_norm_epsilon": 1e-5, "context_length": 64}
    bert = hf.BertConfig(**base(layer_norm_eps=1e-5))
    roberta = dict(pad_token_id=1, type_vocab_size=1, max_position_embeddings=66, layer_norm_eps=1e-5)
    yield "bert", "bert-bf16", "bert", BERT, *of(lambda c: hf.BertModel(c, add_pooling_layer=False), bert), eps
    yield "bert-classes", "bert-classes-bf16", "bert", BERT, *of(hf.BertForSequenceClassification, hf.BertConfig(**base(layer_norm_eps=1e-5, num_labels=3))), eps
    yield ("xlm-roberta-classes", "xlm-roberta-classes-bf16", "bert", BERT,
           *of(hf.XLMRobertaForSequenceClassification, hf.XLMRobertaConfig(**base() | roberta, num_labels=1)), eps | {"roberta": True})
    yield "roberta", "roberta-bf16", "bert", BERT, *of(lambda c: hf.RobertaModel(c, add_pooling_layer=False), hf.RobertaConfig(**base() | roberta)), eps | {"roberta": True}
    yield ("modern-bert", "modernbert-bf16", "modern-bert", MODERN, *of(hf.ModernBertModel, hf.ModernBertConfig(**base(
        num_hidden_layers=3, global_attn_every_n_layers=3, local_attention=8, norm_eps=1e-5, bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2))),
        eps | {"block_count": 3, "attention.sliding_window": 8, "attention.sliding_window_pattern": 3, "rope.freq_base": 160000.0, "rope.freq_base_swa": 10000.0})
    yield ("nomic-bert", "nomic_bert-bf16", "nomic-bert", NOMIC, Nomic(), dict(
        model_type="nomic_bert", architectures=["NomicBertModel"], n_embd=DIM, n_head=HEADS, n_layer=LAYERS, n_inner=FFN, n_positions=64, max_trained_positions=64,
        activation_function="swiglu", rotary_emb_base=1000, rotary_emb_fraction=1.0, layer_norm_epsilon=1e-5, prenorm=False, use_rms_norm=False,
        parallel_block=False, vocab_size=VOCAB, type_vocab_size=2), eps | {"rope.freq_base": 1000.0})


def main():
    folder, wanted = (sys.argv[1:2] + ["."])[0], sys.argv[2:]
    for name, *rest in models():
        if not wanted or name in wanted:
            make(folder, name, *rest)


main()
