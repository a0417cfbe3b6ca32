/* trim.h -- gives memory back to the system that was needed for a while. */
#ifndef GAFF_BASE_TRIM_H
#define GAFF_BASE_TRIM_H

/* Fixes from which size on memory comes from the system by itself, and how much of what was freed a
 * thread keeps at the end of its heap: else the allocator raises both with each large block that is
 * freed, up to 64 MiB for every thread. Before other threads are started; for programs. */
void trim_steadily(void);
/* What was freed and the allocator keeps for later. Any thread. */
void trim_heap(void);
/* That, and the pages of code and constants, of the program and its libraries, that are mapped: a
 * start goes through much that never runs again. What is used comes back by itself, from the page
 * cache. Any thread; for programs, not for libraries in a host of others. */
void trim_after_start(void);

#endif
