/* SPDX-License-Identifier: Apache-2.0 */
#include "api/guard.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

bool lm_guard_is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (strcasecmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static void free_list(char **list)
{
    for (size_t i = 0; list && list[i]; i++)
        free(list[i]);
    free(list);
}

static char **split(const char *text)
{
    size_t n = 0;
    char **list = calloc(strlen(text) / 2 + 2, sizeof *list);
    for (const char *s = text; list && *(s += strspn(s, ", \t"));) {
        size_t len = strcspn(s, ", \t");
        if (!(list[n++] = strndup(s, len))) {
            free_list(list);
            return NULL;
        }
        s += len;
    }
    return list;
}

static int add_credential(struct lm_guard *g, struct lm_err *err)
{
    const char *dir = getenv("CREDENTIALS_DIRECTORY");
    char path[4096];
    if (!dir || snprintf(path, sizeof path, "%s/llmserve-api-key", dir) >= (int)sizeof path || access(path, F_OK))
        return 0;
    return lm_keys_add_file(&g->key, path, err);
}

static int check_origins(const struct lm_guard *g, struct lm_err *err)
{
    for (size_t i = 0; g->origin[i]; i++)
        for (const char *s = g->origin[i]; *s; s++)
            if (*s <= ' ' || *s > '~')
                return lm_fail(err, LM_ECONFIG, "allowed-origins: '%.60s' is not an origin", g->origin[i]);
    return 0;
}

int lm_guard_init(struct lm_guard *g, const struct lm_conf_server *conf, bool loopback, struct lm_err *err)
{
    *g = (struct lm_guard){.loopback = loopback, .origin = split(conf->allowed_origins), .host = split(conf->allowed_hosts)};
    if (!g->origin || !g->host)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    int rc = lm_keys_add(&g->key, conf->api_key, err);
    if (rc == 0)
        rc = *conf->api_key_file ? lm_keys_add_file(&g->key, conf->api_key_file, err) : add_credential(g, err);
    if (rc == 0)
        rc = lm_keys_add(&g->admin, conf->admin_key, err);
    if (rc == 0)
        rc = check_origins(g, err);
    if (rc == 0 && !g->key.n && !g->loopback && !conf->allow_unauthenticated)
        rc = lm_fail(err, LM_ECONFIG,
                     "host %s can be reached from other machines and no api-key is set: set one, or allow-unauthenticated = yes",
                     *conf->host ? conf->host : "\"\" (every address)");
    return rc;
}

void lm_guard_fini(struct lm_guard *g)
{
    lm_keys_fini(&g->key);
    lm_keys_fini(&g->admin);
    free_list(g->origin);
    free_list(g->host);
    *g = (struct lm_guard){0};
}

static bool shows_key(const struct lm_keys *k, const struct lm_http_req *req)
{
    const char *bearer = lm_http_header(req, "authorization"), *key = lm_http_header(req, "x-api-key");
    if (bearer && strncasecmp(bearer, "Bearer ", 7) == 0 && lm_keys_match(k, bearer + 7 + strspn(bearer + 7, " ")))
        return true;
    return key && lm_keys_match(k, key);
}

bool lm_guard_may_call(const struct lm_guard *g, const struct lm_http_req *req)
{
    return !g->key.n || shows_key(&g->key, req);
}

bool lm_guard_is_admin(const struct lm_guard *g, const struct lm_http_req *req)
{
    return shows_key(&g->admin, req);
}

bool lm_guard_knows_host(const struct lm_guard *g, const struct lm_http_req *req)
{
    const char *value = lm_http_header(req, "host");
    char host[256];
    if (!g->loopback || !value)
        return true;
    bool bracket = *value == '[';
    size_t n = strcspn(value + bracket, bracket ? "]" : ":");
    snprintf(host, sizeof host, "%.*s", (int)(n < sizeof host ? n : sizeof host - 1), value + bracket);
    if (!*host || lm_guard_is_loopback(host))
        return true;
    for (size_t i = 0; g->host[i]; i++)
        if (strcmp(g->host[i], "*") == 0 || strcasecmp(g->host[i], host) == 0)
            return true;
    return false;
}

const char *lm_guard_origin(const struct lm_guard *g, const struct lm_http_req *req)
{
    const char *origin = lm_http_header(req, "origin");
    for (size_t i = 0; origin && g->origin[i]; i++)
        if (strcmp(g->origin[i], "*") == 0 || strcmp(g->origin[i], origin) == 0)
            return strcmp(g->origin[i], "*") == 0 ? "*" : origin;
    return NULL;
}
