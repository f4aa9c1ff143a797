/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_JINJA_JFILTER_H
#define LM_JINJA_JFILTER_H
/**
 * The filters, one function each; the table in jfilter.c names them and their parameters.
 *
 * k->v[0] is what is filtered. Those that jinja2 writes as generators do nothing until they are iterated.
 *
 * Thread   [any]
 * Source   Jinja 3.1 filters; markupsafe; textwrap, pprint, urllib.parse of Python 3.11
 */
#include "runtime/text/jinja/jeval.h"

/* jfilter_seq.c, arg as said */
int lm_jfilter_first(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out);
int lm_jfilter_last(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out);
int lm_jfilter_extreme(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out); /* -1 min, 1 max */
int lm_jfilter_sum(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out);
int lm_jfilter_sort(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out);
int lm_jfilter_dictsort(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out);
int lm_jfilter_groupby(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out);
int lm_jfilter_join(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out);
int lm_jfilter_reverse(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out);

/* jfilter_gen.c */
int lm_jfilter_map(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out);
enum { LM_JFILTER_REJECT = 1, LM_JFILTER_ATTR = 2 };
int lm_jfilter_select(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out); /* LM_JFILTER_* */
int lm_jfilter_unique(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out);
int lm_jfilter_batch(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out);
int lm_jfilter_slice(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out);
int lm_jfilter_items(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out);

/* jfilter_str.c */
int lm_jfilter_case(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out); /* enum lm_jcase */
int lm_jfilter_title(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out);
int lm_jfilter_trim(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out);
int lm_jfilter_replace(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out);
int lm_jfilter_indent(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out);
int lm_jfilter_center(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out);
int lm_jfilter_truncate(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out);
int lm_jfilter_wordcount(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out);
int lm_jfilter_format(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out);

/* jfilter_html.c */
int lm_jfilter_escape(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out); /* 1: Markup too */
int lm_jfilter_safe(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out);
int lm_jfilter_striptags(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out);
int lm_jfilter_xmlattr(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out);
int lm_jfilter_urlencode(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out);

/* jwrap.c */
int lm_jfilter_wordwrap(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out);

/** How sort, map, join … look into items: an attribute path as "a.0.b". */
struct lm_jpath {
    struct lm_jval *part;
    size_t n;
    struct lm_jval dflt; /* for undefined results; LM_JMISSING or none: leave them */
    bool fold;           /* compare texts in lower case */
};
/** attribute: LM_JMISSING or none for the item itself. */
int lm_jfilter_path(struct lm_jctx *c, struct lm_jval attribute, struct lm_jval dflt, bool fold, struct lm_jpath *out);
int lm_jfilter_follow(struct lm_jctx *c, const struct lm_jpath *p, struct lm_jval item, struct lm_jval *out);
#endif
