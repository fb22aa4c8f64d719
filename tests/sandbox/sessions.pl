#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# sessions.pl             prints the daemon's list of open sessions, page by page (common/wire.h)
# sessions.pl --end ID    ends one
#
# Exits 0 if the daemon said OK, else with its status: 2 absent, 3 refused, 10 unavailable or nothing.
use strict;
use warnings;
use Socket;

sub text { return pack 'V/a* x', $_[0] }

# The answer's status, and the strings after it.
sub ask {
    my ($op, $session) = @_;
    socket my $socket, PF_UNIX, SOCK_SEQPACKET, 0 or die "socket: $!\n";
    connect $socket, sockaddr_un('/run/cloudauth/socket') or die "connect: $!\n";
    send $socket, pack('a4 C4', 'CLDA', 1, $op, 0, 0) . text($session), 0 or die "send: $!\n";
    recv $socket, my $answer, 131072, 0;
    exit 10 if !defined $answer || length $answer < 8;
    return ((unpack 'a4 C4', $answer)[3], unpack '(V/a x)*', substr $answer, 8);
}

sub check {
    my ($status, @strings) = @_;
    return @strings if $status == 1;
    print STDERR "@strings\n";
    exit($status || 10);
}

if (@ARGV) {
    die "usage: sessions.pl [--end ID]\n" if @ARGV != 2 || $ARGV[0] ne '--end';
    check(ask(10, $ARGV[1]));
    exit 0;
}
my $after = '';
do {
    ($after, my $lines) = check(ask(9, $after));
    print $lines;
} while ($after ne '');
