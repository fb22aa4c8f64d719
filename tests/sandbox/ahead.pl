#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# ahead.pl PORT DIRECTORY SECONDS: a project API on loopback, of DIRECTORY's documents, whose clock is so many
# seconds ahead.
use strict;
use warnings;
use IO::Socket::INET;
use POSIX 'strftime';

my ($port, $directory, $ahead) = @ARGV;
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 16,
    ReuseAddr => 1) or die "port $port: $!\n";

while (my $client = $listener->accept) {
    my $request = <$client> // '';
    while (defined(my $line = <$client>)) { last if $line =~ /^\r?$/ }
    my ($status, $body) = ('404 Not Found', '');
    if ($request =~ m{^GET /v1/projects/([a-z0-9]+)/environments/([a-z0-9-]+)/ssh-access }
        && open my $file, '<', "$directory/$1/$2.json") {
        local $/;
        ($status, $body) = ('200 OK', scalar <$file>);
    }
    print {$client} "HTTP/1.1 $status\r\nContent-Type: application/json\r\nContent-Length: ",
        length $body, "\r\nDate: ", strftime('%a, %d %b %Y %H:%M:%S GMT', gmtime(time + $ahead)),
        "\r\nConnection: close\r\n\r\n$body";
    close $client;
}
