/* SPDX-License-Identifier: Apache-2.0 */
/* Copies between the two devices of the test driver: straight, through the host, by the way that was measured. */
#include "backends/ze/driver.h"
#include "backends/ze/plugin_test.h"
#include "tests/suite.h"

enum { BYTES = (9 << 20) + 5, AT = 12345 };

static struct gpu_driver *drv[2];
static struct gpu_buf *buf[2];
static unsigned char *host, *back;

static void open_two(void)
{
    const struct ze_option option = {.cache = "no"};
    struct ze_device d[ZE_MAX_DEVICES];
    struct lm_err err = {0};
    const struct ze_api *ze;
    ck_assert_int_eq(ze_api_load(&ze, &err), 0);
    ck_assert_int_eq(ze_device_list(ze, NULL, d, &err), 2);
    host = malloc(BYTES), back = malloc(BYTES);
    for (int i = 0; i < 2; i++) {
        ck_assert_msg(ze_driver_open(ze, &d[i], &option, &drv[i], &err) == 0, "%s", err.msg);
        ck_assert_msg(drv[i]->call->buf_create(drv[i], AT + BYTES, &buf[i], &err) == 0, "%s", err.msg);
    }
}

static void close_two(void)
{
    char text[200];
    long (*live)(char *, size_t) = test_driver("ze_pocl_live");
    for (int i = 0; i < 2; i++) {
        drv[i]->call->buf_destroy(drv[i], buf[i]);
        drv[i]->call->close(drv[i]);
    }
    free(host), free(back);
    ck_assert_msg(live(text, sizeof text) == 0, "left: %s", text);
}

/* New bytes in device 1's buffer, copied to device 0's by `copy` and read back there. */
static void arrives(int (*copy)(void *to, const void *from, struct lm_err *err), unsigned seed)
{
    struct lm_err err = {0};
    for (int i = 0; i < BYTES; i++)
        host[i] = (unsigned char)(i * 31 + i / 251 + (int)seed);
    memset(back, 0, BYTES);
    ck_assert_msg(drv[1]->call->write(drv[1], buf[1], AT, host, BYTES, &err) == 0, "%s", err.msg);
    ck_assert_msg(copy((char *)ze_driver_address(buf[0]) + AT, (const char *)ze_driver_address(buf[1]) + AT, &err) == 0, "%s", err.msg);
    ck_assert_int_eq(drv[0]->call->read_later(drv[0], buf[0], AT, back, BYTES, &err), 0);
    ck_assert_int_eq(drv[0]->call->wait(drv[0], 60000000, &err), 0);
    ck_assert_int_eq(memcmp(host, back, BYTES), 0);
}

static enum ze_peer_way way;

static int by_way(void *to, const void *from, struct lm_err *err)
{
    const struct ze_end dst = ze_driver_end(drv[0]), src = ze_driver_end(drv[1]);
    return ze_peer_copy(&dst, &src, &way, to, from, BYTES, err);
}

static int by_driver(void *to, const void *from, struct lm_err *err)
{
    return ze_driver_peer_copy(drv[0], drv[1], to, from, BYTES, err);
}

static void faults(const char *text)
{
    void (*f)(const char *) = test_driver("ze_pocl_faults");
    f(text);
}

START_TEST(test_ze_peer__both_ways_carry_the_bytes)
{
    open_two();
    way = ZE_PEER_DIRECT;
    arrives(by_way, 1);
    way = ZE_PEER_HOST;
    arrives(by_way, 2);
    arrives(by_driver, 3);
    arrives(by_driver, 4);
    close_two();
}
END_TEST

START_TEST(test_ze_peer__the_way_is_measured_and_what_does_not_work_is_not_taken)
{
    open_two();
    way = ZE_PEER_UNKNOWN;
    arrives(by_way, 5);
    ck_assert(way == ZE_PEER_DIRECT || way == ZE_PEER_HOST);
    way = ZE_PEER_UNKNOWN;
    faults("ipc_open:1:78000004");
    arrives(by_way, 6);
    ck_assert_int_eq(way, ZE_PEER_HOST);
    way = ZE_PEER_UNKNOWN;
    faults("device_peer:1:78000003");
    arrives(by_way, 7);
    ck_assert_int_eq(way, ZE_PEER_HOST);
    faults(NULL);
    close_two();
}
END_TEST

START_TEST(test_ze_peer__a_lost_device_is_an_error)
{
    struct lm_err err = {0};
    for (way = ZE_PEER_DIRECT; way <= ZE_PEER_HOST; way++) {
        open_two();
        faults("list_copy:1:70000001");
        ck_assert_int_eq(by_way(ze_driver_address(buf[0]), ze_driver_address(buf[1]), &err), LM_EDEVICE);
        ck_assert_ptr_nonnull(strstr(err.msg, "DEVICE_LOST"));
        close_two();
        faults(NULL);
    }
}
END_TEST

SUITE_MAIN("ze/peer", test_ze_peer__both_ways_carry_the_bytes, test_ze_peer__the_way_is_measured_and_what_does_not_work_is_not_taken,
           test_ze_peer__a_lost_device_is_an_error)
