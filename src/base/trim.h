/* trim.h -- gives memory back to the system that was needed for a while. */
#ifndef GAFF_BASE_TRIM_H
#define GAFF_BASE_TRIM_H

/* What was freed and the allocator keeps for later. Any thread. */
void trim_heap(void);
/* That, and the pages of code and constants, of the program and its libraries, that are mapped: a
 * start goes through much that never runs again. What is used comes back by itself, from the page
 * cache. Any thread; for programs, not for libraries in a host of others. */
void trim_after_start(void);

#endif
