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
# The fields of a row (cloudauthd/control/control.h), and the order in which they are printed.
my @fields = qw(project environment kind app user_id mail role service audit ca session account user since
    from pid key cert state);
my @shown = qw(session account kind project environment app user user_id mail role key cert ca audit from since
    service pid state);
my $after = '';
do {
    ($after, my $rows) = check(ask(9, $after));
    for my $row (split /\n/, $rows) {
        my %is;
        @is{@fields} = split /\t/, $row, -1;
        print join(' ', map { "$_=$is{$_}" } @shown), "\n";
    }
} while ($after ne '');
