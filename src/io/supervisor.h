/* What the service manager is told (sd_notify(3), without its library). All of it is nothing when there is none. */
#ifndef IO_SUPERVISOR_H
#define IO_SUPERVISOR_H

/* "READY=1", "STOPPING=1", also several lines. Failures are ignored: a manager that cannot hear must not stop the
 * server. */
void supervisor_tell(const char *state);
/* RELOADING=1 with the time that Type=notify-reload asks for. */
void supervisor_tell_reloading(void);

#endif
