#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What api/http does over time: deadlines, clients that leave, slow readers, limits, drain. One function, one truth."""
import email.utils
import socket
import sys
import threading
import time
import traceback

sys.dont_write_bytecode = True
from peer import PATIENCE, Server

SOON = 5  # seconds: far above the 100 ms that are promised, far below every deadline


TESTS = []


def test(function):
    """One that takes a server shares it with the others; one that does not starts its own."""
    TESTS.append(function)
    return function


def req(path, headers="", method="GET", version="1.1", body=b""):
    return ("%s %s HTTP/%s\r\nHost: t\r\n%s\r\n" % (method, path, version, headers)).encode() + body


def ask(peer, path, **more):
    peer.send(req(path, **more))
    return peer.response(head_only=more.get("method") == "HEAD")


def wait_for(what, truth):
    end = time.monotonic() + PATIENCE
    while not truth():
        assert time.monotonic() < end, "never happened: " + what


@test
def the_handler_sees_the_request_as_it_was_sent(server):
    with server.peer() as p:
        p.send(req("/%C3%A9?q=%20", "X:  a \r\nContent-Length: 5\r\nx: \r\nX: b\r\n", "PUT", body=b"h\0\r\n\xc3"))
        seen = p.response().json()
        assert (seen["method"], seen["path"], seen["query"], seen["host"]) == ("PUT", "/é", "q=%20", "t")
        assert seen["x"] == "a, , b" and seen["n_header"] == 3
        assert seen["n_body"] == 5 and seen["sum"] == sum(b"h\0\r\n\xc3")
        assert seen["peer"] == "127.0.0.1:%d" % p.sock.getsockname()[1]


@test
def chunks_are_joined_and_trailers_dropped(server):
    with server.peer() as p:
        body = b"3;a=b\r\nabc\r\n1\r\nd\r\n0\r\nX: evil\r\nHost: evil\r\n\r\n"
        p.send(req("/", "Transfer-Encoding: chunked\r\n", "POST", body=body))
        seen = p.response().json()
        assert seen["body"] == "abcd" and seen["x"] is None and seen["host"] == "t" and seen["n_header"] == 2


@test
def the_host_of_the_target_replaces_the_header(server):
    with server.peer() as p:
        assert ask(p, "http://h:1/a").json()["host"] == "h:1"
        p.send(b"GET http://h:2/a HTTP/1.0\r\n\r\n")
        assert p.response().json()["host"] == "h:2"


@test
def head_is_answered_like_get_but_without_a_body(server):
    with server.peer() as p:
        assert ask(p, "/hello", method="HEAD").headers["content-length"] == "13"
        assert ask(p, "/pieces?3", method="HEAD").headers["transfer-encoding"] == "chunked"
        assert ask(p, "/hello").body == b"Hello, world\n"
        assert ask(p, "/a//b", method="HEAD").status == 400
        assert p.ended()


@test
def the_date_is_now(server):
    with server.peer() as p:
        date = email.utils.parsedate_to_datetime(ask(p, "/hello").headers["date"])
        assert abs(date.timestamp() - time.time()) < 60


@test
def a_stream_is_chunked_for_1_1_and_until_close_for_1_0(server):
    with server.peer() as p:
        assert ask(p, "/pieces?2").body == b"data: 0\n\ndata: 1\n\n"
        answer = ask(p, "/pieces?2", version="1.0", headers="Connection: keep-alive\r\n")
        assert answer.body == b"data: 0\n\ndata: 1\n\n" and answer.whole and answer.headers["connection"] == "close"


@test
def an_aborted_stream_does_not_look_whole(server):
    with server.peer() as p:
        p.send(req("/abort-late"))
        assert p.until(b"data: x\n\n\r\n") and p.ended()
    with server.peer() as p:
        assert not ask(p, "/abort-late", version="1.0").whole
    with server.peer() as p:
        p.send(req("/abort-early"))
        assert p.ended() and p.reset


