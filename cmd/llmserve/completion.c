/* SPDX-License-Identifier: Apache-2.0 */
/* llmserve completion: the rows of all subcommands as a shell's completion, or as the man page's COMMANDS. */
#include "cmd/llmserve/command.h"
#include "conf/knob.h"

/* Of each form: what stands before and after all commands, and one command. */
struct form {
    const char *name, *before, *after;
    void (*command)(const struct lm_command *c, const char *path, struct lm_bytes *out);
};

static void add_dashed(struct lm_bytes *out, const char *name)
{
    for (; *name; name++)
        lm_bytes_add_char(out, *name == '_' ? '-' : *name);
}

/* " --a --b", with all names of each row, and the knobs'. */
static void add_names(const struct lm_command *c, struct lm_bytes *out)
{
    char name[LM_OPTION_NAME_MAX];
    for (size_t i = 0; i < c->options.n; i++) {
        lm_bytes_addf(out, " %s", lm_option_name(&c->options.row[i], name));
        for (size_t k = 0; lm_option_alias(&c->options.row[i], k, name); k++)
            lm_bytes_addf(out, " %s", name);
    }
    for (size_t i = 0; i < lm_n_knobs && c->knobs; i++) {
        lm_bytes_add_str(out, " --");
        add_dashed(out, lm_knobs[i].name);
    }
    lm_bytes_add_str(out, " --help");
}

/* "a b c" of "a|b|c". */
static void add_words(struct lm_bytes *out, const char *words)
{
    for (; *words; words++)
        lm_bytes_add_char(out, *words == '|' ? ' ' : *words);
}

static void add_subs(const struct lm_command *const *sub, struct lm_bytes *out)
{
    for (; *sub; sub++)
        lm_bytes_addf(out, " %s", (*sub)->name);
}

static void bash_command(const struct lm_command *c, const char *path, struct lm_bytes *out)
{
    char name[LM_OPTION_NAME_MAX];
    for (size_t i = 0; i < c->options.n; i++)
        if (c->options.row[i].type == LM_OPTION_WORD) {
            lm_bytes_addf(out, "    '%s %s') words='", path, lm_option_name(&c->options.row[i], name));
            add_words(out, c->options.row[i].value);
            lm_bytes_add_str(out, "' ;;\n");
        }
    lm_bytes_addf(out, "    '%s '*) words='", path);
    if (c->sub)
        add_subs(c->sub, out);
    else
        add_names(c, out);
    lm_bytes_add_str(out, "' ;;\n");
}

/* s in single quotes of a shell, with brackets and colons escaped where zsh reads them. */
static void add_quoted(struct lm_bytes *out, const char *s, bool zsh)
{
    for (; *s; s++) {
        if (*s == '\'')
            lm_bytes_add_str(out, "'\\''");
        else if (zsh && strchr("[]:\\", *s))
            lm_bytes_addf(out, "\\%c", *s);
        else if (!zsh && *s == '\\')
            lm_bytes_add_str(out, "\\\\");
        else
            lm_bytes_add_char(out, *s);
    }
}

static void zsh_option(const char *name, const char *help, const char *value, bool words, struct lm_bytes *out)
{
    lm_bytes_addf(out, " \\\n      '*%s", name);
    lm_bytes_add_char(out, '[');
    add_quoted(out, help, true);
    lm_bytes_add_char(out, ']');
    if (*value) {
        lm_bytes_add_str(out, ":value:");
        if (words)
            lm_bytes_add_char(out, '(');
        if (words)
            add_words(out, value);
        lm_bytes_add_str(out, words ? ")" : "_files");
    }
    lm_bytes_add_char(out, '\'');
}

