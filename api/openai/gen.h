/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPENAI_GEN_H
#define LM_OPENAI_GEN_H
/**
 * One request for generated text, from its body to its last byte.
 *
 * [loop] takes the body (gen.c), [worker] reads it (intake.c, messages.c), [loop] submits one sequence for each
 * prompt and each of its n samples, turns their tokens into text (choice.c), and writes it (shape.c): as it comes,
 * or whole at the end. A reader that falls behind gets fewer and longer pieces: what is generated meanwhile waits
 * as text, at most max_tokens of it.
 */
#include "api/inflight.h"
#include "api/openai/constrain.h"
#include "api/openai/logprobs.h"
#include "api/openai/params.h"
#include "api/openai/plain.h"
#include "api/openai/prompt_logprobs.h"
#include "api/openai/words.h"
#include "api/server.h"
#include "runtime/text/tools/tools.h"

struct lm_gen;
struct lm_beam;
struct lm_choice;

/** A field that a dialect calls otherwise. */
struct lm_alias { const char *ours, *theirs; };

/** A family's way to ask and to answer. What it does not set is OpenAI's. */
struct lm_dialect {
    enum lm_endpoint endpoint; /* whose parameters and prompt the request has, once converted */
    bool tagged;               /* a model's name may end in ":latest", and stand under "name" */
    bool batch;                /* messages is a list of chats, each a prompt of its own */
    bool clamps;               /* more tokens may be asked for than the context has room for: its end is the limit then */
    bool llama;                /* log-probabilities carry ids, the prompt's text is kept, defaults are llama-server's */
    int (*convert)(struct lm_gen *g);  /* [worker] make g->json the body of endpoint; fills error, or g->out if g->dialect has work now; NULL: it is one */
    void (*work)(struct lm_gen *g);    /* [worker] answer at once, from g->json and g->model: fills g->out or error; all below is NULL */
    const char *prompt_name;   /* what it calls the prompt; NULL: prompt */
    const struct lm_alias *alias;      /* other fields that errors name, to one without a name; NULL: none */
    const char *stream_type;           /* NULL: server-sent events */
    const char *ping;                  /* NULL: none */
    void (*head)(struct lm_gen *g);    /* make g->head; NULL: none */
    void (*chunk)(struct lm_gen *g, struct lm_choice *c, struct lm_bytes *out); /* next event of a choice; its text is consumed */
    void (*end)(struct lm_gen *g, struct lm_bytes *out);         /* of a stream */
    void (*error)(const struct lm_gen *g, struct lm_bytes *out); /* in a stream, as its end */
    void (*answer)(struct lm_gen *g, struct lm_bytes *out);      /* not streamed */
    /* NULL: nothing is to be done */
    void (*detach)(struct lm_gen *g);  /* the engine has it: may answer at once and set g->kept */
    void (*kept)(struct lm_gen *g);    /* a kept one ended, well or not */
    void (*fini)(struct lm_gen *g);    /* what dialect_data holds beside mem */
};

extern const struct lm_dialect lm_dialect_completions, lm_dialect_chat, lm_dialect_chat_batch;

/** One answer of a request: choices[index] of its body. */
struct lm_choice {
    struct lm_seq seq;
    struct lm_gen *gen;
    size_t index;    /* prompt-major, best_of for each prompt */
    size_t number;   /* that the client sees */
    uint32_t max_tok;
    struct lm_detok detok;
    struct lm_stop stop;
    struct lm_bytes text; /* visible and not yet written; with a parser: not yet fed */
    struct lm_parser *parser;   /* NULL: all text is content */
    struct lm_said said;        /* of a chat: what is not yet written */
    size_t n_said;              /* of its parts: those that are written whole */
    uint32_t n_reasoning_tok, n_block; /* n_block: the dialect's: of the message's blocks, those that are closed */
    struct lm_bytes ids;  /* "1,2,3" not yet written, if the request wants them */
    struct lm_logprobs logprobs;
    uint32_t n_tok, n_cached;
    uint64_t first_us, token_us; /* when the first and the newest token came */
    struct lm_bytes prompt_list; /* prompt_logprobs */
    float *embedding;            /* [n_dim] */
    uint32_t n_dim;
    struct lm_bytes history; /* int32 ids, if repetition is looked for */
    double sum_logprob;
    int stop_string;    /* that ended it; -1: none */
    int32_t stop_token; /* of stop_token_ids that ended it; -1: none */
    bool newline; /* it has one */
    bool begun, done, pending; /* its first piece is written; it ended; something waits to be written */
    enum lm_reason reason;
};

