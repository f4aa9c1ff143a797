/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/plugin/registry.h"
#include "tests/suite.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const dir = TEST_PLUGIN_DIR;

static struct lm_err refused(const char *in, const char *name, int code)
{
    const struct lm_backend *be = NULL;
    struct lm_err err = {0};
    ck_assert_int_eq(lm_registry_load(in, name, &be, &err), code);
    ck_assert_int_eq(err.code, code);
    ck_assert_ptr_null(be);
    return err;
}

START_TEST(test_plugin_registry__a_good_plugin_loads_once)
{
    const struct lm_backend *a, *b;
    ck_assert_int_eq(lm_registry_load(dir, "fault", &a, NULL), 0);
    ck_assert_int_eq(lm_registry_load(dir, "fault", &b, NULL), 0);
    ck_assert_ptr_eq(a, b);
    ck_assert_str_eq(a->name, "fault");
}
END_TEST

START_TEST(test_plugin_registry__calls_an_older_table_lacks_are_stubs)
{
    const struct lm_backend *be;
    struct lm_err err = {0};
    ck_assert_int_eq(lm_registry_load(dir, "old", &be, &err), 0);
    ck_assert_uint_eq(be->size, sizeof *be);
    ck_assert_int_eq(be->peer_copy(NULL, NULL, NULL, NULL, 0, &err), LM_EUNSUPPORTED);
    ck_assert_int_eq(be->join(NULL, 0, &err), LM_EUNSUPPORTED);
    ck_assert_int_eq(be->bench(NULL, NULL, NULL, NULL, &err), LM_EUNSUPPORTED);
    ck_assert_int_eq(err.code, LM_EUNSUPPORTED);
}
END_TEST

START_TEST(test_plugin_registry__refusals_name_file_and_reason)
{
    const struct { const char *name, *reason; } bad[] = {
        {"abi", "ABI 999"}, {"short", "24 bytes"}, {"huge", "1048576 bytes"}, {"nosymbol", "no symbol lm_backend"}, {"nocalls", "lacks a call"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct lm_err err = refused(dir, bad[i].name, LM_EUNSUPPORTED);
        char file[32];
        snprintf(file, sizeof file, "%s.so", bad[i].name);
        ck_assert_msg(strstr(err.msg, file) || strlen(dir) > 60, "%s", err.msg);
        ck_assert_msg(strstr(err.msg, bad[i].reason) != NULL, "%s", err.msg);
    }
}
END_TEST

START_TEST(test_plugin_registry__a_missing_plugin_is_named_with_those_that_are_there)
{
    struct lm_err err = refused(dir, "ze", LM_ENOTFOUND);
    ck_assert_msg(strstr(err.msg, "\"ze\" is not installed") != NULL, "%s", err.msg);
    ck_assert_msg(strstr(err.msg, "fault") != NULL, "%s", err.msg);
    refused("/nonexistent", "cpu", LM_ENOTFOUND);
}
END_TEST

START_TEST(test_plugin_registry__names_and_folders_cannot_lead_elsewhere)
{
    static const char *const name[] = {"", "../fault", "a/b", "Fault", "fault.so", "fault\n", ".", "aaaaaaaaaabbbbbbbbbbccccccccccdddd"};
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        refused(dir, name[i], LM_ECONFIG);
    refused("plugins", "fault", LM_ECONFIG);
    refused(".", "fault", LM_ECONFIG);
}
END_TEST

static void put(const char *folder, const char *name, const char *text, mode_t mode)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
    ck_assert_int_eq(chmod(path, mode), 0);
}

START_TEST(test_plugin_registry__what_is_no_plugin_file_is_refused_before_it_is_opened)
{
    char folder[] = "registry_test_XXXXXX", path[4096], link[4200];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_ptr_nonnull(realpath(folder, path));
    put(path, "text.so", "not a shared object\n", 0644);
    put(path, "open.so", "", 0646);
    snprintf(link, sizeof link, "%s/link.so", path);
    ck_assert_int_eq(symlink("text.so", link), 0);
    struct lm_err text = refused(path, "text", LM_EUNSUPPORTED), open = refused(path, "open", LM_EUNSUPPORTED);
    struct lm_err sym = refused(path, "link", LM_EUNSUPPORTED);
    char **list = NULL;
    int n = lm_registry_list(path, &list, NULL);
    const struct lm_backend *be = NULL;
    struct lm_err none = {0};
    int rc = lm_registry_best(path, &be, &none);
    unlink(link);
    for (int i = 0; i < n; i++) {
        snprintf(link, sizeof link, "%s/%s.so", path, list[i]);
        unlink(link);
        free(list[i]);
    }
    free(list);
    rmdir(path);
    ck_assert_int_eq(n, 3);
    ck_assert_int_eq(rc, LM_ENOTFOUND);
    ck_assert_msg(strstr(none.msg, "no usable backend") != NULL, "%s", none.msg);
    ck_assert_msg(strstr(text.msg, "cannot be loaded") != NULL, "%s", text.msg);
    ck_assert_msg(strstr(open.msg, "chmod o-w") != NULL, "%s", open.msg);
    ck_assert_msg(strstr(sym.msg, "not a regular file") != NULL, "%s", sym.msg);
}
END_TEST

