/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/jinja/jfilter.h"
#include "runtime/text/jinja/jstr.h"
#include <math.h>

static int filter_abs(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval v = k->v[0];
    if (!lm_jval_is_number(v))
        return lm_jval_fail_type(c, v, "has no absolute value");
    bool neg = v.kind == LM_JFLOAT ? signbit(v.f) != 0 : v.kind == LM_JINT && v.i < 0;
    return lm_jnum_unary(c, neg ? '-' : '+', v, out);
}

static int filter_attr(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval name = k->v[1];
    int rc = lm_jcall_need_str(c, name, "an attribute's name");
    if (!rc)
        rc = lm_jattr_only(c, k->v[0], name, out);
    if (!rc)
        *out = lm_jval_undef(LM_JWHY_ATTR, name.s, name.n, k->v[0].kind);
    return rc < 0 ? rc : 0;
}

static int filter_default(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    bool use = k->v[0].kind == LM_JUNDEF || (lm_jval_truth(k->v[2]) && !lm_jval_truth(k->v[0]));
    *out = !use ? k->v[0] : k->v[1].kind == LM_JMISSING ? lm_jval_cstr("") : k->v[1];
    return 0;
}

static int int_of_float(struct lm_jctx *c, double f, struct lm_jval *out)
{
    if (!(f >= -0x1p63 && f < 0x1p63))
        return lm_fail(c->err, LM_ELIMIT, "an integer is beyond 64 bits");
    *out = lm_jval_int((int64_t)f);
    return 0;
}

/* int(default, base): what is no number gives the default. */
static int filter_int(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval v = k->v[0];
    int64_t base = 10, i;
    bool over = false;
    double f;
    if (v.kind == LM_JUNDEF)
        return lm_jval_fail_undef(c, v);
    bool base_known = k->v[2].kind == LM_JMISSING || (lm_jval_as_int(k->v[2], &base) && (base == 0 || (base >= 2 && base <= 36)));
    *out = k->v[1].kind == LM_JMISSING ? lm_jval_int(0) : k->v[1];
    if (lm_jval_as_int(v, &i))
        *out = lm_jval_int(i);
    else if (v.kind == LM_JSTR && base_known && lm_jnum_parse_int(v, (int)base, &i, &over))
        *out = lm_jval_int(i);
    else if (v.kind == LM_JSTR && lm_jnum_parse_float(c, v, &f) && isfinite(f))
        return int_of_float(c, f, out);
    else if (v.kind == LM_JFLOAT && !isnan(v.f))
        return int_of_float(c, v.f, out);
    if (over)
        return lm_fail(c->err, LM_ELIMIT, "an integer is beyond 64 bits");
    return lm_jval_charge(c, v.kind == LM_JSTR ? v.n / 8 : 0);
}

static int filter_float(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval v = k->v[0];
    int64_t i;
    double f;
    if (v.kind == LM_JUNDEF)
        return lm_jval_fail_undef(c, v);
    *out = k->v[1].kind == LM_JMISSING ? lm_jval_float(0) : k->v[1];
    if (v.kind == LM_JFLOAT)
        *out = v;
    else if (lm_jval_as_int(v, &i))
        *out = lm_jval_float((double)i);
    else if (v.kind == LM_JSTR && lm_jnum_parse_float(c, v, &f))
        *out = lm_jval_float(f);
    return lm_jval_charge(c, v.kind == LM_JSTR ? v.n / 8 : 0);
}

/* round(precision, method) */
static int filter_round(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jval v = k->v[0], method = k->v[2];
    int64_t precision, i;
    bool ceil_it = lm_jval_is_str(method, "ceil"), floor_it = lm_jval_is_str(method, "floor");
    if (method.kind != LM_JMISSING && !ceil_it && !floor_it && !lm_jval_is_str(method, "common"))
        return lm_fail(c->err, LM_EFORMAT, "method must be common, ceil or floor");
    int rc = lm_jcall_int(c, k->v[1], 0, &precision);
    if (rc || (!ceil_it && !floor_it))
        return rc ? rc : lm_jnum_round(c, v, precision, out);
    if (!lm_jval_is_number(v))
        return lm_jval_fail_type(c, v, "cannot be rounded");
    double unit = pow(10, (double)precision), f = (lm_jval_as_int(v, &i) ? (double)i : v.f) * unit;
    if (!isfinite(f) || unit == 0)
        return lm_fail(c->err, LM_EFORMAT, "the number is too large to round");
    *out = lm_jval_float((ceil_it ? ceil(f) : floor(f)) / unit);
    return 0;
}

static int filter_length(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    size_t n;
    int rc = lm_jval_len(c, k->v[0], &n);
    if (!rc)
        *out = lm_jval_int((int64_t)n);
    return rc;
}

static int filter_list(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    return lm_jiter_list(c, k->v[0], out);
}

static int filter_string(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    return lm_jrepr_soft(c, k->v[0], out);
}

static int filter_pprint(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    return lm_jrepr_pretty(c, k->v[0], out);
}

/* transformers' tojson(ensure_ascii, indent, separators, sort_keys). */
static int filter_tojson(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    struct lm_jjson how = {.ascii = lm_jval_truth(k->v[1]), .sort_keys = lm_jval_truth(k->v[4]), .indent = k->v[2]};
    struct lm_jval sep;
    int64_t i;
    how.item_sep = lm_jval_cstr(lm_jval_absent(how.indent) ? ", " : ",");
    how.key_sep = lm_jval_cstr(": ");
    if (!lm_jval_absent(how.indent) && how.indent.kind != LM_JSTR && !lm_jval_as_int(how.indent, &i))
        return lm_jval_fail_type(c, how.indent, "is no indent");
    if (!lm_jval_absent(k->v[3])) {
        int rc = lm_jiter_list(c, k->v[3], &sep);
        if (rc)
            return rc;
        if (sep.n != 2 || sep.v[0].kind != LM_JSTR || sep.v[1].kind != LM_JSTR)
            return lm_fail(c->err, LM_EFORMAT, "separators must be two strings");
        how.item_sep = sep.v[0];
        how.key_sep = sep.v[1];
    }
    return lm_jjson_dump(c, k->v[0], &how, out);
}

