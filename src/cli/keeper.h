/* Keeps one instance registered: connects, registers, renews, and does so again when anything of it fails.
 *
 *     keeper_init(&k, cli, &registration, stdout);
 *     for (;;) {
 *         status = keeper_step(&k);           // what is due now; CLI_OK, or a refusal that will not mend by itself
 *         number = signals_wait(k.next_ms);   // the caller's events
 *     }
 *     keeper_end(&k);
 */
#ifndef CLI_KEEPER_H
#define CLI_KEEPER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/rng.h"
#include "cli/client.h"
#include "cli/registration.h"

#define KEEPER_ID_MAX 64

struct keeper {
    struct cli *cli;
    const struct registration *registration;
    FILE *tell;                    /* where "registered ..." goes */
    struct client_options options; /* the caller's; hurried at the end */
    struct client client;
    struct rng rng;
    uint64_t next_ms;    /* clock_mono_ms: when keeper_step has work */
    uint64_t renew_ms;   /* between renewals; 0: not registered yet */
    uint32_t backoff_ms; /* before the next attempt; grows while nobody answers */
    bool is_registered;  /* as far as we know */
    bool was_registered; /* at least once: it is worth a line when it comes back */
    char id[KEEPER_ID_MAX];
};

void keeper_init(struct keeper *k, struct cli *cli, const struct registration *r, FILE *tell);
int keeper_step(struct keeper *k);
/* Takes the instance out of the answers; *safe_ms is when nobody can still have it in an answer, 0 if there is nothing
 * to wait for. Failures are said and are no reason to stay. */
void keeper_drain(struct keeper *k, uint64_t *safe_ms);
/* Deregisters if the server answers within a second, and closes. CLI_OK, or a status that is said. */
int keeper_end(struct keeper *k);

#endif
