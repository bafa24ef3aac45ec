#!/usr/bin/env bash
# Builds.

set -euo pipefail

ROOT=/tmp

# Says something.
say() {
  echo "$1"
}

function build {
  say "building"
}

build "$@"
