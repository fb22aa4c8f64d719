#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# profile.pl PROFILE TRACE...
#
# Holds what strace(1) (-y, file and network calls) saw a program do against the file rules of its AppArmor
# profile, with the abstractions that it includes. Prints "PERMISSION PATH" of what is not allowed, once
# each, "? CALL" of a call that it does not know, and last "N accesses". Kernels of test machines often have no AppArmor to try it with.
use strict;
use warnings;

my ($profile, @traces) = @ARGV;
@traces or die "usage: profile.pl PROFILE TRACE...\n";

my (%variable, @rules, %read);

# A glob of apparmor.d(5) as a regular expression.
sub regex {
    my ($glob) = @_;
    my ($out, $depth) = ('', 0);
    $glob =~ s/\@\{([A-Za-z_]+)\}/exists $variable{$1} ? '{' . join(',', @{$variable{$1}}) . '}' : die "no $1 known\n"/ge
        while $glob =~ /\@\{/;
    while ($glob =~ /\G(\*\*|\*|\?|\[[^\]]*\]|\{|\}|,|\\?.)/g) {
        my $part = $1;
        if    ($part eq '**') { $out .= '.*' }
        elsif ($part eq '*')  { $out .= '[^/]*' }
        elsif ($part eq '?')  { $out .= '[^/]' }
        elsif ($part =~ /^\[/) { $out .= $part }
        elsif ($part eq '{')  { $out .= '(?:'; $depth++ }
        elsif ($part eq '}')  { $out .= ')'; $depth-- }
        elsif ($part eq ',' && $depth) { $out .= '|' }
        else { $out .= quotemeta($part =~ s/^\\//r) }
    }
    return qr{^$out$};
}

sub take_file {
    my ($file) = @_;
    return if $read{$file}++;
    if (-d $file) {
        take_file($_) for grep { -f } glob("$file/*");
        return;
    }
    open(my $in, '<', $file) or die "$file: $!\n";
    while (<$in>) {
        if (/^\s*#?include\s+(if\s+exists\s+)?<([^>]+)>/) {
            my $what = "/etc/apparmor.d/$2";
            take_file($what) if !$1 || -e $what;
        } elsif (/^\@\{([A-Za-z_]+)\}\s*\+?=\s*(.*)/) {
            # Two slashes of a rule count as one.
            push @{$variable{$1}}, map { s/^"|"$//gr =~ s{(?<=.)/$}{}r } split ' ', $2;
        } elsif (m{^\s*(?:owner\s+)?((?:/|\@\{)\S*)\s+([a-zA-Z]+),}) {
            push @rules, [$1, $2];
        }
    }
}

take_file($profile);
# Tunables of the kernel's own, where no file sets them.
$variable{pid} //= ['[0-9]*'];
$variable{pids} //= ['[0-9]*'];
my @allowed = map { [regex($_->[0]), $_->[1]] } @rules;

my (%refused, %seen);

# Calls that need no permission of their own, beside those of strace's classes that act on a descriptor.
my %harmless = map { $_ => 1 } qw(access faccessat faccessat2 stat lstat newfstatat statx readlink readlinkat statfs getcwd
    chdir fchdir openat openat2 socket socketpair connect bind listen accept accept4 shutdown getsockname getpeername
    getsockopt setsockopt sendto sendmsg sendmmsg recvfrom recvmsg recvmmsg read write);

sub access_to {
    my ($path, $permission) = @_;
    1 while $path =~ s{/\./|//}{/};
    return if $path !~ m{^/} || $seen{"$permission $path"}++;
    return if grep { $path =~ $_->[0] && $_->[1] =~ /$permission/ } @allowed;
    # A directory's own rule ends in '/'.
    return if grep { "$path/" =~ $_->[0] && $_->[1] =~ /$permission/ } @allowed;
    $refused{"$permission $path"} = 1;
}

sub at {
    my ($directory, $path) = @_;
    return $path if $path =~ m{^/};
    return $directory =~ /<([^>]*)>/ ? "$1/$path" : '';
}

for my $trace (@traces) {
    open(my $in, '<', $trace) or die "$trace: $!\n";
    while (<$in>) {
        s/^\d+\s+//;
        next if / = -1 /;
        if (/^openat2?\(([^,]+), "([^"]*)", ([^)]*)/) {
            my ($path, $flags) = (at($1, $2), $3);
            access_to($path, 'w') if $flags =~ /O_(WRONLY|RDWR|CREAT)/;
            access_to($path, 'r') if $flags !~ /O_(WRONLY|PATH)/;
        } elsif (/^(?:connect|bind|sendto|sendmsg)\(.*sun_path="([^"]+)"/) {
            access_to($1, 'w');
        } elsif (/^renameat2?\(([^,]+), "([^"]*)", ([^,]+), "([^"]*)"/) {
            access_to(at($1, $2), 'w');
            access_to(at($3, $4), 'w');
        } elsif (/^rename\("([^"]*)", "([^"]*)"/) {
            access_to($1, 'w');
            access_to($2, 'w');
        } elsif (/^linkat\([^,]+, "[^"]*", ([^,]+), "([^"]*)"/) {
            access_to(at($1, $2), 'l');
        } elsif (/^(?:unlink|mkdir|chmod|chown|truncate)\("([^"]*)"/) {
            access_to($1, 'w');
        } elsif (/^(?:unlinkat|mkdirat|fchmodat|fchownat)\(([^,]+), "([^"]*)"/) {
            access_to(at($1, $2), 'w');
        } elsif (/^inotify_add_watch\([^,]+, "([^"]*)"/) {
            access_to($1, 'r');
        } elsif (/^execve\("([^"]*)"/) {
            access_to($1, 'm');
        } elsif (/^([a-z_0-9]+)\(/ && !$harmless{$1}) {
            $refused{"? $1"} = 1;
        }
    }
}
print "$_\n" for sort keys %refused;
print scalar(keys %seen), " accesses\n";
