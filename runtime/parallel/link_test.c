/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/parallel/link.h"
#include "tests/suite.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct lm_err refused(const char *dir, int code)
{
    const struct lm_link_desc desc = {.team_size = 1};
    struct lm_link *link;
    struct lm_err err = {0};
    ck_assert_int_eq(lm_link_open(dir, "x", &desc, &link, &err), code);
    return err;
}

START_TEST(test_parallel_link__what_others_may_change_is_not_loaded)
{
    char folder[] = "/tmp/link_test_XXXXXX", path[64];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/x.link.so", folder);
    struct lm_err missing = refused(folder, LM_ENOTFOUND);
    int fd = open(path, O_WRONLY | O_CREAT, 0644);
    ck_assert_int_ge(fd, 0);
    struct lm_err empty = refused(folder, LM_EUNSUPPORTED);
    fchmod(fd, 0646);
    struct lm_err open_file = refused(folder, LM_EUNSUPPORTED);
    fchmod(fd, 0644);
    chmod(folder, 0707);
    struct lm_err open_folder = refused(folder, LM_EUNSUPPORTED);
    close(fd);
    unlink(path);
    rmdir(folder);
    ck_assert_msg(strstr(missing.msg, "is not there"), "%s", missing.msg);
    ck_assert_msg(strstr(empty.msg, "cannot be loaded"), "%s", empty.msg);
    ck_assert_msg(strstr(open_file.msg, "chmod o-w"), "%s", open_file.msg);
    ck_assert_msg(strstr(open_folder.msg, "chmod o-w"), "%s", open_folder.msg);
}
END_TEST

SUITE_MAIN("parallel/link", test_parallel_link__what_others_may_change_is_not_loaded)
