/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LLMSERVE_OP_H
#define LLMSERVE_OP_H
/**
 * The list of ops that a model is, and the step that runs it.
 *
 * A graph is built once by a model family, handed to the backend once (prepare), and then run every
 * step by one launch. Every op's contract, check and scalar reference stand in ops/<op>.h and .c; the
 * reference accumulates in double and is the oracle for every backend.
 *
 * Activations are f32, row-major, dense: [rows][dim]. rows is symbolic: LM_ROWS_TOK is the number of
 * tokens of the step, LM_ROWS_OUT the number of rows that need logits. An activation may be written by
 * several ops in turn; ops run in list order. The collective ops, allreduce and allgather, join the graphs of ranks: no backend
 * runs them, steps end before them and go on behind them. Activation ids index lm_graph.act, weights are handles
 * that the backend made (backend.h).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lm_weight; /* backend.h */

#define LM_NONE UINT32_MAX /* no activation, no row, no token */

enum lm_rows { LM_ROWS_TOK, LM_ROWS_OUT };

struct lm_act {
    enum lm_rows rows;
    uint32_t dim;
};

enum lm_op_kind {
    LM_OP_EMBED,         /* y[r] = table[token[r]] * scale; or the row of its position or type */
    LM_OP_RMSNORM,       /* y = x / rms(x) * (w + w_add), over each group of `group` columns */
    LM_OP_LAYERNORM,     /* y = (x - mean) / sqrt(var + eps) * w + b */
    LM_OP_MATMUL,        /* y[r][n] = sum_k x[r][k] * w[n][k] + b[n] */
    LM_OP_ROPE,          /* rotate pairs of each head of y (in place) by the row's position */
    LM_OP_KV_STORE,      /* write k (x) and v (x2) rows of a layer into the paged cache */
    LM_OP_ATTENTION,     /* y = softmax(q k^T * scale + mask) v over the paged cache */
    LM_OP_SILU_MUL,      /* y = x * sigmoid(x) * x2 */
    LM_OP_GELU_MUL,      /* y = gelu(x) * x2 */
    LM_OP_ADD,           /* y = x + x2 */
    LM_OP_SCALE,         /* y = x * scale */
    LM_OP_SOFTCAP,       /* y = cap * tanh(x / cap) */
    LM_OP_LOGITS_GATHER, /* y[o] = x[out_row[o]]; y has LM_ROWS_OUT rows */
    LM_OP_SAMPLE,        /* one token and its log-probabilities from each row of logits x */
    LM_OP_GELU,          /* y = gelu(x), by tanh or by erf */
    LM_OP_SWIGLU_CLAMP,  /* y = g * sigmoid(alpha * g) * (1 + clamp(x2, -limit, limit)), g = min(x, limit) */
    LM_OP_GATE_ROWS,     /* y[r] = x[r] * sigmoid(x2[r][0]) */
    LM_OP_COPY_HEADS,    /* columns of each head of x into columns of the same head of y */
    LM_OP_MOE_ROUTE,     /* the experts of each row and their weights, from the router's scores x */
    LM_OP_MOE_MATMUL,    /* y[r][j] = W[expert j of r] x[r][j] + b[expert j of r] */
    LM_OP_MOE_SUM,       /* y[r] = sum_j weight j of r * x[r][j] */
    LM_OP_LORA_MATMUL,   /* y[r] += scale * B (A x[r]), A and B of the adapter that row r's sequence has */
    LM_OP_ALLREDUCE,     /* y = the sum of x over the ranks that share the layer (y may be x) */
    LM_OP_ALLGATHER,     /* y = the columns of x of all ranks side by side; y LM_NONE: only another rank gets them */
    LM_OP_KIND_END
};

enum lm_moe_score {
    LM_MOE_SOFTMAX,         /* over all experts, then the choice */
    LM_MOE_SIGMOID,         /* of each expert by itself */
    LM_MOE_SOFTMAX_CHOSEN,  /* the choice by the raw scores, then over the chosen */
};

enum lm_embed_by { LM_EMBED_TOKEN, LM_EMBED_POS, LM_EMBED_TYPE }; /* what of a row looks its row of the table up */

enum lm_rope_pairing { LM_ROPE_NEOX, LM_ROPE_INTERLEAVED }; /* (i, i + n_rot/2) or (2i, 2i + 1) */

/** What an adapter adds to one weight. Without a and b: nothing. */
struct lm_lora {
    const struct lm_weight *a, *b; /* LM_USE_VECTOR: A as [rank][k], B transposed as [rank][n] */
    float scale;
};

