/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_OPS_GRAPH_H
#define LM_OPS_GRAPH_H
/**
 * Checks that every backend makes: of the graph in prepare(), of each step in launch().
 */
#include <llmserve/backend.h>

/** Name of an op kind: "rmsnorm"; "?" out of range.  Thread [any] */
const char *lm_op_name(enum lm_op_kind kind);

/** Does the op join ranks, so that a step ends before it?  Thread [any] */
bool lm_op_is_collective(enum lm_op_kind kind);

/** Do rows see later ones, so that a step has whole sequences?  Thread [any] */
bool lm_graph_is_whole(const struct lm_graph *g);

/** Types of tokens that the graph has a table of; 0: none.  Thread [any] */
uint32_t lm_graph_n_type(const struct lm_graph *g);

/** The end of the ops that the step runs; the first is step->first_op.  Thread [any] */
uint32_t lm_step_end(const struct lm_graph *g, const struct lm_step *step);

/**
 * Is the graph well-formed: ids in range, shapes agree, attributes make sense, every layer's cache has one shape?
 *
 * Errors   LM_EINVAL names the op by its index and kind, and what is wrong
 * Thread   [any]
 */
int lm_graph_check(const struct lm_graph *g, struct lm_err *err);

/**
 * Can a backend prepare this: the graph, and sizes that are in range and agree (n_block may be 0: measure() ignores it)?
 *
 * Errors   LM_EINVAL
 * Thread   [any]
 */
int lm_plan_check(const struct lm_plan_desc *plan, struct lm_err *err);

/**
 * Does the step keep within what the plan was prepared for, and is every index it holds in range?
 *
 * Checked: the counts; rows of sequences packed in order; tokens < n_token or n_vocab; positions consecutive within a
 * sequence and < max_len; the block of every position up to the last < n_block; types of tokens; slots of adapters; out_row; every sampling;
 * the range of ops.
 * Errors   LM_EINVAL
 * Thread   [any]
 */
int lm_step_check(const struct lm_plan_desc *plan, const struct lm_step *step, struct lm_err *err);
#endif