struct lm_gen {
    struct lm_job job;
    struct lm_call call;       /* its req is NULL once the client is gone or has its answer */
    const struct lm_dialect *dialect;
    enum lm_endpoint endpoint;
    void *dialect_data;        /* the dialect's own, of mem */
    const char *prompt_name;   /* NULL: the dialect's */
    const char *query_name;    /* what the first n_query prompts are called instead */
    size_t n_query;
    enum lm_pool pool;         /* embeddings are asked for, not tokens */
    const uint32_t *second_text; /* [n_prompt] of pairs of texts, of mem, see protocol.h; NULL: prompts are of one */
    char *body;
    size_t n_body;
    uint64_t start_us;
    long long created;         /* seconds since 1970 */
    uint64_t random[2];        /* for its id and seed */

    /* made by the worker */
    struct lm_api_error error;
    json_t *json;                 /* the worker's alone */
    struct lm_arena mem;
    struct lm_served *model;
    uint32_t adapter;             /* of the model; 0: none */
    const char *name;             /* that answers call the model by; the model's or of mem */
    struct lm_params params;
    struct lm_tokens *prompt;     /* [n_prompt] */
    struct lm_bytes *prompt_text; /* [n_prompt], filled where it is told */
    struct lm_plain plain;        /* of the chat that was rendered last; of mem */
    size_t n_prompt;
    int32_t *stop_id;             /* eos and stop_token_ids, of mem */
    uint32_t n_stop_id;
    struct lm_ids bad, breaker;   /* of mem */
    struct lm_tool_list tools;    /* of mem */
    const struct lm_tool_syntax *tool_syntax;    /* NULL: no calls are looked for */
    const struct lm_reasoning_syntax *reasoning; /* NULL: no reasoning is */
    enum lm_thinking thinking;
    bool named_tool;
    struct lm_tokens think_open, think_close; /* of a thought with a budget */
    struct lm_program *program;   /* whose texts alone may be the answer; NULL: any */

    struct lm_wait wait;       /* for the model's engine */
    bool absent;               /* made by the worker: the engine must be there before the body can be read */
    bool held;                 /* the model stays loaded for it */
    bool counted;              /* in the server's n_busy_bytes */

    struct lm_choice *choice;  /* [n_choice], prompt-major */
    size_t n_choice, n_open;
    struct lm_beam **beam;     /* [n_prompt]; NULL: no beam search */
    struct lm_bytes head;      /* what every event begins with */
    struct lm_bytes out, piece; /* scratch */
    struct event *ping;
    uint64_t queue_us, prefill_us, decode_us; /* of the answer that ended last */
    bool in_worker, streaming, wrote, paused;
    bool kept; /* it goes on without a client */
};

/** [loop] Take a request. */
void lm_gen_begin(struct lm_call *call, const struct lm_dialect *dialect);
/** [loop] The choice ends; with the last one the answer is sent. Then, last of all in a call from the loop, lm_gen_leave(). */
void lm_gen_end_choice(struct lm_choice *c, enum lm_reason reason);
/** [loop] The engine would not or could not: the whole request fails. */
void lm_gen_refuse(struct lm_gen *g, const struct lm_msg_finished *f);
/** [loop] The engine is gone, or the server ends. */
void lm_gen_lose(struct lm_gen *g);
/** [loop] A request without a client is done with, once no worker has it. g may be gone after it. */
void lm_gen_leave(struct lm_gen *g);
/** Tokens that an answer to this prompt may have. */
uint32_t lm_gen_max_tok(const struct lm_gen *g, size_t prompt);
/** The token ends an answer. */
bool lm_gen_is_stop_id(const struct lm_gen *g, int32_t token);

