# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The login names of docs/api.md, each by a real login.

# the name of a project is its production environment
test_production() {
    enters alice abcdefghij
    audit 'grant account=abcdefghij kind=shell project=abcdefghij environment=production .*user=alice'
}

# _stg is staging
test_staging() {
    enters bob abcdefghij_stg
    audit 'grant account=abcdefghij_stg .*environment=staging .*user=bob role=contributor'
}

# _stg2 is the second staging
test_staging2() {
    document abcdefghij staging2 '.environment.status = "active"'
    enters bob abcdefghij_stg2
    audit 'grant account=abcdefghij_stg2 .*environment=staging2'
}

# _sftp is sFTP only, on production
test_sftp() {
    echo upload >/root/upload
    sftp_batch media-agency abcdefghij_sftp <<<"put /root/upload /pub/media/upload"
    same upload "$(cat /app/abcdefghij/pub/media/upload)"
    same 200001 "$(stat -c %u /app/abcdefghij/pub/media/upload)"
    audit 'grant account=abcdefghij_sftp kind=sftp .*environment=production .*user=media-agency role=sftp'
}

# _stg_sftp is sFTP only, on staging
test_staging_sftp() {
    contains "$(sftp_batch media-agency abcdefghij_stg_sftp <<<"pwd")" '^Remote working directory: /$'
    audit 'grant account=abcdefghij_stg_sftp kind=sftp .*environment=staging'
}

# a grid environment, default application
test_grid() {
    enters bob abcdefg123abc-smith-a12b34c
    audit 'grant account=abcdefg123abc-smith-a12b34c .*project=abcdefg123abc environment=smith-a12b34c app= '
}

# a grid environment, in an application
test_grid_app() {
    enters bob abcdefg123abc-smith-a12b34c--mymagento
    audit 'grant .*environment=smith-a12b34c app=mymagento '
}

# a grid environment, in a worker of an application
test_grid_worker() {
    enters bob abcdefg123abc-smith-a12b34c--mymagento--queue
    audit 'grant .*environment=smith-a12b34c app=mymagento--queue '
}

# the gateway's spelling of the dedicated account, with a node
test_gateway_node() {
    enters alice 1.ent-abcdefghij-production-abc1234
    audit 'grant account=1.ent-abcdefghij-production-abc1234 .*environment=production'
}

# the gateway's spelling without a node
test_gateway() {
    enters bob ent-abcdefghij-staging-abc1234
    audit 'grant account=ent-abcdefghij-staging-abc1234 .*environment=staging'
}

# a login name of 60 characters
test_long_name() {
    local login=abcdefg123abc-smith-a12b34c--mymagento--queue-for-the-emails
    same 60 "${#login}"
    enters bob "$login"
    same "$login" "$(getent passwd "$login" | cut -d: -f1)"
}

# a session has its project, environment, application and user in its variables
test_environment_variables() {
    same "CLOUDAUTH_APPLICATION=mymagento
CLOUDAUTH_ENVIRONMENT=smith-a12b34c
CLOUDAUTH_PROJECT=abcdefg123abc
CLOUDAUTH_USER=bob" "$(as bob abcdefg123abc-smith-a12b34c--mymagento 'env | grep ^CLOUDAUTH_ | sort')"
}

# names that nearly fit are unknown, and the daemon is not asked
test_no_such_form() {
    local login
    daemon_stop
    contains "$(strace -f -e trace=connect getent passwd abcdefghij 2>&1)" cloudauth/socket
    for login in abcdefghij_ abcdefghij_foo abcdefghij_stg_ abcdefghij- abcdefghij-short \
        abcdefghij--app Abcdefghij 1234567 ent-abcdefghij-production .ent-abcdefghij-production-a; do
        unknown "$login"
        fails contains "$(strace -f -e trace=connect getent passwd "$login" 2>&1)" cloudauth/socket
    done
}
