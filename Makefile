# The one front door of this tree: `make help` lists what it can do. There is no configure step.
#
# Variables a caller may set:
#   V=1            show the whole commands          WERROR=1  warnings are errors (CI)
#   CC, CFLAGS, CPPFLAGS, LDFLAGS                   as everywhere; they come after ours
#   BUILD=DIR      where everything built goes (default build; `make clean` removes it)
#   VARIANT=NAME   release (default), asan, tsan, fuzz: each has its own folder under BUILD
#   LAYERS="..."   for `make unit`: only these layers of src/ and their tests
#   T=NAME         for `make unit` and `make e2e`: only tests whose name holds NAME
#   PREFIX, DESTDIR, SYSCONFDIR                     for `make install`

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules

BUILD   ?= build
VARIANT ?= release
OUT     := $(BUILD)/$(VARIANT)
EVERY_LAYER := base http verify rule store action engine api compat app
LAYERS  ?= $(EVERY_LAYER)
ONLY    ?=
T       ?=
FUZZ_SECONDS ?= 30
SMOKE   ?=
ROUNDS  ?= 20000
SEED    ?= 0

# The version stands in the public header alone.
VERSION := $(shell sed -n 's/^.define GAFF_VERSION  *"\(.*\)".*/\1/p' include/gaff.h)
ABI     := 0

# ---- tools and flags ----

ifeq ($(VARIANT),fuzz)
CC := clang
else ifeq ($(origin CC),default)
CC := cc
endif
OBJCOPY    ?= objcopy
STRIP      ?= strip
PKG_CONFIG ?= pkg-config
PKGS := libuv libllhttp yyjson sqlite3 openssl yaml-0.1 libpcre2-8 libargon2
LOADED := libcurl # by the program itself, when it is first used; only its headers are needed here

PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PKGS) $(LOADED) 2>/dev/null)
PKG_LIBS   := $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null) -lpthread -lm

# Prints its argument if the compiler knows that flag on this processor.
known = $(shell $(CC) -Werror $(1) -c -x c /dev/null -o /dev/null 2>/dev/null && echo $(1))
# Prints its argument if the linker takes it, and does not only warn.
linked = $(shell echo 'int main(void) { return 0; }' | $(CC) -x c - -o /dev/null \
                 -Wl,--fatal-warnings $(1) 2>/dev/null && echo $(1))

