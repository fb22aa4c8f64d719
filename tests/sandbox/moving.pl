#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Environments whose people change all the time, and whether the daemon keeps up with them over its
# own sudden death. Version N of an environment has one person with one key, the pool's key N % POOL,
# or there is no such environment (N % 4 == 3). The state file has a line for each environment: its
# name, the last version that the daemon has answered by, and the last that was published.
#
#   moving.pl make ACCESS STATE KEYS N    publishes version 0 of N environments
#   moving.pl load ACCESS STATE KEYS SEED ROUND PID
#       publishes on, and asks until each version is answered by, a process an environment; and
#       kills PID at a moment that the seed decides: at any in one round, and in the next right
#       after an answer (in every fourth, that it is absent), which must be on the disk by then
#   moving.pl check STATE KEYS            who may enter must be as the last version says that was
#                                         answered by, or as one that was published after it
#
# Each ends with status 1 and says why where what it was told is wrong.
use strict;
use warnings;
use POSIX ':sys_wait_h';
use Socket;
use Time::HiRes 'sleep';

use constant {POOL => 5, SHELL => 1, UNAVAILABLE => 0, OK => 1, ABSENT => 2, PROJECT => 'abcdefghij'};

my $command = shift @ARGV;
my ($access) = $command eq 'check' ? () : splice @ARGV, 0, 1;
my ($state, $keys) = splice @ARGV, 0, 2;
my @pool = map { public_key("$keys/moving$_.pub") } 0 .. POOL - 1;

sub public_key {
    open my $file, '<', $_[0] or die "$_[0]: $!\n";
    return [(split ' ', <$file>)[0, 1]];
}

sub is_absent { return $_[0] % 4 == 3 }
sub key_of { return $_[0] % POOL }

# ---- State -----------------------------------------------------------------------------------------

sub read_state {
    open my $file, '<', $state or die "$state: $!\n";
    return map { my ($name, $answered, $published) = split; {name => $name, answered => $answered, published => $published} } <$file>;
}

sub write_state {
    open my $file, '>', $state or die "$state: $!\n";
    print $file "$_->{name} $_->{answered} $_->{published}\n" for @_;
    close $file or die "$state: $!\n";
}

# ---- The publisher ---------------------------------------------------------------------------------

# Whole seconds are all that an ETag of nginx knows: each version has its own.
sub publish {
    my ($index, $name, $version, $padding) = @_;
    my $path = "$access/" . PROJECT . "/$name.json";
    my $id = 200100 + $index;
    my ($type, $blob) = @{$pool[key_of($version)]};
    my $time = 1700000000 + $version;

    if (is_absent($version)) {
        unlink $path or die "$path: $!\n";
        return;
    }
    open my $file, '>', "$path.new" or die "$path.new: $!\n";
    print $file '{"version":1,"project":"', PROJECT, qq(","environment":{"name":"$name","status":"active"},),
        qq("account":{"uid":$id,"gid":$id,"home":"/app/x","shell":"/bin/bash"},"padding":"), 'x' x $padding,
        qq(","users":[{"id":"m","username":"mover","role":"contributor","ssh_keys":),
        qq([{"key_id":$version,"title":"laptop","value":"$type $blob"}]}]}\n);
    close $file or die "$path.new: $!\n";
    utime $time, $time, "$path.new" or die "$path.new: $!\n";
    rename "$path.new", $path or die "$path: $!\n";
}

# ---- Questions (common/wire.h) -----------------------------------------------------------------------

sub text { return pack 'V/a* x', $_[0] }

# The status of an answer; undef where the daemon is dead.
sub ask {
    my ($packet) = @_;
    socket my $socket, PF_UNIX, SOCK_SEQPACKET, 0 or die "socket: $!\n";
    connect $socket, sockaddr_un('/run/cloudauth/socket') or return;
    send $socket, $packet, 0 or return;
    my $got = recv $socket, my $answer, 131072, 0;
    return if !defined $got || length $answer < 8;
    return (unpack 'a4 C4', $answer)[3];
}

sub ask_key {
    my ($name, $key) = @_;
    my $question = pack('a4 C4 V', 'CLDA', 1, 5, 0, 0, SHELL);
    return ask($question . join('', map { text($_) } PROJECT . "-$name", @{$pool[$key]}) . pack('V', 0));
}

sub ask_account { return ask(pack('a4 C4', 'CLDA', 1, 1, 0, 0) . text(PROJECT . "-$_[0]")) }

# ---- Load --------------------------------------------------------------------------------------------

