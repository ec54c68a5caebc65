/* SPDX-License-Identifier: Apache-2.0 */
/* The public face of base/: what every other folder may use. */
#ifndef WH_BASE_H
#define WH_BASE_H

#include "base/banned.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/platform.h"
#include "base/proc.h"
#include "base/reference.h"
#include "base/str.h"

#endif
