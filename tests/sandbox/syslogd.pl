#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# A syslog daemon for the sandbox: one line a message, its facility deciding the file, as Debian's
# rsyslog does it. The priority stays in front, so that a test can look at it.
use strict;
use warnings;
use IO::Handle;
use Socket;

my $path = '/dev/log';
my %file;

unlink $path;
socket(my $log, PF_UNIX, SOCK_DGRAM, 0) or die "socket: $!\n";
bind($log, sockaddr_un($path)) or die "$path: $!\n";
chmod 0666, $path;
for my $name ('auth', 'sys') {
    my $target = $name eq 'auth' ? '/var/log/auth.log' : '/var/log/syslog';
    open($file{$name}, '>>', $target) or die "$target: $!\n";
    $file{$name}->autoflush(1);
}
while (defined recv($log, my $message, 65536, 0)) {
    my ($priority) = $message =~ /^<(\d+)>/;
    my $facility = defined $priority ? $priority >> 3 : 1;
    $message =~ s/[\0\n]+\z//;
    $message =~ s/([\x00-\x1f\x7f])/sprintf '#%03o', ord $1/ge;
    my $handle = $facility == 4 || $facility == 10 ? $file{auth} : $file{sys};
    print {$handle} "$message\n";
}
