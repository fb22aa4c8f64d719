#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# sftp.pl COMMAND...: speaks SFTP version 3 with what COMMAND starts (`ssh -s HOST sftp`), packet by
# packet, so that it sends what sftp(1) would refuse to. Each line of stdin is one request,
#
#   get PATH                     lists the content of a file        list PATH      names in a directory
#   put PATH TEXT                makes or cuts and writes           append PATH TEXT
#   stat PATH, lstat PATH        "mode uid gid size"                readlink, realpath PATH
#   mkdir, rmdir, remove PATH    rename, posix-rename, hardlink OLD NEW
#   symlink TARGET NEW           chmod PATH MODE (octal)            chown PATH UID GID
#   truncate PATH SIZE           statvfs PATH                       lchmod PATH MODE
#   open PATH                    keeps a file open; `read N` and `write N TEXT` use its number
#   opendir PATH                 the same, for `names N`
#   expand PATH                  what ~ and ~user are              users UID...  their names
#   home USER                    his home
#
# and each answer one line: `ok ...`, or `error CODE TEXT` of the server's. In words and answers %XX
# is that byte. Ends with its stdin, or with `gone` when the server ends.
use strict;
use warnings;
use IPC::Open2;

my ($number, @handles) = (0);
my %code = (open => 3, close => 4, read => 5, write => 6, lstat => 7, setstat => 9, opendir => 11,
    readdir => 12, remove => 13, mkdir => 14, rmdir => 15, realpath => 16, stat => 17, rename => 18,
    readlink => 19, symlink => 20, extended => 200);
my ($from, $to);

sub text { return pack 'N/a*', $_[0] }
sub plain { my ($word) = @_; $word =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge; return $word }
sub quoted { my ($bytes) = @_; $bytes =~ s/([^!-\$&-~])/sprintf '%%%02X', ord $1/ge; return $bytes }

sub take {
    my ($n) = @_;
    my $bytes = '';
    while (length $bytes < $n) {
        my $got = sysread $from, $bytes, $n - length $bytes, length $bytes;
        if (!$got) {
            print "gone\n";
            exit 0;
        }
    }
    return $bytes;
}

sub receive { return take(unpack 'N', take(4)) }

sub send_packet {
    my ($packet) = text($_[0]);
    while (length $packet) {
        my $put = syswrite $to, $packet;
        last if !$put; # what it says of that is read next
        substr $packet, 0, $put, '';
    }
}

