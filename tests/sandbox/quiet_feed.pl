#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# quiet_feed.pl PORT: a change feed (docs/api.md) that names nothing: to a request without a validator all
# environments may have changed, to others 304 after their `Prefer: wait`.
use strict;
use warnings;
use IO::Socket::INET;

my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $ARGV[0], Listen => 16,
    ReuseAddr => 1) or die "port $ARGV[0]: $!\n";
$SIG{CHLD} = 'IGNORE';

sub serve {
    my ($client) = @_;
    local $/ = "\r\n\r\n";
    while (my $request = <$client>) {
        my $body = '{"changed":[],"whole":true}';
        if ($request =~ /^if-none-match:/im) {
            sleep $1 if $request =~ /^prefer: *wait=(\d+)/im;
            print {$client} "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n";
        } else {
            print {$client} "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Type: application/json\r\nContent-Length: ",
                length $body, "\r\n\r\n$body";
        }
        $client->flush;
    }
}

while (1) {
    my $client = $listener->accept or next;
    next if fork;
    serve($client);
    exit;
}
