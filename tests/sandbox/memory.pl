#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# memory.pl PID TEXT: whether the text is anywhere in the process's own memory, in use or freed; prints where,
# and "N found".
use strict;
use warnings;
no warnings "portable"; # addresses of 64 bits

my ($pid, $text) = @ARGV;
my $found = 0;
open my $maps, '<', "/proc/$pid/maps" or die "maps: $!\n";
open my $memory, '<:raw', "/proc/$pid/mem" or die "mem: $!\n";
while (<$maps>) {
    my ($from, $to, $name) = /^([0-9a-f]+)-([0-9a-f]+) r..p \S+ \S+ \S+\s*(.*)/ or next;
    next if $name =~ /^\[v(var|syscall)/;
    my ($at, $size, $bytes) = (hex $from, hex($to) - hex($from), '');
    sysseek $memory, $at, 0;
    while (length $bytes < $size) {
        sysread $memory, $bytes, $size - length $bytes, length $bytes or die "$from $name: $!\n";
    }
    for (my $i = index $bytes, $text; $i >= 0; $i = index $bytes, $text, $i + 1) {
        my $near = substr $bytes, $i < 40 ? 0 : $i - 40, 120;
        $near =~ s/[^ -~]/./g;
        printf "%x %s: %s\n", $at + $i, $name, $near;
        $found++;
    }
}
print "$found found\n";
exit !$found;
