/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPENAI_BEAM_H
#define LM_OPENAI_BEAM_H
/**
 * Beam search over one prompt: n beams, each step one token of each beam with its 2n likeliest continuations.
 *
 * A step submits every beam as a request for one token; the prefix cache keeps what beams share. Of all continuations the n of
 * the largest sum of log-probabilities live on; those that end (EOS, stop_token_ids) are set aside under
 *
 *   score = sum of log-probabilities / (tokens, prompt and all, less a final EOS) ^ length_penalty
 *
 * and the n best of them and of what lives at max_tokens are the answers. It ends before max_tokens when n have ended and the
 * best living beam scores no better than the worst of them.
 *
 * Thread   [loop]
 * Source   vLLM's beam search (candidates, score); transformers' for the end
 */
#include "api/openai/gen.h"

struct lm_beam;

/**
 * Begin the first step; g->choice[first .. first + n) get the answers, by lm_gen_end_choice().
 *
 * Errors   LM_ENOMEM
 * Owns     *out is the caller's
 */
int lm_beam_create(struct lm_gen *g, size_t prompt, struct lm_beam **out);
/** Takes what runs out of the engine. Takes NULL. */
void lm_beam_destroy(struct lm_beam *b);
#endif
