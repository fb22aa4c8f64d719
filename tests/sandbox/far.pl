#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# far.pl PORT TO MS: a relay on loopback that makes the server on port TO one of MS milliseconds' round trip: bytes
# take half of that each way. The first ones of a connection wait a round trip more, for TCP's handshake.
use strict;
use warnings;
use IO::Socket::INET;
use Time::HiRes 'time';

my ($port, $to, $ms) = @ARGV;
my $trip = $ms / 1000;
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 64,
    ReuseAddr => 1) or die "port $port: $!\n";
my %end; # by descriptor: its socket, the other end, and what is on its way to that: [due, bytes]; '' is the end
$SIG{PIPE} = 'IGNORE';

sub join_ends {
    my $client = $listener->accept or return;
    my $server = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$to") or return;
    $end{fileno $client} = {socket => $client, other => $server, queue => [], extra => $trip};
    $end{fileno $server} = {socket => $server, other => $client, queue => [], extra => 0};
}

sub take {
    my ($end) = @_;
    sysread $end->{socket}, my $bytes, 65536;
    $end->{ended} = 1 if !length($bytes // '');
    push @{$end->{queue}}, [time + $trip / 2 + $end->{extra}, $bytes // ''];
    $end->{extra} = 0;
}

# Sends what is due. What came later than the first bytes does not overtake them.
sub give {
    my ($end) = @_;
    while (@{$end->{queue}} && $end->{queue}[0][0] <= time) {
        my $bytes = (shift @{$end->{queue}})->[1];
        if ($bytes eq '') {
            shutdown $end->{other}, 1;
            $end->{done} = 1;
        }
        while (length $bytes) {
            my $n = syswrite $end->{other}, $bytes or last;
            substr $bytes, 0, $n, '';
        }
    }
}

while (1) {
    my ($ready, $wait) = ('', undef);
    vec($ready, fileno $listener, 1) = 1;
    for my $end (values %end) {
        vec($ready, fileno $end->{socket}, 1) = 1 if !$end->{ended};
        my $due = @{$end->{queue}} ? $end->{queue}[0][0] - time : next;
        $due = 0 if $due < 0;
        $wait = $due if !defined $wait || $due < $wait;
    }
    select $ready, undef, undef, $wait;
    join_ends() if vec $ready, fileno $listener, 1;
    for my $end (values %end) {
        take($end) if !$end->{ended} && vec $ready, fileno $end->{socket}, 1;
        give($end);
    }
    for my $fd (keys %end) {
        my $end = $end{$fd} or next;
        my $other = fileno $end->{other};
        delete @end{$fd, $other} if $end->{done} && $end{$other}{done};
    }
}
