#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# What the samples of tests/bench/spawn.c come to; figures in milliseconds and kB, by the nearest rank.
#
#   stats.pl summary FILE WHICH         N MEDIAN P99 CPU-MEDIAN RSS-MAX FAULTS-MEDIAN of a command
#   stats.pl ratio FILE WHICH OF        MEDIAN-RATIO FROM TO: the ratio of two commands' median times,
#                                       and where 95 % of 2,000 resamplings of both put it
#   stats.pl column FILE COLUMN SCALE   N MEDIAN P99 of a column (1...) of any file, divided by SCALE
use strict;
use warnings;

my ($mode, $file, $which, $of) = @ARGV;

sub at {
    my ($percent, @sorted) = @_;
    my $rank = int((@sorted * $percent + 99) / 100);
    return $sorted[$rank > 0 ? $rank - 1 : 0];
}

sub sorted { return sort { $a <=> $b } @_ }
sub median { return at(50, sorted(@_)) }
sub resample { return map { $_[rand @_] } @_ }

open my $in, '<', $file or die "$file: $!\n";
my @line = map { [split] } <$in>;

sub column {
    my ($command, $column) = @_;
    my @found = map { $_->[$column] } grep { $_->[0] == $command } @line;
    die "$file: no samples of command $command\n" if !@found;
    return @found;
}

if ($mode eq 'summary') {
    my @wall = sorted(column($which, 1));
    printf "%d %.3f %.3f %.3f %d %d\n", scalar @wall, at(50, @wall) / 1e6, at(99, @wall) / 1e6,
        median(column($which, 2)) / 1e3, at(100, sorted(column($which, 3))), median(column($which, 4));
} elsif ($mode eq 'ratio') {
    srand 1;
    my ($top, $bottom) = ([column($which, 1)], [column($of, 1)]);
    my @ratio = sorted(map { median(resample(@$top)) / median(resample(@$bottom)) } 1 .. 2000);
    printf "%.3f %.3f %.3f\n", median(@$top) / median(@$bottom), $ratio[50], $ratio[1949];
} elsif ($mode eq 'column') {
    my @value = sorted(map { $_->[$which - 1] } @line);
    die "$file: empty\n" if !@value;
    printf "%d %.3f %.3f\n", scalar @value, at(50, @value) / $of, at(99, @value) / $of;
} else {
    die "stats.pl: $mode?\n";
}
