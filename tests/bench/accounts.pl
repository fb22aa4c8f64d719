#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# The accounts of tests/bench/accounts.h, numbers 0 to N-1, as each module wants them:
#
#   accounts.pl passwd N                    lines of passwd(5), to stdout
#   accounts.pl index N FILE                libnss-cache's indexes of such a FILE, beside it
#   accounts.pl makedb N                    what libnss-db's makedb(1) reads
#   accounts.pl documents N TEMPLATE DIRECTORY access documents, DIRECTORY/<project>/production.json
#   accounts.pl store N TEMPLATE DIRECTORY URL HOST ACCESS
#                                           the same in the daemon's own store (cloudauthd/state/store.c), fetched
#                                           just now, with the ETags that nginx has for those in ACCESS
#
# TEMPLATE is a document with @NAME@ and "@UID@" in it.
use strict;
use warnings;
use Digest::SHA 'sha256_hex';
use POSIX 'uname';

my ($mode, $n, @rest) = @ARGV;

sub name { return sprintf 'bench%07d', $_[0] }
sub uid { return 200000 + $_[0] }
sub line { return sprintf '%s:*:%d:%d:bench:/app/%s:/bin/bash', name($_[0]), uid($_[0]), uid($_[0]), name($_[0]) }

sub slurp {
    open my $file, '<', $_[0] or die "$_[0]: $!\n";
    local $/;
    return scalar <$file>;
}

sub spew {
    open my $file, '>', $_[0] or die "$_[0]: $!\n";
    print $file $_[1];
    close $file or die "$_[0]: $!\n";
}

# Lines of one length, in the order of strcmp(3): key, NUL, offset, NUL, and NULs up to the newline.
sub index_file {
    my ($file, $of) = @_;
    my ($at, $width, @entries) = (0, 0);
    for my $i (0 .. $n - 1) {
        my $entry = $of->($i) . "\0" . sprintf('%08d', $at) . "\0";
        $width = length $entry if length $entry > $width;
        push @entries, $entry;
        $at += length(line($i)) + 1;
    }
    spew($file, join '', map { $_ . "\0" x ($width - length $_) . "\n" } sort @entries);
}

sub document {
    my ($template, $i) = @_;
    my ($name, $uid) = (name($i), uid($i));
    $template =~ s/\@NAME@/$name/g;
    $template =~ s/"\@UID@"/$uid/g;
    return $template;
}

sub documents {
    my ($template, $directory) = (slurp($rest[0]), $rest[1]);
    for my $i (0 .. $n - 1) {
        my $project = "$directory/" . name($i);
        mkdir $project or die "$project: $!\n";
        spew("$project/production.json", document($template, $i));
    }
}

sub store {
    my ($template, $directory, $url, $host, $access) = (slurp($rest[0]), @rest[1 .. 4]);
    my ($boot, $owners) = (slurp('/proc/sys/kernel/random/boot_id'), '');
    my ($seconds) = split ' ', slurp('/proc/uptime');
    chomp $boot;
    for my $i (0 .. $n - 1) {
        my ($name, $uid, $body) = (name($i), uid($i), document($template, $i));
        my @stat = stat "$access/$name/production.json";
        my $etag = @stat ? sprintf '"%x-%x"', $stat[9], $stat[7] : '';
        my $header = "host $host\nurl $url\nproject $name\nenvironment production\nasked " . time . "\nclock 0" .
            "\nboot $boot " . int($seconds * 1000) . "\netag $etag\nmodified \nlength " . length($body) . "\n\n";
        spew("$directory/documents/$name.production",
            "cloudauth document 1\nsha256 " . sha256_hex($header . $body) . "\n$header$body");
        my $owner = "$uid $uid $name production";
        $owners .= "$owner " . substr(sha256_hex($owner), 0, 16) . "\n";
    }
    spew("$directory/owners", $owners);
}

if ($mode eq 'passwd') {
    print line($_), "\n" for 0 .. $n - 1;
} elsif ($mode eq 'makedb') {
    printf "0%d %s\n.%s %s\n=%d %s\n", $_, line($_), name($_), line($_), uid($_), line($_) for 0 .. $n - 1;
} elsif ($mode eq 'index') {
    index_file("$rest[0].ixname", \&name);
    index_file("$rest[0].ixuid", \&uid);
} elsif ($mode eq 'documents') {
    documents();
} elsif ($mode eq 'store') {
    store();
} else {
    die "accounts.pl: $mode?\n";
}
