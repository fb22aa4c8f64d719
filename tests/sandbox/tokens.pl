#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# tokens.pl PORT DIRECTORY: an OAuth 2.0 token endpoint for the tests, on loopback. The first exchange
# gives exchanged-1, the next exchanged-2 ... DIRECTORY/log gets "AUTHORIZATION FORM" of each.
# DIRECTORY/answer, if it is there, is answered instead, byte for byte; where it is empty, nothing is.
# DIRECTORY/expires_in says how long a token lives.
use strict;
use warnings;
use IO::Handle;
use IO::Socket::INET;

my ($port, $directory) = @ARGV;
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 16,
    ReuseAddr => 1) or die "port $port: $!\n";
my ($exchanges, @silent) = (0);

sub content {
    open my $file, '<', "$directory/$_[0]" or return undef;
    local $/;
    return scalar(<$file>) // '';
}

while (my $client = $listener->accept) {
    my ($authorization, $length, $form) = ('none', 0, '');
    while (defined(my $line = <$client>)) {
        $authorization = $1 if $line =~ /^Authorization: (.*?)\r?$/i;
        $length = $1 if $line =~ /^Content-Length: (\d+)/i;
        last if $line =~ /^\r?$/;
    }
    read $client, $form, $length if $length;
    open my $log, '>>', "$directory/log" or die "log: $!\n";
    print {$log} "$authorization $form\n";
    close $log;
    my $answer = content('answer');
    if (!defined $answer) {
        my $seconds = content('expires_in') // 3600;
        my $body = sprintf '{"access_token":"exchanged-%d","token_type":"bearer","expires_in":%d}',
            ++$exchanges, $seconds;
        $answer = sprintf "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            . "Content-Length: %d\r\nConnection: close\r\n\r\n%s", length $body, $body;
    }
    push @silent, $client if $answer eq ''; # kept open, or it would be closed
    print {$client} $answer;
}
