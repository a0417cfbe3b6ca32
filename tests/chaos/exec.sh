#!/bin/sh
# The command destination: FILE N, the body on stdin; one line for each run.
IFS= read -r body
printf '%s %s %s %s\n' "$2" "$GAFF_ATTEMPT" "$GAFF_EVENT_ID" "$body" >>"$1"
