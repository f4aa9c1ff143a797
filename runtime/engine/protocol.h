/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_ENGINE_PROTOCOL_H
#define LM_ENGINE_PROTOCOL_H
/**
 * Messages between llmserved (front) and llmserve-engine over one socketpair (fd 3 in the engine).
 *
 * A message is struct lm_msg_head and then `bytes - sizeof head` bytes of payload: one struct below followed
 * by its arrays, host byte order, dense, 8-byte aligned (both ends are one machine and one build: HELLO
 * carries LM_PROTOCOL_VERSION and a mismatch ends the engine). Both ends check every length and index as if the
 * other were hostile; a malformed message closes the connection.
 */
#include <llmserve/err.h>
#include <llmserve/op.h>
#include "runtime/base/buf.h"

#define LM_PROTOCOL_VERSION 8u
#define LM_MSG_MAX_BYTES (64u << 20)
#define LM_MAX_SALT_BYTES 128u

enum lm_msg_type {
    /* engine -> front */
    LM_MSG_LOADING = 1, /* struct lm_msg_loading: progress of the load, at most ten a second */
    LM_MSG_HELLO,       /* struct lm_msg_hello: ready to serve */
    LM_MSG_TOKENS,      /* struct lm_msg_tokens: tokens of one step; of a large one some of them, others follow */
    LM_MSG_FINISHED,    /* struct lm_msg_finished: last message of a request */
    LM_MSG_STATS,       /* struct lm_msg_stats: after steps, at most ten a second, and once when it becomes idle */
    LM_MSG_FAILED,      /* struct lm_msg_failed: the engine cannot go on; it exits after this */
    LM_MSG_EMBEDDING,   /* struct lm_msg_embedding: before the FINISHED of a request with pool */
    LM_MSG_LORA,        /* struct lm_msg_lora: the answer to LORA_LOAD */
    LM_MSG_SLOT_DONE,   /* struct lm_msg_slot_done: the answer to SLOT */
    LM_MSG_ASLEEP,      /* no payload: the answer to SLEEP; after it only the HELLO of WAKE, or FAILED */
    /* front -> engine */
    LM_MSG_SUBMIT = 64, /* struct lm_msg_submit */
    LM_MSG_CANCEL,      /* struct lm_msg_cancel: answered by FINISHED (reason abort) unless already finished */
    LM_MSG_DRAIN,       /* no payload: finish what is there, take nothing new, then exit 0 */
    LM_MSG_RESET_PREFIX_CACHE, /* no payload */
    LM_MSG_VOCAB, /* struct lm_msg_vocab: before the first SUBMIT with a grammar */
    LM_MSG_LORA_LOAD,   /* struct lm_msg_lora_load: done before any later message is looked at */
    LM_MSG_LORA_UNLOAD, /* struct lm_msg_lora_unload: no new request may have it; it goes with the last that does */
    LM_MSG_SLEEP,       /* no payload: finish what is there, then free all but the weights, which go to the host */
    LM_MSG_WAKE,        /* no payload: as after a load, HELLO says that it serves */
    LM_MSG_SLOT,        /* struct lm_msg_slot: done before any later message is looked at */
};

struct lm_msg_head {
    uint32_t bytes; /* whole message, this head included; >= sizeof(struct lm_msg_head) */
    uint32_t type;
};

struct lm_msg_loading { uint64_t done_bytes, total_bytes; };

struct lm_msg_hello {
    uint32_t version;
    uint32_t n_vocab, max_model_len, block_size, n_block;
    uint32_t max_num_seqs, max_num_batched_tokens;
    uint64_t kv_bytes, weight_bytes, load_us;
    char backend[16], device[96];
};

/**
 * Arrays behind it, in this order: int32 prompt[n_prompt], int32 stop_id[n_stop], int32 bias_id[n_bias],
 * float bias[n_bias], int32 allow[n_allow], int32 bad[n_bad], int32 breaker[n_breaker], int32 think_open[n_think_open],
 * int32 think_close[n_think_close], char salt[n_salt], char grammar[n_grammar].
 */