# Optional libraries: what is here with its headers is compiled in, and loaded when it is used by
# the soname that the headers belong to. (ncursesw's .so is a linker's script, which names none.)
soname = $(shell readelf -d "$$($(CC) -print-file-name=lib$(1).so)" 2>/dev/null | \
                 sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
optional = $(if $(call soname,$(1)),-DSONAME_$(2)=$(call soname,$(1)))
OPTIONAL := $(call optional,hiredis,HIREDIS) $(call optional,nats,NATS) \
            $(call optional,rabbitmq,RABBITMQ) $(call optional,rdkafka,RDKAFKA) \
            $(call optional,mosquitto,MOSQUITTO) \
            $(if $(shell $(PKG_CONFIG) --exists ncursesw && echo y),\
                 -DSONAME_NCURSES=libncursesw.so.6)

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wvla -Wstrict-prototypes -Wformat-security \
            -Werror=format-security $(if $(filter 1,$(WERROR)),-Werror)

# -ftrivial-auto-var-init=zero is left out on purpose: the hot path keeps I/O buffers of many
# kilobytes on the stack, and clearing them for each request costs more than the parsing does.
# The sanitizer builds find reads of what was never set.
HARDEN := -fstack-protector-strong -fno-delete-null-pointer-checks \
          $(call known,-fstack-clash-protection) $(call known,-fcf-protection)
SANITIZE_release :=
SANITIZE_asan := -fsanitize=address,undefined -fno-sanitize-recover=undefined
SANITIZE_tsan := -fsanitize=thread
SANITIZE_fuzz := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
SANITIZE := $(SANITIZE_$(VARIANT))

# The released program is small: no tables for unwinding, which C needs for debuggers only (-g has
# its own), packed relocations where linker and libc have them, and nothing that is never called.
SMALLER := $(if $(SANITIZE),,-fno-asynchronous-unwind-tables -fno-unwind-tables -ffunction-sections)
SMALLER_LINK := $(if $(SANITIZE),,-Wl,--gc-sections $(call linked,-z pack-relative-relocs))

CFLAGS ?= -O2 -g
# Fortify needs an optimizing compiler and blinds the sanitizers.
FORTIFY := -U_FORTIFY_SOURCE $(if $(SANITIZE)$(filter -O0,$(CFLAGS)),,-D_FORTIFY_SOURCE=3)
ALL_CPPFLAGS = -D_GNU_SOURCE $(FORTIFY) $(OPTIONAL) -Isrc -Iinclude $(CPPFLAGS)
ALL_CFLAGS = -std=gnu11 -fvisibility=hidden -fPIC $(WARNINGS) $(HARDEN) $(SMALLER) $(SANITIZE) \
             $(if $(SANITIZE),-fno-omit-frame-pointer) $(PKG_CFLAGS) $(CFLAGS)
ALL_LDFLAGS = $(SANITIZE) -Wl,-z,relro,-z,now,-z,noexecstack $(SMALLER_LINK) $(CFLAGS) $(LDFLAGS)

Q = $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-6s %s\n' '$(1)' '$(2)')

# ---- sources ----

# What only the program has; all else is the library.
PROGRAM_SRCS := $(wildcard src/app/cli_*.c src/app/commands.c src/app/main.c src/app/daemon.c \
                src/app/webhook*.c src/app/handover.c)
# The drop-in for hooks.json: of the program too, but unit tests and fuzzers link it.
COMPAT_SRCS  := $(if $(filter compat,$(LAYERS)),$(wildcard src/compat/*.c))
LAYER_SRCS   := $(foreach layer,$(LAYERS),$(wildcard src/$(layer)/*.c))
LIB_SRCS     := $(filter-out $(PROGRAM_SRCS) $(COMPAT_SRCS),$(LAYER_SRCS))
EMBED_DIRS   := $(wildcard presets/providers presets/targets presets/messages presets/fixtures \
                            src/store/schema src/store/schema/postgres)
EMBEDDED     := $(wildcard $(EMBED_DIRS:%=%/*.yaml) $(EMBED_DIRS:%=%/*.sql))
WEB_SRCS     := $(wildcard web/*.json web/*.mjs web/*.html web/src/*.* web/src/*/*.*)
UNIT_SRCS    := $(wildcard tests/unit/*.c) \
                $(foreach layer,$(LAYERS),$(wildcard tests/unit/$(layer)/*.c))
EXAMPLE_SRCS := $(wildcard examples/*.c)
FUZZ_SRCS    := $(wildcard fuzz/*_fuzz.c)
# Each fuzzer over its corpus is a unit test too: see tests/unit/replay.h. They use all layers.
REPLAY_SRCS  := $(if $(filter-out $(LAYERS),$(EVERY_LAYER)),,$(FUZZ_SRCS))

obj = $(patsubst %.c,$(OUT)/obj/%.o,$(1))
LIB_OBJS     := $(call obj,$(LIB_SRCS)) $(OUT)/gen/presets_gen.o
COMPAT_OBJS  := $(call obj,$(COMPAT_SRCS))
PROGRAM_OBJS := $(call obj,$(PROGRAM_SRCS)) $(OUT)/gen/web_gen.o
UNIT_OBJS    := $(call obj,$(UNIT_SRCS)) $(REPLAY_SRCS:fuzz/%_fuzz.c=$(OUT)/obj/replay/%.o)
EXAMPLES     := $(patsubst examples/%.c,$(OUT)/examples/%,$(EXAMPLE_SRCS))
FUZZERS      := $(patsubst fuzz/%.c,$(OUT)/%,$(FUZZ_SRCS))
space        := $(subst x, ,x)
UNIT_KEY     := $(OUT)/gen/unit-$(subst $(space),-,$(strip $(LAYERS)))

# ---- building ----

.PHONY: all lib examples test-programs need-libraries FORCE
all: $(OUT)/gaff lib ## Build the program, the library and its pkg-config file (default)

lib: $(OUT)/libgaff.a $(OUT)/libgaff.so $(OUT)/libgaff.pc ## Build the library alone

examples: $(EXAMPLES) ## Build the example programs

test-programs: all examples $(OUT)/unit-tests

need-libraries:
	@$(PKG_CONFIG) --exists $(PKGS) $(LOADED) || { \
	    $(PKG_CONFIG) --print-errors --exists $(PKGS) $(LOADED); \
	    echo "make: a library is missing; scripts/deps installs it" >&2; exit 1; }

COMPILE = $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS)
# What no event passes through is compiled for size: the whole stays small.
SMALL := src/api/% src/app/% src/compat/%

$(OUT)/obj/%.o: %.c $(OUT)/gen/flags | need-libraries
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) $(if $(filter tests/unit/%,$<),-Itests/unit) \
	    $(if $(filter $(SMALL),$<),-Os) -MMD -MP -c -o $@ $<

$(OUT)/obj/replay/%.o: fuzz/%_fuzz.c $(OUT)/gen/flags | need-libraries
	$(call say,CC,$< for its corpus)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -DREPLAY_NAME=$* -include tests/unit/replay.h -MMD -MP -c -o $@ $<

$(OUT)/gen/%.o: $(OUT)/gen/%.c $(OUT)/gen/flags
	$(Q)$(COMPILE) -Itests/unit -MMD -MP -c -o $@ $<

$(OUT)/gaff: $(PROGRAM_OBJS) $(COMPAT_OBJS) $(LIB_OBJS) $(OUT)/gen/objects
	$(call say,LINK,$@)
	$(Q)$(CC) -pie -o $@ $(PROGRAM_OBJS) $(COMPAT_OBJS) $(LIB_OBJS) $(ALL_LDFLAGS) $(PKG_LIBS)

# One relocatable object whose hidden names are made local: short internal names can't clash
# with those of a program that links the archive.
$(OUT)/libgaff.a: $(LIB_OBJS) $(OUT)/gen/objects
	$(call say,AR,$@)
	$(Q)$(LD) -r -o $(OUT)/gen/libgaff.o $(LIB_OBJS)
	$(Q)$(OBJCOPY) --localize-hidden $(OUT)/gen/libgaff.o
	$(Q)rm -f $@ && $(AR) rcs $@ $(OUT)/gen/libgaff.o

$(OUT)/libgaff.so: $(LIB_OBJS) $(OUT)/gen/objects scripts/libgaff.map
	$(call say,LINK,$@)
	$(Q)$(CC) -shared -o $@ $(LIB_OBJS) -Wl,-soname,libgaff.so.$(ABI) \
	    -Wl,--version-script=scripts/libgaff.map $(if $(SANITIZE),,-Wl,--no-undefined) \
	    $(ALL_LDFLAGS) $(PKG_LIBS)
	$(Q)ln -sf libgaff.so $(OUT)/libgaff.so.$(ABI)

# fill-in,PREFIX,LIBDIR
fill-in = sed -e 's|@PREFIX@|$(1)|' -e 's|@LIBDIR@|$(2)|' -e 's|@VERSION@|$(VERSION)|' \
              -e 's|@REQUIRES@|$(PKGS)|'

# An uninstalled twin of the installed file: PKG_CONFIG_PATH=build/release finds the library here.
$(OUT)/libgaff.pc: dist/libgaff.pc.in Makefile
	@mkdir -p $(@D)
	$(Q)$(call fill-in,$(CURDIR),$(abspath $(OUT))) $< > $@

# What a file depends on beside other files: rewritten only when it changes. So a new flag
# compiles again, and a source that went away links again.
$(OUT)/gen/flags:     FACT = $(COMPILE)
$(OUT)/gen/objects:   FACT = $(LIB_OBJS) $(COMPAT_OBJS) $(PROGRAM_OBJS)
$(UNIT_KEY).objects:  FACT = $(UNIT_OBJS) $(COMPAT_OBJS) $(LIB_OBJS)
$(OUT)/gen/flags $(OUT)/gen/objects $(UNIT_KEY).objects: FORCE
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(FACT))' > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(OUT)/gen/embed: scripts/embed.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O1 -o $@ $<

# Depends on the folders as well, for files that come and go.
$(OUT)/gen/presets_gen.c: $(OUT)/gen/embed $(EMBEDDED) $(EMBED_DIRS)
	$(call say,EMBED,$(words $(EMBEDDED)) files)
	$(Q)$(OUT)/gen/embed packed $(EMBEDDED) > $@

# The dashboard, one bundle for all variants; empty where there is no Node.js to make it.
$(BUILD)/bundle/done: scripts/build-web $(WEB_SRCS)
	@scripts/build-web $(BUILD)/bundle
	@touch $@

$(OUT)/gen/web_gen.c: $(OUT)/gen/embed $(BUILD)/bundle/done
	$(Q)$(OUT)/gen/embed raw web $$(find $(BUILD)/bundle/web -name "*.gz" -o -name "*.br") > $@

# An example sees what a user sees: the public header, the archive, and no GNU dialect.
$(OUT)/examples/%: examples/%.c $(OUT)/libgaff.a include/gaff.h
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -Wpedantic $(WARNINGS) $(SANITIZE) $(CFLAGS) -Iinclude -o $@ $< \
	    $(OUT)/libgaff.a $(ALL_LDFLAGS) $(PKG_LIBS)

# Tests are found by their symbols.
$(UNIT_KEY).c: $(UNIT_OBJS) $(UNIT_KEY).objects scripts/gen-unit-table
	@mkdir -p $(@D)
	$(Q)scripts/gen-unit-table $(UNIT_OBJS) > $@

$(UNIT_KEY).tests: $(UNIT_OBJS) $(COMPAT_OBJS) $(LIB_OBJS) $(UNIT_KEY).o
	$(call say,LINK,$(OUT)/unit-tests)
	$(Q)$(CC) -pie -o $@ $^ $(ALL_LDFLAGS) $(PKG_LIBS)

# One program a set of layers, so that LAYERS= can change freely; this is the last one asked for.
$(OUT)/unit-tests: $(UNIT_KEY).tests FORCE
	@cmp -s $< $@ || cp $< $@

# ---- running and testing ----

.PHONY: dropin run test unit e2e asan tsan fuzz fuzzers size lint format bench chaos \
        chaos-postgres docs
run: $(OUT)/gaff ## Start gaff with a first-day configuration and print a curl line to try
	$(OUT)/gaff serve --config examples/first-day/gaff.yaml --first-steps

# Runs the command with a PostgreSQL server when the daemons of the tests are to store there.
ON_STORE = GAFF_TEST_STORE=$(STORE) $(if $(filter postgres,$(STORE)),tests/postgres/cluster.py)

test: test-programs ## Every test; last line is the sum (STORE=postgres: e2e, sdk, web there)
	@BUILD_DIR=$(OUT) $(ON_STORE) scripts/run-tests

unit: $(OUT)/unit-tests ## Unit tests alone (T=name, LAYERS="base http")
	@tests/postgres/cluster.py $(OUT)/unit-tests $(T)

e2e: all examples ## End-to-end tests alone (T=name; STORE=postgres: their daemons on PostgreSQL)
	@BUILD_DIR=$(OUT) $(ON_STORE) scripts/run-tests e2e $(T)

dropin: all ## Random rules and payloads beside Debian's webhook (ROUNDS=20000, SEED=n)
	@GAFF=$(abspath $(OUT)/gaff) GAFF_DROPIN_ROUNDS=$(ROUNDS) GAFF_DROPIN_SEED=$(SEED) \
	    tests/e2e/dropin.py rounds

asan: ## The whole suite under AddressSanitizer and UBSan
	@$(MAKE) --no-print-directory VARIANT=asan test

tsan: ## The whole suite under ThreadSanitizer
	@$(MAKE) --no-print-directory VARIANT=tsan test

# Linked by the clang driver with -fsanitize=fuzzer, which brings main.
$(BUILD)/fuzz/%_fuzz: $(BUILD)/fuzz/obj/fuzz/%_fuzz.o $(COMPAT_OBJS) $(LIB_OBJS)
	$(call say,LINK,$@)
	$(Q)$(CC) -o $@ $^ -fsanitize=fuzzer $(ALL_LDFLAGS) $(PKG_LIBS)

fuzzers: $(FUZZERS)

fuzz: ## Run each fuzzer for FUZZ_SECONDS (30) from its corpus (ONLY=name)
	@$(MAKE) --no-print-directory VARIANT=fuzz fuzzers
	@BUILD_DIR=$(BUILD)/fuzz FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/run-fuzzers $(ONLY)

.PHONY: compile-flags
compile-flags:
	@echo $(filter-out -MMD -MP,$(ALL_CPPFLAGS) $(ALL_CFLAGS))

# Says it beside the bound, which a test holds it to (tests/e2e/operate.py).
SIZE_MAX := 2000000
size: $(OUT)/gaff ## Print what the stripped program takes; an error beyond 2 MB
	@$(STRIP) -o $(OUT)/gen/stripped $(OUT)/gaff && size=$$(wc -c < $(OUT)/gen/stripped) && \
	    echo "gaff: $$size bytes without symbols, $(SIZE_MAX) at most" && \
	    [ $$size -le $(SIZE_MAX) ]

lint: ## Format, layers, banned calls, lengths, both compilers' warnings, clang-tidy
	@scripts/lint

format: ## Rewrite the sources as .clang-format has it
	@clang-format -i $$(find src include tests examples fuzz bench scripts -name '*.[ch]')

bench: all ## Measure speed and memory beside peers (ONLY=ingest, ...)
	@[ -x bench/run ] || { echo "make bench: there is no bench/run" >&2; exit 1; }
	@BUILD_DIR=$(OUT) ONLY=$(ONLY) bench/run

chaos: all ## Kill the daemon at random and check that nothing is lost (SMOKE=1: 3 minutes)
	@[ -x tests/chaos/run ] || { echo "make chaos: there is no tests/chaos/run" >&2; exit 1; }
	@BUILD_DIR=$(OUT) SMOKE=$(SMOKE) tests/chaos/run

chaos-postgres: all ## The same with three nodes on PostgreSQL and a standby (SMOKE=1: 3 minutes)
	@BUILD_DIR=$(abspath $(OUT)) GAFF=$(abspath $(OUT))/gaff SMOKE=$(SMOKE) tests/chaos/postgres

docs: $(OUT)/gaff ## Generate docs/reference from the program's own tables
	@[ -x scripts/gen-docs ] || { echo "make docs: there is no scripts/gen-docs" >&2; exit 1; }
	@BUILD_DIR=$(OUT) scripts/gen-docs

# ---- installing ----

PREFIX     ?= /usr/local
SYSCONFDIR ?= /etc
BINDIR     := $(PREFIX)/bin
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR := $(PREFIX)/include
MANDIR     := $(PREFIX)/share/man
UNITDIR    := $(PREFIX)/lib/systemd/system
MANUALS    := $(wildcard docs/man/*.[1-8])
man-path    = $(MANDIR)/man$(subst .,,$(suffix $(1)))/$(notdir $(1))

.PHONY: install uninstall
install: all ## Install under PREFIX (/usr/local), below DESTDIR if set
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR) \
	    $(DESTDIR)$(UNITDIR) $(DESTDIR)$(SYSCONFDIR)/gaff
	install -m 755 $(OUT)/gaff $(DESTDIR)$(BINDIR)/gaff
	$(STRIP) $(DESTDIR)$(BINDIR)/gaff
	install -m 644 include/gaff.h $(DESTDIR)$(INCLUDEDIR)/gaff.h
	install -m 644 $(OUT)/libgaff.a $(DESTDIR)$(LIBDIR)/libgaff.a
	install -m 644 $(OUT)/libgaff.so $(DESTDIR)$(LIBDIR)/libgaff.so.$(VERSION)
	$(STRIP) --strip-unneeded $(DESTDIR)$(LIBDIR)/libgaff.so.$(VERSION)
	ln -sf libgaff.so.$(VERSION) $(DESTDIR)$(LIBDIR)/libgaff.so.$(ABI)
	ln -sf libgaff.so.$(ABI) $(DESTDIR)$(LIBDIR)/libgaff.so
	$(call fill-in,$(PREFIX),$(LIBDIR)) dist/libgaff.pc.in \
	    > $(DESTDIR)$(LIBDIR)/pkgconfig/libgaff.pc
	sed -e 's|/usr/bin/gaff|$(BINDIR)/gaff|' dist/gaff.service > $(DESTDIR)$(UNITDIR)/gaff.service
	install -m 644 dist/gaff.socket $(DESTDIR)$(UNITDIR)/gaff.socket
	[ -e $(DESTDIR)$(SYSCONFDIR)/gaff/gaff.yaml ] || \
	    install -m 644 dist/gaff.yaml $(DESTDIR)$(SYSCONFDIR)/gaff/gaff.yaml
	$(foreach page,$(MANUALS),install -D -m 644 $(page) $(DESTDIR)$(call man-path,$(page)) &&) true
	@# So that a program linked to the library starts; who packages it has a DESTDIR.
	@[ -n "$(DESTDIR)" ] || PATH=$$PATH:/sbin:/usr/sbin ldconfig 2>/dev/null || true

uninstall: ## Remove what install put there; the configuration and the data stay
	rm -f $(DESTDIR)$(BINDIR)/gaff $(DESTDIR)$(INCLUDEDIR)/gaff.h $(DESTDIR)$(LIBDIR)/libgaff.a \
	    $(DESTDIR)$(LIBDIR)/libgaff.so $(DESTDIR)$(LIBDIR)/libgaff.so.$(ABI) \
	    $(DESTDIR)$(LIBDIR)/libgaff.so.$(VERSION) $(DESTDIR)$(LIBDIR)/pkgconfig/libgaff.pc \
	    $(DESTDIR)$(UNITDIR)/gaff.service $(DESTDIR)$(UNITDIR)/gaff.socket \
	    $(foreach page,$(MANUALS),$(DESTDIR)$(call man-path,$(page)))

# ---- the rest ----

.PHONY: clean help
clean: ## Remove everything built
	rm -rf $(BUILD)

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' Makefile | sort | \
	    awk -F ':.*## ' '{ printf "  %-14s %s\n", $$1, $$2 }'

ALL_OBJS := $(LIB_OBJS) $(COMPAT_OBJS) $(PROGRAM_OBJS) $(UNIT_OBJS) $(UNIT_KEY).o \
            $(call obj,$(FUZZ_SRCS))
-include $(ALL_OBJS:.o=.d)
