#!/bin/sh
# build.sh REPOSITORY REF -- stands where your build or deployment would; the payload is on stdin.
echo "building $1 at $2 for event $GAFF_EVENT_ID"
wc -c | sed 's/^ */payload bytes: /'