/** [worker] Read, check and tokenize: fills error, or everything that the worker makes. */
void lm_gen_intake(struct lm_gen *g);
/** [worker] Read g->json's parameters into g->params; fills error. */
int lm_gen_params(struct lm_gen *g);
/** [worker] Append the ids of a text, g->plain of it as text; limit: more than so many are an error of a prompt that is too long; 0: none are. Fills error. */
int lm_gen_tokenize(struct lm_gen *g, const char *text, size_t n, size_t limit, struct lm_tokens *out);
/** [worker] Of g->json, once converted: everything that the worker makes. Fills error. */
int lm_gen_prepare(struct lm_gen *g);
/** [worker] Count the tokens of the chat in g->json. Fills error. */
int lm_gen_count(struct lm_gen *g, size_t *out);
/** [worker] The same as an answer in OpenAI's shape. */
void lm_gen_tell_count(struct lm_gen *g);
/** [worker] How a chat's answer is taken apart, and what binds it to calls; from its prompt and parameters. */
int lm_gen_tools(struct lm_gen *g, const struct lm_bytes *prompt);
/** [worker] The prompt of a chat: the messages through the template, and g->plain. */
int lm_gen_render(struct lm_gen *g, struct lm_bytes *out);

/** [loop] Begin. LM_ENOMEM. */
int lm_choice_init(struct lm_choice *c, struct lm_gen *g, size_t index);
void lm_choice_fini(struct lm_choice *c);
/** Take a token of the prompt in, with its log-probabilities. */
void lm_choice_push_prompt(struct lm_choice *c, const struct lm_msg_token *t, const struct lm_msg_top *top);
/** Take a token in. Returns true when a stop string or a repetition, see reason, ends the choice with it. */
bool lm_choice_push(struct lm_choice *c, const struct lm_msg_token *t, const struct lm_msg_top *top);
/** The engine ends the choice with this token: FINISHED follows. */
bool lm_choice_is_last(const struct lm_choice *c, int32_t token);
/** No more tokens come: what is held back becomes text. */
void lm_choice_end(struct lm_choice *c, enum lm_reason reason);

/** Make the parser, if there is to be one. LM_ENOMEM. */
int lm_choice_tools(struct lm_choice *c);
/** The token's text is visible, or the parser's. */
bool lm_choice_shows(const struct lm_choice *c, int32_t token);
/** Feed the text of one token to the parser; end: the answer is whole. Returns true when the answer ends here: one call is all. */
bool lm_choice_parse(struct lm_choice *c, bool end);
/** What a chat says, for its dialect to write. */
struct lm_said *lm_choice_said(struct lm_choice *c);
/** It ended in calls. */
bool lm_choice_calls(const struct lm_choice *c);
/** Append the id of a call, as the inside of a JSON string; the same each time. */
void lm_choice_call_id(const struct lm_choice *c, const struct lm_said_part *p, const char *prefix, struct lm_bytes *out);

/** Order the finished choices of each prompt by their mean log-probability and number the first n. */
void lm_choice_rank(struct lm_gen *g);

/** [loop] Its end: the debug line, and the record. */
void lm_gen_tell(struct lm_gen *g);

/** Tokens of the whole request. */
struct lm_usage { size_t n_prompt_tok, n_output_tok, n_cached_tok, n_reasoning_tok; };
struct lm_usage lm_gen_usage(const struct lm_gen *g);

/** The error event of OpenAI's streams. */
void lm_shape_error(const struct lm_gen *g, struct lm_bytes *out);
/** Append s[0..n) as a JSON string. */
void lm_shape_string(struct lm_bytes *out, const char *s, size_t n);
/** Append what b holds as a JSON string; where b failed, out does. */
void lm_shape_text(struct lm_bytes *out, const struct lm_bytes *b);
/** Append what a chat says as OpenAI's message, or as a delta of it; it is written then. */
void lm_said_write(struct lm_choice *c, bool delta, struct lm_bytes *out);
/** Append arguments as an object: those that are none as its member "raw". */
void lm_shape_object(struct lm_bytes *out, const struct lm_bytes *args);
/** Append ,"timings":{…}, llama-server's: of one choice, in milliseconds. */
void lm_shape_timings(const struct lm_gen *g, const struct lm_choice *c, struct lm_bytes *out);
/** Append ,"prompt_progress":{…}, the same's: the engine tells of a prompt when it is done. */
void lm_shape_progress(const struct lm_gen *g, const struct lm_choice *c, struct lm_bytes *out);
/** Append 32 hexadecimal digits that are this request's. */
void lm_shape_id(const struct lm_gen *g, struct lm_bytes *out);
#endif
