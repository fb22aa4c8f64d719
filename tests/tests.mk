# SPDX-License-Identifier: Apache-2.0
#
# Part of the Makefile: unit tests and what else the tests build. tests/README.md describes them.

# ---- Unit tests: one program a file ----------------------------------------------------------------

UNITS := $(basename $(notdir $(wildcard tests/unit/test_*.c)))

# The sources that name files of the host are built with tests/unit/here.h, which names others.
HERE    := $(NSS) $(addprefix common/,call.c local.c snapshot.c) access/local_ids.c base/foreign.c \
           cloudauthd/api/url.c
MODULES := $(filter-out $(HERE),$(DAEMON) $(ACCESS) $(BASE) $(JAIL) $(COMMON)) \
           $(addprefix ctl/,lines.c remedy.c out.c)
here     = $(patsubst %.c,$(B)/here/%.o,$(1))

$(B)/modules.a: $(call obj,$(MODULES) tests/unit/here.c) $(call here,$(HERE))
	@rm -f $@
	$(shell $(CC) -print-prog-name=ar) qcs $@ $^

$(B)/here/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC $@"
	@$(CC) $(ALL_CFLAGS) -include tests/unit/here.h -c -o $@ $<

# The tests themselves: half the time of -O2.
ifeq ($(SAN),)
$(B)/here/tests/%.o: ALL_CFLAGS += -O1 -g1
endif

# The linker takes an object from the archive only for a symbol that is still undefined: a test
# replaces a function of the product by defining it, if it defines all that its object does.
# gold takes a third of the time of the other linker, and there are many programs.
GOLD := $(if $(shell $(CC) -fuse-ld=gold -Wl,--version 2>/dev/null),-fuse-ld=gold)

$(B)/unit/%: $(B)/here/tests/unit/%.o $(B)/obj/tests/unit/support.o $(B)/modules.a
	@mkdir -p $(@D)
	$(CC) $(GOLD) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LINK) $(WRAP:%=-Wl,--wrap=%) -lcmocka \
		$(shell $(PKG_CONFIG) --libs $(PKGS)) -lpthread

# Functions that a test calls through its own __wrap_NAME (ld(1), --wrap).
$(B)/unit/test_call: WRAP := connect send
$(B)/unit/test_cache: WRAP := calloc getrandom
$(B)/unit/test_closer: WRAP := clone
$(B)/unit/test_document: WRAP := malloc calloc EVP_Digest EVP_MD_CTX_new EC_POINT_new EC_GROUP_new_by_curve_name
$(B)/unit/test_feed: WRAP := arc4random_uniform
$(B)/unit/test_local_ids: WRAP := fopen
$(B)/unit/test_loop: WRAP := epoll_ctl
$(B)/unit/test_nss: WRAP := cloud_conf_read
$(B)/unit/test_sessions: WRAP := statefile_write
$(B)/unit/test_snapshot: WRAP := cloud_owned_by
# The exported functions with faults, in the place of nss_cloud/nss_cloud.c.
$(B)/unit/test_nss_faults: $(call here,tests/sandbox/nss_faults.c)
# The tests that set the clock.
FAKE_CLOCK := backoff cache feed file_watch notify oauth sessions store
$(FAKE_CLOCK:%=$(B)/unit/test_%): $(B)/obj/tests/unit/fake_clock.o

# The fuzz targets: with libFuzzer where FUZZER says so (tests/fuzz/run), else with replay.c, which runs
# the inputs of tests/fuzz/corpus once: a test of the address sanitizer's build.
ALLOCATE := xcalloc xstrdup malloc calloc realloc reallocarray strdup cJSON_Parse EVP_Digest EC_POINT_new \
            curl_url curl_url_set curl_url_get
$(B)/fuzz/http: WRAP := time
$(B)/fuzz/lookups: WRAP := time cloud_snapshot_map cloud_snapshot_unmap cloud_call
$(B)/fuzz/lookups: LDLIBS := -lpam
$(B)/fuzz/fronts: WRAP := connect sendto io_write_all backoff_timeout negcache_has jail_check jail_build
$(B)/fuzz/ctl: WRAP := cloud_call poll process_each jail_check
$(B)/fuzz/ctl: $(call obj,$(filter-out $(addprefix ctl/,ask.c main.c status.c),$(CTL)))
$(B)/fuzz/%: $(B)/here/tests/fuzz/fuzz_%.o $(B)/here/tests/fuzz/memory.o $(B)/modules.a \
		$(if $(FUZZER),,$(B)/here/tests/fuzz/replay.o $(B)/obj/tests/unit/support.o)
	@mkdir -p $(@D)
	$(CC) $(FUZZER) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LINK) $(WRAP:%=-Wl,--wrap=%) \
		$(ALLOCATE:%=-Wl,--wrap=%) -lcmocka $(shell $(PKG_CONFIG) --libs $(PKGS)) -lpthread $(LDLIBS)
REPLAYS := $(if $(filter address%,$(if $(SAN),$(SANITIZERS))),$(basename $(notdir $(wildcard tests/fuzz/fuzz_*.c))))

check: units lint-structure

units: $(addprefix $(B)/unit/,$(UNITS)) $(REPLAYS:fuzz_%=$(B)/fuzz/%)
	@tests/unit/run $^

check-asan:
	$(MAKE) B=build/asan SAN=1 units

