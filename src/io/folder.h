/* The folder of a Unix socket, such as /run/rollcall: gone after each boot, and nobody's business but the server's. */
#ifndef IO_FOLDER_H
#define IO_FOLDER_H

#include <stdbool.h>

/* Makes the folder in which `path` will be, if it is missing, the one above it is there and the process may: mode 0755,
 * owned by `user` (NULL, or unknown: by who runs the process). True if it was made. False says nothing is wrong:
 * opening the socket will tell. Before threads start. */
bool folder_make(const char *path, const char *user);
/* Removes the folder of `path` if it is empty and the process may. For folders that folder_make has made. */
void folder_remove(const char *path);

#endif
