/* The functions of the verbs, one file each, and their options. */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include "cli/cli.h"

int verb_register(struct cli *cli, struct args *a);
int verb_renew(struct cli *cli, struct args *a);
int verb_deregister(struct cli *cli, struct args *a);
int verb_drain(struct cli *cli, struct args *a);
int verb_report(struct cli *cli, struct args *a);
int verb_pick(struct cli *cli, struct args *a);
int verb_ls(struct cli *cli, struct args *a);
int verb_watch(struct cli *cli, struct args *a);
int verb_run(struct cli *cli, struct args *a);
int verb_status(struct cli *cli, struct args *a);

extern const struct arg_row register_options[], deregister_options[], drain_options[], pick_options[], watch_options[],
    run_options[];

#endif
