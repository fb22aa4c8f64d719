#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# ask.pl AT_ONCE SENT [UNTIL]: asks the daemon the questions of stdin (common/wire.h), each a line,
#
#   passwd ACCOUNT
#   keys shell|sftp ACCOUNT TYPE KEY
#
# AT_ONCE of them on as many sockets before it reads an answer. The file SENT is made when the first
# so many are sent; where UNTIL is given, all is asked again until that file is there. Prints how many
# answers of each status there were: asked=N ok=N absent=N refused=N unavailable=N none=N
# VERSION of the environment is that of the packets.
use strict;
use warnings;
use Socket;

my ($at_once, $sent, $until) = @ARGV;
($sent) = $sent =~ /(.*)/s; # perl taints it in a process whose real and effective uids differ
my $version = $ENV{VERSION} // 1;
my %kind = (shell => 1, sftp => 2);
my @status = ('unavailable', 'ok', 'absent', 'refused');
my %count = map { $_ => 0 } 'asked', 'none', @status;

sub text { return pack 'V/a* x', $_[0] }

sub question {
    my ($op, @field) = split ' ', $_[0];
    return pack('a4 C4', 'CLDA', $version, 1, 0, 0) . text($field[0]) if $op eq 'passwd';
    return pack('a4 C4 V', 'CLDA', $version, 5, 0, 0, $kind{$field[0]}) . join '', (map { text($_) } @field[1 .. 3]), pack('V', 0)
        if $op eq 'keys';
    die "no such question: $op\n";
}

sub ask {
    my ($packet) = @_;
    socket my $socket, PF_UNIX, SOCK_SEQPACKET, 0 or die "socket: $!\n";
    connect $socket, sockaddr_un('/run/cloudauth/socket') or die "connect: $!\n";
    send $socket, $packet, 0 or die "send: $!\n";
    $count{asked}++;
    return $socket;
}

sub take {
    my ($socket) = @_;
    my $got = recv $socket, my $answer, 131072, 0;
    my $status = defined $got && length $answer >= 8 ? (unpack 'a4 C4', $answer)[3] : undef;
    $count{defined $status ? $status[$status] // 'none' : 'none'}++;
}

sub mark_sent {
    open my $file, '>', $sent or die "$sent: $!\n";
    close $file;
}

my @questions = map { question($_) } <STDIN>;
do {
    for (my $at = 0; $at < @questions; $at += $at_once) {
        my $end = $at + $at_once < @questions ? $at + $at_once : @questions;
        my @sockets = map { ask($_) } @questions[$at .. $end - 1];
        mark_sent() if !-e $sent;
        take($_) for @sockets;
    }
} while (defined $until && !-e $until);
print join(' ', map { "$_=$count{$_}" } 'asked', 'ok', 'absent', 'refused', 'unavailable', 'none'), "\n";
