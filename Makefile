# Thin targets for people. CMake does the work; every target says what it costs.
SHELL := /bin/bash
PREFIX ?= /usr/local
BUILD := build/dev

.PHONY: help setup build image demo test lint tidy fuzz bench bench-gpu install package clean

help: ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' Makefile

setup: ## install the Debian packages that are missing (build and demo)
	@tools/setup build

build: setup ## the programs, optimised, into build/dev
	@cmake --preset dev >/dev/null
	@ninja -C $(BUILD) programs

image: setup ## the container images, build/dev/image/gpunode-{agent,host}.tar, without an engine
	@cmake --preset dev >/dev/null
	@ninja -C $(BUILD) image

demo: ## a bare host becomes a node, and a Pod gets its GPU, in miniature (12 minutes the first time)
	@tools/setup build
	@cmake --preset dev >/dev/null
	@ninja -C $(BUILD) demo-parts
	@$(BUILD)/demo/gpunode-demo

test: ## everything: units, doubles, sanitizers, a real Kubernetes node and machine (an hour, the first time two; MINUTES=78 is done by then)
	@tools/setup build test cluster vm chart packages
	@tools/run_tests $(if $(MINUTES),--minutes $(MINUTES))

lint: ## clang-format, layers, and clang-tidy on what changed
	@tools/lint

tidy: ## clang-tidy on the whole tree (20 minutes)
	@tools/lint --all

fuzz: ## every fuzz target for five minutes
	@tools/run_tests --only fuzz

bench: setup ## the figures of docs/benchmarks.md; PEER=directory measures NVIDIA's beside ours
	@tools/setup bench
	@cmake --preset dev >/dev/null
	@ninja -C $(BUILD) bench
	@bench/run --build-dir $(BUILD) $(if $(PEER),--peer $(PEER))

bench-gpu: setup ## what shares cost on this machine's GPU, and how exact they are (20 min); HAMI=libvgpu.so measures HAMi-core's beside ours
	@tools/setup bench
	@cmake --preset dev >/dev/null
	@ninja -C $(BUILD) share_bench gpu_load turn_keeper kubelet-double gpunode gpunode-probe gpunode-agent gpunode-runtime
	@python3 bench/gpu_shares.py --build-dir $(BUILD) $(if $(HAMI),--hami $(HAMI))
	@python3 bench/gpu_turns.py --build-dir $(BUILD)
	@python3 bench/gpu_pods.py --build-dir $(BUILD)

install: build ## into PREFIX (/usr/local); DESTDIR is honoured
	@cmake --install $(BUILD) --prefix $(PREFIX) --strip

package: build ## deb, rpm and tar.gz into build/dev/packages
	@tools/setup package
	@cd $(BUILD) && cpack --config CPackConfig.cmake -B packages

clean: ## remove build/
	@rm -rf build
