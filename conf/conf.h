/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_CONF_CONF_H
#define LM_CONF_CONF_H
/**
 * The configuration: knobs.def is the one list; the structs, the INI keys, the flags, --help, the man page and
 * the commented llmserve.ini are made from it. Order: default, INI, environment LLMSERVE_*, flag.
 *
 * Keys may be written with '-' or '_'. An unknown key, a bad value or a value out of range is LM_ECONFIG naming
 * file and line (or flag), the allowed range, and the nearest key.
 *
 * Thread   [any] for reading; made by one
 */
#include <llmserve/err.h>
#include "runtime/base/buf.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Field types by row type. STR is "" when unset, never NULL; LIST is comma-separated, kept as written. */
#define LM_KNOB_FIELD_STR char *
#define LM_KNOB_FIELD_LIST char *
#define LM_KNOB_FIELD_ENUM char *  /* one of the words in the row's "range" */
#define LM_KNOB_FIELD_INT int64_t  /* 4k = 4000, 4K = 4096 */
#define LM_KNOB_FIELD_BYTES int64_t /* accepts 512M, 2G, 2GiB: powers of 1024 */
#define LM_KNOB_FIELD_REAL double
#define LM_KNOB_FIELD_BOOL bool    /* yes no true false on off 1 0 */
#define LM_KNOB_FIELD_SECS double  /* seconds */

#define LM_KNOB(section, field, type, def, min, max, alias, help) LM_KNOB_##section(field, type)

#define LM_KNOB_server(field, type) LM_KNOB_FIELD_##type field;
#define LM_KNOB_model(field, type)
struct lm_conf_server {
#include "conf/knobs.def"
};
#undef LM_KNOB_server
#undef LM_KNOB_model

#define LM_KNOB_server(field, type)
#define LM_KNOB_model(field, type) LM_KNOB_FIELD_##type field;
struct lm_conf_model {
    char *name; /* of the section: the served name */
#include "conf/knobs.def"
};
#undef LM_KNOB_server
#undef LM_KNOB_model
#undef LM_KNOB

struct lm_conf_option { char *key, *value; };

struct lm_conf_backend { /* section [backend NAME]: keys belong to the plugin, which checks them */
    char *name;
    struct lm_conf_option *option;
    size_t n_option;
};

struct lm_conf {
    struct lm_conf_server server;
    struct lm_conf_model *model;
    size_t n_model;
    struct lm_conf_backend *backend;
    size_t n_backend;
    char *path; /* file it was read from, "" if none */
    struct lm_bytes notes; /* a line for each flag that was taken for the sake of other servers' scripts; for the caller's log */
    bool long_lists;       /* set before reading flags: a list takes all arguments up to the next flag, as vLLM's do */
};

/** All defaults, no model section. */
int lm_conf_init(struct lm_conf *c, struct lm_err *err);
void lm_conf_fini(struct lm_conf *c);

/** Read an INI file over what is there. */
int lm_conf_read_ini(struct lm_conf *c, const char *path, struct lm_err *err);

/** Apply environment LLMSERVE_<FIELD>=value. */
int lm_conf_read_env(struct lm_conf *c, struct lm_err *err);

/**
 * Apply flags --key value, --key=value, --bool-key, --no-bool-key (and the aliases of each row); they win over
 * every section. A model flag applies to all model sections; with no section one is made, named by
 * --served-model-name or the file's name. `[backend NAME]` options by --backend-option NAME.key=value. Flags of vLLM's and
 * ipex-llm's scripts that are no knobs (foreign.def) do what their rows say.
 *
 * *io_argc/argv keep what is not a flag (positional arguments), in order, argv[0] first.
 */
int lm_conf_read_flags(struct lm_conf *c, int *io_argc, char **argv, struct lm_err *err);

/** True when name is the section's name or one of its served-model-name. */
bool lm_conf_model_answers(const struct lm_conf_model *m, const char *name);

/** The file to load: low-bit-model-path, else path. Borrowed. */
const char *lm_conf_model_path(const struct lm_conf_model *m);

/** Cross-checks after everything was read: at least one model, unique names, paths present. */
int lm_conf_check(const struct lm_conf *c, struct lm_err *err);

/** The effective settings of one model and its backend sections as flags for its llmserve-engine of this rank; NULL-terminated, caller frees each and the array. */
int lm_conf_model_flags(const struct lm_conf *c, size_t model, size_t rank, char ***out, struct lm_err *err);

/** The commented llmserve.ini with every default; --help text of the rows; both end in a newline. Caller frees. */
char *lm_conf_default_ini(void);
char *lm_conf_help(void);
/** The rows as man-page troff (for man/llmserve.ini.5). */
char *lm_conf_man(void);
/** The rows as flags in man-page troff (for man/llmserved.8). */
char *lm_conf_man_flags(void);

/**
 * Read everything in order: `--config FILE` from argv (default ./llmserve.ini if there, else the one in
 * sysconfdir if there), environment, flags; then check.
 */
int lm_conf_load(struct lm_conf *c, int *io_argc, char **argv, struct lm_err *err);
#endif
