/* replay.h -- a fuzzer's file as a unit test: it is compiled once more with this in front, and
 * `test_fuzz_corpus_NAME` then gives it each file of its corpus. So what a fuzzer found stays
 * mended in every build, also where there is no clang. REPLAY_NAME comes from the Makefile. */
#ifndef GAFF_TESTS_REPLAY_H
#define GAFF_TESTS_REPLAY_H

#include <stddef.h>
#include <stdint.h>

#define REPLAY_JOIN_(a, b) a##b
#define REPLAY_JOIN(a, b) REPLAY_JOIN_(a, b)
#define REPLAY_TEXT_(a) #a
#define REPLAY_TEXT(a) REPLAY_TEXT_(a)

typedef int replay_begin(int *argc, char ***argv);
typedef int replay_one(const uint8_t *data, size_t size);
/* Of the files in fuzz/corpus/NAME (of provider: those in presets/providers), in their order; first
 * begin, unless it is NULL. At least one must be there. */
void replay(const char *name, replay_begin *begin, replay_one *one);

#ifdef REPLAY_NAME
#define LLVMFuzzerInitialize REPLAY_JOIN(replay_begin_, REPLAY_NAME)
#define LLVMFuzzerTestOneInput REPLAY_JOIN(replay_one_, REPLAY_NAME)
__attribute__((weak)) replay_begin LLVMFuzzerInitialize; /* not every fuzzer has one */
replay_one LLVMFuzzerTestOneInput;

void REPLAY_JOIN(test_fuzz_corpus_, REPLAY_NAME)(void);
void REPLAY_JOIN(test_fuzz_corpus_, REPLAY_NAME)(void)
{
    replay(REPLAY_TEXT(REPLAY_NAME), LLVMFuzzerInitialize, LLVMFuzzerTestOneInput);
}
#endif

#endif
