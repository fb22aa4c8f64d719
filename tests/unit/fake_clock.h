/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_TESTS_FAKE_CLOCK_H
#define CLOUD_TESTS_FAKE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* A test that uses one of these gets both clocks from here instead of from the kernel. They stand
 * still until the test changes them, also while a worker thread reads them. */
extern _Atomic int64_t fake_ms;  /* what cloud_clock_ms() returns */
extern _Atomic time_t fake_time; /* what time(2) returns */

#endif
