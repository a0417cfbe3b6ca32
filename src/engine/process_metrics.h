/* process_metrics.h -- what Prometheus's own client libraries tell of every process, under the same
 * names, and which build this is. */
#ifndef GAFF_ENGINE_PROCESS_METRICS_H
#define GAFF_ENGINE_PROCESS_METRICS_H

#include "base/buf.h"

/* Appends gaff_build_info and the process_* families in the text format 0.0.4. `version` may be
 * NULL: then there is no gaff_build_info. What the system does not tell (no /proc) is left out. */
void process_metrics_write(const char *version, struct buf *out);

#endif
