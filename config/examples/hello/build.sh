#!/bin/sh
# Makes a page with the words of a file and how often each is there.
#
#   build.sh WORDS PAGE
set -eu

awk '
  { for (i = 1; i <= NF; ++i) ++count[$i] }
  END { for (word in count) printf "%d %s\n", count[word], word }
' "$1" | sort -k1,1nr -k2 | awk '
  BEGIN { print "<table>" }
  { printf "  <tr><td>%s</td><td>%d</td></tr>\n", $2, $1 }
  END { print "</table>" }
' > "$2"
echo "built $2: $(wc -l < "$2") lines"
