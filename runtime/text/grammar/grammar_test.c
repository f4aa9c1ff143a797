/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/text/grammar/grammar_fixture.h"

typedef int compile_fn(const char *, size_t, struct lm_program **, struct lm_err *);

struct example { const char *source, *yes[6], *no[8]; };

static void check_all(compile_fn *compile, const struct example *e, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct lm_program *p;
        struct lm_err err = {0};
        ck_assert_msg(compile(e[i].source, strlen(e[i].source), &p, &err) == 0, "%s: %s", e[i].source, err.msg);
        for (size_t k = 0; k < 6 && e[i].yes[k]; k++)
            ck_assert_msg(accepts(p, e[i].yes[k], strlen(e[i].yes[k])), "%s rejects '%s'", e[i].source, e[i].yes[k]);
        for (size_t k = 0; k < 8 && e[i].no[k]; k++)
            ck_assert_msg(!accepts(p, e[i].no[k], strlen(e[i].no[k])), "%s accepts '%s'", e[i].source, e[i].no[k]);
        lm_program_destroy(p);
    }
}

struct refused { const char *source; int code; const char *what; };

static void check_refused(compile_fn *compile, const struct refused *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct lm_program *p;
        struct lm_err err = {0};
        int rc = compile(r[i].source, strlen(r[i].source), &p, &err);
        ck_assert_msg(rc == r[i].code && strstr(err.msg, r[i].what), "%s: %d '%s'", r[i].source, rc, err.msg);
    }
}

START_TEST(test_grammar_gbnf__texts_are_those_that_root_derives)
{
    static const struct example examples[] = {
        {"root ::= \"yes\" | \"no\"", {"yes", "no"}, {"", "ye", "yesno", "Yes"}},
        /* recursion in the middle and at the end; rules before and behind their use; comments */
        {"# sums\nroot ::= expr\nexpr ::= term (\"+\" term)*\nterm ::= num | \"(\" expr \")\"\nnum ::= [0-9]+ # digits\n",
         {"1", "12+3", "((1)+2)+(3)"}, {"", "+1", "1+", "(1", "1)", "()"}},
        {"root ::= \"a\" root \"b\" | \"\"", {"", "ab", "aaabbb"}, {"a", "aab", "abab", "ba"}},
        /* a rule goes on over lines until the next one */
        {"root ::=\n  \"a\" |\n  \"b\"\n  \"c\"\nother ::= \"x\"", {"a", "bc"}, {"b", "x", "abc"}},
        {"root ::= [a-c]{2,3} \"-\" [^a-c\\]]{2} \".\"? .{0,1}", {"ab-xy", "abc-de.", "ab-\xc3\xa9z!", "aa-zz.."}, {"a-xy", "abcd-xy", "ab-xa", "ab-x]", "ab-xy..."}},
        {"root ::= ( \"x\" | [yz] )+ ws \"\\n\" \nws ::= \" \"*", {"x\n", "xyz  \n"}, {"\n", "x", "x \n\n"}},
        {"root ::= \"\\x41\\u00e9\\U0001F600\\\"\\\\\"", {"A\xc3\xa9\xf0\x9f\x98\x80\"\\"}, {"A", "A\xc3\xa9\xf0\x9f\x98\x80\""}},
        {"root ::= 'it' \"'s\"", {"it's"}, {"its"}},
        {"root ::= a{3}\na ::= \"ab\" | \"a\"", {"aaa", "aabab", "ababab"}, {"aa", "aaaa", "abb"}},
        /* many ways to the same text: a set of threads, not a tree of them */
        {"root ::= x x x x x x x x x x x x x x x x x x x x\nx ::= \"a\"*", {"", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}, {"b", "aab"}},
        {"root ::= (\"a\" | )* | (y?)*\ny ::= \"b\"?", {"", "aaa", "bb"}, {"ab", "c"}},
    };
    check_all(lm_grammar_gbnf, examples, sizeof examples / sizeof *examples);
}
END_TEST

START_TEST(test_grammar_gbnf__what_is_no_grammar_is_refused_with_its_line)
{
    static const struct refused cases[] = {
        {"", LM_EINVAL, "no rule 'root'"},
        {"start ::= \"a\"", LM_EINVAL, "no rule 'root'"},
        {"root ::= a\n", LM_EINVAL, "no rule 'a'"},
        {"root ::= \"a\"\nroot ::= \"b\"", LM_EINVAL, "line 2"},
        {"root ::= root \"a\" | \"b\"", LM_EINVAL, "left-recursive"},
        {"root ::= a \"x\" | \"y\"\na ::= b?\nb ::= \"\" root", LM_EINVAL, "left-recursive"},
        {"root ::= \"a", LM_EINVAL, "line 1"},
        {"root ::= [a", LM_EINVAL, "without its end"},
        {"root ::= (\"a\"", LM_EINVAL, "without its end"},
        {"root ::= \"a\")", LM_EINVAL, "line 1"},
        {"root ::= [z-a]", LM_EINVAL, "bad range"},
        {"root ::= \"\\q\"", LM_EINVAL, "unknown escape"},
        {"root ::= \"a\"{3,2}", LM_EINVAL, "bad repetition"},
        {"root ::= \"a\"**", LM_EINVAL, "repetition of a repetition"},
        {"root ::= \"a\"{99999}", LM_ELIMIT, "repetition"},
        {"root ::= \"a\" root", LM_ENOTFOUND, "no text satisfies it"},
        {"?start: \"a\"", LM_EINVAL, "expected 'name ::='"},
        {"root ::= \"\xff\"", LM_EINVAL, "UTF-8"},
        {"root ::= ((((\"a\"{1000}){1000}){1000}){1000})", LM_ELIMIT, "too "},
    };
    check_refused(lm_grammar_gbnf, cases, sizeof cases / sizeof *cases);
}
END_TEST

