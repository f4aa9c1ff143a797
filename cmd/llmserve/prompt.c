/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/llmserve/prompt.h"

#include "config.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef HAVE_LIBEDIT
#include <histedit.h>
#endif

enum { HISTORY = 1000 };

struct lm_prompt {
    char *line; /* of getline() */
    size_t cap;
    bool is_terminal;
    char path[512]; /* of the history; "" : none */
    char *copy;
#ifdef HAVE_LIBEDIT
    EditLine *el;
    History *history;
#endif
};

/* Make the folders of the history's file. */
static void find_path(struct lm_prompt *p, const char *name)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int n = state && *state == '/' ? snprintf(p->path, sizeof p->path, "%s/llmserve/%s_history", state, name)
            : home                 ? snprintf(p->path, sizeof p->path, "%s/.local/state/llmserve/%s_history", home, name)
                                   : 0;
    if (n <= 0 || n >= (int)sizeof p->path) {
        p->path[0] = 0;
        return;
    }
    for (char *s = strchr(p->path + 1, '/'); s; s = strchr(s + 1, '/')) {
        *s = 0;
        mkdir(p->path, 0700);
        *s = '/';
    }
}

#ifdef HAVE_LIBEDIT
static char *show(EditLine *el)
{
    static char text[] = "> ";
    return text;
}

static bool start_editing(struct lm_prompt *p)
{
    HistEvent ev;
    p->el = el_init("llmserve", stdin, stdout, stderr);
    p->history = history_init();
    if (!p->el || !p->history)
        return false;
    history(p->history, &ev, H_SETSIZE, HISTORY);
    history(p->history, &ev, H_SETUNIQUE, 1);
    el_set(p->el, EL_PROMPT, show);
    el_set(p->el, EL_EDITOR, "emacs");
    el_set(p->el, EL_SIGNAL, 1);
    el_set(p->el, EL_HIST, history, p->history);
    el_source(p->el, NULL);
    if (*p->path)
        history(p->history, &ev, H_LOAD, p->path);
    return true;
}

static void stop_editing(struct lm_prompt *p)
{
    HistEvent ev;
    mode_t old = umask(077);
    if (p->history && *p->path)
        history(p->history, &ev, H_SAVE, p->path);
    umask(old);
    if (p->el)
        el_end(p->el);
    if (p->history)
        history_end(p->history);
}

static const char *edited(struct lm_prompt *p)
{
    HistEvent ev;
    int n = 0;
    const char *s = el_gets(p->el, &n);
    if (s && n > 1)
        history(p->history, &ev, H_ENTER, s);
    return s;
}
#else
static bool start_editing(struct lm_prompt *p) { return true; }
static void stop_editing(struct lm_prompt *p) {}
static const char *edited(struct lm_prompt *p)
{
    fputs("> ", stdout);
    fflush(stdout);
    return getline(&p->line, &p->cap, stdin) < 0 ? NULL : p->line;
}
#endif

int lm_prompt_create(const char *name, struct lm_prompt **out, struct lm_err *err)
{
    struct lm_prompt *p = calloc(1, sizeof *p);
    if (!p)
        return lm_fail(err, LM_ENOMEM, "out of memory");
    p->is_terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    find_path(p, name);
    if (p->is_terminal && !start_editing(p)) {
        lm_prompt_destroy(p);
        return lm_fail(err, LM_ENOMEM, "the line editor does not start");
    }
    *out = p;
    return 0;
}

void lm_prompt_destroy(struct lm_prompt *p)
{
    if (!p)
        return;
    if (p->is_terminal)
        stop_editing(p);
    free(p->copy);
    free(p->line);
    free(p);
}

static bool is_end(const char *s)
{
    return strcmp(s, "stop") == 0 || strcmp(s, "/exit") == 0 || strcmp(s, "/quit") == 0;
}

const char *lm_prompt_read(struct lm_prompt *p)
{
    do {
        const char *s = p->is_terminal ? edited(p) : getline(&p->line, &p->cap, stdin) < 0 ? NULL : p->line;
        free(p->copy);
        p->copy = s ? strdup(s) : NULL;
        if (!p->copy)
            return NULL;
        p->copy[strcspn(p->copy, "\r\n")] = 0;
    } while (!*p->copy);
    return is_end(p->copy) ? NULL : p->copy;
}
