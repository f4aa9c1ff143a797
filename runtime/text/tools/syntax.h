/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TOOLS_SYNTAX_H
#define LM_TOOLS_SYNTAX_H
/**
 * Inside of the parsers. A syntax is a struct lm_tool_syntax in a file of its own, and a row in syntaxes.c.
 *
 * The text that is not decided yet is held[at ..); step() decides as much as it can, byte `scan` being where it reads on.
 * Places in `held` stay what they are until step() returns without progress.
 *
 * Thread   [any], one at a time
 */
#include "runtime/text/tools/tools.h"
#include <string.h>

struct lm_tool_grammar;

#define LM_TOOL_HEAD_MAX 512 /* bytes of a call's name and what stands around it */

struct lm_tool_syntax {
    const char *name;
    const char *const *mark; /* its special tokens, NULL-terminated: shown to the parser */
    const char *const *sign; /* a template is for it that has all of these; NULL-terminated */
    const char *id_style;    /* see lm_tool_id_style() */
    size_t id_len;
    bool reasons;            /* step() finds reasoning too */
    bool (*step)(struct lm_parser *p, bool end); /* false: nothing more can be decided; with end all must be */

    /* The same as a grammar: open call (between call)* close. Special tokens stand in texts as they are. */
    const char *open, *between, *close;
    void (*call)(struct lm_tool_grammar *g, size_t tool, uint32_t from, uint32_t to); /* one call of a tool */
    const char *thought[3]; /* of one that reasons: what opens and closes a thought, and what comes then; else NULL */
    const char *answer;  /* what stands before an answer that is no call; NULL: nothing */
    const char *trigger; /* behind this text a call must follow, whatever came before; NULL: nothing is that sure */
};

struct lm_reasoning_syntax {
    const char *name;
    const char *open[4], *close[4]; /* NULL-terminated */
    bool begins;                    /* an answer is reasoning until `close`, though it does not begin with `open` */
    bool other;                     /* the tool syntax of that name's does it */
    const char *sign;               /* a template is for it that has this; NULL: it must be named */
};

/** Where a JSON value stands that comes byte by byte; all-zero: before it. */
struct lm_json_value {
    uint32_t depth;
    bool begun, in_string, escaped, scalar;
};
enum lm_json_place { LM_JSON_INSIDE, LM_JSON_LAST, LM_JSON_BEHIND };
/** LAST: c is its last byte. BEHIND: it ended before c. White space before the value is INSIDE. */
enum lm_json_place lm_json_value_push(struct lm_json_value *v, char c);

/** {"name": …, "arguments" or "parameters": …, "id": …}, read from p->scan on. */
struct lm_call_object {
    uint8_t state, field;
    bool told, has_args, known_only, quoted, args_quoted;
    size_t from, args, args_end; /* places in held: of the string or value; of arguments that came before the name */
    struct lm_json_value value;
};
enum lm_call_read { LM_CALL_MORE, LM_CALL_WHOLE, LM_CALL_BAD };

struct lm_parser {
    struct lm_parser_desc d;
    struct lm_said *said;
    struct lm_bytes held;
    size_t at, scan;
    int stage, state; /* of the parser, of the syntax */
    struct lm_call_object object;
    struct lm_bytes name, id, key, value, blank;
    bool in_text;            /* content, or a thought, began */
    bool begun, string, came; /* the syntax's own */
    bool last_reasons;
    size_t n_line;    /* line ends held back */
};

/** Content: white space before it waits until there is some. */
void lm_parser_content(struct lm_parser *p, size_t n);
/** The same of reasoning. */
void lm_parser_reasoning(struct lm_parser *p, size_t n);
/** The first n bytes that are undecided are gone. */
void lm_parser_skip(struct lm_parser *p, size_t n);
size_t lm_parser_left(const struct lm_parser *p);
const char *lm_parser_rest(const struct lm_parser *p);

/**
 * The first of several marks (NULL-terminated) at or behind place `from` of held.
 *
 * Returns  its index and *out_place; -1: none, and *out_place is where one could still begin, or the end
 */
int lm_parser_find(const struct lm_parser *p, size_t from, const char *const *mark, bool end, size_t *out_place);
/** Give content up to the first mark; it stays, at p->at. Returns its index or -1. */
int lm_parser_until(struct lm_parser *p, const char *const *mark, bool end);
/** At p->scan, behind white space, stands one of the marks: its index, p->scan behind it; -1: none does; -2: not known yet. */
int lm_parser_expect(struct lm_parser *p, const char *const *mark, bool end);

void lm_parser_call(struct lm_parser *p, const char *name, size_t n, const char *id, size_t n_id);
void lm_parser_args(struct lm_parser *p, const char *s, size_t n);
/** Arguments that end at a mark, without the white space around them: begin, n bytes of the rest, end ({} if there were none). */
void lm_parser_begin_args(struct lm_parser *p);
void lm_parser_take_args(struct lm_parser *p, size_t n);
void lm_parser_end_args(struct lm_parser *p);
/** What comes now is of another kind: white space between the two is nobody's. */
void lm_parser_turn(struct lm_parser *p);
bool lm_parser_knows(const struct lm_parser *p, const char *name, size_t n);
enum lm_tool_kind lm_parser_kind(const struct lm_parser *p, const char *param, size_t n);

/** Begin an object at p->scan. known_only: no call but of a tool of the list. */
void lm_call_object_begin(struct lm_parser *p, bool known_only);
/** MORE: all was read. WHOLE, BAD: p->scan is behind it, or where it is none; p->at too once it is told. */
enum lm_call_read lm_call_object_read(struct lm_parser *p);

/** Calls whose parameters stand in tags: <tool_call>… key … value … */
struct lm_tag_syntax {
    const char *open, *function; /* `function` behind open, or alone; NULL: the name follows at once */
    const char *name_end[4];     /* what ends a name; those beyond the first stay */
    const char *key, *key_end, *value, *value_end; /* value NULL: it follows at once */
    const char *call_end, *close; /* close NULL: call_end is all */
    bool lines;                  /* a line end on both sides of a value is not part of it */
};
bool lm_tags_step(struct lm_parser *p, const struct lm_tag_syntax *t, bool end);

/** Calls between special tokens: section_open (call_open head separator arguments call_close)* section_close */
struct lm_marked_syntax {
    const char *section_open, *section_close, *call_open, *separator, *call_close;
    /* Name and id from the head; false: no call. */
    bool (*head)(struct lm_parser *p, const char *s, size_t n);
    const char *fence_head, *fence_open, *fence_close; /* a head that is fence_head: the name up to fence_open follows; NULL: none is */
};
bool lm_marked_step(struct lm_parser *p, const struct lm_marked_syntax *m, bool end);

extern const struct lm_tool_syntax lm_tool_hermes, lm_tool_llama3_json, lm_tool_mistral, lm_tool_mistral_args, lm_tool_qwen3_coder,
    lm_tool_deepseek_v3, lm_tool_deepseek_v31, lm_tool_glm45, lm_tool_kimi_k2, lm_tool_openai, lm_tool_pythonic,
    lm_tool_pythonic_tagged;
#endif
