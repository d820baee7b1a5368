/* Registry to answers. Fed with the registry's effects, it marks the names that a change touches; publish_flush
 * rebuilds each marked name once and swaps it in. Control thread only. What was replaced is freed by a later flush
 * (engine/grace.h); nothing here waits for a worker. */
#ifndef ENGINE_PUBLISH_H
#define ENGINE_PUBLISH_H

#include <stddef.h>
#include <stdint.h>

#include "dns/zone.h"
#include "engine/answers.h"
#include "registry/registry.h"

struct publisher;

struct publish_domain {
    struct dns_name apex;    /* folded exact */
    const struct zone *zone; /* borrowed until the next publish_configure; NULL: no zone file */
};

struct publish_options {
    const struct publish_domain *domains;
    size_t n_domains;
    uint32_t negative_ttl_s, ttl_min_s;
    uint32_t ttl_s;            /* [dns] ttl: of synthesised apex records */
    const uint8_t (*ns_v4)[4]; /* addresses of the synthesised ns.D */
    size_t n_ns_v4;
    const uint8_t (*ns_v6)[16];
    size_t n_ns_v6;
    struct answer_limits limits;
};

int publisher_new(struct answers *a, const struct registry *r, struct publisher **out) MUST_CHECK;
/* After the workers have ended, before answers_free and registry_free. */
void publisher_free(struct publisher *p);
/* Domains, static records and options, at start and on reload. All or nothing; takes effect at once. Costs O(names) if
 * the domains, their records or a TTL changed, else O(static records), and the building of the names that are marked. */
int publish_configure(struct publisher *p, const struct publish_options *o, uint64_t now_ms) MUST_CHECK;
/* EFFECT_CHANGE and EFFECT_LEASE; others are ignored. O(names of the instance), no building. When memory is short the
 * touched names stay marked and are built at a later flush: nothing is lost. `can_wait`: no reply tells of it, so the
 * next flush need not show it: a large answer is built again for such changes a fifth of the time at most. */
void publish_effect(struct publisher *p, const struct effect *x, bool can_wait);
/* Builds and swaps what is marked. Once per loop turn, before replies are sent. `mono_ms` is clock_mono_ms of the turn:
 * workers turn it into lease time by the difference. Returns 0, or ERR_NOMEM, or ERR_UNAVAILABLE while the answers are
 * behind: some names still serve what they served before and will be tried again at the next flush. */
int publish_flush(struct publisher *p, uint64_t now_ms, uint64_t mono_ms) MUST_CHECK;
/* Bytes that may wait for one grace period, beside the last flush before and those that wait for an earlier one. A
 * worker is online for microseconds; at 10,000 changes a second of answers of 2 kB this is three seconds of standing
 * still. What is retired beyond it would only grow until the worker goes on, so nothing more is built: names stay
 * marked. */
#define PUBLISH_RETIRED_MAX ((size_t)64 << 20)
/* Since when (clock_mono_ms of a flush) nothing is built because of that; 0: all is well. */
uint64_t publish_behind_since_ms(const struct publisher *p);
/* When publish_flush has work again without a change: lower bounds of leases to look at; UINT64_MAX: none. */
uint64_t publish_next_ms(const struct publisher *p);
/* Names, by what is kept for them. Ids count while they are hot. */
struct publish_counts {
    uint64_t names, hot; /* known; of them with answers */
    uint64_t wants;      /* taken from the workers since the start */
};
void publish_counts(const struct publisher *p, struct publish_counts *out);
/* Names built, and instances looked at for them, since the start: what changes cost, without a clock. */
uint64_t publish_visits(const struct publisher *p);

/* One instance, balanced as DNS would (the PICK verb). `tag`, `port` may be NULL. ERR_NOTFOUND: nobody to give, the
 * text says why. */
struct publish_pick {
    const struct instance *instance;
    uint16_t port;
};
int publish_pick(struct publisher *p, const char *service, const char *tag, const char *port, struct publish_pick *out,
                 struct err *e) MUST_CHECK;

#endif
