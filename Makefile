# A new user needs two commands: `make demo` and `make check`. Each installs what is missing and builds first.
.PHONY: help packages build models nvrtc demo check tidy format fuzz sanitize mutation bench docs dist gpu-suite clean
jobs ?= $(shell nproc)
seconds ?= 10
SHELL := /bin/bash

help:
	@echo "make demo    build, compile a real model (MiniLM-L6), embed sentences"
	@echo "make check   build, run every test"
	@echo "make build   the tools, into build/bin"
	@echo "make bench   time Lathe beside ONNX Runtime and OpenVINO; writes docs/performance.md"
	@echo "make gpu-suite   a folder that checks and times CUDA packages on a machine with a GPU: build/gpu-suite"
	@echo "make dist    a tarball that runs elsewhere: tools, runtime, headers, docs"
	@echo "make fuzz    run every fuzzer runs=5000000 times, for seconds=3600 at most"
	@echo "make tidy    clang-format and clang-tidy over all of it"

packages:
	@scripts/install-packages.sh

build: packages
	@[ -f build/build.ninja ] || cmake --preset release
	@cmake --build build -j $(jobs) --target lathe-tools

# The models and data of ../shared, where that is there, and MiniLM; $LATHE_MODELS names another folder.
models: packages
	@scripts/unpack-models.sh build/models

# NVRTC, into build/nvrtc, where there is none.
nvrtc: packages
	@scripts/install-nvrtc.sh build/nvrtc

demo: build
	@examples/sentence-embedding/demo.sh $(sentences)

check: build models nvrtc
	@scripts/check.sh $(jobs) $(seconds)

sanitize: packages
	@[ -f build-sanitize/build.ninja ] || cmake --preset sanitize
	@cmake --build build-sanitize -j $(jobs)

fuzz: sanitize
	@test/fuzz/run.sh $(seconds) $(runs)
fuzz: seconds := 3600
fuzz: runs := 5000000

# Breaks the CUDA device library in every place and counts what the emulated device catches: half an hour.
mutation: build
	@cmake --build build -j $(jobs) --target lathe-test-conformance cuda-sim
	@python3 test/mutation/mutate.py --bin build/bin --jobs $(jobs)

tidy: build
	@scripts/tidy.sh --all

format:
	@git ls-files '*.cpp' '*.h' '*.hpp' '*.c' | xargs clang-format-22 -i

bench: build models
	@bench/run.sh

# Reference pages of the dialects and passes, into build/docs.
docs: packages
	@scripts/make-docs.sh build/docs

gpu-suite: build models
	@cmake --build build -j $(jobs) --target lathe-test-conformance
	@scripts/gpu-suite.sh

dist: build
	@scripts/make-dist.sh

clean:
	rm -rf build build-sanitize build-thread
