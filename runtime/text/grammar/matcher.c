/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/grammar/matcher.h"
#include "runtime/text/grammar/schema.h"

int lm_matcher_init(struct lm_matcher *m, struct lm_frames *pool, struct lm_err *err)
{
    *m = (struct lm_matcher){.pool = pool};
    lm_threads_begin(pool, &m->now);
    if (!pool->failed)
        return 0;
    lm_matcher_fini(m);
    return lm_fail(err, LM_ENOMEM, "no memory to run a grammar");
}

void lm_matcher_fini(struct lm_matcher *m)
{
    lm_threads_fini(&m->now);
    lm_threads_fini(&m->next);
    lm_json_keys_fini(&m->keys);
}

void lm_matcher_restart(struct lm_matcher *m)
{
    lm_json_keys_clear(&m->keys);
    lm_threads_begin(m->pool, &m->now);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Drop threads in keys that could only end as keys that are there. */
static void drop_tails(struct lm_matcher *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->now.n; i++) {
        uint32_t tail = m->pool->tail[m->now.t[i].node];
        if (!tail || tail > lm_json_keys_count(&m->keys, -1))
            m->now.t[n++] = m->now.t[i];
    }
    m->now.n = n;
}

/* Keys and white space are JSON's: around it there are none. */
static bool is_outside(const struct lm_matcher *m)
{
    for (size_t i = 0; i < m->now.n; i++)
        if (!m->pool->program->node[m->now.t[i].node].outside)
            return false;
    return m->now.n > 0;
}

bool lm_matcher_feed(struct lm_matcher *m, const char *s, size_t n, bool token)
{
    bool json = m->pool->program->json;
    for (size_t i = 0; i < n; i++) {
        if (json && (!token || i == 0) && !m->keys.in_string && is_space(s[i]) && m->keys.space >= LM_JSON_MAX_SPACE)
            m->now.n = 0;
        m->pool->policy = LM_KEY_EXACT;
        m->pool->dup = json && s[i] == '"' && lm_json_keys_is_dup(&m->keys);
        lm_threads_step(m->pool, m->now.t, m->now.n, (uint8_t)s[i], &m->next);
        struct lm_threads t = m->now;
        m->now = m->next;
        m->next = t;
        if (json && is_outside(m)) {
            lm_json_keys_clear(&m->keys);
        } else if (json) {
            lm_json_keys_push(&m->keys, (uint8_t)s[i]);
            drop_tails(m);
        }
        if ((m->now.n == 0 && !m->now.accept) || m->pool->failed || m->keys.text.failed || m->keys.end.failed || m->keys.level.failed)
            return false;
    }
    return true;
}