# One environment, until the daemon dies: reports "index P version" before that is published and
# "index A version" when it was answered by; "index X what" is wrong.
sub move {
    my ($index, $environment, $may_go, $last, $pid, $report) = @_;
    my ($name, $answered, $version) = @{$environment}{qw(name answered published)};
    my $tell = sub { syswrite $report, "$index @_\n" or die "pipe: $!\n" };

    while (1) {
        if ($version == $answered) {
            $version++;
            $version++ if is_absent($version) && $may_go-- <= 0;
            $tell->('P', $version);
            publish($index, $name, $version, int rand 4 ? int rand 2000 : int rand 500000);
        }
        my $end = time + 20;
        while (1) {
            my $status = ask_key($name, key_of($version));
            # What refused that key may be the last version. An account alone is not asked for anew.
            $status = ask_account($name) if defined $status && is_absent($version);
            return if !defined $status;
            last if $status == (is_absent($version) ? ABSENT : OK);
            if (time > $end) {
                $tell->('X', "$name: version $version is not answered by; the status is $status");
                return;
            }
        }
        kill 'KILL', $pid if $last eq 'absent' ? is_absent($version) : --$last == 0;
        $tell->('A', $version);
        my $before = ask_key($name, key_of($answered));
        return if !defined $before;
        $tell->('X', "$name: version $answered is back after $version") if $before == OK;
        $answered = $version;
    }
}

sub load {
    my ($seed, $round, $pid) = @_;
    my @environments = read_state();
    my ($events, $wrong) = (0, 0);
    my @children;

    srand($seed + 1000 * $round);
    my ($enough, $moment) = (20 + int rand 150, rand 0.004);
    my ($last, $whose) = (2 + int rand 12, int rand @environments);
    my $may_go = $round % @environments;
    ($round % 2 ? $last : $enough) = -1;
    ($last, $whose) = ('absent', $may_go) if $round % 4 == 0;

    pipe my $reports, my $report or die "pipe: $!\n";
    for my $index (0 .. $#environments) {
        my $child = fork // die "fork: $!\n";
        push @children, $child;
        next if $child;
        close $reports;
        srand($seed + 1000 * $round + $index + 1);
        # More than three that turn absent would be taken for an outage.
        move($index, $environments[$index], $index == $may_go,
            $index == $whose ? $last : -1, $pid, $report);
        POSIX::_exit(0);
    }
    close $report;
    while (my $line = <$reports>) {
        my ($index, $what, $rest) = $line =~ /^(\d+) (\w) (.*)$/ or die "report: $line";
        $environments[$index]{$what eq 'P' ? 'published' : 'answered'} = $rest if $what ne 'X';
        $wrong++, print "$rest\n" if $what eq 'X';
        next if ++$events != $enough && $what ne 'X';
        sleep $moment;
        kill 'KILL', $pid;
    }
    waitpid $_, 0 for @children;
    write_state(@environments);
    print "the daemon died by itself\n" if $events < $enough;
    return $wrong == 0 && $events >= $enough;
}

# ---- Afterwards, with no API ---------------------------------------------------------------------------

# "3": by that key alone; "": no one.
sub who_enters {
    my ($name) = @_;
    return join ',', grep { (ask_key($name, $_) // die "the daemon is dead\n") == OK } 0 .. POOL - 1;
}

sub expected { return is_absent($_[0]) ? '' : key_of($_[0]) }

sub check {
    my @environments = read_state();
    my $wrong = 0;

    for (@environments) {
        my $who = who_enters($_->{name});
        my ($version) = grep { expected($_) eq $who } @{$_}{qw(answered published)};
        if (!defined $version) {
            print "$_->{name}: answered by version $_->{answered}, published $_->{published}, ",
                "but now the key that enters is '$who'\n";
            $wrong++;
            next;
        }
        my $account = ask_account($_->{name}) // UNAVAILABLE;
        $wrong++, print "$_->{name}: version $version, but the account's status is $account\n"
            if ($account == OK) == is_absent($version);
        $_->{answered} = $version;
    }
    write_state(@environments);
    return $wrong == 0;
}

my $good;
if ($command eq 'make') {
    my @environments = map { {name => "move$_-abcdefg", answered => 0, published => 0} } 0 .. $ARGV[0] - 1;
    publish($_, $environments[$_]{name}, 0, 0) for 0 .. $#environments;
    write_state(@environments);
    $good = 1;
} elsif ($command eq 'load') {
    $good = load(@ARGV);
} elsif ($command eq 'check') {
    $good = check();
} else {
    die "no such command: $command\n";
}
exit !$good;