START_TEST(test_plugin_registry__what_others_may_change_is_refused_with_the_remedy)
{
    const struct { mode_t folder, file; uid_t uid; gid_t gid; const char *remedy; } row[] = {
        {0755, 0644, 0, 0, "cannot be loaded"},
        {0755, 0664, 0, 0, "cannot be loaded"}, /* its group is ours */
        {0755, 0646, 0, 0, "x.so may be written by everyone, who could change plugins: run chmod o-w"},
        {0757, 0644, 0, 0, "may be written by everyone, who could change plugins: run chmod o-w"},
        {01777, 0644, 0, 0, "chmod o-w"},
        {0755, 0644, 4321, 0, "x.so belongs to user 4321, who could change plugins: run chown root"},
        {0755, 0664, 0, 4321, "x.so may be written by group 4321, which could change plugins: run chmod g-w"},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        char folder[] = "/tmp/registry_test_XXXXXX", file[64];
        if ((row[i].uid || row[i].gid) && geteuid())
            continue; /* only root gives files away */
        ck_assert_ptr_nonnull(mkdtemp(folder));
        snprintf(file, sizeof file, "%s/x.so", folder);
        put(folder, "x.so", "not a shared object\n", row[i].file);
        if (row[i].uid || row[i].gid)
            ck_assert_int_eq(chown(file, row[i].uid, row[i].gid), 0);
        ck_assert_int_eq(chmod(folder, row[i].folder), 0);
        struct lm_err err = refused(folder, "x", LM_EUNSUPPORTED);
        ck_assert_msg(strstr(err.msg, row[i].remedy) != NULL, "row %zu: %s", i, err.msg);
        unlink(file);
        rmdir(folder);
    }
}
END_TEST

START_TEST(test_plugin_registry__list_is_sorted_and_best_takes_the_highest_score_that_loads)
{
    char **list;
    int n = lm_registry_list(dir, &list, NULL);
    ck_assert_int_ge(n, 7);
    for (int i = 0; i < n; i++) {
        ck_assert(i == 0 || strcmp(list[i - 1], list[i]) < 0);
        ck_assert_ptr_null(strchr(list[i], '.'));
    }
    for (int i = 0; i < n; i++)
        free(list[i]);
    free(list);
    const struct lm_backend *be;
    ck_assert_int_eq(lm_registry_best(dir, &be, NULL), 0);
    ck_assert_str_eq(be->name, "old");
}
END_TEST

START_TEST(test_plugin_registry__best_loads_only_what_it_chooses)
{
    const struct lm_backend *be;
    ck_assert_int_eq(lm_registry_best(dir, &be, NULL), 0);
    FILE *f = fopen("/proc/self/maps", "r");
    char line[4096];
    bool chosen = false, other = false;
    while (fgets(line, sizeof line, f)) {
        chosen |= strstr(line, "/old.so") != NULL;
        other |= strstr(line, "/fault.so") != NULL;
    }
    fclose(f);
    ck_assert(chosen);
    ck_assert(!other);
}
END_TEST

SUITE_MAIN("plugin/registry", test_plugin_registry__a_good_plugin_loads_once, test_plugin_registry__calls_an_older_table_lacks_are_stubs,
           test_plugin_registry__refusals_name_file_and_reason, test_plugin_registry__a_missing_plugin_is_named_with_those_that_are_there,
           test_plugin_registry__names_and_folders_cannot_lead_elsewhere,
           test_plugin_registry__what_is_no_plugin_file_is_refused_before_it_is_opened,
           test_plugin_registry__what_others_may_change_is_refused_with_the_remedy,
           test_plugin_registry__list_is_sorted_and_best_takes_the_highest_score_that_loads,
           test_plugin_registry__best_loads_only_what_it_chooses)