struct lm_msg_submit {
    uint64_t id;           /* the front's, unique while the engine lives */
    uint32_t n_prompt;     /* >= 1 */
    uint32_t max_tokens;   /* >= 1; n_prompt + max_tokens <= max_model_len */
    uint32_t min_tokens;   /* stop_id do not end it, and are not sampled, before this many tokens */
    uint32_t n_stop;       /* ids that end it: eos and stop_token_ids, unless ignored */
    uint32_t n_bias;
    uint32_t n_salt;       /* isolates the prefix cache; <= LM_MAX_SALT_BYTES */
    int32_t priority;      /* lower is earlier */
    uint32_t n_logprobs;   /* <= LM_MAX_LOGPROBS */
    uint8_t logprob;
    uint8_t no_prefix_cache; /* 1: neither read nor fill the prefix cache */
    uint8_t prompt_logprob;  /* 1: tell every prompt token but the first, with n_prompt_logprobs of the likeliest beside it */
    uint8_t pool;            /* enum lm_pool: the prompt's embedding is the answer, no token is */
    uint32_t n_grammar;      /* bytes of a program (runtime/text/grammar/program.h) whose texts alone may be the answer; 0: any */
    float temperature, top_p, min_p;
    int32_t top_k;
    float presence, frequency, repetition;
    uint32_t n_allow;      /* the only ids that may be drawn; 0: all */
    uint64_t seed;
    uint32_t n_bad;        /* sequences that are not drawn, each its length (>= 1) and its ids */
    uint32_t n_breaker;    /* ids that end what the DRY penalty compares */
    uint32_t min_keep;     /* from here on as in struct lm_sampling; all zero: off */
    float top_n_sigma, typical_p, xtc_probability, xtc_threshold, dynatemp_range, dynatemp_exponent;
    uint32_t mirostat;
    float mirostat_tau, mirostat_eta; /* surprise aimed at, in bits; how fast it is learned */
    float dry_multiplier, dry_base;   /* 0: off; >= 1 */
    uint32_t dry_allowed_length, dry_last_n; /* repeats shorter than it are free; tokens looked at, 0: all */
    uint32_t n_prompt_logprobs; /* <= LM_MAX_LOGPROBS */
    uint32_t penalty_last_n; /* penalties look at so many tokens; 0: all */
    uint32_t n_think_open, n_think_close; /* ids that begin and end a thought; n_think_close 0: thoughts are not bound */
    uint32_t think_budget;   /* tokens of a thought, after which think_close is all that may come */
    uint32_t thinks;         /* 1: the prompt ends inside of one */
    uint32_t lora;         /* id of an adapter that is loaded; 0: none */
    uint32_t second_text;  /* with pool: where the prompt's second text begins, whose tokens are of type 1; 0: there is one text */
    uint32_t slot;         /* 1 + the slot that it is the last request of, when it ends; 0: of none */
};

enum lm_pool { LM_POOL_NONE, LM_POOL_LAST, LM_POOL_MEAN, LM_POOL_CLS };

/**
 * The bytes of the tokens, for grammars. Arrays behind it: uint32 at[n_vocab + 1], int32 end[n_end], char text[n_text]; token i
 * is text[at[i] .. at[i + 1]), empty when a grammar never allows it; end: the ids that end a text.
 */
struct lm_msg_vocab { uint32_t n_vocab, n_end, n_text, reserved; };

struct lm_msg_cancel { uint64_t id; };

/** Behind it: char path[n_path]. */
struct lm_msg_lora_load { uint32_t id, n_path; };
struct lm_msg_lora_unload { uint32_t id, reserved; };
struct lm_msg_lora {
    uint32_t id;
    int32_t code;      /* 0: it is loaded; LM_E* */
    uint64_t bytes;    /* on the device */
    char msg[240];
};

enum lm_slot_action { LM_SLOT_SAVE, LM_SLOT_RESTORE, LM_SLOT_ERASE };

/** Behind it: char path[n_path], of the file; none with LM_SLOT_ERASE. */
struct lm_msg_slot { uint32_t tag, slot, action, n_path; };
struct lm_msg_slot_done {
    uint32_t tag;
    int32_t code;      /* 0: it is done; LM_E* */
    uint64_t n_tok, bytes, us; /* tokens that were saved, restored or erased; of the file; what it took */
    char msg[240];
};

/** Behind it: n_token struct lm_msg_token, each followed by its n_top struct lm_msg_top. */
struct lm_msg_tokens { uint32_t n_token, reserved; };
struct lm_msg_token {
    uint64_t id;
    int32_t token;
    float logprob;      /* valid when asked for */
    uint32_t n_top;
    uint32_t n_cached;  /* with the first token of a request: prompt tokens taken from the prefix cache */
    uint32_t prompt_pos; /* 0: a token of the answer; else the prompt's token at this index, before any of the answer */
    uint32_t rank;      /* of a prompt's token: 1 + the likelier ones */
};
struct lm_msg_top { int32_t token; float logprob; };

/** Behind it: float v[dim], not normalized. */
struct lm_msg_embedding { uint64_t id; uint32_t dim, reserved; };

enum lm_finish {
    LM_FINISH_STOP,   /* a stop_id, sent as the last token; or the embedding was sent */
    LM_FINISH_LENGTH, /* max_tokens */
    LM_FINISH_ABORT,  /* cancelled */
    LM_FINISH_ERROR,  /* NaN or infinity in the logits, or the request was refused: see code */
};