@test
def keep_alive_of_1_0_is_confirmed(server):
    with server.peer() as p:
        assert ask(p, "/hello", version="1.0", headers="Connection: keep-alive\r\n").headers["connection"] == "keep-alive"
        assert "connection" not in ask(p, "/hello").headers


@test
def a_body_is_asked_for_by_100(server):
    with server.peer() as p:
        p.send(req("/", "Expect: 100-continue\r\nContent-Length: 5\r\n", "POST"))
        assert p.response().status == 100
        p.send(b"hello")
        assert p.response().json()["body"] == "hello"
        p.send(req("/", "Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n", "POST"))
        assert p.response().status == 100
        p.send(b"0\r\n\r\n")
        assert p.response().status == 200
        p.send(req("/", "Expect: 100-continue\r\nContent-Length: 5\r\n", "POST", body=b"hello"))
        assert p.response().status == 200


@test
def a_million_chunks_of_one_byte_are_a_body(server):
    with server.peer() as p:
        p.send(req("/", "Transfer-Encoding: chunked\r\n", "POST"))
        p.send(b"1\r\nx\r\n" * 1000000 + b"0\r\n\r\n")
        assert p.response().json()["n_body"] == 1000000


@test
def ten_thousand_pipelined_requests_are_answered_in_order(server):
    n = 10000
    with server.peer() as p:
        sender = threading.Thread(target=lambda: [p.send(req("/n%d" % i)) for i in range(n)])
        sender.start()
        for i in range(n):
            assert p.response().json()["path"] == "/n%d" % i
        sender.join()


@test
def a_pipeline_goes_on_after_it_was_paused(server):
    with server.peer() as p:
        p.send(req("/delay?50") + b"".join(req("/n%d" % i) for i in range(1000)))
        assert p.response().json()["path"] == "/delay"
        for i in range(1000):
            assert p.response().json()["path"] == "/n%d" % i


@test
def the_refusal_of_a_large_upload_reaches_a_client_that_does_not_look(server):
    with server.peer() as p:
        n = 40 << 20
        p.send(req("/", "Content-Length: %d\r\n" % n, "POST"))
        assert all(p.send(bytes(1 << 20)) for _ in range(n >> 20))
        assert p.response().status == 413 and p.ended()


@test
def a_large_answer_is_whole(server):
    with server.peer() as p:
        assert len(ask(p, "/large?20000000").body) == 20000000
        assert len(ask(p, "/big?20000000").body) == 20000000


@test
def back_pressure_bounds_what_is_queued(server):
    with server.peer(rcvbuf=4096) as p:
        p.send(req("/big?30000000"))
        wait_for("the queue is full", lambda: server.stat()["max_queued"] > 256 << 10)
        assert len(p.response().body) == 30000000
        assert server.stat()["max_queued"] <= (256 + 64 + 1) << 10


@test
def who_ignores_back_pressure_is_cut(server):
    before = server.stat()["n_gone"]
    with server.peer(rcvbuf=4096) as p:
        p.send(req("/flood"))
        wait_for("cut", lambda: server.stat()["n_gone"] > before)
        while p.more():
            p.got.clear()
        assert p.reset
        assert server.stat()["max_queued"] <= (4 * 256 + 64 + 1) << 10


@test
def unread_answers_stop_the_pipeline():
    with Server(measured=True) as server, server.peer(rcvbuf=4096) as p:
        before = server.rss_kib()
        p.send(req("/large?8000000") * 20)
        assert all(server.stat()["n_conn"] >= 2 for _ in range(100))
        assert server.rss_kib() - before < 40 << 10
        p.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        for _ in range(20):
            assert len(p.response().body) == 8000000


def leave(peer, how):
    at = time.monotonic()
    {"FIN": peer.half_close, "RST": peer.abort}[how]()
    return at


