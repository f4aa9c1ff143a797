/* SPDX-License-Identifier: Apache-2.0 */
/* Post-processors, as far as they put special tokens around one text. */
#include "runtime/text/hf/file.h"
#include "runtime/text/hf/jget.h"

enum { MAX_DEPTH = 8 };
static const char WHERE[] = "post_processor";

static int put(struct lm_hf_ids *ids, const struct lm_vocab *v, const json_t *id, struct lm_err *err)
{
    if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) >= v->n)
        return lm_fail(err, LM_EFORMAT, "%s: a special token's id is not one of the %u tokens", WHERE, v->n);
    if (ids->n == LM_HF_MAX_AROUND)
        return lm_fail(err, LM_ELIMIT, "%s puts more than %d tokens in front of a text or behind it", WHERE,
                       LM_HF_MAX_AROUND);
    ids->id[ids->n++] = (int32_t)json_integer_value(id);
    return 0;
}

static int put_template(struct lm_hf_ids *ids, const struct lm_vocab *v, const json_t *j, const json_t *special,
                        struct lm_err *err)
{
    const char *name;
    size_t n;
    int rc = lm_jget_str(special, WHERE, "id", false, &name, &n, err);
    if (rc)
        return rc;
    const json_t *list = json_object_get(json_object_get(json_object_get(j, "special_tokens"), name), "ids");
    if (!json_is_array(list))
        return lm_fail(err, LM_EFORMAT, "%s.special_tokens does not say what '%.40s' is", WHERE, name);
    for (size_t i = 0; i < json_array_size(list) && !rc; i++)
        rc = put(ids, v, json_array_get(list, i), err);
    return rc;
}

static int read_template(struct lm_hf_ids *before, struct lm_hf_ids *behind, const struct lm_vocab *v, const json_t *j,
                         struct lm_err *err)
{
    const json_t *list;
    int seen = 0, rc = lm_jget_array(j, WHERE, "single", &list, err);
    for (size_t i = 0; !rc && i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i), *special = json_object_get(item, "SpecialToken");
        if (json_is_object(special))
            rc = put_template(seen ? behind : before, v, j, special, err);
        else if (json_is_object(json_object_get(item, "Sequence")))
            seen++;
        else
            rc = lm_fail(err, LM_EFORMAT, "%s.single[%zu] is neither a SpecialToken nor a Sequence", WHERE, i);
    }
    if (!rc && seen != 1)
        rc = lm_fail(err, LM_EUNSUPPORTED, "%s.single has the text %d times", WHERE, seen);
    return rc;
}

static int read_pair(struct lm_hf_ids *ids, const struct lm_vocab *v, const json_t *j, const char *key,
                     struct lm_err *err)
{
    return put(ids, v, json_array_get(json_object_get(j, key), 1), err);
}

/* Those of one are put around those of the ones before it. */
static int join(struct lm_hf *h, const struct lm_hf_ids *before, const struct lm_hf_ids *behind, struct lm_err *err)
{
    if (h->before.n + before->n > LM_HF_MAX_AROUND || h->behind.n + behind->n > LM_HF_MAX_AROUND)
        return lm_fail(err, LM_ELIMIT, "%s puts more than %d tokens in front of a text or behind it", WHERE,
                       LM_HF_MAX_AROUND);
    memmove(h->before.id + before->n, h->before.id, h->before.n * sizeof *h->before.id);
    memcpy(h->before.id, before->id, before->n * sizeof *before->id);
    memcpy(h->behind.id + h->behind.n, behind->id, behind->n * sizeof *behind->id);
    h->before.n += before->n;
    h->behind.n += behind->n;
    return 0;
}

static int read(struct lm_hf *h, const struct lm_vocab *v, const json_t *j, int depth, struct lm_err *err)
{
    struct lm_hf_ids before = {{0}, 0}, behind = {{0}, 0};
    const char *type;
    const json_t *list;
    int rc = lm_jget_type(j, WHERE, &type, err);
    if (rc)
        return rc;
    if (strcmp(type, "Sequence") == 0) {
        if (depth == MAX_DEPTH)
            return lm_fail(err, LM_ELIMIT, "%s is nested deeper than %d", WHERE, MAX_DEPTH);
        rc = lm_jget_array(j, WHERE, "processors", &list, err);
        for (size_t i = 0; !rc && i < json_array_size(list); i++)
            rc = read(h, v, json_array_get(list, i), depth + 1, err);
        return rc;
    }
    if (strcmp(type, "ByteLevel") == 0)
        return 0;
    if (strcmp(type, "TemplateProcessing") == 0) {
        rc = read_template(&before, &behind, v, j, err);
    } else if (strcmp(type, "BertProcessing") == 0 || strcmp(type, "RobertaProcessing") == 0) {
        rc = read_pair(&before, v, j, "cls", err);
        if (!rc)
            rc = read_pair(&behind, v, j, "sep", err);
    } else {
        rc = lm_fail(err, LM_EUNSUPPORTED, "%s type '%.40s' is not supported", WHERE, type);
    }
    return rc ? rc : join(h, &before, &behind, err);
}

int lm_hf_post_read(struct lm_hf *h, const struct lm_vocab *v, const json_t *j, struct lm_err *err)
{
    return !j || json_is_null(j) ? 0 : read(h, v, j, 0, err);
}
