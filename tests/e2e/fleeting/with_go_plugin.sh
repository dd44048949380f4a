#!/bin/sh
# Builds a fleeting plugin with GitLab's own library, which comes through the Go
# module proxy, and runs a test with it. Skipped (77) where there is no Go that
# can, or no way to the proxy; in CI nothing may be skipped.
#
#   with_go_plugin.sh FOLDER TEST [ARGUMENT ...]     FOLDER: for what is built
set -u
sources=$(cd "$(dirname "$0")/../../support/go_plugin" && pwd)
folder=$1
shift

skip() {
  echo "skipped: $*"
  exit 77
}

PATH=$PATH:/usr/local/go/bin
command -v go >/dev/null || skip "there is no go (1.21 or later)"
# The module says which Go it needs; another is not to be downloaded.
export GOTOOLCHAIN=local GOFLAGS='-mod=readonly -buildvcs=false'
minor=$(cd / && go version | sed -n 's/^go version go1\.\([0-9]*\).*/\1/p')
[ "${minor:-0}" -ge 21 ] || skip "$(go version) is older than 1.21"

mkdir -p "$folder" || exit 1
if ! (cd "$sources" && go mod download) >"$folder/download.log" 2>&1; then
  skip "GitLab's library cannot be had: $(tail -n 1 "$folder/download.log")"
fi
(cd "$sources" && go build -o "$folder/fleeting-plugin-go-test" .) || exit 1
MUSTER_GO_PLUGIN=$folder/fleeting-plugin-go-test exec "$@"
