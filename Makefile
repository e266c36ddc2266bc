# Every entry point of the project. `make` alone lists them.
SHELL := /bin/sh
CC ?= gcc
B ?= build
Q = $(if $(V),,@printf '  %s\n' $@;)
-include image/versions.mk

WARN := -Wall -Wextra -Wshadow -Wcast-qual -Wformat=2 -Wvla -Wstrict-prototypes \
        -Wmissing-prototypes -Wimplicit-fallthrough $(if $(CI),-Werror)
OPT ?= -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong
HARDEN := -fPIE
CFLAGS += -std=gnu11 -D_GNU_SOURCE $(OPT) $(HARDEN) $(WARN) -I. -I$(B)/gen
LDFLAGS += -pie -Wl,-z,relro,-z,now -Wl,--as-needed

pkg = $(shell pkg-config $(1) $(2) 2>/dev/null)
MSGPACK := $(shell pkg-config --exists msgpack-c 2>/dev/null && echo msgpack-c || echo msgpack)
ZANED_PKGS := libmicrohttpd libpq hiredis jansson libcurl libsodium libcrypto libnghttp2 libprotobuf-c $(MSGPACK)
SUP_PKGS := jansson libsodium
CFLAGS += $(call pkg,--cflags,libpq $(MSGPACK))