# Returns (type, body) of the answer; a status other than 0 is the whole request's end.
sub ask {
    my ($op, $body) = @_;
    send_packet(pack('C N', $code{$op}, ++$number) . $body);
    my ($type, $id, $rest) = unpack 'C N a*', receive();
    die "answer to request $id\n" if $id != $number;
    if ($type == 101) {
        my ($status, $message) = unpack 'N N/a*', $rest;
        die { status => $status, message => $message // '' } if $status != 0;
    }
    return $rest;
}

sub attributes {
    my ($flags, $rest) = unpack 'N a*', $_[0];
    my ($size, $uid, $gid, $mode) = ('', '', '', '');
    ($size, $rest) = unpack 'Q> a*', $rest if $flags & 1;
    ($uid, $gid, $rest) = unpack 'N N a*', $rest if $flags & 2;
    ($mode, $rest) = unpack 'N a*', $rest if $flags & 4;
    ($rest) = unpack 'x8 a*', $rest if $flags & 8;
    return (sprintf('%o %s %s %s', $mode || 0, $uid, $gid, $size), $rest);
}

sub names {
    my ($handle) = @_;
    my @names;
    while (1) {
        my $got = eval { ask('readdir', text($handle)) };
        last if ref $@ && $@->{status} == 1;
        die $@ if !defined $got;
        my ($n, $rest) = unpack 'N a*', $got;
        while ($n--) {
            (my $name, my $long, $rest) = unpack 'N/a* N/a* a*', $rest;
            (undef, $rest) = attributes($rest);
            push @names, quoted($name) if $name !~ /^\.\.?$/;
        }
    }
    return join ' ', sort @names;
}

sub with_handle {
    my ($handle, $use) = @_;
    my $got = eval { $use->($handle) };
    my $wrong = $@;
    eval { ask('close', text($handle)) };
    die $wrong if !defined $got;
    return $got;
}

sub opened { return unpack 'N/a*', ask('open', text($_[0]) . pack('N N', $_[1], 0)) }
sub directory { return unpack 'N/a*', ask('opendir', text($_[0])) }
sub content { return quoted(unpack 'N/a*', ask('read', text($_[0]) . pack('Q> N', 0, 32768))) }

sub put {
    my ($flags, $path, $words) = @_;
    return with_handle(opened($path, $flags),
        sub { ask('write', text($_[0]) . pack('Q>', 0) . text($words)); return '' });
}

sub keep { push @handles, $_[0]; return $#handles }
sub done { ask(@_); return '' }
sub extended { return ask('extended', join '', map { text($_) } @_) }
sub name { return quoted((unpack 'N N/a*', $_[0])[1]) }
sub mode { return pack 'N N', 4, oct $_[0] }

my %request = (
    get => sub { return with_handle(opened($_[0], 1), \&content) },
    list => sub { return with_handle(directory($_[0]), \&names) },
    put => sub { return put(2 | 8 | 16, @_) },
    append => sub { return put(2 | 4, @_) },
    stat => sub { return (attributes(ask('stat', text($_[0]))))[0] },
    lstat => sub { return (attributes(ask('lstat', text($_[0]))))[0] },
    readlink => sub { return name(ask('readlink', text($_[0]))) },
    realpath => sub { return name(ask('realpath', text($_[0]))) },
    mkdir => sub { return done('mkdir', text($_[0]) . pack 'N', 0) },
    rmdir => sub { return done('rmdir', text($_[0])) },
    remove => sub { return done('remove', text($_[0])) },
    rename => sub { return done('rename', text($_[0]) . text($_[1])) },
    # OpenSSH's order of the two, which is not the draft's.
    symlink => sub { return done('symlink', text($_[0]) . text($_[1])) },
    'posix-rename' => sub { extended('posix-rename@openssh.com', @_); return '' },
    hardlink => sub { extended('hardlink@openssh.com', @_); return '' },
    chmod => sub { return done('setstat', text($_[0]) . mode($_[1])) },
    lchmod => sub { done('extended', text('lsetstat@openssh.com') . text($_[0]) . mode($_[1])) },
    chown => sub { return done('setstat', text($_[0]) . pack 'N N N', 2, $_[1], $_[2]) },
    truncate => sub { return done('setstat', text($_[0]) . pack 'N Q>', 1, $_[1]) },
    # Blocks and their size: whose file system it is.
    statvfs => sub { return join ' ', (unpack 'Q>*', extended('statvfs@openssh.com', $_[0]))[1, 2] },
    expand => sub { return name(extended('expand-path@openssh.com', @_)) },
    home => sub { return name(extended('home-directory', @_)) },
    users => sub {
        my $got = extended('users-groups-by-id@openssh.com', pack('N*', @_), '');
        return join ' ', map { quoted($_) } unpack '(N/a*)*', unpack 'N/a*', $got;
    },
    open => sub { return keep(opened($_[0], 1 | 2)) },
    opendir => sub { return keep(directory($_[0])) },
    read => sub { return content($handles[$_[0]]) },
    write => sub { return done('write', text($handles[$_[0]]) . pack('Q>', 0) . text($_[1])) },
    names => sub { return names($handles[$_[0]]) },
);

$| = 1;
$SIG{PIPE} = 'IGNORE';
open2($from, $to, @ARGV);
send_packet(pack 'C N', 1, 3);
my ($type, $version) = unpack 'C N', receive();
die "not an SFTP server of version 3\n" if $type != 2 || $version != 3;
print "ok\n";
while (my $line = <STDIN>) {
    my ($op, @words) = split ' ', $line;
    die "no such request: $op\n" if !$request{$op};
    my $got = eval { $request{$op}->(map { plain($_) } @words) };
    if (defined $got) {
        print $got eq '' ? "ok\n" : "ok $got\n";
    } elsif (ref $@) {
        print "error $@->{status} $@->{message}\n";
    } else {
        die $@;
    }
}
