/* The table of verbs. The help, the completion's words and the manual's are checked against it. */
#include <stddef.h>

#include "cli/verbs.h"

const struct verb verb_table[] = {
    {"register", "[--keep] [OPTIONS] SERVICE ADDRESS PORT", "register an instance, or replace it",
     "ADDRESS is an IPv4 or IPv6 address, or both as v4,v6. Registering the same again renews the lease. With --keep it\n"
     "stays, renews the lease until SIGTERM or SIGINT, registers again where that is needed, and deregisters at the end.\n",
     register_options, verb_register},
    {"renew", "SERVICE ID", "renew the lease of an instance", NULL, NULL, verb_renew},
    {"deregister", "[--hold DURATION] SERVICE ID", "remove an instance", NULL, deregister_options, verb_deregister},
    {"drain", "[--off] [--wait] SERVICE ID", "take an instance out of the answers, though it stays registered",
     "Prints the seconds after which no client can still have it in an answer that it may keep.\n", drain_options, verb_drain},
    {"report", "SERVICE ID passing|warning|critical [NOTE]", "report the health of an instance, for its ttl check", NULL, NULL,
     verb_report},
    {"pick", "[--tag TAG] [--port NAME] SERVICE", "print the address and port of one healthy instance, balanced",
     "Prints address:port, or [v6]:port, and nothing else.\n", pick_options, verb_pick},
    {"ls", "[SERVICE]", "list the services, or the instances of one with their state and checks", NULL, NULL, verb_ls},
    {"watch", "[--from REVISION] [SERVICE]", "print what is there, then every change as it happens",
     "A lost connection is made again, and goes on where it was.\n", watch_options, verb_watch},
    {"run", "--service SERVICE --port PORT [OPTIONS] -- COMMAND...", "run a program and keep it registered while it lives",
     "Starts the program, waits until its port accepts connections, registers it, renews the lease while it lives and\n"
     "deregisters it when it has ended. SIGTERM and SIGINT drain it first, wait until no answer can name it, and are then\n"
     "passed on; a second one is passed on at once. SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 are passed on as they come.\n"
     "The exit status is the program's, or 128 + n if signal n ended it.\n",
     run_options, verb_run},
    {"status", "[SECTION]", "print the server's figures", NULL, NULL, verb_status},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};
