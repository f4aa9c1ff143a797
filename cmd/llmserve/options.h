/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_CMD_OPTIONS_H
#define LM_CMD_OPTIONS_H
/**
 * The options of a subcommand: one row each makes the parser, --help, the man page and the shells' completion.
 *
 * Thread   [any]
 */
#include <llmserve/err.h>
#include "runtime/base/buf.h"

enum lm_option_type {
    LM_OPTION_FLAG, /* bool: --name, no value */
    LM_OPTION_TEXT, /* const char *, borrowed from argv or the row */
    LM_OPTION_WORD, /* the same, one of the words in `value` */
    LM_OPTION_INT,  /* int64_t; 4k = 4000, 4K = 4096 */
    LM_OPTION_REAL, /* double; "inf" where max allows it */
    LM_OPTION_LIST, /* struct lm_bytes: each value with a NUL behind it, in order; may be given again */
    LM_OPTION_WORDS, /* a LIST whose option takes all following arguments that do not begin with '-' */
};

struct lm_arg_row {
    const char *name; /* "model m": further names behind a space, of one letter with one dash or two */
    enum lm_option_type type;
    size_t offset;     /* of the field */
    const char *value; /* what --help calls it; of a WORD "a|b|c" */
    const char *def;   /* as on the command line; NULL: unset, that is false, NULL, LM_UNSET_INT, NAN or an empty list */
    double min, max;
    const char *help;
};

#define LM_UNSET_INT INT64_MIN

/* Rows. s is the struct, f its field; a field of another type is a warning. */
#define LM_OPTION_AT(s, f, t) (offsetof(s, f) + 0 * sizeof(&((s *)0)->f == (t *)0))
#define LM_FLAG(s, f, names, text) {names, LM_OPTION_FLAG, LM_OPTION_AT(s, f, bool), "", NULL, 0, 0, text}
#define LM_TEXT(s, f, names, val, text) {names, LM_OPTION_TEXT, LM_OPTION_AT(s, f, const char *), val, NULL, 0, 0, text}
#define LM_TEXT_DEF(s, f, names, val, d, text) {names, LM_OPTION_TEXT, LM_OPTION_AT(s, f, const char *), val, d, 0, 0, text}
#define LM_WORD(s, f, names, words, d, text) {names, LM_OPTION_WORD, LM_OPTION_AT(s, f, const char *), words, d, 0, 0, text}
#define LM_INT(s, f, names, val, d, lo, hi, text) {names, LM_OPTION_INT, LM_OPTION_AT(s, f, int64_t), val, d, lo, hi, text}
#define LM_REAL(s, f, names, val, d, lo, hi, text) {names, LM_OPTION_REAL, LM_OPTION_AT(s, f, double), val, d, lo, hi, text}
#define LM_LIST(s, f, names, val, text) {names, LM_OPTION_LIST, LM_OPTION_AT(s, f, struct lm_bytes), val, NULL, 0, 0, text}
#define LM_WORDS(s, f, names, val, text) {names, LM_OPTION_WORDS, LM_OPTION_AT(s, f, struct lm_bytes), val, NULL, 0, 0, text}

/** The options of a command: n rows over the fields of one struct. */
struct lm_options {
    const struct lm_arg_row *row;
    size_t n;
};
#define LM_OPTIONS(rows) {rows, sizeof(rows) / sizeof *(rows)}

/**
 * Set every field at base to its default, then read --name value, --name=value, -x value out of argv.
 *
 * *io_argc/argv keep what is no option, in order, argv[0] first; "--" ends the options and is left out, or kept with pass.
 * pass     keep options that have no row, for lm_conf_read_flags()
 * Owns     values are borrowed from argv; lm_options_fini() frees the lists
 * Errors   LM_EINVAL names the option and what is allowed, an unknown one the nearest; LM_ENOMEM
 */
int lm_options_read(const struct lm_options *o, void *base, int *io_argc, char **argv, bool pass, struct lm_err *err);
void lm_options_fini(const struct lm_options *o, void *base);

/** The row of a name without its dashes (n bytes); NULL: none. */
const struct lm_arg_row *lm_options_find(const struct lm_options *o, const char *name, size_t n);

/** The first name of a row with its dashes, into out[]. */
enum { LM_OPTION_NAME_MAX = 64 };
const char *lm_option_name(const struct lm_arg_row *row, char out[LM_OPTION_NAME_MAX]);
/** The row's further names, each with its dashes: the i-th, from 0 on; NULL: no more. */
const char *lm_option_alias(const struct lm_arg_row *row, size_t i, char out[LM_OPTION_NAME_MAX]);

/** Append the rows as --help shows them. */
void lm_options_help(const struct lm_options *o, struct lm_bytes *out);
#endif
