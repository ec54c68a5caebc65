/* SPDX-License-Identifier: Apache-2.0 */
/* cmocka, with what it wants included before it. One group a program: the harness reads one TAP plan. */
#ifndef WH_TESTS_UNIT_TEST_H
#define WH_TESTS_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
