/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_API_TEXT_H
#define LM_API_TEXT_H
/**
 * What turns a model's requests into tokens and back: tokenizer, chat template and the variables that every
 * rendering gets.
 */
#include "runtime/text/chat_template.h"
#include "runtime/text/tokenizer.h"
#include "runtime/text/tools/tools.h"

struct lm_model_text {
    struct lm_tokenizer *tok;
    struct lm_template *chat;  /* NULL: the model has none, or none that works: see problem */
    struct lm_template *tools; /* for requests with tools; NULL: chat serves them too */
    struct lm_bytes source, tools_source; /* of the templates */
    json_t *vars;              /* bos_token, eos_token, unk_token, pad_token: those the model has */
    struct lm_bytes vocab;     /* LM_MSG_VOCAB's payload: what grammars need to know of the tokens */
    bool parts;                /* the template wants content as a list of parts, not as a string */
    const struct lm_tool_syntax *tool_syntax;    /* how the model writes calls; NULL: it is not known */
    const struct lm_reasoning_syntax *reasoning; /* and reasoning; NULL: it writes none */
    char problem[200];         /* why chat is NULL */
};

/**
 * path: where the model lies; g: the same, opened. Of a Hugging Face folder tokenizer and templates are those of its
 * files. chat_template_path: a file that replaces the model's own templates; "" = none. A template of the model's own
 * that cannot be parsed is not an error: chat is NULL and problem says why.
 *
 * Errors   as lm_tokenizer_open(); LM_ENOTFOUND, LM_EFORMAT, LM_EUNSUPPORTED of the template's file
 * Owns     *out is the caller's until lm_model_text_fini(); g may be closed
 * Thread   [any]
 */
int lm_model_text_init(const char *path, const struct lm_gguf *g, const char *chat_template_path, struct lm_model_text *out,
                       struct lm_err *err);
/**
 * Set how calls and reasoning are written: by name, or auto, by the template; reasoning also none.
 *
 * Errors   LM_ECONFIG a name is not known
 */
int lm_model_text_parsers(struct lm_model_text *t, const char *tools, const char *reasoning, struct lm_err *err);
void lm_model_text_fini(struct lm_model_text *t);
#endif