START_TEST(test_grammar_regex__whole_texts_match)
{
    static const struct example examples[] = {
        {"[0-9]{3}-[0-9]{4}", {"555-1234"}, {"555-123", "x555-1234", "555-12345", ""}},
        {"(a|b)*?c+", {"c", "abacc"}, {"", "ab", "ca"}},
        {"^\\d+$", {"1", "42"}, {"", "a", "4 2"}},
        {"a$|^b|c^d", {"a", "b"}, {"cd", "ab", "c"}}, /* ^ behind a character never holds */
        {"\\w+@\\w+\\.com", {"a_1@b.com"}, {"@b.com", "a@bcom", "\xc3\xa9@b.com"}},
        {"[^\\x00-\\x7f]", {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"}, {"e", "\xc3", "\xa9", "\xed\xa0\x80", "\xc3\xa9\xc3\xa9"}},
        {"(?:x(?<name>y)(?P<other>z))", {"xyz"}, {"xy"}},
        {".", {"a", "\xe2\x82\xac"}, {"\n", "\r", "", "ab"}},
        {"[\\u{1F600}-\\u{1F64F}]{1,2}", {"\xf0\x9f\x98\x80", "\xf0\x9f\x99\x8f\xf0\x9f\x98\x81"}, {"\xf0\x9f\x97\xbf", "\xf0\x9f\x99\x90"}},
        {"", {""}, {"a"}},
        {"[]|a", {"a"}, {"", "]"}},
    };
    check_all(lm_grammar_regex, examples, sizeof examples / sizeof *examples);
}
END_TEST

START_TEST(test_grammar_regex__what_cannot_be_kept_is_refused)
{
    static const struct refused cases[] = {
        {"(?=a)", LM_EUNSUPPORTED, "look-around"}, {"(?<!a)b", LM_EUNSUPPORTED, "look-around"}, {"(?i)a", LM_EUNSUPPORTED, "flags"},
        {"(a)\\1", LM_EUNSUPPORTED, "back references"}, {"\\bx", LM_EUNSUPPORTED, "\\b"}, {"\\p{L}", LM_EUNSUPPORTED, "\\p"},
        {"a**", LM_EINVAL, "nothing to repeat"}, {"+a", LM_EINVAL, "nothing to repeat"}, {"(a", LM_EINVAL, "group"}, {"a)", LM_EINVAL, "bracket"},
        {"[a", LM_EINVAL, "class"}, {"\\", LM_EINVAL, "escape"}, {"\\z", LM_EINVAL, "escape"}, {"a{2,1}", LM_EINVAL, "repetition"},
        {"[b-a]", LM_EINVAL, "range"}, {"[]", LM_ENOTFOUND, "no text"}, {"\xff", LM_EINVAL, "UTF-8"}, {"(.*x){20}.{200}y", LM_ELIMIT, ""},
    };
    check_refused(lm_grammar_regex, cases, sizeof cases / sizeof *cases);
}
END_TEST

START_TEST(test_grammar_choice__exactly_the_texts_of_the_list)
{
    static const char *const text[] = {"positive", "negative", "pos", "", "\xe2\x82\xac"};
    struct lm_program *p;
    size_t len[5];
    for (size_t i = 0; i < 5; i++)
        len[i] = strlen(text[i]);
    ck_assert_int_eq(lm_grammar_choice(text, len, 5, &p, NULL), 0);
    for (size_t i = 0; i < 5; i++)
        ck_assert(accepts(p, text[i], len[i]));
    ck_assert(!accepts(p, "posi", 4));
    ck_assert(!accepts(p, "negative ", 9));
    lm_program_destroy(p);
    ck_assert_int_eq(lm_grammar_choice((const char *const[]){"\xff"}, (size_t[]){1}, 1, &p, NULL), LM_EINVAL);
}
END_TEST

SUITE_MAIN("grammar/grammar", test_grammar_gbnf__texts_are_those_that_root_derives, test_grammar_gbnf__what_is_no_grammar_is_refused_with_its_line,
           test_grammar_regex__whole_texts_match, test_grammar_regex__what_cannot_be_kept_is_refused,
           test_grammar_choice__exactly_the_texts_of_the_list)