@test
def a_client_that_leaves_is_noticed_in_every_phase(server):
    slowest = 0
    phases = {"waiting": req("/never"), "streaming": req("/drip?0"), "blocked": req("/big?100000000"),
              "paused": req("/never") + req("/hello") * 1000, "behind others": req("/hello") * 3 + req("/never")}
    for phase, data in phases.items():
        for how in ("FIN", "RST"):
            before = server.stat()
            n_handled = before["n_request"] + (4 if phase == "behind others" else 1)
            with server.peer(rcvbuf=4096) as p:
                p.send(data)
                wait_for("handled", lambda: server.stat()["n_request"] == n_handled)
                at = leave(p, how)
                wait_for("on_gone: %s, %s" % (phase, how), lambda: server.stat()["n_gone"] == before["n_gone"] + 1)
                took = server.stat()["gone_us"] / 1e6 - at
                assert took < SOON, "%s, %s: noticed after %.3f s" % (phase, how, took)
                slowest = max(slowest, took)
    print("  on_gone after at most %.1f ms" % (slowest * 1e3))


@test
def a_half_closing_client_still_gets_what_was_answered(server):
    with server.peer() as p:
        p.send(req("/hello"))
        p.half_close()
        assert p.response().status == 200 and p.ended()


@test
def finished_answers_reach_a_reader_that_half_closes(server):
    before = server.stat()
    with server.peer(rcvbuf=4096) as p:
        p.send(req("/large?8000000"))
        wait_for("answered", lambda: server.stat()["n_request"] == before["n_request"] + 1)
        p.half_close()
        assert len(p.response().body) == 8000000 and p.ended() and not p.reset


@test
def a_client_that_leaves_in_mid_request_is_forgotten(server):
    for data in (b"GE", req("/", "Content-Length: 5\r\n") + b"he", req("/", "Transfer-Encoding: chunked\r\n") + b"5\r\nhe"):
        with server.peer() as p:
            p.send(data)
            p.half_close()
            assert p.ended()


@test
def a_head_has_an_absolute_deadline():
    with Server("head_us=1000000") as server:
        with server.peer() as p:
            p.send(b"GET / HT")
            assert p.response().status == 408 and p.ended()
        with server.peer() as p:  # one byte each 20 ms is no way around it
            p.send(b"GET / HTTP/1.1\r\nX: ")
            while not p.readable(0.02):
                p.send(b"y")
            assert p.response().status == 408 and p.ended()
        with server.peer() as p:  # nothing was asked, nothing is answered
            assert p.ended()


@test
def a_body_has_an_absolute_deadline():
    with Server("body_us=500000") as server:
        for headers, start in (("Content-Length: 1000\r\n", b""), ("Transfer-Encoding: chunked\r\n", b"3e8\r\n")):
            with server.peer() as p:
                p.send(req("/", headers, "POST", body=start))
                while not p.readable(0.02):
                    p.send(b"x")
                assert p.response().status == 408 and p.ended()


@test
def an_idle_connection_is_closed_but_a_busy_one_not():
    with Server("idle_us=300000", "head_us=1000000") as server:
        with server.peer() as p:
            assert ask(p, "/hello").status == 200
            assert p.ended() and not p.reset
        with server.peer() as p:
            assert ask(p, "/delay?1200").status == 200
            assert ask(p, "/drip?100").body == b"data: x\n\n" * 100


@test
def what_follows_a_refusal_is_bounded():
    with Server("body_bytes=1000") as server, server.peer() as p:
        p.send(req("/", "Content-Length: 2000\r\n", "POST"))
        while p.send(bytes(1 << 16)):
            pass
        wait_for("closed", lambda: server.stat()["n_conn"] == 1)


@test
def a_reader_that_takes_nothing_is_cut():
    with Server("write_stall_us=300000") as server:
        with server.peer(rcvbuf=4096) as p:
            p.send(req("/big?100000000"))
            wait_for("cut", lambda: server.stat()["n_gone"] == 1)
        with server.peer(rcvbuf=4096) as p:  # also while it waits for the answer to a second request
            p.send(req("/large?8000000") + req("/never"))
            wait_for("cut", lambda: server.stat()["n_conn"] == 1)


