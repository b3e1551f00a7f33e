# The commands of this project. Each does its own set-up; see tools/setup.sh.

help:
	@echo "make demo         from a clean clone to numbers on the screen"
	@echo "make test         what every change must pass"
	@echo "make test-long    clang-tidy, both compilers, sanitizers, everything under the validation layers"
	@echo "make stress       the breakage hunt; QUICK=1, LONG=1, ONLY=section,..."
	@echo "make bench        speed beside the BEAM's own loops"
	@echo "make package      archives of the NIF and of the library, into build/package"
	@echo "make format       formats the sources"
	@echo "make clean        removes what was built"

demo:
	@tools/demo.sh

test:
	@tools/test.sh

test-long:
	@tools/test_long.sh

stress:
	@tools/setup.sh demo && QUICK=$(QUICK) LONG=$(LONG) MINUTES=$(MINUTES) ONLY=$(ONLY) tools/stress.sh

bench:
	@tools/setup.sh demo && tools/bench.sh

package:
	@tools/package.sh

format:
	@tools/format.sh

clean:
	rm -rf build _build _build_*

.PHONY: help demo test test-long stress bench package format clean
