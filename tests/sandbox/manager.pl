#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# manager.pl SOCKET WATCHDOG_USEC LOG COMMAND...
#
# The part of a service manager that Type=notify and WatchdogSec= need: starts COMMAND with
# NOTIFY_SOCKET (a path, or '@' and an abstract name), writes each message to LOG as it comes, and from
# READY=1 on ends COMMAND by ABRT, and starts it again, when WATCHDOG_USEC pass without a ping. On
# TERM it ends COMMAND and itself. LOG says `started PID` and `hung PID` between the messages.
use strict;
use warnings;
use IO::Select;
use Socket;

my ($name, $usec, $log, @command) = @ARGV;
@command or die "usage: manager.pl SOCKET WATCHDOG_USEC LOG COMMAND...\n";

open(my $out, '>', $log) or die "$log: $!\n";
$out->autoflush(1);
socket(my $socket, PF_UNIX, SOCK_DGRAM, 0) or die "socket: $!\n";
my $address = $name =~ /^\@(.*)/ ? "\0$1" : $name;
# Not sockaddr_un: it pads an abstract name.
bind($socket, pack('S a*', AF_UNIX, $address)) or die "$name: $!\n";
chmod(0777, $name) if $name =~ m{^/};
my $messages = IO::Select->new($socket);

my $pid;
$SIG{TERM} = sub {
    kill('CONT', $pid);
    kill('TERM', $pid);
    waitpid($pid, 0);
    take() while $messages->can_read(0);
    exit 0;
};

# The next message.
sub take {
    my $message = '';
    recv($socket, $message, 4096, 0);
    print $out "$message\n";
    return $message;
}

sub start {
    $pid = fork() // die "fork: $!\n";
    if ($pid == 0) {
        close($socket);
        $ENV{NOTIFY_SOCKET} = $name;
        $ENV{WATCHDOG_USEC} = $usec;
        $ENV{WATCHDOG_PID} = $$;
        exec(@command) or die "$command[0]: $!\n";
    }
    print $out "started $pid\n";
}

start();
my $ready = 0;
while (1) {
    if ($messages->can_read($ready ? $usec / 1e6 : undef)) {
        $ready = 1 if take() =~ /^READY=1$/m;
        next;
    }
    print $out "hung $pid\n";
    kill('ABRT', $pid);
    kill('CONT', $pid);
    waitpid($pid, 0);
    $ready = 0;
    start();
}
