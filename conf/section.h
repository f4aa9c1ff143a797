/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_CONF_SECTION_H
#define LM_CONF_SECTION_H
/** Sections of a configuration, found or made. Used by the INI and flag readers. */
#include "conf/conf.h"

/** The section [model NAME]; made with defaults if it is not there. *out is borrowed until the next section is made. */
int lm_conf_model_section(struct lm_conf *c, const char *name, struct lm_conf_model **out, struct lm_err *err);

/** Set an option of [backend NAME]; the later one wins. */
int lm_conf_backend_option(struct lm_conf *c, const char *name, const char *key, const char *value, struct lm_err *err);
#endif
