# Every target is enough on a bare machine with Python 3.11 or newer; bootstrap.py does the work,
# so `python3 bootstrap.py TARGET` is the same command where there is no make.
PYTHON ?= python3

# $(dir ...) would split a folder name at its spaces, so the shell takes the name apart.
export TEXTGAN_LAB_MAKEFILE := $(MAKEFILE_LIST)
BOOTSTRAP = "$(PYTHON)" "$$(dirname -- "$${TEXTGAN_LAB_MAKEFILE\# }")/bootstrap.py"

.PHONY: help lab test claims suite slow soak bench
help:   ; @$(BOOTSTRAP) --help
lab:    ; @$(BOOTSTRAP) lab
test:   ; @$(BOOTSTRAP) test
claims: ; @$(BOOTSTRAP) claims
suite:  ; @$(BOOTSTRAP) suite
slow:   ; @$(BOOTSTRAP) slow
soak:   ; @$(BOOTSTRAP) soak
bench:  ; @$(BOOTSTRAP) bench
