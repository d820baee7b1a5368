/* Shared by control.c (the server side: seats, listeners, turns), control_conn.c (one connection: requests in, replies
 * out). Nobody else includes this. */
#ifndef IO_CONTROL_PRIVATE_H
#define IO_CONTROL_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include <ev.h>

#include "base/list.h"
#include "engine/reply_fifo.h"
#include "engine/resp.h"
#include "io/control.h"

#define CONTROL_READ_MAX 65536   /* bytes read from a connection per turn */
#define CONTROL_OUTPUT_SOFT 65536 /* with more than this waiting no further request of the connection is run */
#define CONTROL_LINGER_MS 1000   /* how long a closed connection may still send: its last reply must not be lost by a reset */

struct conn {
    struct control *control;
    ev_io io;                /* its fd; stopped while nothing is wanted */
    uint32_t seat;
    struct list touched;     /* in control->touched: to flush at the end of the turn */
    struct list resuming;    /* in control->resuming: to go on at the next turn */
    struct list watching;    /* in control->watching while client.watch is set */
    struct list closing;     /* in control->lingering */
    struct resp_progress progress;
    struct buf in;           /* bytes of requests not yet run */
    struct buf out;          /* replies and frames; the first `sent` bytes are gone */
    size_t sent;
    struct reply_fifo owed;
    struct command_client client;
    uint64_t linger_until_ms;
    uint32_t auth_failures;  /* of client, as last logged */
    bool is_waiting;         /* has requests that have to wait: for replies owed, room in the output, or another turn */
    bool waits_for_replies;  /* all of those owed, because the next request reads */
    bool is_eof;             /* the peer has sent all it will */
    bool is_ending;          /* no more requests; closes when everything is sent */
    bool has_frames;         /* the list, or the watch, has something to write */
    bool is_streaming;       /* it has either */
};

struct seat {
    struct conn *conn;   /* NULL: free */
    uint32_t generation; /* of the next connection, so that late replies find nobody */
    uint32_t next_free;
};

struct control_counts {
    uint64_t accepted, refused, requests, slow_watchers, framing_errors, auth_failures;
};

struct control {
    struct ev_loop *loop;
    struct core *core;
    struct command_server server;
    struct command_info info[CONTROL_INFO_MAX];
    struct control_limits limits;
    struct control_counts counts;
    struct seat *seats; /* owned, `n_seats` */
    uint32_t n_seats, free_seat, n_conns, n_watching, n_streaming;
    uint64_t last_client; /* number of the newest connection */
    struct list touched, resuming, watching, lingering;
    struct list listeners;
    ev_timer again;     /* zero: one more turn */
    ev_timer linger;
    int spare_fd;       /* given up to refuse a client when there are no more descriptors */
    bool has_run;       /* a request in this turn */
    bool is_over;       /* this turn has no time for more requests */
    struct resp_request request; /* scratch */
    struct buf aside;            /* scratch: a reply that has to wait */
    char read_buffer[CONTROL_READ_MAX];
};

#define SEAT_BITS 20
#define GENERATION_BITS 20

/* control.c */
/* Has this turn no time for more requests? It has for one. Looks at the clock. */
bool control_is_over(struct control *c);
void control_again(struct control *c); /* sees to another turn */
void control_linger(struct control *c); /* arms the end of lingering */
void control_release(struct conn *c);  /* frees the seat and the connection; the session's end is an event */

/* control_conn.c */
struct conn *conn_new(struct control *control, int fd, uint32_t seat);
void conn_free(struct conn *c); /* memory and descriptor only; see control_release */
void conn_touch(struct conn *c);
void conn_resume(struct conn *c);
void conn_reply(struct conn *c, uint32_t seq, const struct effect *reply);
/* May release the connection. */
void conn_flush(struct conn *c);
/* "127.0.0.1:40000" or "unix" */
#define CONN_PEER_MAX 64
const char *conn_peer(const struct conn *c, char out[CONN_PEER_MAX]);

#endif
