/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/grammar/format.h"
#include "runtime/text/grammar/regex.h"

#define LEAP "(?:[0-9][0-9](?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
#define DATE "(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|" LEAP "-02-29)"
#define OFFSET "(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
#define TIME "(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]+)?" OFFSET "|23:59:60(?:\\.[0-9]+)?[Zz])"
#define DTIME "T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S)"
#define DDATE "(?:[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?|[0-9]+M(?:[0-9]+D)?|[0-9]+D)"
#define LABEL63 "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
#define LABEL30 "[A-Za-z0-9](?:[A-Za-z0-9-]{0,28}[A-Za-z0-9])?"
#define HOST "(?:" LABEL63 "(?:\\." LABEL63 "){0,2}|" LABEL30 "(?:\\." LABEL30 "){3,7})"
#define OCTET "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
#define IPV4 OCTET "\\." OCTET "\\." OCTET "\\." OCTET
#define H16 "[0-9A-Fa-f]{1,4}"
#define LS32 "(?:" H16 ":" H16 "|" IPV4 ")"
#define IPV6                                                                                            \
    "(?:(?:" H16 ":){6}" LS32 "|::(?:" H16 ":){5}" LS32 "|(?:" H16 ")?::(?:" H16 ":){4}" LS32           \
    "|(?:(?:" H16 ":)?" H16 ")?::(?:" H16 ":){3}" LS32 "|(?:(?:" H16 ":){0,2}" H16 ")?::(?:" H16 ":){2}" LS32 \
    "|(?:(?:" H16 ":){0,3}" H16 ")?::" H16 ":" LS32 "|(?:(?:" H16 ":){0,4}" H16 ")?::" LS32             \
    "|(?:(?:" H16 ":){0,5}" H16 ")?::" H16 "|(?:(?:" H16 ":){0,6}" H16 ")?::)"
#define PCT "%[0-9A-Fa-f]{2}"
#define UNRESERVED "A-Za-z0-9\\-._~"
#define SUB "!$&'()*+,;="
#define PCHAR "(?:[" UNRESERVED SUB ":@]|" PCT ")"
#define USER "(?:[" UNRESERVED SUB "]|" PCT ")*(?::(?:[" UNRESERVED SUB "]|" PCT ")*)?"
#define REGNAME "(?:[" UNRESERVED SUB "]|" PCT ")*"
#define AUTHORITY "(?:" USER "@)?(?:\\[" IPV6 "\\]|" REGNAME ")(?::[0-9]*)?"
#define ABEMPTY "(?:/" PCHAR "*)*"
#define ABSOLUTE "/(?:" PCHAR "+(?:/" PCHAR "*)*)?"
#define ROOTLESS PCHAR "+(?:/" PCHAR "*)*"
#define NOSCHEME "(?:[" UNRESERVED SUB "@]|" PCT ")+(?:/" PCHAR "*)*"
#define TAIL "(?:\\?(?:" PCHAR "|[/?])*)?(?:#(?:" PCHAR "|[/?])*)?"
#define URI "[A-Za-z][A-Za-z0-9+.\\-]*:(?://" AUTHORITY ABEMPTY "|" ABSOLUTE "|" ROOTLESS "|)" TAIL
#define RELATIVE "(?://" AUTHORITY ABEMPTY "|" ABSOLUTE "|" NOSCHEME "|)" TAIL
#define ATOM "[A-Za-z0-9!#$%&'*+\\-/=?^_`{|}~]"

/* A second expression must hold too. */
static const struct { const char *name, *regex, *also; } formats[] = {
    {"date", DATE, NULL},
    {"time", TIME, NULL},
    {"date-time", DATE "[Tt]" TIME, NULL},
    {"duration", "P(?:" DDATE "(?:" DTIME ")?|" DTIME "|[0-9]+W)", NULL},
    {"email", ATOM "+(?:\\." ATOM "+)*@" LABEL63 "(?:\\." LABEL63 "){0,2}", "[^@]{1,64}@(?:[^@-]|-[^@-])*"},
    {"hostname", HOST, "(?:[^-]|-[^-])*"},
    {"ipv4", IPV4, NULL},
    {"ipv6", IPV6, NULL},
    {"uri", URI, NULL},
    {"uri-reference", "(?:" URI "|" RELATIVE ")", NULL},
    {"uuid", "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}", NULL},
    {"json-pointer", "(?:/(?:[^/~]|~[01])*)*", NULL},
    {"relative-json-pointer", "(?:0|[1-9][0-9]*)(?:#|(?:/(?:[^/~]|~[01])*)*)", NULL},
};

static const char *const refused[] = {"idn-email", "idn-hostname", "iri", "iri-reference", "uri-template", "regex"};

enum lm_format lm_format_find(const char *name)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(name, formats[i].name) == 0)
            return LM_FORMAT_KNOWN;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (strcmp(name, refused[i]) == 0)
            return LM_FORMAT_REFUSED;
    return LM_FORMAT_IGNORED;
}

struct lm_chars *lm_format_compile(struct lm_builder *b, const char *name)
{
    size_t i = 0;
    while (strcmp(name, formats[i].name) != 0)
        i++;
    struct lm_chars *c = lm_regex_compile(b, formats[i].regex, strlen(formats[i].regex), false);
    if (!formats[i].also || !c)
        return c;
    struct lm_chars *also = lm_regex_compile(b, formats[i].also, strlen(formats[i].also), false);
    struct lm_chars *both = lm_chars_both(b, c, also);
    lm_chars_destroy(c);
    lm_chars_destroy(also);
    return both;
}
