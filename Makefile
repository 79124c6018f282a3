# The two commands that a new user needs are `make demo` and `make check`.
.PHONY: packages build demo check test clean
jobs ?= $(shell nproc)

packages:
	@scripts/install-packages.sh

build: packages
	@[ -f build/build.ninja ] || cmake --preset release
	@cmake --build build -j $(jobs)

clean:
	rm -rf build build-sanitize build-thread
