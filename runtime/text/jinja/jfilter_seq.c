/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/jinja/jfilter.h"
#include "runtime/text/jinja/jstr.h"

int lm_jfilter_path(struct lm_jctx *c, struct lm_jval attribute, struct lm_jval dflt, bool fold, struct lm_jpath *out)
{
    struct lm_jlist l = {0};
    int rc = 0;
    if (attribute.kind == LM_JSTR) {
        for (size_t from = 0, end; from <= attribute.n && !rc; from = end + 1) {
            end = from;
            while (end < attribute.n && attribute.s[end] != '.')
                end++;
            struct lm_jval part = lm_jval_str(attribute.s + from, end - from);
            int64_t i;
            bool over, digits = part.n > 0;
            for (size_t at = 0; at < part.n; at++)
                digits &= part.s[at] >= '0' && part.s[at] <= '9';
            if (digits && lm_jnum_parse_int(part, 10, &i, &over) && !over)
                part = lm_jval_int(i);
            rc = lm_jval_push(c, &l, part);
        }
    } else if (!lm_jval_absent(attribute)) {
        rc = lm_jval_push(c, &l, attribute);
    }
    *out = (struct lm_jpath){.part = l.v, .n = l.n, .dflt = dflt, .fold = fold};
    return rc;
}

int lm_jfilter_follow(struct lm_jctx *c, const struct lm_jpath *p, struct lm_jval item, struct lm_jval *out)
{
    int rc = 0;
    for (size_t i = 0; i < p->n && !rc; i++) {
        rc = lm_jattr_item(c, item, p->part[i], &item);
        if (!rc && item.kind == LM_JUNDEF && !lm_jval_absent(p->dflt))
            item = p->dflt;
    }
    if (!rc && p->fold && item.kind == LM_JSTR)
        rc = lm_jcase_map(c, item, LM_JCASE_LOWER, &item);
    if (!rc)
        *out = item;
    return rc;
}

int lm_jfilter_first(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jiter it;
    int rc = lm_jiter_open(c, k->v[0], &it);
    if (!rc)
        rc = lm_jiter_next(c, &it, out);
    if (!rc)
        *out = lm_jval_undef_text("No first item, sequence was empty.");
    return rc < 0 ? rc : 0;
}

int lm_jfilter_last(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jiter it;
    struct lm_jval back;
    int rc = lm_jiter_reversed(c, k->v[0], &back);
    if (!rc)
        rc = lm_jiter_open(c, back, &it);
    if (!rc)
        rc = lm_jiter_next(c, &it, out);
    if (!rc)
        *out = lm_jval_undef_text("No last item, sequence was empty.");
    return rc < 0 ? rc : 0;
}

/* min(case_sensitive, attribute) and max: the first of equal ones. */
int lm_jfilter_extreme(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jpath path;
    struct lm_jiter it;
    struct lm_jval item, key, best = lm_jval_undef_text("No aggregated item, sequence was empty."), best_key;
    bool none = true;
    int rc = lm_jfilter_path(c, k->v[2], lm_jval_none(), !lm_jval_truth(k->v[1]), &path);
    if (!rc)
        rc = lm_jiter_open(c, k->v[0], &it);
    while (!rc && (rc = lm_jiter_next(c, &it, &item)) > 0) {
        int order = (int)k->arg;
        rc = lm_jfilter_follow(c, &path, item, &key);
        if (!rc && !none)
            rc = lm_jval_order(c, key, best_key, &order);
        if (!rc && order == k->arg) {
            best = item;
            best_key = key;
        }
        none = false;
    }
    if (!rc)
        *out = best;
    return rc;
}

int lm_jfilter_sum(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jpath path;
    struct lm_jiter it;
    struct lm_jval item, sum = k->v[2].kind == LM_JMISSING ? lm_jval_int(0) : k->v[2];
    if (sum.kind == LM_JSTR)
        return lm_fail(c->err, LM_EFORMAT, "sum() can't sum strings");
    int rc = lm_jfilter_path(c, k->v[1], lm_jval_none(), false, &path);
    if (!rc)
        rc = lm_jiter_open(c, k->v[0], &it);
    while (!rc && (rc = lm_jiter_next(c, &it, &item)) > 0) {
        rc = lm_jfilter_follow(c, &path, item, &item);
        if (!rc)
            rc = lm_jnum_binary(c, '+', sum, item, &sum);
    }
    if (!rc)
        *out = sum;
    return rc;
}

/* Keys of all items by path. */
static int keys_of(struct lm_jctx *c, struct lm_jval list, const struct lm_jpath *path, struct lm_jval **out)
{
    struct lm_jval *key = lm_jval_alloc(c, list.n, sizeof *key);
    int rc = key ? 0 : lm_jval_nomem(c);
    for (size_t i = 0; i < list.n && !rc; i++)
        rc = lm_jfilter_follow(c, path, list.v[i], &key[i]);
    *out = key;
    return rc;
}

