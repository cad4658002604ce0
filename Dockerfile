# barcodemae with its shipped model, for a machine without a GPU:
#
#   docker build -t barcodemae .
#   docker run --rm -v "$PWD:/data" barcodemae embed queries.fasta -o embeddings.parquet
#   docker run --rm -p 127.0.0.1:7860:7860 -v "$PWD:/data" barcodemae \
#       serve --library LIB --host 0.0.0.0
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/barcodemae
ENV PATH=/opt/barcodemae/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# By itself and first: it is the largest layer and changes least. The CPU's build is a tenth of CUDA's.
RUN pip install "torch==2.13.0" --index-url https://download.pytorch.org/whl/cpu
COPY pyproject.toml constraints.txt README.md LICENSE *_barcodemae.py ./
COPY barcodemae barcodemae
COPY checkpoints checkpoints
COPY enbed enbed
COPY model_card model_card
COPY space space
COPY train train
RUN pip install -c constraints.txt ".[serve,onnx]" && barcodemae doctor

FROM python:3.11-slim-bookworm
RUN useradd --create-home --uid 1000 barcodemae
COPY --from=build /opt/barcodemae /opt/barcodemae
ENV PATH=/opt/barcodemae/bin:$PATH HF_HOME=/tmp/huggingface MPLCONFIGDIR=/tmp/matplotlib
# Files of the folder that is mounted here; run with --user "$(id -u)" to own what is written.
WORKDIR /data
USER 1000
EXPOSE 7860
ENTRYPOINT ["barcodemae"]
CMD ["--help"]
