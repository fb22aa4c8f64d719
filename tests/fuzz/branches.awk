# SPDX-License-Identifier: Apache-2.0
#
# branches.awk -v target=TARGET -v file=FILE READERS REPORT: counts the branches that llvm-cov's REPORT of the
# functions says were taken, without the functions that READERS leaves out.

FNR == NR {
    if (/^[a-z]/) {
        here = $1 == target && $2 == file
        least = here ? 95 : least
    } else if (here && $1 == "-") {
        sub(/:.*/, "")
        for (i = 2; i <= NF; i++)
            left[$i] = 1
    } else if (here && $1 == "+") {
        sub(/:.*/, "")
        for (i = 2; i <= NF; i++)
            some[$i] = only = 1
    } else if (here && $1 == "least") {
        least = $2 + 0
    }
    next
}

NF == 10 && $8 ~ /^[0-9]+$/ && $1 != "TOTAL" {
    name = $1
    sub(/.*:/, "", name)
    if (name in left) {
        delete left[name]
        next
    }
    if (only && !(name in some))
        next
    found[name] = 1
    all += $8
    missed += $9
}

END {
    taken = all == 0 ? 0 : 100 - 100 * missed / all
    bad = all == 0 || taken < least
    for (name in some)
        if (!(name in found))
            left[name] = 1
    for (name in left) {
        print "    " file ": there is no function " name
        bad = 1
    }
    printf "    %-36s %4d of %4d branches, %5.1f %%%s\n", file, all - missed, all, taken,
        taken < least ? ", of at least " least " %" : ""
    exit bad
}
