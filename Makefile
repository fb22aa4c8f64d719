# SPDX-License-Identifier: Apache-2.0
#
#   make            builds what is installed          make check   unit tests, no root
#   make test       passes all tests (root)           make demo    shows the main job (root)
#   make install    DESTDIR= PREFIX= LIBDIR=          make fuzz    TIME=60 a target
#   make lint       format, clang-tidy, cppcheck      make clean
#   make bench      measures, beside peers (root)     make check-tsan
#   make chaos      logins while everything breaks (root)
#   make deb        Debian packages, in build/deb      make test-vm  Debian in virtual machines (root)
#
# B is where it is built, so that flavours stand beside each other: make B=build/asan SAN=1
# For another architecture: make B=build/arm64 CC=aarch64-linux-gnu-gcc PKG_CONFIG=aarch64-linux-gnu-pkg-config

VERSION := 0.1.1
PREFIX  ?= /usr
LIBDIR  ?= $(PREFIX)/lib/$(shell $(CC) -print-multiarch)
B       ?= build

CC       ?= gcc
PKG_CONFIG ?= pkg-config
PKGS     := libcurl libcrypto libcjson
WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
            -Wformat=2 -Wundef -Wvla -Werror
HARDEN   := -fstack-protector-strong -fPIC -fvisibility=hidden
# Debian 12's gcc marks no branches by default (docs/security.md, "The unit, AppArmor and SELinux").
BRANCHES_x86_64  := -fcf-protection=full
BRANCHES_aarch64 := -mbranch-protection=standard
HARDEN   += $(BRANCHES_$(firstword $(subst -, ,$(shell $(CC) -dumpmachine))))
SANITIZERS := $(if $(filter thread,$(SAN)),thread,address,undefined)
ifeq ($(SAN),)
CFLAGS   ?= -O2 -g
HARDEN   += -D_FORTIFY_SOURCE=2
else
# Of what is linked into 60 programs, a report shows the lines alone.
CFLAGS   ?= -O0 -g1
HARDEN   += -fsanitize=$(SANITIZERS) -fno-sanitize-recover=all -fno-omit-frame-pointer
SANLINK  := -fsanitize=$(SANITIZERS)
endif
ALL_CFLAGS := -std=c11 -D_GNU_SOURCE -I. -DCLOUD_VERSION='"$(VERSION)"' $(WARNINGS) $(HARDEN) \
              $(CFLAGS) $(CPPFLAGS) -MMD -MP
LINK       := $(SANLINK) -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS)
MODULE     := -shared -Wl,-z,defs,-z,nodelete
ifneq ($(SAN),)
MODULE     := -shared
endif

# Every process that looks up a name maps the module: in two parts, not four.
FEW := -Wl,-z,noseparate-code

obj = $(patsubst %.c,$(B)/obj/%.o,$(1))

