# `make demo` and `make test` each set up what they need on a fresh machine: Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH := torch==2.13.0
EXTRAS := test,faiss,evaluation,onnx,sentence-transformers,finetuning,tracking,serve
READY := $(VENV)/.ready

.PHONY: checkpoints graph demo test test-slow bench lint format clean

demo: $(READY)
	$(BIN)/python examples/demo.py --output_dir demo

test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not slow"

test-slow: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 -m slow

bench: $(READY)
	$(BIN)/python -m benchmarks.speed

# The Python files beside the shipped weights are the project's own.
checkpoints:
	for model in checkpoints/barcodemae-*/; do cp *_barcodemae.py $$model; done
	for model in checkpoints/enbed-*/; do cp enbed/*_enbed.py $$model; done

# After other weights are shipped: the graph reads them by their places in the file.
graph: $(READY)
	$(BIN)/python -c "import pathlib, barcodemae.hub.onnx_export as onnx; \
		onnx.write_graph_beside(pathlib.Path('checkpoints/barcodemae-coi-small'))"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# PyTorch first, and its CPU build where there is no NVIDIA GPU: the usual Linux build brings
# gigabytes of CUDA along.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	if [ "$$(uname)" = Linux ] && ! command -v nvidia-smi >/dev/null; then \
		$(BIN)/pip install -q "$(TORCH)+cpu" 2>/dev/null \
		|| $(BIN)/pip install -q $(TORCH) --index-url https://download.pytorch.org/whl/cpu; \
	else \
		$(BIN)/pip install -q $(TORCH); \
	fi
	$(BIN)/pip install -q -c constraints.txt -e ".[$(EXTRAS)]"
	touch $@

clean:
	rm -rf $(VENV) build demo .pytest_cache .ruff_cache *.egg-info
