// SPDX-License-Identifier: GPL-2.0-only
#include "probe.h"

const struct ktap_probe_kind ktap_function;
const struct ktap_probe_kind ktap_function_exit;