COMMON := $(wildcard common/*.c)
NSS    := $(wildcard nss_cloud/*.c)
ACCESS := $(wildcard access/*.c)
BASE   := $(wildcard base/*.c)
JAIL   := $(wildcard jail/*.c)
DAEMON := $(filter-out cloudauthd/main.c,$(wildcard cloudauthd/*.c cloudauthd/*/*.c))
CTL    := $(wildcard ctl/*.c)
PARTS  := $(B)/libnss_cloud.so.2 $(B)/pam_cloud.so $(B)/cloud-authkeys $(B)/cloudauthd \
          $(B)/cloudauthctl

all: $(PARTS)

# Compiled as one, across its modules, which a lookup crosses a dozen times: a third less time for it.
# (Debian's clang has no plugin for the linker.)
ifeq ($(SAN)$(findstring clang,$(CC)),)
ONE := -flto
endif

$(B)/libnss_cloud.so.2: $(patsubst %.c,$(B)/module/%.o,$(NSS) $(COMMON)) nss_cloud/nss_cloud.map
	$(CC) $(CFLAGS) $(ONE) $(MODULE) $(FEW) -Wl,-soname,libnss_cloud.so.2 \
		-Wl,--version-script,nss_cloud/nss_cloud.map -o $@ $(filter %.o,$^) $(LINK)

$(B)/module/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC $@"
	@$(CC) $(ALL_CFLAGS) $(ONE) -c -o $@ $<

$(B)/pam_cloud.so: $(call obj,$(wildcard pam_cloud/*.c) $(JAIL) $(COMMON)) pam_cloud/pam_cloud.map
	$(CC) $(MODULE) -Wl,--version-script,pam_cloud/pam_cloud.map -o $@ $(filter %.o,$^) $(LINK) -lpam

# Static, with musl: it is started for every key that is offered, needs nothing but libc, and that
# one begins in half the time of glibc (docs/performance.md). Sanitizers and clang know glibc alone.
# musl's specs cannot link a static program at a random address: rcrt1.o is musl's start of one.
HELPER_CFLAGS := $(filter-out -fPIC -D_FORTIFY_SOURCE=2,$(ALL_CFLAGS)) -fPIE -ffunction-sections
ifeq ($(SAN)$(findstring clang,$(CC)),)
MUSL_LIB    := /usr/lib/$(subst -gnu,-musl,$(shell $(CC) -print-multiarch))
HELPER_CC   := $(CC) -specs $(MUSL_LIB)/musl-gcc.specs
HELPER_LINK := -static -nostartfiles -Wl,--gc-sections,-pie,--no-dynamic-linker,-z,text \
               $(MUSL_LIB)/rcrt1.o
else
HELPER_CC   := $(CC)
HELPER_LINK := $(if $(SAN),-pie,-static-pie)
endif

$(B)/cloud-authkeys: $(patsubst %.c,$(B)/helper/%.o,authkeys/cloud-authkeys.c $(COMMON))
	$(HELPER_CC) $(HELPER_LINK) -o $@ $^ $(LINK)

$(B)/helper/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC $@"
	@$(HELPER_CC) $(HELPER_CFLAGS) -c -o $@ $<

$(B)/cloudauthd: $(call obj,cloudauthd/main.c $(DAEMON) $(ACCESS)) $(B)/base.a $(B)/common.a
	$(CC) -pie -o $@ $^ $(LINK) $(shell $(PKG_CONFIG) --libs $(PKGS)) -lpthread

$(B)/obj/ctl/doctor.o: ctl/doctor.sh
$(B)/obj/ctl/edit.o: ctl/edit.sh
$(B)/obj/ctl/hostkeys.o: ctl/hostkeys.sh
$(B)/cloudauthctl: $(call obj,$(CTL) $(ACCESS) $(JAIL)) $(B)/base.a $(B)/common.a
	$(CC) -pie -o $@ $^ $(LINK) $(shell $(PKG_CONFIG) --libs libcrypto libcjson) -lpthread

# Building blocks: a program takes what it calls.
$(B)/base.a: $(call obj,$(BASE))
$(B)/common.a: $(call obj,$(COMMON))
$(B)/base.a $(B)/common.a:
	@rm -f $@
	$(shell $(CC) -print-prog-name=ar) qcs $@ $^

$(B)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC $@"
	@$(CC) $(ALL_CFLAGS) -c -o $@ $<

install: all
	install -D -m 644 $(B)/libnss_cloud.so.2 $(DESTDIR)$(LIBDIR)/libnss_cloud.so.2
	install -D -m 644 $(B)/pam_cloud.so $(DESTDIR)$(LIBDIR)/security/pam_cloud.so
	install -D -m 755 $(B)/cloud-authkeys $(DESTDIR)$(PREFIX)/libexec/cloudauth/cloud-authkeys
	install -D -m 755 $(B)/cloudauthd $(DESTDIR)$(PREFIX)/sbin/cloudauthd
	install -D -m 755 $(B)/cloudauthctl $(DESTDIR)$(PREFIX)/bin/cloudauthctl
	install -D -m 644 etc/completion/cloudauthctl.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/cloudauthctl
	install -D -m 644 etc/completion/_cloudauthctl \
		$(DESTDIR)$(PREFIX)/share/zsh/vendor-completions/_cloudauthctl
	install -D -m 644 etc/pam-configs/cloudauth $(DESTDIR)$(PREFIX)/share/pam-configs/cloudauth
	install -D -m 644 etc/sysusers.d/cloudauth.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/cloudauth.conf
	install -D -m 644 etc/tmpfiles.d/cloudauth.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/cloudauth.conf
	for unit in $(notdir $(wildcard etc/systemd/*)); do install -D -m 644 etc/systemd/$$unit \
		$(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit; done
	for profile in $(wildcard etc/apparmor.d/*); do sh scripts/install-config.sh $$profile \
		$(DESTDIR)/etc/apparmor.d/$${profile##*/}; done
	for page in $(wildcard man/*.[1-8]); do install -D -m 644 $$page \
		$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}; done
	for file in $(wildcard etc/selinux/*); do install -D -m 644 $$file \
		$(DESTDIR)$(PREFIX)/share/cloudauth/selinux/$${file##*/}; done
	mkdir -p $(DESTDIR)$(PREFIX)/share/doc/cloudauth
	cp -r etc/examples etc/pam.d etc/nsswitch.conf.example $(DESTDIR)$(PREFIX)/share/doc/cloudauth
	sh scripts/install-config.sh etc/cloudauth.conf $(DESTDIR)/etc/cloudauth/cloudauth.conf
	sh scripts/install-config.sh etc/sshd_config.d/00-cloudauth.conf $(DESTDIR)/etc/ssh/sshd_config.d/00-cloudauth.conf

include tests/tests.mk

test demo bench: B := build
test:
	@scripts/packages.sh test
	@tests/run

# Whole systems with Debian's kernel, in emulated machines: not a part of `test`.
test-vm:
	@scripts/packages.sh vm
	@tests/vm/run

demo:
	@scripts/packages.sh demo
	@$(MAKE) --no-print-directory -s all
	@tests/demo/demo.sh

bench:
	@scripts/packages.sh bench
	@tests/bench/run

deb:
	@scripts/packages.sh deb
	@scripts/deb.sh

fuzz:
	tests/fuzz/run

# Ten minutes of logins while everything breaks, and 200 rounds of rotations.
chaos: B := build
chaos:
	CHAOS=600 LIMIT=1800 SEED=$$(date +%s) tests/e2e/run tests/e2e/chaos.sh
	SOAK=200 tests/e2e/run tests/e2e/soak.sh

# Hours: each call of the daemon fails once, in as many runs beside each other; of its allocations with the API by https
# every fifth.
FAULT_LANES := 6
faults: B := build
faults:
	@scripts/packages.sh test
	@$(MAKE) --no-print-directory -s all
	@E2E='^test_(nss|helper|pam|rows) ' tests/e2e/run tests/e2e/inject.sh
	@seq $(FAULT_LANES) | INJECT=16000 LIMIT=86400 E2E='^test_daemon' xargs -P 0 -I K \
		env LANE=K/$(FAULT_LANES) tests/e2e/run tests/e2e/inject.sh

fuzz-coverage:
	TIME=0 tests/fuzz/run

clean:
	rm -rf build

.PHONY: all install test test-vm demo bench deb fuzz fuzz-coverage faults chaos clean
-include $(shell find $(addprefix $(B)/,obj here module helper faults) -name '*.d' 2>/dev/null)
