/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_COMMON_STATUS_H
#define CLOUD_COMMON_STATUS_H

/*
 * The four answers there are, everywhere: on the wire, in the daemon and in each front.
 * They are never mixed. Absent is the API's own word; an outage is never absent.
 * Each front has one function that maps them to NSS, PAM or an exit status, and the default of
 * that function is the answer that lets nobody in.
 */
enum cloud_status {
    CLOUD_UNAVAILABLE = 0, /* nobody can say now: outage, time-out, protocol fault; the default */
    CLOUD_OK = 1,          /* the answer is in the reply */
    CLOUD_ABSENT = 2,      /* there is no such account here */
    CLOUD_REFUSED = 3,     /* it exists, and policy says no; reason and message are in the reply */
};

#endif
