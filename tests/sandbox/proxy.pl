#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# proxy.pl PORT LOG: an HTTP proxy for the tests, on loopback, that knows CONNECT alone. LOG gets the
# first line of each request.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;

my ($port, $log) = @ARGV;
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 16,
    ReuseAddr => 1) or die "port $port: $!\n";
$SIG{CHLD} = 'IGNORE';

# The head of a request by single bytes: what follows it is not ours to read.
sub head {
    my ($client) = @_;
    my ($head, $byte) = ('');
    $head .= $byte while $head !~ /\r\n\r\n\z/ && sysread $client, $byte, 1;
    return $head;
}

sub pump {
    my ($client, $server) = @_;
    my $select = IO::Select->new($client, $server);
    while (my @ready = $select->can_read) {
        for my $from (@ready) {
            sysread $from, my $bytes, 65536 or return;
            syswrite $from == $client ? $server : $client, $bytes;
        }
    }
}

while (my $client = $listener->accept) {
    next if fork;
    my $head = head($client);
    my ($line) = $head =~ /^(.*?)\r\n/;
    open my $file, '>>', $log or die "$log: $!\n";
    print {$file} "$line\n";
    close $file;
    my $server;
    $server = IO::Socket::INET->new(PeerAddr => $1) if $line =~ /^CONNECT (\S+) HTTP/;
    syswrite $client, $server ? "HTTP/1.1 200 OK\r\n\r\n" : "HTTP/1.1 403 Forbidden\r\n\r\n";
    pump($client, $server) if $server;
    exit;
}