src = $(sort $(wildcard $(1)))
BASE_SRC := $(call src,base/*.c)
PROTO := $(call src,zaned/temporal/proto/*.proto)
GEN_C := $(PROTO:zaned/temporal/proto/%.proto=$(B)/gen/%.pb-c.c)
GEN_H := $(GEN_C:.c=.h)
ZANED_LIB_SRC := $(filter-out zaned/main.c,$(call src,zaned/*.c zaned/*/*.c))
CLI_SRC := $(call src,supervisor/zane.c supervisor/cli_*.c)
SUP_MAIN := $(wildcard supervisor/main.c)
SUP_LIB_SRC := $(filter-out $(CLI_SRC) $(SUP_MAIN),$(call src,supervisor/*.c))

o = $(patsubst %.c,$(B)/%.o,$(1))
BASE_O := $(call o,$(BASE_SRC))
ZANED_O := $(call o,$(ZANED_LIB_SRC)) $(GEN_C:.c=.o)
SUP_O := $(call o,$(SUP_LIB_SRC))

help: ## this list
	@printf 'usage: make TARGET\n\n'
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

all: $(if $(wildcard zaned/main.c),zaned) $(if $(wildcard supervisor/main.c),supervisor) ## compile zaned, zane-supervisor and zane into build/
zaned: $(B)/bin/zaned
supervisor: $(B)/zane-supervisor $(if $(wildcard supervisor/zane.c),$(B)/zane) $(B)/zane-launch

deps: ## install the Debian packages that building and testing need
	@ci/apt-deps ci/packages.txt

python: # what the scripts behind run and check are written in; they install the rest
	@command -v python3 >/dev/null || ci/apt-deps ci/packages.txt

web: python ## build the dashboard into web/dist (npm packages by the lock file)
	@ci/web

images: all web ## build the component images (cached by recipe hash)
	image/build --all --out $(B)/images

keys: python ## make an offline root key and a release key in ZANE_KEYS (~/.zane-keys); asks for a password
	@image/keys

bundle: web ## build the release as one signed file, dist/zane-VERSION-amd64.tar
	@image/bundle

run: python ## build everything, boot the platform, print its address and setup token
	@ci/run start

stop: ## stop the platform in reverse order; the data stays
	@ci/run stop

clean: ## stop, remove all that was started and the build output; with VOLUMES=yes the data as well
	@ci/run clean $(if $(filter yes,$(VOLUMES)),volumes)
	rm -rf $(B)

check: python ## set up and run every test; ends with "N passed, N failed"
	@ci/check

demo: ## deploy the example app through the API, show its answer and its log line
	@ci/demo

bench: all web ## the figures of docs/benchmarks.md, in private engines
	image/build --all --out $(B)/images
	/usr/bin/python3 tests/bench/bench_platform.py
	/usr/bin/python3 tests/bench/bench_workflows.py
	/usr/bin/python3 tests/bench/bench_api.py
	/usr/bin/python3 tests/bench/bench_web.py

screenshots: all web ## a picture of every page of the dashboard, wide and narrow, light and dark, in build/screenshots
	ZANE_PICTURES=1 /usr/bin/python3 -m pytest -q -p no:cacheprovider tests/browser -k every_page

schemathesis: all ## longer than in check: 50 examples for each operation and caller
	ZANE_SCHEMATHESIS=50 /usr/bin/python3 -m pytest -q -p no:cacheprovider tests/integration/test_api_schemathesis.py

faults: all web ## every step of a deployment x every fault (tests/faults), in a private engine; the table is in build/faults.txt
	image/build --all --out $(B)/images
	ZANE_FAULTS=all /usr/bin/python3 -m pytest -q -s -p no:cacheprovider tests/faults

lint: ## include layers, banned names, shell scripts, spelling
	@ci/lint

unit: $(patsubst tests/unit/%.c,$(B)/unit/%,$(call src,tests/unit/*/test_*.c)) ## build the unit tests
fuzz: $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(call src,tests/fuzz/*/fuzz_*.c)) ## build the fuzz targets
asan: ## unit tests under clang with address and undefined-behaviour sanitizers
	+$(MAKE) CC=clang B=$(B)/asan OPT="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all" HARDEN= LDFLAGS="-fsanitize=address,undefined" unit
tsan: ## zaned and the SDK's probes under clang with the thread sanitizer (the unit tests' framework does not start with it)
	+$(MAKE) CC=clang B=$(B)/tsan OPT="-O1 -g -fsanitize=thread" HARDEN= LDFLAGS="-fsanitize=thread" zaned $(addprefix $(B)/tsan/,$(SDK_PROBES))

$(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h &: zaned/temporal/proto/%.proto
	@mkdir -p $(@D)
	$(Q)protoc-c --proto_path=$(dir $<) --c_out=$(B)/gen $<

$(B)/gen/%.o: $(B)/gen/%.c
	$(Q)$(CC) $(filter-out -W%,$(CFLAGS)) -w -MMD -MP -c $< -o $@

$(B)/%.o: %.c | $(GEN_H)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c $< -o $@

# .incbin is not in the compiler's list of what a file depends on.
$(B)/zaned/api/schemas.o: $(wildcard zaned/api/schemas/*.json)

$(B)/bin/zaned: $(B)/zaned/main.o $(ZANED_O) $(BASE_O)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) $^ $(call pkg,--libs,$(ZANED_PKGS)) -lz -pthread -o $@

$(B)/zane-supervisor: $(call o,$(SUP_MAIN)) $(SUP_O) $(BASE_O)
	$(Q)$(CC) $(LDFLAGS) $^ $(call pkg,--libs,$(SUP_PKGS)) -o $@

$(B)/zane: $(call o,$(CLI_SRC)) $(SUP_O) $(BASE_O)
	$(Q)$(CC) $(LDFLAGS) $^ $(call pkg,--libs,$(SUP_PKGS)) -o $@

# image/host puts it before the host programs of a bundle.
$(B)/zane-launch: image/host/launch.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O2 $(WARN) -static -s -Wl,--build-id=none $< -o $@

# Tests live in tests/{unit,fuzz}/<area>/ and link the layers that their area may include (ci/lint has
# the same list), so that a broken file elsewhere breaks no other area's tests.
LAYERS_http := http
LAYERS_domain := domain
LAYERS_store := store domain
LAYERS_swarm := swarm domain
LAYERS_proxy := proxy domain
LAYERS_logs := logs domain
LAYERS_temporal := temporal
LAYERS_api := api http domain store logs
LAYERS_workflows := workflows domain temporal store swarm proxy logs
area = $(firstword $(subst /, ,$(1)))
AREA_relay := image/fluentd/batch.c
AREA_supervisor = $(SUP_LIB_SRC)
area_src = $(or $(AREA_$(1)),$(foreach l,$(LAYERS_$(1)),$(call src,zaned/$(l)/*.c)) $(if $(filter temporal,$(LAYERS_$(1))),$(GEN_C)))
objs = $(patsubst %.c,%.o,$(patsubst %,$(B)/%,$(filter-out $(B)/%,$(1))) $(filter $(B)/%,$(1)))
unit_objs = $(call objs,$(call area_src,$(call area,$(1))))
.SECONDEXPANSION:
$(B)/unit/%: tests/unit/%.c $$(call unit_objs,$$*) $(BASE_O)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -Wno-missing-prototypes -MMD -MP -MF $@.d $(LDFLAGS) $(filter %.c %.o,$^) $(call pkg,--libs,$(ZANED_PKGS)) -lz -pthread -lcriterion -o $@

# Programs that integration tests drive against real components: tests/integration/c/<layer>_*.c
SDK_PROBES := probe/temporal/worker_probe probe/temporal/grpc_probe
probes: $(addprefix $(B)/,$(SDK_PROBES)) $(B)/probe/proxy/proxy_render \
        $(B)/probe/temporal/workflow_example $(B)/probe/temporal/schedule_probe \
        $(B)/probe/store/catalogue_probe $(B)/probe/api/routes_probe
$(B)/probe/%: tests/integration/c/$$(notdir $$*).c $$(call unit_objs,$$*) $(BASE_O)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -MF $@.d $(LDFLAGS) $(filter %.c %.o,$^) $(call pkg,--libs,$(ZANED_PKGS)) -lz -pthread -o $@

# Programs that tests/bench measures.
$(B)/bench/%: tests/bench/c/$$(notdir $$*).c $$(call unit_objs,$$*) $(BASE_O)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -MF $@.d $(LDFLAGS) $(filter %.c %.o,$^) $(call pkg,--libs,$(ZANED_PKGS)) -lz -pthread -o $@

FUZZ_FLAGS := -std=gnu11 -D_GNU_SOURCE -O1 -g -fsanitize=fuzzer,address,undefined -I. -I$(B)/gen
$(B)/fuzz/%: tests/fuzz/%.c $$(call area_src,$$(call area,$$*)) $(BASE_SRC) | $(GEN_H)
	@mkdir -p $(@D)
	$(Q)clang $(FUZZ_FLAGS) $(call pkg,--cflags,libpq $(MSGPACK)) $^ $(call pkg,--libs,$(ZANED_PKGS)) -lz -pthread -o $@

-include $(shell find $(B) -name '*.d' 2>/dev/null)
.PHONY: keys bundle python web screenshots demo bench faults probes help all zaned supervisor deps images run stop clean check lint unit fuzz asan tsan
.SECONDARY: $(GEN_C) $(GEN_H)
.DELETE_ON_ERROR:
