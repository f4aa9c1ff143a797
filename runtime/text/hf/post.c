/* SPDX-License-Identifier: Apache-2.0 */
/* Post-processors, as far as they put special tokens around one text, and between two. */
#include "runtime/text/hf/file.h"
#include "runtime/text/hf/jget.h"

#include <stdlib.h>

enum { MAX_PARTS = 256 };
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

/* Of "pair" what stands between A and B, and B's type. Absent: what ends one text. */
static int read_between(struct lm_hf *h, const struct lm_vocab *v, const json_t *j, struct lm_err *err)
{
    const json_t *list = json_object_get(j, "pair"), *item;
    size_t i;
    int seen = 0, rc = 0;
    json_array_foreach(list, i, item) {
        const json_t *special = json_object_get(item, "SpecialToken"), *text = json_object_get(item, "Sequence");
        seen += json_is_object(text);
        if (!rc && json_is_object(special) && seen == 1)
            rc = put_template(&h->between, v, j, special, err);
        if (json_is_object(text) && seen == 2)
            h->second_type = json_integer_value(json_object_get(text, "type_id")) == 1;
    }
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

enum { BYTE_LEVEL, TEMPLATE, BERT, ROBERTA, N_TYPE };

static int read_one(struct lm_hf *h, const struct lm_vocab *v, const struct lm_jget_part *part, struct lm_err *err)
{
    struct lm_hf_ids before = {{0}, 0}, behind = {{0}, 0};
    int rc = 0;
    if (part->kind == TEMPLATE) {
        rc = read_template(&before, &behind, v, part->j, err);
        if (!rc)
            rc = read_between(h, v, part->j, err);
    }
    if (part->kind == BERT || part->kind == ROBERTA) {
        rc = read_pair(&before, v, part->j, "cls", err);
        if (!rc)
            rc = read_pair(&behind, v, part->j, "sep", err);
        for (int i = 0; i < (part->kind == BERT ? 1 : 2) && !rc; i++)
            rc = read_pair(&h->between, v, part->j, "sep", err);
        h->second_type = part->kind == BERT;
    }
    return rc ? rc : join(h, &before, &behind, err);
}

int lm_hf_post_read(struct lm_hf *h, const struct lm_vocab *v, const json_t *j, struct lm_err *err)
{
    static const char *const types[N_TYPE] = {"ByteLevel", "TemplateProcessing", "BertProcessing", "RobertaProcessing"};
    struct lm_jget_part *part = NULL;
    size_t n = 0;
    int rc = lm_jget_parts(j, WHERE, "processors", types, N_TYPE, MAX_PARTS, &part, &n, err);
    for (size_t i = 0; i < n && !rc; i++)
        rc = read_one(h, v, &part[i], err);
    free(part);
    return rc;
}
