#!/bin/sh
# Gather the wheels that a machine with PyTorch and transformers, and no network, may lack: those of
# wheels.txt for Python 3.12 on x86-64 Linux, and this project's own. 2.5 MB together.
#
#   sh experiments/wheels.sh WHEELS
set -eu
here=$(cd "$(dirname "$0")" && pwd)
platforms=""
for version in 2_28 2_27 2_24 2_17; do
    platforms="$platforms --platform manylinux_${version}_x86_64"
done
# shellcheck disable=SC2086  # several words
python3 -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.12 \
    --implementation cp $platforms --platform manylinux2014_x86_64 \
    --dest "$1" --requirement "$here/wheels.txt"
python3 -m pip wheel --quiet --no-deps --wheel-dir "$1" "$here/.."
du -sh "$1"