/**
 * One op. Fields that its kind does not name stay zero, ids that do not apply LM_NONE.
 */
struct lm_op {
    enum lm_op_kind kind;
    uint32_t x, x2, y;            /* activation ids */
    const struct lm_weight *w, *b; /* b NULL: no bias */
    union {
        struct { float scale; enum lm_embed_by by; } embed;
        struct { float scale; } scale;
        struct { bool erf; } gelu;      /* gelu, gelu_mul: x (1 + erf(x / sqrt 2)) / 2 itself, not what tanh gives for it */
        struct { float eps, w_add; uint32_t group; } norm; /* group divides dim; group == dim: whole row */
        struct {
            enum lm_rope_pairing pairing;
            uint32_t n_head, head_dim, n_rot; /* n_rot of head_dim columns rotate, from `first` on; n_rot is even */
            const float *inv_freq;            /* [n_rot / 2], the graph's: theta_i of one position, any scaling type applied */
            float mscale;                     /* multiplies cos and sin; 1 = none */
            uint32_t first;
        } rope;
        struct {
            uint32_t layer;             /* cache layer, 0 .. n_layer - 1 */
            uint32_t n_head, n_kv_head; /* query heads (attention only), key/value heads; n_head % n_kv_head == 0 */
            uint32_t head_dim;
            float scale;                /* multiplies q k^T */
            float softcap;              /* 0 = none */
            uint32_t window;            /* 0 = all; else position p sees p - window + 1 .. p */
            uint32_t v_dim;             /* columns of a value's head, <= head_dim; 0 = head_dim */
            bool whole;                 /* attention: a row sees its sequence up to the step's last row of it, with a window on both sides */
            const float *slope;         /* [n_head], the graph's: slope * (j - p) is added to the score of position j (ALiBi); NULL = none */
        } attn;                         /* attention: w [n_head] or NULL, a score beside those of the positions (sink) */
        struct { float cap; } softcap;
        struct { float alpha, limit; } swiglu;
        struct { uint32_t n_head, n_head_x, n, x_first, y_first; } copy; /* n columns; n_head_x is n_head, or 1: the same for all */
        struct {                        /* y: [rows][2 * n_used]: the experts' numbers, then their weights; b: see ops/moe.h */
            enum lm_moe_score score;
            uint32_t n_group, n_group_used; /* only experts of the n_group_used best groups; 0 or 1 groups: all */
            uint32_t group_top;             /* a group is as good as the sum of its so many best experts */
            bool norm;                      /* divide the weights by their sum */
            float scale;                    /* multiplies the weights */
        } route;
        struct {                        /* x2: the route; LM_NONE: slot j takes expert j */
            const struct lm_weight *const *w, *const *b; /* [n_expert], the graph's; b NULL: no bias */
            uint32_t n_expert, n_slot;
            bool x_shared;              /* x is one row for all slots, else [n_slot] of them */
            uint32_t first, total;      /* w are the experts from `first` on of a route over `total`; 0: all there are */
        } moe;
        struct { uint32_t token_first, n_token; } reduce; /* n_token not 0: rows of other tokens than these count as zeros */
        struct { uint32_t first, total; } gather;         /* x has columns first .. of total ones */
        struct { const struct lm_lora *slot; } lora; /* [n_lora], the graph's: they change between steps, where no row has the slot */
    } u;
};

/**
 * A model as a list of ops. Made by runtime/model/arch, read by backends.
 *
 * Owns     act, op and the rope tables they point to; weights are the loader's
 */
struct lm_graph {
    struct lm_act *act;
    uint32_t n_act;
    struct lm_op *op;
    uint32_t n_op;
    uint32_t n_layer;            /* cache layers */
    const uint32_t *kv_head_dim; /* [n_layer] columns of k (and of v) a token stores: n_kv_head * head_dim */
    uint32_t n_vocab;
    uint32_t n_token;            /* ids of a step's tokens are below it, where the table has a part of the vocabulary; 0: n_vocab */
    uint32_t n_lora, lora_rank;  /* slots of adapters in every lora_matmul and their largest rank; 0: there is none */
};

/** What keys and values are kept as. The integers have one f32 scale for each token and KV head, of keys and of values. */
enum lm_kv_dtype {
    LM_KV_F16,
    LM_KV_BF16,
    LM_KV_F32,
    LM_KV_I16, /* at most 32767; nearer to f32 than f16 is */
    LM_KV_I8,  /* round(x * 127 / max |x|) */
    LM_KV_I4,  /* round(x * 7 / max |x|) */
    LM_KV_AUTO, /* what the backend computes with best, as near to the model as f16 */
    LM_KV_E4M3, /* 8-bit floats without a scale: at most 448, */
    LM_KV_E5M2, /* at most 57344; larger ones become that, what is not finite NaN */
    LM_KV_END
};

