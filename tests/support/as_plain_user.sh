#!/bin/sh
# Runs a test program as a plain user, who exists in a mount namespace only: what
# muster does without root. Exit status 77 (skipped) where there is no root to
# begin with.
#
#   as_plain_user.sh PROGRAM [ARG ...]
set -eu

if [ "$(id -u)" != 0 ]; then
  echo "skipped: the tests run as a plain user already"
  exit 77
fi

place=$(mktemp -d /tmp/muster-plain-user.XXXXXX)
trap 'rm -rf "$place"' EXIT
# The build folder may be closed to others, and so may its parents.
cp "$1" "$place/program"
shift
mkdir "$place/work" "$place/home" "$place/bin"
if [ -n "${MUSTER_PROGRAM:-}" ]; then
  cp "$MUSTER_PROGRAM" "$place/bin/muster"
  MUSTER_PROGRAM=$place/bin/muster
  export MUSTER_PROGRAM
fi
if [ -n "${MUSTER_HELPER_PROGRAM:-}" ]; then
  cp "$MUSTER_HELPER_PROGRAM" "$place/bin/muster-helper"
  MUSTER_HELPER_PROGRAM=$place/bin/muster-helper
  export MUSTER_HELPER_PROGRAM
fi
chmod -R a+rX "$place"
number=54321
{
  cat /etc/passwd
  echo "plain:x:$number:$number::$place/home:/bin/sh"
} > "$place/passwd"
chmod 644 "$place/passwd"
chown "$number:$number" "$place/work" "$place/home"

unshare --mount sh -c '
  place=$1 number=$2
  shift 2
  mount --bind "$place/passwd" /etc/passwd
  cd "$place/work"
  exec setpriv --reuid="$number" --regid="$number" --clear-groups \
    env HOME="$place/home" TMPDIR="$place/work" "$place/program" "$@"
' sh "$place" "$number" "$@"
