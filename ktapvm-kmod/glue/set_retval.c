// SPDX-License-Identifier: GPL-2.0-only
#include <linux/errno.h>

#include "border.h"

int kph_set_retval(const struct kp_event *event, u64 value)
{
	return -EOPNOTSUPP;
}