/** How one row of logits becomes a token. Everything is fixed by the values here: no hidden state. */
struct lm_sampling {
    float temperature;         /* 0 = greedy */
    int32_t top_k;             /* <= 0 = off */
    float top_p;               /* (0, 1]; 1 = off */
    float min_p;               /* [0, 1]; 0 = off */
    float presence, frequency; /* subtracted: presence once, frequency per occurrence, over generated tokens */
    float repetition;          /* > 0; 1 = off; over prompt and generated tokens */
    uint64_t seed;             /* stream of the counter-based generator */
    uint64_t counter;          /* its position: the index of this token in the request's output */
    uint32_t n_logprobs;       /* how many of the likeliest tokens to report, <= LM_MAX_LOGPROBS */
    bool logprob;              /* report the chosen token's log-probability */
    /* Tokens seen: sorted ids, no duplicates; count[i] = occurrences in the output (0: only in the prompt). NULL when no penalty is on. */
    const int32_t *seen;
    const uint32_t *count;
    uint32_t n_seen;
    const int32_t *bias_id;    /* logit_bias: added before everything else */
    const float *bias;
    uint32_t n_bias;
    const uint32_t *allow;     /* bit mask [ceil(n_vocab / 32)]: a zero bit forbids a token; NULL = all allowed */
    /* All zero from here on: off. */
    uint32_t min_keep;         /* typical_p, top_p, min_p and xtc leave at least so many tokens */
    float top_n_sigma;         /* >= 0; 0 = off */
    float typical_p;           /* [0, 1]; 0 and 1 = off */
    float xtc_probability, xtc_threshold; /* [0, 1]; a threshold above 0.5 = off */
    float dynatemp_range, dynatemp_exponent; /* >= 0; range 0 = off */
    uint32_t mirostat;         /* 0, 1 or 2; it takes the place of all filters */
    float mirostat_tau, mirostat_mu; /* aimed at, and allowed now: surprise in bits */
    bool given;                /* draw nothing: token is given_token, its log-probability and rank are reported */
    int32_t given_token;
};

#define LM_MAX_LOGPROBS 32

/** The answer for one row of logits. */
struct lm_sampled {
    int32_t token;     /* -1: the row held a NaN or infinity */
    float logprob;     /* natural log of the raw softmax (before temperature and penalties) of token */
    uint32_t n_top;
    int32_t top_id[LM_MAX_LOGPROBS];   /* descending by log-probability, ties by lower id */
    float top_logprob[LM_MAX_LOGPROBS];
    uint32_t rank;     /* with given: 1 + the tokens that are likelier; else 0 */
    float surprise;    /* with mirostat: of the token among those it was drawn from, in bits; else 0 */
};

/**
 * What changes from step to step. All arrays are the engine's and live until sync() returned.
 *
 * Sequences are packed: rows seq_row[s] .. seq_row[s + 1] - 1 are consecutive tokens of sequence s, at
 * positions pos[row], whose keys and values are written to the cache before they are attended to.
 * Position p of sequence s lives in block block_table[s * table_stride + p / block_size], at offset
 * p % block_size. Batch invariance: a row's result depends only on its own sequence.
 */
struct lm_step {
    uint32_t n_tok, n_seq, n_out;
    const int32_t *token;        /* [n_tok] */
    const int32_t *pos;          /* [n_tok] */
    const uint32_t *seq_row;     /* [n_seq + 1] */
    const uint32_t *block_table; /* [n_seq][table_stride] */
    uint32_t table_stride;
    const uint32_t *out_row;     /* [n_out] rows that need logits */
    const struct lm_sampling *sampling; /* [n_out] */
    struct lm_sampled *sampled;  /* [n_out], written by the time sync() returns */
    const int32_t *lora;         /* [n_seq] slot of each sequence's adapter, -1: none; NULL: no sequence has one */
    uint32_t first_op, end_op;   /* run ops [first_op, end_op), which lie between collective ops; both 0: all, where there are none */
    bool joined;                 /* the device has joined others: the ops may be collective */
    const int32_t *whole_token;  /* [n_tok] ids in the whole vocabulary where the device has joined and token are those of its own part; else NULL */
    const int32_t *type;         /* [n_tok] of tokens, for the table of types; NULL: all 0 */
};
#endif