static void zsh_command(const struct lm_command *c, const char *path, struct lm_bytes *out)
{
    char name[LM_OPTION_NAME_MAX] = "--";
    lm_bytes_addf(out, "    '%s')\n", path);
    if (c->sub) {
        lm_bytes_add_str(out, "      compadd --");
        add_subs(c->sub, out);
        lm_bytes_add_str(out, " ;;\n");
        return;
    }
    lm_bytes_add_str(out, "      _arguments -S");
    for (size_t i = 0; i < c->options.n; i++) {
        const struct lm_arg_row *row = &c->options.row[i];
        zsh_option(lm_option_name(row, name), row->help, row->value, row->type == LM_OPTION_WORD, out);
        for (size_t k = 0; lm_option_alias(row, k, name); k++)
            zsh_option(name, row->help, row->value, row->type == LM_OPTION_WORD, out);
    }
    for (size_t i = 0; i < lm_n_knobs && c->knobs; i++) {
        struct lm_bytes dashed = {0};
        lm_bytes_add_str(&dashed, "--");
        add_dashed(&dashed, lm_knobs[i].name);
        zsh_option(dashed.data ? dashed.data : "", lm_knobs[i].help, lm_knobs[i].type == LM_KNOB_BOOL ? "" : lm_knobs[i].type == LM_KNOB_ENUM ? lm_knobs[i].min : "VALUE",
                   lm_knobs[i].type == LM_KNOB_ENUM, out);
        lm_bytes_fini(&dashed);
    }
    lm_bytes_add_str(out, " \\\n      '--help[Show the options]' '*:file:_files' ;;\n");
}

static void fish_option(const char *path, const char *name, const char *help, const char *value, bool words, struct lm_bytes *out)
{
    lm_bytes_addf(out, "complete -c llmserve -n '__llmserve_at %s' %s %s", path, name[1] == '-' ? "-l" : "-s", name + (name[1] == '-' ? 2 : 1));
    if (*value)
        lm_bytes_add_str(out, " -r");
    if (words) {
        lm_bytes_add_str(out, " -f -a '");
        add_words(out, value);
        lm_bytes_add_char(out, '\'');
    }
    lm_bytes_add_str(out, " -d '");
    add_quoted(out, help, false);
    lm_bytes_add_str(out, "'\n");
}

static void fish_command(const struct lm_command *c, const char *path, struct lm_bytes *out)
{
    char name[LM_OPTION_NAME_MAX];
    const char *space = strchr(path, ' ');
    lm_bytes_addf(out, "complete -c llmserve -f -n '__llmserve_at %.*s' -a %s -d '", space ? (int)(space - path) : 0, path, c->name);
    add_quoted(out, c->help, false);
    lm_bytes_add_str(out, "'\n");
    for (size_t i = 0; i < c->options.n; i++) {
        const struct lm_arg_row *row = &c->options.row[i];
        fish_option(path, lm_option_name(row, name), row->help, row->value, row->type == LM_OPTION_WORD, out);
        for (size_t k = 0; lm_option_alias(row, k, name); k++)
            fish_option(path, name, row->help, row->value, row->type == LM_OPTION_WORD, out);
    }
    for (size_t i = 0; i < lm_n_knobs && c->knobs; i++) {
        struct lm_bytes dashed = {0};
        lm_bytes_add_str(&dashed, "--");
        add_dashed(&dashed, lm_knobs[i].name);
        fish_option(path, dashed.data ? dashed.data : "--", lm_knobs[i].help, lm_knobs[i].type == LM_KNOB_BOOL ? "" : lm_knobs[i].type == LM_KNOB_ENUM ? lm_knobs[i].min : "VALUE",
                    lm_knobs[i].type == LM_KNOB_ENUM, out);
        lm_bytes_fini(&dashed);
    }
    fish_option(path, "--help", "Show the options", "", false, out);
}

static void add_troff(struct lm_bytes *out, const char *s)
{
    for (const char *at = s; *at; at++) {
        if (*at == '\\' || *at == '-')
            lm_bytes_add_char(out, '\\');
        else if ((*at == '.' || *at == '\'') && at == s)
            lm_bytes_add_str(out, "\\&");
        lm_bytes_add_char(out, *at);
    }
}