@test
def connections_beyond_the_limit_are_refused_politely():
    with Server("n_conn=2") as server:
        with server.peer() as a, server.peer() as b:
            assert ask(a, "/hello").status == ask(b, "/hello").status == 200
            refused = [server.peer() for _ in range(100)]
            for p in refused:
                answer = p.response()
                assert answer.status == 503 and answer.headers["retry-after"] == "1"
                assert answer.headers["connection"] == "close" and p.ended()
                p.sock.close()
            assert ask(a, "/hello").status == 200
        wait_for("room again", lambda: server.get("/hello").status == 200)


@test
def running_out_of_descriptors_hurts_only_new_connections():
    with Server(n_files=32) as server:
        with server.peer() as first:
            assert ask(first, "/hello").status == 200
            many = [server.peer() for _ in range(60)]
            assert all(ask(first, "/hello").status == 200 for _ in range(100))
            assert ask(many[0], "/hello").status == 200
            for p in many[:40]:
                p.sock.close()
            assert all(ask(p, "/hello").status == 200 for p in many[40:])
            for p in many[40:]:
                p.sock.close()


@test
def drain_finishes_what_runs_and_closes_what_is_idle():
    with Server() as server:
        idle, busy, stream, begun, slow, last = peers = [server.peer() for _ in range(6)]
        assert ask(idle, "/hello").status == 200
        before = server.stat()["n_request"]
        busy.send(req("/delay?300"))
        stream.send(req("/drip?100") + req("/hello"))
        begun.send(b"GET /begun HTTP/1.1\r\n")
        slow.send(req("/large?20000000"))
        wait_for("all run", lambda: server.stat()["n_request"] == before + 3)
        answer = ask(last, "/drain")
        assert answer.status == 200 and answer.headers["connection"] == "close" and last.ended()
        assert idle.ended() and len(slow.response().body) == 20000000 and slow.ended()
        begun.send(b"Host: t\r\n\r\n")
        answer = begun.response()
        assert answer.json()["path"] == "/begun" and answer.headers["connection"] == "close" and begun.ended()
        answer = busy.response()
        assert answer.status == 200 and answer.headers["connection"] == "close" and busy.ended()
        assert stream.response().body == b"data: x\n\n" * 100 and stream.ended()
        try:
            server.peer()
            raise AssertionError("a new connection was accepted")
        except ConnectionRefusedError:
            pass
        for p in peers:
            p.sock.close()


@test
def idle_connections_cost_little():
    with Server(n_files=1024, measured=True) as server:
        peers = [server.peer() for _ in range(200)]
        for p in peers:
            assert ask(p, "/hello").status == 200
        before = server.rss_kib()
        more = [server.peer() for _ in range(400)]
        for i, p in enumerate(more):
            if i % 2:
                p.send(b"GET / HTTP/1.1\r\nX: " + b"y" * 16000)
            else:
                assert ask(p, "/", headers="X: %s\r\n" % ("y" * 16000)).status == 200
        cost = (server.rss_kib() - before) / len(more)
        assert cost < 64, "%.1f KiB for each connection" % cost
        print("  %.1f KiB for each idle connection" % cost)
        for p in peers + more:
            p.sock.close()


@test
def ends_with_everything_open():
    with Server() as server:
        peers = [server.peer() for _ in range(8)]
        before = server.stat()["n_request"]
        requests = [req(path) for path in ("/never", "/drip?0", "/big?9999999", "/hello", "/delay?9999")]
        for p, data in zip(peers, [b"", b"GET", req("/", "Content-Length: 9\r\n")] + requests):
            p.send(data)
        wait_for("all run", lambda: server.stat()["n_request"] == before + 5)
    for p in peers:
        p.sock.close()


def passes(function, server):
    began = time.monotonic()
    try:
        function(*[server] * function.__code__.co_argcount)
        print("ok   %s (%.2f s)" % (function.__name__, time.monotonic() - began), flush=True)
        return True
    except (AssertionError, OSError, KeyError, ValueError):
        print("FAIL %s\n%s" % (function.__name__, traceback.format_exc()), flush=True)
        return False


def main():
    with Server() as server:
        return not all([passes(function, server) for function in TESTS])


if __name__ == "__main__":
    sys.exit(main())
