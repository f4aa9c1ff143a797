/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openai/store.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    struct entry *next; /* younger */
    char *id, *body, *messages;
    size_t bytes;
};

struct lm_store {
    pthread_mutex_t lock;
    struct entry *oldest;
    size_t n, bytes;
};

struct lm_store *lm_store_create(void)
{
    struct lm_store *s = calloc(1, sizeof *s);
    if (s)
        pthread_mutex_init(&s->lock, NULL);
    return s;
}

static void free_entry(struct entry *e)
{
    free(e->id);
    free(e->body);
    free(e->messages);
    free(e);
}

/* Take *at out of the list. */
static void take_out(struct lm_store *s, struct entry **at)
{
    struct entry *e = *at;
    *at = e->next;
    s->n--;
    s->bytes -= e->bytes;
    free_entry(e);
}

static struct entry **find(struct lm_store *s, const char *id)
{
    struct entry **at = &s->oldest;
    while (*at && strcmp((*at)->id, id) != 0)
        at = &(*at)->next;
    return at;
}

void lm_store_destroy(struct lm_store *s)
{
    if (!s)
        return;
    while (s->oldest)
        take_out(s, &s->oldest);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* NULL: it is not to be kept. */
static struct entry *make_entry(const char *id, const struct lm_bytes *body, const char *messages)
{
    struct entry *e = body->failed || !messages ? NULL : calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->id = strdup(id);
    e->body = strndup(body->data ? body->data : "", body->len);
    e->messages = strdup(messages);
    e->bytes = body->len + strlen(messages) + strlen(id) + sizeof *e;
    if (e->id && e->body && e->messages && e->bytes <= LM_STORE_BYTES)
        return e;
    free_entry(e);
    return NULL;
}

bool lm_store_put(struct lm_store *s, const char *id, const struct lm_bytes *body, const char *messages)
{
    struct entry *e = make_entry(id, body, messages);
    pthread_mutex_lock(&s->lock);
    struct entry **old = find(s, id);
    if (*old)
        take_out(s, old);
    while (e && s->oldest && (s->n >= LM_STORE_MAX || s->bytes + e->bytes > LM_STORE_BYTES))
        take_out(s, &s->oldest);
    if (e) {
        struct entry **at = &s->oldest;
        while (*at)
            at = &(*at)->next;
        *at = e;
        s->n++;
        s->bytes += e->bytes;
    }
    pthread_mutex_unlock(&s->lock);
    return e != NULL;
}

bool lm_store_get(struct lm_store *s, const char *id, struct lm_bytes *out_body, struct lm_bytes *out_messages)
{
    pthread_mutex_lock(&s->lock);
    const struct entry *e = *find(s, id);
    if (e && out_body)
        lm_bytes_add_str(out_body, e->body);
    if (e && out_messages)
        lm_bytes_add_str(out_messages, e->messages);
    pthread_mutex_unlock(&s->lock);
    return e != NULL;
}

bool lm_store_drop(struct lm_store *s, const char *id)
{
    pthread_mutex_lock(&s->lock);
    struct entry **at = find(s, id);
    bool there = *at != NULL;
    if (there)
        take_out(s, at);
    pthread_mutex_unlock(&s->lock);
    return there;
}