static void man_command(const struct lm_command *c, const char *path, struct lm_bytes *out)
{
    char name[LM_OPTION_NAME_MAX], part[512];
    lm_bytes_add_str(out, ".SS ");
    add_troff(out, path);
    if (*c->usage)
        lm_bytes_add_char(out, ' ');
    add_troff(out, c->usage);
    lm_bytes_addf(out, "\n%c", c->help[0] & ~0x20);
    add_troff(out, c->help + 1);
    lm_bytes_add_str(out, ".\n");
    if (c->about)
        add_troff(out, c->about);
    lm_bytes_add_str(out, c->about ? "\n" : "");
    for (size_t i = 0; i < c->options.n; i++) {
        const struct lm_arg_row *row = &c->options.row[i];
        lm_bytes_add_str(out, ".TP\n.B ");
        add_troff(out, lm_option_name(row, name));
        for (size_t k = 0; lm_option_alias(row, k, name); k++) {
            lm_bytes_add_str(out, ", ");
            add_troff(out, name);
        }
        lm_bytes_add_str(out, *row->value ? " \\fI" : "");
        add_troff(out, row->value);
        lm_bytes_add_char(out, '\n');
        for (const char *at = row->help; *at; at += strcspn(at, "|") + (at[strcspn(at, "|")] == '|')) {
            snprintf(part, sizeof part, "%s%.*s", at == row->help ? "" : " | ", (int)strcspn(at, "|"), at); /* lines may end in a list of words */
            add_troff(out, part);
        }
        if (row->def && *row->def) {
            lm_bytes_add_str(out, " [");
            add_troff(out, row->def);
            lm_bytes_add_char(out, ']');
        }
        lm_bytes_add_str(out, ".\n");
    }
    if (c->knobs)
        lm_bytes_add_str(out, ".PP\nFlags of\n.BR llmserved (8)\nare taken too.\n");
}

static const struct form forms[] = {
    {"bash",
     "# bash completion for llmserve; made by: llmserve completion bash\n"
     "_llmserve() {\n  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} at=${COMP_WORDS[1]} words=\n"
     "  [ \"$at\" = bench ] && [ \"$COMP_CWORD\" -gt 2 ] && at=\"bench ${COMP_WORDS[2]}\"\n"
     "  if [ \"$COMP_CWORD\" = 1 ]; then words='%s --help --version'; else case \"$at $prev\" in\n",
     "  esac; fi\n  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\ncomplete -o default -F _llmserve llmserve\n", bash_command},
    {"zsh",
     "#compdef llmserve\n# zsh completion for llmserve; made by: llmserve completion zsh\n"
     "_llmserve() {\n  local at=${words[2]}\n"
     "  if (( CURRENT == 2 )); then compadd --%s --help --version; return; fi\n"
     "  shift words; (( CURRENT-- ))\n"
     "  if [[ $at == bench ]] && (( CURRENT > 2 )); then at=\"bench ${words[2]}\"; shift words; (( CURRENT-- )); fi\n"
     "  case $at in\n",
     "  esac\n}\n_llmserve \"$@\"\n", zsh_command},
    {"fish",
     "# fish completion for llmserve; made by: llmserve completion fish; commands:%s\n"
     "function __llmserve_at\n  set -l words (commandline -opc | string match -v -- '-*')\n"
     "  set -l n (count $argv)\n  test \"$words[2..-1]\" = \"$argv\"; and return 0\n"
     "  test $n -gt 0; and test (count $words) -gt (math $n + 1); and test \"$words[2..(math $n + 1)]\" = \"$argv\"\nend\n",
     "", fish_command},
    {"man",
     ".\\\" SPDX-License-Identifier: Apache-2.0\n.\\\" Made from the rows of the subcommands: make update-generated\n"
     ".TH LLMSERVE 1 \"\" \"llmserve\" \"User Commands\"\n.SH NAME\nllmserve \\- run, measure and look at models, and talk to servers\n"
     ".SH SYNOPSIS\n.B llmserve\n.I COMMAND\n.RI [ ARGUMENTS ]\n"
     ".SH DESCRIPTION\nCommands that print figures take\n.BR \\-\\-json .\nBars are shown where standard error is a terminal, plain lines elsewhere.\n"
     ".SH COMMANDS\n%s",
     ".SH MODELS\nA model is a GGUF file, any part of a split one (\\fIname\\fB\\-00001\\-of\\-0000\\fIN\\fB.gguf\\fR), or a folder in Hugging Face's form:\n"
     ".IR config.json ,\n.I generation_config.json\n(may be absent), and\n.I model.safetensors\nor the files that\n"
     ".I model.safetensors.index.json\nnames. Checkpoints of AWQ, GPTQ, FP8 and compressed\\-tensors are read without loss. No code of a folder is run.\n"
     ".SH ENVIRONMENT\n.TP\n.BR LLMSERVE_API_KEY \", \" OPENAI_API_KEY\nThe key of the server that\n.BR \"bench serve\" \", \" chat \" and \" complete\ntalk to.\n"
     ".TP\n.B XDG_STATE_HOME\nWhere the lines typed into\n.BR chat \", \" complete \" and \" run\nare kept, in\n.IR llmserve/ ;\nelse ~/.local/state.\n"
     ".SH EXIT STATUS\n0; 1 the work failed; 2 wrong usage, or a schema that is not supported; 78 the configuration is wrong.\n"
     ".SH EXAMPLES\n.EX\nllmserve run \\-m model.gguf \"San Francisco is a\"\n"
     "llmserve bench serve \\-\\-dataset\\-name random \\-\\-num\\-prompts 100 \\-\\-max\\-concurrency 1,4,16 \\-\\-ignore\\-eos \\-\\-plot load.svg\n"
     "llmserve batch \\-i requests.jsonl \\-o answers.jsonl \\-m model.gguf\nllmserve completion bash > ~/.local/share/bash\\-completion/completions/llmserve\n.EE\n"
     ".SH SEE ALSO\n.BR llmserved (8),\n.BR llmserve.ini (5)\n", man_command},
};

