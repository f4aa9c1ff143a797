/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TEXT_FOLDER_H
#define LM_TEXT_FOLDER_H
/**
 * What a Hugging Face folder says about text besides its tokenizer: tokenizer_config.json, special_tokens_map.json,
 * generation_config.json and the chat templates. Every file may be missing.
 *
 *   chat template    chat_template.jinja, else chat_template.json, else chat_template of tokenizer_config.json, which
 *                    may be a list of {name, template}: "default" and "tool_use" are taken
 *   further ones     additional_chat_templates/tool_use.jinja
 *
 * Thread   [any]; read-only after lm_folder_open()
 * Source   https://huggingface.co/docs/transformers/main_classes/tokenizer and chat_templating
 */
#include <jansson.h>
#include <llmserve/err.h>
#include "runtime/base/buf.h"
#include "runtime/model/gguf.h"

struct lm_folder { /* all-zero: a folder without any of them */
    json_t *config, *map, *generation; /* NULL: absent */
    struct lm_bytes chat, tools;       /* templates; empty: none */
    uint64_t max_length;               /* model_max_length; 0: not given */
};

/** True: path is a folder, or a tokenizer.json or tokenizer.model; what is not is left to the reader of GGUF. */
bool lm_folder_is(const char *path);
/** Is path where the tokenizer of the model g is? Not if it is no folder or the like, or g has one of its own. */
bool lm_folder_has_text(const char *path, const struct lm_gguf *g);

/**
 * Read the files beside path, a folder or a file in it.
 *
 * Owns     *out is the caller's until lm_folder_close()
 * Errors   LM_EFORMAT names file and place; LM_ELIMIT; LM_EIO; LM_ENOMEM
 */
int lm_folder_open(const char *path, struct lm_folder *out, struct lm_err *err);
void lm_folder_close(struct lm_folder *f);

/** The text of bos_token, eos_token, unk_token, pad_token and the like; borrowed; NULL: not given. */
const char *lm_folder_token(const struct lm_folder *f, const char *key, size_t *out_n);

/**
 * Append a file of a folder (path may also be a file in it) to out, with a NUL behind it.
 *
 * Errors   LM_ENOTFOUND; LM_ELIMIT more than max bytes; LM_EIO; LM_ENOMEM
 */
int lm_folder_read(const char *path, const char *name, size_t max, struct lm_bytes *out, struct lm_err *err);
#endif
