/* libcurl on libev.
 *
 * The happy path: curl_multi_add_handle asks for a timer of 0 ms; the timer starts the transfer, curl names the sockets it
 * wants watched, each event is handed to curl_multi_socket_action, and after each such step the finished transfers are
 * taken out and reported.
 *
 * What can go wrong: curl forbids to call it from its own callbacks, so these only start and stop watchers, and a timeout of
 * 0 is a timer, too. No memory for a watcher: the callback says so and curl fails the transfers. A transfer that ends
 * starts another from `done`: that is outside of curl's callbacks and allowed. */
#include "io/curl_loop.h"

#include <stdlib.h>

#include "base/must.h"

struct curl_loop {
    struct ev_loop *loop;
    CURLM *multi;
    ev_timer timer;
    curl_done_fn *done;
    void *arg;
};

struct watch { /* of one socket of curl's; assigned to it */
    ev_io io;
    struct curl_loop *owner;
};

static void report(struct curl_loop *c)
{
    CURLMsg *msg;
    int left;
    while ((msg = curl_multi_info_read(c->multi, &left)) != NULL) {
        if (msg->msg != CURLMSG_DONE)
            continue;
        CURL *easy = msg->easy_handle;
        CURLcode code = msg->data.result; /* the message is gone after the removal */
        must(curl_multi_remove_handle(c->multi, easy) == CURLM_OK);
        c->done(c->arg, easy, code);
    }
}

static void step(struct curl_loop *c, curl_socket_t fd, int events)
{
    int running;
    /* An error here is one of memory; the transfers it hits end with a code or by their timeout. */
    (void)curl_multi_socket_action(c->multi, fd, events, &running);
    report(c);
}

static void on_io(struct ev_loop *loop, ev_io *io, int revents)
{
    struct curl_loop *c = ((struct watch *)io)->owner;
    int events = (revents & EV_READ ? CURL_CSELECT_IN : 0) | (revents & EV_WRITE ? CURL_CSELECT_OUT : 0);
    step(c, io->fd, events);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
    step(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static int set_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct curl_loop *c = arg;
    ev_timer_stop(c->loop, &c->timer);
    if (timeout_ms < 0)
        return 0;
    ev_now_update(c->loop); /* relative to now, not to the beginning of a long turn */
    ev_timer_set(&c->timer, (double)timeout_ms / 1000.0, 0.0);
    ev_timer_start(c->loop, &c->timer);
    return 0;
}

static int set_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *assigned)
{
    struct curl_loop *c = arg;
    struct watch *w = assigned;
    if (w != NULL)
        ev_io_stop(c->loop, &w->io);
    if (what == CURL_POLL_REMOVE) {
        free(w);
        return 0;
    }
    if (w == NULL) {
        w = malloc(sizeof(*w));
        if (w == NULL || curl_multi_assign(c->multi, fd, w) != CURLM_OK) {
            free(w);
            return -1;
        }
        w->owner = c;
    }
    int events = (what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0);
    ev_io_init(&w->io, on_io, fd, events);
    ev_io_start(c->loop, &w->io);
    return 0;
}

int curl_loop_new(struct ev_loop *loop, long max_kept, curl_done_fn *done, void *arg, struct curl_loop **out)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return ERR_NOMEM;
    struct curl_loop *c = calloc(1, sizeof(*c));
    CURLM *multi = curl_multi_init();
    if (c == NULL || multi == NULL) {
        free(c);
        curl_multi_cleanup(multi);
        curl_global_cleanup();
        return ERR_NOMEM;
    }
    *c = (struct curl_loop){.loop = loop, .multi = multi, .done = done, .arg = arg};
    ev_timer_init(&c->timer, on_timer, 0., 0.);
    c->timer.data = c;
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, set_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, c);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, max_kept);
    *out = c;
    return 0;
}

void curl_loop_free(struct curl_loop *c)
{
    if (c == NULL)
        return;
    curl_multi_cleanup(c->multi); /* may still call set_socket */
    ev_timer_stop(c->loop, &c->timer);
    curl_global_cleanup();
    free(c);
}

int curl_loop_add(struct curl_loop *c, CURL *easy)
{
    return curl_multi_add_handle(c->multi, easy) == CURLM_OK ? 0 : ERR_NOMEM;
}

void curl_loop_remove(struct curl_loop *c, CURL *easy)
{
    must(curl_multi_remove_handle(c->multi, easy) == CURLM_OK);
}