/* sort(reverse, case_sensitive, attribute): the key is the list of the attributes named between commas. */
int lm_jfilter_sort(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval list, attribute = k->v[3], *key, *part;
    bool fold = !lm_jval_truth(k->v[2]);
    size_t n = 1;
    int rc = lm_jiter_list(c, k->v[0], &list);
    for (size_t i = 0; attribute.kind == LM_JSTR && i < attribute.n; i++)
        n += attribute.s[i] == ',';
    if (rc)
        return rc;
    key = lm_jval_alloc(c, list.n, sizeof *key);
    if (!key)
        return lm_jval_nomem(c);
    for (size_t i = 0; i < list.n; i++) {
        part = lm_jval_alloc(c, n, sizeof *part);
        if (!part)
            return lm_jval_nomem(c);
        key[i] = lm_jval_seq(LM_JLIST, part, n);
    }
    struct lm_jval rest = attribute;
    for (size_t at = 0; at < n && !rc; at++) {
        struct lm_jpath path;
        struct lm_jval one = rest, *column;
        if (rest.kind == LM_JSTR) {
            size_t comma = lm_jstr_find(rest.s, rest.n, ",", 1);
            one.n = comma == LM_JSTR_NONE ? rest.n : comma;
            rest = comma == LM_JSTR_NONE ? rest : lm_jstr_part(rest, comma + 1, rest.n);
        }
        rc = lm_jfilter_path(c, one, lm_jval_none(), fold, &path);
        if (!rc)
            rc = keys_of(c, list, &path, &column);
        for (size_t i = 0; i < list.n && !rc; i++)
            ((struct lm_jval *)key[i].v)[at] = column[i];
    }
    return rc ? rc : lm_jsort_by(c, list, key, lm_jval_truth(k->v[1]), out);
}

/* dictsort(case_sensitive, by, reverse) */
int lm_jfilter_dictsort(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval list, *key;
    bool by_value = lm_jval_is_str(k->v[2], "value");
    if (k->v[2].kind != LM_JMISSING && !by_value && !lm_jval_is_str(k->v[2], "key"))
        return lm_fail(c->err, LM_EFORMAT, "dictsort sorts by either \"key\" or \"value\"");
    if (k->v[0].kind != LM_JDICT)
        return lm_jval_fail_type(c, k->v[0], "has no items()");
    int rc = lm_jiter_list(c, (struct lm_jval){.kind = LM_JVIEW, .tag = LM_JITEMS, .d = k->v[0].d}, &list);
    struct lm_jval part = lm_jval_int(by_value);
    struct lm_jpath path = {.part = &part, .n = 1, .fold = !lm_jval_truth(k->v[1])};
    if (!rc)
        rc = keys_of(c, list, &path, &key);
    return rc ? rc : lm_jsort_by(c, list, key, lm_jval_truth(k->v[3]), out);
}

static int push_group(struct lm_jctx *c, struct lm_jlist *l, const struct lm_jpath *path, struct lm_jval items, struct lm_jval *first_key)
{
    struct lm_jval key = *first_key, pair;
    int rc = path->fold ? lm_jfilter_follow(c, &(struct lm_jpath){.part = path->part, .n = path->n, .dflt = path->dflt}, items.v[0], &key) : 0;
    if (!rc)
        rc = lm_jval_pair(c, key, items, &pair);
    if (rc)
        return rc;
    pair.of = 1;
    return lm_jval_push(c, l, pair);
}

/* groupby(attribute, default, case_sensitive): pairs of key and items, in order of the keys. */
int lm_jfilter_groupby(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jpath path;
    struct lm_jval list, *key;
    struct lm_jlist groups = {0};
    int rc = lm_jfilter_path(c, k->v[1], k->v[2], !lm_jval_truth(k->v[3]), &path);
    if (!rc)
        rc = lm_jiter_list(c, k->v[0], &list);
    if (!rc)
        rc = keys_of(c, list, &path, &key);
    if (!rc)
        rc = lm_jsort_by(c, list, key, false, &list);
    if (!rc)
        rc = keys_of(c, list, &path, &key);
    for (size_t from = 0, i = 1; !rc && i <= list.n; i++) {
        bool same = false;
        if (i < list.n)
            rc = lm_jval_equal(c, key[from], key[i], &same);
        if (rc || same)
            continue;
        rc = push_group(c, &groups, &path, lm_jval_seq(LM_JLIST, list.v + from, i - from), &key[from]);
        from = i;
    }
    if (!rc)
        *out = lm_jval_seq(LM_JLIST, groups.v, groups.n);
    return rc;
}

/* join(d, attribute) */
int lm_jfilter_join(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jpath path;
    struct lm_jiter it;
    struct lm_jval item, sep = lm_jval_cstr("");
    size_t mark = lm_jval_mark(c);
    int rc = k->v[1].kind == LM_JMISSING ? 0 : lm_jrepr_soft(c, k->v[1], &sep);
    if (!rc)
        rc = lm_jfilter_path(c, k->v[2], lm_jval_none(), false, &path);
    if (!rc)
        rc = lm_jiter_open(c, k->v[0], &it);
    for (bool first = true; !rc && (rc = lm_jiter_next(c, &it, &item)) > 0; first = false) {
        if (!first)
            lm_jstr_add(c, sep);
        rc = lm_jfilter_follow(c, &path, item, &item);
        if (!rc)
            rc = lm_jrepr_str(c, item);
    }
    return rc ? rc : lm_jval_cut(c, mark, out);
}

int lm_jfilter_reverse(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval v = k->v[0], list;
    if (v.kind == LM_JSTR)
        return lm_jstr_slice(c, v, (const struct lm_jval[3]){lm_jval_none(), lm_jval_none(), lm_jval_int(-1)}, out);
    if (lm_jiter_reversible(v))
        return lm_jiter_reversed(c, v, out);
    int rc = lm_jiter_list(c, v, &list);
    return rc ? rc : lm_jattr_slice(c, list, (const struct lm_jval[3]){lm_jval_none(), lm_jval_none(), lm_jval_int(-1)}, out);
}
