/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_COMMON_STATUS_H
#define CLOUD_COMMON_STATUS_H

/*
 * The four answers to a question about an account, on the wire and in every program. They are never
 * mixed: an account is absent only if the API says so, and an outage is never answered as absent.
 * Each client has one function that maps them to NSS, PAM or an exit status; its default refuses
 * the login.
 */
enum cloud_status {
    CLOUD_UNAVAILABLE =
        0,             /* unknown for now: an outage, a timeout, a protocol error; the default */
    CLOUD_OK = 1,      /* the reply has the answer */
    CLOUD_ABSENT = 2,  /* there is no such account on this host */
    CLOUD_REFUSED = 3, /* the policy refuses; the reply has a reason and a message */
};

#endif