/* filesizeformat(binary) */
static int filter_filesize(struct lm_jctx *c, const struct lm_jcall *k, struct lm_jval *out)
{
    static const char *const unit[2][8] = {{"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"},
                                           {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"}};
    bool binary = lm_jval_truth(k->v[1]);
    double base = binary ? 1024 : 1000, size = base;
    struct lm_jval v = k->v[0];
    size_t mark = lm_jval_mark(c);
    int64_t i;
    double f = lm_jval_as_int(v, &i) ? (double)i : v.f;
    if (!lm_jval_is_number(v) && !(v.kind == LM_JSTR && lm_jnum_parse_float(c, v, &f)))
        return lm_jval_fail_type(c, v, "is no size");
    if (isnan(f) || f == -INFINITY)
        return lm_fail(c->err, LM_EFORMAT, "the size is no number");
    if (f == 1) {
        lm_bytes_add_str(&c->tmp, "1 Byte");
    } else if (f < base) {
        lm_bytes_addf(&c->tmp, "%.0f Bytes", trunc(f));
    } else {
        int u = 0;
        while (u < 7 && f >= size * base) {
            size *= base;
            u++;
        }
        lm_bytes_addf(&c->tmp, "%.1f %s", base * f / (size * base), unit[binary][u]);
    }
    return lm_jval_cut(c, mark, out);
}

static const struct lm_jbuiltin filters[] = {
    {"abs", filter_abs, "", 0},
    {"attr", filter_attr, "!name", 0},
    {"batch", lm_jfilter_batch, "!linecount fill_with", 0},
    {"capitalize", lm_jfilter_case, "", LM_JCASE_CAPITAL},
    {"center", lm_jfilter_center, "width", 0},
    {"count", filter_length, "", 0},
    {"d", filter_default, "default_value boolean", 0},
    {"default", filter_default, "default_value boolean", 0},
    {"dictsort", lm_jfilter_dictsort, "case_sensitive by reverse", 0},
    {"e", lm_jfilter_escape, "", false},
    {"escape", lm_jfilter_escape, "", false},
    {"filesizeformat", filter_filesize, "binary", 0},
    {"first", lm_jfilter_first, "", 0},
    {"float", filter_float, "default", 0},
    {"forceescape", lm_jfilter_escape, "", true},
    {"format", lm_jfilter_format, "*", 0},
    {"groupby", lm_jfilter_groupby, "!attribute default case_sensitive", 0},
    {"indent", lm_jfilter_indent, "width first blank", 0},
    {"int", filter_int, "default base", 0},
    {"items", lm_jfilter_items, "", 0},
    {"join", lm_jfilter_join, "d attribute", 0},
    {"last", lm_jfilter_last, "", 0},
    {"length", filter_length, "", 0},
    {"list", filter_list, "", 0},
    {"lower", lm_jfilter_case, "", LM_JCASE_LOWER},
    {"map", lm_jfilter_map, "*", 0},
    {"max", lm_jfilter_extreme, "case_sensitive attribute", 1},
    {"min", lm_jfilter_extreme, "case_sensitive attribute", -1},
    {"pprint", filter_pprint, "", 0},
    {"reject", lm_jfilter_select, "*", LM_JFILTER_REJECT},
    {"rejectattr", lm_jfilter_select, "*", LM_JFILTER_REJECT | LM_JFILTER_ATTR},
    {"replace", lm_jfilter_replace, "!old !new count", 0},
    {"reverse", lm_jfilter_reverse, "", 0},
    {"round", filter_round, "precision method", 0},
    {"safe", lm_jfilter_safe, "", 0},
    {"select", lm_jfilter_select, "*", 0},
    {"selectattr", lm_jfilter_select, "*", LM_JFILTER_ATTR},
    {"slice", lm_jfilter_slice, "!slices fill_with", 0},
    {"sort", lm_jfilter_sort, "reverse case_sensitive attribute", 0},
    {"string", filter_string, "", 0},
    {"striptags", lm_jfilter_striptags, "", 0},
    {"sum", lm_jfilter_sum, "attribute start", 0},
    {"title", lm_jfilter_title, "", 0},
    {"tojson", filter_tojson, "ensure_ascii indent separators sort_keys", 0},
    {"trim", lm_jfilter_trim, "chars", 0},
    {"truncate", lm_jfilter_truncate, "length killwords end leeway", 0},
    {"unique", lm_jfilter_unique, "case_sensitive attribute", 0},
    {"upper", lm_jfilter_case, "", LM_JCASE_UPPER},
    {"urlencode", lm_jfilter_urlencode, "", 0},
    {"wordcount", lm_jfilter_wordcount, "", 0},
    {"wordwrap", lm_jfilter_wordwrap, "width break_long_words wrapstring break_on_hyphens", 0},
    {"xmlattr", lm_jfilter_xmlattr, "autospace", 0},
};

const struct lm_jbuiltin *lm_jfilter_find(const char *s, size_t n)
{
    return lm_jcall_pick(filters, sizeof filters / sizeof *filters, s, n);
}