struct lm_msg_finished {
    uint64_t id;
    uint32_t reason;      /* enum lm_finish */
    int32_t code;         /* LM_E* with LM_FINISH_ERROR: LM_EBUSY queue full, LM_EINVAL refused, LM_EDEVICE NaN */
    int32_t stop_token;   /* with LM_FINISH_STOP, else -1 */
    uint32_t n_prompt, n_output, n_cached;
    uint32_t n_preempted;
    uint32_t reserved;
    uint64_t queue_us, prefill_us, decode_us;
    char msg[120];        /* with LM_FINISH_ERROR */
};

/** Upper bounds of step_tok_hist[0 .. 12]; [13] and [14] stay 0. */
#define LM_STEP_TOK_BOUND {1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384}

/** Counters grow for the engine's life; gauges are the moment's. */
struct lm_msg_stats {
    uint64_t n_step, n_prompt_tok, n_output_tok, n_prefix_query_tok, n_prefix_hit_tok, n_preempted, n_corrupted;
    uint64_t step_tok_hist[16]; /* iteration_tokens_total, not cumulative: [i] steps of at most LM_STEP_TOK_BOUND[i] tokens, [15] of more */
    uint64_t step_tok_sum;
    uint64_t n_draft, n_draft_tok, n_accepted_tok; /* drafts of a sequence in a step; their tokens; those that were right */
    uint64_t accepted_at[16];                      /* [i]: drafts whose token i was right */
    uint64_t n_host_saved_tok, n_host_hit_tok;     /* tokens whose KV went to host memory; and those that came back */
    uint64_t host_hit_us, host_compute_us;         /* what that took; what computing them would have taken */
    uint64_t n_file_saved_tok, n_file_hit_tok, n_file_bad; /* tokens that went to the file of blocks, and came from there; records that were damaged */
    uint64_t host_load_ns_tok, host_compute_ns_tok; /* gauges: what a token takes, either way; 0: not known */
    uint32_t n_running, n_waiting, n_block_used, n_block;
    uint32_t n_host_block, n_host_block_used;
};

struct lm_msg_failed { int32_t code; char msg[240]; };

/**
 * Append one message to out: head, then the parts {pointer, bytes} one behind the other, padded to a multiple of 8
 * at the end. A message beyond LM_MSG_MAX_BYTES sets out->failed.
 */
struct lm_msg_part { const void *p; size_t bytes; };
void lm_msg_write(struct lm_bytes *out, enum lm_msg_type type, const struct lm_msg_part *part, size_t n_part);

/**
 * Look at the first message of in[0..n).
 *
 * Returns  its size in bytes, *out_type and the payload at in + sizeof(struct lm_msg_head); 0 when it is not whole yet; LM_EFORMAT
 */
int64_t lm_msg_peek(const char *in, size_t n, uint32_t *out_type, struct lm_err *err);

/**
 * Hand over the whole messages that `in` begins with, one after the other, and take them out. The payload is borrowed.
 *
 * Returns  what handle() does when that is not 0, behind that message; LM_EFORMAT
 */
int lm_msg_take(struct lm_bytes *in, int (*handle)(void *arg, uint32_t type, const void *payload, size_t bytes, struct lm_err *err), void *arg,
                struct lm_err *err);

/** Check a SUBMIT payload's lengths against its size and give its arrays, borrowed from payload (8-byte aligned). */
struct lm_msg_submit_view {
    struct lm_msg_submit h;
    const int32_t *prompt, *stop_id, *bias_id;
    const float *bias;
    const int32_t *allow, *bad, *breaker, *think_open, *think_close;
    const char *salt, *grammar;
};
int lm_msg_read_submit(const void *payload, size_t bytes, struct lm_msg_submit_view *out, struct lm_err *err);

/** The same of a VOCAB payload; at[] is checked to ascend to n_text. */
struct lm_msg_vocab_view {
    struct lm_msg_vocab h;
    const uint32_t *at;
    const int32_t *end;
    const char *text;
};
int lm_msg_read_vocab(const void *payload, size_t bytes, struct lm_msg_vocab_view *out, struct lm_err *err);

/** A LORA_LOAD payload. *out_path is of malloc.  LM_EFORMAT, LM_ENOMEM */
int lm_msg_read_lora_load(const void *payload, size_t bytes, uint32_t *out_id, char **out_path, struct lm_err *err);

/** A SLOT payload. *out_path is of malloc, "" where there is none.  LM_EFORMAT, LM_ENOMEM */
int lm_msg_read_slot(const void *payload, size_t bytes, struct lm_msg_slot *out, char **out_path, struct lm_err *err);

/**
 * Walk a TOKENS payload: *cursor starts at 0; 1 a token was given (*out, *out_top borrowed), 0 at the end, LM_EFORMAT.
 */
int lm_msg_next_token(const void *payload, size_t bytes, size_t *cursor, struct lm_msg_token *out,
                      const struct lm_msg_top **out_top, struct lm_err *err);
#endif