static void add_commands(const struct form *f, const struct lm_command *const *list, const char *before, struct lm_bytes *out)
{
    char path[64];
    for (; *list; list++) {
        if ((*list)->sub) { /* before it: the first pattern that fits counts */
            snprintf(path, sizeof path, "%s%s ", before, (*list)->name);
            add_commands(f, (*list)->sub, path, out);
        }
        snprintf(path, sizeof path, "%s%s", before, (*list)->name);
        if (!(*list)->sub || f->command != man_command)
            f->command(*list, path, out);
    }
}

bool lm_completion_write(const char *form, struct lm_bytes *out)
{
    const struct form *f = NULL;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        f = strcmp(forms[i].name, form) == 0 ? &forms[i] : f;
    if (!f)
        return false;
    const char *at = strstr(f->before, "%s");
    lm_bytes_add(out, f->before, (size_t)(at - f->before));
    if (f->command != man_command)
        add_subs(lm_commands, out);
    lm_bytes_add_str(out, at + 2);
    add_commands(f, lm_commands, "", out);
    lm_bytes_add_str(out, f->after);
    return true;
}

static int run(int argc, char **argv)
{
    struct lm_bytes out = {0};
    struct lm_err err = {0};
    int rc = argc == 2 && lm_completion_write(argv[1], &out) ? 0 : lm_fail(&err, LM_EINVAL, "one of bash, zsh, fish, man is needed");
    if (!rc && (out.failed || fwrite(out.data, 1, out.len, stdout) != out.len || fflush(stdout)))
        rc = lm_fail(&err, LM_EIO, "writing: %m");
    lm_bytes_fini(&out);
    return lm_command_end("completion", rc, &err);
}

const struct lm_command lm_command_completion = {
    .name = "completion", .usage = "bash|zsh|fish|man", .help = "print a shell's completion of this tool, or this list for its man page", .run = run,
};