# The modules that several threads use, under ThreadSanitizer.
THREADED := test_negcache test_map test_publish test_store test_bindings_log test_feed_threads test_cache_threads test_denials
check-tsan:
	TSAN_OPTIONS=die_after_fork=0:halt_on_error=1 \
		$(MAKE) B=build/tsan SAN=thread UNITS="$(THREADED)" units

# ---- The simulation (tests/sim) ----------------------------------------------------------------------

SIM_WRAP := cloud_conf_read geteuid _exit stat open openat mkdir write fsync renameat unlinkat \
            malloc calloc realloc reallocarray free strdup mmap munmap
$(B)/sim: $(patsubst %.c,$(B)/here/%.o,$(wildcard tests/sim/*.c)) $(B)/modules.a
	$(CC) $(GOLD) -o $@ $^ $(LINK) $(SIM_WRAP:%=-Wl,--wrap=%) $(shell $(PKG_CONFIG) --libs $(PKGS)) -lpthread

sim: $(B)/sim
	@$(foreach name,SEEDS SEED TRACE FIRST,$(if $($(name)),$(name)=$($(name)))) $(B)/sim

# ---- Lint ------------------------------------------------------------------------------------------

lint:
	tests/lint/run

lint-structure: $(PARTS)
	@B=$(B) tests/lint/structure

# What lint compiles with gcc, and with clang: the tests' sources for their warnings alone.
compiles: all $(B)/sim $(addprefix $(B)/unit/,$(UNITS)) $(call obj,$(wildcard tests/bench/*.c)) $(B)/check_document
syntax: all $(addprefix $(B)/syntax/,$(filter-out tests/fuzz/%,$(wildcard tests/*/*.c)))

$(B)/syntax/%: %
	@$(CC) $(filter-out -MMD -MP,$(ALL_CFLAGS)) $(if $(filter tests/unit/% tests/sim/%,$<),-include tests/unit/here.h) \
		-fsyntax-only $<

# Prints how the parser judges a document, for tests/lint/docs.
$(B)/check_document: $(B)/obj/tests/lint/check_document.o $(B)/modules.a
	$(CC) -o $@ $^ $(LINK) $(shell $(PKG_CONFIG) --libs $(PKGS)) -lpthread

# ---- End-to-end tests ------------------------------------------------------------------------------

# The NSS module with a fault at every call.
$(B)/faults/libnss_cloud.so.2: $(call obj,$(filter-out nss_cloud/nss_cloud.c,$(NSS)) \
		tests/sandbox/nss_faults.c $(COMMON))
	@mkdir -p $(@D)
	$(CC) $(MODULE) -Wl,-soname,libnss_cloud.so.2 -Wl,--version-script,nss_cloud/nss_cloud.map \
		-o $@ $^ $(LINK)

# Programs that write a snapshot, and that sign an altered one again.
$(B)/bench/%_snapshot: $(B)/obj/tests/bench/%_snapshot.o \
		$(call obj,cloudauthd/accounts/snapshot_write.c) $(B)/base.a $(B)/common.a
	@mkdir -p $(@D)
	$(CC) -o $@ $^ $(LINK)

# ---- Benchmarks ------------------------------------------------------------------------------------

# The programs that measure, and the helper linked in other ways, for comparison.
BENCH      := nss first ask echo
HELPER     := authkeys/cloud-authkeys.c $(COMMON)
BENCH_ALL  := $(addprefix $(B)/bench/,$(BENCH) hosts make_snapshot spawn floor floor-glibc \
              helper-musl-static helper-glibc-static-pie helper-glibc-static helper-glibc-dynamic)
MUSL       := $(HELPER_CC) -std=c11 -D_GNU_SOURCE -I. $(WARNINGS) -O2 -fstack-protector-strong

bench-programs: $(BENCH_ALL)

$(addprefix $(B)/bench/,$(BENCH)): $(B)/bench/%: $(B)/obj/tests/bench/%.o $(B)/obj/tests/bench/samples.o \
		$(call obj,$(COMMON))
	@mkdir -p $(@D)
	$(CC) -o $@ $^ $(LINK)

$(B)/bench/hosts: $(B)/obj/tests/bench/hosts.o
	@mkdir -p $(@D)
	$(CC) -o $@ $^ $(LINK) $(shell $(PKG_CONFIG) --libs libcurl)

# Static and small: a process that it starts is never reported with a smaller peak of memory than its own.
$(B)/bench/spawn: tests/bench/spawn.c tests/bench/samples.c tests/bench/samples.h
	@mkdir -p $(@D)
	$(MUSL) -static -o $@ $(filter %.c,$^)

$(B)/bench/floor: tests/bench/floor.c
	@mkdir -p $(@D)
	$(MUSL) -fPIE $(HELPER_LINK) -o $@ $^

$(B)/bench/floor-glibc: $(B)/obj/tests/bench/floor.o
	@mkdir -p $(@D)
	$(CC) $(if $(SAN),-pie,-static-pie) -o $@ $^ $(LINK)

$(B)/bench/helper-musl-static: $(HELPER) $(wildcard common/*.h)
	@mkdir -p $(@D)
	$(MUSL) -static -o $@ $(HELPER)

$(B)/bench/helper-glibc-%: $(call obj,$(HELPER))
	@mkdir -p $(@D)
	$(CC) $(if $(SAN),-pie,$(patsubst -dynamic,-pie,-$*)) -o $@ $^ $(LINK)

.SECONDARY:

.PHONY: check sim units check-asan check-tsan lint lint-structure compiles syntax bench-programs
