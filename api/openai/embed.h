/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPENAI_EMBED_H
#define LM_OPENAI_EMBED_H
/**
 * Requests that are answered by embeddings: one vector for each prompt, pooled by the engine.
 *
 * Thread   [loop]
 * Source   OpenAI's embeddings; vLLM's score, rerank and classify
 */
#include "api/openai/gen.h"

/** What such a request asks for; g->dialect_data. */
struct lm_embed {
    enum lm_pool pool;
    bool base64, floats, raw; /* floats: Cohere's, of both kinds; raw: not normalized */
    size_t n_query, n_text; /* score and rerank: of the prompts, the first n_query are asked about the others */
    struct lm_document { const char *text; size_t n; } *document; /* [n_text] rerank: the texts, which may have a NUL */
    size_t top_n;
};

void lm_openai_embeddings(struct lm_call *call);
void lm_openai_score(struct lm_call *call);
void lm_openai_rerank(struct lm_call *call);
/** vLLM's /pooling and /classify, and Cohere's /v2/embed. */
void lm_openai_pooling(struct lm_call *call);
void lm_cohere_embed(struct lm_call *call);
void lm_openai_classify(struct lm_call *call);

/** [worker] Read pooling, encoding_format, dimensions and normalize of g->json into a new g->dialect_data; fills error. */
int lm_embed_read(struct lm_gen *g, struct lm_embed **out);
/** [worker] The texts of a body into a completion's: what lm_embed_convert() does, for models with classes too. */
int lm_embed_texts(struct lm_gen *g);
/** [worker] The body of /v1/embeddings into a completion's; of struct lm_dialect. */
int lm_embed_convert(struct lm_gen *g);
/** Append the answer of /v1/embeddings: its id's prefix, and what its vectors are called. */
void lm_embed_answer(struct lm_gen *g, const char *prefix, const char *object, const char *member, struct lm_bytes *out);
/** Append a choice's vector, as an array or as base64 text. */
void lm_embed_vector(const struct lm_choice *c, bool base64, struct lm_bytes *out);
/** Append ,"usage":{…}. */
void lm_embed_usage(const struct lm_gen *g, struct lm_bytes *out);
/** Scale every choice's embedding to length 1; 0 stays. */
void lm_embed_normalize(struct lm_gen *g);
#endif
